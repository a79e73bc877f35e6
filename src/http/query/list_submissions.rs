//! `app.guestlist.listSubmissions`: submissions with their verdicts, to a round, by a person, or both.
//!
//! A round's are in the order of their authors, a person's in the order of their record keys.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::listing::{DecidedItem, Listing, round_of};
use crate::http::page::Paging;
use crate::records::Kind;
use crate::syntax::{AtUri, Did};
use crate::tables::keys::{RecordId, write_round, write_round_author};
use crate::tables::view::prefix_of;
use crate::tables::{Records, Submissions};

/// A page of submissions.
#[derive(Serialize)]
pub(in crate::http) struct SubmissionList {
    submissions: Vec<DecidedItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<SubmissionList, Failure> {
    let round_uri = call.params.optional_uri("round")?;
    let author = call.params.optional_actor("author", call.names)?;
    let list = Listing::of(call, Kind::Submission)?;
    let filters = [
        ("round", round_uri.as_ref().map(AtUri::as_str)),
        ("author", author.as_ref().map(Did::as_str)),
        ("status", list.status),
    ];
    let paging = Paging::of(call, &filters)?;
    let page = match round_uri.as_ref().map(round_of).transpose()? {
        Some(round) => {
            let range = prefix_of::<Submissions>(|key| match &author {
                Some(author) => write_round_author(&round, author, key),
                None => write_round(&round, key),
            });
            paging.page::<Submissions, _>(call, range, |key, ()| {
                list.item(RecordId { did: key.author, kind: Kind::Submission, rkey: key.rkey })
            })?
        }
        None => {
            let range = list.by_author(author.as_ref());
            paging.page::<Records, _>(call, range, |id, _| list.item(id))?
        }
    };
    Ok(SubmissionList { submissions: page.items, cursor: page.cursor })
}
