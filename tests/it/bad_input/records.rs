//! Records that nobody can use, and large ones.

use std::collections::BTreeMap;
use std::path::Path;

use guestlist::filing;
use guestlist::records::Deviation;
use guestlist::syntax::{AtUri, Cid};
use guestlist::tables::keys::RecordId;
use guestlist::tables::rows::GradeRow;
use guestlist::tables::view::ReadRows;
use guestlist::tables::{Chunks, Records};
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{
    BAD, BAD_AT, EVENT, LAST_KEY, StoreCopy, between, event_record, frames, good, good_with, not_canonical,
    replay_path, uri_and_line,
};
use crate::frames::{Op, account, cbor, changed, commit, frame, ipld, nested, text, with_last};
use crate::harness::{check, digest, dump};
use crate::history::did;

/// A name, the bytes of a record, and why it is unusable.
fn unusable_records() -> Vec<(String, Vec<u8>, &'static str)> {
    let event = event_record();
    let with = |bytes: &[u8]| with_last(&event, LAST_KEY, bytes);
    let mut large = changed(event.clone(), "filler", Some(Ipld::Bytes(Vec::new())));
    let room = 1_000_001 - cbor(&large).len() - 4;
    large = changed(large, "filler", Some(Ipld::Bytes(vec![0; room])));
    assert_eq!(cbor(&large).len(), 1_000_001);
    let named = |name: &str, bytes: Vec<u8>, reason| (name.to_owned(), bytes, reason);
    let typed = |value: Ipld| cbor(&changed(event.clone(), "$type", Some(value)));
    let mut records = vec![
        named("a record of 1,000,001 bytes", cbor(&large), "too-large"),
        named("a large record that is no DAG-CBOR", vec![0xff; 1_000_001], "too-large"),
        named("a large record that is deep", nested(1_000_001), "too-large"),
        named("33 levels", with(&nested(32)), "too-deep"),
        named("33 levels of maps", with(&[b"\xa1\x61a".repeat(31), b"\xa0".to_vec()].concat()), "too-deep"),
        named("10,000 levels", with(&nested(10_000)), "too-deep"),
        named("900,000 levels", with(&nested(900_000)), "too-deep"),
        named("levels and no map", nested(10_000), "too-deep"),
        named(
            "levels and a float",
            with(&[&[0x82], &nested(40)[..], b"\xf9\x3c\0"].concat()),
            "not-dag-cbor",
        ),
        named("no bytes", Vec::new(), "not-dag-cbor"),
        named("a list", cbor(&ipld(json!([super::event()]))), "not-a-map"),
        named("text", cbor(&text("event")), "not-a-map"),
        named("null", b"\xf6".to_vec(), "not-a-map"),
        named("another type", typed(text("app.example.other")), "wrong-type"),
        named("a type with #main", typed(text(format!("{EVENT}#main"))), "wrong-type"),
        named("a type of null", typed(Ipld::Null), "wrong-type"),
        named("a type that is a number", typed(Ipld::Integer(1)), "wrong-type"),
    ];
    for (name, bytes) in not_canonical(&event) {
        records.push((name.to_owned(), bytes, "not-dag-cbor"));
    }
    records
}

#[test]
fn an_unusable_record_is_kept_apart_and_its_commit_applies() {
    let records = unusable_records();
    let beside = |n: usize| Op::create(&format!("{EVENT}/beside{n}"), &event_record());
    let path = |n: usize| format!("{EVENT}/bad{n}");
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (n, (_, bytes, _)) in records.iter().enumerate() {
        let number = 11 + n as u64;
        let commit = |ops: &[Op]| commit(&did(1), 1000 + number, number, Some(number - 1), ops).frame();
        with.push(commit(&[beside(n), Op::put("create", &path(n), bytes.clone())]));
        without.push(commit(&[beside(n)]));
    }
    let last = |frames: Vec<Vec<u8>>| [&good()[..BAD_AT], &frames].concat();
    let (with, without) = (frames(&last(with)), frames(&last(without)));
    assert_eq!(with.rejected(), &json!({}));
    assert_eq!(with.summary["quarantined"], records.len());
    let lines: BTreeMap<String, Value> = with.export().lines().map(uri_and_line).collect();
    for (n, (name, bytes, reason)) in records.iter().enumerate() {
        let uri = format!("at://{}/{}", did(1), path(n));
        let expected = json!({
            "uri": uri, "cid": Cid::compute_dag_cbor(bytes).to_string(), "author": did(1), "kind": "event",
            "grade": "unusable", "reason": reason
        });
        assert_eq!(lines.get(&uri), Some(&expected), "{name}");
    }
    let others: BTreeMap<String, Value> =
        lines.into_iter().filter(|(uri, _)| !uri.contains("/bad")).collect();
    assert_eq!(others, without.export().lines().map(uri_and_line).collect());
    check(&with.data_dir());
}

#[test]
fn thirty_two_levels_and_a_million_bytes_are_usable() {
    let event = event_record();
    let deep = with_last(&event, LAST_KEY, &nested(31));
    let mut large = changed(event.clone(), "filler", Some(Ipld::Bytes(Vec::new())));
    let room = 1_000_000 - cbor(&large).len() - 4;
    large = changed(large, "filler", Some(Ipld::Bytes(vec![0; room])));
    assert_eq!(cbor(&large).len(), 1_000_000);
    for (name, bytes) in [("deep", deep), ("large", cbor(&large))] {
        let with = frames(&good_with([between(&[Op::put("create", BAD, bytes)]).frame()]));
        assert_eq!(with.summary["quarantined"], 0, "{name}");
        let export = with.export();
        let (_, line) = export.lines().map(uri_and_line).find(|(uri, _)| uri.ends_with("/bad")).unwrap();
        assert_eq!(line["grade"], "conforming", "{name}");
        check(&with.data_dir());
    }
}

