//! What following a relay and following Jetstream have in common: counting, delivering, reporting, and how far
//! the stream was dealt with.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::live::Ended;
use super::outlet::{Outlet, QUIET_MESSAGES_MAX};
use super::seldom::Seldom;
use super::watch::Watch;
use crate::codec::Reject;
use crate::codec::event::{Body, Event, Message};
use crate::codec::limits::REV_AHEAD_MICROS_MAX;
use crate::delivery::{Progress, Sender};
use crate::sources::{Anomaly, Board, Heard, Reporter, Status};
use crate::store::{Store, StoreError};
use crate::tables::Sources;
use crate::tables::keys::SourceKey;
use crate::tables::view::ReadRows;

/// How often it is looked at when a message was sent.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// Ticks without a message after which a connected source is at the end of its stream.
const QUIET_TICKS: u32 = 3;

/// Where live sources deliver to and report to.
#[derive(Clone)]
pub struct Wiring {
    /// What is wanted.
    pub watch: Watch,
    /// The way to the writer.
    pub deliveries: Sender,
    /// Where it says how it is doing.
    pub board: Board,
}

/// A live source with how far it was dealt with.
///
/// What it has handed over is as good as stored: deliveries are applied in their order or the process ends,
/// and after a restart the cursor is read from the store.
pub(super) struct Line {
    outlet: Outlet,
    reporter: Reporter,
    cursor: Option<u64>,
    /// The cursor of the last delivery.
    delivered: Option<u64>,
    /// Messages that brought it further: what counts as progress of a connection.
    advances: u64,
    heard: Option<Heard>,
    sampled: Option<Instant>,
    said: Seldom,
    quiet_ticks: u32,
}

