//! Timestamp identifiers: 64 bits as 13 characters that sort as the number does.
//!
//! From the top: a zero bit, 53 bits of microseconds since the Unix epoch, 10 bits of clock id.
//! The time is whatever the writer's clock said, or what the writer made up: never trust it.
//! The alphabet is not that of RFC 4648.
//! Spec: atproto spec, tid.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SyntaxError;

const TID_CHARS: usize = 13;
const CLOCK_BITS: u32 = 10;

/// A TID. The order of the values is the order of their texts.
///
/// The syntax lets the first character reach `j`, so a text from the network may have the top bit
/// set although no honest clock gets there before the year 2255. Such a TID is kept as it is, and
/// reads back from a row and from [`Tid::from_be_bytes`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(u64);

impl Tid {
    /// Accepts 13 characters of `2`–`7` and `a`–`z`, the first one at most `j`.
    ///
    /// # Errors
    /// [`SyntaxError::Tid`] for any other text.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        // 13 characters carry 65 bits; the one too many has to be zero, hence the limit `j`.
        if text.len() != TID_CHARS || text.bytes().next() > Some(b'j') {
            return Err(SyntaxError::Tid);
        }
        text.bytes()
            .try_fold(0, |value, byte| Some((value << 5) | u64::from(digit_of(byte)?)))
            .map(Self)
            .ok_or(SyntaxError::Tid)
    }

    /// The 64 bits.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The 64 bits as bytes that sort as the TIDs do, for keys.
    pub fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The inverse of [`Tid::to_be_bytes`], for every TID. It cannot fail: each 64-bit value is
    /// the value of exactly one well-formed text.
    pub fn from_be_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// The time in it, in microseconds since the Unix epoch. Never negative; the layout gives it 53 bits,
    /// and where a text sets the bit above them the time goes on, so that it follows the order of the texts.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0 >> CLOCK_BITS).expect("54 bits fit in 63")
    }
}

fn digit_of(byte: u8) -> Option<u8> {
    match byte {
        b'2'..=b'7' => Some(byte - b'2'),
        b'a'..=b'z' => Some(byte - b'a' + 6),
        _ => None,
    }
}

fn char_of(digit: u8) -> char {
    char::from(if digit < 6 { b'2' + digit } else { b'a' + digit - 6 })
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..TID_CHARS).rev().try_for_each(|place| f.write_char(char_of(((self.0 >> (5 * place)) & 31) as u8)))
    }
}

impl fmt::Debug for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tid({self})")
    }
}

impl FromStr for Tid {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl Serialize for Tid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

// Nothing to refuse: see `from_be_bytes`.
impl<'de> Deserialize<'de> for Tid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::Error as ValueError;

    use super::Tid;

    const TOP_BIT: u64 = 1 << 63;
    use crate::syntax::SyntaxError;

    #[test]
    fn text_and_number_are_the_same_thing() {
        for (text, value) in [
            ("2222222222222", 0),
            ("2222222222223", 1),
            ("222222222222z", 31),
            ("2222222222232", 32),
            ("22222222223a2", 1024 + 6 * 32),
            ("7777777777777", 0x5294_a529_4a52_94a5),
            ("bzzzzzzzzzzzz", TOP_BIT - 1),
            ("c222222222222", TOP_BIT),
            ("jzzzzzzzzzzzz", u64::MAX),
        ] {
            let tid = Tid::parse(text).unwrap();
            assert_eq!(tid.as_u64(), value, "{text}");
            assert_eq!(tid.to_string(), text);
            assert_eq!(Tid::from_be_bytes(tid.to_be_bytes()), tid);
        }
    }

    #[test]
    fn the_time_is_the_53_bits_in_the_middle() {
        for (value, micros) in [
            (0, 0),
            (1023, 0),
            (1024, 1),
            ((1_700_000_000_123_456 << 10) | 77, 1_700_000_000_123_456),
            (TOP_BIT - 1, (1 << 53) - 1),
        ] {
            assert_eq!(Tid::from_be_bytes(u64::to_be_bytes(value)).micros(), micros);
        }
        assert_eq!(Tid::parse("jzzzzzzzzzzzz").unwrap().micros(), (1 << 54) - 1);
        assert_eq!(Tid::parse("c222222222222").unwrap().micros(), 1 << 53);
    }

    #[test]
    fn values_sort_as_their_texts_do() {
        let texts = [
            "2222222222222",
            "222222222222z",
            "3222222222222",
            "3zzzzzzzzzzzz",
            "7a22222222222",
            "a722222222222",
            "jzzzzzzzzzzzz",
        ];
        assert!(texts.is_sorted());
        assert!(texts.iter().map(|text| Tid::parse(text).unwrap()).is_sorted());
        assert!(texts.iter().map(|text| Tid::parse(text).unwrap().to_be_bytes()).is_sorted());
    }

    #[test]
    fn refuses_what_is_not_a_tid() {
        for text in [
            "",
            "2",
            "222222222222",
            "22222222222222",
            "0222222222222",
            "1222222222222",
            "2222222222221",
            "2222222222228",
            "2222222222229",
            "k222222222222",
            "zzzzzzzzzzzzz",
            "222222222222A",
            "A222222222222",
            "2222-222-2222",
            "222222222222 ",
            " 222222222222",
            "222222222222\n",
            "22222222222é",
        ] {
            assert_eq!(Tid::parse(text), Err(SyntaxError::Tid), "{text:?}");
        }
    }

    #[test]
    fn any_tid_that_was_parsed_reads_back_from_a_row() {
        for text in ["2222222222222", "3kx2q5yrs6k2a", "c222222222222", "jzzzzzzzzzzzz"] {
            let tid = Tid::parse(text).unwrap();
            let stored = IntoDeserializer::<ValueError>::into_deserializer(tid.as_u64());
            assert_eq!(Tid::deserialize(stored), Ok(tid));
            assert_eq!(format!("{tid:?}"), format!("Tid({text})"));
        }
    }
}
