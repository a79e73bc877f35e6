//! The two procedures of Smoke Signal as its reference has them (seed 002): each request, answer, field and row of its
//! tables of errors, quoted. Only hosts and tokens are others.

use axum::body::Body;
use serde_json::{Value, json};

use super::office::{Office, claims, signer, token};
use super::world::{Answer, World};
use crate::orders::desk;
use crate::records::Kind;
use crate::spaces::Bounds;
use crate::tables::view::ReadRows;
use crate::tables::{Audits, PersonTickets, Settings, Tickets};

const LINK: &str = "events.smokesignal.rsvp.linkAttestation";
const CONFIGURE: &str = "events.smokesignal.event.configure";
const CONFIRM: &str = "app.guestlist.confirmAttestation";
const TICKETS: &str = "app.guestlist.listTickets";
const GET_EVENT: &str = "community.lexicon.calendar.getEvent";

/// The people of the reference: `did:plc:1234abcd` has the event, `did:plc:5678efgh` the ticket.
const HOST: &str = "1234abcd";
const GUEST: &str = "5678efgh";
const EVENT: &str = "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123";
const ATTESTATION: &str = "at://did:plc:1234abcd/com.example.attestation/3att456";

/// The bodies of the reference's commands.
const LINKS: &str = r#"{
    "did": "did:plc:5678efgh",
    "event": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
    "aturi": "at://did:plc:1234abcd/com.example.attestation/3att456"
  }"#;
const ASKS_FOR_EMAIL: &str = r#"{
    "event": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
    "requireConfirmedEmail": true
  }"#;
const SENDS_ELSEWHERE: &str = r#"{
    "event": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
    "disableDirectRsvp": true,
    "rsvpRedirectUrl": "https://ti.to/myorg/my-event"
  }"#;

/// Where the event of the reference is.
fn office() -> Office {
    let mut office = Office::of(&[HOST, GUEST, "eve"]);
    office.world.put(HOST, Kind::Event, "3abc123", json!({ "name": "Rust Meetup" }));
    office
}

fn input(of: &str) -> Value {
    serde_json::from_str(of).unwrap()
}

fn with(of: &str, field: &str, value: Value) -> Value {
    let mut input = input(of);
    input[field] = value;
    input
}

fn without(of: &str, field: &str) -> Value {
    let mut input = input(of);
    input.as_object_mut().unwrap().remove(field).unwrap();
    input
}

/// Everything that the procedures could have changed, with what they wrote down.
fn state(world: &World) -> String {
    let rows = world.service.store.snapshot();
    format!(
        "{:?} {:?} {:?} {}",
        rows.scan_all::<Settings>().collect::<Vec<_>>(),
        rows.scan_all::<Tickets>().collect::<Vec<_>>(),
        rows.scan_all::<PersonTickets>().collect::<Vec<_>>(),
        rows.scan_all::<Audits>().count(),
    )
}

/// How the event is set up, as its view shows it.
async fn settings(office: &Office) -> Value {
    let params = [("repository", "did:plc:1234abcd"), ("record_key", "3abc123")];
    let mut view = office.world.get(GET_EVENT, &params).await;
    let names = ["requireConfirmedEmail", "disableDirectRsvp", "rsvpRedirectUrl"];
    let view = view.as_object_mut().unwrap();
    names.iter().filter_map(|name| view.remove_entry(*name)).collect()
}

#[tokio::test]
async fn the_requests_of_the_reference_are_answered_as_it_says() {
    let office = office();
    for (method, body) in [(LINK, LINKS), (CONFIGURE, ASKS_FOR_EMAIL), (CONFIGURE, SENDS_ELSEWHERE)] {
        for time in ["once", "again"] {
            let (token, body) = (token(HOST, method), Body::from(body));
            let answer = office.post(method, Some(&token), "application/json", body).await;
            assert_eq!((answer.status.as_u16(), &answer.json), (200, &json!({})), "{method} {time}");
            assert_eq!(answer.headers["content-type"], "application/json");
        }
    }
    let expected = json!({
        "requireConfirmedEmail": true,
        "disableDirectRsvp": true,
        "rsvpRedirectUrl": "https://ti.to/myorg/my-event",
    });
    assert_eq!(settings(&office).await, expected);
    let tickets = office.list(GUEST, TICKETS, "tickets", &[]).await;
    assert_eq!((tickets.len(), &tickets[0]["aturi"]), (1, &json!(ATTESTATION)));
    assert!(tickets[0].get("confirmedAt").is_none(), "a ticket that the target user can later confirm");
}

