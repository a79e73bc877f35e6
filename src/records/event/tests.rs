//! What is read of an event, and what is as absent.

use serde_json::{Value, json};

use super::{Event, EventMode, EventStatus, PLACES_MAX, Place};
use crate::codec::event::Block;
use crate::codec::json::encode_dag_cbor;
use crate::records::{Body, Kind, grade};
use crate::syntax::{Cid, Datetime, RecordKey};

fn read(record: &Value) -> Event {
    let bytes = encode_dag_cbor(&record.to_string()).unwrap();
    let block = Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None };
    match grade(Kind::Event, &RecordKey::parse("e").unwrap(), &block).body {
        Some(Body::Event(event)) => event,
        other => panic!("nothing in an event bears load: {record} {other:?}"),
    }
}

fn token(name: &str) -> Value {
    json!(format!("community.lexicon.calendar.event#{name}"))
}

fn geo(latitude: &str, longitude: &str) -> Value {
    json!({ "$type": "community.lexicon.location.geo", "latitude": latitude, "longitude": longitude })
}

fn cell(value: &str) -> Value {
    json!({ "$type": "community.lexicon.location.hthree", "value": value })
}

#[test]
fn an_empty_event_is_scheduled_in_person_and_at_no_time_or_place() {
    let nothing = Event {
        start: None,
        end: None,
        status: EventStatus::Scheduled,
        mode: EventMode::InPerson,
        places: Vec::new(),
    };
    assert_eq!(read(&json!({})), nothing);
    // Of another type every field is as absent.
    for other in [json!(null), json!(7), json!(true), json!([]), json!({}), json!(["x"])] {
        let record =
            json!({ "startsAt": other, "endsAt": other, "status": other, "mode": other, "locations": other });
        assert_eq!(read(&record), nothing, "{other}");
    }
}

#[test]
fn a_time_is_a_datetime_of_the_one_form() {
    let at = |text: &str| Datetime::parse(text).unwrap();
    let record = json!({ "startsAt": "2026-05-01T10:00:00.0000015+02:00", "endsAt": "1969-12-31T23:59:59Z" });
    let event = read(&record);
    assert_eq!(event.start, Some(at("2026-05-01T08:00:00.000001Z")), "cut after the sixth digit");
    assert_eq!(event.end, Some(at("1969-12-31T23:59:59Z")), "before its start, and kept");
    for bad in
        ["", "2026-05-01", "2026-05-01T10:00:00", "2026-05-01 10:00:00Z", "2016-12-31T23:59:60Z", "soon"]
    {
        let event = read(&json!({ "startsAt": bad, "endsAt": "2026-05-01T10:00:00Z" }));
        assert_eq!((event.start, event.end.is_some()), (None, true), "{bad}");
    }
}

#[test]
fn a_status_or_mode_is_a_token_by_its_full_name_and_anything_else_is_another() {
    for name in EventStatus::NAMES {
        assert_eq!(read(&json!({ "status": token(name) })).status.name(), *name);
    }
    for name in EventMode::NAMES {
        assert_eq!(read(&json!({ "mode": token(name) })).mode.name(), *name);
    }
    for odd in [
        "",
        "cancelled",
        "#cancelled",
        "community.lexicon.calendar.event#canceled",
        "community.lexicon.calendar.event#Cancelled",
        "community.lexicon.calendar.event#cancelled ",
        "community.lexicon.calendar.event#cancelled#",
        "community.lexicon.calendar.rsvp#cancelled",
        "community.lexicon.calendar.event",
    ] {
        assert_eq!(read(&json!({ "status": odd })).status, EventStatus::Other, "{odd:?}");
        assert_eq!(read(&json!({ "mode": odd })).mode, EventMode::Other, "{odd:?}");
    }
}

