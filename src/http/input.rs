//! The input of what changes something: a body of JSON. That of a procedure is checked by its lexicon before anything
//! reads it.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError};
use ipld_core::serde::from_ipld;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::codec::json::to_ipld;
use crate::records::lexicon::LEXICONS;

/// How long a client may take to send its input, which is a few hundred bytes.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Reads the input of a method. How large it may be is a layer's affair.
pub(super) async fn read<I: DeserializeOwned>(
    method: &'static str,
    headers: &HeaderMap,
    body: Body,
) -> Result<I, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::NotJson);
    }
    let bytes = bytes_of(body).await?;
    let input = serde_json::from_slice(&bytes).map_err(|_| ApiError::NotJson)?;
    let input = to_ipld(input).ok_or(ApiError::NotData)?;
    // Where a lexicon is missing everything would pass.
    let deviations = LEXICONS.input_deviations(method, &input).ok_or(ApiError::Internal)?;
    if let Some(first) = deviations.into_iter().next() {
        return Err(ApiError::BadInput { path: first.path.into(), rule: first.rule.into() });
    }
    from_ipld(input).map_err(|_| ApiError::Malformed)
}

/// Reads an input that has no lexicon: the fields of an object, and none where there is no body at all.
pub(super) async fn fields(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, ApiError> {
    let bytes = bytes_of(body).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    if !is_json(headers) {
        return Err(ApiError::NotJson);
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(ApiError::NotJson),
    }
}

async fn bytes_of(body: Body) -> Result<Bytes, ApiError> {
    let body =
        tokio::time::timeout(BODY_TIME_MAX, body.collect()).await.map_err(|_| ApiError::BodyTooSlow)?;
    Ok(body.map_err(|error| unreadable(&error))?.to_bytes())
}

/// Whether the body is said to be JSON. Parameters after the type say nothing that matters.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn unreadable(error: &axum::Error) -> ApiError {
    let mut causes = std::iter::successors(Some(error as &dyn Error), |error| (*error).source());
    if causes.any(|cause| cause.is::<LengthLimitError>()) {
        ApiError::BodyTooLarge
    } else {
        ApiError::Malformed
    }
}
