//! The configuration: what was written in the file and the environment, checked.
//!
//! Every key has a working default; an unknown one is an error, in the file and in the environment. Flags
//! are applied on top by the commands. `config/example.toml` shows every key. Spec: CONTRACT §2.
#![allow(clippy::disallowed_methods, reason = "a shell: it reads a file and the environment")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use tracing_subscriber::filter::EnvFilter;

use crate::http::Addresses;
use crate::ingest::dump::{self, DumpError};
use crate::ingest::endpoint::Endpoint;
use crate::ingest::live::{Patience, Start};
use crate::ingest::relay::OnReset;
use crate::sources::kind;

/// What environment variables begin with: `GUESTLIST_DATA_DIR`, `GUESTLIST_HTTP__BIND`.
const ENV_PREFIX: &str = "GUESTLIST_";

/// How often a live source hands over what it has gathered.
const TICK: Duration = Duration::from_secs(1);

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the configuration {path} is not TOML")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key is unknown or its value does not fit.
    #[error("the configuration does not fit")]
    Invalid(#[source] Box<toml::de::Error>),
    /// A number is out of its range.
    #[error("{key} = {value} is out of range: {} to {}", range.start(), range.end())]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: RangeInclusive<u64>,
    },
    /// The log filter is none.
    #[error("telemetry.log is no filter: {filter:?}")]
    LogFilter {
        /// What was written.
        filter: String,
    },
    /// A source's file is no dump, by its name.
    #[error(transparent)]
    Source(#[from] DumpError),
    /// Two sources of one kind have one origin, and so would have one cursor.
    #[error("there are two sources of the kind {kind} at {endpoint}")]
    SameOrigin {
        /// The kind.
        kind: &'static str,
        /// The origin.
        endpoint: Endpoint,
    },
    /// A dictionary for messages that are not compressed.
    #[error("a source has a dictionary and compress = false: one of the two is a mistake")]
    IdleDictionary,
    /// An environment variable names no key.
    #[error(
        "the environment variable {name} names no setting: GUESTLIST_<SECTION>__<KEY> or GUESTLIST_DATA_DIR"
    )]
    Variable {
        /// The variable.
        name: String,
    },
}

/// The effective configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the store is.
    pub data_dir: PathBuf,
    /// The query server.
    pub http: Http,
    /// Who is who.
    pub identity: Identity,
    /// Bounds on work.
    pub limits: Limits,
    /// Connections to live sources.
    pub live: Live,
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
    /// The addresses of proxies whose word on a request's client and id is taken.
    pub trusted_proxies: Vec<Addresses>,
}

/// Who is who.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Files with DID documents, used instead of the network.
    pub identities: Vec<PathBuf>,
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

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// What is logged: a level, or levels by module, as in `info,guestlist::indexer=debug`.
    pub log: String,
}

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

