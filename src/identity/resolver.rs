//! The one who is asked: answers from files, from what is remembered, and from the network.

mod vouch;

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::budget::Refreshes;
use super::cache::{Cache, Editions, Known, Peek, Times, Wanted};
use super::callers::Callers;
use super::directory::Directory;
use super::document::{Document, FormerKey};
use super::failure::{Unproved, Unresolved, UnresolvedHandle};
use super::lookup::Lookups;
use super::settings::Settings;
use super::shown::Shown;
use crate::codec::claim::Claim;
use crate::net::Network;
use crate::syntax::{Did, Handle};

/// Resolves accounts and handles. Cheap to clone.
#[derive(Clone, Default)]
pub struct Resolver {
    directory: Arc<Directory>,
    asking: Option<Arc<Asking>>,
}

/// What it takes to ask the network, and what was answered.
pub(super) struct Asking {
    lookups: Lookups,
    pub(super) documents: Cache<Did, Arc<Document>, Unresolved>,
    former_keys: Cache<Did, Arc<[FormerKey]>, Unresolved>,
    pub(super) handles: Cache<Handle, Did, UnresolvedHandle>,
    refreshes: Refreshes,
    token_refreshes: Refreshes,
    callers: Callers,
    editions: Arc<Editions>,
    pub(super) shown: Shown,
    /// Tells what this process has answered from what another has.
    nonce: [u8; 16],
    begun: Instant,
    fresh: Duration,
}

impl Resolver {
    /// Files first, then the network.
    pub fn new(settings: Settings, directory: Directory, network: Arc<dyn Network>) -> Self {
        let times = Times { fresh: settings.fresh, kept: settings.kept };
        let editions = Arc::<Editions>::default();
        let entries_max = settings.limits.entries_max;
        let mut nonce = [0; 16];
        // Without randomness a tag of an earlier process may be taken for one of ours, and nothing worse.
        let _ = getrandom::fill(&mut nonce);
        let (shown, queue) = Shown::new();
        let asking = Arc::new(Asking {
            documents: Cache::new(entries_max, times, Arc::clone(&editions)),
            former_keys: Cache::new(entries_max, times, Arc::clone(&editions)),
            handles: Cache::new(entries_max, times, Arc::clone(&editions)),
            refreshes: Refreshes::new(&settings.limits.refreshes),
            token_refreshes: Refreshes::new(&settings.limits.token_refreshes),
            callers: Callers::new(&settings),
            lookups: Lookups::new(&settings, network),
            editions,
            shown,
            nonce,
            begun: Instant::now(),
            fresh: settings.fresh,
        });
        queue.serve(&asking, settings.limits.shown_rate);
        Self { directory: Arc::new(directory), asking: Some(asking) }
    }

    /// Only files, no network: for commands that ask nobody.
    pub fn offline(directory: Directory) -> Self {
        Self { directory: Arc::new(directory), asking: None }
    }

    /// Whether a key that is known now proves it. Asks nobody and waits for nothing.
    pub fn proves(&self, claim: &Claim) -> bool {
        match (self.directory.document(&claim.did), &self.asking) {
            (Some(document), _) => document.proves(claim),
            (None, Some(asking)) => match asking.documents.peek(&claim.did) {
                Peek::Fresh(document) => asking.proves(&document.value, claim),
                // A key that was replaced without our hearing of it must not go on proving.
                Peek::Stale(_) | Peek::Failed | Peek::Unknown => false,
            },
            (None, None) => false,
        }
    }

    /// Proves a claim, and asks the network as far as that is needed and allowed. When the signature is by no known
    /// key the document is looked up again, and of a `did:plc` its log, each within its budget.
    ///
    /// # Errors
    /// It is not proved.
    pub async fn prove(&self, claim: &Claim) -> Result<(), Unproved> {
        let document = match (self.directory.document(&claim.did), &self.asking) {
            (Some(document), _) => Arc::clone(document),
            (None, Some(asking)) => return asking.prove(claim).await,
            (None, None) => return Err(Unresolved::Offline.into()),
        };
        if document.proves(claim) { Ok(()) } else { Err(unproved(&document)) }
    }

