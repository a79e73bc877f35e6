//! `listSubmissions`.

use serde_json::{Value, json};

use super::world::{Pairs, World, uri};
use crate::records::Kind;

const METHOD: &str = "app.guestlist.listSubmissions";

fn uris(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn submissions_are_found_by_round_and_by_author() {
    let mut world = World::new();
    let round = world.network();
    let other = world.round("dan", "q", "open", json!({}));
    for (author, rkey, round) in
        [("cal", "b", &round), ("cal", "a", &round), ("bea", "w", &round), ("eve", "x", &round)]
    {
        world.put(author, Kind::Submission, rkey, json!({ "round": round, "payload": round }));
    }
    world.put("cal", Kind::Submission, "aa", json!({ "round": other, "payload": other }));
    let [a, aa, b, w, x] = [("cal", "a"), ("cal", "aa"), ("cal", "b"), ("bea", "w"), ("eve", "x")]
        .map(|(author, rkey)| uri(author, Kind::Submission, rkey));
    let r = round["uri"].as_str().unwrap();
    let cases: [(Pairs<'_>, Vec<&str>); 6] = [
        (&[], vec![&w, &a, &aa, &b, &x]),
        (&[("round", r)], vec![&w, &a, &b, &x]),
        (&[("author", "did:plc:cal")], vec![&a, &aa, &b]),
        (&[("author", "did:plc:cal"), ("round", r)], vec![&a, &b]),
        (&[("round", r), ("status", "valid")], vec![&w, &a, &b]),
        (&[("round", r), ("status", "invalid")], vec![&x]),
    ];
    for (params, expected) in cases {
        for limit in ["1", "100"] {
            let params: Vec<_> = params.iter().copied().chain([("limit", limit)]).collect();
            assert_eq!(uris(&world.list(METHOD, "submissions", &params).await), expected, "{params:?}");
        }
    }
    let items = world.list(METHOD, "submissions", &[("round", r), ("author", "did:plc:bea")]).await;
    assert_eq!(items[0]["verdict"], json!({ "status": "valid" }));
    // A link goes, and with it whoever hung on it.
    world.delete("ada", Kind::Invitation, "i1");
    let valid = world.list(METHOD, "submissions", &[("round", r), ("status", "valid")]).await;
    assert!(valid.is_empty());
    world.delete("cal", Kind::Submission, "a");
    world.put("cal", Kind::Submission, "b", json!({ "round": other, "payload": other }));
    assert_eq!(uris(&world.list(METHOD, "submissions", &[("round", r)]).await), [&w, &x]);
}

#[tokio::test]
async fn whether_the_payload_is_of_a_kind_that_the_round_takes_is_said_where_it_is_known() {
    let jam = json!({ "uri": "at://did:plc:bea/at.atjam.jam/j" });
    let song = json!({ "uri": "at://did:plc:bea/fm.plyr.track/t" });
    let cases = [
        (json!({}), json!({ "payload": jam }), Some(true)),
        (json!({}), json!({ "payload": song }), Some(false)),
        (json!({ "acceptedSubmissionTypes": ["fm.plyr.track", 7] }), json!({ "payload": song }), Some(true)),
        (json!({ "acceptedSubmissionTypes": [] }), json!({ "payload": song }), Some(false)),
        // Neither of the two is readable everywhere.
        (json!({ "acceptedSubmissionTypes": "fm.plyr.track" }), json!({ "payload": song }), None),
        (json!({}), json!({ "url": "https://elsewhere.example" }), None),
        (json!({}), json!({ "payload": "at://did:plc:bea/at.atjam.jam/j" }), None),
        (json!({}), json!({ "payload": { "uri": "https://elsewhere.example" } }), None),
        (json!({}), json!({ "payload": { "uri": "at://did:plc:bea" } }), None),
    ];
    for (of_round, mut submission, accepted) in cases {
        let mut world = World::new();
        let round = world.round("ada", "r", "open", of_round.clone());
        world.sign_up("bea", "s", &round, None);
        submission["round"] = round.clone();
        world.put("bea", Kind::Submission, "w", submission.clone());
        let items = world.list(METHOD, "submissions", &[]).await;
        let said = items[0].get("payloadAccepted").map(|said| said.as_bool().unwrap());
        assert_eq!(said, accepted, "{of_round} {submission}");
        assert_eq!(items[0]["verdict"]["status"], "valid");
        world.account("ada", Some("suspended"));
        let items = world.list(METHOD, "submissions", &[]).await;
        assert!(items[0].get("payloadAccepted").is_none());
    }
}
