//! `community.lexicon.calendar.event`: a calendar event. Nothing in it bears load: what cannot be read is as absent.

use h3o::CellIndex;
use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};

use super::fields::{Fields, Map, as_text};
use crate::syntax::{Cid, Datetime};

/// Places that are kept of an event's locations. An event has one or two; its row must not grow with what a stranger
/// writes.
const PLACES_MAX: usize = 16;

/// Locations whose CIDs are given. A megabyte has room for a million, and their CIDs would be sixty; no event is
/// held in so many places.
const LOCATIONS_MAX: usize = 1_000;

/// Units of a degree, so that a place is the same on every machine: a centimetre.
const UNITS_PER_DEGREE: f64 = 1e7;

/// Digits of a cell's name.
const CELL_DIGITS: usize = 15;

/// What lists and rules read of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it begins, by `startsAt`.
    pub start: Option<Datetime>,
    /// When it ends, by `endsAt`; possibly before it begins.
    pub end: Option<Datetime>,
    /// Whether it takes place.
    pub status: EventStatus,
    /// Where people meet.
    pub mode: EventMode,
    /// Where it is, of those of its locations that say so on the globe.
    pub places: Vec<Place>,
}

macro_rules! tokens {
    (
        $(#[doc = $doc:literal])+ $name:ident, absent: $default:ident;
        $($(#[doc = $of:literal])+ $token:ident, $text:literal;)+
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $of])+ $token,)+
            /// Anything that the lexicon does not know.
            Other,
        }

        impl $name {
            /// The short names, in the order of the alphabet, and `other` last.
            pub const NAMES: &'static [&'static str] = &[$($text,)+ "other"];

            /// The short name under which it is asked for.
            pub fn name(self) -> &'static str {
                match self { $($name::$token => $text,)+ $name::Other => "other" }
            }

            /// What a field says: a token of the lexicon by its full name. Where there is no text, it is what the lexicon
            /// says for an absent one.
            fn read(value: Option<&Ipld>) -> Self {
                let Some(text) = value.and_then(as_text) else { return $name::$default };
                match text.strip_prefix("community.lexicon.calendar.event#") {
                    $(Some($text) => $name::$token,)+
                    _ => $name::Other,
                }
            }
        }
    };
}

tokens! {
    /// Whether an event takes place.
    EventStatus, absent: Scheduled;
    /// It does not.
    Cancelled, "cancelled";
    /// It may.
    Planned, "planned";
    /// At a time that is not known yet.
    Postponed, "postponed";
    /// At another time than was said before.
    Rescheduled, "rescheduled";
    /// It does.
    Scheduled, "scheduled";
}

tokens! {
    /// Where people meet.
    EventMode, absent: InPerson;
    /// Both.
    Hybrid, "hybrid";
    /// In one place.
    InPerson, "inperson";
    /// Over the network.
    Virtual, "virtual";
}

/// Where something is on the globe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// A point of WGS84, in ten-millionths of a degree.
    Point {
        /// North of the equator.
        latitude: i32,
        /// East of Greenwich.
        longitude: i32,
    },
    /// A cell of the H3 grid.
    Cell(u64),
}

impl Event {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let record = fields.record();
        let time =
            |name: &str| record.get(name).and_then(as_text).and_then(|text| Datetime::parse(text).ok());
        let places = match record.get("locations") {
            Some(Ipld::List(locations)) => {
                locations.iter().filter_map(Place::read).take(PLACES_MAX).collect()
            }
            _ => Vec::new(),
        };
        Some(Self {
            start: time("startsAt"),
            end: time("endsAt"),
            status: EventStatus::read(record.get("status")),
            mode: EventMode::read(record.get("mode")),
            places,
        })
    }
}

impl Place {
    /// Reads one location, if it is of a kind that says where on the globe it is, and says something that can be.
    fn read(location: &Ipld) -> Option<Self> {
        let Ipld::Map(location) = location else { return None };
        match field(location, "$type")? {
            "community.lexicon.location.geo" => {
                Self::point(field(location, "latitude")?, field(location, "longitude")?)
            }
            "community.lexicon.location.hthree" => {
                let name = field(location, "value")?;
                let is_cell = name.len() == CELL_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
                let cell = is_cell.then(|| u64::from_str_radix(name, 16).ok()).flatten()?;
                CellIndex::try_from(cell).ok().map(|cell| Self::Cell(cell.into()))
            }
            _ => None,
        }
    }

    /// The point at a latitude and a longitude in degrees, as text; `None` where there is none.
    pub fn point(latitude: &str, longitude: &str) -> Option<Self> {
        Some(Self::Point { latitude: units(latitude, 90.0)?, longitude: units(longitude, 180.0)? })
    }

    /// Its latitude and longitude in degrees: of a cell those of its centre.
    pub fn degrees(self) -> Option<(f64, f64)> {
        match self {
            Place::Point { latitude, longitude } => {
                Some((f64::from(latitude) / UNITS_PER_DEGREE, f64::from(longitude) / UNITS_PER_DEGREE))
            }
            Place::Cell(cell) => {
                let centre = h3o::LatLng::from(CellIndex::try_from(cell).ok()?);
                Some((centre.lat(), centre.lng()))
            }
        }
    }
}

/// The CID of each of an event's locations, of the first thousand: that of its bytes alone (RULES §3). `None` if one is nothing
/// that can be encoded.
pub fn location_cids(locations: &[Ipld]) -> Option<Vec<Cid>> {
    // What was decoded from canonical bytes is encoded as the very bytes.
    let cid = |location| Some(Cid::compute_dag_cbor(&serde_ipld_dagcbor::to_vec(location).ok()?));
    locations.iter().take(LOCATIONS_MAX).map(cid).collect()
}

fn field<'a>(map: &'a Map, name: &str) -> Option<&'a str> {
    map.get(name).and_then(as_text)
}

/// A number of degrees that is at most `most` on either side of zero, in whole units. The digits of a decimal fraction are
/// all that is read: no exponent, no name of a number, and no more of them than anybody measures.
fn units(text: &str, most: f64) -> Option<i32> {
    const TEXT_BYTES_MAX: usize = 32;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if text.len() > TEXT_BYTES_MAX || !is_decimal {
        return None;
    }
    let degrees: f64 = text.parse().ok()?;
    if degrees.abs() > most {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "180 degrees are 1.8 billion units")]
    let units = (degrees * UNITS_PER_DEGREE).round() as i32;
    Some(units)
}

#[cfg(test)]
mod tests;
