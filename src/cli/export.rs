//! `guestlist export`.

use super::{DataDir, Failure};
use crate::control::Question;
use crate::identity::Resolver;

/// Print the derived state, or the stored records, as JSON Lines
///
/// Verdicts: one line a record, sorted by URI: its grade, and the verdict, counts or effectiveness that follow
/// from all the others. Records: what was said of each account, then each record; `import` reads it. Works
/// beside a running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    store: DataDir,
    /// Print what was decided of each record (this is the default)
    #[arg(long, conflicts_with = "records")]
    verdicts: bool,
    /// Print the accounts and the records themselves
    #[arg(long)]
    records: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Failure> {
        let question = if self.records { Question::Records } else { Question::Verdicts };
        self.store.ask(&question, &Resolver::default())
    }
}
