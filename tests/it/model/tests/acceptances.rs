//! RULES §3: accepted RSVPs.

use super::super::attestation_cid;
use super::{
    ACCEPTED, EFFECTIVE, FRIEND, GUEST, HOST, NOT_EFFECTIVE, RELAY, RSVP, STRANGER, Story, at, deletion,
    rsvp, the_event, usable,
};
use crate::model::{Record, Write};
use serde_json::{Value, json};

const ACCEPTANCE: &str = "events.smokesignal.calendar.acceptance";

fn answer(event_uri: &str) -> Value {
    let mut answer = rsvp(event_uri, "going");
    answer["$type"] = json!(RSVP);
    answer
}

/// A proof that accepts this RSVP of somebody, with these further fields.
fn proof(of: &Value, author: &str, more: &Value) -> Value {
    let mut proof = json!({ "$type": ACCEPTANCE });
    proof.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    proof["cid"] = json!(attestation_cid(of, &proof, author));
    proof
}

/// CIDs under which a proof is stored: to the model they are texts of CIDs and nothing more.
const STORED: &str = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq";
const OLDER: &str = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua";

fn put_proof(story: &mut Story, did: &str, proof: Value, cid: &str) {
    let mut op = usable(ACCEPTANCE, "proof", proof);
    op.write = match op.write {
        Write::Put { record: Record::Usable { value, deviations }, .. } => {
            Write::Put { cid: cid.to_owned(), record: Record::Usable { value, deviations } }
        }
        other => other,
    };
    story.write(did, op);
}

fn named(did: &str) -> Value {
    json!({ "uri": at(did, ACCEPTANCE, "proof"), "cid": STORED })
}

fn signed(mut answer: Value, signatures: Value) -> Value {
    answer["signatures"] = signatures;
    answer
}

/// A guest's RSVP to the event, and the host's proof of it.
fn accepted() -> Story {
    let mut story = Story::new();
    let answer = answer(&the_event());
    put_proof(&mut story, HOST, proof(&answer, GUEST, &json!({})), STORED);
    story.put(GUEST, RSVP, "answer", signed(answer, json!([named(HOST)])));
    story
}

fn shows(story: &Story, rule: &str, rest: &str) {
    story.shows(rule, &at(GUEST, RSVP, "answer"), rest);
}

#[test]
fn an_rsvp_with_its_proof_is_accepted() {
    shows(&accepted(), "Accepted** RSVP", ACCEPTED);
    let mut story = accepted();
    let answer = signed(answer(&the_event()), json!([{ "$type": "x" }, 7, "x", null, [], named(HOST)]));
    story.put(GUEST, RSVP, "answer", answer);
    shows(&story, "must hold an entry", ACCEPTED);
}

#[test]
fn without_a_signature_nothing_is_accepted() {
    let rule = "No signatures means not accepted, not accepted-by-default.";
    for signatures in [json!([]), json!({}), json!(null), named(HOST), json!([[named(HOST)]])] {
        let mut story = accepted();
        story.put(GUEST, RSVP, "answer", signed(answer(&the_event()), signatures));
        shows(&story, rule, EFFECTIVE);
    }
    let mut story = accepted();
    story.put(GUEST, RSVP, "answer", answer(&the_event()));
    shows(&story, rule, EFFECTIVE);
}

#[test]
fn the_entry_has_the_type_of_a_strong_ref_or_none() {
    let rule = "(its `$type` absent or `com.atproto.repo.strongRef`)";
    for (kind, expected) in [
        (json!("com.atproto.repo.strongRef"), ACCEPTED),
        (json!("com.atproto.repo.strongRef#main"), EFFECTIVE),
        (json!("app.example.inline"), EFFECTIVE),
        (json!(null), EFFECTIVE),
    ] {
        let mut story = accepted();
        let mut entry = named(HOST);
        entry["$type"] = kind;
        story.put(GUEST, RSVP, "answer", signed(answer(&the_event()), json!([entry])));
        shows(&story, rule, expected);
    }
}

