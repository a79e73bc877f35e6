//! Sessions: opened by a token, known by a cookie, and ended.
#![allow(clippy::disallowed_methods, reason = "sessions of now")]

use axum::http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::{CREATE_SESSION, Site, With, with};
use crate::http::tests::office::{claims, signer, token};
use crate::http::tests::world::did;
use crate::spaces::restore;
use crate::store::StoreError;
use crate::syntax::TokenHash;
use crate::tables::portal::Session;

impl Site {
    /// A session that is there without anybody having opened it.
    fn plant(&self, secret: &str, name: &str, expires_at: i64) {
        let session = Session { did: did(name), expires_at };
        let written = self.office.world.service.store.write::<StoreError>(|rows| {
            restore::session(rows, TokenHash::of(secret), &session);
            Ok(())
        });
        written.unwrap();
    }
}

#[tokio::test]
async fn a_token_is_traded_for_a_cookie() {
    let site = Site::new();
    let opened = site.open("own", With::default()).await;
    let view = opened.done();
    let expires: Timestamp = view["expires_at"].as_str().unwrap().parse().unwrap();
    let hours = expires.as_second() - Timestamp::now().as_second();
    assert!((12 * 3600 - 60..=12 * 3600).contains(&hours), "{hours}");
    let expected = json!({ "user_id": 1, "did": did("own").as_str(), "level": "owner", "expires_at": view["expires_at"] });
    assert_eq!(*view, expected);
    // "the cookie `psession` (HttpOnly, Secure, SameSite=Lax, 12 h, …)"
    let cookie = opened.headers["set-cookie"].to_str().unwrap();
    let secret = opened.cookie();
    assert_eq!(
        cookie,
        format!("psession={secret}; Max-Age=43200; Path=/v1/portal; HttpOnly; Secure; SameSite=Lax")
    );
    assert_eq!(secret.len(), 43);
    assert!(!opened.json.to_string().contains(&secret), "scripts do not see it");
    assert_eq!(site.get("/session", &secret).await.done(), view);
    // A second one is another, for the same user.
    let again = site.open("own", With::default()).await;
    assert_ne!(again.cookie(), secret);
    assert_eq!(again.done()["user_id"], 1);
    assert_eq!(site.open("ada", With::default()).await.done()["user_id"], 2);
    site.get("/session", &secret).await.done();
}

#[tokio::test]
async fn a_token_counts_once_and_for_this_alone() {
    let site = Site::new();
    let bearer = format!("Bearer {}", token("ada", CREATE_SESSION));
    let headers = [("authorization", bearer.as_str())];
    let open = With::default().headers(&headers);
    site.send(Method::POST, "/session", open.clone()).await.done();
    let again = site.send(Method::POST, "/session", open).await;
    again.refused(401);
    assert_eq!(again.headers["www-authenticate"], "Bearer error=\"invalid_token\"");
    assert!(!again.headers.contains_key("set-cookie"));
    for method in ["rsvp.atmo.space.invite.create", "app.guestlist.portal", "*"] {
        let bearer = format!("Bearer {}", token("ada", method));
        let headers = [("authorization", bearer.as_str())];
        site.send(Method::POST, "/session", With::default().headers(&headers)).await.refused(401);
    }
    let mut stale = claims("ada", CREATE_SESSION);
    stale["exp"] = json!(Timestamp::now().as_second() - 60);
    let bearer = format!("Bearer {}", signer("ada").token(&stale));
    let headers = [("authorization", bearer.as_str())];
    site.send(Method::POST, "/session", With::default().headers(&headers)).await.refused(401);
    site.send(Method::POST, "/session", With::default()).await.refused(401);
    // A token is no session.
    let bearer = format!("Bearer {}", token("ada", CREATE_SESSION));
    let headers = [("authorization", bearer.as_str())];
    site.send(Method::GET, "/session", With::default().headers(&headers)).await.refused(401);
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let site = Site::new();
    site.log_in("ada").await;
    let now = Timestamp::now().as_millisecond();
    site.plant("over", "ada", now - 1);
    site.plant("now", "ada", now);
    site.plant("soon", "ada", now + 60_000);
    for (secret, is_over) in [("over", true), ("now", true), ("soon", false)] {
        let shown = site.get("/session", secret).await;
        let made = site.post("/chats", secret, json!({ "name": "x" })).await;
        if is_over {
            shown.refused(401);
            made.refused(401);
            site.send(Method::DELETE, "/session", with(secret)).await.refused(401);
        } else {
            shown.done();
            made.done();
        }
    }
}

#[tokio::test]
async fn who_ends_a_session_ends_it_everywhere() {
    let site = Site::new();
    let (one, two) = (site.log_in("ada").await, site.log_in("ada").await);
    let ended = site.send(Method::DELETE, "/session", with(&one)).await;
    assert_eq!(*ended.done(), json!({ "message": "Session ended" }));
    let cookie = ended.headers["set-cookie"].to_str().unwrap();
    assert_eq!(cookie, "psession=; Max-Age=0; Path=/v1/portal; HttpOnly; Secure; SameSite=Lax");
    for (method, path) in [(Method::GET, "/session"), (Method::DELETE, "/session"), (Method::GET, "/chats")] {
        site.send(method, path, with(&one)).await.refused(401);
    }
    site.get("/session", &two).await.done();
}