/// How much of what a source says is proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Blocks against their CIDs; signatures and chains are taken as they come.
    #[default]
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            http: Http::default(),
            identity: Identity::default(),
            limits: Limits::default(),
            live: Live::default(),
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
            trusted_proxies: Vec::new(),
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
            let syntax = |source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) };
            // Checked alone first, so that an error shows its line.
            toml::from_str::<Config>(&text).map_err(syntax)?;
            table = text.parse().map_err(syntax)?;
        }
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if let Some(key) = name.strip_prefix(ENV_PREFIX) {
                let named = value.to_str().and_then(|value| set(&mut table, key, value));
                named.ok_or_else(|| ConfigError::Variable { name: name.clone().into_owned() })?;
            }
        }
        let config: Self = table.try_into().map_err(|source| ConfigError::Invalid(Box::new(source)))?;
        config.validate()?;
        Ok(config)
    }

    /// What types cannot say.
    fn validate(&self) -> Result<(), ConfigError> {
        let within = |key, value: u64, range: RangeInclusive<u64>| {
            if range.contains(&value) { Ok(()) } else { Err(ConfigError::OutOfRange { key, value, range }) }
        };
        let limits = &self.limits;
        within("limits.batch_events", wide(limits.batch_events), 1..=100_000)?;
        within("limits.queries_at_once", wide(limits.queries_at_once), 1..=10_000)?;
        within("limits.drain_seconds", limits.drain_seconds, 0..=3_600)?;
        within("store.cache_mb", self.store.cache_mb, 1..=1_048_576)?;
        if EnvFilter::try_new(&self.telemetry.log).is_err() {
            return Err(ConfigError::LogFilter { filter: self.telemetry.log.clone() });
        }
        let live = &self.live;
        within("live.connect_seconds", live.connect_seconds, 1..=600)?;
        within("live.ping_seconds", live.ping_seconds, 1..=600)?;
        // A ping needs time to be answered.
        within("live.silence_seconds", live.silence_seconds, live.ping_seconds + 1..=3_600)?;
        within("live.retry_ms", live.retry_ms, 1..=60_000)?;
        within("live.retry_seconds_max", live.retry_seconds_max, 1..=3_600)?;
        self.validate_sources()
    }

    fn validate_sources(&self) -> Result<(), ConfigError> {
        let mut origins = BTreeSet::new();
        for source in &self.source {
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

    /// Bytes of rows, as they are on disk, that are kept in memory.
    pub fn cache_bytes(&self) -> u64 {
        self.store.cache_mb.saturating_mul(1 << 20)
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration of texts and numbers serialises")
    }
}

/// Sets the key that a variable names; `None` if it names none.
fn set(table: &mut Table, key: &str, text: &str) -> Option<()> {
    let value = parse_value(text);
    let key = key.to_lowercase();
    match key.split_once("__") {
        Some((section, key)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            section.as_table_mut()?.insert(key.to_owned(), value);
        }
        None if key == "data_dir" => {
            // A directory may be called 2026.
            table.insert(key, Value::String(text.to_owned()));
        }
        None => return None,
    }
    Some(())
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A value as TOML has it, or else as plain text.
fn parse_value(text: &str) -> Value {
    let line = format!("value = {text}").parse::<Table>().ok();
    line.and_then(|mut line| line.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Config, Table, set};

    fn with(variables: &[(&str, &str)]) -> Option<Result<Config, toml::de::Error>> {
        let mut table = Table::new();
        for (key, value) in variables {
            set(&mut table, key, value)?;
        }
        Some(table.try_into())
    }

    #[test]
    fn the_environment_overrides_keys_of_every_type() {
        let config = with(&[
            ("DATA_DIR", "elsewhere"),
            ("HTTP__BIND", "127.0.0.1:9000"),
            ("LIMITS__BATCH_EVENTS", "7"),
            ("IDENTITY__IDENTITIES", "[\"a.dids.jsonl\"]"),
        ]);
        let config = config.unwrap().unwrap();
        assert_eq!(config.data_dir.to_str(), Some("elsewhere"));
        assert_eq!(config.http.bind.port(), 9000);
        assert_eq!(config.limits.batch_events, 7);
        assert_eq!(config.identity.identities.len(), 1);
    }

    #[test]
    fn a_value_that_cannot_work_is_refused_before_anything_starts() {
        for (key, value) in [
            ("STORE__CACHE_MB", "0"),
            ("LIMITS__QUERIES_AT_ONCE", "0"),
            ("LIMITS__QUERIES_AT_ONCE", "9000000000000000000"),
            ("LIMITS__BATCH_EVENTS", "0"),
            ("TELEMETRY__LOG", "a=b=c"),
            ("LIVE__CONNECT_SECONDS", "0"),
            ("LIVE__SILENCE_SECONDS", "30"),
            ("LIVE__RETRY_MS", "0"),
            ("LIVE__RETRY_SECONDS_MAX", "0"),
        ] {
            let config = with(&[(key, value)]).unwrap().unwrap();
            assert!(config.validate().is_err(), "{key} = {value}");
        }
        assert!(Config::default().validate().is_ok());
    }

    fn sources(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn two_sources_of_one_kind_and_origin_are_refused() {
        let source = |kind: &str, url: &str| format!("[[source]]\nkind = {kind:?}\nurl = {url:?}\n");
        let relay = source("relay", "wss://relay.example");
        assert!(sources(&format!("{relay}{}", source("relay", "wss://other.example"))).is_ok());
        assert!(sources(&format!("{relay}{}", source("jetstream", "wss://relay.example"))).is_ok());
        let twice = sources(&format!("{relay}{}", source("relay", "https://RELAY.example:443/")));
        assert!(twice.unwrap_err().contains("wss://relay.example"));
    }

    #[test]
    fn what_a_source_cannot_be_is_refused_and_no_password_is_shown() {
        for (rest, said) in [
            ("kind = \"relay\"\nurl = \"wss://me:hunter2@relay.example\"", "password"),
            ("kind = \"relay\"", "url"),
            ("kind = \"relay\"\nurl = \"wss://relay.example\"\nverify = \"full\"", "full"),
            ("kind = \"relay\"\nurl = \"wss://relay.example\"\ncompress = true", "compress"),
            ("kind = \"jetstream\"\nurl = \"wss://jetstream.example\"\ndictionary = \"d\"", "dictionary"),
            ("kind = \"carrier-pigeon\"\nurl = \"wss://relay.example\"", "pigeon"),
        ] {
            let error = sources(&format!("[[source]]\n{rest}\n")).unwrap_err();
            assert!(error.contains(said), "{rest}: {error}");
        }
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, "[[source]]\nkind = \"relay\"\nurl = \"wss://me:hunter2@relay.example\"\n")
            .unwrap();
        let error = anyhow::Error::new(Config::load(Some(path.path())).unwrap_err());
        assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
    }

    #[test]
    fn an_unknown_variable_is_an_error() {
        assert!(with(&[("DATADIR", "x")]).is_none());
        assert!(with(&[("HTTP__BND", "x")]).unwrap().is_err());
        assert!(with(&[("HTPP__BIND", "127.0.0.1:1")]).unwrap().is_err());
    }
}
