//! `guestlist check`.

use super::{DataDir, Failed, Failure, output};
use crate::check::check;

/// Recompute everything from the stored records and compare
///
/// Grades, verdicts, counts and indexes are worked out anew from the records alone. Prints each difference;
/// exits with 1 if there is any.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    store: DataDir,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let store = self.store.open().map_err(Failed)?;
        let bar = output::counter("records checked");
        let report = check(&store, |records| bar.set_position(records)).map_err(Failed)?;
        bar.finish_and_clear();
        let (records, accounts, differences) = (report.records, report.accounts, report.differences.len());
        output::lines(|out| {
            for difference in &report.differences {
                writeln!(out, "{difference}")?;
            }
            Ok(writeln!(out, "{records} records, {accounts} accounts, {differences} differences")?)
        })
        .map_err(Failed)?;
        if differences == 0 { Ok(()) } else { Err(Failure::Found) }
    }
}
