//! One small thing from a host, over HTTP.

use std::time::Duration;

use hyper::StatusCode;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::connect::{LedBy, dial};
use super::endpoint::Endpoint;
use crate::net::{GetError, get, system_tls};

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
    /// The answer was an error.
    #[error("the host answered {0}")]
    Status(StatusCode),
    /// It was no HTTP, or too much.
    #[error(transparent)]
    Get(#[from] GetError),
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
        let stream = dial(endpoint, LedBy::Operator).await?;
        let answer = if endpoint.is_tls() {
            let name = ServerName::try_from(endpoint.host().to_owned()).map_err(|_| FetchError::Name)?;
            let stream = TlsConnector::from(system_tls()).connect(name, stream).await?;
            get(stream, endpoint.origin(), path, bytes_max).await?
        } else {
            get(stream, endpoint.origin(), path, bytes_max).await?
        };
        if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(FetchError::Status(answer.status)) }
    };
    tokio::time::timeout(patience, got).await.unwrap_or(Err(FetchError::TimedOut(patience)))
}
