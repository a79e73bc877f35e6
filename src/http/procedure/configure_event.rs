//! `events.smokesignal.event.configure`: sets up an event of the caller's.
//!
//! Wire-compatible with Smoke Signal: whose the event is not is told that the request is wrong, and not that they may
//! not (RULES §7).

use serde::Deserialize;

use super::{Calling, Nothing, named_event};
use crate::http::error::ApiError;
use crate::spaces::command::{Command, Done};
use crate::syntax::AtUri;
use crate::tables::tickets::{EventSettings, is_redirect_url};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Input {
    event: AtUri,
    #[serde(default)]
    require_confirmed_email: Option<bool>,
    #[serde(default)]
    disable_direct_rsvp: Option<bool>,
    #[serde(default)]
    rsvp_redirect_url: Option<Box<str>>,
}

pub(in crate::http) fn ask(_: &Calling<'_>, input: Input) -> Result<(Command, ()), ApiError> {
    let Input { event, require_confirmed_email, disable_direct_rsvp, rsvp_redirect_url } = input;
    let event = named_event(&event)?.ok_or(ApiError::NotTheCallersEvent)?;
    let change = EventSettings { require_confirmed_email, disable_direct_rsvp, rsvp_redirect_url };
    if change == EventSettings::default() {
        return Err(ApiError::NoSetting);
    }
    // The empty one clears it.
    let url = change.rsvp_redirect_url.as_deref().filter(|url| !url.is_empty());
    if url.is_some_and(|url| !is_redirect_url(url)) {
        return Err(ApiError::BadRedirectUrl);
    }
    Ok((Command::Configure { event, change }, ()))
}

pub(in crate::http) fn show(_: &Calling<'_>, (): (), done: Done) -> Option<Nothing> {
    Nothing::of(&done)
}
