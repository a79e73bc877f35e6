//! Where one person stands in one round: what several methods say of it.
//!
//! Shape: CONTRACT §4.2, `getStanding`; rules: RULES §2.

use serde::Serialize;

use super::answer::Call;
use super::error::{ApiError, Failure};
use super::view::{ChainStep, chain_view};
use crate::export::VerdictView;
use crate::records::{Body, JoinMode, Kind, Signup};
use crate::rules::accounts;
use crate::rules::authority::{invites, organizes, signups_of};
use crate::rules::chain::Chains;
use crate::rules::verdict::{OpenDoor, Reason, Verdict, decide, door};
use crate::syntax::{AtUri, Did};
use crate::tables::Records;
use crate::tables::keys::{RecordId, RoundId, SignupKey};
use crate::tables::view::{ReadRows, Rows, RowsError};

/// Signups of one person to one round that are looked at. Nobody needs more than a few; somebody may write
/// any number, and each costs a microsecond or ten.
const SIGNUPS_LOOKED_AT: usize = 1_000;

/// A round that somebody asks about: live and official, or why not.
pub(super) struct Asked {
    pub(super) uri: AtUri,
    pub(super) round: RoundId,
    pub(super) door: Result<OpenDoor, Reason>,
}

/// Where someone stands in a round.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standing {
    round: String,
    actor: Did,
    participant: bool,
    can_invite: bool,
    /// Absent without a signup.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictView>,
    /// The signup that the verdict is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    signup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<Vec<ChainStep>>,
}

/// The signup that speaks for someone, with its verdict.
pub(super) struct Shown {
    pub(super) id: RecordId,
    pub(super) signup: Signup,
    pub(super) verdict: Verdict,
}

/// What is true of someone in a round, whatever is shown of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) participant: bool,
    pub(super) can_invite: bool,
}

impl Rights {
    /// Of someone whose account is active.
    pub(super) fn of(rows: &dyn Rows, door: &Result<OpenDoor, Reason>, did: &Did) -> Result<Self, RowsError> {
        let Ok(door) = door else { return Ok(Self::default()) };
        Ok(Self {
            participant: door.participates(rows, did)?,
            can_invite: door.may_invite(rows, did)?.is_ok(),
        })
    }
}

impl Asked {
    /// The round at a URI. One that is not live, or not official, is known all the same.
    pub(super) fn of(call: &Call<'_>, uri: AtUri) -> Result<Self, Failure> {
        let door = door(call.rows, &uri)?;
        let round = RoundId::from_uri(&uri).ok_or(ApiError::RoundNotFound)?;
        if matches!(door, Err(Reason::RoundUnknown | Reason::NotARound)) {
            return Err(ApiError::RoundNotFound.into());
        }
        Ok(Self { uri, round, door })
    }

    /// What finds chains in the round; `None` where nobody is in it.
    pub(super) fn chains<'a>(&'a self, rows: &'a dyn Rows) -> Option<Chains<'a, dyn Rows + 'a>> {
        self.door.as_ref().ok().map(|door| Chains::new(rows, door))
    }

    /// Where `actor` stands. A chain that `chains` cannot find any more is left out.
    pub(super) fn standing(
        &self,
        rows: &dyn Rows,
        actor: Did,
        chains: Option<&mut Chains<'_, dyn Rows + '_>>,
    ) -> Result<Standing, RowsError> {
        let mut standing = Standing {
            round: self.uri.as_str().to_owned(),
            actor,
            participant: false,
            can_invite: false,
            verdict: None,
            signup: None,
            chain: None,
        };
        if !accounts::is_active(rows, &standing.actor)? {
            // Nothing of an account that is not active is live, so it has no signup either.
            return Ok(standing);
        }
        let rights = Rights::of(rows, &self.door, &standing.actor)?;
        (standing.participant, standing.can_invite) = (rights.participant, rights.can_invite);
        let inside = self.door.as_ref().ok().filter(|_| rights.participant);
        if let Some(shown) = shown_signup(rows, &self.round, &standing.actor, inside, &mut 0)? {
            standing.signup = Some(shown.id.uri());
            standing.verdict = Some(shown.verdict.into());
            if let Some(chains) = chains {
                standing.chain = chain_view(chains, &shown.id, &shown.signup, shown.verdict)?;
            }
        }
        Ok(standing)
    }
}

/// The signup that speaks for a person: of the valid ones the earliest, else of all (RULES §2, "A
/// participant of R"). Of somebody with more than can be looked at, among those whose keys come first. `inside`
/// is the round for who is in it; how many signups were looked at is added to `looked_at`.
pub(super) fn shown_signup(
    rows: &dyn Rows,
    round: &RoundId,
    actor: &Did,
    inside: Option<&OpenDoor>,
    looked_at: &mut usize,
) -> Result<Option<Shown>, RowsError> {
    let signups = signups_of(rows, round, actor, None).take(SIGNUPS_LOOKED_AT);
    let mut signups = signups.collect::<Result<Vec<_>, _>>()?;
    let is_whole = signups.len() < SIGNUPS_LOOKED_AT;
    *looked_at += signups.len();
    signups.sort_by(|(a_key, a), (b_key, b)| (a.time, &a_key.rkey).cmp(&(b.time, &b_key.rkey)));
    for (key, _) in signups {
        if let Some(door) = inside
            && !may_count(rows, door, &key)?
        {
            continue;
        }
        let id = RecordId { did: actor.clone(), kind: Kind::Signup, rkey: key.rkey };
        let Some(Body::Signup(signup)) = rows.get::<Records>(&id)?.and_then(|record| record.body) else {
            return Err(RowsError::Contradiction { what: "a signup of a round's index is not stored" });
        };
        let verdict = decide(rows, &id, &Body::Signup(signup.clone()))?;
        let verdict = verdict.ok_or(RowsError::Contradiction { what: "a signup has no verdict" })?;
        // Without participation none is valid, and the first will do.
        if verdict.is_valid() || inside.is_none() {
            return Ok(Some(Shown { id, signup, verdict }));
        }
    }
    if inside.is_some() && is_whole {
        return Err(RowsError::Contradiction { what: "a participant has no valid signup" });
    }
    Ok(None)
}

/// Whether a signup may be valid, as far as the indexes tell: reading each of a thousand records takes long.
fn may_count(rows: &dyn Rows, door: &OpenDoor, key: &SignupKey) -> Result<bool, RowsError> {
    if door.join_mode == JoinMode::Open || organizes(&key.author, &door.round) {
        return Ok(true);
    }
    match &key.invitation {
        Some(invitation) => invites(rows, invitation, &door.round, &key.author),
        None => Ok(false),
    }
}
