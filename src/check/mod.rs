//! Recomputing everything that is derived from the stored records alone, and comparing.
//!
//! The records and what the sources said of accounts are taken from the store; grades, indexes, standings,
//! tallies and totals are worked out anew in memory and compared row by row. Agreement says that no order
//! of arrival, batch or restart left a trace. What people did here follows from nothing else, so of that the indexes are
//! worked out anew, and the rest has to bear itself out (`spaces`).

mod spaces;

use std::collections::BTreeSet;

use crate::filing;
use crate::records::NetworkGate;
use crate::rules::{accounts, authority};
use crate::spaces::sound::Counts;
use crate::store::{Store, StoreError};
use crate::tables::keys::StandingKey;
use crate::tables::rows::{AccountState, Standing};
use crate::tables::view::{Direction, Overlay, Range, ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{
    Accounts, Answers, Chunks, EventTallies, EventTimes, Invitations, Invited, Links, OwnEvents, Quarantine,
    Records, RoundTallies, Rounds, Rsvps, Signups, Sources, Standings, Submissions, Table, Totals,
};

/// Records that are put into memory in one go.
const BATCH_RECORDS: usize = 1000;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Stored records that were looked at.
    pub records: u64,
    /// Accounts that were looked at.
    pub accounts: u64,
    /// Rows of spaces that were looked at.
    pub procedures: Counts,
    /// What does not agree, readable by a person.
    pub differences: Vec<String>,
}

/// Checks a whole store. `progress` hears how many records were recomputed.
pub fn check(store: &Store, mut progress: impl FnMut(u64)) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let anew = Store::in_memory()?;
    let stored = store.freeze();
    copy_accounts(&stored, &anew, &mut report)?;
    loop {
        let done = recompute(&stored, &anew, &mut report)?;
        progress(report.records);
        if done {
            break;
        }
    }
    spaces::recompute(&stored, &anew)?;
    let anew = anew.snapshot();
    spaces::compare(&stored, &*anew, &mut report)?;
    compare::<Records>(&stored, &*anew, &mut report)?;
    compare::<Chunks>(&stored, &*anew, &mut report)?;
    compare::<Quarantine>(&stored, &*anew, &mut report)?;
    compare::<Rounds>(&stored, &*anew, &mut report)?;
    compare::<Signups>(&stored, &*anew, &mut report)?;
    compare::<Invitations>(&stored, &*anew, &mut report)?;
    compare::<Invited>(&stored, &*anew, &mut report)?;
    compare::<Submissions>(&stored, &*anew, &mut report)?;
    compare::<Links>(&stored, &*anew, &mut report)?;
    compare::<RoundTallies>(&stored, &*anew, &mut report)?;
    compare::<Rsvps>(&stored, &*anew, &mut report)?;
    compare::<Answers>(&stored, &*anew, &mut report)?;
    compare::<EventTimes>(&stored, &*anew, &mut report)?;
    compare::<OwnEvents>(&stored, &*anew, &mut report)?;
    compare::<EventTallies>(&stored, &*anew, &mut report)?;
    compare::<Totals>(&stored, &*anew, &mut report)?;
    compare_standings(&stored, &*anew, &mut report)?;
    Ok(report)
}

fn copy_accounts(stored: &dyn Rows, anew: &Store, report: &mut Report) -> Result<(), StoreError> {
    let base = anew.snapshot();
    let mut rows = Overlay::new(&*base);
    for row in stored.scan_all::<Sources>() {
        let (key, source) = row?;
        rows.put::<Sources>(&key, &source);
    }
    for row in stored.scan_all::<Accounts>() {
        let (did, mut account) = row?;
        report.accounts += 1;
        let state = account.decide_state(stored)?;
        if state != account.state {
            report
                .differences
                .push(format!("account {did}: stored {:?}, recomputed {state:?}", account.state));
            account.state = state;
        }
        filing::restore_account(&mut rows, &did, &account)?;
    }
    let changes = rows.into_changes();
    drop(base);
    anew.commit(changes)
}

