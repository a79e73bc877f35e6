//! What following a relay and following Jetstream have in common: counting, delivering, reporting, and how far
//! the stream was dealt with.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::live::Ended;
use super::outlet::{Outlet, Unproved, Way};
use super::prover::{Hold, Prover};
use super::seldom::Seldom;
use super::watch::Watch;
use super::window::{Closed, Order};
use crate::codec::Reject;
use crate::codec::claim::Verify;
use crate::codec::event::{Body, Event, Message};
use crate::codec::limits::REV_AHEAD_MICROS_MAX;
use crate::delivery::{Progress, Sender};
use crate::ledger::Note;
use crate::sources::{Anomaly, Board, Heard, Reporter, Status, kind};
use crate::store::{Store, StoreError};
use crate::tables::completeness::{How, Miss};
use crate::tables::keys::SourceKey;
use crate::tables::view::ReadRows;
use crate::tables::{Coverages, Sources};

/// How often it is looked at when a message was sent.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// How long after the last message that was read a host may begin, in microseconds: an hour. A relay is never silent for
/// so long; a PDS may be, and then it is looked at once in vain.
pub(super) const SILENCE_MICROS_MAX: i64 = 3_600_000_000;

/// Ticks without a message after which a connected source is at the end of its stream.
const QUIET_TICKS: u32 = 3;

/// What sources deliver to, report to, and are proved by.
#[derive(Clone)]
pub struct Wiring {
    /// What is wanted.
    pub watch: Watch,
    /// Who proves.
    pub prover: Prover,
    /// The way to the writer.
    pub deliveries: Sender,
    /// Where it says how it is doing.
    pub board: Board,
    /// Who makes up for what was written before a source was followed.
    pub sweeps: Sweeps,
}

/// Whether what was written before a source was read for the first time is made up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sweeps {
    /// By nobody.
    #[default]
    Off,
    /// By asking relays and PDSes that are followed; a Jetstream has no lists.
    OfSources,
    /// By asking one that has lists of everything.
    OfRelay,
}

impl Sweeps {
    fn cover(self, kind: &str) -> bool {
        match self {
            Sweeps::Off => false,
            Sweeps::OfSources => kind != kind::JETSTREAM,
            Sweeps::OfRelay => true,
        }
    }
}

/// A live source with how far it was read.
///
/// What it has read is as good as stored: it is proved and applied, or the process ends, and after a restart the
/// cursor is read from the store, which covers only what was applied.
pub(super) struct Line {
    source: SourceKey,
    outlet: Outlet,
    reporter: Reporter,
    cursor: Option<u64>,
    /// Messages that brought it further: what counts as progress of a connection.
    advances: u64,
    heard: Option<Heard>,
    /// When the latest message was sent of which that is known, before this process too.
    latest: Option<i64>,
    /// What was written before is made up for, and that was begun in another process.
    was_begun: bool,
    /// That was begun by this process.
    is_begun: bool,
    sweeps: bool,
    sampled: Option<Instant>,
    said: Seldom,
    quiet_ticks: u32,
}

