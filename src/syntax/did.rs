//! Decentralized identifiers, the only stable name of an account.
//!
//! Syntax only: any method is accepted here, and what can be resolved is decided elsewhere.
//! The text is shared, since one account appears in many rows and events at once.
//! Spec: atproto spec, did.

use std::sync::Arc;

use super::SyntaxError;

/// The longest DID the protocol accepts.
const DID_BYTES_MAX: usize = 2048;

/// A well-formed DID, kept as written (it is case-sensitive). Cloning shares the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did(Arc<str>);

impl Did {
    /// Accepts `did:<method>:<identifier>` of at most 2048 bytes: the method is lowercase letters,
    /// the identifier letters, digits and `._:%-`, not ending in `:` or `%`.
    ///
    /// # Errors
    /// [`SyntaxError::Did`] for any other text.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if Self::is_valid(text) { Ok(Self(text.into())) } else { Err(SyntaxError::Did) }
    }

    /// Whether `parse` would accept `text`. One pass, no allocation: it runs on every frame.
    pub fn is_valid(text: &str) -> bool {
        if text.len() > DID_BYTES_MAX {
            return false;
        }
        let Some(rest) = text.as_bytes().strip_prefix(b"did:") else {
            return false;
        };
        let mut bytes = rest.iter();
        let mut method_len = 0;
        loop {
            match bytes.next() {
                Some(b'a'..=b'z') => method_len += 1,
                Some(b':') if method_len > 0 => break,
                _ => return false,
            }
        }
        // An empty identifier is refused like one that ends in a colon: this is the colon before it.
        let mut last = b':';
        for &byte in bytes {
            if !is_identifier_byte(byte) {
                return false;
            }
            last = byte;
        }
        !matches!(last, b':' | b'%')
    }
}

text_type!(Did);

// Percent signs are not checked for the two digits after them: the protocol's pattern does not.
fn is_identifier_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'%' | b'-')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{DID_BYTES_MAX, Did};
    use crate::syntax::SyntaxError;

    #[test]
    fn accepts_any_method_and_keeps_the_text() {
        for text in [
            "did:plc:z72i7hdynmk6r22z27h6tvur",
            "did:web:host.example",
            "did:web:localhost%3A8080",
            "did:key:zQ3shMixedCase",
            "did:a:b",
            "did:a:B",
            "did:a:0",
            "did:a:-",
            "did:a:.",
            "did:a:_",
            "did:a::b",
            "did:a:b:c:d",
            "did:a:%b",
            "did:a:%zz",
        ] {
            assert!(Did::is_valid(text), "{text}");
            assert_eq!(Did::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_a_did() {
        for text in [
            "",
            "did",
            "did:",
            "did::",
            "did::b",
            "did:a",
            "did:a:",
            "did:a::",
            "did:a:b:",
            "did:a:b%",
            "DID:a:b",
            "did:A:b",
            "did:a1:b",
            "did:a-c:b",
            "did:a:b/c",
            "did:a:b?c",
            "did:a:b#c",
            "did:a:b c",
            " did:a:b",
            "did:a:b ",
            "did:a:b\n",
            "did:a:b\0",
            "did:a:é",
            "did:a:b@c",
            "did.a.b",
            "at://did:a:b",
        ] {
            assert!(!Did::is_valid(text), "{text:?}");
            assert_eq!(Did::parse(text), Err(SyntaxError::Did));
        }
    }

    #[test]
    fn the_length_limit_is_exact() {
        let longest = format!("did:a:{}", "x".repeat(DID_BYTES_MAX - 6));
        assert!(Did::is_valid(&longest));
        assert!(!Did::is_valid(&format!("{longest}x")));
    }

    #[test]
    fn a_set_of_dids_is_asked_with_plain_text() {
        let did = Did::parse("did:a:b").unwrap();
        let set = HashSet::from([did.clone()]);
        assert!(set.contains("did:a:b") && !set.contains("did:a:B"));
        assert!(did < Did::parse("did:a:c").unwrap());
        assert_eq!(did.as_ref(), "did:a:b");
    }
}
