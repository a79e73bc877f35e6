//! What was committed since the engine's own files were last known to be on the disk.
//!
//! A commit is one entry: its length, its changes, a check of each. Once an entry is synced the commit
//! survives anything; the engine may then write rows one by one, in its own time. After a crash every entry
//! is written again, oldest first, which ends in the state after the last one whatever had been done. What
//! is no entry at the end was never acknowledged, whatever parts of it have reached the disk; with an entry
//! after it, it was, and the file is damaged.
#![allow(clippy::disallowed_methods, reason = "a shell: it owns a file")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::tables::view::Changes;

/// What the file begins with, so that another version's is not taken for one that was cut short.
const MAGIC: &[u8; 8] = b"journal\x01";

/// Bytes before the changes of an entry: their length, a check of it, a check of them.
const HEAD_BYTES: usize = 4 + 4 + 8;

/// The length that stands for a row that is removed.
const REMOVED: u32 = u32::MAX;

/// The file of entries.
pub(super) struct Journal {
    file: File,
    /// Its length, as far as it is known to be good.
    end: usize,
}

impl Journal {
    /// Opens or makes the journal at `path` and gives each entry in it, oldest first, to `redo`.
    ///
    /// # Errors
    /// Those of `redo`; `InvalidData` when an entry before the last is not what was written.
    pub(super) fn open(path: &Path, mut redo: impl FnMut(Changes) -> io::Result<()>) -> io::Result<Self> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let mut written = Vec::new();
        file.read_to_end(&mut written)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the journal is damaged");
        if !written.starts_with(MAGIC) {
            let was_begun = MAGIC.starts_with(&written) || written == [0; MAGIC.len()];
            return if was_begun { Self::begin(file) } else { Err(damaged()) };
        }
        let mut end = MAGIC.len();
        while let Some((changes, next)) = entry_at(&written, end) {
            redo(changes)?;
            end = next;
        }
        if (end..written.len()).any(|at| entry_at(&written, at).is_some()) {
            return Err(damaged());
        }
        file.set_len(wide(end))?;
        Ok(Self { file, end })
    }

    /// Makes an empty journal.
    fn begin(mut file: File) -> io::Result<Self> {
        file.set_len(0)?;
        file.write_all(MAGIC)?;
        file.sync_all()?;
        Ok(Self { file, end: MAGIC.len() })
    }

    /// Writes an entry; when this returns it is on the disk.
    pub(super) fn append(&mut self, changes: &Changes) -> io::Result<()> {
        let payload = encode(changes)?;
        let length = length_of(&payload)?.to_le_bytes();
        let mut entry = Vec::with_capacity(HEAD_BYTES + payload.len());
        entry.extend_from_slice(&length);
        entry.extend_from_slice(&check_of_length(self.end, length));
        entry.extend_from_slice(&check(&payload));
        entry.extend_from_slice(&payload);
        self.file.write_all(&entry)?;
        self.file.sync_data()?;
        self.end += entry.len();
        Ok(())
    }

    /// Forgets every entry: the engine's own files hold what they say.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(wide(MAGIC.len()))?;
        self.file.sync_data()?;
        self.end = MAGIC.len();
        Ok(())
    }

    /// Bytes that there are to write again after a crash.
    pub(super) fn bytes(&self) -> usize {
        self.end - MAGIC.len()
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn check(payload: &[u8]) -> [u8; 8] {
    let hash = Sha256::digest(payload);
    *hash.first_chunk().expect("SHA-256 has 32 bytes")
}

/// The check of an entry's length also says where in the file the entry begins, so that bytes inside of an
/// entry, which a stranger may have chosen, are never taken for one.
fn check_of_length(at: usize, length: [u8; 4]) -> [u8; 4] {
    let hash = Sha256::new().chain_update(wide(at).to_le_bytes()).chain_update(length).finalize();
    *hash.first_chunk().expect("SHA-256 has 32 bytes")
}

fn length_of(bytes: &[u8]) -> io::Result<u32> {
    let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, "a batch of four gigabytes");
    u32::try_from(bytes.len()).ok().filter(|length| *length != REMOVED).ok_or_else(too_long)
}

fn encode(changes: &Changes) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    for (key, value) in changes {
        put(&mut payload, key)?;
        match value {
            Some(value) => put(&mut payload, value)?,
            None => payload.extend_from_slice(&REMOVED.to_le_bytes()),
        }
    }
    Ok(payload)
}

fn put(payload: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    payload.extend_from_slice(&length_of(bytes)?.to_le_bytes());
    payload.extend_from_slice(bytes);
    Ok(())
}

