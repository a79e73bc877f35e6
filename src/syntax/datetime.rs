//! Datetimes: the one strict form that RFC 3339 and ISO 8601 share.
//!
//! A [`Datetime`] is a point in time for sorting and comparing. It does not keep the text, which
//! stays in the record: writing it anew would change the record's CID. Leap seconds are refused.
//! Spec: atproto spec, lexicon ("datetime").

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SyntaxError;

const EPOCH: DateTime = civil::datetime(1970, 1, 1, 0, 0, 0, 0);
const MICROS_PER_SECOND: i64 = 1_000_000;

/// 0000-01-01T00:00:00Z and the last microsecond of 9999: outside, the text would not have the
/// four digits of a year. An offset can carry a written year across either edge.
const MICROS_MIN: i64 = -62_167_219_200 * MICROS_PER_SECOND;
const MICROS_MAX: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;

/// The most digits that a fraction of a second may have.
const FRACTION_DIGITS_MAX: usize = 20;

/// The digits of a fraction that are kept.
const MICROS_DIGITS: usize = 6;

/// A point in time, in microseconds since the Unix epoch, within the years 0000 to 9999 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datetime(i64);

impl Datetime {
    /// Accepts `YYYY-MM-DDTHH:MM:SS[.f](Z|±HH:MM)` with 1 to 20 digits `f`, where date, time and
    /// offset exist, the offset is not `-00:00`, and the instant is in the years 0000 to 9999.
    /// Digits after the sixth are cut off as digits: before 1970 the result is the earlier one.
    ///
    /// # Errors
    /// [`SyntaxError::Datetime`] for any other text, a second of 60 included.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parse_micros(text.as_bytes()).and_then(Self::from_micros).ok_or(SyntaxError::Datetime)
    }

    /// The instant so many microseconds after the Unix epoch, `None` outside the years 0000 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (MICROS_MIN..=MICROS_MAX).contains(&micros).then_some(Self(micros))
    }

    /// The instant so many microseconds after the Unix epoch, or the nearest in the years 0000 to 9999.
    pub fn nearest(micros: i64) -> Self {
        Self(micros.clamp(MICROS_MIN, MICROS_MAX))
    }

    /// Microseconds since the Unix epoch, negative before it.
    pub fn micros(self) -> i64 {
        self.0
    }
}

fn parse_micros(bytes: &[u8]) -> Option<i64> {
    let (written, rest) = bytes.split_first_chunk()?;
    let local_seconds = parse_civil(written)?.duration_since(EPOCH).as_secs();
    let (fraction_micros, zone) = parse_fraction(rest)?;
    let utc_seconds = local_seconds - parse_offset_seconds(zone)?;
    Some(utc_seconds * MICROS_PER_SECOND + fraction_micros)
}

/// `YYYY-MM-DDTHH:MM:SS`. The calendar refuses what does not exist, a second of 60 too.
fn parse_civil(written: &[u8; 19]) -> Option<DateTime> {
    let &[y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T', h1, h2, b':', mi1, mi2, b':', s1, s2] = written
    else {
        return None;
    };
    let year = i16::from(two_digits(y1, y2)?) * 100 + i16::from(two_digits(y3, y4)?);
    let (month, day) = (two_digits(mo1, mo2)?, two_digits(d1, d2)?);
    let (hour, minute, second) = (two_digits(h1, h2)?, two_digits(mi1, mi2)?, two_digits(s1, s2)?);
    DateTime::new(year, month, day, hour, minute, second, 0).ok()
}

/// The fraction in microseconds, and what follows it.
fn parse_fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', rest)) = rest.split_first() else {
        return Some((0, rest));
    };
    let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=FRACTION_DIGITS_MAX).contains(&len) {
        return None;
    }
    let (digits, zone) = rest.split_at_checked(len)?;
    let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(MICROS_DIGITS);
    Some((padded.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0')), zone))
}

/// How far the written time is ahead of UTC.
fn parse_offset_seconds(zone: &[u8]) -> Option<i64> {
    let &[sign, h1, h2, b':', m1, m2] = zone else {
        return (zone == b"Z").then_some(0);
    };
    let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    match sign {
        b'+' => Some(seconds),
        // "-00:00" is RFC 3339 for an unknown offset, which ISO 8601 does not have.
        b'-' if seconds > 0 => Some(-seconds),
        _ => None,
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<i8> {
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    i8::try_from((tens - b'0') * 10 + (ones - b'0')).ok()
}

impl fmt::Display for Datetime {
    /// RFC 3339 in UTC with `Z`; six digits of fraction unless the second is whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = EPOCH
            .checked_add(SignedDuration::from_micros(self.0))
            .expect("the years 0000 to 9999 are within the calendar");
        write!(f, "{:04}-{:02}-{:02}", utc.year(), utc.month(), utc.day())?;
        write!(f, "T{:02}:{:02}:{:02}", utc.hour(), utc.minute(), utc.second())?;
        match self.0.rem_euclid(MICROS_PER_SECOND) {
            0 => f.write_str("Z"),
            micros => write!(f, ".{micros:06}Z"),
        }
    }
}

impl fmt::Debug for Datetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Datetime({self})")
    }
}

impl FromStr for Datetime {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl Serialize for Datetime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Datetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micros = i64::deserialize(deserializer)?;
        Self::from_micros(micros).ok_or_else(|| D::Error::custom(SyntaxError::Datetime))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::Error as ValueError;

