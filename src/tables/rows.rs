//! What the rows of the store say.
//!
//! Values are postcard: compact, with a documented wire format, fields in the order declared. Changing a
//! type here changes the format, and with it `store::schema::VERSION`.

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::event::BlockFault;
use crate::records::{Body, Deviation, JoinMode, Kind, NetworkGate, Unusable};
use crate::syntax::{Cid, Datetime, Tid};

/// A fact about the store itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meta {
    /// A version or a count.
    Number(u64),
    /// A secret or a hash.
    Bytes(Vec<u8>),
    /// What is not finished.
    Unfinished(Unfinished),
}

/// Something that is done in many batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unfinished {
    /// Everything derived is worked out anew from the stored records; it can be begun again at any time.
    Rebuild,
    /// Records are read from an export into a store that was empty.
    Import,
}

/// How much there is in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Stored records by the place of their kind, whatever their grade and their author's state.
    pub records: [u64; Kind::ALL.len()],
    /// Unusable ones among them.
    pub quarantined: u64,
    /// Repositories with a record that was applied.
    pub tracked: u64,
    /// Accounts whose records are hidden.
    pub inactive: u64,
    /// Accounts whose records were purged.
    pub deleted: u64,
    /// Repositories to compare with their host.
    pub marked: u64,
}

/// Where a source stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The number by which account rows refer to it.
    pub id: u32,
    /// How far it was applied in the run that was the last: bytes of a dump, after decompression.
    pub offset: u64,
    /// How far it was applied in any run, up to the first message of a dump that could not be decided for want of a
    /// key. What lies before this was decided once, and is not decided again.
    pub high_water: u64,
    /// The greatest `seq` or `time_us` that was applied.
    pub cursor: Option<u64>,
    /// Whether a dump was read to its end.
    pub finished: bool,
}

impl Source {
    /// Whether a dump was read to its end, and everything in it was decided.
    pub fn is_decided(&self) -> bool {
        self.finished && self.offset <= self.high_water
    }
}

/// What is known of an account and its repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// A record of a wanted collection was applied since the account was last deleted.
    pub tracked: bool,
    /// Whether its records are live, by the source that counts.
    pub state: AccountState,
    /// The greatest revision applied.
    pub rev: Option<Tid>,
    /// `rev` was left by Jetstream, whose events do not say when a commit is complete.
    pub rev_from_jetstream: bool,
    /// The root of the tree at `rev`, where it is known.
    pub data: Option<Cid>,
    /// Why the repository should be compared with its host.
    pub marks: Marks,
    /// What each source has said of it.
    pub witnesses: Vec<Witness>,
}

/// Whether an account's records are live (RULES §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountState {
    /// They are.
    #[default]
    Active,
    /// They are kept and hidden.
    Inactive,
    /// They were purged. Ends only when a source says that the account is active.
    Deleted,
}

/// Reasons to compare a repository with its host, when there is one to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// A commit did not follow the one before it.
    pub gap: bool,
    /// A `#sync` came with other data than is stored.
    pub desynchronized: bool,
    /// Jetstream sent something older than is stored.
    pub late_jetstream: bool,
    /// The account was inactive, and its commits were ignored meanwhile.
    pub unchecked: bool,
}

impl Marks {
    /// Whether there is any.
    pub fn any(self) -> bool {
        self.names().next().is_some()
    }

    /// The names under which they are shown.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let Marks { gap, desynchronized, late_jetstream, unchecked } = self;
        let all = [
            (gap, "gap"),
            (desynchronized, "desynchronized"),
            (late_jetstream, "late-jetstream"),
            (unchecked, "unchecked"),
        ];
        all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name)
    }
}

/// What one source has said of an account (RULES §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The source's number.
    pub source: u32,
    /// The greatest revision in a commit or `#sync` that it sent.
    pub rev: Option<Tid>,
    /// Its last account event.
    pub word: Option<Word>,
}

