//! The section `backfill`.

use serde::{Deserialize, Serialize};

use super::{ConfigError, wide, within};
use crate::ingest::backfill::Bounds;

/// Whole repositories from their hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// Repositories that are fetched at a time.
    pub concurrency: usize,
    /// Of them from one host.
    pub per_host: usize,
}

impl Default for Backfill {
    fn default() -> Self {
        Self { concurrency: 8, per_host: 2 }
    }
}

impl Backfill {
    /// How many at once.
    pub fn bounds(&self) -> Bounds {
        Bounds { at_once: self.concurrency, at_once_per_host: self.per_host }
    }

    /// What types cannot say.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("backfill.concurrency", wide(self.concurrency), 1..=64)?;
        within("backfill.per_host", wide(self.per_host), 1..=8)
    }
}
