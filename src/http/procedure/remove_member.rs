//! `rsvp.atmo.space.admin.removeMember`: puts somebody out of a space.

use serde::Deserialize;

use super::{Calling, Changed, space_of};
use crate::http::error::ApiError;
use crate::spaces::command::{Command, Done};
use crate::syntax::{AtUri, Did};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Input {
    space_uri: AtUri,
    did: Did,
}

pub(in crate::http) fn ask(_: &Calling<'_>, input: Input) -> Result<(Command, ()), ApiError> {
    Ok((Command::RemoveMember { space: space_of(&input.space_uri)?, did: input.did }, ()))
}

pub(in crate::http) fn show(_: &Calling<'_>, (): (), done: Done) -> Option<Changed> {
    Changed::of(done)
}
