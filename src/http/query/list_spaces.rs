//! `rsvp.atmo.space.listSpaces`: the spaces that the caller is in, then those that are theirs: first the ones that were made
//! by hand, then those of their jams, rounds and events.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::page::{Paging, Step};
use crate::http::params::LIMIT_DEFAULT;
use crate::http::space::{SpaceView, is_in};
use crate::records::Kind;
use crate::spaces;
use crate::syntax::Nsid;
use crate::tables::keys::{SpaceId, write_collection, write_owner, write_person};
use crate::tables::view::{Range, ReadRows, RowsError, key_of, prefix_of};
use crate::tables::{Memberships, Records, Spaces, Table};

/// Spaces of a page at most, as the published lexicon has it.
const LIMIT_MAX: usize = 200;

#[derive(Serialize)]
pub(in crate::http) struct SpaceList {
    spaces: Vec<SpaceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// A place of the walk, and the space that is found there.
type Place = (Vec<u8>, Option<SpaceId>);

pub(in crate::http) fn run(call: &Call<'_>) -> Result<SpaceList, Failure> {
    let scope = call.params.word("scope", &["member", "owner"], "`member` or `owner`")?.unwrap_or("member");
    let kind = call.params.optional_nsid("type")?;
    let caller = call.caller()?;
    let filters = [
        ("caller", Some(caller.as_str())),
        ("scope", Some(scope)),
        ("type", kind.as_ref().map(Nsid::as_str)),
    ];
    let paging = Paging::within(LIMIT_DEFAULT, LIMIT_MAX, call, &filters)?;
    let after = paging.after();
    // In the order of the tables' tags, so that the cursor of one is after all of those before it.
    let member = prefix_of::<Memberships>(|key| write_person(caller, key));
    let member =
        (scope == "member").then(|| places::<Memberships>(call, member, after, |key| Some(key.space)));
    let made = prefix_of::<Spaces>(|key| write_owner(caller, key));
    // A row of a space behind which there is a record only says that it is paused.
    let made = places::<Spaces>(call, made, after, |id| id.record().is_none().then_some(id));
    let records = [Kind::Jam, Kind::Round, Kind::Event].into_iter().flat_map(|kind| {
        let range = prefix_of::<Records>(|key| write_collection(caller, kind, key));
        places::<Records>(call, range, after, |id| Some(SpaceId::of_record(&id)))
    });
    let found = member.into_iter().flatten().chain(made).chain(records);
    let page = paging.walk(found.map(|found| {
        let (place, id) = found?;
        Ok((place, step(call, kind.as_ref(), id)?))
    }))?;
    Ok(SpaceList { spaces: page.items, cursor: page.cursor })
}

/// The spaces that the rows of a range lead to, from after a place on.
fn places<'a, T: Table + 'a>(
    call: &'a Call<'_>,
    range: Range,
    after: Option<&[u8]>,
    space: fn(T::Key) -> Option<SpaceId>,
) -> impl Iterator<Item = Result<Place, RowsError>> + 'a {
    let start = after.map_or(range.start.clone(), |after| range.start.clone().max([after, &[0]].concat()));
    // Where the page before went beyond the range, nothing is left of it.
    let is_left = range.end.as_ref().is_none_or(|end| start < *end);
    let rows = is_left.then(|| call.rows.scan::<T>(Range { start, ..range }));
    rows.into_iter().flatten().map(move |row| {
        let (key, _) = row?;
        Ok((key_of::<T>(&key), space(key)))
    })
}

/// What there is to show of a space: nothing where it is not there, or where the caller is in it no longer.
fn step(call: &Call<'_>, kind: Option<&Nsid>, id: Option<SpaceId>) -> Result<Step<SpaceView>, RowsError> {
    let Some(id) = id.filter(|id| kind.is_none_or(|kind| *kind == id.kind)) else { return Ok(Step::Passed) };
    if !is_in(call, &id)? {
        return Ok(Step::Passed);
    }
    let Some(basis) = spaces::basis(call.rows, &id)? else { return Ok(Step::Passed) };
    Ok(Step::Shown(SpaceView::item(call, &id, basis)?))
}
