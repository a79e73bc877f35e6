//! Keys as sled is given them.
//!
//! For the key before a given one sled guesses: the last byte less one, then four bytes of 255. When a key
//! lies between its guess and the given one, a scan from the end runs in circles and panics. The bytes of a
//! key may come from a stranger, so what sled is given has no byte of 255. The order of keys stays, that of
//! beginnings of keys too.

use std::borrow::Cow;

/// Stands before the byte that says which of the two greatest bytes was meant.
const MARK: u8 = 254;

/// A key without the greatest byte.
pub(super) fn escaped(key: &[u8]) -> Cow<'_, [u8]> {
    if key.iter().all(|byte| *byte < MARK) {
        return Cow::Borrowed(key);
    }
    let mut escaped = Vec::with_capacity(key.len() + 8);
    for byte in key {
        match byte.checked_sub(MARK) {
            None => escaped.push(*byte),
            Some(which) => escaped.extend([MARK, which]),
        }
    }
    Cow::Owned(escaped)
}

/// The key that was escaped.
pub(super) fn unescaped(escaped: &[u8]) -> Vec<u8> {
    let mut bytes = escaped.iter();
    let mut key = Vec::with_capacity(escaped.len());
    while let Some(byte) = bytes.next() {
        let which = if *byte == MARK { bytes.next() } else { None };
        key.push(byte.saturating_add(which.copied().unwrap_or_default()));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::{escaped, unescaped};

    #[test]
    fn keys_stay_in_order_and_come_back() {
        let bytes = [0, 1, 97, 253, 254, 255];
        let mut keys = vec![Vec::new()];
        for length in 0..4 {
            for key in keys.clone().into_iter().filter(|key| key.len() == length) {
                keys.extend(bytes.map(|byte| [key.as_slice(), &[byte]].concat()));
            }
        }
        keys.sort();
        for pair in keys.windows(2) {
            assert!(escaped(&pair[0]) < escaped(&pair[1]), "{pair:?}");
        }
        for key in keys {
            assert!(!escaped(&key).contains(&255));
            assert_eq!(unescaped(&escaped(&key)), key);
        }
    }
}
