//! What was read from a socket and not decoded yet, bounded in messages and in bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_tungstenite::tungstenite::Bytes;

/// Messages waiting to be decoded. Enough to ride out a commit of the writer at the network's busiest.
const MESSAGES_MAX: usize = 4096;

/// Bytes waiting to be decoded. One message may exceed it alone.
const BYTES_MAX: u32 = 16_000_000;

/// One thing to decode.
#[derive(Debug)]
pub(super) enum Raw {
    /// A binary message.
    Binary(Bytes),
    /// A text message.
    Text(Bytes),
    /// Time has passed.
    Tick,
}

/// The end that the socket has.
pub(super) struct Inlet {
    sender: mpsc::Sender<Parcel>,
    room: Arc<Semaphore>,
}

/// The end that the decoder has.
pub(super) struct Inbox {
    receiver: mpsc::Receiver<Parcel>,
}

struct Parcel {
    raw: Raw,
    _room: Option<OwnedSemaphorePermit>,
}

pub(super) fn inbox() -> (Inlet, Inbox) {
    let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
    (Inlet { sender, room: Arc::new(Semaphore::new(BYTES_MAX as usize)) }, Inbox { receiver })
}

impl Inlet {
    /// Waits for room and passes a message on; `false` if nobody decodes any more.
    pub(super) async fn send(&self, raw: Raw) -> bool {
        let (Raw::Binary(bytes) | Raw::Text(bytes)) = &raw else { return self.tick() };
        let weight = u32::try_from(bytes.len()).map_or(BYTES_MAX, |bytes| bytes.min(BYTES_MAX));
        let room = tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(weight) => room.ok(),
            () = self.sender.closed() => None,
        };
        room.is_some() && self.sender.send(Parcel { raw, _room: room }).await.is_ok()
    }

    /// Says that time has passed, unless there is enough to do anyway; `false` if nobody decodes any more.
    pub(super) fn tick(&self) -> bool {
        let _ = self.sender.try_send(Parcel { raw: Raw::Tick, _room: None });
        !self.sender.is_closed()
    }

    /// Waits until nobody decodes any more.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }
}

impl Inbox {
    /// Waits for the next message; `None` when the socket is gone and everything was taken.
    pub(super) fn next(&mut self) -> Option<Raw> {
        self.receiver.blocking_recv().map(|parcel| parcel.raw)
    }
}
