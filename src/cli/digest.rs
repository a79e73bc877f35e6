//! `guestlist digest`.

use super::{DataDir, Failure};
use crate::control::Question;
use crate::identity::Resolver;

/// Print one hash over the whole derived state, and what people did here
///
/// The SHA-256 of what `export --verdicts` prints, followed by what `export --procedures` prints. Two stores with the same
/// records, in which the same was done, print the same, whatever order the records came in. Works beside a running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Digest {
    #[command(flatten)]
    store: DataDir,
}

impl Digest {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.store.ask(&Question::Digest, &Resolver::default())
    }
}
