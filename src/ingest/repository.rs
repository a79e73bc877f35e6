//! A repository as `getRepo` exports it: one CAR file with the commit, the tree and every record.
//!
//! The file is read twice. First front to back: every block is hashed, and where it stands is kept. Then
//! from the root of the tree: every node is walked, every record must be there, and the wanted ones are
//! taken. So memory holds a table of places and the wanted records, however large the rest is. Spec: PROTOCOL
//! §3 and §4.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use ipld_core::cid::Cid as AnyCid;
use iroh_car::CarReader;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::codec::claim::Claim;
use crate::codec::commit::SignedCommit;
use crate::codec::event::{Block, Export, Exported, Interest};
use crate::codec::limits::{EXPORT_BLOCKS_MAX, EXPORT_RECORD_BYTES_MAX};
use crate::codec::skim::split_path;
use crate::codec::{Reject, mst};
use crate::syntax::{Cid, RecordKey};

/// What a record takes beside its bytes, here and in the batch that it ends in: millions of keys may name the
/// same small block.
const RECORD_OVERHEAD_BYTES: usize = 1_000;

/// No repository came of a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The file cannot be used.
    #[error("the export is not used: {}", .0.reason())]
    Reject(Reject),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// We are told to stop.
    #[error("told to stop")]
    Stopped,
}

impl From<Reject> for ExportError {
    fn from(reject: Reject) -> Self {
        ExportError::Reject(reject)
    }
}

/// Reads an export, and what its signature has to prove. `first` gives the bytes front to back, and `file` is the same file.
pub(super) fn read(
    first: &mut dyn Read,
    file: &File,
    interest: &impl Interest,
    stop: &CancellationToken,
) -> Result<(Export, Claim), ExportError> {
    let (root, places) = find_blocks(first, stop)?;
    let blocks = Blocks { places, file };
    let signed = blocks.get(&root)?;
    let commit = SignedCommit::decode(&signed)?;
    let mut records = Vec::new();
    let mut bytes = 0;
    let leaf = |key: &[u8], cid: &AnyCid| {
        if stop.is_cancelled() {
            return Err(ExportError::Stopped);
        }
        let Some((collection, rkey)) = wanted(key, interest) else {
            return blocks.has(cid);
        };
        // As over the firehose: records are DAG-CBOR.
        let cid = Cid::try_from(cid).ok().filter(Cid::is_dag_cbor).ok_or(Reject::BadCid)?;
        let record = blocks.get(&cid)?;
        bytes += RECORD_OVERHEAD_BYTES + record.len();
        if bytes > EXPORT_RECORD_BYTES_MAX {
            return Err(Reject::ExportTooLarge.into());
        }
        records.push(Exported { collection, rkey, block: Block { cid, bytes: record, fault: None } });
        Ok(())
    };
    mst::walk(commit.data, |cid| blocks.get(cid), leaf)?;
    let export = Export { did: commit.did.clone(), rev: commit.rev, data: commit.data, records };
    Ok((export, commit.claim()))
}

/// The collection and key of a record that is wanted. A key that is no path is nothing that anybody wants.
fn wanted(key: &[u8], interest: &impl Interest) -> Option<(&'static str, RecordKey)> {
    let (collection, rkey) = split_path(std::str::from_utf8(key).ok()?)?;
    Some((interest.collection(collection)?, RecordKey::parse(rkey).ok()?))
}

/// Where a block's bytes are in the file.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    length: u32,
}

/// Blocks whose hashes were found right.
struct Blocks<'a> {
    places: HashMap<Cid, Place>,
    file: &'a File,
}

impl Blocks<'_> {
    fn get(&self, cid: &Cid) -> Result<Vec<u8>, ExportError> {
        let place = self.places.get(cid).ok_or(Reject::BlockMissing)?;
        let mut bytes = vec![0; place.length as usize];
        self.file.read_exact_at(&mut bytes, place.offset)?;
        // Again: somebody may be writing to the file.
        if cid.matches(&bytes) { Ok(bytes) } else { Err(Reject::BlockHashMismatch.into()) }
    }

    /// Whether a record is there. One under a CID of another kind cannot be looked for.
    fn has(&self, cid: &AnyCid) -> Result<(), ExportError> {
        let there = Cid::try_from(cid).map_or(true, |cid| self.places.contains_key(&cid));
        if there { Ok(()) } else { Err(Reject::BlockMissing.into()) }
    }
}

/// Reads a CAR to its end: the CID of the commit, and where each block is. Every block is hashed.
fn find_blocks(
    first: &mut dyn Read,
    stop: &CancellationToken,
) -> Result<(Cid, HashMap<Cid, Place>), ExportError> {
    let tap = Rc::new(Tap::default());
    let reader = Ready { inner: first, tap: Rc::clone(&tap) };
    let mut car = tap.judge(at_once(CarReader::new(reader)))?;
    let root = car.header().roots().first().and_then(|root| Cid::try_from(root).ok());
    let root = root.ok_or(Reject::CarMalformed)?;
    let mut places = HashMap::new();
    let mut count = 0;
    let mut end = tap.read.get();
    while let Some((cid, bytes)) = tap.judge(at_once(car.next_block()))? {
        end = tap.read.get();
        count += 1;
        if stop.is_cancelled() {
            return Err(ExportError::Stopped);
        }
        if count > EXPORT_BLOCKS_MAX {
            return Err(Reject::ExportTooLarge.into());
        }
        // Blocks under CIDs that a repository cannot use are passed over.
        let Ok(cid) = Cid::try_from(&cid) else { continue };
        if !cid.matches(&bytes) {
            return Err(Reject::BlockHashMismatch.into());
        }
        let length = u32::try_from(bytes.len()).map_err(|_| Reject::CarMalformed)?;
        places.insert(cid, Place { offset: end - u64::from(length), length });
    }
    // A file that is cut inside the length of a block looks like one that has ended.
    if tap.read.get() != end {
        return Err(Reject::TruncatedExport.into());
    }
    Ok((root, places))
}

/// The value of a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a file that is read where it is asked for is always ready")
}

/// What is known of the reading, beside what the CAR reader says.
#[derive(Default)]
struct Tap {
    read: Cell<u64>,
    ended: Cell<bool>,
    failed: RefCell<Option<io::Error>>,
}

impl Tap {
    /// What a failure of the CAR reader means: it tells none of these apart.
    fn judge<T>(&self, result: Result<T, iroh_car::Error>) -> Result<T, ExportError> {
        result.map_err(|_| match self.failed.take() {
            Some(error) => ExportError::Io(error),
            None if self.ended.get() => Reject::TruncatedExport.into(),
            None => Reject::CarMalformed.into(),
        })
    }
}

/// A blocking reader as an asynchronous one, which counts.
struct Ready<R> {
    inner: R,
    tap: Rc<Tap>,
}

impl<R: Read + Unpin> AsyncRead for Ready<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.inner.read(buffer.initialize_unfilled()) {
            Ok(read) => {
                buffer.advance(read);
                this.tap.ended.set(read == 0);
                this.tap.read.set(this.tap.read.get() + u64::try_from(read).unwrap_or(u64::MAX));
            }
            Err(error) => {
                let said = io::Error::from(error.kind());
                *this.tap.failed.borrow_mut() = Some(error);
                return Poll::Ready(Err(said));
            }
        }
        Poll::Ready(Ok(()))
    }
}
