//! Which events are in a feed, and what an entry says of one.

use serde_json::{Value, json};

use super::reader::read;
use super::{DAY, DAY_BEGINS, HOUR, NOW, SECOND, event, events_at, feed_at, keys, rsvps_at, time};
use crate::http::ics;
use crate::http::tests::world::World;
use crate::records::Kind;

const YEAR: i64 = 365 * DAY;

const FEED: &str = "\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//guestlist//iCalendar feeds//EN
CALSCALE:GREGORIAN
NAME:Events of ada.example
X-WR-CALNAME:Events of ada.example
REFRESH-INTERVAL;VALUE=DURATION:PT1H
X-PUBLISHED-TTL:PT1H
SOURCE;VALUE=URI:https://guestlist.example/calendar/did:plc:ada/events.ics
BEGIN:VEVENT
CREATED:20260101T000000Z
DTEND;VALUE=DATE:20260608
DTSTAMP:19700101T000000Z
DTSTART;VALUE=DATE:20260606
LAST-MODIFIED:19700101T000000Z
STATUS:CANCELLED
UID:at://did:plc:ada/community.lexicon.calendar.event/fest
URL:https://guestlist.example/ada.example/fest
DESCRIPTION:Bring food\\, drinks\\; and a friend.\\n\\nWe begin with a walk alo
 ng the river.
LOCATION:Hall\\, Main St. 1\\, Town\\, XX
SUMMARY:Summer fest
END:VEVENT
BEGIN:VEVENT
CREATED:20260101T000000Z
DTEND:20260606T143000Z
DTSTAMP:19700101T000000Z
DTSTART:20260606T123000Z
GEO:52.520000;13.400000
LAST-MODIFIED:19700101T000000Z
STATUS:CONFIRMED
UID:at://did:plc:ada/community.lexicon.calendar.event/walk
URL:https://guestlist.example/ada.example/walk
SUMMARY:Walk
END:VEVENT
END:VCALENDAR
";

#[test]
fn a_feed_is_these_very_bytes() {
    let mut world = World::new();
    world.introduce(&["ada"]);
    let geo = json!({ "$type": "community.lexicon.location.geo", "latitude": "52.52", "longitude": "13.4" });
    let walk = json!({
        "name": "Walk", "startsAt": "2026-06-06T18:00:00+05:30", "endsAt": "2026-06-06T20:00:00.5+05:30",
        "locations": [geo],
    });
    world.put("ada", Kind::Event, "walk", walk);
    let address = json!({
        "$type": "community.lexicon.location.address", "name": "Hall", "street": "Main St. 1",
        "locality": "Town", "country": "XX",
    });
    let fest = json!({
        "name": "Summer fest",
        "description": "Bring food, drinks; and a friend.\r\n\r\nWe begin with a walk along the river.",
        "startsAt": "2026-06-06T00:00:00+02:00", "endsAt": "2026-06-07T23:59:59+02:00",
        "status": status("cancelled"), "locations": [address],
    });
    world.put("ada", Kind::Event, "fest", fest);
    for now in [DAY_BEGINS, NOW, DAY_BEGINS + DAY - 1] {
        for actor in ["did:plc:ada", "ada.example"] {
            let feed = feed_at(&world, now, ics::events, actor).unwrap();
            assert_eq!(feed, FEED.replace('\n', "\r\n"));
        }
    }
}

fn status(name: &str) -> String {
    format!("community.lexicon.calendar.event#{name}")
}

pub(super) fn answer(world: &mut World, rkey: &str, to: &Value, status: &str, created: i64) {
    let status = format!("community.lexicon.calendar.rsvp#{status}");
    let answer = json!({ "subject": to, "status": status, "createdAt": time(created) });
    world.put("bea", Kind::Rsvp, rkey, answer);
}

