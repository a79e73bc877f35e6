//! Handles: they hold both ways or not at all.

use super::{
    ADA, BEA, Changing, HOUR, Reply, SECOND, Stub, did, directory, document, handle, resolver,
    resolver_beside, with_plc,
};
use crate::identity::{Resolver, UnresolvedHandle};
use crate::net::{Failure, Forbidden};

const NAME: &str = "ada.host.com";

fn word(found: &Result<crate::syntax::Did, UnresolvedHandle>) -> &'static str {
    match found {
        Ok(_) => "found",
        Err(UnresolvedHandle::Reserved) => "reserved",
        Err(UnresolvedHandle::NotThere) => "not there",
        Err(UnresolvedHandle::Ambiguous) => "ambiguous",
        Err(UnresolvedHandle::NotClaimed) => "not claimed",
        Err(UnresolvedHandle::Account(_)) => "account",
        Err(UnresolvedHandle::Failed(_)) => "failed",
        Err(UnresolvedHandle::Busy) => "busy",
        Err(UnresolvedHandle::Offline) => "offline",
    }
}

/// What is shown of Ada once everything was looked up.
async fn shown(resolver: &Resolver) -> Option<String> {
    resolver.shown_handle(&did(ADA));
    tokio::time::sleep(20 * SECOND).await;
    resolver.shown_handle(&did(ADA))
}

fn ada() -> Stub {
    with_plc(directory(vec![document(ADA, 1, NAME), document(BEA, 1, "bea.host.com")]))
}

