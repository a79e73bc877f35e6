//! How much is looked up because somebody calls with a token: anybody can write one in the name of any account, so that
//! what it costs us is bounded before a look-up is begun. The rest of the room does not notice.

use std::time::Duration;

use super::budget::Bucket;
use super::failure::Unresolved;
use super::gate::{Gate, Pass};
use super::method::Method;
use super::settings::Settings;

/// The turns of callers.
pub(super) struct Callers {
    directory: Turns,
    /// Apart from the directory's, so that slow hosts do not keep the accounts of others waiting.
    hosts: Turns,
    patience: Duration,
}

struct Turns {
    gate: Gate,
    pace: Bucket,
}

impl Callers {
    pub(super) fn new(settings: &Settings) -> Self {
        let turns =
            |bounds| Turns { gate: Gate::new(bounds), pace: Bucket::new(settings.limits.callers_rate) };
        let (directory, hosts) = (settings.limits.callers_plc, settings.limits.callers_hosts);
        Self { directory: turns(directory), hosts: turns(hosts), patience: settings.patience }
    }

    /// Waits for a turn of an account that is resolved so.
    ///
    /// # Errors
    /// Too many wait, or it took too long.
    pub(super) async fn enter(&self, method: &Method) -> Result<Pass<'_>, Unresolved> {
        let (turns, host) = self.turns(method);
        turns.gate.enter_within(&host, self.patience).await.map_err(|_| Unresolved::Busy)
    }

    /// Takes one look-up, for whoever has a turn and still has to look.
    ///
    /// # Errors
    /// There were too many lately.
    pub(super) fn take(&self, method: &Method) -> Result<(), Unresolved> {
        if self.turns(method).0.pace.take() { Ok(()) } else { Err(Unresolved::Busy) }
    }

    fn turns(&self, method: &Method) -> (&Turns, String) {
        match method {
            Method::Plc => (&self.directory, String::new()),
            Method::Web(origin) => (&self.hosts, origin.authority()),
        }
    }
}
