//! `rsvp.atmo.space.whoami`: what the caller is in a space.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::space::Asked;
use crate::tables::spaces::Perms;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Whoami {
    is_owner: bool,
    is_member: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    perms: Option<Perms>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Whoami, Failure> {
    let asked = Asked::of(call, "spaceUri")?;
    let is_owner = asked.is_owners(call);
    Ok(Whoami { is_owner, is_member: asked.perms.is_some(), perms: asked.perms })
}
