//! Whole repositories from their hosts, with the command: what is stored becomes what the host has, and a host that
//! lies changes nothing.

use std::path::Path;

use ipld_core::ipld::Ipld;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::frames::{car, ipld, root_of};
use crate::harness::{check, dump, guestlist, replay, succeed};
use crate::opened::blocks_of;
use crate::pds::Pds;
use crate::signed::{Key, Repo, Write};

const EVENT: &str = "community.lexicon.calendar.event";

/// A configuration whose accounts are all at one host.
fn configure(dir: &Path, pds: &Pds, people: &[&Repo]) {
    let lines: Vec<_> =
        people.iter().map(|repo| repo.document(&pds.url(), "ann.invalid").to_string()).collect();
    std::fs::write(dir.join("people.dids.jsonl"), lines.join("\n")).unwrap();
    let text = format!(
        "data_dir = {:?}\n[identity]\nallow_private_networks = true\nidentities = [{:?}]\n\
         [backfill]\nretry_seconds = 1\n",
        dir.join("data"),
        dir.join("people.dids.jsonl"),
    );
    std::fs::write(dir.join("guestlist.toml"), text).unwrap();
}

/// Runs the command; its summary, and whether it found everything.
fn backfill(dir: &Path, dids: &[&str]) -> (Value, bool) {
    let mut command = guestlist();
    command.arg("backfill").arg("--config").arg(dir.join("guestlist.toml")).args(dids);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    (serde_json::from_str(text.lines().last().expect(&said)).unwrap(), output.status.success())
}

fn event(name: &str) -> Ipld {
    ipld(json!({ "$type": EVENT, "name": name, "createdAt": "2026-01-01T00:00:00Z" }))
}

fn put(name: &str, value: &str) -> (String, Ipld) {
    (format!("{EVENT}/{name}"), event(value))
}

fn commit(repo: &mut Repo, seq: u64, puts: &[(String, Ipld)], deletes: &[&str]) -> Vec<u8> {
    let deletes: Vec<_> = deletes.iter().map(|name| format!("{EVENT}/{name}")).collect();
    let puts = puts.iter().map(|(path, record)| Write::Put(path, record.clone()));
    let writes: Vec<_> = puts.chain(deletes.iter().map(|path| Write::Delete(path))).collect();
    repo.commit(seq, &writes).frame()
}

/// The names of the stored events.
fn stored(dir: &Path) -> Vec<String> {
    let data = dir.join("data");
    let records = succeed(&[&"export", &"--records", &"--data-dir", &data]);
    let names = records.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["record"]["name"].as_str().map(str::to_owned)
    });
    names.collect()
}

/// How many events are shown.
fn shown(dir: &Path) -> usize {
    let data = dir.join("data");
    succeed(&[&"export", &"--data-dir", &data]).lines().count()
}

fn ann() -> Repo {
    Repo::new("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", Key::k256(3))
}

#[test]
fn what_is_stored_becomes_what_the_host_has() {
    let (dir, pds, mut repo) = (tempdir().unwrap(), Pds::start(), ann());
    configure(dir.path(), &pds, &[&repo]);
    let first = commit(&mut repo, 1, &[put("a", "A"), put("b", "B"), put("c", "C")], &[]);
    let path = dir.path().join("some.frames");
    std::fs::write(&path, dump([&first])).unwrap();
    replay(&dir.path().join("data"), &[path], &[]);
    commit(&mut repo, 2, &[put("b", "B again"), put("d", "D")], &["c"]);
    pds.has(&repo);
    let (summary, all) = backfill(dir.path(), &[&repo.did]);
    assert_eq!(summary, json!({ "repositories": 1, "fetched": 1, "applied": 1, "failed": {} }));
    assert!(all);
    assert_eq!(stored(dir.path()), ["A", "B again", "D"]);
    check(&dir.path().join("data"));
    // Nothing is missing any more, and nothing is done again.
    assert_eq!(backfill(dir.path(), &[&repo.did]).0["applied"], 0);
}

