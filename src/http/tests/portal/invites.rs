//! Invites as the reference has them, field by field (seed 003), and how they are used.
#![allow(clippy::disallowed_methods, reason = "invites of now")]

use serde_json::{Value, json};

use super::{Site, with};
use crate::http::tests::world::{Answer, did};
use axum::http::Method;

#[track_caller]
fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn an_invite_is_made_as_the_reference_has_it() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let chat = site.chat(&ada, "private").await;
    // -d '{"max_uses": 10, "expires_at": "2026-05-01T00:00:00Z"}', with a year that is to come.
    let input = json!({ "max_uses": 10, "expires_at": "2999-05-01T00:00:00Z" });
    let made = site.post(&format!("/chats/{chat}/invites"), &ada, input).await;
    let made = made.done();
    // The map of a test is sorted by names.
    assert_eq!(
        names(made),
        ["chat_id", "code", "created_at", "created_by_id", "expires_at", "max_uses", "uses"]
    );
    // "code": "abc123def456ghi7"
    let code = made["code"].as_str().unwrap();
    assert!(code.len() == 16 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    assert_eq!(made["chat_id"], chat);
    // "created_by_id": 1
    assert_eq!(made["created_by_id"], 1);
    // "created_at": "2026-03-16T12:00:00Z"
    let created_at: jiff::Timestamp = made["created_at"].as_str().unwrap().parse().unwrap();
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
    assert!((jiff::Timestamp::now().as_second() - created_at.as_second()).abs() < 60);
    assert_eq!(made["expires_at"], "2999-05-01T00:00:00Z");
    // "uses": 0, "max_uses": 10
    assert_eq!((&made["uses"], &made["max_uses"]), (&json!(0), &json!(10)));
}

#[tokio::test]
async fn what_an_invite_has_not_is_null() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let chat = site.chat(&ada, "private").await;
    let path = format!("/chats/{chat}/invites");
    // "null for no expiry", "null for unlimited"
    for body in [Some(json!({})), Some(json!({ "max_uses": null, "expires_at": null, "more": [1] })), None] {
        let with = with(&ada);
        let with = if let Some(body) = body { with.body(body) } else { with };
        let made = site.send(Method::POST, &path, with).await;
        assert_eq!((&made.done()["expires_at"], &made.json["max_uses"]), (&Value::Null, &Value::Null));
    }
    let list = site.get(&path, &ada).await;
    assert_eq!(names(list.done()), ["invites"]);
    let invites = list.json["invites"].as_array().unwrap();
    assert_eq!(invites.len(), 3);
    for invite in invites {
        assert_eq!(names(invite).len(), 7);
        assert_eq!((&invite["expires_at"], &invite["max_uses"]), (&Value::Null, &Value::Null));
    }
}

#[tokio::test]
async fn twenty_invites_are_active_in_a_chat_and_no_more() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let (chat, other) = (site.chat(&ada, "public").await, site.chat(&ada, "public").await);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(site.invite(&ada, chat, json!({ "max_uses": 1 })).await);
    }
    let path = format!("/chats/{chat}/invites");
    // "Returns 409 Conflict if the per-chat invite quota (20 active invites) is already reached."
    assert_eq!(site.post(&path, &ada, json!({})).await.refused(409), "there are as many as there may be");
    site.invite(&ada, other, json!({})).await;
    let list = site.get(&path, &ada).await;
    let mut listed = list.done()["invites"].as_array().unwrap().clone();
    // Newest first; those of one millisecond in any order.
    let made_at = |invite: &Value| invite["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(listed.is_sorted_by_key(|invite| std::cmp::Reverse(made_at(invite))));
    listed.sort_by_key(|invite| codes.iter().position(|code| invite["code"] == **code));
    let listed: Vec<_> = listed.iter().map(|invite| invite["code"].as_str().unwrap()).collect();
    assert_eq!(listed, codes);
    // One that is used up, or revoked, is active no more.
    let bea = site.log_in("bea").await;
    site.resolve(&bea, &codes[0]).await.done();
    site.invite(&ada, chat, json!({})).await;
    site.poke(&format!("{path}/{}/delete", codes[1]), &ada).await.done();
    site.invite(&ada, chat, json!({})).await;
    site.post(&path, &ada, json!({})).await.refused(409);
    let left = site.codes(&ada, chat).await;
    assert_eq!(left.len(), 20);
    assert!(!left.contains(&codes[0]) && !left.contains(&codes[1]));
    // The same quota, whichever way they are made.
    let space = format!("at://did:plc:ada/app.guestlist.portal.chat/{chat}");
    let made = site.office.call("ada", "rsvp.atmo.space.invite.create", json!({ "spaceUri": space })).await;
    made.assert_error(409, "QuotaExceeded");
}

