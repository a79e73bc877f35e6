//! `listInvitations`.

use serde_json::{Value, json};

use super::world::{Pairs, World, uri};
use crate::records::Kind;

const METHOD: &str = "app.guestlist.listInvitations";

fn uris(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn invitations_are_found_by_round_by_author_and_by_invitee() {
    let mut world = World::new();
    let round = world.network();
    let other = world.round("bea", "q", "hosted", json!({}));
    world.invite("bea", "a", &other, "cal");
    world.invite("dan", "x", &round, "cal");
    world.invite("ada", "i3", &round, "bea");
    let [i1, i2, i3, a, x] = [("ada", "i1"), ("bea", "i2"), ("ada", "i3"), ("bea", "a"), ("dan", "x")]
        .map(|(author, rkey)| uri(author, Kind::Invitation, rkey));
    let (r, q) = (round["uri"].as_str().unwrap(), other["uri"].as_str().unwrap());
    let (bea, cal) = ("did:plc:bea", "did:plc:cal");
    let cases: [(Pairs<'_>, Vec<&str>); 11] = [
        (&[], vec![&i1, &i3, &a, &i2, &x]),
        (&[("round", r)], vec![&i1, &i3, &i2, &x]),
        (&[("round", q)], vec![&a]),
        (&[("author", bea)], vec![&a, &i2]),
        (&[("round", r), ("author", bea)], vec![&i2]),
        (&[("invitee", cal)], vec![&i2, &x, &a]),
        (&[("invitee", cal), ("round", r)], vec![&i2, &x]),
        (&[("invitee", cal), ("author", bea)], vec![&i2, &a]),
        (&[("invitee", cal), ("author", bea), ("round", q)], vec![&a]),
        (&[("invitee", cal), ("status", "valid")], vec![&i2, &a]),
        (&[("invitee", "did:plc:eve")], vec![]),
    ];
    for (params, expected) in cases {
        for limit in ["1", "100"] {
            let params: Vec<_> = params.iter().copied().chain([("limit", limit)]).collect();
            assert_eq!(uris(&world.list(METHOD, "invitations", &params).await), expected, "{params:?}");
        }
    }
    world.account("bea", Some("deactivated"));
    let left = world.list(METHOD, "invitations", &[("invitee", cal)]).await;
    assert_eq!(uris(&left), [&x]);
    assert_eq!(left[0]["verdict"], json!({ "status": "invalid", "reason": "inviter-not-participant" }));
    world.account("bea", None);
    assert_eq!(world.list(METHOD, "invitations", &[("invitee", cal)]).await.len(), 3);
}

#[tokio::test]
async fn an_invitation_for_somebody_else_moves() {
    let mut world = World::new();
    let round = world.network();
    let found = async |world: &World, name: &str| {
        let params = [("invitee", name)];
        world.list(METHOD, "invitations", &params).await.len()
    };
    assert_eq!((found(&world, "did:plc:cal").await, found(&world, "did:plc:dan").await), (1, 0));
    world.invite("bea", "i2", &round, "dan");
    assert_eq!((found(&world, "did:plc:cal").await, found(&world, "did:plc:dan").await), (0, 1));
    world.put("bea", Kind::Invitation, "i2", json!({ "round": round, "invitee": 7 }));
    assert_eq!((found(&world, "did:plc:cal").await, found(&world, "did:plc:dan").await), (0, 0));
}

#[tokio::test]
async fn an_invitation_is_never_late() {
    let mut world = World::new();
    let milestones = json!([{ "label": "signup-deadline", "date": super::world::PAST }]);
    let round = world.round("ada", "r", "hosted", json!({ "milestones": milestones }));
    let invitation = world.invite("ada", "i", &round, "bea");
    let items = world.list(METHOD, "invitations", &[]).await;
    let expected = json!([{
        "uri": invitation["uri"],
        "cid": invitation["cid"],
        "author": "did:plc:ada",
        "record": {
            "$type": "at.atjam.invitation",
            "createdAt": "2026-01-01T00:00:00Z",
            "round": round,
            "invitee": "did:plc:bea",
        },
        "verdict": { "status": "valid", "basis": "organizer" },
        "links": [{ "field": "round", "uri": round["uri"], "cid": round["cid"], "state": "current" }],
    }]);
    assert_eq!(Value::Array(items), expected);
}
