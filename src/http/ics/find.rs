//! Which events are in a feed: what has not ended by the beginning of the day, the soonest first, and then what ended within
//! the year before, the latest first, as many as there is room for.
//!
//! Cancelled ones are in it like all others, so that whoever has one in a calendar sees it. Of a person's answers those
//! count that are effective (RULES §3) and say that they come, or may.

use super::entry::{Entry, entry};
use crate::http::answer::Call;
use crate::http::calendar::{Calendar, When};
use crate::http::page::{PAGE_BYTES_MAX, ROWS_EXAMINED_MAX};
use crate::http::view::{Stored, live};
use crate::records::{Body, Event, Kind, Status};
use crate::rules::accounts;
use crate::rules::attendance::is_effective;
use crate::rules::calendar::has_ended;
use crate::syntax::Did;
use crate::tables::keys::{AnswerKey, RecordId, write_person};
use crate::tables::view::{ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{Answers, Records};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Entries of a feed. Calendars read all of it every time.
const ENTRIES_MAX: usize = 1_000;

/// How long a feed has what has ended.
const KEPT_DAYS: i64 = 365;

/// A day in UTC, and what is in a feed on it.
#[derive(Clone, Copy)]
struct Window {
    /// When the day begins.
    day: i64,
    /// What ended before this is too old.
    oldest: i64,
}

impl Window {
    fn at(now: i64) -> Self {
        let day = now - now.rem_euclid(MICROS_PER_DAY);
        Self { day, oldest: day - KEPT_DAYS * MICROS_PER_DAY }
    }
}

/// An event that may be in a feed.
struct Candidate {
    id: RecordId,
    event: Event,
    is_tentative: bool,
}

/// A feed that is being put together.
struct Gathered<'a> {
    call: &'a Call<'a>,
    entries: Vec<Entry>,
    record_bytes: usize,
}

impl<'a> Gathered<'a> {
    fn new(call: &'a Call<'a>) -> Self {
        Self { call, entries: Vec::new(), record_bytes: 0 }
    }

    /// Takes an event in if it is live. Says whether there may be room for another.
    fn take(&mut self, candidate: &Candidate) -> Result<bool, RowsError> {
        let Candidate { id, event, is_tentative } = candidate;
        let Some(record) = live(self.call.rows, id)? else { return Ok(true) };
        let stored = Stored::read(self.call.rows, id, &record)?;
        self.record_bytes += stored.bytes.len();
        if self.record_bytes > PAGE_BYTES_MAX {
            return Ok(false);
        }
        self.entries.extend(entry(self.call, (id, event), (&stored, record.rev), *is_tentative));
        Ok(self.entries.len() < ENTRIES_MAX)
    }
}

/// The events of an organizer.
pub(super) fn organized(call: &Call<'_>, organizer: &Did) -> Result<Vec<Entry>, RowsError> {
    let mut gathered = Gathered::new(call);
    let window = Window::at(call.now);
    let part = |when, since| Calendar {
        when,
        organizer: Some(organizer.clone()),
        from: None,
        to: None,
        since: Some(since),
    };
    let parts = [part(When::All, window.day), part(When::Past, window.oldest)];
    let found = parts.iter().flat_map(|part| part.walk(call.rows, None, window.day));
    for entry in found.take(ROWS_EXAMINED_MAX) {
        let entry = entry?;
        let candidate = Candidate { id: entry.slot.event, event: entry.event, is_tentative: false };
        if entry.is_asked && !gathered.take(&candidate)? {
            break;
        }
    }
    Ok(gathered.entries)
}

/// The events that somebody goes to, or may go to: of their latest answers.
pub(super) fn answered(call: &Call<'_>, author: &Did) -> Result<Vec<Entry>, RowsError> {
    let mut gathered = Gathered::new(call);
    if !accounts::is_active(call.rows, author)? {
        return Ok(gathered.entries);
    }
    let window = Window::at(call.now);
    let range = prefix_of::<Answers>(|key| write_person(author, key));
    let mut candidates = Vec::new();
    for row in call.rows.scan_back::<Answers>(range).take(ROWS_EXAMINED_MAX) {
        candidates.extend(answer(call.rows, row?.0, window)?);
    }
    candidates.sort_by_cached_key(|candidate| order(candidate, window));
    for candidate in &candidates {
        if !gathered.take(candidate)? {
            break;
        }
    }
    Ok(gathered.entries)
}

/// The event that an answer leads into the feed of its author.
fn answer(rows: &dyn Rows, key: AnswerKey, window: Window) -> Result<Option<Candidate>, RowsError> {
    let id = RecordId { did: key.author, kind: Kind::Rsvp, rkey: key.rkey };
    let Some(Body::Rsvp(rsvp)) = rows.get::<Records>(&id)?.and_then(|record| record.body) else {
        return Err(RowsError::Contradiction { what: "an answer of an index is not stored" });
    };
    let is_tentative = match rsvp.status {
        Status::Going => false,
        Status::Interested => true,
        Status::NotGoing | Status::Other => return Ok(None),
    };
    if !is_effective(rows, &id, &rsvp)? {
        return Ok(None);
    }
    let event = RecordId::from_uri(&rsvp.subject);
    let Some(id) = event.filter(|id| id.kind == Kind::Event) else { return Ok(None) };
    let Some(Body::Event(event)) = live(rows, &id)?.and_then(|record| record.body) else { return Ok(None) };
    let is_recent = has_ended(&event, window.oldest) == Some(false);
    Ok(is_recent.then_some(Candidate { id, event, is_tentative }))
}

/// The order in which there is room: that of the parts of [`organized`].
fn order(candidate: &Candidate, window: Window) -> (bool, i64, String) {
    let is_over = has_ended(&candidate.event, window.day) == Some(true);
    let start = candidate.event.start.map_or(0, |start| start.micros());
    (is_over, if is_over { -start } else { start }, candidate.id.uri())
}