#[test]
fn the_proof_is_in_the_repository_of_the_event() {
    let rule = "**in the event author's repository**";
    for did in [STRANGER, GUEST] {
        let mut story = Story::new();
        let answer = answer(&the_event());
        put_proof(&mut story, did, proof(&answer, GUEST, &json!({})), STORED);
        story.put(GUEST, RSVP, "answer", signed(answer, json!([named(did)])));
        shows(&story, rule, EFFECTIVE);
    }
    let rule = "only the authority in `subject.uri` does";
    for subject in ["at://did:plc:host", "at://did:plc:host/app.example.note/any"] {
        let mut story = Story::new();
        let answer = answer(subject);
        put_proof(&mut story, HOST, proof(&answer, GUEST, &json!({})), STORED);
        story.put(GUEST, RSVP, "answer", signed(answer, json!([named(HOST)])));
        shows(&story, rule, ACCEPTED);
    }
    let mut story = Story::new();
    let answer = answer("at://host.example/community.lexicon.calendar.event/party");
    put_proof(&mut story, HOST, proof(&answer, GUEST, &json!({})), STORED);
    story.put(GUEST, RSVP, "answer", signed(answer, json!([named(HOST)])));
    shows(&story, "Only DIDs are authorities", EFFECTIVE);
}

#[test]
fn either_side_ends_it() {
    let the_answer = answer(&the_event());
    let mut story = accepted();
    put_proof(&mut story, HOST, proof(&the_answer, GUEST, &json!({})), OLDER);
    shows(&story, "the uri and the current cid of that acceptance", EFFECTIVE);
    let mut story = accepted();
    story.write(HOST, deletion(ACCEPTANCE, "proof"));
    shows(&story, "an `events.smokesignal.calendar.acceptance` record", EFFECTIVE);
    let mut story = accepted();
    let mut edited = signed(the_answer.clone(), json!([named(HOST)]));
    edited["note"] = json!("and Cal comes too");
    story.put(GUEST, RSVP, "answer", edited);
    shows(&story, "Editing the RSVP ends it.", EFFECTIVE);
    let mut story = accepted();
    story.inactive(RELAY, HOST, 1, "deactivated");
    shows(&story, "the author's account is active", EFFECTIVE);
    story.active(RELAY, HOST, 2);
    shows(&story, "the author's account is active", ACCEPTED);
    let mut story = accepted();
    story.put(FRIEND, RSVP, "answer", signed(the_answer, json!([named(HOST)])));
    story.shows("`repository` = the RSVP author's DID", &at(FRIEND, RSVP, "answer"), EFFECTIVE);
}

#[test]
fn the_metadata_is_part_of_what_is_attested() {
    let answer = answer(&the_event());
    let whole = proof(&answer, GUEST, &json!({ "seat": 12, "terms": { "plusOne": true } }));
    let mut other = whole.clone();
    other["seat"] = json!(13);
    let mut signed_too = whole.clone();
    signed_too["signature"] = json!("x");
    let mut without_type = whole.clone();
    without_type.as_object_mut().unwrap().remove("$type");
    let consistent = json!({ "cid": attestation_cid(&answer, &without_type, GUEST) });
    for (rule, proof, expected) in [
        ("`$sig` = the proof's metadata", whole, ACCEPTED),
        ("`$sig` = the proof's metadata", other, EFFECTIVE),
        ("without `cid` and `signature`", signed_too, ACCEPTED),
        ("a proof without `$type` accepts nothing", without_type, EFFECTIVE),
        ("a proof without `$type` accepts nothing", consistent, EFFECTIVE),
    ] {
        let mut story = Story::new();
        put_proof(&mut story, HOST, proof, STORED);
        story.put(GUEST, RSVP, "answer", signed(answer.clone(), json!([named(HOST)])));
        shows(&story, rule, expected);
    }
}

#[test]
fn an_rsvp_that_is_not_the_effective_one_is_accepted_all_the_same() {
    let mut story = accepted();
    story.put(GUEST, RSVP, "later", rsvp(&the_event(), "notgoing"));
    let rest = NOT_EFFECTIVE.replace("\"accepted\":false", "\"accepted\":true");
    shows(&story, "Neither the event record nor the RSVP's being effective matters for it", &rest);
}
