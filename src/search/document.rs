//! What of an event is searched.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use sha2::{Digest, Sha256};

use crate::records::{Body, location_cids};
use crate::rules::calendar::upcoming_until;
use crate::tables::keys::RecordId;
use crate::tables::rows::Record;
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{Records, record_bytes, record_fields};

/// Bytes of one text that are searched: more than any event needs, and less than a record may have of it.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The parts of an address that are names of places.
const PLACE_NAMES: [&str; 3] = ["name", "locality", "region"];

/// What an event is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) id: RecordId,
    /// Which version of the record this is from.
    pub(super) version: u64,
    pub(super) name: String,
    pub(super) description: String,
    /// The names of its places.
    pub(super) places: Vec<String>,
    /// The CIDs of its locations (RULES §3).
    pub(super) location_cids: Vec<String>,
    /// When it begins, in microseconds since the epoch.
    pub(super) start: Option<i64>,
    /// The last moment at which it is upcoming, if it ever is.
    pub(super) upcoming_until: Option<i64>,
}

impl Document {
    /// The document of an event; `None` where there is no usable one.
    ///
    /// # Errors
    /// The store contradicts itself.
    pub(super) fn read(rows: &dyn Rows, id: &RecordId) -> Result<Option<Self>, RowsError> {
        let Some(record) = rows.get::<Records>(id)? else { return Ok(None) };
        let Some(Body::Event(event)) = &record.body else { return Ok(None) };
        let fields = record_fields(&record_bytes(rows, id, &record)?)?;
        let locations = match fields.get("locations") {
            Some(Ipld::List(locations)) => locations.as_slice(),
            _ => &[],
        };
        let location_cids = location_cids(locations)
            .ok_or(RowsError::Contradiction { what: "a part of a record cannot be encoded" })?;
        Ok(Some(Self {
            id: id.clone(),
            version: version_of(&record),
            name: text(&fields, "name").unwrap_or_default(),
            description: text(&fields, "description").unwrap_or_default(),
            places: places(locations),
            location_cids: location_cids.iter().map(ToString::to_string).collect(),
            start: event.start.map(|start| start.micros()),
            upcoming_until: upcoming_until(event),
        }))
    }
}

/// Which version of its record a document is from: no two that differ have the same.
pub(super) fn version_of(record: &Record) -> u64 {
    let mut version = Sha256::new();
    version.update(record.cid.as_bytes());
    // What came as JSON need not be what its CID says.
    version.update([u8::from(record.fault.is_some())]);
    version.update(record.rev.to_string());
    first_eight(version)
}

/// A number that stands for an event in an order of those that have no other.
pub(super) fn number_of(uri: &str) -> u64 {
    first_eight(Sha256::new_with_prefix(uri))
}

fn first_eight(hash: Sha256) -> u64 {
    let hash = hash.finalize();
    hash.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The names of all places, up to as much as is searched of one text.
fn places(locations: &[Ipld]) -> Vec<String> {
    let mut left = TEXT_BYTES_MAX;
    let fits = |name: &String| {
        let before = left;
        left = left.saturating_sub(name.len());
        before > 0
    };
    locations.iter().flat_map(place_names).take_while(fits).collect()
}

fn place_names(location: &Ipld) -> impl Iterator<Item = String> {
    let fields = match location {
        Ipld::Map(fields) => Some(fields),
        _ => None,
    };
    fields.into_iter().flat_map(|fields| PLACE_NAMES.into_iter().filter_map(|name| text(fields, name)))
}

/// A text of a record, up to where it is searched.
fn text(fields: &BTreeMap<String, Ipld>, name: &str) -> Option<String> {
    let Some(Ipld::String(text)) = fields.get(name) else { return None };
    Some(text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Ipld, TEXT_BYTES_MAX, places};

    #[test]
    fn the_name_of_a_place_is_searched_however_long_it_is() {
        let place = |name: String| Ipld::Map([("name".to_owned(), Ipld::String(name))].into());
        let long = places(&[place("a".repeat(3 * TEXT_BYTES_MAX)), place("after".to_owned())]);
        assert_eq!(long, ["a".repeat(TEXT_BYTES_MAX)]);
        let many = places(&vec![place("a".repeat(1_000)); 1_000]);
        assert!((TEXT_BYTES_MAX..TEXT_BYTES_MAX + 1_000).contains(&many.concat().len()));
    }
}
