//! What was looked up, for as long as it may be believed; and one look-up at a time for each thing.
//!
//! Whoever wants what is not known leads a look-up, and the others wait for it. If the leader fails they share the
//! failure; if the leader gives up, the next one leads. Spec: PROTOCOL §6.3.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Unknown;

/// How long what is found again unchanged counts after somebody said that it changed: replicas of the directory lag
/// behind the news by seconds.
const UNCHANGED_FRESH: Duration = Duration::from_secs(60);

/// How long things are believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Without asking again.
    pub(super) fresh: Duration,
    /// At most, while asking again fails.
    pub(super) kept: Duration,
}

/// Which answer will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One that counts.
    Fresh,
    /// One that was found after this edition.
    After(u64),
}

/// Something known.
#[derive(Clone, Debug)]
pub(super) struct Known<V> {
    pub(super) value: V,
    /// Which of everything that was ever found it is.
    pub(super) edition: u64,
    fresh_until: Instant,
    kept_until: Instant,
}

/// What is known without asking.
#[derive(Clone, Debug)]
pub(super) enum Peek<V> {
    /// It counts.
    Fresh(Known<V>),
    /// It counted, and is to be asked for again.
    Stale(Known<V>),
    /// It was asked for, and there was no answer. There is no use in asking again yet.
    Failed,
    /// Nothing.
    Unknown,
}

struct Failed<E> {
    error: E,
    until: Instant,
    held: Duration,
}

struct Facts<V, E> {
    known: Option<Known<V>>,
    failed: Option<Failed<E>>,
    /// What was known when somebody said that it changed.
    before: Option<V>,
    /// How often somebody said so.
    forgotten: u64,
}

struct Slot<V, E> {
    facts: Mutex<Facts<V, E>>,
    leading: tokio::sync::Mutex<()>,
}

/// Counts what was found, over all caches of a resolver, and what of it was news.
#[derive(Debug, Default)]
pub(super) struct Editions {
    found: AtomicU64,
    news: AtomicU64,
}

impl Editions {
    pub(super) fn found(&self) -> u64 {
        self.found.load(Ordering::Acquire)
    }

    /// Another number whenever something may be answered otherwise.
    pub(super) fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }
}

/// The cache.
pub(super) struct Cache<K, V, E> {
    slots: quick_cache::sync::Cache<K, Arc<Slot<V, E>>>,
    times: Times,
    editions: Arc<Editions>,
}

impl<K: Hash + Eq + Clone, V: Clone + PartialEq, E: Unknown> Cache<K, V, E> {
    pub(super) fn new(entries_max: usize, times: Times, editions: Arc<Editions>) -> Self {
        Self { slots: quick_cache::sync::Cache::new(entries_max), times, editions }
    }

    /// How many things something is remembered of.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What is known now.
    pub(super) fn peek(&self, key: &K) -> Peek<V> {
        let Some(slot) = self.slots.get(key) else { return Peek::Unknown };
        let (facts, now) = (slot.facts(), Instant::now());
        match (&facts.known, &facts.failed) {
            (Some(known), _) if now < known.fresh_until => Peek::Fresh(known.clone()),
            (Some(known), _) if now < known.kept_until => Peek::Stale(known.clone()),
            (_, Some(failed)) if now < failed.until => Peek::Failed,
            _ => Peek::Unknown,
        }
    }

    /// Why asking failed lately, if there is no use in asking again yet.
    pub(super) fn failure(&self, key: &K) -> Option<E> {
        let slot = self.slots.get(key)?;
        let facts = slot.facts();
        facts
            .failed
            .as_ref()
            .filter(|failed| Instant::now() < failed.until)
            .map(|failed| failed.error.clone())
    }

    /// The answer that needs no look-up, if there is one.
    pub(super) fn answered(&self, key: &K, wanted: Wanted) -> Option<Result<Known<V>, E>> {
        self.slots.get(key)?.answer(wanted)
    }

    /// What is known, or what `look_up` finds.
    pub(super) async fn get(
        &self,
        key: &K,
        wanted: Wanted,
        look_up: impl AsyncFnOnce() -> Result<V, E>,
    ) -> Result<Known<V>, E> {
        let slot = self.slot(key);
        if let Some(answer) = slot.answer(wanted) {
            return answer;
        }
        let _leading = slot.leading.lock().await;
        if let Some(answer) = slot.answer(wanted) {
            return answer;
        }
        let forgotten = slot.facts().forgotten;
        let found = look_up().await;
        self.learn(&slot, found, forgotten, wanted)
    }

