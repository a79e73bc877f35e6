//! Whether a service token is by its issuer: by the key of now, and by no other.
//!
//! A commit may be older than the key that its account has now; a token is made when it is used. So a former key never
//! counts here, nor does a document that could not be looked up again when it was time. Spec: CONTRACT §4.3.

use std::sync::Arc;

use super::{Asking, Resolver, unproved};
use crate::codec::service_token::ServiceToken;
use crate::identity::cache::{Known, Peek, Wanted};
use crate::identity::document::Document;
use crate::identity::failure::{Unproved, Unresolved};
use crate::syntax::Did;

impl Resolver {
    /// What can be said of a token without asking anybody or waiting for anything; `None` if somebody has to be asked.
    pub fn vouches(&self, token: &ServiceToken) -> Option<Result<(), Unproved>> {
        match (self.directory.document(token.issuer()), &self.asking) {
            (Some(document), _) => Some(judge(document, token)),
            (None, Some(asking)) => asking.vouches(token),
            (None, None) => Some(Err(Unresolved::Offline.into())),
        }
    }

    /// Whether the issuer's present key made a token. Asks the network as far as that is needed and allowed: once, for a
    /// document that is not known, or that is known and has another key.
    ///
    /// # Errors
    /// It did not, or that cannot be found out.
    pub async fn vouch(&self, token: &ServiceToken) -> Result<(), Unproved> {
        match (self.vouches(token), &self.asking) {
            (Some(vouched), _) => vouched,
            (None, Some(asking)) => asking.vouch(token).await,
            (None, None) => Err(Unresolved::Offline.into()),
        }
    }
}

impl Asking {
    fn vouches(&self, token: &ServiceToken) -> Option<Result<(), Unproved>> {
        let did = token.issuer();
        if let Err(error) = self.lookups.method(did) {
            return Some(Err(error.into()));
        }
        match self.documents.peek(did) {
            Peek::Fresh(known) if judge(&known.value, token).is_ok() => Some(Ok(())),
            // Asked for lately, without an answer.
            _ => self.documents.failure(did).map(|failure| Err(failure.into())),
        }
    }

    async fn vouch(&self, token: &ServiceToken) -> Result<(), Unproved> {
        let did = token.issuer();
        let (doubted, wanted) = match self.documents.peek(did) {
            Peek::Fresh(known) => (Some(known.value), Wanted::After(known.edition)),
            Peek::Stale(known) => (None, Wanted::After(known.edition)),
            Peek::Failed | Peek::Unknown => (None, Wanted::Fresh),
        };
        let Some(doubted) = doubted else {
            return judge(&self.document_for_caller(did, wanted).await?.value, token);
        };
        let host = doubted.host.as_ref();
        // The budget of commits is not for callers to spend.
        if !self.token_refreshes.take(did, host) {
            return Err(unproved(&doubted));
        }
        let found = self.document_for_caller(did, wanted).await;
        if let Err(Unresolved::Directory(_) | Unresolved::Busy) = found {
            self.token_refreshes.give_back(did, host);
        }
        judge(&found?.value, token)
    }

    /// The document of an account in whose name somebody calls.
    async fn document_for_caller(
        &self,
        did: &Did,
        wanted: Wanted,
    ) -> Result<Known<Arc<Document>>, Unresolved> {
        let method = self.lookups.method(did)?;
        let _turn = self.callers.enter(&method).await?;
        // Who waited for a turn finds what others have asked for meanwhile.
        if let Some(answer) = self.documents.answered(did, wanted) {
            return answer;
        }
        self.callers.take(&method)?;
        self.document(did, wanted).await
    }
}

/// Whether the key in a document made a token.
fn judge(document: &Document, token: &ServiceToken) -> Result<(), Unproved> {
    match &document.key {
        Some(key) if token.is_signed_by(key) => Ok(()),
        _ => Err(unproved(document)),
    }
}
