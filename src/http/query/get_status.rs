//! `app.guestlist.getStatus`: how the service is doing.

use serde::Serialize;

use crate::delivery::Outcomes;
use crate::filing::totals;
use crate::http::answer::{Call, VERSION};
use crate::http::error::Failure;
use crate::records::Kind;
use crate::sources::{Status as SourceStatus, kind};
use crate::tables::Sources;
use crate::tables::keys::SourceKey;
use crate::tables::rows::Source;
use crate::tables::view::ReadRows;

/// The status of the service.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Status {
    version: &'static str,
    ready: bool,
    sources: Vec<SourceView>,
    records: Vec<RecordCount>,
    quarantined: u64,
    accounts: AccountCounts,
    store_bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceView {
    name: String,
    kind: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position_bytes: Option<u64>,
    #[serde(flatten)]
    live: Option<LiveView>,
}

/// What is known of a source that this process follows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveView {
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<u64>,
    messages: u64,
    reconnects: u64,
    missed_windows: u64,
    anomalies: Vec<NameCount>,
    verification: Vec<NameCount>,
    rejected: Vec<NameCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

#[derive(Serialize)]
struct NameCount {
    name: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct RecordCount {
    collection: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct AccountCounts {
    tracked: u64,
    inactive: u64,
    deleted: u64,
    marked: u64,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Status, Failure> {
    let totals = totals(call.rows)?;
    let count = |(kind, count): (&Kind, u64)| RecordCount { collection: kind.nsid(), count };
    Ok(Status {
        version: VERSION,
        ready: call.service.sources.is_ready(call.now),
        sources: sources(call)?,
        records: Kind::ALL.iter().zip(totals.records).map(count).collect(),
        quarantined: totals.quarantined,
        accounts: AccountCounts {
            tracked: totals.tracked,
            inactive: totals.inactive,
            deleted: totals.deleted,
            marked: totals.marked,
        },
        store_bytes: call.service.store.bytes_on_disk()?,
    })
}

/// Every source that was ever read, and those that are to be.
fn sources(call: &Call<'_>) -> Result<Vec<SourceView>, Failure> {
    let mut followed = call.service.sources.statuses();
    let mut views = Vec::new();
    for row in call.rows.scan_all::<Sources>() {
        let (key, source) = row?;
        let status = followed.remove(&key);
        views.push(view(key, Some(&source), status, call.now));
    }
    views.extend(followed.into_iter().map(|(key, status)| view(key, None, Some(status), call.now)));
    Ok(views)
}

fn view(key: SourceKey, source: Option<&Source>, status: Option<SourceStatus>, now: i64) -> SourceView {
    let is_dump = key.kind == kind::REPLAY;
    let finished = source.is_some_and(|source| source.finished);
    // One that the configuration does not name any more stays where it was left.
    let left = if finished { "finished" } else { "unfinished" };
    SourceView {
        name: key.name,
        kind: key.kind,
        state: status.as_ref().map_or(left, |status| status.connection.name()),
        cursor: source.and_then(|source| source.cursor),
        position_bytes: source.filter(|_| is_dump).map(|source| source.offset),
        live: status.filter(|_| !is_dump).map(|status| live(status, now)),
    }
}

/// What proving showed, beside what was rejected.
fn verification(outcomes: Outcomes) -> Vec<NameCount> {
    let Outcomes { proved, legacy, old, discontinuous } = outcomes;
    let all = [("proved", proved), ("legacy", legacy), ("old", old), ("discontinuous", discontinuous)];
    all.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| NameCount { name, count }).collect()
}

fn live(status: SourceStatus, now: i64) -> LiveView {
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
