//! What everything that connects to a host shares: origins, how TLS is spoken, one GET over an open connection.
//!
//! It opens no connection: who dials, and to which addresses, is decided by `ingest` for hosts that the operator
//! names and by `identity` for hosts that anybody names.
#![allow(clippy::disallowed_methods, reason = "a shell: a date in a header is compared with the clock")]

mod address;
mod download;
mod exchange;
mod failure;
mod get;
mod guard;
mod network;
mod origin;
mod tls;
mod web;

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

pub use address::is_public;
pub use download::{DownloadError, Downloaded, Pace, download};
pub use failure::Failure;
pub use get::{Answer, GetError, get};
pub use guard::{Forbidden, Guard};
pub use network::{Network, Stream, System, Waiting};
pub use origin::{Origin, OriginError};
pub use tls::system_tls;
pub use web::{NamedBy, Web, Wish};

/// What we call ourselves.
pub const USER_AGENT: &str = concat!("guestlist/", env!("CARGO_PKG_VERSION"));

/// `Retry-After`, in seconds or as a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(date.duration_since(Timestamp::now())).ok()
}
