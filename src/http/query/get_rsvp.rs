//! `community.lexicon.calendar.getRSVP`: one person's answer to an event, the one that counts.
//!
//! Wire-compatible with Smoke Signal (CONTRACT §4.1).

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::ticket::attestation;
use crate::http::view::{RecordView, Stored, live};
use crate::records::Kind;
use crate::rules::acceptance;
use crate::rules::attendance::effective;
use crate::syntax::AtUri;
use crate::tables::keys::{EventKey, RecordId};

/// An RSVP as it was written, with its answer in a word, whether it was accepted, and what attests its author's ticket.
#[derive(Serialize)]
pub(in crate::http) struct Rsvp {
    uri: String,
    cid: String,
    record: RecordView,
    status: &'static str,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<AtUri>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Rsvp, Failure> {
    let event = call.params.uri("event")?;
    let author = call.params.actor("identity", call.names)?;
    let counts = effective(call.rows, &EventKey::of(event.as_str()), &author)?;
    let (key, status) = counts.ok_or(ApiError::RsvpNotFound)?;
    let id = RecordId { did: author, kind: Kind::Rsvp, rkey: key.rkey };
    let record = live(call.rows, &id)?.ok_or(ApiError::RsvpNotFound)?;
    let stored = Stored::read(call.rows, &id, &record)?;
    Ok(Rsvp {
        uri: id.uri(),
        cid: stored.cid.to_string(),
        record: stored.json(),
        status: status.name(),
        accepted: acceptance::find(call.rows, &id, &event, &stored.bytes)?.accepted,
        attestation: attestation(call.rows, &event, &id.did)?,
    })
}
