//! Proof along the whole way: what is refused leaves no trace, whatever came before and comes after.

use std::path::Path;

use ipld_core::ipld::Ipld;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::frames::{Block, account, cbor, frame, ipld, text};
use crate::harness::{check, dump, export, frames, guestlist, recording, succeed, summary};
use crate::opened::Opened;
use crate::serving::{begin, get, signal, wait};
use crate::signed::{Key, Repo, Write};
use crate::verify::ALTERATIONS;

/// What a replay in full leaves: its summary, and everything that is in the store.
struct Replayed {
    summary: Value,
    records: String,
    verdicts: String,
    /// What the log says of proving.
    log: String,
}

/// Replays frames, proved in full with these documents.
fn replayed(frames: &[Vec<u8>], documents: &Path) -> Replayed {
    let dir = tempdir().unwrap();
    let (path, data) = (dir.path().join("some.frames"), dir.path().join("data"));
    std::fs::write(&path, dump(frames)).unwrap();
    let mut command = guestlist();
    command.args(["replay", "--data-dir"]).arg(&data).arg("--identities").arg(documents).arg(&path);
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    check(&data);
    // Another content is another fingerprint.
    let without_it = |line: &str| {
        let (before, after) = line.split_once("\"fingerprint\":\"").unwrap_or((line, ""));
        format!("{before}{}\n", after.split_once('"').unwrap_or_default().1)
    };
    let records = succeed(&[&"export", &"--records", &"--data-dir", &data]);
    let records = records.lines().map(without_it).collect();
    Replayed { summary: summary(&output), records, verdicts: export(&data), log }
}

impl Replayed {
    fn rejected(&self) -> &Value {
        &self.summary["rejected"]
    }

    /// What the log says was counted under a name.
    fn counted(&self, name: &str) -> usize {
        let last: Value = serde_json::from_str(self.log.trim().lines().last().unwrap()).unwrap();
        last["fields"][name].as_u64().unwrap().try_into().unwrap()
    }

    /// Asserts that the store holds what another does.
    fn assert_holds(&self, other: &Self, what: &str) {
        assert!(self.records == other.records, "{what}: other records");
        assert!(self.verdicts == other.verdicts, "{what}: other verdicts");
        assert_eq!(self.summary["digest"], other.summary["digest"], "{what}");
    }
}

/// The recording of the scenario, and where its first commit with a wanted record of each action is.
fn recorded() -> (Vec<Vec<u8>>, Vec<usize>) {
    let recorded = frames(&std::fs::read(recording("small-pds0.frames")).unwrap());
    let mut places = Vec::new();
    for action in ["create", "update", "delete"] {
        let is_one = |frame: &Vec<u8>| {
            let Some(mut opened) = Opened::of(frame).filter(|opened| opened.t == "#commit") else {
                return false;
            };
            !opened.ops().is_empty()
                && opened.op(0)["action"] == text(action)
                && matches!(&opened.op(0)["path"], Ipld::String(path) if path.starts_with("at.atjam."))
        };
        places.push(recorded.iter().rposition(is_one).unwrap());
    }
    places.sort_unstable();
    (recorded, places)
}

#[test]
fn an_altered_frame_leaves_the_store_as_if_it_had_never_come() {
    let (recorded, places) = recorded();
    let documents = recording("small.dids.jsonl");
    let without = replayed(&recorded, &documents);
    assert_eq!(without.rejected(), &json!({}));
    for (what, alter, reasons) in ALTERATIONS {
        // All that it can be applied to at once, each before the genuine one, which so finds what it needs.
        let mut with = recorded.clone();
        let mut count = 0;
        for place in places.iter().rev() {
            let mut altered = Opened::of(&recorded[*place]).unwrap();
            if alter(&mut altered).is_some() {
                with.insert(*place, altered.frame());
                count += 1;
            }
        }
        assert!(count > 0, "{what}");
        let with = replayed(&with, &documents);
        let rejected = with.rejected().as_object().unwrap();
        let refused: u64 = rejected.values().map(|count| count.as_u64().unwrap()).sum();
        // One in which nothing wanted is left, of a repository that is not followed yet, is passed over.
        let skipped = |replayed: &Replayed| replayed.summary["skipped"].as_u64().unwrap();
        assert_eq!(refused + skipped(&with) - skipped(&without), count, "{what}");
        assert!(refused > 0, "{what}");
        assert!(
            rejected.keys().all(|found| reasons.iter().any(|reason| reason.reason() == found)),
            "{what}: {rejected:?}"
        );
        with.assert_holds(&without, what);
    }
}

