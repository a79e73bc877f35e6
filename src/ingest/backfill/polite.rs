//! Waiting for a turn at a host.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::turns::{Bounds, Told, Turn, Turns};
use crate::ingest::line::now;
use crate::net::Origin;

/// Whose turn it is, for everybody who asks hosts.
#[derive(Clone)]
pub(super) struct Polite {
    shared: Arc<Shared>,
}

struct Shared {
    turns: Mutex<Turns>,
    /// Told when a turn is over.
    over: Notify,
    /// How many wait for each host.
    waiting: Mutex<HashMap<Origin, usize>>,
}

/// There is no turn to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// The host is left alone until then, in microseconds since the epoch.
    Resting(i64),
    /// Enough wait for it already.
    Crowded,
}

/// One that waits for a host.
struct Place<'a> {
    shared: &'a Shared,
    host: &'a Origin,
}

/// A turn at a host. What came of it is said in the end; one that is dropped says nothing of the host.
pub(super) struct AtHost {
    polite: Polite,
    host: Origin,
    told: Told,
}

impl Polite {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            shared: Arc::new(Shared {
                turns: Mutex::new(Turns::new(bounds)),
                over: Notify::new(),
                waiting: Mutex::default(),
            }),
        }
    }

    /// Waits for a turn at a host, where not more than so many do already.
    ///
    /// # Errors
    /// There is none to be had now.
    pub(super) async fn turn(&self, host: &Origin, waiting_max: usize) -> Result<AtHost, NoTurn> {
        let mut place = None;
        loop {
            let over = self.shared.over.notified();
            let turn = self.lock().take(host, Instant::now());
            match turn {
                Turn::Now => {
                    return Ok(AtHost { polite: self.clone(), host: host.clone(), told: Told::Fine });
                }
                Turn::Later => {
                    if place.is_none() {
                        place = Some(self.shared.wait(host, waiting_max).ok_or(NoTurn::Crowded)?);
                    }
                    over.await;
                }
                Turn::At(time) => return Err(NoTurn::Resting(micros_of(time))),
            }
        }
    }

    /// Until when a host is left alone, if it is, in microseconds since the epoch.
    pub(super) fn rests_until(&self, host: &Origin) -> Option<i64> {
        self.lock().rests_until(host, Instant::now()).map(micros_of)
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        // Numbers; a panic elsewhere leaves a turn taken at worst.
        self.shared.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn wait<'a>(&'a self, host: &'a Origin, waiting_max: usize) -> Option<Place<'a>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(host.clone()).or_default();
        if *count >= waiting_max {
            return None;
        }
        *count += 1;
        Some(Place { shared: self, host })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = waiting.entry(self.host.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// A moment to come, in microseconds since the epoch.
fn micros_of(moment: Instant) -> i64 {
    let wait = moment.saturating_duration_since(Instant::now());
    i64::try_from(wait.as_micros()).unwrap_or(i64::MAX).saturating_add(now())
}

impl AtHost {
    /// What it did says this of the host.
    pub(super) fn tells(&mut self, told: Told) {
        self.told = told;
    }
}

impl Drop for AtHost {
    fn drop(&mut self) {
        self.polite.lock().done(&self.host, self.told, Instant::now());
        self.polite.shared.over.notify_waiters();
    }
}
