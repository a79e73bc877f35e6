//! Who the service is to others: the DID that tokens for it name, and the document of that DID. Spec: CONTRACT §4.4.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answer::{Shared, json};
use super::error::ApiError;
use crate::codec::service_token::SERVICE_FRAGMENT;
use crate::net::Origin;
use crate::syntax::Did;

/// What a DID document says that it is.
const CONTEXT: &str = "https://www.w3.org/ns/did/v1";

/// What kind of service this is.
const KIND: &str = "Guestlist";

/// The `did:web` of the host of a URL, with its port where that is not the usual one. `None` where there is none: for no
/// URL, and for an address of IPv6, which cannot be written in a DID.
pub fn did_web_of(public_url: &str) -> Option<Did> {
    let uri: Uri = public_url.parse().ok()?;
    let authority = Origin::of(&uri).ok()?.authority();
    Did::parse(&format!("did:web:{}", authority.replace(':', "%3A"))).ok()
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@context")]
    context: [&'static str; 1],
    id: &'a Did,
    service: [Entry<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    id: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    service_endpoint: &'a str,
}

/// `/.well-known/did.json`. Where the service has another DID, its document is elsewhere.
pub(super) async fn document(State(shared): State<Arc<Shared>>) -> Response {
    let service = shared.service();
    let (id, endpoint) = (&service.service_did, service.public_url.as_str());
    let here = did_web_of(endpoint);
    // The percent sign of a port may be written in two ways, and a name in many.
    if !here.is_some_and(|here| here.as_str().eq_ignore_ascii_case(id.as_str())) {
        return ApiError::NotFound.into_response();
    }
    let entry = Entry { id: SERVICE_FRAGMENT, kind: KIND, service_endpoint: endpoint };
    json(StatusCode::OK, &Document { context: [CONTEXT], id, service: [entry] })
}
