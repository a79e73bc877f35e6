//! `listActorRounds`.

use serde_json::{Value, json};

use super::world::{World, uri};
use crate::records::Kind;

const METHOD: &str = "app.guestlist.listActorRounds";

async fn list(world: &World, actor: &str, limit: &str) -> Vec<Value> {
    world.list(METHOD, "rounds", &[("actor", actor), ("limit", limit)]).await
}

#[tokio::test]
async fn what_somebody_signed_up_to_and_was_invited_to_is_one_list() {
    let mut world = World::new();
    let open = world.round("ada", "open", "open", json!({}));
    let hosted = world.round("ada", "hosted", "hosted", json!({}));
    let other = world.round("ada-x", "r", "hosted", json!({}));
    let unknown = json!({ "uri": "at://did:plc:zed/at.atjam.round/r" });
    world.sign_up("bea", "s1", &open, None);
    let invitation = world.invite("ada", "i", &hosted, "bea");
    world.sign_up("bea", "s2", &hosted, Some(&invitation));
    world.invite("cal", "j", &other, "bea");
    world.invite("ada-x", "k", &other, "bea");
    world.sign_up("bea", "s3", &unknown, None);
    // She writes these, and is neither in nor invited.
    let not_hers = world.round("ada", "not-hers", "open", json!({}));
    world.invite("bea", "m", &not_hers, "cal");
    let by = |author: &str, rkey: &str, verdict: Value| {
        let uri = uri(author, Kind::Invitation, rkey);
        json!({ "uri": uri, "author": format!("did:plc:{author}"), "verdict": verdict })
    };
    let expected = [
        json!({
            "round": other["uri"], "official": true, "participant": false, "canInvite": false,
            "invitations": [
                by("ada-x", "k", json!({ "status": "valid", "basis": "organizer" })),
                by("cal", "j", json!({ "status": "invalid", "reason": "inviter-not-organizer" })),
            ],
        }),
        json!({
            "round": hosted["uri"], "official": true, "participant": true, "canInvite": false,
            "signup": uri("bea", Kind::Signup, "s2"), "verdict": { "status": "valid", "basis": "invited" },
            "invitations": [by("ada", "i", json!({ "status": "valid", "basis": "organizer" }))],
        }),
        json!({
            "round": open["uri"], "official": true, "participant": true, "canInvite": true,
            "signup": uri("bea", Kind::Signup, "s1"), "verdict": { "status": "valid", "basis": "open" },
            "invitations": [],
        }),
        json!({
            "round": unknown["uri"], "participant": false, "canInvite": false,
            "signup": uri("bea", Kind::Signup, "s3"),
            "verdict": { "status": "pending", "reason": "round-unknown" },
            "invitations": [],
        }),
    ];
    for limit in ["1", "3", "50"] {
        let mut rounds = list(&world, "did:plc:bea", limit).await;
        for invitation in rounds.iter_mut().flat_map(|round| round["invitations"].as_array_mut().unwrap()) {
            assert!(invitation.as_object_mut().unwrap().remove("cid").is_some());
        }
        assert_eq!(rounds, expected, "{limit}");
    }
}

#[tokio::test]
async fn nothing_of_a_hidden_account_is_listed() {
    let mut world = World::new();
    let round = world.network();
    world.invite("bea", "i9", &round, "dan");
    assert_eq!(list(&world, "did:plc:dan", "50").await.len(), 1);
    world.account("bea", Some("suspended"));
    assert!(list(&world, "did:plc:bea", "50").await.is_empty());
    assert!(list(&world, "did:plc:dan", "50").await.is_empty());
    let cal = list(&world, "did:plc:cal", "50").await;
    assert_eq!(cal[0]["verdict"], json!({ "status": "invalid", "reason": "invitation-not-live" }));
    assert_eq!(cal[0]["invitations"], json!([]));
    world.account("ada", Some("deactivated"));
    let cal = list(&world, "did:plc:cal", "50").await;
    assert_eq!((&cal[0]["round"], cal[0].get("official")), (&round["uri"], None));
    world.account("bea", None);
    world.account("ada", None);
    assert_eq!(list(&world, "did:plc:bea", "50").await.len(), 1);
}

#[tokio::test]
async fn an_unofficial_round_says_so() {
    let mut world = World::new();
    let jam = world.put("ada", Kind::Jam, "jam", json!({ "name": "Jam" }));
    let unofficial = world.round("eve", "r", "open", json!({ "jam": jam }));
    world.sign_up("bea", "s", &unofficial, None);
    let rounds = list(&world, "did:plc:bea", "50").await;
    assert_eq!((&rounds[0]["official"], &rounds[0]["participant"]), (&json!(false), &json!(false)));
    assert_eq!(rounds[0]["verdict"], json!({ "status": "invalid", "reason": "round-unofficial" }));
}

#[tokio::test]
async fn many_invitations_to_one_round_do_not_hide_the_organizers() {
    let mut world = World::new();
    let round = world.round("zoe", "r", "hosted", json!({}));
    for number in 0..150 {
        world.invite(&format!("a{number:03}"), "i", &round, "bea");
    }
    world.invite("zoe", "i", &round, "bea");
    let rounds = list(&world, "did:plc:bea", "50").await;
    let invitations = rounds[0]["invitations"].as_array().unwrap();
    assert_eq!(invitations.len(), 20);
    assert_eq!(invitations[0]["author"], "did:plc:zoe");
    assert_eq!(invitations[1]["author"], "did:plc:a000");
}

#[tokio::test]
async fn a_page_ends_before_it_looks_at_too_many_signups() {
    let mut world = World::new();
    for number in 0..4 {
        let round = world.round("ada", &format!("r{number}"), "hosted", json!({}));
        for signup in 0..1_000 {
            world.sign_up("bea", &format!("s{number}-{signup}"), &round, None);
        }
    }
    let params = [("actor", "did:plc:bea")];
    let first = world.get(METHOD, &params).await;
    assert_eq!(first["rounds"].as_array().unwrap().len(), 2);
    assert_eq!(list(&world, "did:plc:bea", "50").await.len(), 4);
}
