//! `/v1/portal/resolve/{code}`: makes the caller a member of a chat by the code of an invite.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::visit::{View, visit, without_body};
use crate::http::answer::{Shared, json};
use crate::http::door::other_than_asked;
use crate::http::error::{ApiError, Failure};
use crate::spaces::command::{Command, Done};
use crate::syntax::TokenHash;
use crate::tables::portal::{Chat, Visibility, is_code};
use crate::tables::view::{ReadRows, RowsError};
use crate::tables::{Chats, Invites};

#[derive(Serialize)]
struct Resolved {
    chat_id: u64,
    name: Box<str>,
    visibility: Visibility,
    joined: bool,
}

/// Uses an invite.
pub(super) async fn resolve(
    State(shared): State<Arc<Shared>>,
    Path(code): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let parts = without_body(request);
    let hash = TokenHash::of(&code);
    // A token of another dialect is no code, whatever it would open there.
    let is_code = is_code(&code);
    let read = move |view: &View<'_>| if is_code { chat_of(view, hash) } else { Ok(None) };
    let (visitor, chat) = visit(&shared, "portal.resolve", &parts, read).await?;
    if !is_code {
        return Err(ApiError::InvalidInvite);
    }
    let done = visitor.ask(&shared, Command::Redeem { hash }).await?;
    let Done::Joined { is_new, .. } = done else { return Err(other_than_asked("portal.resolve")) };
    // An invite that was made between the two looks: whoever comes again hears of its chat.
    let (chat_id, chat) = chat.ok_or(ApiError::InvalidInvite)?;
    let Chat { name, visibility, .. } = chat;
    Ok(json(StatusCode::OK, &Resolved { chat_id, name, visibility, joined: is_new }))
}

/// The chat that an invite is of.
fn chat_of(view: &View<'_>, hash: TokenHash) -> Result<Option<(u64, Chat)>, Failure> {
    let rows = view.call.rows;
    let Some(invite) = rows.get::<Invites>(&hash)? else { return Ok(None) };
    let Some(number) = Chat::number_in(&invite.space) else { return Ok(None) };
    let missing = RowsError::Contradiction { what: "the chat of an invite is not stored" };
    let chat = rows.get::<Chats>(&number)?.ok_or(missing)?;
    Ok(Some((number, chat)))
}
