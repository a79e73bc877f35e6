//! The messages of one source between reading and handing over.
//!
//! Proving takes time, and some messages wait for the network. So messages are proved beside the reading, in any
//! order, and handed over in order: in that of the source for a dump, which must be the same after every crash; in
//! that of each repository for a live source, so that a repository whose key is looked for holds up nobody else.
//! How far the source was dealt with is handed over with them, and never passes a message that is still in here.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::codec::Reject;
use crate::codec::event::{Body, Event, Origin, Proof};
use crate::delivery::{Delivery, Placed, Progress, Sender, Tally};
use crate::sources::Reporter;
use crate::syntax::Did;
use crate::tables::keys::SourceKey;

/// Messages that are worked on at a time. Enough for every core while the reader decodes.
const WORKING_MAX: usize = 1024;

/// Bytes of messages that are worked on at a time. One may exceed it alone.
const WORKING_BYTES_MAX: usize = 16_000_000;

/// Bytes of messages that wait for keys, or behind one that does. Beyond it the oldest is given up.
const HELD_BYTES_MAX: usize = 64_000_000;

/// Messages of one repository in here at a time. Beyond it the oldest that waits for a key is given up.
const LANE_MAX: usize = 256;

/// In which order messages are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// As they were read.
    OfSource,
    /// As they were read, within each repository.
    OfRepositories,
}

/// Which message of a window.
pub(super) type Ticket = u64;

/// A message with how far the source is read when it is dealt with.
pub(super) struct Place {
    /// Its `seq` or `time_us`; 0 where it has none.
    pub(super) position: u64,
    /// How far the source is read, this message included.
    pub(super) until: Progress,
    /// What was counted since the last one.
    pub(super) tally: Tally,
}

/// What came of proving a message.
#[derive(Debug)]
pub(super) enum Proved {
    /// This is what it says, or why it is not used.
    Message(Result<Body, Reject>),
    /// Nobody could tell whose key it takes. What it holds is missing from now on.
    Unresolved(Did),
    /// It cannot be gone on without knowing, and it is not known.
    Stuck(String),
}

/// The window of one source. Shared between its reader and those who prove.
#[derive(Clone)]
pub(super) struct Window {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when something has left, or when it is over.
    lighter: Condvar,
}

struct State {
    source: SourceKey,
    order: Order,
    /// Gone when nobody takes deliveries any more, or the reader has stopped.
    deliveries: Option<Sender>,
    reporter: Option<Reporter>,
    slots: BTreeMap<Ticket, Slot>,
    lanes: HashMap<Option<Did>, VecDeque<Ticket>>,
    next: Ticket,
    working: usize,
    working_bytes: usize,
    held_bytes: usize,
    /// How far the source is read.
    read: Progress,
    /// What was said of that last.
    delivered: Progress,
    tally: Tally,
    stuck: Option<String>,
}

struct Slot {
    lane: Option<Did>,
    bytes: usize,
    position: u64,
    /// How far the source was read before it.
    before: Progress,
    /// And with it.
    until: Progress,
    state: SlotState,
}

enum SlotState {
    Working,
    /// It waits for a key.
    Parked,
    /// It is dealt with, and waits for those before it.
    Done(Option<Event>),
}

/// Why nothing more can be put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Nobody takes deliveries any more, or we are told to stop.
    Gone,
    /// It cannot be gone on, in words.
    Stuck(String),
}

