//! `listEvents`: which events, in which order, and page by page while others write.

mod naive;

use serde_json::{Value, json};

use super::fire::Dice;
use super::world::{World, did, uri};
use crate::check::check;
use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::names::{Found, Names};
use crate::http::params::Params;
use crate::http::query::list_events;
use crate::rebuild::rebuild;
use crate::records::Kind;
use crate::syntax::Datetime;
use crate::tables::keys::{EventTimeKey, OwnEventKey, RecordId};
use crate::tables::view::{Changes, Direction, Overlay, ReadRows, prefix_of};
use crate::tables::{EventTimes, OwnEvents, Table};

use naive::write;

pub(super) const METHOD: &str = "app.guestlist.listEvents";

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// 2026-06-01T00:00:00Z.
const NOW: i64 = 1_780_272_000 * SECOND;

const FOREVER: i64 = 253_402_300_799_999_999;

pub(super) fn time(micros: i64) -> String {
    Datetime::from_micros(micros).unwrap().to_string()
}

pub(super) fn event(start: i64, end: Option<i64>) -> Value {
    let mut event = json!({ "name": "Meeting", "startsAt": time(start) });
    if let Some(end) = end {
        event["endsAt"] = json!(time(end));
    }
    event
}

fn status(name: &str) -> String {
    format!("community.lexicon.calendar.event#{name}")
}

/// A page as of a time.
fn page_at(world: &World, now: i64, raw: &str) -> Result<Value, ApiError> {
    let snapshot = world.service.store.snapshot();
    let (params, found) = (Params::parse(Some(raw)).unwrap(), Found::new());
    let names = Names::new(&world.service.identities, &found);
    let (rows, service) = (&*snapshot, &world.service);
    let call = Call { method: METHOD, caller: None, params: &params, rows, names: &names, service, now };
    match list_events::run(&call) {
        Ok(page) => Ok(serde_json::to_value(page).unwrap()),
        Err(Failure::Client(error)) => Err(error),
        Err(Failure::Store(error)) => panic!("{error}"),
    }
}

fn uris(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["uri"].as_str().unwrap().to_owned()).collect()
}

/// A whole list as of a time, read in pages of this many.
fn list_at(world: &World, now: i64, raw: &str, limit: usize) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = page_at(world, now, &format!("{raw}&limit={limit}{cursor}")).unwrap();
        seen.extend(uris(&page));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}

fn keys(uris: &[String]) -> Vec<&str> {
    uris.iter().map(|uri| uri.rsplit('/').next().unwrap()).collect()
}

#[tokio::test]
async fn an_item_is_the_view_that_get_event_gives() {
    let mut world = World::new();
    world.introduce(&["ada"]);
    let reference = world.put("ada", Kind::Event, "e", event(FOREVER, None));
    world.put(
        "bea",
        Kind::Rsvp,
        "v",
        json!({ "subject": reference, "status": "community.lexicon.calendar.rsvp#going" }),
    );
    let one = world
        .get("community.lexicon.calendar.getEvent", &[("repository", "did:plc:ada"), ("record_key", "e")])
        .await;
    let list = world.get(METHOD, &[]).await;
    assert_eq!(list, json!({ "events": [one] }));
    assert_eq!(
        (&one["countGoing"], &one["url"]),
        (&json!(1), &json!("https://guestlist.example/ada.example/e"))
    );
    for organizer in ["did:plc:ada", "ada.example"] {
        assert_eq!(world.get(METHOD, &[("organizer", organizer)]).await, list);
    }
    assert_eq!(world.get(METHOD, &[("organizer", "did:plc:bea")]).await, json!({ "events": [] }));
}

