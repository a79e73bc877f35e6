//! `rsvp.atmo.space.leaveSpace`: takes the caller out of a space.

use serde::Deserialize;

use super::{Calling, Changed, space_of};
use crate::http::error::ApiError;
use crate::spaces::command::{Command, Done};
use crate::syntax::AtUri;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Input {
    space_uri: AtUri,
}

pub(in crate::http) fn ask(_: &Calling<'_>, input: Input) -> Result<(Command, ()), ApiError> {
    Ok((Command::Leave { space: space_of(&input.space_uri)? }, ()))
}

pub(in crate::http) fn show(_: &Calling<'_>, (): (), done: Done) -> Option<Changed> {
    Changed::of(done)
}
