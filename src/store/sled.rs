//! The embedded engine: sled 0.34, one tree, behind a journal.
//!
//! What was measured about sled, and what follows: a batch of its own shuts every reader out until it is
//! written, and a scan is not isolated from it, so a commit goes to our journal first and its rows are then
//! written one by one, while readers see them by [`Generations`]; `flush` is no `fsync` on Linux, so before
//! the journal is cleared the file `db` is synced after it, and so are the files that sled puts beside it
//! when a leaf grows large; finding a row takes microseconds, so rows that were found are kept; segments are
//! collected by the background flusher alone, so that stays on; values above 64 KiB in one key and
//! compression are avoided by the callers and the settings; keys are escaped, because sled loses its way among
//! those with bytes of 255.
#![allow(clippy::disallowed_methods, reason = "a shell: it syncs a file")]

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sled::IVec;

use super::LOCK_PATIENCE;
use super::engine::{Engine, EngineError};
use super::escape::{escaped, unescaped};
use super::generations::{Generations, Visit};
use super::journal::Journal;
use crate::tables::view::{Changes, Direction, Pair, Pairs, Range, Rows, RowsError, merged};

/// How often the background flusher runs; it is what gives space back to the disk.
const FLUSH_INTERVAL_MS: u64 = 500;

/// The name that sled gives to its one large file.
const DATA_FILE: &str = "db";

/// The directory of the files into which sled writes a leaf that has grown large.
const BLOB_DIR: &str = "blobs";

/// How the name of a file ends in which sled writes down where its pages are, until it is whole.
const UNFINISHED: &str = "generating";

/// A key that no row has, whose first byte is a letter, and no escaped one. It says, until there is a journal,
/// that the keys are escaped already: an opening may be cut short between the two.
const ESCAPED: [u8; 2] = [255; 2];

/// The name of our own file among sled's.
const JOURNAL_FILE: &str = "journal";

/// Bytes of the journal after which sled's files are synced and it begins anew. At a thousand events a
/// second this is every few seconds, and what is written again after a crash takes less than one.
const JOURNAL_BYTES_MAX: usize = 8_000_000;

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
    /// A batch was begun and not finished: sled may have a part of it, and only the journal has the rest.
    unfinished: bool,
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
        let opened = |source| EngineError::new("open its files", source);
        remove_unfinished_snapshots(dir).map_err(opened)?;
        let has_journal = dir.join(JOURNAL_FILE).try_exists().map_err(opened)?;
        let half = cache_bytes / 2;
        let config =
            sled::Config::new().path(dir).cache_capacity(half).flush_every_ms(Some(FLUSH_INTERVAL_MS));
        let tree = open_tree(&config).map_err(|source| EngineError::new("open its files", source))?;
        if !has_journal {
            escape_keys(&tree).map_err(|source| EngineError::new("write its keys anew", source))?;
        }
        let rows = usize::try_from(half / ROW_BYTES).unwrap_or(usize::MAX);
        let tree = Tree { tree, kept: Cache::with_weighter(rows, half, RowBytes) };
        let data_file = File::open(dir.join(DATA_FILE)).map_err(opened)?;
        let blobs = Blobs { dir: dir.join(BLOB_DIR), changed: None, synced: HashSet::new() };
        let journal =
            Journal::open(&dir.join(JOURNAL_FILE), |changes| tree.write(&changes).map_err(io::Error::other));
        let journal = journal.map_err(|source| EngineError::new("read its journal", source))?;
        // Now that there is a journal it says the same.
        tree.tree.remove(ESCAPED).map_err(|source| EngineError::new("write its keys anew", source))?;
        let mut durable = Durable { journal, data_file, blobs, unfinished: false };
        if durable.journal.bytes() > 0 {
            durable.checkpoint(&tree.tree)?;
        }
        // Everything is made by now: the names must survive as the contents will.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(opened)?;
        Ok(Self { tree, generations: Generations::default(), durable: Mutex::new(durable) })
    }
}

/// Opens a tree, also where its own lock is held for a moment more by a process that is being started.
fn open_tree(config: &sled::Config) -> sled::Result<sled::Db> {
    let asked = Instant::now();
    loop {
        match config.open() {
            // It has no other kind for a lock.
            Err(sled::Error::Io(error))
                if error.kind() == io::ErrorKind::Other && asked.elapsed() < LOCK_PATIENCE =>
            {
                thread::sleep(LOCK_PATIENCE / 20);
            }
            opened => return opened,
        }
    }
}

/// Escapes the keys of a tree from before there was a journal, which were given to sled as they are.
fn escape_keys(tree: &sled::Db) -> sled::Result<()> {
    if tree.contains_key(ESCAPED)? {
        return Ok(());
    }
    let raw = tree.iter().filter(|row| row.as_ref().map_or(true, |(key, _)| *escaped(key) != **key));
    let rows: Vec<(IVec, IVec)> = raw.collect::<Result<_, _>>()?;
    let mut batch = sled::Batch::default();
    // All of them first: what one is called now may be what another was called.
    rows.iter().for_each(|(key, _)| batch.remove(key));
    rows.iter().for_each(|(key, value)| batch.insert(&*escaped(key), value));
    batch.insert(&ESCAPED, &[]);
    tree.apply_batch(batch)?;
    tree.flush().map(drop)
}

