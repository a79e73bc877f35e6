//! Why nothing could be had from a host.

use std::io;
use std::sync::Arc;

use hyper::StatusCode;

use super::GetError;
use super::guard::Forbidden;

/// Asking a host failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// The name could not be looked up.
    #[error("the name cannot be looked up: {0}")]
    Name(#[source] Arc<io::Error>),
    /// It leads where we do not go.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Nobody took the connection, or TLS failed on it.
    #[error("no connection: {0}")]
    Connection(#[source] Arc<io::Error>),
    /// What was answered is no HTTP, or too much.
    #[error(transparent)]
    Get(Arc<GetError>),
    /// The host answered with an error.
    #[error("the host answered {0}")]
    Status(StatusCode),
    /// It redirects where it must not, or too often.
    #[error("the host redirects to where it cannot be followed")]
    Redirect,
    /// The host asked us to leave it alone for a while, or has just failed.
    #[error("the host is left alone for a moment")]
    LeftAlone,
    /// What was answered is not what was asked for.
    #[error("the answer is no document, or no DID")]
    Unreadable,
    /// It is somebody else's document.
    #[error("the answer is the document of another account")]
    Foreign,
}

impl From<GetError> for Failure {
    fn from(error: GetError) -> Self {
        Failure::Get(Arc::new(error))
    }
}
