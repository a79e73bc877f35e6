//! Every key of the store, on one page.
//!
//! A key is its table's tag followed by what `write` appends. Keys sort bytewise, and prefixes of them are
//! scanned, so the order of the parts is the order of the questions that the rules ask. DIDs and record
//! keys contain neither `\0` nor `/`, which separate them.
//!
//! | table | key after the tag | example |
//! |---|---|---|
//! | `Metas` | name | `mschema` |
//! | `Totals` | nothing | `T` |
//! | `Sources` | kind `\0` name `\0` fingerprint | `sreplay\0pds0.frames\0136910-9f86d081` |
//! | `Accounts` | DID | `adid:plc:a` |
//! | `Records` | DID `/` kind, one byte, record key: the order of the AT-URIs | `rdid:plc:a/\x03self` |
//! | `Chunks` | as `Records`, `\0`, number in two bytes | `cdid:plc:a/\x03self\0\x00\x01` |
//! | `Rounds`, `RoundTallies` | the round's DID `/` its record key | `Rdid:plc:a/r1` |
//! | `Standings` | person `\0` round | `pdid:plc:b\0did:plc:a/r1` |
//! | `Signups` | round `\0` author `/` [inviter `/` invitation] `\0` record key | `udid:plc:a/r1\0did:plc:b/did:plc:a/i1\0s1` |
//! | `Invitations` | round `\0` author `/` record key | `idid:plc:a/r1\0did:plc:a/i1` |
//! | `Links` | round `\0` end, one byte, near `\0` far | `ldid:plc:a/r1\0>did:plc:a\0did:plc:b` |
//! | `EventTallies` | event | `tdid:plc:a/community.lexicon.calendar.event/e1` |
//! | `Rsvps` | event `\0` author `/` time in eight bytes, record key | `edid:…/e1\0did:plc:b/\x80…v1` |

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::records::Kind;
use crate::syntax::{AtUri, Authority, Did, RecordKey};

/// A key that can be written as sortable bytes and read back.
pub trait Key: Sized + Clone {
    /// Appends the key.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads what `write` wrote; `None` for anything else.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// A fact about the store itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// The version of the key and row formats.
    Schema,
    /// How many batches were committed.
    Position,
    /// The secret that seals cursors.
    Secret,
    /// The number that the next source gets.
    NextSource,
    /// The hash of the lexicons by which the stored records were graded.
    Lexicons,
    /// Something that is done in many batches was begun and is not finished.
    Unfinished,
}

/// What a source is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey {
    /// `replay`, and later others.
    pub kind: String,
    /// The file's name or the host's origin.
    pub name: String,
    /// What tells two files of one name apart; empty for hosts.
    pub fingerprint: String,
}

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

/// A place where a round may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoundId {
    /// The repository, and so the organizer if the round is official.
    pub did: Did,
    /// The record key.
    pub rkey: RecordKey,
}

/// A place where an invitation may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InvitationId {
    /// The repository, and so the inviter.
    pub did: Did,
    /// The record key.
    pub rkey: RecordKey,
}

/// One person in one round.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StandingKey {
    /// The person.
    pub did: Did,
    /// The round.
    pub round: RoundId,
}

/// A record about a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundRecordKey {
    /// The round.
    pub round: RoundId,
    /// Whose record it is.
    pub author: Did,
    /// The record's key.
    pub rkey: RecordKey,
}

/// A signup to a round, in the order in which one person's are asked for: by the invitation that they name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignupKey {
    /// The round.
    pub round: RoundId,
    /// Whose record it is.
    pub author: Did,
    /// The invitation that it names, if that could be one.
    pub invitation: Option<InvitationId>,
    /// The record's key.
    pub rkey: RecordKey,
}

/// Which end of a link a key begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Whom the right comes from.
    Inviter,
    /// Whom it goes to.
    Invitee,
}

/// A link between two people in a round: a signup of one names an invitation of the other that is for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkKey {
    /// The round.
    pub round: RoundId,
    /// Which end `near` is.
    pub end: End,
    /// The end that is asked about.
    pub near: Did,
    /// The other.
    pub far: Did,
}

/// What RSVPs are grouped by: the text of their subject's URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(Box<str>);

