//! Keys of the calendar: events by when they begin, so that what has not ended yet is found without a look at all that has.
//!
//! What begins earlier need not end earlier, so an order by start alone has long events anywhere among those that are over.
//! The keys are therefore cut into spans, by how long an event lasts; within one the order is that of starts. Of a span
//! it is known that an event in it which has not ended did not begin longer ago than its bound, and that one which
//! has ended began before its lower bound. Who lists them merges the spans.

use super::{END, Key, RecordId, rkey, split_at, write_person};
use crate::records::{Event, Kind};
use crate::syntax::Did;

use super::events::{read_time, write_time};

/// How long an event lasts, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u8);

/// Where an event is in the order of the calendar: by its start, then by its URI. Those without a start come last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When it begins, in microseconds since the epoch.
    pub start: Option<i64>,
    /// The event.
    pub event: RecordId,
}

/// An event in the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTimeKey {
    /// How long it lasts.
    pub span: Span,
    /// Where it is among those that last as long.
    pub slot: Slot,
}

/// An event among those of its organizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnEventKey(pub EventTimeKey);

/// What a start is written as where there is none. No datetime is as late.
const NO_START: i64 = i64::MAX;

impl Span {
    /// Two to this power are the microseconds that an event of the shortest span lasts at most: nearly five hours, which
    /// is enough for most.
    const SHORTEST_BITS: u32 = 34;

    /// Every span may last four times as long as the one before: fewer would have more in them that is over, and each costs
    /// whoever reads a list a look.
    const FACTOR_BITS: u32 = 2;

    /// The spans of events that end no earlier than they begin. The last has room for ten thousand years.
    const LENGTHS: u8 = 14;

    /// That of events that end before they begin.
    const BACKWARDS: Self = Self(Self::LENGTHS);

    /// That of events without a start.
    pub const WITHOUT_START: Self = Self(Self::LENGTHS + 1);

    /// That of an event.
    fn of(event: &Event) -> Self {
        let Some(start) = event.start else { return Self::WITHOUT_START };
        let lasts = event.end.unwrap_or(start).micros() - start.micros();
        if lasts < 0 {
            return Self::BACKWARDS;
        }
        let fits = |span: &u8| lasts <= Self(*span).most();
        Self((0..Self::LENGTHS).find(fits).unwrap_or(Self::LENGTHS - 1))
    }

    /// Those of events with a start.
    pub fn with_start() -> impl Iterator<Item = Self> {
        (0..=Self::LENGTHS).map(Self)
    }

    fn most(self) -> i64 {
        1 << (Self::SHORTEST_BITS + Self::FACTOR_BITS * u32::from(self.0))
    }

    /// Whatever has not ended at a time begins at this one or later.
    pub fn earliest_open(self, now: i64) -> i64 {
        match self {
            // It ends before it begins, so it has not begun either.
            Self::BACKWARDS => now,
            span => now.saturating_sub(span.most()),
        }
    }

    /// Whatever has ended at a time begins before this one, if that is known.
    pub fn latest_over(self, now: i64) -> Option<i64> {
        match self {
            Self::BACKWARDS => None,
            Self(0) => Some(now),
            Self(span) => Some(now.saturating_sub(Self(span - 1).most())),
        }
    }

    /// Appends what the keys of a span begin with: of everybody's events, or of one organizer's.
    pub fn write(self, organizer: Option<&Did>, out: &mut Vec<u8>) {
        if let Some(organizer) = organizer {
            write_person(organizer, out);
        }
        out.push(self.0);
    }

    fn read(byte: u8) -> Option<Self> {
        (byte <= Self::WITHOUT_START.0).then_some(Self(byte))
    }
}

impl Slot {
    /// Appends what the keys of slots from a start on begin with.
    pub fn write_start(start: Option<i64>, out: &mut Vec<u8>) {
        write_time(start.unwrap_or(NO_START), out);
    }
}

impl EventTimeKey {
    /// Where a usable event is.
    pub fn new(id: &RecordId, event: &Event) -> Self {
        let slot = Slot { start: event.start.map(|start| start.micros()), event: id.clone() };
        Self { span: Span::of(event), slot }
    }
}

impl Key for Slot {
    fn write(&self, out: &mut Vec<u8>) {
        Slot::write_start(self.start, out);
        self.event.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (start, event) = read_time(bytes)?;
        let event = RecordId::read(event).filter(|event| event.kind == Kind::Event)?;
        Some(Self { start: (start != NO_START).then_some(start), event })
    }
}

impl Key for EventTimeKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.span.write(None, out);
        self.slot.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (span, slot) = bytes.split_first()?;
        Some(Self { span: Span::read(*span)?, slot: Slot::read(slot)? })
    }
}

impl Key for OwnEventKey {
    fn write(&self, out: &mut Vec<u8>) {
        let Self(EventTimeKey { span, slot }) = self;
        span.write(Some(&slot.event.did), out);
        Slot::write_start(slot.start, out);
        out.extend_from_slice(slot.event.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (did, rest) = split_at(bytes, END)?;
        let (span, rest) = rest.split_first()?;
        let (start, key) = read_time(rest)?;
        let event = RecordId { did: Did::read(did)?, kind: Kind::Event, rkey: rkey(key)? };
        let slot = Slot { start: (start != NO_START).then_some(start), event };
        Some(Self(EventTimeKey { span: Span::read(*span)?, slot }))
    }
}