    /// Somebody said that it changed: it is known no longer, and what is being found now may be old already.
    pub(super) fn forget(&self, key: &K) -> Option<V> {
        let slot = self.slots.get(key)?;
        let mut facts = slot.facts();
        facts.forgotten += 1;
        facts.failed = None;
        let known = facts.known.take().map(|known| known.value);
        if known.is_some() {
            facts.before.clone_from(&known);
            self.editions.news.fetch_add(1, Ordering::AcqRel);
        }
        known
    }

    /// What is known of it may be old: it is asked for again before it counts.
    pub(super) fn doubt(&self, key: &K) {
        let Some(slot) = self.slots.get(key) else { return };
        let mut facts = slot.facts();
        facts.forgotten += 1;
        if facts.failed.take().is_some() {
            self.editions.news.fetch_add(1, Ordering::AcqRel);
        }
        if let Some(known) = &mut facts.known {
            known.fresh_until = Instant::now();
        }
    }

    fn slot(&self, key: &K) -> Arc<Slot<V, E>> {
        if let Some(slot) = self.slots.get(key) {
            return slot;
        }
        let made = self.slots.get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Arc::default()));
        made.unwrap_or_else(|never| match never {})
    }

    fn learn(
        &self,
        slot: &Slot<V, E>,
        found: Result<V, E>,
        forgotten: u64,
        wanted: Wanted,
    ) -> Result<Known<V>, E> {
        let now = Instant::now();
        let mut facts = slot.facts();
        let (had, had_failed) =
            (facts.known.as_ref().map(|known| known.value.clone()), facts.failed.is_some());
        let answer = match found {
            Ok(value) => {
                let fresh = if facts.forgotten != forgotten {
                    Duration::ZERO
                } else if facts.before.take().is_some_and(|before| before == value) {
                    UNCHANGED_FRESH.min(self.times.fresh)
                } else {
                    self.times.fresh
                };
                let edition = self.editions.found.fetch_add(1, Ordering::AcqRel) + 1;
                let known =
                    Known { value, edition, fresh_until: now + fresh, kept_until: now + self.times.kept };
                facts.failed = None;
                facts.known = Some(known.clone());
                Ok(known)
            }
            // It may be there by now.
            Err(error) if facts.forgotten != forgotten => facts.instead(&error, wanted, now),
            Err(error) => facts.fail(error, wanted, now),
        };
        if had != facts.known.as_ref().map(|known| known.value.clone())
            || had_failed != facts.failed.is_some()
        {
            self.editions.news.fetch_add(1, Ordering::AcqRel);
        }
        answer
    }
}

impl<V, E> Default for Slot<V, E> {
    fn default() -> Self {
        let facts = Facts { known: None, failed: None, before: None, forgotten: 0 };
        Self { facts: Mutex::new(facts), leading: tokio::sync::Mutex::default() }
    }
}

impl<V: Clone, E: Unknown> Slot<V, E> {
    fn facts(&self) -> MutexGuard<'_, Facts<V, E>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that needs no look-up.
    fn answer(&self, wanted: Wanted) -> Option<Result<Known<V>, E>> {
        let (facts, now) = (self.facts(), Instant::now());
        match (&facts.known, wanted) {
            (Some(known), Wanted::Fresh) if now < known.fresh_until => return Some(Ok(known.clone())),
            (Some(known), Wanted::After(edition)) if known.edition > edition => {
                return Some(Ok(known.clone()));
            }
            _ => {}
        }
        let failed = facts.failed.as_ref().filter(|failed| now < failed.until)?;
        Some(facts.instead(&failed.error, wanted, now))
    }
}

impl<V: Clone, E: Unknown> Facts<V, E> {
    /// What is answered when asking failed: what was known before, if the failure says nothing against it.
    fn instead(&self, error: &E, wanted: Wanted, now: Instant) -> Result<Known<V>, E> {
        let kept = self.known.as_ref().filter(|known| now < known.kept_until);
        match kept.filter(|_| wanted == Wanted::Fresh && error.is_passing()) {
            Some(known) => Ok(known.clone()),
            None => Err(error.clone()),
        }
    }

    fn fail(&mut self, error: E, wanted: Wanted, now: Instant) -> Result<Known<V>, E> {
        if !error.is_passing() {
            self.known = None;
            self.before = None;
        }
        if let Some((first, most)) = error.holds() {
            let held =
                self.failed.as_ref().map_or(first, |failed| (failed.held * 2).clamp(first, most).min(most));
            self.failed = Some(Failed { error: error.clone(), until: now + held, held });
        }
        self.instead(&error, wanted, now)
    }
}

#[cfg(test)]
mod tests;
