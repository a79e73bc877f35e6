//! Namespaced identifiers: the names of collections, methods and lexicons.
//!
//! A reversed domain name and then a name. The name is case-sensitive, so the text is kept as
//! written and compared bytewise; globs (`app.example.*`) are not NSIDs.
//! Spec: atproto spec, nsid.

use super::{SyntaxError, is_domain_label};

/// The longest domain name (253), a dot and the longest name (63). Only the sum is limited: the
/// public test lists accept an NSID with a longer domain.
const NSID_BYTES_MAX: usize = 317;

/// The longest last segment.
const NAME_BYTES_MAX: usize = 63;

/// A well-formed NSID, kept as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nsid(Box<str>);

impl Nsid {
    /// Accepts at least three segments and at most 317 bytes. The first segment starts with a
    /// letter; the last is letters and digits and starts with a letter; all but the last may hold
    /// hyphens inside.
    ///
    /// # Errors
    /// [`SyntaxError::Nsid`] for any other text.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if Self::is_valid(text) { Ok(Self(text.into())) } else { Err(SyntaxError::Nsid) }
    }

    /// Whether `parse` would accept `text`. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        if text.len() > NSID_BYTES_MAX {
            return false;
        }
        let Some((domain, name)) = text.rsplit_once('.') else {
            return false;
        };
        is_name(name.as_bytes())
            && domain.contains('.')
            && domain.starts_with(|first: char| first.is_ascii_alphabetic())
            && domain.split('.').all(|label| is_domain_label(label.as_bytes()))
    }
}

text_type!(Nsid);

fn is_name(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::{NSID_BYTES_MAX, Nsid};
    use crate::syntax::SyntaxError;

    #[test]
    fn accepts_reversed_domains_with_a_name() {
        for text in [
            "community.lexicon.calendar.event",
            "at.atjam.round",
            "a.b.c",
            "a.0.c",
            "a.b.C9",
            "Com.Example.fooBar",
            "a-0.b-1.c",
            "a.4chan.lex.getThing",
            "a.b--c.d",
            "xn--bcher-kva.example.thing",
        ] {
            assert!(Nsid::is_valid(text), "{text}");
            assert_eq!(Nsid::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_an_nsid() {
        for text in [
            "",
            ".",
            "..",
            "a",
            "a.b",
            "a.b.",
            ".a.b",
            "a..b",
            ".a.b.c",
            "a.b.c.",
            "a.b.c-d",
            "a.b.9",
            "a.b.9c",
            "0.b.c",
            "0a.b.c",
            "-a.b.c",
            "a-.b.c",
            "a.-b.c",
            "a.b-.c",
            "a.b.*",
            "a.b.c*",
            "a_b.c.d",
            "a.b.c_d",
            "a.b.c d",
            " a.b.c",
            "a.b.c\n",
            "a.b.ç",
            "a.é.c",
            "a.b.c#main",
            "a.b.c/d",
        ] {
            assert!(!Nsid::is_valid(text), "{text:?}");
            assert_eq!(Nsid::parse(text), Err(SyntaxError::Nsid));
        }
    }

    #[test]
    fn the_length_limits_are_exact() {
        let segment = "x".repeat(63);
        assert!(Nsid::is_valid(&format!("{segment}.{segment}.{segment}")));
        assert!(!Nsid::is_valid(&format!("a.b.{segment}x")));
        assert!(!Nsid::is_valid(&format!("a.{segment}x.c")));

        let longest = format!("{}a", "x.".repeat(NSID_BYTES_MAX / 2));
        assert_eq!(longest.len(), NSID_BYTES_MAX);
        assert!(Nsid::is_valid(&longest));
        assert!(!Nsid::is_valid(&format!("{longest}a")));
    }
}
