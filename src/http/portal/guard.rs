//! Protection against other sites: a browser sends its cookie along, whoever wrote the page that makes it call.
//!
//! A cookie that is `SameSite=Lax` stays at home when another site calls, and browsers say where a call is from. What is
//! no browser says nothing, and has no cookie that it did not put there itself.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::error::ApiError;
use crate::net::Origin;

/// How a call stands to the page that makes it, as newer browsers say.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where pages are from that may call.
pub(super) type Origins = Arc<[Origin]>;

/// Turns away what other sites' pages would have changed.
pub(super) async fn guard(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !is_ours(request.headers(), &origins) {
        return ApiError::CrossSite.into_response();
    }
    next.run(request).await
}

/// Whether a call may be from one of our pages, or from no page at all.
fn is_ours(headers: &HeaderMap, origins: &[Origin]) -> bool {
    let mut from = headers.get_all(header::ORIGIN).iter();
    match (from.next(), from.next()) {
        (Some(from), None) => {
            let from = from.to_str().ok().and_then(|from| Origin::parse(from).ok());
            from.is_some_and(|from| origins.contains(&from))
        }
        (Some(_), Some(_)) => false,
        (None, _) => {
            headers.get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName};

    use super::is_ours;
    use crate::net::Origin;

    #[test]
    fn only_our_pages_and_what_is_no_page_change_anything() {
        let origins = ["https://guestlist.example", "https://app.guestlist.example"]
            .map(|one| Origin::parse(one).unwrap());
        let asks = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            is_ours(&headers, &origins)
        };
        let (origin, site) = ("origin", "sec-fetch-site");
        for lines in [
            &[][..],
            &[(origin, "https://guestlist.example")],
            &[(origin, "https://app.guestlist.example"), (site, "same-site")],
            &[(origin, "https://guestlist.example:443")],
            &[(site, "same-origin")],
            &[(site, "none")],
        ] {
            assert!(asks(lines), "{lines:?}");
        }
        for lines in [
            &[(origin, "https://evil.example")][..],
            &[(origin, "null")],
            &[(origin, "")],
            &[(origin, "http://guestlist.example")],
            &[(origin, "https://guestlist.example:8443")],
            &[(origin, "https://guestlist.example.evil.example")],
            &[(origin, "https://sub.guestlist.example"), (site, "same-site")],
            &[(origin, "https://evil.example"), (site, "same-origin")],
            &[(origin, "https://guestlist.example"), (origin, "https://evil.example")],
            &[(site, "cross-site")],
            &[(site, "same-site")],
            &[(site, "same-origin"), (site, "cross-site")],
        ] {
            assert!(!asks(lines), "{lines:?}");
        }
    }
}
