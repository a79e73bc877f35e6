//! What of a record must be there, and be what it must be: RULES §1, "Load-bearing", field by field.

use guestlist::codec::event::Block;
use guestlist::codec::json::encode_dag_cbor;
use guestlist::records::{Body, Grade, JoinMode, Kind, NetworkGate, Status, grade};
use guestlist::syntax::{Cid, RecordKey};
use serde_json::{Value, json};

const TID: &str = "3kznmn7xqxl22";
const TID_MICROS: i64 = 1_723_607_526_857_649;

fn graded(kind: Kind, rkey: &str, record: &Value) -> (String, Option<Body>) {
    let bytes = encode_dag_cbor(&record.to_string()).unwrap();
    let block = Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None };
    let graded = grade(kind, &RecordKey::parse(rkey).unwrap(), &block);
    let name = match &graded.grade {
        Grade::Unusable(unusable) => unusable.reason(),
        usable => usable.name(),
    };
    (name.to_owned(), graded.body)
}

fn usable(kind: Kind) -> Value {
    let uri = |collection: &str| json!({ "uri": format!("at://did:plc:ada/{collection}/r"), "cid": "c" });
    match kind {
        Kind::Round => json!({ "jam": uri("at.atjam.jam") }),
        Kind::Invitation => json!({ "round": uri("at.atjam.round"), "invitee": "did:plc:bea" }),
        Kind::Signup => json!({ "round": uri("at.atjam.round"), "invitation": uri("at.atjam.invitation") }),
        Kind::Submission => json!({ "round": uri("at.atjam.round") }),
        Kind::Rsvp => json!({ "subject": uri("community.lexicon.calendar.event"), "status": "going" }),
        Kind::Acceptance => json!({ "cid": "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq" }),
        Kind::Jam | Kind::Event => json!({}),
    }
}

fn change(record: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let fields = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
}

#[test]
fn a_field_that_the_rules_read_is_there_and_is_what_it_must_be() {
    let rule = "a load-bearing field is missing, of the wrong type or not of its lexicon format";
    let mut tried = 0;
    // A pointer to each field, and what is wrong in it besides null and other types.
    let fields: [(Kind, &str, &[&str]); 12] = [
        (Kind::Round, "/jam", &[]),
        (Kind::Round, "/jam/uri", &["", "at://", "https://a.example", "did:plc:ada"]),
        (Kind::Invitation, "/round", &[]),
        (Kind::Invitation, "/round/uri", &["at.atjam.round"]),
        (Kind::Invitation, "/invitee", &["", "ada.example", "did:plc"]),
        (Kind::Signup, "/round", &[]),
        (Kind::Signup, "/round/uri", &["at://did:plc:ada/at.atjam.round/r/more"]),
        (Kind::Signup, "/invitation/uri", &["r"]),
        (Kind::Submission, "/round/uri", &["r"]),
        (Kind::Rsvp, "/subject/uri", &["r"]),
        (Kind::Rsvp, "/status", &[]),
        (Kind::Acceptance, "/cid", &[]),
    ];
    for (kind, pointer, texts) in fields {
        assert_eq!(graded(kind, "r", &usable(kind)).0, "deviating", "{kind:?} without its other fields");
        let mut record = usable(kind);
        change(&mut record, pointer, None);
        assert_eq!(graded(kind, "r", &record), ("missing-field".to_owned(), None), "{pointer}: {rule}");
        for bad in [json!(null), json!(7), json!([]), json!(true)]
            .into_iter()
            .chain(texts.iter().map(|text| json!(text)))
        {
            change(&mut record, pointer, None);
            change(&mut record, pointer, Some(bad.clone()));
            assert_eq!(graded(kind, "r", &record), ("bad-field".to_owned(), None), "{pointer} {bad}: {rule}");
            tried += 1;
        }
    }
    assert!(tried > 40);
}

#[test]
fn a_field_that_may_be_absent_is_no_null_and_of_no_other_type() {
    let rule = "(joinMode and networkGate if present must be strings) … `invitation.uri` if `invitation` is present \
                … A field that is present with the value `null` is present.";
    for (kind, field) in
        [(Kind::Round, "/joinMode"), (Kind::Round, "/networkGate"), (Kind::Signup, "/invitation")]
    {
        let mut record = usable(kind);
        change(&mut record, field, None);
        assert_eq!(graded(kind, "r", &record).0, "deviating", "{field}");
        for bad in [json!(null), json!(7), json!(["open"])] {
            change(&mut record, field, Some(bad));
            assert_eq!(graded(kind, "r", &record).0, "bad-field", "{field}: {rule}");
        }
    }
    let mut record = usable(Kind::Signup);
    change(&mut record, "/invitation", Some(json!({})));
    assert_eq!(graded(Kind::Signup, "r", &record).0, "missing-field", "{rule}");
}

