//! A second opinion: what `export --verdicts` must say after a history of events.
//!
//! Owns a reference model of RULES §1 to §4, written from that document and the export paragraph of CONTRACT
//! §3 alone, and for clarity alone. Between events it keeps only what was received; which account state
//! counts, what is live and every verdict are worked out anew at each question. It must never share code with
//! the crate: that two answers agree proves something only while they are independent. Where the document
//! leaves a choice, a comment beginning `reading:` says which one was taken and why.

mod acceptances;
mod accounts;
mod dag_cbor;
mod event;
mod kind;
mod lines;
mod repositories;
mod rounds;
mod rsvps;
mod times;
mod world;

#[cfg(test)]
mod tests;

pub(crate) use acceptances::attestation_cid;
pub(crate) use event::{Body, Event, Op, Record, Write};

use accounts::{Accounts, Standing};
use repositories::{Path, Repositories};
use world::World;

/// Everything received so far, and nothing derived from it.
#[derive(Debug, Default)]
pub(crate) struct Model {
    accounts: Accounts,
    repositories: Repositories,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model::default()
    }

    /// Takes in the next event to arrive.
    pub(crate) fn apply(&mut self, event: &Event) {
        let source = &event.source;
        match &event.body {
            Body::Commit { did, rev, data, ops } => {
                self.note_sender(did, source, rev, ops);
                if self.settle_account(did) == Standing::Active {
                    self.repositories.commit(did, rev, ops, Path::Firehose { data });
                }
            }
            // The position of a commit only decides whether a re-check is marked, which no export shows.
            Body::JetstreamCommit { did, rev, op, position: _cursor } => {
                let ops = std::slice::from_ref(op);
                self.note_sender(did, source, rev, ops);
                if self.settle_account(did) == Standing::Active {
                    self.repositories.commit(did, rev, ops, Path::Jetstream);
                }
            }
            Body::Sync { did, rev, event_rev, data } => {
                self.accounts.note_rev(did, source, event_rev);
                // reading: "Commits from inactive accounts are ignored": a `#sync` announces a commit and is
                // ignored with them.
                if self.settle_account(did) == Standing::Active {
                    self.repositories.sync(did, rev, data);
                }
            }
            Body::Account { did, position, active, status, time } => {
                let told = match (active, status.as_deref()) {
                    (true, _) => Standing::Active,
                    // reading: "`active` decides, `status` only explains", yet only a status can tell
                    // deletion from the other inactive states. So among `active: false` the status "deleted"
                    // decides, and with `active: true` it means nothing.
                    (false, Some("deleted")) => Standing::Deleted,
                    (false, _) => Standing::Inactive,
                };
                self.accounts.tell(did, source, *position, told, time);
                self.settle_account(did);
            }
        }
    }

    /// The lines of `export --verdicts`.
    pub(crate) fn export(&self) -> Vec<String> {
        lines::export(&World::gather(&self.accounts, &self.repositories))
    }

    /// RULES §4: "every commit in which something was wanted, counts here, stale and ignored ones too, and
    /// before activity is checked". So it comes before everything else that a commit does.
    fn note_sender(&mut self, did: &str, source: &str, rev: &str, ops: &[Op]) {
        if ops.iter().any(Op::is_wanted) {
            self.accounts.note_rev(did, source, rev);
        }
    }

    /// Purges the account if it is deleted now. Any event can change which source counts, so any event can be
    /// the one that makes an account deleted.
    ///
    /// reading: what a deleted account loses ("purged") it loses when the state that counts says deleted, not
    /// when any source says so. A deletion told by a source that does not count takes effect if that source
    /// comes to count.
    fn settle_account(&mut self, did: &str) -> Standing {
        let standing = self.accounts.standing(did);
        if standing == Standing::Deleted {
            self.repositories.purge(did);
        }
        standing
    }
}
