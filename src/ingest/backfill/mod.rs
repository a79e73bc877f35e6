//! Whole repositories from their hosts: those that were never read, and those of which something may be missing.
//!
//! `sweep` finds out whose may be, `keeper` works off what is due, `ask` asks about one account, `fetch` gets one
//! repository and proves it, `polite` and `turns` keep hosts from being asked too much, `list` has the lists, and `walk`
//! sees that they end. What comes of it goes to the writer like everything else.

mod ask;
mod fetch;
mod keeper;
mod list;
mod polite;
mod standing;
mod sweep;
mod task;
mod turns;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use self::ask::Asker;
use self::fetch::Fetcher;
use self::keeper::Keeper;
use self::list::Lister;
use self::polite::Polite;
use self::sweep::Sweeper;
use super::line::now;
use super::seldom::Seldom;
use super::watch::Watch;
use crate::codec::answer::Answer;
use crate::codec::event::Event;
use crate::delivery::{Delivery, Placed, Progress, Sender, Tally};
use crate::identity::Resolver;
use crate::ledger::Note;
use crate::net::{Origin, Pace, Web};
use crate::sources::kind;
use crate::store::{Store, StoreError};
use crate::syntax::Did;
use crate::tables::keys::SourceKey;

pub use self::task::{BackfillError, Fetched, Task};
pub use self::turns::Bounds;

/// How much of a repository is read, and how slowly it may come. The largest known have some hundred megabytes. Some
/// hosts that send just fast enough take all the turns there are: that must end within an hour.
const PACE: Pace = Pace {
    bytes_max: 1_000_000_000,
    rate_min: 10_000,
    grace: Duration::from_secs(60),
    silence: Duration::from_secs(30),
    time_max: Duration::from_secs(3600),
};

/// How often it is looked whether a command has what it was asked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What it takes to ask hosts.
pub struct Means {
    /// The store that is made complete.
    pub store: Store,
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
    /// How long to wait before the second attempt.
    pub retry: Duration,
    /// Who lists repositories; without it each source is asked itself.
    pub relay: Option<Origin>,
}

/// Nobody takes answers any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gone;

/// The way of answers to the writer.
#[derive(Clone)]
struct Channel {
    deliveries: Sender,
    fetched: Arc<AtomicU64>,
    /// Whom nobody knows.
    unknown: Arc<Mutex<BTreeSet<Did>>>,
}

impl Means {
    /// Keeps the store complete until it is told to stop.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn keep(self, stop: &CancellationToken) -> Result<(), StoreError> {
        let (keeper, sweeper, _) = self.employ(None, stop);
        tokio::try_join!(keeper.run(stop), sweeper.run(stop)).map(|_| ())
    }

    /// Does one thing, and ends when it is done, or when what is left can only be done much later. `progress` hears how
    /// many repositories were fetched so far.
    ///
    /// # Errors
    /// The store cannot be read, or nobody lists repositories.
    pub async fn perform(
        self,
        task: Task,
        stop: &CancellationToken,
        progress: impl Fn(u64),
    ) -> Result<Fetched, BackfillError> {
        let store = self.store.clone();
        let (done, only) = (stop.child_token(), task.accounts().cloned());
        let (keeper, sweeper, channel) = self.employ(only, &done);
        if task.begin(&store, &channel, &done).await?.is_err() {
            return Ok(Fetched::default());
        }
        let counted = Arc::clone(&channel.fetched);
        let watching = async {
            let _ended = done.clone().drop_guard();
            loop {
                progress(counted.load(Ordering::Relaxed));
                if let Some(left) = task.left(&store, now())? {
                    return Ok::<_, BackfillError>(left);
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = done.cancelled() => return Ok(Fetched::default()),
                }
            }
        };
        // When one of them cannot go on, what the others wait for never comes.
        let keeping = async {
            let _ended = done.clone().drop_guard();
            keeper.run(&done).await
        };
        let sweeping = async {
            if !task.sweeps() {
                return Ok(());
            }
            let _ended = done.clone().drop_guard();
            sweeper.run(&done).await
        };
        let (left, kept, swept) = tokio::join!(watching, keeping, sweeping);
        kept?;
        swept?;
        let mut fetched: Fetched = left?;
        fetched.fetched = channel.fetched.load(Ordering::Relaxed);
        if let Some(named) = task.accounts() {
            let unknown = channel.unknown();
            let nobody =
                unknown.intersection(named).map(|did| (did.clone(), "nobody knows of it".to_owned()));
            fetched.failed.extend(nobody);
        }
        Ok(fetched)
    }

    fn employ(self, only: Option<BTreeSet<Did>>, stop: &CancellationToken) -> (Keeper, Sweeper, Channel) {
        let Means { store, web, resolver, watch, deliveries, spool, bounds, retry, relay } = self;
        let polite = Polite::new(bounds);
        let channel = Channel { deliveries, fetched: Arc::default(), unknown: Arc::default() };
        let lister = Lister { web: Arc::clone(&web), polite: polite.clone() };
        let fetcher = Fetcher { web, resolver, watch, spool, pace: PACE, stop: stop.clone() };
        let sweeper = Sweeper {
            store: store.clone(),
            lister,
            channel: channel.clone(),
            retry,
            relay: relay.clone(),
            said: Seldom::default(),
            walks: BTreeMap::new(),
        };
        let asker = Asker { store, fetcher, polite, channel: channel.clone(), relay, retry };
        (Keeper::new(asker, bounds.at_once, only), sweeper, channel)
    }
}

/// The way to the writer, for what hosts say.
impl Channel {
    /// Hands on an answer; waits for room.
    async fn answer(&self, answer: Answer) -> Result<(), Gone> {
        let this = self.clone();
        spawn_blocking(move || this.answer_now(answer)).await.unwrap_or(Err(Gone))
    }

    /// The same, on a thread that may wait.
    fn answer_now(&self, answer: Answer) -> Result<(), Gone> {
        let event = Placed { position: 0, offset: 0, event: Event::Answer(answer) };
        self.send(hosts(), Some(event), None)
    }

    /// Has something written down for a source.
    async fn note(&self, source: &SourceKey, note: Note) -> Result<(), Gone> {
        let (this, source) = (self.clone(), source.clone());
        spawn_blocking(move || this.send(source, None, Some(note))).await.unwrap_or(Err(Gone))
    }

    fn send(&self, source: SourceKey, event: Option<Placed>, note: Option<Note>) -> Result<(), Gone> {
        // It has no place to go on from: what is due is in the store.
        let progress = Progress::Live { cursor: None };
        let tally = Tally::default();
        self.deliveries.send(Delivery { source, progress, tally, event, note }).map_err(|_| Gone)
    }

    fn fetched_so_far(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Whom nobody knows.
    fn unknown(&self) -> MutexGuard<'_, BTreeSet<Did>> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A repository was fetched.
    fn fetched(&self) {
        self.fetched.fetch_add(1, Ordering::Relaxed);
    }
}

/// Hosts are a source of their own, whichever they are.
fn hosts() -> SourceKey {
    SourceKey { kind: kind::BACKFILL.to_owned(), name: "hosts".to_owned(), fingerprint: String::new() }
}
