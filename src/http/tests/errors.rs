//! What every method has in common: errors, headers, health, limits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::world::{Answer, World, exchange};
use crate::http::answer::{Call, Depends, Shared, query};
use crate::http::error::Failure;
use crate::http::{Service, router, surround};
use crate::sources::{Connection, kind};
use crate::tables::Metas;
use crate::tables::keys::{MetaKey, SourceKey};
use crate::tables::rows::Meta;
use crate::tables::view::Overlay;

const STATUS: &str = "/xrpc/app.guestlist.getStatus";

#[tokio::test]
async fn an_unknown_method_is_not_implemented_whatever_the_verb() {
    let world = World::new();
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = world.send(method, "/xrpc/app.guestlist.noSuchThing?a=%ff").await;
        answer.assert_error(501, "MethodNotImplemented");
    }
}

#[tokio::test]
async fn a_known_method_takes_get_alone() {
    let world = World::new();
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = world.send(method, STATUS).await;
        answer.assert_error(405, "MethodNotAllowed");
        assert_eq!(answer.headers["allow"], "GET,HEAD");
    }
}

#[tokio::test]
async fn anything_else_is_not_found() {
    let world = World::new();
    for path in ["/", "/xrpc", "/xrpc/", "/xrpc/a/b", "/favicon.ico"] {
        world.send(Method::GET, path).await.assert_error(404, "NotFound");
    }
}

#[tokio::test]
async fn parameters_are_named_in_what_is_wrong_with_them() {
    let world = World::new();
    for (query, named) in [
        ("getStanding", "`round` is missing"),
        ("getStanding?round=x&actor=did:plc:a", "`round` must be an AT-URI"),
        ("getStanding?round=at://did:plc:a", "`actor` is missing"),
        ("getStanding?round=at://did:plc:a&actor=a", "`actor` must be a DID or a handle"),
        ("getStanding?round=at://did:plc:a&actor=a.example", "`actor` does not resolve here"),
        ("getRound?uri=at://did:plc:a&uri=at://did:plc:a", "`uri` is given more than once"),
        ("explain?uri=", "`uri` must be an AT-URI"),
        ("explain?uri=%ff", "percent-encoded"),
        ("explain?uri=at://did:plc:a&other=%E2%82", "percent-encoded"),
        ("listRounds?limit=1.5", "`limit` must be an integer"),
        ("listRounds?cursor=zzz", "`cursor`"),
    ] {
        let answer = world.send(Method::GET, &format!("/xrpc/app.guestlist.{query}")).await;
        let message = answer.assert_error(400, "InvalidRequest");
        assert!(message.contains(named), "{query}: {message}");
        assert!(answer.json.get("error_description").is_none());
    }
}

#[tokio::test]
async fn an_answer_says_which_state_it_is_of() {
    let mut world = World::new();
    assert_eq!(
        world.send(Method::GET, STATUS).await.headers["guestlist-position"]
            .to_str()
            .unwrap()
            .split('-')
            .nth(1),
        Some("0")
    );
    world.network();
    let answer = world.send(Method::GET, STATUS).await;
    assert_eq!(answer.headers["guestlist-position"].to_str().unwrap().split('-').nth(1), Some("6"));
    let missing = world.send(Method::GET, "/xrpc/app.guestlist.getRound?uri=at://did:plc:a").await;
    assert_eq!(missing.headers["guestlist-position"], answer.headers["guestlist-position"]);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let world = World::new();
    for (path, status) in [(STATUS, 200), ("/xrpc/app.guestlist.getRound", 400), ("/", 404)] {
        let (mut get, mut head) = (world.send(Method::GET, path).await, world.send(Method::HEAD, path).await);
        // Each request has an id of its own.
        assert_ne!(get.headers.remove("x-request-id"), head.headers.remove("x-request-id"));
        assert_eq!((get.status.as_u16(), head.status), (status, get.status));
        assert_eq!(get.headers, head.headers, "{path}");
        assert_eq!((head.json, get.json == Value::Null), (Value::Null, false));
    }
}

#[tokio::test]
async fn browsers_may_read_answers_and_errors() {
    let world = World::new();
    for path in [STATUS, "/xrpc/unknown.method.name", "/"] {
        let answer = world.send(Method::GET, path).await;
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
        let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.contains("guestlist-position"), "{exposed}");
        let preflight = world.send(Method::OPTIONS, path).await;
        assert_eq!(preflight.status, StatusCode::OK);
        assert_eq!(preflight.headers["access-control-allow-methods"], "GET,HEAD,POST");
    }
}

