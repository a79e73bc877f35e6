//! The chain of invitations and signups from the organizer to a signup. Spec: RULES §2, "Chain".
//!
//! Computed when asked for: a breadth-first walk back from the signup, layer by layer, until the organizer
//! is among the inviters, then forward again taking the smallest invitation URI at each step.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::records::Signup;
use crate::rules::authority::{invites, linked, organizes, signups_of};
use crate::rules::verdict::{OpenDoor, Verdict, invitation_used};
use crate::syntax::{Did, RecordKey};
use crate::tables::keys::{End, InvitationId, RecordId};
use crate::tables::view::{Rows, RowsError};

/// Inviters and signups that are looked at for the chains of one answer. An honest round needs twice as many as
/// its chains are long; one that is made to have very many ways to the organizer goes without.
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

/// What one look at links that were found before counts: so many of them are copied in the time of finding one.
const FOUND_PER_LOOK: usize = 16;

/// The chains of one round that one answer gives. Together they look at no more than one alone may, and what was
/// found for one serves the others.
pub struct Chains<'a, R: Rows + ?Sized> {
    /// The rows that they are found in.
    pub rows: &'a R,
    /// The round.
    pub door: &'a OpenDoor,
    found: HashMap<Did, Rc<[Link]>>,
    /// The chains to inviters, which those to whom they invited go on from.
    to_inviters: HashMap<Did, Vec<Link>>,
    left: usize,
}

impl<'a, R: Rows + ?Sized> Chains<'a, R> {
    /// None was looked for yet.
    pub fn new(rows: &'a R, door: &'a OpenDoor) -> Self {
        Self { rows, door, found: HashMap::new(), to_inviters: HashMap::new(), left: LINKS_LOOKED_AT }
    }

    /// The links from the organizer to a signup whose verdict is valid by invitation; `None` for any other, and
    /// where there are too many ways to look at all of them.
    pub fn to(
        &mut self,
        id: &RecordId,
        signup: &Signup,
        verdict: Verdict,
    ) -> Result<Option<Vec<Link>>, RowsError> {
        let Some(invitation) = invitation_used(signup, verdict) else { return Ok(None) };
        let inviter = invitation.did.clone();
        let last = Link { invitation, invitee: id.did.clone(), signup: id.rkey.clone() };
        if let Some(chain) = self.to_inviters.get(&inviter) {
            return Ok(Some(chain.iter().cloned().chain([last]).collect()));
        }
        let Some(layers) = self.layers_back(last)? else { return Ok(None) };
        let chain = forward(self.door, layers);
        // Nothing before the last link depends on whom it leads to.
        let before = chain.len().saturating_sub(1);
        self.to_inviters.insert(inviter, chain.iter().take(before).cloned().collect());
        Ok(Some(chain))
    }

    /// Links grouped by how many more follow before the signup in question: first the one that it rests on,
    /// last those that the organizer's invitations begin.
    fn layers_back(&mut self, last: Link) -> Result<Option<Vec<Vec<Link>>>, RowsError> {
        // Whom the signup is of is not among them yet: their own first signup may be a link of its chain.
        let mut seen: BTreeSet<Did> = BTreeSet::new();
        let mut layers = vec![vec![last]];
        while let Some(layer) = layers.last().filter(|layer| !layer.is_empty()) {
            if layer.iter().any(|link| organizes(&link.invitation.did, &self.door.round)) {
                return Ok(Some(layers));
            }
            let inviters: BTreeSet<Did> = layer.iter().map(|link| link.invitation.did.clone()).collect();
            let mut before = Vec::new();
            for inviter in inviters.into_iter().filter(|inviter| seen.insert(inviter.clone())) {
                let Some(links) = self.links_to(&inviter)? else { return Ok(None) };
                before.extend(links.iter().cloned());
            }
            layers.push(before);
        }
        Err(RowsError::Contradiction { what: "a valid signup has no chain" })
    }

    /// The links by which a participant got in: for each invitation the earliest signup that names it. `None`
    /// when there is more to look at than is left.
    fn links_to(&mut self, did: &Did) -> Result<Option<Rc<[Link]>>, RowsError> {
        if let Some(found) = self.found.get(did).cloned() {
            return Ok(self.spend(1 + found.len() / FOUND_PER_LOOK).then_some(found));
        }
        let (rows, door) = (self.rows, self.door);
        let mut links: BTreeMap<InvitationId, (i64, Link)> = BTreeMap::new();
        for inviter in linked(rows, &door.round, End::Invitee, did) {
            let inviter = inviter?;
            if !self.spend(1) {
                return Ok(None);
            }
            if door.may_invite(rows, &inviter)?.is_err() {
                continue;
            }
            for signup in signups_of(rows, &door.round, did, Some(&inviter)) {
                let (key, facts) = signup?;
                if !self.spend(1) {
                    return Ok(None);
                }
                let Some(invitation) = key.invitation else { continue };
                let known = links.get(&invitation).map(|(time, link)| (*time, &link.signup));
                let is_earlier = known.is_none_or(|known| (facts.time, &key.rkey) < known);
                if is_earlier && invites(rows, &invitation, &door.round, did)? {
                    let link =
                        Link { invitation: invitation.clone(), invitee: did.clone(), signup: key.rkey };
                    links.insert(invitation, (facts.time, link));
                }
            }
        }
        let links: Rc<[Link]> = links.into_values().map(|(_, link)| link).collect();
        self.found.insert(did.clone(), Rc::clone(&links));
        Ok(Some(links))
    }

    /// Takes so many of the looks that are left; `false` if there are fewer, and then none is.
    fn spend(&mut self, looks: usize) -> bool {
        let left = self.left.checked_sub(looks);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
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
