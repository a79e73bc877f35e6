//! Who answered an event, and how: one answer a person. Spec: RULES §3, "Effective RSVP" and "Counts".

use std::collections::{BTreeMap, BTreeSet};

use crate::records::{Body, Kind, Rsvp, Status};
use crate::rules::accounts;
use crate::syntax::{Did, RecordKey};
use crate::tables::keys::{EventKey, RecordId, RsvpKey, write_collection, write_event_author};
use crate::tables::rows::EventTally;
use crate::tables::view::{Overlay, ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{EventTallies, Records, Rsvps};

/// The answer of `author` to an event that counts, with its key.
pub fn effective(
    rows: &(impl Rows + ?Sized),
    event: &EventKey,
    author: &Did,
) -> Result<Option<(RsvpKey, Status)>, RowsError> {
    rows.last::<Rsvps>(prefix_of::<Rsvps>(|key| write_event_author(event, author, key)))
}

/// Whether this usable RSVP is the one of its author that counts.
pub fn is_effective(rows: &(impl Rows + ?Sized), id: &RecordId, rsvp: &Rsvp) -> Result<bool, RowsError> {
    let counts = effective(rows, &EventKey::of(rsvp.subject.as_str()), &id.did)?;
    Ok(counts.is_some_and(|(key, _)| key.rkey == id.rkey))
}

/// One usable RSVP gave way to another under the same key; `None` for none.
pub fn rsvp_changed(
    rows: &mut Overlay<'_>,
    author: &Did,
    rkey: &RecordKey,
    before: Option<&Rsvp>,
    after: Option<&Rsvp>,
) -> Result<(), RowsError> {
    let key = |rsvp: &Rsvp| RsvpKey {
        event: EventKey::of(rsvp.subject.as_str()),
        author: author.clone(),
        time: rsvp.time,
        rkey: rkey.clone(),
    };
    let events: BTreeSet<EventKey> = before.iter().chain(&after).map(|rsvp| key(rsvp).event).collect();
    let mut counted = BTreeMap::new();
    // Nothing counts of an account that is not active. A purge takes many in one batch, and to find the
    // effective one among those that went before would take ever longer.
    if accounts::is_active(rows, author)? {
        for event in events {
            let status = effective(rows, &event, author)?.map(|(_, status)| status);
            counted.insert(event, status);
        }
    }
    if let Some(before) = before {
        rows.delete::<Rsvps>(&key(before));
    }
    if let Some(after) = after {
        rows.put::<Rsvps>(&key(after), &after.status);
    }
    for (event, was) in counted {
        let is = effective(rows, &event, author)?.map(|(_, status)| status);
        recount(rows, &event, was, is)?;
    }
    Ok(())
}

/// An account became active or inactive.
pub fn account_changed(rows: &mut Overlay<'_>, did: &Did, active: bool) -> Result<(), RowsError> {
    let range = prefix_of::<Records>(|key| write_collection(did, Kind::Rsvp, key));
    let mut events = BTreeSet::new();
    for row in rows.scan::<Records>(range) {
        if let Some(Body::Rsvp(rsvp)) = row?.1.body {
            events.insert(EventKey::of(rsvp.subject.as_str()));
        }
    }
    for event in events {
        let status = effective(rows, &event, did)?.map(|(_, status)| status);
        let (was, is) = if active { (None, status) } else { (status, None) };
        recount(rows, &event, was, is)?;
    }
    Ok(())
}

fn recount(
    rows: &mut Overlay<'_>,
    event: &EventKey,
    was: Option<Status>,
    is: Option<Status>,
) -> Result<(), RowsError> {
    if was == is {
        return Ok(());
    }
    let mut tally = rows.get::<EventTallies>(event)?.unwrap_or_default();
    if let Some(was) = was {
        let count = tally.count_mut(was);
        *count = count
            .checked_sub(1)
            .ok_or(RowsError::Contradiction { what: "an event's count fell below zero" })?;
    }
    if let Some(is) = is {
        *tally.count_mut(is) += 1;
    }
    rows.put_or_delete::<EventTallies>(event, &tally);
    Ok(())
}

impl EventTally {
    fn count_mut(&mut self, status: Status) -> &mut u32 {
        match status {
            Status::Going => &mut self.going,
            Status::Interested => &mut self.interested,
            Status::NotGoing => &mut self.notgoing,
            Status::Other => &mut self.other,
        }
    }
}