#[test]
fn which_events_are_upcoming_follows_from_their_end_and_status() {
    let mut world = World::new();
    let mut put = |rkey: &str, event: Value| drop(world.put("ada", Kind::Event, rkey, event));
    let with = |mut event: Value, field: &str, value: Value| {
        event[field] = value;
        event
    };
    // "its end (or, without one, its start) is not in the past", to the microsecond.
    put("a-ended", event(NOW - 9, Some(NOW - 1)));
    put("b-ends-now", event(NOW - 8, Some(NOW)));
    put("c-runs", event(NOW - 7, Some(NOW + 1)));
    put("d-began", event(NOW - 6, None));
    put("e-begins-now", event(NOW, None));
    put("f-begins", event(NOW + 1, None));
    // An end before the start counts as it is.
    put("g-backwards-over", event(NOW + 2, Some(NOW - 1)));
    put("h-backwards", event(NOW + 3, Some(NOW)));
    // "its status is not `#cancelled`": that token, and no other text.
    put("i-cancelled", with(event(NOW + 4, None), "status", json!(status("cancelled"))));
    put("j-was-cancelled", with(event(NOW - 5, None), "status", json!(status("cancelled"))));
    put("k-unheard-of", with(event(NOW + 5, None), "status", json!(status("dreamt"))));
    put("l-short", with(event(NOW + 6, None), "status", json!("cancelled")));
    put("m-odd", with(event(NOW + 7, None), "status", json!([status("cancelled")])));
    // "Events without `startsAt` are never upcoming."
    put("n-no-start", json!({ "endsAt": time(FOREVER) }));
    put("o-bad-start", json!({ "startsAt": "2999-01-01", "endsAt": time(FOREVER) }));
    // An end that cannot be read is none.
    put("p-bad-end", with(event(NOW - 4, None), "endsAt", json!("2999-01-01 00:00")));
    put("q-bad-end", with(event(NOW + 8, None), "endsAt", json!(7)));
    put("r-forever", event(-FOREVER / 5, Some(FOREVER)));
    for (raw, expected) in [
        (
            "",
            &[
                "r-forever",
                "b-ends-now",
                "c-runs",
                "e-begins-now",
                "f-begins",
                "h-backwards",
                "k-unheard-of",
                "l-short",
                "m-odd",
                "q-bad-end",
            ][..],
        ),
        ("when=past", &["g-backwards-over", "p-bad-end", "j-was-cancelled", "d-began", "a-ended"]),
        ("when=past&status=cancelled", &["j-was-cancelled"]),
        ("status=cancelled", &[]),
        ("when=all&status=cancelled", &["j-was-cancelled", "i-cancelled"]),
        ("status=other", &["k-unheard-of", "l-short"]),
        (
            "when=all&from=2026-06-01T00:00:00.000004Z&to=2026-06-01T00:00:00.000006Z",
            &["i-cancelled", "k-unheard-of"],
        ),
        ("from=2026-06-01T00:00:00.000004Z", &["k-unheard-of", "l-short", "m-odd", "q-bad-end"]),
        ("to=2026-06-01T00:00:00Z", &["r-forever", "b-ends-now", "c-runs"]),
        ("to=2026-06-01T00:00:00.000001Z", &["r-forever", "b-ends-now", "c-runs", "e-begins-now"]),
        ("when=past&from=2026-05-31T23:59:59.999995Z", &["g-backwards-over", "p-bad-end", "j-was-cancelled"]),
        ("when=past&to=2026-05-31T23:59:59.999995Z", &["d-began", "a-ended"]),
        ("from=2026-06-01T00:00:00Z&to=2026-06-01T00:00:00Z", &[]),
        ("when=all&from=2027-06-01T00:00:00Z&to=2026-06-01T00:00:00Z", &[]),
    ] {
        for limit in [1, 2, 100] {
            assert_eq!(keys(&list_at(&world, NOW, raw, limit)), expected, "{raw}");
            let organizer = format!("{raw}&organizer=did:plc:ada");
            assert_eq!(keys(&list_at(&world, NOW, &organizer, limit)), expected, "{organizer}");
        }
    }
    let all = list_at(&world, NOW, "when=all", 3);
    assert_eq!(keys(&all[16..]), ["n-no-start", "o-bad-start"], "last");
    assert_eq!(all.len(), 18);
}

#[test]
fn events_that_begin_at_the_same_time_are_in_the_order_of_their_uris() {
    let mut world = World::new();
    for (number, author) in ["adab", "ada", "ada-b"].into_iter().enumerate() {
        for rkey in ["b", "a", "a-b"] {
            // However long they last.
            let end = [None, Some(FOREVER), Some(NOW + DAY)][number];
            world.put(author, Kind::Event, rkey, event(NOW, end));
        }
    }
    let listed = list_at(&world, NOW, "", 2);
    let mut expected = listed.clone();
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(listed.len(), 9);
    expected.reverse();
    expected.retain(|uri| uri.contains("did:plc:ada-b/") || uri.contains("did:plc:adab/"));
    assert_eq!(list_at(&world, NOW + 2 * DAY, "when=past", 2), expected);
}

