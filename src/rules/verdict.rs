//! The verdict on a record, with its reason. Spec: RULES §2.
//!
//! A verdict is read, never stored: each needs a bounded number of rows, because [`super::authority`] keeps
//! the one thing that is not local, who a chain leads to.

use crate::records::{Body, Invitation, JoinMode, Kind, NetworkGate, Signup, Submission};
use crate::rules::accounts;
use crate::rules::authority::organizes;
use crate::syntax::{AtUri, Authority, Did};
use crate::tables::keys::{InvitationId, RecordId, RoundId, RoundRecordKey, StandingKey, Target};
use crate::tables::rows::Standing;
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{Invitations, Records, Rounds, Standings};

/// What is decided of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts; a submission has no basis.
    Valid(Option<Basis>),
    /// It does not.
    Invalid(Reason),
}

/// What a valid record rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The round is open.
    Open,
    /// Its author is the organizer.
    Organizer,
    /// A chain of invitations.
    Invited,
}

impl Basis {
    /// The name under which it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Basis::Open => "open",
            Basis::Organizer => "organizer",
            Basis::Invited => "invited",
        }
    }
}

/// Why a record does not count. The order is that in which the first that applies is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The reference names no round.
    NotARound,
    /// Nothing is known of the round.
    RoundUnknown,
    /// The round is unusable, or its author's account is not active.
    RoundNotLive,
    /// The round's author is not its organizer.
    RoundUnofficial,
    /// The round asks for an invitation and the signup names none.
    InvitationRequired,
    /// The reference names no invitation.
    NotAnInvitation,
    /// Nothing is known of the invitation.
    InvitationUnknown,
    /// The invitation is unusable, or its author's account is not active.
    InvitationNotLive,
    /// The invitation is for somebody else.
    InviteeMismatch,
    /// The invitation is for another round.
    InvitationForOtherRound,
    /// In a hosted round only the organizer invites.
    InviterNotOrganizer,
    /// The inviter is not in the round.
    InviterNotParticipant,
    /// The inviter has not contributed yet.
    InviterGateUnmet,
    /// The author is not in the round.
    AuthorNotParticipant,
}

impl Reason {
    /// The name under which it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotARound => "not-a-round",
            Reason::RoundUnknown => "round-unknown",
            Reason::RoundNotLive => "round-not-live",
            Reason::RoundUnofficial => "round-unofficial",
            Reason::InvitationRequired => "invitation-required",
            Reason::NotAnInvitation => "not-an-invitation",
            Reason::InvitationUnknown => "invitation-unknown",
            Reason::InvitationNotLive => "invitation-not-live",
            Reason::InviteeMismatch => "invitee-mismatch",
            Reason::InvitationForOtherRound => "invitation-for-other-round",
            Reason::InviterNotOrganizer => "inviter-not-organizer",
            Reason::InviterNotParticipant => "inviter-not-participant",
            Reason::InviterGateUnmet => "inviter-gate-unmet",
            Reason::AuthorNotParticipant => "author-not-participant",
        }
    }

    /// Whether the answer hangs directly on a URI that is unknown.
    pub fn is_pending(self) -> bool {
        matches!(self, Reason::RoundUnknown | Reason::InvitationUnknown)
    }
}

impl Verdict {
    /// `valid`, `invalid` or `pending`.
    pub fn status(self) -> &'static str {
        match self {
            Verdict::Valid(_) => "valid",
            Verdict::Invalid(reason) if reason.is_pending() => "pending",
            Verdict::Invalid(_) => "invalid",
        }
    }

    /// Whether it counts.
    pub fn is_valid(self) -> bool {
        matches!(self, Verdict::Valid(_))
    }
}

/// A live official round and how one gets into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDoor {
    /// The round.
    pub round: RoundId,
    /// Its mode.
    pub join_mode: JoinMode,
    /// Its gate.
    pub network_gate: NetworkGate,
}

/// Whether something is at a place, and live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A usable record of an active account.
    Live,
    /// An unusable record, or an account that is not active.
    NotLive,
    /// Nothing.
    Unknown,
}

type Decided<T> = Result<Result<T, Reason>, RowsError>;

