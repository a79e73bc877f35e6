//! `rsvp.atmo.space.invite.redeem`: makes the caller a member by a token.

use serde::{Deserialize, Serialize};

use super::Calling;
use crate::http::error::ApiError;
use crate::spaces::command::{Command, Done};
use crate::syntax::TokenHash;

#[derive(Deserialize)]
pub(in crate::http) struct Input {
    token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Redeemed {
    space_uri: String,
    perms: &'static str,
}

pub(in crate::http) fn ask(_: &Calling<'_>, input: Input) -> Result<(Command, ()), ApiError> {
    // Whatever it looks like: what is no token is answered like one that is unknown.
    Ok((Command::Redeem { hash: TokenHash::of(&input.token) }, ()))
}

pub(in crate::http) fn show(_: &Calling<'_>, (): (), done: Done) -> Option<Redeemed> {
    match done {
        Done::Joined { space, perms, .. } => Some(Redeemed { space_uri: space.uri(), perms: perms.name() }),
        _ => None,
    }
}
