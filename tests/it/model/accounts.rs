//! Which accounts are active (RULES §4).
//!
//! Owns what each source said about each account and the greatest rev that it sent for it. Which of the
//! sources counts is worked out at each question.

use super::times::Instant;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The three rows of the table in RULES §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    Inactive,
    Deleted,
}

/// The last account event of one source for one DID.
#[derive(Debug)]
struct Told {
    position: u64,
    standing: Standing,
    time: String,
}

/// By DID, then by source: what was said, and the greatest rev sent.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    told: BTreeMap<String, BTreeMap<String, Told>>,
    revs: BTreeMap<String, BTreeMap<String, String>>,
}

impl Accounts {
    /// An account event.
    pub(super) fn tell(&mut self, did: &str, source: &str, position: u64, standing: Standing, time: &str) {
        let by_source = self.told.entry(did.to_owned()).or_default();
        // reading: "the `seq` (or time) of the last one applied, below which they are ignored": an equal
        // position is not below, so the event is applied, and of two different events with one position the
        // later to arrive stands.
        if by_source.get(source).is_some_and(|last| position < last.position) {
            return;
        }
        by_source.insert(source.to_owned(), Told { position, standing, time: time.to_owned() });
    }

    /// A source has sent a commit or `#sync` with this rev.
    pub(super) fn note_rev(&mut self, did: &str, source: &str, rev: &str) {
        let greatest = self.revs.entry(did.to_owned()).or_default().entry(source.to_owned()).or_default();
        if rev > greatest.as_str() {
            rev.clone_into(greatest);
        }
    }

    /// The account's state as told by the source that counts.
    ///
    /// reading: "A tombstone ends only with `active: true`". A tombstone needs no state here: an inactive
    /// state that follows it shows nothing that the tombstone would not. A source that counts and is silent
    /// "says active" and ends the tombstone as well; otherwise the order in which two sources arrive would
    /// matter.
    pub(super) fn standing(&self, did: &str) -> Standing {
        self.told_by_the_source_that_counts(did).map_or(Standing::Active, |told| told.standing)
    }

    /// All DIDs that are not active now.
    pub(super) fn inactive(&self) -> BTreeSet<&str> {
        self.told.keys().map(String::as_str).filter(|did| self.standing(did) != Standing::Active).collect()
    }

    fn told_by_the_source_that_counts(&self, did: &str) -> Option<&Told> {
        let told = self.told.get(did)?;
        let nothing = BTreeMap::new();
        let revs = self.revs.get(did).unwrap_or(&nothing);
        let greatest = revs.values().max();
        // reading: "With none, or a tie: the latest `time` in the account events, then the smallest source
        // name". In a tie only the sources that tie are compared; one of them that is silent has no time and
        // yields to the others. With none, all sources that have said something are compared: having sent
        // nothing, they tie.
        //
        // reading: a time is compared as a moment, offsets applied. One that is no valid datetime is earlier
        // than every other.
        told.iter()
            .filter(|(source, _)| revs.get(*source) == greatest)
            .max_by_key(|(source, told)| (Instant::parse(&told.time), Reverse(*source)))
            .map(|(_, told)| told)
    }
}
