//! Histories: a round that grew by invitations, and a mixture of everything.

use std::collections::VecDeque;

use guestlist::codec::event::Event;
use guestlist::syntax::Did;

use super::{Network, Reference, person, pick};

/// A network round in which everybody was invited by somebody: the first by the organizer, and each other
/// one by an earlier participant.
pub(crate) struct Tree {
    pub(crate) jam: Reference,
    pub(crate) round: Reference,
    pub(crate) people: Vec<Did>,
    /// The organizer's only invitation, on which everybody hangs.
    pub(crate) root: Reference,
}

impl Tree {
    /// Grows a round of `size` signups; `inviter` says who invited whom, by number.
    pub(crate) fn grow(
        network: &mut Network,
        population: &str,
        size: u64,
        inviter: impl Fn(u64) -> u64,
        mut emit: impl FnMut(Event),
    ) -> Self {
        let organizer = person(population, u64::MAX);
        let (event, jam) = network.jam(&organizer);
        emit(event);
        let (event, round) = network.round(&jam, "network");
        emit(event);
        let mut people: Vec<Did> = Vec::new();
        let mut root = None;
        for number in 0..size {
            let did = person(population, number);
            let by = usize::try_from(inviter(number)).ok().and_then(|by| people.get(by));
            let (event, invitation) = network.invite(by.unwrap_or(&organizer), &round, &did);
            emit(event);
            let (event, _) = network.sign_up(&did, &round, &invitation);
            emit(event);
            root.get_or_insert(invitation);
            people.push(did);
        }
        Self { jam, round, people, root: root.expect("a round has at least one participant") }
    }
}

/// Commits as they might come if the whole network used nothing else: rounds that grow by invitations, some
/// submissions, events with answers. Five people out of six come back.
pub(crate) struct Mixture {
    network: Network,
    population: String,
    written: u64,
    records: u64,
    rounds: Vec<(Reference, Vec<Did>)>,
    events: Vec<Reference>,
    /// What comes next and was decided earlier.
    waiting: VecDeque<Event>,
}

/// People of a mixture for each record.
const RECORDS_PER_PERSON: u64 = 6;

/// Rounds and events are made as long as there are fewer than one for so many records.
const RECORDS_PER_ROUND: u64 = 2_000;
const RECORDS_PER_EVENT: u64 = 50;

impl Mixture {
    pub(crate) fn new(population: &str, records: u64) -> Self {
        Self {
            network: Network::default(),
            population: population.to_owned(),
            written: 0,
            records,
            rounds: Vec::new(),
            events: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The rounds so far with their participants, and the events.
    pub(crate) fn into_rounds_and_events(self) -> (Vec<(Reference, Vec<Did>)>, Vec<Reference>) {
        (self.rounds, self.events)
    }

    fn somebody(&self) -> Did {
        person(&self.population, pick(self.written, self.records / RECORDS_PER_PERSON + 1))
    }

    fn begin_round(&mut self) -> Event {
        let organizer = person(&self.population, u64::MAX - self.written);
        let (event, jam) = self.network.jam(&organizer);
        let (round_event, round) = self.network.round(&jam, "network");
        self.waiting.push_back(round_event);
        self.rounds.push((round, vec![organizer]));
        event
    }

    /// Somebody of a round invites somebody, who signs up, and one in eight submits something.
    fn grow_round(&mut self) -> Option<Event> {
        let did = self.somebody();
        let count = u64::try_from(self.rounds.len()).ok()?;
        let which = usize::try_from(pick(self.written ^ 0x55, count)).ok()?;
        let (round, people) = self.rounds.get_mut(which)?;
        let by = usize::try_from(pick(self.written ^ 0xaa, u64::try_from(people.len()).ok()?)).ok()?;
        let (event, invitation) = self.network.invite(people.get(by)?, round, &did);
        self.waiting.push_back(self.network.sign_up(&did, round, &invitation).0);
        if pick(self.written ^ 0x77, 8) == 0 {
            self.waiting.push_back(self.network.submit(&did, round).0);
        }
        people.push(did);
        Some(event)
    }

    fn answer(&mut self) -> Option<Event> {
        let did = self.somebody();
        let count = u64::try_from(self.events.len()).ok()?;
        let which = usize::try_from(pick(self.written ^ 0x33, count)).ok()?;
        Some(self.network.rsvp(&did, self.events.get(which)?).0)
    }
}

impl Iterator for Mixture {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.written == self.records {
            return None;
        }
        self.written += 1;
        if let Some(event) = self.waiting.pop_front() {
            return Some(event);
        }
        if self.written % RECORDS_PER_ROUND == 1 {
            return Some(self.begin_round());
        }
        if self.written % RECORDS_PER_EVENT == 2 || self.events.is_empty() {
            let (event, reference) = self.network.calendar_event(&self.somebody());
            self.events.push(reference);
            return Some(event);
        }
        if pick(self.written ^ 0x11, 3) == 0 { self.answer() } else { self.grow_round() }
    }
}
