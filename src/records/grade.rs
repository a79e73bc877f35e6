//! From the bytes of a record to its grade. Spec: RULES §1, "Grades".

use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};

use super::fields::{Fields, Map};
use super::{Body, Kind, lexicon};
use crate::codec::cbor::{self, Malformed};
use crate::codec::event::{Block, BlockFault};
use crate::codec::limits::{RECORD_BYTES_MAX, RECORD_DEPTH_MAX};
use crate::syntax::RecordKey;

/// How well a record follows its lexicon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grade {
    /// It passes.
    Conforming,
    /// It fails, and what the rules read is usable. Sorted, without repeats.
    Deviating(Vec<Deviation>),
    /// It has no effect.
    Unusable(Unusable),
}

/// One place where a record fails its lexicon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deviation {
    /// JSON Pointer into the record.
    pub path: String,
    /// The lexicon keyword that is violated.
    pub rule: String,
}

/// Why a record is unusable. The order is that in which the first that applies is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unusable {
    /// Over 1,000,000 bytes.
    TooLarge,
    /// Not canonical DAG-CBOR, or JSON without such a form.
    NotDagCbor,
    /// Over 32 levels.
    TooDeep,
    /// The JSON does not hash to the CID it came with.
    CidMismatch,
    /// No map.
    NotAMap,
    /// `$type` is present and is not the collection.
    WrongType,
    /// A load-bearing field is missing.
    MissingField,
    /// A load-bearing field has the wrong type or format.
    BadField,
}

impl Unusable {
    /// The name of every reason, in their order.
    pub const REASONS: [&'static str; 8] = [
        "too-large",
        "not-dag-cbor",
        "too-deep",
        "cid-mismatch",
        "not-a-map",
        "wrong-type",
        "missing-field",
        "bad-field",
    ];

    /// The name under which it is shown and counted.
    pub fn reason(self) -> &'static str {
        match self {
            Unusable::TooLarge => "too-large",
            Unusable::NotDagCbor => "not-dag-cbor",
            Unusable::TooDeep => "too-deep",
            Unusable::CidMismatch => "cid-mismatch",
            Unusable::NotAMap => "not-a-map",
            Unusable::WrongType => "wrong-type",
            Unusable::MissingField => "missing-field",
            Unusable::BadField => "bad-field",
        }
    }
}

impl Grade {
    /// The name under which it is shown.
    pub fn name(&self) -> &'static str {
        match self {
            Grade::Conforming => "conforming",
            Grade::Deviating(_) => "deviating",
            Grade::Unusable(_) => "unusable",
        }
    }
}

/// A record's grade and, unless it is unusable, what the rules read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graded {
    /// The grade.
    pub grade: Grade,
    /// The load-bearing fields.
    pub body: Option<Body>,
}

/// Grades a record of the collection of `kind` under `rkey`.
pub fn grade(kind: Kind, rkey: &RecordKey, block: &Block) -> Graded {
    match try_grade(kind, rkey, block) {
        Ok((deviations, body)) if deviations.is_empty() => {
            Graded { grade: Grade::Conforming, body: Some(body) }
        }
        Ok((deviations, body)) => Graded { grade: Grade::Deviating(deviations), body: Some(body) },
        Err(unusable) => Graded { grade: Grade::Unusable(unusable), body: None },
    }
}

fn try_grade(kind: Kind, rkey: &RecordKey, block: &Block) -> Result<(Vec<Deviation>, Body), Unusable> {
    let record = read(block)?;
    match record.get("$type") {
        Some(Ipld::String(nsid)) if nsid == kind.nsid() => {}
        None => {}
        Some(_) => return Err(Unusable::WrongType),
    }
    let mut fields = Fields::new(&record, rkey);
    let body = Body::parse(kind, &mut fields);
    if let Some(fault) = fields.fault() {
        return Err(fault);
    }
    let mut deviations = fields.deviations;
    deviations.extend(lexicon::deviations(kind, &record));
    deviations.sort();
    deviations.dedup();
    Ok((deviations, body.ok_or(Unusable::BadField)?))
}

/// The record as a map, or the first reason why it is none.
fn read(block: &Block) -> Result<Map, Unusable> {
    match block.fault {
        // What has no DAG-CBOR form has no size either: that of its JSON depends on how it was written.
        Some(BlockFault::NotDagCbor) => return Err(Unusable::NotDagCbor),
        Some(BlockFault::TooDeep) => return Err(Unusable::TooDeep),
        Some(BlockFault::CidMismatch) | None => {}
    }
    if block.bytes.len() > RECORD_BYTES_MAX {
        return Err(Unusable::TooLarge);
    }
    let levels = cbor::walk(&block.bytes).map_err(|malformed| match malformed {
        Malformed::NotDagCbor => Unusable::NotDagCbor,
        Malformed::TooDeep => Unusable::TooDeep,
    })?;
    if levels > RECORD_DEPTH_MAX {
        return Err(Unusable::TooDeep);
    }
    if block.fault == Some(BlockFault::CidMismatch) {
        return Err(Unusable::CidMismatch);
    }
    match serde_ipld_dagcbor::from_slice(&block.bytes) {
        Ok(Ipld::Map(record)) => Ok(record),
        Ok(_) => Err(Unusable::NotAMap),
        Err(_) => Err(Unusable::NotDagCbor),
    }
}
