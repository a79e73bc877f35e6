//! `community.lexicon.calendar.getEvent`: one event with the counts of its effective RSVPs, and as its author set it up.
//!
//! Wire-compatible with Smoke Signal (CONTRACT §4.1): the parameter has two spellings, and whatever does
//! not lead to an event is `not_found`.

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::event::event_view;
use crate::http::params::Params;
use crate::http::view::{FlatView, live};
use crate::records::Kind;
use crate::syntax::{Did, RecordKey};
use crate::tables::keys::RecordId;

pub(in crate::http) fn run(call: &Call<'_>) -> Result<FlatView, Failure> {
    let repository = call.params.required("repository")?;
    let record_key = record_key(call.params)?;
    let (Ok(did), Ok(rkey)) = (Did::parse(repository), RecordKey::parse(record_key)) else {
        return Err(ApiError::EventNotFound.into());
    };
    let id = RecordId { did, kind: Kind::Event, rkey };
    let record = live(call.rows, &id)?.ok_or(ApiError::EventNotFound)?;
    Ok(event_view(call, &id, &record)?.view)
}

/// The record key, under either of its names.
fn record_key(params: &Params) -> Result<&str, ApiError> {
    match (params.optional("record_key")?, params.optional("recordKey")?) {
        (Some(one), Some(other)) if one != other => {
            Err(ApiError::BadParameter { name: "recordKey", expected: "the same as `record_key`" })
        }
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) => Err(ApiError::MissingParameter { name: "record_key" }),
    }
}
