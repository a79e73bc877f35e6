//! The blocks of a CAR file: hashed while it is read front to back, and found again by their places.
//!
//! A host may send millions of tiny blocks, so a place takes sixteen bytes. Spec: PROTOCOL §3.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use iroh_car::CarReader;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::ExportError;
use crate::codec::Reject;
use crate::codec::limits::EXPORT_BLOCKS_MAX;
use crate::syntax::Cid;

/// Blocks whose hashes were found right.
#[derive(Debug)]
pub(super) struct Blocks {
    places: Places,
    file: File,
    file_bytes: u64,
}

impl Blocks {
    pub(super) fn get(&self, cid: &Cid) -> Result<Vec<u8>, ExportError> {
        let mut reject = Reject::BlockMissing;
        for place in self.places.of(cid) {
            let mut bytes = vec![0; usize::try_from(place.length()).unwrap_or(usize::MAX)];
            self.file.read_exact_at(&mut bytes, place.offset())?;
            // Again: another block may have this key, and somebody may be writing to the file.
            if cid.matches(&bytes) {
                return Ok(bytes);
            }
            reject = Reject::BlockHashMismatch;
        }
        Err(reject.into())
    }

    /// How many bytes a block has that is there.
    pub(super) fn length(&self, cid: &Cid) -> Result<u32, Reject> {
        self.places.of(cid).next().map(Place::length).ok_or(Reject::BlockMissing)
    }

    /// Bytes of the whole file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}

/// Where each block is, in the order of keys that nobody else can tell.
///
/// A key is a hash of the CID under a secret of this table: eight bytes of the CID itself could be made the same for
/// many blocks, or for one that is not there.
#[derive(Debug, Default)]
pub(super) struct Places {
    secret: RandomState,
    sorted: Vec<(u64, Place)>,
}

impl Places {
    /// Has room for the blocks that a file of this size can hold, of which only what is filled is ever in memory.
    fn of_file(bytes: u64) -> Self {
        let blocks = usize::try_from(bytes / BLOCK_BYTES_MIN).unwrap_or(usize::MAX);
        Self { sorted: Vec::with_capacity(blocks.min(EXPORT_BLOCKS_MAX)), ..Self::default() }
    }

    fn sort(mut self) -> Self {
        self.sorted.sort_unstable();
        self
    }

    fn key(&self, cid: &Cid) -> u64 {
        self.secret.hash_one(cid)
    }

    fn push(&mut self, cid: &Cid, place: Place) {
        self.sorted.push((self.key(cid), place));
    }

    /// Where a block may be: one place, but for blocks that come twice.
    fn of(&self, cid: &Cid) -> impl Iterator<Item = Place> {
        let key = self.key(cid);
        let from = self.sorted.partition_point(|(found, _)| *found < key);
        let same = self.sorted.iter().skip(from).take_while(move |(found, _)| *found == key);
        same.map(|(_, place)| *place)
    }
}

/// Bytes of the smallest block that a repository can use: its length, its CID, and nothing else.
const BLOCK_BYTES_MIN: u64 = 37;

/// Where a block's bytes are in the file, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

/// Bits for how many they are: the CAR reader takes four megabytes.
const LENGTH_BITS: u32 = 24;

impl Place {
    /// `None` in files of a terabyte.
    fn new(offset: u64, length: u64) -> Option<Self> {
        let fits = offset < 1 << (u64::BITS - LENGTH_BITS) && length < 1 << LENGTH_BITS;
        fits.then_some(Self(offset << LENGTH_BITS | length))
    }

    fn offset(self) -> u64 {
        self.0 >> LENGTH_BITS
    }

    fn length(self) -> u32 {
        u32::try_from(self.0 & ((1 << LENGTH_BITS) - 1)).unwrap_or(u32::MAX)
    }
}

/// Reads a CAR to its end: the CID of the commit, and the blocks. Every block is hashed.
pub(super) fn read_blocks(
    first: &mut dyn Read,
    file: File,
    stop: &CancellationToken,
) -> Result<(Cid, Blocks), ExportError> {
    let tap = Rc::new(Tap::default());
    let reader = Ready { inner: first, tap: Rc::clone(&tap) };
    let mut car = tap.judge(at_once(CarReader::new(reader)))?;
    let root = car.header().roots().first().and_then(|root| Cid::try_from(root).ok());
    let root = root.ok_or(Reject::CarMalformed)?;
    let mut places = Places::of_file(file.metadata()?.len());
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
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        places.push(&cid, Place::new(end - length, length).ok_or(Reject::ExportTooLarge)?);
    }
    // A file that is cut inside the length of a block looks like one that has ended.
    if tap.read.get() != end {
        return Err(Reject::TruncatedExport.into());
    }
    Ok((root, Blocks { places: places.sort(), file, file_bytes: end }))
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Blocks, Cid, ExportError, Place, Places, Reject};

    #[test]
    fn a_place_takes_sixteen_bytes_and_says_where_and_how_many() {
        assert_eq!(size_of::<(u64, Place)>(), 16);
        let most = ((1 << 40) - 1, (1 << 24) - 1);
        for (offset, length) in [(0, 0), (1, 2), (4_000_000_000, 4_194_304), most] {
            let place = Place::new(offset, length).unwrap();
            assert_eq!((place.offset(), u64::from(place.length())), (offset, length));
        }
        assert_eq!(Place::new(1 << 40, 0), None);
        assert_eq!(Place::new(0, 1 << 24), None);
    }

    #[test]
    fn blocks_whose_keys_are_the_same_are_told_apart() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"onetwo").unwrap();
        let cid = Cid::compute_dag_cbor;
        let mut places = Places::default();
        // As if the first had the keys of both others.
        for name in [b"one", b"two", b"six"] {
            places.push(&cid(name), Place::new(0, 3).unwrap());
        }
        places.push(&cid(b"two"), Place::new(3, 3).unwrap());
        let blocks = Blocks { places: places.sort(), file, file_bytes: 6 };
        assert_eq!(blocks.get(&cid(b"one")).unwrap(), b"one");
        assert_eq!(blocks.get(&cid(b"two")).unwrap(), b"two");
        let reject = |name| match blocks.get(&cid(name)) {
            Err(ExportError::Reject(reject)) => reject,
            other => panic!("{other:?}"),
        };
        assert_eq!(reject(b"six"), Reject::BlockHashMismatch);
        assert_eq!(reject(b"ten"), Reject::BlockMissing);
    }
}
