//! The section `backfill`.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, EngineKind, SourceConfig, wide, within};
use crate::delivery::Sender;
use crate::identity::Resolver;
use crate::ingest::Sweeps;
use crate::ingest::backfill::{Bounds, Means};
use crate::ingest::watch::Watch;
use crate::net::Origin;
use crate::store::Store;

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

impl Config {
    /// Whether what is missing is made up for, and how. A store of dumps alone is what they say, whatever hosts say today.
    pub fn sweeps(&self) -> Sweeps {
        let is_live = |source: &SourceConfig| !matches!(source, SourceConfig::Replay { .. });
        if !self.backfill.enabled || !self.identity.network || !self.source.iter().any(is_live) {
            return Sweeps::Off;
        }
        if self.backfill.relay.is_some() { Sweeps::OfRelay } else { Sweeps::OfSources }
    }

    /// Who is asked for lists of repositories, where no source is meant.
    pub fn lists(&self) -> Option<Origin> {
        let of_source = |source: &SourceConfig| match source {
            SourceConfig::Relay { url, .. } => Some(url.origin().clone()),
            SourceConfig::Replay { .. } | SourceConfig::Jetstream { .. } => None,
        };
        self.backfill.relay.clone().or_else(|| self.source.iter().find_map(of_source))
    }

    /// What it takes to ask hosts for what is missing in a store.
    pub fn means(&self, store: &Store, resolver: Resolver, watch: Watch, deliveries: Sender) -> Means {
        Means {
            store: store.clone(),
            web: Arc::new(self.identity.web()),
            resolver,
            watch,
            deliveries,
            spool: match self.store.engine {
                EngineKind::Sled => self.data_dir.clone(),
                // There is no directory.
                EngineKind::Memory => std::env::temp_dir(),
            },
            bounds: self.backfill.bounds(),
            retry: self.backfill.retry(),
            relay: self.backfill.relay.clone(),
        }
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
