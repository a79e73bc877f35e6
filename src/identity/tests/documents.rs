//! Documents: where they are asked for, what is believed, for how long.

use std::net::SocketAddr;
use std::time::Duration;

use super::{
    ADA, BEA, Changing, HOUR, MINUTE, PLC_ADDRESS, Reply, SECOND, Stub, claim, did, directory, document,
    resolver, resolver_beside, with_plc,
};
use crate::identity::Unresolved;
use crate::net::{Failure, Forbidden, Origin};

/// How a look-up ends, in a word.
fn word(found: &Result<impl Sized, Unresolved>) -> &'static str {
    match found {
        Ok(_) => "found",
        Err(Unresolved::Unsupported) => "unsupported",
        Err(Unresolved::NotThere) => "not there",
        Err(Unresolved::Directory(_)) => "directory",
        Err(Unresolved::Failed(_)) => "failed",
        Err(Unresolved::Busy) => "busy",
        Err(Unresolved::Offline) => "offline",
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_in_a_private_network_is_asked_because_its_operator_says_so() {
    let stub = with_plc(directory(vec![document(ADA, 1, "ada.host.com")]));
    let found = resolver(&stub).document(&did(ADA)).await.unwrap();
    assert_eq!(found.host, Some(Origin::of_name("pds.host.com")));
    assert_eq!(stub.asked(), [format!("/{ADA}")]);
    assert_eq!(stub.connected(), [PLC_ADDRESS.parse::<SocketAddr>().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn what_the_directory_may_answer_is_told_apart() {
    let good = document(ADA, 1, "ada.host.com").to_string();
    let raw = |before: String, body: &str| match Reply::body(body) {
        Reply::Bytes(bytes) if before.starts_with("HTTP") => {
            Reply::Bytes([before.as_bytes(), &bytes].concat())
        }
        _ => Reply::status(200, &before, body),
    };
    let huge = format!("{{\"id\":\"{ADA}\",\"x\":\"{}\"}}", "x".repeat(70_000));
    for (reply, ends) in [
        (Reply::body(&good), "found"),
        (Reply::status(200, "content-type: text/plain\r\n", &good), "found"),
        (Reply::status(404, "", "{}"), "not there"),
        (Reply::status(410, "", "{}"), "not there"),
        (Reply::status(400, "", "{}"), "failed"),
        (Reply::status(500, "", &good), "directory"),
        (Reply::status(429, "", ""), "directory"),
        (Reply::moved(&format!("http://plc.internal:2582/{ADA}")), "directory"),
        (Reply::body(document(BEA, 1, "ada.host.com").to_string()), "failed"),
        (Reply::body(huge), "failed"),
        (Reply::body("<html>"), "failed"),
        (Reply::body("[]"), "failed"),
        (Reply::Bytes(b"SSH-2.0-x\r\n".to_vec()), "directory"),
        (Reply::body("[".repeat(60_000)), "failed"),
        (Reply::Cut(format!("HTTP/1.0 200 X\r\n\r\n{good}").into_bytes()), "found"),
        (raw("HTTP/1.1 103 X\r\nlink: x\r\n\r\n".repeat(50), &good), "found"),
        (raw("x: y\r\n".repeat(1_000), ""), "directory"),
        (
            Reply::Bytes(
                b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n".to_vec(),
            ),
            "directory",
        ),
        (Reply::Bytes(format!("HTTP/1.1 200 X\r\nx: {}", "x".repeat(1_000_000)).into_bytes()), "directory"),
        (Reply::status(204, "", ""), "failed"),
        (Reply::status(101, "", ""), "directory"),
        (Reply::Endless, "failed"),
        (Reply::Cut(b"HTTP/1.1 200 X\r\ncontent-length: 900\r\n\r\n{".to_vec()), "directory"),
        (Reply::Silence, "directory"),
        (Reply::Drip(good.clone().into_bytes(), SECOND), "directory"),
    ] {
        let shown = format!("{reply:?}");
        let stub = with_plc(move |_| reply.clone());
        let begun = tokio::time::Instant::now();
        let found = resolver(&stub).document(&did(ADA)).await;
        assert_eq!(word(&found), ends, "{}", &shown[..shown.len().min(80)]);
        assert!(begun.elapsed() <= 10 * SECOND, "{shown}");
        assert_eq!(stub.asked().len(), 1, "nothing else is asked");
    }
    let nobody = Stub::new(&["x.host.com"]);
    assert_eq!(word(&resolver(&nobody).document(&did(ADA)).await), "directory");
}

#[tokio::test(start_paused = true)]
async fn a_did_that_nobody_can_resolve_is_not_asked_for() {
    let stub = with_plc(directory(Vec::new()));
    let resolver = resolver(&stub);
    for text in ["did:plc:short", "did:key:zQ3sh", "did:web:localhost%3A80", "did:web:ada.host.com:path"] {
        assert_eq!(word(&resolver.document(&did(text)).await), "unsupported", "{text}");
    }
    assert!(stub.connected().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_web_account_is_at_the_public_addresses_of_its_name_only() {
    let body = document("did:web:ada.host.com", 1, "ada.host.com").to_string();
    let refused = |found: Result<_, Unresolved>| match found {
        Err(Unresolved::Failed(Failure::Forbidden(why))) => Some(why),
        _ => None,
    };
    for (addresses, why) in [
        (&["127.0.0.1"][..], Some(Forbidden::Private)),
        (&["93.184.0.1", "10.0.0.1"], Some(Forbidden::Private)),
        (&["::ffff:169.254.169.254"], Some(Forbidden::Private)),
        (&[], Some(Forbidden::Nowhere)),
        (&["93.184.0.1"], None),
    ] {
        let stub = Stub::new(&["ada.host.com"]);
        let body = body.clone();
        stub.site("ada.host.com", "93.184.0.1", move |_| Reply::body(&body));
        stub.name("ada.host.com", addresses);
        let found = resolver(&stub).document(&did("did:web:ada.host.com")).await;
        assert_eq!(found.is_ok(), why.is_none(), "{found:?}");
        assert_eq!(refused(found.map(|_| ())), why, "{addresses:?}");
        assert_eq!(stub.connected().is_empty(), why.is_some(), "{addresses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_web_account_is_not_followed_elsewhere_and_shows_a_certificate() {
    let stub = Stub::new(&["www.host.com"]);
    stub.site("ada.host.com", "93.184.0.1", |_| Reply::body("{}"));
    stub.site("www.host.com", "93.184.0.2", |_| Reply::moved("https://ada.host.com/.well-known/did.json"));
    let resolver = resolver(&stub);
    let stranger = resolver.document(&did("did:web:ada.host.com")).await;
    assert!(matches!(stranger, Err(Unresolved::Failed(Failure::Connection(_)))), "{stranger:?}");
    let moved = resolver.document(&did("did:web:www.host.com")).await;
    assert!(matches!(moved, Err(Unresolved::Failed(Failure::Status(_)))), "{moved:?}");
    assert_eq!(stub.asked(), ["/.well-known/did.json"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_file_says_is_never_asked_for() {
    let stub = with_plc(directory(vec![document(ADA, 2, "other.host.com")]));
    let resolver = resolver_beside(&stub, &[document(ADA, 1, "ada.host.com")]);
    assert!(resolver.proves(&claim(ADA, 1)));
    assert!(resolver.prove(&claim(ADA, 2)).await.is_err());
    resolver.forget(&did(ADA));
    assert_eq!(resolver.shown_handle(&did(ADA)).as_deref(), Some("ada.host.com"));
    assert!(stub.connected().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_document_counts_for_an_hour_and_for_a_day_while_asking_fails() {
    let plc = Changing::default();
    plc.set("*", Reply::body(document(ADA, 1, "ada.host.com").to_string()));
    let stub = plc.stub();
    let resolver = resolver(&stub);
    let asked = |times: usize| assert_eq!(stub.asked().len(), times);
    resolver.document(&did(ADA)).await.unwrap();
    tokio::time::advance(HOUR - SECOND).await;
    resolver.document(&did(ADA)).await.unwrap();
    asked(1);
    tokio::time::advance(2 * SECOND).await;
    assert!(!resolver.proves(&claim(ADA, 1)), "what is old is not believed unasked");
    resolver.document(&did(ADA)).await.unwrap();
    asked(2);
    plc.set("*", Reply::status(500, "", ""));
    tokio::time::advance(2 * HOUR).await;
    resolver.document(&did(ADA)).await.unwrap();
    asked(3);
    resolver.prove(&claim(ADA, 1)).await.unwrap();
    asked(3);
    tokio::time::advance(23 * HOUR).await;
    assert_eq!(word(&resolver.document(&did(ADA)).await), "directory");
    plc.set("*", Reply::status(404, "", ""));
    tokio::time::advance(MINUTE).await;
    assert_eq!(word(&resolver.document(&did(ADA)).await), "not there");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_asked_for_less_and_less() {
    let stub = with_plc(directory(Vec::new()));
    let resolver = resolver(&stub);
    let mut times = Vec::new();
    for minute in 0..200 {
        let before = stub.asked().len();
        assert_eq!(word(&resolver.document(&did(ADA)).await), "not there");
        if stub.asked().len() > before {
            times.push(minute);
        }
        tokio::time::advance(MINUTE).await;
    }
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_changed_is_asked_for_anew_and_once_more_if_nothing_changed_yet() {
    let plc = Changing::default();
    plc.set("*", Reply::body(document(ADA, 1, "ada.host.com").to_string()));
    let stub = plc.stub();
    let resolver = resolver(&stub);
    resolver.document(&did(ADA)).await.unwrap();
    resolver.forget(&did(ADA));
    assert!(!resolver.proves(&claim(ADA, 1)));
    resolver.document(&did(ADA)).await.unwrap();
    assert_eq!(stub.asked().len(), 2);
    // The replica has caught up meanwhile.
    plc.set("*", Reply::body(document(ADA, 2, "ada.host.com").to_string()));
    tokio::time::advance(MINUTE + SECOND).await;
    assert!(resolver.prove(&claim(ADA, 2)).await.is_ok());
    tokio::time::advance(2 * MINUTE).await;
    resolver.document(&did(ADA)).await.unwrap();
    assert_eq!(stub.asked().len(), 3, "once more, and no more");
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_asks_to_be_left_alone_is() {
    let plc = Changing::default();
    plc.set("*", Reply::status(429, "retry-after: 30\r\n", ""));
    let stub = plc.stub();
    let resolver = resolver(&stub);
    assert_eq!(word(&resolver.document(&did(ADA)).await), "directory");
    plc.set("*", Reply::body(document(BEA, 1, "bea.host.com").to_string()));
    for _ in 0..29 {
        tokio::time::advance(SECOND).await;
        assert_eq!(word(&resolver.document(&did(BEA)).await), "directory");
    }
    assert_eq!(stub.asked().len(), 1);
    // Asked for all the while, it is held a little longer.
    tokio::time::advance(MINUTE).await;
    assert_eq!(word(&resolver.document(&did(BEA)).await), "found");
}

#[tokio::test(start_paused = true)]
async fn many_who_want_one_thing_wait_for_one_look_up_and_survive_its_leader() {
    let body = document(ADA, 1, "ada.host.com").to_string();
    let head = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let stub = with_plc(move |_| Reply::Drip(head.clone().into_bytes(), Duration::from_millis(2)));
    let resolver = resolver(&stub);
    let leader = tokio::spawn({
        let resolver = resolver.clone();
        async move { resolver.document(&did(ADA)).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let others: Vec<_> = (0..100)
        .map(|_| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.document(&did(ADA)).await.map(|_| ()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    leader.abort();
    for other in others {
        assert_eq!(word(&other.await.unwrap()), "found");
    }
    assert_eq!(stub.asked().len(), 2, "the leader's, and that of the one who took over");
}

#[tokio::test(start_paused = true)]
async fn a_did_that_nobody_can_resolve_takes_no_memory() {
    let resolver = resolver(&with_plc(directory(Vec::new())));
    for n in 0..100 {
        let long = format!("did:web:{}{n}", "long.".repeat(400));
        assert_eq!(word(&resolver.document(&did(&long)).await), "unsupported");
    }
    assert_eq!(resolver.remembered(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_down_does_not_hide_the_others() {
    let known = document("did:web:ada.host.com", 1, "ada.host.com").to_string();
    for (addresses, case) in [
        (vec!["2606:4700::1", "2606:4700::2", "2606:4700::3", "93.184.0.1"], "no way to one of the families"),
        (vec!["93.184.0.7", "93.184.0.1"], "an address at which nobody answers"),
        (vec!["2606:4700::7", "93.184.0.1"], "a family that leads nowhere"),
    ] {
        let stub = with_plc(directory(Vec::new()));
        stub.name("ada.host.com", &addresses);
        stub.hole("93.184.0.7:443");
        stub.hole("[2606:4700::7]:443");
        let body = known.clone();
        stub.host("93.184.0.1:443", move |_| Reply::body(&body));
        assert_eq!(word(&resolver(&stub).document(&did("did:web:ada.host.com")).await), "found", "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_hangs_up_after_its_answer_has_answered() {
    for _ in 0..20 {
        let stub = with_plc(directory(Vec::new()));
        stub.site("ada.host.com", "93.184.0.1", |_| {
            Reply::Cut(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n".to_vec())
        });
        let found = resolver(&stub).document(&did("did:web:ada.host.com")).await;
        assert_eq!(word(&found), "not there", "{:?}", found.err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_asks_to_be_left_alone_is_even_if_it_still_answers_others() {
    let stub = with_plc(|path| match path.trim_start_matches('/') {
        ADA => Reply::Drip(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n".to_vec(), SECOND / 20),
        _ => Reply::status(429, "retry-after: 30\r\n", ""),
    });
    let resolver = resolver(&stub);
    let (ada, bea) = (did(ADA), did(BEA));
    let (slow, refused) = futures_util::future::join(resolver.document(&ada), resolver.document(&bea)).await;
    assert_eq!((word(&slow), word(&refused)), ("not there", "directory"));
    assert_eq!(word(&resolver.document(&super::account(1)).await), "directory");
    assert_eq!(stub.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_down_for_long_is_asked_again_soon() {
    let stub = with_plc(directory(Vec::new()));
    stub.site("ada.host.com", "93.184.0.1", |_| Reply::status(503, "", ""));
    let (resolver, ada) = (resolver(&stub), did("did:web:ada.host.com"));
    for _ in 0..150 {
        assert_eq!(word(&resolver.document(&ada).await), "failed");
        tokio::time::advance(MINUTE).await;
    }
    assert!(stub.asked().len() < 60, "{}", stub.asked().len());
    let known = document("did:web:ada.host.com", 1, "ada.host.com").to_string();
    stub.site("ada.host.com", "93.184.0.1", move |_| Reply::body(&known));
    tokio::time::advance(5 * MINUTE).await;
    assert_eq!(word(&resolver.document(&ada).await), "found");
}
