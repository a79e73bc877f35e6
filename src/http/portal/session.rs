//! `/v1/portal/session`: a service token is traded for a cookie, which is looked at and given back.
//!
//! Each session has a secret of its own, made when it is opened: nobody can have a browser use one that they know.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use super::visit::{View, visit, visit_to_leave, without_body};
use super::{cookie, now, time};
use crate::http::answer::{Shared, json};
use crate::http::door::{Visitor, other_than_asked};
use crate::http::error::{ApiError, Failure};
use crate::http::secret::Token;
use crate::spaces::command::{Command, Done};
use crate::spaces::sessions;
use crate::syntax::Did;

/// What a service token names as its method that is to be traded (RULES §6).
const METHOD: &str = "app.guestlist.portal.createSession";

const MILLIS_PER_SECOND: i64 = 1_000;

/// Who is logged in. What is nothing is `null` here.
#[derive(Serialize)]
struct SessionView {
    user_id: Option<u64>,
    did: Did,
    level: &'static str,
    expires_at: String,
}

#[derive(Serialize)]
struct Ended {
    message: &'static str,
}

/// Opens a session.
pub(super) async fn open(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let parts = without_body(request);
    let visitor = Visitor::at(&shared, &parts, METHOD).await?;
    let secret = Token::new()?;
    let expires_at = now() + cookie::SECONDS * MILLIS_PER_SECOND;
    // The one that the browser has is about to be forgotten there, so that it ends.
    let instead_of = cookie::named(&parts.headers).ok();
    let command = Command::OpenSession { hash: secret.hash, expires_at, instead_of };
    let Done::Session { user } = visitor.ask(&shared, command).await? else {
        return Err(other_than_asked(METHOD));
    };
    let portal = shared.service().portal.as_ref();
    let level = portal.map(|portal| portal.levels.of(visitor.did())).unwrap_or_default();
    let view = SessionView {
        user_id: Some(user),
        did: visitor.did().clone(),
        level: level.name(),
        expires_at: time(expires_at),
    };
    Ok(with_cookie(json(StatusCode::OK, &view), cookie::set(&shared.service().public_url, &secret.text)))
}

/// Says whose the session is.
pub(super) async fn show(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let parts = without_body(request);
    let (_, view) = visit(&shared, "portal.session.show", &parts, SessionView::read).await?;
    Ok(json(StatusCode::OK, &view))
}

impl SessionView {
    fn read(view: &View<'_>) -> Result<Self, Failure> {
        Ok(Self {
            user_id: sessions::shown_user(view.call.rows, view.did)?,
            did: view.did.clone(),
            level: view.levels.of(view.did).name(),
            expires_at: time(view.session.expires_at),
        })
    }
}

/// Ends the session.
pub(super) async fn end(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let parts = without_body(request);
    let visitor = visit_to_leave(&shared, "portal.session.end", &parts).await?;
    visitor.ask(&shared, Command::EndSession).await?;
    Ok(with_cookie(
        json(StatusCode::OK, &Ended { message: "Session ended" }),
        cookie::clear(&shared.service().public_url),
    ))
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}
