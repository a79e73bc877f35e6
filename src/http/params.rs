//! The parameters of a query: pairs of text, read once and typed on demand.
//!
//! A parameter that the method does not know is ignored; one that it reads must be given at most once and
//! be well-formed. Spec: CONTRACT §4; the encoding is that of HTML forms.

use std::ops::RangeInclusive;

use crate::syntax::{AtUri, Datetime, Did, Handle, Nsid};

use super::error::ApiError;
use super::names::Names;

/// Items of a page when the client names no number, and the most that it gets (CONTRACT §4).
pub(super) const LIMIT_DEFAULT: usize = 50;
pub(super) const LIMIT_MAX: usize = 100;

/// Decoded pairs, in the order given.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Decodes a query string.
    pub(super) fn parse(raw: Option<&str>) -> Result<Self, ApiError> {
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decode_pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        };
        pairs.map(decode_pair).collect::<Option<_>>().map(Self).ok_or(ApiError::BadQueryString)
    }

    /// A parameter that may be given any number of times.
    pub(super) fn each(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A single one.
    pub(super) fn of(name: &str, value: &str) -> Self {
        Self(vec![(name.to_owned(), value.to_owned())])
    }

    /// A parameter that may be absent.
    pub(super) fn optional(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        let mut values = self.each(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(ApiError::RepeatedParameter { name }),
        }
    }

    /// A parameter that must be there.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, ApiError> {
        self.optional(name)?.ok_or(ApiError::MissingParameter { name })
    }

    /// An AT-URI that may be absent.
    pub(super) fn optional_uri(&self, name: &'static str) -> Result<Option<AtUri>, ApiError> {
        let parse =
            |text| AtUri::parse(text).map_err(|_| ApiError::BadParameter { name, expected: "an AT-URI" });
        self.optional(name)?.map(parse).transpose()
    }

    /// An AT-URI that must be there.
    pub(super) fn uri(&self, name: &'static str) -> Result<AtUri, ApiError> {
        self.optional_uri(name)?.ok_or(ApiError::MissingParameter { name })
    }

    /// A DID that may be absent.
    pub(super) fn optional_did(&self, name: &'static str) -> Result<Option<Did>, ApiError> {
        let parse = |text| Did::parse(text).map_err(|_| ApiError::BadParameter { name, expected: "a DID" });
        self.optional(name)?.map(parse).transpose()
    }

    /// An NSID that may be absent.
    pub(super) fn optional_nsid(&self, name: &'static str) -> Result<Option<Nsid>, ApiError> {
        let parse =
            |text| Nsid::parse(text).map_err(|_| ApiError::BadParameter { name, expected: "an NSID" });
        self.optional(name)?.map(parse).transpose()
    }

    /// A datetime that may be absent.
    pub(super) fn optional_datetime(&self, name: &'static str) -> Result<Option<Datetime>, ApiError> {
        let expected = "a datetime, as in `2026-01-31T18:00:00Z`";
        let parse = |text| Datetime::parse(text).map_err(|_| ApiError::BadParameter { name, expected });
        self.optional(name)?.map(parse).transpose()
    }

    /// Whether something is wanted that is not unless it is asked for.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, ApiError> {
        let word = self.word(name, &["true", "false"], "`true` or `false`")?;
        Ok(word == Some("true"))
    }

    /// A DID, or a handle that resolves, that may be absent.
    pub(super) fn optional_actor(
        &self,
        name: &'static str,
        names: &Names<'_>,
    ) -> Result<Option<Did>, ApiError> {
        self.optional(name)?.map(|text| resolve(name, text, names)).transpose()
    }

    /// Between 1 and `most` DIDs or handles, each in a parameter of its own.
    pub(super) fn actors(
        &self,
        name: &'static str,
        most: (usize, &'static str),
        names: &Names<'_>,
    ) -> Result<Vec<Did>, ApiError> {
        let (most, expected) = most;
        if self.each(name).next().is_none() {
            return Err(ApiError::MissingParameter { name });
        }
        if self.each(name).count() > most {
            return Err(ApiError::BadParameter { name, expected });
        }
        // All of them are looked at, so that those that have to be asked for are asked for together.
        let resolved: Vec<_> = self.each(name).map(|text| resolve(name, text, names)).collect();
        resolved.into_iter().collect()
    }

    /// A DID, or a handle that resolves, that must be there.
    pub(super) fn actor(&self, name: &'static str, names: &Names<'_>) -> Result<Did, ApiError> {
        self.optional_actor(name, names)?.ok_or(ApiError::MissingParameter { name })
    }

    /// One of a closed set of words.
    pub(super) fn word(
        &self,
        name: &'static str,
        words: &[&'static str],
        expected: &'static str,
    ) -> Result<Option<&'static str>, ApiError> {
        let Some(text) = self.optional(name)? else { return Ok(None) };
        let word = words.iter().find(|word| **word == text).copied();
        word.map(Some).ok_or(ApiError::BadParameter { name, expected })
    }

    /// How many items a page may have: any integer, brought into 1 to 100.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        self.limit_within(LIMIT_DEFAULT, LIMIT_MAX)
    }

    /// The same, brought into 1 to `most`, and where there is none another.
    pub(super) fn limit_within(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let limit = self.integer("limit", 1..=most)?.and_then(|limit| usize::try_from(limit).ok());
        Ok(limit.unwrap_or(default))
    }

    /// Any integer, brought into a range, that may be absent.
    pub(super) fn integer(
        &self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, ApiError> {
        let Some(text) = self.optional(name)? else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ApiError::BadParameter { name, expected: "an integer" });
        }
        let (least, most) = range.into_inner();
        // What remains fails to parse when it is negative or beyond any number here.
        let beyond = if digits.len() < text.len() { least } else { most };
        Ok(Some(text.parse().unwrap_or(beyond).clamp(least, most)))
    }
}

