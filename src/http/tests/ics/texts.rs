//! What people write, in entries of a calendar: shown as it is, and never more than text.
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::reader::{exactly, read};
use super::{DAY, DAY_BEGINS, NOW, SECOND, event, events_at, feed_at, time};
use crate::http::ics;
use crate::http::tests::world::World;
use crate::records::Kind;
use crate::syntax::Datetime;

/// How long a feed of four megabytes may take: far longer than it does, and far less than the square of its texts.
const TIME_MAX: Duration = Duration::from_secs(4);

/// When the first year begins.
const YEAR_ONE: i64 = -62_135_596_800 * SECOND;

fn with(fields: &Value) -> World {
    let mut world = World::new();
    let mut event = event(NOW + DAY, None);
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    world.put("ada", Kind::Event, "e", event);
    world
}

fn feed_with(fields: &Value) -> String {
    feed_at(&with(fields), NOW, ics::events, "did:plc:ada").unwrap()
}

/// What is left of a text in a calendar.
fn kept(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    text.replace(|character: char| character.is_control() && character != '\n' && character != '\t', "")
}

/// A text without what the other library does not keep: spaces at the ends of lines, and colons at the beginning.
fn bare(text: &str) -> String {
    text.replace(char::is_whitespace, "").trim_start_matches(':').to_owned()
}

const HOSTILE: [&str; 16] = [
    "Party\r\nBEGIN:VEVENT\r\nUID:x\r\nEND:VEVENT",
    "Party\nEND:VEVENT\nEND:VCALENDAR\nBEGIN:VCALENDAR",
    "Party\rATTACH:https://elsewhere.example",
    "Party\u{2028}BEGIN:VALARM\u{2029}ACTION:EMAIL\u{85}X:y",
    "Party\u{b}URL:x\u{c}URL:y",
    "a;b,c:d\"e\\f\\n\\,=?",
    "\\",
    "\\\\n;",
    "\"quoted\"; CN=\"x\":mailto:x",
    "<p>Come &amp; <b onclick=\"alert('x')\">dance</b>;<br/>\n<!-- , --></p><script>x</script>",
    "\u{202e}backwards\u{202c} \u{2066}\u{200f}\u{200e}\u{2069}\u{feff}",
    "nul\0in\u{1}side\u{7f}\u{9f}",
    "tab\tand  two  spaces ",
    " 老虎 🎷👩‍👩‍👧‍👦 ünïcode العربية हिन्दी",
    "=?utf-8?B?eA==?= %0D%0ABEGIN:VEVENT \\r\\nBEGIN:VEVENT",
    "BEGIN:VEVENT",
];

#[test]
fn a_text_comes_back_as_it_was_written() {
    for text in HOSTILE {
        let locations = json!([{ "$type": "community.lexicon.location.address", "street": text }]);
        let feed = feed_with(&json!({ "name": text, "description": text, "locations": locations }));
        let events = read(&feed).events;
        assert_eq!(events.len(), 1, "{feed}");
        for name in ["SUMMARY", "DESCRIPTION", "LOCATION"] {
            assert_eq!(exactly(&feed, name), [kept(text)], "{name}");
            assert_eq!(bare(&events[0].text(name)), bare(&kept(text)), "{name}");
        }
        assert_eq!(feed.matches("\r\nBEGIN:").count(), 1, "{feed}");
    }
}

#[test]
fn a_megabyte_of_text_comes_back_whole_and_soon() {
    // What costs the most: some of it is written as two.
    for character in ["\\", "\n", "é", " "] {
        let long = "a".to_owned() + &character.repeat(900_000 / character.len()) + "b";
        let mut world = World::new();
        for rkey in ["a", "b", "c", "d", "e"] {
            let mut event = event(NOW + DAY, None);
            event["description"] = json!(long);
            world.put("ada", Kind::Event, rkey, event);
        }
        let begun = Instant::now();
        let feed = feed_at(&world, NOW, ics::events, "did:plc:ada").unwrap();
        assert!(begun.elapsed() < TIME_MAX, "{:?}", begun.elapsed());
        // Four megabytes of records are read, and no more.
        assert!(exactly(&feed, "DESCRIPTION") == vec![long; 4]);
    }
}

#[test]
fn a_name_that_is_none_does_not_break_a_feed() {
    for name in
        [json!(null), json!(7), json!({ "a": 1 }), json!(["a"]), json!(""), json!(" \t\n"), json!("\0")]
    {
        let feed = feed_with(&json!({ "name": name, "description": 7, "locations": "there" }));
        let events = read(&feed).events;
        assert_eq!(events[0].text("SUMMARY"), "Untitled event", "{name}");
        assert_eq!((events[0].value("DESCRIPTION"), events[0].value("LOCATION")), (None, None));
    }
}

