//! `guestlist digest`.

use super::{DataDir, Failure};
use crate::control::Question;
use crate::identity::Resolver;

/// Print one hash over the whole derived state
///
/// The SHA-256 of what `export --verdicts` prints. Two stores with the same records print the same, whatever
/// order the records came in. Works beside a running daemon.
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
