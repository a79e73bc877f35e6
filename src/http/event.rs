//! An event as it is shown: its record with the counts of its effective RSVPs, and as its author set it up.
//!
//! One shape for every method that shows events, wire-compatible with Smoke Signal (CONTRACT §4.1).

use ipld_core::ipld::Ipld;
use serde::Serialize;

use super::answer::Call;
use super::page::Item;
use super::view::{Fields, FlatView, Stored};
use crate::identity::INVALID_HANDLE;
use crate::records;
use crate::spaces::tickets;
use crate::syntax::Did;
use crate::tables::EventTallies;
use crate::tables::keys::{EventKey, RecordId};
use crate::tables::rows::Record;
use crate::tables::view::{ReadRows, RowsError};

/// The type of the view, which takes the place of the record's.
const EVENT_VIEW: &str = "community.lexicon.calendar.eventView";

/// The fields of an event view that are ours.
const OURS: [&str; 12] = [
    "$type",
    "uri",
    "cid",
    "repository",
    "url",
    "countGoing",
    "countInterested",
    "countNotGoing",
    "locationCids",
    "requireConfirmedEmail",
    "disableDirectRsvp",
    "rsvpRedirectUrl",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ours<'a> {
    #[serde(rename = "$type")]
    view: &'static str,
    uri: &'a str,
    cid: String,
    repository: &'a Did,
    url: String,
    count_going: u32,
    count_interested: u32,
    count_not_going: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    location_cids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_confirmed_email: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_direct_rsvp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rsvp_redirect_url: Option<Box<str>>,
}

/// The view of a live event.
pub(super) fn event_view(
    call: &Call<'_>,
    id: &RecordId,
    record: &Record,
) -> Result<Item<FlatView>, RowsError> {
    let stored = Stored::read(call.rows, id, record)?;
    let uri = id.uri();
    let tally = call.rows.get::<EventTallies>(&EventKey::of(&uri))?.unwrap_or_default();
    let settings = tickets::settings(call.rows, id)?;
    let ours = Ours {
        view: EVENT_VIEW,
        uri: &uri,
        cid: stored.cid.to_string(),
        repository: &id.did,
        url: url(call, id),
        count_going: tally.going,
        count_interested: tally.interested,
        count_not_going: tally.notgoing,
        location_cids: location_cids(&stored.fields)?,
        require_confirmed_email: settings.require_confirmed_email,
        disable_direct_rsvp: settings.disable_direct_rsvp,
        rsvp_redirect_url: settings.rsvp_redirect_url,
    };
    Ok(Item { view: stored.flatten(&OURS, &ours), record_bytes: stored.bytes.len() })
}

/// Where people see an event: under the handle of its organizer, when it is known here and holds both ways.
pub(super) fn url(call: &Call<'_>, id: &RecordId) -> String {
    let service = call.service;
    service.event_url.of(&service.public_url, &id.did, true_handle(call, &id.did).as_deref(), &id.rkey)
}

/// The handle of an account, when it is known here and holds both ways.
pub(super) fn true_handle(call: &Call<'_>, did: &Did) -> Option<String> {
    call.service.identities.shown_handle(did).filter(|handle| handle != INVALID_HANDLE)
}

/// The CID of each element of `locations`, as far as they are given; `None` when the event has no such list (RULES §3).
fn location_cids(event: &Fields) -> Result<Option<Vec<String>>, RowsError> {
    let Some(Ipld::List(locations)) = event.get("locations") else { return Ok(None) };
    let cids = records::location_cids(locations)
        .ok_or(RowsError::Contradiction { what: "a part of a record cannot be encoded" })?;
    Ok(Some(cids.iter().map(ToString::to_string).collect()))
}
