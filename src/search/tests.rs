//! What is found, and in which order: over texts of many scripts, and against a search without an index.

mod corpus;
mod naive;

use super::document::Document;
use super::index::{Catalog, Place, Writer};
use super::query::{Wanted, find};
use crate::records::Kind;
use crate::syntax::{Did, RecordKey};
use crate::tables::keys::RecordId;

/// An index in memory.
struct Shelf {
    catalog: Catalog,
    writer: Writer,
}

fn id(key: &str) -> RecordId {
    let did = Did::parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
    RecordId { did, kind: Kind::Event, rkey: RecordKey::parse(key).unwrap() }
}

fn document(key: &str, name: &str, description: &str, places: &[&str]) -> Document {
    Document {
        id: id(key),
        version: 0,
        name: name.to_owned(),
        description: description.to_owned(),
        places: places.iter().map(|place| (*place).to_owned()).collect(),
        location_cids: Vec::new(),
        start: None,
        upcoming_until: None,
    }
}

impl Shelf {
    fn new() -> Self {
        let catalog = Place::Memory.make().unwrap();
        let writer = catalog.write().unwrap();
        Self { catalog, writer }
    }

    /// Those that are found by a text, by their keys.
    fn found(&self, text: &str, count: usize) -> Vec<String> {
        let wanted = Wanted::text(text).unwrap();
        if wanted.is_empty() {
            return Vec::new();
        }
        let found = find(&self.writer.searcher(), &self.catalog.fields, &wanted, 0, 0, count).unwrap();
        found.into_iter().map(|id| id.rkey.as_str().to_owned()).collect()
    }
}

#[test]
fn a_name_that_has_the_words_one_after_the_other_comes_first() {
    for (query, first, second) in [
        ("rust evening", "A rust evening", "Evening of rust"),
        // The last is of one character.
        ("rust 本", "Rust本", "本 rust"),
        ("茶 会", "茶、会", "会と茶"),
    ] {
        let mut shelf = Shelf::new();
        for (key, name, start) in [("later", first, 2), ("sooner", second, 1)] {
            shelf.writer.put(&Document { start: Some(start), ..document(key, name, "", &[]) }).unwrap();
        }
        shelf.writer.commit(None).unwrap();
        assert_eq!(shelf.found(query, 10), ["later", "sooner"], "{query}");
    }
}

#[test]
fn a_long_run_is_found_by_its_beginning_and_wherever_it_stands() {
    let mut shelf = Shelf::new();
    let all: String = ('\u{4e00}'..'\u{5000}').collect();
    shelf.writer.put(&document("all", "", &all, &[])).unwrap();
    shelf.writer.put(&document("half", "", &all.chars().skip(200).collect::<String>(), &[])).unwrap();
    shelf.writer.commit(None).unwrap();
    let part = |from: usize, count: usize| all.chars().skip(from).take(count).collect::<String>();
    assert_eq!(shelf.found(&part(100, 400), 10), ["all"]);
    assert_eq!(shelf.found(&part(300, 64), 10).len(), 2);
    assert_eq!(shelf.found(&format!("{}鿿", part(100, 64)), 10), ["all"]);
    assert!(shelf.found(&format!("{}{}", part(100, 32), part(300, 32)), 10).is_empty());
}

/// Texts and a query that make the places of pairs as many as can be.
#[test]
fn a_text_of_one_pair_costs_no_more_than_others() {
    let mut shelf = Shelf::new();
    let texts = [("a", "あ".repeat(21_000)), ("b", "あい".repeat(10_500)), ("c", "ああ".to_owned())];
    for (key, text) in &texts {
        shelf.writer.put(&document(key, "", text, &[])).unwrap();
        let places = vec![text.get(..60).unwrap_or(text); 1_000];
        shelf.writer.put(&document(&format!("{key}-places"), "", "", &places)).unwrap();
    }
    shelf.writer.commit(None).unwrap();
    assert_eq!(shelf.found(&"あ".repeat(512), 10), ["a"]);
    let searcher = shelf.writer.searcher();
    for field in [shelf.catalog.fields.description, shelf.catalog.fields.places] {
        for segment in searcher.segment_readers() {
            let terms = segment.inverted_index(field).unwrap();
            let term = tantivy::Term::from_field_text(field, "ああ");
            let of = tantivy::schema::IndexRecordOption::WithFreqsAndPositions;
            let Some(mut postings) = terms.read_postings(&term, of).unwrap() else { continue };
            while tantivy::DocSet::doc(&postings) != tantivy::TERMINATED {
                assert!(tantivy::postings::Postings::term_freq(&postings) <= 1_000);
                tantivy::DocSet::advance(&mut postings);
            }
        }
    }
}

#[test]
fn an_index_is_made_anew_in_a_directory_that_is_a_disk_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    // What a disk has at its top.
    std::fs::create_dir(dir.path().join("lost+found")).unwrap();
    let place = Place::Dir(dir.path().to_owned());
    for _ in 0..2 {
        let mut writer = place.make().unwrap().write().unwrap();
        writer.put(&document("one", "Rust", "", &[])).unwrap();
        writer.commit(None).unwrap();
        assert_eq!(writer.searcher().num_docs(), 1);
        writer.close().unwrap();
        assert!(dir.path().join("lost+found").is_dir());
    }
    assert!(place.open().is_ok());
}
