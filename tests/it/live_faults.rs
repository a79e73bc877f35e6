//! The faults that others have with live sources, under their numbers in FAULTS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use guestlist::ingest::live::{Patience, Plan};
use guestlist::sources::Connection;
use guestlist::store::{IfAbsent, Store};
use guestlist::tables::view::{Direction, Range};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::following::{Following, PATIENCE, impatient, relay_at};
use crate::frames::{Op, commit, ipld, nested, text, with_last};
use crate::harness::guestlist;
use crate::history::did;
use crate::host::{Act, Host};
use crate::serving::{Daemon, begin, get};

const EVENT: &str = "community.lexicon.calendar.event";

fn event(name: &str) -> ipld_core::ipld::Ipld {
    ipld(json!({ "$type": EVENT, "name": name, "createdAt": "2026-01-01T00:00:00Z" }))
}

fn path(key: u64) -> String {
    format!("{EVENT}/k{key}")
}

fn records(store: &Store) -> u64 {
    guestlist::filing::totals(&*store.snapshot()).unwrap().records.iter().sum()
}

#[test]
fn fault_05_one_bad_record_does_not_stop_its_repository() {
    let bad = [
        ("levels without end", with_last(&event("x"), "zzzzzzzz", &nested(10_000))),
        ("not UTF-8", with_last(&event("x"), "zzzzzzzz", b"\x62\xc3\x28")),
        ("no map", vec![0x80]),
        (
            "too large",
            with_last(
                &event("x"),
                "zzzzzzzz",
                &[&[0x5a, 0, 0x0f, 0x42, 0x40][..], &vec![0; 1_000_000]].concat(),
            ),
        ),
        ("nothing", Vec::new()),
    ];
    let mut frames = Vec::new();
    for (n, (_, bytes)) in (0..).zip(&bad) {
        let seq = 4 * n + 1;
        let mut push =
            |seq: u64, ops: &[Op]| frames.push((seq, commit(&did(0), seq, seq, None, ops).frame()));
        push(seq, &[Op::create(&path(seq), &event("before"))]);
        push(seq + 1, &[Op::put("create", &path(seq + 1), bytes.clone())]);
        // One whose record is not even in the message.
        let missing = commit(&did(0), seq + 2, seq + 2, None, &[Op::create(&path(seq + 2), &event("gone"))]);
        let root = missing.root();
        frames.push((seq + 2, missing.carrying(&[root]).frame()));
        let seq = seq + 3;
        frames
            .push((seq, commit(&did(0), seq, seq, None, &[Op::create(&path(seq), &event("after"))]).frame()));
    }
    let last = frames.last().unwrap().0;
    let host = Host::of(frames);
    let following = Following::one(Plan::Relay(relay_at(&host)));
    following.until_stored(last);
    let count = bad.len() as u64;
    assert_eq!(records(&following.store), 3 * count, "what came before and after, and what cannot be used");
    let totals = guestlist::filing::totals(&*following.store.snapshot()).unwrap();
    assert_eq!(totals.quarantined, count);
    assert_eq!(following.rejected(), [("block-missing", count)].into());
    assert_eq!(host.asked().len(), 1, "no connection is lost over a record");
    assert_eq!(following.anomalies(), [].into());
}

#[test]
fn fault_11_a_quiet_host_is_left_alone_and_the_cursor_goes_on_where_nothing_is_wanted() {
    // Pings are answered for many times as long as silence would be suffered.
    let patience =
        Patience { ping: Duration::from_millis(20), silence: Duration::from_millis(400), ..impatient() };
    let unwanted = |seq: u64| {
        let op = Op::create(&format!("app.example.post/k{seq}"), &event("x"));
        Act::Binary(commit(&did(1), seq, seq, None, &[op]).frame())
    };
    let host = Host::start(move |_| vec![unwanted(7), unwanted(8), unwanted(9), Act::Stay]);
    let store = Store::in_memory().unwrap();
    let following = Following::all(&store, &[Plan::Relay(relay_at(&host))], &patience);
    following.until_stored(9);
    let begun = Instant::now();
    let pings = host.pings();
    following
        .until("a long quiet time", |_| begun.elapsed() > 5 * patience.silence && host.pings() > pings + 20);
    assert_eq!(host.asked().len(), 1, "nobody reconnects because nobody wrote");
    let status = following.status();
    assert_eq!((status.connection, status.reconnects, status.last_error), (Connection::Connected, 0, None));
    assert!(following.is_ready(), "a host with nothing to say has been heard to its end");
}

