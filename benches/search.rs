//! How long a search of three words takes through the HTTP router, alone and while events are written; how long it takes
//! until what is written is found; and what the index costs to fill, in time and on the disk.
//!
//! `cargo bench --bench search -- [--events 100000] [--calls 2000] [--per-second 500]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

mod daemon;
mod generate;
#[macro_use]
mod measure;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use guestlist::codec::event::Event;
use guestlist::http::{Service, router};
use guestlist::records::Kind;
use guestlist::search::{Keeper, Search};
use ipld_core::ipld;
use tower::ServiceExt;

use daemon::Daemon;
use generate::{Network, datetime, person, pick, scatter};
use measure::{argument, fraction, median, memory, millis, process_time, quantile, table, within};

/// What the median, and all but one of a hundred, should stay under.
const MEDIAN_MOST: Duration = Duration::from_millis(5);
const MOST: Duration = Duration::from_millis(25);

/// What is written should be found in this time.
const LAG_MOST: Duration = Duration::from_secs(1);

/// Longer than filling takes anywhere.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Words of the made-up languages, of a description, and of a name.
const VOCABULARY: u64 = 50_000;
const IN_DESCRIPTION: u64 = 80;
const IN_NAME: u64 = 5;

/// How often a second something is written.
const BATCHES_A_SECOND: u32 = 10;

/// Letters and syllables of which words are made, by script: as many of each as there are of the first is rare.
const SCRIPTS: [(&str, u64); 6] = [
    ("ka ro mi ten sol bra lu ne fi dor sha pul gri wen mar to", 4),
    ("ка ро ми тен сол бра лу не фи дор ша пул гри вен мар то", 4),
    ("ب ر س ك م ل ن و ي ت ح ق ع ف د ج", 5),
    ("東 京 会 読 書 茶 山 川 日 本 語 音 楽 映 画 祭", 3),
    ("서 울 모 임 독 공 원 음 악 회 책 산 강 영 화 제", 3),
    ("का र मि ते सो ब्र लु ने फि दो श पु ग्रि वे मा तो", 4),
];

/// A word of a language: the same number is the same word.
fn word(language: u64, number: u64) -> String {
    let at = usize::try_from(language).unwrap_or(0);
    let (syllables, length) = SCRIPTS.get(at).or(SCRIPTS.first()).copied().expect("there are some");
    let syllables: Vec<&str> = syllables.split(' ').collect();
    let seed = scatter(number ^ language << 40);
    let chosen = |nth| {
        let which = usize::try_from(pick(seed ^ nth << 17, 16)).unwrap_or(0);
        syllables.get(which).copied().unwrap_or_default()
    };
    (0..2 + pick(seed, length)).map(chosen).collect()
}

/// A word as often as words are: the first is in every tenth place, the hundredth in every thousandth.
fn common(seed: u64) -> u64 {
    let share = fraction(usize::try_from(pick(seed, 1 << 20)).unwrap_or(0)) / fraction(1 << 20);
    let top = fraction(usize::try_from(VOCABULARY).unwrap_or(1)).ln() * share;
    // Truncated on purpose: a place in the list of words.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the vocabulary")]
    let number = top.exp() as u64;
    number
}

/// The language of an event: of two thirds the first.
fn language(number: u64) -> u64 {
    let which = pick(number ^ 0x1a96, 15);
    which.saturating_sub(9)
}

fn words(number: u64, from: u64, count: u64) -> Vec<String> {
    let language = language(number);
    (from..from + count).map(|nth| word(language, common(scatter(number) ^ nth << 8))).collect()
}

/// Writes an event of a number.
fn event(network: &mut Network, number: u64, mark: &str) -> Event {
    let micros = network.tick();
    let name = format!("{} {mark}", words(number, 0, IN_NAME).join(" "));
    let record = ipld!({
        "$type": "community.lexicon.calendar.event",
        "name": name.trim_end(),
        "description": words(number, IN_NAME, IN_DESCRIPTION).join(" "),
        "createdAt": datetime(micros),
        "startsAt": datetime(pick(number, 1_000_000_000_000_000)),
        "locations": [{
            "$type": "community.lexicon.location.address",
            "country": "XX",
            "name": words(number, 200, 2).join(" "),
        }],
    });
    network.put(&person("organizer", number / 10), Kind::Event, record).0
}

/// Whoever searches.
struct Asker {
    router: Router,
    runtime: tokio::runtime::Runtime,
}

impl Asker {
    /// Asks, and says how many are found.
    fn ask(&self, query: &str) -> (usize, Duration) {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/xrpc/community.lexicon.calendar.searchEvents?query={escaped}");
        let request = Request::builder().uri(&path).body(Body::empty()).expect("a request");
        let began = Instant::now();
        let (status, body) = self.runtime.block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            (response.status(), to_bytes(response.into_body(), usize::MAX).await.expect("a body in memory"))
        });
        let time = began.elapsed();
        assert_eq!(status, StatusCode::OK, "{query}: {body:?}");
        let page: serde_json::Value = serde_json::from_slice(&body).expect("an answer");
        (page.get("results").and_then(|of| of.as_array()).map_or(0, Vec::len), time)
    }

    /// Three words of some event each time, the last of them not typed to its end.
    fn ask_often(&self, calls: u64, events: u64) -> Vec<Duration> {
        let mut times = Vec::new();
        for call in 0..calls {
            let number = pick(call ^ 0xabcd, events);
            let at = pick(call, IN_DESCRIPTION - 3);
            let mut query = words(number, IN_NAME + at, 3);
            if let Some(last) = query.last_mut().filter(|last| last.chars().count() > 3) {
                last.pop();
            }
            let (found, time) = self.ask(&query.join(" "));
            assert!(found > 0, "{query:?}");
            times.push(time);
        }
        times
    }
}

