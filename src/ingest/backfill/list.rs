//! Lists of repositories, page by page, from whoever has them.

use std::sync::Arc;

use hyper::StatusCode;

use super::polite::Polite;
use super::turns::Told;
use crate::codec::listing::{NoPage, PAGE_BYTES_MAX, Page};
use crate::net::{Failure, NamedBy, Origin, Web, Wish};
use crate::records::Kind;

/// Repositories on a page. What is listed is written down page by page; more would make large batches.
const PAGE_LIMIT: usize = 250;

/// A page could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListError {
    /// The host has no such list.
    #[error("it has no such list ({0})")]
    Unsupported(StatusCode),
    /// The host has too much to do, or is not well.
    #[error("it answered {0}")]
    Busy(StatusCode),
    /// The host is left alone for a while.
    #[error("it asked to be left alone")]
    Resting,
    /// The host cannot be reached.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// What it sent is no page.
    #[error("it sent {0}")]
    NoPage(#[from] NoPage),
}

/// Asks for lists.
pub(super) struct Lister {
    pub(super) web: Arc<Web>,
    pub(super) polite: Polite,
}

impl Lister {
    /// The page of a list that begins with this cursor.
    pub(super) async fn page(
        &self,
        origin: &Origin,
        kind: Option<Kind>,
        cursor: Option<&str>,
    ) -> Result<Page, ListError> {
        let mut turn = self.polite.turn(origin, usize::MAX).await.map_err(|_| ListError::Resting)?;
        let path = path(kind, cursor);
        // Whoever runs this has named the host. It leads nowhere else.
        let wish = Wish {
            origin,
            path: &path,
            named_by: NamedBy::Operator,
            bytes_max: PAGE_BYTES_MAX,
            redirects_max: 0,
        };
        let answer = self.web.get(wish).await.inspect_err(|_| turn.tells(Told::Busy(None)))?;
        match answer.status {
            StatusCode::OK => Ok(Page::parse(&answer.body)?),
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                turn.tells(Told::Busy(answer.retry_after));
                Err(ListError::Busy(status))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
                turn.tells(Told::Busy(answer.retry_after));
                Err(ListError::Busy(answer.status))
            }
            status => Err(ListError::Unsupported(status)),
        }
    }
}

fn path(kind: Option<Kind>, cursor: Option<&str>) -> String {
    let mut path = match kind {
        Some(kind) => {
            let collection = kind.nsid();
            format!("/xrpc/com.atproto.sync.listReposByCollection?collection={collection}&limit={PAGE_LIMIT}")
        }
        None => format!("/xrpc/com.atproto.sync.listRepos?limit={PAGE_LIMIT}"),
    };
    if let Some(cursor) = cursor {
        path.push_str("&cursor=");
        // Cursors are opaque, and may hold anything.
        for byte in cursor.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    path.push(char::from(byte));
                }
                _ => path.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::path;
    use crate::records::Kind;

    #[test]
    fn a_cursor_is_sent_back_whatever_it_holds() {
        assert_eq!(
            path(Some(Kind::Event), Some("a b&c=é/")),
            "/xrpc/com.atproto.sync.listReposByCollection?collection=community.lexicon.calendar.event&limit=250\
             &cursor=a%20b%26c%3D%C3%A9%2F"
        );
        assert_eq!(path(None, None), "/xrpc/com.atproto.sync.listRepos?limit=250");
    }
}
