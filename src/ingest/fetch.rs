//! One small thing from a host, over HTTP.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Bytes;

use super::connect::{USER_AGENT, dial, tls};
use super::endpoint::Endpoint;

/// It could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// It took too long.
    #[error("no answer within {} seconds", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The network refused.
    #[error("no connection: {0}")]
    Io(#[from] std::io::Error),
    /// The host's name is none that TLS knows.
    #[error("the host has no name for TLS")]
    Name,
    /// It was no HTTP.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The answer was an error.
    #[error("the host answered {0}")]
    Status(StatusCode),
    /// The answer is larger than it may be, or ended too early.
    #[error("the answer cannot be read or is too large")]
    Body,
}

/// The body of `GET path`, if it is not larger than that. Follows no redirects: what we ask for is small, and the
/// host that streams has it.
pub(super) async fn fetch(
    endpoint: &Endpoint,
    path: &str,
    bytes_max: usize,
    patience: Duration,
) -> Result<Vec<u8>, FetchError> {
    let got = async {
        let stream = dial(endpoint).await?;
        if !endpoint.is_tls() {
            return get(stream, endpoint, path, bytes_max).await;
        }
        let name = ServerName::try_from(endpoint.host().to_owned()).map_err(|_| FetchError::Name)?;
        let stream = TlsConnector::from(tls()).connect(name, stream).await?;
        get(stream, endpoint, path, bytes_max).await
    };
    tokio::time::timeout(patience, got).await.unwrap_or(Err(FetchError::TimedOut(patience)))
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    endpoint: &Endpoint,
    path: &str,
    bytes_max: usize,
) -> Result<Vec<u8>, FetchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, endpoint.authority())
        .header(header::USER_AGENT, USER_AGENT)
        .body(Empty::<Bytes>::new())
        .expect("an endpoint and a path make a request");
    let answer = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), bytes_max).collect().await;
        Ok(body.map_err(|_| FetchError::Body)?.to_bytes().to_vec())
    };
    // The connection works while the answer is waited for, and ends with it.
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = connection => {
            ended?;
            answer.await
        }
    }
}
