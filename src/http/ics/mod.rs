//! iCalendar feeds: what somebody organizes, and what they go to, for the calendars of others to subscribe to.
//!
//! `find` says which events are in a feed, `entry` makes one an entry, `time` says when it is, and `text` how texts are
//! written. A feed follows from what is in it and from the day, and so does its entity tag: a calendar that asks again learns that
//! nothing has changed, whatever was written elsewhere. Specs: RFC 5545, RFC 7986.

mod entry;
mod find;
mod text;
mod time;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use icalendar::{Calendar, Property};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Call, Depends, Run, Shared, answer_path};
use super::error::{ApiError, Failure};
use super::event::true_handle;
use super::event_url;
use crate::syntax::Did;

use entry::Entry;

/// The part of the path that says whose feed it is.
const ACTOR: &str = "actor";

const EVENTS: &str = "/calendar/{actor}/events.ics";
const RSVPS: &str = "/calendar/{actor}/rsvps.ics";

const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";

/// Calendars ask every few minutes at most, and many of one feed may stand behind one cache.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// How often a calendar should ask again: an hour, which is often enough for plans.
const REFRESH: &str = "PT1H";

/// Who wrote it. Without a version: the same events are the same bytes.
const PRODUCT: &str = "-//guestlist//iCalendar feeds//EN";

/// Bytes of a hash that make an entity tag.
const TAG_BYTES: usize = 16;

/// A feed, as it is sent.
pub(super) struct Feed(pub(super) String);

impl Answer for Feed {
    fn response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0).into_response()
    }

    fn tag(&self) -> Option<String> {
        let hash = Sha256::digest(&self.0);
        let hash: String = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Some(format!("\"{hash}\""))
    }
}

/// The routes of the feeds.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().merge(feed(EVENTS, events)).merge(feed(RSVPS, rsvps))
}

fn feed(route: &'static str, run: Run<Feed>) -> Router<Arc<Shared>> {
    let handler = move |State(shared): State<Arc<Shared>>,
                        actor: Result<Path<String>, PathRejection>,
                        headers: HeaderMap| async move {
        // What is no text when it is decoded is nobody's name.
        let Ok(Path(actor)) = actor else {
            return ApiError::BadParameter { name: ACTOR, expected: "a DID or a handle" }.into_response();
        };
        let mut response =
            answer_path(shared, (route, Depends::ByContent), (ACTOR, actor), &headers, run).await;
        if matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED) {
            response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
        }
        response
    };
    Router::new().route(route, get(handler))
}

/// The feed of an organizer's events.
pub(super) fn events(call: &Call<'_>) -> Result<Feed, Failure> {
    let organizer = call.params.actor(ACTOR, call.names)?;
    let entries = find::organized(call, &organizer)?;
    Ok(write(call, EVENTS, &organizer, "Events of", entries))
}

/// The feed of what somebody goes to.
pub(super) fn rsvps(call: &Call<'_>) -> Result<Feed, Failure> {
    let author = call.params.actor(ACTOR, call.names)?;
    let entries = find::answered(call, &author)?;
    Ok(write(call, RSVPS, &author, "RSVPs of", entries))
}

fn write(call: &Call<'_>, route: &str, actor: &Did, what: &str, mut entries: Vec<Entry>) -> Feed {
    entries.sort_by(|one, other| (one.start, &one.uid).cmp(&(other.start, &other.uid)));
    let mut calendar = Calendar::empty();
    // No METHOD: with it every entry would have to name an organizer by an address of mail (RFC 5546 §3.2.1), and DTSTAMP would be
    // the time of the request.
    for (name, value) in [("VERSION", "2.0"), ("PRODID", PRODUCT), ("CALSCALE", "GREGORIAN")] {
        calendar.append_property((name, value));
    }
    // The library writes a NAME as it is; there is nothing to escape in a DID or a handle.
    calendar
        .name(&format!("{what} {}", true_handle(call, actor).as_deref().unwrap_or(actor.as_str())))
        .append_property(Property::new("REFRESH-INTERVAL", REFRESH).add_parameter("VALUE", "DURATION").done())
        .append_property(("X-PUBLISHED-TTL", REFRESH))
        .append_property(
            Property::new("SOURCE", source(call, route, actor)).add_parameter("VALUE", "URI").done(),
        )
        .extend(entries.into_iter().map(|entry| entry.event));
    Feed(text::fold(&calendar.to_string()))
}

/// Where the feed is had, by the DID: that stays when the handle changes.
fn source(call: &Call<'_>, route: &str, actor: &Did) -> String {
    let mut encoded = String::new();
    event_url::encode(actor.as_str(), &mut encoded);
    call.service.public_url.trim_end_matches('/').to_owned() + &route.replace("{actor}", &encoded)
}
