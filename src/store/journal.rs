//! What was committed since the engine's own files were last known to be on the disk.
//!
//! A commit is one entry: its length, the beginning of its SHA-256, its changes. Once an entry is synced the
//! commit survives anything; the engine may then write rows one by one, in its own time. After a crash every
//! entry is written again, oldest first, which ends in the state after the last one whatever had been done.
//! An entry that was cut short was never acknowledged, and what follows it was never written.
#![allow(clippy::disallowed_methods, reason = "a shell: it owns a file")]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::tables::view::Changes;

/// Bytes of a hash that are kept: enough to tell a torn entry from a whole one.
const CHECK_BYTES: usize = 8;

/// The length that stands for a row that is removed.
const REMOVED: u32 = u32::MAX;

/// The file of entries.
pub(super) struct Journal {
    file: File,
    bytes: u64,
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
        let mut rest = written.as_slice();
        while let Some(changes) = next_entry(&mut rest)? {
            redo(changes)?;
        }
        Ok(Self { bytes: u64::try_from(written.len()).unwrap_or(u64::MAX), file })
    }

    /// Writes an entry; when this returns it is on the disk.
    pub(super) fn append(&mut self, changes: &Changes) -> io::Result<()> {
        let payload = encode(changes)?;
        let mut entry = Vec::with_capacity(payload.len() + 2 * CHECK_BYTES);
        entry.extend_from_slice(&length_of(&payload)?.to_le_bytes());
        entry.extend_from_slice(&check(&payload));
        entry.extend_from_slice(&payload);
        self.file.write_all(&entry)?;
        self.file.sync_data()?;
        self.bytes += u64::try_from(entry.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Forgets every entry: the engine's own files hold what they say.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.sync_data()?;
        self.bytes = 0;
        Ok(())
    }

    /// How much there is to write again after a crash.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn check(payload: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::digest(payload);
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

/// The next entry; `None` at the end, and for a last one that was not written to its end.
fn next_entry(rest: &mut &[u8]) -> io::Result<Option<Changes>> {
    let Some((head, after)) = rest.split_first_chunk::<{ 4 + CHECK_BYTES }>() else { return Ok(None) };
    let Some((length, expected)) = head.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let Some((payload, after)) = after.split_at_checked(length) else { return Ok(None) };
    if check(payload) == *expected
        && let Some(changes) = decode(payload)
    {
        *rest = after;
        return Ok(Some(changes));
    }
    // A file may have grown before its bytes were there.
    let is_last = after.iter().all(|byte| *byte == 0);
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the journal is damaged");
    if is_last { Ok(None) } else { Err(damaged()) }
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
            Changes::from([row("a", None), row("", Some("no key")), row(&"k".repeat(5000), Some("long"))]),
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
            ends.push(usize::try_from(journal.bytes()).unwrap());
        }
        let whole = std::fs::read(&path).unwrap();
        let last = ends[ends.len() - 2];
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            let before = ends.iter().filter(|end| **end <= at).count();
            assert_eq!(entries(&path).unwrap(), batches()[..before], "cut at {at}");
            // A file that has its length already, and not yet its bytes.
            let mut torn = whole.clone();
            torn[at.max(last)..].fill(0);
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(entries(&path).unwrap(), batches()[..batches().len() - 1], "torn at {at}");
        }
    }

    #[test]
    fn an_entry_that_changed_after_it_was_written_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path, |_| Err(io::ErrorKind::Other.into())).unwrap();
        batches().iter().for_each(|batch| journal.append(batch).unwrap());
        let whole = std::fs::read(&path).unwrap();
        // The check of the first entry, and its changes.
        for at in 4..12 + 9 {
            let mut altered = whole.clone();
            altered[at] ^= 0x40;
            std::fs::write(&path, &altered).unwrap();
            assert_eq!(entries(&path).unwrap_err().kind(), io::ErrorKind::InvalidData, "altered at {at}");
        }
    }
}
