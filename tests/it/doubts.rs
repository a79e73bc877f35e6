//! Live sources of which not everything can be proved at once: nothing else is disturbed, and nothing is lost
//! without being counted.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use guestlist::codec::claim::Verify;
use guestlist::identity::{Directory, Resolver, Settings};
use guestlist::ingest::live::Plan;
use guestlist::ingest::relay;
use guestlist::net::{Network, Origin, Stream, System, Waiting};
use guestlist::store::Store;
use guestlist::tables::Accounts;
use guestlist::tables::view::ReadRows;
use ipld_core::ipld::Ipld;
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::following::{Following, impatient, prover, relay_at};
use crate::frames::{Op, commit, frame, identity, ipld, text};
use crate::host::Host;
use crate::serving::serve;
use crate::signed::{Key, Repo, Write};

const EVENT: &str = "community.lexicon.calendar.event";

/// A directory of `did:plc` on loopback, that is up or down.
struct Plc {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    documents: Mutex<BTreeMap<String, Value>>,
    asked: AtomicUsize,
    /// How many requests it refuses before it answers.
    down_for: AtomicU64,
}

impl Plc {
    fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new().route("/{did}", get(document)).with_state(Arc::clone(&shared));
        Self { address: serve(router), shared }
    }

    fn knows(&self, repo: &Repo) {
        let document = repo.document("https://pds.example", "ann.example");
        self.shared.documents.lock().unwrap().insert(repo.did.clone(), document);
    }

    fn is_down_for(&self, requests: u64) {
        self.shared.down_for.store(requests, Ordering::Release);
    }

    fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Acquire)
    }

    fn resolver(&self) -> Resolver {
        self.resolver_over(System::new(Vec::new()))
    }

    fn resolver_over(&self, network: impl Network + 'static) -> Resolver {
        let settings = Settings {
            patience: Duration::from_secs(2),
            ..Settings::with(Origin::parse(&format!("http://{}", self.address)).unwrap())
        };
        Resolver::new(settings, Directory::default(), Arc::new(network))
    }
}