/// What is at a URI (RULES §1, "unknown, not-live").
pub fn presence(rows: &(impl Rows + ?Sized), uri: &AtUri) -> Result<Presence, RowsError> {
    let Authority::Did(did) = uri.authority() else { return Ok(Presence::Unknown) };
    // An AtUri's authority is a DID or a handle, so this parse holds.
    let Ok(did) = Did::parse(did) else { return Ok(Presence::Unknown) };
    if !accounts::is_active(rows, &did)? {
        return Ok(Presence::NotLive);
    }
    let Some(id) = RecordId::from_uri(uri) else { return Ok(Presence::Unknown) };
    Ok(match rows.get::<Records>(&id)? {
        Some(record) if record.body.is_some() => Presence::Live,
        Some(_) => Presence::NotLive,
        None => Presence::Unknown,
    })
}

/// The verdict on a usable record of an active account; `None` for kinds that have none.
pub fn decide(rows: &(impl Rows + ?Sized), id: &RecordId, body: &Body) -> Result<Option<Verdict>, RowsError> {
    Ok(Some(match body {
        Body::Signup(signup) => signup_verdict(rows, &id.did, signup)?,
        Body::Invitation(invitation) => invitation_verdict(rows, &id.did, invitation)?,
        Body::Submission(submission) => submission_verdict(rows, &id.did, submission)?,
        Body::Jam(_) | Body::Round(_) | Body::Event(_) | Body::Rsvp(_) | Body::Acceptance(_) => {
            return Ok(None);
        }
    }))
}

/// The round that a reference names, if it is live and official.
pub fn door(rows: &(impl Rows + ?Sized), uri: &AtUri) -> Decided<OpenDoor> {
    let round = match Target::of(uri, Kind::Round) {
        Target::OtherCollection => return Ok(Err(Reason::NotARound)),
        Target::Record(id) => RoundId::from(id),
        Target::Unknowable => {
            return Ok(Err(match presence(rows, uri)? {
                Presence::NotLive => Reason::RoundNotLive,
                Presence::Live | Presence::Unknown => Reason::RoundUnknown,
            }));
        }
    };
    door_of(rows, round)
}

/// A round, if it is live and official.
pub fn door_of(rows: &(impl Rows + ?Sized), round: RoundId) -> Decided<OpenDoor> {
    if !accounts::is_active(rows, &round.did)? {
        return Ok(Err(Reason::RoundNotLive));
    }
    Ok(match rows.get::<Rounds>(&round)? {
        Some(facts) if facts.official => {
            Ok(OpenDoor { round, join_mode: facts.join_mode, network_gate: facts.network_gate })
        }
        Some(_) => Err(Reason::RoundUnofficial),
        None if rows.get::<Records>(&round.record())?.is_some() => Err(Reason::RoundNotLive),
        None => Err(Reason::RoundUnknown),
    })
}

impl OpenDoor {
    fn standing(&self, rows: &(impl Rows + ?Sized), did: &Did) -> Result<Standing, RowsError> {
        let key = StandingKey { did: did.clone(), round: self.round.clone() };
        Ok(rows.get::<Standings>(&key)?.unwrap_or_default())
    }

    /// Whether `did` has a valid signup.
    pub fn participates(&self, rows: &(impl Rows + ?Sized), did: &Did) -> Result<bool, RowsError> {
        Ok(self.takes_in(&self.standing(rows, did)?))
    }

    fn takes_in(&self, standing: &Standing) -> bool {
        standing.live
            && match self.join_mode {
                JoinMode::Open => standing.signups > 0,
                JoinMode::Hosted => standing.hosted,
                JoinMode::Network => standing.number(self.network_gate).is_some(),
            }
    }

    /// Whether `did` may invite: the basis of their invitations, or why not.
    pub fn may_invite(&self, rows: &(impl Rows + ?Sized), did: &Did) -> Decided<Basis> {
        if organizes(did, &self.round) {
            return Ok(Ok(Basis::Organizer));
        }
        if self.join_mode == JoinMode::Hosted {
            return Ok(Err(Reason::InviterNotOrganizer));
        }
        let standing = self.standing(rows, did)?;
        if !self.takes_in(&standing) {
            return Ok(Err(Reason::InviterNotParticipant));
        }
        Ok(match self.join_mode {
            JoinMode::Network if !standing.meets(self.network_gate) => Err(Reason::InviterGateUnmet),
            JoinMode::Network => Ok(Basis::Invited),
            JoinMode::Open | JoinMode::Hosted => Ok(Basis::Open),
        })
    }