#[test]
fn a_feed_has_what_goes_on_and_what_ended_within_a_year() {
    let mut world = World::new();
    let mut answers = Vec::new();
    for (rkey, start, end) in [
        ("a-too-old", DAY_BEGINS - YEAR - 9, Some(DAY_BEGINS - YEAR - 1)),
        ("b-oldest", DAY_BEGINS - YEAR - 8, Some(DAY_BEGINS - YEAR)),
        ("c-long", DAY_BEGINS - 20 * YEAR, Some(DAY_BEGINS - YEAR + 1)),
        ("d-ends-at-last", -20 * YEAR, Some(250_000_000_000 * SECOND)),
        ("e-yesterday", DAY_BEGINS - HOUR, None),
        ("f-this-morning", DAY_BEGINS, None),
        ("g-soon", NOW + HOUR, Some(NOW + 2 * HOUR)),
        ("h-far", 250_000_000_000 * SECOND, None),
        ("i-too-old", DAY_BEGINS - YEAR - 1, None),
        ("j-backwards", NOW + 3 * HOUR, Some(DAY_BEGINS - HOUR)),
        ("k-backwards-too-old", NOW + 3 * HOUR, Some(DAY_BEGINS - YEAR - 1)),
        ("l-backwards-to-come", NOW + 4 * HOUR, Some(NOW)),
    ] {
        answers.push(world.put("ada", Kind::Event, rkey, event(start, end)));
    }
    answers.push(world.put("ada", Kind::Event, "m-without", json!({ "endsAt": time(NOW) })));
    for (number, event) in answers.iter().enumerate() {
        answer(&mut world, &format!("r{number}"), event, "going", 0);
    }
    let expected = [
        "d-ends-at-last",
        "c-long",
        "b-oldest",
        "e-yesterday",
        "f-this-morning",
        "g-soon",
        "j-backwards",
        "l-backwards-to-come",
        "h-far",
    ];
    for events in [events_at(&world, NOW), rsvps_at(&world, NOW)] {
        assert_eq!(keys(&events), expected);
    }
    assert_eq!(keys(&events_at(&world, NOW + 2 * YEAR)), ["d-ends-at-last", "h-far"]);
}

#[test]
fn an_entry_says_whether_the_event_takes_place() {
    let mut world = World::new();
    for (rkey, of, shown) in [
        ("a", Some("cancelled"), Some("CANCELLED")),
        ("b", Some("planned"), Some("TENTATIVE")),
        ("c", Some("postponed"), Some("TENTATIVE")),
        ("d", Some("rescheduled"), Some("CONFIRMED")),
        ("e", Some("scheduled"), Some("CONFIRMED")),
        ("f", None, Some("CONFIRMED")),
        ("g", Some("dreamt"), None),
    ] {
        let mut event = event(NOW + DAY, None);
        if let Some(of) = of {
            event["status"] = json!(status(of));
        }
        world.put("ada", Kind::Event, rkey, event);
        let events = events_at(&world, NOW);
        assert_eq!(keys(&events).last(), Some(&rkey));
        assert_eq!(events.last().unwrap().value("STATUS"), shown, "{rkey}");
    }
}

#[test]
fn an_entry_says_when_it_is_and_what_was_changed() {
    let mut world = World::new();
    let record = json!({ "name": "Fair", "startsAt": "2026-07-01T18:00:00-11:00", "createdAt": "yesterday" });
    world.put("ada", Kind::Event, "e", record);
    let events = events_at(&world, NOW);
    assert_eq!(events[0].with_kind("DTSTART"), "20260702T050000Z");
    assert_eq!((events[0].value("DTEND"), events[0].value("CREATED")), (None, None));
    let record = json!({
        "name": "Fair!", "startsAt": "2026-07-01T00:00:00-11:00", "endsAt": "2026-07-03T00:00:00-11:00",
        "createdAt": "2026-05-01T12:00:00.5+02:00",
    });
    let before = events[0].text("UID");
    world.put("ada", Kind::Event, "e", record);
    let events = events_at(&world, NOW);
    assert_eq!(events[0].with_kind("DTSTART"), "VALUE=DATE:20260701");
    assert_eq!(events[0].with_kind("DTEND"), "VALUE=DATE:20260703");
    assert_eq!(events[0].value("CREATED"), Some("20260501T100000Z"));
    assert_eq!((events[0].text("UID"), events[0].text("SUMMARY")), (before, "Fair!".to_owned()));
}

#[test]
fn what_is_not_live_is_in_no_feed() {
    let mut world = World::new();
    let fair = world.put("ada", Kind::Event, "fair", event(NOW + DAY, None));
    let fest = world.put("ada", Kind::Event, "fest", event(NOW + DAY, None));
    answer(&mut world, "a", &fair, "going", 0);
    answer(&mut world, "b", &fest, "interested", 0);
    assert_eq!(keys(&rsvps_at(&world, NOW)), ["fair", "fest"]);
    world.delete("ada", Kind::Event, "fair");
    assert_eq!((keys(&events_at(&world, NOW)), keys(&rsvps_at(&world, NOW))), (vec!["fest"], vec!["fest"]));
    world.account("bea", Some("deactivated"));
    assert_eq!((events_at(&world, NOW).len(), rsvps_at(&world, NOW).len()), (1, 0));
    world.account("bea", None);
    world.account("ada", Some("suspended"));
    assert_eq!((events_at(&world, NOW).len(), rsvps_at(&world, NOW).len()), (0, 0));
    world.account("ada", None);
    assert_eq!((events_at(&world, NOW).len(), rsvps_at(&world, NOW).len()), (1, 1));
}

