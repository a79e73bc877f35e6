//! Asking the host of one account: how it stands, and for all of its repository where that may hold something that is
//! not here.
//!
//! What comes of it goes to the writer, a failure too: so whoever is asked about stays due until there is an answer.

use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use super::fetch::{FetchError, Fetcher, Withheld};
use super::polite::{NoTurn, Polite};
use super::turns::Told;
use super::{Channel, Gone};
use crate::codec::answer::{Answer, Said, Standing};
use crate::identity::Unresolved;
use crate::ingest::line::now;
use crate::net::{NamedBy, Origin};
use crate::store::{Store, StoreError};
use crate::syntax::{Did, Tid};
use crate::tables::completeness::Cause;
use crate::tables::keys::DueKey;
use crate::tables::view::ReadRows;
use crate::tables::{Accounts, Dues};

/// How long to wait, in microseconds, where nothing will be better soon: an hour.
const LASTING: i64 = 3_600_000_000;

/// How long a host may take to send what is of no use, and be asked for the next at once.
const IN_VAIN: Duration = Duration::from_secs(60);

/// Accounts that wait for a turn at one host: a host with very many must not keep the others waiting.
const WAITING_MAX: usize = 8;

/// DIDs of which one directory knows all.
const PLC: &str = "did:plc:";

/// Asks hosts.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) store: Store,
    pub(super) fetcher: Fetcher,
    pub(super) polite: Polite,
    pub(super) channel: Channel,
    /// Who may have what a host has not.
    pub(super) relay: Option<Origin>,
    /// How long to wait before the second attempt.
    pub(super) retry: Duration,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// What came of it is on its way to the writer.
    Answered,
    /// It was not asked: enough wait for its host already.
    Crowded,
}

/// Why there is no answer.
enum Failed {
    /// For this reason, before any host was asked.
    Fetch(FetchError),
    /// For this reason, which this host gave.
    AtHost(FetchError, Origin),
    /// Its host is left alone until then.
    Resting(i64),
    /// Something else than was known: it is to be asked again.
    Moved,
    /// Enough wait for its host already.
    Crowded,
}

impl From<FetchError> for Failed {
    fn from(error: FetchError) -> Self {
        Failed::Fetch(error)
    }
}

/// What asking came to, where it cannot be gone on.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody takes answers any more, or we are told to stop.
    #[error("told to stop")]
    Gone,
}

impl From<Gone> for AskError {
    fn from(_: Gone) -> Self {
        AskError::Gone
    }
}

impl Asker {
    /// Asks about an account that is due, and hands on what comes of it.
    pub(super) async fn ask(&self, key: &DueKey) -> Result<Asked, AskError> {
        let did = &key.did;
        let at = now();
        let failed = match self.find_out(key, at).await? {
            Ok(()) => return Ok(Asked::Answered),
            Err(failed) => failed,
        };
        let retry = self.retry_micros();
        let retry_after = |error: &FetchError| if error.is_passing() { retry } else { LASTING };
        let (why, retry, not_before) = match failed {
            Failed::Fetch(FetchError::Stopped) | Failed::AtHost(FetchError::Stopped, _) => {
                return Err(AskError::Gone);
            }
            Failed::Fetch(error) => (error.to_string(), retry_after(&error), None),
            Failed::AtHost(error, host) => {
                // An attempt before its rest is over would be none, and would hide this reason.
                let until = self.polite.rests_until(&host);
                (error.to_string(), retry_after(&error), until)
            }
            Failed::Resting(until) => {
                let why = "its host asked to be left alone, or did not answer";
                (why.to_owned(), retry, Some(until))
            }
            Failed::Crowded => return Ok(Asked::Crowded),
            Failed::Moved => ("its account has just moved to another host".to_owned(), retry, None),
        };
        tracing::info!(%did, why, "a host gave no answer about an account");
        let said = Said::Failed { why: why.into(), not_before };
        self.channel.answer(Answer { did: did.clone(), at, retry, said }).await?;
        Ok(Asked::Answered)
    }

