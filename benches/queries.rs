//! How long each query takes through the HTTP router, on a store of many records, and how many of them one
//! client gets answered: when nothing else happens, and while a replay writes.
//!
//! `cargo bench --bench queries -- [--records 100000] [--calls 500]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

mod daemon;
mod generate;
#[macro_use]
mod measure;

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
use guestlist::http::{Service, router};
use guestlist::syntax::Did;
use measure::{argument, fraction, median, memory, millis, quantile, table, within};
use tower::ServiceExt;

/// What the median of the one call that other services make should stay under, whatever is written meanwhile.
const MEDIAN_MOST: Duration = Duration::from_millis(1);

/// Items of a page, where a list is not shorter.
const ITEMS: usize = 50;

/// People of a `getStandings`.
const ACTORS: u64 = 20;

/// What is asked of: rounds with their people, and events. Somebody and something else for each call.
struct Asker {
    router: Router,
    rounds: Vec<(Reference, Vec<Did>)>,
    events: Vec<Reference>,
    runtime: tokio::runtime::Runtime,
}

/// A query, with its parameters for one call.
struct Question {
    name: &'static str,
    path: fn(&Asker, u64) -> String,
}

/// The methods in the order of the README.
const QUESTIONS: [Question; 17] = [
    Question {
        name: "getStanding",
        path: |of, seed| ours("getStanding", &format!("round={}&actor={}", of.round(seed), of.person(seed))),
    },
    Question {
        name: "getStandings, 20 people",
        path: |of, seed| {
            let actors: String = (0..ACTORS).map(|nth| format!("&actors={}", of.other(seed, nth))).collect();
            ours("getStandings", &format!("round={}{actors}", of.round(seed)))
        },
    },
    Question {
        name: "listActorRounds",
        path: |of, seed| ours("listActorRounds", &format!("actor={}", of.person(seed))),
    },
    Question { name: "explain", path: |of, seed| ours("explain", &format!("uri={}", of.round(seed))) },
    Question { name: "getRound", path: |of, seed| ours("getRound", &format!("uri={}", of.round(seed))) },
    Question { name: "listRounds", path: |_, _| ours("listRounds", &format!("limit={ITEMS}")) },
    Question { name: "listSignups", path: |of, seed| of.list("listSignups", seed) },
    Question { name: "listInvitations", path: |of, seed| of.list("listInvitations", seed) },
    Question { name: "listSubmissions", path: |of, seed| of.list("listSubmissions", seed) },
    Question { name: "listParticipants", path: |of, seed| of.list("listParticipants", seed) },
    Question {
        name: "getInviteGraph",
        path: |of, seed| ours("getInviteGraph", &format!("round={}", of.round(seed))),
    },
    Question {
        name: "listEventRSVPs",
        path: |of, seed| ours("listEventRSVPs", &format!("event={}&limit={ITEMS}", of.event(seed).id.uri())),
    },
    Question { name: "listQuarantine", path: |_, _| ours("listQuarantine", "") },
    Question { name: "getStatus", path: |_, _| ours("getStatus", "") },
    Question {
        name: "getEvent",
        path: |of, seed| {
            let id = &of.event(seed).id;
            calendar("getEvent", &format!("repository={}&record_key={}", id.did, id.rkey))
        },
    },
    Question {
        name: "getRSVP",
        path: |of, seed| {
            let (event, person) = (of.event(seed).id.uri(), of.person(seed));
            calendar("getRSVP", &format!("event={event}&identity={person}"))
        },
    },
    Question {
        name: "listRSVPs",
        path: |of, seed| calendar("listRSVPs", &format!("identity={}", of.person(seed))),
    },
];

fn ours(method: &str, query: &str) -> String {
    format!("/xrpc/app.guestlist.{method}?{query}")
}

fn calendar(method: &str, query: &str) -> String {
    format!("/xrpc/community.lexicon.calendar.{method}?{query}")
}

fn chosen<T>(items: &[T], seed: u64) -> &T {
    let which = usize::try_from(pick(seed, u64::try_from(items.len()).expect("it fits")));
    which.ok().and_then(|which| items.get(which)).expect("there is something to choose from")
}

