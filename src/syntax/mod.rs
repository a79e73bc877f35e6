//! The identifiers and string formats of the AT Protocol, one type per file.
//!
//! Untrusted text becomes one of these types through `parse`, once; whoever holds the type need
//! not check again. A format that no row keeps is a predicate (`is_uri`, `is_https_url`, `is_language`). Nothing
//! here resolves, looks up or judges: a well-formed DID need not exist.
//! Spec: atproto spec, lexicon ("string formats"), and the page of each identifier.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// What a type that is held as text has in common: reading it as text, and serde through `parse`.
macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The text, as this type keeps it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = super::SyntaxError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::deserialize_text(deserializer)
            }
        }
    };
}

mod at_uri;
mod cid;
mod datetime;
mod did;
mod handle;
mod https_url;
mod language;
mod nsid;
mod record_key;
mod tid;
mod token_hash;
mod uri;

pub use at_uri::{AtUri, Authority};
pub use cid::{Cid, is_cid_string};
pub use datetime::Datetime;
pub use did::Did;
pub use handle::Handle;
pub use https_url::is_https_url;
pub use language::is_language;
pub use nsid::Nsid;
pub use record_key::RecordKey;
pub use tid::Tid;
pub use token_hash::TokenHash;
pub use uri::is_uri;

/// Why a text was refused: which type it failed to be. It carries no part of the text, so that it
/// can be counted and logged without repeating what a stranger wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// Not a decentralized identifier.
    #[error("not a DID")]
    Did,
    /// Not a handle (a domain name).
    #[error("not a handle")]
    Handle,
    /// Not a namespaced identifier.
    #[error("not an NSID")]
    Nsid,
    /// Not a record key.
    #[error("not a record key")]
    RecordKey,
    /// Not a timestamp identifier.
    #[error("not a TID")]
    Tid,
    /// Not a CID of the one form that a repository uses.
    #[error("not a CID")]
    Cid,
    /// Not an AT-URI in the restricted form that lexicons use.
    #[error("not an AT-URI")]
    AtUri,
    /// Not a datetime, in syntax or in meaning.
    #[error("not a datetime")]
    Datetime,
    /// Not the hash of an invite's token.
    #[error("not a token hash: 64 lowercase hexadecimal digits")]
    TokenHash,
}

/// Whether `text` has the lexicon format `at-identifier`: a DID if it starts like one, else a
/// handle. No handle begins with `did:`, so the prefix decides.
pub fn is_at_identifier(text: &str) -> bool {
    if text.starts_with("did:") { Did::is_valid(text) } else { Handle::is_valid(text) }
}

/// One label of a domain name: 1 to 63 letters, digits and hyphens, no hyphen at either end.
/// Handles and the domain part of an NSID are made of these.
fn is_domain_label(label: &[u8]) -> bool {
    (1..=63).contains(&label.len())
        && label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && label.first() != Some(&b'-')
        && label.last() != Some(&b'-')
}

/// Reads a text type back through its own parser: rows pass the same gate as the network.
fn deserialize_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = SyntaxError>,
{
    deserializer.deserialize_str(TextVisitor(PhantomData))
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err = SyntaxError>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier as text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::Error as ValueError;

    use super::{AtUri, Did, Handle, Nsid, RecordKey, SyntaxError, is_at_identifier};

    fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, String> {
        T::deserialize(IntoDeserializer::<ValueError>::into_deserializer(text))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_at_identifier_is_a_did_or_a_handle() {
        for text in ["did:plc:abc", "did:web:host.example", "host.example", "HOST.Example"] {
            assert!(is_at_identifier(text), "{text}");
        }
        for text in ["", "did:plc:", "did:host.example", "DID:plc:abc", "host", "@host.example"] {
            assert!(!is_at_identifier(text), "{text}");
        }
    }

    #[test]
    fn a_stored_text_is_checked_again() {
        assert_eq!(read::<Did>("did:plc:abc").unwrap().as_str(), "did:plc:abc");
        assert_eq!(read::<Did>("did:plc:"), Err("not a DID".into()));
        assert_eq!(read::<Handle>("Host.Example").unwrap().as_str(), "host.example");
        assert_eq!(read::<Handle>("host"), Err("not a handle".into()));
        assert_eq!(read::<Nsid>("a.b"), Err("not an NSID".into()));
        assert_eq!(read::<RecordKey>(".."), Err("not a record key".into()));
        assert_eq!(read::<AtUri>("at://host"), Err("not an AT-URI".into()));
    }

    #[test]
    fn an_error_names_the_type_and_nothing_else() {
        assert_eq!(SyntaxError::Tid.to_string(), "not a TID");
        assert_eq!(SyntaxError::Cid.to_string(), "not a CID");
        assert_eq!(SyntaxError::Datetime.to_string(), "not a datetime");
    }
}
