//! Service tokens count once: those that were used, for as long as they could be used again.
//!
//! They are remembered in the batch that does what the token was for, so that neither a crash nor a second daemon
//! after it lets one count twice.

use super::command::Nonce;
use crate::tables::keys::{NonceExpiryKey, NonceId};
use crate::tables::view::{Overlay, Range, ReadRows, RowsError, key_of, prefix_of};
use crate::tables::{NonceExpiries, Nonces};

/// Milliseconds in a second.
const MILLIS: i64 = 1_000;

/// Used tokens that are forgotten with each that is used: more than one, so that they become fewer.
const FORGOTTEN_AT_ONCE: usize = 8;

/// Notes that a token is used; `false` if it was used before, or waited for so long that nobody can tell any more.
pub(super) fn spend(rows: &mut Overlay<'_>, now: i64, nonce: &Nonce) -> Result<bool, RowsError> {
    let seconds = u64::try_from(now.div_euclid(MILLIS)).unwrap_or(0);
    forget(rows, seconds)?;
    if nonce.expires < seconds || rows.get::<Nonces>(&nonce.id)?.is_some() {
        return Ok(false);
    }
    put(rows, nonce.id, nonce.expires);
    Ok(true)
}

/// Writes the row of a used token, and where it is found when it has expired.
pub(super) fn put(rows: &mut Overlay<'_>, id: NonceId, expires: u64) {
    rows.put::<Nonces>(&id, &expires);
    rows.put::<NonceExpiries>(&NonceExpiryKey { expires, nonce: id }, &());
}

/// Forgets some tokens that have expired.
fn forget(rows: &mut Overlay<'_>, seconds: u64) -> Result<(), RowsError> {
    let everything = prefix_of::<NonceExpiries>(|_| {});
    let first_kept = NonceExpiryKey { expires: seconds, nonce: NonceId([0; 32]) };
    let range = Range { end: Some(key_of::<NonceExpiries>(&first_kept)), ..everything };
    let old: Vec<_> = rows
        .scan::<NonceExpiries>(range)
        .take(FORGOTTEN_AT_ONCE)
        .map(|row| row.map(|(key, ())| key))
        .collect::<Result<_, _>>()?;
    for key in old {
        rows.delete::<Nonces>(&key.nonce);
        rows.delete::<NonceExpiries>(&key);
    }
    Ok(())
}
