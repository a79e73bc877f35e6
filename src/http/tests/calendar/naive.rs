//! Lists of events by chance, beside what looking at everything finds.

use serde_json::json;

use super::{DAY, FOREVER, HOUR, NOW, list_at, page_at, status, time, uris};
use crate::check::check;
use crate::http::tests::fire::Dice;
use crate::http::tests::world::{World, did, uri};
use crate::records::Kind;
use crate::syntax::Datetime;

/// What a random event is, as the tests know it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    uri: String,
    author: &'static str,
    start: Option<i64>,
    end: Option<i64>,
    status: &'static str,
    mode: &'static str,
}

const AUTHORS: [&str; 4] = ["ada", "ada-b", "adab", "bea"];
const STATUSES: [&str; 4] = ["scheduled", "cancelled", "postponed", "dreamt"];
const MODES: [&str; 3] = ["inperson", "virtual", "hybrid"];

/// Writes, edits or deletes an event; what is known of all of them follows.
pub(super) fn write(world: &mut World, known: &mut Vec<Known>, dice: &mut Dice) {
    let (author, rkey) = (dice.of(&AUTHORS), format!("e{}", dice.below(12)));
    let uri = uri(author, Kind::Event, &rkey);
    known.retain(|event| event.uri != uri);
    if dice.below(5) == 0 {
        return world.delete(author, Kind::Event, &rkey);
    }
    // On both sides of where one span of the index ends and the next begins.
    let edge =
        |dice: &mut Dice| (1_i64 << (34 + 2 * dice.below(4))) + i64::try_from(dice.below(3)).unwrap() - 1;
    let sign = |dice: &mut Dice| if dice.below(2) == 0 { 1 } else { -1 };
    let offset = match dice.below(4) {
        0 => i64::try_from(dice.below(3)).unwrap() - 1,
        1 => sign(dice) * edge(dice),
        2 => sign(dice) * i64::try_from(dice.below(40)).unwrap() * DAY,
        _ => sign(dice) * (edge(dice) + i64::try_from(dice.below(3)).unwrap()),
    };
    let start = (dice.below(12) > 0).then_some(NOW + offset);
    let end = match dice.below(6) {
        0 | 1 => None,
        2 => Some(FOREVER),
        3 => Some(start.unwrap_or(NOW) - i64::try_from(dice.below(3)).unwrap() * HOUR),
        4 => Some(NOW + i64::try_from(dice.below(3)).unwrap() - 1),
        _ => Some(start.unwrap_or(NOW) + edge(dice)),
    };
    let (of, mode) = (dice.of(&STATUSES), dice.of(&MODES));
    let mut record =
        json!({ "name": "Meeting", "status": status(of), "mode": status(mode), "note": dice.below(9) });
    for (field, at) in [("startsAt", start), ("endsAt", end)] {
        if let Some(at) = at {
            record[field] = json!(time(at));
        }
    }
    world.put(author, Kind::Event, &rkey, record);
    known.push(Known { uri, author, start, end, status: of, mode });
}

/// The list that these parameters ask for, by looking at everything.
fn naive(known: &[Known], now: i64, params: &[(&str, String)]) -> Vec<String> {
    let param = |name: &str| params.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str());
    let micros = |name: &str| param(name).map(|text| Datetime::parse(text).unwrap().micros());
    let when = param("when").unwrap_or("upcoming");
    let is_asked = |event: &&Known| {
        let over = event.start.map(|start| event.end.unwrap_or(start) < now);
        (match when {
            "upcoming" => over == Some(false) && event.status != "cancelled",
            "past" => over == Some(true),
            _ => true,
        }) && param("organizer").is_none_or(|organizer| organizer == did(event.author).as_str())
            && micros("from").is_none_or(|from| event.start.is_some_and(|start| start >= from))
            && micros("to").is_none_or(|to| event.start.is_some_and(|start| start < to))
            && param("mode").is_none_or(|mode| mode == event.mode)
            && param("status").is_none_or(|status| status == event.status.replace("dreamt", "other"))
    };
    let mut events: Vec<_> = known.iter().filter(is_asked).collect();
    events.sort_by_key(|event| (event.start.is_none(), event.start, &event.uri));
    if when == "past" {
        events.reverse();
    }
    events.into_iter().map(|event| event.uri.clone()).collect()
}

