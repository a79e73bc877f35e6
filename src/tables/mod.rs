//! The tables of the store: what a row is, under which key, and how both become bytes.
//!
//! Pure encoding, no engine: the rules read rows through [`view::Rows`] and write them into an
//! [`view::Overlay`], and an engine (in `store`) keeps ordered bytes. That is why this room belongs to the
//! core. Every key is on one page in [`keys`], every value in [`rows`]; this list puts them together.

pub mod completeness;
pub mod earlier;
pub mod keys;
pub mod portal;
pub mod rows;
pub mod spaces;
pub mod tickets;
pub mod view;

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use serde::Serialize;
use serde::de::DeserializeOwned;

use keys::{
    AnswerKey, ChunkKey, DueKey, EventKey, EventTimeKey, InvitedKey, Key, LinkKey, MemberKey, MembershipKey,
    MetaKey, NonceExpiryKey, NonceId, OpenInviteKey, OwnEventKey, PersonChatKey, PersonSessionKey,
    PersonTicketKey, QuarantineKey, RecordId, RedemptionKey, RoundId, RoundRecordKey, RsvpKey,
    SessionExpiryKey, SignupKey, SourceKey, SpaceAuditKey, SpaceId, SpaceInviteKey, StandingKey, TicketKey,
};
use view::{ReadRows, Rows, RowsError};

use rows::{
    Account, EventTally, Meta, Record, RecordBytes, RoundFacts, RoundTally, SignupFacts, Source, Standing,
};

use completeness::{Coverage, Due, Ledger};

use portal::{Chat, Code, Session};
use spaces::{Audit, Invite, Member, Space};
use tickets::{EventSettings, Ticket};

use crate::records::{Event, Status, Unusable};
use crate::syntax::{Did, Tid, TokenHash};

/// A table: a set of rows with keys and values of one type each.
pub trait Table {
    /// The first byte of every key in it. Never reused for another meaning.
    const TAG: u8;
    /// Its name, for messages.
    const NAME: &'static str;
    /// What a row is found by.
    type Key: Key;
    /// What a row says.
    type Value: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug;
}

macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $table:ident = $tag:literal: $key:ty => $value:ty;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub struct $table;

            impl Table for $table {
                const TAG: u8 = $tag;
                const NAME: &'static str = stringify!($table);
                type Key = $key;
                type Value = $value;
            }
        )+

        /// The tag and name of every table.
        pub const ALL: &[(u8, &str)] = &[$(($tag, stringify!($table)),)+];
    };
}

