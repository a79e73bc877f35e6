//! Whether a list of repositories leads anywhere. A host can invent one that leads round, or on for ever.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::codec::listing::Page;
use crate::tables::completeness::Sweep;

/// Pages of a stage, at most. A host can invent lists without end.
const PAGES_MAX: u64 = 500_000;

/// Pages in a row with nothing on them. They are legal, and lead somewhere in the end.
const EMPTY_PAGES_MAX: u32 = 1_000;

/// What was seen of a list.
#[derive(Default)]
pub(super) struct Walk {
    /// Hashes of the cursors.
    cursors: HashSet<u64>,
    empty_pages: u32,
}

impl Walk {
    /// Whether a page leads further.
    pub(super) fn goes_on(&mut self, page: &Page, sweep: &Sweep) -> Result<(), &'static str> {
        let Some(cursor) = &page.cursor else { return Ok(()) };
        let mut hasher = DefaultHasher::new();
        cursor.hash(&mut hasher);
        let is_new = self.cursors.insert(hasher.finish());
        self.empty_pages = if page.repositories.is_empty() { self.empty_pages + 1 } else { 0 };
        if !is_new || sweep.cursor.as_deref() == Some(cursor) {
            return Err("its list of repositories repeats itself");
        }
        if sweep.pages >= PAGES_MAX || self.empty_pages > EMPTY_PAGES_MAX {
            return Err("its list of repositories has no end");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{EMPTY_PAGES_MAX, PAGES_MAX, Walk};
    use crate::codec::listing::Page;
    use crate::syntax::Did;
    use crate::tables::completeness::{Stage, Sweep};

    fn sweep(pages: u64) -> Sweep {
        Sweep { begun: 1, stage: Stage::Everything, cursor: None, pages, listed: 0, ended: None }
    }

    fn page(listed: usize, cursor: Option<String>) -> Page {
        let one = Did::parse("did:plc:a").unwrap();
        Page { repositories: vec![one; listed], unreadable: 0, cursor }
    }

    #[test]
    fn a_list_that_leads_round_is_left() {
        for circle in [1, 2, 50] {
            let mut walk = Walk::default();
            let mut cursors = (0..circle).cycle().map(|number| Some(number.to_string()));
            for cursor in cursors.by_ref().take(circle) {
                walk.goes_on(&page(1, cursor), &sweep(1)).unwrap();
            }
            let again = walk.goes_on(&page(1, cursors.next().unwrap()), &sweep(1));
            assert_eq!(again, Err("its list of repositories repeats itself"));
        }
        // After a restart it is at least not the page that was asked for.
        let at = Sweep { cursor: Some("x".into()), ..sweep(1) };
        assert!(Walk::default().goes_on(&page(1, Some("x".to_owned())), &at).is_err());
    }

    #[test]
    fn a_list_without_an_end_is_left() {
        let mut walk = Walk::default();
        let mut cursors = (0..).map(|number: u32| Some(number.to_string()));
        for cursor in cursors.by_ref().take(EMPTY_PAGES_MAX as usize) {
            walk.goes_on(&page(0, cursor), &sweep(1)).unwrap();
        }
        let mut next = || cursors.next().unwrap();
        assert_eq!(walk.goes_on(&page(0, next()), &sweep(1)), Err("its list of repositories has no end"));
        // One that leads somewhere after all does not count as that.
        walk.goes_on(&page(1, next()), &sweep(1)).unwrap();
        walk.goes_on(&page(0, next()), &sweep(1)).unwrap();
        assert!(walk.goes_on(&page(1, next()), &sweep(PAGES_MAX)).is_err());
        walk.goes_on(&page(0, None), &sweep(PAGES_MAX)).unwrap();
    }
}
