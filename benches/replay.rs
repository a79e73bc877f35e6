//! A dump in which every commit is wanted, replayed from its file into sled, durably.
//!
//! `cargo bench --bench replay -- [--records 100000] [--rounds 3] [--batch 250]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

mod generate;
#[macro_use]
mod measure;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use generate::{Mixture, wire};
use guestlist::codec::claim::Verify;
use guestlist::config::Config;
use guestlist::delivery::{Tally, queue};
use guestlist::filing;
use guestlist::identity::{Directory, Resolver};
use guestlist::indexer::{Indexer, Turn};
use guestlist::ingest::dump::Dump;
use guestlist::ingest::prover::{Hold, Prover};
use guestlist::ingest::replay::{Manner, Replay};
use guestlist::ingest::watch::Watch;
use guestlist::ingest::{Sweeps, Wiring};
use guestlist::sources::Board;
use guestlist::store::{IfAbsent, Store};
use measure::{argument, median, memory, process_time, table};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// Events per second of processor time that should be reached.
const TARGET_PER_SECOND: f64 = 8_000.0;

fn write_dump(path: &Path, records: u64) {
    let mut file = BufWriter::new(File::create(path).expect("a new file"));
    for (seq, event) in (1..).zip(Mixture::new("replayed", records)) {
        file.write_all(&wire::framed(seq, &event)).expect("there is room");
    }
    file.flush().expect("there is room");
}

/// Replays as the program does: one thread reads, the other writes.
fn replay(dump: &Path, store: &Store, batch: usize) -> Tally {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let nobody = Resolver::offline(Directory::default());
    let prover = Prover::start(nobody, runtime.handle().clone(), CancellationToken::new());
    let watch = Watch::load(store).expect("a new store");
    let mut indexer = Indexer::new(store.clone(), batch).expect("a new store");
    let (sender, deliveries) = queue();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut tally = Tally::default();
            let count = |turn: Turn<'_>| {
                if let Turn::Committed { tally: batch, .. } = turn {
                    tally.add(batch);
                }
            };
            indexer.run(&deliveries, count).expect("it writes");
            tally
        });
        let (dump, source) = Dump::open(dump, |raw, _| raw).expect("just written");
        let wiring =
            Wiring { watch, prover, deliveries: sender, board: Board::default(), sweeps: Sweeps::Off };
        let manner = Manner { verify: Verify::Off, hold: Hold::Forever };
        let replay = Replay::new(dump, source, None, &wiring, manner).expect("just written");
        replay.run(&CancellationToken::new()).expect("it reads");
        drop(wiring);
        writer.join().expect("it does not panic")
    })
}

fn main() {
    let records = argument("records", 100_000);
    let config = Config::default();
    let default = u64::try_from(config.limits.batch_events).expect("it fits");
    let batch = usize::try_from(argument("batch", default)).expect("it fits");
    let dir = tempfile::tempdir().expect("a place for files");
    let dump = dir.path().join("wanted.frames");
    write_dump(&dump, records);
    let bytes = dump.metadata().expect("just written").len();
    println!("{records} commits, {} bytes each on average, batches of {batch}", bytes / records);
    let (mut walls, mut processors) = (Vec::new(), Vec::new());
    let mut rows = vec![row!["round", "seconds", "events/s", "CPU seconds", "events/CPU-s", "on disk"]];
    let per_second =
        |time: Duration| f64::from(u32::try_from(records).unwrap_or(u32::MAX)) / time.as_secs_f64();
    let row = |name: String, wall: Duration, processor: Duration, disk: String| {
        let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
        let rate = |time| format!("{:.0}", per_second(time));
        row![name, seconds(wall), rate(wall), seconds(processor), rate(processor), disk]
    };
    for round in 1..=argument("rounds", 3) {
        let store_dir = dir.path().join(format!("store-{round}"));
        let store =
            Store::open(&store_dir, argument("cache-mb", config.store.cache_mb) << 20, IfAbsent::Create)
                .expect("a new store");
        let (began, processor) = (Instant::now(), process_time());
        let tally = replay(&dump, &store, batch);
        let (wall, processor) = (began.elapsed(), process_time().saturating_sub(processor));
        assert_eq!(tally.applied, records, "every commit is wanted: {tally:?}");
        let totals = filing::totals(&*store.snapshot()).expect("it reads");
        assert_eq!(totals.records.iter().sum::<u64>(), records, "every commit is a new record");
        let disk = store.bytes_on_disk().expect("it knows") >> 20;
        rows.push(row(round.to_string(), wall, processor, format!("{disk} MiB")));
        walls.push(wall);
        processors.push(processor);
        drop(store);
        std::fs::remove_dir_all(&store_dir).expect("nobody else has it");
    }
    rows.push(row("median".to_owned(), median(&walls), median(&processors), String::new()));
    table("replay of a dump in which every commit is wanted, durably on sled", &rows);
    let reached = per_second(median(&processors)) >= TARGET_PER_SECOND;
    println!(
        "  target: {TARGET_PER_SECOND} per CPU-second, {}; {}",
        if reached { "reached" } else { "NOT reached" },
        memory()
    );
}
