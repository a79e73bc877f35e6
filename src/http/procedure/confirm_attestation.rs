//! `app.guestlist.confirmAttestation`: confirms the caller's ticket for an event.

use serde::{Deserialize, Serialize};

use super::{Calling, named_event};
use crate::http::error::ApiError;
use crate::http::ticket::TicketView;
use crate::spaces::command::{Command, Done};
use crate::syntax::AtUri;
use crate::tables::keys::RecordId;

#[derive(Deserialize)]
pub(in crate::http) struct Input {
    event: AtUri,
    #[serde(default)]
    aturi: Option<AtUri>,
}

#[derive(Serialize)]
pub(in crate::http) struct Confirmed {
    ticket: TicketView,
}

pub(in crate::http) fn ask(_: &Calling<'_>, input: Input) -> Result<(Command, RecordId), ApiError> {
    let event = named_event(&input.event)?.ok_or(ApiError::TicketNotFound)?;
    Ok((Command::Confirm { event: event.clone(), attestation: input.aturi }, event))
}

pub(in crate::http) fn show(calling: &Calling<'_>, event: RecordId, done: Done) -> Option<Confirmed> {
    match done {
        Done::Ticket(ticket) => Some(Confirmed {
            ticket: TicketView::of(calling.service, &event, calling.caller.clone(), *ticket),
        }),
        _ => None,
    }
}