fn event_of(filler: usize) -> Ipld {
    // Not all the same, so that a chunk in the wrong place would show.
    let filler = (0..filler).map(|n| (n / 7) as u8).collect();
    changed(event_record(), "filler", Some(Ipld::Bytes(filler)))
}

/// Bytes in the parts of large records that a store holds.
fn chunked(dir: &Path) -> usize {
    let copy = StoreCopy::open(dir);
    let chunks =
        copy.store.snapshot().scan_all::<Chunks>().map(|row| row.unwrap().1.0.len()).collect::<Vec<_>>();
    assert!(chunks.iter().all(|bytes| *bytes <= 65_536), "no value is too large for the engine");
    chunks.into_iter().sum()
}

#[test]
fn large_records_are_stored_in_chunks_that_go_when_they_go() {
    let dir = tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let path = |name: &str| format!("{EVENT}/{name}");
    let at = |number: u64, ops: &[Op]| commit(&did(1), number, number, Some(number - 1), ops).frame();
    let (small, large) = (cbor(&event_of(90_000)).len(), cbor(&event_of(900_000)).len());
    let steps: [(Vec<u8>, usize); 5] = [
        (
            at(10, &[Op::create(&path("a"), &event_of(90_000)), Op::create(&path("b"), &event_of(900_000))]),
            small + large,
        ),
        (
            at(11, &[Op::update(&path("a"), &event_of(900_000)), Op::update(&path("b"), &event_of(90_000))]),
            large + small,
        ),
        (at(12, &[Op::update(&path("a"), &event_of(10))]), small),
        (at(13, &[Op::delete(&path("b"))]), 0),
        (
            at(14, &[Op::create(&path("b"), &event_of(90_000)), Op::update(&path("a"), &event_of(90_000))]),
            2 * small,
        ),
    ];
    for (n, (frame, expected)) in steps.iter().enumerate() {
        let file = dir.path().join(format!("step{n}.frames"));
        std::fs::write(&file, dump([frame])).unwrap();
        assert_eq!(replay_path(dir.path(), &file, &[]).status.code(), Some(0));
        assert_eq!(chunked(&data_dir), *expected, "step {n}");
        check(&data_dir);
    }
    // All of it in one batch leaves the same.
    let at_once = frames(&steps.iter().map(|(frame, _)| frame.clone()).collect::<Vec<_>>());
    assert_eq!(at_once.digest(), digest(&data_dir));
    assert_eq!(chunked(&at_once.data_dir()), 2 * small);
    // And the account takes them with it.
    let file = dir.path().join("gone.frames");
    std::fs::write(
        &file,
        dump(&[steps[4].0.clone(), frame("#account", &account(&did(1), 20, false, Some("deleted")))]),
    )
    .unwrap();
    assert_eq!(replay_path(dir.path(), &file, &[]).status.code(), Some(0));
    assert_eq!(chunked(&data_dir), 0);
    check(&data_dir);
}

#[test]
fn more_deviations_than_a_row_holds_are_found_again_when_they_are_asked_for() {
    let path = |hundreds: u8| format!("{EVENT}/with{hundreds}");
    let ops = [1, 3, 4].map(|hundreds| {
        // Each of these deviates, in some fifteen bytes.
        let ones = Ipld::List(vec![Ipld::Integer(1); usize::from(hundreds) * 100]);
        Op::create(&path(hundreds), &changed(event_record(), "locations", Some(ones)))
    });
    let with = frames(&good_with([between(&ops).frame()]));
    let copy = StoreCopy::open(&with.data_dir());
    let rows = copy.store.snapshot();
    let lines: BTreeMap<String, Value> = with.export().lines().map(uri_and_line).collect();
    let mut held = Vec::new();
    for hundreds in [1, 3, 4] {
        let uri = format!("at://{}/{}", did(1), path(hundreds));
        let id = RecordId::from_uri(&AtUri::parse(&uri).unwrap()).unwrap();
        let record = rows.get::<Records>(&id).unwrap().unwrap();
        held.push(match &record.grade {
            GradeRow::Deviating(deviations) => deviations.len(),
            grade => {
                assert_eq!(*grade, GradeRow::DeviatingMuch);
                0
            }
        });
        let found = filing::deviations_of(&*rows, &id, &record).unwrap();
        assert_eq!(found.len(), usize::from(hundreds) * 100);
        let last = Deviation { path: "/locations/99".to_owned(), rule: found[0].rule.clone() };
        assert_eq!(found.last(), Some(&last), "they are sorted as texts");
        assert_eq!(lines[&uri]["grade"], "deviating");
        assert_eq!(lines[&uri]["deviations"], serde_json::to_value(&found).unwrap());
    }
    assert_eq!(held, [100, 0, 0], "the first alone is in its row");
    check(&with.data_dir());
}

#[test]
fn a_record_with_deviations_without_number_is_kept_whole() {
    let ones = Ipld::List(vec![Ipld::Integer(1); 100_000]);
    let record = changed(event_record(), "locations", Some(ones));
    let with = frames(&good_with([between(&[Op::create(BAD, &record)]).frame()]));
    assert_eq!(with.rejected(), &json!({}));
    let export = with.export();
    let (_, line) = export.lines().map(uri_and_line).find(|(uri, _)| uri.ends_with("/bad")).unwrap();
    assert_eq!(line["grade"], "deviating");
    assert_eq!(line["deviations"].as_array().unwrap().len(), 100_000);
    check(&with.data_dir());
}
