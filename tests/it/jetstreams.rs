//! Following Jetstream: the same history as over the firehose gives the same state, compressed or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use guestlist::codec::claim::Verify;
use guestlist::codec::event::{Body, Event, Interest, Write};
use guestlist::codec::frame::{decode_strictly, sent_at};
use guestlist::ingest::jetstream::Settings;
use guestlist::ingest::live::{Plan, Start};
use guestlist::records::Kind;
use guestlist::sources::Connection;
use guestlist::store::Store;
use guestlist::syntax::Datetime;
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::following::{Following, impatient, jetstream_at};
use crate::frames::Line;
use crate::harness::{content, frames, recording, replay};
use crate::history::did;
use crate::host::{Act, Host};

const EVENT: &str = "community.lexicon.calendar.event";

/// A time of 2026, in microseconds: cursors are times, and small ones mean something else.
const TIME: u64 = 1_767_225_600_000_000;

/// Everything is wanted.
struct Everything;

impl Interest for Everything {
    fn collection(&self, nsid: &str) -> Option<&'static str> {
        Kind::from_nsid(nsid).map(Kind::nsid)
    }

    fn watches(&self, _: &str) -> bool {
        true
    }
}

/// A value of the data model as atproto JSON.
fn to_json(value: &Ipld) -> Value {
    match value {
        Ipld::Null => Value::Null,
        Ipld::Bool(it) => json!(it),
        Ipld::Integer(it) => json!(i64::try_from(*it).unwrap()),
        Ipld::Float(it) => json!(it),
        Ipld::String(it) => json!(it),
        Ipld::Bytes(it) => {
            use base64::Engine;
            json!({ "$bytes": base64::engine::general_purpose::STANDARD_NO_PAD.encode(it) })
        }
        Ipld::List(it) => it.iter().map(to_json).collect(),
        Ipld::Map(it) => it.iter().map(|(key, value)| (key.clone(), to_json(value))).collect(),
        Ipld::Link(it) => json!({ "$link": it.to_string() }),
    }
}

/// What a Jetstream makes of a firehose: one line for each operation, `#sync` left out, times that grow.
pub(crate) fn as_jetstream(frames: &[Vec<u8>]) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    let mut time = TIME;
    let mut push = |mut line: Value| {
        time += 20_000;
        line["time_us"] = json!(time);
        lines.push((time, line.to_string()));
    };
    for frame in frames {
        let message = decode_strictly(frame, &Everything, Verify::Off);
        let Ok(Body::Event(event)) = message.body else { panic!("every frame of a recording is good") };
        match event {
            Event::Commit(commit) => {
                for op in commit.ops {
                    let rev = commit.rev.to_string();
                    let mut said =
                        json!({ "rev": rev, "collection": op.collection, "rkey": op.rkey.to_string() });
                    match op.write {
                        Write::Put(block) => {
                            let record: Ipld = serde_ipld_dagcbor::from_slice(&block.bytes).unwrap();
                            said["operation"] = json!("create");
                            said["record"] = to_json(&record);
                            said["cid"] = json!(block.cid.to_string());
                        }
                        Write::Delete => said["operation"] = json!("delete"),
                    }
                    push(json!({ "did": commit.did.to_string(), "kind": "commit", "commit": said }));
                }
            }
            Event::Account(account) => {
                let sent = sent_at(frame).and_then(Datetime::from_micros).map(|time| time.to_string());
                let did = account.did.to_string();
                let said = json!({ "active": account.active, "did": did, "seq": message.position,
                    "status": account.status, "time": sent });
                push(json!({ "did": did, "kind": "account", "account": said }));
            }
            Event::Identity(did) => {
                push(
                    json!({ "did": did.to_string(), "kind": "identity", "identity": { "did": did.to_string() } }),
                );
            }
            Event::Sync(_) => {}
            Event::Export(_) | Event::Missed(_) | Event::Answer(_) => unreachable!("a stream has none"),
        }
    }
    lines
}

/// What a Jetstream with these lines sends for this cursor.
fn from_cursor(lines: &[(u64, String)], cursor: u64) -> Vec<Act> {
    lines.iter().filter(|(time, _)| *time >= cursor).map(|(_, line)| Act::Text(line.clone())).collect()
}

fn medium() -> (Vec<(u64, String)>, Value) {
    let dir = tempdir().unwrap();
    let summary = replay(dir.path(), &[recording("medium.frames.zst")], &[]);
    (as_jetstream(&frames(&content("medium.frames.zst"))), summary["digest"].clone())
}

