//! Which collections are wanted, and which repositories are followed whatever they write.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use crate::codec::event::Interest;
use crate::records::Kind;
use crate::store::{Store, StoreError};
use crate::syntax::Did;
use crate::tables::Accounts;
use crate::tables::view::ReadRows;

/// The repositories whose every commit goes to the reduce.
///
/// A superset of the tracked ones: a repository is watched from the moment a wanted operation is seen in
/// it, before the writer has decided anything, so that nothing slips through between the two. It holds
/// hashes; two DIDs with one hash cost a little work and change no answer, since the reduce looks again.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    hashes: Arc<RwLock<HashSet<u64>>>,
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
        // The set holds whole numbers; a panic elsewhere cannot have left one half written.
        self.hashes.write().unwrap_or_else(PoisonError::into_inner).insert(hash(did.as_str()));
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
        self.hashes.read().unwrap_or_else(PoisonError::into_inner).contains(&hash(did))
    }
}
