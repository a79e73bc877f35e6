//! `rsvp.atmo.space.listMembers`: who is in a space, for those who are: the owner, then the others in the order of their
//! DIDs. Whoever's account is not active is not shown until it is again.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::page::{Item, Paging, Step};
use crate::http::space::{Asked, MemberView, SpaceView};
use crate::rules::accounts;
use crate::tables::Members;
use crate::tables::keys::write_space;
use crate::tables::view::{ReadRows, key_of, prefix_of};

#[derive(Serialize)]
pub(in crate::http) struct MemberList {
    members: Vec<MemberView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<MemberList, Failure> {
    let Asked { id, basis, .. } = Asked::as_member(call, "spaceUri")?;
    let uri = id.uri();
    let paging = Paging::of(call, &[("spaceUri", Some(&uri))])?;
    let range = prefix_of::<Members>(|key| write_space(&id, key));
    // The owner's place is before everybody's.
    let shows_owner = paging.after().is_none() && accounts::is_active(call.rows, &id.owner)?;
    let owner = shows_owner.then(|| {
        let view = MemberView::of_owner(call, &SpaceView::read(call, &id, basis)?);
        Ok((range.start.clone(), Step::Shown(Item { view, record_bytes: 0 })))
    });
    let rows = call.rows.scan::<Members>(paging.rest_of(range.clone())?);
    let others = rows.map(|row| {
        let (key, member) = row?;
        let place = key_of::<Members>(&key);
        if !member.is_in() || !accounts::is_active(call.rows, &key.did)? {
            return Ok((place, Step::Passed));
        }
        Ok((place, Step::Shown(Item { view: MemberView::of(call, key, &member), record_bytes: 0 })))
    });
    let page = paging.walk(owner.into_iter().chain(others))?;
    Ok(MemberList { members: page.items, cursor: page.cursor })
}
