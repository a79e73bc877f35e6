//! A daemon that follows a host, and is killed, stopped and asked meanwhile.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guestlist::codec::json::to_ipld;
use guestlist::records::lexicon::LEXICONS;
use serde_json::Value;
use tempfile::tempdir;

use crate::following::PATIENCE;
use crate::harness::{check, digest, dump, guestlist, recording, replay};
use crate::host::{Act, Host, after_cursor};
use crate::jetstreams::as_jetstream;
use crate::relays::numbered;
use crate::serving::{Daemon, begin, get, signal, wait};

/// A daemon with small batches, so that there are many moments to die in.
fn following(dir: &Path, kind: &str, host: &Host) -> Command {
    let config = dir.join("guestlist.toml");
    let start = if kind == "relay" { "" } else { "start = \"oldest\"\n" };
    let text = format!(
        "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[limits]\nbatch_events = 5\n[live]\nretry_ms = 10\n\
         [identity]\nidentities = [{:?}]\n[[source]]\nkind = {kind:?}\nurl = {:?}\n{start}",
        dir.join("data"),
        recording("medium.dids.jsonl"),
        host.url(),
    );
    std::fs::write(&config, text).unwrap();
    let mut command = guestlist();
    command.args(["serve", "--config"]).arg(config);
    command
}

/// What the daemon says of itself, as its lexicon has it.
fn status(daemon: &Daemon) -> Value {
    let method = "app.guestlist.getStatus";
    let status = get(&daemon.address, &format!("/xrpc/{method}")).2;
    let deviations = LEXICONS.output_deviations(method, &to_ipld(status.clone()).unwrap());
    assert_eq!(deviations, Some(Vec::new()), "{status}");
    status
}

/// The one source, as the daemon shows it.
fn source(daemon: &Daemon) -> Value {
    status(daemon)["sources"][0].clone()
}