/// The DID that a text is, or that the handle that it is resolves to.
fn resolve(name: &'static str, text: &str, names: &Names<'_>) -> Result<Did, ApiError> {
    if let Ok(did) = Did::parse(text) {
        return Ok(did);
    }
    let Ok(handle) = Handle::parse(text) else {
        return Err(ApiError::BadParameter { name, expected: "a DID or a handle" });
    };
    names.did_of(handle).ok_or(ApiError::UnresolvedHandle { name })
}

/// Percent-decoding as forms have it; `None` for an escape that is none, or for bytes that are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiError, Params};

    fn params(raw: &str) -> Params {
        Params::parse(Some(raw)).unwrap()
    }

    #[test]
    fn decodes_pairs_as_forms_do() {
        let params = params("a=at%3a%2F%2fx&b=one+two%2B&&c&%C3%A9=%C3%A9&e=x=y");
        for (name, value) in [("a", "at://x"), ("b", "one two+"), ("c", ""), ("é", "é"), ("e", "x=y")] {
            assert_eq!(params.optional(name), Ok(Some(value)), "{name}");
        }
        assert_eq!(params.optional("d"), Ok(None));
        assert_eq!(params.required("d"), Err(ApiError::MissingParameter { name: "d" }));
        assert!(Params::parse(None).unwrap().0.is_empty());
    }

    #[test]
    fn refuses_escapes_that_are_none_and_bytes_that_are_not_text() {
        for raw in ["a=%", "a=%2", "a=%zz", "a=%ff", "a=%C3", "%C3=a", "a=%C3%28", "ok=1&a=%80"] {
            assert_eq!(Params::parse(Some(raw)).unwrap_err(), ApiError::BadQueryString, "{raw}");
        }
    }

    #[test]
    fn a_parameter_that_is_read_is_given_once() {
        let params = params("a=1&a=1&b=2");
        assert_eq!(params.optional("a"), Err(ApiError::RepeatedParameter { name: "a" }));
        assert_eq!(params.optional("b"), Ok(Some("2")));
    }

    #[test]
    fn a_limit_is_brought_into_its_range() {
        for (raw, limit) in [
            ("", 50),
            ("limit=1", 1),
            ("limit=0", 1),
            ("limit=-7", 1),
            ("limit=100", 100),
            ("limit=101", 100),
            ("limit=007", 7),
            ("limit=99999999999999999999999999", 100),
            ("limit=-99999999999999999999999999", 1),
        ] {
            assert_eq!(params(raw).limit(), Ok(limit), "{raw}");
        }
        for raw in ["limit=", "limit=ten", "limit=1.5", "limit=-", "limit=%201", "limit=1e2", "limit=0x10"] {
            let error = ApiError::BadParameter { name: "limit", expected: "an integer" };
            assert_eq!(params(raw).limit(), Err(error), "{raw}");
        }
    }
}