/// A dictionary made of these lines, with its number.
fn dictionary_of(lines: &[(u64, String)]) -> (Vec<u8>, u32) {
    let samples: Vec<&[u8]> = lines.iter().take(2000).map(|(_, line)| line.as_bytes()).collect();
    let dictionary = zstd::dict::from_samples(&samples, 16_384).unwrap();
    let number = zstd::zstd_safe::get_dict_id_from_dict(&dictionary).unwrap().get();
    (dictionary, number)
}

fn compressed(lines: &[(u64, String)], dictionary: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, dictionary).unwrap();
    // As servers may do it: nothing says how large a message is.
    compressor.set_parameter(zstd::zstd_safe::CParameter::ContentSizeFlag(false)).unwrap();
    lines.iter().map(|(time, line)| (*time, compressor.compress(line.as_bytes()).unwrap())).collect()
}

fn line(time: u64, revision: u64, key: &str) -> (u64, String) {
    let record = json!({ "$type": EVENT, "name": key, "createdAt": "2026-01-01T00:00:00Z" });
    let line = Line::create(&did(0), revision, EVENT, key, &record.to_string());
    (time, Line { time_us: time, ..line }.text())
}

#[test]
fn the_same_history_over_jetstream_and_over_the_firehose_gives_the_same_digest() {
    let (lines, digest) = medium();
    let last = lines.last().unwrap().0;
    let served = lines.clone();
    let host = Host::start(move |asked| {
        let mut acts = from_cursor(&served, asked.cursor().unwrap());
        acts.push(Act::Stay);
        acts
    });
    let following = Following::one(Plan::Jetstream(jetstream_at(&host)));
    following.until_stored(last);
    assert_eq!(following.digest(), digest);
    assert_eq!(following.rejected(), BTreeMap::new());
    // It asks for what is wanted and for nothing else.
    let path = &host.asked()[0].path;
    assert!(path.starts_with("/subscribe?cursor=1000000000000000&"), "{path}");
    for kind in Kind::ALL {
        assert!(path.contains(&format!("wantedCollections={}", kind.nsid())), "{path}");
    }
    assert!(!path.contains("compress"));
}

#[test]
fn compressed_and_plain_give_the_same_whether_the_dictionary_is_configured_or_fetched() {
    let (lines, digest) = medium();
    let last = lines.last().unwrap().0;
    let (dictionary, number) = dictionary_of(&lines);
    let served = compressed(&lines, &dictionary);
    let offered = dictionary.clone();
    let host = Host::start(move |asked| {
        if let Some(id) = asked.parameter("id") {
            assert_eq!(id, number.to_string());
            return vec![Act::Answer(200, vec![], offered.clone())];
        }
        assert_eq!(asked.parameter("compress"), Some("true"));
        let cursor = asked.cursor().unwrap();
        let messages = served.iter().filter(|(time, _)| *time >= cursor);
        let mut acts: Vec<_> = messages.map(|(_, bytes)| Act::Binary(bytes.clone())).collect();
        acts.push(Act::Stay);
        acts
    });
    for configured in [Some(Arc::from(dictionary)), None] {
        let fetched = configured.is_none();
        let settings = Settings { compress: true, dictionary: configured, ..jetstream_at(&host) };
        let following = Following::one(Plan::Jetstream(settings));
        following.until_stored(last);
        assert_eq!(following.digest(), digest);
        assert_eq!(following.anomalies(), BTreeMap::new());
        let asked = host.asked().iter().any(|asked| asked.path.contains("getZstdDictionary"));
        assert_eq!(asked, fetched);
    }
}

#[test]
fn a_dictionary_that_is_not_to_be_had_is_said_and_asked_for_again_slowly() {
    let lines = [line(TIME, 1, "a")];
    let (dictionary, _) = dictionary_of(&medium().0);
    let served = compressed(&lines, &dictionary);
    for (status, body) in [(404, b"{}".to_vec()), (200, b"no dictionary".to_vec()), (200, vec![0; 5_000_000])]
    {
        let served = served.clone();
        let host = Host::start(move |asked| match asked.parameter("id") {
            Some(_) => vec![Act::Answer(status, vec![], body.clone())],
            None => vec![Act::Binary(served[0].1.clone()), Act::Stay],
        });
        let settings = Settings { compress: true, ..jetstream_at(&host) };
        let following = Following::one(Plan::Jetstream(settings));
        following.until("the anomaly", |it| it.anomalies().contains_key("no-dictionary"));
        assert!(following.status().last_error.unwrap().contains("dictionary"));
        assert_eq!(following.cursor(), None);
    }
}

