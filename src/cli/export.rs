//! `guestlist export`.

use super::{DataDir, Failure};
use crate::control::Question;
use crate::identity::Resolver;

/// Print the derived state, the stored records, or what people did here, as JSON Lines
///
/// Verdicts: one line a record, sorted by URI: its grade, and the verdict, counts or effectiveness that follow
/// from all the others. Records: what was said of each account, then each record. Procedures: spaces, chats, invites, uses
/// of them, members, settings and tickets of events, entries of the audit; of invites the hashes, since their tokens are kept
/// nowhere. The codes of chats are in it, and whoever has one can join: keep it to yourself. Nobody is logged in by it.
/// `import` reads the last two. Works beside a running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    store: DataDir,
    /// Print what was decided of each record (this is the default)
    #[arg(long, group = "what")]
    verdicts: bool,
    /// Print the accounts and the records themselves
    #[arg(long, group = "what")]
    records: bool,
    /// Print spaces, chats, invites, members, settings and tickets of events, and who did what
    #[arg(long, group = "what")]
    procedures: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Failure> {
        let question = match (self.records, self.procedures) {
            (true, _) => Question::Records,
            (_, true) => Question::Procedures,
            _ => Question::Verdicts,
        };
        self.store.ask(&question, &Resolver::default())
    }
}
