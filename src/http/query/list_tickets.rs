//! `app.guestlist.listTickets`: the tickets of an event for its author, and one's own.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::page::{Item, Page, Paging};
use crate::http::params::Params;
use crate::http::space::is_caller;
use crate::http::ticket::{TicketView, event_of};
use crate::http::view::live;
use crate::rules::accounts;
use crate::syntax::Did;
use crate::tables::keys::{RecordId, TicketKey, write_person, write_ticket};
use crate::tables::tickets::Ticket;
use crate::tables::view::{Range, ReadRows, RowsError, key_of, prefix_of};
use crate::tables::{PersonTickets, Tickets};

#[derive(Serialize)]
pub(in crate::http) struct TicketList {
    tickets: Vec<TicketView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<TicketList, Failure> {
    let caller = call.caller()?;
    let event = event(call.params)?;
    let uri = event.as_ref().map(RecordId::uri);
    let paging = Paging::of(call, &[("caller", Some(caller.as_str())), ("event", uri.as_deref())])?;
    let page = match event {
        Some(event) => of_event(call, &paging, event)?,
        None => of_person(call, &paging, caller)?,
    };
    Ok(TicketList { tickets: page.items, cursor: page.cursor })
}

/// The event that is asked about.
fn event(params: &Params) -> Result<Option<RecordId>, ApiError> {
    let Some(uri) = params.optional_uri("event")? else { return Ok(None) };
    let malformed = ApiError::BadParameter { name: "event", expected: "the AT-URI of an event" };
    event_of(&uri, malformed)?.map(Some).ok_or(ApiError::NoSuchEvent)
}

/// All tickets of an event for its author, one's own for everybody else.
fn of_event(call: &Call<'_>, paging: &Paging, event: RecordId) -> Result<Page<TicketView>, Failure> {
    live(call.rows, &event)?.ok_or(ApiError::NoSuchEvent)?;
    let range = if is_caller(call, &event.did) {
        prefix_of::<Tickets>(|key| write_ticket(&event, key))
    } else {
        let start = key_of::<Tickets>(&TicketKey { event, did: call.caller()?.clone() });
        Range { end: Some([&*start, &[0]].concat()), start }
    };
    paging.page::<Tickets, _>(call, range, |key, ticket| item(call, key, ticket))
}

/// One's own for events that are there.
fn of_person(call: &Call<'_>, paging: &Paging, caller: &Did) -> Result<Page<TicketView>, Failure> {
    let range = prefix_of::<PersonTickets>(|key| write_person(caller, key));
    paging.page::<PersonTickets, _>(call, range, |key, ()| {
        let key = TicketKey { event: key.event, did: key.did };
        let missing = RowsError::Contradiction { what: "a ticket of a person is not stored" };
        let ticket = call.rows.get::<Tickets>(&key)?.ok_or(missing)?;
        if live(call.rows, &key.event)?.is_none() {
            return Ok(None);
        }
        item(call, key, ticket)
    })
}

/// What is shown of a ticket: nothing while its holder's account is not active.
fn item(call: &Call<'_>, key: TicketKey, ticket: Ticket) -> Result<Option<Item<TicketView>>, RowsError> {
    if !accounts::is_active(call.rows, &key.did)? {
        return Ok(None);
    }
    let view = TicketView::of(call.service, &key.event, key.did, ticket);
    Ok(Some(Item { view, record_bytes: 0 }))
}