#[test]
fn what_a_gap_hid_is_found_though_the_revision_is_known() {
    let (dir, pds, mut repo) = (tempdir().unwrap(), Pds::start(), ann());
    configure(dir.path(), &pds, &[&repo]);
    let first = commit(&mut repo, 1, &[put("a", "A"), put("b", "B")], &[]);
    commit(&mut repo, 2, &[put("lost", "Lost")], &["a"]);
    let third = commit(&mut repo, 3, &[put("c", "C")], &[]);
    let path = dir.path().join("some.frames");
    std::fs::write(&path, dump([&first, &third])).unwrap();
    replay(&dir.path().join("data"), &[path], &[]);
    assert_eq!(stored(dir.path()), ["A", "B", "C"]);
    pds.has(&repo);
    assert_eq!(backfill(dir.path(), &[&repo.did]).0["applied"], 1);
    assert_eq!(stored(dir.path()), ["B", "C", "Lost"]);
    check(&dir.path().join("data"));
}

#[test]
fn a_host_that_lies_changes_nothing_and_is_named() {
    let (dir, pds, mut repo) = (tempdir().unwrap(), Pds::start(), ann());
    let (mut other, mut forged) = (ann(), ann());
    other.did = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb".to_owned();
    forged.key = Key::k256(9);
    let mut late = ann();
    // Some thirty years.
    late.skip(1_000_000_000_000_000);
    configure(dir.path(), &pds, &[&repo, &other]);
    for each in [&mut repo, &mut other, &mut forged, &mut late] {
        commit(each, 1, &[put("a", "A")], &[]);
    }
    let whole = repo.export();
    let blocks = blocks_of(&whole);
    let without_one = car(&[root_of(&whole)], &blocks[1..]);
    for (what, status, body, reason) in [
        ("of another account", 200, other.export(), "commit-did-mismatch"),
        ("of years to come", 200, late.export(), "future-rev"),
        ("by another key", 200, forged.export(), "bad-signature"),
        ("cut in a block", 200, whole[..whole.len() - 5].to_vec(), "truncated-export"),
        ("without a block", 200, without_one, "block-missing"),
        ("no CAR", 200, b"<html>".to_vec(), "is not used"),
        ("empty", 200, Vec::new(), "is not used"),
        ("forbidden", 403, b"no".to_vec(), "403"),
    ] {
        pds.answers(&repo.did, status, body);
        let (summary, all) = backfill(dir.path(), &[&repo.did]);
        let said = summary["failed"][&repo.did].as_str().unwrap_or_default();
        assert!(!all && said.contains(reason), "{what}: {summary}");
        assert_eq!(stored(dir.path()), Vec::<String>::new(), "{what}");
    }
    pds.has(&repo);
    pds.has(&other);
    let (summary, all) = backfill(dir.path(), &[&repo.did, &other.did, "did:plc:cccccccccccccccccccccccc"]);
    assert_eq!((&summary["fetched"], all), (&json!(2), false), "{summary}");
    assert_eq!(stored(dir.path()), ["A", "A"]);
}

#[test]
fn what_a_host_withholds_is_hidden_and_comes_back_when_it_is_given() {
    let (dir, pds, mut repo) = (tempdir().unwrap(), Pds::start(), ann());
    configure(dir.path(), &pds, &[&repo]);
    commit(&mut repo, 1, &[put("a", "A")], &[]);
    for (status, name) in
        [(400, "RepoTakendown"), (403, "RepoDeactivated"), (400, "RepoSuspended"), (404, "RepoNotFound")]
    {
        pds.has(&repo);
        assert!(backfill(dir.path(), &[&repo.did]).1);
        assert_eq!(shown(dir.path()), 1, "before {name}");
        pds.answers(&repo.did, status, json!({ "error": name }).to_string().into_bytes());
        // That is an answer.
        assert!(backfill(dir.path(), &[&repo.did]).1);
        assert_eq!((shown(dir.path()), stored(dir.path())), (0, vec!["A".to_owned()]), "{name}");
        check(&dir.path().join("data"));
    }
}

#[test]
fn an_older_export_changes_nothing() {
    let (dir, pds, mut repo) = (tempdir().unwrap(), Pds::start(), ann());
    configure(dir.path(), &pds, &[&repo]);
    let first = commit(&mut repo, 1, &[put("a", "A")], &[]);
    pds.has(&repo);
    let second = commit(&mut repo, 2, &[put("b", "B")], &["a"]);
    let path = dir.path().join("some.frames");
    std::fs::write(&path, dump([&first, &second])).unwrap();
    replay(&dir.path().join("data"), &[path], &[]);
    assert_eq!(backfill(dir.path(), &[&repo.did]).0["applied"], 0);
    assert_eq!(stored(dir.path()), ["B"]);
}
