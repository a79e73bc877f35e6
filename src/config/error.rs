//! What can be wrong with a configuration.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::ingest::dump::DumpError;
use crate::ingest::endpoint::Endpoint;
use crate::syntax::{Did, Nsid};

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
    /// The file is no TOML, or a key in it is unknown or its value does not fit.
    #[error("line {line} of the configuration {path} does not fit")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why. Without the line itself: there may be a password in it.
        source: Box<toml::de::Error>,
    },
    /// A key of the environment is unknown or its value does not fit.
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
    /// The service's DID is of another method, or has a path.
    #[error("http.service_did must be a did:plc, or a did:web of a host without a path: {did}")]
    ServiceDid {
        /// What was written.
        did: Did,
    },
    /// Spaces of this type are there when records or chats are, and cannot be made.
    #[error(
        "invites.space_type is a kind of record that is indexed here, or that of chats: nobody could make such a space: {kind}"
    )]
    SpaceType {
        /// What was written.
        kind: Nsid,
    },
    /// The service has no DID.
    #[error(
        "no DID of this service follows from http.public_url: write a URL with a host's name there, or set http.service_did"
    )]
    NoServiceDid,
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
