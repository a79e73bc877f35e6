//! Floods: what strangers can make us do is bounded.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    ADA, MINUTE, Reply, SECOND, account, claim_at, did, document, resolver, resolver_with, with_plc,
};
use crate::identity::{Unproved, Unresolved};

const MANY: usize = 10_000;

fn busy(proved: &Result<(), Unproved>) -> bool {
    matches!(proved, Err(Unproved::Unresolved(Unresolved::Busy)))
}

/// A directory that knows everybody, with the key 1.
fn everybody(path: &str) -> Reply {
    let id = path.trim_start_matches('/').trim_end_matches("/log/audit");
    if path.ends_with("audit") {
        Reply::body("[]")
    } else {
        Reply::body(document(id, 1, "x.host.com").to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_unknown_accounts_at_once_make_a_few_hundred_look_ups() {
    let stub = with_plc(everybody);
    let resolver = resolver(&stub);
    let begun = tokio::time::Instant::now();
    let claims: Vec<_> = (0..MANY).map(|n| claim_at(&account(n), 2, 0)).collect();
    let proved = join_all(claims.iter().map(|claim| resolver.prove(claim))).await;
    assert!(proved.iter().all(Result::is_err));
    assert!(proved.iter().filter(|proved| busy(proved)).count() > MANY * 9 / 10);
    let asked = stub.asked().len();
    assert!((200..=800).contains(&asked), "{asked}");
    assert!(begun.elapsed() < MINUTE);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_bad_signatures_of_known_accounts_make_as_many_look_ups_as_their_host_has() {
    let stub = with_plc(everybody);
    let resolver = resolver_with(&stub, |limits| limits.plc_rate.each = Duration::from_micros(1));
    let accounts: Vec<_> = (0..MANY).map(account).collect();
    for account in &accounts {
        resolver.document(account).await.unwrap();
    }
    let known = stub.asked().len();
    assert_eq!(known, MANY);
    tokio::time::advance(SECOND).await;
    let begun = tokio::time::Instant::now();
    for account in &accounts {
        let proved = resolver.prove(&claim_at(account, 2, 0)).await;
        assert!(matches!(proved, Err(Unproved::BadSignature)));
    }
    let asked = stub.asked().len() - known;
    assert!((50..=62).contains(&asked), "{asked} for one host");
    assert!(begun.elapsed() < SECOND, "nobody waited");
    assert!(resolver.proves(&claim_at(&accounts[0], 1, 0)), "and what is known is still known");
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded() {
    let stub = with_plc(everybody);
    let resolver = resolver_with(&stub, |limits| {
        limits.entries_max = 100;
        limits.plc_rate.each = Duration::from_micros(1);
    });
    for n in 0..2_000 {
        resolver.document(&account(n)).await.unwrap();
    }
    assert!((50..=200).contains(&resolver.remembered()), "{}", resolver.remembered());
}

#[tokio::test(start_paused = true)]
async fn slow_hosts_do_not_hold_up_the_directory() {
    let stub = with_plc(everybody);
    let hosts: Vec<_> = (0..300).map(|n| format!("h{n}.slow.com")).collect();
    for host in &hosts {
        stub.site(host, "93.184.0.7", |_| Reply::Silence);
    }
    let resolver = resolver(&stub);
    let slow: Vec<_> = hosts
        .iter()
        .map(|host| {
            let (resolver, did) = (resolver.clone(), did(&format!("did:web:{host}")));
            tokio::spawn(async move { resolver.document(&did).await.is_err() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let begun = tokio::time::Instant::now();
    resolver.document(&did(ADA)).await.unwrap();
    assert!(begun.elapsed() < SECOND);
    let begun = tokio::time::Instant::now();
    for slow in slow {
        assert!(slow.await.unwrap());
    }
    assert!(begun.elapsed() < MINUTE, "those that wait too long are turned away");
    assert!(stub.connected().len() <= 48, "{}", stub.connected().len());
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_a_long_list_makes_no_more_look_ups_than_the_queue_holds() {
    let stub = with_plc(everybody);
    let resolver = resolver(&stub);
    for n in 0..MANY {
        assert_eq!(resolver.shown_handle(&account(n)), None);
    }
    tokio::time::sleep(10 * MINUTE).await;
    let asked = stub.asked().len();
    assert!((500..=1_100).contains(&asked), "{asked}");
}
