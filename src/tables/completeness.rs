//! Rows of the ledger: what is known of how complete the rest is.
//!
//! None of it is derived from records, and none of it decides an answer. Times are in microseconds since the epoch.

use serde::{Deserialize, Serialize};

use super::rows::Marks;
use crate::syntax::{Cid, Tid};

/// What is known of the completeness of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// How the last revision that was applied was proved.
    pub verified: Verified,
    /// When it was last compared with its host, and found or made the same.
    pub compared: Option<Compared>,
    /// The host is to be asked; the time in its row in `Due`.
    pub due: Option<i64>,
    /// The host is being asked for all of it.
    pub asking: Option<Asking>,
}

/// A comparison with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// When the host was asked.
    pub at: i64,
    /// The revision that it had; `None` where only the account was asked about.
    pub rev: Option<Tid>,
}

/// While a host is asked for a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// The greatest revision that was known when it was asked.
    pub known: Option<Tid>,
    /// A revision that it must have sent at least: a commit that came meanwhile follows on it, and nobody here has
    /// seen it.
    pub needed: Option<Tid>,
    /// What it sends, once a part of that is applied.
    pub applying: Option<Applying>,
    /// The marks that it had then. They come back if nothing comes of it.
    pub marks: Marks,
}

/// A repository of which a part is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applying {
    /// Its revision.
    pub rev: Tid,
    /// The root of its tree.
    pub data: Cid,
    /// Something was not the same here.
    pub changed: bool,
}

/// How the last revision of a repository was proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verified {
    /// Nothing was applied.
    #[default]
    Nothing,
    /// It was not: its source is believed.
    Believed,
    /// Its signature.
    Signature,
    /// Its signature, and that its operations are in the tree; what was before them its host does not say.
    Forward,
    /// Its signature, its operations, and that undoing them leads back to the tree before.
    Full,
    /// All of the repository, to the last block.
    Whole,
}

impl Verified {
    /// The name under which it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Verified::Nothing => "nothing",
            Verified::Believed => "believed",
            Verified::Signature => "signature",
            Verified::Forward => "forward",
            Verified::Full => "full",
            Verified::Whole => "whole",
        }
    }
}

/// Why a host is to be asked about an account. A later one asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// A record refers to it, and nothing is known of it.
    Referenced,
    /// A sweep came by it.
    Listed,
    /// A commit was ignored because it is not active, which its host may see otherwise.
    Ignored,
    /// A commit in the middle of its history is the first that was seen.
    FirstSeen,
    /// Something of it may be missing here.
    Marked,
    /// Somebody asked for it.
    Named,
}

impl Cause {
    /// The name under which it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Referenced => "referenced",
            Cause::Listed => "listed",
            Cause::Ignored => "ignored",
            Cause::FirstSeen => "first-seen",
            Cause::Marked => "marked",
            Cause::Named => "named",
        }
    }
}

/// A host that is to be asked about an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Why.
    pub cause: Cause,
    /// When a sweep came by it first, if one did.
    pub listed: Option<i64>,
    /// Attempts that failed.
    pub attempts: u32,
    /// Why the last one did, in words.
    pub failure: Option<Box<str>>,
}

/// How far what a source tells is covered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// When the latest message was sent of which that is known.
    pub heard: Option<i64>,
    /// The last time when something may have been missed.
    pub window: Option<Window>,
}

/// A time in which something may have been missed, with what is done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Why.
    pub miss: Miss,
    /// How often something may have been missed before the sweep began.
    pub times: u64,
    /// Something may have been missed since the sweep began: another one follows.
    pub again: Option<Miss>,
    /// What is done about it.
    pub sweep: Option<Sweep>,
    /// Attempts to go on with the sweep that failed in a row.
    pub attempts: u32,
    /// Why the last one did, in words.
    pub failure: Option<Box<str>>,
    /// When it is gone on with at the earliest.
    pub next: i64,
    /// When everybody in it was asked about. Those about whom that failed stay due.
    pub closed: Option<i64>,
}

/// Something may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// How.
    pub how: How,
    /// When that was noticed.
    pub at: i64,
    /// How far the source was read then.
    pub cursor: Option<u64>,
}

/// How something may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// The source was never read before: everything until now.
    FirstRead,
    /// The host says that it no longer has everything since the cursor.
    OutdatedCursor,
    /// The host begins long after the cursor, and does not say why.
    Retention,
    /// The sequence began anew.
    SequenceReset,
    /// A connection was lost before it said where the stream stands.
    NoCursor,
    /// A message could not be read, and was passed over.
    PassedOver,
    /// Somebody asked for a sweep.
    Asked,
}

impl How {
    /// The name under which it is shown.
    pub fn name(self) -> &'static str {
        match self {
            How::FirstRead => "first-read",
            How::OutdatedCursor => "outdated-cursor",
            How::Retention => "retention",
            How::SequenceReset => "sequence-reset",
            How::NoCursor => "no-cursor",
            How::PassedOver => "passed-over",
            How::Asked => "asked",
        }
    }
}

/// A walk over every repository that may hold something wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// When it began. What was compared after that is.
    pub begun: i64,
    /// What is walked over.
    pub stage: Stage,
    /// Where the next page begins.
    pub cursor: Option<Box<str>>,
    /// Pages of this stage.
    pub pages: u64,
    /// Repositories that it came by, one that is in several lists more than once.
    pub listed: u64,
    /// When it had come by all.
    pub ended: Option<i64>,
}

/// What a sweep walks over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Those that the upstream lists for a collection, by its place in the list of kinds.
    Collection(u8),
    /// All that the upstream lists.
    Everything,
    /// Those that are tracked here: the upstream may have none of their records any more.
    Tracked,
}
