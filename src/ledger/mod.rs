//! The ledger: which accounts their hosts are to be asked about, what was compared with its host, and which times
//! of a source may be missing.
//!
//! Pure: whoever asks brings the time. Nothing here decides an answer. An account is due when something of it may be
//! missing, or when nothing is known of it. It stays due until its host has said what there is; as long as that fails,
//! with the reason and the next attempt. Spec: PROTOCOL §4.6, FAULTS 8 and 16.

mod windows;

use crate::syntax::{Did, Tid};
use crate::tables::completeness::{Asking, Cause, Compared, Due, Ledger, Verified};
use crate::tables::keys::{DueKey, MetaKey, RecordId, write_repository};
use crate::tables::rows::{Marks, Meta};
use crate::tables::view::{Overlay, ReadRows, RowsError, prefix_of};
use crate::tables::{Accounts, Dues, Ledgers, Metas, Touched, number};

pub use self::windows::{FIRST_STAGE, Note, Step, note};

/// The longest wait between two attempts, in microseconds: an hour.
const WAIT_MAX: i64 = 3_600_000_000;

/// Bytes of a reason that are kept. They are our own words, with a host's name in them at most.
const FAILURE_BYTES_MAX: usize = 300;

/// What is known of the completeness of a repository.
pub fn of(rows: &Overlay<'_>, did: &Did) -> Result<Ledger, RowsError> {
    Ok(rows.get::<Ledgers>(did)?.unwrap_or_default())
}

/// The host of an account is to be asked about it. One that is due already stays where it is, unless somebody asks
/// for it by name.
pub fn due(rows: &mut Overlay<'_>, did: &Did, cause: Cause, listed: Option<i64>) -> Result<(), RowsError> {
    let ledger = of(rows, did)?;
    let Some(mut due) = take(rows, did, &ledger)? else {
        let due = Due { cause, listed, attempts: 0, failure: None };
        return put(rows, did, ledger, 0, &due);
    };
    due.cause = due.cause.max(cause);
    due.listed = due.listed.or(listed);
    if cause == Cause::Named {
        due.attempts = 0;
        return put(rows, did, ledger, 0, &due);
    }
    let next = ledger.due.unwrap_or(0);
    put(rows, did, ledger, next, &due)
}

/// A record refers to an account: somebody has to know how it stands.
pub fn refer(rows: &mut Overlay<'_>, did: &Did) -> Result<(), RowsError> {
    let is_known = rows.get::<Accounts>(did)?.is_some() || rows.get::<Ledgers>(did)?.is_some();
    if is_known { Ok(()) } else { due(rows, did, Cause::Referenced, None) }
}

/// A source has spoken of an account for the first time: nobody has to be asked how it stands.
pub fn heard_of(rows: &mut Overlay<'_>, did: &Did) -> Result<(), RowsError> {
    let Some(ledger) = rows.get::<Ledgers>(did)? else { return Ok(()) };
    let Some(due) = due_of(rows, did, &ledger)? else { return Ok(()) };
    // One that is being asked is due until there is an answer: what comes meanwhile is noted until then.
    if due.cause > Cause::Referenced || ledger.asking.is_some() {
        return Ok(());
    }
    take(rows, did, &ledger)?;
    save(rows, did, Ledger { due: None, ..ledger });
    Ok(())
}

/// A commit of a tracked repository was applied: how it was proved, and which records it wrote.
pub fn applied(
    rows: &mut Overlay<'_>,
    did: &Did,
    rev: Tid,
    verified: Verified,
    written: impl Iterator<Item = RecordId>,
) -> Result<(), RowsError> {
    let ledger = of(rows, did)?;
    if ledger.asking.is_some() {
        written.for_each(|id| rows.put::<Touched>(&id, &rev));
    }
    if ledger.verified != verified {
        save(rows, did, Ledger { verified, ..ledger });
    }
    Ok(())
}

/// The host is asked for the whole repository from now on. What is written meanwhile is noted.
pub fn asked(rows: &mut Overlay<'_>, did: &Did, known: Option<Tid>, marks: Marks) -> Result<(), RowsError> {
    forget_touched(rows, did)?;
    let ledger = of(rows, did)?;
    save(rows, did, Ledger { asking: Some(Asking { known, needed: None, applying: None, marks }), ..ledger });
    Ok(())
}

