//! The queries of Smoke Signal as its reference has them (seed 002): each request and answer, field by field, and each row of
//! its tables of errors, quoted. Search has tests of its own.
//!
//! Where the reference shortens something, this is whole: CIDs, and the record of an RSVP, which refers to its event by
//! `subject` and says its status by the full name of a token.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::world::{Answer, World, did, exchange};
use crate::http::router;
use crate::records::Kind;
use crate::tables::Records;
use crate::tables::keys::RecordId;
use crate::tables::view::key_of;

/// The people of the reference: `did:plc:1234abcd` has the event, `did:plc:5678efgh` answers it.
const HOST: &str = "1234abcd";
const GUEST: &str = "5678efgh";

const EVENT_VIEW: &str = r#"{
  "$type": "community.lexicon.calendar.eventView",
  "name": "Rust Meetup",
  "description": "Monthly Rust meetup",
  "startsAt": "2026-03-01T18:00:00Z",
  "endsAt": "2026-03-01T20:00:00Z",
  "countGoing": 42,
  "countInterested": 15,
  "countNotGoing": 3,
  "url": "https://smokesignal.events/alice.bsky.social/3abc123"
}"#;

const RSVP: &str = r#"{
  "uri": "at://did:plc:5678efgh/community.lexicon.calendar.rsvp/3xyz789",
  "cid": "bafyreiabc123",
  "record": {
    "$type": "community.lexicon.calendar.rsvp",
    "event": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
    "status": "going",
    "createdAt": "2026-02-10T12:00:00Z"
  }
}"#;

const RSVPS: &str = r#"{
  "rsvps": [
    {
      "uri": "at://did:plc:5678efgh/community.lexicon.calendar.rsvp/3xyz789",
      "cid": "bafyreiabc123",
      "record": {
        "$type": "community.lexicon.calendar.rsvp",
        "event": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
        "status": "going",
        "createdAt": "2026-02-10T12:00:00Z"
      },
      "eventUri": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
      "status": "going"
    }
  ],
  "cursor": "2026-02-10T12:00:00Z"
}"#;

/// The targets of the reference's requests, those of its commands and then those of its examples.
const GET_EVENT: &str =
    "/xrpc/community.lexicon.calendar.getEvent?repository=did:plc:1234abcd&record_key=3abc123";
const GET_RSVPS: [&str; 2] = [
    "/xrpc/community.lexicon.calendar.getRSVP?event=at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123&identity=did:plc:5678efgh",
    "/xrpc/community.lexicon.calendar.getRSVP?event=at%3A%2F%2Fdid%3Aplc%3A1234abcd%2Fcommunity.lexicon.calendar.event%2F3abc123&identity=did%3Aplc%3A5678efgh",
];
const LIST_RSVPS: &str = "/xrpc/community.lexicon.calendar.listRSVPs?identity=did:plc:5678efgh&limit=25";
const NEXT_RSVPS: &str = "/xrpc/community.lexicon.calendar.listRSVPs?identity=did:plc:5678efgh&limit=25&cursor=2026-02-10T12:00:00Z";

fn shown(example: &str) -> Value {
    serde_json::from_str(example).unwrap()
}

fn status(name: &str) -> String {
    format!("community.lexicon.calendar.rsvp#{name}")
}

/// The event of the reference and everybody who answered it, among them the guest of the reference.
fn world() -> World {
    let mut world = World::new();
    world.introduce_as(&[(HOST, "alice.bsky.social"), (GUEST, "guest.example")]);
    world.service.event_url = "https://smokesignal.events/{authority}/{rkey}".parse().unwrap();
    let mut record = shown(EVENT_VIEW);
    let fields = record.as_object_mut().unwrap();
    fields.retain(|name, _| !name.starts_with("count") && name != "url");
    fields["$type"] = json!(Kind::Event.nsid());
    let event = world.put(HOST, Kind::Event, "3abc123", record);
    let mut answers = vec!["going"; 42];
    answers.extend(["interested"; 15]);
    answers.extend(["notgoing"; 3]);
    for (number, answer) in answers.iter().enumerate() {
        let (author, rkey) = match number {
            0 => (GUEST.to_owned(), "3xyz789".to_owned()),
            number => (format!("guest{number}"), format!("3{number}")),
        };
        let record =
            json!({ "subject": event, "status": status(answer), "createdAt": "2026-02-10T12:00:00Z" });
        world.put(&author, Kind::Rsvp, &rkey, record);
    }
    world
}

