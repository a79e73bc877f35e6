//! Opening a connection: name, TCP, TLS, upgrade, and the redirects on the way.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::endpoint::Endpoint;
use crate::net::{USER_AGENT, is_public, retry_after, system_tls};

/// An open stream.
pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Redirects that are followed for one connection. A relay behind a balancer needs one.
const REDIRECTS_MAX: u32 = 5;

/// Bytes that are read from the kernel at once: the framing runs faster in a small buffer than in the usual
/// one, which leaves the cache.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Bytes that are sent when there are so many, and that wait to be sent at most. All that we send is pings and
/// answers to pings; without a limit those of a host that pings and does not read would pile up.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// The longest wait that a host may ask for. Beyond it we rather ask again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// No connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The host answered the upgrade with a status.
    #[error("the host answered {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It redirects too often, or to where we do not go.
    #[error("the host redirects to where it cannot be followed")]
    Redirect,
    /// It took too long.
    #[error("no connection within {} seconds", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The network refused.
    #[error("no connection: {0}")]
    Io(#[from] std::io::Error),
    /// TLS or the upgrade failed.
    #[error("no stream: {0}")]
    Stream(#[source] Box<Error>),
}

impl ConnectError {
    /// Whether asking again soon is of no use: somebody has to change something first.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            ConnectError::Status { status, .. } => {
                let passing =
                    [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
                status.is_client_error() && !passing.contains(status)
                    || *status == StatusCode::NOT_IMPLEMENTED
                    || status.is_success()
            }
            ConnectError::Redirect => true,
            ConnectError::TimedOut(_) | ConnectError::Io(_) | ConnectError::Stream(_) => false,
        }
    }

    /// How long the host asks us to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            ConnectError::Status { status, retry_after } => {
                let heard = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
                retry_after.filter(|_| heard.contains(status)).map(|wait| wait.min(RETRY_AFTER_MAX))
            }
            _ => None,
        }
    }
}

/// What to connect to, and how.
pub(super) struct Request<'a> {
    /// The host.
    pub(super) endpoint: &'a Endpoint,
    /// The path with its query.
    pub(super) path: String,
    /// Bytes of a message, above which the stream breaks.
    pub(super) message_bytes_max: usize,
    /// How long all of it may take.
    pub(super) patience: Duration,
}

impl Request<'_> {
    /// Opens the stream. `redirected` hears of every redirect that is followed.
    pub(super) async fn open(self, redirected: impl Fn(&Endpoint)) -> Result<Socket, ConnectError> {
        let patience = self.patience;
        tokio::time::timeout(patience, self.follow(redirected))
            .await
            .unwrap_or(Err(ConnectError::TimedOut(patience)))
    }

    async fn follow(self, redirected: impl Fn(&Endpoint)) -> Result<Socket, ConnectError> {
        let (mut endpoint, mut path) = (self.endpoint.clone(), self.path.clone());
        let mut led_by = LedBy::Operator;
        for _ in 0..=REDIRECTS_MAX {
            let stream = dial(&endpoint, led_by).await.map_err(ConnectError::Io)?;
            if stream.peer_addr().is_ok_and(|peer| is_public(peer.ip())) {
                led_by = LedBy::Stranger;
            }
            let response = match upgrade(stream, &endpoint, &path, self.message_bytes_max).await {
                Ok(socket) => return Ok(socket),
                Err(Error::Http(response)) => response,
                Err(Error::Io(error)) => return Err(ConnectError::Io(error)),
                Err(error) => return Err(ConnectError::Stream(Box::new(error))),
            };
            if !response.status().is_redirection() {
                return Err(refused(&response));
            }
            let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            (endpoint, path) =
                location.and_then(|to| endpoint.redirected(to)).ok_or(ConnectError::Redirect)?;
            // Without our query the stream would begin at its end, and what lies between would be lost.
            path = with_query(&path, &self.path);
            redirected(&endpoint);
        }
        Err(ConnectError::Redirect)
    }
}

