//! Fetching many repositories: as many at once as bounds allow, each host politely, each repository until it is had
//! or is given up for now.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinError, JoinSet};

use super::fetch::{FetchError, Fetcher};
use super::turns::{Bounds, Told, Turn, Turns};
use crate::codec::event::Export;
use crate::net::Origin;
use crate::syntax::Did;

/// Repositories that are begun and wait for their host, for each that may be fetched at a time: one busy host with
/// many accounts must not keep the others waiting.
const BEGUN_PER_TURN: usize = 16;

/// How often a host is asked for a repository before that is given up for now.
const ATTEMPTS_MAX: u32 = 5;

/// Fetches repositories for whoever names them.
#[derive(Clone)]
pub(super) struct Backfill {
    fetcher: Fetcher,
    polite: Arc<Polite>,
    begun: Arc<Semaphore>,
}

struct Polite {
    turns: Mutex<Turns>,
    /// Told when a turn is over.
    over: Notify,
}

impl Backfill {
    pub(super) fn new(fetcher: Fetcher, bounds: Bounds) -> Self {
        let polite = Arc::new(Polite { turns: Mutex::new(Turns::new(bounds)), over: Notify::new() });
        Self { fetcher, polite, begun: Arc::new(Semaphore::new(bounds.at_once * BEGUN_PER_TURN)) }
    }

    /// Fetches all of these, and says of each what came of it, in no order.
    pub(super) async fn fetch_all(
        &self,
        dids: impl IntoIterator<Item = Did>,
        mut told: impl FnMut(Did, Result<Export, FetchError>),
    ) {
        let mut under_way = JoinSet::new();
        for did in dids {
            let Ok(begun) = Arc::clone(&self.begun).acquire_owned().await else { return };
            let this = self.clone();
            under_way.spawn(async move {
                let fetched = this.fetch(&did).await;
                drop(begun);
                (did, fetched)
            });
            while let Some(done) = under_way.try_join_next() {
                let (did, fetched) = unharmed(done);
                told(did, fetched);
            }
        }
        while let Some(done) = under_way.join_next().await {
            let (did, fetched) = unharmed(done);
            told(did, fetched);
        }
    }

    /// Fetches one, again and again while its host only has too much to do.
    async fn fetch(&self, did: &Did) -> Result<Export, FetchError> {
        let mut attempts = 0;
        loop {
            let host = self.fetcher.host_of(did).await?;
            self.polite.turn(&host).await;
            let fetched = self.fetcher.fetch(did, &host).await;
            self.polite.over(&host, fetched.as_ref().err().map_or(Told::Fine, FetchError::tells));
            attempts += 1;
            match fetched {
                Err(error) if error.is_passing() && attempts < ATTEMPTS_MAX => {}
                Ok(proved) => return proved.whole().await,
                Err(error) => return Err(error),
            }
        }
    }
}

/// What a task came to. One that panicked is no repository less that nobody hears of.
fn unharmed<T>(done: Result<T, JoinError>) -> T {
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

impl Polite {
    /// Waits for a turn at a host.
    async fn turn(&self, host: &Origin) {
        loop {
            let over = self.over.notified();
            let turn = self.lock().take(host, Instant::now());
            match turn {
                Turn::Now => return,
                Turn::Later => over.await,
                Turn::At(time) => tokio::time::sleep_until(time.into()).await,
            }
        }
    }

    fn over(&self, host: &Origin, told: Told) {
        self.lock().done(host, told, Instant::now());
        self.over.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Turns> {
        // Numbers; a panic elsewhere leaves a turn taken at worst.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FetchError {
    /// What it says of the host.
    fn tells(&self) -> Told {
        match self {
            FetchError::Busy { retry_after, .. } => Told::Busy(*retry_after),
            error if error.is_passing() => Told::Busy(None),
            _ => Told::Fine,
        }
    }
}
