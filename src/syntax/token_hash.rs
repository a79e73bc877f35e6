//! The hash of an invite's token: what is kept of it, and how its owner names it.
//!
//! A token is shown once, to whoever made the invite. Everything else that there is of it is this hash, so that
//! nobody who reads a store, an export or a log can redeem anything. The codes of chats are another matter: the Portal lists
//! them, so they are kept beside. What a session's cookie says is kept in no other way. Spec: RULES §5 and §6.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::SyntaxError;

/// Characters of a hash as text: 32 bytes in lowercase hexadecimal digits.
const TEXT_LEN: usize = 64;

/// SHA-256 over the text of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token. Any text has one; only that of a token is anywhere.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// The hash that these bytes are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 lowercase hexadecimal digits.
    ///
    /// # Errors
    /// [`SyntaxError::TokenHash`] for any other text.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(SyntaxError::TokenHash),
        };
        if text.len() != TEXT_LEN {
            return Err(SyntaxError::TokenHash);
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            for of_text in digits {
                *byte = *byte << 4 | digit(*of_text)?;
            }
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for TokenHash {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            super::deserialize_text(deserializer)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TokenHash;
    use crate::syntax::SyntaxError;

    #[test]
    fn is_sha_256_over_the_text_in_lowercase() {
        let hash = TokenHash::of("abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(TokenHash::parse(text), Ok(hash));
    }

    #[test]
    fn refuses_what_is_not_64_lowercase_digits() {
        let good = TokenHash::of("").to_string();
        for text in ["", &good[1..], &format!("{good}0"), &good.to_uppercase(), &good.replace('e', "g")] {
            assert_eq!(TokenHash::parse(text), Err(SyntaxError::TokenHash), "{text}");
        }
    }

    #[test]
    fn is_text_for_people_and_bytes_in_rows() {
        let hash = TokenHash::of("x");
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{hash}\""));
        assert_eq!(serde_json::from_str::<TokenHash>(&json).unwrap(), hash);
        let row = postcard::to_stdvec(&hash).unwrap();
        assert_eq!(row, hash.as_bytes());
        assert_eq!(postcard::from_bytes::<TokenHash>(&row).unwrap(), hash);
    }
}