/// The entry that begins at a place, and where it ends; `None` where there is no whole one.
fn entry_at(written: &[u8], at: usize) -> Option<(Changes, usize)> {
    let (length, rest) = written.get(at..)?.split_first_chunk::<4>()?;
    let (length_check, rest) = rest.split_first_chunk::<4>()?;
    let (payload_check, rest) = rest.split_first_chunk::<8>()?;
    let payload = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    if check_of_length(at, *length) != *length_check || check(payload) != *payload_check {
        return None;
    }
    Some((decode(payload)?, at + HEAD_BYTES + payload.len()))
}

fn decode(mut payload: &[u8]) -> Option<Changes> {
    let mut changes = Changes::new();
    while !payload.is_empty() {
        let key = take(&mut payload)?.to_vec();
        if payload.starts_with(&REMOVED.to_le_bytes()) {
            payload = payload.get(4..)?;
            changes.insert(key, None);
        } else {
            changes.insert(key, Some(take(&mut payload)?.to_vec()));
        }
    }
    Some(changes)
}

fn take<'a>(payload: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = payload.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    *payload = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Changes, Journal};

    fn batches() -> Vec<Changes> {
        let row = |key: &str, value: Option<&str>| (key.into(), value.map(Into::into));
        vec![
            Changes::from([row("a", Some("1")), row("b", Some(""))]),
            Changes::new(),
            Changes::from([row("a", None), row("", Some("no key")), row(&"k".repeat(400), Some("long"))]),
        ]
    }

    fn entries(path: &std::path::Path) -> io::Result<Vec<Changes>> {
        let mut found = Vec::new();
        Journal::open(path, |changes| {
            found.push(changes);
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn gives_back_what_was_appended_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path, |_| Err(io::ErrorKind::Other.into())).unwrap();
        batches().iter().for_each(|batch| journal.append(batch).unwrap());
        assert_eq!(entries(&path).unwrap(), batches());
        journal.clear().unwrap();
        assert_eq!((entries(&path).unwrap(), journal.bytes()), (Vec::new(), 0));
        journal.append(&batches()[0]).unwrap();
        assert_eq!(entries(&path).unwrap(), batches()[..1]);
    }

    #[test]
    fn wherever_the_end_is_missing_the_entries_before_it_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path, |_| Err(io::ErrorKind::Other.into())).unwrap();
        let mut ends = Vec::new();
        for batch in batches() {
            journal.append(&batch).unwrap();
            ends.push(journal.end);
        }
        let whole = std::fs::read(&path).unwrap();
        let last = ends[ends.len() - 2];
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            let before = ends.iter().filter(|end| **end <= at).count();
            assert_eq!(entries(&path).unwrap(), batches()[..before], "cut at {at}");
        }
        // A file that has its length already, and of the last entry not all bytes: they come in any order.
        for from in last..whole.len() {
            for to in [from + 1, from + 100, whole.len()] {
                let mut torn = whole.clone();
                let hole = torn.get_mut(from..to).unwrap_or_default();
                if hole.iter().all(|byte| *byte == 0) {
                    continue;
                }
                hole.fill(0);
                std::fs::write(&path, &torn).unwrap();
                assert_eq!(entries(&path).unwrap(), batches()[..batches().len() - 1], "from {from} to {to}");
            }
        }
    }

    #[test]
    fn what_is_appended_after_a_torn_end_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path, |_| Err(io::ErrorKind::Other.into())).unwrap();
        batches().iter().for_each(|batch| journal.append(batch).unwrap());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let mut journal = Journal::open(&path, |_| Ok(())).unwrap();
        journal.append(&batches()[0]).unwrap();
        assert_eq!(entries(&path).unwrap(), [&batches()[..2], &batches()[..1]].concat());
    }

    #[test]
    fn what_is_no_journal_of_this_version_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        for content in [&b"x"[..], b"journal\x02", b"journal\x02 and more", &[0; 9]] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(entries(&path).unwrap_err().kind(), io::ErrorKind::InvalidData, "{content:?}");
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn an_entry_that_changed_after_it_was_written_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path, |_| Err(io::ErrorKind::Other.into())).unwrap();
        let append = |batch: &Changes| {
            journal.append(batch).unwrap();
            journal.end
        };
        let ends: Vec<_> = batches().iter().map(append).collect();
        let whole = std::fs::read(&path).unwrap();
        // The first entry, and the second, which changes nothing: an entry comes after each.
        for at in 0..ends[1] {
            let mut altered = whole.clone();
            altered[at] ^= 0x40;
            std::fs::write(&path, &altered).unwrap();
            assert_eq!(entries(&path).unwrap_err().kind(), io::ErrorKind::InvalidData, "altered at {at}");
        }
    }
}
