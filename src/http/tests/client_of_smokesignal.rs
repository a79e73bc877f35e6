//! A public client of Smoke Signal's API, by the calls that it makes and by what it reads of the answers.
//!
//! It is `flo-bit/blento`, a builder of personal pages (as of its commit fb4d93d, of February 2026). It shows an event as a card, a
//! page of its own and a picture for previews, and an organizer's upcoming events as a list; and it lets whoever is logged in
//! answer. Servers ask, and browsers, these from the origin of the page. It sends no header of its own, escapes every
//! parameter, takes any status but a success for "not found", and reads no body of an error. Its search has a test beside
//! those of search.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::world::{Answer, World, exchange, query_of};
use crate::http::router;
use crate::records::Kind;

/// Where a page is that somebody built.
const ORIGIN: &str = "https://blento.app";

const PICTURE: &str = "bafkreiceolqelkmf2d4pc5h74hwxkqabxefx5i6z3gjvdhm7b6ew2v3lvi";

/// An event with everything that the client shows of one, as applications write it.
fn party() -> Value {
    json!({
        "name": "Listening Party",
        "description": "Bring a record.\n\nOr two.",
        "mode": "community.lexicon.calendar.event#hybrid",
        "status": "community.lexicon.calendar.event#scheduled",
        "startsAt": "2026-03-01T18:00:00.000Z",
        "endsAt": "2026-03-01T20:00:00.000Z",
        "locations": [{
            "$type": "community.lexicon.location.address",
            "street": "1 Main St", "locality": "Berlin", "region": "BE", "country": "DE",
        }],
        "media": [{
            "alt": "A record player",
            "role": "thumbnail",
            "content": {
                "$type": "blob", "ref": { "$link": PICTURE }, "mimeType": "image/png", "size": 12_345,
            },
            "aspect_ratio": { "width": 1600, "height": 900 },
        }],
        "uris": [{ "uri": "https://party.example/", "name": "Site" }],
    })
}

/// The event of `ada`, and where people see it.
fn world() -> (World, Value) {
    let mut world = World::new();
    world.introduce(&["ada"]);
    let event = world.put("ada", Kind::Event, "3mevent", party());
    (world, event)
}

/// Calls as the client does: `encodeURIComponent` around each value, and the origin that a browser says of its own.
async fn call(world: &World, method: &str, params: &[(&str, &str)]) -> Answer {
    let target = format!("/xrpc/community.lexicon.calendar.{method}?{}", query_of(params));
    let request = Request::get(target).header("origin", ORIGIN).header("accept", "*/*");
    let answer = exchange(router(world.service.clone()), request.body(Body::empty()).unwrap()).await;
    // Without it a browser gives the page nothing, of an error neither.
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    answer
}

#[tokio::test]
async fn its_cards_pages_and_pictures_have_all_that_they_show_of_an_event() {
    let (mut world, event) = world();
    for (author, status) in [("bea", "going"), ("cal", "going"), ("dan", "interested")] {
        let status = format!("community.lexicon.calendar.rsvp#{status}");
        world.put(author, Kind::Rsvp, "3m", json!({ "subject": event, "status": status }));
    }
    let of_event = [("repository", "did:plc:ada"), ("record_key", "3mevent")];
    let shown = call(&world, "GetEvent", &of_event).await;
    assert!(shown.status.is_success());
    let shown = shown.json;
    // Everything of the record, of the same types: the picture by its link, the aspect ratio in numbers.
    for (name, value) in party().as_object().unwrap() {
        assert_eq!(shown[name], *value, "{name}");
    }
    assert_eq!(shown["media"][0]["content"]["ref"]["$link"], PICTURE);
    // The badge of the mode looks for a word in the token.
    assert!(shown["mode"].as_str().unwrap().contains("hybrid"));
    assert_eq!((&shown["countGoing"], &shown["countInterested"]), (&json!(2), &json!(1)));
    // The URL is where a card leads to; a list takes the record key from its end, and tells events apart by it.
    let url = shown["url"].as_str().unwrap();
    assert_eq!(url, "https://guestlist.example/ada.example/3mevent");
    assert_eq!(url.rsplit('/').next(), Some("3mevent"));
}

#[tokio::test]
async fn an_event_that_is_not_there_is_no_success() {
    let (mut world, _) = world();
    for of_event in [
        [("repository", "did:plc:ada"), ("record_key", "3mother")],
        [("repository", "did:plc:eve"), ("record_key", "3mevent")],
        // From an AT-URI with a handle, that was pasted.
        [("repository", "ada.example"), ("record_key", "3mevent")],
    ] {
        assert_eq!(call(&world, "GetEvent", &of_event).await.status.as_u16(), 404, "{of_event:?}");
    }
    world.delete("ada", Kind::Event, "3mevent");
    let of_event = [("repository", "did:plc:ada"), ("record_key", "3mevent")];
    assert_eq!(call(&world, "GetEvent", &of_event).await.status.as_u16(), 404);
}

/// What the client makes of an answer to `getRSVP`: the status and the record key, by the record alone.
async fn answer_of(world: &World, event: &Value) -> Option<(&'static str, String)> {
    let params = [("identity", "did:plc:bea"), ("event", event["uri"].as_str().unwrap())];
    let answer = call(world, "getRSVP", &params).await;
    if !answer.status.is_success() {
        return None;
    }
    let status = answer.json["record"]["status"].as_str()?;
    let status =
        ["going", "interested", "notgoing"].into_iter().find(|name| status.contains(&format!("#{name}")));
    let rkey = answer.json["uri"].as_str()?.rsplit('/').next()?;
    Some((status?, rkey.to_owned()))
}

#[tokio::test]
async fn whoever_answers_there_sees_their_answer_until_they_cancel() {
    let (mut world, event) = world();
    assert_eq!(answer_of(&world, &event).await, None, "the buttons");
    let answer = |status: &str, subject: Value| {
        let status = format!("community.lexicon.calendar.rsvp#{status}");
        json!({ "status": status, "subject": subject, "createdAt": "2026-02-14T19:18:37.123Z" })
    };
    world.put("bea", Kind::Rsvp, "3mfirst", answer("interested", event.clone()));
    assert_eq!(answer_of(&world, &event).await, Some(("interested", "3mfirst".to_owned())));
    // Another answer is another record, after the first was deleted by the key of the answer. Where the CID of the event was not to
    // be had there is none in it.
    world.delete("bea", Kind::Rsvp, "3mfirst");
    world.put("bea", Kind::Rsvp, "3msecond", answer("going", json!({ "uri": event["uri"] })));
    assert_eq!(answer_of(&world, &event).await, Some(("going", "3msecond".to_owned())));
    let of_event = [("repository", "did:plc:ada"), ("record_key", "3mevent")];
    let shown = call(&world, "GetEvent", &of_event).await.json;
    assert_eq!((&shown["countGoing"], &shown["countInterested"]), (&json!(1), &json!(0)));
    // Said elsewhere.
    world.put("bea", Kind::Rsvp, "3msecond", answer("notgoing", event.clone()));
    assert_eq!(answer_of(&world, &event).await, Some(("notgoing", "3msecond".to_owned())));
    world.delete("bea", Kind::Rsvp, "3msecond");
    assert_eq!(answer_of(&world, &event).await, None, "cancelled");
}