#[test]
fn an_answer_counts_while_it_is_the_one_and_says_that_somebody_may_come() {
    let mut world = World::new();
    let fair = world.put("ada", Kind::Event, "fair", event(NOW + DAY, None));
    let shown = |world: &World| {
        let events = rsvps_at(world, NOW);
        events.first().map(|event| event.value("TRANSP").map(str::to_owned))
    };
    let (busy, free) = (Some(None), Some(Some("TRANSPARENT".to_owned())));
    answer(&mut world, "a", &fair, "going", 5);
    assert_eq!(shown(&world), busy);
    // By another application, and then an older one.
    answer(&mut world, "b", &fair, "interested", 9);
    assert_eq!(shown(&world), free);
    answer(&mut world, "c", &fair, "going", 3);
    assert_eq!(shown(&world), free);
    answer(&mut world, "d", &fair, "notgoing", 12);
    assert_eq!(shown(&world), None);
    // Changed in place, and to something else.
    answer(&mut world, "d", &fair, "going", 12);
    assert_eq!(shown(&world), busy);
    answer(&mut world, "d", &fair, "dreaming", 12);
    assert_eq!(shown(&world), None);
    world.delete("bea", Kind::Rsvp, "d");
    assert_eq!(shown(&world), free);
    assert!(events_at(&world, NOW)[0].value("TRANSP").is_none());
}

#[test]
fn an_answer_to_something_else_is_no_entry() {
    let mut world = World::new();
    let fair = world.put("ada", Kind::Event, "fair", event(NOW + DAY, None));
    let jam = world.put("ada", Kind::Jam, "jam", json!({ "name": "Jam", "startsAt": time(NOW + DAY) }));
    answer(&mut world, "a", &jam, "going", 1);
    let uri = fair["uri"].as_str().unwrap();
    let others = [format!("{uri}s"), uri.replace("did:plc:ada", "ada.example"), format!("{uri}#part")];
    for (number, other) in others.iter().enumerate() {
        answer(&mut world, &format!("r{number}"), &json!({ "uri": other }), "going", 1);
    }
    assert_eq!(rsvps_at(&world, NOW).len(), 0);
    answer(&mut world, "z", &fair, "going", 1);
    assert_eq!(keys(&rsvps_at(&world, NOW)), ["fair"]);
}

#[test]
fn a_feed_has_a_thousand_entries_and_what_is_to_come_first() {
    let mut world = World::new();
    for number in 0..700 {
        let past = world.put("ada", Kind::Event, &format!("p{number:03}"), event(NOW - DAY - number, None));
        answer(&mut world, &format!("p{number}"), &past, "going", number);
        let next = world.put("ada", Kind::Event, &format!("n{number:03}"), event(NOW + number, None));
        answer(&mut world, &format!("n{number}"), &next, "interested", number);
    }
    for events in [events_at(&world, NOW), rsvps_at(&world, NOW)] {
        assert_eq!(events.len(), 1_000);
        let keys = keys(&events);
        // The latest of those that are over, and all that are not; in one order.
        assert_eq!((keys[0], keys[299], keys[300], keys[999]), ("p299", "p000", "n000", "n699"));
    }
    for number in 700..1_500 {
        world.put("ada", Kind::Event, &format!("n{number}"), event(NOW + number, None));
    }
    let events = events_at(&world, NOW);
    let keys = keys(&events);
    assert_eq!((keys.len(), keys[0], keys[999]), (1_000, "n000", "n999"));
    assert!(keys.is_sorted());
}

#[test]
fn a_person_has_one_name_in_a_feed() {
    let mut world = World::new();
    let name =
        |world: &World, run| read(&feed_at(world, NOW, run, "did:plc:bea").unwrap()).text("X-WR-CALNAME");
    assert_eq!(name(&world, ics::events), "Events of did:plc:bea");
    assert_eq!(name(&world, ics::rsvps), "RSVPs of did:plc:bea");
    world.introduce(&["bea"]);
    assert_eq!(name(&world, ics::rsvps), "RSVPs of bea.example");
}
