//! iCalendar feeds, as calendars ask for them and as another library reads them.
#![allow(clippy::disallowed_methods, reason = "events of today")]

mod edges;
mod feeds;
mod reader;
mod texts;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tower::ServiceExt;

use super::calendar::{event, time};
use super::world::World;
use crate::http::answer::{Call, Run};
use crate::http::error::{ApiError, Failure};
use crate::http::ics::{self, Feed};
use crate::http::names::{Found, Names};
use crate::http::params::Params;
use crate::http::router;
use crate::records::Kind;

use reader::{Vevent, read};

/// 2026-06-01T15:00:00Z, and when the day begins.
const NOW: i64 = DAY_BEGINS + 15 * HOUR;
const DAY_BEGINS: i64 = 1_780_272_000 * SECOND;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

const EVENTS: &str = "/calendar/did:plc:ada/events.ics";

/// A feed as of a time.
fn feed_at(world: &World, now: i64, run: Run<Feed>, actor: &str) -> Result<String, ApiError> {
    let snapshot = world.service.store.snapshot();
    let (params, found) = (Params::of("actor", actor), Found::new());
    let names = Names::new(&world.service.identities, &found);
    let (rows, service) = (&*snapshot, &world.service);
    let call = Call { method: "test", caller: None, params: &params, rows, names: &names, service, now };
    match run(&call) {
        Ok(Feed(text)) => Ok(text),
        Err(Failure::Client(error)) => Err(error),
        Err(Failure::Store(error)) => panic!("{error}"),
    }
}

/// The entries of Ada's events as of a time.
fn events_at(world: &World, now: i64) -> Vec<Vevent> {
    read(&feed_at(world, now, ics::events, "did:plc:ada").unwrap()).events
}

/// The entries of what Bea goes to as of a time.
fn rsvps_at(world: &World, now: i64) -> Vec<Vevent> {
    read(&feed_at(world, now, ics::rsvps, "did:plc:bea").unwrap()).events
}

/// The record keys of entries.
fn keys(events: &[Vevent]) -> Vec<&str> {
    events.iter().map(|event| event.value("UID").unwrap().rsplit('/').next().unwrap()).collect()
}

