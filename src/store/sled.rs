//! The embedded engine: sled 0.34, one tree, behind a journal.
//!
//! What was measured about sled, and what follows: a batch of its own shuts every reader out until it is
//! written, and a scan is not isolated from it, so a commit goes to our journal first and its rows are then
//! written one by one, while readers see them by [`Generations`]; `flush` is no `fsync` on Linux, so before
//! the journal is cleared the file `db` is synced after it, and so are the files that sled puts beside it
//! when a leaf grows large; finding a row takes microseconds, so rows that were found are kept; segments are
//! collected by the background flusher alone, so that stays on; values above 64 KiB in one key and
//! compression are avoided by the callers and the settings.
#![allow(clippy::disallowed_methods, reason = "a shell: it syncs a file")]

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sled::IVec;

use super::engine::{Engine, EngineError};
use super::generations::{Generations, Visit};
use super::journal::Journal;
use crate::tables::view::{Changes, Direction, Pair, Pairs, Range, Rows, RowsError, merged};

/// How often the background flusher runs; it is what gives space back to the disk.
const FLUSH_INTERVAL_MS: u64 = 500;

/// The name that sled gives to its one large file.
const DATA_FILE: &str = "db";

/// The directory of the files into which sled writes a leaf that has grown large.
const BLOB_DIR: &str = "blobs";

/// The name of our own file among sled's.
const JOURNAL_FILE: &str = "journal";

/// Bytes of the journal after which sled's files are synced and it begins anew. At a thousand events a
/// second this is every few seconds, and what is written again after a crash takes less than one.
const JOURNAL_BYTES_MAX: u64 = 8_000_000;

/// More than the resolution of a file system's clock.
const TICK: Duration = Duration::from_millis(50);

/// Bytes of a typical row: what the table of kept rows is laid out for.
const ROW_BYTES: u64 = 256;

/// Rows in a sled tree.
pub struct Sled {
    tree: Tree,
    generations: Generations,
    durable: Mutex<Durable>,
}

/// The rows as they are in sled, which may have a part of the current generation.
struct Tree {
    tree: sled::Db,
    /// Rows that were read or written lately. A row changes here when it does in sled, while nobody who would
    /// see the difference reads.
    kept: Cache<Vec<u8>, IVec, RowBytes>,
}

/// What makes a commit survive.
struct Durable {
    journal: Journal,
    data_file: File,
    blobs: Blobs,
}

struct Snapshot<'a> {
    tree: &'a Tree,
    visit: Visit,
}

/// The memory that a kept row takes.
#[derive(Clone)]
struct RowBytes;

impl Weighter<Vec<u8>, IVec> for RowBytes {
    fn weight(&self, key: &Vec<u8>, value: &IVec) -> u64 {
        // Two allocations and an entry of the table.
        const OVERHEAD: usize = 96;
        u64::try_from(key.len() + value.len() + OVERHEAD).unwrap_or(u64::MAX)
    }
}

impl Sled {
    /// Opens or makes a tree in `dir`. Half of `cache_bytes` goes to sled's pages, half to rows.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        let half = cache_bytes / 2;
        let config =
            sled::Config::new().path(dir).cache_capacity(half).flush_every_ms(Some(FLUSH_INTERVAL_MS));
        let tree = config.open().map_err(|source| EngineError::new("open its files", source))?;
        let rows = usize::try_from(half / ROW_BYTES).unwrap_or(usize::MAX);
        let tree = Tree { tree, kept: Cache::with_weighter(rows, half, RowBytes) };
        let opened = |source| EngineError::new("open its files", source);
        let data_file = File::open(dir.join(DATA_FILE)).map_err(opened)?;
        let blobs = Blobs { dir: dir.join(BLOB_DIR), changed: None, synced: HashSet::new() };
        let journal =
            Journal::open(&dir.join(JOURNAL_FILE), |changes| tree.write(&changes).map_err(io::Error::other));
        let journal = journal.map_err(|source| EngineError::new("read its journal", source))?;
        let mut durable = Durable { journal, data_file, blobs };
        if durable.journal.bytes() > 0 {
            durable.checkpoint(&tree.tree)?;
        }
        // Everything is made by now: the names must survive as the contents will.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(opened)?;
        Ok(Self { tree, generations: Generations::default(), durable: Mutex::new(durable) })
    }
}

impl Engine for Sled {
    fn snapshot(&self) -> Box<dyn Rows + '_> {
        Box::new(Snapshot { tree: &self.tree, visit: self.generations.enter() })
    }

    fn commit(&self, changes: Changes) -> Result<(), EngineError> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.journal.append(&changes).map_err(|source| EngineError::new("write a batch", source))?;
        let generation = self.generations.publish(changes);
        self.tree.write(&generation.changes)?;
        if durable.journal.bytes() > JOURNAL_BYTES_MAX {
            durable.checkpoint(&self.tree.tree)?;
        }
        Ok(())
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.tree.tree.size_on_disk().map_err(|source| EngineError::new("measure its files", source))
    }
}

