//! The lexicon string format `uri`: any scheme, checked lightly.
//!
//! Only the shape of RFC 3986 is asked for: a scheme, a colon and visible ASCII. The parts behind
//! the colon belong to the scheme and are not read here.
//! Spec: atproto spec, lexicon ("uri").

/// The limit that the format sets.
const URI_BYTES_MAX: usize = 8192;

/// Whether `text` has the lexicon format `uri`: a scheme that starts with a letter, a colon, and
/// at least one more byte, all of it visible ASCII without spaces, at most 8192 bytes.
pub fn is_uri(text: &str) -> bool {
    if text.len() > URI_BYTES_MAX {
        return false;
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    is_scheme(scheme) && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::{URI_BYTES_MAX, is_uri};

    #[test]
    fn accepts_any_scheme() {
        for text in [
            "https://host.example",
            "https://host.example/path?q=1&r#frag",
            "HTTPS://host.example",
            "at://did:plc:abc/a.b.c/self",
            "did:plc:abc",
            "mailto:someone@host.example",
            "git+ssh://host.example",
            "h2:x",
            "x-y.z:thing",
            "a:b",
            "a::",
            "https://host.example/%C3%A9",
        ] {
            assert!(is_uri(text), "{text}");
        }
    }

    #[test]
    fn refuses_what_has_no_scheme_or_holds_spaces() {
        for text in [
            "",
            ":",
            "a",
            "a:",
            ":a",
            "//host.example",
            "host.example",
            "1a:b",
            ".a:b",
            "-a:b",
            "+a:b",
            "a_b:c",
            "é:b",
            "a: b",
            "a:b ",
            " a:b",
            "a:b\n",
            "a:b\tc",
            "a:b\0",
            "a:b\u{7f}",
            "https://host.example/é",
            "12345",
            "127.0.0.1",
        ] {
            assert!(!is_uri(text), "{text:?}");
        }
    }

    #[test]
    fn the_length_limit_is_exact() {
        let longest = format!("a:{}", "x".repeat(URI_BYTES_MAX - 2));
        assert!(is_uri(&longest));
        assert!(!is_uri(&format!("{longest}x")));
    }
}
