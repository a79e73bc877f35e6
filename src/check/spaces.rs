//! The check of spaces: what finds their rows is worked out anew and compared, and what must hold between them is looked
//! at.

use super::{BATCH_RECORDS, Report, compare as compare_table};
use crate::spaces::lines::Row;
use crate::spaces::{restore, sound};
use crate::store::{Store, StoreError};
use crate::tables::view::{self, Overlay, ReadRows, Rows, RowsError};
use crate::tables::{
    Audits, Chats, Invites, Members, Memberships, NonceExpiries, Nonces, OpenChats, OpenInvites, PersonChats,
    PersonSessions, PersonTickets, Redemptions, SessionExpiries, Sessions, Settings, SpaceAudits,
    SpaceInvites, Spaces, Table, Tickets,
};

/// Puts every row of spaces into memory as an import would.
pub(super) fn recompute(stored: &dyn Rows, anew: &Store) -> Result<(), StoreError> {
    let put = |rows: &mut Overlay<'_>, row: Row| restore::row(rows, &row).map(|_| ());
    copy::<Spaces>(stored, anew, |rows, (id, space)| put(rows, Row::Space(id, space)))?;
    copy::<Invites>(stored, anew, |rows, (hash, invite)| put(rows, Row::Invite(hash, invite)))?;
    copy::<Redemptions>(stored, anew, |rows, (key, at)| put(rows, Row::Redemption(key, at)))?;
    copy::<Members>(stored, anew, |rows, (key, member)| put(rows, Row::Member(key, member)))?;
    copy::<Audits>(stored, anew, |rows, (number, entry)| put(rows, Row::Audit(number, entry)))?;
    copy::<Chats>(stored, anew, |rows, (number, chat)| put(rows, Row::Chat(number, chat)))?;
    copy::<Settings>(stored, anew, |rows, (event, settings)| put(rows, Row::Settings(event, settings)))?;
    copy::<Tickets>(stored, anew, |rows, (key, ticket)| put(rows, Row::Ticket(key, ticket)))?;
    copy::<Sessions>(stored, anew, |rows, (hash, session)| {
        restore::session(rows, hash, &session);
        Ok(())
    })?;
    copy::<Nonces>(stored, anew, |rows, (id, expires)| {
        restore::nonce(rows, id, expires);
        Ok(())
    })
}

/// Compares what finds the rows, and looks at what must hold between them.
pub(super) fn compare(stored: &dyn Rows, anew: &dyn Rows, report: &mut Report) -> Result<(), RowsError> {
    // A row that says nothing should not be there.
    compare_table::<Spaces>(stored, anew, report)?;
    compare_table::<SpaceInvites>(stored, anew, report)?;
    compare_table::<OpenInvites>(stored, anew, report)?;
    compare_table::<Memberships>(stored, anew, report)?;
    compare_table::<SpaceAudits>(stored, anew, report)?;
    compare_table::<NonceExpiries>(stored, anew, report)?;
    compare_table::<PersonChats>(stored, anew, report)?;
    compare_table::<OpenChats>(stored, anew, report)?;
    compare_table::<SessionExpiries>(stored, anew, report)?;
    compare_table::<PersonSessions>(stored, anew, report)?;
    compare_table::<Settings>(stored, anew, report)?;
    compare_table::<PersonTickets>(stored, anew, report)?;
    report.procedures = sound::look(stored, |what| report.differences.push(what))?;
    Ok(())
}

fn copy<T: Table>(
    stored: &dyn Rows,
    anew: &Store,
    put: impl Fn(&mut Overlay<'_>, view::Row<T>) -> Result<(), RowsError>,
) -> Result<(), StoreError> {
    let mut left = stored.scan_all::<T>().peekable();
    while left.peek().is_some() {
        anew.write::<StoreError>(|rows| {
            left.by_ref().take(BATCH_RECORDS).try_for_each(|row| Ok(put(rows, row?)?))
        })?;
    }
    Ok(())
}
