//! Replaying a dump: read, decode, deliver.

use tokio_util::sync::CancellationToken;

use super::dump::{Dump, DumpError, Format, Piece};
use super::outlet::{Outlet, QUIET_MESSAGES_MAX};
use super::repository::{self, ExportError};
use super::watch::Watch;
use crate::codec::claim::Verify;
use crate::codec::event::{Body, Event, Message};
use crate::codec::{Reject, frame, jetstream};
use crate::delivery::{Progress, Sender};
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

/// Reads one dump to its end.
pub struct Replay {
    dump: Dump,
    outlet: Outlet,
    cursor: Option<u64>,
}

impl Replay {
    /// Prepares a dump. An interrupted run of the same dump goes on where it stopped.
    pub fn new(
        mut dump: Dump,
        source: SourceKey,
        stands: Option<&Source>,
        watch: &Watch,
        deliveries: &Sender,
    ) -> Result<Self, DumpError> {
        let cursor = stands.and_then(|stands| stands.cursor);
        if let Some(stands) = stands.filter(|stands| dump.can_resume() && !stands.finished) {
            dump.skip_to(stands.offset)?;
        }
        Ok(Self { dump, outlet: Outlet::new(source, watch.clone(), deliveries.clone()), cursor })
    }

    /// Delivers every message that is left.
    pub fn run(mut self, stop: &CancellationToken) -> Result<Ended, DumpError> {
        if self.dump.format() == Format::Repository {
            return self.run_export(stop);
        }
        let mut buffer = Vec::new();
        loop {
            if stop.is_cancelled() {
                return Ok(Ended::Stopped);
            }
            let message = match self.dump.next(&mut buffer)? {
                Piece::Whole if self.dump.format() == Format::Jetstream && buffer.trim_ascii().is_empty() => {
                    continue;
                }
                Piece::Whole => self.decode(&buffer),
                Piece::TooLarge => refused(self.too_large()),
                Piece::Truncated => {
                    tracing::warn!(
                        source = %self.outlet.source().name, "the dump ends inside a frame; the rest of it is used"
                    );
                    self.take(refused(Reject::TruncatedFrame));
                    return Ok(self.finish());
                }
                Piece::End => return Ok(self.finish()),
            };
            let event = self.take(message);
            let full = self.outlet.gathered() >= QUIET_MESSAGES_MAX;
            if (event.is_some() || full) && !self.deliver(event, false) {
                return Ok(Ended::Stopped);
            }
        }
    }

    fn decode(&self, bytes: &[u8]) -> Message {
        match self.dump.format() {
            Format::Frames => frame::decode(bytes, self.outlet.watch(), Verify::Off),
            Format::Jetstream => jetstream::decode(bytes, self.outlet.watch()),
            Format::Repository => refused(Reject::CarMalformed),
        }
    }

    /// A repository is one message.
    fn run_export(mut self, stop: &CancellationToken) -> Result<Ended, DumpError> {
        let watch = self.outlet.watch().clone();
        let read = self.dump.read_repository(|first, file| repository::read(first, file, &watch, stop))?;
        let body = match read {
            Ok(export) => Ok(Body::Event(Event::Export(export))),
            Err(ExportError::Reject(reject)) => {
                let source = &self.outlet.source().name;
                tracing::warn!(%source, reason = reject.reason(), "the export is not used");
                Err(reject)
            }
            Err(ExportError::Io(source)) => return Err(self.dump.failed(source)),
            Err(ExportError::Stopped) => return Ok(Ended::Stopped),
        };
        let event = self.take(Message::new(None, body));
        Ok(if self.deliver(event, true) { Ended::Finished } else { Ended::Stopped })
    }

    fn too_large(&self) -> Reject {
        match self.dump.format() {
            Format::Frames => Reject::FrameTooLarge,
            Format::Jetstream => Reject::LineTooLarge,
            Format::Repository => Reject::ExportTooLarge,
        }
    }

    fn take(&mut self, message: Message) -> Option<(u64, Event)> {
        if message.body.is_ok() {
            // A message that says nothing well does not say well where it stands either.
            self.cursor = self.cursor.max(message.position);
        }
        self.outlet.take(message)
    }

    fn deliver(&mut self, event: Option<(u64, Event)>, finished: bool) -> bool {
        let progress = Progress::Dump { offset: self.dump.offset(), cursor: self.cursor, finished };
        self.outlet.deliver(progress, event)
    }

    fn finish(mut self) -> Ended {
        if self.deliver(None, true) { Ended::Finished } else { Ended::Stopped }
    }
}

fn refused(reject: Reject) -> Message {
    Message::new(None, Err(reject))
}
