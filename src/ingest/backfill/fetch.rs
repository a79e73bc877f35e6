//! One whole repository from its host: asked for, spooled to disk, read and proved.
//!
//! The host is the one that the account's document names, or a relay that redirects there. It is a stranger: where it
//! leads is guarded, how much it sends and how slowly is bounded, and what it sends is a claim like any other. Spec:
//! PROTOCOL §4.6 and §7.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::standing::in_query;
use crate::codec::Reject;
use crate::codec::answer::Part;
use crate::codec::claim::Claim;
use crate::codec::limits::REV_AHEAD_MICROS_MAX;
use crate::identity::{Resolver, Unproved, Unresolved};
use crate::ingest::line::now;
use crate::ingest::repository::{ExportError, PART_BYTES, Repository};
use crate::ingest::watch::Watch;
use crate::net::{DownloadError, Downloaded, Failure, NamedBy, Origin, Pace, Web, download};
use crate::syntax::Did;

/// Bytes of the buffer between the file and the CAR reader, which asks for a length byte by byte.
const BUFFER_BYTES: usize = 1 << 16;

/// Redirects that are followed: a relay's, and one of the host's own.
const REDIRECTS_MAX: u32 = 3;

/// What a host says when there is no repository to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withheld {
    /// It does not have it.
    NotFound,
    /// Its account was taken down.
    TakenDown,
    /// Its account is suspended.
    Suspended,
    /// Its account is deactivated.
    Deactivated,
}

/// A repository could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// Who hosts it cannot be found out.
    #[error("its host is not known: {0}")]
    Host(#[source] Unresolved),
    /// The account's document names no host.
    #[error("its account names no host")]
    NoHost,
    /// The host cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] Failure),
    /// The host did not send all of it.
    #[error(transparent)]
    Cut(DownloadError),
    /// The host sends more than is taken, or what is no answer to anything.
    #[error(transparent)]
    Unusable(DownloadError),
    /// The host is busy, or not well.
    #[error("the host answered {status}")]
    Busy {
        /// Its status.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The host says that there is none to be had.
    #[error("the host withholds it: {0:?}")]
    Withheld(Withheld),
    /// The host refuses for a reason of its own.
    #[error("the host refuses: {status}")]
    Refused {
        /// Its status.
        status: u16,
    },
    /// What it says of the account cannot be read.
    #[error("what its host says of it cannot be read")]
    Unreadable,
    /// What it sent is not used.
    #[error("what the host sent is not used: {}", .0.reason())]
    Rejected(Reject),
    /// The key that would prove it is not to be had.
    #[error("its key is not known: {0}")]
    Key(#[source] Unresolved),
    /// It cannot be kept on disk.
    #[error("it cannot be kept: {0}")]
    Spool(#[from] std::io::Error),
    /// We are told to stop.
    #[error("told to stop")]
    Stopped,
}

impl From<ExportError> for FetchError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Reject(reject) => FetchError::Rejected(reject),
            ExportError::Io(error) => FetchError::Spool(error),
            ExportError::Stopped => FetchError::Stopped,
        }
    }
}

impl FetchError {
    /// Whose fault it was: the host's for now, the host's, or ours.
    pub(super) fn of_download(error: DownloadError) -> Self {
        match error {
            DownloadError::Http(_) | DownloadError::TooSlow => FetchError::Cut(error),
            DownloadError::TooLarge(_) | DownloadError::Path(_) => FetchError::Unusable(error),
            DownloadError::Write(error) => FetchError::Spool(error),
        }
    }

    /// Whether the host may have it after a while.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            FetchError::Unreachable(failure) => {
                matches!(failure, Failure::TimedOut | Failure::Name(_) | Failure::Connection(_))
            }
            FetchError::Cut(_) | FetchError::Busy { .. } => true,
            _ => false,
        }
    }
}

/// Fetches repositories.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub(super) web: Arc<Web>,
    pub(super) resolver: Resolver,
    /// What is wanted of them.
    pub(super) watch: Watch,
    /// Where they are kept while they are read.
    pub(super) spool: PathBuf,
    pub(super) pace: Pace,
    pub(super) stop: CancellationToken,
}

impl Fetcher {
    /// Where an account's repository is.
    pub(super) async fn host_of(&self, did: &Did) -> Result<Origin, FetchError> {
        let document = self.resolver.document(did).await.map_err(FetchError::Host)?;
        document.host.clone().ok_or(FetchError::NoHost)
    }

    /// The repository as its host has it now.
    pub(super) async fn fetch(
        &self,
        did: &Did,
        host: &Origin,
        named_by: NamedBy,
    ) -> Result<Proved, FetchError> {
        let file = self.spool(did, host, named_by).await?;
        let (watch, stop) = (self.watch.clone(), self.stop.clone());
        let opened = spawn_blocking(move || open(file, watch, &stop)).await;
        let repository = opened.map_err(std::io::Error::other)??;
        if repository.did() != did {
            return Err(FetchError::Rejected(Reject::CommitDidMismatch));
        }
        if repository.rev().micros() - now() > REV_AHEAD_MICROS_MAX {
            return Err(FetchError::Rejected(Reject::FutureRev));
        }
        self.prove(&repository.claim()).await?;
        Ok(Proved { repository, stop: self.stop.clone() })
    }

