//! The status for people: a few aligned lines, the last of which says whether anything may be missing.

use std::fmt::{self, Write as _};

use super::completeness::{DueView, RepositoryView, WindowState, WindowView};
use super::source::SourceView;
use super::{LedgerView, Status};
use crate::sources::kind;

impl Status {
    /// The status for people: lines that each end in a newline. Where one repository was asked about, that one
    /// alone. `compared` repositories were compared with their hosts.
    pub fn to_text(&self, compared: u64) -> String {
        let mut text = String::new();
        let written = match &self.repository {
            Some(repository) => write_repository(repository, &mut text),
            None => self.write_all(compared, &mut text),
        };
        written.expect("writing to memory cannot fail");
        text
    }

    fn write_all(&self, compared: u64, out: &mut String) -> fmt::Result {
        let doing = match (self.is_served, self.ready) {
            (false, _) => "no daemon serves this store",
            (true, true) => "ready",
            (true, false) => "not ready",
        };
        writeln!(out, "guestlist {}: {doing}", self.version)?;
        write_sources(&self.sources, out)?;
        for source in &self.sources {
            if let Some(window) = &source.window {
                write_window(&source.name, window, out)?;
            }
        }
        write_ledger(&self.ledger, compared, out)?;
        if let Some(search) = &self.search {
            let events = search.events.map(|events| format!(", {}", counted(events, "event", "events")));
            writeln!(out, "search: {}{}", search.state, events.unwrap_or_default())?;
        }
        writeln!(out)?;
        if self.complete {
            return writeln!(out, "complete");
        }
        let windows = counted(self.windows, "window", "windows");
        let accounts = counted(self.ledger.due, "account", "accounts");
        let pastless = match self.pastless {
            0 => String::new(),
            pastless => format!("{} without its past, ", counted(pastless, "source", "sources")),
        };
        writeln!(out, "not complete: {pastless}{windows} open, {accounts} to be asked about")
    }
}

fn write_sources(sources: &[SourceView], out: &mut String) -> fmt::Result {
    let widest = |width: fn(&SourceView) -> usize| sources.iter().map(width).max().unwrap_or(0);
    let (kinds, names) = (widest(|source| source.kind.len()), widest(|source| source.name.chars().count()));
    let states = widest(|source| state(source).len());
    for source in sources {
        let (name, is, place) = (&source.name, state(source), place(source));
        let line = format!("  {:<kinds$}  {name:<names$}  {is:<states$}  {place}", source.kind);
        writeln!(out, "{}", line.trim_end())?;
        if let Some(error) = source.live.as_ref().and_then(|live| live.last_error.as_ref()) {
            writeln!(out, "    last: {}", plain(error))?;
        }
    }
    Ok(())
}

/// What a source is doing. A live one that this process does not follow does nothing.
fn state(source: &SourceView) -> &'static str {
    if source.live.is_some() || source.kind == kind::REPLAY { source.state } else { "not followed" }
}

/// Where a source stands.
fn place(source: &SourceView) -> String {
    let cursor = source.cursor.map(|cursor| format!("at {cursor}"));
    let lag = match (source.live.as_ref().and_then(|live| live.lag_seconds), &source.heard_at) {
        (Some(lag), _) => Some(format!("lag {lag} s")),
        (None, Some(heard)) => Some(format!("heard until {heard}")),
        (None, None) => None,
    };
    cursor.into_iter().chain(lag).collect::<Vec<_>>().join(", ")
}

