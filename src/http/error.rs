//! What a client is told when there is no answer: a closed set of errors, each with a name, a status and a
//! sentence.
//!
//! Nothing internal is in any of them; what happened inside is logged once, in [`super::answer`]. Bodies are
//! written in one place, [`render`], which also puts the bare refusals of the layers below into words.
//! Shape: CONTRACT §4.

use std::any::Any;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::codec::service_token::TokenFault;
use crate::search::TooMuch;
use crate::store::StoreError;
use crate::tables::view::RowsError;

/// Seconds after which a client that was turned away may try again: a query takes far less.
const RETRY_AFTER_SECONDS: u64 = 1;

/// The same where others have to answer first, who are left alone for some seconds when they fail.
const RETRY_RESOLVING_AFTER_SECONDS: u64 = 5;

/// The methods whose errors carry their message under a second name too (CONTRACT §4.1).
const CALENDAR_PATH: &str = "/xrpc/community.lexicon.calendar.";

/// What the head of an answer ends with.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Where the status is in the first line of an answer.
const STATUS_IN_LINE: std::ops::Range<usize> = 9..12;

/// Why a caller is not known. Nothing of what they sent is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unauthorized {
    #[error("MissingJwt: the header Authorization is missing: Bearer and a service token for this method")]
    Missing,
    #[error("BadJwt: the header Authorization is given more than once")]
    Repeated,
    #[error("BadJwt: the header Authorization must be Bearer and a service token")]
    Scheme,
    #[error("{name}: {0}", name = .0.name())]
    Token(TokenFault),
}

/// An error that a client can see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    #[error("the query string is not percent-encoded UTF-8")]
    BadQueryString,
    #[error("the parameter `{name}` is missing")]
    MissingParameter { name: &'static str },
    #[error("the parameter `{name}` is given more than once")]
    RepeatedParameter { name: &'static str },
    #[error("the parameter `{name}` must be {expected}")]
    BadParameter { name: &'static str, expected: &'static str },
    #[error("the handle in the parameter `{name}` does not resolve here: use the DID")]
    UnresolvedHandle { name: &'static str },
    #[error("the parameter `cursor` is not one that this query gave")]
    BadCursor,
    #[error("the cursor's results are kept for a minute or two, and no longer: search again")]
    ExpiredCursor,
    #[error("the parameter `query` is too long: {0}")]
    QueryTooLong(TooMuch),
    #[error("the parameter `repository` must be a DID of the method plc or web")]
    InvalidRepository,
    #[error("there is no search here now: it is switched off, or its index is being filled")]
    SearchUnavailable,
    #[error("the body must be JSON, and say so: content-type: application/json")]
    NotJson,
    #[error(
        "the body has a number with a fraction, or beyond 64 bits, or a `$link` or `$bytes` that is none"
    )]
    NotData,
    #[error("the input's `{path}` breaks the lexicon's rule `{rule}`")]
    BadInput { path: Box<str>, rule: Box<str> },
    #[error("the input's `{path}` must be {expected}")]
    BadField { path: Box<str>, expected: &'static str },
    #[error("the invite would end before it begins")]
    AlreadyExpired,
    #[error("a space of this type is there when its record is: publish or delete that")]
    IsRecords,
    #[error("a space of this type is a chat: make it in the Portal")]
    IsChats,
    #[error("the owner is always in the space")]
    IsOwner,
    #[error("there is a space with this type and key already")]
    SpaceExists,
    #[error("there are as many as there may be")]
    Quota,
    #[error("the invite is not valid")]
    InvalidInvite,
    #[error("this is for the owner of the space")]
    NotTheOwner,
    #[error("this is for members of the space")]
    NotAMember,
    #[error("the caller's account is not active")]
    InactiveAccount,
    #[error("there is no such space here")]
    SpaceNotFound,
    #[error("the space has no such invite")]
    InviteNotFound,
    #[error("too many calls: try again later")]
    TooOften { seconds: u64 },
    #[error("the body of the request did not come in time")]
    BodyTooSlow,
    #[error("there is no such round here")]
    RoundNotFound,
    #[error("there is no such event here")]
    EventNotFound,
    #[error("there is no such event here now")]
    NoSuchEvent,
    #[error("there is no such event here to set up")]
    NoEventToConfigure,
    #[error("the event is not the caller's")]
    NotTheCallersEvent,
    #[error("this is for the author of the event, with a record of their own")]
    NotTheAuthor,
    #[error("none of the settings is given")]
    NoSetting,
    #[error(
        "the URL to send people to must be of https, with a host and without a user name or a password, in at most 2048 visible characters of ASCII"
    )]
    BadRedirectUrl,
    #[error("the caller has no such ticket")]
    TicketNotFound,
    #[error("there is no such chat here")]
    ChatNotFound,
    #[error("the session has ended, or never was: log in")]
    NoSession,
    #[error("the cookie `psession` is given more than once, and not the same")]
    SeveralSessions,
    #[error("the page that makes this call is of another site")]
    CrossSite,
    #[error("this is for those who may manage the chat")]
    NotAManager,
    #[error("official chats are made by admins")]
    NotAnAdmin,
    #[error("there is no such RSVP here")]
    RsvpNotFound,
    #[error("there is no such method here")]
    UnknownMethod,
    #[error("this method is not called with that HTTP method")]
    WrongMethod,
    #[error("there is nothing here")]
    NotFound,
    #[error("the URI of the request is too long")]
    UriTooLong,
    #[error("the headers of the request are too large")]
    HeadersTooLarge,
    #[error("the body of the request is too large")]
    BodyTooLarge,
    #[error("too much is asked at once: try again in a moment")]
    Busy,
    #[error("it took too long: try again in a moment")]
    TooSlow,
    #[error(transparent)]
    Unauthorized(Unauthorized),
    #[error("the account of the token cannot be looked up at the moment: try again later")]
    Unresolvable,
    #[error("the request is not understood")]
    Malformed,
    #[error("something went wrong here, and was written down")]
    Internal,
}

