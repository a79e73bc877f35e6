//! A walk over the calendar: events by when they begin, without a look at what cannot be among those that are asked for.
//!
//! The tables have the events in spans, by how long they last (`tables::keys::calendar`). Of each span a range of starts is
//! walked, and the walks are merged.

use std::iter::Peekable;

use super::page::Paging;
use crate::http::error::{ApiError, Failure};
use crate::records::Event;
use crate::rules::calendar::{has_ended, is_upcoming};
use crate::syntax::Did;
use crate::tables::keys::{EventTimeKey, Key, OwnEventKey, Slot, Span};
use crate::tables::view::{Direction, Range, ReadRows, Row, Rows, RowsError, prefix_of};
use crate::tables::{EventTimes, OwnEvents, Table};

/// Which events are asked for, by a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Those that may still be gone to, the first first.
    Upcoming,
    /// Those that have ended, the last first.
    Past,
    /// All, also those without a start; these come last.
    All,
}

impl When {
    /// The names of all of them.
    pub(super) const NAMES: [&'static str; 3] = ["upcoming", "past", "all"];

    /// The one of a name.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "past" => When::Past,
            "all" => When::All,
            _ => When::Upcoming,
        }
    }

    fn direction(self) -> Direction {
        if self == When::Past { Direction::Descending } else { Direction::Ascending }
    }

    /// Whether an event is one of these at a time.
    fn has(self, event: &Event, now: i64) -> bool {
        match self {
            When::Upcoming => is_upcoming(event, now),
            When::Past => has_ended(event, now) == Some(true),
            When::All => true,
        }
    }
}

/// A part of the calendar.
pub(super) struct Calendar {
    pub(super) when: When,
    /// The only organizer whose events are in it.
    pub(super) organizer: Option<Did>,
    /// The first start that is in it.
    pub(super) from: Option<i64>,
    /// The first start after it.
    pub(super) to: Option<i64>,
    /// What had ended before this time is not in it, nor is what has no start.
    pub(super) since: Option<i64>,
}

/// An event at its place in the order of the calendar.
pub(super) struct Entry {
    /// Its slot as it is written, by which walks go on.
    pub(super) place: Vec<u8>,
    pub(super) slot: Slot,
    pub(super) event: Event,
    /// Whether it is asked for. What is not had to be looked at all the same.
    pub(super) is_asked: bool,
}

type Slots<'a> = Box<dyn Iterator<Item = Result<(Slot, Event), RowsError>> + 'a>;
type Entries<'a> = Box<dyn Iterator<Item = Result<Entry, RowsError>> + 'a>;