    /// Whether the invitation that a signup names lets `invitee` in.
    fn admits(&self, rows: &(impl Rows + ?Sized), uri: &AtUri, round: &AtUri, invitee: &Did) -> Decided<()> {
        let id = match Target::of(uri, Kind::Invitation) {
            Target::OtherCollection => return Ok(Err(Reason::NotAnInvitation)),
            Target::Record(id) => Some(id),
            Target::Unknowable => None,
        };
        if let Some(id) = &id
            && self.finds(rows, id, invitee)?
            && accounts::is_active(rows, &id.did)?
        {
            return Ok(self.may_invite(rows, &id.did)?.map(|_| ()));
        }
        match presence(rows, uri)? {
            Presence::Unknown => return Ok(Err(Reason::InvitationUnknown)),
            Presence::NotLive => return Ok(Err(Reason::InvitationNotLive)),
            Presence::Live => {}
        }
        let record = id.as_ref().map(|id| rows.get::<Records>(id)).transpose()?.flatten();
        let Some(Body::Invitation(invitation)) = record.and_then(|record| record.body) else {
            return Err(RowsError::Contradiction { what: "a live invitation has no body" });
        };
        if invitation.invitee != *invitee {
            return Ok(Err(Reason::InviteeMismatch));
        }
        if invitation.round != *round {
            return Ok(Err(Reason::InvitationForOtherRound));
        }
        Err(RowsError::Contradiction { what: "an invitation is not in the index of its round" })
    }

    fn finds(&self, rows: &(impl Rows + ?Sized), id: &RecordId, invitee: &Did) -> Result<bool, RowsError> {
        let key = RoundRecordKey { round: self.round.clone(), author: id.did.clone(), rkey: id.rkey.clone() };
        Ok(rows.get::<Invitations>(&key)?.as_ref() == Some(invitee))
    }
}

fn signup_verdict(rows: &(impl Rows + ?Sized), author: &Did, signup: &Signup) -> Result<Verdict, RowsError> {
    let door = match door(rows, &signup.round)? {
        Ok(door) => door,
        Err(reason) => return Ok(Verdict::Invalid(reason)),
    };
    if door.join_mode == JoinMode::Open {
        return Ok(Verdict::Valid(Some(Basis::Open)));
    }
    if organizes(author, &door.round) {
        return Ok(Verdict::Valid(Some(Basis::Organizer)));
    }
    let Some(invitation) = &signup.invitation else {
        return Ok(Verdict::Invalid(Reason::InvitationRequired));
    };
    Ok(match door.admits(rows, invitation, &signup.round, author)? {
        Ok(()) => Verdict::Valid(Some(Basis::Invited)),
        Err(reason) => Verdict::Invalid(reason),
    })
}

fn invitation_verdict(
    rows: &(impl Rows + ?Sized),
    author: &Did,
    invitation: &Invitation,
) -> Result<Verdict, RowsError> {
    let door = match door(rows, &invitation.round)? {
        Ok(door) => door,
        Err(reason) => return Ok(Verdict::Invalid(reason)),
    };
    Ok(match door.may_invite(rows, author)? {
        Ok(basis) => Verdict::Valid(Some(basis)),
        Err(reason) => Verdict::Invalid(reason),
    })
}

fn submission_verdict(
    rows: &(impl Rows + ?Sized),
    author: &Did,
    submission: &Submission,
) -> Result<Verdict, RowsError> {
    Ok(match door(rows, &submission.round)? {
        Err(reason) => Verdict::Invalid(reason),
        Ok(door) if door.participates(rows, author)? => Verdict::Valid(None),
        Ok(_) => Verdict::Invalid(Reason::AuthorNotParticipant),
    })
}

/// The invitation by which a signup is valid, if that is how.
pub fn invitation_used(signup: &Signup, verdict: Verdict) -> Option<InvitationId> {
    match verdict {
        Verdict::Valid(Some(Basis::Invited)) => signup.invitation.as_ref().and_then(InvitationId::from_uri),
        _ => None,
    }
}
