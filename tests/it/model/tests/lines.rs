//! CONTRACT §3: the lines of `export --verdicts`.

use super::{EVENT, GUEST, HOST, Op, RSVP, Record, SIGNUP, Story, Write, at, deletion, noise, unusable};
use serde_json::json;

fn deviating(collection: &str, rkey: &str, deviations: &[(&str, &str)]) -> Op {
    let deviations = deviations.iter().map(|(path, rule)| ((*path).to_owned(), (*rule).to_owned())).collect();
    let value = json!({ "subject": { "uri": "at://host.example" }, "status": "x" });
    let record = Record::Usable { value, deviations };
    Op {
        collection: collection.to_owned(),
        rkey: rkey.to_owned(),
        write: Write::Put { cid: "bafy".to_owned(), record },
    }
}

#[test]
fn a_jam_and_an_acceptance_have_no_more_than_a_grade() {
    let mut story = Story::new();
    for collection in ["at.atjam.jam", "events.smokesignal.calendar.acceptance"] {
        story.put(HOST, collection, "one", json!({ "cid": "c" }));
        let rule = "`kind` is one of `jam round invitation signup submission event rsvp acceptance`.";
        story.shows(rule, &at(HOST, collection, "one"), "");
    }
}

#[test]
fn deviations_are_sorted_by_path_and_rule_and_come_before_what_the_kind_adds() {
    let mut story = Story::new();
    story.write(HOST, deviating(RSVP, "one", &[("/b", "type"), ("/a\"ü", "type"), ("/a\"ü", "format")]));
    story.shows_line(
        "is an array of `{\"path\",\"rule\"}` (JSON Pointer, lexicon keyword), all of them, sorted.",
        &at(HOST, RSVP, "one"),
        concat!(
            r#"{"uri":"at://did:plc:host/community.lexicon.calendar.rsvp/one","cid":"bafy","#,
            r#""author":"did:plc:host","kind":"rsvp","grade":"deviating","#,
            r#""deviations":[{"path":"/a\"ü","rule":"format"},{"path":"/a\"ü","rule":"type"},"#,
            r#"{"path":"/b","rule":"type"}],"effective":true,"accepted":false}"#
        ),
    );
    story.write(HOST, deviating(EVENT, "two", &[("", "required")]));
    story.shows_line(
        "Keys in the order shown, no spaces, UTF-8 unescaped.",
        &at(HOST, EVENT, "two"),
        concat!(
            r#"{"uri":"at://did:plc:host/community.lexicon.calendar.event/two","cid":"bafy","#,
            r#""author":"did:plc:host","kind":"event","grade":"deviating","#,
            r#""deviations":[{"path":"","rule":"required"}],"#,
            r#""counts":{"going":0,"interested":0,"notgoing":0,"other":0}}"#
        ),
    );
}

#[test]
fn an_unusable_record_shows_its_reason_and_no_verdict() {
    let mut story = Story::new();
    story.write(GUEST, unusable(SIGNUP, "one"));
    story.shows_line(
        "Unusable records have only `uri cid author kind grade reason`.",
        &at(GUEST, SIGNUP, "one"),
        concat!(
            r#"{"uri":"at://did:plc:guest/at.atjam.signup/one","cid":"c","author":"did:plc:guest","#,
            r#""kind":"signup","grade":"unusable","reason":"bad-field"}"#
        ),
    );
}

#[test]
fn lines_are_sorted_by_the_bytes_of_the_uri() {
    let mut story = Story::new();
    // A `-` sorts before the `/` that ends the shorter DID, so the text sorts otherwise than its parts would.
    let dids = ["did:web:a.example", "did:web:a.example-b.example", "did:plc:z"];
    for did in dids {
        for rkey in ["b", "a", "Z", "~", "10", "9"] {
            story.put(did, EVENT, rkey, json!({}));
        }
    }
    let mut expected = Vec::new();
    for did in ["did:plc:z", "did:web:a.example-b.example", "did:web:a.example"] {
        for rkey in ["10", "9", "Z", "a", "b", "~"] {
            expected.push(at(did, EVENT, rkey));
        }
    }
    let uris: Vec<String> =
        story.model.export().iter().filter_map(|line| line.split('"').nth(3).map(str::to_owned)).collect();
    assert_eq!(uris, expected, "JSON Lines, sorted by URI bytewise");
}

#[test]
fn only_stored_records_of_known_kinds_have_lines() {
    let mut story = Story::new();
    assert!(story.model.export().is_empty());
    story.put(HOST, EVENT, "party", json!({}));
    story.write(HOST, noise());
    story.write(HOST, unusable(EVENT, "quarantined"));
    story.write(HOST, deletion(EVENT, "quarantined"));
    assert_eq!(story.model.export().len(), 1, "one for each stored record of a known kind");
}
