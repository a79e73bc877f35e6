//! `/v1/portal/chats`: making a chat, and those that one sees.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::time;
use super::visit::{View, visit, without_body};
use crate::http::answer::{Shared, json};
use crate::http::cursor::Seal;
use crate::http::door::other_than_asked;
use crate::http::error::{ApiError, Failure};
use crate::http::input;
use crate::spaces::chats::{may_see, seen_by};
use crate::spaces::command::{Command, Done};
use crate::spaces::{self, sessions};
use crate::tables::keys::Key;
use crate::tables::portal::{Chat, Visibility};
use crate::tables::view::{ReadRows, RowsError};
use crate::tables::{Chats, Spaces};

/// A chat as somebody sees it. What is nothing is `null` here.
#[derive(Serialize)]
struct ChatView {
    chat_id: u64,
    name: Box<str>,
    visibility: Visibility,
    owner_id: Option<u64>,
    created_at: String,
    joined: bool,
    can_manage: bool,
}

#[derive(Serialize)]
struct ChatList {
    chats: Vec<ChatView>,
    cursor: Option<String>,
}

impl ChatView {
    fn read(view: &View<'_>, chat_id: u64, chat: Chat) -> Result<Self, Failure> {
        let rows = view.call.rows;
        let missing = RowsError::Contradiction { what: "the space of a chat is not stored" };
        let made = rows.get::<Spaces>(&chat.space)?.and_then(|space| space.made).ok_or(missing)?;
        Ok(Self {
            chat_id,
            visibility: chat.visibility,
            owner_id: sessions::shown_user(rows, &chat.space.owner)?,
            created_at: time(made.at),
            joined: spaces::perms(rows, &chat.space, view.did)?.is_some(),
            can_manage: view.levels.may_manage(view.did, &chat),
            name: chat.name,
        })
    }
}

/// The number of a chat in a path.
pub(super) fn number(text: &str) -> Result<u64, ApiError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_number && *number > 0);
    number.ok_or(ApiError::BadParameter { name: "chat_id", expected: "an integer from 1 on" })
}

/// Makes a chat of the caller's.
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let user = |view: &View<'_>| Ok(sessions::shown_user(view.call.rows, view.did)?);
    let (visitor, user) = visit(&shared, "portal.chats.create", &parts, user).await?;
    let fields = input::fields(&parts.headers, body).await?;
    let (name, visibility) = (name(fields.get("name"))?, visibility(fields.get("visibility"))?);
    let done = visitor.ask(&shared, Command::CreateChat { name, visibility }).await?;
    let Done::Chat { number, made_at, chat } = done else {
        return Err(other_than_asked("portal.chats.create"));
    };
    let view = ChatView {
        chat_id: number,
        name: chat.name,
        visibility,
        owner_id: user,
        created_at: time(made_at),
        joined: true,
        can_manage: true,
    };
    Ok(json(StatusCode::OK, &view))
}

/// What a chat is called, without the space around it.
fn name(given: Option<&Value>) -> Result<Box<str>, ApiError> {
    let name = given.and_then(Value::as_str).map(str::trim).filter(|name| Chat::is_name(name));
    let expected = "a text of 1 to 64 characters on one line, some of which can be seen";
    name.map(Into::into).ok_or(ApiError::BadField { path: "name".into(), expected })
}

fn visibility(given: Option<&Value>) -> Result<Visibility, ApiError> {
    let known = match given {
        None | Some(Value::Null) => Some(Visibility::Private),
        Some(given) => given.as_str().and_then(Visibility::from_name),
    };
    let expected = "`private`, `public` or `official`";
    known.ok_or(ApiError::BadField { path: "visibility".into(), expected })
}

/// Lists the chats that the caller sees, by their numbers.
pub(super) async fn list(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let parts = without_body(request);
    let (_, list) = visit(&shared, "portal.chats.list", &parts, ChatList::read).await?;
    Ok(json(StatusCode::OK, &list))
}

impl ChatList {
    fn read(view: &View<'_>) -> Result<Self, Failure> {
        let (rows, params) = (view.call.rows, view.call.params);
        let limit = params.limit()?;
        let seal = Seal::new(rows, view.call.method, &[])?;
        let after = match params.optional("cursor")? {
            Some(cursor) => u64::read(&seal.open(cursor)?).ok_or(ApiError::BadCursor)?,
            None => 0,
        };
        let mut numbers = seen_by(rows, view.did, after, limit + 1)?;
        let has_more = numbers.len() > limit;
        numbers.truncate(limit);
        let last = numbers.last().filter(|_| has_more).copied();
        let mut chats = Vec::with_capacity(numbers.len());
        for number in numbers {
            // What somebody is in may be a space of an earlier version, which is no chat.
            let Some(chat) = rows.get::<Chats>(&number)? else { continue };
            if may_see(rows, view.did, &chat)? {
                chats.push(ChatView::read(view, number, chat)?);
            }
        }
        let cursor = last.map(|last| seal.close(&last.to_be_bytes()));
        Ok(Self { chats, cursor })
    }
}

/// Shows one chat.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(chat_id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let parts = without_body(request);
    let read = move |view: &View<'_>| {
        let number = number(&chat_id)?;
        ChatView::read(view, number, view.chat(number)?)
    };
    let (_, chat) = visit(&shared, "portal.chats.show", &parts, read).await?;
    Ok(json(StatusCode::OK, &chat))
}
