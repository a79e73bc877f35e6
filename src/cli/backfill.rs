//! `guestlist backfill`.

use std::path::PathBuf;
use std::thread;

use serde::Serialize;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::{Failed, Failure, configure, open_to_write, output};
use crate::config::Config;
use crate::delivery::{Tally, queue};
use crate::identity::Directory;
use crate::indexer::{Indexer, Turn};
use crate::ingest::backfill::{Fetched, Task};
use crate::ingest::watch::Watch;
use crate::store::Store;
use crate::syntax::Did;

/// Fetch whole repositories from their hosts and exit
///
/// Each is fetched from the host that its account names, proved to its last block, and compared with what is
/// stored: what is new is added, what changed is changed, what is gone is removed. Without DIDs, all are that the relay
/// lists for the wanted collections (`backfill.relay`, or else the first relay that is configured), and those that are
/// tracked here; run it again to go on with one that was interrupted. The last line on standard output is a JSON object
/// that says what happened; accounts about which there is no answer are in it, with why, and stay due: a daemon asks again.
#[derive(Debug, clap::Args)]
pub(super) struct Backfill {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the store; made if it is not there
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Whose repositories; everybody's if none is named
    #[arg(value_name = "DID", value_parser = parse_did)]
    dids: Vec<Did>,
}

/// The last line.
#[derive(Serialize)]
struct Summary<'a> {
    repositories: u64,
    fetched: u64,
    /// Those that changed something.
    applied: u64,
    failed: std::collections::BTreeMap<&'a str, &'a str>,
}

fn parse_did(text: &str) -> Result<Did, String> {
    Did::parse(text).map_err(|_| "no DID".to_owned())
}

impl Backfill {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut config = configure(self.config.as_ref())?;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        let task = if self.dids.is_empty() {
            let origin = config.lists().ok_or_else(|| {
                anyhow::anyhow!(
                    "nobody lists repositories: set backfill.relay, configure a relay, or name accounts"
                )
            });
            Task::Sweep(origin.map_err(Failed)?)
        } else {
            Task::Named(self.dids.into_iter().collect())
        };
        let directory = Directory::load(&config.identity.identities).map_err(Failed)?;
        let store = open_to_write(&config.data_dir, config.cache_bytes(), "backfill")?;
        let (fetched, tally) = index(&store, &config, directory, task).map_err(Failed)?;
        let summary = Summary {
            repositories: fetched.repositories,
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
    task: Task,
) -> anyhow::Result<(Fetched, Tally)> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut indexer = Indexer::new(store.clone(), config.limits.batch_events)?;
    let (deliveries, received) = queue();
    let means = config.means(store, config.identity.resolver(directory), Watch::load(store)?, deliveries);
    let bar = output::counter("repositories");
    let stop = CancellationToken::new();
    // Without a writer nothing is ever done.
    let written = stop.clone().drop_guard();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let _ended = written;
            let mut tally = Tally::default();
            let written = indexer.run(&received, |turn| {
                if let Turn::Committed { tally: batch, .. } = turn {
                    tally.add(batch);
                }
            });
            written.map(|()| tally)
        });
        let fetched = runtime.block_on(means.perform(task, &stop, |fetched| bar.set_position(fetched)));
        bar.finish_and_clear();
        let tally = writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        Ok((fetched?, tally))
    })
}
