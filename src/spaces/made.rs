//! Spaces that are made by hand, and pausing any of them.

use super::audit::{About, Doing};
use super::command::{Answer, Done, Refusal};
use super::{Basis, Bounds, basis, erase, is_possible, owned};
use crate::records::Kind;
use crate::syntax::Did;
use crate::tables::Spaces;
use crate::tables::keys::{SpaceId, write_owner};
use crate::tables::portal::Chat;
use crate::tables::spaces::{Finding, Made, Space, SpaceTerms};
use crate::tables::view::{Overlay, ReadRows, RowsError, prefix_of};

/// Makes a space of the caller's.
pub(super) fn create(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    terms: &SpaceTerms,
) -> Result<Answer, RowsError> {
    if doing.caller() != Some(&space.owner) {
        return Ok(Err(Refusal::Forbidden));
    }
    if Kind::from_nsid(space.kind.as_str()).is_some() {
        return Ok(Err(Refusal::IsRecords));
    }
    if Chat::is_in(space) {
        return Ok(Err(Refusal::IsChats));
    }
    if basis(rows, space)?.is_some() {
        return Ok(Err(Refusal::AlreadyExists));
    }
    let about = About::space(space);
    if is_full(rows, doing.bounds, &space.owner)? {
        doing.note(rows, &about, Finding::Quota)?;
        return Ok(Err(Refusal::Quota));
    }
    let made = put(rows, doing, space, terms)?;
    doing.note(rows, &about, Finding::Done)?;
    Ok(Ok(Done::Space(made)))
}

/// Whether somebody has as many spaces that were made as they may have.
pub(super) fn is_full(rows: &Overlay<'_>, bounds: &Bounds, owner: &Did) -> Result<bool, RowsError> {
    let range = prefix_of::<Spaces>(|key| write_owner(owner, key));
    let mut made = 0;
    for row in rows.scan::<Spaces>(range) {
        made += usize::from(row?.1.made.is_some());
    }
    Ok(made >= bounds.spaces_max)
}

/// Writes that a space is made now.
pub(super) fn put(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    terms: &SpaceTerms,
) -> Result<Made, RowsError> {
    let mut row = rows.get::<Spaces>(space)?.unwrap_or_default();
    let made = Made { at: doing.now, terms: terms.clone() };
    row.made = Some(made.clone());
    rows.put::<Spaces>(space, &row);
    Ok(made)
}

/// Removes a space that was made by hand, with all that is in it but the audit.
pub(super) fn delete(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
) -> Result<Answer, RowsError> {
    let about = About::space(space);
    match owned(rows, doing, space, &about)? {
        Err(refusal) => Ok(Err(refusal)),
        Ok(Basis::Record(_)) => Ok(Err(Refusal::IsRecords)),
        Ok(Basis::Made(_)) => {
            let before = rows.get::<Spaces>(space)?.unwrap_or_default();
            erase::remove_space(rows, space)?;
            // The operator's word outlives what it was about: else its owner would make it anew and be rid of it.
            rows.put_or_delete::<Spaces>(space, &Space { made: None, ..before });
            doing.note(rows, &about, Finding::Done)?;
            Ok(Ok(Done::Changed(true)))
        }
    }
}

/// Keeps everybody from joining by an invite, or no longer.
pub(super) fn pause(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    paused: bool,
) -> Result<Answer, RowsError> {
    // Also one that is not there now: it may be there again in a minute.
    let mut row = rows.get::<Spaces>(space)?.unwrap_or_default();
    if row == Space::default() && !is_possible(rows, space)? {
        return Ok(Err(Refusal::SpaceNotFound));
    }
    let changes = row.paused.is_some() != paused;
    if changes {
        row.paused = paused.then_some(doing.now);
        rows.put_or_delete::<Spaces>(space, &row);
    }
    let finding = if changes { Finding::Done } else { Finding::Already };
    doing.note(rows, &About::space(space), finding)?;
    Ok(Ok(Done::Changed(changes)))
}
