//! `rsvp.atmo.space.admin.addMember`: puts somebody into a space, or gives them other permissions.

use serde::{Deserialize, Serialize};

use super::create_invite::perms;
use super::{Calling, named_person, space_of};
use crate::http::error::ApiError;
use crate::spaces::command::{Command, Done};
use crate::syntax::{AtUri, Did};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Input {
    space_uri: AtUri,
    did: Did,
    #[serde(default)]
    perms: Option<String>,
}

/// They are in it now, whether they were before or not.
#[derive(Serialize)]
pub(in crate::http) struct Added {
    ok: bool,
}

pub(in crate::http) fn ask(_: &Calling<'_>, input: Input) -> Result<(Command, ()), ApiError> {
    let perms = perms(input.perms.as_deref())?;
    let did = named_person(input.did)?;
    Ok((Command::AddMember { space: space_of(&input.space_uri)?, did, perms }, ()))
}

pub(in crate::http) fn show(_: &Calling<'_>, (): (), done: Done) -> Option<Added> {
    matches!(done, Done::Changed(_)).then_some(Added { ok: true })
}
