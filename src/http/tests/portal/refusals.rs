//! What goes wrong, as the Portal words it.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use super::{Site, With, with};
use crate::http::tests::office::Office;
use crate::http::tests::world::exchange;

#[tokio::test]
async fn every_refusal_has_a_text_and_an_id_of_its_own() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let mut ids = Vec::new();
    for (method, path, status) in [
        (Method::GET, "", 404),
        (Method::GET, "/", 404),
        (Method::GET, "/nothing", 404),
        (Method::POST, "/chats/1/invites/abc123def456ghi7", 404),
        (Method::GET, "/resolve/abc123def456ghi7/", 404),
        (Method::GET, "/resolve/abc123def456ghi7", 405),
        (Method::PUT, "/chats", 405),
        (Method::DELETE, "/chats/1", 405),
        (Method::GET, "/chats/1", 404),
        (Method::GET, "/chats/x", 400),
        (Method::GET, "/chats?limit=-", 400),
        (Method::GET, "/chats?x=%ff", 400),
        (Method::GET, "/chats/%ff", 400),
        (Method::POST, "/resolve/abc123def456ghi7", 400),
    ] {
        let answer = site.send(method.clone(), path, with(&ada)).await;
        assert!(!answer.refused(status).is_empty(), "{method} {path}");
        ids.push(answer.json["correlation_id"].clone());
    }
    let count = ids.len();
    ids.sort_by_key(|id| id.to_string());
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[tokio::test]
async fn bodies_that_are_none_are_refused() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(100_000));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("\0", 400),
        ("{\"name\":\"x\"}{", 400),
        ("[]", 400),
        ("nul", 400),
        (&format!("{{\"name\":{deep}}}"), 400),
        ("{\"name\":\"\\ud800\"}", 400),
        (&large, 413),
    ] {
        let request = Request::post("/v1/portal/chats")
            .header("cookie", format!("psession={ada}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        exchange(site.office.router.clone(), request).await.refused(status);
    }
    let request = Request::post("/v1/portal/chats")
        .header("cookie", format!("psession={ada}"))
        .header("content-type", "application/json")
        .body(Body::from(vec![0xff, 0xfe]))
        .unwrap();
    exchange(site.office.router.clone(), request).await.refused(400);
}

#[tokio::test]
async fn there_is_no_portal_unless_it_is_configured() {
    let office = Office::of(&["ada"]);
    for (method, path) in [("GET", "/v1/portal/chats"), ("POST", "/v1/portal/session"), ("GET", "/v1/portal")]
    {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        exchange(office.router.clone(), request).await.assert_error(404, "NotFound");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let mut refused = None;
    for _ in 0..80 {
        let answer = site.get("/session", &ada).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("sixty calls a minute");
    refused.refused(429);
    assert!(refused.headers.contains_key("retry-after"));
    // Others are not in their way; and codes that are none count apart.
    let bea = site.log_in("bea").await;
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(site.resolve(&bea, "abc123def456ghi7").await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 30);
    assert_eq!(statuses.last(), Some(&429));
}

#[tokio::test]
async fn answers_are_for_one_browser_alone() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let answer = site.get("/chats", &ada).await;
    answer.done();
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(!answer.headers.contains_key("etag"));
    assert!(!answer.headers.contains_key("content-encoding"));
    let head = site.send(Method::HEAD, "/chats", with(&ada)).await;
    assert_eq!((head.status.as_u16(), head.json), (200, json!(null)));
    let head = site.send(Method::HEAD, "/chats", With::default()).await;
    assert_eq!((head.status.as_u16(), head.json), (401, json!(null)));
}
