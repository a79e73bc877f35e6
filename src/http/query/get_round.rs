//! `app.guestlist.getRound`: one round with its effective rules and its counts.

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::round::{Deadlines, round_view};
use crate::http::view::{FlatView, Stored, live};
use crate::records::Body;
use crate::tables::Rounds;
use crate::tables::keys::RoundId;
use crate::tables::view::ReadRows;

pub(in crate::http) fn run(call: &Call<'_>) -> Result<FlatView, Failure> {
    let uri = call.params.uri("uri")?;
    let id = RoundId::from_uri(&uri).ok_or(ApiError::RoundNotFound)?;
    let record = live(call.rows, &id.record())?.ok_or(ApiError::RoundNotFound)?;
    let (Some(facts), Some(Body::Round(round))) = (call.rows.get::<Rounds>(&id)?, &record.body) else {
        return Err(ApiError::RoundNotFound.into());
    };
    let stored = Stored::read(call.rows, &id.record(), &record)?;
    let state = Deadlines::of(&stored.fields).state(call.now);
    Ok(round_view(call.rows, &id, (&facts, round), &stored, state)?.view)
}