#[tokio::test]
async fn an_invite_is_revoked_by_its_code_in_its_own_chat() {
    let site = Site::new();
    let (ada, bea) = (site.log_in("ada").await, site.log_in("bea").await);
    let (chat, other) = (site.chat(&ada, "private").await, site.chat(&ada, "private").await);
    let code = site.invite(&ada, chat, json!({})).await;
    let delete = async |chat: u64, code: &str, cookie: &str| {
        site.poke(&format!("/chats/{chat}/invites/{code}/delete"), cookie).await
    };
    // "Returns 404 Not Found if the code does not exist or does not belong to the specified chat."
    for (chat, code) in [(other, code.as_str()), (chat, "abc123def456ghi7"), (chat, "x"), (chat, "%00%ff")] {
        let answer = delete(chat, code, &ada).await;
        assert!([400, 404].contains(&answer.status.as_u16()));
        answer.refused(if code == "%00%ff" { 400 } else { 404 });
    }
    delete(99, &code, &ada).await.refused(404);
    delete(chat, &code, &bea).await.refused(404);
    let answer = delete(chat, &code, &ada).await;
    assert_eq!(*answer.done(), json!({ "message": format!("Invite '{code}' revoked") }));
    assert_eq!(*delete(chat, &code, &ada).await.done(), answer.json, "it can be done twice");
    assert_eq!(site.codes(&ada, chat).await, [""; 0]);
    site.resolve(&bea, &code).await.refused(400);
    // A token of the other dialect is no code.
    let space = format!("at://did:plc:ada/app.guestlist.portal.chat/{chat}");
    let (token, hash) = site.office.invite("ada", &space, json!({})).await;
    for code in [&token, &hash] {
        delete(chat, code, &ada).await.refused(404);
        site.resolve(&bea, code).await.refused(400);
    }
    assert_eq!(site.codes(&ada, chat).await, [""; 0], "it has no code that could be listed");
}

#[tokio::test]
async fn a_code_makes_its_finder_a_member_once() {
    let site = Site::new();
    let (ada, bea, cal) = (site.log_in("ada").await, site.log_in("bea").await, site.log_in("cal").await);
    let chat = site.chat(&ada, "private").await;
    let code = site.invite(&ada, chat, json!({ "max_uses": 1 })).await;
    site.get(&format!("/chats/{chat}"), &bea).await.refused(404);
    let view =
        |joined: bool| json!({ "chat_id": chat, "name": "tea", "visibility": "private", "joined": joined });
    assert_eq!(*site.resolve(&bea, &code).await.done(), view(true));
    assert_eq!(*site.resolve(&bea, &code).await.done(), view(false), "a lost answer can be asked for again");
    // Its owner is in it already, and nobody else gets in.
    let invalid = |answer: Answer| assert_eq!(answer.refused(400), "the invite is not valid");
    invalid(site.resolve(&cal, &code).await);
    for code in ["abc123def456ghi7", "x", "ABC123DEF456GHI7", "abc123def456ghi70"] {
        invalid(site.resolve(&cal, code).await);
    }
    assert_eq!(site.get(&format!("/chats/{chat}"), &bea).await.done()["joined"], true);
    let open = site.invite(&ada, chat, json!({})).await;
    assert_eq!(*site.resolve(&ada, &open).await.done(), view(false));
    let listed = site.get(&format!("/chats/{chat}/invites"), &ada).await;
    assert_eq!(listed.done()["invites"][0]["uses"], 0);
    // Who was put out does not come back by what they used, and comes by another.
    let space = format!("at://did:plc:ada/app.guestlist.portal.chat/{chat}");
    site.office
        .done(
            "ada",
            "rsvp.atmo.space.admin.removeMember",
            json!({ "spaceUri": space, "did": did("bea").as_str() }),
        )
        .await;
    invalid(site.resolve(&bea, &code).await);
    assert_eq!(*site.resolve(&bea, &open).await.done(), view(true));
}

