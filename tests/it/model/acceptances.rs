//! Accepted RSVPs (RULES §3).

use super::dag_cbor;
use super::kind::Kind;
use super::world::{Live, Target, World};
use serde_json::{Map, Value, json};

/// Whether the author of the event has accepted the RSVP.
///
/// reading: "in the event author's repository" is the authority in `subject.uri`, whatever else the URI names. A handle
/// is nobody.
///
/// reading: an entry that is no map, or that names something else, neither accepts nor spoils the others: the RSVP's
/// signatures "must hold an entry".
pub(super) fn is_accepted(world: &World<'_>, rsvp: &Live<'_>) -> bool {
    let subject = rsvp.text("/subject/uri");
    let organizer = subject.trim_start_matches("at://").split('/').next().unwrap_or_default();
    let Some(signatures) = rsvp.value.get("signatures").and_then(Value::as_array) else {
        return false;
    };
    signatures.iter().any(|entry| {
        proof_named_by(world, entry).is_some_and(|proof| proof.author == organizer && accepts(&proof, rsvp))
    })
}

/// The live acceptance that an entry of `signatures` names by its uri and its current cid.
fn proof_named_by<'a>(world: &World<'a>, entry: &Value) -> Option<Live<'a>> {
    // "its `$type` absent or `com.atproto.repo.strongRef`"
    if entry.get("$type").is_some_and(|kind| kind != "com.atproto.repo.strongRef") {
        return None;
    }
    let Target::Live(proof) = world.target(entry.get("uri")?.as_str()?, Kind::Acceptance) else {
        return None;
    };
    same_cid(entry.get("cid")?.as_str()?, proof.cid).then_some(proof)
}

fn accepts(proof: &Live<'_>, rsvp: &Live<'_>) -> bool {
    // "a proof without `$type` accepts nothing"
    proof.value.get("$type").is_some()
        && same_cid(proof.text("/cid"), &attestation_cid(rsvp.value, proof.value, rsvp.author))
}

/// The attestation CID of an RSVP in the repository of `author`, by the metadata of this proof.
///
/// reading: a field `$sig` of the RSVP and a field `repository` of the proof give way to those that are put there.
pub(crate) fn attestation_cid(rsvp: &Value, proof: &Value, author: &str) -> String {
    let fields = |record: &Value, left_out: &[&str]| -> Map<String, Value> {
        let fields = record.as_object().into_iter().flatten();
        let kept = fields.filter(|(name, _)| !left_out.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut sig = fields(proof, &["cid", "signature"]);
    sig.insert("repository".to_owned(), json!(author));
    let mut attested = fields(rsvp, &["signatures"]);
    attested.insert("$sig".to_owned(), Value::Object(sig));
    dag_cbor::cid(&Value::Object(attested))
}

/// reading: a CID is what its text stands for. One CID has a text in each base, and they are equal.
fn same_cid(one: &str, other: &str) -> bool {
    match (multibase::decode(one), multibase::decode(other)) {
        (Ok((_, one)), Ok((_, other))) => one == other,
        _ => false,
    }
}
