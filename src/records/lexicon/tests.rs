//! The files themselves, and what may go into a method and come out of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{LEXICONS, Lexicon, Lexicons, SOURCES, documents, has_lexicon};
use crate::codec::json::to_ipld;
use crate::records::{Deviation, Kind};

const CREATE: &str = "rsvp.atmo.space.invite.create";
const CREATE_SPACE: &str = "rsvp.atmo.space.admin.createSpace";
const ADD_MEMBER: &str = "rsvp.atmo.space.admin.addMember";
const REVOKE: &str = "rsvp.atmo.space.invite.revoke";
const SPACE: &str = "at://did:plc:ada/at.atjam.round/r";

#[test]
fn every_file_is_a_lexicon_and_every_reference_leads_somewhere() {
    for source in SOURCES {
        serde_json::from_str::<Lexicon>(source).expect(source);
    }
    assert_eq!(LEXICONS.dangling(), Vec::<&str>::new());
}

#[test]
fn every_kind_has_a_lexicon() {
    assert!(Kind::ALL.iter().all(|kind| has_lexicon(*kind)));
}

#[test]
fn records_are_graded_by_their_kinds_and_what_these_refer_to() {
    let grading = LEXICONS.reachable(Kind::ALL.iter().map(|kind| kind.nsid()));
    let beside = [
        "com.atproto.repo.strongRef",
        "community.lexicon.location.address",
        "community.lexicon.location.fsq",
        "community.lexicon.location.geo",
        "community.lexicon.location.hthree",
    ];
    let expected: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.nsid()).chain(beside).collect();
    assert_eq!(grading, expected);
}

fn shown(deviations: Option<Vec<Deviation>>) -> Vec<String> {
    let of = |deviation: Deviation| format!("{} {}", deviation.path, deviation.rule);
    deviations.expect("there is such a method").into_iter().map(of).collect()
}

/// What is wrong with a body, as `path rule`.
fn faults(method: &str, body: &Value) -> Vec<String> {
    shown(LEXICONS.input_deviations(method, &to_ipld(body.clone()).unwrap()))
}

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({ "spaceUri": SPACE });
    body[field] = value;
    body
}

#[test]
fn a_body_with_what_is_needed_conforms_whatever_else_is_in_it() {
    for body in [
        json!({ "spaceUri": SPACE }),
        json!({ "spaceUri": SPACE, "perms": "read", "expiresAt": 1, "maxUses": 1, "note": "" }),
        // The set of values is open here; which of them is taken, the method says.
        with("perms", json!("admin")),
        with("maxUses", json!(i64::MAX)),
        with("expiresAt", json!(-1)),
        with("note", json!("a".repeat(500))),
        with("unheardOf", json!(null)),
        with("unheardOf", json!({ "maxUses": "many" })),
        with("spaceUri", json!("at://ada.example/at.atjam.round/r")),
        with("spaceUri", json!("at://did:plc:ada")),
    ] {
        assert_eq!(faults(CREATE, &body), Vec::<String>::new(), "{body}");
    }
    assert!(faults(CREATE_SPACE, &json!({})).is_empty());
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(faults(CREATE, &json!({})), ["/spaceUri required"]);
    assert_eq!(faults(CREATE, &json!({ "note": "n" })), ["/spaceUri required"]);
    assert_eq!(faults(REVOKE, &json!({})), ["/spaceUri required", "/tokenHash required"]);
    assert_eq!(faults(ADD_MEMBER, &with("perms", json!("read"))), ["/did required"]);
    assert_eq!(faults("rsvp.atmo.space.invite.redeem", &json!({ "Token": "t" })), ["/token required"]);
}

#[test]
fn a_field_of_another_type_is_a_fault_and_so_is_null() {
    let values = [json!(null), json!(true), json!(7), json!("7"), json!([]), json!({})];
    for (field, fits) in [("perms", 3), ("note", 3), ("maxUses", 2), ("expiresAt", 2)] {
        for (place, value) in values.iter().enumerate() {
            let expected = if place == fits { Vec::new() } else { vec![format!("/{field} type")] };
            assert_eq!(faults(CREATE, &with(field, value.clone())), expected, "{field}: {value}");
        }
    }
    for value in &values {
        let expected = if value.is_string() { "/spaceUri format" } else { "/spaceUri type" };
        assert_eq!(faults(CREATE, &with("spaceUri", value.clone())), [expected], "{value}");
    }
    for body in [json!(null), json!([]), json!("{}"), json!(1), json!([{ "spaceUri": SPACE }])] {
        assert_eq!(faults(CREATE, &body), [" type"], "{body}");
    }
}

#[test]
fn a_number_below_the_least_and_a_text_above_the_most_are_faults() {
    for least in [0, -1, i64::MIN] {
        assert_eq!(faults(CREATE, &with("maxUses", json!(least))), ["/maxUses minimum"]);
    }
    assert_eq!(faults(CREATE, &with("note", json!("a".repeat(501)))), ["/note maxLength"]);
    // Bytes count, not letters.
    assert_eq!(faults(CREATE, &with("note", json!("é".repeat(251)))), ["/note maxLength"]);
    assert!(faults(CREATE, &with("note", json!("é".repeat(250)))).is_empty());
}