/// Removes what sled was writing when the process ended or the disk was full. It would take that for the
/// last thing it wrote, and refuse to open; what it wrote before is there until the new file has its name.
fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    if !dir.try_exists()? {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == UNFINISHED) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

impl Engine for Sled {
    fn snapshot(&self) -> Box<dyn Rows + '_> {
        Box::new(Snapshot { tree: &self.tree, visit: self.generations.enter() })
    }

    fn commit(&self, changes: Changes) -> Result<(), EngineError> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.begin()?;
        durable.journal.append(&changes).map_err(|source| EngineError::new("write a batch", source))?;
        let generation = self.generations.publish(changes);
        self.tree.write(&generation.changes)?;
        if durable.journal.bytes() > JOURNAL_BYTES_MAX {
            durable.checkpoint(&self.tree.tree)?;
        }
        durable.unfinished = false;
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
                    self.tree.insert(escaped(key), value.clone()).map_err(failed)?;
                    self.kept.insert(key.clone(), value);
                }
                None => {
                    self.tree.remove(escaped(key)).map_err(failed)?;
                    self.kept.remove(key.as_slice());
                }
            }
        }
        Ok(())
    }
}

impl Durable {
    /// A batch begins. After one that failed, or in which a thread panicked, none does: whether it is there
    /// is found out at the next opening.
    fn begin(&mut self) -> Result<(), EngineError> {
        if std::mem::replace(&mut self.unfinished, true) {
            let before = io::Error::other("a batch before it was not finished");
            return Err(EngineError::new("write a batch", before));
        }
        Ok(())
    }

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
        if durable.unfinished {
            return;
        }
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
        let Some(value) = self.tree.get(escaped(key)).map_err(failed)? else { return Ok(None) };
        self.kept.insert(key.to_vec(), value.clone());
        Ok(Some(value.to_vec()))
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        let end = range.end.as_deref().map_or(Bound::Unbounded, |end| Bound::Excluded(escaped(end)));
        let rows = self.tree.range((Bound::Included(escaped(&range.start)), end));
        let pair = |row: sled::Result<(IVec, IVec)>| -> Result<Pair, RowsError> {
            let (key, value) = row.map_err(failed)?;
            Ok((unescaped(&key), value.to_vec()))
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
    use std::collections::{BTreeMap, HashSet};

    use super::{Changes, Direction, Engine, Range, Sled, escape_keys};

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

    #[test]
    fn keys_from_before_the_journal_are_found_under_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let keys =
            [&b"a"[..], &[1, 254], &[1, 254, 0], &[1, 254, 254, 7], &[1, 255, 255, 255, 255, 2], &[255]];
        let tree = sled::open(dir.path()).unwrap();
        keys.iter().for_each(|key| assert_eq!(tree.insert(key, *key).unwrap(), None));
        // An opening that was cut short before there was a journal.
        escape_keys(&tree).unwrap();
        drop(tree);
        // The second time there is a journal, and nothing is escaped twice.
        for _ in 0..2 {
            let engine = Sled::open(dir.path(), 1 << 20).unwrap();
            let rows = engine.snapshot();
            let found = rows.scan_bytes(Range { start: Vec::new(), end: None }, Direction::Ascending);
            let found: BTreeMap<_, _> = found.map(Result::unwrap).collect();
            assert_eq!(found, keys.iter().map(|key| (key.to_vec(), key.to_vec())).collect());
        }
    }

    #[test]
    fn a_batch_that_was_begun_is_finished_at_the_next_opening_even_after_an_orderly_end() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Sled::open(dir.path(), 1 << 20).unwrap();
        let row = |key: u8, value: &str| (vec![key], Some(value.into()));
        engine.commit((0..9).map(|key| row(key, "old")).collect()).unwrap();
        // As a commit does in which sled fails or panics midway.
        let mut durable = engine.durable.lock().unwrap();
        durable.begin().unwrap();
        durable.journal.append(&(0..9).map(|key| row(key, "new")).collect()).unwrap();
        engine.tree.write(&(0..4).map(|key| row(key, "new")).collect()).unwrap();
        drop(durable);
        assert!(engine.commit(Changes::from([row(9, "later")])).is_err());
        drop(engine);
        let engine = Sled::open(dir.path(), 1 << 20).unwrap();
        let rows = engine.snapshot();
        let found = rows.scan_bytes(Range { start: Vec::new(), end: None }, Direction::Ascending);
        let found: Vec<_> = found.map(|row| row.unwrap().1).collect();
        assert_eq!(found, vec![b"new"; 9]);
    }
}