impl ApiError {
    /// The status and the name of it.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::BadQueryString
            | ApiError::MissingParameter { .. }
            | ApiError::RepeatedParameter { .. }
            | ApiError::BadParameter { .. }
            | ApiError::UnresolvedHandle { .. }
            | ApiError::BadCursor
            | ApiError::QueryTooLong(_)
            | ApiError::NotJson
            | ApiError::NotData
            | ApiError::BadInput { .. }
            | ApiError::BadField { .. }
            | ApiError::AlreadyExpired
            | ApiError::IsRecords
            | ApiError::IsChats
            | ApiError::IsOwner
            | ApiError::NotTheCallersEvent
            | ApiError::NoSetting
            | ApiError::Malformed => (StatusCode::BAD_REQUEST, "InvalidRequest"),
            ApiError::ExpiredCursor => (StatusCode::BAD_REQUEST, "ExpiredCursor"),
            ApiError::BadRedirectUrl => (StatusCode::BAD_REQUEST, "InvalidRedirectUrl"),
            ApiError::InvalidInvite => (StatusCode::BAD_REQUEST, "InvalidInvite"),
            ApiError::Unauthorized(_) | ApiError::NoSession | ApiError::SeveralSessions => {
                (StatusCode::UNAUTHORIZED, "AuthRequired")
            }
            ApiError::NotTheOwner
            | ApiError::NotAMember
            | ApiError::NotTheAuthor
            | ApiError::InactiveAccount
            | ApiError::CrossSite
            | ApiError::NotAManager
            | ApiError::NotAnAdmin => (StatusCode::FORBIDDEN, "Forbidden"),
            ApiError::RoundNotFound => (StatusCode::NOT_FOUND, "RoundNotFound"),
            // The reference's own spellings.
            ApiError::EventNotFound => (StatusCode::NOT_FOUND, "not_found"),
            ApiError::InvalidRepository => (StatusCode::NOT_FOUND, "invalid_repository"),
            ApiError::SearchUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "search_unavailable"),
            ApiError::NoEventToConfigure => (StatusCode::NOT_FOUND, "EventNotFound"),
            ApiError::NotFound
            | ApiError::RsvpNotFound
            | ApiError::SpaceNotFound
            | ApiError::InviteNotFound
            | ApiError::NoSuchEvent
            | ApiError::TicketNotFound
            | ApiError::ChatNotFound => (StatusCode::NOT_FOUND, "NotFound"),
            ApiError::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            ApiError::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "RequestTimeout"),
            ApiError::SpaceExists => (StatusCode::CONFLICT, "AlreadyExists"),
            ApiError::Quota => (StatusCode::CONFLICT, "QuotaExceeded"),
            ApiError::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge"),
            ApiError::UriTooLong => (StatusCode::URI_TOO_LONG, "UriTooLong"),
            ApiError::TooOften { .. } => (StatusCode::TOO_MANY_REQUESTS, "RateLimitExceeded"),
            ApiError::HeadersTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HeadersTooLarge"),
            ApiError::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
            ApiError::UnknownMethod => (StatusCode::NOT_IMPLEMENTED, "MethodNotImplemented"),
            ApiError::Busy | ApiError::TooSlow | ApiError::Unresolvable => {
                (StatusCode::SERVICE_UNAVAILABLE, "NotEnoughResources")
            }
        }
    }

    fn name(&self) -> &'static str {
        self.kind().1
    }

    fn status(&self) -> StatusCode {
        self.kind().0
    }

    /// What a client is asked to prove itself with (RFC 6750 §3).
    fn challenge(&self) -> Option<&'static str> {
        match self {
            ApiError::Unauthorized(Unauthorized::Missing) => Some("Bearer"),
            ApiError::Unauthorized(Unauthorized::Repeated | Unauthorized::Scheme) => {
                Some("Bearer error=\"invalid_request\"")
            }
            ApiError::Unauthorized(Unauthorized::Token(_)) => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }

    /// Seconds after which the client may try again.
    fn retry_after(&self) -> Option<u64> {
        match self {
            ApiError::TooOften { seconds } => Some(*seconds),
            ApiError::Unresolvable => Some(RETRY_RESOLVING_AFTER_SECONDS),
            error => (error.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS),
        }
    }

    /// The refusal that a response without a body is, if it is one.
    pub(super) fn taken_from(response: &mut Response) -> Option<Self> {
        let status = response.status();
        let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|of| of == "application/json");
        let is_bare = (status.is_client_error() || status.is_server_error()) && !is_json;
        let error = response.extensions_mut().remove::<ApiError>();
        error.or_else(|| is_bare.then(|| ApiError::of_status(status)))
    }

    /// Writes what the head of an answer says of an error with so many bytes of body.
    pub(super) fn head(&self, headers: &mut HeaderMap, body_bytes: usize) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, body_bytes.into());
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
    }

    /// What a bare status of a layer means.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::METHOD_NOT_ALLOWED => ApiError::WrongMethod,
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
            StatusCode::NOT_FOUND => ApiError::NotFound,
            StatusCode::SERVICE_UNAVAILABLE => ApiError::Busy,
            status if status.is_client_error() => ApiError::Malformed,
            _ => ApiError::Internal,
        }
    }
}

