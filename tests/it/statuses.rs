//! `guestlist status`, alone with a store and beside a daemon.

use std::path::Path;
use std::time::{Duration, Instant};

use guestlist::codec::json::to_ipld;
use guestlist::ledger::{self, Failure, Note};
use guestlist::records::lexicon::LEXICONS;
use guestlist::sources::kind;
use guestlist::store::{IfAbsent, Store, StoreError};
use guestlist::syntax::Did;
use guestlist::tables::completeness::{Cause, How, Miss};
use guestlist::tables::keys::SourceKey;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::following::PATIENCE;
use crate::harness::{check, guestlist, recording, replay, succeed};
use crate::host::Host;
use crate::relays::numbered;
use crate::serving::{Daemon, begin, get};

/// Somebody of the recording.
const BOBBY: &str = "did:plc:x7rychppf5yuus3zxz7uicgp";

fn said(data: &Path, more: &[&str]) -> String {
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"status", &"--data-dir", &data];
    arguments.extend(more.iter().map(|one| one as &dyn AsRef<std::ffi::OsStr>));
    succeed(&arguments)
}

fn object(data: &Path, more: &[&str]) -> Value {
    let status: Value = serde_json::from_str(&said(data, &[&["--json"], more].concat())).unwrap();
    let answer = to_ipld(status.clone()).unwrap();
    assert_eq!(LEXICONS.output_deviations("app.guestlist.getStatus", &answer), Some(Vec::new()), "{status}");
    status
}

/// Notes that something of a relay may have been missed, and that nobody could be asked about an account.
fn damage(data: &Path, relay: &str, who: &str) {
    let store = Store::open(data, 1 << 24, IfAbsent::Create).unwrap();
    let source =
        SourceKey { kind: kind::RELAY.to_owned(), name: relay.to_owned(), fingerprint: String::new() };
    let who = Did::parse(who).unwrap();
    let at = 1_767_225_600_000_000;
    let note = Note::Missed(Miss { how: How::OutdatedCursor, at, cursor: Some(3) });
    let failure = Failure { why: "the host does not answer", at, retry: 60_000_000, not_before: None };
    store
        .write::<StoreError>(|rows| {
            ledger::note(rows, &source, &note)?;
            ledger::due(rows, &who, Cause::Marked, None)?;
            Ok(ledger::failed(rows, &who, &failure)?)
        })
        .unwrap();
}

#[test]
fn alone_it_says_where_the_sources_were_left_and_whether_anything_may_be_missing() {
    let dir = tempdir().unwrap();
    replay(dir.path(), &[recording("small-pds0.frames"), recording("small-pds1.frames")], &[]);
    let before = said(dir.path(), &[]);
    assert!(before.contains(": no daemon serves this store\n  replay  small-pds0.frames  finished  at "));
    let last = before.lines().last().unwrap();
    assert!(last == "complete" || last.starts_with("not complete: 0 windows open, "), "{before}");
    let due = object(dir.path(), &[])["ledger"]["due"].as_u64().unwrap();

    damage(dir.path(), "wss://relay.example", "did:plc:nobodyhere");
    let after = said(dir.path(), &[]);
    for line in [
        "Something of wss://relay.example may have been missed: the host no longer had everything since the cursor",
        "  did:plc:nobodyhere  marked: the host does not answer; 1 attempt, next 2026-01-01T00:01:00Z",
        &format!("{} accounts to be asked about, 1 of them failing", due + 1),
        &format!("not complete: 1 window open, {} accounts to be asked about", due + 1),
    ] {
        assert!(after.lines().any(|one| one == line), "{line:?} is not in\n{after}");
    }
    let status = object(dir.path(), &[]);
    assert_eq!((&status["ready"], &status["complete"]), (&json!(false), &json!(false)));
    assert_eq!(status["ledger"]["failures"][0]["did"], "did:plc:nobodyhere");
    check(dir.path());
}

#[test]
fn it_says_what_is_known_of_one_repository_and_of_one_that_nobody_knows() {
    let dir = tempdir().unwrap();
    replay(dir.path(), &[recording("small-pds0.frames"), recording("small-pds1.frames")], &[]);
    let bobby = said(dir.path(), &[BOBBY]);
    assert!(bobby.starts_with(&format!("{BOBBY}\n  tracked, at revision ")), "{bobby}");
    let shown = &object(dir.path(), &[BOBBY])["repository"];
    assert_eq!((&shown["tracked"], &shown["verified"]), (&json!(true), &json!("full")));
    let nobody = "did:web:nobody.example";
    let expected = format!(
        "{nobody}\n  not tracked, and no revision is known\n  proved: nothing\n  never compared with its host\n\n\
         nothing of it is known to be missing\n"
    );
    assert_eq!(said(dir.path(), &[nobody]), expected);
    let expected = json!({ "did": nobody, "tracked": false, "verified": "nothing", "marks": [] });
    assert_eq!(object(dir.path(), &[nobody])["repository"], expected);
}

/// A daemon that follows a host, and makes up for nothing.
fn following(dir: &Path, host: &Host) -> Daemon {
    let config = dir.join("guestlist.toml");
    let text = format!(
        "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[backfill]\nenabled = false\n\
         [identity]\nidentities = [{:?}]\n[[source]]\nkind = \"relay\"\nurl = {:?}\n",
        dir.join("data"),
        recording("medium.dids.jsonl"),
        host.url(),
    );
    std::fs::write(&config, text).unwrap();
    let mut command = guestlist();
    command.args(["serve", "--config"]).arg(config);
    begin(command)
}

#[test]
fn beside_a_daemon_it_has_the_connections_and_a_window_that_was_open_keeps_it_from_being_ready() {
    let frames = numbered("small-pds0.frames");
    let last = frames.last().unwrap().0;
    let host = Host::of(frames.clone());
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    damage(&data, &host.url(), "did:plc:nobodyhere");
    let daemon = following(dir.path(), &host);
    let begun = Instant::now();
    // A host that has said everything is quiet, and its source at the end.
    let at = format!("  relay  {}  connected  at {last}, lag ", host.url());
    let text = loop {
        let text = said(&data, &[]);
        if text.contains(&at) {
            break text;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(text.contains(": not ready\n") && text.contains("not complete: 1 window open, "), "{text}");
    let (_, _, asked) = get(&daemon.address, &format!("/xrpc/app.guestlist.getStatus?did={BOBBY}"));
    let told = object(&data, &[BOBBY]);
    for same in ["ready", "complete", "ledger", "repository", "records", "accounts"] {
        assert_eq!(told[same], asked[same], "{same}");
    }
    assert_eq!(told["sources"][0]["window"], asked["sources"][0]["window"]);
    assert_eq!(told["sources"][0]["messages"], asked["sources"][0]["messages"]);
    // Another one that lacks nothing, and begins later, is ready after the same.
    let (other, healthy) = (tempdir().unwrap(), Host::of(frames));
    let other = following(other.path(), &healthy);
    while get(&other.address, "/xrpc/_health").0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "{}", get(&other.address, "/xrpc/app.guestlist.getStatus").2);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(get(&daemon.address, "/xrpc/_health").0, 503);
    assert!(said(&data, &["did:plc:nobodyhere"]).contains("\nits host is to be asked: marked: the host"));
}
