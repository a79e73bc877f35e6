//! Bad input to procedures, each with the right name and nothing changed; what cannot be told apart; and how often.
#![allow(clippy::disallowed_methods, reason = "invites that expire in a moment")]

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use serde_json::{Value, json};

use super::office::{Office, claims, signer, token, wants_a_token};
use super::world::{Answer, World, exchange};
use crate::http::requests::Client;
use crate::records::Kind;
use crate::records::lexicon::documents;
use crate::tables::view::ReadRows;
use crate::tables::{Audits, Invites, Members, Spaces};

const CREATE: &str = "rsvp.atmo.space.invite.create";
const REDEEM: &str = "rsvp.atmo.space.invite.redeem";
const REVOKE: &str = "rsvp.atmo.space.invite.revoke";
const CREATE_SPACE: &str = "rsvp.atmo.space.admin.createSpace";
const ADD: &str = "rsvp.atmo.space.admin.addMember";
const WHOAMI: &str = "rsvp.atmo.space.whoami";

/// Everything that a procedure could have changed.
fn state(world: &World) -> String {
    let rows = world.service.store.snapshot();
    format!(
        "{:?} {:?} {:?}",
        rows.scan_all::<Spaces>().collect::<Vec<_>>(),
        rows.scan_all::<Invites>().collect::<Vec<_>>(),
        rows.scan_all::<Members>().collect::<Vec<_>>(),
    )
}

fn count_entries(world: &World) -> usize {
    world.service.store.snapshot().scan_all::<Audits>().count()
}

#[tokio::test]
async fn bad_input_is_told_what_is_wrong_and_changes_nothing() {
    let mut office = Office::of(&["ada"]);
    let space = office.space("ada", "club").await;
    office.world.put("ada", Kind::Event, "gone", json!({}));
    office.world.delete("ada", Kind::Event, "gone");
    let (before, entries) = (state(&office.world), count_entries(&office.world));
    let with = |name: &str, value: Value| {
        let mut input = json!({ "spaceUri": space });
        input[name] = value;
        input
    };
    let seconds = 1_900_000_000;
    let cases = [
        (CREATE, json!({}), "spaceUri"),
        (CREATE, json!([]), ""),
        (CREATE, json!("x"), ""),
        (CREATE, Value::Null, ""),
        (CREATE, json!({ "spaceUri": null }), "spaceUri"),
        (CREATE, json!({ "spaceUri": 7 }), "spaceUri"),
        (CREATE, json!({ "spaceUri": format!("{space}/") }), "spaceUri"),
        (CREATE, json!({ "spaceUri": "club" }), "spaceUri"),
        (CREATE, with("maxUses", json!(0)), "maxUses"),
        (CREATE, with("maxUses", json!(-1)), "maxUses"),
        (CREATE, with("maxUses", json!(1_u64 << 53)), "maxUses"),
        (CREATE, with("maxUses", json!("1")), "maxUses"),
        (CREATE, with("maxUses", json!(1.5)), "fraction"),
        (CREATE, with("maxUses", json!(u64::MAX)), "64 bits"),
        (CREATE, with("unknown", json!({ "$link": "x" })), "$link"),
        (CREATE, with("maxUses", json!(true)), "maxUses"),
        (CREATE, with("maxUses", Value::Null), "maxUses"),
        (CREATE, with("expiresAt", json!(1)), "expiresAt"),
        (CREATE, with("expiresAt", json!(-1)), "expiresAt"),
        (CREATE, with("expiresAt", json!(seconds)), "expiresAt"),
        (CREATE, with("expiresAt", json!(1_900_000_000_000_000_i64)), "expiresAt"),
        (CREATE, with("expiresAt", json!("2030-01-01T00:00:00Z")), "expiresAt"),
        (CREATE, with("expiresAt", Value::Null), "expiresAt"),
        (CREATE, with("note", json!("x".repeat(501))), "note"),
        (CREATE, with("note", Value::Null), "note"),
        (CREATE, with("perms", json!("admin")), "perms"),
        (CREATE, with("perms", json!("Write")), "perms"),
        (CREATE, with("perms", Value::Null), "perms"),
        (REDEEM, json!({}), "token"),
        (REDEEM, json!({ "token": null }), "token"),
        (REDEEM, json!({ "token": ["x"] }), "token"),
        (REVOKE, json!({ "spaceUri": space }), "tokenHash"),
        (REVOKE, json!({ "tokenHash": "00" }), "spaceUri"),
        (CREATE_SPACE, json!({ "type": "x" }), "type"),
        (CREATE_SPACE, json!({ "key": "a/b" }), "key"),
        (CREATE_SPACE, json!({ "key": "" }), "key"),
        (CREATE_SPACE, json!({ "type": "community.lexicon.calendar.event" }), ""),
        (CREATE_SPACE, json!({ "appPolicy": { "mode": "deny" } }), "apps"),
        (CREATE_SPACE, json!({ "appPolicy": { "mode": "deny", "apps": vec!["x"; 101] } }), "apps"),
        (CREATE_SPACE, json!({ "memberListRef": "x" }), "memberListRef"),
        (ADD, with("did", json!("ada.example")), "did"),
        (ADD, with("did", json!("did:plc:ada")), ""),
        (ADD, with("did", json!(format!("did:plc:{}", "x".repeat(300)))), "did"),
    ];
    for (method, input, named) in cases {
        let answer = office.call("ada", method, input.clone()).await;
        let message = answer.assert_error(400, "InvalidRequest");
        assert!(message.contains(named), "{method} {input}: {message}");
    }
    // Well-formed, and no space that anybody has.
    let missing = [
        "at://ada.example/tools.atmo.event.space/club",
        "at://did:plc:ada/tools.atmo.event.space/nowhere",
        "at://did:plc:ada/community.lexicon.calendar.rsvp/club",
        "at://did:plc:ada/community.lexicon.calendar.event/gone",
        "at://did:plc:ada/tools.atmo.event.space",
        "at://did:plc:ada",
    ];
    for uri in missing {
        office.call("ada", CREATE, json!({ "spaceUri": uri })).await.assert_error(404, "NotFound");
    }
    assert_eq!(count_entries(&office.world), entries);
    for hash in ["", "00", &"0".repeat(64), &"G".repeat(64)] {
        let input = json!({ "spaceUri": space, "tokenHash": hash });
        office.call("ada", REVOKE, input).await.assert_error(404, "NotFound");
    }
    // Only what could have been the hash of an invite is written down.
    assert_eq!((state(&office.world), count_entries(&office.world)), (before, entries + 1));
}

