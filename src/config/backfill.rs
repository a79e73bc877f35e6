//! The section `backfill`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, wide, within};
use crate::ingest::backfill::Bounds;
use crate::net::Origin;

/// Whole repositories from their hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// Whether a daemon makes up for what is missing.
    pub enabled: bool,
    /// Who lists repositories; without it each source is asked itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<Origin>,
    /// Repositories that are fetched at a time.
    pub concurrency: usize,
    /// Of them from one host.
    pub per_host: usize,
    /// Seconds before the second attempt.
    pub retry_seconds: u64,
}

impl Default for Backfill {
    fn default() -> Self {
        Self { enabled: true, relay: None, concurrency: 8, per_host: 2, retry_seconds: 60 }
    }
}

impl Backfill {
    /// How many at once.
    pub fn bounds(&self) -> Bounds {
        Bounds { at_once: self.concurrency, at_once_per_host: self.per_host }
    }

    /// How long to wait before the second attempt.
    pub fn retry(&self) -> Duration {
        Duration::from_secs(self.retry_seconds)
    }

    /// What types cannot say.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("backfill.concurrency", wide(self.concurrency), 1..=64)?;
        within("backfill.per_host", wide(self.per_host), 1..=8)?;
        within("backfill.retry_seconds", self.retry_seconds, 1..=3600)
    }
}