/// Asserts the row "401 `AuthRequired`: missing, invalid, or expired authentication token, or no issuer in token".
async fn assert_unauthorized(office: &Office, method: &str, body: &str) {
    let send = async |token: Option<&str>| {
        let body = Body::from(body.to_owned());
        office.post(method, token, "application/json", body).await
    };
    let signed = |change: fn(&mut Value)| {
        let mut claims = claims(HOST, method);
        change(&mut claims);
        signer(HOST).token(&claims)
    };
    let bad = [
        signer("eve").token(&claims(HOST, method)),
        signed(|claims| claims["exp"] = json!(1_700_000_000)),
        signed(|claims| drop(claims.as_object_mut().unwrap().remove("iss"))),
        signed(|claims| claims["iss"] = json!("")),
        signed(|claims| claims["lxm"] = json!(CONFIRM)),
        signed(|claims| claims["aud"] = json!("did:web:smokesignal.events")),
        "<at-proto-jwt>".to_owned(),
        "eyJhbGciOi...".to_owned(),
    ];
    let missing = send(None).await;
    missing.assert_error(401, "AuthRequired");
    assert_eq!(missing.headers["www-authenticate"], "Bearer");
    for token in &bad {
        let answer = send(Some(token)).await;
        answer.assert_error(401, "AuthRequired");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer error="));
    }
}

#[tokio::test]
async fn every_row_of_errors_of_link_attestation() {
    let mut office = office();
    office.world.put("eve", Kind::Event, "3abc123", json!({ "name": "Another" }));
    let before = state(&office.world);
    assert_unauthorized(&office, LINK, LINKS).await;
    let of_eve = "at://did:plc:eve/com.example.attestation/3att456";
    let by_handle = "at://1234abcd.example/com.example.attestation/3att456";
    let rows: Vec<(u16, &str, Value, &str)> = vec![
        // "400 `InvalidRequest`: invalid target DID format, invalid event AT-URI, or invalid attestation AT-URI."
        (400, "InvalidRequest", with(LINKS, "did", json!("5678efgh")), "/did"),
        (400, "InvalidRequest", with(LINKS, "did", json!("5678efgh.example")), "/did"),
        (400, "InvalidRequest", with(LINKS, "did", json!("did:plc:")), "/did"),
        (400, "InvalidRequest", with(LINKS, "did", json!(format!("did:web:{}", "x".repeat(300)))), "/did"),
        (400, "InvalidRequest", with(LINKS, "event", json!("3abc123")), "/event"),
        (400, "InvalidRequest", with(LINKS, "event", json!("https://smokesignal.events/e")), "/event"),
        (400, "InvalidRequest", with(LINKS, "event", json!("at://did:plc:1234abcd")), "/event"),
        (400, "InvalidRequest", with(LINKS, "event", json!(EVENT.replace("/3abc123", ""))), "/event"),
        (400, "InvalidRequest", with(LINKS, "event", json!(format!("{EVENT}/"))), "/event"),
        (400, "InvalidRequest", with(LINKS, "event", json!(ATTESTATION)), "/event"),
        (400, "InvalidRequest", with(LINKS, "event", json!(EVENT.replace(".event", ".rsvp"))), "/event"),
        (400, "InvalidRequest", with(LINKS, "aturi", json!("3att456")), "/aturi"),
        (400, "InvalidRequest", with(LINKS, "aturi", json!("at://did:plc:1234abcd")), "/aturi"),
        (400, "InvalidRequest", with(LINKS, "aturi", json!(ATTESTATION.replace("/3att456", ""))), "/aturi"),
        (400, "InvalidRequest", with(LINKS, "aturi", json!("at://did:plc:1234abcd/a.b/c")), "/aturi"),
        // "did", "event", "aturi": required.
        (400, "InvalidRequest", without(LINKS, "did"), "/did"),
        (400, "InvalidRequest", without(LINKS, "event"), "/event"),
        (400, "InvalidRequest", without(LINKS, "aturi"), "/aturi"),
        // "403 `Forbidden`: caller is not the event organizer or not the attestation record owner."
        (403, "Forbidden", with(LINKS, "event", json!(EVENT.replace("1234abcd", "eve"))), "author"),
        (403, "Forbidden", with(LINKS, "event", json!(EVENT.replace("1234abcd", "nobody"))), "author"),
        (403, "Forbidden", with(LINKS, "event", json!(EVENT.replace("did:plc:1234abcd", "a.example"))), ""),
        (403, "Forbidden", with(LINKS, "aturi", json!(of_eve)), "author"),
        (403, "Forbidden", with(LINKS, "aturi", json!(by_handle)), "author"),
        // "404 `NotFound`: event not found."
        (404, "NotFound", with(LINKS, "event", json!(EVENT.replace("3abc123", "nowhere"))), "event"),
    ];
    for (status, name, input, named) in rows {
        let answer = office.call(HOST, LINK, input.clone()).await;
        let message = answer.assert_error(status, name);
        assert!(message.contains(named), "{input}: {message}");
        assert!(answer.json.get("error_description").is_none());
    }
    office.call(GUEST, LINK, input(LINKS)).await.assert_error(403, "Forbidden");
    office.call("eve", LINK, with(LINKS, "aturi", json!(of_eve))).await.assert_error(403, "Forbidden");
    assert_eq!(state(&office.world), before);
}

