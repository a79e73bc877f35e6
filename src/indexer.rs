//! The loop that writes: take a batch, reduce it, commit its changes together with the cursor.
//!
//! The only writer of the store. Sources hand it [`Delivery`]s through one bounded channel; when it is slow
//! they wait. A batch closes on count, bytes or time, whichever comes first, and whatever it changed becomes
//! durable in the same write as the position that covers it. Where nothing is wanted for a while, positions
//! are stored on time all the same. Invariant: no position is stored for work that is not.
#![allow(clippy::disallowed_methods, reason = "a shell: batches close on time")]

use std::collections::BTreeMap;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::codec::event::Event;
use crate::delivery::{Delivery, Outcomes, Placed, Progress, Receiver, Tally};
use crate::filing;
use crate::ledger::{self, Note};
use crate::reduce::{self, Effect, Sequence};
use crate::store::{Store, StoreError};
use crate::tables::completeness::Coverage;
use crate::tables::keys::{MetaKey, SourceKey};
use crate::tables::rows::{Meta, Source};
use crate::tables::view::{Overlay, ReadRows, RowsError};
use crate::tables::{self, Coverages, Metas, Sources};

/// Bytes of records after which a batch closes, so that a batch of large records stays small in memory.
const BATCH_BYTES_MAX: usize = 4_000_000;

/// How long a batch may wait for more.
const BATCH_WAIT: Duration = Duration::from_millis(200);

/// Messages that changed nothing after which their position is stored all the same.
const IDLE_MESSAGES_MAX: u64 = 100_000;

/// How long a position may wait to be stored while nothing changes. A restart reads so much again, and no
/// more; a write every two seconds is nothing to a disk.
const IDLE_WAIT: Duration = Duration::from_secs(2);

/// How long the writer waits for something to do before it says that it is there.
const TURN_WAIT: Duration = Duration::from_secs(1);

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
    },
}

/// The writer.
pub struct Indexer {
    store: Store,
    batch_events: usize,
    /// Sources that have delivered, as the last commit left them.
    sources: BTreeMap<SourceKey, Source>,
    position: u64,
}

impl Indexer {
    /// A writer whose batches close after so many events.
    pub fn new(store: Store, batch_events: usize) -> Result<Self, StoreError> {
        let position = position(&store)?;
        Ok(Self { store, batch_events: batch_events.max(1), sources: BTreeMap::new(), position })
    }

