//! `getRSVP`, `listRSVPs` and `listEventRSVPs`.

use std::time::Instant;

use serde_json::{Value, json};

use super::world::{Pairs, World, uri};
use crate::records::Kind;

const GET: &str = "community.lexicon.calendar.getRSVP";
const LIST: &str = "community.lexicon.calendar.listRSVPs";
const OF_EVENT: &str = "app.guestlist.listEventRSVPs";

fn answer(event: &Value, status: &str, created_at: &str) -> Value {
    let status = format!("community.lexicon.calendar.rsvp#{status}");
    json!({ "subject": event, "status": status, "createdAt": created_at })
}

fn uris(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_answer_that_counts_is_given_as_it_was_written() {
    let mut world = World::new();
    let event = world.put("ada", Kind::Event, "e", json!({ "name": "Meeting" }));
    let mut record = answer(&event, "going", "2026-02-02T00:00:00Z");
    record["extra"] = json!([1, null]);
    let rsvp = world.put("bea", Kind::Rsvp, "a", record.clone());
    world.put("bea", Kind::Rsvp, "b", answer(&event, "notgoing", "2026-02-01T00:00:00Z"));
    world.introduce(&["bea"]);
    record["$type"] = json!("community.lexicon.calendar.rsvp");
    let expected = json!({
        "uri": rsvp["uri"], "cid": rsvp["cid"], "record": record, "status": "going", "accepted": false,
    });
    let event_uri = event["uri"].as_str().unwrap();
    for identity in ["did:plc:bea", "bea.example", "BEA.example"] {
        let found = world.get(GET, &[("event", event_uri), ("identity", identity)]).await;
        assert_eq!(found, expected);
    }
    world.put("bea", Kind::Rsvp, "c", answer(&event, "unheard-of", "2026-02-03T00:00:00Z"));
    let found = world.get(GET, &[("event", event_uri), ("identity", "did:plc:bea")]).await;
    assert_eq!(found["status"], "other");
}

#[tokio::test]
async fn every_way_to_ask_for_no_rsvp_has_its_status() {
    let mut world = World::new();
    let event = world.put("ada", Kind::Event, "e", json!({ "name": "Meeting" }));
    world.put("bea", Kind::Rsvp, "a", answer(&event, "going", "2026-02-02T00:00:00Z"));
    let event = event["uri"].as_str().unwrap();
    let other = uri("ada", Kind::Event, "other");
    let cases: [(Pairs<'_>, u16, &str); 9] = [
        (&[("event", event), ("identity", "did:plc:cal")], 404, "NotFound"),
        (&[("event", &other), ("identity", "did:plc:bea")], 404, "NotFound"),
        (&[("event", "at://did:plc:ada"), ("identity", "did:plc:bea")], 404, "NotFound"),
        (&[("event", "e"), ("identity", "did:plc:bea")], 400, "InvalidRequest"),
        (&[("event", "https://x.example/e"), ("identity", "did:plc:bea")], 400, "InvalidRequest"),
        (&[("event", event), ("identity", "bea")], 400, "InvalidRequest"),
        (&[("event", event), ("identity", "nobody.example")], 400, "InvalidRequest"),
        (&[("event", event)], 400, "InvalidRequest"),
        (&[("identity", "did:plc:bea")], 400, "InvalidRequest"),
    ];
    for (params, status, name) in cases {
        let answer = world.ask(GET, params).await;
        let message = answer.assert_error(status, name);
        assert_eq!(answer.json["error_description"], message, "{params:?}");
    }
    world.account("bea", Some("deactivated"));
    let params = [("event", event), ("identity", "did:plc:bea")];
    world.ask(GET, &params).await.assert_error(404, "NotFound");
    assert_eq!(world.get(LIST, &[("identity", "did:plc:bea")]).await, json!({ "rsvps": [] }));
    assert!(world.list(OF_EVENT, "rsvps", &[("event", event)]).await.is_empty());
    world.account("bea", None);
    world.delete("bea", Kind::Rsvp, "a");
    world.ask(GET, &params).await.assert_error(404, "NotFound");
}

#[tokio::test]
async fn a_persons_answers_are_listed_newest_first() {
    let mut world = World::new();
    let event = json!({ "uri": uri("ada", Kind::Event, "e") });
    let by_handle = json!({ "uri": "at://ada.example/community.lexicon.calendar.event/e" });
    for (rkey, event, status, made) in [
        ("a", &event, "going", "2026-02-01T00:00:00Z"),
        ("b", &event, "interested", "1969-12-31T23:59:59.5Z"),
        ("c", &by_handle, "notgoing", "2026-02-03T00:00:00+02:00"),
        ("d", &event, "unheard-of", "no date"),
        ("e", &event, "going", "0001-01-01T00:00:00Z"),
    ] {
        world.put("bea", Kind::Rsvp, rkey, answer(event, status, made));
    }
    world.put("bea", Kind::Rsvp, "unusable", json!({ "status": 7 }));
    world.put("cal", Kind::Rsvp, "a", answer(&event, "going", "2026-02-02T00:00:00Z"));
    let expected = ["c", "a", "d", "b", "e"].map(|rkey| uri("bea", Kind::Rsvp, rkey));
    for limit in ["1", "2", "3", "100"] {
        let params = [("identity", "did:plc:bea"), ("limit", limit)];
        assert_eq!(uris(&world.list(LIST, "rsvps", &params).await), expected, "{limit}");
    }
    let all = world.get(LIST, &[("identity", "did:plc:bea")]).await;
    assert!(all.get("cursor").is_none());
    let statuses: Vec<_> = all["rsvps"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, ["notgoing", "going", "other", "interested", "going"]);
    assert_eq!(all["rsvps"][0]["eventUri"], by_handle["uri"]);
    assert_eq!(all["rsvps"][0]["record"]["createdAt"], "2026-02-03T00:00:00+02:00");
    // Five items, five asked for: nothing follows.
    let page = world.get(LIST, &[("identity", "did:plc:bea"), ("limit", "5")]).await;
    assert!(page.get("cursor").is_none());
}

#[tokio::test]
async fn a_cursor_is_a_datetime_and_what_is_strictly_older_follows() {
    let mut world = World::new();
    let event = json!({ "uri": uri("ada", Kind::Event, "e") });
    for day in 1..=5 {
        world.put(
            "bea",
            Kind::Rsvp,
            &format!("r{day}"),
            answer(&event, "going", &format!("2026-02-0{day}T00:00:00Z")),
        );
    }
    for (cursor, expected) in [
        ("2026-02-03T00:00:00Z", vec!["r2", "r1"]),
        ("2026-02-03T00:00:00.000001Z", vec!["r3", "r2", "r1"]),
        ("2026-02-03T01:00:00+01:00", vec!["r2", "r1"]),
        ("2026-02-03T00:00:00.99999999999999999999Z", vec!["r3", "r2", "r1"]),
        ("9999-12-31T23:59:59Z", vec!["r5", "r4", "r3", "r2", "r1"]),
        ("0000-01-01T00:00:00Z", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|rkey| uri("bea", Kind::Rsvp, rkey)).collect();
        let page = world.get(LIST, &[("identity", "did:plc:bea"), ("cursor", cursor)]).await;
        assert_eq!(uris(page["rsvps"].as_array().unwrap()), expected, "{cursor}");
    }
    for cursor in ["", "now", "1770000000", "2026-02-03", "2026-02-03T00:00:00"] {
        let answer = world.ask(LIST, &[("identity", "did:plc:bea"), ("cursor", cursor)]).await;
        assert!(answer.assert_error(400, "InvalidRequest").contains("`cursor`"), "{cursor}");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it is about time")]
async fn a_reference_with_a_cid_of_a_million_characters_is_stale_and_not_decoded() {
    let mut world = World::new();
    let event = world.put("ada", Kind::Event, "e", json!({ "name": "Meeting" }));
    // In this base it would take a minute.
    let long = format!("z{}", "2".repeat(900_000));
    let mut states = Vec::new();
    let began = Instant::now();
    for cid in [event["cid"].as_str().unwrap(), &long] {
        let to_event = json!({ "uri": event["uri"], "cid": cid });
        world.put("bea", Kind::Rsvp, "a", answer(&to_event, "going", "2026-02-02T00:00:00Z"));
        let params = [("event", event["uri"].as_str().unwrap())];
        states.push(world.list(OF_EVENT, "rsvps", &params).await[0]["links"][0]["state"].clone());
    }
    assert_eq!(states, ["current", "stale"]);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[tokio::test]
async fn each_person_has_one_answer_to_an_event() {
    let mut world = World::new();
    let event = world.put("ada", Kind::Event, "e", json!({ "name": "Meeting" }));
    world.put("bea", Kind::Rsvp, "a", answer(&event, "going", "2026-02-02T00:00:00Z"));
    world.put("bea", Kind::Rsvp, "b", answer(&event, "notgoing", "2026-02-01T00:00:00Z"));
    world.put("cal", Kind::Rsvp, "a", answer(&event, "interested", "2026-02-01T00:00:00Z"));
    world.put("dan", Kind::Rsvp, "a", answer(&event, "unheard-of", "2026-02-01T00:00:00Z"));
    world.put("eve", Kind::Rsvp, "a", answer(&event, "going", "2026-02-01T00:00:00Z"));
    world.put(
        "fay",
        Kind::Rsvp,
        "a",
        answer(&json!({ "uri": "at://did:plc:x" }), "going", "2026-02-01T00:00:00Z"),
    );
    world.account("eve", Some("suspended"));
    world.introduce(&["cal"]);
    let event_uri = event["uri"].as_str().unwrap();
    let [bea, cal, dan] = ["bea", "cal", "dan"].map(|name| uri(name, Kind::Rsvp, "a"));
    let cases: [(Option<&str>, Vec<&str>); 5] = [
        (None, vec![&bea, &cal, &dan]),
        (Some("going"), vec![&bea]),
        (Some("interested"), vec![&cal]),
        (Some("notgoing"), vec![]),
        (Some("other"), vec![&dan]),
    ];
    for (status, expected) in cases {
        for limit in ["1", "50"] {
            let params = [("event", event_uri), ("limit", limit)];
            let params: Vec<_> = params.into_iter().chain(status.map(|status| ("status", status))).collect();
            assert_eq!(uris(&world.list(OF_EVENT, "rsvps", &params).await), expected, "{params:?}");
        }
    }
    let all = world.list(OF_EVENT, "rsvps", &[("event", event_uri)]).await;
    assert_eq!((&all[1]["author"], &all[1]["handle"]), (&json!("did:plc:cal"), &json!("cal.example")));
    assert_eq!(all[1]["links"][0]["state"], "current");
    let answer = world.ask(OF_EVENT, &[("event", event_uri), ("status", "maybe")]).await;
    assert!(answer.assert_error(400, "InvalidRequest").contains("`status`"));
}
