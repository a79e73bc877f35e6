//! `guestlist export`.

use super::{DataDir, Failed, Failure, output};
use crate::export;

/// Print the derived state as JSON Lines
///
/// One line a record, sorted by URI: its grade, and the verdict, counts or effectiveness that follow from all
/// the others.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    store: DataDir,
    /// Print what was decided of each record (this is the default)
    #[arg(long)]
    verdicts: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Failure> {
        // The only thing that can be exported so far; the flag is there for those who like to be explicit.
        let _ = self.verdicts;
        let store = self.store.open().map_err(Failed)?;
        output::lines(|out| {
            export::verdicts(&store, |line| -> anyhow::Result<()> { Ok(writeln!(out, "{line}")?) })?;
            Ok(())
        })
        .map_err(Failed)?;
        Ok(())
    }
}
