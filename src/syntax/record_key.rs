//! Record keys: the last part of a record's address.
//!
//! A key is often a TID and need not be one; which kind a collection wants is the lexicon's
//! affair, not a matter of syntax. Keys are case-sensitive.
//! Spec: atproto spec, record-key.

use super::SyntaxError;

/// The longest record key the protocol accepts.
const RECORD_KEY_BYTES_MAX: usize = 512;

/// A well-formed record key, kept as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Box<str>);

impl RecordKey {
    /// Accepts 1 to 512 bytes of letters, digits and `._:~-`, except `.` and `..`.
    ///
    /// # Errors
    /// [`SyntaxError::RecordKey`] for any other text.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if Self::is_valid(text) { Ok(Self(text.into())) } else { Err(SyntaxError::RecordKey) }
    }

    /// Whether `parse` would accept `text`. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        (1..=RECORD_KEY_BYTES_MAX).contains(&text.len())
            && text.bytes().all(is_key_byte)
            // In the path of a URI a generic client would resolve these two away.
            && !matches!(text, "." | "..")
    }
}

text_type!(RecordKey);

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'~' | b'-')
}

#[cfg(test)]
mod tests {
    use super::{RECORD_KEY_BYTES_MAX, RecordKey};
    use crate::syntax::SyntaxError;

    #[test]
    fn accepts_tids_and_free_text() {
        for text in [
            "3kx2q5yrs6k2a",
            "self",
            "Self",
            "host.example",
            "did:plc:abc",
            "~1.2-3_",
            "0",
            ":",
            "-",
            "_",
            "~",
            "...",
            ".a",
            "a.",
            "lang:",
            ":lang",
        ] {
            assert!(RecordKey::is_valid(text), "{text}");
            assert_eq!(RecordKey::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_a_record_key() {
        for text in [
            "", ".", "..", "a/b", "a b", " a", "a\n", "a\0", "#a", "@a", "a+b", "a=", "a%20b", "a?b", "a[1]",
            "a(1)", "\"a\"", "a,b", "é",
        ] {
            assert!(!RecordKey::is_valid(text), "{text:?}");
            assert_eq!(RecordKey::parse(text), Err(SyntaxError::RecordKey));
        }
    }

    #[test]
    fn the_length_limit_is_exact() {
        assert!(RecordKey::is_valid(&"x".repeat(RECORD_KEY_BYTES_MAX)));
        assert!(!RecordKey::is_valid(&"x".repeat(RECORD_KEY_BYTES_MAX + 1)));
    }
}