    async fn find_out(&self, key: &DueKey, at: i64) -> Result<Result<(), Failed>, AskError> {
        let did = &key.did;
        let host = match self.fetcher.host_of(did).await {
            Ok(host) => host,
            // The directory knows of no such account, or of none any more.
            Err(FetchError::Host(Unresolved::NotThere)) if did.as_str().starts_with(PLC) => {
                return self.nobody(did, at).await;
            }
            // Whoever writes down a DID that nobody can resolve must not have us ask for ever.
            Err(FetchError::Host(Unresolved::Unsupported)) if self.is_new(did)? => {
                return self.nobody(did, at).await;
            }
            Err(error) => return Ok(Err(error.into())),
        };
        let mut turn = match self.polite.turn(&host, WAITING_MAX).await {
            Ok(turn) => turn,
            Err(NoTurn::Resting(until)) => return Ok(Err(Failed::Resting(until))),
            Err(NoTurn::Crowded) => return Ok(Err(Failed::Crowded)),
        };
        let plan = self.plan(key)?;
        if plan != Plan::Repository {
            match self.fetcher.standing(did, &host).await {
                Err(FetchError::Withheld(Withheld::NotFound)) => return self.not_found(did, &host, at).await,
                Err(FetchError::Withheld(why)) => return self.stands(did, at, why.standing()).await,
                // Not every host has an answer to that. The repository says it too.
                Err(FetchError::Refused { .. } | FetchError::Unreadable) => {}
                Err(error) => {
                    turn.tells(error.tells());
                    return Ok(Err(Failed::AtHost(error, host)));
                }
                Ok(standing) if !standing.active || plan.is_met_by(&standing) => {
                    return self.stands(did, at, standing).await;
                }
                Ok(_) => {}
            }
        }
        let begun = Instant::now();
        let fetched = self.fetch(did, &host, NamedBy::Stranger, at).await?;
        if let Err(error) = &fetched {
            let told = error.tells();
            // Who takes long to send nonsense must not have its turns again at once.
            let in_vain = told == Told::Fine && begun.elapsed() > IN_VAIN;
            turn.tells(if in_vain { Told::Busy(None) } else { told });
        }
        drop(turn);
        match fetched {
            Err(error) if error.is_passing() && self.fetch_from_relay(did, &host, at).await? => {
                tracing::debug!(%did, %error, "the relay had what the host had not");
                Ok(Ok(()))
            }
            Ok(()) => Ok(Ok(())),
            Err(FetchError::Withheld(Withheld::NotFound)) => self.not_found(did, &host, at).await,
            Err(FetchError::Withheld(why)) => self.stands(did, at, why.standing()).await,
            Err(error) => Ok(Err(Failed::AtHost(error, host))),
        }
    }

    /// Fetches the repository from the relay, where there is one; it is proved all the same. Whether that came to
    /// anything: what went wrong says nothing that the host has not said.
    async fn fetch_from_relay(&self, did: &Did, host: &Origin, at: i64) -> Result<bool, AskError> {
        let Some(relay) = self.relay.as_ref().filter(|relay| *relay != host) else { return Ok(false) };
        // Where it leads to another host, that one's failures say nothing of it.
        let Ok(_turn) = self.polite.turn(relay, WAITING_MAX).await else { return Ok(false) };
        Ok(self.fetch(did, relay, NamedBy::Operator, at).await?.is_ok())
    }

    /// Fetches the repository, and hands it on part by part.
    async fn fetch(
        &self,
        did: &Did,
        host: &Origin,
        named_by: NamedBy,
        at: i64,
    ) -> Result<Result<(), FetchError>, AskError> {
        // From here on what is written in it is noted, and so is what nobody wants.
        let expected = self.fetcher.watch.expect(did);
        let answer = |said| Answer { did: did.clone(), at, retry: self.retry_micros(), said };
        self.channel.answer(answer(Said::Asked)).await?;
        let proved = match self.fetcher.fetch(did, host, named_by).await {
            Ok(proved) => proved,
            Err(error) => return Ok(Err(error)),
        };
        let (channel, retry, did) = (self.channel.clone(), self.retry_micros(), did.clone());
        let handed_on = spawn_blocking(move || {
            proved.parts(|part| {
                if !part.export.records.is_empty() {
                    expected.confirm();
                }
                let said = Said::Part(part);
                let answer = Answer { did: did.clone(), at, retry, said };
                channel.answer_now(answer).map_err(|_| FetchError::Stopped)
            })
        });
        let handed_on = handed_on.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        if handed_on.is_ok() {
            self.channel.fetched();
        }
        Ok(handed_on)
    }

