//! `app.guestlist.listSignups`: signups with their verdicts, of a round, of a person, or of both.
//!
//! A round's are in the order of their authors, a person's in the order of their record keys. What an
//! inactive account wrote is left out.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::export::VerdictView;
use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::page::{Item, Page, Paging};
use crate::http::round::Deadlines;
use crate::http::view::{LinkView, Stored, links, live};
use crate::records::{Body, Kind, Signup};
use crate::rules::verdict::decide;
use crate::syntax::{AtUri, Did};
use crate::tables::keys::{RecordId, RoundId, write_collection, write_round, write_round_author};
use crate::tables::rows::Record;
use crate::tables::view::{RowsError, prefix_of};
use crate::tables::{Records, Signups};

/// A page of signups.
#[derive(Serialize)]
pub(in crate::http) struct SignupList {
    signups: Vec<SignupItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct SignupItem {
    uri: String,
    cid: String,
    author: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    record: Value,
    verdict: VerdictView,
    links: Vec<LinkView>,
    /// Left out unless it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<SignupList, Failure> {
    let round_uri = call.params.optional_uri("round")?;
    let author = call.params.optional_actor("author", &call.service.identities)?;
    let expected = "one of `valid`, `invalid` and `pending`";
    let status = call.params.word("status", &["valid", "invalid", "pending"], expected)?;
    let filters = [
        ("round", round_uri.as_ref().map(AtUri::as_str)),
        ("author", author.as_ref().map(Did::as_str)),
        ("status", status),
    ];
    let paging = Paging::of(call, &filters)?;
    let list = Listing { call, status, deadlines: RefCell::default() };
    let page = match (round_uri, author) {
        (Some(uri), author) => {
            let round = RoundId::from_uri(&uri).ok_or(ApiError::BadParameter {
                name: "round",
                expected: "the AT-URI of a round, with the DID of its author",
            })?;
            list.of_round(&paging, &round, author.as_ref())?
        }
        (None, author) => list.of_author(&paging, author.as_ref())?,
    };
    Ok(SignupList { signups: page.items, cursor: page.cursor })
}

/// One list while it is made.
struct Listing<'a> {
    call: &'a Call<'a>,
    status: Option<&'static str>,
    /// The deadlines of the rounds that were met.
    deadlines: RefCell<BTreeMap<RoundId, Deadlines>>,
}

impl Listing<'_> {
    fn of_round(
        &self,
        paging: &Paging,
        round: &RoundId,
        author: Option<&Did>,
    ) -> Result<Page<SignupItem>, Failure> {
        let range = prefix_of::<Signups>(|key| match author {
            Some(author) => write_round_author(round, author, key),
            None => write_round(round, key),
        });
        paging.page::<Signups, _>(self.call, range, |key, _| {
            let id = RecordId { did: key.author, kind: Kind::Signup, rkey: key.rkey };
            match live(self.call.rows, &id)? {
                Some(record) => self.item(id, &record),
                None => Ok(None),
            }
        })
    }

    /// The signups of one person, or of everybody, to whatever they name.
    fn of_author(&self, paging: &Paging, author: Option<&Did>) -> Result<Page<SignupItem>, Failure> {
        let range = prefix_of::<Records>(|key| {
            if let Some(author) = author {
                write_collection(author, Kind::Signup, key);
            }
        });
        paging.page::<Records, _>(self.call, range, |id, _| match live(self.call.rows, &id)? {
            Some(record) if id.kind == Kind::Signup => self.item(id, &record),
            _ => Ok(None),
        })
    }

    fn item(&self, id: RecordId, record: &Record) -> Result<Option<Item<SignupItem>>, RowsError> {
        let rows = self.call.rows;
        let Some(body @ Body::Signup(signup)) = &record.body else { return Ok(None) };
        let Some(verdict) = decide(rows, &id, body)? else { return Ok(None) };
        if self.status.is_some_and(|status| status != verdict.status()) {
            return Ok(None);
        }
        let stored = Stored::read(rows, &id, record)?;
        let late = self.deadlines(signup)?.is_late(&stored.fields);
        let handle = self.call.service.identities.shown_handle(&id.did).map(str::to_owned);
        let view = SignupItem {
            uri: id.uri(),
            cid: stored.cid.to_string(),
            author: id.did,
            handle,
            record: stored.json(),
            verdict: verdict.into(),
            links: links(rows, Kind::Signup, &stored.fields)?,
            late: late.then_some(true),
        };
        Ok(Some(Item { view, record_bytes: stored.bytes }))
    }

    /// The deadlines of the round that a signup names; none where that is not live.
    fn deadlines(&self, signup: &Signup) -> Result<Deadlines, RowsError> {
        let Some(round) = RoundId::from_uri(&signup.round) else { return Ok(Deadlines::default()) };
        if let Some(deadlines) = self.deadlines.borrow().get(&round) {
            return Ok(*deadlines);
        }
        let id = round.record();
        let deadlines = match live(self.call.rows, &id)? {
            Some(record) => Deadlines::of(&Stored::read(self.call.rows, &id, &record)?.fields),
            None => Deadlines::default(),
        };
        self.deadlines.borrow_mut().insert(round, deadlines);
        Ok(deadlines)
    }
}
