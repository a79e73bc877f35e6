//! A repository as `getRepo` exports it: one CAR file with the commit, the tree and every record.
//!
//! The file is read front to back once: every block is hashed, and where it stands is kept. Then the tree is walked
//! from its root to its last leaf, and every record must be there. Only after that is anything handed on, on a second
//! walk, in parts: so memory holds a table of places and one part, however large the repository is. Spec:
//! PROTOCOL §3 and §4.

mod blocks;

use std::fs::File;
use std::io::{self, Read};

use ipld_core::cid::Cid as AnyCid;
use tokio_util::sync::CancellationToken;

use self::blocks::{Blocks, read_blocks};
use crate::codec::answer::{Part, Path};
use crate::codec::claim::Claim;
use crate::codec::commit::SignedCommit;
use crate::codec::event::{Block, Export, Exported, Interest};
use crate::codec::limits::{EXPORT_KEYS_MAX, EXPORT_RECORD_BYTES_MAX, EXPORT_REPEATED_BYTES_MAX};
use crate::codec::skim::split_path;
use crate::codec::{Reject, mst};
use crate::syntax::{Cid, Did, RecordKey, Tid};

/// Bytes of wanted records in a part, with a thousand for each. Some 1,300 records of the usual size:
/// many enough that a batch is worth its sync, and so few that queries hardly notice it.
pub const PART_BYTES: usize = 2_000_000;

/// What a record takes beside its bytes, here and in the batch that it ends in: millions of keys may name the
/// same small block.
const RECORD_OVERHEAD_BYTES: usize = 1_000;

/// No repository came of a file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
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

/// Reads an export at once, and what its signature has to prove. `first` gives the bytes front to back, and `file` is
/// the same file.
///
/// # Errors
/// As [`Repository::open`], and if more is wanted than is applied in one go.
pub fn read(
    first: &mut dyn Read,
    file: File,
    interest: &impl Interest,
    stop: &CancellationToken,
) -> Result<(Export, Claim), ExportError> {
    let repository = Repository::open(first, file, interest, stop)?;
    Ok((repository.whole(stop)?, repository.claim()))
}

/// A repository of which everything is there. Whether its account signed it is not known: see [`Repository::claim`].
#[derive(Debug)]
pub struct Repository<I> {
    blocks: Blocks,
    commit: SignedCommit,
    interest: I,
}

impl<I: Interest> Repository<I> {
    /// Reads a file to its end, and its tree to the last leaf. `first` gives the bytes front to back, in pieces of any
    /// size down to one byte, and `file` is the same file.
    ///
    /// # Errors
    /// If it is no whole repository, holds more than is taken, or cannot be read.
    pub fn open(
        first: &mut dyn Read,
        file: File,
        interest: I,
        stop: &CancellationToken,
    ) -> Result<Self, ExportError> {
        let (root, blocks) = read_blocks(first, file, stop)?;
        let commit = SignedCommit::decode(&blocks.get(&root)?)?;
        let repository = Self { blocks, commit, interest };
        repository.check_leaves(stop)?;
        Ok(repository)
    }

    /// Whose it is said to be.
    pub fn did(&self) -> &Did {
        &self.commit.did
    }

    /// Its revision.
    pub fn rev(&self) -> Tid {
        self.commit.rev
    }

    /// What its signature has to prove before any of it is believed.
    pub fn claim(&self) -> Claim {
        self.commit.clone().claim()
    }

    /// Hands on the wanted records in the order of their keys, in parts of so many bytes (see [`PART_BYTES`]) or of one
    /// record. Where nothing is wanted, that is one part without records.
    ///
    /// # Errors
    /// What `each` says; and if the file cannot be read any more, or we are told to stop.
    pub fn parts<E: From<ExportError>>(
        &self,
        bytes_max: usize,
        stop: &CancellationToken,
        mut each: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after: Option<Path> = None;
        let (mut records, mut bytes) = (Vec::new(), 0);
        let leaf = |key: &[u8], cid: &AnyCid| {
            let Some(record) = self.wanted_record(key, cid, stop)? else { return Ok(()) };
            let size = RECORD_OVERHEAD_BYTES + record.block.bytes.len();
            if let Some(until) = records.last().map(path_of).filter(|_| bytes + size > bytes_max) {
                let export = self.export(std::mem::take(&mut records));
                let after = after.replace(until.clone());
                each(Part { export, after, until: Some(until) }).map_err(Halt)?;
                bytes = 0;
            }
            bytes += size;
            records.push(record);
            Ok(())
        };
        mst::walk(self.commit.data, |cid| Ok(self.blocks.get(cid)?), leaf).map_err(|Halt(why)| why)?;
        each(Part { export: self.export(records), after, until: None })
    }

