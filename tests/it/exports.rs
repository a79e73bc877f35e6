//! Repository exports: whole repositories in CAR files, put together from the blocks of a recording.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use guestlist::codec::commit::SignedCommit;
use guestlist::codec::{Reject, mst};
use guestlist::delivery::{Tally, queue};
use guestlist::indexer::{Indexer, Turn};
use guestlist::ingest::dump::Dump;
use guestlist::store::Store;
use guestlist::syntax::Cid;
use ipld_core::ipld::Ipld;
use serde_json::json;
use tempfile::tempdir;

use crate::following::read_unproved;
use crate::frames::{Block, account, car, changed, frame, text};
use crate::harness::{check, content, dump, frames, replay};
use crate::opened::{blocks_of, payload};

/// A repository as far as a recording has it.
#[derive(Clone, Default)]
struct Repository {
    blocks: BTreeMap<Cid, Vec<u8>>,
    root: Option<Cid>,
}

impl Repository {
    fn car(&self) -> Vec<u8> {
        let blocks: Vec<Block> =
            self.blocks.iter().map(|(cid, bytes)| Block { cid: *cid, bytes: bytes.clone() }).collect();
        car(&[self.root.unwrap()], &blocks)
    }

    /// Without the blocks that its last commit does not lead to.
    fn pruned(&self) -> Self {
        let mut reached = BTreeSet::from([self.root.unwrap()]);
        let commit = SignedCommit::decode(&self.blocks[&self.root.unwrap()]).unwrap();
        let mut leaves = Vec::new();
        let node = |cid: &Cid| {
            reached.insert(*cid);
            self.blocks.get(cid).cloned().ok_or(Reject::BlockMissing)
        };
        mst::walk(commit.data, node, |_, cid| {
            leaves.push(Cid::try_from(cid).unwrap());
            Ok(())
        })
        .unwrap();
        reached.extend(leaves);
        let blocks = self.blocks.iter().filter(|(cid, _)| reached.contains(cid));
        Self { blocks: blocks.map(|(cid, bytes)| (*cid, bytes.clone())).collect(), root: self.root }
    }
}

fn did_of(fields: &BTreeMap<String, Ipld>) -> String {
    match fields.get("repo").or_else(|| fields.get("did")) {
        Some(Ipld::String(did)) => did.clone(),
        other => panic!("no DID: {other:?}"),
    }
}

/// The repositories in some frames, and the accounts that were ever not active.
fn repositories(frames: &[Vec<u8>]) -> (BTreeMap<String, Repository>, BTreeSet<String>) {
    let mut found: BTreeMap<String, Repository> = BTreeMap::new();
    let mut inactive = BTreeSet::new();
    for frame in frames {
        let fields = payload(frame);
        let did = did_of(&fields);
        if fields.get("active") == Some(&Ipld::Bool(false)) {
            inactive.insert(did.clone());
        }
        if let (Some(Ipld::Bytes(blocks)), Some(Ipld::Link(commit))) =
            (fields.get("blocks"), fields.get("commit"))
        {
            let repository = found.entry(did).or_default();
            repository.blocks.extend(blocks_of(blocks).into_iter().map(|block| (block.cid, block.bytes)));
            repository.root = Some(Cid::try_from(commit).unwrap());
        }
    }
    (found, inactive)
}

/// The frames of a recording about accounts that were always active, and their repositories at the end.
fn medium() -> (Vec<Vec<u8>>, BTreeMap<String, Repository>) {
    let frames = frames(&content("medium.frames.zst"));
    let (mut repositories, inactive) = repositories(&frames);
    repositories.retain(|did, _| !inactive.contains(did));
    let frames = frames.into_iter().filter(|frame| !inactive.contains(&did_of(&payload(frame)))).collect();
    (frames, repositories)
}

fn write(dir: &Path, repositories: &BTreeMap<String, Repository>) -> Vec<PathBuf> {
    let one = |(did, repository): (&String, &Repository)| {
        let path = dir.join(format!("{}.car", did.replace([':', '%'], "_")));
        std::fs::write(&path, repository.car()).unwrap();
        path
    };
    repositories.iter().map(one).collect()
}

fn write_frames(dir: &Path, name: &str, frames: &[Vec<u8>]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, dump(frames)).unwrap();
    path
}