/// Bytes of the files in a directory.
fn bytes_in(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|of| of.len()).sum()
}

/// Writes so many events a second until it is done, and says how many it were.
fn write(daemon: &mut Daemon, network: &mut Network, first: u64, per_second: u64, done: &AtomicBool) -> f64 {
    let (began, mut number) = (Instant::now(), first);
    let mut due = began;
    while !done.load(Ordering::Relaxed) {
        let batch = per_second / u64::from(BATCHES_A_SECOND);
        daemon.apply((number..number + batch).map(|number| event(network, number, "")).collect());
        number += batch;
        due += Duration::from_secs(1) / BATCHES_A_SECOND;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    fraction(usize::try_from(number - first).unwrap_or(0)) / began.elapsed().as_secs_f64()
}

/// How long it takes until what was written is found.
fn lags(asker: &Asker, daemon: &mut Daemon, network: &mut Network, times: u64) -> Vec<Duration> {
    let measure = |nth: u64| {
        let mark = format!("zz{nth}qx");
        daemon.apply(vec![event(network, u64::MAX / 2 + nth, &mark)]);
        let began = Instant::now();
        while asker.ask(&mark).0 == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        began.elapsed()
    };
    (0..times).map(measure).collect()
}

/// An index, and who keeps it.
type Kept = (Search, thread::JoinHandle<()>);

/// Starts a keeper, and waits until everything is in the index.
fn cost_of_filling(search: Search, keeper: Keeper) -> (Kept, Filling) {
    let (began, processor) = (Instant::now(), process_time());
    let keeper = thread::spawn(move || keeper.run().expect("the store is whole"));
    assert!(search.settle(PATIENCE), "it fills");
    let cost = Filling { time: began.elapsed(), processor: process_time().saturating_sub(processor) };
    ((search, keeper), cost)
}

/// What it cost to fill an index.
struct Filling {
    time: Duration,
    processor: Duration,
}

impl Filling {
    fn row(&self, name: &str, index: &Path) -> Vec<String> {
        let on_disk = format!("{} MB", bytes_in(index) / 1_000_000);
        row![name, millis(self.time), millis(self.processor), on_disk, memory()]
    }
}

fn main() {
    let (events, calls) = (argument("events", 100_000), argument("calls", 2_000));
    let per_second = argument("per-second", 500);
    let (mut daemon, mut network) = (Daemon::on_sled(), Network::default());
    for number in 0..events {
        let event = event(&mut network, number, "");
        daemon.fill(event);
    }
    daemon.fill_up();
    let index = daemon.store.dir().expect("it is on the disk").join("search");

    let mut rows = vec![row!["", "time", "of processors", "on the disk", "memory"]];
    rows.push(row!["before", "", "", "", memory()]);
    let (search, keeper) = Search::over(&daemon.store).expect("randomness");
    let ((search, keeper), cost) = cost_of_filling(search, keeper);
    rows.push(cost.row("filled from the store", &index));
    search.close();
    keeper.join().expect("it does not panic");
    let (search, keeper) = Search::over(&daemon.store).expect("randomness");
    let ((search, keeper), cost) = cost_of_filling(search, keeper);
    rows.push(cost.row("opened and compared", &index));
    table(&format!("the index of {events} events"), &rows);

    daemon.search = search.clone();
    let service = Service { search: search.clone(), ..Service::reading(daemon.store.clone()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let asker = Asker { router: router(service), runtime };
    asker.ask_often(calls / 10, events);
    let alone = asker.ask_often(calls, events);
    let done = AtomicBool::new(false);
    let (beside, rate) = thread::scope(|scope| {
        let (daemon, network, done) = (&mut daemon, &mut network, &done);
        let writer = scope.spawn(move || write(daemon, network, events, per_second, done));
        thread::sleep(Duration::from_secs(2));
        let beside = asker.ask_often(calls, events);
        done.store(true, Ordering::Relaxed);
        (beside, writer.join().expect("it does not panic"))
    });
    let mut rows = vec![row!["three words", "median", "9 of 10", "99 of 100", "worst"]];
    for (name, times) in [("nothing else", &alone), ("while events are written", &beside)] {
        let [nine, worst] = [0.9, 1.0].map(|share| millis(quantile(times, share)));
        let ninety_nine = within(quantile(times, 0.99), MOST);
        rows.push(row![name, within(median(times), MEDIAN_MOST), nine, ninety_nine, worst]);
    }
    table(&format!("searchEvents through the router, {events} events on sled, {calls} calls"), &rows);
    println!("  {rate:.0} events a second were written");
    let lags = lags(&asker, &mut daemon, &mut network, 20);
    println!(
        "  found after {} (median), {} (worst)",
        within(median(&lags), LAG_MOST),
        within(quantile(&lags, 1.0), LAG_MOST)
    );
    let letters: BTreeSet<char> = ('a'..='z').collect();
    let letters: Vec<String> = letters.into_iter().map(String::from).collect();
    for (name, query) in [("one letter", "k".to_owned()), ("twenty-six letters", letters.join(" "))] {
        let times: Vec<Duration> = (0..20).map(|_| asker.ask(&query).1).collect();
        println!("  {name}: {} (median)", millis(median(&times)));
    }
    search.close();
    keeper.join().expect("it does not panic");
}
