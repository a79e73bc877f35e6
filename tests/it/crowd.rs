//! Ten thousand people who are logged in to the Portal at once: at the real writer over a store on disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use futures_util::future::join_all;
use guestlist::http::{Limits, Portal, Rates, Service, router};
use guestlist::spaces::command::{Command, Done};
use guestlist::syntax::TokenHash;
use guestlist::tables::view::ReadRows;
use guestlist::tables::{PersonSessions, SessionExpiries, Sessions, Users};
use jiff::Timestamp;
use serde_json::Value;
use tower::ServiceExt;

use crate::browsers::PORTAL;
use crate::writers::{Writer, by};

const PEOPLE: usize = 10_000;

/// How many of them come for a moment only.
const IN_A_HURRY: usize = 200;

/// Those who ask at the same moment: fewer than may wait at the desk.
const AT_ONCE: usize = 500;

/// Bytes on disk for each of them. Their rows take some three hundred, and the store keeps some of them twice for a while.
const BYTES_MAX: u64 = 4_000;

const HOURS: i64 = 12 * 3_600_000;

struct Crowd {
    writer: Writer,
    router: Router,
}

fn did(who: usize) -> String {
    format!("did:plc:crowd{who:05}")
}

fn secret(who: usize) -> String {
    format!("a secret of forty-three characters, of {who:05}")
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Crowd {
    fn new() -> Arc<Self> {
        let writer = Writer::start();
        let rates = Rates { calls_per_minute_per_address: 1_000_000, ..Rates::default() };
        let limits = Limits { rates, ..Limits::default() };
        let (desk, portal) = (writer.desk.clone(), Some(Portal::default()));
        let router = router(Service { desk, limits, portal, ..Service::reading(writer.store.clone()) });
        Arc::new(Self { writer, router })
    }

    /// These log in, until a time; their numbers.
    async fn log_in(self: &Arc<Self>, who: impl Iterator<Item = usize>, expires_at: i64) -> Vec<u64> {
        let mut users = Vec::new();
        for some in who.collect::<Vec<_>>().chunks(AT_ONCE) {
            let all = some.iter().map(|who| {
                let hash = TokenHash::of(&secret(*who));
                let command = Command::OpenSession { hash, expires_at, instead_of: None };
                self.writer.desk.ask(by(&did(*who), command))
            });
            for answer in join_all(all).await {
                let Ok(Ok(Done::Session { user })) = answer else { panic!("{answer:?}") };
                users.push(user);
            }
        }
        users
    }

    /// Somebody looks at their session: their number, or nothing.
    async fn user(&self, who: usize) -> Option<u64> {
        let request = Request::get(format!("{PORTAL}/session"))
            .header(header::COOKIE, format!("psession={}", secret(who)))
            .body(Body::empty());
        let response = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let view: Value = serde_json::from_slice(&body).unwrap();
        if status == 200 {
            assert_eq!(view["did"], did(who));
            return view["user_id"].as_u64();
        }
        assert_eq!(status, 401, "{view}");
        None
    }

    /// Those of these who are logged in.
    async fn users(self: &Arc<Self>, who: impl Iterator<Item = usize>) -> Vec<Option<u64>> {
        let mut users = Vec::new();
        // As many as may ask at the same time.
        for some in who.collect::<Vec<_>>().chunks(60) {
            let all = some.iter().map(|who| {
                let (crowd, who) = (Arc::clone(self), *who);
                tokio::spawn(async move { crowd.user(who).await })
            });
            users.extend(join_all(all.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap));
        }
        users
    }

    /// How many sessions are kept; each is found in every way.
    fn count(&self) -> usize {
        let rows = self.writer.store.snapshot();
        let count = rows.scan_all::<Sessions>().count();
        assert_eq!(rows.scan_all::<SessionExpiries>().count(), count);
        assert_eq!(rows.scan_all::<PersonSessions>().count(), count);
        count
    }
}

#[test]
fn ten_thousand_are_logged_in_and_who_is_over_time_goes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let crowd = Crowd::new();
        let begun = Instant::now();
        let stay = PEOPLE - IN_A_HURRY;
        let mut users = crowd.log_in(0..stay, now() + HOURS).await;
        let soon = now() + 4_000;
        users.extend(crowd.log_in(stay..PEOPLE, soon).await);
        let logged_in = begun.elapsed();
        let hurried = crowd.users(stay..PEOPLE).await;
        assert!(now() < soon, "the machine is too slow for this test");
        assert_eq!(hurried, users[stay..].iter().copied().map(Some).collect::<Vec<_>>());
        // Each has a number of their own, and all are in.
        let mut numbers = users.clone();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=PEOPLE as u64).collect::<Vec<_>>());
        let seen = crowd.users(0..stay).await;
        assert!(seen.iter().zip(&users).all(|(seen, user)| *seen == Some(*user)));
        let looked = begun.elapsed();
        assert_eq!(crowd.count(), PEOPLE);
        let bytes = crowd.writer.store.bytes_on_disk().unwrap();
        eprintln!("{PEOPLE} logged in after {logged_in:?}, seen after {looked:?}, {bytes} bytes");
        assert!(bytes < PEOPLE as u64 * BYTES_MAX, "{bytes} bytes");

        // Time is over for some, and whoever comes next takes some of them away; more than one each, until all are gone.
        let left = u64::try_from(soon - now()).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(left + 1)).await;
        assert_eq!(crowd.users(stay..PEOPLE).await, [None; IN_A_HURRY]);
        let before = crowd.count();
        crowd.log_in(PEOPLE..PEOPLE + 1, now() + HOURS).await;
        assert!(crowd.count() < before, "the first takes some with it");
        crowd.log_in(PEOPLE + 1..PEOPLE + IN_A_HURRY / 4, now() + HOURS).await;
        assert_eq!(crowd.count(), stay + IN_A_HURRY / 4);
        assert!(crowd.users((0..stay).step_by(50)).await.iter().all(Option::is_some));
        // Who was here keeps their number.
        assert_eq!(crowd.writer.store.snapshot().scan_all::<Users>().count(), PEOPLE + IN_A_HURRY / 4);
        assert_eq!(crowd.log_in(stay..PEOPLE, now() + HOURS).await, users[stay..]);
    });
}
