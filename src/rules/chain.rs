//! The chain of invitations and signups from the organizer to a signup. Spec: RULES §2, "Chain".
//!
//! Computed when asked for: a breadth-first walk back from the signup, layer by layer, until the organizer
//! is among the inviters, then forward again taking the smallest invitation URI at each step.

use std::collections::{BTreeMap, BTreeSet};

use crate::records::Signup;
use crate::rules::authority::{invites, linked, organizes, signups_of};
use crate::rules::verdict::{OpenDoor, Verdict, invitation_used};
use crate::syntax::{Did, RecordKey};
use crate::tables::keys::{End, InvitationId, RecordId};
use crate::tables::view::{Rows, RowsError};

/// Links that are looked at for one chain. An honest round needs as many as its chains are long; one that is
/// made to have very many ways to the organizer goes without.
const LINKS_LOOKED_AT: usize = 20_000;

/// One invitation and the signup that rests on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The invitation.
    pub invitation: InvitationId,
    /// Who was invited.
    pub invitee: Did,
    /// The record key of the invitee's signup.
    pub signup: RecordKey,
}

/// The links from the organizer to a signup whose verdict is valid by invitation; `None` for any other, and
/// where there are too many ways to look at all of them.
pub fn chain(
    rows: &(impl Rows + ?Sized),
    door: &OpenDoor,
    id: &RecordId,
    signup: &Signup,
    verdict: Verdict,
) -> Result<Option<Vec<Link>>, RowsError> {
    let Some(invitation) = invitation_used(signup, verdict) else { return Ok(None) };
    let last = Link { invitation, invitee: id.did.clone(), signup: id.rkey.clone() };
    Ok(layers_back(rows, door, last)?.map(|layers| forward(door, layers)))
}

/// Links grouped by how many more follow before the signup in question: first the one that it rests on,
/// last those that the organizer's invitations begin.
fn layers_back(
    rows: &(impl Rows + ?Sized),
    door: &OpenDoor,
    last: Link,
) -> Result<Option<Vec<Vec<Link>>>, RowsError> {
    let mut looked_at = 0;
    // Whom the signup is of is not among them yet: their own first signup may be a link of its chain.
    let mut seen: BTreeSet<Did> = BTreeSet::new();
    let mut layers = vec![vec![last]];
    while let Some(layer) = layers.last().filter(|layer| !layer.is_empty()) {
        if layer.iter().any(|link| organizes(&link.invitation.did, &door.round)) {
            return Ok(Some(layers));
        }
        let inviters: BTreeSet<Did> = layer.iter().map(|link| link.invitation.did.clone()).collect();
        let mut before = Vec::new();
        for inviter in inviters.into_iter().filter(|inviter| seen.insert(inviter.clone())) {
            let links = links_to(rows, door, &inviter)?;
            looked_at += links.len();
            before.extend(links);
            if looked_at > LINKS_LOOKED_AT {
                return Ok(None);
            }
        }
        layers.push(before);
    }
    Err(RowsError::Contradiction { what: "a valid signup has no chain" })
}

/// The links by which a participant got in: for each invitation the earliest signup that names it.
fn links_to(rows: &(impl Rows + ?Sized), door: &OpenDoor, did: &Did) -> Result<Vec<Link>, RowsError> {
    let mut links: BTreeMap<InvitationId, (i64, Link)> = BTreeMap::new();
    for inviter in linked(rows, &door.round, End::Invitee, did) {
        let inviter = inviter?;
        if door.may_invite(rows, &inviter)?.is_err() {
            continue;
        }
        for (key, facts) in signups_of(rows, &door.round, did, Some(&inviter))? {
            let Some(invitation) = key.invitation else { continue };
            let known = links.get(&invitation).map(|(time, link)| (*time, &link.signup));
            let is_earlier = known.is_none_or(|known| (facts.time, &key.rkey) < known);
            if is_earlier && invites(rows, &invitation, &door.round, did)? {
                let link = Link { invitation: invitation.clone(), invitee: did.clone(), signup: key.rkey };
                links.insert(invitation, (facts.time, link));
            }
        }
    }
    Ok(links.into_values().map(|(_, link)| link).collect())
}

/// From the organizer down, the smallest invitation URI at each step.
fn forward(door: &OpenDoor, layers: Vec<Vec<Link>>) -> Vec<Link> {
    let mut from = door.round.did.clone();
    let mut chain = Vec::new();
    for layer in layers.into_iter().rev() {
        let smallest = layer
            .into_iter()
            .filter(|link| link.invitation.did == from)
            .min_by_key(|link| link.invitation.record().uri());
        // Each layer was found by walking back from the next, so an inviter always has a link into it.
        let Some(link) = smallest else { break };
        from = link.invitee.clone();
        chain.push(link);
    }
    chain
}
