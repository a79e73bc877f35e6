//! Connections: taking them on, as many as there is room for, and ending them when the daemon stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::caller::{Addresses, Peer};
use super::patience::Patient;
use super::requests::Trusted;

/// Connections at the same time. More wait in the operating system's queue; each takes a few kilobytes.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the head of a request, or for the first byte of one on a connection that is kept.
    pub(super) head_time_max: Duration,
    /// To accept the next bytes of an answer.
    pub(super) write_time_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // Far more than a slow network takes, and an end to a client that means no good.
        Self { head_time_max: Duration::from_secs(20), write_time_max: Duration::from_secs(30) }
    }
}

/// Bytes of a request's head. Room for the longest URI that there can be, 64 KiB.
const HEAD_BYTES_MAX: usize = 96 * 1024;

/// Wait after a failure to accept a connection: most pass, and one that does not must not fill the log.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers requests until `stop`, then finishes those that have begun. What proxies at `trusted` addresses say
/// of their clients is believed.
///
/// # Errors
/// None so far: a connection that fails is that client's loss.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    trusted: Vec<Addresses>,
    stop: CancellationToken,
) -> io::Result<()> {
    serve_with(listener, router, trusted, stop, Patience::default()).await
}

/// [`serve`] with other patience.
pub(super) async fn serve_with(
    listener: TcpListener,
    router: Router,
    trusted: Vec<Addresses>,
    stop: CancellationToken,
    patience: Patience,
) -> io::Result<()> {
    let trusted = Trusted(trusted.into());
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // An answer goes out when it is there; whether this works or not, it is right.
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(stream, patience.write_time_max);
        let peer = Peer::new(peer, &trusted.0);
        let trusted = trusted.clone();
        let asked = Arc::new(AtomicBool::new(false));
        let asks = Arc::clone(&asked);
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            asks.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(trusted.clone());
            request
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.head_time_max)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(client = %peer.address, %error, "a connection ended early");
                },
                // The library waits for a first request as long as it would at any other time.
                () = stopped_unasked(&stop, &asked) => {}
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// Returns when it is time to stop and nothing was asked over a connection yet; else never.
async fn stopped_unasked(stop: &CancellationToken, asked: &AtomicBool) {
    stop.cancelled().await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// The next connection, once there is room for it; the place is free again when the permit is dropped.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.expect("nobody closes it");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}
