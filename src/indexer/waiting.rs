//! What the writer has taken and not written yet.
#![allow(clippy::disallowed_methods, reason = "a shell: positions are stored on time")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::delivery::Delivery;
use crate::ledger::Note;
use crate::orders::Order;

/// Messages that changed nothing after which their position is stored all the same.
const IDLE_MESSAGES_MAX: u64 = 100_000;

/// How long a position may wait to be stored while nothing changes. A restart reads so much again, and no
/// more; a write every two seconds is nothing to a disk.
const IDLE_WAIT: Duration = Duration::from_secs(2);

/// How long the writer waits for something to do before it says that it is there.
const TURN_WAIT: Duration = Duration::from_secs(1);

/// Deliveries and orders that are not written yet.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) deliveries: VecDeque<Delivery>,
    pub(super) orders: Vec<Order>,
    /// Events in the deliveries, and what they take.
    pub(super) events: usize,
    pub(super) bytes: usize,
    messages: u64,
    /// There is something to apply among them, or the end of a dump.
    matters: bool,
    since: Option<Instant>,
}

impl Waiting {
    /// Adds a delivery.
    pub(super) fn add(&mut self, delivery: Delivery) {
        self.since.get_or_insert_with(Instant::now);
        self.events += usize::from(delivery.event.is_some());
        self.bytes += delivery.weight();
        self.messages += delivery.tally.frames;
        let noted = delivery.note.as_ref().is_some_and(Note::matters);
        self.matters |= delivery.event.is_some() || noted || delivery.progress.is_end();
        self.deliveries.push_back(delivery);
    }

    /// What is left after some were written. It is due at once.
    pub(super) fn left(deliveries: VecDeque<Delivery>) -> Self {
        let mut waiting = Self { matters: !deliveries.is_empty(), ..Self::default() };
        deliveries.into_iter().for_each(|delivery| waiting.add(delivery));
        waiting
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.orders.is_empty()
    }

    /// Whether it is to be written now.
    pub(super) fn is_due(&self) -> bool {
        let waited = self.since.is_some_and(|since| since.elapsed() >= IDLE_WAIT);
        !self.orders.is_empty() || self.matters || waited || self.messages >= IDLE_MESSAGES_MAX
    }

    /// How long the writer may wait for more.
    pub(super) fn patience(&self) -> Duration {
        if self.matters {
            return Duration::ZERO;
        }
        let due = |since: Instant| (since + IDLE_WAIT).saturating_duration_since(Instant::now());
        self.since.map_or(TURN_WAIT, due).min(TURN_WAIT)
    }
}
