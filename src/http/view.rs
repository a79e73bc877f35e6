//! Shapes that several answers share: records as JSON, references with their state, chains.
//!
//! Only what is live is shown; who asks for a record here has looked at its author's account first. Shapes:
//! CONTRACT §4.2 and `app.guestlist.defs`.

use std::collections::BTreeMap;
use std::rc::Rc;

use ipld_core::ipld::Ipld;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::codec::json::AsJson;
use crate::records::{Kind, Signup};
use crate::rules::accounts;
use crate::rules::chain::{Chains, Link};
use crate::rules::verdict::Verdict;
use crate::syntax::{AtUri, Cid, Did};
use crate::tables::keys::{RecordId, RoundId};
use crate::tables::rows::Record;
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{Records, record_bytes, record_fields};

/// The fields of a record.
pub(super) type Fields = BTreeMap<String, Ipld>;

/// A reference that a record makes, and what stands at its end now (RULES §1, "link state").
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkView {
    /// The field that holds it.
    pub field: &'static str,
    /// Its URI, as the record has it.
    pub uri: String,
    /// Its CID, as the record has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// `current`, `stale` or `missing`.
    pub state: &'static str,
}

/// One step of a chain (RULES §2, "Chain").
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ChainStep {
    /// The first: the organizer.
    Organizer {
        /// Who that is.
        did: Did,
    },
    /// An invitation, and after it the signup that rests on it.
    Record {
        /// Its URI.
        uri: String,
        /// Its CID.
        cid: String,
        /// Whose it is.
        author: Did,
    },
}

/// A usable record, read.
pub(super) struct Stored {
    pub(super) cid: Cid,
    pub(super) fields: Rc<Fields>,
    /// Its bytes as stored.
    pub(super) bytes: Vec<u8>,
}

impl Stored {
    /// Reads the bytes of a usable record.
    pub(super) fn read(rows: &dyn Rows, id: &RecordId, record: &Record) -> Result<Self, RowsError> {
        let bytes = record_bytes(rows, id, record)?;
        Ok(Self { cid: record.cid, fields: Rc::new(record_fields(&bytes)?), bytes })
    }

    /// The record as JSON.
    pub(super) fn json(&self) -> RecordView {
        RecordView(Rc::clone(&self.fields))
    }

    /// The record's own fields with ours laid over them. A name in `names` is ours even where we leave it out,
    /// so that no record can speak in our place.
    pub(super) fn flatten(&self, names: &'static [&'static str], ours: &impl Serialize) -> FlatView {
        let ours = match serde_json::to_value(ours) {
            Ok(Value::Object(ours)) => ours,
            _ => Map::new(),
        };
        FlatView { fields: Rc::clone(&self.fields), names, ours }
    }
}

/// A record as its author wrote it.
pub(super) struct RecordView(Rc<Fields>);

impl Serialize for RecordView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, AsJson(value))))
    }
}

/// A record's fields and ours side by side, in the order of their names.
pub(super) struct FlatView {
    fields: Rc<Fields>,
    names: &'static [&'static str],
    ours: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FlatField<'a> {
    Stored(AsJson<'a>),
    Ours(&'a Value),
}

impl Serialize for FlatView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = self.fields.iter().filter(|(name, _)| !self.names.contains(&name.as_str()));
        let stored = stored.map(|(name, value)| (name.as_str(), FlatField::Stored(AsJson(value))));
        let ours = self.ours.iter().map(|(name, value)| (name.as_str(), FlatField::Ours(value)));
        serializer.collect_map(stored.chain(ours).collect::<BTreeMap<_, _>>())
    }
}

/// The record under `id`, if it is live.
pub(super) fn live(rows: &dyn Rows, id: &RecordId) -> Result<Option<Record>, RowsError> {
    if !accounts::is_active(rows, &id.did)? {
        return Ok(None);
    }
    Ok(rows.get::<Records>(id)?.filter(|record| record.body.is_some()))
}

/// The fields in which a kind refers to other records.
fn reference_fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Round => &["jam"],
        Kind::Invitation => &["round"],
        Kind::Signup => &["round", "invitation"],
        Kind::Submission => &["round", "payload"],
        Kind::Rsvp => &["subject"],
        Kind::Jam | Kind::Event | Kind::Acceptance => &[],
    }
}

/// The references of a record, with their states.
pub(super) fn links(rows: &dyn Rows, kind: Kind, fields: &Fields) -> Result<Vec<LinkView>, RowsError> {
    let mut links = Vec::new();
    for field in reference_fields(kind) {
        let Some(Ipld::Map(reference)) = fields.get(*field) else { continue };
        let text = |name: &str| match reference.get(name) {
            Some(Ipld::String(text)) => Some(text.as_str()),
            _ => None,
        };
        // A payload may be anything; what is no AT-URI refers to no record.
        let Some(Ok(uri)) = text("uri").map(AtUri::parse) else { continue };
        let cid = text("cid");
        links.push(LinkView {
            field,
            state: link_state(rows, &uri, cid)?,
            uri: uri.as_str().to_owned(),
            cid: cid.map(str::to_owned),
        });
    }
    Ok(links)
}

/// A reference that names no CID, or a malformed one, is `stale`: nothing says that the target is the same.
fn link_state(rows: &dyn Rows, uri: &AtUri, cid: Option<&str>) -> Result<&'static str, RowsError> {
    let target = match RecordId::from_uri(uri) {
        Some(id) => live(rows, &id)?,
        None => None,
    };
    let named = cid.and_then(|cid| Cid::parse_in_any_base(cid).ok());
    Ok(match target {
        None => "missing",
        Some(target) if named == Some(target.cid) => "current",
        Some(_) => "stale",
    })
}

/// The chain to a signup, if its verdict rests on one.
pub(super) fn chain_view(
    chains: &mut Chains<'_, dyn Rows + '_>,
    id: &RecordId,
    signup: &Signup,
    verdict: Verdict,
) -> Result<Option<Vec<ChainStep>>, RowsError> {
    let Some(links) = chains.to(id, signup, verdict)? else { return Ok(None) };
    let rows = chains.rows;
    let mut steps = vec![ChainStep::Organizer { did: chains.door.round.did.clone() }];
    for Link { invitation, invitee, signup } in links {
        let signup = RecordId { did: invitee, kind: Kind::Signup, rkey: signup };
        steps.push(step(rows, invitation.record())?);
        steps.push(step(rows, signup)?);
    }
    Ok(Some(steps))
}

fn step(rows: &dyn Rows, id: RecordId) -> Result<ChainStep, RowsError> {
    let record = rows.get::<Records>(&id)?;
    let record = record.ok_or(RowsError::Contradiction { what: "a link of a chain is not stored" })?;
    Ok(ChainStep::Record { uri: id.uri(), cid: record.cid.to_string(), author: id.did })
}

/// The URI of a round.
pub(super) fn round_uri(round: &RoundId) -> String {
    round.record().uri()
}
