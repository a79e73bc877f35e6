//! Who calls: a service token in the header `Authorization`, from the header to a proved account.
//!
//! What needs no key is checked first, so that nothing is looked up for a token that could not count anyway. Whether the
//! token was used before is the writer's to say, who notes it with what the token was for; whether its account is active
//! is another question. No part of a token is logged or shown. Spec: CONTRACT §4.3, PROTOCOL §11.
#![allow(clippy::disallowed_methods, reason = "a shell: tokens count for some minutes of the clock")]

use std::time::Duration;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;

use super::Service;
use super::error::{ApiError, Unauthorized};
use crate::codec::service_token::{ServiceToken, TokenFault};
use crate::identity::{Resolver, Unproved, Unresolved};
use crate::spaces::command::Nonce;
use crate::syntax::Did;
use crate::tables::keys::NonceId;

/// How long a caller waits for an account to be looked up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The scheme of the header, in any case.
const SCHEME: &str = "Bearer";

/// Who calls, proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The account.
    pub(super) did: Did,
    /// What the token is known again by. It counts once.
    pub(super) nonce: Nonce,
}

/// Who calls this method with these headers.
///
/// # Errors
/// Nobody who could be told, or it cannot be found out now.
pub(super) async fn authenticate(
    service: &Service,
    headers: &HeaderMap,
    method: &'static str,
) -> Result<Caller, ApiError> {
    let token = ServiceToken::parse(bearer(headers)?)?;
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
    token.check(now, &service.service_did, method)?;
    let vouched = match service.identities.vouches(&token) {
        Some(vouched) => vouched,
        None => ask(&service.identities, &token).await,
    };
    vouched.map_err(refusal)?;
    let nonce = token.nonce();
    let nonce = Nonce { id: NonceId(nonce.hash), expires: nonce.expires };
    Ok(Caller { did: token.issuer().clone(), nonce })
}

/// What follows the scheme, in the only header of its name.
fn bearer(headers: &HeaderMap) -> Result<&str, Unauthorized> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Unauthorized::Missing)?;
    if values.next().is_some() {
        return Err(Unauthorized::Repeated);
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Unauthorized::Scheme)?;
    let token = token.trim_matches(' ');
    if scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty() {
        Ok(token)
    } else {
        Err(Unauthorized::Scheme)
    }
}

/// Asks the network. Once begun it goes on when its caller has gone: what it finds is for the next.
async fn ask(identities: &Resolver, token: &ServiceToken) -> Result<(), Unproved> {
    let (identities, token) = (identities.clone(), token.clone());
    let asking = tokio::spawn(async move { identities.vouch(&token).await });
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(vouched)) => vouched,
        Ok(Err(_)) | Err(_) => Err(Unresolved::Busy.into()),
    }
}

/// What the caller is told: that it will not do, or that it may do later.
fn refusal(unproved: Unproved) -> ApiError {
    match unproved {
        Unproved::BadSignature => TokenFault::Signature.into(),
        Unproved::NoSigningKey => TokenFault::NoKey.into(),
        Unproved::Unresolved(Unresolved::Unsupported | Unresolved::NotThere | Unresolved::Offline) => {
            TokenFault::UnknownIssuer.into()
        }
        Unproved::Unresolved(Unresolved::Directory(_) | Unresolved::Failed(_) | Unresolved::Busy) => {
            ApiError::Unresolvable
        }
    }
}
