//! Who calls with a token: what counts, what is said to whom it does not, and what it may cost.
#![allow(
    clippy::disallowed_methods,
    reason = "tokens of now, a file of identities, and a client with a socket"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::world::{Answer, World, exchange};
use crate::codec::service_token::tests::Signer;
use crate::codec::service_token::{ON_THE_WAY_SECONDS, TokenFault};
use crate::http::auth::authenticate;
use crate::http::connections::{Patience, serve_with};
use crate::http::error::ApiError;
use crate::http::{Service, surround};
use crate::identity::tests::{ADA, Reply, directory, document, resolver, with_plc};
use crate::identity::{Directory, Resolver};
use crate::syntax::Did;

const METHOD: &str = "rsvp.atmo.space.whoami";
const SERVICE: &str = "did:web:guestlist.example";

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn claims() -> Value {
    json!({ "iss": ADA, "aud": SERVICE, "lxm": METHOD, "iat": now(), "exp": now() + 60, "jti": "once-and-never" })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// A service that knows these people from a file.
fn knowing(documents: &[Value]) -> World {
    let mut world = World::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<_> = documents.iter().map(Value::to_string).collect();
    std::fs::write(file.path(), lines.join("\n")).unwrap();
    world.service.identities = Resolver::offline(Directory::load(&[file.path().to_owned()]).unwrap());
    world
}

/// A service where Ada has this key.
fn with_ada(signer: &Signer) -> World {
    let mut ada = document(ADA, 1, "ada.host.com");
    ada["verificationMethod"][0]["publicKeyMultibase"] = json!(signer.multikey());
    knowing(&[ada])
}

/// The routes of a method that says who calls.
fn routes(service: &Service) -> Router {
    let limits = service.limits;
    let service = service.clone();
    let whoami = async move |headers: HeaderMap| -> Response {
        match authenticate(&service, &headers, METHOD).await {
            Ok(caller) => {
                let said = json!({ "did": caller.did.as_str(), "expires": caller.nonce.expires });
                axum::Json(said).into_response()
            }
            Err(error) => error.into_response(),
        }
    };
    surround(Router::new().route(&format!("/xrpc/{METHOD}"), post(whoami)), &limits)
}

async fn call(service: &Service, headers: &[&str]) -> Answer {
    let mut request = Request::post(format!("/xrpc/{METHOD}"));
    for value in headers {
        request = request.header("authorization", *value);
    }
    exchange(routes(service), request.body(Body::empty()).unwrap()).await
}

async fn call_with(service: &Service, token: &str) -> Answer {
    call(service, &[&format!("Bearer {token}")]).await
}

/// What a caller hears who is not known, after `AuthRequired`.
fn refusal<'a>(answer: &'a Answer, challenge: &str) -> &'a str {
    let message = answer.assert_error(401, "AuthRequired");
    assert_eq!(answer.headers["www-authenticate"], challenge, "{message}");
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert!(answer.headers["access-control-expose-headers"].to_str().unwrap().contains("www-authenticate"));
    message
}

const INVALID: &str = "Bearer error=\"invalid_token\"";

#[tokio::test]
async fn a_right_token_says_who_calls() {
    for signer in [Signer::k256(1), Signer::p256(1)] {
        let world = with_ada(&signer);
        let token = signer.token(&claims());
        let twin = signer.twin(&token);
        for value in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}"), {
            format!("Bearer {twin}")
        }] {
            let answer = call(&world.service, &[&value]).await;
            assert_eq!((answer.status.as_u16(), &answer.json["did"]), (200, &json!(ADA)), "{}", answer.json);
            let left = answer.json["expires"].as_u64().unwrap() - u64::try_from(now()).unwrap();
            assert!((62..=65 + ON_THE_WAY_SECONDS).contains(&left), "{left}");
        }
    }
}

#[tokio::test]
async fn a_header_that_is_none_is_told_what_is_missing() {
    let world = with_ada(&Signer::k256(1));
    let token = Signer::k256(1).token(&claims());
    let answer = call(&world.service, &[]).await;
    let message = refusal(&answer, "Bearer");
    assert!(message.starts_with("MissingJwt: ") && message.contains("Authorization"), "{message}");
    let bearer = format!("Bearer {token}");
    for headers in [
        &[""][..],
        &["Bearer"],
        &["Bearer "],
        &[&token],
        &[&format!("DPoP {token}")],
        &[&format!("Basic {token}")],
        &[&format!("Bearer\t{token}")],
        &["Bearer \u{e9}"],
        &[&bearer, &bearer],
        &[&bearer, ""],
    ] {
        let answer = call(&world.service, headers).await;
        let message = refusal(&answer, "Bearer error=\"invalid_request\"");
        assert!(message.starts_with("BadJwt: the header Authorization "), "{message}");
    }
    for token in [format!("{token},{token}"), format!("{token} {token}"), "x".to_owned(), "a".repeat(9_000)] {
        let answer = call_with(&world.service, &token).await;
        assert!(refusal(&answer, INVALID).starts_with("BadJwt: the token "));
    }
}