tables! {
    /// Facts about the store itself: schema version, position, cursor secret.
    Metas = b'm': MetaKey => Meta;
    /// How much there is in the store: one row.
    Totals = b'T': () => rows::Totals;
    /// Every source ever read, with its cursor.
    Sources = b's': SourceKey => Source;
    /// What is known of an account and its repository.
    Accounts = b'a': Did => Account;
    /// Every stored record: its bytes once, and what was read from them.
    Records = b'r': RecordId => Record;
    /// The bytes of records that are too large for one value.
    Chunks = b'c': ChunkKey => rows::Chunk;
    /// Why each unusable record is unusable.
    Quarantine = b'q': QuarantineKey => Unusable;
    /// What the rules ask of a usable round.
    Rounds = b'R': RoundId => RoundFacts;
    /// What one person has and is in one round.
    Standings = b'p': StandingKey => Standing;
    /// The usable signups to a round, by person.
    Signups = b'u': SignupKey => SignupFacts;
    /// The usable invitations to a round, by inviter: the invitee.
    Invitations = b'i': RoundRecordKey => Did;
    /// The usable invitations to a round, by invitee.
    Invited = b'v': InvitedKey => ();
    /// The usable submissions to a round, by author.
    Submissions = b'w': RoundRecordKey => ();
    /// Who passes the right to invite on to whom, both ways, with the number of invitations that do.
    Links = b'l': LinkKey => u32;
    /// How many there are in a round.
    RoundTallies = b'n': RoundId => RoundTally;
    /// The usable RSVPs to an event, by author, oldest first.
    Rsvps = b'e': RsvpKey => Status;
    /// The usable RSVPs of a person, by time.
    Answers = b'A': AnswerKey => ();
    /// How many answered an event, by answer.
    EventTallies = b't': EventKey => EventTally;
    /// The usable events, by how long they last and when they begin.
    EventTimes = b'g': EventTimeKey => Event;
    /// The usable events of an organizer, likewise.
    OwnEvents = b'G': OwnEventKey => Event;
    /// What is known of the completeness of a repository.
    Ledgers = b'L': Did => Ledger;
    /// The accounts that hosts are to be asked about, by time.
    Dues = b'd': DueKey => Due;
    /// Records that were written while the host was asked for their repository, with the revision that did.
    Touched = b'x': RecordId => Tid;
    /// How far what a source tells is covered.
    Coverages = b'C': SourceKey => Coverage;
    /// Spaces that were made by hand or paused.
    Spaces = b'S': SpaceId => Space;
    /// Every invite, revoked and expired ones among them.
    Invites = b'I': TokenHash => Invite;
    /// The invites of a space, newest first.
    SpaceInvites = b'j': SpaceInviteKey => ();
    /// The invites of a space that are neither revoked nor used up, by the time when they expire.
    OpenInvites = b'o': OpenInviteKey => ();
    /// Who is, or was, in a space.
    Members = b'M': MemberKey => Member;
    /// In which spaces somebody is, or was.
    Memberships = b'B': MembershipKey => ();
    /// Who used an invite, and when, in milliseconds since the epoch.
    Redemptions = b'D': RedemptionKey => i64;
    /// What was done in spaces, oldest first.
    Audits = b'U': u64 => Audit;
    /// What was done in one space, newest first.
    SpaceAudits = b'V': SpaceAuditKey => ();
    /// Service tokens that were used, and until when that is remembered, in seconds since the epoch.
    Nonces = b'N': NonceId => u64;
    /// The same by that time.
    NonceExpiries = b'E': NonceExpiryKey => ();
    /// Chats by their numbers.
    Chats = b'h': u64 => Chat;
    /// The chats that somebody is in, by their numbers.
    PersonChats = b'H': PersonChatKey => ();
    /// The chats that everybody sees, by their numbers.
    OpenChats = b'b': u64 => ();
    /// The codes of invites that have one.
    Codes = b'k': TokenHash => Code;
    /// The number of everybody who ever logged in.
    Users = b'W': Did => u64;
    /// Who is logged in, by the hash of what their cookie says.
    Sessions = b'y': TokenHash => Session;
    /// The same by the time until which.
    SessionExpiries = b'Y': SessionExpiryKey => ();
    /// The same by person, in the order of that time.
    PersonSessions = b'z': PersonSessionKey => ();
    /// How events are set up.
    Settings = b'f': RecordId => EventSettings;
    /// Who has a ticket for an event.
    Tickets = b'K': TicketKey => Ticket;
    /// The same by person.
    PersonTickets = b'P': PersonTicketKey => ();
}

/// A number that the store keeps about itself; 0 if it was never written.
pub fn number(rows: &(impl Rows + ?Sized), key: MetaKey) -> Result<u64, RowsError> {
    match rows.get::<Metas>(&key)? {
        None => Ok(0),
        Some(Meta::Number(number)) => Ok(number),
        Some(Meta::Bytes(_) | Meta::Unfinished(_)) => {
            Err(RowsError::Contradiction { what: "a number of the store is none" })
        }
    }
}

/// The bytes of a stored record.
pub fn record_bytes(
    rows: &(impl Rows + ?Sized),
    id: &RecordId,
    record: &Record,
) -> Result<Vec<u8>, RowsError> {
    match &record.bytes {
        RecordBytes::Inline(bytes) => Ok(bytes.clone()),
        RecordBytes::Chunked(count) => {
            let mut bytes = Vec::new();
            for number in 0..*count {
                let chunk = rows.get::<Chunks>(&ChunkKey { record: id.clone(), number })?;
                let chunk =
                    chunk.ok_or(RowsError::Contradiction { what: "a part of a large record is missing" })?;
                bytes.extend_from_slice(&chunk.0);
            }
            Ok(bytes)
        }
    }
}

/// The fields of a usable record, of its stored bytes.
pub fn record_fields(bytes: &[u8]) -> Result<BTreeMap<String, Ipld>, RowsError> {
    match serde_ipld_dagcbor::from_slice(bytes) {
        Ok(Ipld::Map(fields)) => Ok(fields),
        _ => Err(RowsError::Contradiction { what: "a usable record cannot be read" }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALL;

    #[test]
    fn no_two_tables_share_a_tag() {
        let tags: BTreeSet<_> = ALL.iter().map(|(tag, _)| tag).collect();
        assert_eq!(tags.len(), ALL.len());
    }
}