    use super::{Datetime, MICROS_MAX, MICROS_MIN};
    use crate::syntax::SyntaxError;

    #[test]
    fn reads_the_instant() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.0Z", 0),
            ("1970-01-01T00:00:00+00:00", 0),
            ("1970-01-01T01:30:00+01:30", 0),
            ("1969-12-31T16:00:00-08:00", 0),
            ("1970-01-01T23:59:00+23:59", 0),
            ("1970-01-01T00:00:01.5Z", 1_500_000),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("2000-02-29T12:00:00.25Z", 951_825_600_250_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
            ("2001-09-09T01:46:40.123456Z", 1_000_000_000_123_456),
            ("0000-01-01T00:00:00Z", MICROS_MIN),
            ("0000-12-31T23:00:00-01:00", -62_135_596_800_000_000),
            ("9999-12-31T23:59:59.999999Z", MICROS_MAX),
            ("9999-12-31T23:59:59.99999999999999999999Z", MICROS_MAX),
        ] {
            assert_eq!(Datetime::parse(text).map(Datetime::micros), Ok(micros), "{text}");
        }
    }

    #[test]
    fn cuts_the_fraction_after_the_sixth_digit() {
        for (text, micros) in [
            ("1970-01-01T00:00:00.1234567Z", 123_456),
            ("1970-01-01T00:00:00.9999999Z", 999_999),
            ("1970-01-01T00:00:00.0000009Z", 0),
            ("1970-01-01T00:00:00.12345678901234567890Z", 123_456),
            ("1969-12-31T23:59:59.1234567Z", -876_544),
            ("1969-12-31T23:59:59.9999999Z", -1),
            ("1969-12-31T23:59:59.0000009Z", -1_000_000),
        ] {
            assert_eq!(Datetime::parse(text).map(Datetime::micros), Ok(micros), "{text}");
        }
    }

    #[test]
    fn refuses_another_form() {
        for text in [
            "",
            "Z",
            "1970",
            "1970-01-01",
            "1970-01-01T00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00.5",
            "1970-01-01t00:00:00Z",
            "1970-01-01T00:00:00z",
            "1970-01-01 00:00:00Z",
            "1970-01-01_00:00:00Z",
            "70-01-01T00:00:00Z",
            "01970-01-01T00:00:00Z",
            "+1970-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            "1970-1-01T00:00:00Z",
            "1970-01-1T00:00:00Z",
            "1970-01-01T0:00:00Z",
            "1970-01-01T00:00:0Z",
            "19700101T000000Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00,5Z",
            "1970-01-01T00:00:00.5.5Z",
            "1970-01-01T00:00:00.123456789012345678901Z",
            "1970-01-01T00:00:00-00:00",
            "1970-01-01T00:00:00+00",
            "1970-01-01T00:00:00+0000",
            "1970-01-01T00:00:00+0:00",
            "1970-01-01T00:00:00+00:0",
            "1970-01-01T00:00:00+",
            "1970-01-01T00:00:00 00:00",
            "1970-01-01T00:00:00UTC",
            "1970-01-01T00:00:00Z[UTC]",
            "1970-01-01T00:00:00ZZ",
            "1970-01-01T00:00:00Z ",
            " 1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z\n",
            "1970-01-01T+1:00:00Z",
            "1970-01-01T00:00:+1Z",
            "١٩٧٠-01-01T00:00:00Z",
            "1970\u{2013}01-01T00:00:00Z",
            "now",
        ] {
            assert_eq!(Datetime::parse(text), Err(SyntaxError::Datetime), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_no_calendar_or_clock_shows() {
        for text in [
            "1970-00-01T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-01-00T00:00:00Z",
            "1970-01-32T00:00:00Z",
            "1970-04-31T00:00:00Z",
            "1970-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2000-02-30T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z",
            "2016-12-31T23:59:60Z",
            "1970-01-01T00:00:99Z",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+00:60",
            "1970-01-01T00:00:00-99:99",
            "0000-01-01T00:00:00+00:01",
            "0000-01-01T00:00:00.999999+23:59",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(Datetime::parse(text), Err(SyntaxError::Datetime), "{text}");
        }
    }

    #[test]
    fn prints_utc_that_reads_back() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (-876_544, "1969-12-31T23:59:59.123456Z"),
            (-1_000_000, "1969-12-31T23:59:59Z"),
            (951_825_600_250_000, "2000-02-29T12:00:00.250000Z"),
            (MICROS_MIN, "0000-01-01T00:00:00Z"),
            (MICROS_MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            let datetime = Datetime::from_micros(micros).unwrap();
            assert_eq!(datetime.to_string(), text);
            assert_eq!(Datetime::parse(text), Ok(datetime));
        }
        assert_eq!(
            Datetime::parse("1985-04-12T23:20:50.1+07:00").unwrap().to_string(),
            "1985-04-12T16:20:50.100000Z"
        );
    }

    #[test]
    fn a_stored_datetime_is_checked_again() {
        let read =
            |micros: i64| Datetime::deserialize(IntoDeserializer::<ValueError>::into_deserializer(micros));
        for micros in [MICROS_MIN, -1, 0, MICROS_MAX] {
            assert_eq!(read(micros).map(Datetime::micros), Ok(micros));
        }
        for micros in [i64::MIN, MICROS_MIN - 1, MICROS_MAX + 1, i64::MAX] {
            assert_eq!(read(micros).unwrap_err().to_string(), "not a datetime");
        }
    }
}
