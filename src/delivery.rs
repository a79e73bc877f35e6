//! What a source hands to the writer: an event, how far the source was read, and what was counted on the way.
//!
//! Sources and the writer know this and not each other.

use std::collections::BTreeMap;

use crate::codec::Reject;
use crate::codec::event::{Event, Write};
use crate::tables::keys::SourceKey;

/// Deliveries waiting for the writer. Enough to keep it busy while a source decodes; small enough that a
/// slow disk stops the reading within a few megabytes.
pub const QUEUE_LEN: usize = 1024;

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
    /// Messages that were not used, by reason.
    pub rejected: BTreeMap<Reject, u64>,
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
    }
}

/// Something for the writer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The source.
    pub source: SourceKey,
    /// How far the source was read, this delivery included.
    pub progress: Progress,
    /// The messages since the delivery before, this one's own included.
    pub tally: Tally,
    /// What to apply, with its `seq` or `time_us`.
    pub event: Option<(u64, Event)>,
}

/// How far a source was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of a dump, after decompression.
    pub offset: u64,
    /// The greatest `seq` or `time_us`.
    pub cursor: Option<u64>,
    /// The dump's end was reached.
    pub finished: bool,
}

impl Delivery {
    /// The bytes of records in it.
    pub fn weight(&self) -> usize {
        let Some((_, Event::Commit(commit))) = &self.event else { return 0 };
        let bytes = commit.ops.iter().map(|op| match &op.write {
            Write::Put(block) => block.bytes.len(),
            Write::Delete => 0,
        });
        bytes.sum()
    }
}
