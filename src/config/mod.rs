//! The configuration: what was written in the file and the environment, checked.
//!
//! Every key has a working default; an unknown one is an error, in the file and in the environment. Flags
//! are applied on top by the commands. `config/example.toml` shows every key. Spec: CONTRACT §2.
#![allow(clippy::disallowed_methods, reason = "a shell: it reads a file and the environment")]

mod backfill;
mod env;
mod error;
mod identity;
mod invites;
mod portal;
mod source;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Table;
use tracing_subscriber::filter::EnvFilter;

use crate::http::{Addresses, EventUrl, did_web_of};
use crate::ingest::live::Patience;
use crate::syntax::Did;

pub use backfill::Backfill;
pub use error::ConfigError;
pub use identity::Identity;
pub use invites::Invites;
pub use portal::Portal;
pub use source::SourceConfig;

/// How often a live source hands over what it has gathered.
const TICK: Duration = Duration::from_secs(1);

/// The effective configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the store is.
    pub data_dir: PathBuf,
    /// The query server.
    pub http: Http,
    /// Whole repositories from their hosts.
    pub backfill: Backfill,
    /// Who is who.
    pub identity: Identity,
    /// Spaces, their invites, and how often people may ask.
    pub invites: Invites,
    /// The routes of the Portal.
    pub portal: Portal,
    /// Bounds on work.
    pub limits: Limits,
    /// Connections to live sources.
    pub live: Live,
    /// Full-text search.
    pub search: SearchConfig,
    /// The storage engine.
    pub store: StoreConfig,
    /// Logs.
    pub telemetry: Telemetry,
    /// What is followed; dumps are read one after the other, in this order.
    pub source: Vec<SourceConfig>,
}

/// The query server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// The address it listens on.
    pub bind: SocketAddr,
    /// How others reach it; links in answers begin with this.
    pub public_url: String,
    /// Where people see an event: a template with `{public_url}`, `{authority}` (the organizer's handle when it holds both ways,
    /// else the DID), `{did}` and `{rkey}`.
    pub event_url: EventUrl,
    /// Whom a service token for this server names: the `did:web` of `public_url` where nothing is written.
    pub service_did: Option<Did>,
    /// The addresses of proxies whose word on a request's client and id is taken.
    pub trusted_proxies: Vec<Addresses>,
}

/// Bounds on work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Events that are committed in one go.
    pub batch_events: usize,
    /// Queries that are answered at the same time; more are told to come back.
    pub queries_at_once: usize,
    /// Seconds that a stopping daemon may take to finish what it has begun.
    pub drain_seconds: u64,
}

/// Connections to live sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Live {
    /// Seconds that a connection may take.
    pub connect_seconds: u64,
    /// Seconds between pings.
    pub ping_seconds: u64,
    /// Seconds without any sign of life after which a connection is given up.
    pub silence_seconds: u64,
    /// Milliseconds before the second attempt; each wait after it is twice as long.
    pub retry_ms: u64,
    /// Seconds between attempts at most.
    pub retry_seconds_max: u64,
    /// Seconds that a message waits for a key that is not to be had, before it is given up.
    pub key_seconds: u64,
}

/// The storage engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Where rows are kept.
    pub engine: EngineKind,
    /// Megabytes of rows that are kept in memory: half as they are on disk, which takes a multiple of that.
    pub cache_mb: u64,
}

/// Where rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// On disk, in `data_dir`.
    Sled,
    /// Nowhere: gone when the process ends.
    Memory,
}