#[tokio::test]
async fn every_row_of_errors_of_configure() {
    let mut office = office();
    office.world.put("eve", Kind::Event, "3abc123", json!({ "name": "Another" }));
    let before = state(&office.world);
    assert_unauthorized(&office, CONFIGURE, ASKS_FOR_EMAIL).await;
    let event = |uri: &str| with(ASKS_FOR_EMAIL, "event", json!(uri));
    let url = |url: &str| with(SENDS_ELSEWHERE, "rsvpRedirectUrl", json!(url));
    let rows: Vec<(u16, &str, Value, &str)> = vec![
        // "400 `InvalidRequest`: event AT-URI doesn't belong to the authenticated user,"
        (400, "InvalidRequest", event(&EVENT.replace("1234abcd", "eve")), "not the caller's"),
        (400, "InvalidRequest", event(&EVENT.replace("1234abcd", "nobody")), "not the caller's"),
        (
            400,
            "InvalidRequest",
            event(&EVENT.replace("did:plc:1234abcd", "1234abcd.example")),
            "not the caller's",
        ),
        // "invalid AT-URI format,"
        (400, "InvalidRequest", event("3abc123"), "/event"),
        (400, "InvalidRequest", event("at://did:plc:1234abcd"), "/event"),
        (400, "InvalidRequest", event(&EVENT.replace("/3abc123", "")), "/event"),
        (400, "InvalidRequest", event(ATTESTATION), "/event"),
        (400, "InvalidRequest", without(ASKS_FOR_EMAIL, "event"), "/event"),
        // "or no settings provided."
        (400, "InvalidRequest", without(ASKS_FOR_EMAIL, "requireConfirmedEmail"), "none of the settings"),
        // "400 `InvalidRedirectUrl`: redirect URL is not valid or does not use HTTPS."
        (400, "InvalidRedirectUrl", url("http://ti.to/myorg/my-event"), "https"),
        (400, "InvalidRedirectUrl", url("ti.to/myorg/my-event"), "https"),
        // "404 `EventNotFound`: the specified event does not exist."
        (404, "EventNotFound", event(&EVENT.replace("3abc123", "nowhere")), "event"),
    ];
    for (status, name, input, named) in rows {
        let answer = office.call(HOST, CONFIGURE, input.clone()).await;
        let message = answer.assert_error(status, name);
        assert!(message.contains(named), "{input}: {message}");
        assert!(answer.json.get("error_description").is_none());
    }
    for who in [GUEST, "eve"] {
        office.call(who, CONFIGURE, input(SENDS_ELSEWHERE)).await.assert_error(400, "InvalidRequest");
    }
    assert_eq!(state(&office.world), before);
}

