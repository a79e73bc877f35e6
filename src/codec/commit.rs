//! The signed commit object of a repository. Spec: atproto repository, "Commit objects".

use ipld_core::cid::Cid as AnyCid;
use serde::Deserialize;
use serde_bytes::Bytes;

use super::cbor;
use super::reject::Reject;
use crate::syntax::{Cid, Did, Tid};

/// The only version on the network.
const VERSION: u64 = 3;

/// What a signed commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCommit {
    /// The repository.
    pub did: Did,
    /// Its revision.
    pub rev: Tid,
    /// The CID of the tree's root node.
    pub data: Cid,
}

#[derive(Deserialize)]
struct Wire<'a> {
    did: &'a str,
    version: u64,
    data: AnyCid,
    rev: &'a str,
    // Null on nearly every commit, and there on all of them: named so that a missing key is an error.
    #[serde(rename = "prev", deserialize_with = "Option::deserialize")]
    _prev: Option<AnyCid>,
    #[serde(borrow, rename = "sig")]
    _sig: &'a Bytes,
}

impl SignedCommit {
    /// Decodes a commit block. The signature is not looked at here.
    pub fn decode(block: &[u8]) -> Result<Self, Reject> {
        cbor::walk(block).map_err(|_| Reject::CommitMalformed)?;
        let wire: Wire<'_> = serde_ipld_dagcbor::from_slice(block).map_err(|_| Reject::CommitMalformed)?;
        if wire.version != VERSION {
            return Err(Reject::CommitMalformed);
        }
        Ok(Self {
            did: Did::parse(wire.did).map_err(|_| Reject::CommitMalformed)?,
            rev: Tid::parse(wire.rev).map_err(|_| Reject::CommitMalformed)?,
            data: Cid::try_from(&wire.data).map_err(|_| Reject::CommitMalformed)?,
        })
    }
}
