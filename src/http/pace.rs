//! How often somebody may call what takes a service token: by person and by address; apart from that how often they may
//! change something, which takes room on the disk, and how often they may hold out a token that is none.
//!
//! An address is what its network gave to one customer. Many people may share one, as those of a host that calls for
//! them do, so addresses may do much more than people.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::error::ApiError;
use crate::identity::{Buckets, Rate};
use crate::syntax::Did;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Calls in a minute by one person.
    pub calls_per_minute: u32,
    /// Calls in a minute from one address, whether a token came with them or not.
    pub calls_per_minute_per_address: u32,
    /// Calls in an hour by one person that may change something.
    pub changes_per_hour: u32,
    /// Calls in an hour from one address that may change something.
    pub changes_per_hour_per_address: u32,
    /// Invites in an hour that one person may fail to redeem.
    pub failures_per_hour: u32,
    /// Invites in an hour that may fail to be redeemed from one address.
    pub failures_per_hour_per_address: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            // More than anybody does by hand.
            calls_per_minute: 60,
            calls_per_minute_per_address: 1_200,
            // Each leaves about a kilobyte: whoever makes up people to fill the disk with must come from many addresses.
            changes_per_hour: 1_200,
            changes_per_hour_per_address: 12_000,
            // A link that was cut off on the way is tried a few times. A token cannot be guessed at any rate.
            failures_per_hour: 30,
            failures_per_hour_per_address: 1_000,
        }
    }
}

/// What of it was used.
pub(super) struct Pace {
    calls: Spent,
    changes: Spent,
    failures: Spent,
}

/// What was used of two rates.
struct Spent {
    people: Buckets<Did>,
    addresses: Buckets<IpAddr>,
}

impl Spent {
    fn new(of_person: u32, of_address: u32, time: Duration) -> Self {
        Self {
            people: Buckets::new(Rate::of(of_person, time)),
            addresses: Buckets::new(Rate::of(of_address, time)),
        }
    }

    fn of_address(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        address.map_or(Ok(()), |address| take(&self.addresses, &network(address)))
    }
}

impl Pace {
    pub(super) fn new(rates: &Rates) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            calls: Spent::new(rates.calls_per_minute, rates.calls_per_minute_per_address, MINUTE),
            changes: Spent::new(rates.changes_per_hour, rates.changes_per_hour_per_address, HOUR),
            failures: Spent::new(rates.failures_per_hour, rates.failures_per_hour_per_address, HOUR),
        }
    }

    /// Counts a call from an address, before anything is known of who calls.
    pub(super) fn of_address(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        self.calls.of_address(address)
    }

    /// Gives back what was counted of an address, where it counts for the person instead.
    pub(super) fn was_known(&self, address: Option<IpAddr>) {
        if let Some(address) = address.map(network) {
            self.calls.addresses.give_back(&address);
        }
    }

    /// Counts a call by a person, once it is proved that it is theirs.
    pub(super) fn of_person(&self, did: &Did) -> Result<(), ApiError> {
        take(&self.calls.people, did)
    }

    /// Counts a call that may change something.
    pub(super) fn of_change(&self, did: &Did, address: Option<IpAddr>) -> Result<(), ApiError> {
        take(&self.changes.people, did)?;
        self.changes.of_address(address).inspect_err(|_| self.changes.people.give_back(did))
    }

    /// Takes the chance to fail; [`Pace::succeeded`] gives it back. Taken first, so that many who try at the same
    /// time have no more of them.
    pub(super) fn may_fail(&self, did: &Did) -> Result<(), ApiError> {
        take(&self.failures.people, did)
    }

    /// Gives back a chance to fail.
    pub(super) fn succeeded(&self, did: &Did) {
        self.failures.people.give_back(did);
    }

    /// Counts a failure at an address. Only afterwards: others there who have a good token must not wait for those who
    /// have none.
    pub(super) fn failed(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        self.failures.of_address(address)
    }
}

fn take<K: std::hash::Hash + Eq + Clone>(buckets: &Buckets<K>, name: &K) -> Result<(), ApiError> {
    buckets.take(name).map_err(|wait| {
        // Rounded up: whoever comes back on the dot must not come too early.
        ApiError::TooOften { seconds: wait.as_secs() + 1 }
    })
}

/// What one customer of a network has: an address, or of the newer ones all that begin alike.
fn network(address: IpAddr) -> IpAddr {
    /// The half of an address that networks give to customers.
    const CUSTOMER: u128 = u128::MAX << 64;
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & CUSTOMER).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{ApiError, Pace, Rates};
    use crate::syntax::Did;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn did(name: &str) -> Did {
        Did::parse(&format!("did:plc:{name}")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_what_a_network_gives_to_one_customer() {
        let pace = Pace::new(&Rates { calls_per_minute_per_address: 2, ..Rates::default() });
        let is_let = |text: &str| pace.of_address(address(text)).is_ok();
        assert!(is_let("2001:db8:1:2::1") && is_let("2001:db8:1:2:ffff::9"));
        assert!(!is_let("2001:db8:1:2::3"), "they are of one half");
        assert!(is_let("2001:db8:1:3::1") && is_let("192.0.2.1") && is_let("192.0.2.2"));
        assert!(is_let("192.0.2.1") && !is_let("192.0.2.1"));
        // Two a minute: there is another after half of one, and they are told so.
        assert_eq!(pace.of_address(address("192.0.2.1")), Err(ApiError::TooOften { seconds: 31 }));
        tokio::time::advance(std::time::Duration::from_secs(30)).await;
        assert!(is_let("192.0.2.1") && !is_let("192.0.2.1"));
        // Without a connection, as in a test, there is no address to count.
        assert!((0..9).all(|_| pace.of_address(None).is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_a_change_because_of_others_has_spent_nothing() {
        let rates = Rates { changes_per_hour: 1, changes_per_hour_per_address: 1, ..Rates::default() };
        let pace = Pace::new(&rates);
        let here = address("192.0.2.1");
        assert!(pace.of_change(&did("ada"), here).is_ok());
        assert!(pace.of_change(&did("bea"), here).is_err(), "the address has had its share");
        assert!(pace.of_change(&did("bea"), address("192.0.2.2")).is_ok());
        assert!(pace.of_change(&did("ada"), address("192.0.2.3")).is_err(), "she has had hers");
    }
}
