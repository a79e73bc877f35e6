//! One question and its answer over an open connection.

use std::pin::Pin;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, header, http};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Origin, USER_AGENT};

/// The head of an answer that is waited for.
pub(super) type Answering = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// Sends `GET path` and has `read` take the answer, for as long as that takes it. Follows no redirect, and keeps no
/// time.
pub(super) async fn exchange<T, E, F>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    origin: &Origin,
    path: &str,
    read: impl FnOnce(Answering) -> F,
) -> Result<T, E>
where
    E: From<hyper::Error> + From<http::Error>,
    F: Future<Output = Result<T, E>>,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, origin.authority())
        .header(header::USER_AGENT, USER_AGENT)
        .body(Empty::<Bytes>::new())?;
    let answer = read(Box::pin(sender.send_request(request)));
    // The connection works while the answer is waited for, and ends with it.
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // Its end may be less than orderly once it has brought the answer.
        _ = connection => answer.await,
    }
}
