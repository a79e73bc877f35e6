//! `app.guestlist.listEvents`: events by when they begin, narrowed down by what is given.
//!
//! What is upcoming and what is past follows from the time of the call (RULES §3). The place of an event in the list does
//! not: it is its start, so that a cursor still leads on when events have ended meanwhile.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::calendar::{Calendar, Entry, When};
use crate::http::error::Failure;
use crate::http::event::event_view;
use crate::http::near::Circle;
use crate::http::page::{Paging, Step};
use crate::http::view::{FlatView, live};
use crate::records::{Event, EventMode, EventStatus};
use crate::syntax::Datetime;
use crate::tables::view::RowsError;

/// A page of events.
#[derive(Serialize)]
pub(in crate::http) struct EventList {
    events: Vec<FlatView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// What an event must be, beside its time.
struct Wanted {
    mode: Option<&'static str>,
    status: Option<&'static str>,
    near: Option<Circle>,
}

impl Wanted {
    fn is(&self, event: &Event) -> bool {
        self.mode.is_none_or(|mode| mode == event.mode.name())
            && self.status.is_none_or(|status| status == event.status.name())
            && self.near.is_none_or(|circle| event.places.iter().any(|place| circle.has(*place)))
    }
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<EventList, Failure> {
    let params = call.params;
    let when = params.word("when", &When::NAMES, "one of `upcoming`, `past` and `all`")?;
    let organizer = params.optional_actor("organizer", call.names)?;
    let from = params.optional_datetime("from")?.map(Datetime::micros);
    let to = params.optional_datetime("to")?.map(Datetime::micros);
    let wanted = Wanted {
        mode: params.word("mode", EventMode::NAMES, "one of `hybrid`, `inperson`, `virtual` and `other`")?,
        status: params.word(
            "status",
            EventStatus::NAMES,
            "one of `cancelled`, `planned`, `postponed`, `rescheduled`, `scheduled` and `other`",
        )?,
        near: Circle::of(params)?,
    };
    let calendar = Calendar { when: When::named(when.unwrap_or_default()), organizer, from, to, since: None };
    let within = wanted.near.map(|circle| circle.within());
    let paging = Paging::of(
        call,
        &[
            ("when", when),
            ("organizer", calendar.organizer.as_ref().map(|did| did.as_str())),
            ("from", from.map(|from| from.to_string()).as_deref()),
            ("to", to.map(|to| to.to_string()).as_deref()),
            ("near", params.optional("near")?),
            ("withinKm", within.as_deref()),
            ("mode", wanted.mode),
            ("status", wanted.status),
        ],
    )?;
    let entries = calendar.page(call.rows, &paging, call.now)?;
    let page = paging.walk(entries.map(|entry| {
        let entry = entry?;
        let step = step(call, &entry, &wanted)?;
        Ok((entry.place, step))
    }))?;
    Ok(EventList { events: page.items, cursor: page.cursor })
}

/// An event, if it is live and what is asked for.
fn step(call: &Call<'_>, entry: &Entry, wanted: &Wanted) -> Result<Step<FlatView>, RowsError> {
    if !entry.is_asked || !wanted.is(&entry.event) {
        return Ok(Step::Passed);
    }
    let id = &entry.slot.event;
    let Some(record) = live(call.rows, id)? else { return Ok(Step::Passed) };
    event_view(call, id, &record).map(Step::Shown)
}
