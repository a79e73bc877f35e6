//! `app.guestlist.getStanding`: whether someone may take part in a round, and why. The one call that another
//! service makes.

use serde::Serialize;

use crate::export::VerdictView;
use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::view::{ChainStep, chain_view};
use crate::records::{Body, Kind, Signup};
use crate::rules::accounts;
use crate::rules::authority::signups_of;
use crate::rules::verdict::{Reason, Verdict, decide, door};
use crate::syntax::Did;
use crate::tables::Records;
use crate::tables::keys::{RecordId, RoundId};
use crate::tables::view::{ReadRows, Rows, RowsError};

/// Where someone stands in a round.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Standing {
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

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Standing, Failure> {
    let rows = call.rows;
    let uri = call.params.uri("round")?;
    let actor = call.params.actor("actor", &call.service.identities)?;
    let door = door(rows, &uri)?;
    let round = RoundId::from_uri(&uri).ok_or(ApiError::RoundNotFound)?;
    if matches!(door, Err(Reason::RoundUnknown | Reason::NotARound)) {
        return Err(ApiError::RoundNotFound.into());
    }
    let mut standing = Standing {
        round: uri.as_str().to_owned(),
        actor: actor.clone(),
        participant: false,
        can_invite: false,
        verdict: None,
        signup: None,
        chain: None,
    };
    if !accounts::is_active(rows, &actor)? {
        // Nothing of an account that is not active is live, so it has no signup either.
        return Ok(standing);
    }
    if let Ok(door) = &door {
        standing.participant = door.participates(rows, &actor)?;
        standing.can_invite = door.may_invite(rows, &actor)?.is_ok();
    }
    if let Some((id, signup, verdict)) = shown_signup(rows, &round, &actor, standing.participant)? {
        standing.signup = Some(id.uri());
        standing.verdict = Some(verdict.into());
        if let Ok(door) = &door {
            standing.chain = chain_view(rows, door, &id, &signup, verdict)?;
        }
    }
    Ok(standing)
}

/// The signup that speaks for a person: of the valid ones the earliest, else of all (RULES §2, "A
/// participant of R").
fn shown_signup(
    rows: &dyn Rows,
    round: &RoundId,
    actor: &Did,
    participates: bool,
) -> Result<Option<(RecordId, Signup, Verdict)>, RowsError> {
    let mut signups = signups_of(rows, round, actor, None).collect::<Result<Vec<_>, _>>()?;
    signups.sort_by(|(a_key, a), (b_key, b)| (a.time, &a_key.rkey).cmp(&(b.time, &b_key.rkey)));
    for (key, _) in signups {
        let id = RecordId { did: actor.clone(), kind: Kind::Signup, rkey: key.rkey };
        let Some(Body::Signup(signup)) = rows.get::<Records>(&id)?.and_then(|record| record.body) else {
            return Err(RowsError::Contradiction { what: "a signup of a round's index is not stored" });
        };
        let verdict = decide(rows, &id, &Body::Signup(signup.clone()))?;
        let verdict = verdict.ok_or(RowsError::Contradiction { what: "a signup has no verdict" })?;
        // Without participation none is valid, and the first will do.
        if verdict.is_valid() || !participates {
            return Ok(Some((id, signup, verdict)));
        }
    }
    if participates {
        return Err(RowsError::Contradiction { what: "a participant has no valid signup" });
    }
    Ok(None)
}
