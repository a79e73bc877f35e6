//! Working out everything derived from the stored records anew, in place. The rows of spaces follow from none; what they
//! are found by does follow from them.
//!
//! Done when a lexicon has changed since the records were graded, when an earlier version wrote the store, and
//! when an operator asks for it. Readers see a store that is being filled, so nobody serves from it meanwhile;
//! a rebuild that was interrupted is begun again at the next start.

use crate::filing;
use crate::records::lexicon;
use crate::spaces::lines::Row;
use crate::spaces::restore;
use crate::store::{Store, StoreError, schema};
use crate::tables::earlier;
use crate::tables::keys::{MetaKey, RecordId};
use crate::tables::rows::{Meta, Record, Unfinished};
use crate::tables::view::{Direction, Overlay, Range, ReadRows, RowsError, key_of, prefix_of};
use crate::tables::{
    Accounts, Answers, Audits, Chats, EventTallies, EventTimes, Invitations, Invited, Invites, Links,
    Members, Memberships, Metas, NonceExpiries, Nonces, OpenChats, OpenInvites, OwnEvents, PersonChats,
    PersonSessions, PersonTickets, Quarantine, Records, RoundTallies, Rounds, Rsvps, SessionExpiries,
    Sessions, Signups, SpaceAudits, SpaceInvites, Standings, Submissions, Table, Tickets, Totals, number,
};

/// Rows that are written in one batch.
const BATCH_ROWS: usize = 1000;

/// Why a store has to be rebuilt before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The lexicons are others than those by which the records were graded.
    Lexicons,
    /// An earlier version wrote the store, without the indexes that there are now.
    Schema,
    /// A rebuild was interrupted.
    Interrupted,
}

/// Whether a store has to be rebuilt before it is used.
pub fn needed(store: &Store) -> Result<Option<Cause>, StoreError> {
    let rows = store.snapshot();
    match rows.get::<Metas>(&MetaKey::Unfinished)? {
        Some(Meta::Unfinished(Unfinished::Rebuild)) => return Ok(Some(Cause::Interrupted)),
        Some(Meta::Unfinished(Unfinished::Import)) => return Err(StoreError::HalfImported),
        _ => {}
    }
    if number(&*rows, MetaKey::Schema)? < schema::VERSION {
        return Ok(Some(Cause::Schema));
    }
    let graded_by = rows.get::<Metas>(&MetaKey::Lexicons)?;
    Ok((graded_by != Some(Meta::Bytes(lexicon::fingerprint().to_vec()))).then_some(Cause::Lexicons))
}

/// Rebuilds a store. `progress` hears how many records were done.
pub fn rebuild(store: &Store, mut progress: impl FnMut(u64)) -> Result<(), StoreError> {
    store.write::<StoreError>(|rows| {
        rows.put::<Metas>(&MetaKey::Unfinished, &Meta::Unfinished(Unfinished::Rebuild));
        Ok(())
    })?;
    wipe::<Quarantine>(store)?;
    wipe::<Rounds>(store)?;
    wipe::<Standings>(store)?;
    wipe::<Signups>(store)?;
    wipe::<Invitations>(store)?;
    wipe::<Invited>(store)?;
    wipe::<Submissions>(store)?;
    wipe::<Links>(store)?;
    wipe::<RoundTallies>(store)?;
    wipe::<Rsvps>(store)?;
    wipe::<Answers>(store)?;
    wipe::<EventTallies>(store)?;
    wipe::<EventTimes>(store)?;
    wipe::<OwnEvents>(store)?;
    wipe::<Totals>(store)?;
    wipe::<SpaceInvites>(store)?;
    wipe::<OpenInvites>(store)?;
    wipe::<Memberships>(store)?;
    wipe::<SpaceAudits>(store)?;
    wipe::<NonceExpiries>(store)?;
    wipe::<PersonChats>(store)?;
    wipe::<OpenChats>(store)?;
    wipe::<SessionExpiries>(store)?;
    wipe::<PersonSessions>(store)?;
    wipe::<PersonTickets>(store)?;
    find_again::<Invites>(store, |rows, hash, invite| restore::again(rows, &Row::Invite(hash, invite)))?;
    find_again::<Members>(store, |rows, key, member| restore::again(rows, &Row::Member(key, member)))?;
    find_again::<Audits>(store, |rows, number, entry| restore::again(rows, &Row::Audit(number, entry)))?;
    find_again::<Chats>(store, |rows, number, chat| restore::again(rows, &Row::Chat(number, chat)))?;
    find_again::<Tickets>(store, |rows, key, ticket| restore::again(rows, &Row::Ticket(key, ticket)))?;
    find_again::<Sessions>(store, |rows, hash, session| {
        restore::session(rows, hash, &session);
        Ok(())
    })?;
    find_again::<Nonces>(store, |rows, id, expires| {
        restore::nonce(rows, id, expires);
        Ok(())
    })?;
    accounts(store)?;
    let mut left = Some(prefix_of::<Records>(|_| {}));
    let mut done = 0;
    while let Some(range) = left {
        let (records, after) = regrade(store, range)?;
        done += records;
        progress(done);
        left = after;
    }
    store.write::<StoreError>(|rows| {
        rows.delete::<Metas>(&MetaKey::Unfinished);
        rows.put::<Metas>(&MetaKey::Schema, &Meta::Number(schema::VERSION));
        rows.put::<Metas>(&MetaKey::Lexicons, &Meta::Bytes(lexicon::fingerprint().to_vec()));
        Ok(filing::move_position(rows)?)
    })
}