/// Full-text search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchConfig {
    /// Whether a daemon keeps an index of events, so that they can be searched.
    pub enabled: bool,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// What is logged: a level, or levels by module, as in `info,guestlist::indexer=debug`.
    pub log: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            http: Http::default(),
            backfill: Backfill::default(),
            identity: Identity::default(),
            invites: Invites::default(),
            portal: Portal::default(),
            limits: Limits::default(),
            live: Live::default(),
            search: SearchConfig::default(),
            store: StoreConfig::default(),
            telemetry: Telemetry::default(),
            source: Vec::new(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8484)),
            public_url: "http://127.0.0.1:8484".to_owned(),
            event_url: EventUrl::default(),
            service_did: None,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Http {
    /// Whom a service token for this server names.
    ///
    /// # Errors
    /// What is written is of no method that hosts know, or nothing is written and nothing follows from `public_url`.
    pub fn service_did(&self) -> Result<Did, ConfigError> {
        let Some(did) = &self.service_did else {
            return did_web_of(&self.public_url).ok_or(ConfigError::NoServiceDid);
        };
        // A did:web with a path has colons in it, and is none that the network knows.
        let is_web = did.as_str().strip_prefix("did:web:").is_some_and(|host| !host.contains(':'));
        if is_web || did.as_str().starts_with("did:plc:") {
            Ok(did.clone())
        } else {
            Err(ConfigError::ServiceDid { did: did.clone() })
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_events: 250, queries_at_once: 64, drain_seconds: 10 }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self {
            connect_seconds: 20,
            ping_seconds: 30,
            silence_seconds: 90,
            retry_ms: 500,
            retry_seconds_max: 60,
            key_seconds: 60,
        }
    }
}

impl Live {
    /// How long live sources wait, and for what.
    pub fn patience(&self) -> Patience {
        Patience {
            connect: Duration::from_secs(self.connect_seconds),
            ping: Duration::from_secs(self.ping_seconds),
            silence: Duration::from_secs(self.silence_seconds),
            retry_min: Duration::from_millis(self.retry_ms),
            retry_max: Duration::from_secs(self.retry_seconds_max),
            tick: TICK,
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { engine: EngineKind::Sled, cache_mb: 64 }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log: "info".to_owned() }
    }
}

impl Config {
    /// Loads the file, if one is given, and lays the environment over it.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let mut table = Table::new();
        if let Some(path) = path {
            let read = |source| ConfigError::Read { path: path.to_owned(), source };
            let text = std::fs::read_to_string(path).map_err(read)?;
            let wrong = |mut source: toml::de::Error| {
                source.set_input(None);
                let before = source.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                ConfigError::Line { path: path.to_owned(), line, source: Box::new(source) }
            };
            // Checked alone first, so that an error shows its line.
            toml::from_str::<Config>(&text).map_err(wrong)?;
            table = text.parse().map_err(wrong)?;
        }
        env::overlay(&mut table)?;
        let config: Self = table.try_into().map_err(|source| ConfigError::Invalid(Box::new(source)))?;
        config.validate()?;
        Ok(config)
    }

    /// What types cannot say.
    fn validate(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        within("limits.batch_events", wide(limits.batch_events), 1..=100_000)?;
        within("limits.queries_at_once", wide(limits.queries_at_once), 1..=10_000)?;
        within("limits.drain_seconds", limits.drain_seconds, 0..=3_600)?;
        within("store.cache_mb", self.store.cache_mb, 1..=1_048_576)?;
        if EnvFilter::try_new(&self.telemetry.log).is_err() {
            return Err(ConfigError::LogFilter { filter: self.telemetry.log.clone() });
        }
        self.http.service_did()?;
        self.identity.validate()?;
        self.backfill.validate()?;
        self.invites.validate()?;
        let live = &self.live;
        within("live.connect_seconds", live.connect_seconds, 1..=600)?;
        within("live.ping_seconds", live.ping_seconds, 1..=600)?;
        // A ping needs time to be answered.
        within("live.silence_seconds", live.silence_seconds, live.ping_seconds + 1..=3_600)?;
        within("live.retry_ms", live.retry_ms, 1..=60_000)?;
        within("live.retry_seconds_max", live.retry_seconds_max, 1..=3_600)?;
        within("live.key_seconds", live.key_seconds, 1..=3_600)?;
        source::validate(&self.source)
    }

    /// Bytes of rows, as they are on disk, that are kept in memory.
    pub fn cache_bytes(&self) -> u64 {
        self.store.cache_mb.saturating_mul(1 << 20)
    }

    /// The same, with what follows from other keys where nothing is written.
    ///
    /// # Errors
    /// The service has no DID.
    pub fn effective(mut self) -> Result<Self, ConfigError> {
        self.http.service_did = Some(self.http.service_did()?);
        Ok(self)
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration of texts and numbers serialises")
    }
}

fn within(key: &'static str, value: u64, range: RangeInclusive<u64>) -> Result<(), ConfigError> {
    if range.contains(&value) { Ok(()) } else { Err(ConfigError::OutOfRange { key, value, range }) }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
