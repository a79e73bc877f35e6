//! How far people of one round are from its organizer, in invitations. Spec: RULES §2, "Chain".
//!
//! The length of the shortest chain to each of many people, without the chains: a breadth-first walk back over
//! links, which ends where a distance is known. What one walk finds shortens those after it.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::authority::linked;
use crate::rules::verdict::OpenDoor;
use crate::syntax::Did;
use crate::tables::keys::End;
use crate::tables::view::{Rows, RowsError};

/// Distances in one round, as far as a number of links that may be looked at.
pub struct Depths<'a, R: Rows + ?Sized> {
    rows: &'a R,
    door: &'a OpenDoor,
    known: BTreeMap<Did, u32>,
    links_left: usize,
}

impl<'a, R: Rows + ?Sized> Depths<'a, R> {
    /// Nothing is known but the organizer, and so many links may be looked at in all.
    pub fn new(rows: &'a R, door: &'a OpenDoor, links_max: usize) -> Self {
        let known = BTreeMap::from([(door.round.did.clone(), 0)]);
        Self { rows, door, known, links_left: links_max }
    }

    /// How many invitations lead to someone who may invite: 0 to the organizer. `None` when too many links
    /// were looked at.
    pub fn of_inviter(&mut self, did: &Did) -> Result<Option<u32>, RowsError> {
        // Who was met from whom, on the way back from `did`.
        let mut towards: BTreeMap<Did, Did> = BTreeMap::new();
        let mut seen = BTreeSet::from([did.clone()]);
        let mut layer = vec![did.clone()];
        let mut best: Option<(u32, Did)> = None;
        for steps in 0.. {
            for person in &layer {
                if let Some(known) = self.known.get(person) {
                    let total = steps + known;
                    if best.as_ref().is_none_or(|(least, _)| total < *least) {
                        best = Some((total, person.clone()));
                    }
                }
            }
            // Whoever comes next is a step further at least.
            if best.as_ref().is_some_and(|(least, _)| *least <= steps + 1) {
                break;
            }
            let mut next = Vec::new();
            for person in layer.iter().filter(|person| !self.known.contains_key(*person)) {
                for inviter in linked(self.rows, &self.door.round, End::Invitee, person) {
                    let inviter = inviter?;
                    if self.links_left == 0 {
                        return Ok(None);
                    }
                    self.links_left -= 1;
                    if !seen.contains(&inviter) && self.door.may_invite(self.rows, &inviter)?.is_ok() {
                        seen.insert(inviter.clone());
                        towards.insert(inviter.clone(), person.clone());
                        next.push(inviter);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            layer = next;
        }
        let Some((depth, met)) = best else {
            return Err(RowsError::Contradiction { what: "no chain leads to someone who may invite" });
        };
        self.remember(met, &towards);
        Ok(Some(depth))
    }

    /// A part of a shortest way is itself a shortest way.
    fn remember(&mut self, met: Did, towards: &BTreeMap<Did, Did>) {
        let mut depth = self.known.get(&met).copied().unwrap_or_default();
        let mut person = &met;
        while let Some(next) = towards.get(person) {
            depth += 1;
            self.known.insert(next.clone(), depth);
            person = next;
        }
    }
}
