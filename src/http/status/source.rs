//! A source in the status: where it stands, what it met, and the window in which something may be missing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::completeness::WindowView;
use super::shown;
use crate::delivery::Outcomes;
use crate::sources::{Status, kind};
use crate::tables::completeness::{Coverage, Window};
use crate::tables::keys::SourceKey;
use crate::tables::rows::Source;

/// What is known of each source.
pub(super) type Known = BTreeMap<SourceKey, KnownSource>;

/// What is known of a source: in the store, and beside it.
#[derive(Default)]
pub(super) struct KnownSource {
    pub(super) row: Option<Source>,
    pub(super) coverage: Option<Coverage>,
    pub(super) status: Option<Status>,
}

impl KnownSource {
    /// The last time when something may have been missed.
    pub(super) fn window(&self) -> Option<&Window> {
        self.coverage.as_ref()?.window.as_ref()
    }

    /// It is followed, and what it told before that was never made up for: a dump that is not read to its end, or a stream
    /// of which nobody has fetched what was written before.
    pub(super) fn lacks_its_past(&self, key: &SourceKey) -> bool {
        let has_it = match key.kind.as_str() {
            kind::RELAY | kind::JETSTREAM => self.window().is_some(),
            _ => self.row.as_ref().is_some_and(|row| row.finished),
        };
        self.status.is_some() && !has_it
    }

    /// When the latest message was sent of which that is known.
    fn heard(&self) -> Option<i64> {
        let stored = self.coverage.as_ref().and_then(|coverage| coverage.heard);
        let lately = self.status.as_ref().and_then(|status| status.heard).map(|heard| heard.sent);
        stored.max(lately)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceView {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) heard_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<WindowView>,
    #[serde(flatten)]
    pub(super) live: Option<LiveView>,
}

/// What is known of a source that this process follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LiveView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lag_seconds: Option<u64>,
    messages: u64,
    reconnects: u64,
    missed_windows: u64,
    anomalies: Vec<NameCount>,
    verification: Vec<NameCount>,
    rejected: Vec<NameCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct NameCount {
    name: &'static str,
    count: u64,
}

/// The sources as they are shown. Under the kind of whole repositories there is what was fetched, and nobody
/// follows it: it is a source to look at only where a sweep was asked for under its name.
pub(super) fn views(known: Known, now: i64) -> Vec<SourceView> {
    let is_shown =
        |(key, known): &(SourceKey, KnownSource)| key.kind != kind::BACKFILL || known.window().is_some();
    known.into_iter().filter(is_shown).map(|(key, known)| view(key, known, now)).collect()
}

fn view(key: SourceKey, known: KnownSource, now: i64) -> SourceView {
    let is_dump = key.kind == kind::REPLAY;
    let (heard_at, window) = (known.heard().map(shown), known.window().map(WindowView::of));
    let KnownSource { row, status, .. } = known;
    let finished = row.as_ref().is_some_and(|row| row.finished);
    // One that the configuration does not name any more stays where it was left.
    let left = if finished { "finished" } else { "unfinished" };
    SourceView {
        name: key.name,
        kind: key.kind,
        state: status.as_ref().map_or(left, |status| status.connection.name()),
        cursor: row.as_ref().and_then(|row| row.cursor),
        position_bytes: row.filter(|_| is_dump).map(|row| row.offset),
        heard_at,
        window,
        live: status.filter(|_| !is_dump).map(|status| live(status, now)),
    }
}

/// What proving showed, beside what was rejected.
fn verification(outcomes: Outcomes) -> Vec<NameCount> {
    let Outcomes { proved, legacy, old, discontinuous } = outcomes;
    let all = [("proved", proved), ("legacy", legacy), ("old", old), ("discontinuous", discontinuous)];
    all.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| NameCount { name, count }).collect()
}

fn live(status: Status, now: i64) -> LiveView {
    LiveView {
        lag_seconds: status.lag_seconds(now),
        messages: status.messages,
        reconnects: status.reconnects,
        missed_windows: status.missed,
        anomalies: status
            .anomalies
            .into_iter()
            .map(|(it, count)| NameCount { name: it.name(), count })
            .collect(),
        verification: verification(status.outcomes),
        rejected: status
            .rejected
            .into_iter()
            .map(|(it, count)| NameCount { name: it.reason(), count })
            .collect(),
        last_error: status.last_error,
    }
}
