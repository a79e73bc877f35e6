//! The account of one record: what is known of it, its verdict, and how that came about.
//!
//! A function of rows, used by the query `app.guestlist.explain` and by the command line. Nothing of a
//! record is shown while its author's account hides it. Shape: CONTRACT §4.2.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::view::{ChainStep, LinkView, Stored, chain_view, links};
use super::words;
use crate::export::VerdictView;
use crate::filing;
use crate::identity::{INVALID_HANDLE, Resolver};
use crate::records::{Body, Deviation};
use crate::rules::chain::Chains;
use crate::rules::verdict::{decide, door};
use crate::rules::{acceptance, accounts, attendance};
use crate::syntax::{AtUri, Authority, Did};
use crate::tables::keys::{RecordId, RoundId};
use crate::tables::rows::{AccountState, GradeRow, Record};
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{Records, Rounds};

/// Deviations that are shown. A record of a megabyte may have hundreds of thousands; the export has all of them.
const DEVIATIONS_SHOWN: usize = 1_000;

/// What is known of the record at a URI, and why it counts or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The URI that was asked for.
    pub uri: String,
    /// Whether there is a usable record of an active account.
    pub live: bool,
    /// `unknown` or `not-live` when it is not live (RULES §1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// The whole of it in a sentence.
    pub why: String,
    /// Its CID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// Its kind, where the URI is in a wanted collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Its author, where the URI has a DID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<Did>,
    /// Its grade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grade: Option<&'static str>,
    /// Why it is unusable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Where it departs from its lexicon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviations: Option<Vec<Deviation>>,
    /// Of a round: whether it is in its organizer's repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub official: Option<bool>,
    /// Of an RSVP: whether it is the one of its author that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<bool>,
    /// Of an RSVP: whether the author of what it answers has accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    /// Its verdict, for kinds that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictView>,
    /// Its references.
    pub links: Vec<LinkView>,
    /// The chain that a signup's verdict rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<Vec<ChainStep>>,
    /// The handles of everybody in it, for people.
    #[serde(skip)]
    handles: BTreeMap<Did, String>,
}

/// Explains what is at a URI.
///
/// # Errors
/// The store cannot be read or contradicts itself. A URI of which nothing is known is no error.
pub fn explain(rows: &dyn Rows, identities: &Resolver, uri: &AtUri) -> Result<Explanation, RowsError> {
    let mut explanation = explain_uri(rows, uri)?;
    explanation.handles = explanation.people().filter_map(|did| named(identities, did)).collect();
    Ok(explanation)
}

fn named(identities: &Resolver, did: &Did) -> Option<(Did, String)> {
    let handle = identities.shown_handle(did).filter(|handle| handle != INVALID_HANDLE)?;
    Some((did.clone(), handle))
}

fn explain_uri(rows: &dyn Rows, uri: &AtUri) -> Result<Explanation, RowsError> {
    let Authority::Did(authority) = uri.authority() else {
        let why = "The URI names a repository by a handle; records are known by the DID of their author.";
        return Ok(Explanation::absent(uri, "unknown", why));
    };
    // An AtUri's authority is a DID or a handle, so this parse holds.
    let author = Did::parse(authority).ok();
    let id = RecordId::from_uri(uri);
    let state = author.as_ref().map(|did| accounts::state(rows, did)).transpose()?;
    let mut explanation = match (state, &id) {
        (Some(AccountState::Inactive), _) => {
            let why = "The account is inactive: its records are kept and hidden until it returns.";
            Explanation::absent(uri, "not-live", why)
        }
        (Some(AccountState::Deleted), _) => {
            Explanation::absent(uri, "not-live", "The account was deleted, and its records with it.")
        }
        (_, None) => {
            let why = "The URI does not name a record of a collection that is indexed here.";
            Explanation::absent(uri, "unknown", why)
        }
        (_, Some(id)) => match rows.get::<Records>(id)? {
            Some(record) => explain_record(rows, uri, id, &record)?,
            None => {
                let why = "Nothing is stored at this URI: the record was never seen here, or it was deleted.";
                Explanation::absent(uri, "unknown", why)
            }
        },
    };
    explanation.kind = id.map(|id| id.kind.name());
    explanation.author = author;
    Ok(explanation)
}

fn explain_record(
    rows: &dyn Rows,
    uri: &AtUri,
    id: &RecordId,
    record: &Record,
) -> Result<Explanation, RowsError> {
    let mut explanation = Explanation::absent(uri, "not-live", "");
    explanation.cid = Some(record.cid.to_string());
    explanation.grade = Some(record.grade.name());
    match &record.grade {
        GradeRow::Unusable(unusable) => {
            explanation.reason = Some(unusable.reason());
            explanation.why = words::of_unusable(*unusable).to_owned();
        }
        GradeRow::Deviating(_) | GradeRow::DeviatingMuch => {
            let mut deviations = filing::deviations_of(rows, id, record)?;
            deviations.truncate(DEVIATIONS_SHOWN);
            explanation.deviations = Some(deviations);
        }
        GradeRow::Conforming => {}
    }
    let Some(body) = &record.body else { return Ok(explanation) };
    (explanation.live, explanation.state) = (true, None);
    let stored = Stored::read(rows, id, record)?;
    explanation.links = links(rows, id.kind, &stored.fields)?;
    explain_body(rows, id, (body, &stored.bytes), &mut explanation)?;
    Ok(explanation)
}

