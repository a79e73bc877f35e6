//! `listParticipants`.

use serde_json::{Value, json};

use super::world::{World, uri};
use crate::records::Kind;

const METHOD: &str = "app.guestlist.listParticipants";

async fn list(world: &World, round: &Value, limit: &str) -> Vec<Value> {
    let params = [("round", round["uri"].as_str().unwrap()), ("limit", limit)];
    world.list(METHOD, "participants", &params).await
}

/// DID, depth, and whether they may invite.
fn shown(people: &[Value]) -> Vec<(&str, Option<u64>, bool)> {
    people
        .iter()
        .map(|person| {
            let did = person["did"].as_str().unwrap().trim_start_matches("did:plc:");
            (did, person["depth"].as_u64(), person["canInvite"] == true)
        })
        .collect()
}

#[tokio::test]
async fn whoever_is_in_is_listed_once_with_the_way_that_leads_there() {
    let mut world = World::new();
    let round = world.network();
    world.sign_up("ada", "s0", &round, None);
    world.sign_up("eve", "s", &round, None);
    let for_dan = world.invite("cal", "i3", &round, "dan");
    world.sign_up("dan", "s", &round, Some(&for_dan));
    world.sign_up("dan", "t", &round, None);
    for limit in ["1", "2", "50"] {
        let people = list(&world, &round, limit).await;
        let expected =
            [("ada", Some(0), true), ("bea", Some(1), true), ("cal", Some(2), true), ("dan", Some(3), true)];
        assert_eq!(shown(&people), expected, "{limit}");
    }
    world.introduce(&["bea"]);
    let people = list(&world, &round, "2").await;
    let expected = json!({
        "did": "did:plc:bea",
        "handle": "bea.example",
        "signup": uri("bea", Kind::Signup, "s1"),
        "basis": "invited",
        "depth": 1,
        "canInvite": true,
    });
    assert_eq!(people[1], expected);
    assert_eq!(people[0]["basis"], "organizer");
}

#[tokio::test]
async fn the_depth_is_that_of_the_signup_that_is_shown() {
    let mut world = World::new();
    let round = world.network();
    // Cal is invited by the organizer too, and signs up by that later: the earlier signup is shown.
    let direct = world.invite("ada", "i4", &round, "cal");
    let signup = json!({ "round": round, "invitation": direct, "createdAt": "2026-03-01T00:00:00Z" });
    world.put("cal", Kind::Signup, "s9", signup);
    let for_dan = world.invite("cal", "i3", &round, "dan");
    world.sign_up("dan", "s", &round, Some(&for_dan));
    let people = list(&world, &round, "50").await;
    assert_eq!(shown(&people), [("bea", Some(1), true), ("cal", Some(2), true), ("dan", Some(2), true)]);
    world.delete("bea", Kind::Invitation, "i2");
    let people = list(&world, &round, "50").await;
    assert_eq!(shown(&people), [("bea", Some(1), true), ("cal", Some(1), true), ("dan", Some(2), true)]);
}

#[tokio::test]
async fn depths_agree_with_the_chains_in_a_tangle() {
    let mut world = World::new();
    let round = world.round("p0", "r", "network", json!({}));
    let name = |number: u64| format!("p{number}");
    let mut seed = 7_u64;
    for number in 1..60 {
        for nth in 0..3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Two of those before; and anybody, so that ways cross, and lead through whom they lead to.
            let inviter = (seed >> 33) % if nth < 2 { number } else { 60 };
            let invitation = world.invite(&name(inviter), &format!("i{number}-{nth}"), &round, &name(number));
            let made = format!("2026-01-{:02}T00:00:00Z", 1 + (seed >> 40) % 28);
            let signup = json!({ "round": round, "invitation": invitation, "createdAt": made });
            world.put(&name(number), Kind::Signup, &format!("s{nth}"), signup);
        }
    }
    let uri = round["uri"].as_str().unwrap();
    let mut deepest = 0;
    let people = list(&world, &round, "7").await;
    assert_eq!(people.len(), 59);
    for person in &people {
        let params = [("round", uri), ("actor", person["did"].as_str().unwrap())];
        let standing = world.get("app.guestlist.getStanding", &params).await;
        assert_eq!(standing["signup"], person["signup"]);
        let depth = u64::try_from(standing["chain"].as_array().unwrap().len() - 1).unwrap() / 2;
        assert_eq!(person["depth"], depth, "{person}");
        deepest = deepest.max(depth);
    }
    assert!(deepest > 3, "{deepest}");
}

#[tokio::test]
async fn the_mode_in_force_decides_who_is_in_and_how() {
    for (mode, expected) in [
        ("open", vec![("bea", Some(0), true), ("cal", Some(0), true), ("eve", Some(0), true)]),
        ("hosted", vec![("bea", Some(1), false)]),
        ("network", vec![("bea", Some(1), true), ("cal", Some(2), true)]),
    ] {
        let mut world = World::new();
        let round = world.network();
        world.sign_up("eve", "s", &round, None);
        world.round("ada", "r", mode, json!({}));
        assert_eq!(shown(&list(&world, &round, "1").await), expected, "{mode}");
        world.account("bea", Some("deactivated"));
        let gone = list(&world, &round, "50").await;
        assert!(gone.iter().all(|person| person["did"] != "did:plc:bea"));
        world.account("ada", Some("deactivated"));
        assert!(list(&world, &round, "50").await.is_empty());
    }
}

#[tokio::test]
async fn nobody_is_in_a_round_without_authority_and_an_unknown_round_is_not_found() {
    let mut world = World::new();
    let jam = world.put("ada", Kind::Jam, "jam", json!({ "name": "Jam" }));
    let unofficial = world.round("eve", "r", "open", json!({ "jam": jam }));
    world.sign_up("bea", "s", &unofficial, None);
    assert!(list(&world, &unofficial, "50").await.is_empty());
    let jam = jam["uri"].as_str().unwrap();
    for round in
        [&uri("ada", Kind::Round, "nothing"), jam, "at://did:plc:ada", "at://ada.example/at.atjam.round/r"]
    {
        world.ask(METHOD, &[("round", round)]).await.assert_error(404, "RoundNotFound");
    }
}

#[tokio::test]
async fn a_page_ends_before_it_looks_at_too_many_links() {
    let mut world = World::new();
    let round = world.round("ada", "r", "network", json!({}));
    // Everybody of each rank invites everybody of the next: 14,400 ways between two ranks.
    let name = |rank: u32, number: u32| format!("r{rank}n{number:03}");
    for number in 0..120 {
        let invitation = world.invite("ada", &format!("i{number}"), &round, &name(0, number));
        world.sign_up(&name(0, number), "s", &round, Some(&invitation));
    }
    for rank in 0..2 {
        for from in 0..120 {
            for to in 0..120 {
                let invitation =
                    world.invite(&name(rank, from), &format!("i{to}"), &round, &name(rank + 1, to));
                world.sign_up(&name(rank + 1, to), &format!("s{from:03}"), &round, Some(&invitation));
            }
        }
    }
    let last = world.invite(&name(2, 0), "i", &round, "zoe");
    world.sign_up("zoe", "s", &round, Some(&last));
    let params = [("round", round["uri"].as_str().unwrap()), ("limit", "100")];
    let people = world.list(METHOD, "participants", &params).await;
    assert_eq!(people.len(), 361);
    let depths: Vec<_> = people.iter().map(|person| person["depth"].as_u64()).collect();
    for (depth, count) in [(1, 120), (2, 120), (3, 120), (4, 1)] {
        assert_eq!(depths.iter().filter(|found| **found == Some(depth)).count(), count, "{depth}");
    }
}
