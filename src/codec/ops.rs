//! The operations of a commit: checked, proved by the tree that was signed, and opened.
//!
//! A commit's operations are not signed; its tree is. So an operation is believed when the tree holds its result
//! and undoing all of them leads to the tree before. Spec: atproto sync; PROTOCOL §4.4.

use std::collections::HashSet;

use ipld_core::cid::Cid as AnyCid;
use ipld_core::ipld::Ipld;
use serde::Deserialize;

use super::car::Car;
use super::event::{Block, Interest, Op, Proof, Write};
use super::limits::COMMIT_OPS_MAX;
use super::node::Node;
use super::proof::{Change, Changes, PartialTree};
use super::reject::Reject;
use super::skim::split_path;
use crate::syntax::{Cid, RecordKey, Tid};

/// An operation as it stands in a message.
#[derive(Deserialize)]
pub(super) struct OpWire<'a> {
    action: &'a str,
    path: &'a str,
    cid: Option<AnyCid>,
    // A link or nothing, where it is looked at.
    prev: Option<Ipld>,
}

/// An operation on a wanted collection whose block is still in the CAR.
pub(super) struct WantedOp {
    collection: &'static str,
    rkey: RecordKey,
    cid: Option<Cid>,
}

/// Checks every operation and keeps the wanted ones.
pub(super) fn wanted(ops: &[OpWire<'_>], interest: &impl Interest) -> Result<Vec<WantedOp>, Reject> {
    if ops.len() > COMMIT_OPS_MAX {
        return Err(Reject::TooManyOps);
    }
    let mut paths = HashSet::new();
    let mut wanted = Vec::new();
    for op in ops {
        let (collection, rkey) = split_path(op.path).ok_or(Reject::BadPath)?;
        match (op.action, op.cid.is_some()) {
            ("create" | "update", true) | ("delete", false) => {}
            _ => return Err(Reject::BadAction),
        }
        if !paths.insert(op.path) {
            return Err(Reject::DuplicatePath);
        }
        let Some(collection) = interest.collection(collection) else { continue };
        let rkey = RecordKey::parse(rkey).map_err(|_| Reject::BadPath)?;
        let cid = op.cid.as_ref().map(block_cid).transpose()?;
        wanted.push(WantedOp { collection, rkey, cid });
    }
    Ok(wanted)
}

/// The CID of a block: records and nodes are DAG-CBOR.
pub(super) fn block_cid(cid: &AnyCid) -> Result<Cid, Reject> {
    Cid::try_from(cid).ok().filter(Cid::is_dag_cbor).ok_or(Reject::BadCid)
}

/// A field that is a link, or null, or absent.
pub(super) fn link(field: Option<&Ipld>) -> Result<Option<AnyCid>, Reject> {
    match field {
        None | Some(Ipld::Null) => Ok(None),
        Some(Ipld::Link(cid)) => Ok(Some(*cid)),
        Some(_) => Err(Reject::BadField),
    }
}

/// The root of the tree before a commit, where a message says it; hosts of an older kind do not. The first commit
/// has none, and changes the empty tree. A root that is told counts whatever `since` is: that is about what the host
/// sent, and a repository that came from elsewhere has a tree before its first message.
pub(super) fn base(since: Option<Tid>, prev_data: Option<Cid>) -> Option<Cid> {
    prev_data.or_else(|| since.is_none().then(|| Node::default().cid()))
}

/// Proves all operations of a commit, wanted or not, by the tree under `data`, and that they lead there from `base`.
///
/// # Errors
/// `ProofMismatch` where they are not what happened, `ProofIncomplete` where the message lacks nodes that would show
/// it, `BadAction` for a created record that was there before, `BlockMissing` for a record that did not come.
pub(super) fn prove(
    ops: &[OpWire<'_>],
    base: Option<Cid>,
    data: Cid,
    car: &Car<'_>,
) -> Result<Proof, Reject> {
    let mut is_told = true;
    let mut changes = Vec::with_capacity(ops.len());
    for op in ops {
        let before = link(op.prev.as_ref())?;
        match (op.action, before) {
            ("create", Some(_)) => return Err(Reject::BadAction),
            ("create", None) | (_, Some(_)) => {}
            (_, None) => is_told = false,
        }
        changes.push(Change { path: op.path, before, after: op.cid });
    }
    if !is_told && base == Some(Node::default().cid()) {
        // Nothing was there that could have been updated or deleted.
        return Err(Reject::ProofMismatch);
    }
    let changes: Changes<'_> = changes.into_iter().collect();
    let before = PartialTree::open(car, &data, &changes)?.undo(&changes)?;
    for cid in ops.iter().filter_map(|op| op.cid.as_ref()) {
        // A record may have a CID that no block of a repository can have.
        if Cid::try_from(cid).is_ok_and(|cid| !car.has(&cid)) {
            return Err(Reject::BlockMissing);
        }
    }
    let Some(base) = base.filter(|_| is_told) else { return Ok(Proof::Forward) };
    before.leads_to(&base)?;
    Ok(Proof::Inverted)
}

/// Opens wanted operations, all or none.
pub(super) fn open_all(wanted: Vec<WantedOp>, car: &Car<'_>) -> Result<Vec<Op>, Reject> {
    wanted.into_iter().map(|op| op.open(car)).collect()
}

/// Opens the operations whose blocks are there and whole; a damaged one harms only itself, if there is another.
pub(super) fn open_what_is_whole(
    wanted: Vec<WantedOp>,
    car: &Car<'_>,
) -> Result<(Vec<Op>, Vec<Reject>), Reject> {
    let (mut ops, mut faults) = (Vec::new(), Vec::new());
    for op in wanted {
        match op.open(car) {
            Ok(op) => ops.push(op),
            Err(fault) => faults.push(fault),
        }
    }
    match faults.first() {
        Some(fault) if ops.is_empty() => Err(*fault),
        _ => Ok((ops, faults)),
    }
}

impl WantedOp {
    fn open(self, car: &Car<'_>) -> Result<Op, Reject> {
        let write = match self.cid {
            Some(cid) => Write::Put(Block { cid, bytes: car.block(&cid)?.to_vec(), fault: None }),
            None => Write::Delete,
        };
        Ok(Op { collection: self.collection, rkey: self.rkey, write })
    }
}