#[test]
fn a_place_is_a_point_or_a_cell_that_there_is() {
    let point = |latitude, longitude| Place::Point { latitude, longitude };
    for (location, place) in [
        (geo("52.52", "13.405"), point(525_200_000, 134_050_000)),
        (geo("-0.0", "+180"), point(0, 1_800_000_000)),
        (geo("90", "-180.0"), point(900_000_000, -1_800_000_000)),
        (geo("-90.", ".5"), point(-900_000_000, 5_000_000)),
        (geo("0.00000005", "0.00000004"), point(1, 0)),
        (cell("8a2a1072b59ffff"), Place::Cell(0x08a2_a107_2b59_ffff)),
        (cell("8A2A1072B59FFFF"), Place::Cell(0x08a2_a107_2b59_ffff)),
    ] {
        assert_eq!(read(&json!({ "locations": [location] })).places, [place], "{location}");
    }
    for location in [
        geo("90.0000001", "0"),
        geo("0", "180.0000001"),
        geo("0", "-181"),
        geo("NaN", "0"),
        geo("inf", "0"),
        geo("0", "-infinity"),
        geo("1e1", "0"),
        geo("", "0"),
        geo("-", "0"),
        geo(".", "0"),
        geo("--1", "0"),
        geo("1.2.3", "0"),
        geo("52,52", "13,405"),
        geo(" 1", "0"),
        geo("0x10", "0"),
        geo("٥٢", "0"),
        geo(&"0".repeat(100_000), "0"),
        geo("0", &format!("0.{}", "1".repeat(31))),
        json!({ "latitude": "1", "longitude": "1" }),
        json!({ "$type": "community.lexicon.location.geo", "latitude": 1, "longitude": 1 }),
        json!({ "$type": "community.lexicon.location.geo", "latitude": "1" }),
        json!({ "$type": "community.lexicon.location.geo#main", "latitude": "1", "longitude": "1" }),
        json!({ "$type": "community.lexicon.location.fsq", "latitude": "1", "longitude": "1" }),
        cell(""),
        cell("0"),
        cell("8a2a1072b59fff"),
        cell("08a2a1072b59ffff"),
        cell("+a2a1072b59ffff"),
        cell("ffffffffffffffff"),
        cell("fffffffffffffff"),
        // An edge, and a cell with a digit that there is not.
        cell("115283473ffffff"),
        cell("8a2a1072b5fffff"),
        json!({ "$type": "community.lexicon.location.hthree", "value": 7 }),
        json!({ "$type": "community.lexicon.location.hthree" }),
        json!(null),
        json!("52.52,13.405"),
        json!([["52.52", "13.405"]]),
    ] {
        let locations = json!([location, geo("1", "1")]);
        let places = read(&json!({ "locations": locations })).places;
        assert_eq!(
            places,
            [point(10_000_000, 10_000_000)],
            "{}",
            &location.to_string()[..60.min(location.to_string().len())]
        );
    }
}

#[test]
fn of_very_many_places_the_first_are_kept() {
    let locations: Vec<_> = (0..1_000).map(|n| geo("0", &format!("0.{n:03}"))).collect();
    let places = read(&json!({ "locations": locations })).places;
    assert_eq!(places.len(), PLACES_MAX);
    assert_eq!(places[1], Place::Point { latitude: 0, longitude: 10_000 });
}

#[test]
fn a_cell_is_where_its_centre_is() {
    // The Statue of Liberty.
    let (latitude, longitude) = Place::Cell(0x08a2_a107_2b59_ffff).degrees().unwrap();
    assert!((latitude - 40.689).abs() < 0.01 && (longitude + 74.044).abs() < 0.01, "{latitude} {longitude}");
    assert_eq!(Place::point("-12.5", "0.25").unwrap().degrees(), Some((-12.5, 0.25)));
    assert_eq!(Place::Cell(7).degrees(), None);
}

#[test]
fn every_cell_that_there_is_has_a_centre() {
    let mut cells = 0;
    let mut dice = 1_u64;
    for resolution in 0..16_u64 {
        for base in 0..122 {
            // Whatever the digits down to this resolution are, pentagons among them; below it all of them are seven.
            for digits in 0..8 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let digits = if digits == 0 { 0 } else { dice >> 10 };
                let below = (1_u64 << (3 * (15 - resolution))) - 1;
                let cell =
                    1 << 59 | resolution << 52 | base << 45 | digits & ((1 << 45) - 1) & !below | below;
                let Some(place) =
                    read(&json!({ "locations": [self::cell(&format!("{cell:015x}"))] })).places.pop()
                else {
                    continue;
                };
                let (latitude, longitude) = place.degrees().unwrap();
                assert!(
                    latitude.abs() <= 90.0 && longitude.abs() <= 180.0,
                    "{cell:x}: {latitude} {longitude}"
                );
                cells += 1;
            }
        }
    }
    assert!(cells > 5_000, "{cells}");
}
