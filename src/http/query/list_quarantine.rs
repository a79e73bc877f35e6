//! `app.guestlist.listQuarantine`: records that have no effect, and why: by collection, then in the order of
//! their URIs.
//!
//! Not their content: most of it cannot be shown as JSON, and `explain` tells of each what can be told.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::page::{Item, Paging};
use crate::records::{Kind, Unusable};
use crate::rules::accounts;
use crate::syntax::Did;
use crate::tables::keys::{QuarantineKey, write_kind};
use crate::tables::view::{ReadRows, RowsError, prefix_of};
use crate::tables::{Quarantine, Records};

/// A page of unusable records.
#[derive(Serialize)]
pub(in crate::http) struct QuarantineList {
    records: Vec<Quarantined>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Quarantined {
    uri: String,
    /// That of what is there, or the one that it came with.
    cid: String,
    author: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    collection: &'static str,
    reason: &'static str,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<QuarantineList, Failure> {
    let collection = call.params.optional("collection")?;
    let expected = "one of the reasons for which a record is unusable";
    let reason = call.params.word("reason", &Unusable::REASONS, expected)?;
    let unknown =
        ApiError::BadParameter { name: "collection", expected: "a collection that is indexed here" };
    let kind = collection.map(|nsid| Kind::from_nsid(nsid).ok_or(unknown)).transpose()?;
    let paging = Paging::of(call, &[("collection", collection), ("reason", reason)])?;
    let range = prefix_of::<Quarantine>(|key| {
        if let Some(kind) = kind {
            write_kind(kind, key);
        }
    });
    let page = paging.page::<Quarantine, _>(call, range, |QuarantineKey(id), unusable| {
        let is_asked = reason.is_none_or(|reason| reason == unusable.reason());
        if !is_asked || !accounts::is_active(call.rows, &id.did)? {
            return Ok(None);
        }
        let record = call.rows.get::<Records>(&id)?;
        let record =
            record.ok_or(RowsError::Contradiction { what: "a record of the quarantine is not stored" })?;
        let view = Quarantined {
            uri: id.uri(),
            cid: record.cid.to_string(),
            handle: call.service.identities.shown_handle(&id.did),
            collection: id.kind.nsid(),
            reason: unusable.reason(),
            author: id.did,
        };
        Ok(Some(Item { view, record_bytes: 0 }))
    })?;
    Ok(QuarantineList { records: page.items, cursor: page.cursor })
}
