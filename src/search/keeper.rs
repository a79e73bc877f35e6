//! Who keeps the index: opens it or makes one, finds what it lacks, and follows what is committed.
//!
//! Nothing says what changed while nobody followed: after a crash, a replay without a daemon, a rebuild. So the whole of
//! the index is compared with the store at the start: every event has a version, and those that differ are read. That
//! takes a second for a hundred thousand. Damage to the store ends the keeper and with it the process; damage to
//! the index costs the index.
#![allow(clippy::disallowed_methods, reason = "a shell: the index follows in time")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::compare::{Compared, compare};
use super::document::Document;
use super::index::{Catalog, IndexError, Place, Writer, versions};
use super::{Shared, place_of};
use crate::store::{Store, StoreError};
use crate::tables::keys::{MetaKey, RecordId};
use crate::tables::number;
use crate::tables::view::RowsError;

/// The least time between two commits. Each makes files, which are merged later; and what changes shows within a second.
const COMMIT_EVERY: Duration = Duration::from_millis(250);

/// Events that are read under one snapshot, for which the writer of the store waits.
const READ_AT_ONCE: usize = 64;

/// How long an index that failed is left alone; each time longer, up to the most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How often somebody hears how far the filling is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Whoever keeps the index of a store.
pub struct Keeper {
    store: Store,
    place: Place,
    shared: Arc<Shared>,
}

/// Why following ended.
enum Ended {
    /// There is nothing more to follow.
    Closed,
    /// The index is of no use.
    Index(IndexError),
    /// The store is damaged.
    Store(StoreError),
}

impl From<IndexError> for Ended {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl From<RowsError> for Ended {
    fn from(error: RowsError) -> Self {
        Self::Store(error.into())
    }
}

impl Keeper {
    pub(super) fn new(store: Store, shared: Arc<Shared>) -> Self {
        Self { place: place_of(store.dir()), store, shared }
    }

    /// Keeps the index until it is closed.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn run(self) -> Result<(), StoreError> {
        let mut wait = RETRY;
        let mut opened = self.open();
        loop {
            let begun = Instant::now();
            let follow = AssertUnwindSafe(|| self.follow(opened?));
            let ended = catch_unwind(follow).unwrap_or(Err(Ended::Index(IndexError::Panicked)));
            self.shared.shelf.clear();
            match ended {
                Ok(()) | Err(Ended::Closed) => return Ok(()),
                Err(Ended::Store(error)) => return Err(error),
                Err(Ended::Index(error)) => {
                    wait = if begun.elapsed() > RETRY_MAX { RETRY } else { (wait * 2).min(RETRY_MAX) };
                    tracing::error!(%error, seconds = wait.as_secs(), "the search index failed: made anew in a while");
                }
            }
            if self.rest(wait) {
                return Ok(());
            }
            opened = self.place.make().map_err(Ended::Index);
        }
    }

    /// Opens the index that is there, or makes one.
    fn open(&self) -> Result<Catalog, Ended> {
        if self.place.exists() {
            match self.place.open() {
                Ok(catalog) => return Ok(catalog),
                Err(error) => tracing::warn!(%error, "the search index is of no use: made anew"),
            }
        }
        Ok(self.place.make()?)
    }

    /// Waits. Whether it was closed meanwhile.
    fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut changes = self.shared.lock();
        while !changes.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                changes.broken = false;
                return false;
            }
            changes = self.shared.wait(changes, left);
        }
        true
    }

    /// Brings an index to where the store is, and follows from there.
    fn follow(&self, catalog: Catalog) -> Result<(), Ended> {
        let mut writer = catalog.write()?;
        self.shared.change(|changes| {
            changes.all = true;
            changes.broken = false;
        });
        let mut trusted = catalog.position;
        let mut committed: Option<Instant> = None;
        loop {
            let Some((events, all)) = self.next(committed)? else { break };
            committed = Some(Instant::now());
            if all {
                self.catch_up(&mut writer, trusted.take())?;
            } else {
                self.update(&writer, &events)?;
            }
            writer.commit(None)?;
            self.shared.shelf.publish(writer.searcher(), catalog.fields);
            self.shared.change(|changes| {
                changes.busy = false;
                changes.turns += 1;
            });
        }
        // Nobody writes any more, and everything that was written is in the index.
        writer.commit(Some(number(&*self.store.snapshot(), MetaKey::Position)?))?;
        Ok(writer.close()?)
    }

    /// What to do next, once there is something and the last commit is long enough ago. `None` when all is done and
    /// there will be no more.
    fn next(&self, committed: Option<Instant>) -> Result<Option<(BTreeSet<RecordId>, bool)>, Ended> {
        let mut changes = self.shared.lock();
        loop {
            if changes.broken {
                return Err(IndexError::Panicked.into());
            }
            let is_idle = changes.events.is_empty() && !changes.all;
            if is_idle && changes.closed {
                return Ok(None);
            }
            let left = committed.map_or(Duration::ZERO, |last| COMMIT_EVERY.saturating_sub(last.elapsed()));
            if !is_idle && (left.is_zero() || changes.closed) {
                changes.busy = true;
                let events = std::mem::take(&mut changes.events);
                return Ok(Some((events, std::mem::take(&mut changes.all))));
            }
            self.shared.shelf.tidy();
            let most = if is_idle { RETRY_MAX } else { left };
            changes = self.shared.wait(changes, most);
        }
    }

    /// Reads events anew, and puts them into the index or takes them out.
    fn update<'a>(
        &self,
        writer: &Writer,
        events: impl IntoIterator<Item = &'a RecordId>,
    ) -> Result<(), Ended> {
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let snapshot = self.store.snapshot();
            for id in events.by_ref().take(READ_AT_ONCE) {
                match Document::read(&*snapshot, id)? {
                    Some(document) => writer.put(&document)?,
                    None => writer.remove(&id.uri()),
                }
            }
        }
        Ok(())
    }

    /// Finds everything in which the index differs from the store, and reads that anew.
    fn catch_up(&self, writer: &mut Writer, trusted: Option<u64>) -> Result<(), Ended> {
        let frozen = self.store.freeze();
        let compared = compare(&frozen, versions(&writer.searcher())?)?;
        let position = number(&frozen, MetaKey::Position)?;
        drop(frozen);
        let Compared { events, missing, surplus } = compared;
        if trusted == Some(position) && !(missing.is_empty() && surplus.is_empty()) {
            return Err(IndexError::Nonsense { what: "that it agrees with the store, and does not" }.into());
        }
        for uri in &surplus {
            writer.remove(uri);
        }
        let mut shown = Instant::now();
        let total = missing.len();
        for (done, part) in missing.chunks(READ_AT_ONCE).enumerate() {
            self.update(writer, part)?;
            if self.shared.lock().closed {
                return Err(Ended::Closed);
            }
            if shown.elapsed() > PROGRESS_EVERY {
                // What was read need not be read again if this is interrupted.
                writer.commit(None)?;
                shown = Instant::now();
                tracing::info!(done = done * READ_AT_ONCE, total, "filling the search index");
            }
        }
        tracing::info!(
            events,
            read = total,
            removed = surplus.len(),
            "the search index is where the store is"
        );
        Ok(())
    }
}
