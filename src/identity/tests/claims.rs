//! Claims: which key proves what, and when.

use super::{
    ADA, Changing, MINUTE, Reply, SECOND, claim, claim_at, did, document, log, resolver, resolver_beside,
};
use crate::identity::{Resolver, Unproved, Unresolved};
use serde_json::json;

fn word(proved: Result<(), Unproved>) -> &'static str {
    match proved {
        Ok(()) => "proved",
        Err(Unproved::BadSignature) => "bad signature",
        Err(Unproved::NoSigningKey) => "no key",
        Err(Unproved::Unresolved(Unresolved::Directory(_))) => "later",
        Err(Unproved::Unresolved(_)) => "unresolved",
    }
}

async fn proved(resolver: &Resolver, number: u8, minute: i64) -> &'static str {
    word(resolver.prove(&claim_at(&did(ADA), number, minute)).await)
}

fn plc(number: u8) -> Changing {
    let plc = Changing::default();
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, number, "ada.host.com").to_string()));
    plc.set(&format!("/{ADA}/log/audit"), Reply::body(log(&[(1, 0)]).to_string()));
    plc
}

#[tokio::test(start_paused = true)]
async fn a_known_key_proves_without_asking() {
    let stub = plc(1).stub();
    let resolver = resolver(&stub);
    assert!(!resolver.proves(&claim(ADA, 1)), "nobody is known yet");
    assert_eq!(proved(&resolver, 1, 0).await, "proved");
    assert!(resolver.proves(&claim(ADA, 1)) && !resolver.proves(&claim(ADA, 2)));
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_replaced_is_found_by_looking_again_once() {
    let plc = plc(1);
    let stub = plc.stub();
    let resolver = resolver(&stub);
    assert_eq!(proved(&resolver, 1, 0).await, "proved");
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, 2, "ada.host.com").to_string()));
    tokio::time::advance(SECOND).await;
    assert_eq!(proved(&resolver, 2, 1).await, "proved");
    assert_eq!(stub.asked().len(), 2);
    assert!(resolver.proves(&claim(ADA, 2)));
}

#[tokio::test(start_paused = true)]
async fn a_former_key_proves_what_was_signed_in_its_time() {
    let plc = plc(3);
    // The second from the minute 10 on, the third from 20.
    plc.set(&format!("/{ADA}/log/audit"), Reply::body(log(&[(1, 0), (2, 10), (3, 20)]).to_string()));
    let stub = plc.stub();
    let resolver = resolver(&stub);
    for (number, minute, ends) in [
        (1, 9, "proved"),
        (1, 15, "proved"),
        (1, 16, "bad signature"),
        (2, 25, "proved"),
        (2, 26, "bad signature"),
        (3, 1_000, "proved"),
        (4, 5, "bad signature"),
    ] {
        assert_eq!(proved(&resolver, number, minute).await, ends, "key {number} at {minute}");
    }
    let logs = stub.asked().iter().filter(|path| path.ends_with("/log/audit")).count();
    assert!(logs <= 2, "{logs}");
    assert!(resolver.proves(&claim_at(&did(ADA), 1, 9)) && !resolver.proves(&claim_at(&did(ADA), 1, 16)));
    // So do those of a file.
    let entry = json!({ "doc": document(ADA, 3, "ada.host.com"), "audit": log(&[(1, 0), (3, 20)]) });
    let filed = resolver_beside(&stub, &[entry]);
    for (minute, ends) in [(25, "proved"), (26, "bad signature")] {
        assert_eq!(proved(&filed, 1, minute).await, ends, "{minute}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_proved_says_why() {
    let keyless = plc(1);
    keyless.set(&format!("/{ADA}"), Reply::body(json!({ "id": ADA }).to_string()));
    assert_eq!(proved(&resolver(&keyless.stub()), 1, 0).await, "no key");
    let gone = Changing::default();
    assert_eq!(proved(&resolver(&gone.stub()), 1, 0).await, "unresolved");
    let down = Changing::default();
    down.set("*", Reply::status(503, "", ""));
    assert_eq!(proved(&resolver(&down.stub()), 1, 0).await, "later");
    assert_eq!(proved(&Resolver::default(), 1, 0).await, "unresolved");
    let logless = plc(1);
    logless.set(&format!("/{ADA}/log/audit"), Reply::status(404, "", ""));
    assert_eq!(proved(&resolver(&logless.stub()), 2, 0).await, "bad signature");
}

#[tokio::test(start_paused = true)]
async fn while_the_directory_is_down_a_strange_signature_waits_and_costs_no_budget() {
    let plc = plc(1);
    let stub = plc.stub();
    let resolver = resolver(&stub);
    assert_eq!(proved(&resolver, 1, 0).await, "proved");
    plc.set("*", Reply::status(503, "", ""));
    for _ in 0..100 {
        tokio::time::advance(5 * SECOND).await;
        assert_eq!(proved(&resolver, 2, 0).await, "later");
        assert_eq!(proved(&resolver, 1, 0).await, "proved", "what is known still proves");
    }
    assert!(stub.asked().len() < 20, "{}", stub.asked().len());
    plc.set("*", Reply::status(404, "", ""));
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, 2, "ada.host.com").to_string()));
    tokio::time::advance(2 * MINUTE).await;
    assert_eq!(proved(&resolver, 2, 0).await, "proved");
}

#[tokio::test(start_paused = true)]
async fn bad_signatures_of_one_account_cost_a_look_up_a_minute() {
    let stub = plc(1).stub();
    let resolver = resolver(&stub);
    for _ in 0..600 {
        assert_eq!(proved(&resolver, 2, 0).await, "bad signature");
        tokio::time::advance(SECOND).await;
    }
    let asked = stub.asked().len();
    assert!((5..=14).contains(&asked), "{asked} in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn while_a_host_of_its_own_is_down_a_strange_signature_is_not_called_bad() {
    const WEB: &str = "did:web:ada.host.com";
    let stub = plc(1).stub();
    stub.site("ada.host.com", "93.184.0.1", |_| Reply::body(document(WEB, 1, "ada.host.com").to_string()));
    let resolver = resolver(&stub);
    assert_eq!(word(resolver.prove(&claim(WEB, 1)).await), "proved");
    stub.site("ada.host.com", "93.184.0.1", |_| Reply::status(503, "", ""));
    for _ in 0..5 {
        tokio::time::advance(SECOND).await;
        assert_eq!(word(resolver.prove(&claim(WEB, 2)).await), "unresolved");
        assert_eq!(word(resolver.prove(&claim(WEB, 1)).await), "proved");
    }
    assert_eq!(stub.asked().len(), 2, "asked once more, and then left alone");
}