impl Calendar {
    /// The entries after the cursor, in order.
    ///
    /// # Errors
    /// The cursor is none of this list.
    pub(super) fn page<'a>(
        &'a self,
        rows: &'a dyn Rows,
        paging: &Paging,
        now: i64,
    ) -> Result<impl Iterator<Item = Result<Entry, RowsError>> + 'a, Failure> {
        let after = paging.after_key::<Slot>()?;
        if after
            .as_ref()
            .is_some_and(|slot| self.organizer.as_ref().is_some_and(|did| *did != slot.event.did))
        {
            return Err(ApiError::BadCursor.into());
        }
        Ok(self.walk(rows, after.as_ref(), now))
    }

    /// The entries after a place, in order.
    pub(super) fn walk<'a>(
        &'a self,
        rows: &'a dyn Rows,
        after: Option<&Slot>,
        now: i64,
    ) -> impl Iterator<Item = Result<Entry, RowsError>> + use<'a> {
        // What has no start is in no window, and neither past nor to come.
        let is_windowed = [self.from, self.to, self.since].iter().any(Option::is_some);
        let without_start = self.when == When::All && !is_windowed;
        let spans = Span::with_start().chain(without_start.then_some(Span::WITHOUT_START));
        let walks = spans.filter_map(|span| self.walk_span(rows, span, after, now)).collect();
        Merged { walks, direction: self.when.direction() }
    }

    /// The entries of one span.
    fn walk_span<'a>(
        &'a self,
        rows: &'a dyn Rows,
        span: Span,
        after: Option<&Slot>,
        now: i64,
    ) -> Option<Peekable<Entries<'a>>> {
        let range = self.range(span, after, now)?;
        let direction = self.when.direction();
        let entry = move |slot: Slot, event: Event| {
            let mut place = Vec::new();
            slot.write(&mut place);
            let is_over = self.since.is_some_and(|since| has_ended(&event, since) != Some(false));
            let is_asked = self.when.has(&event, now) && !is_over;
            Entry { place, slot, event, is_asked }
        };
        let slots = match self.organizer {
            None => slots::<EventTimes>(rows, range, direction, |key| key.slot),
            Some(_) => slots::<OwnEvents>(rows, range, direction, |key| key.0.slot),
        };
        let entries: Entries<'a> =
            Box::new(slots.map(move |row| row.map(|(slot, event)| entry(slot, event))));
        Some(entries.peekable())
    }

    /// The keys of a span that are walked; `None` for none.
    fn range(&self, span: Span, after: Option<&Slot>, now: i64) -> Option<Range> {
        let all = self.prefix(|key| span.write(self.organizer.as_ref(), key));
        let from_start = |start: i64| {
            self.prefix(|key| {
                span.write(self.organizer.as_ref(), key);
                Slot::write_start(Some(start), key);
            })
            .start
        };
        let (open, over) = match self.when {
            When::Upcoming => (Some(span.earliest_open(now)), None),
            When::Past => (None, span.latest_over(now)),
            When::All => (None, None),
        };
        let since = self.since.map(|since| span.earliest_open(since));
        let mut start = [open, self.from, since].into_iter().flatten().max().map_or(all.start, from_start);
        let mut end = [over, self.to].into_iter().flatten().min().map(from_start).or(all.end);
        if let Some(after) = after {
            let key = EventTimeKey { span, slot: after.clone() };
            let mut last = self.prefix(|bytes| match &self.organizer {
                None => key.write(bytes),
                Some(_) => OwnEventKey(key).write(bytes),
            });
            if self.when.direction() == Direction::Ascending {
                last.start.push(0);
                start = start.max(last.start);
            } else {
                end = Some(end.map_or(last.start.clone(), |end| end.min(last.start)));
            }
        }
        end.as_ref().is_none_or(|end| start < *end).then_some(Range { start, end })
    }

    fn prefix(&self, write: impl FnOnce(&mut Vec<u8>)) -> Range {
        match self.organizer {
            None => prefix_of::<EventTimes>(write),
            Some(_) => prefix_of::<OwnEvents>(write),
        }
    }
}

/// The events of a range of one table, with their slots.
fn slots<'a, T: Table<Value = Event> + 'a>(
    rows: &'a dyn Rows,
    range: Range,
    direction: Direction,
    slot: fn(T::Key) -> Slot,
) -> Slots<'a> {
    let read = move |row: Result<Row<T>, RowsError>| row.map(|(key, event)| (slot(key), event));
    match direction {
        Direction::Ascending => Box::new(rows.scan::<T>(range).map(read)),
        Direction::Descending => Box::new(rows.scan_back::<T>(range).map(read)),
    }
}

/// Walks whose entries are taken in the order of all of them.
struct Merged<'a> {
    walks: Vec<Peekable<Entries<'a>>>,
    direction: Direction,
}

impl Iterator for Merged<'_> {
    type Item = Result<Entry, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut first: Option<(usize, Vec<u8>)> = None;
        for (number, walk) in self.walks.iter_mut().enumerate() {
            let place = match walk.peek() {
                None => continue,
                // Nothing comes before what went wrong.
                Some(Err(_)) => return walk.next(),
                Some(Ok(entry)) => &entry.place,
            };
            let is_before = first.as_ref().is_none_or(|(_, found)| match self.direction {
                Direction::Ascending => place < found,
                Direction::Descending => place > found,
            });
            if is_before {
                first = Some((number, place.clone()));
            }
        }
        let (number, _) = first?;
        self.walks.get_mut(number)?.next()
    }
}
