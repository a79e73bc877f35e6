//! Working off what is due: as many accounts at a time as bounds allow, soonest first.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::ask::{AskError, Asked, Asker};
use crate::ingest::line::now;
use crate::store::{Store, StoreError};
use crate::syntax::Did;
use crate::tables::completeness::{Cause, Due};
use crate::tables::keys::DueKey;
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{Dues, Ledgers};

/// Accounts that are begun and wait for their host, for each that may be asked at a time: one busy host with many
/// accounts must not keep the others waiting.
const BEGUN_PER_TURN: usize = 16;

/// How often it is looked at what is due.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long after an answer was handed on an account is asked about again if the answer changed nothing.
const UNCHANGED: Duration = Duration::from_secs(5);

/// How long an account is passed over because enough wait for its host.
const CROWDED: Duration = Duration::from_secs(2);

/// Accounts that are passed over at a time, so that memory is bounded, and each look.
const BUSY_MAX: usize = 10_000;

/// Why an account is not begun, though it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Busy {
    /// It is being asked about.
    UnderWay,
    /// Its answer was handed on then, and the writer may not have it yet.
    Answered(Instant),
    /// Enough waited for its host then.
    Crowded(Instant),
}

/// Asks about all that is due, or about some of it.
pub(super) struct Keeper {
    asker: Asker,
    begun_max: usize,
    /// These alone.
    only: Option<BTreeSet<Did>>,
    /// Those that are not to be begun now.
    busy: HashMap<Did, (DueKey, Busy)>,
    tasks: JoinSet<(DueKey, Result<Asked, AskError>)>,
}

impl Keeper {
    pub(super) fn new(asker: Asker, at_once: usize, only: Option<BTreeSet<Did>>) -> Self {
        let begun_max = at_once * BEGUN_PER_TURN;
        Self { asker, begun_max, only, busy: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Goes on until it is told to stop.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(done) = self.tasks.join_next() => match unharmed(done) {
                    (key, Ok(Asked::Answered)) => self.is_busy(key, Busy::Answered(Instant::now())),
                    (key, Ok(Asked::Crowded)) => self.is_busy(key, Busy::Crowded(Instant::now())),
                    (_, Err(AskError::Gone)) => break,
                    (_, Err(AskError::Store(error))) => return Err(error),
                },
                _ = look.tick() => {}
            }
            self.begin()?;
        }
        // What is being fetched is fetched again by whoever comes next.
        self.tasks.shutdown().await;
        Ok(())
    }

    /// Begins to ask about those whose time has come.
    fn begin(&mut self) -> Result<(), StoreError> {
        let store = self.asker.store.clone();
        self.forget_answered(&store)?;
        let rows = store.snapshot();
        let now = now();
        for row in rows.scan_all::<Dues>() {
            let (key, due) = row?;
            if key.next > now || self.tasks.len() >= self.begun_max || self.busy.len() >= BUSY_MAX {
                break;
            }
            if self.is_meant(&key) && !self.is_too_soon(&*rows, &key, &due, now)? {
                self.is_busy(key.clone(), Busy::UnderWay);
                let asker = self.asker.clone();
                self.tasks.spawn(async move {
                    let asked = asker.ask(&key).await;
                    (key, asked)
                });
            }
        }
        Ok(())
    }

    fn is_busy(&mut self, key: DueKey, busy: Busy) {
        self.busy.insert(key.did.clone(), (key, busy));
    }

    /// Whether it is to be asked about by us, and is not yet.
    fn is_meant(&self, key: &DueKey) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&key.did)) && !self.busy.contains_key(&key.did)
    }

    /// Whether its host was asked a moment ago. There are repositories of which every commit leaves a doubt.
    fn is_too_soon(&self, rows: &dyn Rows, key: &DueKey, due: &Due, now: i64) -> Result<bool, RowsError> {
        if due.cause == Cause::Named {
            return Ok(false);
        }
        let compared = rows.get::<Ledgers>(&key.did)?.and_then(|ledger| ledger.compared);
        let retry = i64::try_from(self.asker.retry.as_micros()).unwrap_or(i64::MAX);
        Ok(compared.is_some_and(|compared| compared.at.saturating_add(retry) > now))
    }

    /// Forgets those whose answer the writer has applied: where they are due now, they are due anew.
    fn forget_answered(&mut self, store: &Store) -> Result<(), StoreError> {
        let rows = store.snapshot();
        let mut failed: Option<RowsError> = None;
        self.busy.retain(|_, (key, busy)| match busy {
            Busy::UnderWay => true,
            Busy::Crowded(since) => since.elapsed() < CROWDED,
            Busy::Answered(since) => match rows.get::<Dues>(key) {
                Ok(due) => due.is_some() && since.elapsed() < UNCHANGED,
                Err(error) => {
                    failed.get_or_insert(error);
                    true
                }
            },
        });
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// What a task came to. One that panicked is no account less that nobody hears of.
fn unharmed<T>(done: Result<T, JoinError>) -> T {
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
