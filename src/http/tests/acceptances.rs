//! Accepted RSVPs, by everything that says whether one was. Each way not to accept that others have fallen for has a test.

mod cids;
mod pages;

use serde_json::{Value, json};

use super::world::{World, did, uri};
use crate::codec::json::encode_dag_cbor;
use crate::export;
use crate::records::{Body, Kind};
use crate::rules::acceptance::{Finding, attestation_cid, find};
use crate::syntax::Cid;
use crate::tables::keys::RecordId;
use crate::tables::view::{ReadRows, RowsError};
use crate::tables::{Records, record_bytes};

const MADE: &str = "2026-01-01T00:00:00Z";

/// The event of ada to which people come here. Nothing is stored of it, and nothing needs to be.
fn party() -> String {
    uri("ada", Kind::Event, "party")
}

/// An RSVP as its author writes it, to anything.
fn answer(subject: &str) -> Value {
    json!({
        "$type": Kind::Rsvp.nsid(), "createdAt": MADE, "status": "community.lexicon.calendar.rsvp#going",
        "subject": { "uri": subject },
    })
}

/// The proof that somebody's RSVP is accepted.
fn proof(rsvp: &Value, author: &str) -> Value {
    attest(rsvp, author, json!({ "$type": Kind::Acceptance.nsid(), "createdAt": MADE, "seat": 12 }))
}

/// A proof with its `cid`, whether it can accept anything or not.
fn attest(rsvp: &Value, author: &str, mut proof: Value) -> Value {
    let mut attested = rsvp.clone();
    attested["$sig"] = proof.clone();
    attested["$sig"].as_object_mut().unwrap().remove("cid");
    attested["$sig"]["repository"] = json!(did(author).as_str());
    let cid = Cid::compute_dag_cbor(&encode_dag_cbor(&attested.to_string()).unwrap());
    proof["cid"] = json!(cid.to_string());
    proof
}

fn signed(mut rsvp: Value, signatures: Value) -> Value {
    rsvp["signatures"] = signatures;
    rsvp
}

/// bea's answer, accepted by ada: the answer before it was signed, and the reference to the proof.
fn accepted(world: &mut World) -> (Value, Value) {
    let rsvp = answer(&party());
    let named = world.put("ada", Kind::Acceptance, "k", proof(&rsvp, "bea"));
    world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), json!([named])));
    (rsvp, named)
}

fn find_in(world: &World, author: &str) -> Finding {
    let rows = world.service.store.snapshot();
    let rkey = crate::syntax::RecordKey::parse("v").unwrap();
    let id = RecordId { did: did(author), kind: Kind::Rsvp, rkey };
    let record = rows.get::<Records>(&id).unwrap().unwrap();
    let Some(Body::Rsvp(rsvp)) = &record.body else { panic!("no usable RSVP") };
    find(&*rows, &id, &rsvp.subject, &record_bytes(&*rows, &id, &record).unwrap()).unwrap()
}

/// Whether the RSVP `v` of somebody is accepted; everything that says so agrees.
async fn is_accepted(world: &World, author: &str) -> bool {
    let accepted = find_in(world, author).accepted;
    let rsvp = uri(author, Kind::Rsvp, "v");
    let (identity, explained) = (did(author).to_string(), [("uri", rsvp.as_str())]);
    assert_eq!(world.get("app.guestlist.explain", &explained).await["accepted"], accepted);
    let of_it = |items: Vec<Value>| items.into_iter().find(|item| item["uri"] == rsvp);
    let theirs = [("identity", identity.as_str())];
    let listed = world.list("community.lexicon.calendar.listRSVPs", "rsvps", &theirs).await;
    let listed = of_it(listed).unwrap();
    assert_eq!(listed["accepted"], accepted);
    let event = listed["eventUri"].as_str().unwrap();
    let counts = [("event", event), ("identity", identity.as_str())];
    let counts = world.get("community.lexicon.calendar.getRSVP", &counts).await;
    assert!(counts["accepted"].is_boolean());
    if counts["uri"] == rsvp {
        assert_eq!(counts["accepted"], accepted);
        let of_event = world.list("app.guestlist.listEventRSVPs", "rsvps", &[("event", event)]).await;
        assert_eq!(of_it(of_event).unwrap()["accepted"], accepted);
    }
    let mut line = None;
    let begins = format!("{{\"uri\":\"{rsvp}\",");
    export::verdicts::<RowsError>(&*world.service.store.snapshot(), |each| {
        line = line.take().or_else(|| each.starts_with(&begins).then(|| each.to_owned()));
        Ok(())
    })
    .unwrap();
    assert!(line.unwrap().ends_with(&format!(",\"accepted\":{accepted}}}")));
    accepted
}

