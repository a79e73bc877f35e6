//! Why something about an identity could not be found out, in classes that a caller can act upon.

use std::time::Duration;

use crate::net::Failure;

/// A document could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unresolved {
    /// No DID that anybody can resolve: another method, or an identifier that its method does not have.
    #[error("no did:plc or did:web that can be resolved")]
    Unsupported,
    /// Whoever would know says that there is none.
    #[error("there is no such account")]
    NotThere,
    /// The PLC directory cannot be asked. That says nothing of the account.
    #[error("the directory cannot be asked: {0}")]
    Directory(#[source] Failure),
    /// It was asked for, and what came was nothing to go by.
    #[error("no document: {0}")]
    Failed(#[source] Failure),
    /// Too much is being looked up already.
    #[error("too much is looked up at the moment")]
    Busy,
    /// It is in no file, and the network is not asked.
    #[error("in no file of identities")]
    Offline,
}

/// A handle does not lead to an account.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UnresolvedHandle {
    /// It ends in a name that leads nowhere by definition.
    #[error("the handle ends in a reserved name")]
    Reserved,
    /// Neither DNS nor its web server knows it.
    #[error("nothing says whose the handle is")]
    NotThere,
    /// It names several accounts.
    #[error("the handle names several accounts")]
    Ambiguous,
    /// It names an account whose document claims another, or none.
    #[error("the account does not claim the handle")]
    NotClaimed,
    /// The document of the account that it names could not be had.
    #[error("the account of the handle is not resolved: {0}")]
    Account(#[source] Unresolved),
    /// It was asked for, and what came was nothing to go by.
    #[error("the handle is not resolved: {0}")]
    Failed(#[source] Failure),
    /// Too much is being looked up already.
    #[error("too much is looked up at the moment")]
    Busy,
    /// It is in no file, and the network is not asked.
    #[error("in no file of identities")]
    Offline,
}

/// A claim is not proved.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unproved {
    /// No key of the account made the signature.
    #[error("the signature is by no key of the account")]
    BadSignature,
    /// The account's document has no key that commits could be signed with.
    #[error("the account has no signing key")]
    NoSigningKey,
    /// The account's keys are not known.
    #[error("the account's keys are not known: {0}")]
    Unresolved(#[from] Unresolved),
}

/// How an answer that is none is remembered.
pub(super) trait Unknown: Clone {
    /// How long it holds, the first time and at most. `None` if it says nothing about what was asked for.
    fn holds(&self) -> Option<(Duration, Duration)>;

    /// Whether it only says that asking failed, so that what was known before may serve on.
    fn is_passing(&self) -> bool;
}

/// Most that is not there will not be there in a minute; what is made anew announces itself.
const HOLDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// A host that failed says nothing when it is back.
const FAILED_HOLDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));

/// A directory that fails is asked again soon: everybody waits for it.
const DIRECTORY_HOLDS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

impl Unknown for Unresolved {
    fn holds(&self) -> Option<(Duration, Duration)> {
        match self {
            Unresolved::NotThere => Some(HOLDS),
            Unresolved::Failed(_) => Some(FAILED_HOLDS),
            Unresolved::Directory(_) => Some(DIRECTORY_HOLDS),
            Unresolved::Unsupported | Unresolved::Busy | Unresolved::Offline => None,
        }
    }

    fn is_passing(&self) -> bool {
        matches!(self, Unresolved::Directory(_) | Unresolved::Failed(_) | Unresolved::Busy)
    }
}

impl Unknown for UnresolvedHandle {
    fn holds(&self) -> Option<(Duration, Duration)> {
        match self {
            UnresolvedHandle::Failed(_) => Some(FAILED_HOLDS),
            UnresolvedHandle::Busy | UnresolvedHandle::Offline => None,
            UnresolvedHandle::Reserved
            | UnresolvedHandle::NotThere
            | UnresolvedHandle::Ambiguous
            | UnresolvedHandle::NotClaimed
            | UnresolvedHandle::Account(_) => Some(HOLDS),
        }
    }

    fn is_passing(&self) -> bool {
        matches!(self, UnresolvedHandle::Failed(_) | UnresolvedHandle::Busy)
    }
}
