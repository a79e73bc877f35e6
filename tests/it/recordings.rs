//! The recordings of real PDSes against what an independent implementation of the rules says of them.

use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::tempdir;

use crate::harness::{check, content, digest, dump, export, frames, recording, replay};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_exports(dumps: &[PathBuf], expected: &str, frames: u64) {
    let dir = tempdir().unwrap();
    let summary = replay(dir.path(), dumps, &[]);
    assert_eq!(summary["rejected"], serde_json::json!({}), "no commit of a real PDS is rejected");
    assert_eq!(summary["frames"], frames);
    let expected = String::from_utf8(content(expected)).unwrap();
    let exported = export(dir.path());
    for (ours, theirs) in exported.lines().zip(expected.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(exported.lines().count(), expected.lines().count());
    assert_eq!(summary["digest"], digest(dir.path()));
    let hash: String = Sha256::digest(&exported).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(summary["digest"], hash.as_str(), "the digest is the hash of what is exported");
    for (status, count) in summary["verdicts"].as_object().unwrap() {
        let shown =
            lines(&exported).iter().filter(|line| line["verdict"]["status"] == status.as_str()).count();
        assert_eq!(*count, shown, "{status}");
    }
    check(dir.path());
}

#[test]
fn both_small_recordings_export_as_expected() {
    let dumps = [recording("small-pds1.frames"), recording("small-pds0.frames")];
    assert_exports(&dumps, "small.expected.jsonl", 152);
}

#[test]
fn the_first_small_recording_alone_exports_as_expected() {
    assert_exports(&[recording("small-pds0.frames")], "small-pds0.expected.jsonl", 117);
}

#[test]
fn the_beginning_of_a_recording_exports_as_expected() {
    for (count, expected) in
        [(60, "small-pds0.first-60.expected.jsonl"), (90, "small-pds0.first-90.expected.jsonl")]
    {
        let dir = tempdir().unwrap();
        let path = dir.path().join("beginning.frames");
        std::fs::write(&path, dump(&frames(&content("small-pds0.frames"))[..count])).unwrap();
        assert_exports(&[path], expected, count as u64);
    }
}

#[test]
fn the_medium_recording_exports_as_expected() {
    assert_exports(&[recording("medium.frames.zst")], "medium.expected.jsonl.zst", 5036);
}
