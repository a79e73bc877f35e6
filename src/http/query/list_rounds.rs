//! `app.guestlist.listRounds`: rounds in the order of their URIs, narrowed down by what is given.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::page::{Paging, Step};
use crate::http::round::{Deadlines, RoundState, round_view};
use crate::http::view::{FlatView, Stored, live};
use crate::records::Body;
use crate::syntax::AtUri;
use crate::tables::Rounds;
use crate::tables::keys::{RoundId, write_repository};
use crate::tables::rows::RoundFacts;
use crate::tables::view::{ReadRows, RowsError, key_of, prefix_of};

/// A page of rounds.
#[derive(Serialize)]
pub(in crate::http) struct RoundList {
    rounds: Vec<FlatView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<RoundList, Failure> {
    let jam = call.params.optional_uri("jam")?;
    let organizer = call.params.optional_actor("organizer", call.names)?;
    let wanted =
        call.params.word("state", &RoundState::NAMES, "one of `open`, `in-progress` and `closed`")?;
    let filters = [
        ("jam", jam.as_ref().map(|jam| jam.as_str())),
        ("organizer", organizer.as_ref().map(|did| did.as_str())),
        ("state", wanted),
    ];
    let paging = Paging::of(call, &filters)?;
    let range = prefix_of::<Rounds>(|key| {
        // Only what is in the organizer's own repository can be official.
        if let Some(organizer) = &organizer {
            write_repository(organizer, key);
        }
    });
    let rounds = call.rows.scan::<Rounds>(paging.rest_of(range)?);
    let page = paging.walk(rounds.map(|row| {
        let (id, facts) = row?;
        let place = key_of::<Rounds>(&id);
        let is_asked = organizer.is_none() || facts.official;
        let step = if is_asked { step(call, &id, &facts, (jam.as_ref(), wanted))? } else { Step::Passed };
        Ok((place, step))
    }))?;
    Ok(RoundList { rounds: page.items, cursor: page.cursor })
}

/// A round, if it is of the jam and in the state that is asked for.
fn step(
    call: &Call<'_>,
    id: &RoundId,
    facts: &RoundFacts,
    (jam, wanted): (Option<&AtUri>, Option<&str>),
) -> Result<Step<FlatView>, RowsError> {
    let Some(record) = live(call.rows, &id.record())? else { return Ok(Step::Passed) };
    let Some(Body::Round(round)) = &record.body else { return Ok(Step::Passed) };
    if jam.is_some_and(|jam| *jam != round.jam) {
        return Ok(Step::Passed);
    }
    let stored = Stored::read(call.rows, &id.record(), &record)?;
    let state = Deadlines::of(&stored.fields).state(call.now);
    if wanted.is_some_and(|wanted| wanted != state.name()) {
        return Ok(Step::Read(stored.bytes.len()));
    }
    round_view(call.rows, id, (facts, round), &stored, state).map(Step::Shown)
}
