//! Handles in questions and answers, where they have to be looked up first.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;
use tokio::time::Instant;
use tower::ServiceExt;

use super::world::{Answer, World, exchange};
use crate::http::router;
use crate::identity::Bounds;
use crate::identity::tests::{ADA, Reply, Stub, did, directory, document, resolver, resolver_with, with_plc};
use crate::records::Kind;

const LIST: &str = "community.lexicon.calendar.listRSVPs";
const AUTHOR: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";

/// Ada answers an event, and only the network knows her handle.
fn world() -> (World, Stub) {
    let stub = with_plc(directory(vec![document(ADA, 1, "ada.host.com")]));
    stub.texts("ada.host.com", &[&format!("did={ADA}")]);
    let mut world = World::new();
    let event = json!({ "name": "Fair" });
    let event = world.put(AUTHOR, Kind::Event, "fair", event);
    world.put(AUTHOR, Kind::Rsvp, "a", json!({ "subject": event, "status": "going" }));
    world.service.identities = resolver(&stub);
    (world, stub)
}

#[tokio::test(start_paused = true)]
async fn a_handle_in_a_question_is_looked_up() {
    let (world, stub) = world();
    for handle in ["ada.host.com", "ADA.host.com"] {
        let found = world.get(LIST, &[("identity", handle)]).await;
        assert_eq!(found["rsvps"].as_array().unwrap().len(), 1, "{found}");
    }
    assert_eq!(stub.asked(), [format!("/{ADA}")], "once");
    let refused = world.ask(LIST, &[("identity", "nobody.host.com")]).await;
    assert_eq!((refused.status, &refused.json["error"]), (StatusCode::BAD_REQUEST, &json!("InvalidRequest")));
}

