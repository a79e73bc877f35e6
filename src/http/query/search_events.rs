//! `community.lexicon.calendar.searchEvents`: events by words, by organizer, and by where they are.
//!
//! Wire-compatible with Smoke Signal (CONTRACT §4.1), with pages. The index says what is found and in which order; what is
//! shown is read from the store, so that nothing is shown that is gone. A cursor is a place in the results of one generation of
//! the index, at the time of its first page.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::event::event_view;
use crate::http::page::{Paging, ROWS_EXAMINED_MAX, Step};
use crate::http::params::LIMIT_MAX;
use crate::http::view::{FlatView, live};
use crate::search::{Absent, Generation, Search, Wanted};
use crate::syntax::Did;
use crate::tables::keys::RecordId;
use crate::tables::view::RowsError;

/// Results of a page when the client names no number (CONTRACT §4.1).
const LIMIT_DEFAULT: usize = 10;

/// Locations that may be asked for at once.
const LOCATIONS_MAX: usize = 100;

/// The methods of DIDs that there are repositories of.
const METHODS: [&str; 2] = ["did:plc:", "did:web:"];

/// A page of results.
#[derive(Default, Serialize)]
pub(in crate::http) struct Results {
    results: Vec<FlatView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Where in which results something is.
#[derive(Clone, Copy)]
struct Place {
    generation: u64,
    /// The time of the first page, which says what is upcoming, in microseconds since the epoch.
    asked: i64,
    /// How many come before it.
    number: u64,
}

impl Place {
    fn to_bytes(self) -> Vec<u8> {
        [self.generation.to_be_bytes(), self.asked.to_be_bytes(), self.number.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (generation, rest) = bytes.split_first_chunk()?;
        let (asked, rest) = rest.split_first_chunk()?;
        let number = rest.try_into().ok()?;
        Some(Self {
            generation: u64::from_be_bytes(*generation),
            asked: i64::from_be_bytes(*asked),
            number: u64::from_be_bytes(number),
        })
    }
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Results, Failure> {
    let params = call.params;
    // Forms send fields that were left empty.
    let query = params.optional("query")?.filter(|query| !query.trim().is_empty());
    let repository = params.optional("repository")?;
    let locations: Vec<&str> = params.each("location").filter(|cid| !cid.is_empty()).collect();
    if locations.len() > LOCATIONS_MAX {
        return Err(ApiError::BadParameter { name: "location", expected: "given at most 100 times" }.into());
    }
    let mut wanted = Wanted::text(query.unwrap_or_default()).map_err(ApiError::QueryTooLong)?;
    wanted.organizer = repository.map(organizer).transpose()?;
    wanted.locations = locations.iter().map(|cid| (*cid).to_owned()).collect();

    let mut filters = vec![("query", query), ("repository", repository)];
    filters.extend(locations.iter().map(|cid| ("location", Some(*cid))));
    let paging = Paging::within(LIMIT_DEFAULT, LIMIT_MAX, call, &filters)?;
    if wanted.is_empty() {
        return Ok(Results::default());
    }
    let search = &call.service.search;
    let after =
        paging.after().map(|place| Place::from_bytes(place).ok_or(ApiError::BadCursor)).transpose()?;
    let generation = search.generation(after.map(|place| place.generation)).map_err(told)?;
    let next = Place {
        generation: generation.number,
        asked: after.map_or(call.now, |place| place.asked),
        number: after.map_or(0, |place| place.number),
    };
    let (count, ready) = (paging.limit() + 1, VecDeque::new());
    let mut hits =
        Hits { search, generation: &generation, wanted: &wanted, next, count, ready, broken: None };
    let page = paging.walk(std::iter::from_fn(|| {
        let (place, id) = hits.next()?;
        Some(step(call, &id).map(|step| (place.to_bytes(), step)))
    }))?;
    if let Some(absent) = hits.broken {
        return Err(told(absent).into());
    }
    if page.cursor.is_some() {
        search.keep(&generation);
    }
    Ok(Results { results: page.items, cursor: page.cursor })
}

/// An event, if it is live.
fn step(call: &Call<'_>, id: &RecordId) -> Result<Step<FlatView>, RowsError> {
    let Some(record) = live(call.rows, id)? else { return Ok(Step::Passed) };
    event_view(call, id, &record).map(Step::Shown)
}

/// Whose events are asked for.
fn organizer(repository: &str) -> Result<Did, ApiError> {
    let is_known = METHODS.iter().any(|method| repository.starts_with(method));
    Did::parse(repository).ok().filter(|_| is_known).ok_or(ApiError::InvalidRepository)
}

fn told(absent: Absent) -> ApiError {
    match absent {
        Absent::Unavailable => ApiError::SearchUnavailable,
        Absent::Expired => ApiError::ExpiredCursor,
    }
}

/// What is found, some at a time.
struct Hits<'a> {
    search: &'a Search,
    generation: &'a Arc<Generation>,
    wanted: &'a Wanted,
    next: Place,
    /// How many are searched next. None when there are no more.
    count: usize,
    ready: VecDeque<RecordId>,
    broken: Option<Absent>,
}

impl Hits<'_> {
    /// The next one, and the place after it.
    fn next(&mut self) -> Option<(Place, RecordId)> {
        if self.ready.is_empty() && self.count > 0 {
            let skipped = usize::try_from(self.next.number).unwrap_or(usize::MAX);
            match self.search.find(self.generation, self.wanted, self.next.asked, skipped, self.count) {
                Ok(found) => self.ready.extend(found),
                Err(absent) => self.broken = Some(absent),
            }
            // Where many are gone, a second search finds all that a request looks at, and costs as much as the first.
            self.count = if self.ready.len() < self.count { 0 } else { ROWS_EXAMINED_MAX };
        }
        let id = self.ready.pop_front()?;
        self.next.number += 1;
        Some((self.next, id))
    }
}