impl Line {
    /// Takes a source up where the store says it stands.
    pub(super) fn resume(
        kind: &str,
        name: String,
        verify: Verify,
        hold: Hold,
        store: &Store,
        wiring: &Wiring,
    ) -> Result<Self, StoreError> {
        let (source, cursor) = latest(store, kind, name)?;
        let reporter = wiring.board.reporter(source.clone());
        let coverage = store.snapshot().get::<Coverages>(&source)?.unwrap_or_default();
        wiring.board.covered(&[(source.clone(), coverage.clone())].into());
        let way = Way {
            source: source.clone(),
            watch: wiring.watch.clone(),
            prover: wiring.prover.clone(),
            deliveries: wiring.deliveries.clone(),
            reporter: Some(reporter.clone()),
        };
        let read = Progress::Live { cursor };
        Ok(Self {
            source,
            outlet: Outlet::new(way, verify, Order::OfRepositories, hold, read),
            reporter,
            cursor,
            advances: 0,
            heard: None,
            latest: coverage.heard,
            was_begun: coverage.window.is_some(),
            is_begun: false,
            sweeps: wiring.sweeps.cover(kind),
            sampled: None,
            said: Seldom::default(),
            quiet_ticks: 0,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.outlet.name()
    }

    pub(super) fn watch(&self) -> &Watch {
        self.outlet.watch()
    }

    /// The greatest position that was read.
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
    pub(super) fn missed(&mut self, anomaly: Anomaly, how: How, why: &str) {
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
        self.note_miss(how);
    }

    /// The first connection of this process: whatever was written until now is made up for, where somebody can, unless
    /// that was begun before and the source goes on from there.
    pub(super) fn begins(&mut self, is_from_oldest: bool) {
        let goes_on = is_from_oldest || self.cursor.is_some();
        if std::mem::take(&mut self.sweeps) && !(self.was_begun && goes_on) {
            self.is_begun = true;
            self.note_miss(How::FirstRead);
        }
    }

    /// Nothing was read of it yet, and everything until now is made up for.
    pub(super) fn is_at_its_beginning(&self) -> bool {
        self.is_begun && self.cursor.is_none()
    }

    /// When the latest message was sent, as far as it is known.
    pub(super) fn latest(&self) -> Option<i64> {
        self.latest
    }

    /// Writes down that something may be missing, before the cursor passes it.
    fn note_miss(&self, how: How) {
        let miss = Miss { how, at: now(), cursor: self.cursor };
        self.report(|status| status.is_open = true);
        // When nobody takes it any more, the next message shows that.
        let _ = self.outlet.note(Note::Missed(miss));
    }

    /// Counts a message that has no place in the stream.
    pub(super) fn pass_over(&mut self, reject: Option<Reject>) -> ControlFlow<Ended> {
        self.quiet_ticks = 0;
        let read = self.read();
        flow(self.outlet.pass_over(reject, read))
    }

    /// Deals with a message. `sent` finds out when it was sent, and is not always asked.
    pub(super) fn pass_on(
        &mut self,
        message: Message,
        sent: impl FnOnce() -> Option<i64>,
    ) -> ControlFlow<Ended> {
        // A message that says nothing well does not say well where it stands either.
        self.moved_to(message.position.filter(|_| message.body.is_ok()), sent);
        let read = self.read();
        flow(self.outlet.take(refuse_the_future(message, now()), read))
    }

    /// Has a message proved beside the reading.
    pub(super) fn prove(
        &mut self,
        unproved: Unproved<'_>,
        sent: impl FnOnce() -> Option<i64>,
    ) -> ControlFlow<Ended> {
        self.moved_to(Some(unproved.position), sent);
        let read = self.read();
        flow(self.outlet.prove(unproved, read))
    }

    fn moved_to(&mut self, position: Option<u64>, sent: impl FnOnce() -> Option<i64>) {
        self.quiet_ticks = 0;
        if self.cursor < position {
            self.cursor = position;
            self.advances += 1;
        }
        if self.sampled.is_none_or(|sampled| sampled.elapsed() >= SAMPLE_EVERY) {
            self.sampled = Some(Instant::now());
            self.heard = sent().map(|sent| Heard { sent, received: now() });
            // A host may say anything of its own clock.
            self.latest = self.latest.max(self.heard.map(|heard| heard.sent.min(heard.received)));
        }
    }

    /// How far it is read.
    fn read(&self) -> Progress {
        Progress::Live { cursor: self.cursor }
    }

    /// Time has passed: what was gathered is handed over.
    pub(super) fn tick(&mut self) -> ControlFlow<Ended> {
        self.quiet_ticks = self.quiet_ticks.saturating_add(1);
        if self.quiet_ticks == QUIET_TICKS {
            self.report(|status| status.caught_up = true);
        }
        self.flush()
    }

    /// Hands over how far it was read, and what was counted.
    pub(super) fn flush(&mut self) -> ControlFlow<Ended> {
        if let Some(heard) = self.heard.take() {
            self.report(|status| status.heard(heard));
            // A host may say anything of its own clock.
            let sent = heard.sent.min(heard.received);
            flow(self.outlet.note(Note::Heard(sent)))?;
        }
        let read = self.read();
        flow(self.outlet.flush(read))
    }

    /// A connection has ended: what was read of it is dealt with.
    pub(super) fn rest(&mut self) -> ControlFlow<Ended> {
        let read = self.read();
        flow(self.outlet.rest(read))
    }

    /// Goes on with a sequence that began anew: another source as far as positions go.
    pub(super) fn begin_anew(&mut self) -> ControlFlow<Ended> {
        let source = next_sequence(&self.source);
        self.reporter.rename(source.clone());
        flow(self.outlet.begin_anew(source.clone(), self.reporter.clone()))?;
        self.source = source;
        self.cursor = None;
        ControlFlow::Continue(())
    }
}

/// Nobody takes what is handed over: that ends a live source. None is ever stuck.
fn flow(handed_over: Result<(), Closed>) -> ControlFlow<Ended> {
    match handed_over {
        Ok(()) => ControlFlow::Continue(()),
        Err(Closed::Gone | Closed::Stuck(_)) => ControlFlow::Break(Ended::WriterGone),
    }
}

/// The time, in microseconds since the epoch.
pub(super) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// Replaces a commit or `#sync` whose revision is too far ahead of the clock by a rejection (RULES §4).
pub(super) fn refuse_the_future(message: Message, now: i64) -> Message {
    let rev = match &message.body {
        Ok(Body::Event(Event::Commit(commit))) => commit.rev,
        Ok(Body::Event(Event::Sync(sync))) => sync.rev.max(sync.event_rev),
        _ => return message,
    };
    if rev.micros() - now > REV_AHEAD_MICROS_MAX {
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
