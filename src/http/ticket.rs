//! Tickets for events as they are shown. Times in milliseconds since the epoch, as those of spaces.

use serde::Serialize;

use super::Service;
use super::error::ApiError;
use crate::records::Kind;
use crate::spaces::tickets;
use crate::syntax::{AtUri, Did};
use crate::tables::keys::{RecordId, Target};
use crate::tables::tickets::Ticket;
use crate::tables::view::{Rows, RowsError};

/// A ticket.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TicketView {
    event: String,
    did: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    aturi: AtUri,
    linked_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<i64>,
}

impl TicketView {
    /// The view of what somebody has for an event.
    pub(super) fn of(service: &Service, event: &RecordId, did: Did, ticket: Ticket) -> Self {
        let Ticket { attestation: aturi, linked_at, confirmed_at } = ticket;
        let handle = service.identities.shown_handle(&did);
        Self { event: event.uri(), did, handle, aturi, linked_at, confirmed_at }
    }
}

/// The event that a URI names; an error where it cannot be one's. `None` where it is under a handle: that is nobody's.
pub(super) fn event_of(uri: &AtUri, malformed: ApiError) -> Result<Option<RecordId>, ApiError> {
    match Target::of(uri, Kind::Event) {
        Target::Record(event) => Ok(Some(event)),
        Target::Unknowable if uri.record_key().is_some() => Ok(None),
        Target::Unknowable | Target::OtherCollection => Err(malformed),
    }
}

/// The record that attests somebody's ticket for what an RSVP answers, once they have confirmed it.
pub(super) fn attestation(rows: &dyn Rows, event: &AtUri, did: &Did) -> Result<Option<AtUri>, RowsError> {
    let Some(event) = Target::of(event, Kind::Event).record() else { return Ok(None) };
    let ticket = tickets::ticket(rows, &event, did)?;
    Ok(ticket.filter(|ticket| ticket.confirmed_at.is_some()).map(|ticket| ticket.attestation))
}
