//! `app.guestlist.listActorRounds`: the rounds that somebody has signed up to or been invited to.
//!
//! One item a round, in the order of the rounds' URIs: two indexes of that person, merged.

use serde::Serialize;

use crate::export::VerdictView;
use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::page::{Item, Paging, Step};
use crate::http::standing::{Rights, shown_signup};
use crate::http::view::{live, round_uri};
use crate::rules::accounts;
use crate::rules::verdict::{OpenDoor, Reason, decide, door_of};
use crate::syntax::Did;
use crate::tables::keys::{
    InvitedKey, Key, RoundId, StandingKey, write_invited, write_person, write_repository,
};
use crate::tables::view::{Range, ReadRows, Rows, RowsError, key_of, prefix_of};
use crate::tables::{Invited, Rounds, Standings};

/// Invitations that are shown for one round; `listInvitations` has all of them.
const INVITATIONS_MAX: usize = 20;

/// Invitations that are looked at for one round, so that those of hidden accounts do not cost without end.
const INVITATIONS_EXAMINED_MAX: usize = 100;

/// Signups and invitations that are looked at for one page.
const RECORDS_OF_PAGE_MAX: usize = 2_000;

/// A page of rounds.
#[derive(Serialize)]
pub(in crate::http) struct ActorRoundList {
    rounds: Vec<ActorRound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActorRound {
    round: String,
    /// Absent where the round is not live.
    #[serde(skip_serializing_if = "Option::is_none")]
    official: Option<bool>,
    participant: bool,
    can_invite: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    signup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictView>,
    invitations: Vec<InvitationView>,
}

/// An invitation to the person.
#[derive(Serialize)]
struct InvitationView {
    uri: String,
    cid: String,
    author: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    verdict: VerdictView,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<ActorRoundList, Failure> {
    let actor = call.params.actor("actor", call.names)?;
    let paging = Paging::of(call, &[("actor", Some(actor.as_str()))])?;
    let after = paging.after_key::<RoundId>()?;
    if !accounts::is_active(call.rows, &actor)? {
        return Ok(ActorRoundList { rounds: Vec::new(), cursor: None });
    }
    let rounds = rounds_of(call.rows, &actor, after);
    let mut examined = 0;
    let page = paging.walk(rounds.map(|round| {
        let round = round?;
        Ok((bytes_of(&round), step(call, &actor, round, &mut examined)?))
    }))?;
    Ok(ActorRoundList { rounds: page.items, cursor: page.cursor })
}

fn bytes_of(round: &RoundId) -> Vec<u8> {
    let mut bytes = Vec::new();
    round.write(&mut bytes);
    bytes
}

/// The rounds in which somebody has or is anything, after one.
fn rounds_of<'a>(
    rows: &'a dyn Rows,
    actor: &'a Did,
    mut after: Option<RoundId>,
) -> impl Iterator<Item = Result<RoundId, RowsError>> + 'a {
    std::iter::from_fn(move || {
        let next = next_round(rows, actor, after.as_ref()).transpose()?;
        after = next.as_ref().ok().cloned();
        Some(next)
    })
}

fn next_round(rows: &dyn Rows, actor: &Did, after: Option<&RoundId>) -> Result<Option<RoundId>, RowsError> {
    let mut standings = prefix_of::<Standings>(|key| write_person(actor, key));
    let mut invited = prefix_of::<Invited>(|key| write_person(actor, key));
    if let Some(round) = after {
        standings.start = key_of::<Standings>(&StandingKey { did: actor.clone(), round: round.clone() });
        standings.start.push(0);
        let passed = prefix_of::<Invited>(|key| write_invited(actor, round, key));
        invited.start = passed.end.unwrap_or(invited.start);
    }
    let standing = rows.scan::<Standings>(standings).next().transpose()?;
    let invited = rows.scan::<Invited>(invited).next().transpose()?;
    let rounds = standing.map(|(key, _)| key.round).into_iter().chain(invited.map(|(key, ())| key.round));
    // Bytes, not the parts: a DID that begins with another sorts before it when `/` follows.
    Ok(rounds.min_by_key(bytes_of))
}

fn step(
    call: &Call<'_>,
    actor: &Did,
    round: RoundId,
    examined: &mut usize,
) -> Result<Step<ActorRound>, RowsError> {
    if *examined >= RECORDS_OF_PAGE_MAX {
        return Ok(Step::TooMuch);
    }
    let rows = call.rows;
    let door = door_of(rows, round.clone())?;
    let rights = Rights::of(rows, &door, actor)?;
    let inside = door.as_ref().ok().filter(|_| rights.participant);
    let shown = shown_signup(rows, &round, actor, inside, examined)?;
    let invitations = invitations(call, actor, &round, examined)?;
    if shown.is_none() && invitations.is_empty() {
        return Ok(Step::Passed);
    }
    let view = ActorRound {
        round: round_uri(&round),
        official: official(rows, &round, &door)?,
        participant: rights.participant,
        can_invite: rights.can_invite,
        signup: shown.as_ref().map(|shown| shown.id.uri()),
        verdict: shown.map(|shown| shown.verdict.into()),
        invitations,
    };
    Ok(Step::Shown(Item { view, record_bytes: 0 }))
}

fn official(
    rows: &dyn Rows,
    round: &RoundId,
    door: &Result<OpenDoor, Reason>,
) -> Result<Option<bool>, RowsError> {
    match door {
        Ok(_) => Ok(Some(true)),
        Err(Reason::RoundUnofficial) => Ok(rows.get::<Rounds>(round)?.map(|facts| facts.official)),
        Err(_) => Ok(None),
    }
}

/// The live invitations of somebody to a round: the organizer's first.
fn invitations(
    call: &Call<'_>,
    actor: &Did,
    round: &RoundId,
    examined: &mut usize,
) -> Result<Vec<InvitationView>, RowsError> {
    let rows = call.rows;
    let range = |inviter: Option<&Did>| -> Range {
        prefix_of::<Invited>(|key| {
            write_invited(actor, round, key);
            if let Some(inviter) = inviter {
                write_repository(inviter, key);
            }
        })
    };
    let by_organizer = rows.scan::<Invited>(range(Some(&round.did)));
    let by_others = rows.scan::<Invited>(range(None)).filter(|row| {
        row.as_ref().map_or(true, |(key, ()): &(InvitedKey, ())| key.invitation.did != round.did)
    });
    let mut views = Vec::new();
    for row in by_organizer.chain(by_others).take(INVITATIONS_EXAMINED_MAX) {
        let (key, ()) = row?;
        *examined += 1;
        let id = key.invitation.record();
        let Some(record) = live(rows, &id)? else { continue };
        let Some(body) = &record.body else { continue };
        let Some(verdict) = decide(rows, &id, body)? else { continue };
        views.push(InvitationView {
            uri: id.uri(),
            cid: record.cid.to_string(),
            handle: call.service.identities.shown_handle(&id.did),
            author: id.did,
            verdict: verdict.into(),
        });
        if views.len() == INVITATIONS_MAX {
            break;
        }
    }
    Ok(views)
}