    /// An account says that something about it changed: what is remembered of it no longer counts. What files say
    /// stays.
    pub fn forget(&self, did: &Did) {
        let Some(asking) = &self.asking else { return };
        asking.former_keys.forget(did);
        let document = asking.documents.forget(did);
        if let Some(handle) = document.as_ref().and_then(|document| document.handle.as_ref()) {
            // Whoever claims another's handle takes nothing from them.
            if asking.is_known_as(did, handle) {
                asking.handles.forget(handle);
            } else {
                asking.handles.doubt(handle);
            }
        }
    }

    /// The document of an account.
    ///
    /// # Errors
    /// There is none, or it cannot be had.
    pub async fn document(&self, did: &Did) -> Result<Arc<Document>, Unresolved> {
        match (self.directory.document(did), &self.asking) {
            (Some(document), _) => Ok(Arc::clone(document)),
            (None, Some(asking)) => Ok(asking.document(did, Wanted::Fresh).await?.value),
            (None, None) => Err(Unresolved::Offline),
        }
    }

    /// What to show for an account, from what is known now: its handle where that holds both ways, `handle.invalid`
    /// where it does not, nothing where nobody has looked yet. Then it is looked up in the background, so that a later
    /// answer has it.
    pub fn shown_handle(&self, did: &Did) -> Option<String> {
        match (self.directory.document(did), &self.asking) {
            (Some(_), _) => self.directory.shown_handle(did).map(str::to_owned),
            (None, Some(asking)) => asking.shown.handle(asking, &self.directory, did),
            (None, None) => None,
        }
    }

    /// The account that a handle names, if that is known now, or known not to be.
    pub fn known_did_of(&self, handle: &Handle) -> Option<Option<Did>> {
        if self.directory.knows(handle) {
            return Some(self.directory.did_of(handle).cloned());
        }
        let Some(asking) = &self.asking else { return Some(None) };
        match asking.handles.peek(handle) {
            Peek::Fresh(did) => {
                let document = match (self.directory.document(&did.value), asking.documents.peek(&did.value))
                {
                    (Some(document), _) => Arc::clone(document),
                    (None, Peek::Fresh(document)) => document.value,
                    (None, Peek::Failed) => return Some(None),
                    (None, Peek::Stale(_) | Peek::Unknown) => return None,
                };
                Some((document.handle.as_ref() == Some(handle)).then_some(did.value))
            }
            Peek::Failed => Some(None),
            Peek::Stale(_) | Peek::Unknown => None,
        }
    }

    /// The account that a handle names, both ways.
    ///
    /// # Errors
    /// It names none, or that cannot be found out.
    pub async fn did_of(&self, handle: &Handle) -> Result<Did, UnresolvedHandle> {
        if self.directory.knows(handle) {
            return self.directory.did_of(handle).cloned().ok_or(UnresolvedHandle::Ambiguous);
        }
        let asking = self.asking.as_ref().ok_or(UnresolvedHandle::Offline)?;
        let did = asking.did_of(handle).await?.value;
        let document = self.document(&did).await.map_err(UnresolvedHandle::Account)?;
        if document.handle.as_ref() == Some(handle) { Ok(did) } else { Err(UnresolvedHandle::NotClaimed) }
    }

    /// Another value whenever handles may be others: the same over the same files as long as nothing was looked up, and
    /// not for longer than what was looked up counts.
    pub fn fingerprint(&self) -> [u8; 32] {
        let files = self.directory.fingerprint();
        match &self.asking {
            Some(asking) if asking.editions.news() > 0 => {
                let mut hash = Sha256::new_with_prefix(files);
                hash.update(asking.nonce);
                hash.update(asking.editions.news().to_be_bytes());
                // Whoever is told that an answer still holds looks nothing up, so none holds for longer than what it shows.
                let ages = asking.begun.elapsed().as_secs() / asking.fresh.as_secs().max(1);
                hash.update(ages.to_be_bytes());
                hash.finalize().into()
            }
            _ => files,
        }
    }

    /// How many accounts and handles are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.asking.as_ref().map_or(0, |asking| asking.documents.len() + asking.handles.len())
    }
}

