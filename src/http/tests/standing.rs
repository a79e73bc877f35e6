//! `getStanding` and `getStandings`.

use std::cell::Cell;

use serde_json::{Value, json};

use super::world::{World, did, uri};
use crate::http::answer::Call;
use crate::http::names::{Found, Names};
use crate::http::params::Params;
use crate::http::query::get_standings;
use crate::records::Kind;
use crate::tables::view::{Direction, Pairs, Range, Rows, RowsError};

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

/// Rows that count how often they are looked into.
struct Counted<'a> {
    rows: &'a dyn Rows,
    looks: Cell<usize>,
}

impl Rows for Counted<'_> {
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        self.looks.set(self.looks.get() + 1);
        self.rows.get_bytes(key)
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        self.looks.set(self.looks.get() + 1);
        self.rows.scan_bytes(range, direction)
    }
}

/// The standings of these people, and how often rows were looked into for them.
fn standings(world: &World, round: &Value, actors: &[String]) -> (Vec<Value>, usize) {
    let actors: String = actors.iter().map(|actor| format!("&actors={}", did(actor))).collect();
    let params = Params::parse(Some(&format!("round={}{actors}", round["uri"].as_str().unwrap()))).unwrap();
    let snapshot = world.service.store.snapshot();
    let rows = Counted { rows: &*snapshot, looks: Cell::new(0) };
    let found = Found::new();
    let names = Names::new(&world.service.identities, &found);
    let service = &world.service;
    let call =
        Call { method: "", caller: None, params: &params, rows: &rows, names: &names, service, now: 0 };
    let answer = serde_json::to_value(get_standings::run(&call).unwrap()).unwrap();
    (answer["standings"].as_array().unwrap().clone(), rows.looks.get())
}

#[test]
fn the_chains_of_many_cost_little_more_than_that_of_one() {
    let mut world = World::new();
    let round = world.round("ada", "r", "network", json!({}));
    // Everybody of the first rank invites everybody of the second, and one of these all the rest.
    let name = |rank: u32, number: u32| format!("r{rank}n{number:02}");
    for number in 0..30 {
        let invitation = world.invite("ada", &format!("i{number}"), &round, &name(0, number));
        world.sign_up(&name(0, number), "s", &round, Some(&invitation));
    }
    for (from, to) in (0..30).flat_map(|from| (0..30).map(move |to| (from, to))) {
        let invitation = world.invite(&name(0, from), &format!("i{to}"), &round, &name(1, to));
        world.sign_up(&name(1, to), &format!("s{from:02}"), &round, Some(&invitation));
    }
    for number in 0..30 {
        let invitation = world.invite(&name(1, number), "i", &round, "hub");
        world.sign_up("hub", &format!("s{number:02}"), &round, Some(&invitation));
    }
    let guests: Vec<String> = (0..50).map(|number| format!("guest{number}")).collect();
    for guest in &guests {
        let invitation = world.invite("hub", guest, &round, guest);
        world.sign_up(guest, "s", &round, Some(&invitation));
    }
    let (_, alone) = standings(&world, &round, &guests[..1]);
    let (all, together) = standings(&world, &round, &guests);
    assert!(all.iter().all(|standing| standing["chain"].as_array().unwrap().len() == 9), "{}", all[0]);
    assert!(alone > 1_000 && together < 2 * alone, "{alone} for one, {together} for fifty");
    let again = vec![guests[0].clone(); 100];
    let (all, repeated) = standings(&world, &round, &again);
    assert_eq!(all, vec![all[0].clone(); 100]);
    assert_eq!(repeated, alone, "who is asked about again costs nothing again");
}