#[tokio::test]
async fn what_is_no_session_opens_nothing() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let hash = TokenHash::of(&ada).to_string();
    let mut altered = ada.clone();
    altered.replace_range(..1, if ada.starts_with('A') { "B" } else { "A" });
    let long = "a".repeat(5_000);
    for forged in
        ["", "x", "YOUR_SESSION", &hash, &altered, &ada[..42], &format!("{ada}A"), &long, "\"", "a=b"]
    {
        site.get("/chats", forged).await.refused(401);
        site.post("/chats", forged, json!({ "name": "x" })).await.refused(401);
    }
    site.send(Method::GET, "/chats", With::default()).await.refused(401);
    // Two that differ: nobody knows whose the call is.
    let bea = site.log_in("bea").await;
    for other in [bea.as_str(), "x"] {
        let lines = [("cookie", format!("a=b; psession={other}"))];
        let headers = lines.each_ref().map(|(name, line)| (*name, line.as_str()));
        let answer = site.send(Method::GET, "/session", with(&ada).headers(&headers)).await;
        assert!(answer.refused(401).contains("more than once"));
    }
}

#[tokio::test]
async fn a_session_that_was_there_before_the_login_is_worth_nothing_after_it() {
    let site = Site::new();
    // Somebody has a browser send what they know, and waits for its owner to log in.
    let opened = site.open("ada", with("known-to-others")).await;
    assert_ne!(opened.cookie(), "known-to-others");
    site.get("/session", "known-to-others").await.refused(401);
    // It may be a real session of their own: what is opened is another, and theirs has ended.
    let cal = site.log_in("cal").await;
    let opened = site.open("ada", with(&cal)).await;
    assert_eq!(opened.done()["did"], did("ada").as_str());
    site.get("/session", &cal).await.refused(401);
    assert_eq!(site.get("/session", &opened.cookie()).await.done()["did"], did("ada").as_str());
    // What is no login changes nothing.
    let failed = site.send(Method::POST, "/session", with(&opened.cookie())).await;
    failed.refused(401);
    site.get("/session", &opened.cookie()).await.done();
}

#[tokio::test]
async fn a_cookie_is_of_whom_it_was_given_to() {
    let site = Site::new();
    let (ada, bea) = (site.log_in("ada").await, site.log_in("bea").await);
    let chat = site.chat(&ada, "private").await;
    let path = format!("/chats/{chat}/invites");
    // Whoever has another's cookie is that other, and nobody else: a token beside it makes no difference.
    let bearer = format!("Bearer {}", token("ada", CREATE_SESSION));
    let headers = [("authorization", bearer.as_str())];
    site.send(Method::POST, &path, with(&bea).headers(&headers)).await.refused(404);
    assert_eq!(site.get("/session", &bea).await.done()["did"], did("bea").as_str());
    site.send(Method::DELETE, "/session", with(&bea)).await.done();
    site.get(&path, &ada).await.done();
}

#[tokio::test]
async fn a_session_is_no_better_than_its_account() {
    let mut site = Site::new();
    let ada = site.log_in("ada").await;
    let chat = site.chat(&ada, "public").await;
    for status in ["deactivated", "suspended", "takendown", "deleted"] {
        site.office.world.account("ada", Some(status));
        site.get("/session", &ada).await.refused(403);
        site.post(&format!("/chats/{chat}/invites"), &ada, json!({})).await.refused(403);
        site.open("ada", With::default()).await.refused(403);
        site.office.world.account("ada", None);
        site.get("/session", &ada).await.done();
    }
    // To log out takes no account that is active.
    site.office.world.account("ada", Some("suspended"));
    site.send(Method::DELETE, "/session", with(&ada)).await.done();
    site.send(Method::DELETE, "/session", with(&ada)).await.refused(401);
}

#[tokio::test]
async fn ten_thousand_are_logged_in_at_once() {
    let site = Site::new();
    let now = Timestamp::now().as_millisecond();
    for number in 0..10_000 {
        site.plant(&format!("secret-{number}"), &format!("user{number}"), now + 3_600_000);
    }
    let ada = site.log_in("ada").await;
    for number in (0..10_000).step_by(97) {
        let shown = site.get("/session", &format!("secret-{number}")).await;
        assert_eq!(shown.done()["did"], did(&format!("user{number}")).as_str());
    }
    site.get("/session", &ada).await.done();
    // Of one person only so many are open, the newest.
    let mut mine = vec![ada];
    for _ in 0..24 {
        mine.push(site.log_in("ada").await);
    }
    let mut open = 0;
    for secret in &mine {
        open += usize::from(site.get("/session", secret).await.status == 200);
    }
    assert_eq!(open, 20);
    site.get("/session", mine.last().unwrap()).await.done();
}
