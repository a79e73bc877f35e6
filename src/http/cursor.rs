//! Cursors: where a list goes on, sealed so that a client can only hand back what it was given.
//!
//! A cursor is base64url of a code and a key of the store. The code is HMAC-SHA256 over the method, its
//! filters and the key, under a secret that the store made for itself: a cursor that was altered, or that
//! another query gave, does not open. It says nothing that the list itself does not show.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::error::ApiError;
use crate::tables::Metas;
use crate::tables::keys::MetaKey;
use crate::tables::rows::Meta;
use crate::tables::view::{ReadRows, Rows, RowsError};

/// Bytes of the code that are kept: 128 bits cannot be guessed, and cursors stay short.
const CODE_BYTES: usize = 16;

/// A filter parameter by name, with its value where it was given.
pub(super) type Filter<'a> = (&'static str, Option<&'a str>);

/// The secret that every store is made with.
pub(super) fn secret(rows: &dyn Rows) -> Result<Vec<u8>, RowsError> {
    match rows.get::<Metas>(&MetaKey::Secret)? {
        Some(Meta::Bytes(secret)) => Ok(secret),
        _ => Err(RowsError::Contradiction { what: "the store has no secret" }),
    }
}

/// The seal of one query's cursors.
pub(super) struct Seal(Hmac<Sha256>);

impl Seal {
    /// The seal of a method with these filters, in a fixed order.
    pub(super) fn new(rows: &dyn Rows, method: &str, filters: &[Filter<'_>]) -> Result<Self, RowsError> {
        let mut code =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&secret(rows)?).expect("any length is a key");
        write_part(&mut code, method);
        for (name, value) in filters {
            if let Some(value) = value {
                write_part(&mut code, name);
                write_part(&mut code, value);
            }
        }
        Ok(Self(code))
    }

    /// The cursor for going on after a key.
    pub(super) fn close(&self, key: &[u8]) -> String {
        let code = self.0.clone().chain_update(key).finalize().into_bytes();
        let mut bytes = code.get(..CODE_BYTES).expect("SHA-256 has 32 bytes").to_vec();
        bytes.extend_from_slice(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key in a cursor that this seal closed.
    pub(super) fn open(&self, cursor: &str) -> Result<Vec<u8>, ApiError> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| ApiError::BadCursor)?;
        let (code, key) = bytes.split_first_chunk::<CODE_BYTES>().ok_or(ApiError::BadCursor)?;
        let sealed = self.0.clone().chain_update(key);
        sealed.verify_truncated_left(code).map_err(|_| ApiError::BadCursor)?;
        Ok(key.to_vec())
    }
}

/// Adds a text that cannot run into the next one.
fn write_part(code: &mut Hmac<Sha256>, text: &str) {
    code.update(&u64::try_from(text.len()).expect("a length fits 64 bits").to_be_bytes());
    code.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{ApiError, Filter, Seal};
    use crate::store::Store;

    const METHOD: &str = "app.guestlist.listRounds";

    fn seal(store: &Store, method: &str, filters: &[Filter<'_>]) -> Seal {
        Seal::new(&*store.snapshot(), method, filters).unwrap()
    }

    #[test]
    fn opens_what_it_closed() {
        let store = Store::in_memory().unwrap();
        let seal = seal(&store, METHOD, &[("jam", Some("x"))]);
        for key in [&b""[..], b"k", &[0, 255, 7], &[7; 5000]] {
            assert_eq!(seal.open(&seal.close(key)).unwrap(), key);
        }
    }

    #[test]
    fn an_altered_cursor_does_not_open() {
        let store = Store::in_memory().unwrap();
        let seal = seal(&store, METHOD, &[]);
        let cursor = seal.close(b"some key of the store");
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(seal.open(&altered), Err(ApiError::BadCursor), "{altered}");
        }
        for altered in ["", "AAAA", "not base64!", &cursor[..cursor.len() - 4], &format!("{cursor}AAAA")] {
            assert_eq!(seal.open(altered), Err(ApiError::BadCursor), "{altered}");
        }
    }

    #[test]
    fn a_cursor_of_another_query_does_not_open() {
        let store = Store::in_memory().unwrap();
        let cursor = seal(&store, METHOD, &[("jam", Some("ab")), ("state", None)]).close(b"key");
        let others: [(&str, &[Filter<'_>]); 6] = [
            ("app.guestlist.listSignups", &[("jam", Some("ab"))]),
            (METHOD, &[]),
            (METHOD, &[("jam", Some("a"))]),
            (METHOD, &[("organizer", Some("ab"))]),
            (METHOD, &[("jam", Some("ab")), ("state", Some(""))]),
            (METHOD, &[("jam", Some("a")), ("b", None)]),
        ];
        for (method, filters) in others {
            assert_eq!(seal(&store, method, filters).open(&cursor), Err(ApiError::BadCursor));
        }
        let elsewhere = Store::in_memory().unwrap();
        let foreign = seal(&elsewhere, METHOD, &[("jam", Some("ab"))]);
        assert_eq!(foreign.open(&cursor), Err(ApiError::BadCursor));
    }
}
