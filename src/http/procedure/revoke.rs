//! `rsvp.atmo.space.invite.revoke`: ends an invite, which its owner names by the hash of its token.

use serde::Deserialize;

use super::{Calling, Changed, space_of};
use crate::http::error::ApiError;
use crate::spaces::command::{Command, Done};
use crate::syntax::{AtUri, TokenHash};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Input {
    space_uri: AtUri,
    token_hash: String,
}

pub(in crate::http) fn ask(_: &Calling<'_>, input: Input) -> Result<(Command, ()), ApiError> {
    let space = space_of(&input.space_uri)?;
    // What is no hash is that of no invite.
    let hash = TokenHash::parse(&input.token_hash).map_err(|_| ApiError::InviteNotFound)?;
    Ok((Command::Revoke { space, hash }, ()))
}

pub(in crate::http) fn show(_: &Calling<'_>, (): (), done: Done) -> Option<Changed> {
    Changed::of(done)
}
