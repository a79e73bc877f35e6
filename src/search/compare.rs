//! Whether the index has what the store has.

use std::collections::HashMap;
use std::time::Duration;

use super::document::version_of;
use super::index::{IndexError, guarded, versions};
use super::{Search, place_of};
use crate::store::{Store, StoreError};
use crate::tables::keys::{MetaKey, RecordId};
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{EventTimes, Records, number};

/// How long the index may take to catch up before it is compared.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often what differs is looked at again: what is written meanwhile is in the index a moment later.
const LOOKS: usize = 5;

/// What the index and the store were found to differ in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Events of the store.
    pub(super) events: u64,
    /// Those that the index lacks, or has another version of.
    pub(super) missing: Vec<RecordId>,
    /// URIs in the index that are no events of the store.
    pub(super) surplus: Vec<String>,
}

/// How the index and the store agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// There is no index.
    Absent,
    /// It is being filled now.
    Filling,
    /// Both have the same so many events.
    Full(u64),
    /// Nobody followed the store since, and so many events differ. They are read when a daemon starts.
    Behind(usize),
    /// It does not have what it should, and a daemon would make it anew.
    Broken(Vec<String>),
}

/// Compares the events of the store with the versions in an index.
pub(super) fn compare(rows: &dyn Rows, mut indexed: HashMap<String, u64>) -> Result<Compared, RowsError> {
    let mut compared = Compared::default();
    for row in rows.scan_all::<EventTimes>() {
        let id = row?.0.slot.event;
        let record = rows
            .get::<Records>(&id)?
            .ok_or(RowsError::Contradiction { what: "an event in the calendar is not stored" })?;
        compared.events += 1;
        if indexed.remove(&id.uri()) != Some(version_of(&record)) {
            compared.missing.push(id);
        }
    }
    compared.surplus = indexed.into_keys().collect();
    compared.surplus.sort();
    Ok(compared)
}

impl Compared {
    fn agrees(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty()
    }

    fn differences(&self) -> Vec<String> {
        let missing = self
            .missing
            .iter()
            .map(|id| format!("search index: {} is missing or of another version", id.uri()));
        let surplus =
            self.surplus.iter().map(|uri| format!("search index: {uri} is in it and should not be"));
        missing.chain(surplus).collect()
    }
}

/// Compares the index that is kept beside a store, while both are written.
///
/// # Errors
/// The store cannot be read or contradicts itself.
pub fn agreement(search: &Search, store: &Store) -> Result<Agreement, StoreError> {
    if search.0.is_none() {
        return Ok(Agreement::Absent);
    }
    let mut last: Vec<String> = Vec::new();
    for _ in 0..LOOKS {
        if !search.settle(PATIENCE) {
            return Ok(Agreement::Filling);
        }
        let Ok(generation) = search.generation(None) else { return Ok(Agreement::Filling) };
        let indexed = match guarded(|| versions(&generation.searcher)) {
            Ok(indexed) => indexed,
            Err(error) => return Ok(Agreement::Broken(vec![said(&error)])),
        };
        let compared = compare(&store.freeze(), indexed)?;
        if compared.agrees() {
            return Ok(Agreement::Full(compared.events));
        }
        // What was written between the two moments differs for another reason each time.
        let differences = compared.differences();
        let still: Vec<String> =
            differences.iter().filter(|one| last.is_empty() || last.contains(one)).cloned().collect();
        if still.is_empty() {
            return Ok(Agreement::Full(compared.events));
        }
        last = still;
    }
    Ok(Agreement::Broken(last))
}

/// Compares the index in a store's directory, where nobody writes either.
///
/// # Errors
/// The store cannot be read or contradicts itself.
pub fn at_rest(store: &Store) -> Result<Agreement, StoreError> {
    let place = place_of(store.dir());
    if !place.exists() {
        return Ok(Agreement::Absent);
    }
    let opened = place
        .open()
        .and_then(|catalog| guarded(|| Ok((versions(&catalog.reader()?.searcher())?, catalog.position))));
    let (indexed, position) = match opened {
        Ok(opened) => opened,
        Err(IndexError::OtherVersion) => return Ok(Agreement::Filling),
        Err(error) => return Ok(Agreement::Broken(vec![said(&error)])),
    };
    let rows = store.freeze();
    let compared = compare(&rows, indexed)?;
    Ok(match (compared.agrees(), position == Some(number(&rows, MetaKey::Position)?)) {
        (true, _) => Agreement::Full(compared.events),
        (false, true) => Agreement::Broken(compared.differences()),
        (false, false) => Agreement::Behind(compared.missing.len() + compared.surplus.len()),
    })
}

fn said(error: &IndexError) -> String {
    format!("search index: {error}")
}
