//! Where every source's messages go: counted, proved beside the reading, and handed to the writer in order.

use super::live::shown;
use super::prover::{Evidence, Hold, Prover};
use super::watch::Watch;
use super::window::{Closed, Order, Place, Window};
use crate::codec::Reject;
use crate::codec::claim::Verify;
use crate::codec::event::{Body, Event, Message};
use crate::delivery::{Progress, Sender, Tally};
use crate::ledger::Note;
use crate::sources::Reporter;
use crate::syntax::Did;
use crate::tables::keys::SourceKey;

/// Messages without effect that are gathered into one delivery.
const QUIET_MESSAGES_MAX: u64 = 4096;

/// The reader's end of a source's way to the writer.
pub(super) struct Outlet {
    name: String,
    watch: Watch,
    prover: Prover,
    verify: Verify,
    hold: Hold,
    window: Window,
    /// What was counted since something was put into the window.
    tally: Tally,
}

/// What an outlet is made from.
pub(super) struct Way {
    /// The source.
    pub(super) source: SourceKey,
    /// What is wanted.
    pub(super) watch: Watch,
    /// Who proves.
    pub(super) prover: Prover,
    /// The way to the writer.
    pub(super) deliveries: Sender,
    /// Where it is said what was counted.
    pub(super) reporter: Option<Reporter>,
}

/// A message that is to be proved.
pub(super) struct Unproved<'a> {
    /// Its `seq`.
    pub(super) position: u64,
    /// Its repository.
    pub(super) did: Did,
    /// It changes something that is wanted.
    pub(super) wanted: bool,
    /// The frame.
    pub(super) bytes: &'a [u8],
}

impl Outlet {
    /// The outlet of a source that was read so far.
    pub(super) fn new(way: Way, verify: Verify, order: Order, hold: Hold, read: Progress) -> Self {
        let Way { source, watch, prover, deliveries, reporter } = way;
        let name = source.name.clone();
        let window = Window::new(source, order, read, deliveries, reporter);
        Self { name, watch, prover, verify, hold, window, tally: Tally::default() }
    }

    /// The source's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(super) fn prover(&self) -> &Prover {
        &self.prover
    }

    /// Goes on as another source that was never read, when everything was handed over.
    pub(super) fn begin_anew(&mut self, source: SourceKey, reporter: Reporter) -> Result<(), Closed> {
        self.window.drain()?;
        self.name.clone_from(&source.name);
        self.window.rename(source, reporter);
        Ok(())
    }

    /// Takes a message that needs no proof. `until` is how far the source is read with it.
    pub(super) fn take(&mut self, message: Message, until: Progress) -> Result<(), Closed> {
        self.tally.frames += 1;
        match message.body {
            Ok(Body::Event(event)) => return self.send(event, message.position.unwrap_or(0), until),
            Ok(Body::Uninteresting) => {
                self.tally.commits += 1;
                self.tally.skipped += 1;
            }
            Ok(Body::Info(name)) => {
                tracing::debug!(source = self.name, name = shown(&name), "notice of the stream");
            }
            Err(reject) => self.refuse(reject),
        }
        self.flush_if_full(until)
    }

    /// Has a message proved, and sends on its way what comes of that.
    pub(super) fn prove(&mut self, unproved: Unproved<'_>, until: Progress) -> Result<(), Closed> {
        let Unproved { position, did, wanted, bytes } = unproved;
        self.tally.frames += 1;
        let expected = wanted.then(|| self.watch.expect(&did));
        let place = Place { position, until, tally: std::mem::take(&mut self.tally) };
        let ticket = self.window.begin(&did, bytes.len(), &place)?;
        let (window, bytes, watch) = (self.window.clone(), bytes.into(), self.watch.clone());
        let (verify, hold) = (self.verify, self.hold);
        self.prover.prove(Evidence { window, ticket, bytes, watch, expected, verify, hold });
        Ok(())
    }

    /// Counts a message without looking at it.
    pub(super) fn pass_over(&mut self, reject: Option<Reject>, until: Progress) -> Result<(), Closed> {
        self.tally.frames += 1;
        if let Some(reject) = reject {
            self.refuse(reject);
        }
        self.flush_if_full(until)
    }

    fn refuse(&mut self, reject: Reject) {
        tracing::debug!(source = self.name, reason = reject.reason(), "message not used");
        *self.tally.rejected.entry(reject).or_default() += 1;
    }

    /// Sends an event on its way.
    fn send(&mut self, event: Event, position: u64, until: Progress) -> Result<(), Closed> {
        let wanted = match &event {
            Event::Commit(commit) => {
                for fault in &commit.damaged {
                    *self.tally.rejected.entry(*fault).or_default() += 1;
                }
                self.tally.commits += 1;
                !commit.ops.is_empty()
            }
            Event::Export(export) => {
                self.tally.commits += 1;
                !export.records.is_empty()
            }
            Event::Identity(did) => {
                self.prover.forget(did);
                false
            }
            Event::Missed(_) => {
                self.refuse(Reject::IdentityUnresolved);
                false
            }
            Event::Sync(_) | Event::Account(_) | Event::Answer(_) => false,
        };
        if wanted {
            self.watch.add(event.did());
        }
        let place = Place { position, until, tally: std::mem::take(&mut self.tally) };
        self.window.pass(&place, event)
    }

    /// Has something written down before whatever is still on its way.
    pub(super) fn note(&self, note: Note) -> Result<(), Closed> {
        self.window.note(note)
    }

    fn flush_if_full(&mut self, until: Progress) -> Result<(), Closed> {
        if self.tally.frames >= QUIET_MESSAGES_MAX { self.flush(until) } else { Ok(()) }
    }

    /// Puts on its way what was counted, and how far the source is read.
    pub(super) fn flush(&mut self, until: Progress) -> Result<(), Closed> {
        self.window.advance(until, &std::mem::take(&mut self.tally))
    }

    /// Waits until everything is proved that needs no network, and says how far the source is read.
    pub(super) fn rest(&mut self, until: Progress) -> Result<(), Closed> {
        self.window.rest()?;
        self.flush(until)
    }

    /// Waits until everything is handed over, and says how far the source is read.
    pub(super) fn finish(&mut self, until: Progress) -> Result<(), Closed> {
        self.window.drain()?;
        self.flush(until)
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.window.close();
    }
}
