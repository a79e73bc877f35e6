//! `getStanding`.

use serde_json::json;

use super::world::{World, did, uri};
use crate::records::Kind;

const METHOD: &str = "app.guestlist.getStanding";

#[tokio::test]
async fn shows_the_chain_of_someone_who_was_invited() {
    let mut world = World::new();
    let round = world.network();
    let round = round["uri"].as_str().unwrap();
    let answer = world.get(METHOD, &[("round", round), ("actor", "did:plc:cal")]).await;
    let step = |author: &str, kind, rkey| {
        let cids = &answer["chain"];
        let place = match rkey {
            "i1" => 1,
            "s1" => 2,
            "i2" => 3,
            _ => 4,
        };
        json!({ "uri": uri(author, kind, rkey), "cid": cids[place]["cid"], "author": did(author).as_str() })
    };
    let expected = json!({
        "round": round,
        "actor": "did:plc:cal",
        "participant": true,
        "canInvite": true,
        "verdict": { "status": "valid", "basis": "invited" },
        "signup": uri("cal", Kind::Signup, "s2"),
        "chain": [
            { "did": "did:plc:ada" },
            step("ada", Kind::Invitation, "i1"),
            step("bea", Kind::Signup, "s1"),
            step("bea", Kind::Invitation, "i2"),
            step("cal", Kind::Signup, "s2"),
        ],
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn someone_without_a_signup_has_no_verdict() {
    let mut world = World::new();
    let round = world.network();
    let round = round["uri"].as_str().unwrap();
    let nobody = world.get(METHOD, &[("round", round), ("actor", "did:plc:dan")]).await;
    let expected =
        json!({ "round": round, "actor": "did:plc:dan", "participant": false, "canInvite": false });
    assert_eq!(nobody, expected);
    let organizer = world.get(METHOD, &[("round", round), ("actor", "did:plc:ada")]).await;
    let expected = json!({ "round": round, "actor": "did:plc:ada", "participant": false, "canInvite": true });
    assert_eq!(organizer, expected);
}

#[tokio::test]
async fn shows_the_earliest_valid_signup_else_the_earliest() {
    let mut world = World::new();
    let round = world.round("ada", "r", "hosted", json!({}));
    let uri_of_round = round["uri"].as_str().unwrap();
    let params = [("round", uri_of_round), ("actor", "did:plc:bea")];
    world.put("bea", Kind::Signup, "b", json!({ "round": round, "createdAt": "2026-01-02T00:00:00Z" }));
    world.put("bea", Kind::Signup, "c", json!({ "round": round, "createdAt": "2026-01-01T00:00:00Z" }));
    let invalid = world.get(METHOD, &params).await;
    assert_eq!(invalid["signup"], uri("bea", Kind::Signup, "c"));
    assert_eq!(invalid["verdict"], json!({ "status": "invalid", "reason": "invitation-required" }));

    let invitation = world.invite("ada", "i", &round, "bea");
    let late = "2026-01-04T00:00:00Z";
    for (rkey, created_at) in [("z", late), ("a", late), ("y", "2026-01-05T00:00:00Z")] {
        let signup = json!({ "round": round, "invitation": invitation, "createdAt": created_at });
        world.put("bea", Kind::Signup, rkey, signup);
    }
    let valid = world.get(METHOD, &params).await;
    assert_eq!(valid["signup"], uri("bea", Kind::Signup, "a"));
    assert_eq!(valid["verdict"], json!({ "status": "valid", "basis": "invited" }));
    assert_eq!((&valid["participant"], &valid["canInvite"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn a_round_without_authority_has_no_participants() {
    let mut world = World::new();
    let jam = world.put("ada", Kind::Jam, "jam", json!({ "name": "Jam" }));
    let unofficial = world.round("eve", "r", "open", json!({ "jam": jam }));
    world.sign_up("bea", "s", &unofficial, None);
    let params = [("round", unofficial["uri"].as_str().unwrap()), ("actor", "did:plc:bea")];
    let answer = world.get(METHOD, &params).await;
    assert_eq!(answer["participant"], false);
    assert_eq!(answer["verdict"], json!({ "status": "invalid", "reason": "round-unofficial" }));
    world.account("eve", Some("takendown"));
    let answer = world.get(METHOD, &params).await;
    assert_eq!(answer["verdict"], json!({ "status": "invalid", "reason": "round-not-live" }));
    assert_eq!((&answer["participant"], &answer["canInvite"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn someone_whose_account_is_inactive_has_nothing() {
    let mut world = World::new();
    let round = world.network();
    world.account("bea", Some("deactivated"));
    let round = round["uri"].as_str().unwrap();
    let bea = world.get(METHOD, &[("round", round), ("actor", "did:plc:bea")]).await;
    let expected =
        json!({ "round": round, "actor": "did:plc:bea", "participant": false, "canInvite": false });
    assert_eq!(bea, expected);
    let cal = world.get(METHOD, &[("round", round), ("actor", "did:plc:cal")]).await;
    assert_eq!(cal["verdict"], json!({ "status": "invalid", "reason": "invitation-not-live" }));
    assert!(cal.get("chain").is_none());
}

#[tokio::test]
async fn takes_a_handle_that_resolves_here() {
    let mut world = World::new();
    let round = world.network();
    world.introduce(&["bea"]);
    let round = round["uri"].as_str().unwrap();
    let answer = world.get(METHOD, &[("round", round), ("actor", "Bea.example")]).await;
    assert_eq!(answer["actor"], "did:plc:bea");
    let answer = world.ask(METHOD, &[("round", round), ("actor", "cal.example")]).await;
    assert!(answer.assert_error(400, "InvalidRequest").contains("`actor` does not resolve here"));
}

#[tokio::test]
async fn an_unknown_round_is_not_found() {
    let mut world = World::new();
    world.network();
    for round in [
        &uri("ada", Kind::Round, "nothing"),
        &uri("ada", Kind::Jam, "jam"),
        "at://did:plc:ada",
        "at://ada.example/at.atjam.round/r",
        "at://did:plc:ada/at.atjam.round",
    ] {
        let answer = world.ask(METHOD, &[("round", round), ("actor", "did:plc:bea")]).await;
        answer.assert_error(404, "RoundNotFound");
    }
}

#[tokio::test]
async fn several_are_asked_about_at_once_and_answered_in_that_order() {
    let mut world = World::new();
    let round = world.network();
    world.introduce(&["bea"]);
    let round = round["uri"].as_str().unwrap();
    let actors = ["did:plc:dan", "did:plc:cal", "bea.example", "did:plc:cal", "did:plc:ada"];
    let params: Vec<_> = actors.iter().map(|actor| ("actors", *actor)).chain([("round", round)]).collect();
    let answer = world.get("app.guestlist.getStandings", &params).await;
    let standings = answer["standings"].as_array().unwrap();
    assert_eq!(standings.len(), actors.len());
    for (actor, standing) in actors.iter().zip(standings) {
        assert_eq!(*standing, world.get(METHOD, &[("round", round), ("actor", actor)]).await, "{actor}");
    }
}

#[tokio::test]
async fn at_most_a_hundred_are_asked_about_at_once() {
    let mut world = World::new();
    let round = world.network();
    let round = round["uri"].as_str().unwrap();
    for (count, is_fine) in [(0, false), (1, true), (100, true), (101, false)] {
        let params: Vec<_> =
            std::iter::repeat_n(("actors", "did:plc:bea"), count).chain([("round", round)]).collect();
        let answer = world.ask("app.guestlist.getStandings", &params).await;
        if is_fine {
            assert_eq!(answer.json["standings"].as_array().unwrap().len(), count);
        } else {
            assert!(answer.assert_error(400, "InvalidRequest").contains("`actors`"), "{count}");
        }
    }
    let params = [("round", round), ("actors", "did:plc:bea"), ("actors", "nobody.example")];
    world.ask("app.guestlist.getStandings", &params).await.assert_error(400, "InvalidRequest");
    let nothing = uri("ada", Kind::Round, "nothing");
    let params = [("round", &*nothing), ("actors", "did:plc:bea")];
    world.ask("app.guestlist.getStandings", &params).await.assert_error(404, "RoundNotFound");
}

#[tokio::test]
async fn a_flood_of_signups_hides_which_one_counts_and_not_that_one_does() {
    let mut world = World::new();
    let round = world.round("ada", "r", "hosted", json!({}));
    for number in 0..1_000 {
        world.put("bea", Kind::Signup, &format!("s{number}"), json!({ "round": round }));
    }
    let invitation = world.invite("ada", "i", &round, "bea");
    world.put("bea", Kind::Signup, "v", json!({ "round": round, "invitation": invitation }));
    let params = [("round", round["uri"].as_str().unwrap()), ("actor", "did:plc:bea")];
    let standing = world.get(METHOD, &params).await;
    assert_eq!((&standing["participant"], standing.get("signup")), (&json!(true), None));
    world.delete("bea", Kind::Signup, "s0");
    let standing = world.get(METHOD, &params).await;
    assert_eq!(standing["signup"], uri("bea", Kind::Signup, "v"));
}
