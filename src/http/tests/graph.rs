//! `getInviteGraph`.

use serde_json::{Value, json};

use super::world::{World, uri};
use crate::records::Kind;

const METHOD: &str = "app.guestlist.getInviteGraph";

async fn draw(world: &World, round: &Value) -> Value {
    world.get(METHOD, &[("round", round["uri"].as_str().unwrap())]).await
}

#[tokio::test]
async fn everybody_and_every_invitation_from_the_organizer_outwards() {
    let mut world = World::new();
    let round = world.network();
    world.invite("cal", "i3", &round, "dan");
    let by_eve = world.invite("eve", "x", &round, "fay");
    world.sign_up("fay", "s", &round, Some(&by_eve));
    world.sign_up("abe", "s", &round, None);
    world.introduce(&["bea"]);
    let person = |name: &str, is_in: bool| json!({ "did": format!("did:plc:{name}"), "participant": is_in, "canInvite": is_in });
    let mut ada = person("ada", false);
    (ada["organizer"], ada["canInvite"]) = (json!(true), json!(true));
    let mut bea = person("bea", true);
    bea["handle"] = json!("bea.example");
    let edge = |from: (&str, &str), to: &str| {
        let invitation = uri(from.0, Kind::Invitation, from.1);
        json!({ "from": format!("did:plc:{}", from.0), "to": format!("did:plc:{to}"), "invitation": invitation })
    };
    let used = |mut edge: Value, (author, rkey): (&str, &str), valid: bool| {
        edge["signup"] = json!(uri(author, Kind::Signup, rkey));
        edge["valid"] = json!(valid);
        edge
    };
    let expected = json!({
        "nodes": [
            ada, bea, person("cal", true), person("dan", false), person("abe", false), person("fay", false),
            person("eve", false),
        ],
        "edges": [
            used(edge(("ada", "i1"), "bea"), ("bea", "s1"), true),
            used(edge(("bea", "i2"), "cal"), ("cal", "s2"), true),
            edge(("cal", "i3"), "dan"),
            used(edge(("eve", "x"), "fay"), ("fay", "s"), false),
        ],
        "truncated": false,
    });
    assert_eq!(draw(&world, &round).await, expected);
}

#[tokio::test]
async fn hidden_accounts_are_no_nodes() {
    let mut world = World::new();
    let round = world.network();
    world.account("bea", Some("deactivated"));
    let graph = draw(&world, &round).await;
    let names: Vec<_> = graph["nodes"].as_array().unwrap().iter().map(|node| &node["did"]).collect();
    assert_eq!(names, ["did:plc:ada", "did:plc:cal"]);
    assert_eq!((&graph["edges"], &graph["truncated"]), (&json!([]), &json!(false)));
    world.account("ada", Some("deactivated"));
    let graph = draw(&world, &round).await;
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(graph["nodes"][0]["participant"], false);
}

#[tokio::test]
async fn of_several_signups_by_one_invitation_the_earliest_is_shown() {
    let mut world = World::new();
    let round = world.round("ada", "r", "hosted", json!({}));
    let invitation = world.invite("ada", "i", &round, "bea");
    for (rkey, made) in [("a", "2026-03-01T00:00:00Z"), ("b", "2026-02-01T00:00:00Z")] {
        let signup = json!({ "round": round, "invitation": invitation, "createdAt": made });
        world.put("bea", Kind::Signup, rkey, signup);
    }
    let graph = draw(&world, &round).await;
    assert_eq!(graph["edges"][0]["signup"], uri("bea", Kind::Signup, "b"));
}

#[tokio::test]
async fn a_large_round_is_cut_where_it_is_farthest_from_the_organizer() {
    let mut world = World::new();
    let round = world.round("ada", "r", "network", json!({}));
    for number in 0..40 {
        let name = format!("b{number:02}");
        let invitation = world.invite("ada", &format!("i{number}"), &round, &name);
        world.sign_up(&name, "s", &round, Some(&invitation));
        for guest in 0..60 {
            world.invite(&name, &format!("i{guest}"), &round, &format!("c{number}x{guest}"));
        }
    }
    let graph = draw(&world, &round).await;
    assert_eq!(graph["truncated"], true);
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 1_000);
    let edges = graph["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 999);
    assert_eq!(edges.iter().filter(|edge| edge["from"] == "did:plc:ada").count(), 40);
    assert_eq!(draw(&world, &round).await, graph);
}

#[tokio::test]
async fn an_unknown_round_is_not_found() {
    let world = World::new();
    let nothing = uri("ada", Kind::Round, "nothing");
    world.ask(METHOD, &[("round", &nothing)]).await.assert_error(404, "RoundNotFound");
}
