//! A connection that is not waited for without end, and whose refusals are in the form of all others.
//!
//! The HTTP library answers what it cannot read (a URI beyond all measure, a malformed head) by itself, bare,
//! and closes while the client still writes, so that many never hear why. Here such an answer gets its body,
//! and the rest of what the client has to say is listened to for a while. A client that does not take its
//! answer is let go.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::error;

/// How long, and for how many bytes, a client that was refused is listened to.
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 8_000_000;

/// What a refusal by the library begins with, and what it has that none of ours has.
const REFUSAL_START: &[u8] = b"HTTP/1.1 4";
const REFUSAL_EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";

/// A stream of bytes with a client at its other end.
pub(super) struct Patient<S> {
    inner: S,
    /// A line was read since the last answer: what is too long comes after it.
    line_read: bool,
    /// The answer that takes the place of a bare one, and how much of it was written.
    instead: Option<(Vec<u8>, usize)>,
    /// The client was refused, and may still be writing.
    refused: bool,
    /// How long it may take to accept the next bytes of its answer.
    write_time_max: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Patient<S> {
    pub(super) fn new(inner: S, write_time_max: Duration) -> Self {
        Self {
            inner,
            line_read: false,
            instead: None,
            refused: false,
            write_time_max,
            stalled: None,
            linger: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    fn write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(context, bytes) {
            Poll::Ready(written) => {
                self.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => {
                let time_max = self.write_time_max;
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(time_max)));
                ready!(stalled.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Writes what is left of an answer of ours.
    fn write_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((answer, written)) = self.instead.take() {
            let Some(left) = answer.get(written..).filter(|left| !left.is_empty()) else { break };
            match self.write(context, left) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(more)) => self.instead = Some((answer, written + more)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.instead = Some((answer, written));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.line_read |= buffer.filled().get(before..).is_some_and(|read| read.contains(&b'\n'));
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_instead(context))?;
        if bytes.starts_with(REFUSAL_START) {
            self.refused = true;
            if let Some(answer) = error::instead_of(bytes, REFUSAL_EMPTY, self.line_read) {
                self.instead = Some((answer, 0));
                // What is not written now is written with the flush.
                let _ = self.write_instead(context)?;
                return Poll::Ready(Ok(bytes.len()));
            }
        }
        self.line_read = false;
        self.write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(context))?;
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
        }
        if !self.refused {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        let (until, left) =
            this.linger.get_or_insert_with(|| (Box::pin(sleep(LINGER_TIME_MAX)), LINGER_BYTES_MAX));
        let mut storage = [0; 16 * 1024];
        while *left > 0 && until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut storage);
            match ready!(Pin::new(&mut this.inner).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *left = left.saturating_sub(buffer.filled().len()),
                // It has said everything, or hung up.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