    /// All wanted records at once, if they are not too many for that.
    pub(super) fn whole(&self, stop: &CancellationToken) -> Result<Export, ExportError> {
        let mut whole = self.export(Vec::new());
        self.parts(EXPORT_RECORD_BYTES_MAX, stop, |part| {
            whole = part.export;
            if part.until.is_some() { Err(ExportError::from(Reject::ExportTooLarge)) } else { Ok(()) }
        })?;
        Ok(whole)
    }

    /// Walks the tree once without handing on anything.
    fn check_leaves(&self, stop: &CancellationToken) -> Result<(), ExportError> {
        let (mut keys, mut bytes) = (0, 0);
        let bytes_max = self.blocks.file_bytes().saturating_add(EXPORT_REPEATED_BYTES_MAX);
        let leaf = |key: &[u8], cid: &AnyCid| {
            if stop.is_cancelled() {
                return Err(ExportError::Stopped);
            }
            keys += 1;
            bytes += match (wanted(key, &self.interest), Cid::try_from(cid)) {
                (Some(_), cid) => u64::from(self.blocks.length(&record_cid(cid.ok())?)?),
                (None, Ok(cid)) => self.blocks.length(&cid).map(|_| 0)?,
                // Under a CID of another kind it cannot be looked for.
                (None, Err(_)) => 0,
            };
            if keys > EXPORT_KEYS_MAX || bytes > bytes_max {
                return Err(Reject::ExportTooLarge.into());
            }
            Ok(())
        };
        mst::walk(self.commit.data, |cid| self.blocks.get(cid), leaf)
    }

    /// The record of a leaf, if it is wanted.
    fn wanted_record(
        &self,
        key: &[u8],
        cid: &AnyCid,
        stop: &CancellationToken,
    ) -> Result<Option<Exported>, ExportError> {
        if stop.is_cancelled() {
            return Err(ExportError::Stopped);
        }
        let Some((collection, rkey)) = wanted(key, &self.interest) else { return Ok(None) };
        let cid = record_cid(Cid::try_from(cid).ok())?;
        let block = Block { cid, bytes: self.blocks.get(&cid)?, fault: None };
        Ok(Some(Exported { collection, rkey, block }))
    }

    fn export(&self, records: Vec<Exported>) -> Export {
        let SignedCommit { did, rev, data, .. } = &self.commit;
        Export { did: did.clone(), rev: *rev, data: *data, records }
    }
}

/// Why a walk that hands on parts does not go on, in the words of whoever takes them.
struct Halt<E>(E);

impl<E: From<ExportError>> From<ExportError> for Halt<E> {
    fn from(error: ExportError) -> Self {
        Halt(error.into())
    }
}

impl<E: From<ExportError>> From<Reject> for Halt<E> {
    fn from(reject: Reject) -> Self {
        Halt(ExportError::from(reject).into())
    }
}

/// The collection and key of a record that is wanted. A key that is no path is nothing that anybody wants.
fn wanted(key: &[u8], interest: &impl Interest) -> Option<Path> {
    let (collection, rkey) = split_path(std::str::from_utf8(key).ok()?)?;
    Some((interest.collection(collection)?, RecordKey::parse(rkey).ok()?))
}

/// As over the firehose: records are DAG-CBOR.
fn record_cid(cid: Option<Cid>) -> Result<Cid, Reject> {
    cid.filter(Cid::is_dag_cbor).ok_or(Reject::BadCid)
}

fn path_of(record: &Exported) -> Path {
    (record.collection, record.rkey.clone())
}
