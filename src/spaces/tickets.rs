//! Events: how their authors set them up, and the tickets that they give out and others confirm.
//!
//! Whose an event is its URI says, so that nobody learns here what there is of others. What is kept of an event that is
//! not there counts again when it is: at the same place there can only be one of the same author.

use super::audit::{About, Doing};
use super::command::{Answer, Done, Refusal};
use crate::records::Kind;
use crate::syntax::{AtUri, Authority, Did};
use crate::tables::keys::{PersonTicketKey, RecordId, SpaceId, TicketKey};
use crate::tables::spaces::Finding;
use crate::tables::tickets::{EventSettings, Ticket};
use crate::tables::view::{Overlay, ReadRows, Rows, RowsError};
use crate::tables::{PersonTickets, Settings, Tickets};

/// Whether an event is there.
fn is_live(rows: &(impl Rows + ?Sized), event: &RecordId) -> Result<bool, RowsError> {
    Ok(event.kind == Kind::Event && super::is_live(rows, event)?)
}

/// How an event is set up; nothing while it is not there.
///
/// # Errors
/// The rows cannot be read.
pub fn settings(rows: &(impl Rows + ?Sized), event: &RecordId) -> Result<EventSettings, RowsError> {
    let Some(settings) = rows.get::<Settings>(event)? else { return Ok(EventSettings::default()) };
    Ok(if is_live(rows, event)? { settings } else { EventSettings::default() })
}

/// The ticket that somebody has for an event; none while it is not there.
///
/// # Errors
/// The rows cannot be read.
pub fn ticket(rows: &(impl Rows + ?Sized), event: &RecordId, did: &Did) -> Result<Option<Ticket>, RowsError> {
    let key = TicketKey { event: event.clone(), did: did.clone() };
    let Some(ticket) = rows.get::<Tickets>(&key)? else { return Ok(None) };
    Ok(is_live(rows, event)?.then_some(ticket))
}

/// Lays a change over how an event is set up.
pub(super) fn configure(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    event: &RecordId,
    change: &EventSettings,
) -> Result<Answer, RowsError> {
    if doing.caller() != Some(&event.did) {
        return Ok(Err(Refusal::Forbidden));
    }
    if !is_live(rows, event)? {
        return Ok(Err(Refusal::EventNotFound));
    }
    let before = rows.get::<Settings>(event)?.unwrap_or_default();
    let after = before.clone().with(change);
    let changes = before != after;
    rows.put_or_delete::<Settings>(event, &after);
    let finding = if changes { Finding::Done } else { Finding::Already };
    doing.note(rows, &About::space(&SpaceId::of_record(event)), finding)?;
    Ok(Ok(Done::Changed(changes)))
}

/// Gives somebody a ticket for an event. Another attestation than before has to be confirmed anew.
pub(super) fn link(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    event: &RecordId,
    did: &Did,
    attestation: &AtUri,
) -> Result<Answer, RowsError> {
    let Some(caller) = doing.caller() else { return Ok(Err(Refusal::Forbidden)) };
    if *caller != event.did || attestation.authority() != Authority::Did(caller.as_str()) {
        return Ok(Err(Refusal::Forbidden));
    }
    if !is_live(rows, event)? {
        return Ok(Err(Refusal::EventNotFound));
    }
    let key = TicketKey { event: event.clone(), did: did.clone() };
    let before = rows.get::<Tickets>(&key)?;
    let changes = before.is_none_or(|before| before.attestation != *attestation);
    if changes {
        let ticket = Ticket { attestation: attestation.clone(), linked_at: doing.now, confirmed_at: None };
        put(rows, &key, &ticket);
    }
    let about = About::space(&SpaceId::of_record(event)).with_subject(did);
    doing.note(rows, &about, if changes { Finding::Done } else { Finding::Already })?;
    Ok(Ok(Done::Changed(changes)))
}

/// The caller confirms a ticket; where they say which attestation, it has to be that.
pub(super) fn confirm(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    event: &RecordId,
    attestation: Option<&AtUri>,
) -> Result<Answer, RowsError> {
    let Some(caller) = doing.caller() else { return Ok(Err(Refusal::Forbidden)) };
    let ticket = ticket(rows, event, caller)?;
    let is_meant = |ticket: &Ticket| attestation.is_none_or(|meant| *meant == ticket.attestation);
    let Some(mut ticket) = ticket.filter(is_meant) else { return Ok(Err(Refusal::TicketNotFound)) };
    let changes = ticket.confirmed_at.is_none();
    ticket.confirmed_at = ticket.confirmed_at.or(Some(doing.now));
    put(rows, &TicketKey { event: event.clone(), did: caller.clone() }, &ticket);
    let finding = if changes { Finding::Done } else { Finding::Already };
    doing.note(rows, &About::space(&SpaceId::of_record(event)), finding)?;
    Ok(Ok(Done::Ticket(Box::new(ticket))))
}

/// Writes the row of a ticket, and how its holder finds it.
pub(super) fn put(rows: &mut Overlay<'_>, key: &TicketKey, ticket: &Ticket) {
    rows.put::<Tickets>(key, ticket);
    let of_person = PersonTicketKey { did: key.did.clone(), event: key.event.clone() };
    rows.put::<PersonTickets>(&of_person, &());
}

/// Removes a ticket.
pub(super) fn remove(rows: &mut Overlay<'_>, key: &TicketKey) {
    rows.delete::<Tickets>(key);
    let of_person = PersonTicketKey { did: key.did.clone(), event: key.event.clone() };
    rows.delete::<PersonTickets>(&of_person);
}
