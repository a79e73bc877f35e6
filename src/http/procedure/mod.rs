//! What changes something: from a call to a command, and from what came of it to an answer.
//!
//! A procedure reads its input, has the writer do a command, and shows what was done. Nothing is decided here: the
//! writer checks and does it in one step (`spaces`), and answers once that is durable. One file a method; what goes in
//! and comes out is in its lexicon, by which the input is checked first.
#![allow(clippy::disallowed_methods, reason = "a shell: the time of day")]

pub(super) mod add_member;
pub(super) mod configure_event;
pub(super) mod confirm_attestation;
pub(super) mod create_invite;
pub(super) mod create_space;
pub(super) mod delete_space;
pub(super) mod leave_space;
pub(super) mod link_attestation;
pub(super) mod redeem;
pub(super) mod remove_member;
pub(super) mod revoke;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Service;
use super::answer::{Shared, json};
use super::door::{Visitor, other_than_asked, private};
use super::error::ApiError;
use super::input;
use super::space::space_of;
use super::ticket::event_of;
use crate::spaces::command::{Command, Done};
use crate::syntax::{AtUri, Did};
use crate::tables::keys::RecordId;

/// Bytes of the longest DID with which somebody can log in, a `did:web` of a host with a port. Others would only fill the
/// disk: each is in several rows.
const DID_BYTES_MAX: usize = 280;

/// A call by somebody who is known.
pub(super) struct Calling<'a> {
    /// Everything that answers are made from.
    service: &'a Service,
    /// Who.
    caller: &'a Did,
    /// When, in milliseconds since the epoch.
    now: i64,
}

/// What an input asks for: a command, and what is kept until that is done.
type Ask<I, K> = fn(&Calling<'_>, I) -> Result<(Command, K), ApiError>;

/// What is shown of what was done; `None` if that is not what was asked for.
type Show<K, A> = fn(&Calling<'_>, K, Done) -> Option<A>;

/// The route of one procedure.
pub(super) fn procedure<I, K, A>(
    method: &'static str,
    ask: Ask<I, K>,
    show: Show<K, A>,
) -> Router<Arc<Shared>>
where
    I: DeserializeOwned + Send + 'static,
    K: Send + 'static,
    A: Serialize + 'static,
{
    let handler = move |State(shared): State<Arc<Shared>>, request: Request| async move {
        let called = call(&shared, method, request, ask, show).await;
        private(called.unwrap_or_else(ApiError::into_response))
    };
    Router::new().route(&format!("/xrpc/{method}"), post(handler))
}

async fn call<I, K, A>(
    shared: &Shared,
    method: &'static str,
    request: Request,
    ask: Ask<I, K>,
    show: Show<K, A>,
) -> Result<Response, ApiError>
where
    I: DeserializeOwned,
    A: Serialize,
{
    let (parts, body) = request.into_parts();
    let visitor = Visitor::at(shared, &parts, method).await?;
    let input = input::read(method, &parts.headers, body).await?;
    let now = Timestamp::now().as_millisecond();
    let calling = Calling { service: shared.service(), caller: visitor.did(), now };
    let (command, kept) = ask(&calling, input)?;
    let done = visitor.ask(shared, command).await?;
    let answer = show(&calling, kept, done).ok_or_else(|| other_than_asked(method))?;
    Ok(json(StatusCode::OK, &answer))
}

/// The answer of a procedure that says whether it changed anything.
#[derive(Serialize)]
pub(super) struct Changed {
    ok: bool,
}

impl Changed {
    fn of(done: Done) -> Option<Self> {
        match done {
            Done::Changed(ok) => Some(Self { ok }),
            _ => None,
        }
    }
}

/// The answer of a procedure that says only that it is so now, whether it was before or not.
#[derive(Serialize)]
pub(super) struct Nothing {}

impl Nothing {
    fn of(done: &Done) -> Option<Self> {
        matches!(done, Done::Changed(_)).then_some(Self {})
    }
}

/// Somebody whom an input names.
fn named_person(did: Did) -> Result<Did, ApiError> {
    if did.as_str().len() > DID_BYTES_MAX {
        return Err(ApiError::BadField { path: "/did".into(), expected: "a did:plc or a did:web" });
    }
    Ok(did)
}

/// The event that an input names; `None` where it is under a handle, and so nobody's.
fn named_event(uri: &AtUri) -> Result<Option<RecordId>, ApiError> {
    event_of(uri, ApiError::BadField { path: "/event".into(), expected: "the AT-URI of an event" })
}
