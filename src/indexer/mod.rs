//! The loop that writes: take a batch, reduce it, commit its changes together with the cursor.
//!
//! The only writer of the store. Sources hand it [`Delivery`]s through one bounded channel; when it is slow
//! they wait. What people ask comes through another, and is done first. A batch closes on count, bytes or time, whichever comes first, and whatever it changed becomes
//! durable in the same write as the position that covers it. Where nothing is wanted for a while, positions
//! are stored on time all the same. Invariant: no position is stored for work that is not.
#![allow(clippy::disallowed_methods, reason = "a shell: batches close on time")]

mod inbox;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::codec::event::Event;
use crate::delivery::{Delivery, Outcomes, Placed, Progress, Receiver, Tally};
use crate::filing;
use crate::ledger;
use crate::orders::Orders;
use crate::records::Kind;
use crate::reduce::{self, Effect, Sequence};
use crate::spaces::command::Command;
use crate::spaces::{self, Bounds};
use crate::store::{Store, StoreError};
use crate::tables::completeness::Coverage;
use crate::tables::keys::{RecordId, SourceKey};
use crate::tables::rows::Source;
use crate::tables::view::{Changes, Overlay, ReadRows, RowsError, key_in};
use crate::tables::{Coverages, Records, Sources};

use inbox::{Inbox, Item};
use waiting::Waiting;

/// Bytes of records after which a batch closes, so that a batch of large records stays small in memory.
const BATCH_BYTES_MAX: usize = 4_000_000;

/// How long a batch may wait for more.
const BATCH_WAIT: Duration = Duration::from_millis(200);

/// How long deliveries may keep an order waiting, once one is there. With the commit that follows, less than the
/// twenty milliseconds that whoever redeems an invite may wait; and a replay still goes on beside many orders.
const DELIVERIES_SHARE: Duration = Duration::from_millis(4);

/// Orders that are done in one batch. Each writes some ten rows.
const ORDERS_AT_ONCE: usize = 256;

/// What the writer says each time around its loop.
#[derive(Clone, Copy, Debug)]
pub enum Turn<'a> {
    /// There was nothing to write.
    Idle,
    /// A batch is durable.
    Committed {
        /// What it amounts to.
        tally: &'a Tally,
        /// What showed when its events were applied, by source; in the tally too.
        outcomes: &'a BTreeMap<SourceKey, Outcomes>,
        /// Every source that has delivered, as it stands now.
        sources: &'a BTreeMap<SourceKey, Source>,
        /// How far what they tell is covered, where that changed.
        covered: &'a BTreeMap<SourceKey, Coverage>,
        /// Events whose records were written or deleted.
        events: &'a BTreeSet<RecordId>,
    },
}

/// The writer.
pub struct Indexer {
    store: Store,
    batch_events: usize,
    /// Sources that have delivered, as the last commit left them.
    sources: BTreeMap<SourceKey, Source>,
}

impl Indexer {
    /// A writer whose batches close after so many events.
    pub fn new(store: Store, batch_events: usize) -> Result<Self, StoreError> {
        Ok(Self { store, batch_events: batch_events.max(1), sources: BTreeMap::new() })
    }

