//! What surrounds a request: ids, compression, lexicons, and clients that are too long, too slow or too many.
#![allow(clippy::disallowed_methods, reason = "a client of its own, with sockets and a clock")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::world::World;
use crate::http::connections::{Patience, serve_with};
use crate::http::router;
use crate::records::lexicon::SOURCES;

const STATUS: &str = "/xrpc/app.guestlist.getStatus";

/// How long a client here waits for anything.
const CLIENT_TIME_MAX: Duration = Duration::from_secs(20);

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router(world.service.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let world = World::new();
    let mut ids = std::collections::BTreeSet::new();
    for path in [STATUS, STATUS, "/xrpc/_health", "/xrpc/no.such.method", "/", "/lexicons/app.guestlist.defs"]
    {
        // Nobody is trusted, so that nobody's id is taken.
        let (_, headers, _) = get(&world, path, &[("x-request-id", "mine")]).await;
        let id = headers["x-request-id"].to_str().unwrap();
        assert_ne!(id, "mine");
        assert!(ids.insert(id.to_owned()), "{id} twice");
    }
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_takes_it() {
    let mut world = World::new();
    for number in 0..30 {
        world.round("ada", &format!("r{number}"), "open", json!({}));
    }
    let path = "/xrpc/app.guestlist.listRounds";
    let (_, plain_headers, plain) = get(&world, path, &[]).await;
    assert!(plain_headers.get("content-encoding").is_none());
    assert_eq!(plain_headers["vary"], "accept-encoding");
    let (_, headers, packed) = get(&world, path, &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() * 2 < plain.len(), "{}", packed.len());
    // A small answer would only grow.
    let (_, headers, _) = get(&world, "/xrpc/_health", &[("accept-encoding", "gzip")]).await;
    assert!(headers.get("content-encoding").is_none());
}

#[tokio::test]
async fn the_tag_of_a_compressed_answer_is_weak_and_is_known_again() {
    let mut world = World::new();
    for number in 0..30 {
        world.put("bea", crate::records::Kind::Signup, &format!("s{number}"), {
            json!({ "round": { "uri": "at://did:plc:ada/at.atjam.round/r" } })
        });
    }
    let path = "/xrpc/app.guestlist.listSignups";
    let (_, headers, _) = get(&world, path, &[]).await;
    let strong = headers["etag"].to_str().unwrap().to_owned();
    let gzip = ("accept-encoding", "gzip");
    let (_, headers, _) = get(&world, path, &[gzip]).await;
    let weak = headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(weak, format!("W/{strong}"));
    for tag in [&strong, &weak] {
        let (status, headers, body) = get(&world, path, &[gzip, ("if-none-match", tag)]).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(headers["etag"], tag.as_str());
    }
}

#[tokio::test]
async fn a_tag_is_of_everything_that_an_answer_depends_on() {
    let mut world = World::new();
    world.network();
    let path = "/xrpc/app.guestlist.listSignups";
    let tag = |headers: &HeaderMap| headers["etag"].to_str().unwrap().to_owned();
    let (_, headers, before) = get(&world, path, &[]).await;
    let strangers = tag(&headers);
    assert_eq!(get(&world, path, &[("if-none-match", &strangers)]).await.0, StatusCode::NOT_MODIFIED);
    // As after a restart with a file of identities: the same rows, and another answer.
    world.introduce(&["bea"]);
    let (status, headers, after) = get(&world, path, &[("if-none-match", &strangers)]).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(before, after);
    let known = tag(&headers);
    assert_ne!(known, strangers);
    world.service.public_url = "https://elsewhere.example".to_owned();
    let elsewhere = tag(&get(&world, path, &[]).await.1);
    assert_ne!(elsewhere, known);
    world.service.event_url = "https://events.example/{did}/{rkey}".parse().unwrap();
    assert_ne!(tag(&get(&world, path, &[]).await.1), elsewhere);
}

#[tokio::test]
async fn every_lexicon_is_served_as_it_is_in_the_tree() {
    let world = World::new();
    for source in SOURCES {
        let document: Value = serde_json::from_str(source).unwrap();
        let path = format!("/lexicons/{}", document["id"].as_str().unwrap());
        let (status, headers, body) = get(&world, &path, &[]).await;
        assert_eq!((status, body), (StatusCode::OK, source.as_bytes().to_vec()), "{path}");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["access-control-allow-origin"], "*");
        let tag = headers["etag"].to_str().unwrap();
        assert_eq!(get(&world, &path, &[("if-none-match", tag)]).await.0, StatusCode::NOT_MODIFIED);
    }
    for path in [
        "/lexicons/no.such.lexicon",
        "/lexicons/",
        "/lexicons",
        "/lexicons/app/guestlist/defs",
        "/lexicons/%00",
    ] {
        let answer = world.send(axum::http::Method::GET, path).await;
        answer.assert_error(404, "NotFound");
    }
    world
        .send(axum::http::Method::POST, "/lexicons/app.guestlist.defs")
        .await
        .assert_error(405, "MethodNotAllowed");
}