impl From<Unauthorized> for ApiError {
    fn from(error: Unauthorized) -> Self {
        ApiError::Unauthorized(error)
    }
}

impl From<TokenFault> for ApiError {
    fn from(fault: TokenFault) -> Self {
        ApiError::Unauthorized(Unauthorized::Token(fault))
    }
}

impl IntoResponse for ApiError {
    /// A response without a body: [`render`] knows the request, and writes it.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Why a query gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The client is told.
    #[error(transparent)]
    Client(#[from] ApiError),
    /// We are.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RowsError> for Failure {
    fn from(error: RowsError) -> Self {
        Failure::Store(error.into())
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
}

/// Gives every refusal its body.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let is_calendar = request.uri().path().starts_with(CALENDAR_PATH);
    let is_head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let Some(error) = ApiError::taken_from(&mut response) else { return response };
    let message = error.to_string();
    let error_description = is_calendar.then(|| message.clone());
    let body = ErrorBody { error: error.name(), message, error_description };
    let body = serde_json::to_vec(&body).expect("a map of strings serialises");
    error.head(response.headers_mut(), body.len());
    *response.body_mut() = if is_head { Body::empty() } else { body.into() };
    response
}

/// The answer in place of a bare refusal by the HTTP library; `None` for anything else. `empty` is the line that
/// marks one. What is too large in a request of which a line was read are its headers.
pub(super) fn instead_of(refusal: &[u8], empty: &[u8], line_read: bool) -> Option<Vec<u8>> {
    // All of it is one head. Several answers to a client that did not wait for them may be written at once, and
    // one of them may have no body.
    let end = refusal.windows(HEAD_END.len()).position(|window| window == HEAD_END)?;
    let is_one = end + HEAD_END.len() == refusal.len();
    if !is_one || !refusal.windows(empty.len()).any(|window| window == empty) {
        return None;
    }
    let status = std::str::from_utf8(refusal.get(STATUS_IN_LINE)?).ok()?;
    let error = match StatusCode::from_bytes(status.as_bytes()).ok()? {
        StatusCode::URI_TOO_LONG => ApiError::UriTooLong,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if line_read => ApiError::HeadersTooLarge,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::UriTooLong,
        _ => ApiError::Malformed,
    };
    let message = error.to_string();
    // Nobody knows which method was meant, so that both names of the message are given.
    let body = ErrorBody { error: error.name(), error_description: Some(message.clone()), message };
    let body = serde_json::to_string(&body).expect("a map of strings serialises");
    let (status, length) = (error.status(), body.len());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         access-control-allow-origin: *\r\nconnection: close\r\n\r\n"
    );
    Some((head + &body).into_bytes())
}

/// The answer to a request whose handler panicked. The panic itself was reported by its hook.
pub(super) fn after_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::Internal.into_response()
}

#[cfg(test)]
mod tests {
    use super::instead_of;

    const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";

    #[test]
    fn only_a_bare_refusal_is_put_into_words() {
        let bare =
            "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        for (line_read, name) in [(true, "HeadersTooLarge"), (false, "UriTooLong")] {
            let instead = instead_of(bare.as_bytes(), EMPTY, line_read).unwrap();
            assert!(String::from_utf8(instead).unwrap().contains(name));
        }
        // Ours, and one without a body after it, as a client gets them that asks without waiting.
        let ours = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}";
        let without = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        for written in [ours.to_owned(), format!("{ours}{without}"), format!("{bare}{ours}")] {
            assert_eq!(instead_of(written.as_bytes(), EMPTY, true), None, "{written}");
        }
    }
}