#[tokio::test]
async fn what_a_method_does_not_know_in_an_input_means_nothing() {
    let office = Office::of(&["ada"]);
    let unknown = json!({ "size": 7, "list": [1, null], "map": { "n": -1 }, "nothing": null, "flag": true,
        "bytes": { "$bytes": "aaaa" }, "link": { "$link": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a" } });
    let with = |mut input: Value| {
        input.as_object_mut().unwrap().extend(unknown.as_object().unwrap().clone());
        input
    };
    let input = with(json!({ "key": "club", "appPolicy": with(json!({ "mode": "deny", "apps": [] })) }));
    let space = office.done("ada", CREATE_SPACE, input).await["space"]["uri"].clone();
    let made = office.done("ada", CREATE, with(json!({ "spaceUri": space }))).await;
    office.done("ada", REDEEM, with(json!({ "token": made["token"] }))).await;
    let revoke = json!({ "spaceUri": space, "tokenHash": made["invite"]["tokenHash"] });
    office.done("ada", REVOKE, with(revoke)).await;
    office.done("ada", ADD, with(json!({ "spaceUri": space, "did": "did:plc:bea" }))).await;
}

#[tokio::test]
async fn a_body_that_is_none_is_refused() {
    let office = Office::of(&["ada"]);
    let good = json!({ "key": "x" }).to_string();
    for (kind, body) in [
        ("text/plain", good.clone()),
        ("", good.clone()),
        ("application/jsonx", good.clone()),
        ("application/json", String::new()),
        ("application/json", "{".to_owned()),
        ("application/json", "{\"key\":\"x\"}}".to_owned()),
        ("application/json", "{\"key\":1.5}".to_owned()),
        ("application/json", "\u{feff}{}".to_owned()),
        ("application/json", "[".repeat(60_000)),
        ("application/json", "\u{0}".to_owned()),
    ] {
        let token = token("ada", CREATE_SPACE);
        let answer = office.post(CREATE_SPACE, Some(&token), kind, Body::from(body.clone())).await;
        answer.assert_error(400, "InvalidRequest");
    }
    let bytes = office
        .post(
            CREATE_SPACE,
            Some(&token("ada", CREATE_SPACE)),
            "application/json",
            Body::from(vec![0xff, 0xfe]),
        )
        .await;
    bytes.assert_error(400, "InvalidRequest");
    let large = vec![b' '; 10_000_000];
    let token_of_ada = token("ada", CREATE_SPACE);
    let answer = office.post(CREATE_SPACE, Some(&token_of_ada), "application/json", Body::from(large)).await;
    answer.assert_error(413, "PayloadTooLarge");
    // The token of a call that was not understood still counts.
    let answer = office
        .post(CREATE_SPACE, Some(&token_of_ada), "application/json; charset=utf-8", Body::from(good))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.json);
}

#[tokio::test]
async fn a_procedure_is_posted_and_a_query_is_not() {
    let office = Office::of(&["ada"]);
    let mut methods = 0;
    for (method, document) in documents().iter().filter(|(id, _)| wants_a_token(id)) {
        let wrong = match document["defs"]["main"]["type"].as_str() {
            Some("procedure") => Method::GET,
            Some("query") => Method::POST,
            _ => continue,
        };
        methods += 1;
        for verb in [wrong, Method::PUT, Method::DELETE] {
            let request = Request::builder().method(verb).uri(format!("/xrpc/{method}"));
            let request = request.header("authorization", format!("Bearer {}", token("ada", method)));
            let answer = exchange(office.router.clone(), request.body(Body::empty()).unwrap()).await;
            answer.assert_error(405, "MethodNotAllowed");
        }
    }
    assert_eq!(methods, METHODS);
}

/// Methods that take a service token.
const METHODS: usize = 18;

#[tokio::test]
async fn every_method_of_spaces_and_tickets_wants_to_know_who_asks() {
    let office = Office::of(&["ada"]);
    let mut methods = 0;
    for (method, document) in documents() {
        let verb = match document["defs"]["main"]["type"].as_str() {
            Some("procedure") => Method::POST,
            Some("query") if wants_a_token(&method) => Method::GET,
            _ => continue,
        };
        methods += 1;
        let request = Request::builder().method(verb).uri(format!("/xrpc/{method}")).body(Body::empty());
        let answer = exchange(office.router.clone(), request.unwrap()).await;
        answer.assert_error(401, "AuthRequired");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    assert_eq!(methods, METHODS);
}

#[tokio::test]
async fn a_token_counts_once_also_as_its_twin_and_also_for_a_question() {
    let office = Office::of(&["ada", "beat"]);
    let space = office.space("ada", "club").await;
    for who in ["ada", "beat"] {
        let right = signer(who).token(&claims(who, WHOAMI));
        let twin = signer(who).twin(&right);
        let params = [("spaceUri", &*space)];
        assert_eq!(office.ask_with(&twin, WHOAMI, &params).await.status, 200);
        for used in [&right, &twin] {
            let message = office.ask_with(used, WHOAMI, &params).await;
            let message = message.assert_error(401, "AuthRequired");
            assert!(message.starts_with("BadJwt: ") && message.contains("used before"), "{message}");
        }
        // The same jti in another token of hers is the same to us.
        let mut again = claims(who, WHOAMI);
        again["jti"] = json!("mine");
        let one = signer(who).token(&again);
        again["exp"] = json!(again["exp"].as_i64().unwrap() + 1);
        let two = signer(who).token(&again);
        assert_eq!(office.ask_with(&one, WHOAMI, &params).await.status, 200);
        office.ask_with(&two, WHOAMI, &params).await.assert_error(401, "AuthRequired");
    }
}

/// What anybody could tell two answers apart by.
fn shown(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    let is_of_request = |name: &str| name == "x-request-id";
    let headers: &HeaderMap = &answer.headers;
    let headers = headers
        .iter()
        .filter(|(name, _)| !is_of_request(name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    (answer.status.as_u16(), answer.json.to_string(), headers)
}

#[tokio::test]
async fn unknown_expired_revoked_and_exhausted_cannot_be_told_apart() {
    let mut office = Office::of(&["ada", "bea", "cal"]);
    let space = office.space("ada", "club").await;
    let soon = json!({ "expiresAt": jiff_now() + 300 });
    let (expired, _) = office.invite("ada", &space, soon).await;
    let (revoked, hash) = office.invite("ada", &space, json!({})).await;
    let (exhausted, _) = office.invite("ada", &space, json!({ "maxUses": 1 })).await;
    let event = office.world.put("ada", Kind::Event, "party", json!({}));
    let (not_live, _) = office.invite("ada", event["uri"].as_str().unwrap(), json!({})).await;
    office.world.delete("ada", Kind::Event, "party");
    office.done("ada", REVOKE, json!({ "spaceUri": space, "tokenHash": hash })).await;
    assert_eq!(office.redeem("bea", &exhausted).await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(350)).await;
    let unknown = shown(&office.redeem("cal", &"A".repeat(43)).await);
    assert_eq!((unknown.0, unknown.1.contains("InvalidInvite")), (400, true));
    for token in [&expired, &revoked, &exhausted, &not_live, "", "a b", &"x".repeat(10_000), "\u{0}", &hash] {
        assert_eq!(shown(&office.redeem("cal", token).await), unknown, "{token}");
    }
}

fn jiff_now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[tokio::test]
async fn somebody_calls_so_often_and_is_told_when_to_come_back() {
    let office = Office::within(&["ada", "bea"], Default::default(), |world| {
        world.service.limits.rates.calls_per_minute = 5;
    });
    let space = office.space("ada", "club").await;
    let params = [("spaceUri", &*space)];
    for _ in 0..4 {
        assert_eq!(office.ask("ada", WHOAMI, &params).await.status, 200);
    }
    let answer = office.ask("ada", WHOAMI, &params).await;
    answer.assert_error(429, "RateLimitExceeded");
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=13).contains(&seconds), "{seconds}");
    // Others are not kept waiting, and a token that is not hers costs her nothing.
    assert_eq!(office.ask("bea", WHOAMI, &params).await.status, 200);
    let forged = signer("ada").token(&claims("bea", WHOAMI));
    for _ in 0..20 {
        office.ask_with(&forged, WHOAMI, &params).await.assert_error(401, "AuthRequired");
    }
    assert_eq!(office.ask("bea", WHOAMI, &params).await.status, 200);
}

#[tokio::test]
async fn whoever_calls_too_often_takes_nothing_from_those_at_the_same_address() {
    let office = Office::within(&["ada", "bea"], Default::default(), |world| {
        world.service.limits.rates.calls_per_minute = 3;
        world.service.limits.rates.calls_per_minute_per_address = 10;
    });
    let space = office.space("ada", "club").await;
    // A host that calls for its people has one address for all of them.
    let router = office.router.clone().layer(axum::Extension(Client("192.0.2.1".parse().unwrap())));
    let whoami = async |who: &str| {
        let request = Request::get(format!("/xrpc/{WHOAMI}?spaceUri={space}"))
            .header("authorization", format!("Bearer {}", token(who, WHOAMI)));
        exchange(router.clone(), request.body(Body::empty()).unwrap()).await
    };
    for _ in 0..20 {
        whoami("ada").await;
    }
    whoami("ada").await.assert_error(429, "RateLimitExceeded");
    assert_eq!(whoami("bea").await.status, 200);
}

#[tokio::test]
async fn failed_redemptions_are_counted_apart() {
    let office = Office::within(&["ada", "bea"], Default::default(), |world| {
        world.service.limits.rates.failures_per_hour = 3;
    });
    let space = office.space("ada", "club").await;
    let (token, _) = office.invite("ada", &space, json!({})).await;
    for _ in 0..3 {
        office.redeem("bea", "wrong").await.assert_error(400, "InvalidInvite");
        // What succeeds is no failure, before or after.
        assert_eq!(office.redeem("ada", &token).await.status, 200);
    }
    let answer = office.redeem("bea", "wrong").await;
    answer.assert_error(429, "RateLimitExceeded");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(office.redeem("ada", &token).await.status, 200);
    assert_eq!(
        office.ask("bea", WHOAMI, &[("spaceUri", &space)]).await.status,
        200,
        "everything else goes on"
    );
}

#[tokio::test]
async fn somebody_whose_account_is_not_active_is_told_so() {
    let mut office = Office::of(&["ada", "bea"]);
    let space = office.space("ada", "club").await;
    office.world.account("bea", Some("takendown"));
    office.redeem("bea", "x").await.assert_error(403, "Forbidden");
    office.ask("bea", WHOAMI, &[("spaceUri", &space)]).await.assert_error(403, "Forbidden");
}

#[tokio::test]
async fn a_browser_may_send_a_token_along() {
    let office = Office::of(&["ada"]);
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri(format!("/xrpc/{CREATE}"))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let answer = exchange(office.router.clone(), request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    let allowed = answer.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
    assert!(answer.headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn changes_are_counted_apart_and_questions_go_on() {
    let office = Office::within(&["ada", "bea"], Default::default(), |world| {
        world.service.limits.rates.changes_per_hour = 3;
    });
    let space = office.space("ada", "club").await;
    for did in ["did:plc:bea", "did:plc:cal"] {
        office.done("ada", ADD, json!({ "spaceUri": space, "did": did })).await;
    }
    let answer = office.call("ada", ADD, json!({ "spaceUri": space, "did": "did:plc:dan" })).await;
    answer.assert_error(429, "RateLimitExceeded");
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() <= 1_201);
    assert_eq!(office.ask("ada", WHOAMI, &[("spaceUri", &space)]).await.status, 200);
    office.space("bea", "hers").await;
}

#[tokio::test]
async fn who_has_a_good_token_does_not_wait_for_others_at_the_same_address() {
    let mut office = Office::within(&["ada", "bea", "cal"], Default::default(), |world| {
        world.service.limits.rates.failures_per_hour_per_address = 2;
    });
    office.router = office.router.layer(axum::Extension(Client("192.0.2.1".parse().unwrap())));
    let space = office.space("ada", "club").await;
    let (token, _) = office.invite("ada", &space, json!({})).await;
    for _ in 0..2 {
        office.redeem("bea", "wrong").await.assert_error(400, "InvalidInvite");
    }
    office.redeem("bea", "wrong").await.assert_error(429, "RateLimitExceeded");
    assert_eq!(office.redeem("cal", &token).await.status, 200);
    assert_eq!(office.redeem("bea", &token).await.status, 200);
}
