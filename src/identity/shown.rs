//! Handles for people: what is known is shown at once, the rest is looked up in the background.
//!
//! Whoever reads a list makes us look up everybody in it, so that is bounded: a queue that takes no more than it
//! holds, a few at once, at a rate of its own.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::{Semaphore, mpsc};

use super::INVALID_HANDLE;
use super::budget::{Bucket, Rate};
use super::cache::{Peek, Wanted};
use super::directory::Directory;
use super::resolver::Asking;
use crate::syntax::Did;

/// Accounts that wait to be looked up: some pages of lists. The others are asked for again by who reads again.
const QUEUE_LEN: usize = 1_000;

/// Accounts that are looked up at once. With what is looked up for clients fewer than the gates let in, so that readers
/// never take all turns.
const AT_ONCE: usize = 6;

/// The accounts that wait.
pub(super) struct Shown {
    queue: mpsc::Sender<Did>,
    waiting: Mutex<HashSet<Did>>,
}

/// The other end.
pub(super) struct Queue(mpsc::Receiver<Did>);

impl Shown {
    pub(super) fn new() -> (Self, Queue) {
        let (queue, receiver) = mpsc::channel(QUEUE_LEN);
        (Self { queue, waiting: Mutex::default() }, Queue(receiver))
    }

    /// What to show for an account that no file knows.
    pub(super) fn handle(&self, asking: &Asking, directory: &Directory, did: &Did) -> Option<String> {
        let document = match asking.documents.peek(did) {
            Peek::Fresh(document) => document,
            Peek::Stale(document) => {
                self.ask_for(did);
                document
            }
            Peek::Unknown if asking.can_resolve(did) => {
                self.ask_for(did);
                return None;
            }
            Peek::Failed | Peek::Unknown => return None,
        };
        let invalid = Some(INVALID_HANDLE.to_owned());
        let Some(handle) = &document.value.handle else { return invalid };
        if directory.knows(handle) || asking.is_reserved(handle) {
            return invalid;
        }
        let owner = match asking.handles.peek(handle) {
            Peek::Fresh(owner) => owner,
            Peek::Stale(owner) => {
                self.ask_for(did);
                owner
            }
            Peek::Failed => return invalid,
            Peek::Unknown => {
                self.ask_for(did);
                return None;
            }
        };
        if owner.value == *did { Some(handle.as_str().to_owned()) } else { invalid }
    }

    fn ask_for(&self, did: &Did) {
        let mut waiting = self.waiting();
        // With nobody at the other end, or no room, it stays unknown.
        if !waiting.contains(did) && self.queue.try_send(did.clone()).is_ok() {
            waiting.insert(did.clone());
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashSet<Did>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Looks up what comes, for as long as somebody holds the resolver. Outside a runtime nobody does.
    pub(super) fn serve(self, asking: &Arc<Asking>, rate: Rate) {
        if let Ok(runtime) = Runtime::try_current() {
            runtime.spawn(work(self.0, Arc::downgrade(asking), Bucket::new(rate)));
        }
    }
}

async fn work(mut queue: mpsc::Receiver<Did>, asking: Weak<Asking>, pace: Bucket) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(did) = queue.recv().await {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        tokio::time::sleep(pace.reserve(Duration::MAX).unwrap_or_default()).await;
        let Some(asking) = asking.upgrade() else { return };
        tokio::spawn(async move {
            // What comes of it is remembered, an error too.
            if let Ok(document) = asking.document(&did, Wanted::Fresh).await
                && let Some(handle) = &document.value.handle
            {
                let _ = asking.did_of(handle).await;
            }
            asking.shown.waiting().remove(&did);
            drop(turn);
        });
    }
}
