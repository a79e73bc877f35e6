//! CAR version 1 from a slice: the blocks of one message, by CID.
//!
//! Order, duplicates and unreachable blocks mean nothing; the root is looked up by its CID. A block is
//! hashed when it is used and not before. Spec: atproto repository, "CAR file serialization".

use std::collections::HashMap;

use ipld_core::cid::Cid as AnyCid;
use serde::Deserialize;

use super::limits::CAR_BLOCKS_MAX;
use super::reject::Reject;
use crate::syntax::Cid;

/// The blocks of a CAR, borrowed from it.
#[derive(Debug)]
pub struct Car<'a> {
    root: Cid,
    blocks: HashMap<Cid, &'a [u8]>,
}

#[derive(Deserialize)]
struct Header {
    roots: Vec<AnyCid>,
    version: u64,
}

impl<'a> Car<'a> {
    /// Indexes `bytes`. Blocks under CIDs that a repository cannot use are passed over.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        let mut rest = bytes;
        let header: Header =
            serde_ipld_dagcbor::from_slice(section(&mut rest)?).map_err(|_| Reject::CarMalformed)?;
        let root = header.roots.first().and_then(|cid| Cid::try_from(cid).ok());
        let (Some(root), 1) = (root, header.version) else { return Err(Reject::CarMalformed) };
        let mut blocks = HashMap::new();
        let mut count = 0;
        while !rest.is_empty() {
            let mut block = section(&mut rest)?;
            count += 1;
            if count > CAR_BLOCKS_MAX {
                return Err(Reject::CarMalformed);
            }
            // `read_bytes` moves the slice past the CID and leaves the block's data.
            let cid = AnyCid::read_bytes(&mut block).map_err(|_| Reject::CarMalformed)?;
            if let Ok(cid) = Cid::try_from(&cid) {
                blocks.entry(cid).or_insert(block);
            }
        }
        Ok(Self { root, blocks })
    }

    /// The CID of the first root: the commit.
    pub fn root(&self) -> Cid {
        self.root
    }

    /// How many blocks it holds.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether it holds something under `cid`, whatever it is.
    pub fn has(&self, cid: &Cid) -> bool {
        self.blocks.contains_key(cid)
    }

    /// The block under `cid`, hashed and compared.
    pub fn block(&self, cid: &Cid) -> Result<&'a [u8], Reject> {
        let block = self.blocks.get(cid).ok_or(Reject::BlockMissing)?;
        if cid.matches(block) { Ok(block) } else { Err(Reject::BlockHashMismatch) }
    }
}

/// Takes one length-prefixed section off the front.
fn section<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Reject> {
    let length = varint(rest).ok_or(Reject::CarMalformed)?;
    let (section, after) = rest.split_at_checked(length).ok_or(Reject::CarMalformed)?;
    *rest = after;
    Ok(section)
}

/// Takes an unsigned LEB128 integer off the front. Five bytes hold every length that fits in a frame.
fn varint(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
