//! What a source hands to the writer: an event, how far the source was read, and what was counted on the way.
//!
//! Sources and the writer know this and not each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, SendError, bounded};

use crate::codec::Reject;
use crate::codec::answer::{Part, Said};
use crate::codec::event::{Event, Export, Op, Write};
use crate::ledger::Note;
use crate::tables::keys::SourceKey;

/// Deliveries waiting for the writer. Enough to keep it busy while a source decodes.
const QUEUE_LEN: usize = 1024;

/// Bytes of records waiting for the writer, so that a slow disk stops the reading within a few megabytes. One
/// delivery may exceed it alone.
const QUEUE_BYTES_MAX: usize = 8_000_000;

/// What an operation takes beside its record, deletions included, while it waits and in the batch that it
/// ends in. So a batch has a few thousand at most.
const OP_BYTES: usize = 1_000;

/// What one or more messages of a source amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages read.
    pub frames: u64,
    /// Commits among them.
    pub commits: u64,
    /// Commits that changed nothing.
    pub skipped: u64,
    /// Commits in which something wanted was applied.
    pub applied: u64,
    /// Messages, and operations of commits, that were not used, by reason.
    pub rejected: BTreeMap<Reject, u64>,
    /// What proving them showed.
    pub outcomes: Outcomes,
}

/// What proving commits and `#sync`s showed, beside those that were rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Proved as far as the source is to be proved.
    pub proved: u64,
    /// Commits among them that do not say what was before them, as those of older hosts.
    pub legacy: u64,
    /// Commits and `#sync`s that are not later than what is known, and were ignored.
    pub old: u64,
    /// Commits that do not follow what is known of their repository. It is marked.
    pub discontinuous: u64,
}

impl Outcomes {
    /// Adds others.
    pub fn add(&mut self, other: Outcomes) {
        self.proved += other.proved;
        self.legacy += other.legacy;
        self.old += other.old;
        self.discontinuous += other.discontinuous;
    }
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Tally) {
        self.frames += other.frames;
        self.commits += other.commits;
        self.skipped += other.skipped;
        self.applied += other.applied;
        for (reject, count) in &other.rejected {
            *self.rejected.entry(*reject).or_default() += count;
        }
        self.outcomes.add(other.outcomes);
    }
}

/// Something for the writer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The source.
    pub source: SourceKey,
    /// How far everything in the source is in this delivery or in one before it.
    pub progress: Progress,
    /// The messages since the delivery before, this one's own included.
    pub tally: Tally,
    /// What to apply.
    pub event: Option<Placed>,
    /// What to write down beside that.
    pub note: Option<Note>,
}

/// Something to apply, with its place in the source.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its `seq` or `time_us`; 0 where it has none.
    pub position: u64,
    /// How far a dump is read with it, in bytes after decompression; 0 for a live source.
    pub offset: u64,
    /// What it says.
    pub event: Event,
}

/// How far a source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A dump, which has a beginning and an end.
    Dump {
        /// Bytes, after decompression.
        offset: u64,
        /// The greatest `seq` or `time_us`.
        cursor: Option<u64>,
        /// The end was reached.
        finished: bool,
    },
    /// A stream that goes on.
    Live {
        /// The greatest `seq` or `time_us` of the messages that are dealt with. Everything up to it is in this
        /// delivery or in one before it.
        cursor: Option<u64>,
    },
}

impl Progress {
    /// Bytes of a dump, after decompression; 0 for a live source.
    pub fn offset(self) -> u64 {
        match self {
            Progress::Dump { offset, .. } => offset,
            Progress::Live { .. } => 0,
        }
    }

    /// Whether a dump's end was reached.
    pub fn is_end(self) -> bool {
        matches!(self, Progress::Dump { finished: true, .. })
    }
}

impl Delivery {
    /// The memory that it takes, about.
    pub fn weight(&self) -> usize {
        let of_op = |op: &Op| match &op.write {
            Write::Put(block) => OP_BYTES + block.bytes.len(),
            Write::Delete => OP_BYTES,
        };
        let of_export = |export: &Export| -> usize {
            export.records.iter().map(|record| OP_BYTES + record.block.bytes.len()).sum()
        };
        let of_event = match self.event.as_ref().map(|placed| &placed.event) {
            Some(Event::Commit(commit)) => commit.ops.iter().map(of_op).sum(),
            Some(Event::Export(export)) => of_export(export),
            Some(Event::Answer(answer)) => match &answer.said {
                Said::Part(Part { export, .. }) => of_export(export),
                Said::Asked | Said::Standing(_) | Said::Nobody | Said::Failed { .. } => OP_BYTES,
            },
            Some(Event::Sync(_) | Event::Identity(_) | Event::Account(_) | Event::Missed(_)) | None => 0,
        };
        of_event + self.note.as_ref().map_or(0, |note| note.accounts() * OP_BYTES)
    }
}

/// The queue to the writer, bounded in deliveries and in bytes.
pub fn queue() -> (Sender, Receiver) {
    let (sender, receiver) = bounded(QUEUE_LEN);
    let load = Arc::new(Load::default());
    (Sender { sender, load: Arc::clone(&load) }, Receiver { receiver, load })
}

/// Bytes on their way to the writer.
#[derive(Debug, Default)]
struct Load {
    bytes: Mutex<usize>,
    /// Told when bytes arrive, or when nobody will take any.
    lighter: Condvar,
}

impl Load {
    fn lock(&self) -> MutexGuard<'_, usize> {
        // A number is whole between any two statements.
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the queue that sources have.
#[derive(Clone, Debug)]
pub struct Sender {
    sender: crossbeam_channel::Sender<Delivery>,
    load: Arc<Load>,
}

/// The end of the queue that the writer has.
#[derive(Debug)]
pub struct Receiver {
    receiver: crossbeam_channel::Receiver<Delivery>,
    load: Arc<Load>,
}

impl Sender {
    /// Waits for room and hands over a delivery.
    ///
    /// # Errors
    /// The writer is gone; the delivery comes back.
    pub fn send(&self, delivery: Delivery) -> Result<(), Box<SendError<Delivery>>> {
        let weight = delivery.weight();
        let mut bytes = self.load.lock();
        while *bytes > 0 && *bytes + weight > QUEUE_BYTES_MAX {
            bytes = self.load.lighter.wait(bytes).unwrap_or_else(PoisonError::into_inner);
        }
        *bytes += weight;
        drop(bytes);
        self.sender.send(delivery).map_err(Box::new)
    }
}

impl Receiver {
    /// Waits for the next delivery, but not longer than this.
    ///
    /// # Errors
    /// None came in time, or every sender is gone and the queue is empty.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Delivery, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout).map(|delivery| self.taken(delivery))
    }

    /// The channel, for whoever waits for several. What is taken from it is to be given to [`Receiver::taken`].
    pub fn channel(&self) -> &crossbeam_channel::Receiver<Delivery> {
        &self.receiver
    }

    /// Notes that a delivery was taken from the channel, which makes room for others.
    pub fn taken(&self, delivery: Delivery) -> Delivery {
        *self.load.lock() -= delivery.weight();
        self.load.lighter.notify_all();
        delivery
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Whoever waits for room must hear from `send` that nobody is there.
        *self.load.lock() = 0;
        self.load.lighter.notify_all();
    }
}
