//! Pages of repositories, as `listRepos` and `listReposByCollection` have them.
//!
//! A host may say anything: an entry that cannot be read is counted and passed over, and the page goes on. Who is on it is
//! a hint of where to look; what it says of revisions and accounts their hosts say better. Spec: PROTOCOL §7.

use serde::Deserialize;
use serde_json::Value;

use crate::syntax::Did;

/// Bytes of a page. The largest that a host sends, 2,000 entries, have some 400 KB.
pub const PAGE_BYTES_MAX: usize = 4_000_000;

/// Bytes of a cursor that is sent back. Longer ones are not: a URL has to hold it.
pub const CURSOR_BYTES_MAX: usize = 2_000;

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Whose are on it.
    pub repositories: Vec<Did>,
    /// Entries that could not be read.
    pub unreadable: u64,
    /// Where the next page begins; `None` on the last.
    pub cursor: Option<String>,
}

/// It is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPage {
    /// It is no JSON object with a list of repositories.
    #[error("no page of repositories")]
    Malformed,
    /// It cannot be gone on from where it ends.
    #[error("a cursor that is too long")]
    Cursor,
}

#[derive(Deserialize)]
struct Wire {
    cursor: Option<String>,
    // Any shape: an entry that cannot be read is no reason to lose the others.
    repos: Vec<Value>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoPage> {
        let wire: Wire = serde_json::from_slice(bytes).map_err(|_| NoPage::Malformed)?;
        // An empty cursor is none: some hosts write it on the last page.
        let cursor = wire.cursor.filter(|cursor| !cursor.is_empty());
        if cursor.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_BYTES_MAX) {
            return Err(NoPage::Cursor);
        }
        let mut page = Page { cursor, ..Page::default() };
        for entry in &wire.repos {
            match listed(entry) {
                Some(did) => page.repositories.push(did),
                None => page.unreadable += 1,
            }
        }
        Ok(page)
    }
}

fn listed(entry: &Value) -> Option<Did> {
    Did::parse(entry.get("did").and_then(Value::as_str)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{CURSOR_BYTES_MAX, NoPage, Page};
    use crate::syntax::Did;

    fn parse(page: &serde_json::Value) -> Result<Page, NoPage> {
        Page::parse(&serde_json::to_vec(page).unwrap())
    }

    #[test]
    fn what_can_be_read_of_a_page_is() {
        let page = parse(&json!({ "cursor": "5", "more": 1, "repos": [
            { "did": "did:plc:a", "rev": "3l3qo2vutsw2b", "head": "bafy", "active": true },
            { "did": "did:web:b.example", "rev": "", "active": false, "status": "takendown" },
            { "did": "nobody" }, 7, null, { "rev": "3l3qo2vutsw2b" },
        ] }))
        .unwrap();
        let said: Vec<_> = page.repositories.iter().map(Did::as_str).collect();
        assert_eq!(said, ["did:plc:a", "did:web:b.example"]);
        assert_eq!((page.unreadable, page.cursor.as_deref()), (4, Some("5")));
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        for last in [
            json!({ "repos": [] }),
            json!({ "repos": [], "cursor": null }),
            json!({ "repos": [], "cursor": "" }),
        ] {
            assert_eq!(parse(&last).unwrap().cursor, None, "{last}");
        }
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for bad in [json!([]), json!({}), json!({ "repos": 1 }), json!({ "repos": [], "cursor": 5 })] {
            assert_eq!(parse(&bad), Err(NoPage::Malformed), "{bad}");
        }
        assert_eq!(Page::parse(b"<html>"), Err(NoPage::Malformed));
        let long = json!({ "repos": [], "cursor": "x".repeat(CURSOR_BYTES_MAX + 1) });
        assert_eq!(parse(&long), Err(NoPage::Cursor));
    }
}
