//! The store as of one moment, for as long as somebody looks at it, without keeping the writer waiting.
//!
//! A snapshot of an engine holds the writer up; a whole export would do so for minutes. A frozen view takes a
//! snapshot for a page at a time, and the store remembers for it what a commit is about to overwrite. Old
//! values laid over the current rows are the rows as they were.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Store, StoreError};
use crate::tables::view::{Changes, Direction, Pair, Pairs, Range, Rows, RowsError, merged};

/// Rows that are read under one snapshot. A page takes well under a millisecond.
const PAGE_ROWS: usize = 256;

/// What the rows of a frozen view were before they were overwritten.
type Before = Arc<Mutex<Changes>>;

/// The views that are being looked at. Locked during a commit, so that a view begins before or after it.
#[derive(Clone, Default)]
pub(super) struct Views(Arc<Mutex<Vec<Weak<Mutex<Changes>>>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Views {
    /// Remembers what `changes` will overwrite, then lets `commit` write them.
    pub(super) fn around<'a>(
        &self,
        changes: Changes,
        snapshot: impl FnOnce() -> Box<dyn Rows + 'a>,
        commit: impl FnOnce(Changes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut views = lock(&self.0);
        views.retain(|view| view.strong_count() > 0);
        if !views.is_empty() {
            let rows = snapshot();
            for key in changes.keys() {
                let value = rows.get_bytes(key)?;
                for view in views.iter().filter_map(Weak::upgrade) {
                    // Of several commits the first saw the value that the view is of.
                    lock(&view).entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        commit(changes)
    }
}

/// The rows of a store as they were when this was made.
pub struct Frozen {
    store: Store,
    before: Before,
}

impl Frozen {
    pub(super) fn new(store: &Store) -> Self {
        let before = Before::default();
        lock(&store.views.0).push(Arc::downgrade(&before));
        Self { store: store.clone(), before }
    }

    fn page(&self, range: &Range, direction: Direction) -> Result<VecDeque<Pair>, RowsError> {
        // The snapshot first: a commit remembers before it writes, so whatever the snapshot shows of a commit
        // has been remembered by now.
        let rows = self.store.snapshot();
        let before = lock(&self.before);
        merged(&*rows, &before, range.clone(), direction).take(PAGE_ROWS).collect()
    }
}

impl Rows for Frozen {
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        let rows = self.store.snapshot();
        let before = lock(&self.before);
        match before.get(key) {
            Some(before) => Ok(before.clone()),
            None => rows.get_bytes(key),
        }
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        Box::new(Pages { view: self, left: Some(range), direction, page: VecDeque::new() })
    }
}

/// A scan, a page at a time.
struct Pages<'a> {
    view: &'a Frozen,
    left: Option<Range>,
    direction: Direction,
    page: VecDeque<Pair>,
}

impl Iterator for Pages<'_> {
    type Item = Result<Pair, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() {
            let range = self.left.take()?;
            self.page = match self.view.page(&range, self.direction) {
                Ok(page) => page,
                Err(error) => return Some(Err(error)),
            };
            // A short page is the last.
            if self.page.len() == PAGE_ROWS {
                self.left = self.page.back().map(|(last, _)| match self.direction {
                    Direction::Ascending => Range { start: [last.as_slice(), &[0]].concat(), ..range },
                    Direction::Descending => Range { end: Some(last.clone()), ..range },
                });
            }
        }
        self.page.pop_front().map(Ok)
    }
}
