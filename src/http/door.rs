//! Who comes in: a caller with a service token, counted, and what they ask of the writer.
//!
//! A token counts once. The writer notes that with whatever it was for, so that every call that takes one goes through
//! the writer, also one that only asks.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::answer::Shared;
use super::auth::{Caller, authenticate};
use super::error::ApiError;
use super::requests::Client;
use crate::codec::service_token::TokenFault;
use crate::orders::Unanswered;
use crate::spaces::command::{By, Command, Done, Refusal, Request};
use crate::syntax::Did;

/// How long a client waits for the writer before it hears 503. What it asked for may be done all the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// A caller whose token is good, and was not used yet as far as is known.
pub(super) struct Visitor {
    caller: Caller,
    address: Option<IpAddr>,
}

impl Visitor {
    /// Finds out who calls a method.
    pub(super) async fn at(shared: &Shared, parts: &Parts, method: &'static str) -> Result<Self, ApiError> {
        let address = parts.extensions.get::<Client>().map(|client| client.0);
        shared.pace().of_address(address)?;
        let caller = authenticate(shared.service(), &parts.headers, method).await?;
        // A host that calls for its people has one address for all of them: one who asks too much must not use it up.
        shared.pace().of_person(&caller.did).inspect_err(|_| shared.pace().was_known(address))?;
        Ok(Self { caller, address })
    }

    /// Who it is.
    pub(super) fn did(&self) -> &Did {
        &self.caller.did
    }

    /// Has the writer do something for them.
    pub(super) async fn ask(&self, shared: &Shared, command: Command) -> Result<Done, ApiError> {
        let pace = shared.pace();
        let may_fail = matches!(command, Command::Redeem { .. });
        if command != Command::Admit {
            pace.of_change(self.did(), self.address)?;
        }
        if may_fail {
            pace.may_fail(self.did())?;
        }
        let by = By::Caller { did: self.did().clone(), nonce: self.caller.nonce };
        let asked = shared.service().desk.ask(Request { by, command });
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        match answer {
            Ok(Ok(Err(Refusal::InvalidInvite))) => pace.failed(self.address)?,
            _ if may_fail => pace.succeeded(self.did()),
            _ => {}
        }
        match answer {
            Ok(Ok(answer)) => answer.map_err(ApiError::from),
            Ok(Err(Unanswered::Full)) => Err(ApiError::Busy),
            Ok(Err(Unanswered::Gone)) | Err(_) => Err(ApiError::TooSlow),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Replayed => TokenFault::Replayed.into(),
            Refusal::Inactive => ApiError::InactiveAccount,
            Refusal::SpaceNotFound => ApiError::SpaceNotFound,
            Refusal::InviteNotFound => ApiError::InviteNotFound,
            Refusal::Forbidden => ApiError::NotTheOwner,
            Refusal::AlreadyExists => ApiError::SpaceExists,
            Refusal::IsRecords => ApiError::IsRecords,
            Refusal::Quota => ApiError::Quota,
            Refusal::Ended => ApiError::AlreadyExpired,
            Refusal::InvalidInvite => ApiError::InvalidInvite,
            Refusal::IsOwner => ApiError::IsOwner,
        }
    }
}

/// Marks an answer as meant for one caller: nobody on the way may keep it.
pub(super) fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.remove(header::ETAG);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
