//! The commands, one file each, and how a command ends.
//!
//! Results go to standard output, everything else to standard error. Exit codes: CONTRACT §1.

mod check;
mod config;
mod digest;
mod explain;
mod export;
mod output;
mod replay;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError};
use crate::store::{IfAbsent, Store, StoreError};
use crate::telemetry;

/// Wrong usage, as in `sysexits.h`.
const EXIT_USAGE: u8 = 64;
/// Bad configuration, as in `sysexits.h`.
const EXIT_CONFIG: u8 = 78;

/// Follows the AT Protocol and decides who is really on the guest list.
///
/// guestlist keeps the records of jams and calendar events, works out whose invitations, signups and answers
/// count, explains every decision, and answers queries over HTTP.
#[derive(Debug, Parser)]
#[command(name = "guestlist", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Replay(replay::Replay),
    Digest(digest::Digest),
    Check(check::Check),
    Export(export::Export),
    Explain(explain::Explain),
    Config(config::ShowConfig),
}

/// The store that a command reads.
#[derive(Debug, Args)]
struct DataDir {
    /// The directory of the store
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
}

impl DataDir {
    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.data_dir, Config::default().cache_bytes(), IfAbsent::Fail)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
enum Failure {
    /// It did its work, and what it found is bad; it has said so.
    Found,
    /// The configuration cannot be used.
    Config(anyhow::Error),
    /// It failed.
    Failed(anyhow::Error),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Config(error.into())
    }
}

impl<E: Into<anyhow::Error>> From<Failed<E>> for Failure {
    fn from(Failed(error): Failed<E>) -> Self {
        Failure::Failed(error.into())
    }
}

/// Marks an error as the failure of what was asked, as opposed to bad configuration.
struct Failed<E>(E);

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell if this cannot be printed.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(EXIT_USAGE),
            };
        }
    };
    let result = match cli.command {
        Command::Serve(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Digest(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Config(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::FAILURE,
        Err(Failure::Failed(error)) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Config(error)) => {
            output::complain(&error);
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

/// Loads the configuration and starts logging.
fn configure(path: Option<&PathBuf>) -> Result<Config, Failure> {
    let config = Config::load(path.map(PathBuf::as_path))?;
    start_logging(&config.telemetry.log)?;
    Ok(config)
}

fn start_logging(filter: &str) -> Result<(), Failure> {
    telemetry::start(filter).map_err(|error| {
        Failure::Config(anyhow::Error::new(error).context(format!("telemetry.log is no filter: {filter:?}")))
    })
}