/// Puts the next records into memory as if they had just come; `true` when there are no more.
fn recompute(stored: &dyn Rows, anew: &Store, report: &mut Report) -> Result<bool, StoreError> {
    let base = anew.snapshot();
    let last = base.last::<Records>(prefix_of::<Records>(|_| {}))?;
    let everything = prefix_of::<Records>(|_| {});
    let left = match last {
        None => everything,
        Some((id, _)) => {
            let mut start = crate::tables::view::key_of::<Records>(&id);
            start.push(0);
            Range { start, ..everything }
        }
    };
    let mut rows = Overlay::new(&*base);
    let mut count = 0;
    for row in stored.scan::<Records>(left).take(BATCH_RECORDS) {
        let (id, record) = row?;
        count += 1;
        let block = filing::block_of(stored, &id, &record)?;
        if block.fault.is_none() && !block.cid.matches(&block.bytes) {
            report.differences.push(format!("record {}: its bytes do not hash to its CID", id.uri()));
        }
        if accounts::state(stored, &id.did)? == AccountState::Deleted {
            report.differences.push(format!("record {}: its account was deleted", id.uri()));
        }
        filing::restore_record(&mut rows, &id, record.rev, &block)?;
    }
    let changes = rows.into_changes();
    drop(base);
    anew.commit(changes)?;
    report.records += u64::try_from(count).unwrap_or(u64::MAX);
    Ok(count < BATCH_RECORDS)
}

/// Compares a table as bytes and shows differing rows by their key.
fn compare<T: Table>(stored: &dyn Rows, anew: &dyn Rows, report: &mut Report) -> Result<(), RowsError> {
    let range = prefix_of::<T>(|_| {});
    let mut stored = stored.scan_bytes(range.clone(), Direction::Ascending).peekable();
    let mut anew = anew.scan_bytes(range, Direction::Ascending).peekable();
    loop {
        let order = match (stored.peek(), anew.peek()) {
            (None, None) => return Ok(()),
            (Some(Ok((stored, _))), Some(Ok((anew, _)))) => stored.cmp(anew),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(Err(_)), _) => std::cmp::Ordering::Less,
            (_, Some(Err(_))) => std::cmp::Ordering::Greater,
        };
        let left = if order.is_le() { stored.next().transpose()? } else { None };
        let right = if order.is_ge() { anew.next().transpose()? } else { None };
        if left != right {
            let what = match (&left, &right) {
                (Some(_), Some(_)) => "differs",
                (Some(_), None) => "is stored and should not be there",
                _ => "is missing",
            };
            let key = left.or(right).map(|(key, _)| key.escape_ascii().to_string()).unwrap_or_default();
            report.differences.push(format!("{} {key}: {what}", T::NAME));
        }
    }
}

/// Standings agree when the same people are in; the numbers that witness it depend on the order in which
/// the records came, so each is checked for what it claims.
fn compare_standings(stored: &dyn Rows, anew: &dyn Rows, report: &mut Report) -> Result<(), RowsError> {
    let mut keys: BTreeSet<StandingKey> = BTreeSet::new();
    for rows in [stored, anew] {
        for row in rows.scan_all::<Standings>() {
            keys.insert(row?.0);
        }
    }
    for key in keys {
        let (left, right) = (stored.get::<Standings>(&key)?, anew.get::<Standings>(&key)?);
        let name = || format!("standing of {} in {}", key.did, key.round.record().uri());
        if left.as_ref().map(without_numbers) != right.as_ref().map(without_numbers) {
            report.differences.push(format!("{}: stored {left:?}, recomputed {right:?}", name()));
        }
        for gate in [NetworkGate::Signup, NetworkGate::Contributed] {
            if !authority::is_witnessed(stored, &key, gate)? {
                report.differences.push(format!("{}: no chain leads there", name()));
            }
        }
    }
    Ok(())
}

fn without_numbers(standing: &Standing) -> Standing {
    Standing {
        network: standing.network.map(|_| 0),
        contributed: standing.contributed.map(|_| 0),
        ..standing.clone()
    }
}
