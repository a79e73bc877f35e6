//! How many look-ups are under way at once, in all and at one host. Those beyond wait for their turn, and those
//! beyond that are turned away.
//!
//! Each kind of look-up has a gate of its own, so that slow hosts of one kind never hold up the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bounds of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Look-ups at once.
    pub at_once: usize,
    /// Of them at one host.
    pub at_once_per_host: usize,
    /// Look-ups that wait, in all.
    pub waiting: usize,
}

/// Nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The gate.
pub(super) struct Gate {
    bounds: Bounds,
    /// Of those that are inside or wait.
    places: Arc<Semaphore>,
    inside: Arc<Semaphore>,
    /// Only of hosts for which somebody is inside or waits, so it is as bounded as the places are.
    hosts: Mutex<HashMap<Box<str>, Arc<Semaphore>>>,
}

/// Held as long as a look-up is under way.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    host: Box<str>,
    held: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
    _place: OwnedSemaphorePermit,
}

impl Gate {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            places: Arc::new(Semaphore::new(bounds.at_once + bounds.waiting)),
            inside: Arc::new(Semaphore::new(bounds.at_once)),
            hosts: Mutex::default(),
        }
    }

    /// Waits for a turn at this host, but not longer than this.
    pub(super) async fn enter_within(&self, host: &str, patience: Duration) -> Result<Pass<'_>, Full> {
        tokio::time::timeout(patience, self.enter(host)).await.unwrap_or(Err(Full))
    }

    /// Waits for a turn at this host.
    pub(super) async fn enter(&self, host: &str) -> Result<Pass<'_>, Full> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Full)?;
        let turns = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let turns = hosts.entry(host.into());
            Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(self.bounds.at_once_per_host))))
        };
        // From here on, so that the host is forgotten also when the wait is given up.
        let mut pass = Pass { gate: self, host: host.into(), held: None, _place: place };
        // The host's turn first: who waits for a busy host keeps nobody from the others.
        let turn = turns.acquire_owned().await.map_err(|_| Full)?;
        let inside = Arc::clone(&self.inside).acquire_owned().await.map_err(|_| Full)?;
        pass.held = Some((turn, inside));
        Ok(pass)
    }

    #[cfg(test)]
    pub(super) fn hosts(&self) -> usize {
        self.hosts.lock().unwrap().len()
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.held = None;
        let mut hosts = self.gate.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Everybody who is inside or waits has it too.
        if hosts.get(&self.host).is_some_and(|turns| Arc::strong_count(turns) == 1) {
            hosts.remove(&self.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bounds, Full, Gate};

    #[tokio::test(start_paused = true)]
    async fn a_busy_host_keeps_nobody_from_the_others() {
        let gate = Gate::new(Bounds { at_once: 3, at_once_per_host: 2, waiting: 2 });
        let enter = async |host| tokio::time::timeout(Duration::from_secs(1), gate.enter(host)).await;
        let first = enter("slow").await.unwrap().unwrap();
        let _second = enter("slow").await.unwrap().unwrap();
        assert!(enter("slow").await.is_err(), "a third waits");
        let other = enter("other").await.unwrap().unwrap();
        assert!(enter("third").await.is_err(), "all turns are taken");
        let (one, two) = (gate.enter("slow"), gate.enter("third"));
        tokio::pin!(one, two);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), futures_util::future::join(&mut one, &mut two))
                .await
                .is_err()
        );
        assert_eq!(gate.enter("fourth").await.err(), Some(Full), "and all places");
        drop((first, other));
        let (one, two) = futures_util::future::join(one, two).await;
        assert!(one.is_ok() && two.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_are_forgotten_when_nobody_is_there() {
        let gate = Gate::new(Bounds { at_once: 1, at_once_per_host: 1, waiting: 9 });
        let pass = gate.enter("a").await;
        assert!(tokio::time::timeout(Duration::from_secs(1), gate.enter("a")).await.is_err());
        assert!(tokio::time::timeout(Duration::from_secs(1), gate.enter("b")).await.is_err());
        assert_eq!(gate.hosts(), 1);
        drop(pass);
        assert_eq!(gate.hosts(), 0);
    }
}
