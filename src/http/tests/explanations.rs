//! `explain`.

use serde_json::json;

use super::world::{World, uri};
use crate::http::explain;
use crate::records::Kind;
use crate::syntax::AtUri;

const METHOD: &str = "app.guestlist.explain";

#[tokio::test]
async fn explains_a_signup_with_its_chain() {
    let mut world = World::new();
    let round = world.network();
    let answer = world.get(METHOD, &[("uri", &uri("cal", Kind::Signup, "s2"))]).await;
    assert_eq!(answer["kind"], "signup");
    assert_eq!(answer["author"], "did:plc:cal");
    assert_eq!(answer["grade"], "conforming");
    assert_eq!(answer["verdict"], json!({ "status": "valid", "basis": "invited" }));
    assert_eq!(answer["chain"].as_array().unwrap().len(), 5);
    assert_eq!(answer["chain"][0], json!({ "did": "did:plc:ada" }));
    assert_eq!(answer["links"][0], {
        json!({ "field": "round", "uri": round["uri"], "cid": round["cid"], "state": "current" })
    });
    assert_eq!((&answer["live"], answer.get("state")), (&json!(true), None));
}

#[tokio::test]
async fn explains_every_kind() {
    let mut world = World::new();
    let round = world.network();
    let event = world.put("ada", Kind::Event, "e", json!({ "name": "Meeting" }));
    let rsvp = |at: &str| {
        let status = "community.lexicon.calendar.rsvp#going";
        json!({ "subject": event, "status": status, "createdAt": at })
    };
    world.put("bea", Kind::Rsvp, "v", rsvp("2026-01-01T00:00:00Z"));
    world.put("bea", Kind::Rsvp, "w", rsvp("2026-01-02T00:00:00Z"));
    world.put("dan", Kind::Submission, "w", json!({ "round": round, "payload": event }));
    world.put("ada", Kind::Acceptance, "k", json!({ "cid": event["cid"] }));
    for (uri, field, value) in [
        (uri("ada", Kind::Jam, "jam"), "kind", json!("jam")),
        (uri("ada", Kind::Round, "r"), "official", json!(true)),
        (uri("bea", Kind::Invitation, "i2"), "verdict", json!({ "status": "valid", "basis": "invited" })),
        (
            uri("dan", Kind::Submission, "w"),
            "verdict",
            json!({ "status": "invalid", "reason": "author-not-participant" }),
        ),
        (uri("ada", Kind::Event, "e"), "links", json!([])),
        (uri("bea", Kind::Rsvp, "v"), "effective", json!(false)),
        (uri("bea", Kind::Rsvp, "w"), "effective", json!(true)),
        (uri("ada", Kind::Acceptance, "k"), "live", json!(true)),
    ] {
        let answer = world.get(METHOD, &[("uri", &uri)]).await;
        assert_eq!(answer[field], value, "{uri}");
        assert!(answer["why"].as_str().unwrap().ends_with('.'), "{uri}");
    }
}

#[tokio::test]
async fn shows_where_a_record_departs_from_its_lexicon() {
    let mut world = World::new();
    let round = world.round("ada", "r", "open", json!({ "assignment": 7 }));
    let answer = world.get(METHOD, &[("uri", round["uri"].as_str().unwrap())]).await;
    assert_eq!(answer["grade"], "deviating");
    assert_eq!(answer["deviations"], json!([{ "path": "/assignment", "rule": "type" }]));
    world.put("bea", Kind::Signup, "s", json!({ "round": 7 }));
    let answer = world.get(METHOD, &[("uri", &uri("bea", Kind::Signup, "s"))]).await;
    assert_eq!(answer["grade"], "unusable");
    assert_eq!(answer["reason"], "bad-field");
    assert_eq!(answer["state"], "not-live");
    assert_eq!(answer["live"], false);
}

#[tokio::test]
async fn says_what_it_does_not_know() {
    let mut world = World::new();
    world.network();
    for uri in [
        "at://did:plc:ada/at.atjam.round/nothing",
        "at://did:plc:ada/some.other.collection/x",
        "at://did:plc:ada/at.atjam.round",
        "at://did:plc:ada",
        "at://ada.example/at.atjam.round/r",
    ] {
        let answer = world.get(METHOD, &[("uri", uri)]).await;
        assert_eq!((&answer["state"], &answer["live"]), (&json!("unknown"), &json!(false)), "{uri}");
        assert!(!answer["why"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn hides_what_an_account_hides() {
    let mut world = World::new();
    world.network();
    for status in ["deactivated", "deleted"] {
        world.account("cal", Some(status));
        for rkey in ["s2", "never-there"] {
            let uri = uri("cal", Kind::Signup, rkey);
            let mut answer = world.get(METHOD, &[("uri", &uri)]).await;
            answer["why"].take();
            let expected = json!({
                "uri": uri,
                "live": false,
                "state": "not-live",
                "why": null,
                "kind": "signup",
                "author": "did:plc:cal",
                "links": [],
            });
            assert_eq!(answer, expected, "{status}");
        }
    }
}

#[test]
fn people_can_read_it() {
    let mut world = World::new();
    world.network();
    world.introduce(&["ada", "cal"]);
    let text = |text: &str| {
        let rows = world.service.store.snapshot();
        explain(&*rows, &world.service.identities, &AtUri::parse(text).unwrap()).unwrap().to_text()
    };
    let account = text(&uri("cal", Kind::Signup, "s2"));
    let chain = "\nThe chain from the organizer
  ada.example (did:plc:ada) organizes
  ada.example (did:plc:ada) invites
    at://did:plc:ada/at.atjam.invitation/i1
  did:plc:bea signs up
    at://did:plc:bea/at.atjam.signup/s1
  did:plc:bea invites
    at://did:plc:bea/at.atjam.invitation/i2
  cal.example (did:plc:cal) signs up
    at://did:plc:cal/at.atjam.signup/s2

It refers to
  round       current  at://did:plc:ada/at.atjam.round/r
  invitation  current  at://did:plc:bea/at.atjam.invitation/i2
";
    assert!(account.ends_with(chain), "{account}");
    assert!(account.starts_with("signup of cal.example (did:plc:cal)\nat://did:plc:cal/"), "{account}");
    assert!(account.contains("\nThe signup is valid: it names an invitation to its author"), "{account}");
    assert!(account.contains(" from the organizer. [invited]\n"), "{account}");
    let nothing = text("at://did:plc:zoe/at.atjam.jam/j");
    assert!(nothing.starts_with("jam of did:plc:zoe\n"), "{nothing}");
    assert!(nothing.ends_with("or it was deleted. [unknown]\n"), "{nothing}");
}