/// The whole repository has come from elsewhere at this revision: what the host sends may not be older.
pub fn outdone(rows: &mut Overlay<'_>, did: &Did, rev: Tid) -> Result<(), RowsError> {
    let Some(asking) = of(rows, did)?.asking else { return Ok(()) };
    applying(rows, did, Asking { known: asking.known.max(Some(rev)), applying: None, ..asking })
}

/// What the host sends must hold this revision: what came meanwhile follows on it.
pub fn needs(rows: &mut Overlay<'_>, did: &Did, rev: Tid) -> Result<(), RowsError> {
    let ledger = of(rows, did)?;
    let Some(asking) = ledger.asking.filter(|asking| asking.needed < Some(rev)) else { return Ok(()) };
    applying(rows, did, Asking { needed: Some(rev), ..asking })
}

/// A part of what the host sent is applied.
pub fn applying(rows: &mut Overlay<'_>, did: &Did, asking: Asking) -> Result<(), RowsError> {
    let ledger = of(rows, did)?;
    save(rows, did, Ledger { asking: Some(asking), ..ledger });
    Ok(())
}

/// Why the host of an account is to be asked, if it is.
pub fn cause(rows: &Overlay<'_>, did: &Did, ledger: &Ledger) -> Result<Option<Cause>, RowsError> {
    Ok(due_of(rows, did, ledger)?.map(|due| due.cause))
}

/// Whether a record was written, while its host was asked, by a later revision than what the host sent.
pub fn is_later(rows: &Overlay<'_>, id: &RecordId, rev: Tid) -> Result<bool, RowsError> {
    Ok(rows.get::<Touched>(id)?.is_some_and(|touched| touched > rev))
}

/// The host has said what there is. `again`: something may be missing again, and it is to be asked at that time.
pub fn compared(
    rows: &mut Overlay<'_>,
    did: &Did,
    found: Compared,
    again: Option<i64>,
) -> Result<(), RowsError> {
    forget_touched(rows, did)?;
    let ledger = of(rows, did)?;
    let due = take(rows, did, &ledger)?;
    let ledger = Ledger { compared: Some(found), asking: None, due: None, ..ledger };
    if let Some(listed) = due.as_ref().and_then(|due| due.listed)
        && windows::began_after(rows, found.at)?
    {
        // It was asked before something was missed that a sweep makes up for: once more, for that.
        let cause = if again.is_some() { Cause::Marked } else { Cause::Listed };
        let due = Due { cause, listed: Some(listed), attempts: 0, failure: None };
        return put(rows, did, ledger, again.unwrap_or(0), &due);
    }
    let referenced = due.is_some_and(|due| due.cause == Cause::Referenced);
    match again {
        Some(next) => {
            let due = Due { cause: Cause::Marked, listed: None, attempts: 0, failure: None };
            put(rows, did, ledger, next, &due)
        }
        // Of somebody who has nothing here, and whom nothing names, nothing is kept.
        None if !referenced && rows.get::<Accounts>(did)?.is_none() => {
            rows.delete::<Ledgers>(did);
            Ok(())
        }
        None => {
            save(rows, did, ledger);
            Ok(())
        }
    }
}

/// The records of an account are gone. What its host sends of them now is not taken: half of it is gone too.
pub fn purged(rows: &mut Overlay<'_>, did: &Did) -> Result<(), RowsError> {
    forget_touched(rows, did)?;
    if let Some(ledger) = rows.get::<Ledgers>(did)?.filter(|ledger| ledger.asking.is_some()) {
        save(rows, did, Ledger { asking: None, ..ledger });
    }
    Ok(())
}

/// What the host said does not suffice any more: it is asked for all of the repository, from that time on.
pub fn again(rows: &mut Overlay<'_>, did: &Did, next: i64) -> Result<(), RowsError> {
    let ledger = of(rows, did)?;
    let Some(due) = take(rows, did, &ledger)? else { return Ok(()) };
    let due = Due { cause: due.cause.max(Cause::FirstSeen), ..due };
    put(rows, did, ledger, next.max(0), &due)
}