#[test]
fn exports_give_what_the_commits_gave_that_led_to_them() {
    let (frames, repositories) = medium();
    assert!(repositories.len() > 20 && frames.len() > 2000, "{} of {}", repositories.len(), frames.len());
    let dir = tempdir().unwrap();
    let commits =
        replay(&dir.path().join("commits"), &[write_frames(dir.path(), "all.frames", &frames)], &[]);
    let cars = write(dir.path(), &repositories);
    let store = dir.path().join("exports");
    let exports = replay(&store, &cars, &[]);
    assert_eq!(exports["rejected"], json!({}));
    assert_eq!(exports["digest"], commits["digest"]);
    assert_eq!((&exports["frames"], &exports["commits"]), (&json!(cars.len()), &json!(cars.len())));
    check(&store);
    // And once more: nothing is new.
    let again = replay(&store, &cars, &[]);
    assert_eq!((&again["applied"], &again["skipped"]), (&json!(0), &json!(cars.len())));
    assert_eq!(again["digest"], commits["digest"]);
}

#[test]
fn an_export_brings_a_repository_that_was_left_behind_up_to_date_and_removes_what_has_gone() {
    let (frames, repositories) = medium();
    let dir = tempdir().unwrap();
    let all = replay(&dir.path().join("all"), &[write_frames(dir.path(), "all.frames", &frames)], &[]);
    let mut fewer = 0;
    for part in [10, 3, 2] {
        let some = frames.len() / part;
        let store = dir.path().join(format!("store-{part}"));
        let before = replay(&store, &[write_frames(dir.path(), "some.frames", &frames[..some])], &[]);
        let after = replay(&store, &write(dir.path(), &repositories), &[]);
        assert_eq!(after["digest"], all["digest"], "after one in {part}");
        assert_ne!(after["digest"], before["digest"]);
        fewer += u64::from(deletes_after(&frames[some..]) > 0);
        check(&store);
    }
    assert!(fewer > 0, "nothing that was there had to go");
}

fn deletes_after(frames: &[Vec<u8>]) -> usize {
    let is_delete =
        |op: &Ipld| matches!(op.get("action"), Ok(Some(Ipld::String(action))) if action == "delete");
    let ops = frames.iter().filter_map(|frame| match payload(frame).remove("ops") {
        Some(Ipld::List(ops)) => Some(ops.iter().filter(|op| is_delete(op)).count()),
        _ => None,
    });
    ops.sum()
}

#[test]
fn an_export_that_is_older_than_what_is_known_is_counted_and_changes_nothing() {
    let (frames, _) = medium();
    let (older, _) = repositories(&frames[..frames.len() / 2]);
    let dir = tempdir().unwrap();
    let store = dir.path().join("store");
    let all = replay(&store, &[write_frames(dir.path(), "all.frames", &frames)], &[]);
    let cars = write(dir.path(), &older);
    let after = replay(&store, &cars, &[]);
    assert_eq!((&after["applied"], &after["skipped"]), (&json!(0), &json!(cars.len())));
    assert_eq!(after["digest"], all["digest"]);
}

/// What came of reading a file in this process.
fn read(path: &Path) -> Tally {
    let store = Store::in_memory().unwrap();
    let reading = store.clone();
    let (dump, source) = Dump::open(path, |raw, _| raw).unwrap();
    let (sender, deliveries) = queue();
    let mut indexer = Indexer::new(store, 250).unwrap();
    let writer = thread::spawn(move || {
        let mut total = Tally::default();
        let count = |turn: Turn<'_>| {
            if let Turn::Committed { tally, .. } = turn {
                total.add(tally);
            }
        };
        indexer.run(&deliveries, count).unwrap();
        total
    });
    read_unproved(dump, source, &reading, sender);
    writer.join().unwrap()
}

/// A small repository without a block too many, as a file that can be damaged.
fn small() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let (_, repositories) = medium();
    let pruned = repositories.values().map(|repository| repository.pruned().car());
    let bytes = pruned.filter(|car| car.len() > 1500).min_by_key(Vec::len).unwrap();
    let dir = tempdir().unwrap();
    let path = dir.path().join("some.car");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!((read(&path).applied, bytes.len() < 20_000), (1, true), "the whole one is good");
    (dir, path, bytes)
}

