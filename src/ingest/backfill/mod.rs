//! Whole repositories from their hosts: those that were never read, and those that are marked.
//!
//! `fetch` gets one repository and proves it, `turns` keeps hosts from being asked too much, `run` does both for
//! many. What is fetched goes to the writer like everything else, as an export.

mod fetch;
mod run;
mod turns;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::fetch::Fetcher;
use self::run::Backfill;
use super::watch::Watch;
use crate::codec::event::Event;
use crate::delivery::{Delivery, Placed, Progress, Sender, Tally};
use crate::identity::Resolver;
use crate::net::{Pace, Web};
use crate::sources::kind;
use crate::syntax::Did;
use crate::tables::keys::SourceKey;

pub use self::turns::Bounds;

/// How much of a repository is read, and how slowly it may come. The largest known have some hundred megabytes.
const PACE: Pace = Pace {
    bytes_max: 1_000_000_000,
    rate_min: 10_000,
    grace: Duration::from_secs(60),
    silence: Duration::from_secs(30),
};

/// What it takes to fetch repositories.
pub struct Means {
    /// The way to hosts.
    pub web: Arc<Web>,
    /// Who knows hosts and keys.
    pub resolver: Resolver,
    /// What is wanted.
    pub watch: Watch,
    /// The way to the writer.
    pub deliveries: Sender,
    /// A directory for what is being read.
    pub spool: PathBuf,
    /// How many at once.
    pub bounds: Bounds,
}

/// What came of fetching repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Repositories that were handed to the writer.
    pub fetched: u64,
    /// Those that were not to be had, with why.
    pub failed: BTreeMap<Did, String>,
}

/// Fetches these repositories, and hands them to the writer. `progress` hears of each that is over.
pub async fn fetch_all(
    means: Means,
    dids: Vec<Did>,
    stop: &CancellationToken,
    mut progress: impl FnMut(),
) -> Fetched {
    let Means { web, resolver, watch, deliveries, spool, bounds } = means;
    let fetcher = Fetcher { web, resolver, watch, spool, pace: PACE, stop: stop.clone() };
    let mut outcome = Fetched::default();
    let told = |did: Did, fetched: Result<_, fetch::FetchError>| {
        progress();
        match fetched {
            Ok(export) => {
                let event = Placed { position: 0, offset: 0, event: Event::Export(export) };
                let tally = Tally { commits: 1, ..Tally::default() };
                let progress = Progress::Dump { offset: 0, cursor: None, finished: true };
                let delivery = Delivery { source: source(), progress, tally, event: Some(event), note: None };
                outcome.fetched += u64::from(deliveries.send(delivery).is_ok());
            }
            Err(error) => {
                tracing::warn!(%did, %error, "a repository is not to be had");
                outcome.failed.insert(did, error.to_string());
            }
        }
    };
    Backfill::new(fetcher, bounds).fetch_all(dids, told).await;
    outcome
}

/// What is fetched is a source of its own: it says nothing of accounts, and has no place to go on from.
fn source() -> SourceKey {
    SourceKey { kind: kind::BACKFILL.to_owned(), name: "hosts".to_owned(), fingerprint: String::new() }
}