#[test]
fn of_several_faults_the_first_of_the_list_is_given() {
    let rule = "Of several the first of … `wrong-type`, `missing-field`, `bad-field` is given.";
    let mut record = json!({ "round": 7 });
    assert_eq!(graded(Kind::Invitation, "r", &record).0, "missing-field", "the invitee; {rule}");
    record = json!({ "invitee": "nobody" });
    assert_eq!(graded(Kind::Invitation, "r", &record).0, "missing-field", "the round; {rule}");
    record["$type"] = json!("at.atjam.signup");
    assert_eq!(graded(Kind::Invitation, "r", &record).0, "wrong-type", "{rule}");
    record = json!({ "round": { "uri": "at://did:plc:ada/at.atjam.round/r" }, "invitee": null });
    assert_eq!(graded(Kind::Invitation, "r", &record).0, "bad-field", "{rule}");
}

#[test]
fn only_the_known_words_are_known() {
    let rule = "absent or unknown value means `open` … absent or unknown means `signup` … Statuses outside the known \
                set are kept and counted as `other`";
    for (word, mode, gate) in [
        (None, JoinMode::Open, NetworkGate::Signup),
        (Some("open"), JoinMode::Open, NetworkGate::Signup),
        (Some("Hosted"), JoinMode::Open, NetworkGate::Signup),
        (Some("hosted"), JoinMode::Hosted, NetworkGate::Signup),
        (Some("network"), JoinMode::Network, NetworkGate::Signup),
        (Some("contributed"), JoinMode::Open, NetworkGate::Contributed),
        (Some(""), JoinMode::Open, NetworkGate::Signup),
    ] {
        let mut record = usable(Kind::Round);
        change(&mut record, "/joinMode", word.map(|word| json!(word)));
        change(&mut record, "/networkGate", word.map(|word| json!(word)));
        let Some(Body::Round(round)) = graded(Kind::Round, "r", &record).1 else { panic!("{word:?}") };
        assert_eq!((round.join_mode, round.network_gate), (mode, gate), "{word:?}: {rule}");
    }
    let full = |word: &str| format!("community.lexicon.calendar.rsvp#{word}");
    for (word, status) in [
        (full("going"), Status::Going),
        (full("interested"), Status::Interested),
        (full("notgoing"), Status::NotGoing),
        (full("Going"), Status::Other),
        (full("maybe"), Status::Other),
        ("going".to_owned(), Status::Other),
        ("#going".to_owned(), Status::Other),
        (String::new(), Status::Other),
    ] {
        let mut record = usable(Kind::Rsvp);
        change(&mut record, "/status", Some(json!(word)));
        let Some(Body::Rsvp(rsvp)) = graded(Kind::Rsvp, "r", &record).1 else { panic!("{word}") };
        assert_eq!(rsvp.status, status, "{word}: {rule}");
    }
}

#[test]
fn the_time_of_a_record_is_its_own_then_that_of_its_key_then_none() {
    let rule = "`t` is the record's `createdAt` if it is a valid datetime, cut after the sixth digit of the fraction \
                and possibly negative, else the time in the record key if that is a TID, else 0";
    for (created_at, rkey, micros) in [
        (Some(json!("1970-01-01T00:00:01.1234567Z")), TID, 1_123_456),
        (Some(json!("1969-12-31T23:59:59.9999999Z")), TID, -1),
        (Some(json!("1970-01-01T00:00:01+00:00")), "r", 1_000_000),
        (Some(json!("yesterday")), TID, TID_MICROS),
        (Some(json!("2026-06-30T23:59:60Z")), TID, TID_MICROS),
        (Some(json!(null)), TID, TID_MICROS),
        (Some(json!(7)), TID, TID_MICROS),
        (None, TID, TID_MICROS),
        (Some(json!("yesterday")), "r", 0),
        (None, "r", 0),
    ] {
        for kind in [Kind::Rsvp, Kind::Signup] {
            let mut record = usable(kind);
            change(&mut record, "/createdAt", created_at.clone());
            let time = match graded(kind, rkey, &record).1 {
                Some(Body::Rsvp(rsvp)) => rsvp.time,
                Some(Body::Signup(signup)) => signup.time,
                other => panic!("{other:?}"),
            };
            assert_eq!(time, micros, "{created_at:?} under {rkey}: {rule}");
        }
    }
}
