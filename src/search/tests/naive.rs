//! A search without an index, by the rule as it is written, and random texts to compare both on.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::document::{Document, number_of};
use super::super::words::{Word, words};
use super::{Shelf, document};

/// Whether a word stands in a text whole, and whether something begins with it.
fn stands(word: &Word, text: &str) -> (bool, bool) {
    let mut stands = (false, false);
    for other in words(text) {
        match (word, &other) {
            (Word::Spaced(word), Word::Spaced(other)) => {
                stands.0 |= word == other;
                stands.1 |= other.starts_with(word.as_str());
            }
            (Word::Run(run), Word::Run(other)) => {
                let is_in = other.windows(run.len()).any(|part| part == run.as_slice());
                // Of one character nobody can say whether it is a word.
                stands.0 |= is_in && run.len() > 1;
                stands.1 |= is_in;
            }
            _ => {}
        }
    }
    stands
}

fn points(document: &Document, query: &str) -> Option<u32> {
    let wanted = words(query);
    let mut points = 0;
    for (at, word) in wanted.iter().enumerate() {
        if wanted.iter().take(at).any(|before| before == word) {
            continue;
        }
        let places = document.places.iter().map(|place| (place.as_str(), 12, 9));
        let texts = places.chain([(document.name.as_str(), 32, 24), (document.description.as_str(), 4, 3)]);
        let best = texts.filter_map(|(text, whole, beginning)| match stands(word, text) {
            (true, _) => Some(whole),
            (_, true) => Some(beginning),
            _ => None,
        });
        points += best.max()?;
    }
    Some(points)
}

/// Texts of few words, so that many are alike.
fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "rust",
        "rusty",
        "Café",
        "cafés",
        "東京",
        "京都",
        "東",
        "タワー",
        "서울",
        "서울에서",
        "ru",
        "meet-up",
        "2026",
        "كتاب",
    ]);
    let gap = prop::sample::select(vec![" ", ", ", "", "\n"]);
    vec((word, gap), 0..5).prop_map(|parts| parts.into_iter().flat_map(|(word, gap)| [word, gap]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Words that stand one after the other in the name have more points; so queries here are of one word, or the index
    /// is asked only what it finds.
    #[test]
    fn the_index_finds_what_a_look_at_every_text_finds(
        texts in vec((text(), text(), text(), -3..3_i64), 1..12),
        queries in vec(text(), 1..6),
        written_twice in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut shelf = Shelf::new();
        let mut documents: Vec<Document> = Vec::new();
        for (number, (name, description, place, start)) in texts.iter().enumerate() {
            let mut document = document(&format!("k{number}"), name, description, &[place]);
            document.start = Some(*start);
            documents.push(document);
        }
        // Others were there before, and each commit makes a segment.
        for at in &written_twice {
            let of = at.get(&documents);
            shelf.writer.put(&Document { name: "rust before".to_owned(), ..of.clone() }).unwrap();
            shelf.writer.commit(None).unwrap();
        }
        for document in &documents {
            shelf.writer.put(document).unwrap();
        }
        shelf.writer.commit(None).unwrap();
        for query in &queries {
            let is_one = words(query).len() == 1;
            let mut expected: Vec<(u32, i64, u64, String)> = documents
                .iter()
                .filter(|_| !words(query).is_empty())
                .filter_map(|document| {
                    let (uri, key) = (document.id.uri(), document.id.rkey.as_str().to_owned());
                    let start = document.start.unwrap();
                    Some((u32::MAX - points(document, query)?, start, number_of(&uri), key))
                })
                .collect();
            expected.sort();
            let mut expected: Vec<String> = expected.into_iter().map(|(.., key)| key).collect();
            let mut found = shelf.found(query, 100);
            if !is_one {
                expected.sort();
                found.sort();
            }
            prop_assert_eq!(found, expected, "{}", query);
        }
    }
}