    fn retry_micros(&self) -> i64 {
        i64::try_from(self.retry.as_micros()).unwrap_or(LASTING)
    }

    /// Its host does not have it. It may have moved since its document was read; if not, it is gone.
    async fn not_found(&self, did: &Did, host: &Origin, at: i64) -> Result<Result<(), Failed>, AskError> {
        self.fetcher.resolver.forget(did);
        match self.fetcher.host_of(did).await {
            Ok(now) if now == *host => self.stands(did, at, Withheld::NotFound.standing()).await,
            Ok(_) => Ok(Err(Failed::Moved)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// There is no such account.
    async fn nobody(&self, did: &Did, at: i64) -> Result<Result<(), Failed>, AskError> {
        self.channel.unknown().insert(did.clone());
        self.says(did, at, Said::Nobody).await
    }

    /// Whether nothing of it is here.
    fn is_new(&self, did: &Did) -> Result<bool, StoreError> {
        Ok(self.store.snapshot().get::<Accounts>(did)?.is_none())
    }

    async fn stands(&self, did: &Did, at: i64, standing: Standing) -> Result<Result<(), Failed>, AskError> {
        self.says(did, at, Said::Standing(standing)).await
    }

    async fn says(&self, did: &Did, at: i64, said: Said) -> Result<Result<(), Failed>, AskError> {
        self.channel.answer(Answer { did: did.clone(), at, retry: self.retry_micros(), said }).await?;
        Ok(Ok(()))
    }

    /// What is to be asked.
    fn plan(&self, key: &DueKey) -> Result<Plan, StoreError> {
        let rows = self.store.snapshot();
        let cause = rows.get::<Dues>(key)?.map_or(Cause::Named, |due| due.cause);
        let account = rows.get::<Accounts>(&key.did)?.unwrap_or_default();
        let doubtful = account.marks.any() || account.rev_from_jetstream || account.data.is_none();
        Ok(match (cause, account.tracked) {
            (Cause::Referenced, false) => Plan::Standing,
            (Cause::Referenced | Cause::Listed | Cause::Ignored, true) if !doubtful => {
                account.rev.map_or(Plan::Repository, Plan::Revision)
            }
            _ => Plan::Repository,
        })
    }
}

/// What is asked of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// How the account stands.
    Standing,
    /// That too, and for the repository if it is not at this revision.
    Revision(Tid),
    /// The repository.
    Repository,
}

impl Plan {
    /// Whether nothing more has to be asked of somebody who is active.
    fn is_met_by(self, standing: &Standing) -> bool {
        match self {
            Plan::Standing => true,
            Plan::Revision(rev) => standing.rev == Some(rev),
            Plan::Repository => false,
        }
    }
}

impl Withheld {
    /// What it says of the account. Nothing of it is purged because its host cannot find it.
    fn standing(self) -> Standing {
        let status = match self {
            Withheld::NotFound => "not-found",
            Withheld::TakenDown => "takendown",
            Withheld::Suspended => "suspended",
            Withheld::Deactivated => "deactivated",
        };
        Standing { active: false, status: Some(status.into()), rev: None }
    }
}

impl FetchError {
    /// What it says of the host.
    fn tells(&self) -> Told {
        match self {
            FetchError::Busy { retry_after, .. } => Told::Busy(*retry_after),
            error if error.is_passing() => Told::Busy(None),
            _ => Told::Fine,
        }
    }
}
