//! Who is logged in to the Portal. A session is opened by a service token and known by a secret in a cookie, of which
//! there is only the hash here.

use super::command::{Answer, By, Done, Refusal};
use super::note_given;
use crate::rules::accounts;
use crate::syntax::{Did, TokenHash};
use crate::tables::keys::{MetaKey, PersonSessionKey, SessionExpiryKey, write_person, write_session_until};
use crate::tables::portal::Session;
use crate::tables::rows::AccountState;
use crate::tables::view::{Overlay, Range, ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{PersonSessions, SessionExpiries, Sessions, Users, number};

/// Sessions that one person has at a time: as many as devices. One more ends the oldest.
const SESSIONS_MAX: usize = 20;

/// Sessions over their time that are forgotten with each that is opened: more than one, so that they become fewer.
const FORGOTTEN_AT_ONCE: usize = 8;

/// The session that a cookie names, if it has not ended.
///
/// # Errors
/// The rows cannot be read.
pub fn of(rows: &(impl Rows + ?Sized), hash: TokenHash, now: i64) -> Result<Option<Session>, RowsError> {
    Ok(rows.get::<Sessions>(&hash)?.filter(|session| session.expires_at > now))
}

/// The number under which the Portal shows somebody; none if they never logged in, or their account is deleted.
///
/// # Errors
/// The rows cannot be read.
pub fn shown_user(rows: &(impl Rows + ?Sized), did: &Did) -> Result<Option<u64>, RowsError> {
    match accounts::state(rows, did)? {
        AccountState::Deleted => Ok(None),
        AccountState::Active | AccountState::Inactive => rows.get::<Users>(did),
    }
}

/// Opens a session, in place of the one that came with the call.
pub(super) fn open(
    rows: &mut Overlay<'_>,
    now: i64,
    hash: TokenHash,
    session: &Session,
    instead_of: Option<TokenHash>,
) -> Result<Answer, RowsError> {
    forget(rows, now)?;
    if let Some(before) = instead_of {
        close(rows, before)?;
    }
    if rows.get::<Sessions>(&hash)?.is_some() {
        return Err(RowsError::Contradiction { what: "a session has the secret of another" });
    }
    let others = of_person(rows, &session.did)?;
    let too_many = (others.len() + 1).saturating_sub(SESSIONS_MAX);
    for key in others.iter().take(too_many) {
        close(rows, key.hash)?;
    }
    put(rows, hash, session);
    Ok(Ok(Done::Session { user: user(rows, &session.did)? }))
}

/// Ends the session by which it is asked.
pub(super) fn end(rows: &mut Overlay<'_>, by: &By) -> Result<Answer, RowsError> {
    match by {
        By::Session { hash, .. } => Ok(Ok(Done::Changed(close(rows, *hash)?))),
        By::Caller { .. } | By::Operator => Ok(Err(Refusal::NoSession)),
    }
}

/// Ends every session of a person; how many there were.
pub(super) fn end_all(rows: &mut Overlay<'_>, did: &Did) -> Result<usize, RowsError> {
    let all = of_person(rows, did)?;
    for key in &all {
        close(rows, key.hash)?;
    }
    Ok(all.len())
}

/// The number of somebody who logs in, given with their first session.
fn user(rows: &mut Overlay<'_>, did: &Did) -> Result<u64, RowsError> {
    if let Some(user) = rows.get::<Users>(did)? {
        return Ok(user);
    }
    let user = number(rows, MetaKey::LastUser)? + 1;
    rows.put::<Users>(did, &user);
    note_given(rows, MetaKey::LastUser, user)?;
    Ok(user)
}

/// Writes the row of a session, and where it is found.
pub(super) fn put(rows: &mut Overlay<'_>, hash: TokenHash, session: &Session) {
    let expires_at = session.expires_at;
    rows.put::<Sessions>(&hash, session);
    rows.put::<SessionExpiries>(&SessionExpiryKey { expires_at, hash }, &());
    rows.put::<PersonSessions>(&PersonSessionKey { did: session.did.clone(), expires_at, hash }, &());
}

/// Removes a session; `false` if there is none.
fn close(rows: &mut Overlay<'_>, hash: TokenHash) -> Result<bool, RowsError> {
    let Some(Session { did, expires_at }) = rows.get::<Sessions>(&hash)? else { return Ok(false) };
    rows.delete::<Sessions>(&hash);
    rows.delete::<SessionExpiries>(&SessionExpiryKey { expires_at, hash });
    rows.delete::<PersonSessions>(&PersonSessionKey { did, expires_at, hash });
    Ok(true)
}

/// The sessions of a person, the first to end first.
fn of_person(rows: &Overlay<'_>, did: &Did) -> Result<Vec<PersonSessionKey>, RowsError> {
    let range = prefix_of::<PersonSessions>(|key| write_person(did, key));
    rows.scan::<PersonSessions>(range).map(|row| row.map(|(key, ())| key)).collect()
}

/// Forgets some sessions that have ended.
fn forget(rows: &mut Overlay<'_>, now: i64) -> Result<(), RowsError> {
    let everything = prefix_of::<SessionExpiries>(|_| {});
    let of_now = prefix_of::<SessionExpiries>(|key| write_session_until(now, key));
    let range = Range { end: of_now.end, ..everything };
    let old = rows.scan::<SessionExpiries>(range).take(FORGOTTEN_AT_ONCE);
    let old: Vec<_> = old.map(|row| row.map(|(key, ())| key.hash)).collect::<Result<_, _>>()?;
    for hash in old {
        close(rows, hash)?;
    }
    Ok(())
}
