//! The cookie of a session: what a browser is told to keep, and what it sends.

use axum::http::{HeaderMap, HeaderValue, Uri, header};

use crate::http::error::ApiError;
use crate::syntax::TokenHash;

/// Its name (RULES §6).
const NAME: &str = "psession";

/// Where it is sent.
const PATH: &str = "/v1/portal";

/// What of it never changes: out of reach of scripts, through TLS alone, and not with what other sites send but for
/// their links.
const RULES: &str = "HttpOnly; Secure; SameSite=Lax";

/// How long a session is, in seconds (RULES §6).
pub(super) const SECONDS: i64 = 12 * 3600;

/// Has a browser keep the secret of a session. It is sent to the Portal under the public URL alone.
pub(super) fn set(public_url: &str, secret: &str) -> HeaderValue {
    value(public_url, secret, SECONDS)
}

/// Has a browser forget it.
pub(super) fn clear(public_url: &str) -> HeaderValue {
    value(public_url, "", 0)
}

fn value(public_url: &str, secret: &str, seconds: i64) -> HeaderValue {
    let url = public_url.parse::<Uri>().ok();
    // What a header cannot have is in no path that was parsed.
    let path = url.as_ref().map_or("", |url| url.path().trim_end_matches('/'));
    let path = if path.contains(';') { "" } else { path };
    let text = format!("{NAME}={secret}; Max-Age={seconds}; Path={path}{PATH}; {RULES}");
    let mut value = HeaderValue::try_from(text).expect("base64url, a path and attributes are visible ASCII");
    // Whoever prints a response must not print this.
    value.set_sensitive(true);
    value
}

/// The session that a request names, by the hash of its secret.
///
/// # Errors
/// It names none, or several: a neighbour of this host may have set the other one, and nobody knows which is whose.
pub(super) fn named(headers: &HeaderMap) -> Result<TokenHash, ApiError> {
    // Not as text: what others have a browser keep beside it may be none.
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let mut secrets = pairs.filter_map(|pair| pair.strip_prefix(NAME.as_bytes())?.strip_prefix(b"="));
    let secret = secrets.next().ok_or(ApiError::NoSession)?;
    if secrets.any(|other| other != secret) {
        return Err(ApiError::SeveralSessions);
    }
    // What is no text is the secret of nobody.
    let secret = std::str::from_utf8(secret).map_err(|_| ApiError::NoSession)?;
    Ok(TokenHash::of(secret))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{clear, named, set};
    use crate::http::error::ApiError;
    use crate::syntax::TokenHash;

    const HERE: &str = "https://guestlist.example";

    #[test]
    fn a_browser_keeps_it_from_scripts_from_other_sites_and_from_the_open_net() {
        for cookie in [set(HERE, "secret"), clear(HERE)] {
            assert!(cookie.is_sensitive());
            let text = cookie.to_str().unwrap();
            for rule in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/v1/portal"] {
                assert!(text.split("; ").any(|part| part == rule), "{text}");
            }
            assert!(!text.contains("Domain"), "{text}");
        }
        assert!(set(HERE, "secret").to_str().unwrap().starts_with("psession=secret; Max-Age=43200; "));
        assert!(clear(HERE).to_str().unwrap().starts_with("psession=; Max-Age=0; "));
    }

    #[test]
    fn it_is_sent_where_the_portal_is() {
        for (public_url, path) in [
            (HERE, "/v1/portal"),
            ("https://guestlist.example/", "/v1/portal"),
            ("https://guestlist.example/guests/", "/guests/v1/portal"),
            ("https://guestlist.example/a;b", "/v1/portal"),
            ("nothing", "/v1/portal"),
        ] {
            let cookie = set(public_url, "x");
            let text = cookie.to_str().unwrap();
            assert!(text.contains(&format!("; Path={path}; ")), "{text}");
        }
    }

    #[test]
    fn one_cookie_names_a_session_and_no_other_does() {
        let of = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            named(&headers)
        };
        for lines in [
            &["psession=s"][..],
            &["a=b; psession=s;c=d"],
            &["a=b", "psession=s"],
            &["psession=s; psession=s"],
            &["city=München; psession=s"],
        ] {
            assert_eq!(of(lines), Ok(TokenHash::of("s")), "{lines:?}");
        }
        for lines in [&[][..], &["psession"], &["xpsession=s"], &["PSESSION=s"], &["a=psession=s"]] {
            assert_eq!(of(lines), Err(ApiError::NoSession), "{lines:?}");
        }
        for lines in [&["psession=s; psession=t"][..], &["psession=s", "psession=t"]] {
            assert_eq!(of(lines), Err(ApiError::SeveralSessions), "{lines:?}");
        }
    }
}