#[test]
fn an_export_that_is_cut_anywhere_is_refused() {
    let (_dir, path, bytes) = small();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let tally = read(&path);
        assert_eq!((tally.applied, tally.rejected.len()), (0, 1), "cut at {cut}");
        *reasons.entry(tally.rejected.keys().next().unwrap().reason()).or_default() += 1;
    }
    // Only a cut between two blocks looks whole, and then a block is missing.
    assert!(reasons["truncated-export"] > 10 * reasons["block-missing"], "{reasons:?}");
    assert_eq!(reasons.keys().copied().collect::<Vec<_>>(), ["block-missing", "truncated-export"]);
}

#[test]
fn an_export_with_any_byte_changed_is_refused() {
    let (_dir, path, bytes) = small();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(&path, damaged).unwrap();
        let tally = read(&path);
        assert_eq!((tally.applied, tally.rejected.len()), (0, 1), "damaged at {at}");
        *reasons.entry(tally.rejected.keys().next().unwrap().reason()).or_default() += 1;
    }
    assert!(reasons["block-hash-mismatch"] > bytes.len() / 2, "{reasons:?}");
}

#[test]
fn a_record_that_nobody_wants_must_be_there_too() {
    let (_, repositories) = medium();
    let repository = repositories.values().max_by_key(|repository| repository.blocks.len()).unwrap().pruned();
    let dir = tempdir().unwrap();
    let path = dir.path().join("some.car");
    for cid in repository.blocks.keys().filter(|cid| Some(**cid) != repository.root) {
        let mut without = repository.clone();
        without.blocks.remove(cid);
        std::fs::write(&path, without.car()).unwrap();
        assert_eq!(read(&path).rejected, BTreeMap::from([(Reject::BlockMissing, 1)]));
    }
}

#[test]
fn an_export_is_a_source_of_a_daemon_too_and_is_not_compressed() {
    let (_dir, path, _) = small();
    let config: guestlist::config::Config =
        toml::from_str(&format!("[[source]]\nkind = \"replay\"\npath = {:?}\n", path.display().to_string()))
            .unwrap();
    assert_eq!(config.source.len(), 1);
    let compressed = path.with_extension("car.zst");
    std::fs::write(&compressed, b"").unwrap();
    let output = crate::harness::guestlist().arg("replay").arg(&compressed).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains(".car"));
}

#[test]
fn an_export_that_came_too_early_is_used_when_it_is_given_again() {
    let (_dir, path, bytes) = small();
    let did = SignedCommit::decode(&blocks_of(&bytes).into_iter().find_map(commit_of).unwrap()).unwrap().did;
    let dir = tempdir().unwrap();
    let store = dir.path().join("store");
    let told = |name: &str, seq: u64, active: bool, time: &str| {
        let said = account(did.as_str(), seq, active, None);
        let said = changed(said, "time", Some(text(time)));
        write_frames(dir.path(), name, &[frame("#account", &said)])
    };
    let off = told("off.frames", 1, false, "2026-01-01T00:00:00Z");
    let on = told("on.frames", 2, true, "2026-01-02T00:00:00Z");
    let early = replay(&store, &[off, path.clone()], &[]);
    assert_eq!((&early["applied"], &early["skipped"]), (&json!(0), &json!(1)), "the account is not active");
    let late = replay(&store, &[on, path], &[]);
    assert_eq!((&late["applied"], &late["skipped"]), (&json!(1), &json!(0)));
    check(&store);
}

/// The block, if it is a signed commit.
fn commit_of(Block { bytes, .. }: Block) -> Option<Vec<u8>> {
    SignedCommit::decode(&bytes).is_ok().then_some(bytes)
}

#[test]
fn an_export_that_can_be_read_only_once_is_an_error_that_says_so() {
    let (_dir, _, bytes) = small();
    let dir = tempdir().unwrap();
    let mut command = crate::harness::guestlist();
    command.args(["replay", "--verify", "off", "--data-dir"]).arg(dir.path().join("data")).arg("-");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // It may have had enough before all of it is written.
    let _ = process.stdin.take().unwrap().write_all(&bytes);
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("has to be a file"), "{said}");
}
