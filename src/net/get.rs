//! One small thing from a host, over HTTP.

use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Origin, USER_AGENT, retry_after};

/// It could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// It was no HTTP.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The path is none that a request can have.
    #[error("the path cannot be asked for")]
    Path,
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
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, origin.authority())
        .header(header::USER_AGENT, USER_AGENT)
        .body(Empty::<Bytes>::new())
        .map_err(|_| GetError::Path)?;
    let answer = async {
        let response = sender.send_request(request).await?;
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
    };
    // The connection works while the answer is waited for, and ends with it.
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // Its end may be less than orderly once it has brought the answer.
        ended = connection => match (answer.await, ended) {
            (Err(GetError::Http(_)), Err(ended)) => Err(ended.into()),
            (answer, _) => answer,
        },
    }
}
