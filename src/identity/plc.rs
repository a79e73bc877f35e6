//! The PLC directory: documents of `did:plc`, and their logs. Asked at a bounded rate, and left alone when it fails.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

use super::budget::Bucket;
use super::document::{Document, FormerKey, former_keys};
use super::failure::Unresolved;
use super::gate::Gate;
use super::settings::Settings;
use crate::net::Failure;
use crate::net::{Answer, GetError, Origin};
use crate::net::{NamedBy, Web, Wish};
use crate::syntax::Did;

/// Bytes of a document: those of today have one or two thousand.
pub(super) const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a log: some hundred operations.
const LOG_BYTES_MAX: usize = 1024 * 1024;

/// Failures in a row after which everybody leaves the directory alone, and for how long.
const FAILURES_MAX: u32 = 3;
const ALONE: Duration = Duration::from_secs(2);

/// The longest time that it may ask to be left alone. Beyond it we rather ask again.
const ALONE_MAX: Duration = Duration::from_secs(60);

/// How the directory is doing.
#[derive(Default)]
struct Health {
    failures: u32,
    alone_until: Option<Instant>,
}

/// The directory.
pub(super) struct Plc {
    origin: Origin,
    gate: Gate,
    pace: Bucket,
    health: Mutex<Health>,
}

impl Plc {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            origin: settings.plc.clone(),
            gate: Gate::new(settings.limits.plc),
            pace: Bucket::new(settings.limits.plc_rate),
            health: Mutex::default(),
        }
    }

    /// The document of an account.
    pub(super) async fn document(&self, web: &Web, did: &Did) -> Result<Arc<Document>, Unresolved> {
        let answer = self.ask(web, &format!("/{did}"), DOCUMENT_BYTES_MAX).await?;
        read(&answer.body, did)
    }

    /// The keys that an account had before.
    pub(super) async fn former_keys(&self, web: &Web, did: &Did) -> Result<Arc<[FormerKey]>, Unresolved> {
        let answer = self.ask(web, &format!("/{did}/log/audit"), LOG_BYTES_MAX).await?;
        let log: Value =
            serde_json::from_slice(&answer.body).map_err(|_| Unresolved::Failed(Failure::Unreadable))?;
        Ok(former_keys(&log).into())
    }

    async fn ask(&self, web: &Web, path: &str, bytes_max: usize) -> Result<Answer, Unresolved> {
        self.check_left_alone()?;
        let _pass =
            self.gate.enter_within(self.origin.host(), web.patience).await.map_err(|_| Unresolved::Busy)?;
        let wait = self.pace.reserve(web.patience).ok_or(Unresolved::Busy)?;
        tokio::time::sleep(wait).await;
        // It may have failed meanwhile.
        self.check_left_alone()?;
        let wish =
            Wish { origin: &self.origin, path, named_by: NamedBy::Operator, bytes_max, redirects_max: 0 };
        match web.get(wish).await {
            Ok(answer) => self.judge(answer),
            // It is this one answer that is too large.
            Err(Failure::Get(error)) if matches!(*error, GetError::TooLarge) => {
                Err(Unresolved::Failed(Failure::Get(error)))
            }
            Err(failure) => Err(self.failed(failure, None)),
        }
    }

    fn judge(&self, answer: Answer) -> Result<Answer, Unresolved> {
        let status = answer.status;
        let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        if !status.is_success() && (!status.is_client_error() || passing.contains(&status)) {
            return Err(self.failed(Failure::Status(status), answer.retry_after));
        }
        // Others may have been asked to leave it alone meanwhile.
        self.health().failures = 0;
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Unresolved::NotThere),
            status if status.is_success() => Ok(answer),
            status => Err(Unresolved::Failed(Failure::Status(status))),
        }
    }

    /// Notes a failure of the directory itself.
    fn failed(&self, failure: Failure, retry_after: Option<Duration>) -> Unresolved {
        let mut health = self.health();
        health.failures += 1;
        let alone = retry_after.or((health.failures >= FAILURES_MAX).then_some(ALONE));
        if let Some(alone) = alone {
            health.alone_until = Some(Instant::now() + alone.min(ALONE_MAX));
        }
        Unresolved::Directory(failure)
    }

    fn check_left_alone(&self) -> Result<(), Unresolved> {
        match self.health().alone_until {
            Some(until) if Instant::now() < until => Err(Unresolved::Directory(Failure::LeftAlone)),
            _ => Ok(()),
        }
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The document in an answer, if it is this account's.
pub(super) fn read(body: &[u8], did: &Did) -> Result<Arc<Document>, Unresolved> {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let document = value.as_ref().and_then(Document::of).ok_or(Unresolved::Failed(Failure::Unreadable))?;
    if document.did == *did { Ok(Arc::new(document)) } else { Err(Unresolved::Failed(Failure::Foreign)) }
}
