//! `rsvp.atmo.space.invite.list`: the invites of a space, newest first, for its owner.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::page::{Item, Paging};
use crate::http::space::{Asked, InviteView};
use crate::tables::keys::write_space;
use crate::tables::view::{ReadRows, RowsError, prefix_of};
use crate::tables::{Invites, SpaceInvites};

#[derive(Serialize)]
pub(in crate::http) struct InviteList {
    invites: Vec<InviteView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<InviteList, Failure> {
    let includes_revoked = call.params.flag("includeRevoked")?;
    let asked = Asked::of(call, "spaceUri")?;
    if !asked.is_owners(call) {
        return Err(ApiError::NotTheOwner.into());
    }
    let uri = asked.id.uri();
    let with_revoked = includes_revoked.then_some("true");
    let paging = Paging::of(call, &[("spaceUri", Some(&uri)), ("includeRevoked", with_revoked)])?;
    let range = prefix_of::<SpaceInvites>(|key| write_space(&asked.id, key));
    let page = paging.page::<SpaceInvites, _>(call, range, |key, ()| {
        let missing = RowsError::Contradiction { what: "an invite of a space is not stored" };
        let invite = call.rows.get::<Invites>(&key.hash)?.ok_or(missing)?;
        if invite.revoked.is_some() && !includes_revoked {
            return Ok(None);
        }
        let view = InviteView::read(call.rows, key.hash, &invite)?;
        Ok(Some(Item { view, record_bytes: 0 }))
    })?;
    Ok(InviteList { invites: page.items, cursor: page.cursor })
}