/// Sends a request as the reference has it: with what it accepts, and with nothing else.
async fn send(world: &World, target: &str) -> Answer {
    let request =
        Request::get(target).header("host", "smokesignal.events").header("accept", "application/json");
    exchange(router(world.service.clone()), request.body(Body::empty()).unwrap()).await
}

/// Sends a request that the reference answers with "HTTP/1.1 200 OK" and "Content-Type: application/json".
async fn get(world: &World, target: &str) -> Value {
    let answer = send(world, target).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    answer.json
}

/// Asserts that an answer has every field that the reference shows, with the value that it shows, but for those that it
/// shortens; and beside them only these.
fn assert_shows(found: &Value, example: &Value, short: &[&str], beside: &[&str]) {
    let (found, example) = (found.as_object().unwrap(), example.as_object().unwrap());
    for (name, value) in example {
        if short.contains(&name.as_str()) {
            assert!(found.contains_key(name), "{name}");
        } else {
            assert_eq!(found.get(name), Some(value), "{name}");
        }
    }
    let more: Vec<_> = found.keys().filter(|name| !example.contains_key(*name)).collect();
    assert_eq!(more, beside);
}

/// What is shown of the guest's RSVP, but for the record, which is as it was written.
fn assert_is_the_rsvp(found: &Value, example: &Value, short: &[&str], beside: &[&str]) {
    assert_shows(found, example, short, beside);
    let (record, example) = (&found["record"], &example["record"]);
    assert_eq!(record["$type"], example["$type"]);
    assert_eq!(record["createdAt"], example["createdAt"]);
    assert_eq!(record["subject"]["uri"], example["event"]);
    assert_eq!(record["status"], status(example["status"].as_str().unwrap()));
    assert!(found["cid"].as_str().unwrap().starts_with("bafyrei"));
}

#[tokio::test]
async fn get_event_answers_as_the_reference_shows() {
    let world = world();
    let found = get(&world, GET_EVENT).await;
    // The record's own, and ours (CONTRACT §4.1).
    assert_shows(&found, &shown(EVENT_VIEW), &[], &["cid", "createdAt", "repository", "uri"]);
    assert_eq!(found["uri"], "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123");
    for name in ["countGoing", "countInterested", "countNotGoing"] {
        assert!(found[name].is_u64(), "{name}");
    }
}

#[tokio::test]
async fn get_rsvp_answers_as_the_reference_shows() {
    let world = world();
    for target in GET_RSVPS {
        let found = get(&world, target).await;
        assert_is_the_rsvp(&found, &shown(RSVP), &["cid", "record"], &["accepted", "status"]);
    }
    // "DID or handle of the RSVP author. Handles are resolved to DIDs."
    let by_handle = GET_RSVPS[0].replace("did:plc:5678efgh", "guest.example");
    assert_eq!(get(&world, &by_handle).await, get(&world, GET_RSVPS[0]).await);
}

#[tokio::test]
async fn list_rsvps_answers_as_the_reference_shows() {
    let mut world = world();
    // "The `cursor` field is only present when there are more results available."
    let all = get(&world, LIST_RSVPS).await;
    assert_eq!((all["rsvps"].as_array().map(Vec::len), all.get("cursor")), (Some(1), None));
    let mut answer = |rkey: &str, made: &str| {
        let subject =
            json!({ "uri": format!("at://did:plc:1234abcd/community.lexicon.calendar.event/{rkey}") });
        let record = json!({ "subject": subject, "status": status("interested"), "createdAt": made });
        world.put(GUEST, Kind::Rsvp, rkey, record);
    };
    // One page, and two more answers, of which the last was made at the same time.
    for number in 1..25 {
        answer(&format!("later{number}"), &format!("2026-02-11T12:00:{number:02}Z"));
    }
    answer("3earlier", "2026-02-09T12:00:00Z");
    let page = get(&world, LIST_RSVPS).await;
    let (items, example) = (page["rsvps"].as_array().unwrap(), shown(RSVPS));
    assert_shows(&page, &example, &["rsvps", "cursor"], &[]);
    assert_eq!(items.len(), 25);
    assert_is_the_rsvp(&items[24], &example["rsvps"][0], &["cid", "record"], &["accepted"]);
    // "RFC 3339 datetime string from a previous response": that of the last item, to the second and beyond.
    let cursor = page["cursor"].as_str().unwrap();
    assert!(cursor.starts_with("2026-02-10T12:00:00.") && cursor.ends_with('Z'), "{cursor}");
    // "Pass it as the `cursor` query parameter to fetch the next page."
    let next = get(&world, &NEXT_RSVPS.replace("2026-02-10T12:00:00Z", cursor)).await;
    let written = get(&world, NEXT_RSVPS).await;
    for next in [next, written] {
        assert_eq!(next["rsvps"].as_array().map(Vec::len), Some(1));
        assert_eq!((&next["rsvps"][0]["status"], next.get("cursor")), (&json!("interested"), None));
        assert_eq!(next["rsvps"][0]["record"]["createdAt"], "2026-02-09T12:00:00Z");
    }
    // "DID or handle of the user to list RSVPs for. Handles are resolved to DIDs."
    let by_handle = LIST_RSVPS.replace("did:plc:5678efgh", "guest.example");
    assert_eq!(get(&world, &by_handle).await, page);
    // "Maximum number of results. Clamped to range `[1, 100]`", 50 unless given.
    for (limit, items) in [("0", 1), ("-1", 1), ("1", 1), ("26", 26), ("1000", 26)] {
        let page = get(&world, &LIST_RSVPS.replace("limit=25", &format!("limit={limit}"))).await;
        assert_eq!(page["rsvps"].as_array().map(Vec::len), Some(items), "{limit}");
    }
    let page = get(&world, LIST_RSVPS.strip_suffix("&limit=25").unwrap()).await;
    assert_eq!(page["rsvps"].as_array().map(Vec::len), Some(26));
}