#[test]
fn a_signature_that_is_not_the_account_s_in_its_one_form_leaves_no_trace() {
    let (recorded, places) = recorded();
    let documents = recording("small.dids.jsonl");
    let without = replayed(&recorded, &documents);
    let signature = |frame: &Opened| match &frame.commit()["sig"] {
        Ipld::Bytes(signature) => signature.clone(),
        other => panic!("no signature: {other:?}"),
    };
    let flipped = |mut signature: Vec<u8>| {
        signature[40] ^= 1;
        signature
    };
    let alterations: [(&str, &dyn Fn(Opened) -> Opened); 5] = [
        ("a bit flipped", &|frame| {
            let signature = flipped(signature(&frame));
            frame.with_signature(signature)
        }),
        // Every account of the recording is on secp256k1.
        ("the high-S twin", &|frame| {
            let twin = Key::k256(1).twin(&signature(&frame));
            frame.with_signature(twin)
        }),
        ("another account's key", &|frame| frame.signed_by(&Key::k256(7))),
        ("a key of the other curve", &|frame| frame.signed_by(&Key::p256(7))),
        ("no signature to speak of", &|frame| frame.with_signature(Vec::new())),
    ];
    for (what, alter) in alterations {
        let mut with = recorded.clone();
        for place in places.iter().rev() {
            with.insert(*place, alter(Opened::of(&recorded[*place]).unwrap()).frame());
        }
        let with = replayed(&with, &documents);
        assert_eq!(with.rejected(), &json!({ "bad-signature": places.len() }), "{what}");
        with.assert_holds(&without, what);
    }
}

#[test]
fn a_revision_that_goes_back_is_old_and_leaves_no_trace() {
    let (recorded, places) = recorded();
    let documents = recording("small.dids.jsonl");
    let without = replayed(&recorded, &documents);
    let mut with = recorded.clone();
    for place in places.iter().rev() {
        with.insert(place + 1, recorded[*place].clone());
    }
    let with = replayed(&with, &documents);
    assert_eq!(with.rejected(), &json!({}));
    with.assert_holds(&without, "old");
    // One `#sync` of the recording tells what is known.
    assert_eq!((without.counted("old"), with.counted("old")), (1, 1 + places.len()));
}

const EVENT: &str = "community.lexicon.calendar.event";

fn event(name: &str) -> Ipld {
    ipld(json!({ "$type": EVENT, "name": name, "createdAt": "2026-01-01T00:00:00Z" }))
}

fn write_documents(dir: &Path, people: &[&Repo]) -> std::path::PathBuf {
    let path = dir.join("people.dids.jsonl");
    let lines = people.iter().map(|repo| repo.document("https://pds.example", "ann.example").to_string());
    std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path
}

#[test]
fn both_curves_sign_and_a_gap_is_counted_and_marked() {
    let dir = tempdir().unwrap();
    for key in [Key::k256(3), Key::p256(3)] {
        let mut repo = Repo::new("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", key);
        let documents = write_documents(dir.path(), &[&repo]);
        let first = repo.commit(1, &[Write::Put(&format!("{EVENT}/a"), event("A"))]).frame();
        let lost = repo.commit(2, &[Write::Put(&format!("{EVENT}/b"), event("B"))]).frame();
        let third = repo.commit(3, &[Write::Put(&format!("{EVENT}/c"), event("C"))]).frame();
        let whole = replayed(&[first.clone(), lost, third.clone()], &documents);
        assert_eq!((whole.rejected(), &whole.summary["applied"]), (&json!({}), &json!(3)));
        assert_eq!(whole.counted("discontinuous"), 0);
        let cut = replayed(&[first, third], &documents);
        assert_eq!((cut.rejected(), &cut.summary["applied"]), (&json!({}), &json!(2)));
        assert_eq!(cut.counted("discontinuous"), 1);
    }
}

#[test]
fn a_host_of_an_older_kind_is_proved_forward_and_marked() {
    let dir = tempdir().unwrap();
    let mut repo = Repo::new("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", Key::k256(3));
    let documents = write_documents(dir.path(), &[&repo]);
    let first = repo.commit(1, &[Write::Put(&format!("{EVENT}/a"), event("A"))]).frame();
    let second = repo.commit(2, &[Write::Put(&format!("{EVENT}/b"), event("B"))]).without("prevData").frame();
    let legacy = replayed(&[first, second], &documents);
    assert_eq!((legacy.rejected(), &legacy.summary["applied"]), (&json!({}), &json!(2)));
    assert_eq!(legacy.counted("legacy"), 1);
    assert!(legacy.records.lines().next().unwrap().contains("unchecked"), "{}", legacy.records);
}

#[test]
fn superfluous_blocks_and_a_commit_anywhere_are_applied() {
    let (recorded, places) = recorded();
    let documents = recording("small.dids.jsonl");
    let without = replayed(&recorded, &documents);
    for turn in 0..4 {
        let mut with = recorded.clone();
        for place in &places {
            let mut opened = Opened::of(&recorded[*place]).unwrap();
            opened.blocks.push(Block::new(cbor(&event(&format!("superfluous {turn}")))));
            let by = turn % opened.blocks.len();
            opened.blocks.rotate_left(by);
            with[*place] = opened.frame();
        }
        let with = replayed(&with, &documents);
        assert_eq!(with.rejected(), &json!({}));
        with.assert_holds(&without, "rotated");
    }
}