async fn document(State(shared): State<Arc<Shared>>, Path(did): Path<String>) -> Response {
    shared.asked.fetch_add(1, Ordering::AcqRel);
    let down = |left: u64| left.checked_sub(1);
    if shared.down_for.fetch_update(Ordering::AcqRel, Ordering::Acquire, down).is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match shared.documents.lock().unwrap().get(&did) {
        Some(document) => axum::Json(document.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn did(number: usize) -> String {
    // Base32 has no 0, 1, 8 and 9.
    let digits = format!("{number:024}").replace('0', "a").replace('1', "b").replace('8', "c");
    format!("did:plc:{}", digits.replace('9', "d"))
}

fn event(name: &str) -> Ipld {
    ipld(json!({ "$type": EVENT, "name": name, "createdAt": "2026-01-01T00:00:00Z" }))
}

fn put(repo: &mut Repo, seq: u64, name: &str) -> (u64, Vec<u8>) {
    (seq, repo.commit(seq, &[Write::Put(&format!("{EVENT}/{name}"), event(name))]).frame())
}

/// Follows a host that sends these frames, proved in full.
fn follow(frames: &[(u64, Vec<u8>)], resolver: Resolver, hold: Duration) -> (Host, Following) {
    let host = Host::of(frames.to_vec());
    let settings = relay::Settings { verify: Verify::Full, hold, ..relay_at(&host) };
    let store = Store::in_memory().unwrap();
    let following = Following::proving(&store, &[Plan::Relay(settings)], &impatient(), prover(resolver));
    (host, following)
}

fn records(following: &Following) -> u64 {
    guestlist::filing::totals(&*following.store.snapshot()).unwrap().records.iter().sum()
}

/// Whether a repository is marked, to be compared with its host.
fn is_marked(following: &Following, did: &str) -> bool {
    let did = did.parse().unwrap();
    following.store.snapshot().get::<Accounts>(&did).unwrap().is_some_and(|account| account.marks.any())
}

const A_MINUTE: Duration = Duration::from_secs(60);

#[test]
fn while_the_directory_is_down_who_is_known_goes_on_and_who_is_not_waits() {
    let plc = Plc::start();
    let (mut ann, mut bob) = (Repo::new(&did(2), Key::k256(2)), Repo::new(&did(3), Key::p256(3)));
    plc.knows(&ann);
    plc.knows(&bob);
    let resolver = plc.resolver();
    let mut frames = vec![put(&mut ann, 1, "a")];
    let (_host, first) = follow(&frames, resolver.clone(), A_MINUTE);
    first.until("somebody is known", |following| records(following) == 1);
    plc.is_down_for(3);
    frames.push(put(&mut bob, 2, "b"));
    frames.extend((3..20).map(|seq| put(&mut ann, seq, &format!("a{seq}"))));
    let (_host, following) = follow(&frames, resolver, A_MINUTE);
    following.until("who is known goes on", |following| records(following) >= 18);
    following.until("everything is there", |following| records(following) == 19);
    following.until_stored(19);
    assert_eq!(following.rejected(), BTreeMap::new());
    assert_eq!(following.status().outcomes.proved, 19);
    assert!(plc.asked() <= 1 + 3 + 2, "{}", plc.asked());
}

#[test]
fn the_cursor_stays_below_what_waits_and_what_is_given_up_is_counted_and_marked() {
    let plc = Plc::start();
    plc.is_down_for(u64::MAX);
    let mut ann = Repo::new(&did(2), Key::k256(2));
    let mut bob = Repo::new(&did(3), Key::k256(3));
    let mut frames = vec![put(&mut ann, 5, "a")];
    frames.push((6, frame("#identity", &identity(&bob.did, 6))));
    frames.push(put(&mut bob, 7, "b"));
    let (_host, following) = follow(&frames, plc.resolver(), Duration::from_secs(2));
    following.until_stored(7);
    assert_eq!(following.rejected(), BTreeMap::from([("identity-unresolved", 2)]));
    assert!(is_marked(&following, &ann.did) && is_marked(&following, &bob.did));
    assert_eq!(records(&following), 0);
}

#[test]
fn a_stranger_without_a_document_is_refused_and_leaves_no_trace() {
    let plc = Plc::start();
    let mut ann = Repo::new(&did(2), Key::k256(2));
    let mut web = Repo::new("did:web:10.0.0.1", Key::k256(3));
    let mut key = Repo::new("did:key:zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc", Key::k256(3));
    let frames = vec![put(&mut ann, 1, "a"), put(&mut key, 2, "a"), put(&mut web, 3, "a")];
    let (_host, following) = follow(&frames, plc.resolver(), A_MINUTE);
    following.until_stored(3);
    let rejected = following.rejected();
    assert_eq!(rejected, BTreeMap::from([("no-signing-key", 3)]));
    assert!([ann, key, web].iter().all(|repo| !is_marked(&following, &repo.did)));
}

#[test]
fn a_key_that_was_replaced_is_asked_for_once_more() {
    let plc = Plc::start();
    let mut ann = Repo::new(&did(2), Key::k256(2));
    plc.knows(&ann);
    let resolver = plc.resolver();
    let mut frames = vec![put(&mut ann, 1, "a")];
    let (_host, before) = follow(&frames, resolver.clone(), A_MINUTE);
    before.until("the first key is known", |following| records(following) == 1);
    ann.key = Key::p256(9);
    plc.knows(&ann);
    frames.push(put(&mut ann, 2, "b"));
    let (_host, following) = follow(&frames, resolver, A_MINUTE);
    following.until("the new key is known", |following| records(following) == 2);
    // What was signed before is by the key before, and the directory here keeps no log to tell.
    following.until_stored(2);
    assert!(plc.asked() <= 5, "{}", plc.asked());
}

#[test]
fn a_signed_revision_of_an_hour_ahead_is_refused_and_leaves_no_trace() {
    let plc = Plc::start();
    let mut ann = Repo::new(&did(2), Key::k256(2));
    plc.knows(&ann);
    let ahead = jiff::Timestamp::now().as_microsecond() + 3_600_000_000;
    let bytes = u64::try_from(ahead).unwrap() << 10;
    let rev = guestlist::syntax::Tid::from_be_bytes(bytes.to_be_bytes()).to_string();
    let early = ann.clone().commit(1, &[Write::Put(&format!("{EVENT}/x"), event("x"))]);
    let key = ann.key.clone();
    let early = early.with("rev", text(rev.clone())).signing("rev", text(rev), &key).frame();
    let frames = vec![(1, early), put(&mut ann, 2, "a")];
    let (_host, following) = follow(&frames, plc.resolver(), A_MINUTE);
    following.until_stored(2);
    assert_eq!(following.rejected(), BTreeMap::from([("future-rev", 1)]));
    assert_eq!(records(&following), 1);
    assert!(!is_marked(&following, &ann.did));
}

#[test]
fn ten_thousand_bad_signatures_cost_a_bounded_number_of_questions_and_hold_up_nobody() {
    const STRANGERS: usize = 10_000;
    let plc = Plc::start();
    let mut ann = Repo::new(&did(1), Key::k256(2));
    plc.knows(&ann);
    // Nobody signed these, and half of those whose they are said to be exist.
    for number in (2..STRANGERS).step_by(2) {
        plc.knows(&Repo::new(&did(number), Key::k256(3)));
    }
    let lie = |number: usize| {
        let op = Op::create(&format!("{EVENT}/lie"), &event("lie"));
        let seq = u64::try_from(number).unwrap();
        (seq, commit(&did(number), seq, seq, None, &[op]).frame())
    };
    let mut frames = vec![put(&mut ann, 1, "a")];
    frames.extend((2..STRANGERS).map(lie));
    let last = u64::try_from(STRANGERS).unwrap();
    frames.push(put(&mut ann, last, "b"));
    let host = Host::of(frames);
    let settings =
        relay::Settings { verify: Verify::Signature, hold: Duration::from_secs(1), ..relay_at(&host) };
    let (store, begun) = (Store::in_memory().unwrap(), Instant::now());
    let following =
        Following::proving(&store, &[Plan::Relay(settings)], &impatient(), prover(plc.resolver()));
    following.until("who is known goes on", |following| records(following) == 2);
    following.until_stored(last);
    let rejected = following.rejected();
    assert_eq!(rejected.values().sum::<u64>(), last - 2, "{rejected:?}");
    let reasons = ["bad-signature", "no-signing-key", "identity-unresolved"];
    assert!(rejected.keys().all(|reason| reasons.contains(reason)), "{rejected:?}");
    // 200 at once and 50 a second.
    let allowed = 200 + 50 * (begun.elapsed().as_secs() as usize + 1) + 1;
    assert!(plc.asked() <= allowed, "{} of {allowed}", plc.asked());
}

/// The network of this machine, but for names, which nobody ever answers.
struct Nameless(System);

impl Network for Nameless {
    fn addresses<'a>(&'a self, _: &'a str) -> Waiting<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::pending())
    }

    fn texts<'a>(&'a self, _: &'a str) -> Waiting<'a, io::Result<Vec<String>>> {
        Box::pin(std::future::pending())
    }

    fn connect(&self, address: SocketAddr) -> Waiting<'_, io::Result<Box<dyn Stream>>> {
        self.0.connect(address)
    }

    fn tls(&self) -> Arc<ClientConfig> {
        self.0.tls()
    }
}

#[test]
fn whoever_has_many_slow_hosts_takes_no_place_from_the_accounts_of_the_directory() {
    const SLOW: u64 = 3000;
    let plc = Plc::start();
    let mut ann = Repo::new(&did(1), Key::k256(2));
    plc.knows(&ann);
    let slow = |seq: u64| {
        let op = Op::create(&format!("{EVENT}/slow"), &event("slow"));
        (seq, commit(&format!("did:web:{seq}.slow.example.com"), seq, seq, None, &[op]).frame())
    };
    let mut frames: Vec<_> = (1..SLOW).map(slow).collect();
    frames.push(put(&mut ann, SLOW, "a"));
    let host = Host::of(frames);
    let settings = relay::Settings { verify: Verify::Signature, hold: A_MINUTE, ..relay_at(&host) };
    let store = Store::in_memory().unwrap();
    let resolver = plc.resolver_over(Nameless(System::new(Vec::new())));
    let following = Following::proving(&store, &[Plan::Relay(settings)], &impatient(), prover(resolver));
    following.until("she is applied", |following| records(following) == 1);
    assert!(!is_marked(&following, &ann.did));
    assert!(following.rejected()["identity-unresolved"] >= 900, "as many as found no place");
}

#[test]
fn a_sync_that_nobody_can_prove_marks_no_repository_that_is_not_followed() {
    let plc = Plc::start();
    plc.is_down_for(u64::MAX);
    let (mut ann, mut bob) = (Repo::new(&did(1), Key::k256(2)), Repo::new(&did(2), Key::k256(3)));
    put(&mut ann, 1, "a");
    let frames = [(2, ann.sync(2).frame()), put(&mut bob, 3, "b")];
    let (_host, following) = follow(&frames, plc.resolver(), Duration::from_millis(300));
    following.until("both are given up", |it| it.rejected().get("identity-unresolved") == Some(&2));
    following.until("what was wanted is marked", |following| is_marked(following, &bob.did));
    assert!(!is_marked(&following, &ann.did));
}
