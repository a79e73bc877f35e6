//! What a host says of one of its accounts when it is asked, or why it said nothing.
//!
//! Whoever asks knows a clock and puts the time into the answer, so that nobody behind needs one. Spec: PROTOCOL
//! §4.6 and §7.

use super::event::Export;
use crate::syntax::{Did, RecordKey, Tid};

/// What came of asking a host for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The account.
    pub did: Did,
    /// When it was asked, in microseconds since the epoch.
    pub at: i64,
    /// How long to wait before the second attempt if this one failed, in microseconds.
    pub retry: i64,
    /// What it said.
    pub said: Said,
}

/// What a host said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing yet: it is asked for the whole repository from now on.
    Asked,
    /// How the account stands there.
    Standing(Standing),
    /// There is no host to ask: who would know of the account does not, or no longer.
    Nobody,
    /// The whole repository, or a part of it.
    Part(Part),
    /// It could not be asked, or what it said is of no use.
    Failed {
        /// Why, in words.
        why: Box<str>,
        /// When it may be asked again at the earliest, in microseconds since the epoch.
        not_before: Option<i64>,
    },
}

/// How an account stands at its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether its content may be shown.
    pub active: bool,
    /// Why not.
    pub status: Option<Box<str>>,
    /// The revision of its repository, where the host says it.
    pub rev: Option<Tid>,
}

/// The wanted records of a repository between two of its keys. Parts come in the order of the keys, and all of a
/// repository was proved before its first part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The repository, with the wanted records of this part.
    pub export: Export,
    /// The last key before it; `None` for the first part.
    pub after: Option<Path>,
    /// Its last key; `None` for the last part.
    pub until: Option<Path>,
}

/// Where a wanted record is in its repository: its collection and its key.
pub type Path = (&'static str, RecordKey);
