//! The ledger in the status: windows, accounts that are due, and one repository.
//!
//! Nothing here counts rows of accounts: how many there are is kept as numbers, and of those that fail a few are
//! looked for within bounds, so that a status costs the same in a store of any size.

use serde::Serialize;

use super::shown;
use crate::http::words;
use crate::records::Kind;
use crate::syntax::{Did, Tid};
use crate::tables::completeness::{Due, Stage, Sweep, Window};
use crate::tables::keys::{DueKey, MetaKey};
use crate::tables::view::{Range, ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{Accounts, Dues, Ledgers, number};

/// Accounts that fail of which something is said. Who has more has one cause for many, and looks at its host.
const FAILURES_SHOWN: usize = 20;

/// Accounts that are due at once, and as many that are due later, among which those that fail are looked for. A
/// sweep makes a whole network due, and a status must not read all of it.
const LOOKED_AT: usize = 1_000;

/// What was done about a time in which something may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WindowState {
    /// Nothing yet.
    Open,
    /// Every repository that may hold something wanted is compared with its host.
    Sweeping,
    /// Each was, or that failed and its account stays due.
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WindowView {
    how: &'static str,
    pub(super) noticed_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<u64>,
    pub(super) times: u64,
    pub(super) state: WindowState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sweep_began: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_attempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) closed_at: Option<String>,
    /// How, in words.
    #[serde(skip)]
    pub(super) words: &'static str,
}

impl WindowView {
    pub(super) fn of(window: &Window) -> Self {
        let state = match (window.closed, &window.sweep) {
            (Some(_), _) => WindowState::Closed,
            (None, Some(_)) => WindowState::Sweeping,
            (None, None) => WindowState::Open,
        };
        let sweep = window.sweep.as_ref();
        let is_open = window.is_open();
        Self {
            how: window.miss.how.name(),
            noticed_at: shown(window.miss.at),
            cursor: window.miss.cursor,
            times: window.times,
            state,
            stage: sweep.filter(|_| is_open).map(stage),
            listed: sweep.map(|sweep| sweep.listed),
            sweep_began: sweep.map(|sweep| shown(sweep.begun)),
            attempts: (window.attempts > 0).then_some(window.attempts),
            failure: window.failure.clone(),
            next_attempt: (is_open && window.next > 0).then(|| shown(window.next)),
            closed_at: window.closed.map(shown),
            words: words::of_miss(window.miss.how),
        }
    }
}

/// What a sweep does now: what it walks over, and after that it waits for those that it came by.
fn stage(sweep: &Sweep) -> &'static str {
    if sweep.ended.is_some() {
        return "comparing";
    }
    match sweep.stage {
        Stage::Collection(place) => {
            Kind::ALL.get(usize::from(place)).map_or("everything", |kind| kind.nsid())
        }
        Stage::Everything => "everything",
        Stage::Tracked => "tracked",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LedgerView {
    pub(super) tracked: u64,
    pub(super) due: u64,
    pub(super) failing: u64,
    pub(super) failures: Vec<FailureView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FailureView {
    pub(super) did: Did,
    #[serde(flatten)]
    pub(super) due: DueView,
}

/// A host that is to be asked about an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DueView {
    pub(super) cause: &'static str,
    pub(super) attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_attempt: Option<String>,
}

impl DueView {
    fn of(next: i64, due: Due) -> Self {
        let next_attempt = (next > 0).then(|| shown(next));
        Self { cause: due.cause.name(), attempts: due.attempts, reason: due.failure, next_attempt }
    }
}

impl LedgerView {
    pub(super) fn read(rows: &dyn Rows, tracked: u64) -> Result<Self, RowsError> {
        let (due, failing) = (number(rows, MetaKey::Due)?, number(rows, MetaKey::Failing)?);
        let failures = if failing == 0 { Vec::new() } else { failures(rows)? };
        Ok(Self { tracked, due, failing, failures })
    }

    /// Whether no host is to be asked about anybody.
    pub(super) fn is_settled(&self) -> bool {
        self.due == 0
    }
}

/// Accounts that fail, the next to be tried first. Those that are due at once may be very many, and few of them
/// failed before: what comes after them has a bound of its own.
fn failures(rows: &dyn Rows) -> Result<Vec<FailureView>, RowsError> {
    let all = prefix_of::<Dues>(|_| {});
    let later = prefix_of::<Dues>(|out| out.extend_from_slice(&1_i64.to_be_bytes())).start;
    let at_once = Range { start: all.start, end: Some(later.clone()) };
    let mut failures = Vec::new();
    for range in [at_once, Range { start: later, end: all.end }] {
        for row in rows.scan::<Dues>(range).take(LOOKED_AT) {
            let (DueKey { next, did }, due) = row?;
            if due.attempts > 0 {
                failures.push(FailureView { did, due: DueView::of(next, due) });
            }
            if failures.len() == FAILURES_SHOWN {
                return Ok(failures);
            }
        }
    }
    Ok(failures)
}

/// What is known of one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepositoryView {
    pub(super) did: Did,
    pub(super) tracked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rev: Option<String>,
    pub(super) verified: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compared_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compared_rev: Option<String>,
    pub(super) marks: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<DueView>,
}

impl RepositoryView {
    pub(super) fn read(rows: &dyn Rows, did: &Did) -> Result<Self, RowsError> {
        let account = rows.get::<Accounts>(did)?.unwrap_or_default();
        let ledger = rows.get::<Ledgers>(did)?.unwrap_or_default();
        let due = match ledger.due {
            None => None,
            Some(next) => {
                let due = rows.get::<Dues>(&DueKey { next, did: did.clone() })?;
                let what = "an account is due, and nothing says why";
                Some(DueView::of(next, due.ok_or(RowsError::Contradiction { what })?))
            }
        };
        Ok(Self {
            did: did.clone(),
            tracked: account.tracked,
            rev: account.rev.as_ref().map(Tid::to_string),
            verified: ledger.verified.name(),
            compared_at: ledger.compared.map(|compared| shown(compared.at)),
            compared_rev: ledger.compared.and_then(|compared| compared.rev).map(|rev| rev.to_string()),
            marks: account.marks.names().collect(),
            due,
        })
    }
}

/// How many repositories were compared with their hosts, by looking at every row of the ledger.
///
/// # Errors
/// The store cannot be read.
pub fn compared(rows: &dyn Rows) -> Result<u64, RowsError> {
    rows.scan_all::<Ledgers>().try_fold(0, |count, row| {
        let is_compared = row?.1.compared.is_some_and(|compared| compared.rev.is_some());
        Ok(count + u64::from(is_compared))
    })
}
