//! One history, told in every way a replay can tell it: one digest.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{check, content, digest, dump, frames, guestlist, recording, replay};

/// A small generator of numbers, so that a failing order can be had again from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // The constants are Knuth's; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// The digest of the medium recording, replayed plainly.
fn plain() -> (String, Value) {
    let dir = tempdir().unwrap();
    let summary = replay(dir.path(), &[recording("medium.frames.zst")], &[]);
    (summary["digest"].as_str().unwrap().to_owned(), summary)
}

/// Whose frame it is, found in its bytes: enough to keep every repository's frames in order.
fn subject(frame: &[u8]) -> Vec<u8> {
    let at = frame.windows(8).position(|window| window == b"did:plc:" || window == b"did:web:");
    at.map_or_else(Vec::new, |at| frame[at..at + 24].to_vec())
}

#[test]
fn every_batch_size_gives_the_same_digest() {
    let (expected, _) = plain();
    for batch in ["1", "7", "250", "10000"] {
        let dir = tempdir().unwrap();
        let summary = replay(dir.path(), &[recording("medium.frames.zst")], &["--batch", batch]);
        assert_eq!(summary["digest"], expected.as_str(), "batches of {batch}");
        check(dir.path());
    }
}

#[test]
fn a_second_replay_changes_nothing_and_says_that_all_of_it_was_stale() {
    let dir = tempdir().unwrap();
    let dumps = [recording("medium.frames.zst")];
    let first = replay(dir.path(), &dumps, &[]);
    let second = replay(dir.path(), &dumps, &[]);
    assert_eq!(first["digest"], second["digest"]);
    assert_eq!(second["applied"], 0);
    assert_eq!(second["skipped"], second["commits"]);
    assert_eq!(first["commits"], second["commits"]);
    check(dir.path());
}

#[test]
fn a_shuffle_across_repositories_gives_the_same_digest() {
    let (expected, _) = plain();
    let frames = frames(&content("medium.frames.zst"));
    for seed in 0..5 {
        let mut queues: Vec<(Vec<u8>, std::collections::VecDeque<&Vec<u8>>)> = Vec::new();
        for frame in &frames {
            let subject = subject(frame);
            match queues.iter_mut().find(|(other, _)| *other == subject) {
                Some((_, queue)) => queue.push_back(frame),
                None => queues.push((subject, [frame].into())),
            }
        }
        let mut dice = Dice(seed);
        let mut shuffled = Vec::new();
        while !queues.is_empty() {
            let chosen = dice.below(queues.len());
            shuffled.extend(queues[chosen].1.pop_front());
            if queues[chosen].1.is_empty() {
                queues.swap_remove(chosen);
            }
        }
        assert_eq!(shuffled.len(), frames.len());
        assert_ne!(shuffled, frames.iter().collect::<Vec<_>>());
        let dir = tempdir().unwrap();
        let path = dir.path().join("shuffled.frames");
        std::fs::write(&path, dump(shuffled)).unwrap();
        let store = dir.path().join("store");
        let summary = replay(&store, &[path], &["--batch", "64"]);
        assert_eq!(summary["digest"], expected.as_str(), "seed {seed}");
        check(&store);
    }
}

#[test]
fn a_replay_killed_at_random_moments_goes_on_to_the_same_digest() {
    let (expected, undisturbed) = plain();
    let dir = tempdir().unwrap();
    let mut kills = 0;
    let mut dice = Dice(7);
    for _ in 0..40 {
        let mut process = guestlist()
            .args(["replay", "--batch", "5", "--data-dir"])
            .arg(dir.path())
            .arg("--identities")
            .arg(recording("medium.dids.jsonl"))
            .arg(recording("medium.frames.zst"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // When the kill strikes is the point; nothing is expected to have happened by then.
        std::thread::sleep(Duration::from_millis(dice.below(120) as u64));
        process.kill().unwrap();
        if process.wait().unwrap().code().is_none() {
            kills += 1;
        }
    }
    assert!(kills > 10, "the replay was over before it could be killed: {kills}");
    let summary = replay(dir.path(), &[recording("medium.frames.zst")], &[]);
    assert_eq!(summary["digest"], expected.as_str());
    assert_eq!(summary["records"], undisturbed["records"]);
    assert_eq!(digest(dir.path()), expected);
    check(dir.path());
}

#[test]
fn an_interrupted_replay_resumes_where_it_stopped() {
    let (expected, undisturbed) = plain();
    let mut resumed = 0;
    for patience in [10, 20, 40, 80, 160] {
        let dir = tempdir().unwrap();
        let mut process = guestlist()
            .args(["replay", "--batch", "3", "--data-dir"])
            .arg(dir.path())
            .arg("--identities")
            .arg(recording("medium.dids.jsonl"))
            .arg(recording("medium.frames.zst"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // When the kill strikes is the point; nothing is expected to have happened by then.
        std::thread::sleep(Duration::from_millis(patience));
        process.kill().unwrap();
        process.wait().unwrap();
        let summary = replay(dir.path(), &[recording("medium.frames.zst")], &[]);
        assert_eq!(summary["digest"], expected.as_str());
        let (rest, all) = (summary["frames"].as_u64().unwrap(), undisturbed["frames"].as_u64().unwrap());
        resumed += u32::from(rest < all);
    }
    assert!(resumed > 0, "no kill struck in the middle");
}

#[test]
fn another_file_under_the_same_name_is_another_source() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("growing.frames");
    let frames = frames(&content("small-pds0.frames"));
    std::fs::write(&path, dump(&frames)).unwrap();
    let store = dir.path().join("store");
    let whole = replay(&store, std::slice::from_ref(&path), &[]);
    assert_eq!(whole["frames"], 117);
    // Another file under the same name is another source, read from its start.
    std::fs::write(&path, dump(&frames[..60])).unwrap();
    let other = replay(&store, &[path], &[]);
    assert_eq!(other["frames"], 60);
    assert_eq!(other["applied"], 0);
    assert_eq!(whole["digest"], other["digest"]);
}

#[test]
fn plain_and_compressed_and_standard_input_are_the_same_dump() {
    let dir = tempdir().unwrap();
    let frames = content("medium.frames.zst");
    let path = dir.path().join("medium.frames");
    std::fs::write(&path, &frames).unwrap();
    let plain = replay(&dir.path().join("plain"), std::slice::from_ref(&path), &[]);
    let zstd = replay(&dir.path().join("zstd"), &[recording("medium.frames.zst")], &[]);
    assert_eq!(plain["digest"], zstd["digest"]);
    for input in [path, recording("medium.frames.zst")] {
        let store = tempdir().unwrap();
        let output = guestlist()
            .args(["replay", "--data-dir"])
            .arg(store.path())
            .arg("--identities")
            .arg(recording("medium.dids.jsonl"))
            .arg("-")
            .stdin(std::fs::File::open(input).unwrap())
            .output()
            .unwrap();
        assert_eq!(crate::harness::summary(&output)["digest"], plain["digest"]);
    }
}

#[test]
fn the_summary_has_every_key_whatever_there_was_to_say() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("empty.frames");
    std::fs::write(&path, b"").unwrap();
    let summary = replay(&dir.path().join("store"), &[path], &[]);
    let keys: Vec<&str> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "applied",
        "commits",
        "cursor",
        "digest",
        "frames",
        "quarantined",
        "records",
        "rejected",
        "seconds",
        "skipped",
        "verdicts",
    ];
    assert_eq!(keys, expected);
    assert_eq!(summary["cursor"], Value::Null);
    assert_eq!(summary["verdicts"], serde_json::json!({ "valid": 0, "invalid": 0, "pending": 0 }));
}
