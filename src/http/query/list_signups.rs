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
use crate::syntax::{AtUri, Did, RecordKey};
use crate::tables::keys::{
    Key, RecordId, RoundId, RoundRecordKey, write_collection, write_round, write_round_author,
};
use crate::tables::view::{Range, ReadRows, Rows, RowsError, key_of, prefix_of};
use crate::tables::{Records, Signups};

/// Signups of one person to one round that are put in order in memory. Who has more is gone through by all
/// that they ever signed up to, a page at a time.
const SIGNUPS_SORTED_MAX: usize = 1_000;

/// A page of signups.
#[derive(Serialize)]
pub(in crate::http) struct SignupList {
    signups: Vec<DecidedItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<SignupList, Failure> {
    let round_uri = call.params.optional_uri("round")?;
    let author = call.params.optional_actor("author", call.names)?;
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
    let mut range = match author {
        Some(author) => by(&round, author),
        None => prefix_of::<Signups>(|key| write_round(&round, key)),
    };
    if let Some(after) = &after {
        range.start = by(&round, &after.author).start;
    }
    let mut signups = rows.scan::<Signups>(range.clone()).peekable();
    let authors = std::iter::from_fn(move || {
        let first = match signups.next()? {
            Ok((key, _)) => key,
            Err(error) => return Some(Err(error)),
        };
        let author = first.author;
        let mut keys = vec![first.rkey];
        while let Some(Ok((key, _))) =
            signups.next_if(|row| matches!(row, Ok((key, _)) if key.author == author))
        {
            keys.push(key.rkey);
            if keys.len() > SIGNUPS_SORTED_MAX {
                let start = by(&round, &author).end.unwrap_or_default();
                signups = rows.scan::<Signups>(Range { start, end: range.end.clone() }).peekable();
                break;
            }
        }
        Some(Ok((round.clone(), author, keys)))
    });
    authors.flat_map(move |found| match found {
        Ok((round, author, keys)) => {
            let after = after.as_ref().filter(|after| after.author == author);
            of_author(rows, round, author, keys, after.map(|after| &after.rkey))
        }
        Err(error) => Box::new(std::iter::once(Err(error))),
    })
}

/// The keys of one person's signups to a round.
fn by(round: &RoundId, author: &Did) -> Range {
    prefix_of::<Signups>(|key| write_round_author(round, author, key))
}

/// The signups of one person to a round by record key, from after a key on. `keys` has all of them, or more than
/// are put in order.
fn of_author<'a>(
    rows: &'a dyn Rows,
    round: RoundId,
    author: Did,
    mut keys: Vec<RecordKey>,
    after: Option<&RecordKey>,
) -> Box<dyn Iterator<Item = Place> + 'a> {
    if keys.len() > SIGNUPS_SORTED_MAX {
        return Box::new(rows.scan::<Records>(signups_to_anything(&author, after)).map(move |row| {
            let (id, record) = row?;
            let named = match &record.body {
                Some(Body::Signup(signup)) => RoundId::from_uri(&signup.round),
                _ => None,
            };
            Ok((place(&round, &id), (named.as_ref() == Some(&round)).then_some(id)))
        }));
    }
    keys.retain(|key| after.is_none_or(|after| after < key));
    keys.sort();
    Box::new(keys.into_iter().map(move |rkey| {
        let id = RecordId { did: author.clone(), kind: Kind::Signup, rkey };
        Ok((place(&round, &id), Some(id)))
    }))
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
