//! Every key of the store, on one page.
//!
//! A key is its table's tag followed by what `write` appends. Keys sort bytewise, and prefixes of them are
//! scanned, so the order of the parts is the order of the questions that are asked. DIDs and record
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
//! | `Quarantine` | kind, one byte, DID `/` record key | `q\x03did:plc:a/self` |
//! | `Rounds`, `RoundTallies` | the round's DID `/` its record key | `Rdid:plc:a/r1` |
//! | `Standings` | person `\0` round | `pdid:plc:b\0did:plc:a/r1` |
//! | `Signups` | round `\0` author `/` [inviter `/` invitation] `\0` record key | `udid:plc:a/r1\0did:plc:b/did:plc:a/i1\0s1` |
//! | `Invitations` | round `\0` author `/` record key | `idid:plc:a/r1\0did:plc:a/i1` |
//! | `Invited` | invitee `\0` round `\0` inviter `/` record key | `vdid:plc:b\0did:plc:a/r1\0did:plc:a/i1` |
//! | `Submissions` | round `\0` author `/` record key | `wdid:plc:a/r1\0did:plc:b/w1` |
//! | `Links` | round `\0` end, one byte, near `\0` far | `ldid:plc:a/r1\0>did:plc:a\0did:plc:b` |
//! | `EventTallies` | event | `tdid:plc:a/community.lexicon.calendar.event/e1` |
//! | `Rsvps` | event `\0` author `/` time in eight bytes, record key | `edid:…/e1\0did:plc:b/\x80…v1` |
//! | `EventTimes` | span, one byte, start in eight bytes, event as in `Records` | `g\x00\x80…did:plc:a/\x05e1` |
//! | `OwnEvents` | organizer `\0` span, one byte, start in eight bytes, record key | `Gdid:plc:a\0\x00\x80…e1` |
//! | `Ledgers` | DID | `Ldid:plc:a` |
//! | `Dues` | time in eight bytes, DID | `d\x00…did:plc:a` |
//! | `Touched` | as `Records` | `xdid:plc:a/\x03self` |
//! | `Coverages` | as `Sources` | `Crelay\0wss://relay.example\0` |
//! | `Spaces` | owner `/` type `/` key | `Sdid:plc:a/tools.atmo.event.space/self` |
//! | `Invites` | hash of the token, 32 bytes | `I\xba\x78…` |
//! | `SpaceInvites` | space `\0` time it was made in eight bytes, newest first, hash | `jdid:…/self\0\x7f…` |
//! | `OpenInvites` | space `\0` time it expires in eight bytes, hash | `odid:…/self\0\x80…` |
//! | `Members` | space `\0` person | `Mdid:…/self\0did:plc:b` |
//! | `Memberships` | person `\0` space | `Bdid:plc:b\0did:plc:a/tools.atmo.event.space/self` |
//! | `Redemptions` | hash of the token, person | `D\xba\x78…did:plc:b` |
//! | `Audits` | number in eight bytes | `U\x00…\x01` |
//! | `SpaceAudits` | space `\0` number in eight bytes, newest first | `Vdid:…/self\0\xff…` |
//! | `Nonces` | hash of issuer and `jti`, 32 bytes | `N\x9f…` |
//! | `NonceExpiries` | seconds in eight bytes, hash | `E\x00…\x9f…` |
//! | `Chats`, `OpenChats` | number in eight bytes | `h\x00…\x01` |
//! | `PersonChats` | person `\0` number in eight bytes | `Hdid:plc:a\0\x00…\x01` |
//! | `Codes` | hash of the code, 32 bytes | `k\xba\x78…` |
//! | `Users` | DID | `Wdid:plc:a` |
//! | `Sessions` | hash of the cookie's value, 32 bytes | `y\x9f…` |
//! | `SessionExpiries` | time in eight bytes, hash | `Y\x80…\x9f…` |
//! | `PersonSessions` | person `\0` time in eight bytes, hash | `zdid:plc:a\0\x80…\x9f…` |
//! | `Settings` | as `Records` | `fdid:plc:a/\x06e1` |
//! | `Tickets` | event as in `Records`, `\0`, person | `Kdid:plc:a/\x06e1\0did:plc:b` |
//! | `PersonTickets` | person `\0` event as in `Records` | `Pdid:plc:b\0did:plc:a/\x06e1` |
//! | `Answers` | author `\0` time and order, eight bytes each, record key | `Adid:plc:b\0\x80…v1` |

mod calendar;
mod completeness;
mod events;
mod portal;
mod records;
mod rounds;
mod spaces;
mod tickets;

pub use calendar::{EventTimeKey, OwnEventKey, Slot, Span};
pub use completeness::DueKey;
pub use events::{AnswerKey, EventKey, Moment, RsvpKey, write_answers, write_event, write_event_author};
pub use portal::{PersonChatKey, PersonSessionKey, SessionExpiryKey, write_session_until};
pub use records::{
    ChunkKey, QuarantineKey, RecordId, Target, write_collection, write_kind, write_repository,
};
pub use rounds::{
    End, InvitationId, InvitedKey, LinkKey, RoundId, RoundRecordKey, SignupKey, StandingKey, write_invited,
    write_links, write_round, write_round_author, write_signups_by, write_signups_naming,
};

pub use spaces::{
    MemberKey, MembershipKey, NonceExpiryKey, NonceId, OpenInviteKey, RedemptionKey, SpaceAuditKey, SpaceId,
    SpaceInviteKey, write_open_until, write_owner, write_space,
};
pub use tickets::{PersonTicketKey, TicketKey, write_ticket};

use crate::syntax::{Did, RecordKey};

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
    /// How many accounts hosts are to be asked about.
    Due,
    /// Those of them about whom it failed so far.
    Failing,
    /// The number that the next entry of the audit gets.
    NextAudit,
    /// The number that the last chat got.
    LastChat,
    /// The number that the last user got.
    LastUser,
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
            MetaKey::Due => b"due",
            MetaKey::Failing => b"failing",
            MetaKey::NextAudit => b"next-audit",
            MetaKey::LastChat => b"last-chat",
            MetaKey::LastUser => b"last-user",
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
            b"due" => Some(MetaKey::Due),
            b"failing" => Some(MetaKey::Failing),
            b"next-audit" => Some(MetaKey::NextAudit),
            b"last-chat" => Some(MetaKey::LastChat),
            b"last-user" => Some(MetaKey::LastUser),
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

/// Appends what every key of a person's standings begins with.
pub fn write_person(did: &Did, out: &mut Vec<u8>) {
    did.write(out);
    out.push(END);
}
