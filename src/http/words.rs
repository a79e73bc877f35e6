//! Verdicts in words, and what may be missing. Spec: RULES §2; an invitation that is not there is never called a
//! rejection.

use crate::records::{Kind, Unusable};
use crate::rules::verdict::{Basis, Reason, Verdict};
use crate::tables::completeness::How;

/// Why a record of `kind` has this verdict: the rest of a sentence that begins with the status.
pub(super) fn of_verdict(kind: Kind, verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid(None) => "its author takes part in the round",
        Verdict::Valid(Some(basis)) if kind == Kind::Invitation => of_invitation(basis),
        Verdict::Valid(Some(basis)) => of_signup(basis),
        Verdict::Invalid(reason) => of_reason(reason),
    }
}

fn of_signup(basis: Basis) -> &'static str {
    match basis {
        Basis::Open => "the round is open to everyone",
        Basis::Organizer => "its author is the organizer of the round",
        Basis::Invited => {
            "it names an invitation to its author, and a chain of invitations leads to it from the organizer"
        }
    }
}

fn of_invitation(basis: Basis) -> &'static str {
    match basis {
        Basis::Open => "its author takes part in the round, which is open: nobody needs an invitation",
        Basis::Organizer => "its author is the organizer of the round",
        Basis::Invited => "its author was invited to the round, takes part, and may invite others",
    }
}

fn of_reason(reason: Reason) -> &'static str {
    match reason {
        Reason::NotARound => "what it refers to as its round is not a round",
        Reason::RoundUnknown => {
            "the round that it names has not been seen here; until it is, nobody is in it"
        }
        Reason::RoundNotLive => {
            "the round that it names is not live: the record is unusable, or its author's account is inactive"
        }
        Reason::RoundUnofficial => {
            "the round that it names is not in the repository of the jam's organizer, and has no authority"
        }
        Reason::InvitationRequired => {
            "the round asks for an invitation, and it names none; nobody has rejected it"
        }
        Reason::NotAnInvitation => "what it refers to as its invitation is not an invitation",
        Reason::InvitationUnknown => "the invitation that it names has not been seen here",
        Reason::InvitationNotLive => {
            "the invitation that it names is not live: the record is unusable, or its author's account is \
             inactive"
        }
        Reason::InviteeMismatch => "the invitation that it names is for somebody else",
        Reason::InvitationForOtherRound => "the invitation that it names is for another round",
        Reason::InviterNotOrganizer => "only the organizer invites to this round, and the inviter is not",
        Reason::InviterNotParticipant => {
            "the inviter is not in the round: no chain of invitations leads to them from the organizer"
        }
        Reason::InviterGateUnmet => {
            "the inviter has not submitted anything yet, which this round asks of those who invite"
        }
        Reason::AuthorNotParticipant => "its author is not in the round",
    }
}

/// Why a record is unusable, as a sentence.
pub(super) fn of_unusable(unusable: Unusable) -> &'static str {
    match unusable {
        Unusable::TooLarge => "The record is unusable: it is over 1,000,000 bytes.",
        Unusable::NotDagCbor => "The record is unusable: it is not valid DAG-CBOR.",
        Unusable::TooDeep => "The record is unusable: it nests more than 32 levels deep.",
        Unusable::CidMismatch => "The record is unusable: it does not hash to the CID that it came with.",
        Unusable::NotAMap => "The record is unusable: it is not a map.",
        Unusable::WrongType => "The record is unusable: its $type is not its collection.",
        Unusable::MissingField => "The record is unusable: a field that everything depends on is missing.",
        Unusable::BadField => "The record is unusable: a field that everything depends on is malformed.",
    }
}

/// How something of a source may have been missed.
pub(super) fn of_miss(how: How) -> &'static str {
    match how {
        How::FirstRead => "it was never read before",
        How::OutdatedCursor => "the host no longer had everything since the cursor",
        How::Retention => "the host began long after the cursor",
        How::SequenceReset => "the host numbers from the beginning again",
        How::NoCursor => "a connection was lost before its first message",
        How::PassedOver => "a message could not be read, and was passed over",
        How::Asked => "somebody asked for a sweep",
    }
}
