//! AT-URIs: the address of a repository, a collection or a record.
//!
//! The restricted form that lexicons use: no query, no fragment, no trailing slash, nothing after
//! the record key. References are compared bytewise, so nothing is normalised, and a generic URL
//! parser is of no use: it takes the colons of a DID for a port.
//! Spec: atproto spec, at-uri-scheme ("restricted syntax for lexicons").

use super::{Did, Handle, Nsid, RecordKey, SyntaxError};

const SCHEME: &str = "at://";

/// The limit of the format. The longest parts together stay below it; it makes a refusal cheap.
const AT_URI_BYTES_MAX: usize = 8192;

/// A well-formed AT-URI, kept as written: a handle in it may be in any case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AtUri(Box<str>);

/// Whose repository an AT-URI points into. Only a DID names an account for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority<'a> {
    /// The text of a valid DID.
    Did(&'a str),
    /// The text of a valid handle, as written.
    Handle(&'a str),
}

impl AtUri {
    /// Accepts `at://<did or handle>[/<nsid>[/<record key>]]` of at most 8192 bytes.
    ///
    /// # Errors
    /// [`SyntaxError::AtUri`] for any other text.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if Self::is_valid(text) { Ok(Self(text.into())) } else { Err(SyntaxError::AtUri) }
    }

    /// Whether `parse` would accept `text`. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        if text.len() > AT_URI_BYTES_MAX {
            return false;
        }
        let Some(path) = text.strip_prefix(SCHEME) else {
            return false;
        };
        let parts = Parts::of(path);
        let authority_fits = match parts.authority() {
            Authority::Did(did) => Did::is_valid(did),
            Authority::Handle(handle) => Handle::is_valid(handle),
        };
        // A slash too many leaves an empty part or a slash inside one: neither is valid.
        authority_fits
            && parts.collection.is_none_or(Nsid::is_valid)
            && parts.record_key.is_none_or(RecordKey::is_valid)
    }

    /// Whose repository this is in.
    pub fn authority(&self) -> Authority<'_> {
        self.parts().authority()
    }

    /// The text of a valid NSID, if the URI goes that far.
    pub fn collection(&self) -> Option<&str> {
        self.parts().collection
    }

    /// The text of a valid record key, if the URI names a record.
    pub fn record_key(&self) -> Option<&str> {
        self.parts().record_key
    }

    fn parts(&self) -> Parts<'_> {
        Parts::of(self.0.strip_prefix(SCHEME).expect("parse checked the scheme"))
    }
}

text_type!(AtUri);

/// The text between the slashes, not yet checked.
struct Parts<'a> {
    authority: &'a str,
    collection: Option<&'a str>,
    record_key: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(path: &'a str) -> Self {
        let (authority, collection) = split_first_slash(path);
        let (collection, record_key) = collection.map(split_first_slash).unzip();
        Self { authority, collection, record_key: record_key.flatten() }
    }

    fn authority(&self) -> Authority<'a> {
        if self.authority.starts_with("did:") {
            Authority::Did(self.authority)
        } else {
            Authority::Handle(self.authority)
        }
    }
}

fn split_first_slash(text: &str) -> (&str, Option<&str>) {
    text.split_once('/').map_or((text, None), |(before, after)| (before, Some(after)))
}

#[cfg(test)]
mod tests {
    use super::{AT_URI_BYTES_MAX, AtUri, Authority};
    use crate::syntax::SyntaxError;

    #[test]
    fn takes_a_uri_apart() {
        let did = Authority::Did("did:plc:abc");
        let handle = Authority::Handle("Host.example");
        for (text, authority, collection, record_key) in [
            ("at://did:plc:abc", did, None, None),
            ("at://Host.example", handle, None, None),
            ("at://did:plc:abc/a.b.c", did, Some("a.b.c"), None),
            ("at://Host.example/a.b.c/self", handle, Some("a.b.c"), Some("self")),
            ("at://did:plc:abc/a.b.cD/x:y~z.", did, Some("a.b.cD"), Some("x:y~z.")),
            ("at://did:plc:abc/a.b.c/...", did, Some("a.b.c"), Some("...")),
        ] {
            let uri = AtUri::parse(text).unwrap();
            assert_eq!(uri.as_str(), text);
            assert_eq!(uri.authority(), authority);
            assert_eq!(uri.collection(), collection);
            assert_eq!(uri.record_key(), record_key);
        }
        let web = AtUri::parse("at://did:web:localhost%3A80/a.b.c").unwrap();
        assert_eq!(web.authority(), Authority::Did("did:web:localhost%3A80"));
    }

    #[test]
    fn refuses_what_is_not_an_at_uri() {
        for text in [
            "",
            "at:",
            "at:/",
            "at://",
            "at:///",
            "at:///a.b.c",
            "AT://did:plc:abc",
            "http://did:plc:abc",
            "did:plc:abc",
            "//did:plc:abc",
            "at:did:plc:abc",
            "at:/did:plc:abc",
            "at://did:plc:",
            "at://DID:plc:abc",
            "at://host",
            "at://did:plc:abc/",
            "at://did:plc:abc//",
            "at://did:plc:abc//self",
            "at://host.example/a.b",
            "at://did:plc:abc/a.b.c/",
            "at://did:plc:abc/a.b.c//",
            "at://did:plc:abc/a.b.c/x/",
            "at://did:plc:abc/a.b.c/x/y",
            "at://did:plc:abc/a.b.c/.",
            "at://did:plc:abc/a.b.c/..",
            "at://did:plc:abc/a.b.c/%20",
            "at://did:plc:abc?q",
            "at://did:plc:abc#f",
            "at://did:plc:abc/a.b.c#f",
            "at://did:plc:abc/a.b.c/x#f",
            "at://did:plc:abc/a.b.c/x?q",
            " at://did:plc:abc",
            "at://did:plc:abc ",
            "at://did:plc:abc\n",
            "at://me@host.example",
            "at://host.example:80",
        ] {
            assert!(!AtUri::is_valid(text), "{text:?}");
            assert_eq!(AtUri::parse(text), Err(SyntaxError::AtUri));
        }
    }

    #[test]
    fn the_longest_parts_fit_and_longer_ones_do_not() {
        let did = format!("did:a:{}", "x".repeat(2042));
        let nsid = format!("{}a", "x.".repeat(158));
        let key = "x".repeat(512);
        let longest = format!("at://{did}/{nsid}/{key}");
        assert!(longest.len() < AT_URI_BYTES_MAX);
        assert!(AtUri::is_valid(&longest));
        assert!(!AtUri::is_valid(&format!("{longest}x")));
        assert!(!AtUri::is_valid(&format!("at://{did}x/{nsid}/{key}")));
        assert!(!AtUri::is_valid(&format!("at://{did}/{nsid}a/{key}")));
        assert!(!AtUri::is_valid(&format!("at://did:a:b/a.b.c/{}", "x".repeat(AT_URI_BYTES_MAX))));
    }
}
