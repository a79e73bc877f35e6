//! What people ask of the writer: a command, and where its answer goes once that is durable.
//!
//! Orders have a channel of their own, which the writer looks at first: whoever redeems an invite does not queue
//! behind a replay. Those who ask and the writer know this and not each other. Where a store has no writer, whoever
//! holds it does at once what is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{TrySendError, bounded};
use tokio::sync::oneshot;

use crate::filing;
use crate::spaces::command::{Answer, Request};
use crate::spaces::{self, Bounds};
use crate::store::{Store, StoreError};
use crate::tables::view::Overlay;

/// Orders that wait for the writer. It takes hundreds in one batch, so that more would wait for too long.
const QUEUE_LEN: usize = 1024;

/// A command on its way to the writer.
#[derive(Debug)]
pub struct Order {
    /// What is asked.
    pub request: Request,
    reply: oneshot::Sender<Answer>,
}

impl Order {
    /// Says what came of it. What was done stays done where nobody waits for that any more.
    pub fn answer(self, answer: Answer) {
        let _ = self.reply.send(answer);
    }
}

/// Where orders are given. Cheap to clone. `None` says that there will be no more.
#[derive(Clone, Debug)]
pub struct Desk {
    sender: crossbeam_channel::Sender<Option<Order>>,
    is_left: Arc<AtomicBool>,
}

/// The writer's end. What still waits when it is dropped hears that the writer is gone.
#[derive(Debug)]
pub struct Orders {
    receiver: crossbeam_channel::Receiver<Option<Order>>,
    is_left: Arc<AtomicBool>,
}

/// There is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Too many wait already. Nothing was done.
    #[error("too much is asked at once")]
    Full,
    /// The writer ends. Whether it was done nobody can say.
    #[error("the writer is gone")]
    Gone,
}

/// Does what is asked of a store that no writer has, at a time in milliseconds since the epoch. When this returns it is
/// durable.
///
/// # Errors
/// The store failed.
pub fn carry_out(store: &Store, bounds: &Bounds, now: i64, request: &Request) -> Result<Answer, StoreError> {
    let (changes, answer) = {
        let snapshot = store.snapshot();
        let mut rows = Overlay::new(&*snapshot);
        let answer = spaces::apply(&mut rows, bounds, now, request)?;
        filing::move_position(&mut rows)?;
        (rows.into_changes(), answer)
    };
    store.commit(changes)?;
    Ok(answer)
}

/// A desk, and its other side.
pub fn desk() -> (Desk, Orders) {
    let (sender, receiver) = bounded(QUEUE_LEN);
    let is_left = Arc::new(AtomicBool::new(false));
    (Desk { sender, is_left: Arc::clone(&is_left) }, Orders { receiver, is_left })
}

impl Desk {
    fn place(&self, request: Request) -> Result<oneshot::Receiver<Answer>, Unanswered> {
        let (reply, answer) = oneshot::channel();
        match self.sender.try_send(Some(Order { request, reply })) {
            // It may have come after the writer looked for the last time.
            Ok(()) if self.is_left.load(Ordering::SeqCst) => Err(Unanswered::Gone),
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(Unanswered::Full),
            Err(TrySendError::Disconnected(_)) => Err(Unanswered::Gone),
        }
    }

    /// Has something done; when this returns it is durable. It is done too where nobody waits until then.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn ask(&self, request: Request) -> Result<Answer, Unanswered> {
        self.place(request)?.await.map_err(|_| Unanswered::Gone)
    }

    /// The same from a thread that may wait.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn ask_and_wait(&self, request: Request) -> Result<Answer, Unanswered> {
        self.place(request)?.blocking_recv().map_err(|_| Unanswered::Gone)
    }

    /// Closes the desk, also for its clones: the writer does what was asked before, and nothing after. Waits for room.
    pub fn close(&self) {
        // Where the writer is gone already there is nothing to close.
        let _ = self.sender.send(None);
    }
}

impl Orders {
    /// The channel, for whoever waits for several. After a `None` nothing counts.
    pub fn channel(&self) -> &crossbeam_channel::Receiver<Option<Order>> {
        &self.receiver
    }

    /// No orders, and none to come.
    pub fn none() -> Self {
        desk().1
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        // The channel keeps what is in it for as long as there are desks, and whoever asked would wait for ever.
        self.is_left.store(true, Ordering::SeqCst);
        while self.receiver.try_recv().is_ok() {}
    }
}
