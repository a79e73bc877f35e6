//! The faults that others have, one test each, under their numbers in FAULTS.
//!
//! The rest of that list belongs to rooms that are tested elsewhere or are not built yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use guestlist::codec::claim::Verify;
use guestlist::codec::event::Block;
use guestlist::codec::frame as frames_codec;
use guestlist::delivery::queue;
use guestlist::export;
use guestlist::indexer::{Indexer, standing_of};
use guestlist::ingest::dump::Dump;
use guestlist::ingest::watch::Watch;
use guestlist::records::lexicon::{LEXICONS, Lexicon, SOURCES};
use guestlist::records::{Grade, Kind, grade};
use guestlist::store::Store;
use guestlist::syntax::{Cid, RecordKey};
use guestlist::tables::Sources;
use guestlist::tables::view::{ReadRows, RowsError};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::bad_input::StoreCopy;
use crate::following::read_unproved;
use crate::frames::{Line, Op, account, cbor, changed, commit, frame, ipld, nested, text, with_last};
use crate::harness::{check, content, digest, dump, export, frames, guestlist, replay, run};
use crate::history::did;

const EVENT: &str = "community.lexicon.calendar.event";
const RSVP: &str = "community.lexicon.calendar.rsvp";

/// Long after anything here should have ended.
const PATIENCE: Duration = Duration::from_secs(60);

fn event(name: &str) -> Value {
    json!({ "$type": EVENT, "name": name, "createdAt": "2026-01-01T00:00:00Z" })
}

fn cid_of(record: &Value) -> String {
    Cid::compute_dag_cbor(&cbor(&ipld(record.clone()))).to_string()
}

/// What an export says of each record: its URI and CID.
fn stored(export: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["uri"].as_str().unwrap().to_owned(), line["cid"].as_str().unwrap().to_owned())
    };
    export.lines().map(pair).collect()
}

/// The keys of the records that a store shows.
fn shown(store: &Store) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let push = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        keys.insert(line["uri"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned());
        Ok::<_, RowsError>(())
    };
    export::verdicts(&store.freeze(), push).unwrap();
    keys
}

fn exported(store: &Store) -> String {
    let mut text = String::new();
    let push = |line: &str| {
        text.push_str(line);
        text.push('\n');
        Ok::<_, RowsError>(())
    };
    export::verdicts(&store.freeze(), push).unwrap();
    text
}

/// Indexes a dump in this process, without a disk.
fn indexed(path: &Path, batch_events: usize) -> Store {
    let store = Store::in_memory().unwrap();
    let (dump, source) = Dump::open(path, |raw, _| raw).unwrap();
    let (sender, deliveries) = queue();
    let mut indexer = Indexer::new(store.clone(), batch_events).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || indexer.run(&deliveries, |_| {}).unwrap());
        read_unproved(dump, source, &store, sender);
    });
    store
}

