//! `guestlist backfill`.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use serde::Serialize;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::{Failed, Failure, configure, open_to_write, output};
use crate::config::Config;
use crate::delivery::{Tally, queue};
use crate::identity::Directory;
use crate::indexer::{Indexer, Turn};
use crate::ingest::backfill::{self, Fetched, Means};
use crate::ingest::watch::Watch;
use crate::store::Store;
use crate::syntax::Did;

/// Fetch whole repositories from their hosts and exit
///
/// Each is fetched from the host that its account names, proved to its last block, and compared with what is
/// stored: what is new is added, what changed is changed, what is gone is removed. The last line on standard output is
/// a JSON object that says what happened; repositories that were not to be had are in it, with why.
#[derive(Debug, clap::Args)]
pub(super) struct Backfill {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the store; made if it is not there
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Whose repositories
    #[arg(required = true, value_name = "DID", value_parser = parse_did)]
    dids: Vec<Did>,
}

/// The last line.
#[derive(Serialize)]
struct Summary<'a> {
    repositories: usize,
    fetched: u64,
    /// Those that changed something.
    applied: u64,
    failed: std::collections::BTreeMap<&'a str, &'a str>,
}

fn parse_did(text: &str) -> Result<Did, String> {
    Did::parse(text).map_err(|_| "no DID".to_owned())
}

impl Backfill {
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let mut config = configure(self.config.as_ref())?;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        self.dids.sort();
        self.dids.dedup();
        let directory = Directory::load(&config.identity.identities).map_err(Failed)?;
        let store = open_to_write(&config.data_dir, config.cache_bytes(), "backfill")?;
        let repositories = self.dids.len();
        let (fetched, tally) = index(&store, &config, directory, self.dids).map_err(Failed)?;
        let summary = Summary {
            repositories,
            fetched: fetched.fetched,
            applied: tally.applied,
            failed: fetched.failed.iter().map(|(did, why)| (did.as_str(), why.as_str())).collect(),
        };
        output::lines(|line| Ok(line(&serde_json::to_string(&summary)?)?)).map_err(Failed)?;
        if fetched.failed.is_empty() { Ok(()) } else { Err(Failure::Found) }
    }
}

/// Fetches on a runtime and writes on a thread.
fn index(
    store: &Store,
    config: &Config,
    directory: Directory,
    dids: Vec<Did>,
) -> anyhow::Result<(Fetched, Tally)> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut indexer = Indexer::new(store.clone(), config.limits.batch_events)?;
    let (deliveries, received) = queue();
    let means = Means {
        web: Arc::new(config.identity.web()),
        resolver: config.identity.resolver(directory),
        watch: Watch::load(store)?,
        deliveries,
        spool: config.data_dir.clone(),
        bounds: config.backfill.bounds(),
    };
    let bar = output::counter("repositories");
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut tally = Tally::default();
            let written = indexer.run(&received, |turn| {
                if let Turn::Committed { tally: batch, .. } = turn {
                    tally.add(batch);
                }
            });
            written.map(|()| tally)
        });
        let fetched =
            runtime.block_on(backfill::fetch_all(means, dids, &CancellationToken::new(), || bar.inc(1)));
        bar.finish_and_clear();
        let tally = writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        Ok((fetched, tally))
    })
}
