//! Keys about rounds: who is in one, and the records that say so.

use serde::{Deserialize, Serialize};

use super::{END, Key, RecordId, Target, rkey, split_at, write_person, write_repository};
use crate::records::Kind;
use crate::syntax::{AtUri, Did, RecordKey};

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

/// An invitation as the invitee finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitedKey {
    /// Who is invited.
    pub invitee: Did,
    /// To which round.
    pub round: RoundId,
    /// By what.
    pub invitation: InvitationId,
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

impl Key for InvitationId {
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

/// Appends what every key of one person's invitations to a round begins with.
pub fn write_invited(invitee: &Did, round: &RoundId, out: &mut Vec<u8>) {
    write_person(invitee, out);
    write_round(round, out);
}

impl Key for InvitedKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_invited(&self.invitee, &self.round, out);
        self.invitation.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (invitee, rest) = split_at(bytes, END)?;
        let (round, invitation) = split_at(rest, END)?;
        Some(Self {
            invitee: Did::read(invitee)?,
            round: RoundId::read(round)?,
            invitation: InvitationId::read(invitation)?,
        })
    }
}

/// Appends what every key of one person's signups to a round that name an inviter begins with.
pub fn write_signups_by(round: &RoundId, author: &Did, inviter: &Did, out: &mut Vec<u8>) {
    write_round_author(round, author, out);
    write_repository(inviter, out);
}

/// Appends what every key of one person's signups to a round that name this invitation begins with.
pub fn write_signups_naming(round: &RoundId, author: &Did, invitation: &InvitationId, out: &mut Vec<u8>) {
    write_round_author(round, author, out);
    invitation.write(out);
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
        let invitation = if invitation.is_empty() { None } else { Some(InvitationId::read(invitation)?) };
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
