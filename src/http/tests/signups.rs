//! `listSignups`.

use serde_json::{Value, json};

use super::world::{Answer, PAST, Pairs, World, uri};
use crate::records::Kind;

const METHOD: &str = "app.guestlist.listSignups";

/// The URI and the status of a signup.
type Shown<'a> = (&'a str, &'a str);

fn shown(signups: &[Value]) -> Vec<Shown<'_>> {
    signups
        .iter()
        .map(|signup| (signup["uri"].as_str().unwrap(), signup["verdict"]["status"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn lists_the_signups_of_a_round_with_their_verdicts() {
    let mut world = World::new();
    let round = world.network();
    world.sign_up("dan", "s3", &round, None);
    let seen_later = json!({ "uri": uri("bea", Kind::Invitation, "later") });
    world.sign_up("eve", "s4", &round, Some(&seen_later));
    let [bea, cal, dan, eve] =
        [("bea", "s1"), ("cal", "s2"), ("dan", "s3"), ("eve", "s4")].map(|(a, r)| uri(a, Kind::Signup, r));
    let round = round["uri"].as_str().unwrap();
    let cases: [(Pairs<'_>, Vec<Shown<'_>>); 5] = [
        (&[], vec![(&bea, "valid"), (&cal, "valid"), (&dan, "invalid"), (&eve, "pending")]),
        (&[("limit", "1")], vec![(&bea, "valid"), (&cal, "valid"), (&dan, "invalid"), (&eve, "pending")]),
        (&[("status", "valid"), ("limit", "1")], vec![(&bea, "valid"), (&cal, "valid")]),
        (&[("status", "pending")], vec![(&eve, "pending")]),
        (&[("author", "did:plc:dan")], vec![(&dan, "invalid")]),
    ];
    for (more, expected) in cases {
        let params: Vec<_> = more.iter().copied().chain([("round", round)]).collect();
        let signups = world.list(METHOD, "signups", &params).await;
        assert_eq!(shown(&signups), expected, "{params:?}");
    }
    world.account("bea", Some("suspended"));
    let signups = world.list(METHOD, "signups", &[("round", round)]).await;
    assert_eq!(shown(&signups), [(&*cal, "invalid"), (&dan, "invalid"), (&eve, "invalid")]);
}

#[tokio::test]
async fn an_item_has_the_record_and_the_state_of_its_references() {
    let mut world = World::new();
    let milestones = json!([{ "label": "signup-deadline", "date": PAST }]);
    let round = world.round("ada", "r", "hosted", json!({ "milestones": milestones }));
    let invitation = world.invite("ada", "i", &round, "bea");
    let signup = world.sign_up("bea", "s", &round, Some(&invitation));
    let changed = world.round("ada", "r", "hosted", json!({ "milestones": milestones, "name": "Changed" }));
    assert_ne!(changed["cid"], round["cid"]);
    world.introduce(&["bea"]);
    let items = world.list(METHOD, "signups", &[("author", "bea.example")]).await;
    let expected = json!([{
        "uri": signup["uri"],
        "cid": signup["cid"],
        "author": "did:plc:bea",
        "handle": "bea.example",
        "record": {
            "$type": "at.atjam.signup",
            "createdAt": "2026-01-01T00:00:00Z",
            "round": round,
            "invitation": invitation,
        },
        "verdict": { "status": "valid", "basis": "invited" },
        "links": [
            { "field": "round", "uri": round["uri"], "cid": round["cid"], "state": "stale" },
            { "field": "invitation", "uri": invitation["uri"], "cid": invitation["cid"], "state": "current" },
        ],
        "late": true,
    }]);
    assert_eq!(Value::Array(items), expected);
    world.delete("ada", Kind::Invitation, "i");
    let items = world.list(METHOD, "signups", &[("author", "did:plc:bea")]).await;
    assert_eq!(items[0]["links"][1]["state"], "missing");
    assert_eq!(items[0]["verdict"], json!({ "status": "pending", "reason": "invitation-unknown" }));
}

#[tokio::test]
async fn lists_the_signups_of_a_person_to_whatever_they_name() {
    let mut world = World::new();
    let open = world.round("ada", "r", "open", json!({}));
    world.put("bea", Kind::Signup, "b", json!({ "round": open }));
    world.put("bea", Kind::Signup, "a", json!({ "round": { "uri": "at://did:plc:ada/at.atjam.jam/jam" } }));
    world.put("bea", Kind::Signup, "c", json!({ "round": 7 }));
    world.put("bea", Kind::Submission, "d", json!({ "round": open, "payload": open }));
    let signups = world.list(METHOD, "signups", &[("author", "did:plc:bea"), ("limit", "1")]).await;
    let (a, b) = (uri("bea", Kind::Signup, "a"), uri("bea", Kind::Signup, "b"));
    assert_eq!(shown(&signups), [(&*a, "invalid"), (&b, "valid")]);
    assert!(signups.iter().all(|signup| signup.get("late").is_none() && signup.get("handle").is_none()));
    world.account("bea", Some("deleted"));
    assert!(world.list(METHOD, "signups", &[("author", "did:plc:bea")]).await.is_empty());
}

#[tokio::test]
async fn a_page_ends_before_it_grows_too_large() {
    let mut world = World::new();
    let round = world.round("ada", "r", "open", json!({}));
    for number in 0..6 {
        let note = "x".repeat(900_000);
        world.put("bea", Kind::Signup, &format!("s{number}"), json!({ "round": round, "note": note }));
    }
    let params = [("round", round["uri"].as_str().unwrap())];
    let page = world.get(METHOD, &params).await;
    assert_eq!(page["signups"].as_array().unwrap().len(), 4);
    assert_eq!(world.list(METHOD, "signups", &params).await.len(), 6);
}

#[tokio::test]
async fn lists_everybodys_signups_without_a_filter() {
    let mut world = World::new();
    world.network();
    let of_round = world.ask(METHOD, &[("round", &uri("ada", Kind::Round, "r"))]).await;
    let all = world.ask(METHOD, &[]).await;
    let count = |answer: &Answer| answer.json["signups"].as_array().unwrap().len();
    assert!(count(&all) >= count(&of_round) && count(&of_round) > 0);
    let valid = world.ask(METHOD, &[("status", "valid")]).await;
    assert!(
        valid.json["signups"].as_array().unwrap().iter().all(|item| item["verdict"]["status"] == "valid")
    );
}

#[tokio::test]
async fn refuses_what_it_cannot_list() {
    let mut world = World::new();
    world.network();
    let jam = uri("ada", Kind::Jam, "jam");
    let cases: [(Pairs<'_>, &str); 4] = [
        (&[("round", "r")], "`round`"),
        (&[("round", &jam)], "`round`"),
        (&[("author", "did:plc:bea"), ("status", "rejected")], "`status`"),
        (&[("author", "did:plc:bea"), ("limit", "many")], "`limit`"),
    ];
    for (params, named) in cases {
        let answer = world.ask(METHOD, params).await;
        assert!(answer.assert_error(400, "InvalidRequest").contains(named), "{params:?}");
    }
}

#[tokio::test]
async fn a_page_ends_when_the_rounds_that_it_needs_are_large() {
    let mut world = World::new();
    let long = "x".repeat(900_000);
    for number in 0..10 {
        let round = world.round("ada", &format!("r{number}"), "open", json!({ "padding": long }));
        world.sign_up("bea", &format!("s{number}"), &round, None);
    }
    let params = [("author", "did:plc:bea")];
    let first = world.get(METHOD, &params).await;
    let count = first["signups"].as_array().unwrap().len();
    assert!((1..=5).contains(&count) && first["cursor"].is_string(), "{count} signups to rounds of 900 kB");
    assert_eq!(world.list(METHOD, "signups", &params).await.len(), 10);
}