impl Line {
    /// Takes a source up where the store says it stands.
    pub(super) fn resume(
        kind: &str,
        name: String,
        store: &Store,
        wiring: &Wiring,
    ) -> Result<Self, StoreError> {
        let (source, cursor) = latest(store, kind, name)?;
        let reporter = wiring.board.reporter(source.clone());
        let outlet = Outlet::new(source, wiring.watch.clone(), wiring.deliveries.clone());
        Ok(Self {
            outlet,
            reporter,
            cursor,
            delivered: cursor,
            advances: 0,
            heard: None,
            sampled: None,
            said: Seldom::default(),
            quiet_ticks: 0,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.outlet.source().name
    }

    pub(super) fn watch(&self) -> &Watch {
        self.outlet.watch()
    }

    /// The greatest position that was dealt with.
    pub(super) fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    /// How often it came further: to a later position, or past a message that held it up.
    pub(super) fn advances(&self) -> u64 {
        self.advances
    }

    pub(super) fn report(&self, change: impl FnOnce(&mut Status)) {
        self.reporter.update(change);
    }

    pub(super) fn met(&self, anomaly: Anomaly) {
        self.report(|status| status.met(anomaly));
    }

    /// Notes, loudly, that something may be missing. A host can make it so a thousand times a second, and the log
    /// is not for that: each is counted, and now and then one is said.
    pub(super) fn missed(&mut self, anomaly: Anomaly, why: &str) {
        // Past such a message it goes on, while the others bring it no further.
        self.advances += u64::from(anomaly == Anomaly::PassedOver);
        if let Some(unsaid) = self.said.again(Instant::now()) {
            let (source, cursor) = (self.name(), self.cursor);
            tracing::warn!(source, cursor, unsaid, "{why}: something may be missing from here on");
        }
        self.report(|status| {
            status.met(anomaly);
            status.missed += 1;
            status.last_error = Some(why.to_owned());
        });
    }

    /// Counts a message that has no place in the stream.
    pub(super) fn pass_over(&mut self, reject: Option<Reject>) -> ControlFlow<Ended> {
        self.quiet_ticks = 0;
        self.outlet.count(reject);
        if self.outlet.gathered() >= QUIET_MESSAGES_MAX {
            self.deliver(None)
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Deals with a message. `sent` finds out when it was sent, and is not always asked.
    pub(super) fn pass_on(
        &mut self,
        message: Message,
        sent: impl FnOnce() -> Option<i64>,
    ) -> ControlFlow<Ended> {
        self.quiet_ticks = 0;
        if message.body.is_ok() && self.cursor < message.position {
            // A message that says nothing well does not say well where it stands either.
            self.cursor = message.position;
            self.advances += 1;
        }
        if self.sampled.is_none_or(|sampled| sampled.elapsed() >= SAMPLE_EVERY) {
            self.sampled = Some(Instant::now());
            self.heard = sent().map(|sent| Heard { sent, received: now() });
        }
        let event = self.outlet.take(refuse_the_future(message, now));
        if event.is_some() || self.outlet.gathered() >= QUIET_MESSAGES_MAX {
            self.deliver(event)
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Time has passed: what was gathered is handed over.
    pub(super) fn tick(&mut self) -> ControlFlow<Ended> {
        self.quiet_ticks = self.quiet_ticks.saturating_add(1);
        if self.quiet_ticks == QUIET_TICKS {
            self.report(|status| status.caught_up = true);
        }
        self.flush()
    }

    /// Hands over what was gathered.
    pub(super) fn flush(&mut self) -> ControlFlow<Ended> {
        let anything = self.outlet.gathered() > 0 || self.cursor != self.delivered;
        if anything { self.deliver(None) } else { ControlFlow::Continue(()) }
    }

    fn deliver(&mut self, event: Option<(u64, Event)>) -> ControlFlow<Ended> {
        let tally = self.outlet.tally();
        self.reporter.update(|status| {
            status.messages += tally.frames;
            for (reject, count) in &tally.rejected {
                *status.rejected.entry(*reject).or_default() += count;
            }
            if let Some(heard) = self.heard.take() {
                status.heard(heard);
            }
        });
        self.delivered = self.cursor;
        if self.outlet.deliver(Progress::Live { cursor: self.cursor }, event) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Ended::WriterGone)
        }
    }

    /// Goes on with a sequence that began anew: another source as far as positions go.
    pub(super) fn begin_anew(&mut self) {
        let source = next_sequence(self.outlet.source());
        self.outlet.rename(source.clone());
        self.reporter.rename(source);
        (self.cursor, self.delivered) = (None, None);
    }
}

/// The time, in microseconds since the epoch.
pub(super) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// Replaces a commit or `#sync` whose revision is too far ahead of the clock by a rejection (RULES §4).
fn refuse_the_future(message: Message, now: impl FnOnce() -> i64) -> Message {
    let rev = match &message.body {
        Ok(Body::Event(Event::Commit(commit))) => commit.rev,
        Ok(Body::Event(Event::Sync(sync))) => sync.rev.max(sync.event_rev),
        _ => return message,
    };
    if rev.micros() - now() > REV_AHEAD_MICROS_MAX {
        return Message { body: Err(Reject::FutureRev), ..message };
    }
    message
}

/// The sequence of a host that was followed last, with its cursor.
///
/// A host whose sequence began anew is another source each time, told apart by a number in `fingerprint`:
/// positions of one say nothing about those of another, nor does its word on an account.
fn latest(store: &Store, kind: &str, name: String) -> Result<(SourceKey, Option<u64>), StoreError> {
    let mut latest = (SourceKey { kind: kind.to_owned(), name, fingerprint: String::new() }, None);
    for row in store.snapshot().scan_all::<Sources>() {
        let (key, source) = row?;
        if (&key.kind, &key.name) == (&latest.0.kind, &latest.0.name) && sequence(&key) >= sequence(&latest.0)
        {
            latest = (key, source.cursor);
        }
    }
    Ok(latest)
}

/// Which of a host's sequences a source is, from 1.
fn sequence(source: &SourceKey) -> u64 {
    source.fingerprint.parse().unwrap_or(1)
}

fn next_sequence(source: &SourceKey) -> SourceKey {
    SourceKey { fingerprint: (sequence(source) + 1).to_string(), ..source.clone() }
}

#[cfg(test)]
mod tests {
    use super::{latest, next_sequence};
    use crate::store::Store;
    use crate::tables::Sources;
    use crate::tables::keys::SourceKey;
    use crate::tables::rows::Source;

    #[test]
    fn a_host_is_taken_up_in_the_last_of_its_sequences() {
        let store = Store::in_memory().unwrap();
        let first = SourceKey {
            kind: "relay".to_owned(),
            name: "wss://a.example".to_owned(),
            fingerprint: String::new(),
        };
        assert_eq!(latest(&store, "relay", first.name.clone()).unwrap(), (first.clone(), None));
        let mut key = first.clone();
        for cursor in 1..=12 {
            let row = Source { id: 0, cursor: Some(cursor), ..Source::default() };
            store
                .write::<crate::store::StoreError>(|rows| {
                    rows.put::<Sources>(&key, &row);
                    Ok(())
                })
                .unwrap();
            assert_eq!(latest(&store, "relay", first.name.clone()).unwrap(), (key.clone(), Some(cursor)));
            key = next_sequence(&key);
        }
        assert_eq!(latest(&store, "jetstream", first.name.clone()).unwrap().1, None);
        assert_eq!(latest(&store, "relay", "wss://a".to_owned()).unwrap().1, None);
    }
}