fn explain_body(
    rows: &dyn Rows,
    id: &RecordId,
    (body, bytes): (&Body, &[u8]),
    explanation: &mut Explanation,
) -> Result<(), RowsError> {
    if let Some(verdict) = decide(rows, id, body)? {
        let status = verdict.status();
        explanation.why =
            format!("The {} is {status}: {}.", id.kind.name(), words::of_verdict(id.kind, verdict));
        explanation.verdict = Some(verdict.into());
        if let Body::Signup(signup) = body
            && let Ok(door) = door(rows, &signup.round)?
        {
            explanation.chain = chain_view(&mut Chains::new(rows, &door), id, signup, verdict)?;
        }
    }
    match body {
        Body::Round(_) => {
            let facts = rows.get::<Rounds>(&RoundId::from(id.clone()))?;
            let official = facts.is_some_and(|facts| facts.official);
            explanation.official = Some(official);
            explanation.why = if official {
                "The round is official: it is in the repository of the jam's organizer.".to_owned()
            } else {
                "The round is not official: it is not in the repository of the jam's organizer.".to_owned()
            };
        }
        Body::Rsvp(rsvp) => {
            let effective = attendance::is_effective(rows, id, rsvp)?;
            let accepted = acceptance::find(rows, id, &rsvp.subject, bytes)?.accepted;
            (explanation.effective, explanation.accepted) = (Some(effective), Some(accepted));
            let effect = if effective {
                "The RSVP is the one of its author that counts for what it answers"
            } else {
                "The RSVP does not count: its author has a later one to the same subject"
            };
            let acceptance =
                if accepted { ", and the author of what it answers has accepted it" } else { "" };
            explanation.why = format!("{effect}{acceptance}.");
        }
        Body::Jam(_) | Body::Event(_) | Body::Acceptance(_) => {
            explanation.why = format!("The {} is live; this kind has no verdict.", id.kind.name());
        }
        Body::Signup(_) | Body::Invitation(_) | Body::Submission(_) => {}
    }
    Ok(())
}

impl Explanation {
    /// Of a record of which there is nothing to show.
    fn absent(uri: &AtUri, state: &'static str, why: &str) -> Self {
        Self {
            uri: uri.as_str().to_owned(),
            live: false,
            state: Some(state),
            why: why.to_owned(),
            cid: None,
            kind: None,
            author: None,
            grade: None,
            reason: None,
            deviations: None,
            official: None,
            effective: None,
            accepted: None,
            verdict: None,
            links: Vec::new(),
            chain: None,
            handles: BTreeMap::new(),
        }
    }

    /// Everybody who is named in it.
    fn people(&self) -> impl Iterator<Item = &Did> {
        let in_chain = self.chain.iter().flatten().map(|step| match step {
            ChainStep::Organizer { did } => did,
            ChainStep::Record { author, .. } => author,
        });
        self.author.iter().chain(in_chain)
    }

    /// The account for people: a few lines, each ending in a newline.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("writing to memory cannot fail");
        text
    }

    fn write_text(&self, out: &mut String) -> fmt::Result {
        match (self.kind, &self.author) {
            (Some(kind), Some(author)) => writeln!(out, "{kind} of {}", self.name(author))?,
            (None, Some(author)) => writeln!(out, "something of {}", self.name(author))?,
            _ => {}
        }
        writeln!(out, "{}", self.uri)?;
        if let Some(cid) = &self.cid {
            writeln!(out, "{cid}")?;
        }
        writeln!(out)?;
        let headline = match (&self.verdict, self.state) {
            (Some(verdict), _) => verdict.reason.or(verdict.basis).unwrap_or(verdict.status),
            (None, Some(state)) => state,
            (None, None) => self.grade.unwrap_or_default(),
        };
        writeln!(out, "{} [{headline}]", self.why)?;
        self.write_chain(out)?;
        if !self.links.is_empty() {
            writeln!(out, "\nIt refers to")?;
        }
        for link in &self.links {
            writeln!(out, "  {:<10}  {:<7}  {}", link.field, link.state, link.uri)?;
        }
        if let Some(deviations) = &self.deviations {
            writeln!(out, "\nIt departs from its lexicon, and counts all the same")?;
            for deviation in deviations {
                // A path holds names of fields, which are a stranger's: no terminal obeys them.
                writeln!(out, "  {:<12}  {}", deviation.rule, deviation.path.escape_debug())?;
            }
        }
        Ok(())
    }

    fn write_chain(&self, out: &mut String) -> fmt::Result {
        let Some(chain) = &self.chain else { return Ok(()) };
        writeln!(out, "\nThe chain from the organizer")?;
        for (place, step) in chain.iter().enumerate() {
            match step {
                ChainStep::Organizer { did } => writeln!(out, "  {} organizes", self.name(did))?,
                ChainStep::Record { uri, author, .. } => {
                    let does = if place % 2 == 1 { "invites" } else { "signs up" };
                    writeln!(out, "  {} {does}\n    {uri}", self.name(author))?;
                }
            }
        }
        Ok(())
    }

    fn name(&self, did: &Did) -> String {
        match self.handles.get(did) {
            Some(handle) => format!("{handle} ({did})"),
            None => did.to_string(),
        }
    }
}