impl Asker {
    fn round(&self, seed: u64) -> String {
        chosen(&self.rounds, seed).0.id.uri()
    }

    /// Somebody in the round of the same seed.
    fn person(&self, seed: u64) -> &Did {
        chosen(&chosen(&self.rounds, seed).1, seed ^ 0xffff)
    }

    fn other(&self, seed: u64, nth: u64) -> &Did {
        chosen(&chosen(&self.rounds, seed).1, seed ^ nth << 20)
    }

    fn event(&self, seed: u64) -> &Reference {
        chosen(&self.events, seed)
    }

    fn list(&self, method: &str, seed: u64) -> String {
        ours(method, &format!("round={}&limit={ITEMS}", self.round(seed)))
    }

    /// Asks once.
    fn ask(&self, question: &Question, seed: u64) -> Duration {
        let path = (question.path)(self, seed);
        let request = Request::builder().uri(&path).body(Body::empty()).expect("a request");
        let began = Instant::now();
        let status = self.runtime.block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            let status = response.status();
            to_bytes(response.into_body(), usize::MAX).await.expect("a body in memory");
            status
        });
        let time = began.elapsed();
        // Who is in a round need not have answered an event.
        assert!(status == StatusCode::OK || question.name == "getRSVP", "{path}: {status}");
        time
    }

    /// Asks every question so often.
    fn ask_all(&self, calls: u64) -> Vec<Vec<Duration>> {
        let times = |question| (0..calls).map(|seed| self.ask(question, seed)).collect();
        QUESTIONS.iter().map(times).collect()
    }
}

/// Asks while another thread writes what `events` has, in batches as a replay makes them.
fn ask_during_replay(
    asker: &Asker,
    daemon: &mut Daemon,
    events: impl Iterator<Item = Event> + Send,
    calls: u64,
) -> (Vec<Vec<Duration>>, f64) {
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
        let times = asker.ask_all(calls);
        done.store(true, Ordering::Relaxed);
        (times, writer.join().expect("it does not panic"))
    })
}

/// Calls that one client gets answered in a second, one after the other.
fn rate(times: &[Duration]) -> String {
    let total: Duration = times.iter().sum();
    format!("{:.0}", fraction(times.len()) / total.as_secs_f64().max(1e-9))
}

fn main() {
    let (records, calls) = (argument("records", 100_000), argument("calls", 500));
    let mut daemon = Daemon::on_sled();
    let mut mixture = Mixture::new("stored", records);
    mixture.by_ref().for_each(|event| daemon.fill(event));
    daemon.fill_up();
    let (rounds, events) = mixture.into_rounds_and_events();
    // Where a page is full.
    let rounds = rounds.into_iter().filter(|(_, people)| people.len() > 2 * ITEMS).collect();
    let service = Service::reading(daemon.store.clone());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let asker = Asker { router: router(service), rounds, events, runtime };
    asker.ask_all(calls / 10);
    let idle = asker.ask_all(calls);
    let (busy, written) = ask_during_replay(&asker, &mut daemon, Mixture::new("replayed", u64::MAX), calls);
    let mut rows =
        vec![row!["", "median", "99 of 100", "calls/s", "during a replay: median", "99 of 100", "calls/s"]];
    for ((question, idle), busy) in QUESTIONS.iter().zip(&idle).zip(&busy) {
        let middle = |times: &[Duration]| match question.name {
            "getStanding" => within(median(times), MEDIAN_MOST),
            _ => millis(median(times)),
        };
        let (late, late_busy) = (millis(quantile(idle, 0.99)), millis(quantile(busy, 0.99)));
        rows.push(row![question.name, middle(idle), late, rate(idle), middle(busy), late_busy, rate(busy)]);
    }
    let title = format!("calls through the router, {records} records on sled, {calls} calls of each");
    table(&title, &rows);
    println!("  the replay wrote {written:.0} events a second meanwhile; {}", memory());
}