#[tokio::test(start_paused = true)]
async fn a_handle_in_the_path_of_a_feed_is_looked_up_too() {
    let (world, stub) = world();
    let request = Request::get("/calendar/Ada.host.com/events.ics").body(Body::empty()).unwrap();
    let answer = router(world.service.clone()).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(stub.asked(), [format!("/{ADA}")]);
    world.send(Method::GET, "/calendar/nobody.host.com/events.ics").await.assert_error(400, "InvalidRequest");
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_wait_long_for_a_slow_host() {
    let (world, stub) = world();
    stub.site("www.host.com", "93.184.0.1", |_| Reply::Silence);
    let begun = Instant::now();
    let refused = world.ask(LIST, &[("identity", "www.host.com")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_can_have_us_look_up_handles_without_end() {
    let (world, stub) = world();
    let (mut busy, begun) = (0, Instant::now());
    let routes = router(world.service.clone());
    for n in 0..300 {
        let name = format!("n{n}.slow.com");
        stub.site(&name, "93.184.0.1", |_| Reply::status(404, "", ""));
        let request = Request::get(format!("/xrpc/{LIST}?identity={name}")).body(Body::empty()).unwrap();
        let answer = routes.clone().oneshot(request).await.unwrap();
        busy += usize::from(answer.status() == StatusCode::SERVICE_UNAVAILABLE);
    }
    // A hundred at once, and ten a second after that.
    let (asked, allowed) = (300 - busy, 101 + begun.elapsed().as_secs() * 10 + 10);
    assert!(u64::try_from(asked).unwrap() <= allowed, "{asked} of {allowed}");
    assert_eq!(stub.connected().len(), asked);
    let known = world.ask(LIST, &[("identity", ADA)]).await;
    assert_eq!(known.status, StatusCode::OK, "DIDs need no look-up");
}

#[tokio::test(start_paused = true)]
async fn an_answer_shows_the_handle_once_it_is_known_and_then_is_another() {
    let (mut world, _stub) = world();
    let event = world.put(AUTHOR, Kind::Event, "fest", json!({ "name": "Fest" }));
    world.put(AUTHOR, Kind::Rsvp, "b", json!({ "subject": event, "status": "going" }));
    let ask = async || {
        world.ask("app.guestlist.listEventRSVPs", &[("event", event["uri"].as_str().unwrap())]).await
    };
    let first = ask().await;
    assert_eq!(first.json["rsvps"][0]["handle"], json!(null), "{}", first.json);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let second = ask().await;
    assert_eq!(second.json["rsvps"][0]["handle"], "ada.host.com");
    assert_ne!(first.headers["etag"], second.headers["etag"]);
    assert_eq!(second.headers["etag"], ask().await.headers["etag"]);
}

/// Asks over routes that several questions share.
async fn ask(routes: &axum::Router, query: &str) -> Answer {
    let request = Request::get(format!("/xrpc/{query}")).body(Body::empty()).unwrap();
    exchange(routes.clone(), request).await
}

/// How several people stand whose handles nobody knows.
fn standings(world: &mut World, names: impl Iterator<Item = String>) -> String {
    let round = world.network();
    let round = round["uri"].as_str().unwrap();
    names.fold(format!("app.guestlist.getStandings?round={round}"), |query, name| query + "&actors=" + &name)
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_takes_longer_than_its_client_waits_is_known_to_the_next() {
    let (world, stub) = world();
    stub.texts("ada.host.com", &[]);
    let pause = Duration::from_millis(80);
    let answer = format!("HTTP/1.1 200 X\r\ncontent-length: 32\r\n\r\n{ADA}").into_bytes();
    stub.site("ada.host.com", "93.184.0.1", move |_| Reply::Drip(answer.clone(), pause));
    let (routes, query) = (router(world.service.clone()), format!("{LIST}?identity=ada.host.com"));
    assert_eq!(ask(&routes, &query).await.status, StatusCode::BAD_REQUEST);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ask(&routes, &query).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_question_with_too_many_handles_costs_the_others_nothing() {
    let (mut world, stub) = world();
    stub.texts("one.slow.com", &[&format!("did={ADA}")]);
    let many = standings(&mut world, (0..100).map(|n| format!("n{n}.slow.com")));
    let routes = router(world.service.clone());
    for _ in 0..3 {
        assert_eq!(
            ask(&routes, &format!("{LIST}?identity=one.slow.com")).await.status,
            StatusCode::BAD_REQUEST
        );
        assert_eq!(ask(&routes, &many).await.status, StatusCode::SERVICE_UNAVAILABLE);
        world.service.identities.forget(&did(ADA));
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_ask_for_slow_hosts_do_not_hold_up_accounts() {
    let (mut world, stub) = world();
    let account = |n: usize| format!("did:web:h{n}.slow.com");
    for n in 0..80 {
        stub.site(&format!("h{n}.slow.com"), "93.184.0.7", |_| Reply::Silence);
        stub.texts(&format!("n{n}.slow.com"), &[&format!("did={}", account(n))]);
    }
    let body = document("did:web:www.host.com", 1, "www.host.com").to_string();
    stub.site("www.host.com", "93.184.0.2", move |_| Reply::body(&body));
    let queries: Vec<_> =
        [0, 40].map(|from| standings(&mut world, (from..from + 40).map(|n| format!("n{n}.slow.com")))).into();
    let routes = router(world.service.clone());
    for query in queries {
        let routes = routes.clone();
        tokio::spawn(async move { ask(&routes, &query).await });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stub.connected().len() > 4, "they are at it");
    let begun = Instant::now();
    world.service.identities.document(&did("did:web:www.host.com")).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_could_not_be_looked_up_for_others_is_not_called_nobodys() {
    let (mut world, stub) = world();
    stub.site("www.host.com", "93.184.0.1", |_| Reply::Silence);
    world.service.identities = resolver_with(&stub, |limits| {
        limits.handles = Bounds { at_once: 1, at_once_per_host: 1, waiting: 0 }
    });
    let routes = router(world.service.clone());
    let [slow, other] = ["www", "ada"].map(|name| format!("{LIST}?identity={name}.host.com"));
    let slow = ask(&routes, &slow);
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        ask(&routes, &other).await
    };
    let (slow, other) = futures_util::future::join(slow, other).await;
    assert_eq!((slow.status, other.status), (StatusCode::BAD_REQUEST, StatusCode::SERVICE_UNAVAILABLE));
}