#[tokio::test]
async fn who_made_an_invite_is_null_once_their_account_is_deleted() {
    let mut site = Site::new();
    let (ada, own) = (site.log_in("ada").await, site.log_in("own").await);
    let chat = site.chat(&ada, "public").await;
    site.invite(&own, chat, json!({})).await;
    let path = format!("/chats/{chat}/invites");
    let made_by = async |site: &Site, cookie: &str| {
        site.get(&path, cookie).await.done()["invites"][0]["created_by_id"].clone()
    };
    assert_eq!(made_by(&site, &ada).await, 2);
    site.office.world.account("own", Some("deactivated"));
    assert_eq!(made_by(&site, &ada).await, 2, "only deletion takes the name away");
    site.office.world.account("own", Some("deleted"));
    // "User ID who created the invite. null if that user has since been deleted."
    assert_eq!(made_by(&site, &ada).await, Value::Null);
    let chats = site.get("/chats", &ada).await;
    assert_eq!(chats.done()["chats"][0]["owner_id"], 1);
    let adm = site.log_in("adm").await;
    site.office.world.account("ada", Some("deleted"));
    assert_eq!(site.get(&format!("/chats/{chat}"), &adm).await.done()["owner_id"], Value::Null);
}

#[tokio::test]
async fn what_is_no_invite_is_refused_with_the_field_that_is_wrong() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let chat = site.chat(&ada, "private").await;
    let path = format!("/chats/{chat}/invites");
    // "Must be at least 1."
    for max_uses in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("10"),
        json!(true),
        json!([1]),
        json!(9_007_199_254_740_992_u64),
    ] {
        let answer = site.post(&path, &ada, json!({ "max_uses": max_uses })).await;
        assert!(answer.refused(400).contains("max_uses"), "{max_uses}");
    }
    for expires_at in [
        json!("2000-01-01T00:00:00Z"),
        json!("2999-05-01"),
        json!("2999-05-01T00:00:00"),
        json!("2999-13-01T00:00:00Z"),
        json!("2999-05-01T00:00:60Z"),
        json!("2999-05-01T24:00:00Z"),
        json!("2999-05-01T00:00:00+00:00[Europe/Paris]"),
        json!("tomorrow"),
        json!(""),
        json!(32_472_144_000_i64),
        json!({}),
    ] {
        let answer = site.post(&path, &ada, json!({ "expires_at": expires_at })).await;
        assert!(answer.refused(400).contains("expires_at"), "{expires_at}");
    }
    for body in [json!([]), json!("x"), json!(7), Value::Null] {
        site.post(&path, &ada, body).await.refused(400);
    }
    assert_eq!(site.codes(&ada, chat).await, [""; 0]);
    // A time elsewhere is the same time.
    let made = site.post(&path, &ada, json!({ "expires_at": "2999-05-01T02:00:00.1239+02:00" })).await;
    assert_eq!(made.done()["expires_at"], "2999-05-01T00:00:00.123000Z");
    let last = json!({ "expires_at": "9999-12-31T23:59:59Z" });
    assert_eq!(site.post(&path, &ada, last.clone()).await.done()["expires_at"], last["expires_at"]);
}