#[test]
fn what_is_over_is_not_walked_through() {
    let mut world = World::new();
    // More than a page may look at, lasting from a minute to a year, and all of them over.
    for number in 0..2_600 {
        let lasts = [60 * SECOND, 2 * HOUR, DAY, 7 * DAY, 90 * DAY, YEAR][number % 6];
        let start = NOW - 8 * YEAR + i64::try_from(number).unwrap() * DAY / 2;
        world.put("ada", Kind::Event, &format!("e{number}"), event(start, Some(start + lasts)));
    }
    world.put("ada", Kind::Event, "forever", event(0, Some(FOREVER)));
    world.put("ada", Kind::Event, "next", event(NOW + DAY, None));
    for raw in ["", "organizer=did:plc:ada"] {
        let page = page_at(&world, NOW, raw).unwrap();
        assert_eq!(keys(&uris(&page)), ["forever", "next"], "{raw}");
        assert!(page.get("cursor").is_none(), "{raw}");
    }
    // And what goes on is not walked through for what is over.
    for number in 0..2_100 {
        world.put("bea", Kind::Event, &format!("e{number}"), event(NOW - 30 * DAY + number, Some(FOREVER)));
    }
    let page = page_at(&world, NOW, "when=past&limit=1").unwrap();
    assert_eq!(keys(&uris(&page)), ["e2599"]);
}

#[test]
fn a_filter_that_few_pass_ends_pages_early() {
    let mut world = World::new();
    for number in 0..4_100 {
        let mut event = event(NOW + number, None);
        if number == 4_050 {
            event["mode"] = json!(status("virtual"));
        }
        world.put("ada", Kind::Event, &format!("e{number}"), event);
    }
    let first = page_at(&world, NOW, "mode=virtual").unwrap();
    assert_eq!((first["events"].as_array().unwrap().len(), first["cursor"].is_string()), (0, true));
    assert_eq!(keys(&list_at(&world, NOW, "mode=virtual", 5)), ["e4050"]);
}

#[test]
fn a_cursor_is_for_the_list_that_gave_it() {
    let mut world = World::new();
    for rkey in ["a", "b", "c"] {
        world.put("ada", Kind::Event, rkey, event(NOW, None));
    }
    let cursor = page_at(&world, NOW, "limit=1&from=2026-06-01T00:00:00Z").unwrap()["cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    let with = |raw: &str| page_at(&world, NOW, &format!("{raw}&cursor={cursor}"));
    assert_eq!(
        keys(&uris(&with("from=2026-06-01T01:00:00%2b01:00").unwrap())),
        ["b", "c"],
        "the same instant"
    );
    for raw in [
        "",
        "from=2026-06-01T00:00:00.000001Z",
        "from=2026-06-01T00:00:00Z&when=all",
        "from=2026-06-01T00:00:00Z&organizer=did:plc:ada",
        "from=2026-06-01T00:00:00Z&mode=inperson",
        "from=2026-06-01T00:00:00Z&status=scheduled",
        "from=2026-06-01T00:00:00Z&near=1,1",
        "to=2026-06-01T00:00:00Z",
    ] {
        assert_eq!(with(raw), Err(ApiError::BadCursor), "{raw}");
    }
    // Time goes on between two pages.
    let later = page_at(&world, NOW + 1, &format!("from=2026-06-01T00:00:00Z&cursor={cursor}")).unwrap();
    assert_eq!(later, json!({ "events": [] }));
}

#[tokio::test]
async fn an_account_that_leaves_takes_its_events_along_and_brings_them_back() {
    let mut world = World::new();
    world.put("ada", Kind::Event, "e", event(FOREVER, None));
    world.put("bea", Kind::Event, "e", event(FOREVER - 1, None));
    let hers = vec![uri("bea", Kind::Event, "e")];
    let both = [&hers[..], &[uri("ada", Kind::Event, "e")]].concat();
    let listed = |world: &World| uris(&page_at(world, NOW, "").unwrap());
    assert_eq!(listed(&world), both);
    for status in ["deactivated", "suspended", "takendown", "unheard-of"] {
        world.account("ada", Some(status));
        assert_eq!(listed(&world), hers, "{status}");
        assert_eq!(page_at(&world, NOW, "when=all&organizer=did:plc:ada").unwrap(), json!({ "events": [] }));
        world.account("ada", None);
        assert_eq!(listed(&world), both, "{status}");
    }
    world.account("ada", Some("deleted"));
    world.account("ada", None);
    assert_eq!(listed(&world), hers);
    assert_eq!(world.service.store.snapshot().scan_all::<EventTimes>().count(), 1);
    assert_eq!(world.service.store.snapshot().scan_all::<OwnEvents>().count(), 1);
    world.put("bea", Kind::Event, "e", json!({ "$type": "something.else" }));
    assert_eq!(listed(&world), Vec::<String>::new(), "unusable");
    assert_eq!(world.service.store.snapshot().scan_all::<EventTimes>().count(), 0);
}

/// Every row of a table, as bytes.
fn rows_of<T: Table>(world: &World) -> Vec<(Vec<u8>, Vec<u8>)> {
    let snapshot = world.service.store.snapshot();
    let rows = snapshot.scan_bytes(prefix_of::<T>(|_| {}), Direction::Ascending);
    rows.map(|row| row.unwrap()).collect()
}

#[test]
fn a_check_finds_what_is_wrong_in_the_calendar_and_a_rebuild_puts_it_right() {
    let mut world = World::new();
    world.put("ada", Kind::Event, "e", event(NOW, Some(NOW + HOUR)));
    world.put("ada", Kind::Event, "f", json!({ "name": "Some time" }));
    let store = world.service.store.clone();
    let sound = (rows_of::<EventTimes>(&world), rows_of::<OwnEvents>(&world));
    assert_eq!((sound.0.len(), sound.1.len()), (2, 2));
    let id = |rkey: &str| RecordId { did: did("ada"), kind: Kind::Event, rkey: rkey.parse().unwrap() };
    let (key, row) = store.snapshot().scan_all::<EventTimes>().next().unwrap().unwrap();
    let late = crate::records::Event {
        start: row.start.map(|start| Datetime::nearest(start.micros() + 1)),
        ..row.clone()
    };
    let cancelled = crate::records::Event { status: crate::records::EventStatus::Cancelled, ..row.clone() };
    let plant = |plant: &dyn Fn(&mut Overlay<'_>)| -> Changes {
        let snapshot = store.snapshot();
        let mut overlay = Overlay::new(&*snapshot);
        plant(&mut overlay);
        overlay.into_changes()
    };
    let ghost = EventTimeKey::new(&id("ghost"), &row);
    let elsewhere = EventTimeKey::new(&id("e"), &late);
    let damages: [(&str, Changes); 8] = [
        ("EventTimes", plant(&|rows| rows.delete::<EventTimes>(&key))),
        ("OwnEvents", plant(&|rows| rows.delete::<OwnEvents>(&OwnEventKey(key.clone())))),
        ("EventTimes", plant(&|rows| rows.put::<EventTimes>(&ghost, &row))),
        ("OwnEvents", plant(&|rows| rows.put::<OwnEvents>(&OwnEventKey(ghost.clone()), &row))),
        ("EventTimes", plant(&|rows| rows.put::<EventTimes>(&elsewhere, &row))),
        ("OwnEvents", plant(&|rows| rows.put::<OwnEvents>(&OwnEventKey(elsewhere.clone()), &row))),
        ("EventTimes", plant(&|rows| rows.put::<EventTimes>(&key, &cancelled))),
        ("OwnEvents", plant(&|rows| rows.put::<OwnEvents>(&OwnEventKey(key.clone()), &late))),
    ];
    for (table, damage) in damages {
        store.commit(damage).unwrap();
        let found = check(&store, |_| {}).unwrap().differences;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(table), "{table}: {found:?}");
        rebuild(&store, |_| {}).unwrap();
        assert_eq!(check(&store, |_| {}).unwrap().differences, Vec::<String>::new());
        assert_eq!((rows_of::<EventTimes>(&world), rows_of::<OwnEvents>(&world)), sound);
    }
}

