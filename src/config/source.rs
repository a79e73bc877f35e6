//! The sections `source`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::codec::claim::Verify;
use crate::ingest::dump;
use crate::ingest::endpoint::Endpoint;
use crate::ingest::live::Start;
use crate::ingest::relay::OnReset;
use crate::sources::kind;

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SourceConfig {
    /// A recorded dump.
    Replay {
        /// The file.
        path: PathBuf,
        /// How much of it is proved.
        #[serde(default)]
        verify: Verify,
    },
    /// A relay or a PDS.
    Relay {
        /// Its origin.
        url: Endpoint,
        /// How much of it is proved.
        #[serde(default)]
        verify: Verify,
        /// Where it begins when it was never read.
        #[serde(default = "oldest")]
        start: Start,
        /// What to do when its sequence begins anew.
        #[serde(default)]
        on_reset: OnReset,
    },
    /// Jetstream.
    Jetstream {
        /// Its origin.
        url: Endpoint,
        /// Where it begins when it was never read.
        #[serde(default = "live")]
        start: Start,
        /// Ask for compressed messages.
        #[serde(default)]
        compress: bool,
        /// A file with the dictionary that they are compressed with; else the server is asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dictionary: Option<PathBuf>,
    },
}

/// A relay keeps a window of some days, in which there may be what was never seen.
fn oldest() -> Start {
    Start::Oldest
}

/// What Jetstream keeps it keeps for those who reconnect.
fn live() -> Start {
    Start::Live
}

impl SourceConfig {
    /// The kind and origin of a live source.
    fn origin(&self) -> Option<(&'static str, &Endpoint)> {
        match self {
            SourceConfig::Replay { .. } => None,
            SourceConfig::Relay { url, .. } => Some((kind::RELAY, url)),
            SourceConfig::Jetstream { url, .. } => Some((kind::JETSTREAM, url)),
        }
    }
}

/// What types cannot say of sources.
pub(super) fn validate(sources: &[SourceConfig]) -> Result<(), ConfigError> {
    let mut origins = BTreeSet::new();
    for source in sources {
        match source {
            SourceConfig::Replay { path, .. } => dump::check_name(path)?,
            SourceConfig::Jetstream { compress: false, dictionary: Some(_), .. } => {
                return Err(ConfigError::IdleDictionary);
            }
            SourceConfig::Relay { .. } | SourceConfig::Jetstream { .. } => {}
        }
        if let Some((kind, endpoint)) = source.origin().filter(|origin| !origins.insert(*origin)) {
            return Err(ConfigError::SameOrigin { kind, endpoint: endpoint.clone() });
        }
    }
    Ok(())
}
