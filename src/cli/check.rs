//! `guestlist check`.

use super::{DataDir, Failure, rebuild_with_progress};
use crate::control::Question;
use crate::identity::Resolver;

/// Recompute everything from the stored records and compare
///
/// Grades, verdicts, counts and indexes are worked out anew from the records alone. What people did here (spaces, invites,
/// members, chats, sessions, settings and tickets of events) follows from no record: what finds it is worked out anew, and
/// it has to bear itself out. The search index is compared with the events of the store. Prints each difference; exits
/// with 1 if there is any. Works beside a running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    store: DataDir,
    /// First replace everything derived by what is recomputed (not beside a daemon)
    #[arg(long)]
    rebuild: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.rebuild {
            rebuild_with_progress(&self.store.open_to_write("check --rebuild")?)?;
        }
        self.store.ask(&Question::Check, &Resolver::default())
    }
}
