//! `getRound` and `listRounds`.

use serde_json::{Value, json};

use super::world::{FUTURE, PAST, Pairs, World, uri};
use crate::records::Kind;
use crate::store::{IfAbsent, Store};

const GET: &str = "app.guestlist.getRound";
const LIST: &str = "app.guestlist.listRounds";

fn uris(rounds: &[Value]) -> Vec<&str> {
    rounds.iter().map(|round| round["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_round_is_its_record_with_what_follows_from_it() {
    let mut world = World::new();
    let more = json!({ "name": "First", "uri": "no", "state": "no", "extra": { "deep": [1, null] } });
    let round = world.round("ada", "r", "network", more);
    let invitation = world.invite("ada", "i1", &round, "bea");
    world.sign_up("bea", "s1", &round, Some(&invitation));
    world.sign_up("cal", "s2", &round, None);
    world.put("bea", Kind::Submission, "w", json!({ "round": round, "payload": round }));
    let view = world.get(GET, &[("uri", round["uri"].as_str().unwrap())]).await;
    for (field, value) in [
        ("uri", round["uri"].clone()),
        ("cid", round["cid"].clone()),
        ("organizer", json!("did:plc:ada")),
        ("official", json!(true)),
        ("effectiveJoinMode", json!("network")),
        ("effectiveNetworkGate", json!("signup")),
        ("state", json!("open")),
        ("counts", json!({ "signups": 2, "participants": 1, "invitations": 1, "submissions": 1 })),
        ("name", json!("First")),
        ("extra", json!({ "deep": [1, null] })),
        ("$type", json!("at.atjam.round")),
    ] {
        assert_eq!(view[field], value, "{field}");
    }
}

#[tokio::test]
async fn participants_are_counted_by_the_mode_in_force() {
    for (mode, gate, participants) in [
        ("open", "signup", 3),
        ("unheard-of", "signup", 3),
        ("hosted", "signup", 1),
        ("network", "signup", 2),
        ("network", "contributed", 1),
    ] {
        let mut world = World::new();
        let round = world.network();
        world.sign_up("dan", "s", &round, None);
        world.round("ada", "r", mode, json!({ "networkGate": gate }));
        let view = world.get(GET, &[("uri", round["uri"].as_str().unwrap())]).await;
        assert_eq!(view["counts"]["participants"], participants, "{mode} {gate}");
        assert_eq!(view["counts"]["signups"], 3);
    }
}

#[tokio::test]
async fn whoever_is_inactive_is_in_no_count_of_a_round() {
    let mut world = World::new();
    let round = world.network();
    world.put("bea", Kind::Submission, "w", json!({ "round": round, "payload": round }));
    let uri = round["uri"].as_str().unwrap();
    let all = json!({ "signups": 2, "participants": 2, "invitations": 2, "submissions": 1 });
    let rest = json!({ "signups": 1, "participants": 0, "invitations": 1, "submissions": 0 });
    for (status, expected) in [(Some("suspended"), &rest), (None, &all), (Some("deleted"), &rest)] {
        world.account("bea", status);
        assert_eq!(&world.get(GET, &[("uri", uri)]).await["counts"], expected, "{status:?}");
    }
}

#[tokio::test]
async fn an_unofficial_round_counts_nobody_and_claims_no_organizer() {
    let mut world = World::new();
    let jam = json!({ "uri": "at://ada.example/at.atjam.jam/jam" });
    let more = json!({ "jam": jam, "organizer": "did:plc:ada", "official": true });
    let round = world.round("eve", "r", "open", more);
    world.sign_up("bea", "s", &round, None);
    let view = world.get(GET, &[("uri", round["uri"].as_str().unwrap())]).await;
    assert_eq!(view["official"], false);
    assert_eq!(view["counts"]["participants"], 0);
    assert_eq!(view["counts"]["signups"], 1);
    assert!(view.get("organizer").is_none());
}

#[tokio::test]
async fn what_is_not_live_is_not_found() {
    let mut world = World::new();
    let round = world.round("ada", "r", "open", json!({}));
    world.put("bea", Kind::Round, "unusable", json!({ "jam": 7 }));
    let unusable = uri("bea", Kind::Round, "unusable");
    for uri in [uri("ada", Kind::Round, "x"), unusable, uri("ada", Kind::Jam, "jam")] {
        world.ask(GET, &[("uri", &uri)]).await.assert_error(404, "RoundNotFound");
    }
    world.account("ada", Some("deactivated"));
    let uri = round["uri"].as_str().unwrap();
    world.ask(GET, &[("uri", uri)]).await.assert_error(404, "RoundNotFound");
    assert!(world.list(LIST, "rounds", &[]).await.is_empty());
    world.account("ada", None);
    assert_eq!(world.list(LIST, "rounds", &[]).await.len(), 1);
}

#[tokio::test]
async fn lists_are_narrowed_down() {
    let mut world = World::new();
    let over = json!([{ "label": "submission-deadline", "date": PAST }]);
    let running = json!([
        { "label": "submission-deadline", "date": FUTURE },
        { "label": "signup-deadline", "date": PAST },
    ]);
    world.round("ada", "a", "open", json!({}));
    world.round("ada", "b", "open", json!({ "milestones": over }));
    world.round("ada", "c", "open", json!({ "milestones": running }));
    let jam = json!({ "uri": uri("ada", Kind::Jam, "jam") });
    world.round("eve", "d", "open", json!({ "jam": jam }));
    world.introduce(&["ada"]);
    let [a, b, c, d] = [("ada", "a"), ("ada", "b"), ("ada", "c"), ("eve", "d")]
        .map(|(author, rkey)| uri(author, Kind::Round, rkey));
    let jam = uri("ada", Kind::Jam, "jam");
    let cases: [(Pairs<'_>, Vec<&str>); 8] = [
        (&[], vec![&a, &b, &c, &d]),
        (&[("jam", &jam)], vec![&a, &b, &c, &d]),
        (&[("jam", "at://did:plc:eve/at.atjam.jam/jam")], vec![]),
        (&[("organizer", "did:plc:ada")], vec![&a, &b, &c]),
        (&[("organizer", "ada.example"), ("state", "closed")], vec![&b]),
        (&[("organizer", "did:plc:eve")], vec![]),
        (&[("state", "in-progress")], vec![&c]),
        (&[("state", "open"), ("jam", &jam)], vec![&a, &d]),
    ];
    for (params, expected) in cases {
        assert_eq!(uris(&world.list(LIST, "rounds", params).await), expected, "{params:?}");
    }
    let answer = world.ask(LIST, &[("state", "over")]).await;
    assert!(answer.assert_error(400, "InvalidRequest").contains("`state`"));
    let answer = world.ask(LIST, &[("organizer", "nobody")]).await;
    assert!(answer.assert_error(400, "InvalidRequest").contains("`organizer`"));
    let answer = world.ask(LIST, &[("jam", "jam")]).await;
    assert!(answer.assert_error(400, "InvalidRequest").contains("`jam`"));
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped() {
    let mut world = World::new();
    for rkey in ["b", "d", "f", "h"] {
        world.round("ada", rkey, "open", json!({}));
    }
    let first = world.get(LIST, &[("limit", "2")]).await;
    let round = |rkey| uri("ada", Kind::Round, rkey);
    assert_eq!(uris(first["rounds"].as_array().unwrap()), [&round("b"), &round("d")]);
    let cursor = first["cursor"].as_str().unwrap();

    // Before, at and after the place where it stopped.
    world.round("ada", "a", "open", json!({}));
    world.delete("ada", Kind::Round, "d");
    world.round("ada", "e", "open", json!({}));
    let second = world.get(LIST, &[("limit", "2"), ("cursor", cursor)]).await;
    assert_eq!(uris(second["rounds"].as_array().unwrap()), [&round("e"), &round("f")]);
    let cursor = second["cursor"].as_str().unwrap();
    let last = world.get(LIST, &[("limit", "2"), ("cursor", cursor)]).await;
    assert_eq!(uris(last["rounds"].as_array().unwrap()), [&round("h")]);
    assert!(last.get("cursor").is_none());

    // A page that ends exactly at the end has no cursor either.
    let all = world.get(LIST, &[("limit", "5")]).await;
    assert_eq!(all["rounds"].as_array().unwrap().len(), 5);
    assert!(all.get("cursor").is_none());

    let altered = format!("{cursor}A");
    let shorter = cursor.get(1..).unwrap();
    for (cursor, params) in
        [(cursor, Some(("state", "open"))), (&altered, None), (shorter, None), ("", None), ("x", None)]
    {
        let params: Vec<_> = params.into_iter().chain([("cursor", cursor)]).collect();
        let answer = world.ask(LIST, &params).await;
        assert!(answer.assert_error(400, "InvalidRequest").contains("`cursor`"), "{params:?}");
    }
    let answer = world.ask("app.guestlist.listSignups", &[("author", "did:plc:a"), ("cursor", cursor)]).await;
    answer.assert_error(400, "InvalidRequest");
}

#[tokio::test]
async fn a_cursor_is_good_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(dir.path(), 1 << 20, IfAbsent::Create).unwrap();
    let mut world = World::over(open());
    for rkey in ["a", "b", "c"] {
        world.round("ada", rkey, "open", json!({}));
        let status = "community.lexicon.calendar.rsvp#going";
        let rsvp = json!({ "subject": { "uri": uri("ada", Kind::Event, rkey) }, "status": status });
        world.put("bea", Kind::Rsvp, rkey, rsvp);
    }
    let lists: [(&str, &str, Pairs<'_>); 2] = [
        (LIST, "rounds", &[("limit", "1")]),
        ("community.lexicon.calendar.listRSVPs", "rsvps", &[("limit", "1"), ("identity", "did:plc:bea")]),
    ];
    let mut begun = Vec::new();
    for (method, of, params) in lists {
        begun.push((world.get(method, params).await, world.list(method, of, params).await));
    }
    drop(world);
    let again = World::over(open());
    for ((method, of, params), (first, all)) in lists.into_iter().zip(begun) {
        let cursor = ("cursor", first["cursor"].as_str().unwrap());
        let params: Vec<_> = params.iter().copied().chain([cursor]).collect();
        let second = again.get(method, &params).await;
        assert_eq!([&first[of][0], &second[of][0]], [&all[0], &all[1]], "{method}");
    }
}

#[tokio::test]
async fn one_request_examines_a_bounded_number_of_rows() {
    let mut world = World::new();
    for number in 0..2_005 {
        world.round("ada", &format!("{number:05}"), "open", json!({}));
    }
    let open = json!([{ "label": "submission-deadline", "date": PAST }]);
    world.round("ada", "99999", "open", json!({ "milestones": open }));
    let first = world.get(LIST, &[("state", "closed")]).await;
    assert_eq!(first["rounds"], json!([]));
    let cursor = first["cursor"].as_str().unwrap();
    let second = world.get(LIST, &[("state", "closed"), ("cursor", cursor)]).await;
    assert_eq!(second["rounds"].as_array().unwrap().len(), 1);
    assert!(second.get("cursor").is_none());
}

#[tokio::test]
async fn a_page_ends_when_it_read_much_also_if_it_shows_nothing_of_it() {
    let mut world = World::new();
    let long = "x".repeat(900_000);
    for number in 0..10 {
        world.round("ada", &format!("r{number}"), "open", json!({ "padding": long }));
    }
    let closed = json!({ "milestones": [{ "label": "submission-deadline", "date": PAST }] });
    world.round("ada", "s", "open", closed);
    let params = [("state", "closed")];
    let first = world.get(LIST, &params).await;
    assert_eq!(first["rounds"], json!([]));
    assert!(first["cursor"].is_string(), "ten records of 900 kB are not read for one page");
    assert_eq!(uris(&world.list(LIST, "rounds", &params).await), [uri("ada", Kind::Round, "s")]);
}
