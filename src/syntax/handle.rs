//! Handles: the domain name that an account shows to people.
//!
//! Never an authority: who holds a handle depends on the network and the day. Names that the
//! protocol reserves (`.local`, `.onion` and so on) are well-formed here, as its syntax says.
//! Spec: atproto spec, handle.

use super::{SyntaxError, is_domain_label};

/// The longest name that DNS can carry.
const HANDLE_BYTES_MAX: usize = 253;

/// A well-formed handle, in lowercase: handles are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(Box<str>);

impl Handle {
    /// Accepts a domain name of at least two labels and at most 253 bytes, without trailing dot;
    /// letters are made lowercase.
    ///
    /// # Errors
    /// [`SyntaxError::Handle`] for any other text.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if Self::is_valid(text) {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(SyntaxError::Handle)
        }
    }

    /// Whether `parse` would accept `text`. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        if text.len() > HANDLE_BYTES_MAX {
            return false;
        }
        let Some((domain, top)) = text.rsplit_once('.') else {
            return false;
        };
        // The top label starts with a letter, so that no IPv4 address passes for a handle.
        top.starts_with(|first: char| first.is_ascii_alphabetic())
            && is_domain_label(top.as_bytes())
            && domain.split('.').all(|label| is_domain_label(label.as_bytes()))
    }
}

text_type!(Handle);

#[cfg(test)]
mod tests {
    use super::{HANDLE_BYTES_MAX, Handle};
    use crate::syntax::SyntaxError;

    #[test]
    fn accepts_domain_names_and_makes_them_lowercase() {
        for (text, kept) in [
            ("host.example", "host.example"),
            ("HOST.Example", "host.example"),
            ("a.b", "a.b"),
            ("8.cn", "8.cn"),
            ("10.0.0.1.example", "10.0.0.1.example"),
            ("a--b.example", "a--b.example"),
            ("host.x0", "host.x0"),
            ("host.x-y", "host.x-y"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("host.local", "host.local"),
            ("abcdefghij234567.onion", "abcdefghij234567.onion"),
        ] {
            assert!(Handle::is_valid(text), "{text}");
            assert_eq!(Handle::parse(text).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn refuses_what_is_not_a_handle() {
        for text in [
            "",
            ".",
            "host",
            "host.",
            ".host",
            "host..example",
            ".host.example",
            "host.example.",
            "-host.example",
            "host-.example",
            "host.-example",
            "host.example-",
            "host.8",
            "10.0.0.1",
            "host.0x",
            "ho_st.example",
            "ho st.example",
            " host.example",
            "host.example\n",
            "@host.example",
            "host.example/x",
            "host.example:80",
            "bücher.example",
            "host.例",
            "::1",
            "did:plc:abc.example",
        ] {
            assert!(!Handle::is_valid(text), "{text:?}");
            assert_eq!(Handle::parse(text), Err(SyntaxError::Handle));
        }
    }

    #[test]
    fn the_length_limits_are_exact() {
        let label = "x".repeat(63);
        assert!(Handle::is_valid(&format!("{label}.{label}")));
        assert!(!Handle::is_valid(&format!("{label}x.example")));
        assert!(!Handle::is_valid(&format!("host.{label}x")));

        let longest = format!("{}a", "x.".repeat(126));
        assert_eq!(longest.len(), HANDLE_BYTES_MAX);
        assert!(Handle::is_valid(&longest));
        assert!(!Handle::is_valid(&format!("{longest}a")));
    }
}