/// Asserts that an error has the two shapes of the reference at once: `error` with `message`, and with
/// `error_description`.
async fn assert_refused(world: &World, target: &str, status: u16, name: &str) {
    let answer = send(world, target).await;
    let message = answer.assert_error(status, name);
    let fields: Vec<_> = answer.json.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["error", "error_description", "message"], "{target}");
    assert!(!message.is_empty() && answer.json["error_description"] == message, "{target}");
}

#[tokio::test]
async fn every_row_of_the_tables_of_errors_is_so() {
    let world = world();
    // getEvent: "404 `not_found`: invalid `repository` DID format or event record not found".
    for (from, to) in [
        ("did:plc:1234abcd", "1234abcd"),
        ("did:plc:1234abcd", "did:plc:"),
        ("did:plc:1234abcd", "alice.bsky.social"),
        ("did:plc:1234abcd", ""),
        ("did:plc:1234abcd", "did:plc:5678efgh"),
        ("did:plc:1234abcd", "did:web:alice.example"),
        ("3abc123", "3abc124"),
        ("3abc123", "no%2Fkey"),
        ("3abc123", ""),
    ] {
        assert_refused(&world, &GET_EVENT.replace(from, to), 404, "not_found").await;
    }
    // getRSVP: "400 `InvalidRequest`: invalid event AT-URI format or invalid identity DID".
    let [get_rsvp, _] = GET_RSVPS;
    for (from, to) in [
        ("at://did:plc:1234abcd", "did:plc:1234abcd"),
        ("at://", "https://"),
        ("/3abc123", "/"),
        ("did:plc:5678efgh", "5678efgh"),
        ("did:plc:5678efgh", "did:plc"),
        ("&identity=did:plc:5678efgh", ""),
        ("event=", "of="),
    ] {
        assert!(get_rsvp.contains(from));
        assert_refused(&world, &get_rsvp.replace(from, to), 400, "InvalidRequest").await;
    }
    // "404 `NotFound`: RSVP not found for the given event and identity".
    for (from, to) in [("did:plc:5678efgh", "did:plc:1234abcd"), ("3abc123", "3abc124")] {
        assert_refused(&world, &get_rsvp.replace(from, to), 404, "NotFound").await;
    }
    // listRSVPs: "400 `InvalidRequest`: invalid identity DID format or invalid cursor format (must be RFC 3339)".
    for (from, to) in [
        ("did:plc:5678efgh", "5678efgh"),
        ("did:plc:5678efgh", ""),
        ("2026-02-10T12:00:00Z", "2026-02-10"),
        ("2026-02-10T12:00:00Z", "1770724800"),
        ("2026-02-10T12:00:00Z", "3xyz789"),
        ("2026-02-10T12:00:00Z", ""),
    ] {
        assert_refused(&world, &NEXT_RSVPS.replace(from, to), 400, "InvalidRequest").await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_internal_error() {
    // "500 `InternalServerError`: database error while fetching".
    let world = world();
    let rsvp = RecordId { did: did(GUEST), kind: Kind::Rsvp, rkey: "3xyz789".parse().unwrap() };
    let damaged = [(key_of::<Records>(&rsvp), Some(vec![0xff]))];
    world.service.store.commit(damaged.into()).unwrap();
    for target in [GET_RSVPS[0], LIST_RSVPS] {
        assert_refused(&world, target, 500, "InternalServerError").await;
    }
}