    /// Applies deliveries until every sender is gone. `turn` hears of each batch after it is durable, and at
    /// least every few seconds.
    pub fn run(&mut self, deliveries: &Receiver, mut turn: impl FnMut(Turn<'_>)) -> Result<(), StoreError> {
        let mut waiting = Waiting::default();
        loop {
            let gathered = self.next_batch(deliveries, waiting.patience());
            let open = gathered.open;
            waiting.add(gathered.batch);
            if waiting.deliveries.is_empty() || (open && !waiting.is_due()) {
                turn(Turn::Idle);
            } else {
                let batch = std::mem::take(&mut waiting).deliveries;
                let Applied { tally, outcomes, covered } = self.apply(&batch)?;
                let sources = &self.sources;
                turn(Turn::Committed { tally: &tally, outcomes: &outcomes, sources, covered: &covered });
            }
            if !open {
                return Ok(());
            }
        }
    }

    /// What comes within `patience`, and then until the batch is full or its time is over.
    fn next_batch(&self, deliveries: &Receiver, patience: Duration) -> Gathered {
        let first = match deliveries.recv_timeout(patience) {
            Ok(first) => first,
            Err(error) => return Gathered { batch: Vec::new(), open: error == RecvTimeoutError::Timeout },
        };
        let closes = Instant::now() + BATCH_WAIT;
        let mut events = usize::from(first.event.is_some());
        let mut bytes = first.weight();
        let mut batch = vec![first];
        while events < self.batch_events && bytes < BATCH_BYTES_MAX {
            match deliveries.recv_timeout(closes.saturating_duration_since(Instant::now())) {
                Ok(delivery) => {
                    events += usize::from(delivery.event.is_some());
                    bytes += delivery.weight();
                    batch.push(delivery);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Gathered { batch, open: false },
            }
        }
        Gathered { batch, open: true }
    }

    /// Reduces a batch and commits what it changed with the positions that it reached.
    fn apply(&mut self, batch: &[Delivery]) -> Result<Applied, StoreError> {
        let mut tally = Tally::default();
        let mut outcomes: BTreeMap<SourceKey, Outcomes> = BTreeMap::new();
        let mut covered = BTreeMap::new();
        let changes = {
            let snapshot = self.store.snapshot();
            let mut rows = Overlay::new(&*snapshot);
            for delivery in batch {
                let source = source(&mut self.sources, &mut rows, &delivery.source)?;
                tally.add(&delivery.tally);
                let repeats = repeats(source, delivery);
                if let Some(Placed { position, event, .. }) = delivery.event.as_ref().filter(|_| !repeats) {
                    let is_new = source.cursor.is_none_or(|cursor| cursor < *position);
                    let from = reduce::From { source: source.id, position: *position, is_new };
                    let outcome = reduce::reduce(&mut rows, from, event)?;
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
                    ledger::note(&mut rows, &delivery.source, note)?;
                    let coverage = rows.get::<Coverages>(&delivery.source)?;
                    covered.extend(coverage.map(|coverage| (delivery.source.clone(), coverage)));
                }
            }
            for (key, source) in &self.sources {
                rows.put::<Sources>(key, source);
            }
            rows.put::<Metas>(&MetaKey::Position, &Meta::Number(self.position + 1));
            rows.into_changes()
        };
        self.store.commit(changes)?;
        self.position += 1;
        outcomes.values().for_each(|of_source| tally.outcomes.add(*of_source));
        Ok(Applied { tally, outcomes, covered })
    }
}

/// What a batch amounts to.
struct Applied {
    tally: Tally,
    /// What showed when its events were applied, by source.
    outcomes: BTreeMap<SourceKey, Outcomes>,
    /// How far what a source tells is covered, where that changed.
    covered: BTreeMap<SourceKey, Coverage>,
}

/// What one look at the queue gave.
struct Gathered {
    batch: Vec<Delivery>,
    /// More can follow.
    open: bool,
}

/// Deliveries that are not written yet, because all that they say is how far a source was read.
#[derive(Default)]
struct Waiting {
    deliveries: Vec<Delivery>,
    messages: u64,
    /// There is something to apply among them, or the end of a dump.
    matters: bool,
    since: Option<Instant>,
}

impl Waiting {
    fn add(&mut self, batch: Vec<Delivery>) {
        if !batch.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
        self.messages += batch.iter().map(|delivery| delivery.tally.frames).sum::<u64>();
        let matters = |delivery: &Delivery| {
            let noted = delivery.note.as_ref().is_some_and(Note::matters);
            delivery.event.is_some() || noted || delivery.progress.is_end()
        };
        self.matters |= batch.iter().any(matters);
        self.deliveries.extend(batch);
    }

    fn is_due(&self) -> bool {
        let waited = self.since.is_some_and(|since| since.elapsed() >= IDLE_WAIT);
        self.matters || waited || self.messages >= IDLE_MESSAGES_MAX
    }

    /// How long the writer may wait for more.
    fn patience(&self) -> Duration {
        let due = |since: Instant| (since + IDLE_WAIT).saturating_duration_since(Instant::now());
        self.since.map_or(TURN_WAIT, due).min(TURN_WAIT)
    }
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

/// How many batches the store has seen.
fn position(store: &Store) -> Result<u64, StoreError> {
    Ok(tables::number(&*store.snapshot(), MetaKey::Position)?)
}

/// Where a source stands, if it was ever read.
pub fn standing_of(store: &Store, key: &SourceKey) -> Result<Option<Source>, StoreError> {
    Ok(store.snapshot().get::<Sources>(key)?)
}