/// A path with the query of another, unless it says where to begin itself.
fn with_query(path: &str, asked: &str) -> String {
    let Some((_, query)) = asked.split_once('?') else { return path.to_owned() };
    match path.split_once('?') {
        None => format!("{path}?{query}"),
        Some((_, own)) if own.split('&').any(|pair| pair.starts_with("cursor=")) => path.to_owned(),
        Some(_) => format!("{path}&{query}"),
    }
}

async fn upgrade(
    stream: TcpStream,
    endpoint: &Endpoint,
    path: &str,
    message_bytes_max: usize,
) -> Result<Socket, Error> {
    let mut request = format!("{endpoint}{path}").into_client_request()?;
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max));
    let connector = if endpoint.is_tls() { Connector::Rustls(system_tls()) } else { Connector::Plain };
    let (socket, _) = client_async_tls_with_config(request, stream, Some(config), Some(connector)).await?;
    Ok(socket)
}

/// Who led us to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LedBy {
    /// Whoever runs this, or a host in a private network that they named: it may be anywhere.
    Operator,
    /// A host in public. It must not lead us into the network that we stand in.
    Stranger,
}

/// A TCP connection to a host: to one of the addresses that were looked at.
pub(super) async fn dial(endpoint: &Endpoint, led_by: LedBy) -> std::io::Result<TcpStream> {
    let addresses: Vec<_> = lookup_host((endpoint.host(), endpoint.port())).await?.collect();
    if !may_connect(&addresses, led_by) {
        return Err(std::io::Error::other("the redirect leads into a private network"));
    }
    let stream = TcpStream::connect(&addresses[..]).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn may_connect(addresses: &[SocketAddr], led_by: LedBy) -> bool {
    led_by == LedBy::Operator || addresses.iter().all(|address| is_public(address.ip()))
}

fn refused(response: &tungstenite::http::Response<Option<Vec<u8>>>) -> ConnectError {
    ConnectError::Status { status: response.status(), retry_after: retry_after(response.headers()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_tungstenite::tungstenite::http::{Response, StatusCode};

    use super::{ConnectError, LedBy, may_connect, refused};

    fn answer(status: u16, retry_after: Option<&str>) -> ConnectError {
        let mut response = Response::builder().status(status);
        if let Some(wait) = retry_after {
            response = response.header("Retry-After", wait);
        }
        refused(&response.body(None).unwrap())
    }

    #[test]
    fn a_host_that_is_busy_says_when_to_come_back_and_is_heard_within_reason() {
        assert_eq!(answer(429, Some("7")).retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(answer(503, Some(" 7 ")).retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(answer(429, Some("999999")).retry_after(), Some(Duration::from_secs(3600)));
        assert_eq!(answer(500, Some("7")).retry_after(), None, "others have no say");
        for odd in ["", "soon", "-5", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(answer(429, Some(odd)).retry_after(), None, "{odd}");
        }
        let dated = answer(429, Some("Fri, 06 Nov 2099 08:49:37 GMT")).retry_after();
        assert_eq!(dated, Some(Duration::from_secs(3600)));
    }

    #[test]
    fn a_public_host_leads_nobody_into_a_private_network() {
        let to = |addresses: &[&str]| addresses.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>();
        for (addresses, of_operator, of_stranger) in [
            (&["1.1.1.1:443", "[2606:4700::1]:443"][..], true, true),
            (&["10.0.0.1:443"], true, false),
            (&["1.1.1.1:443", "127.0.0.1:443"], true, false),
        ] {
            let may = [LedBy::Operator, LedBy::Stranger].map(|led_by| may_connect(&to(addresses), led_by));
            assert_eq!(may, [of_operator, of_stranger], "{addresses:?}");
        }
    }

    #[test]
    fn what_somebody_has_to_change_is_told_from_what_passes() {
        let lasting = [200, 400, 401, 403, 404, 405, 426, 501];
        let passing = [408, 425, 429, 500, 502, 503, 504];
        for (status, expected) in lasting.map(|s| (s, true)).into_iter().chain(passing.map(|s| (s, false))) {
            assert_eq!(answer(status, None).is_lasting(), expected, "{status}");
            assert!(StatusCode::from_u16(status).is_ok());
        }
    }
}