#[test]
fn every_key_of_the_calendar_reads_back_and_they_sort_as_the_events_do() {
    let (mut world, mut known, mut dice) = (World::new(), Vec::new(), Dice(7));
    for _ in 0..200 {
        write(&mut world, &mut known, &mut dice);
    }
    let snapshot = world.service.store.snapshot();
    let times: Vec<_> = snapshot.scan_all::<EventTimes>().map(Result::unwrap).collect();
    let own: Vec<_> = snapshot.scan_all::<OwnEvents>().map(Result::unwrap).collect();
    assert_eq!((times.len(), own.len()), (known.len(), known.len()));
    for (key, event) in times {
        assert_eq!(EventTimeKey::new(&key.slot.event, &event), key);
        assert!(own.contains(&(OwnEventKey(key), event)));
    }
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let world = World::new();
    for (name, values) in [
        ("when", &["", "now", "Upcoming", "upcoming "][..]),
        ("organizer", &["", "did:plc", "@ada.example", "nobody.example"]),
        ("from", &["", "2026-01-01", "2026-01-01T00:00:00", "now", "0"]),
        ("to", &["", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z"]),
        ("near", &["", "1", "1,", ",1", "91,0", "0,-180.5", "nan,nan", "1,2,3", "1, 2", "here"]),
        ("withinKm", &["", "far", "1.5", "1e3"]),
        ("mode", &["", "in-person", "community.lexicon.calendar.event#virtual"]),
        ("status", &["", "canceled", "confirmed"]),
    ] {
        for value in values {
            let answer = world.ask(METHOD, &[(name, value)]).await;
            let message = answer.assert_error(400, "InvalidRequest");
            assert!(message.contains(&format!("`{name}`")), "{name}={value}: {message}");
        }
    }
}