#[test]
fn locations_are_said_in_words_and_the_first_point_in_numbers() {
    let address = json!({
        "$type": "community.lexicon.location.address", "name": "Hall; west", "street": "Main St. 1",
        "locality": "Town", "region": "R", "postalCode": "123", "country": "XX",
    });
    let geo = json!({ "$type": "community.lexicon.location.geo", "latitude": "-33.9", "longitude": "18.42" });
    let fsq = json!({
        "$type": "community.lexicon.location.fsq", "fsq_place_id": "f", "name": "Café",
        "latitude": "52.5200071", "longitude": "13.4",
    });
    let cell =
        json!({ "$type": "community.lexicon.location.hthree", "value": "861f1d48fffffff", "name": "Park" });
    let link = json!({
        "$type": "community.lexicon.calendar.event#uri", "uri": "https://call.example/x", "name": "Call",
    });
    let many: Vec<_> = (0..40).map(|number| json!({ "name": format!("p{number}") })).collect();
    let of_many = (0..16).map(|number| format!("p{number}")).collect::<Vec<_>>().join("; ");
    for (locations, words, point) in [
        (json!([]), "", None),
        (json!([address]), "Hall; west, Main St. 1, Town, R, 123, XX", None),
        (json!([geo]), "", Some("-33.900000;18.420000")),
        (json!([fsq, geo]), "Café", Some("52.520007;13.400000")),
        (json!([cell, geo]), "Park", Some("-33.900000;18.420000")),
        (json!([link, cell]), "Call, https://call.example/x; Park", None),
        (json!([7, null, "x", {}, { "name": 7, "street": " ", "country": "XX" }]), "XX", None),
        (json!([{ "latitude": "91", "longitude": "0" }, { "latitude": "1e1", "longitude": "0" }]), "", None),
        (json!([{ "latitude": "1;2\r\nX:y", "longitude": "0" }]), "", None),
        (json!({ "name": "x" }), "", None),
        (json!(many), of_many.as_str(), None),
    ] {
        let events = events_at(&with(&json!({ "locations": locations })), NOW);
        assert_eq!(events[0].text("LOCATION"), words, "{locations}");
        assert_eq!(events[0].value("GEO"), point, "{locations}");
    }
}

/// Texts with more than chance would put there of what means something to a calendar.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => any::<String>(),
        2 => prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
        1 => "[ ,;:\\\\\r\n\t\"a]{0,120}",
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

/// Times of which some are none.
fn moment() -> impl Strategy<Value = String> {
    let day = (-2..400_i64).prop_map(|days| time(NOW + DAY + days * DAY));
    prop_oneof![
        4 => day.clone(),
        1 => day.prop_map(|text| text.replace('Z', "+05:30")),
        1 => prop::sample::select(vec![
            "2027-01-01T00:00:00+14:00", "2027-01-02T23:59:59.999-11:00", "9999-12-31T23:59:59Z",
            "2027-06-30T23:59:60Z", "2027-01-01", "0000-01-01T00:00:00Z", "",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_records_say_their_feed_is_read_back(
        records in prop::collection::vec((text(), text(), moment(), prop::option::of(moment())), 0..8)
    ) {
        let mut world = World::new();
        let mut expected = Vec::new();
        for (number, (name, description, starts, ends)) in records.iter().enumerate() {
            let mut record = json!({ "name": name, "description": description, "startsAt": starts });
            if let Some(ends) = ends {
                record["endsAt"] = json!(ends);
            }
            world.put("ada", Kind::Event, &format!("e{number}"), record);
            let micros = |text: &str| Datetime::parse(text).map(Datetime::micros).ok();
            let Some(start) = micros(starts).filter(|start| *start >= YEAR_ONE) else { continue };
            if ends.as_deref().and_then(micros).unwrap_or(start) >= DAY_BEGINS - 365 * DAY {
                let name = kept(name);
                let is_blank = name.trim().is_empty();
                expected.push((start, number, if is_blank { "Untitled event".to_owned() } else { name }));
            }
        }
        expected.sort();
        let expected: Vec<_> = expected.into_iter().map(|(_, _, name)| name).collect();
        let feed = feed_at(&world, NOW, ics::events, "did:plc:ada").unwrap();
        let summaries: Vec<_> = read(&feed).events.iter().map(|event| bare(&event.text("SUMMARY"))).collect();
        prop_assert_eq!(summaries, expected.iter().map(|name| bare(name)).collect::<Vec<_>>());
        prop_assert_eq!(exactly(&feed, "SUMMARY"), expected);
    }
}
