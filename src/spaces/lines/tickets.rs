//! Lines of how events are set up, and of tickets.

use serde::{Deserialize, Serialize};

use super::{LineError, Row};
use crate::records::Kind;
use crate::syntax::{AtUri, Did};
use crate::tables::keys::{RecordId, TicketKey};
use crate::tables::tickets::{EventSettings, Ticket};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SettingsLine {
    settings: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_confirmed_email: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_direct_rsvp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rsvp_redirect_url: Option<Box<str>>,
}

impl SettingsLine {
    pub(super) fn of(event: &RecordId, settings: EventSettings) -> Self {
        let EventSettings { require_confirmed_email, disable_direct_rsvp, rsvp_redirect_url } = settings;
        Self { settings: event.uri(), require_confirmed_email, disable_direct_rsvp, rsvp_redirect_url }
    }

    pub(super) fn row(self) -> Result<Row, LineError> {
        let event = event_of(&self.settings)?;
        let settings = EventSettings {
            require_confirmed_email: self.require_confirmed_email,
            disable_direct_rsvp: self.disable_direct_rsvp,
            rsvp_redirect_url: self.rsvp_redirect_url,
        };
        if settings == EventSettings::default() {
            return Err(LineError::Bad("settings: nothing is set"));
        }
        Ok(Row::Settings(event, settings))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TicketLine {
    ticket: String,
    did: Did,
    aturi: AtUri,
    linked_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<i64>,
}

impl TicketLine {
    pub(super) fn of(key: TicketKey, ticket: Ticket) -> Self {
        let Ticket { attestation, linked_at, confirmed_at } = ticket;
        Self { ticket: key.event.uri(), did: key.did, aturi: attestation, linked_at, confirmed_at }
    }

    pub(super) fn row(self) -> Result<Row, LineError> {
        let key = TicketKey { event: event_of(&self.ticket)?, did: self.did };
        let Self { aturi: attestation, linked_at, confirmed_at, .. } = self;
        Ok(Row::Ticket(key, Ticket { attestation, linked_at, confirmed_at }))
    }
}

/// The event that a line names, in the only form that is written.
fn event_of(uri: &str) -> Result<RecordId, LineError> {
    let event = AtUri::parse(uri).ok().and_then(|uri| RecordId::from_uri(&uri));
    event.filter(|event| event.kind == Kind::Event && event.uri() == uri).ok_or(LineError::Bad("event"))
}
