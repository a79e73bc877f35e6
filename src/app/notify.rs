//! What the service manager is told, where there is one.
//!
//! The watchdog is pinged by whoever calls [`Watchdog::ping`], which is the loop that writes: a timer would
//! go on while the loop hangs.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Tells the service manager that the daemon answers.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells it what is going on.
pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Tells it that the daemon finishes what has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what has begun")]);
}

fn tell(what: &[NotifyState<'_>]) {
    // Without a service manager nobody listens, and one that does not is no reason to stop.
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// The service manager's watchdog, if it has one for us.
pub(super) struct Watchdog {
    every: Option<Duration>,
    last: Option<Instant>,
}

impl Watchdog {
    /// As the environment says.
    pub(super) fn new() -> Self {
        // Twice as often as it has to be, as its documentation asks.
        Self { every: sd_notify::watchdog_enabled().map(|every| every / 2), last: None }
    }

    /// Says that the caller is alive.
    pub(super) fn ping(&mut self) {
        let Some(every) = self.every else { return };
        if self.last.is_none_or(|last| last.elapsed() >= every) {
            self.last = Some(Instant::now());
            tell(&[NotifyState::Watchdog]);
        }
    }
}
