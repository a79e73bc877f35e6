//! `guestlist digest`.

use super::{DataDir, Failed, Failure, output};
use crate::export;

/// Print one hash over the whole derived state
///
/// The SHA-256 of what `export --verdicts` prints. Two stores with the same records print the same, whatever
/// order the records came in.
#[derive(Debug, clap::Args)]
pub(super) struct Digest {
    #[command(flatten)]
    store: DataDir,
}

impl Digest {
    pub(super) fn run(self) -> Result<(), Failure> {
        let store = self.store.open().map_err(Failed)?;
        let (digest, _) = export::digest(&store).map_err(Failed)?;
        output::lines(|out| Ok(writeln!(out, "{digest}")?)).map_err(Failed)?;
        Ok(())
    }
}
