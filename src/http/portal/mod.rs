//! The Portal: chats and their invites in the dialect of its API, for browsers that are logged in by a cookie.
//!
//! An adapter over the invite core (`spaces`): it counts nothing, and knows neither quota nor expiry. Off unless
//! configured. `visit` lets in whoever has a session, `session` gives and ends it, `chats`, `invites` and `resolve` are
//! the routes; `cookie` is what a browser keeps, `guard` keeps other sites' pages out, `words` is how errors are said.
//! Spec: RULES §6.
#![allow(clippy::disallowed_methods, reason = "a shell: the time of day")]

mod chats;
mod cookie;
mod guard;
mod invites;
mod resolve;
mod session;
mod visit;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware;
use axum::routing::{any, get, post};
use jiff::Timestamp;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;

use super::answer::Shared;
use super::caller::REQUEST_ID;
use super::error::{self, ApiError};
use super::requests::trace;
use crate::net::Origin;
use crate::spaces::chats::Levels;
use crate::syntax::Datetime;

const MICROS_PER_MILLI: i64 = 1_000;

/// What the operator says of the Portal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portal {
    /// Who may do more than others.
    pub levels: Levels,
    /// Where pages are from that may call with their visitors' cookies, beside those of the public URL.
    pub origins: Vec<Origin>,
}

/// The routes of the Portal, with everything that surrounds them.
pub(super) fn router(shared: Arc<Shared>, portal: &Portal) -> Router {
    let service = shared.service();
    let public: Option<Uri> = service.public_url.parse().ok();
    let own = public.as_ref().and_then(|url| Origin::of(url).ok());
    let origins: guard::Origins = own.iter().chain(&portal.origins).cloned().collect();
    let body_bytes_max = service.limits.request_body_bytes_max;
    // The last layer is the outermost.
    Router::new()
        .route("/v1/portal/session", post(session::open).get(session::show).delete(session::end))
        .route("/v1/portal/chats", get(chats::list).post(chats::create))
        .route("/v1/portal/chats/{chat_id}", get(chats::show))
        .route("/v1/portal/chats/{chat_id}/invites", get(invites::list).post(invites::create))
        .route("/v1/portal/chats/{chat_id}/invites/{code}/delete", post(invites::delete))
        .route("/v1/portal/resolve/{code}", post(resolve::resolve))
        .route("/v1/portal", any(async || ApiError::NotFound))
        .route("/v1/portal/", any(async || ApiError::NotFound))
        .route("/v1/portal/{*rest}", any(async || ApiError::NotFound))
        .with_state(shared)
        .layer(RequestBodyLimitLayer::new(body_bytes_max))
        .layer(CatchPanicLayer::custom(error::after_panic))
        .layer(middleware::from_fn_with_state(Arc::clone(&origins), guard::guard))
        .layer(middleware::from_fn(words::render))
        .layer(open_to(&origins))
        .layer(middleware::from_fn(trace))
}

/// Lets pages of these origins read the answers, and send cookies along.
fn open_to(origins: &[Origin]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::try_from(origin.to_string()).ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER, REQUEST_ID])
}

/// A time in milliseconds since the epoch as the Portal writes it: ISO 8601, in UTC.
fn time(at: i64) -> String {
    Datetime::nearest(at.saturating_mul(MICROS_PER_MILLI)).to_string()
}

/// The time of day in milliseconds since the epoch.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
