//! `guestlist serve`.

use std::path::PathBuf;

use super::{Failed, Failure, configure};
use crate::app;

/// Run the daemon: read the sources, keep the answers, serve queries
///
/// Queries are answered from the start, while dumps are still being read. SIGTERM or SIGINT finishes what has
/// begun and stops; a second one stops at once.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The configuration file; without one there are no sources
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = configure(self.config.as_ref())?;
        app::run(config).map_err(Failed)?;
        Ok(())
    }
}
