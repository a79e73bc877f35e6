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
use crate::ledger::Note;
use crate::sources::Reporter;
use crate::syntax::Did;
use crate::tables::keys::SourceKey;

/// Messages that are worked on at a time; of a dump, messages in here. Enough for every core while the reader decodes.
const WORKING_MAX: usize = 1024;

/// Bytes of those messages. One may exceed it alone.
const WORKING_BYTES_MAX: usize = 16_000_000;

/// What a message that needs no proof takes while it waits behind one that does: a place, and a few short fields.
const PASSING_BYTES: usize = 500;

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
    /// It was parked, and its key proves what was parked.
    Parked,
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
    /// What waits for the network gets no answer any more.
    abandoned: bool,
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
    /// It waits for a key that proves this.
    Parked(Body),
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
            abandoned: false,
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

    /// Hands over something to write down, before whatever is still in here.
    pub(super) fn note(&self, note: Note) -> Result<(), Closed> {
        let mut state = self.lock();
        let (source, progress) = (state.source.clone(), state.delivered);
        state.hand_on(Delivery { source, progress, tally: Tally::default(), event: None, note: Some(note) });
        state.open()
    }

    /// Hands over something that needs no proof, after what came before it. Waits for room.
    pub(super) fn pass(&self, place: &Place, event: Event) -> Result<(), Closed> {
        let (mut state, ticket) = self.take_in(event.did(), PASSING_BYTES, place)?;
        state.settle(ticket, SlotState::Done(Some(event)));
        state.open()
    }

    /// Takes in a message of this repository that is to be proved. Waits for room.
    pub(super) fn begin(&self, did: &Did, bytes: usize, place: &Place) -> Result<Ticket, Closed> {
        self.take_in(did, bytes, place).map(|(_, ticket)| ticket)
    }

    fn take_in(
        &self,
        did: &Did,
        bytes: usize,
        place: &Place,
    ) -> Result<(MutexGuard<'_, State>, Ticket), Closed> {
        let mut state = self.wait_while(|state| state.is_full(bytes))?;
        let lane = state.lane_of(did);
        let ticket = state.enter(lane.clone(), bytes, place);
        state.make_room(&lane);
        Ok((state, ticket))
    }

    /// A message waits for the network with what it says: the reader need not.
    pub(super) fn park(&self, ticket: Ticket, body: Body) {
        self.lock().settle(ticket, SlotState::Parked(body));
        self.shared.lighter.notify_all();
    }

    /// What came of a message. Whatever waited for it is handed over.
    pub(super) fn finish(&self, ticket: Ticket, proved: Proved) {
        let mut state = self.lock();
        let event = match (proved, state.slots.get_mut(&ticket).map(|slot| &mut slot.state)) {
            // It was given up meanwhile.
            (_, None | Some(SlotState::Done(_))) => return,
            (Proved::Message(body), _) => state.count(body),
            (Proved::Parked, Some(SlotState::Parked(body))) => {
                let body = std::mem::replace(body, Body::Uninteresting);
                state.count(Ok(body))
            }
            // What was not parked says nothing.
            (Proved::Parked, Some(SlotState::Working)) => None,
            (Proved::Unresolved(did), _) => Some(state.miss(did)),
            (Proved::Stuck(why), _) => {
                state.stuck.get_or_insert(why);
                self.shared.lighter.notify_all();
                return;
            }
        };
        state.settle(ticket, SlotState::Done(event));
        self.shared.lighter.notify_all();
    }

    /// Waits until everything that was taken in is handed over.
    pub(super) fn drain(&self) -> Result<(), Closed> {
        let state = self.wait_while(|state| !state.slots.is_empty() && !state.abandoned)?;
        if state.slots.is_empty() { Ok(()) } else { Err(Closed::Gone) }
    }

    /// Waits until nothing is worked on. What waits for the network stays.
    pub(super) fn rest(&self) -> Result<(), Closed> {
        self.wait_while(|state| state.working > 0).map(drop)
    }

    /// What waits for the network will not be answered any more: nobody waits for it.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        if state.order == Order::OfSource {
            state.deliveries = None;
        }
        self.shared.lighter.notify_all();
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

    /// Waits for as long as it is so, or until nothing more can be put in.
    fn wait_while(&self, is_so: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>, Closed> {
        let mut state = self.lock();
        loop {
            state.open()?;
            if !is_so(&state) {
                return Ok(state);
            }
            state = self.shared.lighter.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
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

    /// Whether a message of so many bytes has to wait outside.
    fn is_full(&self, bytes: usize) -> bool {
        let (messages, inside) = match self.order {
            // Nobody passes, so what is proved waits too.
            Order::OfSource => (self.slots.len(), self.working_bytes + self.held_bytes),
            Order::OfRepositories => (self.working, self.working_bytes),
        };
        messages > 0 && (messages >= WORKING_MAX || inside + bytes > WORKING_BYTES_MAX)
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

    /// Moves a message on, and hands over what no longer waits for it.
    fn settle(&mut self, ticket: Ticket, state: SlotState) {
        let Some(slot) = self.slots.get_mut(&ticket) else { return };
        if matches!(slot.state, SlotState::Working) {
            self.working -= 1;
            self.working_bytes -= slot.bytes;
            self.held_bytes += slot.bytes;
        }
        slot.state = state;
        let lane = slot.lane.clone();
        self.hand_over(&lane);
    }

    /// Gives up who waits for a key, while too much waits with it. In a dump the reader waits.
    fn make_room(&mut self, lane: &Option<Did>) {
        if self.order == Order::OfSource {
            return;
        }
        let lane = self.lanes.get(lane).filter(|waiting| waiting.len() > LANE_MAX);
        let in_lane = lane.and_then(|waiting| waiting.iter().copied().find(|ticket| self.is_parked(*ticket)));
        self.give_up(in_lane);
        while self.held_bytes > HELD_BYTES_MAX {
            let oldest = self.slots.keys().copied().find(|ticket| self.is_parked(*ticket));
            if oldest.is_none() {
                return;
            }
            self.give_up(oldest);
        }
    }

    fn is_parked(&self, ticket: Ticket) -> bool {
        self.slots.get(&ticket).is_some_and(|slot| matches!(slot.state, SlotState::Parked(_)))
    }

    /// Lets go of a message that waits, and of what it says.
    fn give_up(&mut self, ticket: Option<Ticket>) {
        let slot = ticket.and_then(|ticket| Some((ticket, self.slots.get_mut(&ticket)?)));
        let Some((ticket, Slot { bytes, lane: Some(did), .. })) = slot else { return };
        self.held_bytes -= std::mem::take(bytes);
        let did = did.clone();
        let missed = self.miss(did);
        self.settle(ticket, SlotState::Done(Some(missed)));
    }

    /// Counts a message of which nobody could tell whose key it takes.
    fn miss(&mut self, did: Did) -> Event {
        *self.tally.rejected.entry(Reject::IdentityUnresolved).or_default() += 1;
        Event::Missed(did)
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
        self.hand_on(Delivery { source: self.source.clone(), progress, tally, event, note: None });
    }

    fn hand_on(&mut self, delivery: Delivery) {
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