/// The last account event of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Its `seq` or `time_us`.
    pub position: u64,
    /// Whether the account is active.
    pub active: bool,
    /// Why not.
    pub status: Option<Box<str>>,
    /// The account is gone for good.
    pub deleted: bool,
    /// When the event says it was sent.
    pub time: Option<Datetime>,
}

/// What the row of a record begins with. Those of schema versions before [`Shape::SINCE`] begin with the length of a CID,
/// which is another number (`earlier`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape;

impl Shape {
    /// The schema version since which records have the shape that they have. Raised when it changes.
    pub const SINCE: u8 = 6;
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(Self::SINCE)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            Self::SINCE => Ok(Self),
            other => {
                Err(D::Error::invalid_value(Unexpected::Unsigned(other.into()), &"the shape of a record"))
            }
        }
    }
}

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Tells its row from those of earlier versions.
    pub shape: Shape,
    /// Its CID.
    pub cid: Cid,
    /// The revision that wrote it.
    pub rev: Tid,
    /// Its grade.
    pub grade: GradeRow,
    /// What the rules read of it; absent when it is unusable.
    pub body: Option<Body>,
    /// What the decoder found wrong with it; needed to grade it again.
    pub fault: Option<BlockFault>,
    /// Its bytes, as they came.
    pub bytes: RecordBytes,
}

/// The grade of a stored record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GradeRow {
    /// It passes its lexicon.
    Conforming,
    /// It fails it, here.
    Deviating(Vec<Deviation>),
    /// It fails it in more places than a row should hold; they are found again when they are asked for.
    DeviatingMuch,
    /// It has no effect.
    Unusable(Unusable),
}

impl GradeRow {
    /// The name under which it is shown.
    pub fn name(&self) -> &'static str {
        match self {
            GradeRow::Conforming => "conforming",
            GradeRow::Deviating(_) | GradeRow::DeviatingMuch => "deviating",
            GradeRow::Unusable(_) => "unusable",
        }
    }
}

/// Where the bytes of a record are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordBytes {
    /// Here.
    Inline(#[serde(with = "serde_bytes")] Vec<u8>),
    /// In so many chunks of their own.
    Chunked(u16),
}

/// A part of a large record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// What the rules ask of a usable round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundFacts {
    /// Its author is its organizer (RULES §1, "official round").
    pub official: bool,
    /// Who may sign up.
    pub join_mode: JoinMode,
    /// What a participant must have done to invite.
    pub network_gate: NetworkGate,
}

/// What the rules ask of a usable signup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignupFacts {
    /// When it says it was made, in microseconds since the epoch.
    pub time: i64,
}

/// What one person has and is in one round, whatever mode the round is in.
///
/// The round's row decides at read which of these counts, so that a change of mode rewrites nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Usable signups.
    pub signups: u32,
    /// Usable invitations written.
    pub invitations: u32,
    /// Usable submissions.
    pub submissions: u32,
    /// The account is active, or the person is the organizer.
    pub live: bool,
    /// Has a signup that rests on an invitation of the organizer.
    pub hosted: bool,
    /// Is reached from the organizer in a network round with the gate `signup`: a number greater than that
    /// of someone who passed the right on. It witnesses a finite chain; it is not the chain's length.
    pub network: Option<u32>,
    /// The same with the gate `contributed`.
    pub contributed: Option<u32>,
}

/// How many there are in a round; people for each mode that the round could be in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundTally {
    /// Signups by active accounts.
    pub signups: u32,
    /// Invitations by active accounts.
    pub invitations: u32,
    /// Submissions by active accounts.
    pub submissions: u32,
    /// People with a signup.
    pub open: u32,
    /// People with a signup that is valid in a hosted round.
    pub hosted: u32,
    /// People with a signup that is valid in a network round with the gate `signup`.
    pub network: u32,
    /// People with a signup that is valid in a network round with the gate `contributed`.
    pub contributed: u32,
}

/// How many people's effective RSVPs have each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTally {
    /// Will come.
    pub going: u32,
    /// May come.
    pub interested: u32,
    /// Will not come.
    pub notgoing: u32,
    /// Said something else.
    pub other: u32,
}
