//! `app.guestlist.getStatus`: how the service is doing.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::filing::totals;
use crate::http::answer::{Call, VERSION};
use crate::http::error::Failure;
use crate::records::Kind;
use crate::tables::Sources;
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
    position_bytes: u64,
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
    let mut sources = Vec::new();
    for row in call.rows.scan_all::<Sources>() {
        let (key, source) = row?;
        sources.push(SourceView {
            name: key.name,
            kind: key.kind,
            state: if source.finished { "finished" } else { "unfinished" },
            cursor: source.cursor,
            position_bytes: source.offset,
        });
    }
    let count = |(kind, count): (&Kind, u64)| RecordCount { collection: kind.nsid(), count };
    Ok(Status {
        version: VERSION,
        ready: call.service.ready.load(Ordering::Acquire),
        sources,
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
