//! The version of the key and row formats, and what a new store begins with.

use std::path::Path;

use super::{Store, StoreError};
use crate::records::lexicon;
use crate::tables::Metas;
use crate::tables::keys::MetaKey;
use crate::tables::rows::Meta;
use crate::tables::view::{Direction, Overlay, Range, ReadRows, Rows, RowsError};

/// The version that this program writes. Raised whenever a key or a row changes.
pub const VERSION: u64 = 6;

/// The earliest version whose records and accounts can be read (those of records before version 6 by `tables::earlier`
/// alone); what is derived from them is worked out anew before the store is used (`rebuild`).
const REBUILT_FROM: u64 = 1;

/// Bytes of the secret that seals cursors: the length of the hash that uses it.
const SECRET_BYTES: usize = 32;

/// Checks the version of an opened store, or writes what a new one needs.
pub(super) fn check(store: &Store, dir: &Path) -> Result<(), StoreError> {
    let found = {
        let rows = store.snapshot();
        match rows.get::<Metas>(&MetaKey::Schema)? {
            Some(Meta::Number(version)) => Some(version),
            Some(Meta::Bytes(_) | Meta::Unfinished(_)) => {
                return Err(RowsError::Contradiction { what: "the schema version is no number" }.into());
            }
            None if is_empty(&*rows)? => None,
            None => {
                return Err(RowsError::Contradiction { what: "there are rows but no schema version" }.into());
            }
        }
    };
    let dir = dir.to_owned();
    match found {
        None => found_store(store),
        Some(REBUILT_FROM..=VERSION) => Ok(()),
        Some(found) if found > VERSION => Err(StoreError::Newer { dir, found, known: VERSION }),
        Some(found) => Err(StoreError::Older { dir, found, known: VERSION }),
    }
}

fn is_empty(rows: &dyn Rows) -> Result<bool, RowsError> {
    let everything = Range { start: Vec::new(), end: None };
    rows.scan_bytes(everything, Direction::Ascending).next().transpose().map(|row| row.is_none())
}

fn found_store(store: &Store) -> Result<(), StoreError> {
    let mut secret = vec![0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(StoreError::Randomness)?;
    let changes = {
        let rows = store.snapshot();
        let mut overlay = Overlay::new(&*rows);
        overlay.put::<Metas>(&MetaKey::Schema, &Meta::Number(VERSION));
        overlay.put::<Metas>(&MetaKey::Secret, &Meta::Bytes(secret));
        overlay.put::<Metas>(&MetaKey::Lexicons, &Meta::Bytes(lexicon::fingerprint().to_vec()));
        overlay.into_changes()
    };
    store.commit(changes)
}
