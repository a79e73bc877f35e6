//! Generations of the index: the one that is current, and those that somebody still turns pages of.
#![allow(clippy::disallowed_methods, reason = "a shell: generations are kept for a time")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tantivy::Searcher;

use super::index::Fields;

/// How long a generation is kept for those who have a cursor of it, once there is a newer one. What the contract
/// promises is a minute.
const KEPT: Duration = Duration::from_secs(90);

/// The index as of one commit.
pub struct Generation {
    /// Its number. No two have the same, also after a restart.
    pub number: u64,
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
}

/// Why there is no generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absent {
    /// There is no index now: it is off, or being filled.
    #[error("there is no index to search now")]
    Unavailable,
    /// It was kept for as long as cursors are good for.
    #[error("the generation is gone")]
    Expired,
}

/// All of them.
pub(super) struct Shelf(Mutex<Books>);

struct Books {
    next: u64,
    current: Option<Arc<Generation>>,
    /// Whether somebody has a cursor of the current one.
    is_paged: bool,
    /// Former ones, and until when they are kept.
    former: BTreeMap<u64, (Arc<Generation>, Instant)>,
}

impl Shelf {
    /// An empty one. Numbers are counted from `first`.
    pub(super) fn new(first: u64) -> Self {
        let former = BTreeMap::new();
        Self(Mutex::new(Books { next: first, current: None, is_paged: false, former }))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // What is behind the lock is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this the current generation.
    pub(super) fn publish(&self, searcher: Searcher, fields: Fields) {
        let mut books = self.lock();
        let number = books.next;
        books.next = number.wrapping_add(1);
        let last = books.current.replace(Arc::new(Generation { number, searcher, fields }));
        if let Some(last) = last.filter(|_| books.is_paged) {
            books.former.insert(last.number, (last, Instant::now() + KEPT));
        }
        books.is_paged = false;
    }

    /// Lets go of those that were kept for long enough.
    pub(super) fn tidy(&self) {
        let now = Instant::now();
        self.lock().former.retain(|_, (_, until)| now < *until);
    }

    /// Takes all of them away: what they were read from is not to be trusted.
    pub(super) fn clear(&self) {
        let mut books = self.lock();
        books.current = None;
        books.former.clear();
    }

    /// The current generation, or the one of a number.
    pub(super) fn generation(&self, number: Option<u64>) -> Result<Arc<Generation>, Absent> {
        let books = self.lock();
        let current = books.current.as_ref().ok_or(Absent::Unavailable)?;
        match number {
            None => Ok(Arc::clone(current)),
            Some(number) if number == current.number => Ok(Arc::clone(current)),
            Some(number) => match books.former.get(&number) {
                Some((former, until)) if Instant::now() < *until => Ok(Arc::clone(former)),
                _ => Err(Absent::Expired),
            },
        }
    }

    /// Keeps a generation, since somebody has a cursor of it now.
    pub(super) fn keep(&self, generation: &Arc<Generation>) {
        let mut books = self.lock();
        match &books.current {
            Some(current) if current.number == generation.number => books.is_paged = true,
            // It was replaced while it was searched. What is kept already does not become younger: whoever turns pages
            // for ever would have every generation kept for ever.
            Some(_) => {
                let until = Instant::now() + KEPT;
                books.former.entry(generation.number).or_insert_with(|| (Arc::clone(generation), until));
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::index::Place;
    use super::{Absent, KEPT, Shelf};

    #[test]
    fn a_generation_is_kept_for_its_cursors_and_no_longer() {
        // "pinned to its generation of the index for at least 60 s".
        assert!(KEPT >= Duration::from_secs(60));
        let catalog = Place::Memory.make().unwrap();
        let searcher = || catalog.reader().unwrap().searcher();
        let shelf = Shelf::new(u64::MAX);
        assert_eq!(shelf.generation(None).err(), Some(Absent::Unavailable));
        shelf.publish(searcher(), catalog.fields);
        let first = shelf.generation(None).unwrap();
        shelf.keep(&first);
        // Nobody has a cursor of the second.
        shelf.publish(searcher(), catalog.fields);
        let second = shelf.generation(None).unwrap().number;
        shelf.publish(searcher(), catalog.fields);
        assert_eq!(shelf.generation(Some(first.number)).unwrap().number, first.number);
        assert_eq!(shelf.generation(Some(second)).err(), Some(Absent::Expired));
        // Its pages are turned, which does not make it younger, until its time is over.
        shelf.lock().former.get_mut(&first.number).unwrap().1 = Instant::now();
        shelf.keep(&first);
        assert_eq!(shelf.generation(Some(first.number)).err(), Some(Absent::Expired));
        shelf.tidy();
        assert!(shelf.lock().former.is_empty());
        shelf.clear();
        assert_eq!(shelf.generation(Some(first.number)).err(), Some(Absent::Unavailable));
        shelf.keep(&first);
        assert!(shelf.lock().former.is_empty(), "of an index that is gone nothing is kept");
    }
}
