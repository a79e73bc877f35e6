//! Replaying a dump: read, decode, deliver.

use tokio_util::sync::CancellationToken;

use super::dump::{Dump, DumpError, Format, Piece};
use super::line::Wiring;
use super::outlet::{Outlet, Unproved, Way};
use super::prover::{Hold, Unsettled};
use super::repository::{self, ExportError};
use super::window::{Closed, Order};
use crate::codec::claim::{Claim, Verify};
use crate::codec::event::{Body, Event, Export, Message};
use crate::codec::frame::Glance;
use crate::codec::{Reject, frame, jetstream};
use crate::delivery::Progress;
use crate::tables::keys::SourceKey;
use crate::tables::rows::Source;

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was delivered.
    Finished,
    /// It was told to stop, or the writer is gone.
    Stopped,
}

/// How a dump is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How much of it.
    pub verify: Verify,
    /// How long it waits while nobody can be asked for a key.
    pub hold: Hold,
}

/// Reads one dump to its end.
pub struct Replay {
    dump: Dump,
    outlet: Outlet,
    manner: Manner,
    cursor: Option<u64>,
}

/// Why the reading does not go on.
enum Halt {
    Stopped,
    Failed(DumpError),
}

impl Replay {
    /// Prepares a dump. An interrupted run of the same dump goes on where it stopped.
    pub fn new(
        mut dump: Dump,
        source: SourceKey,
        stands: Option<&Source>,
        wiring: &Wiring,
        manner: Manner,
    ) -> Result<Self, DumpError> {
        let cursor = stands.and_then(|stands| stands.cursor);
        if let Some(stands) = stands.filter(|stands| dump.can_resume() && !stands.finished) {
            dump.skip_to(stands.offset)?;
        }
        let read = Progress::Dump { offset: dump.offset(), cursor, finished: false };
        let way = Way {
            source,
            watch: wiring.watch.clone(),
            prover: wiring.prover.clone(),
            deliveries: wiring.deliveries.clone(),
            reporter: None,
        };
        let outlet = Outlet::new(way, manner.verify, Order::OfSource, manner.hold, read);
        Ok(Self { dump, outlet, manner, cursor })
    }

    /// Delivers every message that is left.
    pub fn run(mut self, stop: &CancellationToken) -> Result<Ended, DumpError> {
        let read = match self.dump.format() {
            Format::Repository => self.read_export(stop),
            Format::Frames | Format::Jetstream => self.read_messages(stop),
        };
        match read.and_then(|()| self.finish()) {
            Ok(()) => Ok(Ended::Finished),
            Err(Halt::Stopped) => Ok(Ended::Stopped),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    fn read_messages(&mut self, stop: &CancellationToken) -> Result<(), Halt> {
        let mut buffer = Vec::new();
        loop {
            if stop.is_cancelled() {
                return Err(Halt::Stopped);
            }
            let message = match self.dump.next(&mut buffer).map_err(Halt::Failed)? {
                Piece::Whole if self.dump.format() == Format::Jetstream && buffer.trim_ascii().is_empty() => {
                    continue;
                }
                Piece::Whole => match self.decode(&buffer) {
                    Glance::Settled(message) => message,
                    Glance::Unproved { position, did, wanted } => {
                        self.prove(Unproved { position, did, wanted, bytes: &buffer })?;
                        continue;
                    }
                },
                Piece::TooLarge => refused(self.too_large()),
                Piece::Truncated => {
                    tracing::warn!(
                        source = self.outlet.name(),
                        "the dump ends inside a frame; the rest of it is used"
                    );
                    return self.take(refused(Reject::TruncatedFrame));
                }
                Piece::End => return Ok(()),
            };
            self.take(message)?;
        }
    }

    fn decode(&self, bytes: &[u8]) -> Glance {
        let watch = self.outlet.watch();
        match (self.dump.format(), self.manner.verify) {
            (Format::Frames, Verify::Off) => Glance::Settled(frame::decode(bytes, watch, Verify::Off)),
            (Format::Frames, Verify::Signature | Verify::Full) => frame::glance(bytes, watch),
            (Format::Jetstream, _) => Glance::Settled(jetstream::decode(bytes, watch)),
            (Format::Repository, _) => Glance::Settled(refused(Reject::CarMalformed)),
        }
    }

    /// A repository is one message.
    fn read_export(&mut self, stop: &CancellationToken) -> Result<(), Halt> {
        let watch = self.outlet.watch().clone();
        let read = self.dump.read_repository(|first, file| repository::read(first, file, &watch, stop));
        let proved = match read.map_err(Halt::Failed)? {
            Ok((export, claim)) => self.prove_signature(export, &claim)?.map(Body::Event),
            Err(ExportError::Reject(reject)) => Err(reject),
            Err(ExportError::Io(source)) => return Err(Halt::Failed(self.dump.failed(source))),
            Err(ExportError::Stopped) => return Err(Halt::Stopped),
        };
        if let Err(reject) = &proved {
            tracing::warn!(source = self.outlet.name(), reason = reject.reason(), "the export is not used");
        }
        self.take(Message::new(None, proved))
    }

    /// What an export says once its signature is proved.
    fn prove_signature(&self, export: Export, claim: &Claim) -> Result<Result<Event, Reject>, Halt> {
        if self.manner.verify == Verify::Off {
            return Ok(Ok(Event::Export(export)));
        }
        match self.outlet.prover().prove_now(claim, self.manner.hold) {
            Ok(()) => Ok(Ok(Event::Export(export))),
            Err(Unsettled::Refused(reject)) => Ok(Err(reject)),
            Err(Unsettled::Unresolved) => Ok(Ok(Event::Missed(export.did))),
            Err(Unsettled::Stuck(why)) => Err(Halt::Failed(self.dump.unproved(why))),
            Err(Unsettled::Stopped) => Err(Halt::Stopped),
        }
    }

    fn too_large(&self) -> Reject {
        match self.dump.format() {
            Format::Frames => Reject::FrameTooLarge,
            Format::Jetstream => Reject::LineTooLarge,
            Format::Repository => Reject::ExportTooLarge,
        }
    }

    fn prove(&mut self, unproved: Unproved<'_>) -> Result<(), Halt> {
        self.cursor = self.cursor.max(Some(unproved.position));
        let until = self.progress(false);
        let taken = self.outlet.prove(unproved, until);
        taken.map_err(|closed| self.halted(closed))
    }

    fn take(&mut self, message: Message) -> Result<(), Halt> {
        if message.body.is_ok() {
            // A message that says nothing well does not say well where it stands either.
            self.cursor = self.cursor.max(message.position);
        }
        let until = self.progress(false);
        let taken = self.outlet.take(message, until);
        taken.map_err(|closed| self.halted(closed))
    }

    fn progress(&self, finished: bool) -> Progress {
        Progress::Dump { offset: self.dump.offset(), cursor: self.cursor, finished }
    }

    fn finish(&mut self) -> Result<(), Halt> {
        let end = self.progress(true);
        self.outlet.finish(end).map_err(|closed| self.halted(closed))
    }

    fn halted(&self, closed: Closed) -> Halt {
        match closed {
            Closed::Gone => Halt::Stopped,
            Closed::Stuck(why) => Halt::Failed(self.dump.unproved(why)),
        }
    }
}

fn refused(reject: Reject) -> Message {
    Message::new(None, Err(reject))
}