#[tokio::test]
async fn what_a_token_breaks_is_named_as_the_reference_names_it() {
    let signer = Signer::k256(1);
    let world = with_ada(&signer);
    for (claims, name) in [
        (with("exp", json!(now() - 60)), "JwtExpired"),
        (with("exp", json!(now() + 600)), "BadJwt"),
        (with("iat", json!(now() + 60)), "BadJwt"),
        (with("jti", json!("")), "BadJwt"),
        (with("aud", json!("did:web:elsewhere.example")), "BadJwtAudience"),
        (with("lxm", json!("rsvp.atmo.space.leaveSpace")), "BadJwtLexiconMethod"),
        (with("iss", json!("ada.host.com")), "BadJwtIss"),
        (with("iss", json!("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")), "BadJwtIss"),
    ] {
        let answer = call_with(&world.service, &signer.token(&claims)).await;
        let message = refusal(&answer, INVALID);
        assert_eq!(message.split_once(": ").unwrap().0, name, "{claims} {message}");
    }
    let another = call_with(&world.service, &Signer::k256(2).token(&claims())).await;
    assert!(refusal(&another, INVALID).starts_with("BadJwtSignature: "));
    let access = signer.token_of("{\"alg\":\"ES256K\",\"typ\":\"at+jwt\"}", &claims().to_string());
    assert!(refusal(&call_with(&world.service, &access).await, INVALID).starts_with("BadJwtType: "));
    let keyless = knowing(&[json!({ "id": ADA })]);
    let answer = call_with(&keyless.service, &signer.token(&claims())).await;
    assert!(refusal(&answer, INVALID).starts_with("BadJwtIss: "));
    let replayed = ApiError::from(TokenFault::Replayed).to_string();
    assert_eq!(replayed, "BadJwt: the token was used before");
}

#[tokio::test]
async fn the_did_of_the_service_is_what_counts_and_not_its_host() {
    let signer = Signer::k256(1);
    let mut world = with_ada(&signer);
    world.service.service_did = Did::parse("did:plc:cccccccccccccccccccccccc").unwrap();
    let answer = call_with(&world.service, &signer.token(&claims())).await;
    assert!(refusal(&answer, INVALID).starts_with("BadJwtAudience: "));
    for aud in ["did:plc:cccccccccccccccccccccccc", "did:plc:cccccccccccccccccccccccc#guestlist"] {
        let answer = call_with(&world.service, &signer.token(&with("aud", json!(aud)))).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
    }
}

