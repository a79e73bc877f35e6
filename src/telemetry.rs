//! Logs: for a person on a terminal, as journal fields under systemd, as JSON otherwise.
//!
//! Levels: `error` stops something, `warn` wants a look, `info` is what an operator reads, `debug` is every
//! message that was not used. Secrets are never logged.
#![allow(clippy::disallowed_methods, reason = "a shell: it looks at the environment")]

use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

/// What systemd sets when standard error goes to the journal: the device and inode of that stream.
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// Whether standard error is the journal, and not something that it was redirected to since.
fn is_journal() -> bool {
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    std::env::var(JOURNAL_VARIABLE).is_ok_and(|stream| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

/// Starts logging with a filter such as `info`. Later calls change nothing.
pub fn start(filter: &str) -> Result<(), ParseError> {
    let registry = registry().with(EnvFilter::try_new(filter)?);
    let journal = if is_journal() { tracing_journald::layer().ok() } else { None };
    // A subscriber that is already there (in tests) stays.
    let _ = match journal {
        Some(journal) => registry.with(journal).try_init(),
        None if io::stderr().is_terminal() => {
            registry.with(fmt::layer().with_writer(io::stderr).with_target(false)).try_init()
        }
        None => registry.with(fmt::layer().json().with_writer(io::stderr)).try_init(),
    };
    Ok(())
}
