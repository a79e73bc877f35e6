//! Secrets that are made here, from the operating system's randomness, and shown once: tokens and codes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ApiError;
use crate::syntax::TokenHash;
use crate::tables::portal::{CODE_ALPHABET, CODE_LEN};

/// Bytes of a token: nobody guesses 256 bits (RULES §5).
const TOKEN_BYTES: usize = 32;

/// A token, with its hash. It is shown to its owner alone, so this has no form in which it could be logged.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) hash: TokenHash,
}

impl Token {
    pub(super) fn new() -> Result<Self, ApiError> {
        let text = URL_SAFE_NO_PAD.encode(random::<TOKEN_BYTES>()?);
        Ok(Self { hash: TokenHash::of(&text), text })
    }
}

/// The code of an invite.
pub(super) fn new_code() -> Result<Box<str>, ApiError> {
    let mut code = String::with_capacity(CODE_LEN);
    while code.len() < CODE_LEN {
        // Seven numbers of a byte for each character; the last few would favour some.
        let letter = |byte: &u8| CODE_ALPHABET.get(usize::from(byte / 7)).map(|letter| char::from(*letter));
        let bytes = random::<TOKEN_BYTES>()?;
        code.extend(bytes.iter().filter_map(letter).take(CODE_LEN - code.len()));
    }
    Ok(code.into())
}

fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the operating system gave no random bytes");
        ApiError::Internal
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Token, new_code};
    use crate::tables::portal::{CODE_ALPHABET, is_code};

    #[test]
    fn tokens_are_43_characters_of_base64url_and_never_the_same() {
        let tokens: BTreeSet<_> = (0..100).map(|_| Token::new().unwrap().text).collect();
        assert_eq!(tokens.len(), 100);
        for token in tokens {
            assert_eq!(token.len(), 43);
            assert!(
                token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
                "{token}"
            );
        }
    }

    #[test]
    fn every_character_of_a_code_is_as_likely_as_the_others() {
        let mut counts = BTreeMap::new();
        let codes: BTreeSet<_> = (0..9_000).map(|_| new_code().unwrap()).collect();
        assert_eq!(codes.len(), 9_000);
        for code in codes {
            assert!(is_code(&code), "{code}");
            code.bytes().for_each(|letter| *counts.entry(letter).or_insert(0) += 1);
        }
        // 4,000 each; one in ten thousand tests would see one that is 300 off.
        assert_eq!(counts.len(), CODE_ALPHABET.len());
        assert!(counts.values().all(|count| (3_600..4_400).contains(count)), "{counts:?}");
    }

    #[test]
    fn nothing_else_is_a_code() {
        for text in [
            "",
            "abc123def456ghi",
            "abc123def456ghi78",
            "abc123def456ghI7",
            "abc123def456gh-7",
            "äbc123def456ghi",
        ] {
            assert!(!is_code(text), "{text}");
        }
        assert!(is_code("abc123def456ghi7"));
    }
}
