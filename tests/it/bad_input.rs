//! Dumps with one bad thing among good ones. The bad thing is counted under its reason and everything else
//! is as if it had never come: the exit code is 0 and the digest, which is the hash of the export, is that
//! of the same dump without it. Spec: PROTOCOL §1 to §4, §9, §10; RULES §1; STYLE §6.

mod cases;
mod dumps;
mod lines;
mod records;

use std::path::{Path, PathBuf};
use std::process::Output;

use guestlist::store::{IfAbsent, Store};
use guestlist::syntax::Cid;
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::frames::{Commit, Op, cbor, commit, ipld, link_bytes, text, with_last};
use crate::harness::{dump, export, guestlist, summary};
use crate::history::did;

const EVENT: &str = "community.lexicon.calendar.event";
const BAD: &str = "community.lexicon.calendar.event/bad";

/// Where in the good dump the bad thing is put.
const BAD_AT: usize = 3;

/// A key of an unknown field. It sorts after every key of a frame and of an event.
const LAST_KEY: &str = "zzzzzzzzzzzz";

fn event() -> Value {
    json!({ "$type": EVENT, "name": "Rehearsal", "createdAt": "2026-01-01T00:00:00.000Z" })
}

fn event_record() -> Ipld {
    ipld(event())
}

fn strong_ref(uri: String) -> Value {
    json!({ "uri": uri, "cid": Cid::compute_dag_cbor(b"any").to_string() })
}

fn round() -> Value {
    let jam = strong_ref(format!("at://{}/at.atjam.jam/j", did(0)));
    json!({ "$type": "at.atjam.round", "jam": jam, "createdAt": "2026-01-01T00:00:00.000Z" })
}

fn signup() -> Value {
    let round = strong_ref(format!("at://{}/at.atjam.round/r", did(0)));
    json!({ "$type": "at.atjam.signup", "round": round, "createdAt": "2026-01-01T00:00:00.000Z" })
}

fn rsvp() -> Value {
    let subject = strong_ref(format!("at://{}/{EVENT}/e", did(1)));
    json!({
        "$type": "community.lexicon.calendar.rsvp", "subject": subject,
        "status": "community.lexicon.calendar.rsvp#going"
    })
}

/// A round, two people in it, an event of one of them and an answer to it.
fn good() -> Vec<Vec<u8>> {
    let jam = json!({ "$type": "at.atjam.jam", "name": "Jam" });
    let founded = [Op::create("at.atjam.jam/j", &ipld(jam)), Op::create("at.atjam.round/r", &ipld(round()))];
    let signed_up = [Op::create("at.atjam.signup/s", &ipld(signup()))];
    let answered = [
        Op::create("at.atjam.signup/s", &ipld(signup())),
        Op::create("community.lexicon.calendar.rsvp/a", &ipld(rsvp())),
    ];
    let frames = vec![
        commit(&did(0), 10, 10, None, &founded).frame(),
        commit(&did(1), 20, 10, None, &signed_up).frame(),
        commit(&did(2), 30, 10, None, &signed_up).frame(),
        commit(
            &did(1),
            40,
            20,
            Some(10),
            &[Op::create("community.lexicon.calendar.event/e", &event_record())],
        )
        .frame(),
        commit(&did(3), 50, 10, None, &answered).frame(),
    ];
    assert!(frames.len() > BAD_AT);
    frames
}

/// A commit of someone who commits before and after it.
fn between(ops: &[Op]) -> Commit {
    commit(&did(1), 35, 15, Some(10), ops)
}

/// One that would show in the export if it were applied.
fn visible() -> Commit {
    between(&[Op::create(BAD, &event_record())])
}

fn visible_with(entry: impl FnOnce(Op) -> Op) -> Vec<u8> {
    between(&[entry(Op::create(BAD, &event_record()))]).frame()
}

fn good_with(bad: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut frames = good();
    frames.splice(BAD_AT..BAD_AT, bad);
    frames
}

/// A replay of one file in a directory of its own.
struct Replayed {
    dir: TempDir,
    output: Output,
    summary: Value,
}

fn replayed(name: &str, content: &[u8], options: &[&str]) -> Replayed {
    let dir = tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    let output = replay_path(dir.path(), &path, options);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = summary(&output);
    Replayed { dir, output, summary }
}

fn replay_path(dir: &Path, path: &Path, options: &[&str]) -> Output {
    let data_dir = dir.join("data");
    guestlist()
        .args(["replay", "--verify", "off", "--data-dir"])
        .arg(data_dir)
        .args(options)
        .arg(path)
        .output()
        .unwrap()
}

impl Replayed {
    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn digest(&self) -> &str {
        self.summary["digest"].as_str().unwrap()
    }

    fn export(&self) -> String {
        export(&self.data_dir())
    }

    fn rejected(&self) -> &Value {
        &self.summary["rejected"]
    }
}

fn frames(frames: &[Vec<u8>]) -> Replayed {
    replayed("some.frames", &dump(frames), &[])
}