/// A server on a free port; it stops with the token.
async fn start(world: &World, trusted: &[&str], patience: Patience) -> (SocketAddr, CancellationToken) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let trusted = trusted.iter().map(|text| text.parse().unwrap()).collect();
    tokio::spawn(serve_with(listener, router(world.service.clone()), trusted, stop.clone(), patience));
    (address, stop)
}

/// Writes what it is given, and reads until the server closes.
fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(CLIENT_TIME_MAX)).unwrap();
    stream.set_write_timeout(Some(CLIENT_TIME_MAX)).unwrap();
    // A server that has refused may stop reading; what it said is there all the same.
    let _ = stream.write_all(request);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn body_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_malformed_is_told_so_in_json() {
    let world = World::new();
    let (address, stop) = start(&world, &[], Patience::default()).await;
    let long = "a".repeat(1 << 20);
    let cases = [
        (format!("GET {STATUS}?a={long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414, "UriTooLong"),
        (format!("GET {STATUS}?a={} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..70_000]), 414, "UriTooLong"),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414, "UriTooLong"),
        (format!("GET {STATUS} HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"), 431, "HeadersTooLarge"),
        ("GET nonsense\r\n\r\n".to_owned(), 400, "InvalidRequest"),
        ("\0\0\0\0\r\n\r\n".to_owned(), 400, "InvalidRequest"),
        (format!("GET {STATUS} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), 400, "InvalidRequest"),
    ];
    for (request, status, name) in cases {
        let answer = spawn_blocking(move || exchange(address, request.as_bytes())).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let body = body_of(&answer);
        assert_eq!(body["error"], name, "{answer}");
        assert_eq!(body["message"], body["error_description"], "{answer}");
        assert!(answer.contains("access-control-allow-origin: *"), "{answer}");
    }
    // A longest URI that passes is answered like any other.
    let request =
        format!("GET {STATUS}?a={} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &long[..65_000]);
    let answer = spawn_blocking(move || exchange(address, request.as_bytes())).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_in_any_parameter_is_refused_in_json() {
    let world = World::new();
    let (address, stop) = start(&world, &[], Patience::default()).await;
    let mut tried = 0;
    for document in crate::records::lexicon::documents().into_values() {
        let main = &document["defs"]["main"];
        for name in main["parameters"]["properties"].as_object().into_iter().flat_map(|names| names.keys()) {
            let path = format!("/xrpc/{}?{name}=", document["id"].as_str().unwrap());
            let request = format!("GET {path}{} HTTP/1.1\r\nHost: x\r\n\r\n", "%00".repeat(350_000));
            let answer = spawn_blocking(move || exchange(address, request.as_bytes())).await.unwrap();
            assert_eq!(body_of(&answer)["error"], "UriTooLong", "{path}");
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_finishes_its_request_is_let_go() {
    let world = World::new();
    let patience = Patience { head_time_max: Duration::from_millis(300), ..Patience::default() };
    let (address, stop) = start(&world, &[], patience).await;
    for begun in [
        "",
        "GET /xrpc/_hea",
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "GET /xrpc/_health HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let time = Instant::now();
        let answer = spawn_blocking(move || exchange(address, begun.as_bytes())).await.unwrap();
        assert_eq!(answer.is_empty(), !begun.ends_with("\r\n\r\n"), "{begun:?}: {answer}");
        assert!(time.elapsed() < Duration::from_secs(5), "{begun:?}");
    }
    // One letter after the other is no progress.
    let dripping = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(CLIENT_TIME_MAX)).unwrap();
        let time = Instant::now();
        while time.elapsed() < CLIENT_TIME_MAX {
            if stream.write_all(b"a").is_err() {
                return time.elapsed();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it was waited for all the time");
    });
    assert!(dripping.await.unwrap() < Duration::from_secs(5));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_take_its_answers_is_let_go() {
    let mut world = World::new();
    for number in 0..4 {
        let note = "x".repeat(900_000);
        world.round("ada", &format!("r{number}"), "open", json!({ "note": note }));
    }
    let patience = Patience { write_time_max: Duration::from_millis(300), ..Patience::default() };
    let (address, stop) = start(&world, &[], patience).await;
    let read = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(CLIENT_TIME_MAX)).unwrap();
        for _ in 0..16 {
            // What fits between the two ends is no sign that anybody reads.
            let asks = b"GET /xrpc/app.guestlist.listRounds HTTP/1.1\r\nHost: x\r\n\r\n";
            if stream.write_all(asks).is_err() {
                break;
            }
        }
        std::thread::sleep(Duration::from_secs(3));
        let mut read = Vec::new();
        // It ends, with an error or without one: that is all that matters.
        let _ = stream.read_to_end(&mut read);
        read.len()
    });
    assert!(read.await.unwrap() < 16 * 3_600_000);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_gives_ids_and_a_stranger_does_not() {
    let world = World::new();
    for (trusted, is_taken) in [(&["127.0.0.0/8"][..], true), (&["10.0.0.0/8"], false), (&[], false)] {
        let (address, stop) = start(&world, trusted, Patience::default()).await;
        let request =
            "GET /xrpc/_health HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\nConnection: close\r\n\r\n";
        let answer = spawn_blocking(move || exchange(address, request.as_bytes())).await.unwrap();
        assert_eq!(answer.contains("x-request-id: abc-1\r\n"), is_taken, "{answer}");
        stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_finishes_what_it_has_begun() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let router = router(world.service.clone());
    let server = tokio::spawn(serve_with(listener, router, Vec::new(), stop.clone(), Patience::default()));
    // One connection is kept and idle, one is in the middle of a request.
    let (idle, mut begun) = spawn_blocking(move || {
        let mut idle = TcpStream::connect(address).unwrap();
        idle.write_all(b"GET /xrpc/_health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        let begun = TcpStream::connect(address).unwrap();
        (idle, begun)
    })
    .await
    .unwrap();
    stop.cancel();
    let _ = begun.write_all(b"GET /xrpc/_health HTTP/1.1\r\nHost: x\r\n\r\n");
    let _ = begun.shutdown(Shutdown::Write);
    tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap().unwrap();
    drop((idle, begun));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_does_not_wait_for_who_has_not_asked() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let router = router(world.service.clone());
    let server = tokio::spawn(serve_with(listener, router, Vec::new(), stop.clone(), Patience::default()));
    let waiting = spawn_blocking(move || {
        let silent = TcpStream::connect(address).unwrap();
        let mut hesitant = TcpStream::connect(address).unwrap();
        hesitant.write_all(b"GET /xrpc/_hea").unwrap();
        // The answer says that the two before it were taken on.
        let request = b"GET /xrpc/_health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert!(exchange(address, request).starts_with("HTTP/1.1 200 "));
        (silent, hesitant)
    });
    let waiting = waiting.await.unwrap();
    stop.cancel();
    // Far less than a head may take.
    tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap().unwrap();
    drop(waiting);
}