/// An RSVP, in the order that decides which of several is effective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsvpKey {
    /// The subject.
    pub event: EventKey,
    /// Whose answer it is.
    pub author: Did,
    /// When it says it was made, in microseconds since the epoch.
    pub time: i64,
    /// The record's key.
    pub rkey: RecordKey,
}

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

impl RoundId {
    /// The round that a reference names, if it names one.
    pub fn from_uri(uri: &AtUri) -> Option<Self> {
        Target::of(uri, Kind::Round).record().map(Self::from)
    }

    /// The round's record.
    pub fn record(&self) -> RecordId {
        RecordId { did: self.did.clone(), kind: Kind::Round, rkey: self.rkey.clone() }
    }
}

impl From<RecordId> for RoundId {
    fn from(id: RecordId) -> Self {
        Self { did: id.did, rkey: id.rkey }
    }
}

impl InvitationId {
    /// The invitation that a reference names, if it names one.
    pub fn from_uri(uri: &AtUri) -> Option<Self> {
        Target::of(uri, Kind::Invitation).record().map(|id| Self { did: id.did, rkey: id.rkey })
    }

    /// The invitation's record.
    pub fn record(&self) -> RecordId {
        RecordId { did: self.did.clone(), kind: Kind::Invitation, rkey: self.rkey.clone() }
    }
}

impl EventKey {
    /// Longer subjects are keyed by their hash, so that no key grows with what a stranger writes.
    const TEXT_BYTES_MAX: usize = 1024;

    /// The key of a subject.
    pub fn of(subject: &str) -> Self {
        let text = subject.strip_prefix("at://").unwrap_or(subject);
        if text.len() <= Self::TEXT_BYTES_MAX {
            return Self(text.into());
        }
        let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        // No authority begins with '#', so a hash is never taken for a subject.
        Self(format!("#{digest}").into())
    }
}

/// Writes a separator that sorts before every character of a DID or a record key.
const END: u8 = 0;

fn split_at(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn rkey(bytes: &[u8]) -> Option<RecordKey> {
    RecordKey::parse(text(bytes)?).ok()
}

impl Key for MetaKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            MetaKey::Schema => b"schema",
            MetaKey::Position => b"position",
            MetaKey::Secret => b"secret",
            MetaKey::NextSource => b"next-source",
            MetaKey::Lexicons => b"lexicons",
            MetaKey::Unfinished => b"unfinished",
        });
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            b"schema" => Some(MetaKey::Schema),
            b"position" => Some(MetaKey::Position),
            b"secret" => Some(MetaKey::Secret),
            b"next-source" => Some(MetaKey::NextSource),
            b"lexicons" => Some(MetaKey::Lexicons),
            b"unfinished" => Some(MetaKey::Unfinished),
            _ => None,
        }
    }
}

impl Key for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl Key for SourceKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.as_bytes());
        out.push(END);
        out.extend_from_slice(self.name.as_bytes());
        out.push(END);
        out.extend_from_slice(self.fingerprint.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = split_at(bytes, END)?;
        let (name, fingerprint) = split_at(rest, END)?;
        Some(Self {
            kind: text(kind)?.to_owned(),
            name: text(name)?.to_owned(),
            fingerprint: text(fingerprint)?.to_owned(),
        })
    }
}

impl Key for Did {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Did::parse(text(bytes)?).ok()
    }
}

/// The byte that stands for a collection: its place in the list of kinds, from 1. Adding a kind moves these,
/// and so needs a new schema version.
fn kind_byte(kind: Kind) -> u8 {
    u8::try_from(kind.place() + 1).expect("there are fewer than 255 kinds")
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
        let place = usize::from(*kind).checked_sub(1)?;
        Some(Self { did: Did::read(did)?, kind: *Kind::ALL.get(place)?, rkey: rkey(key)? })
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

impl Key for RoundId {
    fn write(&self, out: &mut Vec<u8>) {
        write_repository(&self.did, out);
        out.extend_from_slice(self.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (did, key) = split_at(bytes, b'/')?;
        Some(Self { did: Did::read(did)?, rkey: rkey(key)? })
    }
}

impl Key for StandingKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_person(&self.did, out);
        self.round.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (did, round) = split_at(bytes, END)?;
        Some(Self { did: Did::read(did)?, round: RoundId::read(round)? })
    }
}

