//! Full-text search over events: an index beside the store, which follows it and can be thrown away at any time.
//!
//! The index has nothing that the store has not. One thread (`keeper`) fills it and follows what is committed; readers
//! search the last generation that it made, or, with a cursor, the one that they began with (`shelf`). `words` says what
//! texts are found by and `document` which texts of an event, `query` what is found and in which order, `index` has the files; `compare` says
//! whether they have what the store has. Whatever is wrong
//! with those, they are made anew, while everything else goes on. Spec: CONTRACT §4.1, `searchEvents`.
#![allow(clippy::disallowed_methods, reason = "a shell: who waits, waits for a time")]

mod compare;
mod cutter;
mod document;
mod index;
mod keeper;
mod query;
mod shelf;
#[cfg(test)]
mod tests;

mod words;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};
use crate::tables::keys::RecordId;

pub use compare::{Agreement, agreement, at_rest};
pub use index::IndexError;
pub use keeper::Keeper;
pub use query::{TooMuch, Wanted};
pub use shelf::{Absent, Generation};

/// The index's own directory in that of the store.
const INDEX_DIR: &str = "search";

/// Changed events that are remembered one by one. Of more it is remembered that there are, and all are looked at.
const CHANGED_MAX: usize = 50_000;

/// Searches, by whoever likes. Cheap to clone.
#[derive(Clone, Default)]
pub struct Search(Option<Arc<Shared>>);

/// What readers, the writer of the store and the keeper of the index share.
struct Shared {
    shelf: shelf::Shelf,
    changes: Mutex<Changes>,
    /// Something in `changes` is another.
    stirred: Condvar,
}

/// What the index has still to do.
#[derive(Default)]
struct Changes {
    /// Events whose records may be others than in the index.
    events: BTreeSet<RecordId>,
    /// Any of them may be.
    all: bool,
    /// Some are on their way into the index.
    busy: bool,
    /// How often some came into it.
    turns: u64,
    /// A search found that something is wrong with it.
    broken: bool,
    /// There will be no more.
    closed: bool,
}

/// How the index is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Off,
    /// It is being filled.
    Filling,
    /// It answers, and has so many events.
    Ready {
        /// Of the last generation.
        events: u64,
    },
}

impl Search {
    /// No search.
    pub fn off() -> Self {
        Self(None)
    }

    /// A search over a store, and whoever keeps it.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn over(store: &Store) -> Result<(Self, Keeper), StoreError> {
        let first = getrandom::u64().map_err(StoreError::Randomness)?;
        let shared = Arc::new(Shared {
            shelf: shelf::Shelf::new(first),
            changes: Mutex::default(),
            stirred: Condvar::new(),
        });
        let keeper = Keeper::new(store.clone(), Arc::clone(&shared));
        Ok((Self(Some(shared)), keeper))
    }

    /// The current generation, or the one of a number.
    ///
    /// # Errors
    /// There is none now, or it is gone.
    pub fn generation(&self, number: Option<u64>) -> Result<Arc<Generation>, Absent> {
        self.0.as_ref().ok_or(Absent::Unavailable)?.shelf.generation(number)
    }

    /// So many of what is wanted after so many that come before it, at a time in microseconds since the epoch, in order.
    ///
    /// # Errors
    /// The index is broken. It is being filled anew now.
    pub fn find(
        &self,
        generation: &Generation,
        wanted: &Wanted,
        now: i64,
        skipped: usize,
        count: usize,
    ) -> Result<Vec<RecordId>, Absent> {
        let Generation { searcher, fields, .. } = generation;
        let find = || query::find(searcher, fields, wanted, now, skipped, count);
        index::guarded(find).map_err(|error| {
            tracing::error!(%error, "the search index is broken");
            if let Some(shared) = &self.0 {
                shared.shelf.clear();
                shared.change(|changes| changes.broken = true);
            }
            Absent::Unavailable
        })
    }

    /// Keeps a generation for a while, since somebody was given a cursor of it.
    pub fn keep(&self, generation: &Arc<Generation>) {
        if let Some(shared) = &self.0 {
            shared.shelf.keep(generation);
        }
    }

    /// Says that the records of some events were written or deleted, after that is committed.
    pub fn changed(&self, events: &BTreeSet<RecordId>) {
        let Some(shared) = self.0.as_ref().filter(|_| !events.is_empty()) else { return };
        shared.change(|changes| {
            changes.events.extend(events.iter().cloned());
            if changes.events.len() > CHANGED_MAX {
                changes.events.clear();
                changes.all = true;
            }
        });
    }

    /// Says that nothing changes any more: the keeper finishes, and ends.
    pub fn close(&self) {
        if let Some(shared) = &self.0 {
            shared.change(|changes| changes.closed = true);
        }
    }

    /// How it is doing.
    pub fn state(&self) -> State {
        match self.generation(None) {
            Ok(current) => State::Ready { events: current.searcher.num_docs() },
            Err(_) if self.0.is_none() => State::Off,
            Err(_) => State::Filling,
        }
    }

    /// Waits until everything is in the index that was said to have changed by now, for so long at most. Whether it is.
    pub fn settle(&self, patience: Duration) -> bool {
        let Some(shared) = &self.0 else { return false };
        let until = Instant::now() + patience;
        let mut changes = shared.lock();
        // What is on its way, and after it what is not: where much is written there is something new each moment.
        let enough = changes.turns + 2;
        while (changes.is_behind() && changes.turns < enough) || shared.shelf.generation(None).is_err() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || changes.closed {
                return false;
            }
            changes = shared.wait(changes, left);
        }
        true
    }
}

impl Changes {
    fn is_behind(&self) -> bool {
        self.all || self.busy || self.broken || !self.events.is_empty()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Changes> {
        // What is behind the lock is whole between any two statements.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Changes)) {
        change(&mut self.lock());
        self.stirred.notify_all();
    }

    /// Waits until something changes, for so long at most.
    fn wait<'a>(&self, changes: MutexGuard<'a, Changes>, most: Duration) -> MutexGuard<'a, Changes> {
        self.stirred.wait_timeout(changes, most).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Where the index of a store is.
fn place_of(dir: Option<&Path>) -> index::Place {
    dir.map_or(index::Place::Memory, |dir| index::Place::Dir(dir.join(INDEX_DIR)))
}
