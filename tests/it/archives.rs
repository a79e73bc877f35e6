//! Records out and in again, rebuilds, and commands beside a daemon.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use guestlist::filing;
use guestlist::store::{IfAbsent, Store};
use guestlist::syntax::Did;
use guestlist::tables::keys::{MetaKey, SourceKey};
use guestlist::tables::rows::{Account, Meta, Standing, Unfinished};
use guestlist::tables::view::{Overlay, ReadRows};
use guestlist::tables::{Accounts, Metas, Sources, Standings};
use tempfile::tempdir;

use crate::harness::{check, content, digest, export, guestlist, recording, replay, run, succeed};

fn write(store: &Store, change: impl FnOnce(&mut Overlay<'_>)) {
    let changes = {
        let rows = store.snapshot();
        let mut overlay = Overlay::new(&*rows);
        change(&mut overlay);
        overlay.into_changes()
    };
    store.commit(changes).unwrap();
}

/// How many batches a store has counted.
fn position(dir: &Path) -> u64 {
    let store = Store::open(dir, 1 << 20, IfAbsent::Fail).unwrap();
    guestlist::tables::number(&*store.snapshot(), MetaKey::Position).unwrap()
}

/// A Jetstream dump with every kind of record that JSON does not carry as it is.
fn awkward() -> String {
    let line = |rkey: &str, rev: &str, cid: &str, record: &str| {
        format!(
            "{{\"did\":\"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa\",\"time_us\":1,\"kind\":\"commit\",\"commit\":{{\"rev\":\"{rev}\",\
             \"operation\":\"create\",\"collection\":\"at.atjam.jam\",\"rkey\":\"{rkey}\",\"cid\":\"{cid}\",\"record\":{record}}}}}\n"
        )
    };
    let cid = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq";
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    [
        line("float", "3kznmn7xqxl22", cid, "{\"a\":1.5}"),
        line("deep", "3kznmn7xqxl23", cid, &deep),
        line("other", "3kznmn7xqxl24", cid, "{\"name\":\"hashes to something else\"}"),
        line("null", "3kznmn7xqxl25", cid, "null"),
    ]
    .concat()
}

#[test]
fn an_export_of_records_gives_the_same_digest_in_an_empty_store() {
    let dir = tempdir().unwrap();
    let odd = dir.path().join("awkward.jsonl");
    std::fs::write(&odd, awkward()).unwrap();
    let dumps =
        [recording("small-pds1.frames"), recording("small-pds0.frames"), recording("medium.frames.zst"), odd];
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let summary = replay(&first, &dumps, &[]);
    assert!(export(&first).contains("\"reason\":\"too-deep\""), "the awkward records are there");
    let records = succeed(&[&"export", &"--records", &"--data-dir", &first]);
    let file = dir.path().join("records.jsonl");
    std::fs::write(&file, &records).unwrap();
    succeed(&[&"import", &"--data-dir", &second, &file]);
    assert_eq!(digest(&second), summary["digest"].as_str().unwrap());
    assert_eq!(position(&second), 1, "what was said of the empty store does not hold");
    check(&second);
    // Compared line by line: a failure should show one line, not a store. Sources get new numbers and keep
    // their names, so even the accounts read the same.
    let again = succeed(&[&"export", &"--records", &"--data-dir", &second]);
    for (imported, exported) in again.lines().zip(records.lines()) {
        assert_eq!(imported, exported);
    }
    assert_eq!(again.lines().count(), records.lines().count());
    // What was imported stands where the original stood: what the dumps hold is stale.
    assert_eq!(replay(&second, &dumps, &[])["digest"], summary["digest"]);
}

#[test]
fn an_import_has_every_word_that_was_said_of_an_account() {
    let dir = tempdir().unwrap();
    let spoken = dir.path().join("spoken.jsonl");
    let said = |time_us: u64, account: &str| {
        format!(
            "{{\"did\":\"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa\",\"time_us\":{time_us},\"kind\":\"account\",\"account\":{account}}}\n"
        )
    };
    let words = [
        awkward(),
        said(7, "{\"active\":false,\"status\":\"suspended\",\"time\":\"2026-05-01T12:00:00.000001Z\"}"),
    ];
    std::fs::write(&spoken, words.concat()).unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    replay(&first, &[recording("small-pds0.frames"), recording("medium.frames.zst"), spoken], &[]);
    let file = dir.path().join("records.jsonl");
    std::fs::write(&file, succeed(&[&"export", &"--records", &"--data-dir", &first])).unwrap();
    succeed(&[&"import", &"--data-dir", &second, &file]);
    // Row by row, and not by what an export says of them: it could be silent both times.
    let accounts = |dir: &Path| {
        let store = Store::open(dir, 1 << 20, IfAbsent::Fail).unwrap();
        let rows = store.snapshot();
        let names: BTreeMap<u32, SourceKey> =
            rows.scan_all::<Sources>().map(Result::unwrap).map(|(key, source)| (source.id, key)).collect();
        let named = |(did, mut account): (Did, Account)| {
            let mut said: Vec<_> = std::mem::take(&mut account.witnesses)
                .into_iter()
                .map(|witness| (names[&witness.source].clone(), witness.rev, witness.word))
                .collect();
            said.sort_by(|one, other| one.0.cmp(&other.0));
            (did, account, said)
        };
        rows.scan_all::<Accounts>().map(Result::unwrap).map(named).collect::<Vec<_>>()
    };
    let (exported, imported) = (accounts(&first), accounts(&second));
    let words = exported.iter().flat_map(|(_, _, said)| said).filter_map(|(_, _, word)| word.as_ref());
    assert!(words.clone().any(|word| word.time.is_some()) && words.count() > 1);
    assert!(exported.iter().any(|(_, account, _)| account.rev_from_jetstream));
    for (one, other) in exported.iter().zip(&imported) {
        assert_eq!(one, other);
    }
    assert_eq!(exported.len(), imported.len());
}

#[test]
fn accounts_come_before_records_and_both_are_sorted() {
    let dir = tempdir().unwrap();
    replay(dir.path(), &[recording("small-pds1.frames"), recording("small-pds0.frames")], &[]);
    let records = succeed(&[&"export", &"--records", &"--data-dir", &dir.path()]);
    let (accounts, records): (Vec<_>, Vec<_>) =
        records.lines().partition(|line| line.starts_with("{\"did\":"));
    assert!(accounts.is_sorted() && records.is_sorted());
    assert!(records.iter().all(|line| line.starts_with("{\"uri\":\"at://")));
    assert_eq!(accounts.len(), 11);
}

#[test]
fn an_import_refuses_a_store_that_is_not_empty_and_names_a_bad_line() {
    let dir = tempdir().unwrap();
    let full = dir.path().join("full");
    replay(&full, &[recording("small-pds0.frames")], &[]);
    let file = dir.path().join("records.jsonl");
    std::fs::write(&file, succeed(&[&"export", &"--records", &"--data-dir", &full])).unwrap();
    let output = run(&[&"import", &"--data-dir", &full, &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));

    let text = std::fs::read_to_string(&file).unwrap().replacen("\"cid\":\"bafyrei", "\"cid\":\"bafyreb", 1);
    let bad = text.lines().position(|line| line.contains("bafyreb")).unwrap() + 1;
    std::fs::write(&file, text).unwrap();
    let half = dir.path().join("half");
    let output = run(&[&"import", &"--data-dir", &half, &file]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("line {bad} ")), "{said}");
    // A part of an export must not pass for the whole.
    let output = run(&[&"digest", &"--data-dir", &half]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did not finish"));
}

#[test]
fn a_changed_lexicon_or_an_interrupted_rebuild_is_worked_out_anew_at_the_next_start() {
    let dir = tempdir().unwrap();
    let summary = replay(dir.path(), &[recording("medium.frames.zst")], &[]);
    let expected = summary["digest"].as_str().unwrap();
    for meta in [
        (MetaKey::Lexicons, Meta::Bytes(vec![1, 2, 3])),
        (MetaKey::Unfinished, Meta::Unfinished(Unfinished::Rebuild)),
    ] {
        let store = Store::open(dir.path(), 1 << 20, IfAbsent::Fail).unwrap();
        let key = store.snapshot().scan_all::<Standings>().next().unwrap().unwrap().0;
        write(&store, |rows| {
            rows.put::<Metas>(&meta.0, &meta.1);
            // Something that only a rebuild can have put right.
            rows.put::<Standings>(&key, &Standing { signups: 77, live: true, ..Standing::default() });
        });
        drop(store);
        assert_eq!(digest(dir.path()), expected);
        check(dir.path());
    }
}

#[test]
fn a_rebuild_puts_right_what_a_check_finds() {
    let dir = tempdir().unwrap();
    let summary = replay(dir.path(), &[recording("medium.frames.zst")], &[]);
    let store = Store::open(dir.path(), 1 << 20, IfAbsent::Fail).unwrap();
    let totals = filing::totals(&*store.snapshot()).unwrap();
    let before = guestlist::tables::number(&*store.snapshot(), MetaKey::Position).unwrap();
    let key = store.snapshot().scan_all::<Standings>().last().unwrap().unwrap().0;
    write(&store, |rows| rows.delete::<Standings>(&key));
    drop(store);
    let found = run(&[&"check", &"--data-dir", &dir.path()]);
    assert_eq!(found.status.code(), Some(1));
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(said.contains(key.did.as_str()), "{said}");
    let rebuilt = run(&[&"check", &"--rebuild", &"--data-dir", &dir.path()]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stdout));
    assert_eq!(digest(dir.path()), summary["digest"].as_str().unwrap());
    let store = Store::open(dir.path(), 1 << 20, IfAbsent::Fail).unwrap();
    assert_eq!(filing::totals(&*store.snapshot()).unwrap(), totals);
    drop(store);
    assert_eq!(position(dir.path()), before + 1, "what was said before may be different now");
}