/// It failed. The waits between attempts double, from `retry` to an hour.
pub fn failed(rows: &mut Overlay<'_>, did: &Did, failure: &Failure<'_>) -> Result<(), RowsError> {
    forget_touched(rows, did)?;
    let ledger = of(rows, did)?;
    let is_needed = ledger.asking.is_some_and(|asking| asking.needed.is_some());
    let ledger = Ledger { asking: None, ..ledger };
    let Some(due) = take(rows, did, &ledger)? else {
        save(rows, did, ledger);
        // It was asked for nothing that is known to be missing; meanwhile something is.
        return if is_needed { self::due(rows, did, Cause::FirstSeen, None) } else { Ok(()) };
    };
    let wait = failure.retry.saturating_mul(1 << due.attempts.min(20)).clamp(0, WAIT_MAX);
    let next = failure.at.saturating_add(wait).max(failure.not_before.unwrap_or(0)).max(0);
    let mut why = failure.why.to_owned();
    why.truncate(why.floor_char_boundary(FAILURE_BYTES_MAX));
    let due = Due { attempts: due.attempts.saturating_add(1), failure: Some(why.into()), ..due };
    put(rows, did, ledger, next, &due)
}

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// Why, in words.
    pub why: &'a str,
    /// When it was made.
    pub at: i64,
    /// How long to wait after the first that failed.
    pub retry: i64,
    /// When the next may be made at the earliest.
    pub not_before: Option<i64>,
}

/// The row of an account that is due.
fn due_of(rows: &Overlay<'_>, did: &Did, ledger: &Ledger) -> Result<Option<Due>, RowsError> {
    let Some(next) = ledger.due else { return Ok(None) };
    let due = rows.get::<Dues>(&DueKey { next, did: did.clone() })?;
    due.map(Some).ok_or(RowsError::Contradiction { what: "an account is due, and nothing says why" })
}

/// Takes an account from those that are due. The caller writes its ledger.
fn take(rows: &mut Overlay<'_>, did: &Did, ledger: &Ledger) -> Result<Option<Due>, RowsError> {
    let Some(due) = due_of(rows, did, ledger)? else { return Ok(None) };
    rows.delete::<Dues>(&DueKey { next: ledger.due.unwrap_or(0), did: did.clone() });
    count(rows, MetaKey::Due, false)?;
    if due.attempts > 0 {
        count(rows, MetaKey::Failing, false)?;
    }
    Ok(Some(due))
}

/// Puts an account among those that are due.
fn put(rows: &mut Overlay<'_>, did: &Did, ledger: Ledger, next: i64, due: &Due) -> Result<(), RowsError> {
    rows.put::<Dues>(&DueKey { next, did: did.clone() }, due);
    count(rows, MetaKey::Due, true)?;
    if due.attempts > 0 {
        count(rows, MetaKey::Failing, true)?;
    }
    save(rows, did, Ledger { due: Some(next), ..ledger });
    Ok(())
}

fn save(rows: &mut Overlay<'_>, did: &Did, ledger: Ledger) {
    rows.put_or_delete::<Ledgers>(did, &ledger);
}

fn count(rows: &mut Overlay<'_>, key: MetaKey, more: bool) -> Result<(), RowsError> {
    let before = number(rows, key)?;
    let after = if more { before.checked_add(1) } else { before.checked_sub(1) };
    let after = after.ok_or(RowsError::Contradiction { what: "a count of the ledger fell below zero" })?;
    rows.put::<Metas>(&key, &Meta::Number(after));
    Ok(())
}

fn forget_touched(rows: &mut Overlay<'_>, did: &Did) -> Result<(), RowsError> {
    let range = prefix_of::<Touched>(|key| write_repository(did, key));
    let touched: Vec<_> = rows.scan::<Touched>(range).collect::<Result<_, _>>()?;
    touched.iter().for_each(|(id, _)| rows.delete::<Touched>(id));
    Ok(())
}
