//! `/v1/portal/chats/{chat_id}/invites`: the invites of a chat, by their codes.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::chats::number;
use super::visit::{View, visit, without_body};
use super::{MICROS_PER_MILLI, now, time};
use crate::http::answer::{Shared, json};
use crate::http::door::other_than_asked;
use crate::http::error::{ApiError, Failure};
use crate::http::input;
use crate::http::secret::new_code;
use crate::spaces::command::{Command, Done, InviteTerms};
use crate::spaces::{self, sessions};
use crate::syntax::{Datetime, TokenHash};
use crate::tables::portal::{Code, is_code};
use crate::tables::spaces::{Invite, Perms};
use crate::tables::view::{ReadRows, RowsError};
use crate::tables::{Codes, Invites};

/// The greatest integer that every JSON reader keeps.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// An invite as the Portal shows it. What is nothing is `null` here.
#[derive(Serialize)]
struct InviteView {
    code: Box<str>,
    chat_id: u64,
    created_by_id: Option<u64>,
    created_at: String,
    expires_at: Option<String>,
    uses: u64,
    max_uses: Option<u64>,
}

#[derive(Serialize)]
struct InviteList {
    invites: Vec<InviteView>,
}

#[derive(Serialize)]
struct Deleted {
    message: String,
}

impl InviteView {
    fn new(code: Box<str>, chat_id: u64, created_by_id: Option<u64>, invite: &Invite) -> Self {
        Self {
            code,
            chat_id,
            created_by_id,
            created_at: time(invite.created_at),
            expires_at: invite.expires_at.map(time),
            uses: invite.used,
            max_uses: invite.max_uses,
        }
    }
}

/// Makes an invite.
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Path(chat_id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let read = move |view: &View<'_>| {
        let number = number(&chat_id)?;
        Ok((number, view.chat(number)?, sessions::shown_user(view.call.rows, view.did)?))
    };
    let (visitor, (number, chat, user)) = visit(&shared, "portal.invites.create", &parts, read).await?;
    let fields = input::fields(&parts.headers, body).await?;
    let terms = InviteTerms {
        perms: Perms::Write,
        max_uses: max_uses(fields.get("max_uses"))?,
        expires_at: expires_at(fields.get("expires_at"), now())?,
        note: None,
    };
    let code = new_code()?;
    let command = Command::CreateCode { space: chat.space, code: code.clone(), terms };
    let done = visitor.ask(&shared, command).await?;
    let Done::Invite(invite) = done else { return Err(other_than_asked("portal.invites.create")) };
    Ok(json(StatusCode::OK, &InviteView::new(code, number, user, &invite)))
}

fn max_uses(given: Option<&Value>) -> Result<Option<u64>, ApiError> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(None) };
    let count = given.as_u64().filter(|count| (1..=INTEGER_MAX).contains(count));
    let expected = "an integer from 1 to 2^53-1, or null";
    count.map(Some).ok_or(ApiError::BadField { path: "max_uses".into(), expected })
}

/// A time in milliseconds since the epoch; what is finer is cut.
fn expires_at(given: Option<&Value>, now: i64) -> Result<Option<i64>, ApiError> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(None) };
    let at = given.as_str().and_then(|text| Datetime::parse(text).ok());
    let at = at.map(|at| at.micros().div_euclid(MICROS_PER_MILLI)).filter(|at| *at > now);
    let expected = "a time to come in ISO 8601 with its zone, as 2026-05-01T00:00:00Z, or null";
    at.map(Some).ok_or(ApiError::BadField { path: "expires_at".into(), expected })
}

/// Lists the active invites of a chat, newest first.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(chat_id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let parts = without_body(request);
    let read = move |view: &View<'_>| InviteList::read(view, number(&chat_id)?);
    let (_, list) = visit(&shared, "portal.invites.list", &parts, read).await?;
    Ok(json(StatusCode::OK, &list))
}

impl InviteList {
    fn read(view: &View<'_>, number: u64) -> Result<Self, Failure> {
        let rows = view.call.rows;
        let chat = view.managed(number)?;
        let mut found = Vec::new();
        for hash in spaces::active(rows, &chat.space, view.now()) {
            let hash = hash?;
            // One that was made by its owner elsewhere has no code that could be shown.
            let Some(Code { text, created_by }) = rows.get::<Codes>(&hash)? else { continue };
            let missing = RowsError::Contradiction { what: "an open invite is not stored" };
            let invite = rows.get::<Invites>(&hash)?.ok_or(missing)?;
            let created_by = match created_by {
                Some(did) => sessions::shown_user(rows, &did)?,
                None => None,
            };
            found.push((
                Reverse((invite.created_at, hash)),
                InviteView::new(text, number, created_by, &invite),
            ));
        }
        found.sort_by_key(|(newest_first, _)| *newest_first);
        Ok(Self { invites: found.into_iter().map(|(_, invite)| invite).collect() })
    }
}

/// Ends an invite.
pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path((chat_id, code)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let parts = without_body(request);
    let read = move |view: &View<'_>| view.chat(number(&chat_id)?);
    let (visitor, chat) = visit(&shared, "portal.invites.delete", &parts, read).await?;
    // A token of another dialect is no code, whatever it opens there. Who may end one is the writer's to say, and goes
    // into the audit.
    if !is_code(&code) {
        return Err(ApiError::InviteNotFound);
    }
    let hash = TokenHash::of(&code);
    visitor.ask(&shared, Command::Revoke { space: chat.space, hash }).await?;
    Ok(json(StatusCode::OK, &Deleted { message: format!("Invite '{code}' revoked") }))
}
