//! Putting rows back as they were, with everything that is found by them.

use super::lines::Row;
use super::{audit, invites, members, nonces};
use crate::tables::keys::{MetaKey, NonceId};
use crate::tables::rows::Meta;
use crate::tables::view::{Overlay, ReadRows, RowsError};
use crate::tables::{Audits, Invites, Members, Metas, Redemptions, Spaces, number};

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
        Row::Audit(number_of_it, entry) => {
            audit::put(rows, *number_of_it, entry);
            // Those that come later get greater numbers.
            let next = number(rows, MetaKey::NextAudit)?.max(number_of_it.saturating_add(1));
            rows.put::<Metas>(&MetaKey::NextAudit, &Meta::Number(next));
        }
    }
    Ok(())
}

/// Puts back a service token that was used.
pub fn nonce(rows: &mut Overlay<'_>, id: NonceId, expires: u64) {
    nonces::put(rows, id, expires);
}
