//! Whose the handles are that a query names.
//!
//! A query runs on a snapshot and may not wait for the network. So a query that meets a handle that nobody knows ends
//! there; the handle is looked up while no snapshot is held, and the query runs again. Anybody can ask, so how many
//! look-ups there are is bounded here too.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use super::error::ApiError;
use crate::identity::{Bucket, Rate, Resolver, Unresolved, UnresolvedHandle};
use crate::syntax::{Did, Handle};

/// How long a client waits for handles. Beyond it the client is told that they do not resolve, and may use DIDs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Queries that wait for handles at once. More than slow hosts should be able to hold up.
const AT_ONCE: usize = 32;

/// Handles that are looked up for clients at once. With those that lists show fewer than the gates of `identity` let in,
/// so that accounts whose signatures wait always have turns.
const LOOK_UPS_AT_ONCE: usize = 8;

/// How often a handle is looked up for a client, whoever it is: as often as people type them, not as programs do.
const RATE: Rate = Rate { burst: 100, each: Duration::from_millis(100) };

/// What was found of handles, `None` where they lead nowhere.
pub(super) type Found = HashMap<Handle, Option<Did>>;

/// The handles of one run of a query.
pub(super) struct Names<'a> {
    identities: &'a Resolver,
    found: &'a Found,
    missing: RefCell<Vec<Handle>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(identities: &'a Resolver, found: &'a Found) -> Self {
        Self { identities, found, missing: RefCell::default() }
    }

    /// The account that a handle names. One that would have to be looked up is noted, and names nobody this time.
    pub(super) fn did_of(&self, handle: Handle) -> Option<Did> {
        let known = self.found.get(&handle).cloned().or_else(|| self.identities.known_did_of(&handle));
        known.unwrap_or_else(|| {
            self.missing.borrow_mut().push(handle);
            None
        })
    }

    /// The handles that have to be looked up before the query can be answered.
    pub(super) fn missing(self) -> Vec<Handle> {
        let mut missing = self.missing.into_inner();
        missing.sort();
        missing.dedup();
        missing
    }
}

/// Looks handles up for clients.
pub(super) struct Asker {
    turns: Semaphore,
    look_ups: Arc<Semaphore>,
    pace: Bucket,
}

impl Asker {
    pub(super) fn new() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
            look_ups: Arc::new(Semaphore::new(LOOK_UPS_AT_ONCE)),
            pace: Bucket::new(RATE),
        }
    }

    /// Whose they are, within the time that a client has.
    ///
    /// # Errors
    /// Too many ask at once, or too often.
    pub(super) async fn ask(&self, identities: &Resolver, handles: Vec<Handle>) -> Result<Found, ApiError> {
        let _turn = self.turns.try_acquire().map_err(|_| ApiError::Busy)?;
        if !u32::try_from(handles.len()).is_ok_and(|count| self.pace.take_all(count)) {
            return Err(ApiError::Busy);
        }
        let ask = async |handle: Handle| {
            let found = tokio::time::timeout(PATIENCE, self.look_up(identities, handle.clone())).await;
            match found.unwrap_or(Err(UnresolvedHandle::NotThere)) {
                Err(UnresolvedHandle::Busy | UnresolvedHandle::Account(Unresolved::Busy)) => {
                    Err(ApiError::Busy)
                }
                found => Ok((handle, found.ok())),
            }
        };
        Ok(try_join_all(handles.into_iter().map(ask)).await?.into_iter().collect())
    }

    /// Looks one up. Once begun it goes on when its client has gone: what it finds is for the next.
    async fn look_up(&self, identities: &Resolver, handle: Handle) -> Result<Did, UnresolvedHandle> {
        let turn = Arc::clone(&self.look_ups).acquire_owned().await.map_err(|_| UnresolvedHandle::Busy)?;
        let identities = identities.clone();
        let looking = tokio::spawn(async move {
            let _turn = turn;
            identities.did_of(&handle).await
        });
        looking.await.unwrap_or(Err(UnresolvedHandle::Busy))
    }
}
