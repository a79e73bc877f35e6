//! Service tokens: the key of now counts, what it costs is bounded, and what cannot be told is told so.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{
    ADA, Changing, HOUR, MINUTE, Reply, SECOND, account, claim_at, did, document, log, resolver,
    resolver_beside, resolver_with, with_plc,
};
use crate::codec::service_token::ServiceToken;
use crate::codec::service_token::tests::Signer;
use crate::identity::{Resolver, Unproved, Unresolved};

const MANY: usize = 10_000;

fn signed(account: &str, signer: &Signer) -> ServiceToken {
    let claims =
        json!({ "iss": account, "aud": "did:web:x.com", "lxm": "a.b.c", "exp": 1, "jti": "j", "iat": 1 });
    ServiceToken::parse(&signer.token(&claims)).unwrap()
}

/// A token in the name of an account by the key of this number.
fn token(account: &str, number: u8) -> ServiceToken {
    signed(account, &Signer::p256(number))
}

fn word(vouched: &Result<(), Unproved>) -> &'static str {
    match vouched {
        Ok(()) => "vouched",
        Err(Unproved::BadSignature) => "bad signature",
        Err(Unproved::NoSigningKey) => "no key",
        Err(Unproved::Unresolved(Unresolved::Busy)) => "busy",
        Err(Unproved::Unresolved(Unresolved::Directory(_) | Unresolved::Failed(_))) => "later",
        Err(Unproved::Unresolved(_)) => "nobody",
    }
}

async fn vouched(resolver: &Resolver, number: u8) -> &'static str {
    word(&resolver.vouch(&token(ADA, number)).await)
}

/// A directory in which Ada has this key.
fn plc(number: u8) -> Changing {
    let plc = Changing::default();
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, number, "ada.host.com").to_string()));
    plc.set(&format!("/{ADA}/log/audit"), Reply::body(log(&[(1, 0), (2, 10)]).to_string()));
    plc
}

