//! Replaying a dump: read, decode, deliver.

use tokio_util::sync::CancellationToken;

use super::dump::{Dump, DumpError, Format, Piece};
use super::watch::Watch;
use crate::codec::event::{Body, Event, Message};
use crate::codec::{Reject, frame, jetstream};
use crate::delivery::{Delivery, Progress, Sender, Tally};
use crate::tables::keys::SourceKey;
use crate::tables::rows::Source;

/// Messages without effect that are gathered into one delivery.
const QUIET_MESSAGES_MAX: u64 = 4096;

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was delivered.
    Finished,
    /// It was told to stop, or the writer is gone.
    Stopped,
}

/// Reads one dump to its end.
pub struct Replay<'a> {
    dump: Dump,
    source: SourceKey,
    watch: &'a Watch,
    deliveries: &'a Sender,
    progress: Progress,
    tally: Tally,
}

impl<'a> Replay<'a> {
    /// Prepares a dump. An interrupted run of the same dump goes on where it stopped.
    pub fn new(
        mut dump: Dump,
        source: SourceKey,
        stands: Option<&Source>,
        watch: &'a Watch,
        deliveries: &'a Sender,
    ) -> Result<Self, DumpError> {
        let cursor = stands.and_then(|stands| stands.cursor);
        if let Some(stands) = stands.filter(|stands| dump.can_resume() && !stands.finished) {
            dump.skip_to(stands.offset)?;
        }
        let progress = Progress { offset: dump.offset(), cursor, finished: false };
        Ok(Self { dump, source, watch, deliveries, progress, tally: Tally::default() })
    }

    /// Delivers every message that is left.
    pub fn run(mut self, stop: &CancellationToken) -> Result<Ended, DumpError> {
        let mut buffer = Vec::new();
        loop {
            if stop.is_cancelled() {
                return Ok(Ended::Stopped);
            }
            let piece = self.dump.next(&mut buffer)?;
            self.progress.offset = self.dump.offset();
            let message = match piece {
                Piece::Whole if self.dump.format() == Format::Jetstream && buffer.trim_ascii().is_empty() => {
                    continue;
                }
                Piece::Whole => self.decode(&buffer),
                Piece::TooLarge => refused(self.too_large()),
                Piece::Truncated => {
                    tracing::warn!(source = %self.source.name, "the dump ends inside a frame; the rest of it is used");
                    self.take(refused(Reject::TruncatedFrame));
                    return Ok(self.finish());
                }
                Piece::End => return Ok(self.finish()),
            };
            let event = self.take(message);
            if (event.is_some() || self.tally.frames >= QUIET_MESSAGES_MAX) && !self.deliver(event) {
                return Ok(Ended::Stopped);
            }
        }
    }

    fn decode(&self, bytes: &[u8]) -> Message {
        match self.dump.format() {
            Format::Frames => frame::decode(bytes, self.watch),
            Format::Jetstream => jetstream::decode(bytes, self.watch),
        }
    }

    fn too_large(&self) -> Reject {
        match self.dump.format() {
            Format::Frames => Reject::FrameTooLarge,
            Format::Jetstream => Reject::LineTooLarge,
        }
    }

    /// Counts a message; returns what there is to apply.
    fn take(&mut self, message: Message) -> Option<(u64, Event)> {
        self.tally.frames += 1;
        if message.body.is_ok() {
            // A message that says nothing well does not say well where it stands either.
            self.progress.cursor = self.progress.cursor.max(message.position);
        }
        match message.body {
            Ok(Body::Event(event)) => {
                if let Event::Commit(commit) = &event {
                    self.tally.commits += 1;
                    for fault in &commit.damaged {
                        *self.tally.rejected.entry(*fault).or_default() += 1;
                    }
                    if !commit.ops.is_empty() {
                        self.watch.add(&commit.did);
                    }
                }
                Some((message.position.unwrap_or(0), event))
            }
            Ok(Body::Uninteresting) => {
                self.tally.commits += 1;
                self.tally.skipped += 1;
                None
            }
            Ok(Body::Info(name)) => {
                tracing::info!(source = %self.source.name, %name, "notice of the stream");
                None
            }
            Err(reject) => {
                tracing::debug!(
                    source = %self.source.name, offset = self.progress.offset, reason = reject.reason(),
                    "message not used"
                );
                *self.tally.rejected.entry(reject).or_default() += 1;
                None
            }
        }
    }

    /// Hands over what was gathered; `false` if nobody takes it.
    fn deliver(&mut self, event: Option<(u64, Event)>) -> bool {
        let tally = std::mem::take(&mut self.tally);
        let delivery = Delivery { source: self.source.clone(), progress: self.progress, tally, event };
        self.deliveries.send(delivery).is_ok()
    }

    fn finish(mut self) -> Ended {
        self.progress.finished = true;
        if self.deliver(None) { Ended::Finished } else { Ended::Stopped }
    }
}

fn refused(reject: Reject) -> Message {
    Message { position: None, body: Err(reject) }
}
