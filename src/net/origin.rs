//! Where a host is: its name, its port, and whether it is spoken to through TLS.

use std::fmt;

use hyper::Uri;
use serde::{Deserialize, Serialize};

/// An origin, normalised: the host in lowercase, the port always known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    tls: bool,
    host: String,
    port: u16,
}

/// A text that is no origin. Never shows the text: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is no URL of a known kind.
    #[error("an origin begins with https:// or http:// and a host")]
    NotAnOrigin,
    /// It has a user name or a password.
    #[error("an origin must not have a user name or a password in it")]
    Credentials,
    /// It has more than an origin.
    #[error("an origin has neither a path nor a query: https://host.example")]
    Path,
}

impl Origin {
    /// Reads `https://host`, or `http://host:port`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let uri: Uri = text.trim().parse().map_err(|_| OriginError::NotAnOrigin)?;
        if !matches!(uri.scheme_str(), Some("https" | "http")) {
            return Err(OriginError::NotAnOrigin);
        }
        let origin = Self::of(&uri)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(OriginError::Path);
        }
        Ok(origin)
    }

    /// The origin of an absolute URL, of a WebSocket too.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(uri: &Uri) -> Result<Self, OriginError> {
        let tls = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("wss" | "https") => true,
            Some("ws" | "http") => false,
            _ => return Err(OriginError::NotAnOrigin),
        };
        let authority = uri.authority().ok_or(OriginError::NotAnOrigin)?;
        if authority.as_str().contains('@') {
            return Err(OriginError::Credentials);
        }
        let host = authority.host().to_ascii_lowercase();
        let usual = if tls { 443 } else { 80 };
        // A port that is written and cannot be read is an error, not the usual one.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => usual,
            _ => authority.port_u16().ok_or(OriginError::NotAnOrigin)?,
        };
        if host.is_empty() {
            return Err(OriginError::NotAnOrigin);
        }
        Ok(Self { tls, host, port })
    }

    /// The origin of a name that is reached through TLS at the usual port.
    pub fn of_name(name: &str) -> Self {
        Self { tls: true, host: name.to_ascii_lowercase(), port: 443 }
    }

    /// Whether it is reached through TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, without brackets, as a resolver takes it.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they stand in a request.
    pub fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Where a redirect leads: the origin, and the path with its query. `None` where it leads nowhere that may be
    /// followed: out of TLS, or to something with a password.
    pub fn redirected(&self, location: &str) -> Option<(Self, String)> {
        let absolute = location.strip_prefix("//").map(|rest| format!("{}://{rest}", self.scheme()));
        let uri: Uri = absolute.as_deref().unwrap_or(location).parse().ok()?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let origin = match uri.authority() {
            // Relative to where we are.
            None => path.starts_with('/').then(|| self.clone())?,
            Some(_) if uri.scheme().is_none() => return None,
            Some(_) => Self::of(&uri).ok()?,
        };
        let downgrade = self.tls && !origin.tls;
        (!downgrade).then_some((origin, path))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(text: String) -> Result<Self, OriginError> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, OriginError};

    #[test]
    fn an_origin_is_written_in_one_way() {
        for (text, one) in [
            ("https://PLC.Directory/", "https://plc.directory"),
            (" https://plc.directory:443", "https://plc.directory"),
            ("http://localhost:2582", "http://localhost:2582"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), one, "{text}");
        }
        assert_eq!(Origin::of_name("Ada.example").to_string(), "https://ada.example");
    }

    #[test]
    fn what_is_no_origin_is_refused_without_being_repeated() {
        for (text, error) in [
            ("", OriginError::NotAnOrigin),
            ("plc.directory", OriginError::NotAnOrigin),
            ("wss://plc.directory", OriginError::NotAnOrigin),
            ("https://plc.directory:99999", OriginError::NotAnOrigin),
            ("https://user:secret@plc.directory", OriginError::Credentials),
            ("https://plc.directory/path", OriginError::Path),
            ("https://plc.directory?query", OriginError::Path),
        ] {
            assert_eq!(Origin::parse(text), Err(error), "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