fn question(dice: &mut Dice) -> Vec<(&'static str, String)> {
    let mut params = Vec::new();
    let mut sometimes = |dice: &mut Dice, one_in: u64, name, value: String| {
        if dice.below(one_in) == 0 {
            params.push((name, value));
        }
    };
    let when = dice.of(&["upcoming", "past", "past", "all"]).to_owned();
    sometimes(dice, 2, "when", when);
    let organizer = did(dice.of(&AUTHORS)).to_string();
    sometimes(dice, 3, "organizer", organizer);
    let from = time(NOW - i64::try_from(dice.below(30)).unwrap() * DAY);
    sometimes(dice, 4, "from", from);
    let to = time(NOW + (i64::try_from(dice.below(40)).unwrap() - 10) * DAY);
    sometimes(dice, 4, "to", to);
    let mode = dice.of(&MODES).to_owned();
    sometimes(dice, 6, "mode", mode);
    let status = dice.of(&["scheduled", "cancelled", "postponed", "other"]).to_owned();
    sometimes(dice, 6, "status", status);
    params
}

fn raw(params: &[(&str, String)]) -> String {
    params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

#[test]
fn a_list_is_what_looking_at_everything_finds_whatever_the_size_of_its_pages() {
    let mut listed = 0;
    for seed in 0..60 {
        let (mut world, mut known, mut dice) = (World::new(), Vec::new(), Dice(seed));
        for _ in 0..90 {
            write(&mut world, &mut known, &mut dice);
        }
        for _ in 0..25 {
            let params = question(&mut dice);
            let now = NOW + dice.of(&[0, 0, 1, -1, DAY, -40 * DAY, 1 << 36]);
            let expected = naive(&known, now, &params);
            for limit in [1, 2, 3, 7, 100] {
                assert_eq!(
                    list_at(&world, now, &raw(&params), limit),
                    expected,
                    "seed {seed}, {params:?}, {limit}"
                );
            }
            listed += expected.len();
        }
        assert_eq!(check(&world.service.store, |_| {}).unwrap().differences, Vec::<String>::new());
    }
    assert!(listed > 5_000, "{listed}");
}

#[test]
fn whatever_was_in_the_list_throughout_is_seen_once_and_in_order() {
    let mut kept_in_all = 0;
    for seed in 1_000..1_400 {
        let (mut world, mut known, mut dice) = (World::new(), Vec::new(), Dice(seed));
        for _ in 0..70 {
            write(&mut world, &mut known, &mut dice);
        }
        let params = question(&mut dice);
        let mut now = NOW;
        // An edit that changes the start takes an event out and puts it in elsewhere.
        let placed = |known: &[Known], now| -> Vec<(String, Option<i64>)> {
            let start = |uri: &str| known.iter().find(|event| event.uri == uri).and_then(|event| event.start);
            naive(known, now, &params).into_iter().map(|uri| (uri.clone(), start(&uri))).collect()
        };
        let mut throughout = placed(&known, now);
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let limit = 1 + dice.below(4);
            let page = page_at(&world, now, &format!("{}&limit={limit}{cursor}", raw(&params))).unwrap();
            let here = placed(&known, now);
            seen.extend(
                uris(&page).into_iter().map(|uri| here.iter().find(|(one, _)| *one == uri).unwrap().clone()),
            );
            let Some(next) = page["cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            for _ in 0..dice.below(3) {
                write(&mut world, &mut known, &mut dice);
            }
            now += i64::try_from(dice.below(2)).unwrap() * dice.of(&[1, HOUR, DAY]);
            let still = placed(&known, now);
            throughout.retain(|item| still.contains(item));
        }
        let kept: Vec<_> = seen.iter().filter(|item| throughout.contains(item)).cloned().collect();
        assert_eq!(kept, throughout, "seed {seed}, {params:?}");
        kept_in_all += kept.len();
    }
    assert!(kept_in_all > 1_000, "{kept_in_all}");
}
