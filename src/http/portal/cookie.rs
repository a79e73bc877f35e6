//! The cookie of a session: what a browser is told to keep, and what it sends.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::http::error::ApiError;
use crate::syntax::TokenHash;

/// Its name (RULES §6).
const NAME: &str = "psession";

/// What of it never changes: out of reach of scripts, through TLS alone, not with what other sites send but for their
/// links, and to the Portal alone.
const RULES: &str = "Path=/v1/portal; HttpOnly; Secure; SameSite=Lax";

/// How long a session is, in seconds (RULES §6).
pub(super) const SECONDS: i64 = 12 * 3600;

/// Has a browser keep the secret of a session.
pub(super) fn set(secret: &str) -> HeaderValue {
    value(&format!("{NAME}={secret}; Max-Age={SECONDS}; {RULES}"))
}

/// Has a browser forget it.
pub(super) fn clear() -> HeaderValue {
    value(&format!("{NAME}=; Max-Age=0; {RULES}"))
}

fn value(text: &str) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).expect("base64url and attributes are visible ASCII");
    // Whoever prints a response must not print this.
    value.set_sensitive(true);
    value
}

/// The session that a request names, by the hash of its secret.
///
/// # Errors
/// It names none, or several: a neighbour of this host may have set the other one, and nobody knows which is whose.
pub(super) fn named(headers: &HeaderMap) -> Result<TokenHash, ApiError> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut secrets = pairs.filter(|(name, _)| *name == NAME).map(|(_, secret)| secret);
    let secret = secrets.next().ok_or(ApiError::NoSession)?;
    if secrets.any(|other| other != secret) {
        return Err(ApiError::SeveralSessions);
    }
    Ok(TokenHash::of(secret))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, header};

    use super::{clear, named, set};
    use crate::http::error::ApiError;
    use crate::syntax::TokenHash;

    #[test]
    fn a_browser_keeps_it_from_scripts_from_other_sites_and_from_the_open_net() {
        for cookie in [set("secret"), clear()] {
            assert!(cookie.is_sensitive());
            let text = cookie.to_str().unwrap();
            for rule in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/v1/portal"] {
                assert!(text.split("; ").any(|part| part == rule), "{text}");
            }
            assert!(!text.contains("Domain"), "{text}");
        }
        assert!(set("secret").to_str().unwrap().starts_with("psession=secret; Max-Age=43200; "));
        assert!(clear().to_str().unwrap().starts_with("psession=; Max-Age=0; "));
    }

    #[test]
    fn one_cookie_names_a_session_and_no_other_does() {
        let of = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            named(&headers)
        };
        for lines in [
            &["psession=s"][..],
            &["a=b; psession=s;c=d"],
            &["a=b", "psession=s"],
            &["psession=s; psession=s"],
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
