//! `listQuarantine`.

use serde_json::{Value, json};

use super::world::{Pairs, World, uri};
use crate::records::lexicon::documents;
use crate::records::{Kind, Unusable};

const METHOD: &str = "app.guestlist.listQuarantine";

fn uris(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_has_no_effect_is_listed_with_the_reason() {
    let mut world = World::new();
    world.network();
    let bad_round = world.put("eve", Kind::Round, "b", json!({ "jam": 7 }));
    world.put("bea", Kind::Signup, "a", json!({}));
    world.put("abe", Kind::Signup, "z", json!({ "$type": "something.else.entirely" }));
    let no_map = world.put_bytes("abe", Kind::Event, "e", vec![0xff]);
    world.introduce(&["eve"]);
    let [b, a, z, e] = [
        uri("eve", Kind::Round, "b"),
        uri("bea", Kind::Signup, "a"),
        uri("abe", Kind::Signup, "z"),
        uri("abe", Kind::Event, "e"),
    ];
    let cases: [(Pairs<'_>, Vec<&str>); 5] = [
        (&[], vec![&b, &z, &a, &e]),
        (&[("collection", "at.atjam.signup")], vec![&z, &a]),
        (&[("reason", "missing-field")], vec![&a]),
        (&[("collection", "at.atjam.signup"), ("reason", "wrong-type")], vec![&z]),
        (&[("collection", "at.atjam.jam")], vec![]),
    ];
    for (params, expected) in cases {
        for limit in ["1", "100"] {
            let params: Vec<_> = params.iter().copied().chain([("limit", limit)]).collect();
            assert_eq!(uris(&world.list(METHOD, "records", &params).await), expected, "{params:?}");
        }
    }
    let all = world.list(METHOD, "records", &[]).await;
    let expected = json!({
        "uri": b, "cid": bad_round["cid"], "author": "did:plc:eve", "handle": "eve.example",
        "collection": "at.atjam.round", "reason": "bad-field",
    });
    assert_eq!(all[0], expected);
    assert_eq!((&all[3]["cid"], &all[3]["reason"]), (&no_map["cid"], &json!("not-dag-cbor")));
}

#[tokio::test]
async fn a_record_leaves_the_quarantine_when_it_is_mended_deleted_or_hidden() {
    let mut world = World::new();
    for name in ["abe", "bea", "cal", "dan"] {
        world.put(name, Kind::Signup, "s", json!({}));
    }
    world.put("abe", Kind::Signup, "s", json!({ "round": { "uri": "at://did:plc:ada/at.atjam.round/r" } }));
    world.delete("bea", Kind::Signup, "s");
    world.put("cal", Kind::Signup, "s", json!({ "round": 7 }));
    world.account("dan", Some("deactivated"));
    let left = world.list(METHOD, "records", &[]).await;
    assert_eq!(uris(&left), [uri("cal", Kind::Signup, "s")]);
    assert_eq!(left[0]["reason"], "bad-field");
    world.account("dan", None);
    assert_eq!(world.list(METHOD, "records", &[]).await.len(), 2);
    world.account("dan", Some("deleted"));
    world.account("dan", None);
    assert_eq!(world.list(METHOD, "records", &[]).await.len(), 1);
}

#[tokio::test]
async fn it_refuses_what_names_nothing() {
    let world = World::new();
    for (name, value) in [
        ("collection", "app.bsky.feed.post"),
        ("collection", "signup"),
        ("reason", "too-late"),
        ("reason", ""),
    ] {
        let answer = world.ask(METHOD, &[(name, value)]).await;
        assert!(answer.assert_error(400, "InvalidRequest").contains(name), "{name} {value}");
    }
}

#[test]
fn the_lexicon_knows_every_reason() {
    let known = &documents()["app.guestlist.defs"]["defs"]["unusableReason"]["knownValues"];
    assert_eq!(*known, json!(Unusable::REASONS));
}
