//! Standard output and standard error.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};

use crate::control::Lines;

/// Says on standard error what went wrong, causes included.
pub(super) fn complain(error: &anyhow::Error) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr(), "guestlist: {error:#}");
}

/// Gives `write` a way to print lines on standard output, and makes sure that they are out.
pub(super) fn lines<T>(write: impl FnOnce(Lines<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = write(&mut |line| writeln!(out, "{line}"))?;
    out.flush()?;
    Ok(result)
}

/// Whether the reader of standard output went away, which is its right.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_it = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_it)
}

/// A counter on a terminal, and nothing elsewhere.
pub(super) fn counter(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {human_pos} {msg} ({per_sec}, {elapsed})");
    ProgressBar::new_spinner()
        .with_style(style.expect("the template is well-formed"))
        .with_message(what.to_owned())
}

/// A bar over bytes on a terminal, and nothing elsewhere. Without a total it counts.
pub(super) fn bytes_bar(total: Option<u64>, name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg} [{wide_bar}] {binary_bytes} of {binary_total_bytes} ({binary_bytes_per_sec}, {eta} left)",
    );
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.with_style(style.expect("the template is well-formed")).with_message(name.to_owned())
}
