//! `guestlist replay`.
#![allow(clippy::disallowed_methods, reason = "a shell: it says how long it took")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::{Failed, Failure, configure, open_to_write, output};
use crate::codec::Reject;
use crate::codec::claim::Verify;
use crate::config::Config;
use crate::delivery::{Outcomes, Tally, queue};
use crate::export::{self, VerdictCounts};
use crate::filing;
use crate::identity::Directory;
use crate::indexer::{self, Indexer, Turn};
use crate::ingest::dump::Dump;
use crate::ingest::prover::{Hold, Prover};
use crate::ingest::replay::{Manner, Replay as Replaying};
use crate::ingest::watch::Watch;
use crate::ingest::{Sweeps, Wiring};
use crate::records::Kind;
use crate::sources::Board;
use crate::store::{Store, StoreError};
use crate::tables::keys::SourceKey;

/// How long a dump waits while nobody can be asked for a key.
const KEY_PATIENCE: Duration = Duration::from_secs(30);

/// Index recorded dumps and exported repositories and exit
///
/// Firehose dumps (.frames) and Jetstream dumps (.jsonl), plain or compressed (.zst), and exports of whole
/// repositories (.car), in the order given.
/// An interrupted replay of a file goes on where it stopped; a finished one is read again and changes
/// nothing. The last line on standard output is a JSON object that says what happened.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the store; made if it is not there
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// DID documents with PLC logs, one a line, used instead of the network; may be repeated
    #[arg(long, value_name = "FILE")]
    identities: Vec<PathBuf>,
    /// How much is proved; blocks are checked against their CIDs in any case
    #[arg(long, value_enum, default_value = "full")]
    verify: Verify,
    /// Events that are committed in one go
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// The dumps; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// The last line. Describes the store in `records`, `quarantined`, `verdicts` and `digest`, else this run.
#[derive(Serialize)]
struct Summary {
    frames: u64,
    commits: u64,
    skipped: u64,
    applied: u64,
    rejected: BTreeMap<&'static str, u64>,
    records: BTreeMap<&'static str, u64>,
    quarantined: u64,
    verdicts: VerdictCounts,
    cursor: Option<u64>,
    digest: String,
    seconds: f64,
}

impl Replay {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.effective()?;
        let directory = Directory::load(&config.identity.identities).map_err(Failed)?;
        let store = open_to_write(&config.data_dir, config.cache_bytes(), "replay")?;
        let started = Instant::now();
        let (tally, cursor) = self.index(&store, &config, directory).map_err(Failed)?;
        say(&tally);
        let summary = summary(&store, tally, cursor, started).map_err(Failed)?;
        output::lines(|line| Ok(line(&serde_json::to_string(&summary)?)?)).map_err(Failed)?;
        Ok(())
    }

    fn effective(&self) -> Result<Config, Failure> {
        let mut config = configure(self.config.as_ref())?;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        config.identity.identities.extend(self.identities.iter().cloned());
        if let Some(batch) = self.batch.and_then(|batch| usize::try_from(batch).ok()) {
            config.limits.batch_events = batch;
        }
        Ok(config)
    }

    /// Reads every dump on one thread and writes on another; returns the position of the last.
    fn index(
        &self,
        store: &Store,
        config: &Config,
        directory: Directory,
    ) -> anyhow::Result<(Tally, Option<u64>)> {
        let mut indexer = Indexer::new(store.clone(), config.limits.batch_events)?;
        let (sender, deliveries) = queue();
        // For the few keys that have to be asked for.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let resolver = config.identity.resolver(directory);
        let prover = Prover::start(resolver, runtime.handle().clone(), CancellationToken::new());
        let wiring = Wiring {
            watch: Watch::load(store)?,
            prover,
            deliveries: sender,
            board: Board::default(),
            sweeps: Sweeps::Off,
        };
        let (tally, source) = thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let mut tally = Tally::default();
                let written = indexer.run(&deliveries, |turn| {
                    if let Turn::Committed { tally: batch, .. } = turn {
                        tally.add(batch);
                    }
                });
                written.map(|()| tally)
            });
            let read = self.read(store, &wiring);
            drop(wiring);
            // A writer that failed is why the reading stopped, so its error comes first.
            let tally = writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
            anyhow::Ok((tally, read?))
        })?;
        let stands = source.map(|source| indexer::standing_of(store, &source)).transpose()?;
        Ok((tally, stands.flatten().and_then(|stands| stands.cursor)))
    }

    fn read(&self, store: &Store, wiring: &Wiring) -> anyhow::Result<Option<SourceKey>> {
        let manner = Manner { verify: self.verify, hold: Hold::StopAfter(KEY_PATIENCE) };
        let mut bars = Vec::new();
        // All of them first: a path that cannot be read should not be found out after an hour.
        let mut dumps = Vec::new();
        for path in &self.paths {
            dumps.push(Dump::open(path, |raw, size| {
                let bar = output::bytes_bar(size, &path.display().to_string());
                let raw = Box::new(bar.wrap_read(raw)) as Box<dyn Read + Send>;
                bars.push(bar);
                raw
            })?);
        }
        let mut read: Vec<SourceKey> = Vec::new();
        for ((dump, source), bar) in dumps.into_iter().zip(bars) {
            // What this run has read already may not be written yet, and is not gone on with.
            let stands = if read.contains(&source) { None } else { indexer::standing_of(store, &source)? };
            let replay = Replaying::new(dump, source.clone(), stands.as_ref(), wiring, manner)?;
            let ended = replay.run(&CancellationToken::new());
            bar.finish_and_clear();
            ended?;
            read.push(source);
        }
        Ok(read.pop())
    }
}

/// Says what proving showed, beside what was rejected.
fn say(tally: &Tally) {
    if let Some(missed) = tally.rejected.get(&Reject::IdentityUnresolved) {
        tracing::warn!(missed, "keys were missing: replay it again with the DID documents (--identities)");
    }
    let Outcomes { proved, legacy, old, discontinuous } = tally.outcomes;
    tracing::info!(proved, legacy, old, discontinuous, "every dump was read");
}

fn summary(
    store: &Store,
    tally: Tally,
    cursor: Option<u64>,
    started: Instant,
) -> Result<Summary, StoreError> {
    let totals = filing::totals(&*store.snapshot())?;
    let (digest, verdicts) = export::digest(&store.freeze())?;
    Ok(Summary {
        frames: tally.frames,
        commits: tally.commits,
        skipped: tally.skipped,
        applied: tally.applied,
        rejected: tally.rejected.iter().map(|(reject, count)| (reject.reason(), *count)).collect(),
        records: Kind::ALL.iter().map(|kind| kind.nsid()).zip(totals.records).collect(),
        quarantined: totals.quarantined,
        verdicts,
        cursor,
        digest,
        seconds: started.elapsed().as_secs_f64(),
    })
}
