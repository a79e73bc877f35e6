//! Verdicts on invitations, signups and submissions (RULES §2).
//!
//! Signups and invitations depend on each other. The valid signups are found first, as the least fixed point
//! that grows from nothing; every verdict is then read off against that set.

use super::kind::Kind;
use super::world::{Live, Target, World};
use std::collections::BTreeSet;

/// Whether a record counts, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A submission has no basis.
    Valid(Option<Basis>),
    Invalid(Reason),
    Pending(Reason),
}

/// What a valid signup or invitation stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    Open,
    Organizer,
    Invited,
}

/// The closed set of reasons, in the order in which the first that applies is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NotARound,
    RoundUnknown,
    RoundNotLive,
    RoundUnofficial,
    InvitationRequired,
    NotAnInvitation,
    InvitationUnknown,
    InvitationNotLive,
    InviteeMismatch,
    InvitationForOtherRound,
    InviterNotOrganizer,
    InviterNotParticipant,
    InviterGateUnmet,
    AuthorNotParticipant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JoinMode {
    Open,
    Hosted,
    Network,
}

/// The URIs of all valid signups.
///
/// "a verdict is valid only if a finite chain leads back to the organizer or to an open round": a signup is
/// added only when the signups added before it suffice, so two that need each other are never added.
pub(super) fn valid_signups<'a>(world: &World<'a>) -> BTreeSet<&'a str> {
    let mut valid = BTreeSet::new();
    loop {
        let grown: BTreeSet<&str> = world
            .live(Kind::Signup)
            .filter(|signup| matches!(judge_signup(world, signup, &valid), Verdict::Valid(_)))
            .map(|signup| signup.uri)
            .collect();
        if grown == valid {
            return valid;
        }
        valid = grown;
    }
}

/// Whether the round's author is its organizer: of `jam.uri` only the authority counts, and a handle is never
/// a DID.
pub(super) fn is_official(round: &Live<'_>) -> bool {
    round.author == organizer(round)
}

pub(super) fn judge_signup(world: &World<'_>, signup: &Live<'_>, valid: &BTreeSet<&str>) -> Verdict {
    let round = match find_round(world, signup) {
        Ok(round) => round,
        Err(verdict) => return verdict,
    };
    if join_mode(&round) == JoinMode::Open {
        return Verdict::Valid(Some(Basis::Open));
    }
    if signup.author == organizer(&round) {
        return Verdict::Valid(Some(Basis::Organizer));
    }
    let Some(invitation_uri) = signup.optional_text("/invitation/uri") else {
        return Verdict::Invalid(Reason::InvitationRequired);
    };
    let invitation = match world.target(invitation_uri, Kind::Invitation) {
        Target::OtherCollection => return Verdict::Invalid(Reason::NotAnInvitation),
        Target::Unknown => return Verdict::Pending(Reason::InvitationUnknown),
        Target::NotLive => return Verdict::Invalid(Reason::InvitationNotLive),
        Target::Live(invitation) => invitation,
    };
    if invitation.text("/invitee") != signup.author {
        return Verdict::Invalid(Reason::InviteeMismatch);
    }
    if invitation.text("/round/uri") != signup.text("/round/uri") {
        return Verdict::Invalid(Reason::InvitationForOtherRound);
    }
    match judge_inviter(world, &round, invitation.author, valid) {
        Ok(_) => Verdict::Valid(Some(Basis::Invited)),
        Err(reason) => Verdict::Invalid(reason),
    }
}

pub(super) fn judge_invitation(world: &World<'_>, invitation: &Live<'_>, valid: &BTreeSet<&str>) -> Verdict {
    let round = match find_round(world, invitation) {
        Ok(round) => round,
        Err(verdict) => return verdict,
    };
    match judge_inviter(world, &round, invitation.author, valid) {
        Ok(basis) => Verdict::Valid(Some(basis)),
        Err(reason) => Verdict::Invalid(reason),
    }
}

pub(super) fn judge_submission(world: &World<'_>, submission: &Live<'_>, valid: &BTreeSet<&str>) -> Verdict {
    match find_round(world, submission) {
        Err(verdict) => verdict,
        Ok(round) if is_participant(world, &round, submission.author, valid) => Verdict::Valid(None),
        Ok(_) => Verdict::Invalid(Reason::AuthorNotParticipant),
    }
}

/// The live, official round that a record names, or the verdict when it names none.
fn find_round<'a>(world: &World<'a>, record: &Live<'_>) -> Result<Live<'a>, Verdict> {
    match world.target(record.text("/round/uri"), Kind::Round) {
        Target::OtherCollection => Err(Verdict::Invalid(Reason::NotARound)),
        Target::Unknown => Err(Verdict::Pending(Reason::RoundUnknown)),
        Target::NotLive => Err(Verdict::Invalid(Reason::RoundNotLive)),
        Target::Live(round) if !is_official(&round) => Err(Verdict::Invalid(Reason::RoundUnofficial)),
        Target::Live(round) => Ok(round),
    }
}

/// Whether this DID's invitations to the round are authoritative.
fn judge_inviter(
    world: &World<'_>,
    round: &Live<'_>,
    inviter: &str,
    valid: &BTreeSet<&str>,
) -> Result<Basis, Reason> {
    if inviter == organizer(round) {
        return Ok(Basis::Organizer);
    }
    let mode = join_mode(round);
    if mode == JoinMode::Hosted {
        return Err(Reason::InviterNotOrganizer);
    }
    if !is_participant(world, round, inviter, valid) {
        return Err(Reason::InviterNotParticipant);
    }
    if mode == JoinMode::Open {
        return Ok(Basis::Open);
    }
    if !meets_gate(world, round, inviter) {
        return Err(Reason::InviterGateUnmet);
    }
    Ok(Basis::Invited)
}

/// A participant has at least one valid signup to the round.
fn is_participant(world: &World<'_>, round: &Live<'_>, did: &str, valid: &BTreeSet<&str>) -> bool {
    world
        .live(Kind::Signup)
        .filter(|signup| valid.contains(signup.uri))
        .any(|signup| signup.author == did && signup.text("/round/uri") == round.uri)
}

/// The gate beyond being a participant: under `contributed` also a live submission, whose own verdict does
/// not matter.
fn meets_gate(world: &World<'_>, round: &Live<'_>, did: &str) -> bool {
    if round.optional_text("/networkGate") != Some("contributed") {
        return true;
    }
    world
        .live(Kind::Submission)
        .any(|submission| submission.author == did && submission.text("/round/uri") == round.uri)
}

/// The authority of `jam.uri`, whatever stands behind it.
fn organizer<'a>(round: &Live<'a>) -> &'a str {
    let jam = round.text("/jam/uri");
    jam.strip_prefix("at://").unwrap_or(jam).split('/').next().unwrap_or_default()
}

fn join_mode(round: &Live<'_>) -> JoinMode {
    match round.optional_text("/joinMode") {
        Some("hosted") => JoinMode::Hosted,
        Some("network") => JoinMode::Network,
        _ => JoinMode::Open,
    }
}

impl Basis {
    pub(super) fn text(self) -> &'static str {
        match self {
            Basis::Open => "open",
            Basis::Organizer => "organizer",
            Basis::Invited => "invited",
        }
    }
}

impl Reason {
    pub(super) fn text(self) -> &'static str {
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
}
