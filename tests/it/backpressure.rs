//! A writer that stands still: reading goes on as far as the queues hold, and no further.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guestlist::delivery::queue;
use guestlist::indexer::Indexer;
use guestlist::ingest::live::{Live, Patience, Plan};
use guestlist::ingest::watch::Watch;
use guestlist::ingest::{Sweeps, Wiring};
use guestlist::sources::{Board, Connection};
use guestlist::store::Store;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::following::{PATIENCE, impatient, nobodys_prover, relay_at};
use crate::frames::{Op, commit, ipld};
use crate::history::did;
use crate::host::{Act, Host};

const EVENT: &str = "community.lexicon.calendar.event";

/// Enough megabytes to fill every queue and the kernel's buffers several times over.
const FRAMES: u64 = 120;

#[test]
fn reading_waits_when_nobody_writes_and_goes_on_without_a_loss_when_somebody_does() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let host = Host::start(move |asked| {
        let description = "x".repeat(900_000);
        let record = ipld(json!({ "$type": EVENT, "name": "Large", "createdAt": "2026-01-01T00:00:00Z",
            "description": description }));
        let mut acts = Vec::new();
        for seq in asked.cursor().unwrap() + 1..=FRAMES {
            let op = Op::create(&format!("{EVENT}/k{seq}"), &record);
            acts.push(Act::Binary(commit(&did(0), seq, seq, None, &[op]).frame()));
            acts.push(Act::Count(Arc::clone(&counted)));
        }
        acts.push(Act::Stay);
        acts
    });
    let store = Store::in_memory().unwrap();
    let (sender, deliveries) = queue();
    let board = Board::default();
    let watch = Watch::load(&store).unwrap();
    let wiring = Wiring {
        watch,
        prover: nobodys_prover(),
        deliveries: sender,
        board: board.clone(),
        sweeps: Sweeps::Off,
    };
    let live = Live::prepare(&Plan::Relay(relay_at(&host)), &store, &wiring).unwrap();
    drop(wiring);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    // Shorter than the writer stands still: waiting for room is no silence of the host.
    let patience = Patience { silence: Duration::from_millis(300), ..impatient() };
    let reader = thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(live.follow(&patience, &stopped)).unwrap();
    });
    let sent = || sent.load(Ordering::Acquire);
    let begun = Instant::now();
    while sent() < 20 {
        assert!(begun.elapsed() < PATIENCE, "nothing is read");
        thread::sleep(Duration::from_millis(5));
    }
    // Until what is sent stays the same for a second.
    let (mut last, mut since) = (sent(), Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        assert!(begun.elapsed() < PATIENCE, "reading does not stop");
        if sent() != last {
            (last, since) = (sent(), Instant::now());
        }
        thread::sleep(Duration::from_millis(5));
    }
    assert!(last < 80, "{last} of {FRAMES} messages were read, and nothing was written");

    let mut indexer = Indexer::new(store.clone(), 250).unwrap();
    let writer = thread::spawn(move || indexer.run(&deliveries, |_| {}).unwrap());
    let records = || guestlist::filing::totals(&*store.snapshot()).unwrap().records.iter().sum::<u64>();
    while records() < FRAMES {
        assert!(begun.elapsed() < PATIENCE, "{} records", records());
        thread::sleep(Duration::from_millis(5));
    }
    let status = board.statuses().into_values().next().unwrap();
    assert_eq!((status.connection, status.reconnects), (Connection::Connected, 0));
    assert_eq!(status.anomalies, [].into());
    stop.cancel();
    reader.join().unwrap();
    writer.join().unwrap();
}
