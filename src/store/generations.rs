//! Readers that never wait for the writer.
//!
//! A generation is what one commit changes, laid over rows that may or may not have it yet: either way a
//! reader sees the state after that commit. The writer publishes the next generation, waits until nobody
//! reads by the one before it, and only then touches the rows. A reader therefore keeps the writer waiting,
//! for as long as it holds a snapshot, and is kept waiting by nobody.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::tables::view::Changes;

/// What one commit changes, and who reads by it.
#[derive(Default)]
pub(super) struct Generation {
    pub(super) changes: Changes,
    readers: Mutex<usize>,
    gone: Condvar,
}

/// The generations of a store, of which one is current.
#[derive(Default)]
pub(super) struct Generations(Mutex<Arc<Generation>>);

/// The stay of one reader in the generation that was current when it came.
pub(super) struct Visit(Arc<Generation>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A count and a pointer are whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Generations {
    /// Enters the current generation.
    pub(super) fn enter(&self) -> Visit {
        // Counted under the lock, so that no generation gains a reader after it was replaced.
        let current = lock(&self.0);
        *lock(&current.readers) += 1;
        Visit(Arc::clone(&current))
    }

    /// Makes these changes the current generation; returns them when nobody reads by the one before.
    pub(super) fn publish(&self, changes: Changes) -> Arc<Generation> {
        let next = Arc::new(Generation { changes, ..Generation::default() });
        let last = std::mem::replace(&mut *lock(&self.0), Arc::clone(&next));
        let mut readers = lock(&last.readers);
        while *readers > 0 {
            readers = last.gone.wait(readers).unwrap_or_else(PoisonError::into_inner);
        }
        drop(readers);
        next
    }
}

impl Visit {
    /// What the generation changes.
    pub(super) fn changes(&self) -> &Changes {
        &self.0.changes
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut readers = lock(&self.0.readers);
        *readers -= 1;
        if *readers == 0 {
            self.0.gone.notify_all();
        }
    }
}
