//! The address of a live source, in the one form under which its cursor is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::http::Uri;

use crate::net::{Origin, OriginError};

/// Where a relay's stream is. May stand in the configured address.
pub const RELAY_PATH: &str = "/xrpc/com.atproto.sync.subscribeRepos";
/// Where Jetstream's is.
pub const JETSTREAM_PATH: &str = "/subscribe";

/// An origin, written as a WebSocket's: `wss` or `ws`, the host in lowercase, the port only where it is not the usual one.
///
/// The scope of a cursor is one host, so two ways of writing one host must not be two sources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(Origin);

/// An address that no live source can have. Never shows the address: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL of a kind that leads to a WebSocket.
    #[error("the url of a source begins with wss://, ws://, https:// or http:// and a host")]
    NotAnOrigin,
    /// It has a user name or a password.
    #[error("the url of a source must not have a user name or a password in it")]
    Credentials,
    /// It has more than an origin.
    #[error("the url of a source is an origin, without a path or a query: wss://relay.example")]
    Path,
}

impl Endpoint {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let uri: Uri = text.trim().parse().map_err(|_| EndpointError::NotAnOrigin)?;
        let origin = Origin::of(&uri).map_err(|error| match error {
            OriginError::Credentials => EndpointError::Credentials,
            OriginError::NotAnOrigin | OriginError::Path => EndpointError::NotAnOrigin,
        })?;
        if !matches!(uri.path(), "" | "/" | RELAY_PATH | JETSTREAM_PATH) || uri.query().is_some() {
            return Err(EndpointError::Path);
        }
        Ok(Self(origin))
    }

    /// The origin itself.
    pub fn origin(&self) -> &Origin {
        &self.0
    }

    /// Whether it is reached through TLS.
    pub fn is_tls(&self) -> bool {
        self.0.is_tls()
    }

    /// The host's name or address, without brackets, as a resolver takes it.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Where a redirect leads: the endpoint, and the path with its query. `None` where it leads nowhere that
    /// may be followed: out of TLS, or to something with a password.
    pub fn redirected(&self, location: &str) -> Option<(Self, String)> {
        let (origin, path) = self.0.redirected(location)?;
        Some((Self(origin), path))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tls() { "wss" } else { "ws" }, self.0.authority())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        Self::parse(&text)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointError};

    #[test]
    fn one_host_has_one_name() {
        for text in [
            "wss://relay.example",
            "https://relay.example",
            "WSS://Relay.Example/",
            "wss://relay.example:443",
            "https://RELAY.example:443/xrpc/com.atproto.sync.subscribeRepos",
            " wss://relay.example ",
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), "wss://relay.example", "{text}");
        }
        for text in ["ws://127.0.0.1:2583", "http://127.0.0.1:2583/subscribe"] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), "ws://127.0.0.1:2583", "{text}");
        }
        assert_eq!(Endpoint::parse("ws://[::1]:80").unwrap().to_string(), "ws://[::1]");
        assert_eq!(Endpoint::parse("ws://[::1]:80").unwrap().host(), "::1");
    }

    #[test]
    fn what_is_no_origin_is_refused_without_being_repeated() {
        for (text, error) in [
            ("", EndpointError::NotAnOrigin),
            ("relay.example", EndpointError::NotAnOrigin),
            ("ftp://relay.example", EndpointError::NotAnOrigin),
            ("wss://", EndpointError::NotAnOrigin),
            ("wss://relay.example:port", EndpointError::NotAnOrigin),
            ("wss://relay.example:99999", EndpointError::NotAnOrigin),
            ("wss://user:secret@relay.example", EndpointError::Credentials),
            ("wss://secret@relay.example", EndpointError::Credentials),
            ("wss://relay.example/other", EndpointError::Path),
            ("wss://relay.example/?cursor=5", EndpointError::Path),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_redirect_is_followed_to_other_paths_and_hosts_and_never_out_of_tls() {
        let here = Endpoint::parse("wss://relay.example").unwrap();
        let followed = |location| here.redirected(location).map(|(to, path)| (to.to_string(), path));
        let there = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
        assert_eq!(followed("/x?cursor=5"), there("wss://relay.example", "/x?cursor=5"));
        assert_eq!(followed("https://Other.example/x"), there("wss://other.example", "/x"));
        assert_eq!(followed("wss://other.example:8443"), there("wss://other.example:8443", "/"));
        for location in
            ["", "ws://other.example/x", "http://relay.example/x", "https://u:p@other.example/", "ftp://x/"]
        {
            assert_eq!(followed(location), None, "{location}");
        }
        let plain = Endpoint::parse("ws://127.0.0.1:1").unwrap();
        assert_eq!(plain.redirected("http://127.0.0.1:2/x").unwrap().0.to_string(), "ws://127.0.0.1:2");
    }
}
