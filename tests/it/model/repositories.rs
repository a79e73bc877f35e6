//! What is stored, and which events still change it (RULES §4, "Order within a repository").
//!
//! Owns the records and, for each repository, the rev up to which it was applied. Only events of active
//! accounts reach it; whether an account is active is not decided here.

use super::event::{Op, Record, Write};
use super::kind::Kind;
use std::collections::BTreeMap;

/// The current value at an AT-URI.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) author: String,
    pub(super) kind: Kind,
    pub(super) rkey: String,
    pub(super) cid: String,
    pub(super) record: Record,
}

/// The way by which a commit came.
#[derive(Debug, Clone, Copy)]
pub(super) enum Path<'a> {
    Firehose { data: &'a str },
    Jetstream,
}

/// A repository that is known, or was and is purged.
#[derive(Debug)]
struct Repository {
    /// The greatest rev applied; it outlives a purge.
    rev: String,
    /// That rev came by Jetstream, so more events of the same commit, or the whole commit, may follow.
    left_by_jetstream: bool,
    /// The MST root at that rev; Jetstream does not tell it.
    data: Option<String>,
    tracked: bool,
    purged: bool,
}

/// All records by URI, and all repositories by DID.
#[derive(Debug, Default)]
pub(super) struct Repositories {
    pub(super) records: BTreeMap<String, Stored>,
    repositories: BTreeMap<String, Repository>,
}

impl Repositories {
    /// A commit, or one op of one.
    pub(super) fn commit(&mut self, did: &str, rev: &str, ops: &[Op], path: Path<'_>) {
        let mut tracked = self.repositories.get(did).is_some_and(|repository| repository.tracked);
        // "A skipped commit (nothing wanted, repository not tracked) leaves no trace."
        if !tracked && !ops.iter().any(Op::is_wanted) {
            return;
        }
        if self.is_stale(did, rev) {
            return;
        }
        for op in ops {
            // reading: "from the first applied record of a wanted collection". A delete applies no record, so
            // a repository of which only deletes were seen has a rev and is not tracked; an unusable record
            // is one.
            tracked |= self.write(did, op);
        }
        self.repositories.insert(
            did.to_owned(),
            Repository {
                rev: rev.to_owned(),
                left_by_jetstream: matches!(path, Path::Jetstream),
                data: match path {
                    Path::Firehose { data } => Some(data.to_owned()),
                    Path::Jetstream => None,
                },
                tracked,
                purged: false,
            },
        );
    }

    /// A `#sync`, with no host to ask.
    pub(super) fn sync(&mut self, did: &str, rev: &str, data: &str) {
        let Some(repository) = self.repositories.get_mut(did) else {
            self.found(did, rev, data);
            return;
        };
        // reading: "a commit with a rev that is not greater is ignored" holds for the commit that a `#sync`
        // announces. The equal-rev exceptions are for commits, so an equal rev is ignored too, even where it
        // could tell the data that Jetstream left unknown.
        if rev <= repository.rev.as_str() {
            return;
        }
        // reading: "a `#sync` for an unknown repository founds it empty". A purge forgets the repository but
        // for its rev, so a purged one is unknown here.
        if repository.purged {
            self.found(did, rev, data);
            return;
        }
        // reading: "one of a known repository with other data leaves its rev as it was". Data that Jetstream
        // left unknown cannot be called the same, so it counts as other. The same data advances the rev.
        if repository.data.as_deref() == Some(data) {
            rev.clone_into(&mut repository.rev);
        }
    }

    /// The account is deleted: all its records go, the rev stays.
    pub(super) fn purge(&mut self, did: &str) {
        self.records.retain(|_, stored| stored.author != did);
        if let Some(repository) = self.repositories.get_mut(did) {
            // "After a purge an equal rev is stale too."
            repository.left_by_jetstream = false;
            repository.data = None;
            repository.tracked = false;
            repository.purged = true;
        }
    }

    /// reading: a repository founded by a `#sync` is known and not tracked ("from the first applied record"),
    /// so a later commit with nothing wanted leaves no trace in it.
    fn found(&mut self, did: &str, rev: &str, data: &str) {
        self.repositories.insert(
            did.to_owned(),
            Repository {
                rev: rev.to_owned(),
                left_by_jetstream: false,
                data: Some(data.to_owned()),
                tracked: false,
                purged: false,
            },
        );
    }

    /// reading: an equal rev is applied when Jetstream left it, whether the rest of the commit comes from
    /// Jetstream (any source of that kind) or the whole of it from a firehose. Once a firehose has applied
    /// it, it is stale for everyone, Jetstream included: the commit is complete.
    fn is_stale(&self, did: &str, rev: &str) -> bool {
        self.repositories.get(did).is_some_and(|repository| {
            rev < repository.rev.as_str() || (rev == repository.rev && !repository.left_by_jetstream)
        })
    }

    /// Whether a record was stored.
    fn write(&mut self, did: &str, op: &Op) -> bool {
        let Some(kind) = Kind::of_collection(&op.collection) else {
            return false;
        };
        let uri = format!("at://{did}/{}/{}", op.collection, op.rkey);
        match &op.write {
            Write::Delete => {
                self.records.remove(&uri);
                false
            }
            Write::Put { cid, record } => {
                let stored = Stored {
                    author: did.to_owned(),
                    kind,
                    rkey: op.rkey.clone(),
                    cid: cid.clone(),
                    record: record.clone(),
                };
                self.records.insert(uri, stored);
                true
            }
        }
    }
}
