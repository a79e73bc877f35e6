//! Putting rows back as they were, with everything that is found by them.

use super::lines::Row;
use super::{audit, chats, invites, members, nonces, note_given, sessions, tickets};
use crate::syntax::TokenHash;
use crate::tables::keys::{MetaKey, NonceId};
use crate::tables::portal::Session;
use crate::tables::view::{Overlay, ReadRows, RowsError};
use crate::tables::{
    Audits, Chats, Codes, Invites, Members, Redemptions, Settings, Spaces, Tickets, Users, number,
};

/// Puts back a row, unless there is one in its place already: then it does nothing, and is `false`.
///
/// # Errors
/// The rows cannot be read.
pub fn row(rows: &mut Overlay<'_>, row: &Row) -> Result<bool, RowsError> {
    let is_taken = match row {
        Row::Space(id, _) => rows.get::<Spaces>(id)?.is_some(),
        Row::Invite(hash, _) => rows.get::<Invites>(hash)?.is_some(),
        Row::Redemption(key, _) => rows.get::<Redemptions>(key)?.is_some(),
        Row::Member(key, _) => rows.get::<Members>(key)?.is_some(),
        Row::Chat(number, _) => rows.get::<Chats>(number)?.is_some(),
        Row::Code(hash, _) => rows.get::<Codes>(hash)?.is_some(),
        Row::User(did, _) => rows.get::<Users>(did)?.is_some(),
        Row::Settings(event, _) => rows.get::<Settings>(event)?.is_some(),
        Row::Ticket(key, _) => rows.get::<Tickets>(key)?.is_some(),
        Row::Last(numbered, _) => number(rows, numbered.key())? != 0,
        Row::Audit(number, _) => rows.get::<Audits>(number)?.is_some(),
    };
    if !is_taken {
        again(rows, row)?;
    }
    Ok(!is_taken)
}

/// Writes a row as it is, and what it is found by anew.
///
/// # Errors
/// The rows cannot be read.
pub fn again(rows: &mut Overlay<'_>, row: &Row) -> Result<(), RowsError> {
    match row {
        Row::Space(id, space) => rows.put_or_delete::<Spaces>(id, space),
        Row::Invite(hash, invite) => invites::put(rows, *hash, invite),
        Row::Redemption(key, at) => rows.put::<Redemptions>(key, at),
        Row::Member(key, member) => members::put(rows, key, member),
        Row::Chat(number, chat) => chats::put(rows, *number, chat),
        Row::Code(hash, code) => rows.put::<Codes>(hash, code),
        Row::User(did, number) => rows.put::<Users>(did, number),
        Row::Settings(event, settings) => rows.put_or_delete::<Settings>(event, settings),
        Row::Ticket(key, ticket) => tickets::put(rows, key, ticket),
        Row::Last(numbered, last) => note_given(rows, numbered.key(), *last)?,
        Row::Audit(number, entry) => {
            audit::put(rows, *number, entry);
            // This one is what the next entry gets, and not what the last one got.
            note_given(rows, MetaKey::NextAudit, number.saturating_add(1))?;
        }
    }
    Ok(())
}

/// Puts back a session.
pub fn session(rows: &mut Overlay<'_>, hash: TokenHash, session: &Session) {
    sessions::put(rows, hash, session);
}

/// Puts back a service token that was used.
pub fn nonce(rows: &mut Overlay<'_>, id: NonceId, expires: u64) {
    nonces::put(rows, id, expires);
}