#[tokio::test]
async fn an_answer_that_the_organizer_accepts_is_accepted() {
    let mut world = World::new();
    let (rsvp, named) = accepted(&mut world);
    assert!(is_accepted(&world, "bea").await);
    let why = world.get("app.guestlist.explain", &[("uri", &uri("bea", Kind::Rsvp, "v"))]).await;
    assert!(why["why"].as_str().unwrap().ends_with(", and the author of what it answers has accepted it."));
    // The proof may come after what names it, and the event whenever it does.
    let mut later = World::new();
    later.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), json!([named])));
    assert!(!is_accepted(&later, "bea").await);
    later.put("ada", Kind::Acceptance, "k", proof(&rsvp, "bea"));
    assert!(is_accepted(&later, "bea").await);
    later.put("ada", Kind::Event, "party", json!({ "name": "Party" }));
    assert!(is_accepted(&later, "bea").await);
    later.delete("ada", Kind::Event, "party");
    assert!(is_accepted(&later, "bea").await);
}

#[tokio::test]
async fn an_answer_without_signatures_is_not_accepted_by_default() {
    let mut world = World::new();
    let (rsvp, _) = accepted(&mut world);
    world.put("bea", Kind::Rsvp, "v", rsvp);
    assert!(!is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn an_answer_with_empty_signatures_is_not_accepted_by_default() {
    let mut world = World::new();
    let (rsvp, _) = accepted(&mut world);
    world.put("bea", Kind::Rsvp, "v", signed(rsvp, json!([])));
    assert!(!is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn a_proof_in_a_strangers_repository_accepts_nothing() {
    // Their own is one too.
    for stranger in ["eve", "bea"] {
        let mut world = World::new();
        let rsvp = answer(&party());
        let named = world.put(stranger, Kind::Acceptance, "k", proof(&rsvp, "bea"));
        world.put("bea", Kind::Rsvp, "v", signed(rsvp, json!([named])));
        assert!(!is_accepted(&world, "bea").await, "{stranger}");
    }
}

#[tokio::test]
async fn a_proof_that_was_edited_since_accepts_nothing() {
    let mut world = World::new();
    let (rsvp, _) = accepted(&mut world);
    let proof = proof(&rsvp, "bea");
    let mut moved = proof.clone();
    moved["seat"] = json!(13);
    // Good in itself, and not the one that was named.
    let moved = attest(&rsvp, "bea", moved);
    let named = world.put("ada", Kind::Acceptance, "k", moved);
    assert!(!is_accepted(&world, "bea").await);
    world.put("bea", Kind::Rsvp, "v", signed(rsvp, json!([named])));
    assert!(is_accepted(&world, "bea").await);
    world.put("ada", Kind::Acceptance, "k", proof);
    assert!(!is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn a_proof_that_is_taken_back_accepts_nothing() {
    let mut world = World::new();
    let (rsvp, _) = accepted(&mut world);
    world.delete("ada", Kind::Acceptance, "k");
    assert!(!is_accepted(&world, "bea").await);
    world.put("ada", Kind::Acceptance, "k", proof(&rsvp, "bea"));
    assert!(is_accepted(&world, "bea").await);
    world.put("ada", Kind::Acceptance, "k", json!({ "cid": 7 }));
    assert!(!is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn an_organizer_whose_account_is_not_active_accepts_nobody_until_they_return() {
    let mut world = World::new();
    let (rsvp, _) = accepted(&mut world);
    for status in ["deactivated", "suspended", "takendown", "unheard-of"] {
        world.account("ada", Some(status));
        assert!(!is_accepted(&world, "bea").await, "{status}");
        world.account("ada", None);
        assert!(is_accepted(&world, "bea").await, "{status}");
    }
    world.account("ada", Some("deleted"));
    assert!(!is_accepted(&world, "bea").await);
    world.account("ada", None);
    assert!(!is_accepted(&world, "bea").await, "what was purged is unknown");
    world.put("ada", Kind::Acceptance, "k", proof(&rsvp, "bea"));
    assert!(is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn a_proof_of_another_rsvp_accepts_nothing() {
    let mut world = World::new();
    let mut other = answer(&party());
    other["status"] = json!("community.lexicon.calendar.rsvp#interested");
    let named = world.put("ada", Kind::Acceptance, "k", proof(&other, "bea"));
    world.put("bea", Kind::Rsvp, "v", signed(answer(&party()), json!([named])));
    assert!(!is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn an_rsvp_that_was_edited_after_is_not_accepted() {
    for (field, value) in [
        ("status", json!("community.lexicon.calendar.rsvp#notgoing")),
        ("subject", json!({ "uri": uri("ada", Kind::Event, "another") })),
        (
            "subject",
            json!({ "uri": party(), "cid": "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq" }),
        ),
        ("createdAt", json!("2026-01-01T00:00:00.000Z")),
        ("guests", json!(["Cal"])),
    ] {
        let mut world = World::new();
        let (rsvp, named) = accepted(&mut world);
        let mut edited = signed(rsvp.clone(), json!([named]));
        edited[field] = value;
        world.put("bea", Kind::Rsvp, "v", edited);
        assert!(!is_accepted(&world, "bea").await, "{field}");
        world.put("bea", Kind::Rsvp, "v", signed(rsvp, json!([named])));
        assert!(is_accepted(&world, "bea").await, "{field}");
    }
}

#[tokio::test]
async fn an_rsvp_that_somebody_else_copied_is_not_accepted() {
    let mut world = World::new();
    let (rsvp, named) = accepted(&mut world);
    world.put("eve", Kind::Rsvp, "v", signed(rsvp.clone(), json!([named])));
    assert!(!is_accepted(&world, "eve").await && is_accepted(&world, "bea").await);
    // Not even if the proof says that it may be theirs.
    let mut other = proof(&rsvp, "bea");
    other["repository"] = json!(did("eve").as_str());
    let named = world.put("ada", Kind::Acceptance, "other", other);
    world.put("eve", Kind::Rsvp, "v", signed(rsvp, json!([named])));
    assert!(!is_accepted(&world, "eve").await);
}

#[tokio::test]
async fn a_proof_without_a_type_accepts_nothing() {
    let rsvp = answer(&party());
    let mut world = World::new();
    let untyped = attest(&rsvp, "bea", json!({ "seat": 12, "createdAt": MADE }));
    let bytes = |value: &Value| encode_dag_cbor(&value.to_string()).unwrap();
    let stored = bytes(&untyped);
    assert_eq!(attestation_cid(&bytes(&rsvp), &stored, &did("bea")), Ok(None));
    let named = world.put_bytes("ada", Kind::Acceptance, "k", stored);
    world.put("bea", Kind::Rsvp, "v", signed(rsvp, json!([named])));
    assert!(!is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn signatures_of_other_kinds_neither_accept_nor_hinder() {
    let mut world = World::new();
    let (rsvp, named) = accepted(&mut world);
    let inline = json!({
        "$type": "app.example.signature", "uri": named["uri"], "cid": named["cid"],
        "key": "did:key:z", "signature": { "$bytes": "AAEC" },
    });
    let others =
        [inline, json!(7), json!("x"), json!(null), json!([named]), json!({ "$bytes": "AAEC" }), json!({})];
    let signatures = |more: &[Value]| Value::from([&others[..], more].concat());
    world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), signatures(&[])));
    assert!(!is_accepted(&world, "bea").await);
    world.put("bea", Kind::Rsvp, "v", signed(rsvp, signatures(std::slice::from_ref(&named))));
    assert!(is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn signatures_that_are_no_array_accept_nothing() {
    let mut world = World::new();
    let (rsvp, named) = accepted(&mut world);
    for signatures in [json!(null), json!(1), json!("x"), json!({}), named.clone(), json!({ "0": named })] {
        world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), signatures.clone()));
        assert!(!is_accepted(&world, "bea").await, "{signatures}");
    }
}

#[tokio::test]
async fn an_entry_is_a_strong_ref_to_an_acceptance_and_nothing_else() {
    let mut world = World::new();
    let (rsvp, named) = accepted(&mut world);
    let with = |name: &str, value: Value| {
        let mut entry = named.clone();
        entry[name] = value;
        entry
    };
    let text = named["uri"].as_str().unwrap();
    for (entry, accepted) in [
        (with("$type", json!("com.atproto.repo.strongRef")), true),
        (with("note", json!("more")), true),
        (with("$type", json!("com.atproto.repo.strongRef#main")), false),
        (with("$type", json!("")), false),
        (with("$type", json!(null)), false),
        (with("uri", json!(null)), false),
        (with("uri", json!({ "uri": text })), false),
        (with("uri", json!(text.replace("at://", ""))), false),
        (with("uri", json!(format!("{text}/"))), false),
        (with("uri", json!(format!("{text}#x"))), false),
        (with("uri", json!(text.replace("did:plc:ada", "ada.example"))), false),
        (with("uri", json!(text.replace("acceptance", "Acceptance"))), false),
        (with("uri", json!(text.trim_end_matches("/k"))), false),
        (with("uri", json!(party())), false),
        (json!({ "uri": text }), false),
        (json!({ "cid": named["cid"] }), false),
    ] {
        world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), json!([entry])));
        assert_eq!(is_accepted(&world, "bea").await, accepted, "{entry}");
    }
}

#[tokio::test]
async fn nobody_accepts_for_a_subject_under_a_handle() {
    let mut world = World::new();
    world.introduce(&["ada"]);
    let rsvp = answer("at://ada.example/community.lexicon.calendar.event/party");
    let named = world.put("ada", Kind::Acceptance, "k", proof(&rsvp, "bea"));
    world.put("bea", Kind::Rsvp, "v", signed(rsvp, json!([named])));
    assert!(!is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn only_the_authority_of_the_subject_decides_who_accepts() {
    for subject in [uri("ada", Kind::Event, "never-seen"), uri("ada", Kind::Jam, "j"), did("ada").to_string()]
    {
        let mut world = World::new();
        let rsvp = answer(&format!("at://{}", subject.trim_start_matches("at://")));
        let named = world.put("ada", Kind::Acceptance, "k", proof(&rsvp, "bea"));
        world.put("bea", Kind::Rsvp, "v", signed(rsvp, json!([named])));
        assert!(is_accepted(&world, "bea").await, "{subject}");
    }
}

#[tokio::test]
async fn an_rsvp_need_not_be_the_one_that_counts_to_be_accepted() {
    let mut world = World::new();
    accepted(&mut world);
    let mut later = answer(&party());
    later["createdAt"] = json!("2026-02-01T00:00:00Z");
    world.put("bea", Kind::Rsvp, "w", later);
    assert!(is_accepted(&world, "bea").await);
    let answer = [("event", party()), ("identity", did("bea").to_string())];
    let answer = answer.each_ref().map(|(name, value)| (*name, value.as_str()));
    let counts = world.get("community.lexicon.calendar.getRSVP", &answer).await;
    assert_eq!(counts["accepted"], false, "the one that counts is another");
}

#[tokio::test]
async fn an_rsvp_without_a_type_can_be_accepted() {
    let mut world = World::new();
    let mut rsvp = answer(&party());
    rsvp.as_object_mut().unwrap().remove("$type");
    let named = world.put("ada", Kind::Acceptance, "k", proof(&rsvp, "bea"));
    let bytes = encode_dag_cbor(&signed(rsvp, json!([named])).to_string()).unwrap();
    world.put_bytes("bea", Kind::Rsvp, "v", bytes);
    assert!(is_accepted(&world, "bea").await);
}

#[tokio::test]
async fn of_many_signatures_the_last_ones_are_looked_at() {
    let mut world = World::new();
    let (rsvp, named) = accepted(&mut world);
    // Those that are as they were named, and accept somebody else.
    let others: Vec<_> = (0..32)
        .map(|number| {
            let other =
                attest(&answer(&party()), "cal", json!({ "$type": Kind::Acceptance.nsid(), "seat": number }));
            world.put("ada", Kind::Acceptance, &format!("o{number}"), other)
        })
        .collect();
    let elsewhere = json!({ "uri": uri("eve", Kind::Acceptance, "k"), "cid": named["cid"] });
    for (before, after, strangers, accepted) in
        [(32, 0, 0, true), (0, 31, 0, true), (32, 31, 6_000, true), (0, 32, 0, false), (32, 32, 6_000, false)]
    {
        let signatures = others.iter().take(before).chain([&named]).chain(others.iter().take(after));
        let signatures = signatures.chain(std::iter::repeat_n(&elsewhere, strangers));
        let signatures: Vec<_> = signatures.cloned().collect();
        let bytes = encode_dag_cbor(&signed(rsvp.clone(), json!(signatures)).to_string()).unwrap();
        assert!((strangers * 100..1_000_000).contains(&bytes.len()), "{}", bytes.len());
        world.put_bytes("bea", Kind::Rsvp, "v", bytes);
        assert_eq!(is_accepted(&world, "bea").await, accepted, "{before} before, {after} after");
    }
}

#[tokio::test]
async fn what_a_hostile_rsvp_has_read_and_hashed_is_bounded() {
    let mut world = World::new();
    let (mut rsvp, named) = accepted(&mut world);
    let large: Vec<_> = (0..31)
        .map(|number| {
            let fields = json!({ "$type": Kind::Acceptance.nsid(), "n": number, "x": "x".repeat(600_000) });
            world.put(
                "ada",
                Kind::Acceptance,
                &format!("l{number}"),
                attest(&answer(&party()), "cal", fields),
            )
        })
        .collect();
    let signatures = |last: &[Value]| Value::from([&large[..], last].concat());
    world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), signatures(&[])));
    let finding = find_in(&world, "bea");
    assert!(!finding.accepted && (1_000_000..1_700_000).contains(&finding.bytes), "{finding:?}");
    // The last one is always looked at.
    world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), signatures(std::slice::from_ref(&named))));
    assert!(is_accepted(&world, "bea").await && find_in(&world, "bea").bytes < 1_000);
    world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), Value::from([&[named], &large[..]].concat())));
    assert!(!is_accepted(&world, "bea").await);
    // An RSVP that is large itself costs no more.
    rsvp["x"] = json!("x".repeat(900_000));
    let small: Vec<_> = (0..32)
        .map(|number| {
            let fields = json!({ "$type": Kind::Acceptance.nsid(), "n": number });
            world.put("ada", Kind::Acceptance, &format!("s{number}"), attest(&rsvp, "cal", fields))
        })
        .collect();
    world.put("bea", Kind::Rsvp, "v", signed(rsvp, json!(small)));
    let finding = find_in(&world, "bea");
    assert!(!finding.accepted && finding.bytes < 1_000, "{finding:?}");
}