/// Appends what every key of a person's standings begins with.
pub fn write_person(did: &Did, out: &mut Vec<u8>) {
    did.write(out);
    out.push(END);
}

/// Appends what every key of a round's records begins with.
pub fn write_round(round: &RoundId, out: &mut Vec<u8>) {
    round.write(out);
    out.push(END);
}

/// Appends what every key of one author's records about a round begins with.
pub fn write_round_author(round: &RoundId, author: &Did, out: &mut Vec<u8>) {
    write_round(round, out);
    write_repository(author, out);
}

impl Key for RoundRecordKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_round_author(&self.round, &self.author, out);
        out.extend_from_slice(self.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (round, rest) = split_at(bytes, END)?;
        let (author, key) = split_at(rest, b'/')?;
        Some(Self { round: RoundId::read(round)?, author: Did::read(author)?, rkey: rkey(key)? })
    }
}

/// Appends what every key of one person's signups to a round that name an inviter begins with.
pub fn write_signups_by(round: &RoundId, author: &Did, inviter: &Did, out: &mut Vec<u8>) {
    write_round_author(round, author, out);
    write_repository(inviter, out);
}

/// Appends what every key of one person's signups to a round that name this invitation begins with.
pub fn write_signups_naming(round: &RoundId, author: &Did, invitation: &InvitationId, out: &mut Vec<u8>) {
    write_signups_by(round, author, &invitation.did, out);
    out.extend_from_slice(invitation.rkey.as_str().as_bytes());
    out.push(END);
}

impl Key for SignupKey {
    fn write(&self, out: &mut Vec<u8>) {
        match &self.invitation {
            Some(invitation) => write_signups_naming(&self.round, &self.author, invitation, out),
            None => {
                write_round_author(&self.round, &self.author, out);
                out.push(END);
            }
        }
        out.extend_from_slice(self.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (round, rest) = split_at(bytes, END)?;
        let (author, rest) = split_at(rest, b'/')?;
        let (invitation, key) = split_at(rest, END)?;
        let invitation = if invitation.is_empty() {
            None
        } else {
            let (did, key) = split_at(invitation, b'/')?;
            Some(InvitationId { did: Did::read(did)?, rkey: rkey(key)? })
        };
        Some(Self { round: RoundId::read(round)?, author: Did::read(author)?, invitation, rkey: rkey(key)? })
    }
}

/// Appends what the keys of all links at one end begin with.
pub fn write_links(round: &RoundId, end: End, near: &Did, out: &mut Vec<u8>) {
    write_round(round, out);
    out.push(match end {
        End::Inviter => b'>',
        End::Invitee => b'<',
    });
    write_person(near, out);
}

impl Key for LinkKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_links(&self.round, self.end, &self.near, out);
        self.far.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (round, rest) = split_at(bytes, END)?;
        let (end, rest) = rest.split_first()?;
        let (near, far) = split_at(rest, END)?;
        let end = match end {
            b'>' => End::Inviter,
            b'<' => End::Invitee,
            _ => return None,
        };
        Some(Self { round: RoundId::read(round)?, end, near: Did::read(near)?, far: Did::read(far)? })
    }
}

impl Key for EventKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        text(bytes).map(|text| Self(text.into()))
    }
}

/// Appends what every key of an event's RSVPs begins with.
pub fn write_event(event: &EventKey, out: &mut Vec<u8>) {
    event.write(out);
    out.push(END);
}

/// Appends what every key of one author's RSVPs to an event begins with.
pub fn write_event_author(event: &EventKey, author: &Did, out: &mut Vec<u8>) {
    write_event(event, out);
    write_repository(author, out);
}

impl Key for RsvpKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_event_author(&self.event, &self.author, out);
        // Flipping the sign bit makes two's complement sort as numbers do.
        out.extend_from_slice(&(self.time ^ i64::MIN).to_be_bytes());
        out.extend_from_slice(self.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (event, rest) = split_at(bytes, END)?;
        let (author, rest) = split_at(rest, b'/')?;
        let (time, key) = rest.split_first_chunk::<8>()?;
        Some(Self {
            event: EventKey::read(event)?,
            author: Did::read(author)?,
            time: i64::from_be_bytes(*time) ^ i64::MIN,
            rkey: rkey(key)?,
        })
    }
}
