//! The loop that writes: take a batch, reduce it, commit its changes together with the cursor.
//!
//! The only writer of the store. Sources hand it [`Delivery`]s through one bounded channel; when it is slow
//! they wait. A batch closes on count, bytes or time, whichever comes first, and whatever it changed becomes
//! durable in the same write as the position that covers it. Invariant: no position is stored for work that
//! is not.
#![allow(clippy::disallowed_methods, reason = "a shell: batches close on time")]

use std::collections::BTreeMap;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::codec::event::Event;
use crate::delivery::{Delivery, Receiver, Tally};
use crate::filing;
use crate::reduce::{self, Outcome};
use crate::store::{Store, StoreError};
use crate::tables::keys::{MetaKey, SourceKey};
use crate::tables::rows::{Meta, Source};
use crate::tables::view::{Overlay, ReadRows, RowsError};
use crate::tables::{Metas, Sources};

/// Bytes of records after which a batch closes, so that a batch of large records stays small in memory.
const BATCH_BYTES_MAX: usize = 4_000_000;

/// How long a batch may wait for more.
const BATCH_WAIT: Duration = Duration::from_millis(200);

/// Messages that changed nothing after which their position is stored all the same.
const IDLE_MESSAGES_MAX: u64 = 100_000;

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

    /// Applies deliveries until every sender is gone. `committed` hears of each batch after it is durable.
    pub fn run(
        &mut self,
        deliveries: &Receiver,
        mut committed: impl FnMut(&Tally),
    ) -> Result<(), StoreError> {
        let mut idle = Vec::new();
        let mut idle_messages = 0;
        while let Some((batch, open)) = self.next_batch(deliveries) {
            let quiet = batch.iter().all(|delivery| delivery.event.is_none() && !delivery.progress.finished);
            idle_messages += batch.iter().map(|delivery| delivery.tally.frames).sum::<u64>();
            idle.extend(batch);
            if quiet && open && idle_messages < IDLE_MESSAGES_MAX {
                continue;
            }
            idle_messages = 0;
            committed(&self.apply(&std::mem::take(&mut idle))?);
        }
        if !idle.is_empty() {
            committed(&self.apply(&idle)?);
        }
        Ok(())
    }

    /// The next batch and whether more can follow; `None` when every sender is gone.
    fn next_batch(&self, deliveries: &Receiver) -> Option<(Vec<Delivery>, bool)> {
        let first = deliveries.recv().ok()?;
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
                Err(RecvTimeoutError::Disconnected) => return Some((batch, false)),
            }
        }
        Some((batch, true))
    }

    /// Reduces a batch and commits what it changed with the positions that it reached.
    fn apply(&mut self, batch: &[Delivery]) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let changes = {
            let snapshot = self.store.snapshot();
            let mut rows = Overlay::new(&*snapshot);
            for delivery in batch {
                let source = source(&mut self.sources, &mut rows, &delivery.source)?;
                tally.add(&delivery.tally);
                let repeats = delivery.progress.offset <= source.high_water;
                if let Some((position, event)) = delivery.event.as_ref().filter(|_| !repeats) {
                    let is_new = source.cursor.is_none_or(|cursor| cursor < *position);
                    let from = reduce::From { source: source.id, position: *position, is_new };
                    match reduce::reduce(&mut rows, from, event)? {
                        Outcome::Applied => tally.applied += 1,
                        Outcome::Skipped => tally.skipped += 1,
                        Outcome::Noted => {}
                    }
                }
                tally.skipped += u64::from(repeats && matches!(delivery.event, Some((_, Event::Commit(_)))));
                source.offset = delivery.progress.offset;
                source.high_water = source.high_water.max(source.offset);
                source.cursor = source.cursor.max(delivery.progress.cursor);
                source.finished = delivery.progress.finished;
            }
            for (key, source) in &self.sources {
                rows.put::<Sources>(key, source);
            }
            rows.put::<Metas>(&MetaKey::Position, &Meta::Number(self.position + 1));
            rows.into_changes()
        };
        self.store.commit(changes)?;
        self.position += 1;
        Ok(tally)
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
    Ok(filing::number(&*store.snapshot(), MetaKey::Position)?)
}

/// Where a source stands, if it was ever read.
pub fn standing_of(store: &Store, key: &SourceKey) -> Result<Option<Source>, StoreError> {
    Ok(store.snapshot().get::<Sources>(key)?)
}