fn write_window(source: &str, window: &WindowView, out: &mut String) -> fmt::Result {
    writeln!(out, "\nSomething of {source} may have been missed: {}", window.words)?;
    write!(out, "  noticed {}", window.noticed_at)?;
    if let Some(cursor) = window.cursor {
        write!(out, " at {cursor}")?;
    }
    if window.times > 1 {
        write!(out, ", {} times", window.times)?;
    }
    writeln!(out)?;
    let listed = window.listed.unwrap_or(0);
    let repositories = counted(listed, "repository", "repositories");
    let stage = match window.stage.unwrap_or_default() {
        "comparing" => "those that are left are compared".to_owned(),
        "everything" => "all that the host lists".to_owned(),
        "tracked" => "those that are tracked here".to_owned(),
        collection => format!("those that are listed for {collection}"),
    };
    let began = window.sweep_began.as_deref().unwrap_or_default();
    match (window.state, &window.closed_at) {
        (WindowState::Closed, Some(at)) => {
            writeln!(out, "  closed {at}: {repositories} looked at")?;
        }
        (WindowState::Open | WindowState::Closed, _) => writeln!(out, "  open: its sweep has not begun")?,
        (WindowState::Sweeping, _) => {
            writeln!(out, "  sweeping since {began}: {repositories} so far, now {stage}")?;
        }
    }
    if let Some(failure) = &window.failure {
        let attempts = counted(u64::from(window.attempts.unwrap_or(0)), "attempt", "attempts");
        writeln!(out, "  held up: {}; {attempts}{}", plain(failure), next(window.next_attempt.as_ref()))?;
    }
    Ok(())
}

fn write_ledger(ledger: &LedgerView, compared: u64, out: &mut String) -> fmt::Result {
    let tracked = counted(ledger.tracked, "repository", "repositories");
    let due = counted(ledger.due, "account", "accounts");
    writeln!(out, "\n{tracked} tracked, {compared} compared with their hosts")?;
    writeln!(out, "{due} to be asked about, {} of them failing", ledger.failing)?;
    for failure in &ledger.failures {
        writeln!(out, "  {}  {}", failure.did, words(&failure.due))?;
    }
    let unsaid = ledger.failing.saturating_sub(u64::try_from(ledger.failures.len()).unwrap_or(0));
    if unsaid > 0 {
        writeln!(out, "  and {unsaid} more")?;
    }
    Ok(())
}

fn write_repository(repository: &RepositoryView, out: &mut String) -> fmt::Result {
    writeln!(out, "{}", repository.did)?;
    let tracked = if repository.tracked { "tracked" } else { "not tracked" };
    match &repository.rev {
        Some(rev) => writeln!(out, "  {tracked}, at revision {rev}")?,
        None => writeln!(out, "  {tracked}, and no revision is known")?,
    }
    writeln!(out, "  proved: {}", repository.verified)?;
    match (&repository.compared_at, &repository.compared_rev) {
        (Some(at), Some(rev)) => writeln!(out, "  compared {at} with its host, which had {rev}")?,
        (Some(at), None) => writeln!(out, "  asked about {at}: its account, not its repository")?,
        (None, _) => writeln!(out, "  never compared with its host")?,
    }
    if !repository.marks.is_empty() {
        writeln!(out, "  marked: {}", repository.marks.join(", "))?;
    }
    writeln!(out)?;
    match &repository.due {
        None if repository.marks.is_empty() => writeln!(out, "nothing of it is known to be missing"),
        None => writeln!(out, "something of it may be missing"),
        Some(due) => writeln!(out, "its host is to be asked: {}", words(due)),
    }
}

/// Why a host is to be asked, and how that went so far.
fn words(due: &DueView) -> String {
    let attempts = match (&due.reason, due.attempts) {
        (_, 0) => String::new(),
        (Some(reason), attempts) => {
            format!(": {}; {}", plain(reason), counted(u64::from(attempts), "attempt", "attempts"))
        }
        (None, attempts) => format!(": {}", counted(u64::from(attempts), "attempt", "attempts")),
    };
    format!("{}{attempts}{}", due.cause, next(due.next_attempt.as_ref()))
}

fn next(at: Option<&String>) -> String {
    at.map(|at| format!(", next {at}")).unwrap_or_default()
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Words that may be a host's: no terminal obeys them.
fn plain(text: &str) -> String {
    let one = |character: char| match character {
        '"' | '\'' | '\\' => character.to_string(),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(one).collect()
}