fn write(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn lines(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{}\n", line.text()).into_bytes()).collect()
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn fault_01_a_create_of_an_unknown_lexicon_never_becomes_a_delete() {
    let records = [
        json!({ "$type": "app.example.unknown", "text": "unknown" }),
        json!({ "$type": RSVP, "status": "maybe" }),
        json!({ "$type": RSVP, "subject": { "uri": "at://x", "cid": "x" }, "status": { "odd": [] } }),
        json!({ "operation": "delete", "action": "delete", "cid": null, "record": null }),
        json!({}),
        json!(null),
        json!([]),
    ];
    let there = event("there");
    let dir = tempdir().unwrap();
    for operation in ["create", "update"] {
        let mut firehose =
            vec![commit(&did(0), 1, 1, None, &[Op::create(&format!("{EVENT}/k"), &ipld(there.clone()))])];
        let mut jetstream = vec![Line::create(&did(0), 1, EVENT, "k", &there.to_string())];
        let mut expected = BTreeMap::from([(format!("at://{}/{EVENT}/k", did(0)), cid_of(&there))]);
        let mut number = 1;
        for (n, record) in records.iter().enumerate() {
            // The same key as what is there, in an unknown collection; and a known collection, odd content.
            for (collection, key) in [("app.example.unknown", "k".to_owned()), (RSVP, format!("k{n}"))] {
                number += 1;
                let op = Op::put(operation, &format!("{collection}/{key}"), cbor(&ipld(record.clone())));
                firehose.push(commit(&did(0), number, number, Some(number - 1), &[op]));
                let line = Line::create(&did(0), number, collection, &key, &record.to_string());
                jetstream.push(Line { operation, ..line });
                if collection == RSVP {
                    expected.insert(format!("at://{}/{RSVP}/{key}", did(0)), cid_of(record));
                }
            }
        }
        let firehose: Vec<Vec<u8>> = firehose.iter().map(|commit| commit.frame()).collect();
        let dumps = [
            write(dir.path(), &format!("{operation}.frames"), &dump(&firehose)),
            write(dir.path(), &format!("{operation}.jsonl"), &lines(&jetstream)),
        ];
        for path in dumps {
            let data_dir = dir.path().join(format!("{}.data", path.display()));
            let summary = replay(&data_dir, std::slice::from_ref(&path), &[]);
            assert_eq!(summary["rejected"], json!({}), "{path:?}");
            assert_eq!(stored(&export(&data_dir)), expected, "{path:?}");
        }
    }
}

/// Fails unless a store stands exactly where it says: what it shows is what the first `offset` bytes of the
/// dump give, and its cursor is the greatest position in them.
fn assert_covers_what_it_says(data_dir: &Path, name: &str, content: &[u8]) -> u64 {
    let copy = StoreCopy::open(data_dir);
    let sources: Vec<_> = copy.store.snapshot().scan_all::<Sources>().map(Result::unwrap).collect();
    let Some((_, source)) = sources.first() else {
        assert_eq!(exported(&copy.store), "", "nothing is stored and nothing is covered");
        return 0;
    };
    let covered = &content[..usize::try_from(source.offset).unwrap()];
    let dir = tempdir().unwrap();
    let undisturbed = indexed(&write(dir.path(), name, covered), 250);
    assert!(exported(&copy.store) == exported(&undisturbed), "at {} it shows something else", source.offset);
    let position = |frame: &Vec<u8>| frames_codec::decode(frame, &Watch::default(), Verify::Off).position;
    assert_eq!(source.cursor, frames(covered).iter().filter_map(position).max());
    source.offset
}

#[test]
fn fault_03_the_cursor_never_passes_unfinished_work() {
    const NAME: &str = "medium.frames";
    const KILLS: usize = 12;
    let dir = tempdir().unwrap();
    let content = content("medium.frames.zst");
    let path = write(dir.path(), NAME, &content);
    let undisturbed = exported(&indexed(&path, 250));
    let mut numbers = Numbers(3);
    let (mut data_dir, mut kills, mut run) = (dir.path().join("data"), 0, 0);
    let begun = Instant::now();
    while kills < KILLS {
        assert!(begun.elapsed() < PATIENCE, "{kills} kills, and then no more in time");
        let written = || fs::metadata(data_dir.join("sled/db")).map_or(0, |file| file.len());
        // A random amount of work into the run, not a random time: a slow machine kills no earlier.
        let until = written() + numbers.below(400_000);
        let mut command = guestlist();
        command.args(["replay", "--verify", "off", "--batch", "5", "--data-dir"]).arg(&data_dir).arg(&path);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while written() < until && child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE {
            thread::yield_now();
        }
        let killed = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        if !data_dir.join("sled/db").exists() {
            continue;
        }
        let offset = assert_covers_what_it_says(&data_dir, NAME, &content);
        let midway = killed && offset > 0 && offset < content.len() as u64;
        kills += usize::from(midway);
        if !midway {
            // It was done before the kill came: the next one begins anew.
            run += 1;
            data_dir = dir.path().join(format!("data{run}"));
        }
    }
    let summary = replay(&data_dir, &[path], &[]);
    assert!(summary["frames"].as_u64().unwrap() < 5036, "it went on and did not begin anew");
    assert!(export(&data_dir) == undisturbed, "what is left of {kills} kills is not what was to be");
    check(&data_dir);
}

#[test]
fn fault_04_events_of_one_repository_apply_in_order() {
    // What happens to one record, step by step; a number is a version of it.
    let histories: [&[Option<u8>]; 8] = [
        &[Some(1), None],
        &[Some(1), Some(2)],
        &[Some(1), None, Some(2)],
        &[Some(1), None, Some(1)],
        &[Some(1), Some(2), None],
        &[None, Some(1)],
        &[Some(1), Some(2), Some(1)],
        &[Some(1), None, Some(2), None],
    ];
    let name = |version: u8| format!("version {version}");
    let expected: BTreeMap<String, String> = histories
        .iter()
        .enumerate()
        .filter_map(|(key, history)| {
            let version = history.last().copied().flatten()?;
            Some((format!("at://{}/{EVENT}/k{key}", did(0)), cid_of(&event(&name(version)))))
        })
        .collect();
    let (mut firehose, mut jetstream, mut one_rev) = (Vec::new(), Vec::new(), Vec::new());
    let mut number = 0;
    let longest = histories.iter().map(|history| history.len()).max().unwrap();
    for step in 0..longest {
        for (key, history) in histories.iter().enumerate().filter(|(_, history)| step < history.len()) {
            number += 1;
            let key = format!("k{key}");
            let path = format!("{EVENT}/{key}");
            let (op, line) = match history[step] {
                Some(version) => {
                    let record = event(&name(version));
                    let line = Line::create(&did(0), number, EVENT, &key, &record.to_string());
                    (Op::create(&path, &ipld(record)), line)
                }
                None => (Op::delete(&path), Line::delete(&did(0), number, EVENT, &key)),
            };
            firehose.push(commit(&did(0), number, number, Some(number - 1), &[op]).frame());
            // Pieces of one commit too come in order.
            one_rev.push(Line { rev: crate::frames::rev(1), ..line.clone() });
            jetstream.push(line);
        }
    }
    let dir = tempdir().unwrap();
    let dumps = [
        write(dir.path(), "some.frames", &dump(&firehose)),
        write(dir.path(), "some.jsonl", &lines(&jetstream)),
        write(dir.path(), "one-rev.jsonl", &lines(&one_rev)),
    ];
    for path in dumps {
        // In one batch, across batches, and with steps of one record on both sides of a boundary.
        for batch in ["1", "2", "3", "7", "250"] {
            let data_dir = dir.path().join(format!("{}.{batch}", path.display()));
            let summary = replay(&data_dir, std::slice::from_ref(&path), &["--batch", batch]);
            assert_eq!(
                (&summary["rejected"], &summary["applied"]),
                (&json!({}), &json!(number)),
                "{path:?} {batch}"
            );
            assert_eq!(stored(&export(&data_dir)), expected, "{path:?} in batches of {batch}");
        }
    }
}

#[test]
fn fault_06_replayed_account_events_do_not_erase_newer_records() {
    let put = |number: u64, key: &str| {
        commit(&did(0), number, number, None, &[Op::create(&format!("{EVENT}/{key}"), &ipld(event(key)))])
            .frame()
    };
    let says = |seq: u64, active: bool, status: Option<&str>| {
        frame("#account", &account(&did(0), seq, active, status))
    };
    for status in ["deleted", "takendown", "deactivated", "suspended"] {
        let history = [
            put(1, "before"),
            says(2, false, Some(status)),
            says(3, true, None),
            put(4, "after"),
            put(5, "last"),
        ];
        let dir = tempdir().unwrap();
        let whole = write(dir.path(), "whole.frames", &dump(&history));
        let copy = write(dir.path(), "copy.frames", &dump(&history));
        // One that ends while the account was gone, as a recording of that day would.
        let early = write(dir.path(), "early.frames", &dump(&history[..2]));
        let data_dir = dir.path().join("data");
        replay(&data_dir, std::slice::from_ref(&whole), &[]);
        let expected = export(&data_dir);
        assert!(expected.contains("/after") && expected.contains("/last"), "{status}: {expected}");
        assert_eq!(expected.contains("/before"), status != "deleted", "{status}");
        for again in [&whole, &early, &copy, &early, &whole] {
            replay(&data_dir, std::slice::from_ref(again), &["--batch", "1"]);
            assert_eq!(export(&data_dir), expected, "{status}, after {again:?} again");
            check(&data_dir);
        }
        let other_way = dir.path().join("other-way");
        replay(&other_way, &[early, whole, copy], &[]);
        assert_eq!(
            digest(&other_way),
            digest(&data_dir),
            "{status}: the order in which recordings are replayed does not matter"
        );
    }
}

/// What an account event may say.
const WORDS: [(bool, Option<&str>); 9] = [
    (true, None),
    (true, Some("desynchronized")),
    (false, Some("deactivated")),
    (false, Some("suspended")),
    (false, Some("takendown")),
    (false, Some("deleted")),
    (false, Some("throttled")),
    (false, Some("Deleted")),
    (false, None),
];

/// The rules of RULES §4 for one source, as short as they can be said.
#[derive(Default)]
struct Told {
    hidden: bool,
    gone: bool,
    records: BTreeSet<String>,
}

impl Told {
    fn word(&mut self, active: bool, status: Option<&str>) {
        if status == Some("deleted") && !active {
            self.records.clear();
            self.gone = true;
        }
        self.gone &= !active;
        self.hidden = !active;
    }

    fn put(&mut self, key: &str) {
        if !self.hidden {
            self.records.insert(key.to_owned());
        }
    }

    fn shown(&self) -> BTreeSet<String> {
        if self.hidden { BTreeSet::new() } else { self.records.clone() }
    }
}

#[test]
fn fault_07_every_status_in_every_order_with_records_before_and_after() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("some.frames");
    let (mut hidden, mut purged) = (0, 0);
    for numbers in 0..WORDS.len().pow(3) {
        let words = [numbers % 9, numbers / 9 % 9, numbers / 81].map(|word| WORDS[word]);
        let mut told = Told::default();
        let mut frames = Vec::new();
        let put = |frames: &mut Vec<Vec<u8>>, told: &mut Told, key: &str| {
            let seq = frames.len() as u64 + 1;
            let op = Op::create(&format!("{EVENT}/{key}"), &ipld(event(key)));
            frames.push(commit(&did(0), seq, seq, None, &[op]).frame());
            told.put(key);
        };
        put(&mut frames, &mut told, "first");
        for (n, (active, status)) in words.into_iter().enumerate() {
            frames.push(frame("#account", &account(&did(0), frames.len() as u64 + 1, active, status)));
            told.word(active, status);
            put(&mut frames, &mut told, &format!("after{n}"));
        }
        fs::write(&path, dump(&frames)).unwrap();
        for batch in [1, 250] {
            assert_eq!(shown(&indexed(&path, batch)), told.shown(), "{words:?}");
        }
        hidden += usize::from(told.hidden);
        purged += usize::from(told.gone);
        // What was only hidden returns, and what was deleted does not.
        frames.push(frame("#account", &account(&did(0), frames.len() as u64 + 1, true, None)));
        told.word(true, None);
        put(&mut frames, &mut told, "last");
        fs::write(&path, dump(&frames)).unwrap();
        let store = indexed(&path, 3);
        assert_eq!(shown(&store), told.shown(), "{words:?} and then active");
        if numbers % 50 == 0 {
            let report = guestlist::check::check(&store, |_| {}).unwrap();
            assert_eq!(report.differences, Vec::<String>::new(), "{words:?}");
        }
    }
    assert!(hidden > 300 && purged > 50, "{hidden} hidden, {purged} purged");
}

#[test]
fn fault_10_no_lexicon_is_parsed_again_for_a_record() {
    const RECORDS: u32 = 20_000;
    let bytes = cbor(&ipld(event("Rehearsal")));
    let block = Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None };
    let key = RecordKey::parse("k").unwrap();
    // They are parsed at first use, which is not what is measured.
    assert_eq!(LEXICONS.dangling(), Vec::<&str>::new());
    let begun = Instant::now();
    for _ in 0..RECORDS {
        assert_eq!(grade(Kind::Event, &key, &block).grade, Grade::Conforming);
    }
    let graded = begun.elapsed() / RECORDS;
    let begun = Instant::now();
    for _ in 0..20 {
        let parsed = SOURCES.iter().map(|source| serde_json::from_str::<Lexicon>(source).unwrap());
        assert_eq!(parsed.count(), SOURCES.len());
    }
    let parsed = begun.elapsed() / 20;
    // Measured: a hundredth. One that parsed even the one lexicon that it needs would be near a tenth.
    assert!(graded * 20 < parsed, "grading takes {graded:?}, parsing all lexicons {parsed:?}");
}

