//! The section `identity`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, within};
use crate::identity::{Directory, Resolver, Settings};
use crate::net::{Guard, Origin, System, Web};

/// Who is who.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Files with DID documents, used instead of the network.
    pub identities: Vec<PathBuf>,
    /// Whether others are looked up in the network.
    pub network: bool,
    /// The directory of `did:plc`.
    pub plc_url: Origin,
    /// Minutes that a document or a handle counts without being asked for again.
    pub cache_minutes: u64,
    /// Seconds that a look-up may take.
    pub timeout_seconds: u64,
    /// Name servers that are asked instead of the system's.
    pub dns: Vec<SocketAddr>,
    /// Whether hosts that anybody names may be in a private network.
    pub allow_private_networks: bool,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            identities: Vec::new(),
            network: true,
            plc_url: Origin::of_name("plc.directory"),
            cache_minutes: 60,
            timeout_seconds: 10,
            dns: Vec::new(),
            allow_private_networks: false,
        }
    }
}

impl Identity {
    /// How identities are looked up.
    pub fn settings(&self) -> Settings {
        let usual = Settings::with(self.plc_url.clone());
        let fresh = Duration::from_secs(self.cache_minutes * 60);
        Settings {
            fresh,
            kept: usual.kept.max(fresh),
            patience: Duration::from_secs(self.timeout_seconds),
            allow_private_networks: self.allow_private_networks,
            ..usual
        }
    }

    /// Who answers: files first, and the network unless that is switched off.
    pub fn resolver(&self, directory: Directory) -> Resolver {
        if self.network {
            Resolver::new(self.settings(), directory, Arc::new(System::new(self.dns.clone())))
        } else {
            Resolver::offline(directory)
        }
    }

    /// The way to hosts that anybody may name.
    pub fn web(&self) -> Web {
        let guard = Guard { private: self.allow_private_networks };
        let patience = Duration::from_secs(self.timeout_seconds);
        Web { network: Arc::new(System::new(self.dns.clone())), guard, patience }
    }

    /// What types cannot say.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("identity.cache_minutes", self.cache_minutes, 1..=1_440)?;
        within("identity.timeout_seconds", self.timeout_seconds, 1..=60)
    }
}
