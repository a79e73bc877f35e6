//! What a command asks for, once: some accounts by name, or everybody.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::{Channel, Gone, LOOK_EVERY, hosts, sweep};
use crate::ingest::line::now;
use crate::ledger::Note;
use crate::net::Origin;
use crate::store::{Store, StoreError};
use crate::syntax::Did;
use crate::tables::completeness::{Due, How, Miss, Window};
use crate::tables::keys::{DueKey, SourceKey};
use crate::tables::view::{ReadRows, RowsError};
use crate::tables::{Coverages, Dues};

/// How long a command waits for the next attempt at something that failed, in microseconds: three minutes.
const WAIT_MAX: i64 = 180_000_000;

/// Attempts after which a command leaves something to the next one.
const ATTEMPTS_MAX: u32 = 3;

/// What there is to do, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Fetch these.
    Named(BTreeSet<Did>),
    /// Come by everybody whom this one lists, and by everybody who is tracked.
    Sweep(Origin),
}

/// What came of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Accounts that were named, or listed.
    pub repositories: u64,
    /// Repositories that were fetched.
    pub fetched: u64,
    /// Accounts about which there is no answer, with why. They stay due.
    pub failed: BTreeMap<Did, String>,
}

/// It cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody lists repositories.
    #[error("{origin}: {why}")]
    NoList {
        /// Who was asked.
        origin: Origin,
        /// What is wrong with that.
        why: Box<str>,
    },
}

impl Task {
    /// The accounts that are meant; `None` for everybody.
    pub(super) fn accounts(&self) -> Option<&BTreeSet<Did>> {
        match self {
            Task::Named(dids) => Some(dids),
            Task::Sweep(_) => None,
        }
    }

    pub(super) fn sweeps(&self) -> bool {
        matches!(self, Task::Sweep(_))
    }

    /// The source under which it is written down.
    fn source(&self) -> SourceKey {
        match self {
            Task::Named(_) => hosts(),
            Task::Sweep(origin) => SourceKey { name: origin.to_string(), ..hosts() },
        }
    }

    /// Writes down what is asked for, and waits for that. A sweep that was begun goes on.
    pub(super) async fn begin(
        &self,
        store: &Store,
        channel: &Channel,
        stop: &CancellationToken,
    ) -> Result<Result<(), Gone>, StoreError> {
        let note = match self {
            Task::Named(dids) => Note::Named(dids.iter().cloned().collect()),
            Task::Sweep(_) => Note::Missed(Miss { how: How::Asked, at: now(), cursor: None }),
        };
        if let Err(gone) = channel.note(&self.source(), note).await {
            return Ok(Err(gone));
        }
        while !self.is_written(store)? {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return Ok(Err(Gone)),
            }
        }
        Ok(Ok(()))
    }

    fn is_written(&self, store: &Store) -> Result<bool, StoreError> {
        match self {
            Task::Named(dids) => {
                let dues = dues(store, Some(dids))?;
                Ok(dues.len() == dids.len() && dues.iter().all(|(key, _)| key.next == 0))
            }
            Task::Sweep(_) => {
                let is_begun = |window: Window| window.is_open() && window.attempts == 0 && window.next == 0;
                Ok(self.window(store)?.is_some_and(is_begun))
            }
        }
    }

    fn window(&self, store: &Store) -> Result<Option<Window>, StoreError> {
        Ok(store.snapshot().get::<Coverages>(&self.source())?.and_then(|coverage| coverage.window))
    }

    /// What is left when it is done, or when nothing more can be done soon; `None` before that.
    pub(super) fn left(&self, store: &Store, now: i64) -> Result<Option<Fetched>, BackfillError> {
        let mut repositories = self.accounts().map_or(0, BTreeSet::len) as u64;
        if let Task::Sweep(origin) = self {
            let given_up = |window: &Window| window.attempts >= ATTEMPTS_MAX;
            let open = sweep::open_windows(store)?;
            if open.iter().any(|(_, window)| !given_up(window)) {
                return Ok(None);
            }
            if let Some((_, window)) = open.into_iter().find(|(source, _)| *source == self.source()) {
                let why = window.failure.unwrap_or_default();
                return Err(BackfillError::NoList { origin: origin.clone(), why });
            }
            repositories =
                self.window(store)?.and_then(|window| window.sweep).map_or(0, |sweep| sweep.listed);
        }
        let dues = dues(store, self.accounts())?;
        let is_soon = |(key, due): &(DueKey, Due)| {
            due.attempts == 0 || (due.attempts < ATTEMPTS_MAX && key.next <= now.saturating_add(WAIT_MAX))
        };
        if dues.iter().any(is_soon) {
            return Ok(None);
        }
        let reason = |(key, due): (DueKey, Due)| (key.did, due.failure.unwrap_or_default().into());
        let failed = dues.into_iter().map(reason).collect();
        Ok(Some(Fetched { repositories, fetched: 0, failed }))
    }
}

/// What is due of these accounts, or of all.
fn dues(store: &Store, of: Option<&BTreeSet<Did>>) -> Result<Vec<(DueKey, Due)>, StoreError> {
    let rows = store.snapshot();
    let is_meant = |row: &Result<(DueKey, Due), RowsError>| {
        row.as_ref().map_or(true, |(key, _)| of.is_none_or(|of| of.contains(&key.did)))
    };
    Ok(rows.scan_all::<Dues>().filter(is_meant).collect::<Result<_, _>>()?)
}
