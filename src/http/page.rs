//! Pages of a list: a bounded walk over a range of rows, and where the next one begins.
//!
//! The position is a key, not a count, so rows that come or go between two pages make the list neither skip
//! nor repeat. Work is bounded by rows examined and by bytes shown as well as by items: a filter that few
//! rows pass gives short pages, even empty ones, with a cursor.

use super::answer::Call;
use super::cursor::{Filter, Seal};
use super::error::{ApiError, Failure};
use super::params::{LIMIT_DEFAULT, LIMIT_MAX};
use crate::tables::Table;
use crate::tables::keys::Key;
use crate::tables::view::{Range, ReadRows, RowsError, key_of};

/// Rows that one request examines: a few tens of milliseconds, during which the writer waits.
pub(super) const ROWS_EXAMINED_MAX: usize = 2_000;

/// Bytes of records that are read for one page, after which it ends: a hundred records at their limit would be 100 MB.
pub(super) const PAGE_BYTES_MAX: usize = 4_000_000;

/// An item, with the bytes of the record that it shows.
pub(super) struct Item<I> {
    pub(super) view: I,
    pub(super) record_bytes: usize,
}

/// What there is at one place of a walk.
pub(super) enum Step<I> {
    /// Nothing to show.
    Passed,
    /// Nothing to show either, and a record of so many bytes had to be read to see that.
    Read(usize),
    /// An item.
    Shown(Item<I>),
    /// More work than a page may cost, all in all: it ends before this place. Never the first place of a page.
    TooMuch,
}

/// A page and the cursor for the next.
pub(super) struct Page<I> {
    pub(super) items: Vec<I>,
    pub(super) cursor: Option<String>,
}

/// What a client asked of a list: how much, and after what.
pub(super) struct Paging {
    limit: usize,
    seal: Seal,
    after: Option<Vec<u8>>,
}

impl Paging {
    /// Reads `limit` and `cursor` of a list with these filters.
    pub(super) fn of(call: &Call<'_>, filters: &[Filter<'_>]) -> Result<Self, Failure> {
        Self::within(LIMIT_DEFAULT, LIMIT_MAX, call, filters)
    }

    /// The same of a list whose pages have another number of items, where none is asked for and at most.
    pub(super) fn within(
        default: usize,
        most: usize,
        call: &Call<'_>,
        filters: &[Filter<'_>],
    ) -> Result<Self, Failure> {
        let seal = Seal::new(call.rows, call.method, filters)?;
        let after = call.params.optional("cursor")?.map(|cursor| seal.open(cursor)).transpose()?;
        Ok(Self { limit: call.params.limit_within(default, most)?, seal, after })
    }

    /// Walks `range` and takes the rows that `view` makes items of.
    pub(super) fn page<T: Table, I>(
        &self,
        call: &Call<'_>,
        range: Range,
        mut view: impl FnMut(T::Key, T::Value) -> Result<Option<Item<I>>, RowsError>,
    ) -> Result<Page<I>, Failure> {
        let rows = call.rows.scan::<T>(self.rest_of(range)?);
        self.walk(rows.map(|row| {
            let (key, value) = row?;
            let place = key_of::<T>(&key);
            Ok((place, view(key, value)?.map_or(Step::Passed, Step::Shown)))
        }))
    }

    /// Goes through places in their order, from after the cursor on, until the page is full.
    pub(super) fn walk<I>(
        &self,
        steps: impl Iterator<Item = Result<(Vec<u8>, Step<I>), RowsError>>,
    ) -> Result<Page<I>, Failure> {
        let mut items = Vec::new();
        let mut bytes = 0;
        let (mut shown, mut examined) = (None, None);
        for (count, step) in steps.enumerate() {
            if count == ROWS_EXAMINED_MAX {
                return Ok(self.continued(items, examined));
            }
            let (place, step) = step?;
            match step {
                Step::Passed => {}
                Step::Read(record_bytes) => {
                    bytes += record_bytes;
                    if bytes > PAGE_BYTES_MAX {
                        return Ok(self.continued(items, Some(place)));
                    }
                }
                Step::TooMuch => return Ok(self.continued(items, examined)),
                Step::Shown(item) => {
                    bytes += item.record_bytes;
                    // A page has at least one item, however large it is.
                    if items.len() == self.limit || (bytes > PAGE_BYTES_MAX && !items.is_empty()) {
                        return Ok(self.continued(items, shown));
                    }
                    items.push(item.view);
                    shown = Some(place.clone());
                }
            }
            examined = Some(place);
        }
        Ok(Page { items, cursor: None })
    }

    /// How many items the page may have.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The place after which the page begins.
    pub(super) fn after(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }

    /// The place after which the page begins, as the key that it is.
    pub(super) fn after_key<K: Key>(&self) -> Result<Option<K>, ApiError> {
        self.after().map(|after| K::read(after).ok_or(ApiError::BadCursor)).transpose()
    }

    fn continued<I>(&self, items: Vec<I>, last: Option<Vec<u8>>) -> Page<I> {
        Page { items, cursor: last.map(|last| self.seal.close(&last)) }
    }

    /// What of a range comes after the cursor.
    pub(super) fn rest_of(&self, range: Range) -> Result<Range, ApiError> {
        let Some(after) = &self.after else { return Ok(range) };
        // The seal says that this query gave the key; a later version may walk another range for it.
        if *after < range.start || range.end.as_ref().is_some_and(|end| after >= end) {
            return Err(ApiError::BadCursor);
        }
        let mut start = after.clone();
        start.push(0);
        Ok(Range { start, end: range.end })
    }
}
