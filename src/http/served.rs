//! The lexicons, served as they are in the tree. Spec: CONTRACT §4.4.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::ApiError;
use crate::records::lexicon::SOURCES;

/// Bytes of a hash that make an entity tag.
const TAG_BYTES: usize = 8;

/// A lexicon document and its entity tag.
struct Served {
    text: &'static str,
    tag: String,
}

static SERVED: LazyLock<HashMap<String, Served>> = LazyLock::new(|| {
    let served = |text: &&'static str| {
        let document: Value = serde_json::from_str(text).ok()?;
        let hash = Sha256::digest(text);
        let tag: String = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Some((document.get("id")?.as_str()?.to_owned(), Served { text, tag: format!("\"{tag}\"") }))
    };
    SOURCES.iter().filter_map(served).collect()
});

/// `/lexicons/<nsid>`.
pub(super) async fn lexicon(Path(nsid): Path<String>, headers: HeaderMap) -> Response {
    let Some(served) = SERVED.get(&nsid) else { return ApiError::NotFound.into_response() };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let known =
        known.unwrap_or_default().split(',').any(|one| one.trim().trim_start_matches("W/") == served.tag);
    let tag = (header::ETAG, served.tag.clone());
    if known {
        return (StatusCode::NOT_MODIFIED, [tag]).into_response();
    }
    ([tag, (header::CONTENT_TYPE, "application/json".to_owned())], served.text).into_response()
}
