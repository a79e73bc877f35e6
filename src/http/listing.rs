//! Records with their verdicts, as the lists of signups, invitations and submissions show them.
//!
//! One shape for the three kinds (CONTRACT §4.2). What an inactive account wrote is left out, as is what the
//! filter `status` does not ask for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ipld_core::ipld::Ipld;
use serde::Serialize;

use super::answer::Call;
use super::error::ApiError;
use super::page::{Item, Step};
use super::round::Deadlines;
use super::view::{Fields, LinkView, RecordView, Stored, links, live};
use crate::export::VerdictView;
use crate::records::{Body, Kind};
use crate::rules::verdict::decide;
use crate::syntax::{AtUri, Did};
use crate::tables::Records;
use crate::tables::keys::{RecordId, RoundId, write_collection};
use crate::tables::view::{Range, RowsError, prefix_of};

/// A record with its verdict.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DecidedItem {
    uri: String,
    cid: String,
    author: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    record: RecordView,
    verdict: VerdictView,
    links: Vec<LinkView>,
    /// Of a signup; left out unless it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
    /// Of a submission, where both the payload and what the round accepts are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_accepted: Option<bool>,
}

/// One list while it is made.
pub(super) struct Listing<'a> {
    call: &'a Call<'a>,
    kind: Kind,
    /// The only status of verdict that is shown.
    pub(super) status: Option<&'static str>,
    /// What is known of the rounds that were met.
    terms: RefCell<BTreeMap<RoundId, Rc<Terms>>>,
}

/// What a live round says about the records in it, beside who may write them.
#[derive(Default)]
struct Terms {
    deadlines: Deadlines,
    /// The collections that it takes submissions from, where it says so readably.
    accepted: Option<Vec<String>>,
}

impl<'a> Listing<'a> {
    /// A list of records of one kind, with the filter `status` of the call.
    pub(super) fn of(call: &'a Call<'a>, kind: Kind) -> Result<Self, ApiError> {
        let expected = "one of `valid`, `invalid` and `pending`";
        let status = call.params.word("status", &["valid", "invalid", "pending"], expected)?;
        Ok(Self { call, kind, status, terms: RefCell::default() })
    }

    /// The records of one author, or of everybody, by record key.
    pub(super) fn by_author(&self, author: Option<&Did>) -> Range {
        prefix_of::<Records>(|key| {
            if let Some(author) = author {
                write_collection(author, self.kind, key);
            }
        })
    }

    /// What the list shows of a record, if it does.
    pub(super) fn step(&self, id: RecordId) -> Result<Step<DecidedItem>, RowsError> {
        Ok(self.item(id)?.map_or(Step::Passed, Step::Shown))
    }

    /// What the list shows of a record, if it does.
    pub(super) fn item(&self, id: RecordId) -> Result<Option<Item<DecidedItem>>, RowsError> {
        let rows = self.call.rows;
        if id.kind != self.kind {
            return Ok(None);
        }
        let Some(record) = live(rows, &id)? else { return Ok(None) };
        let Some(body) = &record.body else { return Ok(None) };
        let Some(verdict) = decide(rows, &id, body)? else { return Ok(None) };
        if self.status.is_some_and(|status| status != verdict.status()) {
            return Ok(None);
        }
        let stored = Stored::read(rows, &id, &record)?;
        let mut record_bytes = stored.bytes.len();
        let (late, payload_accepted) = match body {
            Body::Signup(signup) => {
                let late = self.terms(&signup.round, &mut record_bytes)?.deadlines.is_late(&stored.fields);
                (late.then_some(true), None)
            }
            Body::Submission(submission) => {
                let terms = self.terms(&submission.round, &mut record_bytes)?;
                (None, terms.accept(&stored.fields))
            }
            Body::Invitation(_)
            | Body::Jam(_)
            | Body::Round(_)
            | Body::Event(_)
            | Body::Rsvp(_)
            | Body::Acceptance(_) => (None, None),
        };
        let handle = self.call.service.identities.shown_handle(&id.did);
        let view = DecidedItem {
            uri: id.uri(),
            cid: stored.cid.to_string(),
            author: id.did,
            handle,
            record: stored.json(),
            verdict: verdict.into(),
            links: links(rows, self.kind, &stored.fields)?,
            late,
            payload_accepted,
        };
        Ok(Some(Item { view, record_bytes }))
    }

    /// What the round that a record names says; nothing where that is not live. The size of a round that has to
    /// be read for it is added to `bytes`: a hundred records may name a hundred rounds of a megabyte.
    fn terms(&self, uri: &AtUri, bytes: &mut usize) -> Result<Rc<Terms>, RowsError> {
        let Some(round) = RoundId::from_uri(uri) else { return Ok(Rc::default()) };
        if let Some(terms) = self.terms.borrow().get(&round) {
            return Ok(Rc::clone(terms));
        }
        let id = round.record();
        let terms = match live(self.call.rows, &id)? {
            Some(record) => {
                let stored = Stored::read(self.call.rows, &id, &record)?;
                *bytes += stored.bytes.len();
                Terms::of(&stored.fields)
            }
            None => Terms::default(),
        };
        let terms = Rc::new(terms);
        self.terms.borrow_mut().insert(round, Rc::clone(&terms));
        Ok(terms)
    }
}

impl Terms {
    fn of(round: &Fields) -> Self {
        let accepted = match round.get("acceptedSubmissionTypes") {
            Some(Ipld::List(types)) => Some(types.iter().filter_map(text).map(str::to_owned).collect()),
            _ => None,
        };
        Self { deadlines: Deadlines::of(round), accepted }
    }

    /// Whether the collection of a submission's payload is one that the round takes (RULES §2).
    fn accept(&self, submission: &Fields) -> Option<bool> {
        let accepted = self.accepted.as_ref()?;
        let Some(Ipld::Map(payload)) = submission.get("payload") else { return None };
        let uri = AtUri::parse(payload.get("uri").and_then(text)?).ok()?;
        let collection = uri.collection()?;
        Some(accepted.iter().any(|one| one == collection))
    }
}

fn text(value: &Ipld) -> Option<&str> {
    match value {
        Ipld::String(text) => Some(text),
        _ => None,
    }
}

/// The round that a list is of, from the parameter `round`.
pub(super) fn round_of(uri: &AtUri) -> Result<RoundId, ApiError> {
    RoundId::from_uri(uri).ok_or(ApiError::BadParameter {
        name: "round",
        expected: "the AT-URI of a round, with the DID of its author",
    })
}
