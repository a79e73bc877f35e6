//! Answers as the Portal gives them, for one caller alone, and errors as it words them: a text, and an id by which the
//! request is found in the log.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use tracing::Instrument as _;
use uuid::{Builder, Uuid};

use crate::http::error::ApiError;
use crate::http::requests::Correlation;

#[derive(Serialize)]
struct ErrorBody {
    error: String,
    correlation_id: String,
}

/// Gives every refusal its body. What is logged meanwhile has the id too.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    let correlation_id = new_id();
    // Of the level of what is always logged, so that whatever is has the id.
    let span = tracing::error_span!("portal", %correlation_id);
    let mut response = next.run(request).instrument(span).await;
    // Every answer is for one caller, and none is anything but JSON.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let Some(error) = ApiError::taken_from(&mut response) else { return response };
    let body = ErrorBody { error: error.to_string(), correlation_id: correlation_id.to_string() };
    let body = serde_json::to_vec(&body).expect("a map of strings serialises");
    response.extensions_mut().insert(Correlation(correlation_id));
    error.head(response.headers_mut(), body.len());
    *response.body_mut() = if is_head { Body::empty() } else { body.into() };
    response
}

fn new_id() -> Uuid {
    let mut bytes = [0; 16];
    // It is for finding things in a log: without randomness it is merely no help.
    let _ = getrandom::fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}
