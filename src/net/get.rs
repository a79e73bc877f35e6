//! One small thing from a host, over HTTP.

use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::{StatusCode, header, http};
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::exchange;
use super::{Origin, retry_after};

/// It could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// It was no HTTP.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The path is none that a request can have.
    #[error("the path cannot be asked for")]
    Path(#[from] http::Error),
    /// The answer is larger than it may be.
    #[error("the answer is too large")]
    TooLarge,
}

/// What the host answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Where it says that the thing is.
    pub location: Option<String>,
    /// When it wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The body of a success; nothing else is read.
    pub body: Vec<u8>,
}

/// `GET path` over a connection to `origin`, with a body of at most `bytes_max`. Follows no redirect, and keeps no
/// time: the caller does both.
///
/// # Errors
/// It was no HTTP, or too much of it.
pub async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    origin: &Origin,
    path: &str,
    bytes_max: usize,
) -> Result<Answer, GetError> {
    exchange(stream, origin, path, async |answering| {
        let response = answering.await?;
        let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        let mut answer = Answer {
            status: response.status(),
            location: location.map(str::to_owned),
            retry_after: retry_after(response.headers()),
            body: Vec::new(),
        };
        if answer.status.is_success() {
            let body = Limited::new(response.into_body(), bytes_max).collect().await;
            let broken = |error: Box<dyn Error + Send + Sync>| match error.downcast::<hyper::Error>() {
                Ok(error) => GetError::Http(*error),
                Err(_) => GetError::TooLarge,
            };
            answer.body = body.map_err(broken)?.to_bytes().to_vec();
        }
        Ok(answer)
    })
    .await
}
