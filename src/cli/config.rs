//! `guestlist config`.

use std::path::PathBuf;

use super::{Failed, Failure, output};
use crate::config::Config;

/// Check the configuration and print the effective one
///
/// Defaults, the file and the environment (GUESTLIST_<SECTION>__<KEY>) laid over each other, as TOML. Exits
/// with 78 if it cannot be used.
#[derive(Debug, clap::Args)]
pub(super) struct ShowConfig {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ShowConfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Config::load(self.config.as_deref())?.effective()?;
        output::lines(|line| Ok(line(config.to_toml().trim_end())?)).map_err(Failed)?;
        Ok(())
    }
}
