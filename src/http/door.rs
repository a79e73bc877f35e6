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
use crate::syntax::{Did, TokenHash};

/// How long a client waits for the writer before it hears 503. What it asked for may be done all the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who is known: by a token that is good and was not used yet as far as is known, or by a session.
pub(super) struct Visitor {
    did: Did,
    by: By,
    address: Option<IpAddr>,
}

impl Visitor {
    /// Finds out who calls a method.
    pub(super) async fn at(shared: &Shared, parts: &Parts, method: &'static str) -> Result<Self, ApiError> {
        let address = parts.extensions.get::<Client>().map(|client| client.0);
        shared.pace().of_address(address)?;
        let Caller { did, nonce } = authenticate(shared.service(), &parts.headers, method).await?;
        let by = By::Caller { did: did.clone(), nonce };
        let visitor = Self { did, by, address };
        visitor.count(shared)?;
        Ok(visitor)
    }

    /// Somebody with a session. What comes from their address is counted already, and they are not.
    pub(super) fn with_session(address: Option<IpAddr>, did: &Did, hash: TokenHash) -> Self {
        Self { by: By::Session { did: did.clone(), hash }, did: did.clone(), address }
    }

    /// Counts a call of theirs.
    pub(super) fn count(&self, shared: &Shared) -> Result<(), ApiError> {
        // A host that calls for its people has one address for all of them: one who asks too much must not use it up.
        shared.pace().of_person(&self.did).inspect_err(|_| shared.pace().was_known(self.address))
    }

    /// Who it is.
    pub(super) fn did(&self) -> &Did {
        &self.did
    }

    /// Has the writer do something for them.
    pub(super) async fn ask(&self, shared: &Shared, command: Command) -> Result<Done, ApiError> {
        let pace = shared.pace();
        let may_fail = matches!(command, Command::Redeem { .. });
        if !matches!(command, Command::Admit | Command::EndSession) {
            pace.of_change(self.did(), self.address)?;
        }
        if may_fail {
            pace.may_fail(self.did())?;
        }
        let refused = refused(&self.by, &command);
        let asked = shared.service().desk.ask(Request { by: self.by.clone(), command });
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        match answer {
            Ok(Ok(Err(Refusal::InvalidInvite))) => pace.failed(self.address)?,
            _ if may_fail => pace.succeeded(self.did()),
            _ => {}
        }
        match answer {
            Ok(Ok(answer)) => answer.map_err(refused),
            Ok(Err(Unanswered::Full)) => Err(ApiError::Busy),
            Ok(Err(Unanswered::Gone)) | Err(_) => Err(ApiError::TooSlow),
        }
    }
}

/// What a refusal of this command is called: what it is called by everybody, but that the methods of Smoke Signal have
/// names of their own (RULES §7), and the Portal speaks of chats.
fn refused(by: &By, command: &Command) -> fn(Refusal) -> ApiError {
    match (by, command) {
        (_, Command::Configure { .. }) => |refusal| match refusal {
            Refusal::Forbidden => ApiError::NotTheCallersEvent,
            Refusal::EventNotFound => ApiError::NoEventToConfigure,
            refusal => refusal.into(),
        },
        (_, Command::Link { .. }) => |refusal| match refusal {
            Refusal::Forbidden => ApiError::NotTheAuthor,
            refusal => refusal.into(),
        },
        (By::Session { .. }, Command::CreateChat { .. }) => |refusal| match refusal {
            Refusal::Forbidden => ApiError::NotAnAdmin,
            refusal => refusal.into(),
        },
        (By::Session { .. }, _) => |refusal| match refusal {
            Refusal::Forbidden => ApiError::NotAManager,
            Refusal::SpaceNotFound => ApiError::ChatNotFound,
            refusal => refusal.into(),
        },
        (By::Caller { .. } | By::Operator, _) => ApiError::from,
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
            Refusal::IsChats => ApiError::IsChats,
            Refusal::EventNotFound => ApiError::NoSuchEvent,
            Refusal::TicketNotFound => ApiError::TicketNotFound,
            Refusal::NoSession => ApiError::NoSession,
            Refusal::Quota => ApiError::Quota,
            Refusal::Ended => ApiError::AlreadyExpired,
            Refusal::InvalidInvite => ApiError::InvalidInvite,
            Refusal::IsOwner => ApiError::IsOwner,
        }
    }
}

/// What a client is told when the writer did something else than it was asked.
pub(super) fn other_than_asked(method: &'static str) -> ApiError {
    tracing::error!(method, "the writer did something else than it was asked");
    ApiError::Internal
}

/// Marks an answer as meant for one caller: nobody on the way may keep it.
pub(super) fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.remove(header::ETAG);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