#[test]
fn fault_12_records_without_a_type_are_stored_and_graded() {
    let reference = |uri: String| json!({ "uri": uri, "cid": cid_of(&json!({})) });
    let at = "2026-01-01T00:00:00Z";
    let round = reference(format!("at://{}/at.atjam.round/k", did(0)));
    let records = [
        ("at.atjam.jam", json!({ "name": "Jam", "createdAt": at })),
        (
            "at.atjam.round",
            json!({ "jam": reference(format!("at://{}/at.atjam.jam/k", did(0))), "createdAt": at }),
        ),
        ("at.atjam.signup", json!({ "round": round, "createdAt": at })),
        ("at.atjam.invitation", json!({ "round": round, "invitee": did(1), "createdAt": at })),
        ("at.atjam.submission", json!({ "round": round, "payload": round, "createdAt": at })),
        (EVENT, json!({ "name": "Rehearsal", "createdAt": at })),
        (
            RSVP,
            json!({ "subject": reference(format!("at://{}/{EVENT}/k", did(0))), "status": format!("{RSVP}#going") }),
        ),
        ("events.smokesignal.calendar.acceptance", json!({ "cid": cid_of(&json!({})) })),
    ];
    assert_eq!(records.len(), Kind::ALL.len());
    let ops: Vec<Op> = records
        .iter()
        .map(|(collection, record)| Op::create(&format!("{collection}/k"), &ipld(record.clone())))
        .collect();
    let events: Vec<Line> = records
        .iter()
        .map(|(collection, record)| Line::create(&did(0), 1, collection, "k", &record.to_string()))
        .collect();
    let dir = tempdir().unwrap();
    let firehose = write(dir.path(), "some.frames", &dump(&[commit(&did(0), 1, 1, None, &ops).frame()]));
    let jetstream = write(dir.path(), "some.jsonl", &lines(&events));
    let mut exports = Vec::new();
    for path in [firehose, jetstream] {
        let data_dir = dir.path().join(format!("{}.data", path.display()));
        let summary = replay(&data_dir, std::slice::from_ref(&path), &[]);
        assert_eq!((&summary["rejected"], &summary["quarantined"]), (&json!({}), &json!(0)), "{path:?}");
        let export = export(&data_dir);
        assert_eq!(export.lines().count(), Kind::ALL.len());
        for line in export.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["grade"], "deviating", "{line}");
            let without_type = json!({ "path": "/$type", "rule": "required" });
            assert!(line["deviations"].as_array().unwrap().contains(&without_type), "{line}");
            // They count in full.
            match line["kind"].as_str().unwrap() {
                "signup" | "submission" | "invitation" => {
                    assert_eq!(line["verdict"]["status"], "valid", "{line}")
                }
                "round" => assert_eq!(line["official"], true, "{line}"),
                "event" => assert_eq!(line["counts"]["going"], 1, "{line}"),
                "rsvp" => assert_eq!(line["effective"], true, "{line}"),
                _ => {}
            }
        }
        exports.push(export);
    }
    assert_eq!(exports[0], exports[1], "both kinds of source give the same");
}