impl Tree {
    /// Writes rows one by one: each can be read at any time, and the whole can be written again.
    fn write(&self, changes: &Changes) -> Result<(), EngineError> {
        let failed = |source| EngineError::new("write a batch", source);
        for (key, value) in changes {
            match value {
                Some(value) => {
                    let value = IVec::from(value.as_slice());
                    self.tree.insert(key, value.clone()).map_err(failed)?;
                    self.kept.insert(key.clone(), value);
                }
                None => {
                    self.tree.remove(key).map_err(failed)?;
                    self.kept.remove(key.as_slice());
                }
            }
        }
        Ok(())
    }
}

impl Durable {
    /// Brings sled's files to the disk, after which the journal is not needed.
    fn checkpoint(&mut self, tree: &sled::Db) -> Result<(), EngineError> {
        tree.flush().map_err(|source| EngineError::new("write its files", source))?;
        let synced = |source| EngineError::new("sync its files", source);
        // A leaf's file before the log that names it.
        self.blobs.sync().map_err(synced)?;
        self.data_file.sync_data().map_err(synced)?;
        self.journal.clear().map_err(synced)
    }
}

/// The files beside the log that are known to be on the disk.
struct Blobs {
    dir: PathBuf,
    /// When a file was last added or removed, as of the last look.
    changed: Option<SystemTime>,
    synced: HashSet<OsString>,
}

impl Blobs {
    /// Syncs what has come since the last time. Mostly there is nothing, which costs one look at the directory.
    fn sync(&mut self) -> io::Result<()> {
        let changed = fs::metadata(&self.dir)?.modified()?;
        if self.changed == Some(changed) {
            return Ok(());
        }
        let mut present = HashSet::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if !self.synced.contains(&name) {
                match File::open(entry.path()) {
                    Ok(file) => file.sync_all()?,
                    // sled removes what it no longer needs whenever it likes.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
            }
            present.insert(name);
        }
        File::open(&self.dir)?.sync_all()?;
        self.synced = present;
        // A file that comes within the same tick of the clock would not show next time: look again then.
        self.changed = changed.elapsed().is_ok_and(|age| age > TICK).then_some(changed);
        Ok(())
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        // Nothing acknowledged depends on this; it only spares the next start some recovery.
        let durable = self.durable.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = durable.checkpoint(&self.tree.tree);
    }
}

fn failed(source: sled::Error) -> RowsError {
    RowsError::Engine(Box::new(source))
}

impl Rows for Tree {
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        if let Some(value) = self.kept.get(key) {
            return Ok(Some(value.to_vec()));
        }
        let Some(value) = self.tree.get(key).map_err(failed)? else { return Ok(None) };
        self.kept.insert(key.to_vec(), value.clone());
        Ok(Some(value.to_vec()))
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        let end = range.end.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.tree.range::<Vec<u8>, _>((Bound::Included(range.start), end));
        let pair = |row: sled::Result<(IVec, IVec)>| -> Result<Pair, RowsError> {
            let (key, value) = row.map_err(failed)?;
            Ok((key.to_vec(), value.to_vec()))
        };
        match direction {
            Direction::Ascending => Box::new(rows.map(pair)),
            Direction::Descending => Box::new(rows.rev().map(pair)),
        }
    }
}

impl Rows for Snapshot<'_> {
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        match self.visit.changes().get(key) {
            Some(change) => Ok(change.clone()),
            None => self.tree.get_bytes(key),
        }
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        Box::new(merged(self.tree, self.visit.changes(), range, direction))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Changes, Engine, Sled};

    #[test]
    fn a_checkpoint_syncs_what_is_written_beside_the_data_file() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Sled::open(&dir.path().join("sled"), 1 << 20).unwrap();
        let blob_dir = dir.path().join("sled").join(super::BLOB_DIR);
        let there = || -> HashSet<_> {
            std::fs::read_dir(&blob_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        };
        let mut most = 0;
        for number in 0..20_u8 {
            // What the background flusher has moved since the last time must be synced by this one too.
            let before = there();
            // Sixteen of these make a leaf that does not fit into the data file.
            let rows: Changes = (0..16).map(|row| (vec![number, row], Some(vec![row; 20_000]))).collect();
            engine.commit(rows).unwrap();
            let mut durable = engine.durable.lock().unwrap();
            durable.checkpoint(&engine.tree.tree).unwrap();
            let synced = durable.blobs.synced.clone();
            let missed = before.difference(&synced).filter(|name| blob_dir.join(name).exists());
            assert_eq!(missed.count(), 0);
            most = most.max(synced.len());
        }
        assert!(most > 0, "nothing was written beside the data file, so nothing was tested");
    }
}
