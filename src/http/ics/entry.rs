//! An event as an entry of a calendar. What its record does not say, or says in no way that can be read, is left out.
//!
//! Nobody is named as ORGANIZER: that would have to be an address of mail, and makes invitations of entries. The
//! event's `uris` are left out too: calendars fetch what is attached, from anywhere, without asking their people.

use icalendar::{Component, Event as Vevent, EventStatus as Vstatus};
use ipld_core::ipld::Ipld;

use super::text::{clean, parts};
use super::time;
use crate::http::answer::Call;
use crate::http::event::url;
use crate::http::view::{Fields, Stored};
use crate::records::{Event, EventStatus, Place};
use crate::syntax::{Datetime, Tid};
use crate::tables::keys::RecordId;

/// What an event without a name is called.
const UNNAMED: &str = "Untitled event";

/// Locations that are looked at. An event has one or two.
const LOCATIONS_MAX: usize = 16;

/// What locations of any kind say in words, in the order in which it is read: of an address, and of a link the `uri`.
const LOCATION_FIELDS: [&str; 7] = ["name", "street", "locality", "region", "postalCode", "country", "uri"];

/// An entry, with what its place in the feed depends on.
pub(super) struct Entry {
    pub(super) start: Datetime,
    pub(super) uid: String,
    pub(super) event: Vevent,
}

/// The entry of an event; `None` where it has no start that a calendar can have. `is_tentative` leaves the time of whoever has it free.
pub(super) fn entry(
    call: &Call<'_>,
    (id, event): (&RecordId, &Event),
    (stored, rev): (&Stored, Tid),
    is_tentative: bool,
) -> Option<Entry> {
    let fields = &*stored.fields;
    let text = |name: &str| field(fields, name).unwrap_or_default();
    let (start, end) = time::of(event, text("startsAt"), text("endsAt"))?;
    let uid = id.uri();
    let changed = time::utc(Datetime::nearest(rev.micros()));
    let mut entry = Vevent::with_uid(&uid);
    entry.append_property(start).append_property(("DTSTAMP", changed.as_str()));
    entry.append_property(("LAST-MODIFIED", changed.as_str())).url(&url(call, id));
    if let Some(end) = end {
        entry.append_property(end);
    }
    if let Some(created) = Datetime::parse(text("createdAt")).ok().filter(time::is_dated) {
        entry.append_property(("CREATED", time::utc(created).as_str()));
    }
    let name = Some(clean(text("name"))).filter(|name| !name.trim().is_empty());
    let texts = [
        ("SUMMARY", name.unwrap_or_else(|| UNNAMED.to_owned())),
        ("DESCRIPTION", clean(text("description"))),
        ("LOCATION", location(fields)),
    ];
    for part in texts.iter().flat_map(|(name, text)| parts(name, text)) {
        entry.append_multi_property(part);
    }
    if let Some(point) = locations(fields).find_map(point) {
        entry.append_property(("GEO", point.as_str()));
    }
    if let Some(status) = status(event.status) {
        entry.status(status);
    }
    if is_tentative {
        entry.append_property(("TRANSP", "TRANSPARENT"));
    }
    Some(Entry { start: event.start?, uid, event: entry })
}

fn status(status: EventStatus) -> Option<Vstatus> {
    match status {
        EventStatus::Cancelled => Some(Vstatus::Cancelled),
        EventStatus::Planned | EventStatus::Postponed => Some(Vstatus::Tentative),
        EventStatus::Scheduled | EventStatus::Rescheduled => Some(Vstatus::Confirmed),
        EventStatus::Other => None,
    }
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    match fields.get(name) {
        Some(Ipld::String(text)) => Some(text),
        _ => None,
    }
}

fn locations(event: &Fields) -> impl Iterator<Item = &Fields> {
    let locations = match event.get("locations") {
        Some(Ipld::List(locations)) => locations.as_slice(),
        _ => &[],
    };
    locations.iter().take(LOCATIONS_MAX).filter_map(|location| match location {
        Ipld::Map(location) => Some(location),
        _ => None,
    })
}

/// All locations in words.
fn location(event: &Fields) -> String {
    let words = |location: &Fields| {
        let words = LOCATION_FIELDS.iter().filter_map(|name| field(location, name)).map(clean);
        words.filter(|word| !word.trim().is_empty()).collect::<Vec<_>>().join(", ")
    };
    let all = locations(event).map(words).filter(|words| !words.is_empty());
    all.collect::<Vec<_>>().join("; ")
}

/// Latitude and longitude of a location that has them. A cell of the H3 grid has none: it may be as large as a country.
fn point(location: &Fields) -> Option<String> {
    let place = Place::point(field(location, "latitude")?, field(location, "longitude")?)?;
    let (latitude, longitude) = place.degrees()?;
    Some(format!("{latitude:.6};{longitude:.6}"))
}
