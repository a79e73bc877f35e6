//! `rsvp.atmo.space.admin.deleteSpace`: removes a space that was made by hand, with all that is in it.

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
    Ok((Command::DeleteSpace { space: space_of(&input.space_uri)? }, ()))
}

pub(in crate::http) fn show(_: &Calling<'_>, (): (), done: Done) -> Option<Changed> {
    Changed::of(done)
}