/// A directory that knows everybody, with the key 1.
fn everybody(path: &str) -> Reply {
    let id = path.trim_start_matches('/').trim_end_matches("/log/audit");
    let audit = path.ends_with("audit");
    if audit { Reply::body("[]") } else { Reply::body(document(id, 1, "x.host.com").to_string()) }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_said_without_asking() {
    let stub = plc(1).stub();
    let resolver = resolver(&stub);
    assert!(resolver.vouches(&token(ADA, 1)).is_none(), "nobody is known yet");
    assert_eq!(vouched(&resolver, 1).await, "vouched");
    assert_eq!(word(&resolver.vouches(&token(ADA, 1)).unwrap()), "vouched");
    assert!(resolver.vouches(&token(ADA, 2)).is_none(), "the key may be another by now");
    assert_eq!(stub.asked(), [format!("/{ADA}")]);
}

#[tokio::test(start_paused = true)]
async fn a_key_on_either_curve_counts() {
    for signer in [Signer::k256(1), Signer::p256(1)] {
        let mut document = document(ADA, 1, "ada.host.com");
        document["verificationMethod"][0]["publicKeyMultibase"] = json!(signer.multikey());
        let resolver = resolver_beside(&with_plc(everybody), &[document]);
        assert_eq!(word(&resolver.vouches(&signed(ADA, &signer)).unwrap()), "vouched");
        let others = [Signer::k256(2), Signer::p256(2)];
        for other in others {
            assert_eq!(word(&resolver.vouches(&signed(ADA, &other)).unwrap()), "bad signature");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_rotated_away_counts_no_more() {
    let plc = plc(1);
    let stub = plc.stub();
    let resolver = resolver(&stub);
    assert_eq!(vouched(&resolver, 1).await, "vouched");
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, 2, "ada.host.com").to_string()));
    tokio::time::advance(SECOND).await;
    assert_eq!(vouched(&resolver, 2).await, "vouched", "the new one is found by looking again");
    assert_eq!(vouched(&resolver, 1).await, "bad signature");
    // Nor when a commit has shown which keys there were, for which the old one still counts.
    assert!(resolver.prove(&claim_at(&did(ADA), 1, 9)).await.is_ok());
    assert_eq!(vouched(&resolver, 1).await, "bad signature");
    // Nor where a file has the log.
    let entry = json!({ "doc": document(ADA, 2, "ada.host.com"), "audit": log(&[(1, 0), (2, 10)]) });
    let filed = resolver_beside(&stub, &[entry]);
    assert!(filed.prove(&claim_at(&did(ADA), 1, 9)).await.is_ok());
    assert_eq!((vouched(&filed, 1).await, vouched(&filed, 2).await), ("bad signature", "vouched"));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_says_it_changed_is_looked_up_before_its_old_key_counts() {
    let plc = plc(1);
    let resolver = resolver(&plc.stub());
    assert_eq!(vouched(&resolver, 1).await, "vouched");
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, 2, "ada.host.com").to_string()));
    resolver.forget(&did(ADA));
    assert_eq!(vouched(&resolver, 1).await, "bad signature");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_vouched_for_says_why() {
    let keyless = plc(1);
    keyless.set(&format!("/{ADA}"), Reply::body(json!({ "id": ADA }).to_string()));
    assert_eq!(vouched(&resolver(&keyless.stub()), 1).await, "no key");
    assert_eq!(vouched(&resolver(&Changing::default().stub()), 1).await, "nobody");
    let down = Changing::default();
    down.set("*", Reply::status(503, "", ""));
    assert_eq!(vouched(&resolver(&down.stub()), 1).await, "later");
    assert_eq!(vouched(&Resolver::default(), 1).await, "nobody");
    let stub = with_plc(everybody);
    stub.site("ada.host.com", "93.184.0.1", |_| Reply::status(503, "", ""));
    let resolver = resolver(&stub);
    for (account, said) in [
        ("did:key:zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc", "nobody"),
        ("did:plc:short", "nobody"),
        ("did:web:127.0.0.1", "nobody"),
        ("did:web:localhost%3A2583", "nobody"),
        ("did:web:ada.host.com", "later"),
    ] {
        assert_eq!(word(&resolver.vouch(&token(account, 1)).await), said, "{account}");
    }
    assert_eq!(stub.connected().len(), 1, "only the host that may be asked");
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_old_does_not_count_while_the_directory_is_down() {
    let plc = plc(1);
    let stub = plc.stub();
    let resolver = resolver(&stub);
    assert_eq!(vouched(&resolver, 1).await, "vouched");
    plc.set("*", Reply::status(503, "", ""));
    assert_eq!(vouched(&resolver, 1).await, "vouched", "it is not old yet");
    tokio::time::advance(HOUR + SECOND).await;
    assert_eq!(vouched(&resolver, 1).await, "later");
    assert_eq!(
        word(&resolver.vouches(&token(ADA, 1)).unwrap()),
        "later",
        "and the answer is known for a while"
    );
    assert!(resolver.document(&did(ADA)).await.is_ok(), "for all else it serves on");
}

#[tokio::test(start_paused = true)]
async fn while_the_directory_is_down_a_strange_signature_is_not_called_bad_and_costs_no_budget() {
    let plc = plc(1);
    let stub = plc.stub();
    let resolver = resolver(&stub);
    assert_eq!(vouched(&resolver, 1).await, "vouched");
    plc.set("*", Reply::status(503, "", ""));
    for _ in 0..100 {
        tokio::time::advance(5 * SECOND).await;
        assert_eq!((vouched(&resolver, 2).await, vouched(&resolver, 1).await), ("later", "vouched"));
    }
    assert!(stub.asked().len() < 20, "{}", stub.asked().len());
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, 2, "ada.host.com").to_string()));
    tokio::time::advance(2 * MINUTE).await;
    assert_eq!(vouched(&resolver, 2).await, "vouched");
}

