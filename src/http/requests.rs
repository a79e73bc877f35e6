//! What happens around every request: an id, one line in the log, and entity tags that stay true when an
//! answer is compressed.
#![allow(clippy::disallowed_methods, reason = "a shell: it measures time")]

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use uuid::Uuid;

use super::caller::{Addresses, Peer, REQUEST_ID};

/// What tells the ids of this process from those of others.
static PROCESS: LazyLock<String> = LazyLock::new(|| {
    let mut bytes = [0; 6];
    // An id is for finding things in a log: without randomness it is merely less unique.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
});

static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// The addresses that are believed, as a request carries them to [`trace`].
#[derive(Clone, Debug, Default)]
pub(super) struct Trusted(pub(super) Arc<[Addresses]>);

/// Whom a request is from, for the handlers behind [`trace`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) IpAddr);

/// The id under which an answer says that something went wrong, where it says it under one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correlation(pub(super) Uuid);

fn new_id() -> HeaderValue {
    let id = format!("{}-{:x}", *PROCESS, REQUESTS.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(id).expect("hexadecimal digits")
}

/// Gives a request an id and a line in the log, and its answer the same id.
pub(super) async fn trace(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let peer = request.extensions().get::<Peer>().copied();
    let trusted = request.extensions().get::<Trusted>().cloned().unwrap_or_default();
    let client = peer.map(|peer| peer.client(request.headers(), &trusted.0));
    let id = peer.and_then(|peer| peer.request_id(request.headers())).unwrap_or_else(new_id);
    if let Some(client) = client {
        request.extensions_mut().insert(Client(client));
    }
    // Not the path: there may be the code of an invite in it, in a mistaken one too.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = name_of(request.method());
    let mut response = next.run(request).await;
    tracing::info!(
        request_id = id.to_str().unwrap_or_default(),
        client = client.map(tracing::field::display),
        method,
        route = route.as_ref().map(MatchedPath::as_str),
        status = response.status().as_u16(),
        correlation_id = response.extensions().get::<Correlation>().map(|id| tracing::field::display(id.0)),
        milliseconds = begun.elapsed().as_secs_f64() * 1e3,
        "answered a request"
    );
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// What a method is called in the log. Clients may make up others, with anything in their names.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "another",
    }
}

/// Makes the entity tag of a compressed answer a weak one: other bytes that say the same. So it is with the
/// news that such an answer still holds.
pub(super) async fn weaken(request: Request, next: Next) -> Response {
    let known = request.headers().get(header::IF_NONE_MATCH);
    let knew_weak = known.is_some_and(|known| known.as_bytes().starts_with(b"W/"));
    let mut response = next.run(request).await;
    let is_compressed = response.headers().contains_key(header::CONTENT_ENCODING);
    let still_holds = response.status() == StatusCode::NOT_MODIFIED;
    if is_compressed || (still_holds && knew_weak) {
        let tag = response.headers().get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
        let weak = tag.and_then(|tag| HeaderValue::try_from([b"W/", tag.as_bytes()].concat()).ok());
        if let Some(weak) = weak {
            response.headers_mut().insert(header::ETAG, weak);
        }
    }
    response
}
