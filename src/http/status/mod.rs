//! How the service is doing: its sources, how much is stored, and what may be missing.
//!
//! A function of rows and of what a daemon knows beside them, used by the query `app.guestlist.getStatus` and by
//! the command line. It never follows from a connection alone that nothing is missing: that the ledger says.

mod completeness;
mod source;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use self::completeness::{LedgerView, RepositoryView};
use self::source::{Known, SourceView};
use super::answer::VERSION;
use crate::filing::totals;
use crate::records::Kind;
use crate::search::State;
use crate::sources::Board;
use crate::syntax::{Datetime, Did};
use crate::tables::completeness::Window;
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{Coverages, Sources};

pub use self::completeness::compared;

/// What a status is taken from.
pub struct Asked<'a> {
    /// The store as of one moment.
    pub rows: &'a dyn Rows,
    /// How the sources are doing; `None` where nobody follows them.
    pub sources: Option<&'a Board>,
    /// How the search index is doing; `None` where nobody keeps it.
    pub search: Option<State>,
    /// What the store takes on the disk.
    pub store_bytes: u64,
    /// Whose repository is asked about, if one is.
    pub did: Option<&'a Did>,
    /// The time, in microseconds since the epoch.
    pub now: i64,
}

/// How the service is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    version: &'static str,
    ready: bool,
    complete: bool,
    sources: Vec<SourceView>,
    ledger: LedgerView,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<RepositoryView>,
    records: Vec<RecordCount>,
    quarantined: u64,
    accounts: AccountCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<SearchView>,
    store_bytes: u64,
    /// Whether a daemon says this of itself.
    #[serde(skip)]
    is_served: bool,
    /// Windows of any source that are not closed.
    #[serde(skip)]
    windows: u64,
    /// Sources that are followed and whose past is not here.
    #[serde(skip)]
    pastless: u64,
}

/// How the search index is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SearchView {
    state: &'static str,
    /// What can be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
}

impl SearchView {
    fn of(state: State) -> Self {
        match state {
            State::Off => Self { state: "off", events: None },
            State::Filling => Self { state: "filling", events: None },
            State::Ready { events } => Self { state: "ready", events: Some(events) },
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct RecordCount {
    collection: &'static str,
    count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct AccountCounts {
    tracked: u64,
    inactive: u64,
    deleted: u64,
    marked: u64,
}

/// Takes the status.
///
/// # Errors
/// The store cannot be read or contradicts itself.
pub fn status(asked: &Asked<'_>) -> Result<Status, RowsError> {
    let rows = asked.rows;
    let totals = totals(rows)?;
    let count = |(kind, count): (&Kind, u64)| RecordCount { collection: kind.nsid(), count };
    let known = known(asked)?;
    let windows = known.values().filter(|known| known.window().is_some_and(Window::is_open)).count();
    let windows = u64::try_from(windows).unwrap_or(u64::MAX);
    let pastless = known.iter().filter(|(key, known)| known.lacks_its_past(key)).count();
    let pastless = u64::try_from(pastless).unwrap_or(u64::MAX);
    let ledger = LedgerView::read(rows, totals.tracked)?;
    Ok(Status {
        version: VERSION,
        ready: asked.sources.is_some_and(|board| board.is_ready(asked.now)),
        complete: windows == 0 && pastless == 0 && ledger.is_settled(),
        sources: source::views(known, asked.now),
        ledger,
        repository: asked.did.map(|did| RepositoryView::read(rows, did)).transpose()?,
        records: Kind::ALL.iter().zip(totals.records).map(count).collect(),
        quarantined: totals.quarantined,
        accounts: AccountCounts {
            tracked: totals.tracked,
            inactive: totals.inactive,
            deleted: totals.deleted,
            marked: totals.marked,
        },
        search: asked.search.map(SearchView::of),
        store_bytes: asked.store_bytes,
        is_served: asked.sources.is_some(),
        windows,
        pastless,
    })
}

/// What is known of every source that was ever read, and of those that are to be.
fn known(asked: &Asked<'_>) -> Result<Known, RowsError> {
    let mut known = Known::new();
    for row in asked.rows.scan_all::<Sources>() {
        let (key, row) = row?;
        known.entry(key).or_default().row = Some(row);
    }
    for row in asked.rows.scan_all::<Coverages>() {
        let (key, coverage) = row?;
        known.entry(key).or_default().coverage = Some(coverage);
    }
    for (key, status) in asked.sources.map_or_else(BTreeMap::new, Board::statuses) {
        known.entry(key).or_default().status = Some(status);
    }
    Ok(known)
}

/// A time as it is shown.
fn shown(micros: i64) -> String {
    Datetime::nearest(micros).to_string()
}