#[tokio::test(start_paused = true)]
async fn a_handle_holds_both_ways_or_not() {
    let ok = format!("did={ADA}");
    let other = format!("did={BEA}");
    let well_known = |did: &'static str| move |_: &str| Reply::body(format!(" {did}\n"));
    // The texts of the name, what its web server answers, how the handle resolves, and what is shown of Ada.
    for (texts, body, ends, shows) in [
        (vec![&ok[..]], None, "found", NAME),
        (vec!["v=spf1", "did=nonsense", &ok], None, "found", NAME),
        (vec![&ok, &ok], None, "found", NAME),
        (vec![&ok, &other], Some(ADA), "ambiguous", "handle.invalid"),
        (vec![&other], Some(ADA), "not claimed", "handle.invalid"),
        (vec![], Some(ADA), "found", NAME),
        (vec!["v=spf1"], Some(ADA), "found", NAME),
        (vec![], Some(BEA), "not claimed", "handle.invalid"),
        (vec![], Some("nonsense"), "failed", "handle.invalid"),
        (vec![], None, "failed", "handle.invalid"),
    ] {
        let stub = ada();
        stub.texts(NAME, &texts);
        if let Some(body) = body {
            stub.site(NAME, "93.184.0.1", well_known(body));
        }
        let case = format!("{texts:?} {body:?}");
        assert_eq!(word(&resolver(&stub).did_of(&handle(NAME)).await), ends, "{case}");
        assert_eq!(shown(&resolver(&stub)).await.as_deref(), Some(shows), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_shown_only_where_its_account_claims_it_first() {
    let mut second = document(ADA, 1, "first.host.com");
    second["alsoKnownAs"] = serde_json::json!(["at://first.host.com", format!("at://{NAME}")]);
    let stub = with_plc(directory(vec![second]));
    stub.texts(NAME, &[&format!("did={ADA}")]);
    assert_eq!(word(&resolver(&stub).did_of(&handle(NAME)).await), "not claimed");
    let stub = with_plc(directory(vec![]));
    stub.texts(NAME, &[&format!("did={ADA}")]);
    assert_eq!(word(&resolver(&stub).did_of(&handle(NAME)).await), "account");
    assert_eq!(shown(&resolver(&stub)).await, None, "of an account that is not there nothing is known");
    let none = with_plc(directory(vec![serde_json::json!({ "id": ADA })]));
    assert_eq!(shown(&resolver(&none)).await.as_deref(), Some("handle.invalid"));
}

#[tokio::test(start_paused = true)]
async fn reserved_names_are_not_asked_for() {
    let stub = with_plc(directory(vec![document(ADA, 1, "ada.local")]));
    for name in ["ada.local", "ada.onion", "ada.test", "ada.example"] {
        assert_eq!(word(&resolver(&stub).did_of(&handle(name)).await), "reserved", "{name}");
    }
    assert!(stub.connected().is_empty());
    assert_eq!(shown(&resolver(&stub)).await.as_deref(), Some("handle.invalid"));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_guarded_like_the_first_step() {
    let path = "/.well-known/atproto-did";
    for (location, ends) in [
        ("/elsewhere", Ok(())),
        ("https://www.host.com/elsewhere", Ok(())),
        ("//www.host.com/elsewhere", Ok(())),
        ("https://inside.host.com/", Err(Some(Forbidden::Private))),
        ("https://169.254.169.254/latest/meta-data", Err(Some(Forbidden::NoName))),
        ("https://[::1]/", Err(Some(Forbidden::NoName))),
        ("https://www.host.com:8443/", Err(Some(Forbidden::Port))),
        ("http://www.host.com/", Err(None)),
        ("https://me:secret@www.host.com/", Err(None)),
    ] {
        let stub = ada();
        let answer = |path: &str| if path == "/elsewhere" { Some(Reply::body(ADA)) } else { None };
        stub.site(NAME, "93.184.0.1", move |path| answer(path).unwrap_or_else(|| Reply::moved(location)));
        stub.site("www.host.com", "93.184.0.2", move |path| answer(path).unwrap());
        stub.name("inside.host.com", &["127.0.0.1"]);
        let found = resolver(&stub).did_of(&handle(NAME)).await.map(|_| ());
        let found = found.map_err(|error| match error {
            UnresolvedHandle::Failed(Failure::Forbidden(why)) => Some(why),
            UnresolvedHandle::Failed(Failure::Redirect) => None,
            other => panic!("{location}: {other:?}"),
        });
        assert_eq!(found, ends, "{location}");
        assert_eq!(stub.asked()[0], path);
        let public = |address: &std::net::SocketAddr| {
            address.ip().to_string().starts_with("93.") || address.port() == 2582
        };
        assert!(stub.connected().iter().all(public), "{:?}", stub.connected());
    }
    let stub = ada();
    stub.site(NAME, "93.184.0.1", |_| Reply::moved("/again"));
    assert_eq!(word(&resolver(&stub).did_of(&handle(NAME)).await), "failed");
    assert_eq!(stub.asked().len(), 4, "the first, and three redirects");
}

#[tokio::test(start_paused = true)]
async fn a_web_server_that_stalls_or_never_ends_is_let_go() {
    let long = format!("HTTP/1.1 200 X\r\ncontent-length: 32\r\n\r\n{ADA}");
    for reply in [
        Reply::Silence,
        Reply::Endless,
        Reply::Drip(long.into_bytes(), SECOND),
        Reply::body("x".repeat(9_000)),
    ] {
        let stub = ada();
        let shown = format!("{reply:?}");
        stub.site(NAME, "93.184.0.1", move |_| reply.clone());
        let begun = tokio::time::Instant::now();
        assert_eq!(
            word(&resolver(&stub).did_of(&handle(NAME)).await),
            "failed",
            "{}",
            &shown[..20.min(shown.len())]
        );
        assert!(begun.elapsed() <= 10 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn when_dns_fails_the_web_server_may_still_know() {
    let stub = ada();
    stub.no_dns(NAME);
    assert_eq!(word(&resolver(&stub).did_of(&handle(NAME)).await), "failed");
    stub.site(NAME, "93.184.0.1", |_| Reply::status(404, "", ""));
    assert_eq!(word(&resolver(&stub).did_of(&handle(NAME)).await), "failed", "half an answer is none");
    stub.site(NAME, "93.184.0.1", |_| Reply::body(ADA));
    assert_eq!(word(&resolver(&stub).did_of(&handle(NAME)).await), "found");
}

#[tokio::test(start_paused = true)]
async fn what_files_say_of_a_handle_counts() {
    let stub = ada();
    stub.texts(NAME, &[&format!("did={ADA}")]);
    let filed = resolver_beside(&stub, &[document(BEA, 1, NAME)]);
    assert_eq!(filed.did_of(&handle(NAME)).await.unwrap(), did(BEA));
    assert_eq!(filed.known_did_of(&handle(NAME)), Some(Some(did(BEA))));
    assert_eq!(
        shown(&filed).await.as_deref(),
        Some("handle.invalid"),
        "Ada claims what a file says is Bea's"
    );
    assert_eq!(Resolver::default().known_did_of(&handle(NAME)), Some(None));
    assert_eq!(word(&Resolver::default().did_of(&handle(NAME)).await), "offline");
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_changes_is_another_answer_and_another_fingerprint() {
    let plc = Changing::default();
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, 1, NAME).to_string()));
    let stub = plc.stub();
    stub.texts(NAME, &[&format!("did={ADA}")]);
    let resolver = resolver(&stub);
    let mut prints = vec![resolver.fingerprint()];
    assert_eq!(
        prints[0],
        super::resolver(&stub).fingerprint(),
        "the same in every process that asked nobody"
    );
    let mut is_new = |resolver: &Resolver| {
        let print = resolver.fingerprint();
        let is_new = !prints.contains(&print);
        prints.push(print);
        is_new
    };
    assert_eq!(resolver.known_did_of(&handle(NAME)), None);
    assert_eq!(shown(&resolver).await.as_deref(), Some(NAME));
    assert!(is_new(&resolver));
    assert_eq!(resolver.known_did_of(&handle(NAME)), Some(Some(did(ADA))));
    assert!(!is_new(&resolver), "looking changes nothing");
    // The new name was looked up before it was claimed.
    assert_eq!(word(&resolver.did_of(&handle("new.host.com")).await), "failed");
    stub.texts("new.host.com", &[&format!("did={ADA}")]);
    plc.set(&format!("/{ADA}"), Reply::body(document(ADA, 1, "new.host.com").to_string()));
    assert!(is_new(&resolver));
    resolver.forget(&did(ADA));
    assert!(is_new(&resolver));
    assert_eq!(shown(&resolver).await.as_deref(), Some("new.host.com"));
    assert!(is_new(&resolver));
    assert_eq!(resolver.did_of(&handle("new.host.com")).await.unwrap(), did(ADA));
    // Refreshed with the same result it is the same.
    tokio::time::advance(2 * HOUR).await;
    let before = resolver.fingerprint();
    assert_eq!(shown(&resolver).await.as_deref(), Some("new.host.com"));
    assert_eq!(resolver.fingerprint(), before);
    // Only, whoever is told that an answer still holds looks nothing up: when it is old it does not.
    tokio::time::advance(HOUR).await;
    assert_ne!(resolver.fingerprint(), before);
}

#[tokio::test(start_paused = true)]
async fn whoever_claims_anothers_handle_takes_nothing_from_them() {
    let stub = with_plc(directory(vec![document(ADA, 1, NAME), document(BEA, 2, NAME)]));
    stub.texts(NAME, &[&format!("did={ADA}")]);
    let resolver = resolver(&stub);
    assert_eq!(shown(&resolver).await.as_deref(), Some(NAME));
    for _ in 0..3 {
        resolver.document(&did(BEA)).await.unwrap();
        assert_eq!(resolver.shown_handle(&did(ADA)).as_deref(), Some(NAME), "Bea is looked up");
        resolver.forget(&did(BEA));
        assert_eq!(resolver.shown_handle(&did(ADA)).as_deref(), Some(NAME), "Bea says that she changed");
    }
    // And when it really is hers now, that is seen at once.
    stub.texts(NAME, &[&format!("did={BEA}")]);
    resolver.document(&did(BEA)).await.unwrap();
    assert_eq!(resolver.did_of(&handle(NAME)).await.unwrap(), did(BEA));
    assert_eq!(shown(&resolver).await.as_deref(), Some("handle.invalid"));
}

#[tokio::test(start_paused = true)]
async fn a_handle_of_a_did_that_nobody_can_resolve_takes_no_memory() {
    let stub = ada();
    stub.site(NAME, "93.184.0.1", |_| Reply::body(format!("did:web:{}", "x".repeat(2_000))));
    let resolver = resolver(&stub);
    assert_eq!(word(&resolver.did_of(&handle(NAME)).await), "account");
    assert_eq!(resolver.remembered(), 1, "that there is nobody");
}
