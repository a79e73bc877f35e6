//! What a source delivers, decoded: one type for the firehose, Jetstream and dumps.
//!
//! Values here are well-formed; nobody downstream looks at their syntax again. Whether to believe them is
//! another question.

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::claim::Claim;
use super::reject::Reject;
use crate::syntax::{Cid, Datetime, Did, RecordKey, Tid};

/// One message of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Records changed.
    Commit(Commit),
    /// The repository is at this commit; how it came there is not told.
    Sync(Sync),
    /// Something about the identity changed: a hint to resolve it again.
    Identity(Did),
    /// The account's standing at the host that sent this.
    Account(Account),
    /// A whole repository.
    Export(Export),
    /// There was something of this repository that could be neither proved nor refuted, and is missing here.
    Missed(Did),
    /// What came of asking its host.
    Answer(Answer),
}

impl Event {
    /// The repository.
    pub fn did(&self) -> &Did {
        match self {
            Event::Commit(commit) => &commit.did,
            Event::Sync(sync) => &sync.did,
            Event::Identity(did) | Event::Missed(did) => did,
            Event::Account(account) => &account.did,
            Event::Export(export) => &export.did,
            Event::Answer(answer) => &answer.did,
        }
    }
}

/// A commit, or the one operation of a commit that a Jetstream event carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The repository.
    pub did: Did,
    /// Its revision after this commit.
    pub rev: Tid,
    /// Where it came from, with what only that kind of source knows.
    pub origin: Origin,
    /// The operations on wanted collections.
    pub ops: Vec<Op>,
    /// Why operations on wanted collections are left out: their block is missing or does not hash to its CID.
    pub damaged: Vec<Reject>,
}

/// The kind of source a commit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The firehose: the revision before this commit, and the root of the tree after it.
    Firehose {
        /// The revision before this commit; `None` on the first.
        since: Option<Tid>,
        /// The CID of the tree's root node.
        data: Cid,
        /// The root before this commit, where the message says it.
        prev_data: Option<Cid>,
        /// What its tree shows of its operations.
        proof: Proof,
    },
    /// Jetstream, which tells neither.
    Jetstream,
}

/// What the tree of a commit shows of its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It was not looked at, and nothing else of the commit was.
    None,
    /// It was not looked at. The commit is signed.
    Signed,
    /// They are in it, and undoing them leads back to the root before.
    Inverted,
    /// They are in it. What was there before is not told, as by hosts of an older kind.
    Forward,
}

/// A change of one record in a wanted collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The collection's NSID: one that was asked for.
    pub collection: &'static str,
    /// The record's key.
    pub rkey: RecordKey,
    /// What happened.
    pub write: Write,
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Creates or replaces the record.
    Put(Block),
    /// Removes it.
    Delete,
}

/// The bytes of a record, as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The CID under which they came.
    pub cid: Cid,
    /// DAG-CBOR; or the JSON text, where `fault` says that it has no DAG-CBOR form.
    pub bytes: Vec<u8>,
    /// What the decoder found wrong that the bytes alone do not show.
    pub fault: Option<BlockFault>,
}

/// What is wrong with a record that came as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockFault {
    /// It has no DAG-CBOR form; `bytes` is the JSON text.
    NotDagCbor,
    /// It nests too deep to be read; `bytes` is the JSON text.
    TooDeep,
    /// Its DAG-CBOR form does not hash to the CID it came with.
    CidMismatch,
}

/// A repository as its host exported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The repository.
    pub did: Did,
    /// Its revision.
    pub rev: Tid,
    /// The CID of the tree's root node.
    pub data: Cid,
    /// Every record of a wanted collection in it.
    pub records: Vec<Exported>,
}

/// A record of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The collection's NSID: one that was asked for.
    pub collection: &'static str,
    /// The record's key.
    pub rkey: RecordKey,
    /// The record.
    pub block: Block,
}

/// A `#sync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The repository.
    pub did: Did,
    /// The revision inside the signed commit.
    pub rev: Tid,
    /// The revision that the event itself claims. After a migration it is later than `rev`.
    pub event_rev: Tid,
    /// The CID of the tree's root node.
    pub data: Cid,
}

/// An `#account`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub did: Did,
    /// Whether its content may be shown.
    pub active: bool,
    /// Why not; explains and never decides, but for `deleted`.
    pub status: Option<Box<str>>,
    /// When the host sent it; `None` when it is no datetime.
    pub time: Option<Datetime>,
}

/// Bytes of a status that are kept. The known ones have at most 14; what is longer explains nothing.
const STATUS_BYTES_MAX: usize = 64;

/// The status that purges an account's records.
const DELETED: &str = "deleted";

/// A status as it is kept.
pub fn kept_status(text: Option<&str>) -> Option<Box<str>> {
    text.map(|text| if text.len() <= STATUS_BYTES_MAX { text } else { "unrecognised" }.into())
}

impl Account {
    /// The status as it is kept.
    pub(super) fn status(text: Option<&str>) -> Option<Box<str>> {
        kept_status(text)
    }

    /// Whether it says that the account is gone for good.
    pub fn deletes(&self) -> bool {
        !self.active && self.status.as_deref() == Some(DELETED)
    }
}

/// A message with its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `seq` of the firehose or `time_us` of Jetstream; `None` where the message has none or it could not
    /// be read.
    pub position: Option<u64>,
    /// What it says, or why it is not used.
    pub body: Result<Body, Reject>,
    /// The signature that the body rests on, where that is asked for; a body without one is believed as it is.
    pub claim: Option<Claim>,
}

impl Message {
    /// A message that rests on no signature.
    pub(crate) fn new(position: Option<u64>, body: Result<Body, Reject>) -> Self {
        Self { position, body, claim: None }
    }
}

/// What a well-formed message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Something to apply.
    Event(Event),
    /// A commit in which nothing is wanted, of a repository that is not watched.
    Uninteresting,
    /// A notice of the stream itself (`#info`).
    Info(Box<str>),
}

/// What a decoder asks of its caller to tell wanted from unwanted before any block is decoded.
pub trait Interest {
    /// The wanted collection of this name, if it is one.
    fn collection(&self, nsid: &str) -> Option<&'static str>;
    /// Whether commits of this repository are followed even if nothing in them is wanted.
    fn watches(&self, did: &str) -> bool;
}

impl<I: Interest + ?Sized> Interest for &I {
    fn collection(&self, nsid: &str) -> Option<&'static str> {
        (**self).collection(nsid)
    }

    fn watches(&self, did: &str) -> bool {
        (**self).watches(did)
    }
}