    async fn prove(&self, claim: &Claim) -> Result<(), FetchError> {
        match self.resolver.prove(claim).await {
            Ok(()) => Ok(()),
            Err(Unproved::BadSignature) => Err(FetchError::Rejected(Reject::BadSignature)),
            Err(Unproved::NoSigningKey) => Err(FetchError::Rejected(Reject::NoSigningKey)),
            Err(Unproved::Unresolved(why)) => Err(FetchError::Key(why)),
        }
    }

    /// Writes what the host sends to a file that has no name, and so never outlives us.
    async fn spool(&self, did: &Did, host: &Origin, named_by: NamedBy) -> Result<File, FetchError> {
        let mut named_by = named_by;
        let mut origin = host.clone();
        let mut path = format!("/xrpc/com.atproto.sync.getRepo?did={}", in_query(did));
        for _ in 0..=REDIRECTS_MAX {
            let mut file = tempfile::tempfile_in(&self.spool)?;
            let stream = tokio::select! {
                stream = self.web.open(&origin, named_by) => stream?,
                () = self.stop.cancelled() => return Err(FetchError::Stopped),
            };
            let downloaded = tokio::select! {
                downloaded = download(stream, &origin, &path, self.pace, &mut file) => {
                    downloaded.map_err(FetchError::of_download)?
                }
                () = self.stop.cancelled() => return Err(FetchError::Stopped),
            };
            if !downloaded.status.is_redirection() {
                judge(&downloaded)?;
                file.rewind()?;
                return Ok(file);
            }
            let location = downloaded.location.as_deref();
            (origin, path) = location.and_then(|to| origin.redirected(to)).ok_or(Failure::Redirect)?;
            named_by = NamedBy::Stranger;
        }
        Err(Failure::Redirect.into())
    }
}

/// A repository of which everything is there, signed by the account that it was asked of. Its file is on disk until this
/// is dropped.
#[derive(Debug)]
pub(super) struct Proved {
    repository: Repository<Watch>,
    stop: CancellationToken,
}

impl Proved {
    /// Hands on its wanted records part by part. Reads a file, and so has no place on a thread that others wait for.
    pub(super) fn parts<E: From<ExportError>>(
        &self,
        each: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        self.repository.parts(PART_BYTES, &self.stop, each)
    }
}

fn open(mut file: File, watch: Watch, stop: &CancellationToken) -> Result<Repository<Watch>, FetchError> {
    let again = file.try_clone()?;
    let mut first = BufReader::with_capacity(BUFFER_BYTES, &mut file);
    Ok(Repository::open(&mut first, again, watch, stop)?)
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// What an answer means. Hosts differ in their statuses, and agree in the names of errors.
pub(super) fn judge(downloaded: &Downloaded) -> Result<(), FetchError> {
    if downloaded.status.is_success() {
        return Ok(());
    }
    let status = downloaded.status.as_u16();
    let refusal: Option<Refusal> = serde_json::from_slice(&downloaded.refusal).ok();
    Err(match refusal.as_ref().map(|refusal| refusal.error.as_str()) {
        Some("RepoNotFound") => FetchError::Withheld(Withheld::NotFound),
        Some("RepoTakendown") => FetchError::Withheld(Withheld::TakenDown),
        Some("RepoSuspended") => FetchError::Withheld(Withheld::Suspended),
        Some("RepoDeactivated") => FetchError::Withheld(Withheld::Deactivated),
        // 501: it has no such method, now or later.
        _ if matches!(status, 408 | 425 | 429 | 500 | 502..) => {
            FetchError::Busy { status, retry_after: downloaded.retry_after }
        }
        _ => FetchError::Refused { status },
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::{DownloadError, Failure, FetchError};
    use crate::net::Forbidden;

    #[test]
    fn only_what_a_host_may_have_later_is_asked_for_again() {
        let error = || io::Error::other("no");
        for (fetched, passing) in [
            (FetchError::of_download(DownloadError::TooSlow), true),
            (FetchError::of_download(DownloadError::TooLarge(1)), false),
            (FetchError::of_download(DownloadError::Write(error())), false),
            (Failure::Connection(Arc::new(error())).into(), true),
            (Failure::Forbidden(Forbidden::Private).into(), false),
            (FetchError::Busy { status: 503, retry_after: None }, true),
            (FetchError::Refused { status: 403 }, false),
            (FetchError::NoHost, false),
        ] {
            assert_eq!(fetched.is_passing(), passing, "{fetched}");
        }
        let ours = FetchError::of_download(DownloadError::Write(error()));
        assert!(matches!(ours, FetchError::Spool(_)), "a full disk is no fault of the host's");
    }
}