#[test]
fn an_export_is_proved_too() {
    let dir = tempdir().unwrap();
    let mut repo = Repo::new("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", Key::p256(3));
    repo.commit(1, &[Write::Put(&format!("{EVENT}/a"), event("A"))]);
    let car = dir.path().join("some.car");
    std::fs::write(&car, repo.export()).unwrap();
    let stranger = Repo::new(&repo.did, Key::p256(4));
    for (who, rejected) in [(&repo, json!({})), (&stranger, json!({ "bad-signature": 1 }))] {
        let documents = write_documents(dir.path(), &[who]);
        let data = tempdir().unwrap();
        let mut command = guestlist();
        command.args(["replay", "--data-dir"]).arg(data.path()).arg("--identities").arg(documents).arg(&car);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(summary(&output)["rejected"], rejected);
    }
}

#[test]
fn an_account_that_is_hidden_while_its_commits_come_hides_them_with_proof_too() {
    let dir = tempdir().unwrap();
    let mut repo = Repo::new("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", Key::k256(3));
    let documents = write_documents(dir.path(), &[&repo]);
    let mut all = Vec::new();
    for seq in 0..40_u64 {
        all.push(repo.commit(3 * seq + 1, &[Write::Put(&format!("{EVENT}/e{seq}"), event("E"))]).frame());
        // Commits take long and these do not: they must not pass them.
        all.push(frame("#account", &account(&repo.did, 3 * seq + 2, seq % 2 == 1, Some("deactivated"))));
    }
    let replayed = replayed(&all, &documents);
    assert_eq!(replayed.rejected(), &json!({}));
    assert_eq!((&replayed.summary["applied"], &replayed.summary["skipped"]), (&json!(20), &json!(20)));
}

#[test]
fn an_export_whose_key_nobody_had_is_taken_when_it_is_given_again_with_it() {
    let dir = tempdir().unwrap();
    let mut repo = Repo::new("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", Key::k256(3));
    repo.commit(1, &[Write::Put(&format!("{EVENT}/a"), event("A"))]);
    let car = dir.path().join("some.car");
    std::fs::write(&car, repo.export()).unwrap();
    let documents = write_documents(dir.path(), &[&repo]);
    let records = |summary: &Value| summary["records"][EVENT].clone();
    let first = offline(None, &dir.path().join("data"), &car);
    assert_eq!((&first["rejected"], records(&first)), (&json!({ "identity-unresolved": 1 }), json!(0)));
    let again = offline(Some(&documents), &dir.path().join("data"), &car);
    assert_eq!((&again["rejected"], records(&again)), (&json!({}), json!(1)));
}

/// Replays a dump without a network, with these documents or none.
fn offline(documents: Option<&Path>, data: &Path, dump: &Path) -> Value {
    let mut command = guestlist();
    command.env("GUESTLIST_IDENTITY__NETWORK", "false").args(["replay", "--data-dir"]).arg(data).arg(dump);
    if let Some(documents) = documents {
        command.arg("--identities").arg(documents);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    summary(&output)
}

#[test]
fn what_nobody_had_the_key_of_is_taken_when_the_dump_is_given_again_with_it() {
    let dir = tempdir().unwrap();
    let run = |documents: Option<&Path>, data: &str| {
        offline(documents, &dir.path().join(data), &recording("small-pds0.frames"))
    };
    let all = recording("small.dids.jsonl");
    // One person is left out.
    let some = dir.path().join("some.dids.jsonl");
    let lines = std::fs::read_to_string(&all).unwrap();
    std::fs::write(&some, lines.lines().skip(1).collect::<Vec<_>>().join("\n")).unwrap();
    let expected = run(Some(&all), "expected");
    for first in [None, Some(some.as_path())] {
        let data = if first.is_some() { "some" } else { "none" };
        assert!(run(first, data)["rejected"]["identity-unresolved"].as_u64() > Some(0));
        let again = run(Some(&all), data);
        assert_eq!((&again["rejected"], &again["digest"]), (&json!({}), &expected["digest"]), "{data}");
        let once_more = run(Some(&all), data);
        assert_eq!((&once_more["applied"], &once_more["digest"]), (&json!(0), &expected["digest"]), "{data}");
    }
}

#[test]
fn a_daemon_reads_a_dump_again_of_which_it_had_not_all_the_keys() {
    let dir = tempdir().unwrap();
    let (config, dump) = (dir.path().join("guestlist.toml"), recording("small-pds0.frames"));
    let tracked = |identities: &str| {
        let text = format!(
            "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[identity]\nnetwork = false\nidentities = [{identities}]\n\
             [[source]]\nkind = \"replay\"\npath = {dump:?}\n",
            dir.path().join("data"),
        );
        std::fs::write(&config, text).unwrap();
        let mut command = guestlist();
        command.args(["serve", "--config"]).arg(&config);
        let mut daemon = begin(command);
        let status = get(&daemon.address, "/xrpc/app.guestlist.getStatus").2;
        signal(&daemon.process, "TERM");
        assert!(wait(&mut daemon.process).success());
        status["accounts"]["tracked"].as_u64().unwrap()
    };
    assert_eq!(tracked(""), 0);
    let documents = format!("{:?}", recording("small.dids.jsonl"));
    let people = tracked(&documents);
    assert!(people > 0);
    assert_eq!(tracked(""), people, "and no more when it had them all");
}
