//! Where rows are kept: one engine behind a small trait, in one directory that one process owns.
//!
//! Opening a store locks its directory, checks its schema version, and makes what a new store needs.
//! Damage to our own state is an error that stops the program; nothing here skips a row that it cannot
//! read. Spec: DESIGN of the store, in ARCHITECTURE.md.
#![allow(clippy::disallowed_methods, reason = "a shell: it owns a directory")]

pub mod engine;
mod escape;
mod frozen;
mod generations;
mod journal;
mod memory;
pub mod schema;
mod sled;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub use self::sled::Sled;
use engine::{Engine, EngineError};
pub use frozen::Frozen;
pub use memory::Memory;

use crate::tables::view::{Changes, Overlay, Rows, RowsError};

/// The file whose lock says that the directory is in use; it holds the owner's process number.
const LOCK_FILE: &str = "lock";
/// How long a lock may be held before it is somebody's. A process that is being started has what its parent had
/// open until it runs its own program, locks that were given up meanwhile among it.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
/// The engine's own directory.
const ENGINE_DIR: &str = "sled";

/// Opening or writing the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or used.
    #[error("cannot use the data directory {dir}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no store there, and the command only reads.
    #[error("there is no store in {dir}: `guestlist replay --data-dir {dir} FILE` makes one")]
    Absent {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has it.
    #[error("the data directory {dir} is in use by another guestlist (process {owner})")]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The other process, as it wrote itself down.
        owner: String,
    },
    /// A later version wrote it.
    #[error(
        "the store in {dir} has schema version {found}, and this guestlist knows versions up to {known}: \
         use the newer guestlist, or index into another directory"
    )]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// The version in the store.
        found: u64,
        /// The latest version known here.
        known: u64,
    },
    /// An earlier version wrote it, and no way leads from there.
    #[error(
        "the store in {dir} has schema version {found}, which this guestlist (version {known}) cannot read: \
         index into an empty directory"
    )]
    Older {
        /// The directory.
        dir: PathBuf,
        /// The version in the store.
        found: u64,
        /// The version known here.
        known: u64,
    },
    /// An import was interrupted: what is there is a part of something.
    #[error("an import into this store did not finish: remove its directory and import again")]
    HalfImported,
    /// The store's rows do not make sense.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The operating system gave no randomness.
    #[error("the operating system gave no random bytes")]
    Randomness(#[source] getrandom::Error),
}

/// An open store. Cheap to clone; the directory is free again when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
    dir: Option<PathBuf>,
    views: frozen::Views,
    _lock: Option<Arc<File>>,
}

/// What to do when there is no store in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfAbsent {
    /// Make one.
    Create,
    /// Say so.
    Fail,
}

impl Store {
    /// Opens the store in `dir`.
    pub fn open(dir: &Path, cache_bytes: u64, if_absent: IfAbsent) -> Result<Self, StoreError> {
        let at = |source| StoreError::Directory { dir: dir.to_owned(), source };
        let engine_dir = dir.join(ENGINE_DIR);
        if if_absent == IfAbsent::Fail && !engine_dir.try_exists().map_err(at)? {
            return Err(StoreError::Absent { dir: dir.to_owned() });
        }
        // Only for the owner: whoever can reach the control socket can ask for everything.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at)?;
        let lock = lock(dir)?;
        let store = Self {
            engine: Arc::new(Sled::open(&engine_dir, cache_bytes)?),
            dir: Some(dir.to_owned()),
            views: frozen::Views::default(),
            _lock: Some(Arc::new(lock)),
        };
        schema::check(&store, dir)?;
        Ok(store)
    }

    /// A store that lives in memory and ends with the process.
    pub fn in_memory() -> Result<Self, StoreError> {
        let store = Self {
            engine: Arc::new(Memory::default()),
            dir: None,
            views: frozen::Views::default(),
            _lock: None,
        };
        schema::check(&store, Path::new("memory"))?;
        Ok(store)
    }

    /// The rows as of now. Held for as short as possible: a commit waits until it is dropped.
    pub fn snapshot(&self) -> Box<dyn Rows + '_> {
        self.engine.snapshot()
    }

    /// The rows as of now, for as long as the caller likes, without keeping the writer waiting. The caller
    /// holds no snapshot meanwhile: a commit would wait for that, and this for the commit.
    pub fn freeze(&self) -> Frozen {
        Frozen::new(self)
    }

    /// Has `change` write to an overlay of the rows as they are, and commits what it wrote.
    ///
    /// # Errors
    /// Those of `change`, with nothing written, and those of [`Store::commit`].
    pub fn write<E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Overlay<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let changes = {
            let snapshot = self.snapshot();
            let mut rows = Overlay::new(&*snapshot);
            change(&mut rows)?;
            rows.into_changes()
        };
        Ok(self.commit(changes)?)
    }

    /// Writes changes as one: after this returns they survive a power cut, before it none of them is there.
    pub fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        self.views.around(changes, || self.snapshot(), |changes| Ok(self.engine.commit(changes)?))
    }

    /// Bytes that the store takes on disk.
    pub fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        Ok(self.engine.bytes_on_disk()?)
    }

    /// Where it is; `None` in memory.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }
}

/// Takes the directory's lock, which the operating system frees when the process ends, however it ends.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let at = |source| StoreError::Directory { dir: dir.to_owned(), source };
    let path = dir.join(LOCK_FILE);
    let mut file =
        File::options().create(true).read(true).write(true).truncate(false).open(path).map_err(at)?;
    let mut locked = file.try_lock();
    let asked = Instant::now();
    while matches!(locked, Err(TryLockError::WouldBlock)) && asked.elapsed() < LOCK_PATIENCE {
        thread::sleep(LOCK_PATIENCE / 20);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner).map_err(at)?;
            return Err(StoreError::Locked { dir: dir.to_owned(), owner: owner.trim().to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(at(source)),
    }
    file.set_len(0).map_err(at)?;
    file.rewind().map_err(at)?;
    writeln!(file, "{}", std::process::id()).map_err(at)?;
    Ok(file)
}
