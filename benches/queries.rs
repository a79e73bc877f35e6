//! How long `getStanding` and a list of 50 signups take through the HTTP router, on a store of many records:
//! when nothing else happens, and while a replay writes.
//!
//! `cargo bench --bench queries -- [--records 100000] [--calls 2000]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

mod daemon;
mod generate;
#[macro_use]
mod measure;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use daemon::Daemon;
use generate::{Mixture, Reference, pick};
use guestlist::codec::event::Event;
use guestlist::config::Config;
use guestlist::http::{Limits, Service, router};
use guestlist::sources::Board;
use guestlist::syntax::Did;
use measure::{argument, fraction, median, micros, quantile, table, within};
use serde_json::Value;
use tower::ServiceExt;

/// What the median should stay under, whatever is written meanwhile.
const MEDIAN_MOST: Duration = Duration::from_millis(1);

/// Items of a list.
const ITEMS: usize = 50;

/// The questions: a round and its people, chosen anew for each call.
struct Asker {
    router: Router,
    rounds: Vec<(Reference, Vec<Did>)>,
    runtime: tokio::runtime::Runtime,
}

/// How long calls of the two kinds took.
#[derive(Default)]
struct Times {
    standing: Vec<Duration>,
    list: Vec<Duration>,
}

fn chosen<T>(items: &[T], seed: u64) -> &T {
    let which = usize::try_from(pick(seed, u64::try_from(items.len()).expect("it fits")));
    which.ok().and_then(|which| items.get(which)).expect("there is something to choose from")
}

impl Asker {
    fn get(&self, path: &str) -> (Value, Duration) {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let began = Instant::now();
        let bytes = self.runtime.block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            to_bytes(response.into_body(), usize::MAX).await.expect("a body in memory")
        });
        let time = began.elapsed();
        (serde_json::from_slice(&bytes).expect("JSON"), time)
    }

    /// Asks once for each, about somebody else each time.
    fn ask(&self, seed: u64, times: &mut Times) {
        let (round, people) = chosen(&self.rounds, seed);
        let (round, actor) = (round.id.uri(), chosen(people, seed ^ 0xffff));
        let (answer, time) =
            self.get(&format!("/xrpc/app.guestlist.getStanding?round={round}&actor={actor}"));
        assert!(answer.get("participant").is_some(), "{answer}");
        times.standing.push(time);
        let (answer, time) =
            self.get(&format!("/xrpc/app.guestlist.listSignups?round={round}&limit={ITEMS}"));
        let items = answer.get("signups").and_then(Value::as_array).map(Vec::len);
        assert_eq!(items, Some(ITEMS), "a full page");
        times.list.push(time);
    }
}

/// Asks while another thread writes what `events` has, in batches as a replay makes them.
fn ask_during_replay(
    asker: &Asker,
    daemon: &mut Daemon,
    events: impl Iterator<Item = Event> + Send,
    calls: u64,
) -> (Times, f64) {
    let batch = Config::default().limits.batch_events;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut events = events.peekable();
            let (mut written, mut busy) = (0, Duration::ZERO);
            while !done.load(Ordering::Relaxed) {
                let batch: Vec<Event> = events.by_ref().take(batch).collect();
                assert!(events.peek().is_some(), "there is more to write than there is time");
                written += batch.len();
                busy += daemon.apply(batch).wall;
            }
            fraction(written) / busy.as_secs_f64()
        });
        let mut times = Times::default();
        (0..calls).for_each(|seed| asker.ask(seed, &mut times));
        done.store(true, Ordering::Relaxed);
        (times, writer.join().expect("it does not panic"))
    })
}

fn main() {
    let (records, calls) = (argument("records", 100_000), argument("calls", 2_000));
    let mut daemon = Daemon::on_sled();
    let mut mixture = Mixture::new("stored", records);
    mixture.by_ref().for_each(|event| daemon.fill(event));
    daemon.fill_up();
    let rounds = mixture.into_rounds().into_iter().filter(|(_, people)| people.len() > 2 * ITEMS).collect();
    let service = Service {
        store: daemon.store.clone(),
        identities: Arc::default(),
        ready: Arc::new(AtomicBool::new(true)),
        sources: Board::default(),
        public_url: "https://guestlist.example".to_owned(),
        limits: Limits::default(),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let asker = Asker { router: router(service), rounds, runtime };
    (0..calls / 10).for_each(|seed| asker.ask(seed, &mut Times::default()));
    let mut idle = Times::default();
    (0..calls).for_each(|seed| asker.ask(seed, &mut idle));
    let (busy, rate) = ask_during_replay(&asker, &mut daemon, Mixture::new("replayed", u64::MAX), calls);
    let row = |name: &str, when: &str, times: &[Duration]| {
        let longest = quantile(times, 1.0);
        row![name, when, within(median(times), MEDIAN_MOST), micros(quantile(times, 0.99)), micros(longest)]
    };
    table(
        &format!("calls through the router, {records} records on sled, {calls} calls of each"),
        &[
            row!["", "", "median", "99th percentile", "longest"],
            row("getStanding", "idle", &idle.standing),
            row("getStanding", "during a replay", &busy.standing),
            row("listSignups, 50 items", "idle", &idle.list),
            row("listSignups, 50 items", "during a replay", &busy.list),
        ],
    );
    println!("  the replay wrote {rate:.0} events a second meanwhile");
}