#[tokio::test]
async fn health_says_whether_every_source_is_where_it_should_be() {
    let world = World::new();
    let version = env!("CARGO_PKG_VERSION");
    let answer = world.send(Method::GET, "/xrpc/_health").await;
    assert_eq!((answer.status, answer.json), (StatusCode::OK, json!({ "version": version })));
    let key = SourceKey {
        kind: kind::RELAY.to_owned(),
        name: "wss://relay.example".to_owned(),
        fingerprint: String::new(),
    };
    let relay = world.service.sources.reporter(key);
    let answer = world.send(Method::GET, "/xrpc/_health").await;
    answer.assert_error(503, "NotReady");
    assert_eq!(answer.json["version"], version);
    relay.update(|status| {
        status.connection = Connection::Connected;
        status.caught_up = true;
    });
    assert_eq!(world.send(Method::GET, "/xrpc/_health").await.status, StatusCode::OK);
    world.send(Method::POST, "/xrpc/_health").await.assert_error(405, "MethodNotAllowed");
}

#[tokio::test]
async fn whoever_comes_when_all_is_busy_is_told_when_to_come_back() {
    let mut world = World::new();
    world.service.limits.concurrent_queries_max = 0;
    let answer = world.send(Method::GET, STATUS).await;
    answer.assert_error(503, "NotEnoughResources");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(world.send(Method::GET, "/xrpc/_health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let world = World::new();
    let length = world.service.limits.request_body_bytes_max + 1;
    let request = Request::get(STATUS).header("content-length", length).body(Body::empty()).unwrap();
    let answer = exchange(router(world.service.clone()), request).await;
    answer.assert_error(413, "PayloadTooLarge");
}

/// A query alone, with everything around it.
fn alone(service: &Service, run: fn(&Call<'_>) -> Result<Value, Failure>) -> Router {
    let routes = query("a.b.c", Depends::OnRows, run).with_state(Arc::new(Shared::new(service.clone())));
    surround(routes, &service.limits)
}

async fn call(router: &Router) -> Answer {
    exchange(router.clone(), Request::get("/xrpc/a.b.c").body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_panic_is_an_error_like_any_other() {
    let world = World::new();
    let in_query = alone(&world.service, |_| panic!("on purpose"));
    call(&in_query).await.assert_error(500, "InternalServerError");
    let in_handler = Router::new().route("/xrpc/a.b.c", get(async || -> Response { panic!("on purpose") }));
    let in_handler = surround(in_handler, &world.service.limits);
    let answer = call(&in_handler).await;
    assert!(!answer.assert_error(500, "InternalServerError").contains("purpose"));
}

#[tokio::test]
async fn a_slow_query_is_given_up_and_still_counted() {
    static GATE: Mutex<()> = Mutex::const_new(());
    let mut world = World::new();
    world.service.limits.query_time_max = Duration::from_millis(1);
    world.service.limits.concurrent_queries_max = 1;
    let router = alone(&world.service, |_| {
        drop(GATE.blocking_lock());
        Ok(json!({}))
    });
    let closed = GATE.lock().await;
    let (slow, busy) = (call(&router).await, call(&router).await);
    drop(closed);
    assert!(slow.assert_error(503, "NotEnoughResources").contains("too long"));
    assert!(busy.assert_error(503, "NotEnoughResources").contains("too much"));
    assert_eq!(slow.headers["retry-after"], "1");
}

#[tokio::test]
async fn damage_of_ours_stays_inside() {
    let world = World::new();
    let changes = {
        let snapshot = world.service.store.snapshot();
        let mut overlay = Overlay::new(&*snapshot);
        overlay.delete::<Metas>(&MetaKey::Secret);
        overlay.into_changes()
    };
    world.service.store.commit(changes).unwrap();
    let answer = world.send(Method::GET, "/xrpc/app.guestlist.listRounds").await;
    let message = answer.assert_error(500, "InternalServerError");
    assert!(!message.contains("secret") && !message.contains("store"), "{message}");

    let changes = {
        let snapshot = world.service.store.snapshot();
        let mut overlay = Overlay::new(&*snapshot);
        overlay.put::<Metas>(&MetaKey::Position, &Meta::Bytes(vec![1]));
        overlay.into_changes()
    };
    world.service.store.commit(changes).unwrap();
    world.send(Method::GET, STATUS).await.assert_error(500, "InternalServerError");
}