fn until_at(daemon: &Daemon, cursor: u64) {
    let begun = Instant::now();
    while source(daemon)["cursor"] != cursor {
        assert!(begun.elapsed() < PATIENCE, "{}", source(daemon));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills daemons at random moments while they follow `host`, and lets the last one come to the end.
fn kill_often(dir: &Path, kind: &str, host: &Host, last: u64) {
    let mut numbers = 11_u64;
    for _ in 0..30 {
        let mut command = following(dir, kind, host);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // When the kill strikes is the point; nothing is expected to have happened by then.
        std::thread::sleep(Duration::from_millis((numbers >> 33) % 250));
        process.kill().unwrap();
        assert_eq!(process.wait().unwrap().code(), None, "it was over before it could be killed");
    }
    let mut daemon = begin(following(dir, kind, host));
    until_at(&daemon, last);
    signal(&daemon.process, "TERM");
    assert!(wait(&mut daemon.process).success());
    let places: BTreeSet<_> = host.asked().iter().map(|asked| asked.cursor().unwrap()).collect();
    assert!(places.len() > 3, "no kill struck in the middle: {places:?}");
}

#[test]
fn a_daemon_killed_at_random_moments_goes_on_to_the_digest_of_a_replay() {
    let frames = numbered("medium.frames.zst");
    let last = frames.last().unwrap().0;
    let host = Host::of(frames);
    let dir = tempdir().unwrap();
    kill_often(dir.path(), "relay", &host, last);
    let plain = replay(&dir.path().join("replayed"), &[recording("medium.frames.zst")], &[]);
    assert_eq!(plain["digest"], digest(&dir.path().join("data")).as_str());
    check(&dir.path().join("data"));
}

#[test]
fn a_daemon_shows_what_proving_came_to() {
    let frames = numbered("medium.frames.zst");
    let last = frames.last().unwrap().0;
    let host = Host::of(frames);
    let dir = tempdir().unwrap();
    let daemon = begin(following(dir.path(), "relay", &host));
    until_at(&daemon, last);
    let shown = source(&daemon)["verification"].clone();
    let count = |name: &str| {
        let found = shown.as_array().unwrap().iter().find(|it| it["name"] == name);
        found.map_or(0, |it| it["count"].as_u64().unwrap())
    };
    assert!(count("proved") > 3000, "{shown}");
    assert!(count("old") > 0, "every account begins with a `#sync` of what is known: {shown}");
    assert_eq!((count("legacy"), count("discontinuous")), (0, 0), "{shown}");
}

#[test]
fn a_daemon_that_follows_jetstream_and_is_killed_goes_on_to_the_same_digest() {
    let frames: Vec<_> = numbered("medium.frames.zst").into_iter().map(|(_, frame)| frame).collect();
    let lines = as_jetstream(&frames);
    let last = lines.last().unwrap().0;
    let host = Host::start(move |asked| {
        let cursor = asked.cursor().unwrap();
        let rest = lines.iter().filter(|(time, _)| *time >= cursor);
        rest.map(|(_, line)| Act::Text(line.clone())).chain([Act::Stay]).collect()
    });
    let dir = tempdir().unwrap();
    kill_often(dir.path(), "jetstream", &host, last);
    let plain = replay(&dir.path().join("replayed"), &[recording("medium.frames.zst")], &[]);
    assert_eq!(plain["digest"], digest(&dir.path().join("data")).as_str());
    check(&dir.path().join("data"));
}

#[test]
fn a_daemon_that_is_told_to_stop_has_stored_exactly_what_its_cursor_says() {
    let frames = numbered("medium.frames.zst");
    // Slowly, so that a stop comes in the middle of it.
    let slow = frames.clone();
    let host = Host::start(move |asked| {
        let acts = after_cursor(&slow, asked.cursor().unwrap());
        let mut acts: Vec<Act> = acts
            .chunks(50)
            .flat_map(|some| [some, &[Act::Pause(Duration::from_millis(5))]].concat())
            .collect();
        acts.push(Act::Stay);
        acts
    });
    let mut in_the_middle = 0;
    for patience in [20, 60, 150, 400] {
        let dir = tempdir().unwrap();
        let mut daemon = begin(following(dir.path(), "relay", &host));
        std::thread::sleep(Duration::from_millis(patience));
        signal(&daemon.process, "TERM");
        assert!(wait(&mut daemon.process).success());
        let data = dir.path().join("data");
        let copy = crate::bad_input::StoreCopy::open(&data);
        let cursor = {
            use guestlist::tables::view::ReadRows;
            let rows = copy.store.snapshot();
            let mut sources = rows.scan_all::<guestlist::tables::Sources>();
            sources.next().map_or(0, |row| row.unwrap().1.cursor.unwrap())
        };
        let covered: Vec<_> =
            frames.iter().filter(|(seq, _)| *seq <= cursor).map(|(_, frame)| frame).collect();
        in_the_middle += u32::from(!covered.is_empty() && covered.len() < frames.len());
        let path = dir.path().join("covered.frames");
        std::fs::write(&path, dump(covered.iter().copied())).unwrap();
        let plain = replay(&dir.path().join("replayed"), &[path], &[]);
        assert_eq!(plain["digest"], digest(&data).as_str(), "stopped at {cursor}");
    }
    assert!(in_the_middle > 0, "no stop came in the middle");
}

#[test]
fn a_second_signal_ends_a_daemon_at_once() {
    let host = Host::start(|_| vec![Act::Stay]);
    let dir = tempdir().unwrap();
    let mut command = following(dir.path(), "relay", &host);
    command.env("GUESTLIST_LIMITS__DRAIN_SECONDS", "3600");
    let mut daemon = begin(command);
    // A request that does not end keeps a draining server waiting.
    let mut slow = TcpStream::connect(&daemon.address).unwrap();
    slow.write_all(b"POST /xrpc/app.guestlist.getStatus HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        .unwrap();
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && daemon.process.try_wait().unwrap().is_none() {
        signal(&daemon.process, "TERM");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(wait(&mut daemon.process).success());
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_daemon_shows_how_its_sources_are_doing_and_is_ready_when_they_have_caught_up() {
    let frames = numbered("small-pds0.frames");
    let last = frames.last().unwrap().0;
    let host = Host::of(frames);
    let gone = Host::start(|_| vec![Act::Answer(501, vec![], vec![])]);
    let dir = tempdir().unwrap();
    let mut command = following(dir.path(), "relay", &host);
    let config = dir.path().join("guestlist.toml");
    let daemon = begin(following(dir.path(), "relay", &host));
    until_at(&daemon, last);
    let begun = Instant::now();
    while get(&daemon.address, "/xrpc/_health").0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "{}", source(&daemon));
        std::thread::sleep(Duration::from_millis(20));
    }
    let shown = source(&daemon);
    assert_eq!(shown["name"], host.url());
    assert_eq!((&shown["kind"], &shown["state"]), (&"relay".into(), &"connected".into()));
    assert_eq!((&shown["messages"], &shown["missedWindows"]), (&117.into(), &0.into()));
    assert!(shown["lagSeconds"].as_u64().unwrap() > 60, "the recording is old");
    drop(daemon);
    // One that is not to be had is shown with what it says, and nobody calls that ready.
    let text = std::fs::read_to_string(&config).unwrap().replace(&host.url(), &gone.url());
    std::fs::write(&config, text).unwrap();
    let daemon = begin({
        command.env("GUESTLIST_LIVE__RETRY_SECONDS_MAX", "3600");
        command
    });
    let begun = Instant::now();
    let waiting = |status: &Value| {
        let sources = status["sources"].as_array().unwrap();
        sources.iter().find(|source| source["state"] == "waiting").cloned()
    };
    let shown = loop {
        let status = status(&daemon);
        if let Some(shown) = waiting(&status) {
            break shown;
        }
        assert!(begun.elapsed() < PATIENCE, "{status}");
    };
    assert!(shown["lastError"].as_str().unwrap().contains("501"), "{shown}");
    assert_eq!(shown["anomalies"], serde_json::json!([{ "name": "refused", "count": 1 }]));
    assert_eq!(get(&daemon.address, "/xrpc/_health").0, 503);
}