/// A map of DAG-CBOR in the order given, under any head.
fn raw_map(head: &[u8], entries: &[(String, Ipld)], tail: &[u8]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(key, value)| [cbor(&text(key.as_str())), cbor(value)].concat());
    head.iter().copied().chain(entries).chain(tail.iter().copied()).collect()
}

fn entries(map: &Ipld) -> Vec<(String, Ipld)> {
    let Ipld::Map(fields) = map else { unreachable!("only maps have entries") };
    let mut entries: Vec<_> = fields.clone().into_iter().collect();
    entries.sort_by_key(|(key, _)| (key.len(), key.clone()));
    entries
}

/// Every way in which bytes of a map are not canonical, without a change of what a lenient reader sees.
fn not_canonical(map: &Ipld) -> Vec<(&'static str, Vec<u8>)> {
    let sorted = entries(map);
    let count = u8::try_from(sorted.len()).unwrap();
    let small = [0xa0 + count];
    let mut unsorted = sorted.clone();
    unsorted.rotate_left(1);
    let mut twice = sorted.clone();
    twice.push(sorted[sorted.len() - 1].clone());
    let mut good = raw_map(&small, &sorted, &[]);
    assert_eq!(good, cbor(map), "the damage is all there is");
    good.push(0);
    vec![
        ("unsorted keys", raw_map(&small, &unsorted, &[])),
        ("a long head of a map", raw_map(&[0xb8, count], &sorted, &[])),
        ("a longer head of a map", raw_map(&[0xb9, 0, count], &sorted, &[])),
        ("a map of indefinite length", raw_map(&[0xbf], &sorted, &[0xff])),
        ("a key twice", raw_map(&[0xa1 + count], &twice, &[])),
        ("something after the map", good),
        ("a key that is no text", raw_map(&[0xa1 + count], &sorted, b"\x01\x01")),
        ("a float", with_last(map, LAST_KEY, b"\xfb\x3f\xf8\0\0\0\0\0\0")),
        ("a whole float", with_last(map, LAST_KEY, b"\xfb\x3f\xf0\0\0\0\0\0\0")),
        ("a float of 32 bits", with_last(map, LAST_KEY, b"\xfa\x3f\x80\0\0")),
        ("a float of 16 bits", with_last(map, LAST_KEY, b"\xf9\x3c\0")),
        ("undefined", with_last(map, LAST_KEY, b"\xf7")),
        ("a simple value in two bytes", with_last(map, LAST_KEY, b"\xf8\x16")),
        ("a long integer", with_last(map, LAST_KEY, b"\x18\x17")),
        ("a long text", with_last(map, LAST_KEY, b"\x78\x01a")),
        ("a chunked text", with_last(map, LAST_KEY, b"\x7f\x61a\xff")),
        ("an endless array", with_last(map, LAST_KEY, b"\x9f\xff")),
        ("a datetime tag", with_last(map, LAST_KEY, b"\xc1\x01")),
        ("a bignum", with_last(map, LAST_KEY, b"\xc2\x41\x01")),
        ("an integer of 65 bits", with_last(map, LAST_KEY, b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("a negative integer of 65 bits", with_last(map, LAST_KEY, b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("text that is not UTF-8", with_last(map, LAST_KEY, b"\x62\xc3\x28")),
        ("a length beyond the end", with_last(map, LAST_KEY, b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff")),
        ("a count beyond the end", with_last(map, LAST_KEY, b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff")),
        ("a link that is no CID", with_last(map, LAST_KEY, b"\xd8\x2a\x42\0\x01")),
        ("a link without its zero", with_last(map, LAST_KEY, &link_bytes(&[], &[]))),
        ("a link with something after it", with_last(map, LAST_KEY, &link_bytes(&[0], &[1, 2, 3]))),
        ("a long tag", with_last(map, LAST_KEY, &[b"\xd9\0", &link_bytes(&[0], &[])[1..]].concat())),
        ("links in links", with_last(map, LAST_KEY, &b"\xd8\x2a".repeat(400_000))),
        ("ends early", cbor(map)[..cbor(map).len() - 1].to_vec()),
    ]
}

fn uri_and_line(line: &str) -> (String, Value) {
    let line: Value = serde_json::from_str(line).unwrap();
    (line["uri"].as_str().unwrap().to_owned(), line)
}

/// A copy of a store, opened. Not the store itself: a program that another test is just starting holds copies
/// of all our files for a moment, locks included, and the next command here would find the store in use.
pub(crate) struct StoreCopy {
    pub(crate) store: Store,
    /// Goes after the store, which reads from it.
    _dir: TempDir,
}

impl StoreCopy {
    pub(crate) fn open(dir: &Path) -> Self {
        let copy = tempdir().unwrap();
        copy_dir(dir, copy.path());
        Self { store: Store::open(copy.path(), 1 << 20, IfAbsent::Fail).unwrap(), _dir: copy }
    }
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