#[test]
fn what_is_not_of_its_format_is_a_fault() {
    for uri in [
        "at://did:plc:ada/at.atjam.round/r/",
        "at://did:plc:ada/",
        "at://did:plc:ada/at.atjam.round/r#x",
        "at://ada/at.atjam.round/r",
        "AT://did:plc:ada/at.atjam.round/r",
        " at://did:plc:ada/at.atjam.round/r",
        "https://host.example/",
    ] {
        assert_eq!(faults(CREATE, &with("spaceUri", json!(uri))), ["/spaceUri format"], "{uri}");
    }
    // A member is a DID; a handle may be another's tomorrow.
    assert!(faults(ADD_MEMBER, &with("did", json!("did:web:ada.example"))).is_empty());
    assert_eq!(faults(ADD_MEMBER, &with("did", json!("ada.example"))), ["/did format"]);
    assert_eq!(
        faults(CREATE_SPACE, &json!({ "type": "space", "memberListRef": "x" })),
        ["/memberListRef format", "/type format"]
    );
}

#[test]
fn a_policy_is_looked_into_and_has_limits() {
    let policy = |mode: &str, apps: Value| json!({ "appPolicy": { "mode": mode, "apps": apps } });
    let name = |length: usize| json!("a".repeat(length));
    assert!(faults(CREATE_SPACE, &policy(&"m".repeat(64), json!(vec![name(200); 100]))).is_empty());
    assert_eq!(faults(CREATE_SPACE, &policy(&"m".repeat(65), json!([]))), ["/appPolicy/mode maxLength"]);
    assert_eq!(faults(CREATE_SPACE, &policy("deny", json!(vec!["a"; 101]))), ["/appPolicy/apps maxLength"]);
    assert_eq!(
        faults(CREATE_SPACE, &policy("deny", json!([name(1), name(201)]))),
        ["/appPolicy/apps/1 maxLength"]
    );
    assert_eq!(faults(CREATE_SPACE, &policy("deny", json!([null]))), ["/appPolicy/apps/0 type"]);
    assert_eq!(
        faults(CREATE_SPACE, &json!({ "appPolicy": {} })),
        ["/appPolicy/apps required", "/appPolicy/mode required"]
    );
    assert_eq!(faults(CREATE_SPACE, &json!({ "appPolicy": null })), ["/appPolicy type"]);
}

#[test]
fn an_answer_of_a_procedure_is_looked_at_like_that_of_a_query() {
    let found =
        |method: &str, answer: Value| shown(LEXICONS.output_deviations(method, &to_ipld(answer).unwrap()));
    let invite = json!({
        "tokenHash": "0", "spaceUri": SPACE, "perms": "write", "usedCount": 0, "createdBy": "did:plc:ada",
        "createdAt": 1, "redeemedBy": [{ "did": "did:plc:bea", "redeemedAt": 2 }]
    });
    assert!(found(CREATE, json!({ "token": "t", "invite": invite })).is_empty());
    let mut wrong = invite.clone();
    wrong["redeemedBy"][0]["redeemedAt"] = json!("2026-01-01T00:00:00Z");
    wrong["revokedAt"] = json!(null);
    assert_eq!(
        found(CREATE, json!({ "invite": wrong })),
        ["/invite/redeemedBy/0/redeemedAt type", "/invite/revokedAt type", "/token required"]
    );
    assert!(found("rsvp.atmo.space.invite.list", json!({ "invites": [invite] })).is_empty());
}

#[test]
fn what_is_no_method_has_neither_input_nor_output_nor_errors() {
    let body = to_ipld(json!({})).unwrap();
    for id in
        ["app.guestlist.nonesuch", "at.atjam.round", "rsvp.atmo.space.defs", "rsvp.atmo.space.defs#appPolicy"]
    {
        assert_eq!(LEXICONS.input_deviations(id, &body), None, "{id}");
        assert_eq!(LEXICONS.output_deviations(id, &body), None, "{id}");
        assert!(LEXICONS.errors(id).is_none(), "{id}");
    }
    // A query takes parameters, and no body.
    assert_eq!(LEXICONS.input_deviations("rsvp.atmo.space.getSpace", &body), None);
    assert!(LEXICONS.output_deviations("rsvp.atmo.space.getSpace", &body).is_some());
}

#[test]
fn an_error_of_a_method_has_a_name_and_a_status() {
    let errors = |method: &str| -> Vec<_> {
        let errors = LEXICONS.errors(method).unwrap();
        errors.iter().map(|error| (error.name.as_str(), error.status())).collect()
    };
    assert_eq!(
        errors(CREATE),
        [("NotFound", Some(404)), ("Forbidden", Some(403)), ("QuotaExceeded", Some(409))]
    );
    assert!(errors("rsvp.atmo.space.listSpaces").is_empty());
    let mut seen = 0;
    for id in documents().keys() {
        for error in LEXICONS.errors(id).into_iter().flatten() {
            assert!(error.status().is_some_and(|status| (400..600).contains(&status)), "{id}: {error:?}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn a_method_without_a_schema_says_nothing_about_values() {
    let file = json!({ "lexicon": 1, "id": "a.b.c", "defs": { "main": {
        "type": "procedure", "input": { "encoding": "*/*" }, "output": { "encoding": "*/*" },
        "errors": [{ "name": "Odd" }],
    } } });
    let lexicons = Lexicons::new([serde_json::from_value::<Lexicon>(file).unwrap()]);
    let body = to_ipld(json!({})).unwrap();
    assert_eq!(lexicons.input_deviations("a.b.c", &body), None);
    assert_eq!(lexicons.output_deviations("a.b.c", &body), None);
    let errors = lexicons.errors("a.b.c").unwrap();
    assert_eq!(
        errors.iter().map(|error| (&*error.name, error.status())).collect::<Vec<_>>(),
        [("Odd", None)]
    );
}
