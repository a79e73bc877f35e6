//! What calendars, records and requests have at their edges.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::feeds::answer;
use super::reader::{exactly, read};
use super::{DAY, NOW, event, events_at, feed_at, keys, rsvps_at, send, time};
use crate::http::answer::Run;
use crate::http::ics::{self, Feed};
use crate::http::tests::world::World;
use crate::records::Kind;

#[test]
fn there_is_no_year_zero_in_a_calendar() {
    let mut world = World::new();
    let forever = "9999-12-31T23:59:59Z";
    for (rkey, starts, created) in [
        ("a", "0000-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("b", "0000-12-31T00:00:00-23:00", "2026-01-01T00:00:00Z"),
        ("c", "0001-01-01T00:00:00+01:00", "2026-01-01T00:00:00Z"),
        ("d", "0001-01-01T00:00:00Z", "0000-12-31T23:59:59.999999Z"),
        ("e", "0001-01-01T00:00:00-23:59", "0001-01-01T00:00:00Z"),
    ] {
        let record = json!({ "name": "x", "startsAt": starts, "endsAt": forever, "createdAt": created });
        let put = world.put("ada", Kind::Event, rkey, record);
        answer(&mut world, rkey, &put, "going", 0);
    }
    for events in [events_at(&world, NOW), rsvps_at(&world, NOW)] {
        assert_eq!(keys(&events), ["d", "e"]);
        let created: Vec<_> = events.iter().map(|event| event.value("CREATED")).collect();
        assert_eq!(created, [None, Some("00010101T000000Z")]);
    }
}

#[test]
fn a_place_of_which_nothing_is_left_is_not_said() {
    let mut world = World::new();
    let mut record = event(NOW + DAY, None);
    record["locations"] = json!([
        { "name": "\0", "street": "\u{1b}\u{7f}", "country": "XX" }, { "name": "\u{9b}" }, { "locality": "Town\r\n" },
    ]);
    world.put("ada", Kind::Event, "e", record);
    let feed = feed_at(&world, NOW, ics::events, "did:plc:ada").unwrap();
    assert_eq!(exactly(&feed, "LOCATION"), ["XX; Town\n"]);
}

#[test]
fn the_url_of_an_entry_is_as_the_template_says_and_no_text() {
    let mut world = World::new();
    world.service.event_url = "https://e.example/a,b;c/{did}?k={rkey}&x=(1:2)'*!#,;".parse().unwrap();
    world.service.public_url = "https://guestlist.example/some,where;else/".to_owned();
    let put = world.put("ada", Kind::Event, "k~e:y_", event(NOW + DAY, None));
    answer(&mut world, "r", &put, "going", 0);
    for events in [events_at(&world, NOW), rsvps_at(&world, NOW)] {
        let url = "https://e.example/a,b;c/did:plc:ada?k=k~e:y_&x=(1:2)'*!#,;";
        assert_eq!(events[0].value("URL"), Some(url));
    }
    let feed = feed_at(&world, NOW, ics::events, "did:web:host.example%3A8443:a%2Cb").unwrap();
    let source =
        "https://guestlist.example/some,where;else/calendar/did:web:host.example%253A8443:a%252Cb/events.ics";
    let unfolded = feed.replace("\r\n ", "");
    assert!(unfolded.contains(&format!("\r\nSOURCE;VALUE=URI:{source}\r\n")), "{feed}");
    assert!(unfolded.contains("\r\nNAME:Events of did:web:host.example%3A8443:a%2Cb\r\n"), "{feed}");
    assert!(read(&feed).events.is_empty());
}

#[test]
fn an_event_that_loses_its_start_or_its_sense_leaves_the_feeds() {
    let mut world = World::new();
    for broken in [
        json!({ "name": "x" }),
        json!({ "name": "x", "startsAt": "soon" }),
        json!({ "name": "x", "startsAt": null, "endsAt": time(NOW + DAY) }),
        json!({ "name": "x", "startsAt": time(NOW), "$type": "com.example.else" }),
    ] {
        let put = world.put("ada", Kind::Event, "e", event(NOW + DAY, None));
        answer(&mut world, "r", &put, "going", 0);
        assert_eq!((events_at(&world, NOW).len(), rsvps_at(&world, NOW).len()), (1, 1), "{broken}");
        world.put("ada", Kind::Event, "e", broken.clone());
        assert_eq!((events_at(&world, NOW).len(), rsvps_at(&world, NOW).len()), (0, 0), "{broken}");
    }
}

#[test]
fn a_feed_has_nothing_of_others_whose_did_begins_alike() {
    let mut world = World::new();
    for name in ["ad", "adab", "ada:b"] {
        let put = world.put(name, Kind::Event, "e", event(NOW + DAY, None));
        let rsvp = json!({ "subject": put, "status": "community.lexicon.calendar.rsvp#going" });
        for author in ["be", "beab", "bea:b"] {
            world.put(author, Kind::Rsvp, &format!("r{}", name.len()), rsvp.clone());
        }
    }
    assert_eq!((events_at(&world, NOW).len(), rsvps_at(&world, NOW).len()), (0, 0));
}

#[test]
fn what_was_indexed_in_another_order_makes_the_same_feeds() {
    let records: Vec<_> = (0..40_i64)
        .map(|number| (format!("e{}", number * 7 % 40), event(NOW + number % 5 * DAY, None)))
        .collect();
    let feeds = |order: &mut dyn Iterator<Item = &(String, serde_json::Value)>| {
        let mut world = World::new();
        for (rkey, record) in order {
            let put = world.put("ada", Kind::Event, rkey, record.clone());
            // Two of them say the same time.
            for number in 0..3_i64 {
                let status = ["going", "interested", "notgoing"][usize::try_from(number).unwrap()];
                answer(&mut world, &format!("{rkey}-{number}"), &put, status, number / 2);
            }
        }
        [(ics::events as Run<Feed>, "did:plc:ada"), (ics::rsvps, "did:plc:bea")].map(|(run, actor)| {
            let feed = feed_at(&world, NOW, run, actor).unwrap();
            // When they were written is another time in this world.
            let is_same = |line: &&str| !line.starts_with("DTSTAMP:") && !line.starts_with("LAST-MODIFIED:");
            feed.lines().filter(is_same).collect::<Vec<_>>().join("\n")
        })
    };
    assert_eq!(feeds(&mut records.iter()), feeds(&mut records.iter().rev()));
}

#[tokio::test]
async fn whatever_is_asked_for_as_a_person_is_answered() {
    let world = super::world();
    let long = "a".repeat(10_000);
    for (actor, status) in [
        ("did%3Aplc%3Aada", 200),
        ("did:web:host.example%253A8443", 200),
        ("did:web:host.example%3A8443", 200),
        ("..", 400),
        (".", 400),
        ("%2e%2e", 400),
        ("did:plc:ada%2F", 400),
        ("%2F", 400),
        ("did:plc:ada%00", 400),
        ("%20did:plc:ada", 400),
        ("at:%2F%2Fdid:plc:ada", 400),
        ("@ada.example", 400),
        ("ada.example.", 400),
        ("did:plc:ada,did:plc:bea", 400),
        ("did%253Aplc%253Aada", 400),
        ("%C3%A4da.example", 400),
        ("%ED%A0%80", 400),
        (long.as_str(), 400),
    ] {
        for feed in ["events.ics", "rsvps.ics"] {
            let path = format!("/calendar/{actor}/{feed}");
            let (of_get, headers, _) = send(&world, Method::GET, &path, &[]).await;
            let (of_head, ..) = send(&world, Method::HEAD, &path, &[]).await;
            assert_eq!((of_get.as_u16(), of_head), (status, of_get), "{path}");
            assert_eq!(headers.contains_key("cache-control"), status == 200, "{path}");
            assert_eq!(headers["access-control-allow-origin"], "*");
            let (of_slash, ..) = send(&world, Method::GET, &(path + "/"), &[]).await;
            assert_eq!(of_slash, StatusCode::NOT_FOUND);
        }
    }
}
