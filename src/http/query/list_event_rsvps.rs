//! `app.guestlist.listEventRSVPs`: who answered an event, and how: the one answer of each person that counts.
//!
//! In the order of the authors, one item each; answers of which a later one takes the place are not looked at.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::page::{Item, Paging, Step};
use crate::http::ticket::attestation;
use crate::http::view::{LinkView, RecordView, Stored, links, live};
use crate::records::{Kind, Status};
use crate::rules::acceptance;
use crate::rules::attendance::effective;
use crate::syntax::{AtUri, Did};
use crate::tables::Rsvps;
use crate::tables::keys::{EventKey, Key, RecordId, write_event, write_event_author};
use crate::tables::view::{Range, ReadRows, RowsError, prefix_of};

/// A page of answers.
#[derive(Serialize)]
pub(in crate::http) struct RsvpList {
    rsvps: Vec<EventRsvp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct EventRsvp {
    uri: String,
    cid: String,
    author: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    status: &'static str,
    accepted: bool,
    record: RecordView,
    links: Vec<LinkView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<AtUri>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<RsvpList, Failure> {
    let uri = call.params.uri("event")?;
    let expected = "one of `going`, `interested`, `notgoing` and `other`";
    let wanted = call.params.word("status", &Status::NAMES, expected)?;
    let paging = Paging::of(call, &[("event", Some(uri.as_str())), ("status", wanted)])?;
    let after = paging.after_key::<Did>()?;
    let event = EventKey::of(uri.as_str());
    let of = |author: &Did| prefix_of::<Rsvps>(|key| write_event_author(&event, author, key));
    let all = prefix_of::<Rsvps>(|key| write_event(&event, key));
    let start = after.and_then(|author| of(&author).end).unwrap_or(all.start);
    let authors = call.rows.scan_groups::<Rsvps>(Range { start, end: all.end }, |key| of(&key.author));
    let page = paging.walk(authors.map(|row| {
        let (key, _) = row?;
        let mut place = Vec::new();
        key.author.write(&mut place);
        Ok((place, step(call, &uri, key.author, wanted)?))
    }))?;
    Ok(RsvpList { rsvps: page.items, cursor: page.cursor })
}

fn step(
    call: &Call<'_>,
    event: &AtUri,
    author: Did,
    wanted: Option<&str>,
) -> Result<Step<EventRsvp>, RowsError> {
    let rows = call.rows;
    let Some((key, status)) = effective(rows, &EventKey::of(event.as_str()), &author)? else {
        return Ok(Step::Passed);
    };
    if wanted.is_some_and(|wanted| wanted != status.name()) {
        return Ok(Step::Passed);
    }
    let id = RecordId { did: author, kind: Kind::Rsvp, rkey: key.rkey };
    let Some(record) = live(rows, &id)? else { return Ok(Step::Passed) };
    let stored = Stored::read(rows, &id, &record)?;
    let acceptance = acceptance::find(rows, &id, event, &stored.bytes)?;
    let view = EventRsvp {
        uri: id.uri(),
        cid: stored.cid.to_string(),
        handle: call.service.identities.shown_handle(&id.did),
        status: status.name(),
        accepted: acceptance.accepted,
        record: stored.json(),
        links: links(rows, Kind::Rsvp, &stored.fields)?,
        attestation: attestation(rows, event, &id.did)?,
        author: id.did,
    };
    Ok(Step::Shown(Item { view, record_bytes: stored.bytes.len() + acceptance.bytes }))
}
