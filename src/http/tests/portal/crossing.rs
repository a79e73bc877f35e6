//! Pages of other sites: what they can have a browser do, and what they can read.

use axum::http::{HeaderMap, Method};
use serde_json::json;

use super::{APP, Site, With, with};

const OWN: &str = "https://guestlist.example";

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let chat = site.chat(&ada, "private").await;
    let code = site.invite(&ada, chat, json!({})).await;
    let evil: [&[(&str, &str)]; 5] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://guestlist.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ];
    let paths = [
        "/chats".to_owned(),
        format!("/chats/{chat}/invites"),
        format!("/chats/{chat}/invites/{code}/delete"),
        format!("/resolve/{code}"),
        "/session".to_owned(),
    ];
    for headers in evil {
        for path in &paths {
            let sent = with(&ada).body(json!({ "name": "x" })).headers(headers);
            let refused = site.send(Method::POST, path, sent).await;
            assert_eq!(refused.refused(403), "the page that makes this call is of another site");
        }
        site.send(Method::DELETE, "/session", with(&ada).headers(headers)).await.refused(403);
        site.open("bea", With::default().headers(headers)).await.refused(403);
        // To look is harmless: the page does not get to see it.
        let seen = site.send(Method::GET, "/chats", with(&ada).headers(headers)).await;
        assert!(!seen.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(site.codes(&ada, chat).await, [code]);
    assert_eq!(site.get("/chats", &ada).await.done()["chats"].as_array().unwrap().len(), 1);
    for headers in [&[("origin", OWN)][..], &[("origin", APP)], &[("sec-fetch-site", "same-origin")], &[]] {
        let sent = with(&ada).body(json!({ "name": "x" })).headers(headers);
        site.send(Method::POST, "/chats", sent).await.done();
    }
}

#[tokio::test]
async fn a_form_of_another_kind_is_no_call() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let body = axum::body::Body::from("{\"name\":\"x\"}");
        let request = axum::http::Request::post("/v1/portal/chats")
            .header("cookie", format!("psession={ada}"))
            .header("content-type", kind)
            .body(body)
            .unwrap();
        let answer = crate::http::tests::world::exchange(site.office.router.clone(), request).await;
        answer.refused(400);
    }
}

#[tokio::test]
async fn only_pages_that_the_operator_names_read_answers() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let allowed = |headers: &HeaderMap| {
        headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap().to_owned())
    };
    for (origin, is_named) in [(APP, true), (OWN, true), ("https://evil.example", false), ("null", false)] {
        let headers = [("origin", origin)];
        let read = site.send(Method::GET, "/chats", with(&ada).headers(&headers)).await;
        assert_eq!(allowed(&read.headers).as_deref(), is_named.then_some(origin));
        let asks = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let preflight = site.send(Method::OPTIONS, "/chats", With::default().headers(&asks)).await;
        assert_eq!(allowed(&preflight.headers).as_deref(), is_named.then_some(origin));
        // A refusal can be read by who may read anything.
        let refused = site.send(Method::GET, "/chats/99", with(&ada).headers(&headers)).await;
        refused.refused(404);
        assert_eq!(allowed(&refused.headers).as_deref(), is_named.then_some(origin));
        if is_named {
            assert_eq!(read.headers["access-control-allow-credentials"], "true");
        }
    }
}
