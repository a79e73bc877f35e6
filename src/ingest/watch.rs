//! Which collections are wanted, and which repositories are followed whatever they write.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use crate::codec::event::Interest;
use crate::records::Kind;
use crate::store::{Store, StoreError};
use crate::syntax::Did;
use crate::tables::Accounts;
use crate::tables::view::ReadRows;

/// The repositories whose every commit goes to the reduce.
///
/// A superset of the tracked ones: a repository is watched from the moment a wanted operation is seen in
/// it, before the writer has decided anything, so that nothing slips through between the two. Where that is to be
/// proved it is watched meanwhile, and no longer if it is refuted: else whoever can send us anything could have us
/// prove everything of everybody. It holds hashes; two DIDs with one hash cost a little work and change no answer,
/// since the reduce looks again.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    hashes: Arc<RwLock<Hashes>>,
}

#[derive(Debug, Default)]
struct Hashes {
    watched: HashSet<u64>,
    /// How many operations are being proved.
    expected: HashMap<u64, usize>,
}

impl Watch {
    /// The repositories that a store tracks.
    pub fn load(store: &Store) -> Result<Self, StoreError> {
        let watch = Self::default();
        let rows = store.snapshot();
        for row in rows.scan_all::<Accounts>() {
            let (did, account) = row?;
            if account.tracked {
                watch.add(&did);
            }
        }
        drop(rows);
        Ok(watch)
    }

    /// Watches a repository from now on.
    pub fn add(&self, did: &Did) {
        self.write().watched.insert(hash(did.as_str()));
    }

    /// Watches a repository until it is proved, or refuted, that it wrote something wanted.
    pub fn expect(&self, did: &Did) -> Expected {
        let expected = Expected { watch: self.clone(), hash: hash(did.as_str()) };
        *self.write().expected.entry(expected.hash).or_default() += 1;
        expected
    }

    fn write(&self) -> RwLockWriteGuard<'_, Hashes> {
        // A panic elsewhere leaves a repository watched in vain at worst.
        self.hashes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A repository is watched for as long as this is there.
#[derive(Debug)]
pub struct Expected {
    watch: Watch,
    hash: u64,
}

impl Expected {
    /// It is watched from now on.
    pub fn confirm(&self) {
        self.watch.write().watched.insert(self.hash);
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if let Entry::Occupied(mut left) = self.watch.write().expected.entry(self.hash) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
    }
}

fn hash(did: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    did.hash(&mut hasher);
    hasher.finish()
}

impl Interest for Watch {
    fn collection(&self, nsid: &str) -> Option<&'static str> {
        Kind::from_nsid(nsid).map(Kind::nsid)
    }

    fn watches(&self, did: &str) -> bool {
        let hash = hash(did);
        let hashes = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        hashes.watched.contains(&hash) || hashes.expected.contains_key(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::{Interest, Watch};
    use crate::syntax::Did;

    #[test]
    fn a_repository_is_watched_while_something_of_it_is_proved_and_after_that_if_it_was() {
        let watch = Watch::default();
        let did = Did::parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
        let watches = || watch.watches(did.as_str());
        let (refuted, other) = (watch.expect(&did), watch.expect(&did));
        drop(refuted);
        assert!(watches(), "another one is still looked at");
        drop(other);
        assert!(!watches());
        assert!(watch.hashes.read().unwrap().expected.is_empty());
        watch.expect(&did).confirm();
        assert!(watches());
    }
}
