//! Attestation CIDs against those of an independent implementation: see the README of the fixtures.

use guestlist::codec::json::encode_dag_cbor;
use guestlist::rules::acceptance::attestation_cid;
use guestlist::syntax::{Cid, Did};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::{check, export, fixture, succeed};
use crate::model;

const RSVP: &str = "community.lexicon.calendar.rsvp";

/// Anybody else.
const COPYIST: &str = "did:plc:eve";

struct Case {
    name: String,
    author: String,
    attestation: String,
    rsvp: Value,
    proof_uri: String,
    proof: Value,
}

fn cases() -> Vec<Case> {
    let file = std::fs::read_to_string(fixture("attestations").join("cases.json")).unwrap();
    let text = |case: &Value, pointer: &str| case.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let case = |case: &Value| Case {
        name: text(case, "/name"),
        author: text(case, "/author"),
        attestation: text(case, "/attestation"),
        rsvp: case["rsvp"].clone(),
        proof_uri: text(case, "/proof/uri"),
        proof: case["proof"]["record"].clone(),
    };
    serde_json::from_str::<Vec<Value>>(&file).unwrap().iter().map(case).collect()
}

fn bytes(record: &Value) -> Vec<u8> {
    encode_dag_cbor(&record.to_string()).unwrap()
}

/// A line of an export of records.
fn line(uri: &str, record: &Value) -> String {
    let cid = Cid::compute_dag_cbor(&bytes(record)).to_string();
    json!({ "uri": uri, "cid": cid, "rev": "3kznmn7xqxl22", "record": record }).to_string()
}

#[test]
fn an_attestation_cid_is_the_one_of_another_implementation() {
    let cases = cases();
    assert!(cases.len() >= 15, "{}", cases.len());
    for case in cases {
        let of = |author: &str| {
            let author = Did::parse(author).unwrap();
            attestation_cid(&bytes(&case.rsvp), &bytes(&case.proof), &author).unwrap().unwrap().to_string()
        };
        assert_eq!(of(&case.author), case.attestation, "{}", case.name);
        assert_ne!(of(COPYIST), case.attestation, "{}", case.name);
        let by_the_model = model::attestation_cid(&case.rsvp, &case.proof, &case.author);
        assert_eq!(by_the_model, case.attestation, "{}", case.name);
    }
}

#[test]
fn an_rsvp_that_another_implementation_attested_is_accepted() {
    let dir = tempdir().unwrap();
    let (mut lines, mut rsvps) = (Vec::new(), Vec::new());
    for (number, case) in cases().iter().enumerate() {
        lines.push(line(&case.proof_uri, &case.proof));
        // The very same is nothing in somebody else's repository.
        for (author, accepted) in [(case.author.as_str(), true), (COPYIST, false)] {
            let uri = format!("at://{author}/{RSVP}/r{number}");
            lines.push(line(&uri, &case.rsvp));
            rsvps.push((uri, accepted, case.name.clone()));
        }
    }
    let file = dir.path().join("records.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let data = dir.path().join("data");
    succeed(&[&"import", &"--data-dir", &data, &file]);
    let exported = export(&data);
    for (uri, accepted, name) in rsvps {
        let line = exported.lines().find(|line| line.contains(&format!("\"uri\":\"{uri}\","))).unwrap();
        assert!(line.ends_with(&format!(",\"accepted\":{accepted}}}")), "{name}: {line}");
    }
    check(&data);
}
