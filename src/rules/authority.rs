//! Who is in a round, kept up as records and accounts change. Spec: RULES §2.
//!
//! A person is in a network round when a finite chain of invitations and signups leads to them from the
//! organizer. That least fixed point is kept per (person, round) as a number greater than the number of
//! someone who passed the right on, the organizer being below all. Adding a link walks forward from it;
//! removing one takes down only people left without a smaller-numbered inviter, and then grows again from
//! what still stands. Both gates of network rounds, hosted rounds and open rounds are kept side by side, so
//! that the round's own record decides at read and its edits rewrite nothing.
//!
//! The organizer of an official round is the DID in the round's URI, so all this needs neither the round's
//! record nor its author's account: without them nothing in the round is valid, and readers see that first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::records::NetworkGate;
use crate::rules::accounts;
use crate::syntax::Did;
use crate::tables::keys::{
    End, InvitationId, LinkKey, RoundId, RoundRecordKey, SignupKey, StandingKey, write_links, write_person,
    write_round_author, write_signups_by, write_signups_naming,
};
use crate::tables::rows::{RoundTally, SignupFacts, Standing};
use crate::tables::view::{Overlay, ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{Invitations, Links, RoundTallies, Signups, Standings};

/// The number of the organizer, below every participant's.
const ROOT: u32 = 0;

/// The organizer's word needs no other.
pub fn organizes(did: &Did, round: &RoundId) -> bool {
    *did == round.did
}

impl Standing {
    /// The number in a network round with this gate, if a chain leads here.
    pub fn number(&self, gate: NetworkGate) -> Option<u32> {
        match gate {
            NetworkGate::Signup => self.network,
            NetworkGate::Contributed => self.contributed,
        }
    }

    fn set_number(&mut self, gate: NetworkGate, number: Option<u32>) {
        match gate {
            NetworkGate::Signup => self.network = number,
            NetworkGate::Contributed => self.contributed = number,
        }
    }

    /// Whether the gate lets a participant invite.
    pub fn meets(&self, gate: NetworkGate) -> bool {
        match gate {
            NetworkGate::Signup => true,
            NetworkGate::Contributed => self.submissions > 0,
        }
    }

    /// What this person adds to the round's tally.
    fn share(&self) -> Share {
        if !self.live {
            return Share::default();
        }
        let people = |is_in: bool| i64::from(is_in);
        Share([
            i64::from(self.signups),
            i64::from(self.invitations),
            i64::from(self.submissions),
            people(self.signups > 0),
            people(self.hosted),
            people(self.network.is_some()),
            people(self.contributed.is_some()),
        ])
    }
}

/// Amounts in the order of the fields of [`RoundTally`].
#[derive(Clone, Copy, Default)]
struct Share([i64; 7]);

/// A change to the records of rounds, while its consequences are worked out.
pub struct Authority<'a, 'b> {
    rows: &'a mut Overlay<'b>,
    /// People whose own links changed, or those of who invited them.
    touched: BTreeSet<(RoundId, Did)>,
    tallies: BTreeMap<RoundId, Share>,
}

impl<'a, 'b> Authority<'a, 'b> {
    /// Nothing changed yet.
    pub fn new(rows: &'a mut Overlay<'b>) -> Self {
        Self { rows, touched: BTreeSet::new(), tallies: BTreeMap::new() }
    }

    /// A usable signup appeared (`Some`) or went.
    pub fn signup(&mut self, key: &SignupKey, facts: Option<SignupFacts>) -> Result<(), RowsError> {
        match facts {
            Some(facts) => self.rows.put::<Signups>(key, &facts),
            None => self.rows.delete::<Signups>(key),
        }
        let change = change_of(facts);
        self.update(&key.round, &key.author, |standing| add(&mut standing.signups, change))?;
        if organizes(&key.author, &key.round) {
            // The one person whose signup needs no invitation in any mode.
            self.touched.insert((key.round.clone(), key.author.clone()));
        }
        match &key.invitation {
            Some(invitation)
                if !self.is_named_by_another(key, invitation)?
                    && invites(self.rows, invitation, &key.round, &key.author)? =>
            {
                self.link(&key.round, &invitation.did, &key.author, change)
            }
            _ => Ok(()),
        }
    }

    /// A usable invitation appeared (`Some`, its invitee) or went.
    pub fn invitation(&mut self, key: &RoundRecordKey, invitee: Option<&Did>) -> Result<(), RowsError> {
        let before = self.rows.get::<Invitations>(key)?;
        match invitee {
            Some(invitee) => self.rows.put::<Invitations>(key, invitee),
            None => self.rows.delete::<Invitations>(key),
        }
        let change = change_of(invitee);
        self.update(&key.round, &key.author, |standing| add(&mut standing.invitations, change))?;
        let id = InvitationId { did: key.author.clone(), rkey: key.rkey.clone() };
        for (person, sign) in
            before.iter().map(|person| (person, -1)).chain(invitee.map(|person| (person, 1)))
        {
            // One is enough: a person's signups that name the same invitation are one link.
            let naming = prefix_of::<Signups>(|out| write_signups_naming(&key.round, person, &id, out));
            if self.rows.scan::<Signups>(naming).next().transpose()?.is_some() {
                self.link(&key.round, &key.author, person, sign)?;
            }
        }
        Ok(())
    }

    /// Whether the author of a signup has another that names this invitation.
    fn is_named_by_another(&self, key: &SignupKey, invitation: &InvitationId) -> Result<bool, RowsError> {
        let naming =
            prefix_of::<Signups>(|out| write_signups_naming(&key.round, &key.author, invitation, out));
        for row in self.rows.scan::<Signups>(naming).take(2) {
            if row?.0.rkey != key.rkey {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A usable submission appeared or went.
    pub fn submission(&mut self, round: &RoundId, author: &Did, appeared: bool) -> Result<(), RowsError> {
        let change = if appeared { 1 } else { -1 };
        let (before, after) =
            self.update(round, author, |standing| add(&mut standing.submissions, change))?;
        if before.meets(NetworkGate::Contributed) != after.meets(NetworkGate::Contributed) {
            for invitee in linked(self.rows, round, End::Inviter, author) {
                self.touched.insert((round.clone(), invitee?));
            }
        }
        Ok(())
    }

    /// One more invitation of `from` (or one less) is named by a signup of `to`.
    fn link(&mut self, round: &RoundId, from: &Did, to: &Did, change: i64) -> Result<(), RowsError> {
        let (round, from, to) = (round.clone(), from.clone(), to.clone());
        let out = LinkKey { round: round.clone(), end: End::Inviter, near: from.clone(), far: to.clone() };
        let back = LinkKey { round: round.clone(), end: End::Invitee, near: to.clone(), far: from };
        let before = self.rows.get::<Links>(&back)?.unwrap_or_default();
        let mut after = before;
        add(&mut after, change)?;
        self.rows.put_or_delete::<Links>(&out, &after);
        self.rows.put_or_delete::<Links>(&back, &after);
        if (before == 0) != (after == 0) {
            self.touched.insert((round, to));
        }
        Ok(())
    }

    /// An account became active or inactive.
    pub fn account(&mut self, did: &Did, active: bool) -> Result<(), RowsError> {
        let standings = prefix_of::<Standings>(|key| write_person(did, key));
        let rounds: Vec<RoundId> = self
            .rows
            .scan::<Standings>(standings)
            .map(|row| row.map(|(key, _)| key.round))
            .collect::<Result<_, _>>()?;
        // Where this is the organizer nothing changes here: the round itself is no longer live, and that
        // is read from the account before anything in the round is looked at.
        for round in rounds.into_iter().filter(|round| !organizes(did, round)) {
            self.update(&round, did, |standing| {
                standing.live = active;
                Ok(())
            })?;
            self.touched.insert((round, did.clone()));
        }
        Ok(())
    }

    /// Works out who is in and who is not, and writes it.
    pub fn settle(mut self) -> Result<(), RowsError> {
        let touched = std::mem::take(&mut self.touched);
        for (round, did) in &touched {
            self.decide_hosted(round, did)?;
        }
        for gate in [NetworkGate::Signup, NetworkGate::Contributed] {
            let fallen = self.cut(gate, &touched)?;
            self.grow(gate, touched.iter().cloned().chain(fallen).collect())?;
        }
        for (round, share) in std::mem::take(&mut self.tallies) {
            let tally = self.rows.get::<RoundTallies>(&round)?.unwrap_or_default();
            self.rows.put_or_delete::<RoundTallies>(&round, &tally.plus(share)?);
        }
        Ok(())
    }

    fn standing(&self, round: &RoundId, did: &Did) -> Result<Standing, RowsError> {
        let key = StandingKey { did: did.clone(), round: round.clone() };
        match self.rows.get::<Standings>(&key)? {
            Some(standing) => Ok(standing),
            None => {
                let live = organizes(did, round) || accounts::is_active(self.rows, did)?;
                Ok(Standing { live, ..Standing::default() })
            }
        }
    }

    /// Changes a standing and what it adds to the tally; returns it before and after.
    fn update(
        &mut self,
        round: &RoundId,
        did: &Did,
        change: impl FnOnce(&mut Standing) -> Result<(), RowsError>,
    ) -> Result<(Standing, Standing), RowsError> {
        let before = self.standing(round, did)?;
        let mut after = before.clone();
        change(&mut after)?;
        if before != after {
            let key = StandingKey { did: did.clone(), round: round.clone() };
            let gone = after.signups == 0 && after.invitations == 0 && after.submissions == 0;
            if gone && after.network.is_none() && after.contributed.is_none() && !after.hosted {
                self.rows.delete::<Standings>(&key);
            } else {
                self.rows.put::<Standings>(&key, &after);
            }
            let share = self.tallies.entry(round.clone()).or_default();
            let differences =
                after.share().0.into_iter().zip(before.share().0).map(|(after, before)| after - before);
            share.0.iter_mut().zip(differences).for_each(|(sum, difference)| *sum += difference);
        }
        Ok((before, after))
    }

    fn decide_hosted(&mut self, round: &RoundId, did: &Did) -> Result<(), RowsError> {
        let standing = self.standing(round, did)?;
        let hosted = if organizes(did, round) {
            standing.signups > 0
        } else {
            standing.live && is_linked(self.rows, round, &round.did, did)?
        };
        self.update(round, did, |standing| {
            standing.hosted = hosted;
            Ok(())
        })?;
        Ok(())
    }

    /// Takes down everybody who has no inviter with a smaller number, and whoever hung on them.
    fn cut(
        &mut self,
        gate: NetworkGate,
        suspects: &BTreeSet<(RoundId, Did)>,
    ) -> Result<Vec<(RoundId, Did)>, RowsError> {
        let mut queue: VecDeque<_> = suspects.iter().cloned().collect();
        let mut fallen = Vec::new();
        while let Some((round, did)) = queue.pop_front() {
            let standing = self.standing(&round, &did)?;
            let key = StandingKey { did: did.clone(), round: round.clone() };
            if standing.number(gate).is_none() || is_witnessed(self.rows, &key, gate)? {
                continue;
            }
            self.update(&round, &did, |standing| {
                standing.set_number(gate, None);
                Ok(())
            })?;
            self.pass_on(&round, &did, &mut queue)?;
            fallen.push((round, did));
        }
        Ok(fallen)
    }

    /// Queues whoever may be in or out with `did`.
    fn pass_on(
        &self,
        round: &RoundId,
        did: &Did,
        queue: &mut VecDeque<(RoundId, Did)>,
    ) -> Result<(), RowsError> {
        // The organizer's right to invite never hangs on being a participant.
        if organizes(did, round) {
            return Ok(());
        }
        for invitee in linked(self.rows, round, End::Inviter, did) {
            queue.push_back((round.clone(), invitee?));
        }
        Ok(())
    }

    /// Takes in everybody whom a participant has invited, and whom they have, and so on.
    fn grow(&mut self, gate: NetworkGate, mut queue: VecDeque<(RoundId, Did)>) -> Result<(), RowsError> {
        while let Some((round, did)) = queue.pop_front() {
            let standing = self.standing(&round, &did)?;
            if standing.number(gate).is_some() || !standing.live || standing.signups == 0 {
                continue;
            }
            let number = if organizes(&did, &round) {
                Some(ROOT)
            } else {
                support(self.rows, gate, &round, &did, ROOT)?.map(|support| support.saturating_add(1))
            };
            if number.is_none() {
                continue;
            }
            self.update(&round, &did, |standing| {
                standing.set_number(gate, number);
                Ok(())
            })?;
            self.pass_on(&round, &did, &mut queue)?;
        }
        Ok(())
    }
}

/// The smallest number among those who pass the right on to `did`, or any that is below `enough`.
fn support(
    rows: &(impl Rows + ?Sized),
    gate: NetworkGate,
    round: &RoundId,
    did: &Did,
    enough: u32,
) -> Result<Option<u32>, RowsError> {
    let mut smallest: Option<u32> = None;
    for inviter in linked(rows, round, End::Invitee, did) {
        let inviter = inviter?;
        let number = if organizes(&inviter, round) {
            Some(ROOT)
        } else {
            // Whoever is inactive or has no chain has no number.
            let standing = rows.get::<Standings>(&StandingKey { did: inviter, round: round.clone() })?;
            standing.filter(|standing| standing.meets(gate)).and_then(|standing| standing.number(gate))
        };
        smallest = smallest.into_iter().chain(number).min();
        if smallest.is_some_and(|smallest| smallest < enough) {
            break;
        }
    }
    Ok(smallest)
}

/// Whether a standing's number is what it claims to be: above that of someone who passed the right on.
pub fn is_witnessed(
    rows: &(impl Rows + ?Sized),
    key: &StandingKey,
    gate: NetworkGate,
) -> Result<bool, RowsError> {
    let standing = rows.get::<Standings>(key)?.unwrap_or_default();
    let Some(number) = standing.number(gate) else { return Ok(true) };
    if organizes(&key.did, &key.round) {
        return Ok(standing.signups > 0);
    }
    Ok(standing.live
        && support(rows, gate, &key.round, &key.did, number)?.is_some_and(|support| support < number))
}

fn change_of<T>(now: Option<T>) -> i64 {
    if now.is_some() { 1 } else { -1 }
}

fn add(count: &mut u32, change: i64) -> Result<(), RowsError> {
    let sum = u32::try_from(i64::from(*count) + change);
    *count = sum.map_err(|_| RowsError::Contradiction { what: "a count fell below zero" })?;
    Ok(())
}

impl RoundTally {
    fn plus(&self, share: Share) -> Result<Self, RowsError> {
        let mut sum = self.clone();
        let [signups, invitations, submissions, open, hosted, network, contributed] = share.0;
        add(&mut sum.signups, signups)?;
        add(&mut sum.invitations, invitations)?;
        add(&mut sum.submissions, submissions)?;
        add(&mut sum.open, open)?;
        add(&mut sum.hosted, hosted)?;
        add(&mut sum.network, network)?;
        add(&mut sum.contributed, contributed)?;
        Ok(sum)
    }
}

/// The signups of one person to a round that name an invitation of `inviter`, or all of them.
pub fn signups_of<'a>(
    rows: &'a (impl Rows + ?Sized),
    round: &RoundId,
    did: &Did,
    inviter: Option<&Did>,
) -> impl Iterator<Item = Result<(SignupKey, SignupFacts), RowsError>> + 'a {
    let range = prefix_of::<Signups>(|key| match inviter {
        Some(inviter) => write_signups_by(round, did, inviter, key),
        None => write_round_author(round, did, key),
    });
    rows.scan::<Signups>(range)
}

/// Whether an invitation is there, for this round and this person.
pub fn invites(
    rows: &(impl Rows + ?Sized),
    invitation: &InvitationId,
    round: &RoundId,
    invitee: &Did,
) -> Result<bool, RowsError> {
    let key = RoundRecordKey {
        round: round.clone(),
        author: invitation.did.clone(),
        rkey: invitation.rkey.clone(),
    };
    Ok(rows.get::<Invitations>(&key)?.as_ref() == Some(invitee))
}

/// Whether a signup of `to` rests on an invitation of `from`.
fn is_linked(rows: &(impl Rows + ?Sized), round: &RoundId, from: &Did, to: &Did) -> Result<bool, RowsError> {
    let key = LinkKey { round: round.clone(), end: End::Invitee, near: to.clone(), far: from.clone() };
    Ok(rows.get::<Links>(&key)?.is_some())
}

/// Who is linked with `near`, which is this end of the links.
pub fn linked<'a>(
    rows: &'a (impl Rows + ?Sized),
    round: &RoundId,
    end: End,
    near: &Did,
) -> impl Iterator<Item = Result<Did, RowsError>> + 'a {
    let range = prefix_of::<Links>(|key| write_links(round, end, near, key));
    rows.scan::<Links>(range).map(|row| row.map(|(key, _)| key.far))
}
