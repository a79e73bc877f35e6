//! Two hundred texts in more than ten scripts, and what is found first in them.

use serde::Deserialize;

use super::{Shelf, document};

const EVENTS: &str = include_str!("../../../fixtures/search/events.jsonl");
const QUERIES: &str = include_str!("../../../fixtures/search/queries.jsonl");

/// Results that are looked at for what need not come first.
const SEEN: usize = 20;

#[derive(Deserialize)]
struct Text {
    key: String,
    name: String,
    description: String,
    places: Vec<String>,
}

#[derive(Deserialize)]
struct Expected {
    query: String,
    /// What comes first, in this order.
    first: Vec<String>,
    /// What comes somewhere among the first.
    also: Vec<String>,
    /// What is not found.
    not: Vec<String>,
    /// Whether nothing is found.
    #[serde(default)]
    none: bool,
    why: String,
}

fn lines<T: for<'a> Deserialize<'a>>(text: &str) -> Vec<T> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An index of all texts. Each begins an hour after the one before.
fn corpus() -> (Shelf, usize) {
    const HOUR: i64 = 3_600_000_000;
    let mut shelf = Shelf::new();
    let texts: Vec<Text> = lines(EVENTS);
    let mut start = 0;
    for text in &texts {
        let places: Vec<&str> = text.places.iter().map(String::as_str).collect();
        let mut document = document(&text.key, &text.name, &text.description, &places);
        start += HOUR;
        document.start = Some(start);
        shelf.writer.put(&document).unwrap();
        // Segments are searched one by one: several, as there are when events come one by one.
        if start % (50 * HOUR) == 0 {
            shelf.writer.commit(None).unwrap();
        }
    }
    shelf.writer.commit(None).unwrap();
    (shelf, texts.len())
}

#[test]
fn what_is_expected_first_comes_first() {
    let (shelf, texts) = corpus();
    assert_eq!(texts, 200);
    let mut wrong = Vec::new();
    for expected in lines::<Expected>(QUERIES) {
        let Expected { query, first, also, not, none, why } = expected;
        let found = shelf.found(&query, texts);
        let is_first = found.iter().take(first.len()).eq(&first);
        let is_seen = also.iter().all(|key| found.iter().take(SEEN).any(|found| found == key));
        let is_left = !not.iter().any(|key| found.contains(key));
        if !is_first || !is_seen || !is_left || (none && !found.is_empty()) {
            let shown: Vec<_> = found.iter().take(8).collect();
            wrong
                .push(format!("{query:?} ({why}): {shown:?}, not {first:?} {also:?} without {not:?} {none}"));
        }
    }
    assert!(wrong.is_empty(), "{} queries:\n{}", wrong.len(), wrong.join("\n"));
}
