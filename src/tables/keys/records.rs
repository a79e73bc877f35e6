//! Keys of records: where one is, its parts, and what a reference to one points at.

use super::{END, Key, rkey, split_at};
use crate::records::Kind;
use crate::syntax::{AtUri, Authority, Did, RecordKey};

/// A place where a record may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The repository.
    pub did: Did,
    /// The collection.
    pub kind: Kind,
    /// The record key.
    pub rkey: RecordKey,
}

/// One part of a large record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkKey {
    /// The record.
    pub record: RecordId,
    /// Which part, from 0.
    pub number: u16,
}

/// An unusable record, in the order in which the quarantine is shown: by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineKey(pub RecordId);

/// What a reference points at, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A record of the kind that the reference must name.
    Record(RecordId),
    /// The right collection without a record key, or under a handle: nothing that can be known.
    Unknowable,
    /// Another collection, or none.
    OtherCollection,
}

impl Target {
    /// What `uri` points at when it must name a record of `kind` (RULES §2).
    pub fn of(uri: &AtUri, kind: Kind) -> Self {
        if uri.collection() != Some(kind.nsid()) {
            return Target::OtherCollection;
        }
        RecordId::from_uri(uri).map_or(Target::Unknowable, Target::Record)
    }

    /// The record, if it is one.
    pub fn record(self) -> Option<RecordId> {
        match self {
            Target::Record(id) => Some(id),
            Target::Unknowable | Target::OtherCollection => None,
        }
    }
}

impl RecordId {
    /// The record that a URI names, if it is in a wanted collection and under a DID.
    pub fn from_uri(uri: &AtUri) -> Option<Self> {
        let Authority::Did(did) = uri.authority() else { return None };
        Some(Self {
            did: Did::parse(did).ok()?,
            kind: Kind::from_nsid(uri.collection()?)?,
            rkey: RecordKey::parse(uri.record_key()?).ok()?,
        })
    }

    /// Its AT-URI.
    pub fn uri(&self) -> String {
        format!("at://{}/{}/{}", self.did, self.kind.nsid(), self.rkey)
    }
}

/// The byte that stands for a collection: its place in the list of kinds, from 1. Adding a kind moves these,
/// and so needs a new schema version.
fn kind_byte(kind: Kind) -> u8 {
    u8::try_from(kind.place() + 1).expect("there are fewer than 255 kinds")
}

fn kind_of(byte: u8) -> Option<Kind> {
    Kind::ALL.get(usize::from(byte).checked_sub(1)?).copied()
}

/// Appends what every key of a repository's records of one kind begins with.
pub fn write_collection(did: &Did, kind: Kind, out: &mut Vec<u8>) {
    write_repository(did, out);
    out.push(kind_byte(kind));
}

/// Appends what every key of a repository's records begins with.
pub fn write_repository(did: &Did, out: &mut Vec<u8>) {
    did.write(out);
    // Not END: '/' is what follows the DID in an AT-URI, and these keys sort as the URIs do.
    out.push(b'/');
}

impl Key for RecordId {
    fn write(&self, out: &mut Vec<u8>) {
        write_collection(&self.did, self.kind, out);
        out.extend_from_slice(self.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (did, rest) = split_at(bytes, b'/')?;
        let (kind, key) = rest.split_first()?;
        Some(Self { did: Did::read(did)?, kind: kind_of(*kind)?, rkey: rkey(key)? })
    }
}

impl Key for ChunkKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.record.write(out);
        out.push(END);
        out.extend_from_slice(&self.number.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (rest, number) = bytes.split_last_chunk::<2>()?;
        let record = RecordId::read(rest.strip_suffix(&[END])?)?;
        Some(Self { record, number: u16::from_be_bytes(*number) })
    }
}

/// Appends what every key of the quarantine of one kind begins with.
pub fn write_kind(kind: Kind, out: &mut Vec<u8>) {
    out.push(kind_byte(kind));
}

impl Key for QuarantineKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_kind(self.0.kind, out);
        write_repository(&self.0.did, out);
        out.extend_from_slice(self.0.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (did, key) = split_at(rest, b'/')?;
        Some(Self(RecordId { did: Did::read(did)?, kind: kind_of(*kind)?, rkey: rkey(key)? }))
    }
}
