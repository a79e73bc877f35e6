//! How often something may be done: so often at once, and then one each so long.

use std::convert::Infallible;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::net::Origin;
use crate::syntax::Did;

/// Names whose spending is remembered. Whoever makes up more names than this is bounded by what all share.
const NAMES_MAX: usize = 10_000;

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, after a time without any.
    pub burst: u32,
    /// The time after which there is another.
    pub each: Duration,
}

impl Rate {
    /// So many in a time, all of them at once if need be.
    pub fn of(count: u32, time: Duration) -> Self {
        Self { burst: count, each: time.checked_div(count).unwrap_or(time) }
    }
}

/// What was spent of a rate: the moment at which nothing will be spent any more.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    settled: Mutex<Option<Instant>>,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: Rate) -> Self {
        Self { rate, settled: Mutex::new(None) }
    }

    /// Takes one if there is one.
    pub fn take(&self) -> bool {
        self.take_all(1)
    }

    /// Takes so many if there are as many, and else none.
    pub fn take_all(&self, count: u32) -> bool {
        self.spend(count, Duration::ZERO).is_some()
    }

    /// Takes the next one there will be, if that is within `patience`: how long to wait for it.
    pub fn reserve(&self, patience: Duration) -> Option<Duration> {
        self.spend(1, patience)
    }

    /// Takes one if there is one, and else says when there will be.
    fn take_or_wait(&self) -> Result<(), Duration> {
        if self.take() {
            return Ok(());
        }
        let settled = *self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let next = settled.map_or(self.rate.each, |at| at.duration_since(Instant::now()) + self.rate.each);
        Err(next.saturating_sub(self.rate.each * self.rate.burst))
    }

    fn spend(&self, count: u32, patience: Duration) -> Option<Duration> {
        let now = Instant::now();
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let next = settled.map_or(now, |settled| settled.max(now)) + self.rate.each * count;
        let wait = next.duration_since(now).saturating_sub(self.rate.each * self.rate.burst);
        (wait <= patience).then(|| {
            *settled = Some(next);
            wait
        })
    }

    /// Gives one back that was taken.
    fn give_back(&self) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        *settled = settled.and_then(|settled| settled.checked_sub(self.rate.each));
    }
}

/// A bucket for each name, of a bounded number of names.
pub struct Buckets<K> {
    rate: Rate,
    names: Cache<K, Arc<Bucket>>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Full ones, for whoever comes.
    pub fn new(rate: Rate) -> Self {
        Self { rate, names: Cache::new(NAMES_MAX) }
    }

    /// Takes one of a name's.
    ///
    /// # Errors
    /// There is none; how long until there is.
    pub fn take(&self, name: &K) -> Result<(), Duration> {
        self.of(name).take_or_wait()
    }

    /// Gives one back that was taken.
    pub fn give_back(&self, name: &K) {
        self.of(name).give_back();
    }

    fn of(&self, name: &K) -> Arc<Bucket> {
        let full = || Ok::<_, Infallible>(Arc::new(Bucket::new(self.rate)));
        self.names.get_or_insert_with(name, full).unwrap_or_else(|never| match never {})
    }
}

/// What signatures that fail may cost: a bad signature is free for whoever sends it, and so must not be a look-up for us.
pub(super) struct Refreshes {
    accounts: Buckets<Did>,
    hosts: Buckets<Option<Origin>>,
    all: Bucket,
}

/// The rates of refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshRates {
    /// For one account. A key changes once in years; a log may be wanted after the document.
    pub account: Rate,
    /// For the accounts of one host, as their documents name it. A host that moves in changes many keys.
    pub host: Rate,
    /// For all together.
    pub all: Rate,
}

impl Default for RefreshRates {
    fn default() -> Self {
        Self {
            account: Rate { burst: 3, each: Duration::from_secs(60) },
            host: Rate { burst: 60, each: Duration::from_secs(1) },
            all: Rate { burst: 120, each: Duration::from_millis(200) },
        }
    }
}

impl Refreshes {
    pub(super) fn new(rates: &RefreshRates) -> Self {
        Self {
            accounts: Buckets::new(rates.account),
            hosts: Buckets::new(rates.host),
            all: Bucket::new(rates.all),
        }
    }

    /// Takes one look-up for an account, whose document names this host.
    pub(super) fn take(&self, did: &Did, host: Option<&Origin>) -> bool {
        let (account, host) = (self.accounts.of(did), self.hosts.of(&host.cloned()));
        let buckets = [&*account, &*host, &self.all];
        let taken = buckets.iter().take_while(|bucket| bucket.take()).count();
        if taken < buckets.len() {
            // Whoever is refused because of others has spent nothing.
            buckets.iter().take(taken).for_each(|bucket| bucket.give_back());
        }
        taken == buckets.len()
    }

    /// Gives one back that led to nothing, because the directory could not be asked.
    pub(super) fn give_back(&self, did: &Did, host: Option<&Origin>) {
        self.accounts.of(did).give_back();
        self.hosts.of(&host.cloned()).give_back();
        self.all.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bucket, Rate, RefreshRates, Refreshes};
    use crate::net::Origin;
    use crate::syntax::Did;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_followed_by_one_each_time() {
        let bucket = Bucket::new(Rate { burst: 3, each: SECOND });
        let taken = |times: usize| (0..times).filter(|_| bucket.take()).count();
        assert_eq!(taken(10), 3);
        tokio::time::advance(SECOND).await;
        assert_eq!(taken(10), 1);
        tokio::time::advance(100 * SECOND).await;
        assert_eq!(taken(10), 3);
        assert_eq!(bucket.reserve(SECOND), Some(SECOND));
        assert_eq!(bucket.reserve(SECOND), None);
        assert_eq!(bucket.reserve(2 * SECOND), Some(2 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_a_host_and_all_have_their_own() {
        let rates = RefreshRates {
            account: Rate { burst: 2, each: SECOND },
            host: Rate { burst: 5, each: SECOND },
            all: Rate { burst: 8, each: SECOND },
        };
        let refreshes = Refreshes::new(&rates);
        let did = |n: usize| Did::parse(&format!("did:plc:{n}")).unwrap();
        let taken = |did: &Did, host| (0..10).filter(|_| refreshes.take(did, host)).count();
        let host = Origin::of_name("pds.example");
        assert_eq!(taken(&did(1), Some(&host)), 2);
        assert_eq!((2..9).map(|n| taken(&did(n), Some(&host))).sum::<usize>(), 3);
        assert_eq!((9..20).map(|n| taken(&did(n), None)).sum::<usize>(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_refused_because_of_others_has_spent_nothing() {
        let (seldom, often) = (Rate { burst: 2, each: 100 * SECOND }, Rate { burst: 1, each: SECOND });
        let refreshes = Refreshes::new(&RefreshRates { account: seldom, host: often, all: seldom });
        let (ada, bea) = (Did::parse("did:plc:ada").unwrap(), Did::parse("did:plc:bea").unwrap());
        let host = Origin::of_name("pds.example");
        assert!(refreshes.take(&ada, Some(&host)));
        assert!((0..10).all(|_| !refreshes.take(&bea, Some(&host))));
        tokio::time::advance(SECOND).await;
        assert!(refreshes.take(&bea, Some(&host)), "her own, and what all share, are not spent");
    }
}