#[test]
fn a_message_that_cannot_be_decompressed_is_passed_over_and_said() {
    let lines = [line(TIME, 1, "a"), line(TIME + 1, 2, "b")];
    let (dictionary, _) = dictionary_of(&medium().0);
    let served = compressed(&lines, &dictionary);
    // Ten bytes that become more than any message may have.
    let bomb = zstd::bulk::compress(&vec![b' '; 9_000_000], 3).unwrap();
    let host = Host::start(move |_| {
        let messages = [&served[0].1[..], &[0x28, 0xb5, 0x2f, 0xfd, 9, 9], b"plain", &bomb, &served[1].1];
        let mut acts: Vec<_> = messages.map(|bytes| Act::Binary(bytes.to_vec())).into();
        acts.push(Act::Stay);
        acts
    });
    let settings = Settings { compress: true, dictionary: Some(dictionary.into()), ..jetstream_at(&host) };
    let following = Following::one(Plan::Jetstream(settings));
    following.until_stored(TIME + 1);
    assert_eq!(following.rejected(), BTreeMap::from([("not-decompressed", 3)]));
    assert_eq!(following.anomalies(), BTreeMap::from([("passed-over", 3)]));
    assert_eq!(following.status().missed, 3);
}

#[test]
fn a_reconnect_reads_a_few_seconds_again_which_changes_nothing_and_marks_nothing() {
    let (lines, digest) = medium();
    let last = lines.last().unwrap().0;
    let cuts = 7;
    let served = lines.clone();
    let host = Host::start(move |asked| {
        let mut acts = from_cursor(&served, asked.cursor().unwrap());
        if asked.number < cuts {
            // Later each time, so that all of it comes in the end.
            acts.truncate(acts.len() / 3);
            acts.push(Act::Cut);
        }
        acts.push(Act::Stay);
        acts
    });
    let store = Store::in_memory().unwrap();
    let following = Following::all(&store, &[Plan::Jetstream(jetstream_at(&host))], &impatient());
    following.until_stored(last);
    assert_eq!(following.digest(), digest);
    let asked = host.asked();
    assert_eq!(asked.len(), cuts + 1);
    assert!(
        asked.iter().all(|asked| asked.cursor().unwrap() <= last - 5_000_000),
        "it begins before what it had"
    );
    assert!(following.status().messages > lines.len() as u64, "some came twice");
    let marked = guestlist::filing::totals(&*store.snapshot()).unwrap().marked;
    let undisturbed = {
        let dir = tempdir().unwrap();
        let path = dir.path().join("medium.jsonl");
        let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        replay(&dir.path().join("data"), &[path], &[]);
        let copy = crate::bad_input::StoreCopy::open(&dir.path().join("data"));
        guestlist::filing::totals(&*copy.store.snapshot()).unwrap().marked
    };
    assert_eq!(marked, undisturbed);
}

#[test]
fn the_first_time_it_begins_with_what_comes_next() {
    let host = Host::start(|_| vec![Act::Cut]);
    let before = jiff::Timestamp::now().as_microsecond();
    let settings = Settings { start: Start::Live, ..jetstream_at(&host) };
    let following = Following::one(Plan::Jetstream(settings));
    following.until("the second request", |_| host.asked().len() >= 2);
    let after = jiff::Timestamp::now().as_microsecond();
    let cursors: Vec<_> = host.asked().iter().map(|asked| asked.cursor().unwrap()).collect();
    let range = u64::try_from(before).unwrap()..=u64::try_from(after).unwrap();
    assert!(range.contains(&cursors[0]), "{cursors:?}");
    assert_eq!(cursors[0], cursors[1], "nothing is lost between two attempts");
}

