//! Where every source's messages go: counted, and handed to the writer.

use super::live::shown;
use super::watch::Watch;
use crate::codec::Reject;
use crate::codec::event::{Body, Event, Message};
use crate::delivery::{Delivery, Progress, Sender, Tally};
use crate::tables::keys::SourceKey;

/// Messages without effect that are gathered into one delivery.
pub(super) const QUIET_MESSAGES_MAX: u64 = 4096;

/// What one source gathers between two deliveries.
pub(super) struct Outlet {
    source: SourceKey,
    watch: Watch,
    deliveries: Sender,
    tally: Tally,
}

impl Outlet {
    pub(super) fn new(source: SourceKey, watch: Watch, deliveries: Sender) -> Self {
        Self { source, watch, deliveries, tally: Tally::default() }
    }

    pub(super) fn source(&self) -> &SourceKey {
        &self.source
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Goes on as another source. What was gathered was handed over before.
    pub(super) fn rename(&mut self, source: SourceKey) {
        self.source = source;
    }

    /// Messages gathered since the last delivery.
    pub(super) fn gathered(&self) -> u64 {
        self.tally.frames
    }

    /// Counts a message; returns what there is to apply.
    pub(super) fn take(&mut self, message: Message) -> Option<(u64, Event)> {
        self.tally.frames += 1;
        match message.body {
            Ok(Body::Event(event)) => {
                self.look_at(&event);
                Some((message.position.unwrap_or(0), event))
            }
            Ok(Body::Uninteresting) => {
                self.tally.commits += 1;
                self.tally.skipped += 1;
                None
            }
            Ok(Body::Info(name)) => {
                tracing::debug!(source = %self.source.name, name = shown(&name), "notice of the stream");
                None
            }
            Err(reject) => {
                tracing::debug!(source = %self.source.name, reason = reject.reason(), "message not used");
                *self.tally.rejected.entry(reject).or_default() += 1;
                None
            }
        }
    }

    fn look_at(&mut self, event: &Event) {
        let (did, wanted) = match event {
            Event::Commit(commit) => {
                for fault in &commit.damaged {
                    *self.tally.rejected.entry(*fault).or_default() += 1;
                }
                (&commit.did, !commit.ops.is_empty())
            }
            Event::Export(export) => (&export.did, !export.records.is_empty()),
            Event::Sync(_) | Event::Identity(_) | Event::Account(_) => return,
        };
        self.tally.commits += 1;
        if wanted {
            self.watch.add(did);
        }
    }

    /// Counts a message without looking at it.
    pub(super) fn count(&mut self, reject: Option<Reject>) {
        self.tally.frames += 1;
        if let Some(reject) = reject {
            *self.tally.rejected.entry(reject).or_default() += 1;
        }
    }

    /// What was counted since the last delivery.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Hands over what was gathered; `false` if nobody takes it.
    pub(super) fn deliver(&mut self, progress: Progress, event: Option<(u64, Event)>) -> bool {
        let tally = std::mem::take(&mut self.tally);
        let delivery = Delivery { source: self.source.clone(), progress, tally, event };
        self.deliveries.send(delivery).is_ok()
    }
}