async fn send(
    world: &World,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = router(world.service.clone()).oneshot(request).await.unwrap().into_parts();
    (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

fn world() -> World {
    let mut world = World::new();
    world.introduce(&["ada"]);
    let now = Timestamp::now().as_microsecond();
    let fair = world.put("ada", Kind::Event, "fair", event(now + 30 * DAY, None));
    world.put(
        "ada",
        Kind::Rsvp,
        "r",
        json!({ "subject": fair, "status": "community.lexicon.calendar.rsvp#going" }),
    );
    world
}

#[tokio::test]
async fn a_feed_is_had_by_did_and_by_handle() {
    let world = world();
    for feed in ["events.ics", "rsvps.ics"] {
        let (status, headers, body) =
            send(&world, Method::GET, &format!("/calendar/did:plc:ada/{feed}"), &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-type"], "text/calendar; charset=utf-8");
        assert_eq!(headers["cache-control"], "public, max-age=300");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(headers.contains_key("guestlist-position") && headers.contains_key("x-request-id"));
        let text = String::from_utf8(body.clone()).unwrap();
        assert_eq!(keys(&read(&text).events), ["fair"]);
        assert!(text.contains(&format!("/calendar/did:plc:ada/{feed}\r\n")), "{text}");
        for actor in ["did%3Aplc%3Aada", "did%3aplc:ada", "ada.example", "Ada.Example", "%61da.example"] {
            let path = format!("/calendar/{actor}/{feed}?whatever");
            assert_eq!(send(&world, Method::GET, &path, &[]).await.2, body, "{path}");
        }
        let path = format!("/calendar/ada.example/{feed}");
        let (status, of_head, nothing) = send(&world, Method::HEAD, &path, &[]).await;
        assert_eq!((status, nothing.len()), (StatusCode::OK, 0));
        for name in ["content-type", "cache-control", "etag", "guestlist-position"] {
            assert_eq!(of_head[name], headers[name], "{name}");
        }
    }
}

#[tokio::test]
async fn whoever_asks_again_learns_that_nothing_changed() {
    let mut world = world();
    let (_, headers, _) = send(&world, Method::GET, EVENTS, &[]).await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    // What others write is another state of the store, and the same feed.
    world.put("bea", Kind::Event, "fest", event(NOW, None));
    for known in [tag.clone(), format!("\"other\", W/{tag}")] {
        for method in [Method::GET, Method::HEAD] {
            let (status, of_news, body) = send(&world, method, EVENTS, &[("if-none-match", &known)]).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
            assert_eq!(of_news["cache-control"], "public, max-age=300");
            assert_eq!(of_news["etag"], tag.as_str());
            assert_ne!(of_news["guestlist-position"], headers["guestlist-position"]);
        }
    }
    world.put("ada", Kind::Event, "fest", event(Timestamp::now().as_microsecond() + DAY, None));
    let (status, headers, _) = send(&world, Method::GET, EVENTS, &[("if-none-match", &tag)]).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(headers["etag"], tag.as_str());
}

#[tokio::test]
async fn a_large_feed_is_compressed_for_who_takes_that() {
    let mut world = world();
    let now = Timestamp::now().as_microsecond();
    for number in 0..20 {
        world.put("ada", Kind::Event, &format!("e{number}"), event(now + DAY, None));
    }
    let (_, _, plain) = send(&world, Method::GET, EVENTS, &[]).await;
    let (_, headers, packed) = send(&world, Method::GET, EVENTS, &[("accept-encoding", "gzip")]).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["content-type"], "text/calendar; charset=utf-8");
    assert!(headers["etag"].to_str().unwrap().starts_with("W/"));
    assert!(packed.len() * 2 < plain.len());
}

#[tokio::test]
async fn what_is_no_feed_is_an_error_like_any_other() {
    let world = world();
    for (method, path, status, name) in [
        (Method::GET, "/calendar/nobody/events.ics", 400, "InvalidRequest"),
        (Method::GET, "/calendar/did:plc/events.ics", 400, "InvalidRequest"),
        (Method::GET, "/calendar/%FF/events.ics", 400, "InvalidRequest"),
        (Method::GET, "/calendar/%00/rsvps.ics", 400, "InvalidRequest"),
        (Method::GET, "/calendar/ada.example%0D%0AX:y/rsvps.ics", 400, "InvalidRequest"),
        (Method::GET, "/calendar/stranger.example/events.ics", 400, "InvalidRequest"),
        (Method::GET, "/calendar/did:plc:ada/events.json", 404, "NotFound"),
        (Method::GET, "/calendar/did:plc:ada/events", 404, "NotFound"),
        (Method::GET, "/calendar/did:plc:ada/", 404, "NotFound"),
        (Method::GET, "/calendar/did:plc:ada", 404, "NotFound"),
        (Method::GET, "/calendar//events.ics", 400, "InvalidRequest"),
        (Method::POST, EVENTS, 405, "MethodNotAllowed"),
    ] {
        let answer = world.send(method, path).await;
        answer.assert_error(status, name);
        for header in ["cache-control", "etag"] {
            assert!(!answer.headers.contains_key(header), "{path}");
        }
    }
    let answer = world.send(Method::GET, "/calendar/nobody/events.ics").await;
    let message = answer.assert_error(400, "InvalidRequest");
    assert_eq!(message, "the parameter `actor` must be a DID or a handle");
}

#[tokio::test]
async fn somebody_of_whom_nothing_is_known_has_an_empty_calendar() {
    let world = world();
    for feed in ["events.ics", "rsvps.ics"] {
        let path = format!("/calendar/did:web:nobody.example/{feed}");
        let (status, _, body) = send(&world, Method::GET, &path, &[]).await;
        assert_eq!(status, StatusCode::OK);
        let read = read(&String::from_utf8(body).unwrap());
        assert!(read.events.is_empty());
        assert!(read.text("NAME").ends_with(" of did:web:nobody.example"));
    }
}
