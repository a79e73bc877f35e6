//! `getEvent`.

use axum::http::Method;
use serde_json::json;

use super::world::{Pairs, World};
use crate::codec::json::encode_dag_cbor;
use crate::records::Kind;
use crate::syntax::Cid;

const METHOD: &str = "community.lexicon.calendar.getEvent";

fn status(name: &str) -> String {
    format!("community.lexicon.calendar.rsvp#{name}")
}

#[tokio::test]
async fn an_event_is_its_record_with_the_counts_of_its_answers() {
    let mut world = World::new();
    let hall = json!({ "$type": "community.lexicon.location.address", "country": "DE", "name": "Hall" });
    let odd = json!({ "zz": 1, "a": [true, null] });
    let record = json!({
        "name": "Meeting",
        "locations": [hall, odd],
        "url": "https://elsewhere.example",
        "repository": "did:plc:eve",
        "unknown": { "kept": [1, null] },
    });
    let event = world.put("ada", Kind::Event, "e", record);
    for (author, answer) in [
        ("bea", "going"),
        ("cal", "going"),
        ("dan", "interested"),
        ("eve", "notgoing"),
        ("fay", "unheard-of"),
    ] {
        world.put(author, Kind::Rsvp, "v", json!({ "subject": event, "status": status(answer) }));
    }
    let later = json!({ "subject": event, "status": status("going"), "createdAt": "2026-02-01T00:00:00Z" });
    world.put("dan", Kind::Rsvp, "w", later);
    let location_cids: Vec<_> = [hall.clone(), odd.clone()]
        .iter()
        .map(|location| Cid::compute_dag_cbor(&encode_dag_cbor(&location.to_string()).unwrap()).to_string())
        .collect();
    let expected = json!({
        "$type": "community.lexicon.calendar.eventView",
        "name": "Meeting",
        "createdAt": "2026-01-01T00:00:00Z",
        "locations": [hall, odd],
        "unknown": { "kept": [1, null] },
        "countGoing": 3,
        "countInterested": 0,
        "countNotGoing": 1,
        "url": "https://guestlist.example/did:plc:ada/e",
        "uri": event["uri"],
        "cid": event["cid"],
        "repository": "did:plc:ada",
        "locationCids": location_cids,
    });
    for (method, key) in [
        (METHOD, "record_key"),
        (METHOD, "recordKey"),
        ("community.lexicon.calendar.GetEvent", "record_key"),
        ("community.lexicon.calendar.GetEvent", "recordKey"),
    ] {
        let view = world.get(method, &[("repository", "did:plc:ada"), (key, "e")]).await;
        assert_eq!(view, expected, "{method} {key}");
    }
}

#[tokio::test]
async fn an_event_without_locations_has_no_location_cids() {
    let mut world = World::new();
    let params = [("repository", "did:plc:ada"), ("record_key", "e")];
    world.put("ada", Kind::Event, "e", json!({ "name": "Meeting", "locationCids": ["bogus"] }));
    assert!(world.get(METHOD, &params).await.get("locationCids").is_none());
    world.put("ada", Kind::Event, "e", json!({ "name": "Meeting", "locations": [] }));
    assert_eq!(world.get(METHOD, &params).await["locationCids"], json!([]));
    world.put("ada", Kind::Event, "e", json!({ "name": "Meeting", "locations": { "a": 1 } }));
    assert!(world.get(METHOD, &params).await.get("locationCids").is_none());
}

#[tokio::test]
async fn whatever_leads_to_no_event_is_not_found() {
    let mut world = World::new();
    world.put("ada", Kind::Event, "e", json!({ "name": "Meeting" }));
    world.put("ada", Kind::Event, "unusable", json!({ "$type": "something.else.entirely" }));
    for (repository, key) in [
        ("did:plc:ada", "x"),
        ("did:plc:ada", "unusable"),
        ("did:plc:ada", ".."),
        ("did:plc:bea", "e"),
        ("ada.example", "e"),
        ("did:plc:", "e"),
        ("", "e"),
    ] {
        let answer = world.ask(METHOD, &[("repository", repository), ("record_key", key)]).await;
        let message = answer.assert_error(404, "not_found");
        assert_eq!(answer.json["error_description"], message);
    }
    world.account("ada", Some("deactivated"));
    let answer = world.ask(METHOD, &[("repository", "did:plc:ada"), ("record_key", "e")]).await;
    answer.assert_error(404, "not_found");
}

#[tokio::test]
async fn every_calendar_error_carries_both_descriptions() {
    let world = World::new();
    let cases: [(Pairs<'_>, &str); 3] = [
        (&[("record_key", "e")], "`repository`"),
        (&[("repository", "did:plc:ada")], "`record_key`"),
        (&[("repository", "did:plc:ada"), ("record_key", "e"), ("recordKey", "f")], "`recordKey`"),
    ];
    for (params, named) in cases {
        let answer = world.ask(METHOD, params).await;
        assert!(answer.assert_error(400, "InvalidRequest").contains(named), "{params:?}");
        assert_eq!(answer.json["error_description"], answer.json["message"]);
    }
    let path = format!("/xrpc/{METHOD}");
    let answer = world.send(Method::POST, &path).await;
    let message = answer.assert_error(405, "MethodNotAllowed");
    assert_eq!(answer.json["error_description"], message);
}

#[tokio::test]
async fn of_very_many_locations_the_first_thousand_have_a_cid() {
    let mut world = World::new();
    let event = world.put("ada", Kind::Event, "e", json!({ "name": "Tour", "locations": vec![7; 1_001] }));
    let view = world.get(METHOD, &[("repository", "did:plc:ada"), ("record_key", "e")]).await;
    assert_eq!(view["locations"].as_array().unwrap().len(), 1_001);
    assert_eq!(view["locationCids"].as_array().unwrap().len(), 1_000);
    // Each is a deviation too.
    let explained = world.get("app.guestlist.explain", &[("uri", event["uri"].as_str().unwrap())]).await;
    assert_eq!(explained["deviations"].as_array().unwrap().len(), 1_000);
}
