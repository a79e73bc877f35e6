//! The embedded engine: sled 0.34, one tree.
//!
//! What was measured about it, and what follows: `flush` is no `fsync` on Linux, so the file `db` is synced
//! after it, and so are the files that it puts beside it when a leaf grows large; batches are atomic across
//! crashes, but a scan is not isolated from them, so a lock keeps a batch out while a snapshot is held;
//! segments are collected by the background flusher alone, so that stays on; values above 64 KiB in one key
//! and compression are avoided by the callers and the settings.
#![allow(clippy::disallowed_methods, reason = "a shell: it syncs a file")]

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use super::engine::{Engine, EngineError};
use crate::tables::view::{Changes, Direction, Pair, Pairs, Range, Rows, RowsError};

/// How often the background flusher runs; it is what gives space back to the disk.
const FLUSH_INTERVAL_MS: u64 = 500;

/// The name that sled gives to its one large file.
const DATA_FILE: &str = "db";

/// The directory of the files into which sled writes a leaf that has grown large.
const BLOB_DIR: &str = "blobs";

/// More than the resolution of a file system's clock.
const TICK: Duration = Duration::from_millis(50);

/// Rows in a sled tree.
pub struct Sled {
    tree: sled::Db,
    data_file: File,
    blobs: Mutex<Blobs>,
    /// Held for reading by snapshots and for writing while a batch is applied.
    batches: RwLock<()>,
}

struct Snapshot<'a> {
    tree: &'a sled::Db,
    _batches: RwLockReadGuard<'a, ()>,
}

impl Sled {
    /// Opens or makes a tree in `dir`.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        let config =
            sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(Some(FLUSH_INTERVAL_MS));
        let tree = config.open().map_err(|source| EngineError::new("open its files", source))?;
        let opened = |source| EngineError::new("open its files", source);
        let data_file = File::open(dir.join(DATA_FILE)).map_err(opened)?;
        // Everything is made by now: the names must survive as the contents will.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(opened)?;
        let blobs = Mutex::new(Blobs { dir: dir.join(BLOB_DIR), changed: None, synced: HashSet::new() });
        Ok(Self { tree, data_file, blobs, batches: RwLock::new(()) })
    }
}

impl Engine for Sled {
    fn snapshot(&self) -> Box<dyn Rows + '_> {
        let batches = self.batches.read().unwrap_or_else(PoisonError::into_inner);
        Box::new(Snapshot { tree: &self.tree, _batches: batches })
    }

    fn commit(&self, changes: Changes) -> Result<(), EngineError> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        {
            let _alone = self.batches.write().unwrap_or_else(PoisonError::into_inner);
            self.tree.apply_batch(batch).map_err(|source| EngineError::new("write a batch", source))?;
        }
        self.tree.flush().map_err(|source| EngineError::new("write a batch", source))?;
        // A leaf's file before the log that names it.
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.sync().map_err(|source| EngineError::new("sync its files", source))?;
        self.data_file.sync_data().map_err(|source| EngineError::new("sync its files", source))
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.tree.size_on_disk().map_err(|source| EngineError::new("measure its files", source))
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
        let _ = self.tree.flush();
    }
}

fn failed(source: sled::Error) -> RowsError {
    RowsError::Engine(Box::new(source))
}

impl Rows for Snapshot<'_> {
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        Ok(self.tree.get(key).map_err(failed)?.map(|value| value.to_vec()))
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        let end = range.end.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.tree.range::<Vec<u8>, _>((Bound::Included(range.start), end));
        let pair = |row: sled::Result<(sled::IVec, sled::IVec)>| -> Result<Pair, RowsError> {
            let (key, value) = row.map_err(failed)?;
            Ok((key.to_vec(), value.to_vec()))
        };
        match direction {
            Direction::Ascending => Box::new(rows.map(pair)),
            Direction::Descending => Box::new(rows.rev().map(pair)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Changes, Engine, Sled};

    #[test]
    fn a_commit_syncs_what_is_written_beside_the_data_file() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Sled::open(&dir.path().join("sled"), 1 << 20).unwrap();
        let blob_dir = dir.path().join("sled").join(super::BLOB_DIR);
        let there = || -> HashSet<_> {
            std::fs::read_dir(&blob_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        };
        let mut most = 0;
        for number in 0..20_u8 {
            // What the background flusher has moved since the last commit must be synced by this one too.
            let before = there();
            // Sixteen of these make a leaf that does not fit into the data file.
            let rows: Changes = (0..16).map(|row| (vec![number, row], Some(vec![row; 20_000]))).collect();
            engine.commit(rows).unwrap();
            let synced = engine.blobs.lock().unwrap().synced.clone();
            let missed = before.difference(&synced).filter(|name| blob_dir.join(name).exists());
            assert_eq!(missed.count(), 0);
            most = most.max(synced.len());
        }
        assert!(most > 0, "nothing was written beside the data file, so nothing was tested");
    }
}
