//! `app.guestlist.listAudit`: what was done in a space, newest first, for its owner, also when the space is gone.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::page::{Item, Paging};
use crate::http::space::{AuditView, is_caller, space_of};
use crate::tables::keys::write_space;
use crate::tables::view::{ReadRows, RowsError, prefix_of};
use crate::tables::{Audits, SpaceAudits};

#[derive(Serialize)]
pub(in crate::http) struct AuditList {
    entries: Vec<AuditView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<AuditList, Failure> {
    let space = space_of(&call.params.uri("space")?)?;
    if !is_caller(call, &space.owner) {
        return Err(ApiError::NotTheOwner.into());
    }
    let uri = space.uri();
    let paging = Paging::of(call, &[("space", Some(&uri))])?;
    let range = prefix_of::<SpaceAudits>(|key| write_space(&space, key));
    let page = paging.page::<SpaceAudits, _>(call, range, |key, ()| {
        let missing = RowsError::Contradiction { what: "an entry of a space's audit is not stored" };
        let entry = call.rows.get::<Audits>(&key.number)?.ok_or(missing)?;
        Ok(Some(Item { view: AuditView::of(&entry), record_bytes: 0 }))
    })?;
    Ok(AuditList { entries: page.items, cursor: page.cursor })
}