    /// Applies deliveries until every sender is gone. `turn` hears of each batch after it is durable, and at
    /// least every few seconds.
    pub fn run(&mut self, deliveries: &Receiver, turn: impl FnMut(Turn<'_>)) -> Result<(), StoreError> {
        self.serve(deliveries, &Orders::none(), &Bounds::default(), turn)
    }

    /// The same, and does what is asked of it, until nobody can deliver or ask anything any more. An order waits
    /// neither for a batch to fill nor for what came before it.
    pub fn serve(
        &mut self,
        deliveries: &Receiver,
        orders: &Orders,
        bounds: &Bounds,
        mut turn: impl FnMut(Turn<'_>),
    ) -> Result<(), StoreError> {
        let mut inbox = Inbox::new(deliveries, orders);
        let mut waiting = Waiting::default();
        loop {
            self.gather(&mut inbox, &mut waiting);
            if waiting.is_empty() && !inbox.is_open() {
                turn(Turn::Idle);
                return Ok(());
            }
            if waiting.is_empty() || (inbox.delivers() && !waiting.is_due()) {
                turn(Turn::Idle);
                continue;
            }
            let Applied { tally, outcomes, covered, events, left } =
                self.apply(waiting, &mut inbox, bounds)?;
            waiting = Waiting::left(left);
            let sources = &self.sources;
            turn(Turn::Committed {
                tally: &tally,
                outcomes: &outcomes,
                sources,
                covered: &covered,
                events: &events,
            });
        }
    }

    /// Takes what comes until a batch is full, its time is over, or something is asked: then only what is there.
    fn gather(&self, inbox: &mut Inbox<'_>, waiting: &mut Waiting) {
        let mut patience = waiting.patience();
        let mut closes = None;
        while waiting.orders.is_empty() && self.has_room(waiting) {
            match inbox.next(patience) {
                Some(Item::Order(order)) => waiting.orders.push(order),
                Some(Item::Delivery(delivery)) => waiting.add(delivery),
                None => return,
            }
            let closes = *closes.get_or_insert_with(|| Instant::now() + BATCH_WAIT);
            patience = closes.saturating_duration_since(Instant::now());
        }
        // Where there is always another order, deliveries are taken all the same.
        for _ in 0..inbox.count_deliveries() {
            if waiting.orders.is_empty() || !self.has_room(waiting) {
                return;
            }
            inbox.delivery().into_iter().for_each(|delivery| waiting.add(delivery));
        }
    }

    /// Whether more deliveries fit into a batch.
    fn has_room(&self, waiting: &Waiting) -> bool {
        waiting.events < self.batch_events && waiting.bytes < BATCH_BYTES_MAX
    }

    /// Reduces what waits and does what is asked, and commits what that changed with the positions that it reached.
    fn apply(
        &mut self,
        waiting: Waiting,
        inbox: &mut Inbox<'_>,
        bounds: &Bounds,
    ) -> Result<Applied, StoreError> {
        let Waiting { mut deliveries, mut orders, .. } = waiting;
        let mut applied = Applied::default();
        let mut answers = Vec::new();
        let changes = {
            let snapshot = self.store.snapshot();
            let mut rows = Overlay::new(&*snapshot);
            let begun = Instant::now();
            let mut moves = !deliveries.is_empty();
            while let Some(delivery) = deliveries.pop_front() {
                deliver(&mut self.sources, &mut rows, &delivery, &mut applied)?;
                if begun.elapsed() >= DELIVERIES_SHARE && (!orders.is_empty() || inbox.has_order()) {
                    break;
                }
            }
            applied.left = deliveries;
            if moves {
                for (key, source) in &self.sources {
                    rows.put::<Sources>(key, source);
                }
            }
            orders.extend(std::iter::from_fn(|| inbox.order()).take(ORDERS_AT_ONCE));
            let now = Timestamp::now().as_millisecond();
            for order in orders {
                // Where somebody only asks, nothing is another for those who read.
                moves |= order.request.command != Command::Admit;
                answers.push((spaces::apply(&mut rows, bounds, now, &order.request)?, order));
            }
            if moves {
                filing::move_position(&mut rows)?;
            }
            rows.into_changes()
        };
        applied.events = written(&changes, Kind::Event);
        self.store.commit(changes)?;
        answers.into_iter().for_each(|(answer, order)| order.answer(answer));
        applied.outcomes.values().for_each(|of_source| applied.tally.outcomes.add(*of_source));
        Ok(applied)
    }
}

/// Reduces one delivery.
fn deliver(
    sources: &mut BTreeMap<SourceKey, Source>,
    rows: &mut Overlay<'_>,
    delivery: &Delivery,
    applied: &mut Applied,
) -> Result<(), RowsError> {
    let Applied { tally, outcomes, covered, .. } = applied;
    let source = source(sources, rows, &delivery.source)?;
    tally.add(&delivery.tally);
    let repeats = repeats(source, delivery);
    if let Some(Placed { position, event, .. }) = delivery.event.as_ref().filter(|_| !repeats) {
        let is_new = source.cursor.is_none_or(|cursor| cursor < *position);
        let from = reduce::From { source: source.id, position: *position, is_new };
        let outcome = reduce::reduce(rows, from, event)?;
        match outcome.effect {
            Effect::Applied => tally.applied += 1,
            Effect::Skipped => tally.skipped += 1,
            Effect::Noted => {}
        }
        if outcome.sequence != Sequence::Next {
            let of_source = outcomes.entry(delivery.source.clone()).or_default();
            of_source.old += u64::from(outcome.sequence == Sequence::Old);
            of_source.discontinuous += u64::from(outcome.sequence == Sequence::Discontinuous);
        }
    }
    let commit = |placed: &Placed| matches!(placed.event, Event::Commit(_) | Event::Export(_));
    tally.skipped += u64::from(repeats && delivery.event.as_ref().is_some_and(commit));
    advance(source, delivery);
    if let Some(note) = &delivery.note {
        ledger::note(rows, &delivery.source, note)?;
        let coverage = rows.get::<Coverages>(&delivery.source)?;
        covered.extend(coverage.map(|coverage| (delivery.source.clone(), coverage)));
    }
    Ok(())
}

/// What a batch amounts to.
#[derive(Default)]
struct Applied {
    tally: Tally,
    /// What showed when its events were applied, by source.
    outcomes: BTreeMap<SourceKey, Outcomes>,
    /// How far what a source tells is covered, where that changed.
    covered: BTreeMap<SourceKey, Coverage>,
    /// Events whose records were written or deleted.
    events: BTreeSet<RecordId>,
    /// Deliveries that were not applied, because an order must not wait for them.
    left: VecDeque<Delivery>,
}

/// The records of a kind that are written or deleted.
fn written(changes: &Changes, kind: Kind) -> BTreeSet<RecordId> {
    let ids = changes.keys().filter_map(|key| key_in::<Records>(key));
    ids.filter(|id| id.kind == kind).collect()
}

/// Whether a delivery is of a part of a dump that was decided in another run.
fn repeats(source: &Source, delivery: &Delivery) -> bool {
    match delivery.progress {
        // A state can be told again: the account may not have been active the first time.
        Progress::Dump { .. } => delivery.event.as_ref().is_some_and(|placed| {
            placed.offset <= source.high_water && !matches!(placed.event, Event::Export(_))
        }),
        // A live source passes on what lies beyond its cursor, or can be applied again.
        Progress::Live { .. } => false,
    }
}

fn advance(source: &mut Source, delivery: &Delivery) {
    match delivery.progress {
        Progress::Dump { offset, cursor, finished } => {
            // From the first message on that could not be decided for want of a key, all are decided again when the
            // dump is replayed: somebody may have the key by then.
            let misses =
                delivery.event.as_ref().is_some_and(|placed| matches!(placed.event, Event::Missed(_)));
            let is_from_start = source.finished || offset < source.offset;
            if !misses && (is_from_start || source.offset <= source.high_water) {
                source.high_water = source.high_water.max(offset);
            }
            source.offset = offset;
            source.cursor = source.cursor.max(cursor);
            source.finished = finished;
        }
        Progress::Live { cursor } => source.cursor = source.cursor.max(cursor),
    }
}

/// The row of a source, made when it is new.
fn source<'a>(
    known: &'a mut BTreeMap<SourceKey, Source>,
    rows: &mut Overlay<'_>,
    key: &SourceKey,
) -> Result<&'a mut Source, RowsError> {
    if !known.contains_key(key) {
        let source = filing::source_row(rows, key)?;
        known.insert(key.clone(), source);
    }
    Ok(known.get_mut(key).expect("inserted above"))
}

/// Where a source stands, if it was ever read.
pub fn standing_of(store: &Store, key: &SourceKey) -> Result<Option<Source>, StoreError> {
    Ok(store.snapshot().get::<Sources>(key)?)
}