#[tokio::test(start_paused = true)]
async fn bad_signatures_in_the_name_of_one_account_cost_a_look_up_a_minute_and_commits_nothing() {
    let plc = plc(1);
    let stub = plc.stub();
    let resolver = resolver(&stub);
    assert_eq!(vouched(&resolver, 1).await, "vouched");
    let bad = token(ADA, 3);
    for _ in 0..600 {
        for _ in 0..20 {
            assert_eq!(word(&resolver.vouch(&bad).await), "bad signature");
        }
        tokio::time::advance(SECOND).await;
    }
    let asked = stub.asked().len();
    assert!((5..=14).contains(&asked), "{asked} in ten minutes");
    // Nothing of what commits may cost is spent.
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, 2, "ada.host.com").to_string()));
    assert!(resolver.prove(&claim_at(&did(ADA), 2, 1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_bad_signatures_of_known_accounts_make_as_many_look_ups_as_callers_have() {
    let stub = with_plc(everybody);
    let resolver = resolver_with(&stub, |limits| limits.plc_rate.each = Duration::from_micros(1));
    let tokens: Vec<_> = (0..MANY).map(|n| token(account(n).as_str(), 2)).collect();
    for n in 0..MANY {
        resolver.document(&account(n)).await.unwrap();
    }
    let known = stub.asked().len();
    let begun = tokio::time::Instant::now();
    for token in &tokens {
        assert!(matches!(word(&resolver.vouch(token).await), "bad signature" | "busy"));
    }
    let asked = stub.asked().len() - known;
    assert!((40..=52).contains(&asked), "{asked}");
    assert!(begun.elapsed() < SECOND, "nobody waited");
    assert_eq!(vouched(&resolver, 1).await, "busy", "whom nobody knows waits for the rate");
    assert_eq!(
        word(&resolver.vouch(&token(account(7).as_str(), 1)).await),
        "vouched",
        "who is known does not"
    );
    assert!(resolver.prove(&claim_at(&did(ADA), 1, 0)).await.is_ok(), "nor do commits");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_whom_nobody_knows_make_a_few_look_ups() {
    let stub = with_plc(everybody);
    let resolver = resolver(&stub);
    let tokens: Vec<_> = (0..MANY).map(|n| token(account(n).as_str(), 2)).collect();
    let said = join_all(tokens.iter().map(|token| resolver.vouch(token))).await;
    let busy = said.iter().filter(|said| word(said) == "busy").count();
    let asked = stub.asked().len();
    assert!((30..=52).contains(&asked) && busy > MANY * 9 / 10, "{asked} {busy}");
    // One token sent many times is one look-up.
    tokio::time::advance(MINUTE).await;
    let once = token(ADA, 1);
    let said = join_all((0..30).map(|_| resolver.vouch(&once))).await;
    assert!(said.iter().all(|said| word(said) == "vouched"));
    assert_eq!(stub.asked().len(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn slow_hosts_of_callers_hold_up_neither_the_directory_nor_the_hosts_of_commits() {
    let stub = with_plc(everybody);
    let hosts: Vec<_> = (0..100).map(|n| format!("h{n}.slow.com")).collect();
    for host in &hosts {
        stub.site(host, "93.184.0.7", |_| Reply::Silence);
    }
    let resolver = resolver(&stub);
    let slow: Vec<_> = hosts
        .iter()
        .map(|host| {
            let (resolver, token) = (resolver.clone(), token(&format!("did:web:{host}"), 1));
            tokio::spawn(async move { word(&resolver.vouch(&token).await) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(vouched(&resolver, 1).await, "vouched");
    const WEB: &str = "did:web:ada.host.com";
    stub.site("ada.host.com", "93.184.0.1", |_| Reply::body(document(WEB, 1, "ada.host.com").to_string()));
    assert!(resolver.prove(&claim_at(&did(WEB), 1, 0)).await.is_ok());
    assert!(begun.elapsed() < SECOND);
    for slow in slow {
        assert!(matches!(slow.await.unwrap(), "busy" | "later"));
    }
    assert!(begun.elapsed() < MINUTE && stub.connected().len() <= 12, "{}", stub.connected().len());
}
