//! A host that sends what is to be answered and never reads an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use guestlist::ingest::live::{Patience, Plan};
use guestlist::store::Store;
use tempfile::tempdir;

use crate::following::{Following, PATIENCE, impatient, relay_at};
use crate::harness::guestlist;
use crate::host::{Act, Host};
use crate::serving::begin;

/// Pings of the usual largest size, as they are on the wire.
fn pings(count: usize) -> Vec<u8> {
    let mut ping = vec![0x89, 125];
    ping.resize(127, b'p');
    ping.repeat(count)
}

#[test]
fn answers_to_a_host_that_pings_without_end_and_reads_nothing_do_not_pile_up() {
    const MEGABYTES: usize = 128;
    let megabyte = pings(8192);
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let host = Host::start(move |_| {
        let each = || [Act::Garbage(megabyte.clone()), Act::Count(Arc::clone(&counted))];
        (0..MEGABYTES).flat_map(|_| each()).chain([Act::Freeze]).collect()
    });
    let dir = tempdir().unwrap();
    let config = dir.path().join("guestlist.toml");
    let text = format!(
        "[store]\nengine = \"memory\"\n[http]\nbind = \"127.0.0.1:0\"\n\
         [live]\nping_seconds = 600\nsilence_seconds = 900\n\
         [[source]]\nkind = \"relay\"\nurl = \"{}\"\nverify = \"off\"\n",
        host.url()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = guestlist();
    command.args(["serve", "--config"]).arg(config);
    let daemon = begin(command);
    let begun = Instant::now();
    while sent.load(Ordering::Acquire) < MEGABYTES {
        assert!(begun.elapsed() < PATIENCE, "{} MB were read", sent.load(Ordering::Acquire));
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: usize = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 96_000, "{kilobytes} kB");
}

#[test]
fn a_stop_does_not_wait_for_a_host_that_reads_nothing() {
    let flood = pings(1 << 18);
    let host = Host::start(move |_| vec![Act::Garbage(flood.clone()), Act::Freeze]);
    let patience = Patience { silence: Duration::from_secs(600), ..impatient() };
    let store = Store::in_memory().unwrap();
    let mut following = Following::all(&store, &[Plan::Relay(relay_at(&host))], &patience);
    // When our own ping cannot be sent, nothing is read any more.
    let pinged = Instant::now();
    following.until("a ping that cannot be sent", |_| pinged.elapsed() > 5 * patience.ping);
    assert!(host.asked().len() == 1);
    let begun = Instant::now();
    following.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
