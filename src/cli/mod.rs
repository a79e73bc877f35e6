//! The commands, one file each, and how a command ends.
//!
//! Results go to standard output, everything else to standard error. Exit codes: CONTRACT §1.

mod audit;
mod backfill;
mod check;
mod config;
mod digest;
mod erase;
mod explain;
mod export;
mod import;
mod invites;
mod output;
mod replay;
mod serve;
mod status;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError};
use crate::control::{self, Found, Holder, Question};
use crate::identity::Resolver;
use crate::rebuild;
use crate::search::Search;
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
    Backfill(backfill::Backfill),
    Digest(digest::Digest),
    Check(check::Check),
    Export(export::Export),
    Import(import::Import),
    Explain(explain::Explain),
    Status(status::ShowStatus),
    Invites(invites::Invites),
    Audit(audit::ShowAudit),
    Erase(erase::Erase),
    Config(config::ShowConfig),
}

/// The store that a command asks.
#[derive(Debug, Args)]
struct DataDir {
    /// The directory of the store [default: data, or GUESTLIST_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDir {
    /// Answers a question from the store, or through the daemon that holds it.
    fn ask(&self, question: &Question, identities: &Resolver) -> Result<(), Failure> {
        let config = self.config()?;
        let dir = &config.data_dir;
        let found = match Store::open(dir, config.cache_bytes(), IfAbsent::Fail) {
            Ok(store) => {
                prepare(&store)?;
                let holder = Holder {
                    store,
                    identities: identities.clone(),
                    search: Search::off(),
                    sources: None,
                    desk: None,
                };
                output::lines(|lines| question.answer(&holder, lines)).map_err(Failed)?
            }
            Err(locked @ StoreError::Locked { .. }) => {
                output::lines(|lines| control::ask(dir, question, lines)?.ok_or_else(|| locked.into()))
                    .map_err(Failed)?
            }
            Err(error) => return Err(Failed(error).into()),
        };
        match found {
            Found::Answer => Ok(()),
            Found::Differences => Err(Failure::Found),
        }
    }

    /// Opens the store for a command that writes to it.
    fn open_to_write(&self, command: &str) -> Result<Store, Failure> {
        let config = self.config()?;
        open_to_write(&config.data_dir, config.cache_bytes(), command)
    }

    /// Defaults and the environment, with the flag on top.
    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::load(None)?;
        if let Some(dir) = &self.data_dir {
            config.data_dir.clone_from(dir);
        }
        Ok(config)
    }
}

/// Opens or makes a store for a command that writes to it, and so cannot work beside a daemon.
fn open_to_write(dir: &Path, cache_bytes: u64, command: &str) -> Result<Store, Failure> {
    let store = Store::open(dir, cache_bytes, IfAbsent::Create).map_err(|error| {
        let beside = matches!(error, StoreError::Locked { .. });
        let error = anyhow::Error::new(error);
        let refusal = format!("`guestlist {command}` writes, and cannot work beside a daemon: stop it first");
        Failed(if beside { error.context(refusal) } else { error })
    })?;
    prepare(&store)?;
    Ok(store)
}

/// Works out the derived state anew if it is out of date, with progress on a terminal.
fn prepare(store: &Store) -> Result<(), Failure> {
    if let Some(cause) = rebuild::needed(store).map_err(Failed)? {
        tracing::info!(?cause, "working out everything derived anew");
        rebuild_with_progress(store)?;
    }
    Ok(())
}

fn rebuild_with_progress(store: &Store) -> Result<(), Failure> {
    let bar = output::counter("records graded again");
    rebuild::rebuild(store, |records| bar.set_position(records)).map_err(Failed)?;
    bar.finish_and_clear();
    Ok(())
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
enum Failure {
    /// It did its work, and what it found is bad; it has said so.
    Found,
    /// It was asked for in a way that it does not do.
    Usage(anyhow::Error),
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
        Command::Backfill(command) => command.run(),
        Command::Digest(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Invites(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Erase(command) => command.run(),
        Command::Config(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::FAILURE,
        // The reader of standard output went away, which is its right; nobody hears the rest.
        Err(Failure::Failed(error)) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(error)) => {
            output::complain(&error);
            ExitCode::from(EXIT_USAGE)
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
