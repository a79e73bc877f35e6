//! What the model is told: events, in the order in which they arrived.
//!
//! Records arrive graded, because grading (RULES §1, Grades) is not the model's question.

use super::kind::Kind;
use serde_json::Value;

/// One event and the source that sent it. Their order is the order of arrival.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) source: String,
    pub(crate) body: Body,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// A firehose commit; `data` is the MST root after it, as opaque text.
    Commit { did: String, rev: String, data: String, ops: Vec<Op> },
    /// One op of a Jetstream commit; the position is its `time_us`.
    JetstreamCommit { did: String, rev: String, op: Op, position: u64 },
    /// A `#sync`: `rev` stands inside the signed commit, `event_rev` in the event around it.
    Sync { did: String, rev: String, event_rev: String, data: String },
    /// An `#account`; the position is its `seq` or `time_us`.
    Account { did: String, position: u64, active: bool, status: Option<String>, time: String },
}

/// One write to one record key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Op {
    pub(crate) collection: String,
    pub(crate) rkey: String,
    pub(crate) write: Write,
}

/// A create or update, or a delete.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Write {
    Put { cid: String, record: Record },
    Delete,
}

/// A record as graded. A usable one has its load-bearing fields, well-formed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// Conforming without deviations, deviating with some; each is a path and a rule.
    Usable { value: Value, deviations: Vec<(String, String)> },
    /// Quarantined for a reason.
    Unusable { reason: String },
}

impl Op {
    /// Wanted is what touches one of the eight collections, deletes included.
    pub(crate) fn is_wanted(&self) -> bool {
        Kind::of_collection(&self.collection).is_some()
    }
}
