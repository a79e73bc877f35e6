//! `app.guestlist.listRounds`: rounds in the order of their URIs, narrowed down by what is given.

use serde::Serialize;
use serde_json::Value;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::page::Paging;
use crate::http::round::{Deadlines, RoundState, round_view};
use crate::http::view::{Stored, live};
use crate::records::Body;
use crate::tables::Rounds;
use crate::tables::keys::write_repository;
use crate::tables::view::prefix_of;

/// A page of rounds.
#[derive(Serialize)]
pub(in crate::http) struct RoundList {
    rounds: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<RoundList, Failure> {
    let jam = call.params.optional_uri("jam")?;
    let organizer = call.params.optional_actor("organizer", &call.service.identities)?;
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
    let page = paging.page::<Rounds, Value>(call, range, |id, facts| {
        if organizer.is_some() && !facts.official {
            return Ok(None);
        }
        let Some(record) = live(call.rows, &id.record())? else { return Ok(None) };
        let Some(Body::Round(round)) = &record.body else { return Ok(None) };
        if jam.as_ref().is_some_and(|jam| *jam != round.jam) {
            return Ok(None);
        }
        let stored = Stored::read(call.rows, &id.record(), &record)?;
        let state = Deadlines::of(&stored.fields).state(call.now);
        if wanted.is_some_and(|wanted| wanted != state.name()) {
            return Ok(None);
        }
        round_view(call.rows, &id, (&facts, round), &stored, state).map(Some)
    })?;
    Ok(RoundList { rounds: page.items, cursor: page.cursor })
}