#[test]
fn what_a_jetstream_says_besides_events() {
    let lines = [line(TIME, 1, "a"), line(TIME + 1, 2, "b"), line(TIME + 2, 3, "c")];
    let served = lines.clone();
    let host = Host::start(move |asked| {
        let mut acts = from_cursor(&served, asked.cursor().unwrap());
        if asked.number == 0 {
            acts.insert(1, Act::Text("{ this is no JSON".to_owned()));
            acts.insert(1, Act::Text(r#"{"kind":"weather","did":"did:plc:x","time_us":5}"#.to_owned()));
            acts.insert(3, Act::Text(r#"{"error":"ConsumerTooSlow","message":"hurry"}"#.to_owned()));
        }
        if asked.number == 1 {
            acts.insert(0, Act::Binary(b"binary".to_vec()));
        }
        acts.push(Act::Stay);
        acts
    });
    let following = Following::one(Plan::Jetstream(jetstream_at(&host)));
    following.until_stored(TIME + 2);
    let anomalies = [("consumer-too-slow", 1), ("wrong-kind", 1)];
    assert_eq!(following.anomalies(), BTreeMap::from(anomalies));
    let rejected = [("error-frame", 1), ("line-not-json", 1), ("unknown-kind", 1)];
    assert_eq!(following.rejected(), BTreeMap::from(rejected));
    assert_eq!(records(&following), 3);
}

#[test]
fn a_time_in_the_future_does_not_take_the_cursor_there() {
    let now = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap();
    let lines = [line(TIME, 1, "a"), line(now + 86_400_000_000, 2, "b")];
    let host = Host::start(move |asked| {
        let mut acts = from_cursor(&lines, asked.cursor().unwrap());
        acts.push(Act::Stay);
        acts
    });
    let following = Following::one(Plan::Jetstream(jetstream_at(&host)));
    following.until("both", |it| records(it) == 2);
    assert_eq!(following.cursor(), Some(TIME), "it says nothing of what lies between");
    assert_eq!(following.anomalies(), BTreeMap::from([("bad-position", 1)]));
    let status = following.status();
    assert_eq!(status.connection, Connection::Connected);
    assert!(status.lag_seconds(i64::try_from(now).unwrap()) > Some(0), "nor of how late it is");
}

#[test]
fn what_follows_a_time_in_the_future_is_not_lost_with_the_connection() {
    let now = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap();
    let lines = [line(TIME, 1, "a"), line(now + 86_400_000_000, 2, "b"), line(TIME + 9_000_000, 3, "c")];
    let host = Host::start(move |asked| {
        let mut acts = from_cursor(&lines, asked.cursor().unwrap());
        if asked.number == 0 {
            acts.truncate(2);
            acts.push(Act::Cut);
        }
        acts.push(Act::Stay);
        acts
    });
    let following = Following::one(Plan::Jetstream(jetstream_at(&host)));
    following.until("the second connection", |it| host.asked().len() == 2 && it.status().messages >= 3);
    following.until_stored(TIME + 9_000_000);
    assert_eq!(records(&following), 3);
}

#[test]
fn an_account_event_from_the_future_does_not_outlast_the_one_after_it() {
    let now = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap();
    let account = |time: u64, active: bool| {
        let said = json!({ "did": did(0), "active": active, "time": "2026-01-01T00:00:00Z" });
        (time, json!({ "did": did(0), "time_us": time, "kind": "account", "account": said }).to_string())
    };
    let lines = [
        line(TIME, 1, "a"),
        account(now + 86_400_000_000, false),
        account(TIME + 1, true),
        line(TIME + 2, 2, "b"),
    ];
    let host = Host::start(move |asked| {
        let mut acts = from_cursor(&lines, asked.cursor().unwrap());
        acts.push(if asked.number < 2 { Act::Cut } else { Act::Stay });
        acts
    });
    let following = Following::one(Plan::Jetstream(jetstream_at(&host)));
    following.until("three connections", |it| it.status().messages == 12);
    following.until("the last of it", |it| it.cursor() == Some(TIME + 2));
    let totals = guestlist::filing::totals(&*following.store.snapshot()).unwrap();
    assert_eq!((totals.inactive, records(&following)), (0, 2));
}

#[test]
fn a_host_that_closes_after_what_was_had_before_is_asked_less_and_less_often() {
    let (time, text) = line(TIME, 1, "a");
    let host = Host::start(move |_| vec![Act::Text(text.clone()), Act::Close(1001)]);
    let begun = std::time::Instant::now();
    let following = Following::one(Plan::Jetstream(jetstream_at(&host)));
    following.until("many attempts", |_| host.asked().len() >= 40);
    assert_eq!(following.cursor(), Some(time));
    // The waits are 2, 4, 8, 16 and 32 milliseconds, then 50, and each is cut by half at most.
    let least = std::time::Duration::from_millis(30 * 25);
    assert!(begun.elapsed() > least, "{:?}", begun.elapsed());
}

#[test]
fn a_stop_does_not_wait_for_a_dictionary() {
    let lines = [line(TIME, 1, "a")];
    let (dictionary, _) = dictionary_of(&medium().0);
    let served = compressed(&lines, &dictionary);
    let host = Host::start(move |asked| match asked.parameter("id") {
        Some(_) => vec![Act::Mute],
        None => vec![Act::Binary(served[0].1.clone()), Act::Stay],
    });
    let settings = Settings { compress: true, ..jetstream_at(&host) };
    let mut following = Following::one(Plan::Jetstream(settings));
    following.until("the request", |_| host.asked().len() == 2);
    let begun = std::time::Instant::now();
    following.stop();
    assert!(begun.elapsed() < impatient().connect / 4, "{:?}", begun.elapsed());
}

/// How many records are stored.
fn records(following: &Following) -> u64 {
    guestlist::filing::totals(&*following.store.snapshot()).unwrap().records.iter().sum()
}
