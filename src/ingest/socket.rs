//! Reading one connection: messages into the inbox, pings, and the end.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_util::sync::CancellationToken;

use super::connect::Socket;
use super::inbox::{Inlet, Raw};
use super::live::Patience;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum ReadEnd {
    /// We are told to stop.
    Stopped,
    /// Whoever decodes wants no more of it.
    Refused,
    /// The host closed it.
    Closed(String),
    /// It broke.
    Broken(String),
    /// A message was over the limit.
    TooLarge,
    /// Nothing came for too long.
    Silence,
}

/// Reads a connection to its end.
///
/// A quiet network is normal: silence means that not even our pings were answered. While there is no room for
/// more, nothing is read and nobody's silence is counted.
pub(super) async fn read(
    mut socket: Socket,
    inlet: Inlet,
    patience: &Patience,
    stop: &CancellationToken,
) -> ReadEnd {
    let mut pings = interval(patience.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = interval(patience.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let end = loop {
        let read = tokio::select! {
            () = stop.cancelled() => break ReadEnd::Stopped,
            () = inlet.closed() => break ReadEnd::Refused,
            read = socket.next() => read,
            _ = pings.tick() => {
                let sent = tokio::select! {
                    sent = timeout(patience.silence, socket.send(Message::Ping(Bytes::new()))) => sent,
                    () = stop.cancelled() => break ReadEnd::Stopped,
                };
                if !matches!(sent, Ok(Ok(()))) {
                    break ReadEnd::Broken("a ping could not be sent".to_owned());
                }
                continue;
            }
            _ = ticks.tick() => {
                inlet.tick();
                continue;
            }
            () = sleep_until(heard + patience.silence) => break ReadEnd::Silence,
        };
        let raw = match read {
            Some(Ok(Message::Binary(bytes))) => Some(Raw::Binary(bytes)),
            Some(Ok(Message::Text(text))) => Some(Raw::Text(text.into())),
            Some(Ok(Message::Close(frame))) => break ReadEnd::Closed(farewell(frame)),
            Some(Ok(_)) => None,
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => break ReadEnd::TooLarge,
            Some(Err(error)) => break ReadEnd::Broken(error.to_string()),
            None => break ReadEnd::Closed("without a word".to_owned()),
        };
        if let Some(raw) = raw {
            tokio::select! {
                taken = inlet.send(raw) => if !taken { break ReadEnd::Refused },
                () = stop.cancelled() => break ReadEnd::Stopped,
            }
        }
        heard = Instant::now();
    };
    if matches!(end, ReadEnd::Stopped | ReadEnd::Refused) {
        // Polite, and of no consequence.
        let _ = timeout(FAREWELL, socket.close(None)).await;
    }
    end
}

fn farewell(frame: Option<tokio_tungstenite::tungstenite::protocol::CloseFrame>) -> String {
    match frame {
        Some(frame) if frame.reason.is_empty() => format!("code {}", u16::from(frame.code)),
        Some(frame) => format!("code {}: {}", u16::from(frame.code), frame.reason.escape_debug()),
        None => "without a code".to_owned(),
    }
}