/// Removes every row of a table.
fn wipe<T: Table>(store: &Store) -> Result<(), StoreError> {
    loop {
        let changes = {
            let rows = store.snapshot();
            let keys = rows.scan_bytes(prefix_of::<T>(|_| {}), Direction::Ascending).take(BATCH_ROWS);
            keys.map(|row| row.map(|(key, _)| (key, None))).collect::<Result<_, _>>()?
        };
        let changes: crate::tables::view::Changes = changes;
        if changes.is_empty() {
            return Ok(());
        }
        store.commit(changes)?;
    }
}

/// Has what the rows of a table are found by written anew. The rows themselves follow from nothing, and stay.
fn find_again<T: Table>(
    store: &Store,
    mut again: impl FnMut(&mut Overlay<'_>, T::Key, T::Value) -> Result<(), RowsError>,
) -> Result<(), StoreError> {
    let frozen = store.freeze();
    let mut rows = frozen.scan_all::<T>().peekable();
    while rows.peek().is_some() {
        store.write::<StoreError>(|overlay| {
            for row in rows.by_ref().take(BATCH_ROWS) {
                let (key, value) = row?;
                again(overlay, key, value)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Decides the state of every account again, and counts them.
fn accounts(store: &Store) -> Result<(), StoreError> {
    let frozen = store.freeze();
    let mut rows = frozen.scan_all::<Accounts>().peekable();
    while rows.peek().is_some() {
        store.write::<StoreError>(|overlay| {
            for row in rows.by_ref().take(BATCH_ROWS) {
                let (did, mut account) = row?;
                account.state = account.decide_state(overlay)?;
                filing::restore_account(overlay, &did, &account)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Grades the next records again and derives what follows; how many they were, and what is left.
fn regrade(store: &Store, range: Range) -> Result<(u64, Option<Range>), StoreError> {
    let records: Vec<_> = {
        let stored = store.snapshot();
        let page = earlier::scan_records(&*stored, range.clone()).take(BATCH_ROWS);
        let block = |row: Result<(RecordId, Record), RowsError>| {
            let (id, record) = row?;
            let block = filing::block_of(&*stored, &id, &record)?;
            Ok((id, record.rev, block))
        };
        page.map(block).collect::<Result<_, RowsError>>()?
    };
    store.write::<StoreError>(|rows| {
        Ok(records.iter().try_for_each(|(id, rev, block)| filing::restore_record(rows, id, *rev, block))?)
    })?;
    let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
    let last = records.last().map(|(id, ..)| id);
    let left = last.map(|last| Range { start: [key_of::<Records>(last), vec![0]].concat(), ..range });
    Ok((count, left))
}
