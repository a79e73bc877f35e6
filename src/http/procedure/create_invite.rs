//! `rsvp.atmo.space.invite.create`: makes an invite, and shows its token, this once.

use serde::{Deserialize, Serialize};

use super::{Calling, space_of};
use crate::http::error::ApiError;
use crate::http::secret::Token;
use crate::http::space::InviteView;
use crate::spaces::command::{Command, Done, InviteTerms};
use crate::syntax::AtUri;
use crate::tables::spaces::Perms;

/// The greatest integer that every JSON reader keeps.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// The last millisecond of the year 9999. Whatever is beyond it was meant in smaller units.
const EXPIRES_AT_MAX: i64 = 253_402_300_799_999;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Input {
    space_uri: AtUri,
    #[serde(default)]
    perms: Option<String>,
    #[serde(default)]
    max_uses: Option<i64>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    note: Option<Box<str>>,
}

#[derive(Serialize)]
pub(in crate::http) struct Created {
    token: String,
    invite: InviteView,
}

pub(in crate::http) fn ask(calling: &Calling<'_>, input: Input) -> Result<(Command, Token), ApiError> {
    let expected = |path: &str, expected| ApiError::BadField { path: path.into(), expected };
    let perms = perms(input.perms.as_deref())?;
    let max_uses = input.max_uses.map(|max_uses| {
        let count = u64::try_from(max_uses).ok().filter(|_| (1..=INTEGER_MAX).contains(&max_uses));
        count.ok_or_else(|| expected("/maxUses", "an integer from 1 to 2^53-1"))
    });
    if input.expires_at.is_some_and(|at| !(calling.now + 1..=EXPIRES_AT_MAX).contains(&at)) {
        return Err(expected("/expiresAt", "a time to come, in milliseconds since 1970"));
    }
    let terms = InviteTerms {
        perms,
        max_uses: max_uses.transpose()?,
        expires_at: input.expires_at,
        note: input.note,
    };
    let token = Token::new()?;
    Ok((Command::CreateInvite { space: space_of(&input.space_uri)?, hash: token.hash, terms }, token))
}

pub(in crate::http) fn show(_: &Calling<'_>, token: Token, done: Done) -> Option<Created> {
    match done {
        Done::Invite(invite) => {
            Some(Created { token: token.text, invite: InviteView::of(token.hash, &invite) })
        }
        _ => None,
    }
}

/// The permissions of a name; those to take part if there is none.
pub(super) fn perms(name: Option<&str>) -> Result<Perms, ApiError> {
    let known = name.map_or(Some(Perms::Write), Perms::from_name);
    known.ok_or_else(|| ApiError::BadField { path: "/perms".into(), expected: "`read` or `write`" })
}