#[tokio::test]
async fn nobody_is_asked_about_a_token_that_could_not_count() {
    let mut world = World::new();
    let stub = with_plc(directory(vec![document(ADA, 1, "ada.host.com")]));
    world.service.identities = resolver(&stub);
    let signer = Signer::p256(1);
    for (name, value) in [
        ("exp", json!(now() - 60)),
        ("exp", json!(now() + 600)),
        ("iat", json!(now() + 60)),
        ("jti", json!("")),
        ("aud", json!("did:web:elsewhere.example")),
        ("lxm", json!("a.b.c")),
        ("iss", json!("did:key:zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc")),
        ("iss", json!("did:web:127.0.0.1")),
    ] {
        refusal(&call_with(&world.service, &signer.token(&with(name, value))).await, INVALID);
    }
    assert!(stub.connected().is_empty(), "{:?}", stub.asked());
    assert_eq!(call_with(&world.service, &signer.token(&claims())).await.status, 200);
    let answer =
        call_with(&world.service, &signer.token(&with("iss", json!("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"))))
            .await;
    assert!(refusal(&answer, INVALID).starts_with("BadJwtIss: "));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_looked_up_now_is_told_to_come_again() {
    let down = with_plc(|_| Reply::status(503, "", ""));
    let silent = with_plc(|_| Reply::Silence);
    for stub in [down, silent] {
        let mut world = World::new();
        world.service.identities = resolver(&stub);
        let begun = tokio::time::Instant::now();
        let answer = call_with(&world.service, &Signer::p256(1).token(&claims())).await;
        answer.assert_error(503, "NotEnoughResources");
        assert_eq!(answer.headers["retry-after"], "5");
        assert!(!answer.headers.contains_key("www-authenticate"));
        assert!(begun.elapsed() <= Duration::from_secs(6), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_for_a_caller_goes_on_for_the_next() {
    let body = document(ADA, 1, "ada.host.com").to_string();
    let head = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", body.len());
    // Eight seconds for all of it: more than a caller waits, and less than a look-up may take.
    let pause = Duration::from_secs(8) / u32::try_from(head.len() + body.len()).unwrap();
    let stub = with_plc(move |_| Reply::Drip(format!("{head}{body}").into_bytes(), pause));
    let mut world = World::new();
    world.service.identities = resolver(&stub);
    let token = Signer::p256(1).token(&claims());
    call_with(&world.service, &token).await.assert_error(503, "NotEnoughResources");
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(call_with(&world.service, &token).await.status, 200);
    assert_eq!(stub.asked().len(), 1);
}

/// What is written to the log, all of it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_of_a_token_is_in_an_answer_or_in_any_line_of_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    // With one subscriber alone, a line that another test reaches first is off for good.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let mut world = World::new();
    world.service.identities = resolver(&with_plc(directory(vec![document(ADA, 1, "ada.host.com")])));
    let signer = Signer::p256(1);
    let right = signer.token(&claims());
    let wrong = Signer::p256(2).token(&claims());
    let tokens = [
        right.clone(),
        signer.twin(&right),
        wrong,
        signer.token(&with("exp", json!(0))),
        signer.token(&with("aud", json!("did:web:elsewhere.example"))),
        signer.token(&with("iss", json!("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"))),
        right.replace('.', ":"),
        format!("{right}{right}"),
    ];
    let mut said = String::new();
    for token in &tokens {
        let answer = call_with(&world.service, token).await;
        said += &format!("{} {:?}\n", answer.json, answer.headers);
    }
    said += &String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("answered a request"), "the log is read: {said}");
    for token in &tokens {
        for part in token.split(['.', ':']) {
            assert!(!said.contains(&part[..24]), "{part} in {said}");
        }
    }
    assert!(!said.contains("once-and-never"), "{said}");
}

/// Writes a request whose `Authorization` never ends, and reads what the server says to it.
fn flood(address: std::net::SocketAddr, bytes: usize) -> (String, usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("POST /xrpc/{METHOD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ");
    stream.write_all(head.as_bytes()).unwrap();
    let (junk, mut written) = (vec![b'a'; 64 * 1024], 0);
    // It is refused long before the end.
    while written < bytes && stream.write_all(&junk).is_ok() {
        written += junk.len();
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    (String::from_utf8(answer).unwrap(), written)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_of_token_are_refused_in_json_and_not_kept() {
    let world = with_ada(&Signer::k256(1));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = serve_with(listener, routes(&world.service), Vec::new(), stop.clone(), Patience::default());
    tokio::spawn(server);
    let (answer, written) = spawn_blocking(move || flood(address, 100_000_000)).await.unwrap();
    assert!(written < 40_000_000, "{written}: it is not read to its end, and so not kept");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // Who stops writing in time hears why; how much a server has taken by then is up to the sockets.
    let (answer, _) = spawn_blocking(move || flood(address, 1_000_000)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["error"], "HeadersTooLarge");
    stop.cancel();
}

#[tokio::test]
async fn the_document_of_the_service_is_where_its_did_leads() {
    let mut world = World::new();
    let path = "/.well-known/did.json";
    for (url, did) in [
        ("https://guestlist.example", "did:web:guestlist.example"),
        ("https://Guestlist.example/", "did:web:guestlist.example"),
        ("http://127.0.0.1:8484", "did:web:127.0.0.1%3A8484"),
        ("http://127.0.0.1:8484", "did:web:127.0.0.1%3a8484"),
    ] {
        world.service.public_url = url.to_owned();
        world.service.service_did = Did::parse(did).unwrap();
        let answer = world.send(Method::GET, path).await;
        let entry = json!({ "id": "#guestlist", "type": "Guestlist", "serviceEndpoint": url });
        let expected = json!({ "@context": ["https://www.w3.org/ns/did/v1"], "id": did, "service": [entry] });
        assert_eq!((answer.status.as_u16(), &answer.json), (200, &expected));
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
    for did in ["did:web:guestlist.example", "did:plc:cccccccccccccccccccccccc", "did:web:127.0.0.1"] {
        world.service.service_did = Did::parse(did).unwrap();
        world.send(Method::GET, path).await.assert_error(404, "NotFound");
    }
    world.send(Method::POST, path).await.assert_error(405, "MethodNotAllowed");
}