impl Asking {
    pub(super) async fn document(
        &self,
        did: &Did,
        wanted: Wanted,
    ) -> Result<Known<Arc<Document>>, Unresolved> {
        let look_up = async || {
            let document = self.lookups.document(did).await?;
            // What was found of a handle before its account claimed it is old.
            if let Some(handle) = document.handle.as_ref().filter(|handle| !self.is_known_as(did, handle)) {
                self.handles.doubt(handle);
            }
            Ok(document)
        };
        // Remembered is only what can be resolved, which is short.
        self.lookups.method(did)?;
        self.documents.get(did, wanted, look_up).await
    }

    pub(super) async fn did_of(&self, handle: &Handle) -> Result<Known<Did>, UnresolvedHandle> {
        self.handles.get(handle, Wanted::Fresh, async || self.lookups.did_of(handle).await).await
    }

    /// Whether the handle led to the account when it was looked up.
    fn is_known_as(&self, did: &Did, handle: &Handle) -> bool {
        matches!(self.handles.peek(handle), Peek::Fresh(owner) | Peek::Stale(owner) if owner.value == *did)
    }

    /// Whether an account can be looked up.
    pub(super) fn can_resolve(&self, did: &Did) -> bool {
        self.lookups.method(did).is_ok()
    }

    /// Whether a handle can lead anywhere.
    pub(super) fn is_reserved(&self, handle: &Handle) -> bool {
        self.lookups.guard().is_reserved(handle.as_str())
    }

    fn proves(&self, document: &Document, claim: &Claim) -> bool {
        document.proves(claim)
            || match self.former_keys.peek(&claim.did) {
                Peek::Fresh(keys) | Peek::Stale(keys) => keys.value.iter().any(|key| key.proves(claim)),
                Peek::Failed | Peek::Unknown => false,
            }
    }

    async fn prove(&self, claim: &Claim) -> Result<(), Unproved> {
        let did = &claim.did;
        let begun = self.editions.found();
        let mut known = self.document(did, Wanted::Fresh).await?;
        if self.proves(&known.value, claim) {
            return Ok(());
        }
        // What was found just now will not be another now.
        let is_new = known.edition > begun;
        if let Some(failure) = self.documents.failure(did) {
            return Err(failure.into());
        }
        if !is_new && self.refreshes.take(did, known.value.host.as_ref()) {
            let again = self.document(did, Wanted::After(known.edition)).await;
            known = self.settle(again, did, &known.value)?;
            if self.proves(&known.value, claim) {
                return Ok(());
            }
        }
        if self.may_say_more(did, known.edition) && self.may_ask_for_log(did, &known.value)? {
            let look_up = async || self.lookups.former_keys(did).await;
            let keys = self.former_keys.get(did, Wanted::After(known.edition), look_up).await;
            match self.settle(keys, did, &known.value) {
                Err(unreachable @ Unresolved::Directory(_)) => return Err(unreachable.into()),
                _ if self.proves(&known.value, claim) => return Ok(()),
                _ => {}
            }
        }
        Err(unproved(&known.value))
    }

    /// Whether the log of an account may say more than is known.
    fn may_say_more(&self, did: &Did, edition: u64) -> bool {
        let is_known = matches!(self.former_keys.peek(did), Peek::Fresh(keys) if keys.edition > edition);
        did.as_str().starts_with("did:plc:") && !is_known
    }

    /// Whether the log may be asked for because a signature failed. Where it was asked for lately and there was no
    /// answer, that still holds, and costs nothing.
    fn may_ask_for_log(&self, did: &Did, document: &Document) -> Result<bool, Unresolved> {
        match self.former_keys.failure(did) {
            Some(unreachable @ Unresolved::Directory(_)) => Err(unreachable),
            Some(_) => Ok(false),
            None => Ok(self.refreshes.take(did, document.host.as_ref())),
        }
    }

    /// Gives back what was taken where the directory could not be asked: that was not the account's doing.
    fn settle<T>(
        &self,
        found: Result<T, Unresolved>,
        did: &Did,
        document: &Document,
    ) -> Result<T, Unresolved> {
        if let Err(Unresolved::Directory(_) | Unresolved::Busy) = found {
            self.refreshes.give_back(did, document.host.as_ref());
        }
        found
    }
}

fn unproved(document: &Document) -> Unproved {
    if document.key.is_some() { Unproved::BadSignature } else { Unproved::NoSigningKey }
}
