//! The sources of a daemon: dumps one after the other, then everything live at once.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::codec::claim::Verify;
use crate::config::{Config, SourceConfig};
use crate::indexer;
use crate::ingest::backfill::Means;
use crate::ingest::dump::Dump;
use crate::ingest::live::{Live, Plan};
use crate::ingest::prover::Hold;
use crate::ingest::replay::{Ended, Manner, Replay};
use crate::ingest::{Wiring, jetstream, relay};
use crate::sources::Connection;
use crate::store::Store;
use crate::tables::rows::Source as Row;

/// Everything that a daemon reads.
pub(super) struct Feed {
    config: Config,
    store: Store,
    wiring: Wiring,
    live: Vec<Live>,
    /// What it takes to make up for what is missing, where that is wanted.
    means: Option<Means>,
}

impl Feed {
    /// Puts the live sources on the board, so that nobody takes the daemon for ready before they are.
    pub(super) fn prepare(
        config: &Config,
        store: &Store,
        wiring: Wiring,
        means: Option<Means>,
    ) -> anyhow::Result<Self> {
        let mut live = Vec::new();
        let hold = Duration::from_secs(config.live.key_seconds);
        for source in &config.source {
            if let Some(plan) = plan(source, hold)? {
                live.push(Live::prepare(&plan, store, &wiring)?);
            }
        }
        Ok(Self { config: config.clone(), store: store.clone(), wiring, live, means })
    }

    /// Reads until everything is read, which with a live source is never, or until it is told to stop.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { config, store, wiring, live, means } = self;
        let patience = config.live.patience();
        // What a dump tells came before what is told now.
        let dumps = {
            let (wiring, stop) = (wiring.clone(), stop.clone());
            spawn_blocking(move || read_dumps(&config, &store, &wiring, &stop))
        };
        if dumps.await?? == Ended::Stopped {
            return Ok(());
        }
        wiring.board.complete();
        drop(wiring);
        let mut under_way = JoinSet::new();
        for live in live {
            let (patience, stop) = (patience.clone(), stop.clone());
            under_way.spawn(async move { live.follow(&patience, &stop).await.context("a source failed") });
        }
        if let Some(means) = means {
            let stop = stop.clone();
            under_way.spawn(async move { means.keep(&stop).await.context("cannot see what is missing") });
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// What there is to follow; `None` for a dump.
fn plan(source: &SourceConfig, hold: Duration) -> anyhow::Result<Option<Plan>> {
    Ok(match source {
        SourceConfig::Replay { .. } => None,
        SourceConfig::Relay { url, verify, start, on_reset } => Some(Plan::Relay(relay::Settings {
            endpoint: url.clone(),
            verify: *verify,
            hold,
            start: *start,
            on_reset: *on_reset,
        })),
        SourceConfig::Jetstream { url, start, compress, dictionary } => {
            let dictionary = dictionary.as_deref().map(dictionary_in).transpose()?;
            let (endpoint, start, compress) = (url.clone(), *start, *compress);
            Some(Plan::Jetstream(jetstream::Settings { endpoint, start, compress, dictionary }))
        }
    })
}

fn dictionary_in(path: &Path) -> anyhow::Result<std::sync::Arc<[u8]>> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read the dictionary {}", path.display()))?;
    anyhow::ensure!(jetstream::is_dictionary(&bytes), "{} is no zstd dictionary", path.display());
    Ok(bytes.into())
}

/// Reads the dumps one after the other.
fn read_dumps(
    config: &Config,
    store: &Store,
    wiring: &Wiring,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    for source in &config.source {
        let SourceConfig::Replay { path, verify } = source else { continue };
        if read_dump(path, *verify, store, wiring, stop)? == Ended::Stopped {
            return Ok(Ended::Stopped);
        }
    }
    Ok(Ended::Finished)
}

fn read_dump(
    path: &Path,
    verify: Verify,
    store: &Store,
    wiring: &Wiring,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    let (dump, source) = Dump::open(path, |raw, _| raw)?;
    let reporter = wiring.board.reporter(source.clone());
    let stands = indexer::standing_of(store, &source)?;
    if stands.as_ref().is_some_and(Row::is_decided) {
        tracing::info!(source = %source.name, "already read to its end");
        reporter.update(|status| status.connection = Connection::Finished);
        return Ok(Ended::Finished);
    }
    tracing::info!(source = %source.name, offset = stands.as_ref().map_or(0, |stands| stands.offset), "reading");
    reporter.update(|status| status.connection = Connection::Reading);
    let manner = Manner { verify, hold: Hold::Forever };
    let replay = Replay::new(dump, source, stands.as_ref(), wiring, manner)?;
    Ok(replay.run(stop)?)
}
