//! `events.smokesignal.rsvp.linkAttestation`: gives somebody a ticket for an event of the caller's.
//!
//! Wire-compatible with Smoke Signal (RULES §7).

use serde::Deserialize;

use super::{Calling, Nothing, named_event, named_person};
use crate::http::error::ApiError;
use crate::spaces::command::{Command, Done};
use crate::syntax::{AtUri, Did};

#[derive(Deserialize)]
pub(in crate::http) struct Input {
    did: Did,
    event: AtUri,
    aturi: AtUri,
}

pub(in crate::http) fn ask(_: &Calling<'_>, input: Input) -> Result<(Command, ()), ApiError> {
    let Input { did, event, aturi: attestation } = input;
    let (did, event) = (named_person(did)?, named_event(&event)?);
    if attestation.record_key().is_none() {
        return Err(ApiError::BadField { path: "/aturi".into(), expected: "the AT-URI of a record" });
    }
    let event = event.ok_or(ApiError::NotTheAuthor)?;
    Ok((Command::Link { event, did, attestation }, ()))
}

pub(in crate::http) fn show(_: &Calling<'_>, (): (), done: Done) -> Option<Nothing> {
    Nothing::of(&done)
}
