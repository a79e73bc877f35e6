//! `app.guestlist.listSignups`: signups with their verdicts, of a round, of a person, or of both.
//!
//! A round's are in the order of their authors, and one author's in that of their record keys; so an edit,
//! which may name another invitation, leaves a signup in its place.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::listing::{DecidedItem, Listing, round_of};
use crate::http::page::{Paging, Step};
use crate::records::{Body, Kind};
use crate::rules::authority::signups_of;
use crate::syntax::{AtUri, Did, RecordKey};
use crate::tables::keys::{
    Key, RecordId, RoundId, RoundRecordKey, SignupKey, StandingKey, write_collection, write_round,
    write_round_author,
};
use crate::tables::view::{Range, ReadRows, Rows, RowsError, key_of, prefix_of};
use crate::tables::{Records, Signups, Standings};

/// Signups of one person to one round that are put in order in memory. Who has more is gone through by all
/// that they ever signed up to, a page at a time.
const SIGNUPS_SORTED_MAX: u32 = 1_000;

/// A page of signups.
#[derive(Serialize)]
pub(in crate::http) struct SignupList {
    signups: Vec<DecidedItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<SignupList, Failure> {
    let round_uri = call.params.optional_uri("round")?;
    let author = call.params.optional_actor("author", &call.service.identities)?;
    let list = Listing::of(call, Kind::Signup)?;
    let filters = [
        ("round", round_uri.as_ref().map(AtUri::as_str)),
        ("author", author.as_ref().map(Did::as_str)),
        ("status", list.status),
    ];
    let paging = Paging::of(call, &filters)?;
    let page = match round_uri {
        Some(uri) => {
            let after = paging.after_key::<RoundRecordKey>()?;
            let places = in_order(call.rows, round_of(&uri)?, author.as_ref(), after);
            paging.walk(places.map(|place| {
                let (place, id) = place?;
                Ok((place, id.map_or(Ok(Step::Passed), |id| list.step(id))?))
            }))?
        }
        None => {
            let range = list.by_author(author.as_ref());
            paging.page::<Records, _>(call, range, |id, _| list.item(id))?
        }
    };
    Ok(SignupList { signups: page.items, cursor: page.cursor })
}

/// A place in the order of the list, and the signup that is there.
type Place = Result<(Vec<u8>, Option<RecordId>), RowsError>;

/// The signups to a round by author and record key, from after a place on.
fn in_order<'a>(
    rows: &'a dyn Rows,
    round: RoundId,
    author: Option<&Did>,
    after: Option<RoundRecordKey>,
) -> impl Iterator<Item = Place> + 'a {
    let of =
        |round: &RoundId, author: &Did| prefix_of::<Signups>(|key| write_round_author(round, author, key));
    let mut authors = match author {
        Some(author) => of(&round, author),
        None => prefix_of::<Signups>(|key| write_round(&round, key)),
    };
    if let Some(after) = &after {
        authors.start = of(&round, &after.author).start;
    }
    let authors = rows.scan_groups::<Signups>(authors, move |key| of(&key.round, &key.author));
    authors.flat_map(move |row| {
        let places = row.and_then(|(key, _)| {
            let after = after.as_ref().filter(|after| after.author == key.author);
            of_author(rows, &round, key, after.map(|after| &after.rkey))
        });
        places.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
    })
}

/// The signups of one person to a round by record key, from after a key on; `first` is one of them.
fn of_author<'a>(
    rows: &'a dyn Rows,
    round: &RoundId,
    first: SignupKey,
    after: Option<&RecordKey>,
) -> Result<Box<dyn Iterator<Item = Place> + 'a>, RowsError> {
    let (round, author) = (round.clone(), first.author);
    let standing = rows.get::<Standings>(&StandingKey { did: author.clone(), round: round.clone() })?;
    let count = standing.map_or(0, |standing| standing.signups);
    if count > SIGNUPS_SORTED_MAX {
        let places = rows.scan::<Records>(signups_to_anything(&author, after)).map(move |row| {
            let (id, record) = row?;
            let named = match &record.body {
                Some(Body::Signup(signup)) => RoundId::from_uri(&signup.round),
                _ => None,
            };
            Ok((place(&round, &id), (named.as_ref() == Some(&round)).then_some(id)))
        });
        return Ok(Box::new(places));
    }
    let mut keys = if count == 1 {
        vec![first.rkey]
    } else {
        let signups = signups_of(rows, &round, &author, None);
        signups.map(|row| Ok(row?.0.rkey)).collect::<Result<Vec<_>, RowsError>>()?
    };
    keys.retain(|key| after.is_none_or(|after| after < key));
    keys.sort();
    Ok(Box::new(keys.into_iter().map(move |rkey| {
        let id = RecordId { did: author.clone(), kind: Kind::Signup, rkey };
        Ok((place(&round, &id), Some(id)))
    })))
}

fn signups_to_anything(author: &Did, after: Option<&RecordKey>) -> Range {
    let mut range = prefix_of::<Records>(|key| write_collection(author, Kind::Signup, key));
    if let Some(after) = after {
        let id = RecordId { did: author.clone(), kind: Kind::Signup, rkey: after.clone() };
        range.start = key_of::<Records>(&id);
        range.start.push(0);
    }
    range
}

fn place(round: &RoundId, id: &RecordId) -> Vec<u8> {
    let mut place = Vec::new();
    RoundRecordKey { round: round.clone(), author: id.did.clone(), rkey: id.rkey.clone() }.write(&mut place);
    place
}