#[test]
fn fault_13_hostile_payloads_harm_no_neighbour() {
    const KEY: &str = "zzzzzzzzzzzz";
    let plain = ipld(event("x"));
    let path = |n: usize| format!("{EVENT}/k{n}");
    // Each as a record beside a good one, as one whose block is missing, as a frame, and inside of one.
    let hostile: Vec<Vec<u8>> = vec![
        with_last(&plain, KEY, b"\x62\xc3\x28"),
        with_last(&plain, KEY, &nested(10_000)),
        with_last(&plain, KEY, &b"\xd8\x2a".repeat(400_000)),
        vec![0xff; 1_100_000],
        Vec::new(),
        nested(900_000),
    ];
    let mut frames = Vec::new();
    let mut expected = BTreeSet::new();
    let mut rejected: BTreeMap<&str, u64> = BTreeMap::new();
    let mut number = 0;
    for (n, bytes) in hostile.iter().enumerate() {
        let mut next = |ops: &[Op]| {
            number += 1;
            commit(&did(0), number, number, None, ops)
        };
        let beside = Op::create(&path(10 * n), &plain);
        let bad = Op::put("create", &path(10 * n + 1), bytes.clone());
        frames.push(next(&[beside.clone(), bad.clone()]).frame());
        let without_block = next(&[Op::create(&path(10 * n + 2), &plain), bad]);
        let there = [without_block.blocks()[0].clone(), without_block.root()];
        frames.push(without_block.carrying(&there).frame());
        frames.push(bytes.clone());
        let deep = changed(next(&[beside]).value(), KEY, Some(text("here")));
        frames.push([crate::frames::COMMIT_HEADER, &with_last(&deep, &format!("{KEY}z"), bytes)].concat());
        frames.push(vec![0; 5_000_001]);
        frames.push(next(&[Op::create(&path(10 * n + 3), &plain)]).frame());
        expected.extend([10 * n, 10 * n + 1, 10 * n + 2, 10 * n + 3].map(|key| format!("k{key}")));
        *rejected.entry("block-missing").or_default() += 1;
        *rejected.entry("frame-too-large").or_default() += 1;
        for frame in [&frames[frames.len() - 3], &frames[frames.len() - 4]] {
            let reject = frames_codec::decode(frame, &Watch::default(), Verify::Off).body.unwrap_err();
            *rejected.entry(reject.reason()).or_default() += 1;
        }
    }
    let dir = tempdir().unwrap();
    let dump_path = write(dir.path(), "some.frames", &dump(&frames));
    let data_dir = dir.path().join("data");
    let summary = replay(&data_dir, std::slice::from_ref(&dump_path), &["--batch", "2"]);
    assert_eq!(summary["rejected"], json!(rejected));
    assert_eq!(summary["quarantined"], hostile.len());
    assert_eq!(summary["applied"], 3 * hostile.len());
    let keys = |export: &str| -> BTreeSet<String> {
        stored(export).into_keys().map(|uri| uri.rsplit_once('/').unwrap().1.to_owned()).collect()
    };
    assert_eq!(keys(&export(&data_dir)), expected);
    check(&data_dir);
    assert!(run(&[&"digest", &"--data-dir", &data_dir]).status.success());
    // Their source stands at the end of the dump.
    let copy = StoreCopy::open(&data_dir);
    let (_, source) = Dump::open(&dump_path, |raw, _| raw).unwrap();
    let stands = standing_of(&copy.store, &source).unwrap().unwrap();
    assert_eq!((stands.finished, stands.cursor), (true, Some(number)));

    // And as lines.
    let good =
        |n: usize| Line::create(&did(0), n as u64 + 1, EVENT, &format!("k{n}"), &event("x").to_string());
    let brackets = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let bad = [
        brackets.clone(),
        format!(r#"{{"a":{brackets}}}"#),
        "\"\\ud800\"".to_owned(),
        "1e999".to_owned(),
        "null".to_owned(),
    ];
    let mut text = Vec::new();
    for (n, record) in bad.iter().enumerate() {
        text.extend(format!("{}\n", good(3 * n).text()).into_bytes());
        text.extend(
            format!("{}\n", Line { record: Some(record.clone()), ..good(3 * n + 1) }.text()).into_bytes(),
        );
        text.extend([&b"{\"did\":\"\xc3\x28\"}\n"[..], &vec![b'{'; 8_000_001], b"\n"].concat());
        text.extend(format!("{}\n", good(3 * n + 2).text()).into_bytes());
    }
    let data_dir = dir.path().join("lines");
    let summary = replay(&data_dir, &[write(dir.path(), "some.jsonl", &text)], &["--batch", "2"]);
    assert_eq!(summary["rejected"], json!({ "line-not-json": bad.len(), "line-too-large": bad.len() }));
    assert_eq!(summary["quarantined"], bad.len());
    assert_eq!(keys(&export(&data_dir)), (0..3 * bad.len()).map(|n| format!("k{n}")).collect());
    check(&data_dir);
}