impl Window {
    pub(super) fn new(
        source: SourceKey,
        order: Order,
        read: Progress,
        deliveries: Sender,
        reporter: Option<Reporter>,
    ) -> Self {
        let state = State {
            source,
            order,
            deliveries: Some(deliveries),
            reporter,
            slots: BTreeMap::new(),
            lanes: HashMap::new(),
            next: 0,
            working: 0,
            working_bytes: 0,
            held_bytes: 0,
            read,
            delivered: read,
            tally: Tally::default(),
            stuck: None,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), lighter: Condvar::new() }) }
    }

    /// Notes how far the source is read, with nothing to hand over.
    pub(super) fn advance(&self, until: Progress, tally: &Tally) -> Result<(), Closed> {
        let mut state = self.lock();
        state.read_on(until, tally);
        let progress = state.watermark();
        if progress != state.delivered || state.tally != Tally::default() {
            state.deliver(progress, None);
        }
        state.open()
    }

    /// Hands over something that needs no proof, after what came before it.
    pub(super) fn pass(&self, place: &Place, event: Event) -> Result<(), Closed> {
        let mut state = self.lock();
        let lane = state.lane_of(event.did());
        let ticket = state.enter(lane.clone(), 0, place);
        state.settle(ticket, SlotState::Done(Some(event)));
        state.hand_over(&lane);
        state.open()
    }

    /// Takes in a message of this repository that is to be proved. Waits for room.
    pub(super) fn begin(&self, did: &Did, bytes: usize, place: &Place) -> Result<Ticket, Closed> {
        let mut state = self.lock();
        while state.working > 0
            && (state.working >= WORKING_MAX || state.working_bytes + bytes > WORKING_BYTES_MAX)
        {
            state.open()?;
            state = self.shared.lighter.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open()?;
        let lane = state.lane_of(did);
        let ticket = state.enter(lane.clone(), bytes, place);
        if state.order == Order::OfRepositories {
            state.make_room(&lane);
        }
        drop(state);
        Ok(ticket)
    }

    /// A message waits for the network: the reader need not. Whether it may; in a dump everything waits with it.
    pub(super) fn park(&self, ticket: Ticket) {
        let mut state = self.lock();
        if state.order == Order::OfRepositories {
            state.settle(ticket, SlotState::Parked);
            self.shared.lighter.notify_all();
        }
    }

    /// What came of a message. Whatever waited for it is handed over.
    pub(super) fn finish(&self, ticket: Ticket, proved: Proved) {
        let mut state = self.lock();
        // It may have been given up meanwhile.
        let Some(lane) = state.slots.get(&ticket).map(|slot| slot.lane.clone()) else { return };
        let event = match proved {
            Proved::Stuck(why) => {
                state.stuck.get_or_insert(why);
                self.shared.lighter.notify_all();
                return;
            }
            Proved::Message(body) => state.count(body),
            Proved::Unresolved(did) => {
                *state.tally.rejected.entry(Reject::IdentityUnresolved).or_default() += 1;
                Some(Event::Missed(did))
            }
        };
        state.settle(ticket, SlotState::Done(event));
        state.hand_over(&lane);
        self.shared.lighter.notify_all();
    }

    /// Waits until everything that was taken in is handed over.
    pub(super) fn drain(&self) -> Result<(), Closed> {
        let mut state = self.lock();
        while !state.slots.is_empty() {
            state.open()?;
            state = self.shared.lighter.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open()
    }

    /// Waits until nothing is worked on. What waits for the network stays.
    pub(super) fn rest(&self) -> Result<(), Closed> {
        let mut state = self.lock();
        while state.working > 0 {
            state.open()?;
            state = self.shared.lighter.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open()
    }

    /// What waits for the network will not be answered any more: nobody waits for it.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        if state.order == Order::OfSource {
            state.deliveries = None;
            self.shared.lighter.notify_all();
        }
    }

    /// Goes on as another source, which nobody has read yet. Everything was handed over before.
    pub(super) fn rename(&self, source: SourceKey, reporter: Reporter) {
        let mut state = self.lock();
        (state.read, state.delivered) = (Progress::Live { cursor: None }, Progress::Live { cursor: None });
        state.reporter = Some(reporter);
        state.source = source;
    }

    /// Hands nothing over any more. What is still in here is asked for again by whoever reads the source next.
    pub(super) fn close(&self) {
        self.lock().deliveries = None;
        self.shared.lighter.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&self) -> Result<(), Closed> {
        match (&self.stuck, &self.deliveries) {
            (Some(why), _) => Err(Closed::Stuck(why.clone())),
            (None, None) => Err(Closed::Gone),
            (None, Some(_)) => Ok(()),
        }
    }

    fn lane_of(&self, did: &Did) -> Option<Did> {
        (self.order == Order::OfRepositories).then(|| did.clone())
    }

    fn read_on(&mut self, until: Progress, tally: &Tally) {
        self.read = until;
        self.tally.add(tally);
    }

    fn enter(&mut self, lane: Option<Did>, bytes: usize, place: &Place) -> Ticket {
        let before = self.read;
        self.read_on(place.until, &place.tally);
        let ticket = self.next;
        self.next += 1;
        self.working += 1;
        self.working_bytes += bytes;
        self.lanes.entry(lane.clone()).or_default().push_back(ticket);
        let (position, until, state) = (place.position, place.until, SlotState::Working);
        self.slots.insert(ticket, Slot { lane, bytes, position, before, until, state });
        ticket
    }

    /// Moves a message on.
    fn settle(&mut self, ticket: Ticket, state: SlotState) {
        let Some(slot) = self.slots.get_mut(&ticket) else { return };
        if matches!(slot.state, SlotState::Working) {
            self.working -= 1;
            self.working_bytes -= slot.bytes;
            self.held_bytes += slot.bytes;
        }
        slot.state = state;
    }

    /// Gives up who waits for a key, if too much waits with it.
    fn make_room(&mut self, lane: &Option<Did>) {
        let is_parked = |slots: &BTreeMap<Ticket, Slot>, ticket: &Ticket| {
            slots.get(ticket).is_some_and(|slot| matches!(slot.state, SlotState::Parked))
        };
        let waiting = self.lanes.get(lane).filter(|waiting| waiting.len() > LANE_MAX);
        let mut given_up =
            waiting.and_then(|waiting| waiting.iter().find(|it| is_parked(&self.slots, it)).copied());
        if given_up.is_none() && self.held_bytes > HELD_BYTES_MAX {
            given_up = self.slots.keys().find(|ticket| is_parked(&self.slots, ticket)).copied();
        }
        let Some(ticket) = given_up else { return };
        let Some(lane) = self.slots.get(&ticket).map(|slot| slot.lane.clone()) else { return };
        *self.tally.rejected.entry(Reject::IdentityUnresolved).or_default() += 1;
        self.settle(ticket, SlotState::Done(lane.clone().map(Event::Missed)));
        self.hand_over(&lane);
    }

    /// Hands over what is dealt with at the front of a lane.
    fn hand_over(&mut self, lane: &Option<Did>) {
        while let Some(front) = self.lanes.get(lane).and_then(|waiting| waiting.front()).copied() {
            if !matches!(self.slots.get(&front), Some(Slot { state: SlotState::Done(_), .. })) {
                return;
            }
            self.lanes.get_mut(lane).map(VecDeque::pop_front);
            let Some(Slot { bytes, position, until, state: SlotState::Done(event), .. }) =
                self.slots.remove(&front)
            else {
                return;
            };
            self.held_bytes -= bytes;
            // One that says nothing is covered by what follows it.
            if let Some(event) = event {
                let progress = self.watermark();
                self.deliver(progress, Some(Placed { position, offset: until.offset(), event }));
            }
        }
        self.lanes.remove(lane);
    }

    /// How far everything is handed over.
    fn watermark(&self) -> Progress {
        self.slots.first_key_value().map_or(self.read, |(_, first)| first.before)
    }

    fn deliver(&mut self, progress: Progress, event: Option<Placed>) {
        let tally = std::mem::take(&mut self.tally);
        self.delivered = progress;
        if let Some(reporter) = &self.reporter {
            reporter.update(|status| status.count(&tally));
        }
        let delivery = Delivery { source: self.source.clone(), progress, tally, event };
        if self.deliveries.as_ref().is_some_and(|deliveries| deliveries.send(delivery).is_err()) {
            self.deliveries = None;
        }
    }

    /// Counts a message; returns what there is to apply.
    fn count(&mut self, body: Result<Body, Reject>) -> Option<Event> {
        match body {
            Ok(Body::Event(event)) => {
                if let Event::Commit(commit) = &event {
                    self.tally.commits += 1;
                    let legacy = matches!(commit.origin, Origin::Firehose { proof: Proof::Forward, .. });
                    self.tally.outcomes.legacy += u64::from(legacy);
                }
                self.tally.outcomes.proved += 1;
                Some(event)
            }
            Ok(Body::Uninteresting | Body::Info(_)) => {
                self.tally.commits += 1;
                self.tally.skipped += 1;
                None
            }
            Err(reject) => {
                tracing::debug!(source = %self.source.name, reason = reject.reason(), "message not used");
                *self.tally.rejected.entry(reject).or_default() += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