#[test]
fn commands_beside_a_daemon_under_load_say_what_they_say_alone() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let alone = replay(&data, &[recording("medium.frames.zst")], &[]);
    let verdicts = export(&data);
    let records = succeed(&[&"export", &"--records", &"--data-dir", &data]);
    let uri = "at://did:plc:3tcomkmnf5q5is4prequli4j/at.atjam.jam/none";
    let explained = succeed(&[&"explain", &"--data-dir", &data, &uri]);

    // The load: the same dump under another name, all of it stale, so that the answers stay what they are.
    let load = dir.path().join("load.frames");
    std::fs::write(&load, content("medium.frames.zst").repeat(20)).unwrap();
    let config = dir.path().join("guestlist.toml");
    let text = format!(
        "data_dir = {data:?}\n[http]\nbind = \"127.0.0.1:0\"\n[limits]\nbatch_events = 10\n\
         [[source]]\nkind = \"replay\"\npath = {load:?}\nverify = \"off\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut daemon = guestlist()
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = data.join("control.sock");
    while !socket.exists() {
        assert!(daemon.try_wait().unwrap().is_none(), "the daemon ended");
        std::thread::yield_now();
    }
    assert_eq!(digest(&data), alone["digest"].as_str().unwrap());
    assert!(export(&data) == verdicts);
    // The load adds what a second source said of each account, and nothing to the records.
    let beside = succeed(&[&"export", &"--records", &"--data-dir", &data]);
    let only_records = |text: &str| {
        text.lines().filter(|line| line.starts_with("{\"uri\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(only_records(&beside) == only_records(&records));
    check(&data);
    assert_eq!(succeed(&[&"explain", &"--data-dir", &data, &uri]), explained);
    for command in ["replay", "import"] {
        let output = run(&[&command, &"--data-dir", &data, &recording("small-pds0.frames")]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains(&format!("guestlist {command}")) && said.contains(data.to_str().unwrap()),
            "{said}"
        );
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    // A socket that a killed daemon left behind is in nobody's way.
    assert!(socket.exists());
    assert_eq!(digest(&data), alone["digest"].as_str().unwrap());
}

#[test]
fn records_may_come_before_the_accounts_that_they_hang_on() {
    let dir = tempdir().unwrap();
    let gone = dir.path().join("gone.jsonl");
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let dumps = [recording("small-pds1.frames"), recording("small-pds0.frames")];
    replay(&first, &dumps, &[]);
    // Of those who wrote something, every second one leaves.
    let records = succeed(&[&"export", &"--records", &"--data-dir", &first]);
    let authors: std::collections::BTreeSet<_> =
        records.lines().filter_map(|line| line.strip_prefix("{\"uri\":\"at://")?.split('/').next()).collect();
    let leave = |did: &&str| {
        format!(
            "{{\"did\":\"{did}\",\"time_us\":9,\"kind\":\"account\",\"account\":{{\"active\":false,\"time\":\"2036-05-01T12:00:00Z\"}}}}\n"
        )
    };
    std::fs::write(&gone, authors.iter().step_by(2).map(leave).collect::<String>()).unwrap();
    replay(&first, &[gone], &[]);
    let file = dir.path().join("backwards.jsonl");
    let records = succeed(&[&"export", &"--records", &"--data-dir", &first]);
    assert!(records.contains("\"state\":\"inactive\""));
    std::fs::write(&file, records.lines().rev().collect::<Vec<_>>().join("\n")).unwrap();
    succeed(&[&"import", &"--data-dir", &second, &file]);
    assert_eq!(digest(&second), digest(&first));
    check(&second);
    assert_eq!(succeed(&[&"export", &"--records", &"--data-dir", &second]), records);
}