/// The reference has "500 `InternalServerError`: failed to store" and "failed to update". Here whoever writes ends when it
/// cannot, and until then nobody knows whether it was done.
#[tokio::test]
async fn where_nothing_can_be_stored_the_answer_is_to_come_again() {
    let office = Office::within(&[HOST], Bounds::default(), |world| world.service.desk = desk().0);
    for (method, body) in [(LINK, LINKS), (CONFIGURE, ASKS_FOR_EMAIL)] {
        let answer = office.call(HOST, method, input(body)).await;
        answer.assert_error(503, "NotEnoughResources");
        assert!(answer.headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn what_is_set_stays_until_it_is_set_again() {
    let office = office();
    let (first, second) = ("https://ti.to/myorg/my-event", "https://tickets.example/?e=1#buy");
    let steps = [
        (json!({ "requireConfirmedEmail": false }), json!({ "requireConfirmedEmail": false })),
        (
            json!({ "disableDirectRsvp": true }),
            json!({ "requireConfirmedEmail": false, "disableDirectRsvp": true }),
        ),
        (
            json!({ "rsvpRedirectUrl": first, "requireConfirmedEmail": true }),
            json!({ "requireConfirmedEmail": true, "disableDirectRsvp": true, "rsvpRedirectUrl": first }),
        ),
        (
            json!({ "rsvpRedirectUrl": second, "unknown": { "a": [1, null] } }),
            json!({ "requireConfirmedEmail": true, "disableDirectRsvp": true, "rsvpRedirectUrl": second }),
        ),
        // "Pass an empty string to clear."
        (
            json!({ "rsvpRedirectUrl": "" }),
            json!({ "requireConfirmedEmail": true, "disableDirectRsvp": true }),
        ),
        (
            json!({ "rsvpRedirectUrl": "", "disableDirectRsvp": false }),
            json!({ "requireConfirmedEmail": true, "disableDirectRsvp": false }),
        ),
    ];
    assert_eq!(settings(&office).await, json!({}));
    for (mut change, expected) in steps {
        change["event"] = json!(EVENT);
        assert_eq!(office.done(HOST, CONFIGURE, change.clone()).await, json!({}));
        assert_eq!(settings(&office).await, expected, "{change}");
    }
    // Clearing what was never set is a setting too, and leaves nothing.
    let office = self::office();
    office.done(HOST, CONFIGURE, json!({ "event": EVENT, "rsvpRedirectUrl": "" })).await;
    assert_eq!(settings(&office).await, json!({}));
    assert_eq!(office.world.service.store.snapshot().scan_all::<Settings>().count(), 0);
}

#[tokio::test]
async fn a_redirect_goes_to_a_host_by_https_and_is_short_enough() {
    let office = office();
    office.done(HOST, CONFIGURE, input(SENDS_ELSEWHERE)).await;
    let before = state(&office.world);
    let long = |length: usize| format!("https://x.example/{}", "a".repeat(length - 18));
    let bad = [
        " ",
        "https://",
        "https:///my-event",
        "https:ti.to",
        "HTTP://ti.to",
        "javascript:alert(1)",
        "data:text/html,x",
        "//ti.to/my-event",
        "https://me:secret@ti.to/my-event",
        "https://me@ti.to",
        "https://ti.to\\@evil.example",
        "https://ti.to/my event",
        " https://ti.to",
        "https://ti.to\n",
        "https://ti.to/\t",
        "https://ti.to/\0",
        "https://ti.to/\u{7f}",
        "https://ti.to/\u{202e}",
        "https://ti.to:0x1",
        "https://ti.to:99999",
        "https://b\u{fc}cher.example",
        &long(2_049),
        &long(60_000),
        EVENT,
    ];
    for url in bad {
        let change = with(SENDS_ELSEWHERE, "rsvpRedirectUrl", json!(url));
        let answer = office.call(HOST, CONFIGURE, change).await;
        let message = answer.assert_error(400, "InvalidRedirectUrl");
        assert!(!message.contains("secret"), "{message}");
    }
    assert_eq!(state(&office.world), before, "not one setting of a change that is refused");
    for url in [&long(2_048), "HTTPS://TI.TO", "https://[::1]:8443/a?b=c#d", "https://localhost"] {
        office.done(HOST, CONFIGURE, json!({ "event": EVENT, "rsvpRedirectUrl": url })).await;
        assert_eq!(settings(&office).await["rsvpRedirectUrl"], url);
    }
}

#[tokio::test]
async fn bad_input_is_told_what_is_wrong_and_changes_nothing() {
    let office = office();
    office.done(HOST, LINK, input(LINKS)).await;
    let before = state(&office.world);
    let odd = [json!(null), json!(1), json!(0), json!([]), json!({}), json!([true]), json!({ "a": true })];
    for value in odd.iter().chain(&[json!(true), json!("")]) {
        for field in ["did", "event", "aturi"] {
            let answer = office.call(HOST, LINK, with(LINKS, field, value.clone())).await;
            assert!(answer.assert_error(400, "InvalidRequest").contains(field), "{field}: {value}");
        }
        for field in ["event", "aturi"] {
            let confirm = json!({ "event": EVENT, "aturi": ATTESTATION }).to_string();
            let answer = office.call(GUEST, CONFIRM, with(&confirm, field, value.clone())).await;
            assert!(answer.assert_error(400, "InvalidRequest").contains(field), "{field}: {value}");
        }
    }
    let words = [json!("true"), json!("false"), json!("")];
    for value in odd.iter().chain(&words) {
        for field in ["requireConfirmedEmail", "disableDirectRsvp"] {
            let answer = office.call(HOST, CONFIGURE, with(SENDS_ELSEWHERE, field, value.clone())).await;
            assert!(answer.assert_error(400, "InvalidRequest").contains(field), "{field}: {value}");
        }
    }
    for value in odd.iter().chain(&[json!(true)]) {
        let answer =
            office.call(HOST, CONFIGURE, with(SENDS_ELSEWHERE, "rsvpRedirectUrl", value.clone())).await;
        assert!(answer.assert_error(400, "InvalidRequest").contains("rsvpRedirectUrl"), "{value}");
    }
    assert_eq!(state(&office.world), before);
}

#[tokio::test]
async fn a_body_that_is_none_is_refused() {
    let office = office();
    let before = state(&office.world);
    let large = format!("{{\"event\":\"{}\"}}", "x".repeat(1 << 20));
    let bodies: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("application/json", b"".to_vec(), 400, "InvalidRequest"),
        ("application/json", b"null".to_vec(), 400, "InvalidRequest"),
        ("application/json", b"[]".to_vec(), 400, "InvalidRequest"),
        ("application/json", b"\"x\"".to_vec(), 400, "InvalidRequest"),
        ("application/json", b"\0".to_vec(), 400, "InvalidRequest"),
        ("application/json", b"{\"event\":\"\0\"}".to_vec(), 400, "InvalidRequest"),
        ("application/json", b"{\"event\":\"\\u0000\"}".to_vec(), 400, "InvalidRequest"),
        ("application/json", vec![0xff, 0xfe], 400, "InvalidRequest"),
        ("application/json", "[".repeat(50_000).into_bytes(), 400, "InvalidRequest"),
        ("application/json", "{\"event\":".repeat(5_000).into_bytes(), 400, "InvalidRequest"),
        ("application/json", large.into_bytes(), 413, "PayloadTooLarge"),
        ("text/plain", LINKS.as_bytes().to_vec(), 400, "InvalidRequest"),
        ("application/x-www-form-urlencoded", b"event=x".to_vec(), 400, "InvalidRequest"),
    ];
    for method in [LINK, CONFIGURE, CONFIRM] {
        for (kind, body, status, name) in &bodies {
            let token = token(HOST, method);
            let answer: Answer = office.post(method, Some(&token), kind, Body::from(body.clone())).await;
            answer.assert_error(*status, name);
        }
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let deep = LINKS.replace("{\n", &format!("{{ \"unknown\": {deep},\n"));
        let (token, body) = (token(HOST, method), Body::from(deep));
        let answer = office.post(method, Some(&token), "application/json", body).await;
        answer.assert_error(400, "InvalidRequest");
    }
    assert_eq!(state(&office.world), before);
}