/// How many rows there are in a store.
fn rows(store: &Store) -> usize {
    let everything = Range { start: Vec::new(), end: None };
    store.snapshot().scan_bytes(everything, Direction::Ascending).count()
}

#[test]
fn fault_14_a_restart_after_long_use_is_fast() {
    const KEYS: u64 = 20;
    const ROUNDS: u64 = 600;
    let mut frames = Vec::new();
    for seq in 1..=KEYS * ROUNDS {
        // Written, written again, removed, and written again, over and over.
        let key = path(seq % KEYS);
        let op = match seq / KEYS % 3 {
            2 if seq <= KEYS * (ROUNDS - 1) => Op::delete(&key),
            round => Op::update(&key, &event(&format!("{round}"))),
        };
        frames.push((seq, commit(&did(0), seq, seq, None, &[op]).frame()));
    }
    let host = Host::of(frames.clone());
    let dir = tempdir().unwrap();
    let open = || Store::open(dir.path(), 1 << 24, IfAbsent::Create).unwrap();
    let store = open();
    let mut following = Following::all(&store, &[Plan::Relay(relay_at(&host))], &impatient());
    following.until_stored(KEYS * ROUNDS);
    following.stop();
    assert_eq!(records(&store), KEYS);
    let after_much = rows(&store);
    drop(following);
    drop(store);
    // A store that has seen the last of it only, in another process so to speak.
    let short = Host::of(frames[frames.len() - KEYS as usize..].to_vec());
    let fresh = Store::in_memory().unwrap();
    let mut other = Following::all(&fresh, &[Plan::Relay(relay_at(&short))], &impatient());
    other.until_stored(KEYS * ROUNDS);
    other.stop();
    assert_eq!(after_much, rows(&fresh), "nothing is left of what has passed");
    assert_eq!(other.digest(), {
        let begun = Instant::now();
        let store = open();
        let again = Following::all(&store, &[Plan::Relay(relay_at(&host))], &impatient());
        again.until("the request", |_| host.asked().len() == 2);
        assert!(begun.elapsed() < Duration::from_secs(5), "a restart took {:?}", begun.elapsed());
        assert_eq!(host.asked()[1].cursor(), Some(KEYS * ROUNDS));
        again.digest()
    });
}

/// A host that always has more, of hours ago as long as it is told so.
fn host_that_may_be_behind(is_behind: &Arc<AtomicBool>) -> Host {
    let is_behind = Arc::clone(is_behind);
    Host::start(move |asked| {
        let next = asked.cursor().unwrap() + 1;
        let age = SignedDuration::from_hours(if is_behind.load(Ordering::Acquire) { 5 } else { 0 });
        let sent = (Timestamp::now() - age).to_string();
        // Each connection is short, so that the next one soon does what it is told.
        let messages = (next..next + 20).flat_map(|seq| {
            let op = Op::create(&path(seq), &event("x"));
            let commit = commit(&did(0), seq, seq, None, &[op]).with("time", text(&sent));
            [Act::Binary(commit.frame()), Act::Pause(Duration::from_millis(20))]
        });
        messages.chain([Act::Cut]).collect()
    })
}

#[test]
fn fault_15_health_says_no_while_hours_behind() {
    let is_behind = Arc::new(AtomicBool::new(true));
    let host = host_that_may_be_behind(&is_behind);
    let dir = tempdir().unwrap();
    let config = dir.path().join("guestlist.toml");
    let text = format!(
        "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[live]\nretry_ms = 10\n\
         [backfill]\nenabled = false\n[[source]]\nkind = \"relay\"\nverify = \"off\"\nurl = {:?}\n",
        dir.path().join("data"),
        host.url(),
    );
    std::fs::write(&config, text).unwrap();
    let mut command = guestlist();
    command.args(["serve", "--config"]).arg(config);
    let daemon = begin(command);
    let lag = |status: &Value| status["sources"][0]["lagSeconds"].as_u64();
    for (behind, health) in [(true, 503), (false, 200), (true, 503)] {
        is_behind.store(behind, Ordering::Release);
        let status = until(&daemon, |status| lag(status).is_some_and(|lag| (lag > 4 * 3600) == behind));
        assert_eq!(status["ready"], health == 200, "{status}");
        // It stays so for as long as the host goes on like this.
        let asked = host.asked().len();
        while host.asked().len() < asked + 3 {
            let (status, _, answer) = get(&daemon.address, "/xrpc/_health");
            assert_eq!(status, health, "{answer}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Waits until the daemon says something of itself.
fn until(daemon: &Daemon, says: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let status = get(&daemon.address, "/xrpc/app.guestlist.getStatus").2;
        if says(&status) {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "{status}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
