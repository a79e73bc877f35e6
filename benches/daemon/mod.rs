//! A store with its writer, fed by hand, and the questions that readers ask of it.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guestlist::codec::event::Event;
use guestlist::config::Config;
use guestlist::delivery::{Delivery, Placed, Progress, Tally, queue};
use guestlist::indexer::{Indexer, Turn};
use guestlist::records::{Body, Kind};
use guestlist::rules::authority::signups_of;
use guestlist::rules::verdict::{decide, door};
use guestlist::search::Search;
use guestlist::store::{IfAbsent, Store};
use guestlist::syntax::{AtUri, Did};
use guestlist::tables::keys::{RecordId, RoundId, SourceKey};
use guestlist::tables::rows::RoundTally;
use guestlist::tables::view::{ReadRows, Rows, RowsError};
use guestlist::tables::{Records, RoundTallies};
use tempfile::TempDir;

use crate::generate::pick;
use crate::measure::{Cost, argument, cost_of};

/// Events that are committed together while a store is filled.
const FILL_EVENTS: usize = 1_000;

/// What a reader waits between two questions, so that it is not the one who keeps the processor busy.
const READER_REST: Duration = Duration::from_micros(100);

/// A store and its only writer.
pub(crate) struct Daemon {
    pub(crate) store: Store,
    /// Who hears of events that change.
    pub(crate) search: Search,
    indexer: Indexer,
    seq: u64,
    waiting: Vec<Event>,
    /// Removed with the store.
    _dir: Option<TempDir>,
}

impl Daemon {
    pub(crate) fn in_memory() -> Self {
        Self::over(Store::in_memory().expect("a new store"), None)
    }

    pub(crate) fn on_sled() -> Self {
        let dir = tempfile::tempdir().expect("a place for files");
        let mut config = Config::default();
        config.store.cache_mb = argument("cache-mb", config.store.cache_mb);
        let cache_bytes = config.cache_bytes();
        Self::over(Store::open(dir.path(), cache_bytes, IfAbsent::Create).expect("a new store"), Some(dir))
    }

    fn over(store: Store, dir: Option<TempDir>) -> Self {
        let indexer = Indexer::new(store.clone(), usize::MAX).expect("a new store");
        Self { store, search: Search::off(), indexer, seq: 0, waiting: Vec::new(), _dir: dir }
    }

    /// Takes an event of which only the effect counts.
    pub(crate) fn fill(&mut self, event: Event) {
        self.waiting.push(event);
        if self.waiting.len() == FILL_EVENTS {
            self.fill_up();
        }
    }

    /// Writes what [`Daemon::fill`] has left.
    pub(crate) fn fill_up(&mut self) {
        let events = std::mem::take(&mut self.waiting);
        if !events.is_empty() {
            self.apply(events);
        }
    }

    /// Applies events in one batch and says what that cost the writer.
    pub(crate) fn apply(&mut self, events: Vec<Event>) -> Cost {
        let first = self.seq + 1;
        self.seq += u64::try_from(events.len()).expect("few events");
        let (sender, deliveries) = queue();
        let send = move || {
            for (seq, event) in (first..).zip(events) {
                let source = SourceKey {
                    kind: "replay".to_owned(),
                    name: "generated".to_owned(),
                    fingerprint: String::new(),
                };
                let progress = Progress::Dump { offset: seq, cursor: Some(seq), finished: false };
                let event = Some(Placed { position: seq, offset: seq, event });
                sender
                    .send(Delivery { source, progress, tally: Tally::default(), event, note: None })
                    .expect("the writer is there");
            }
        };
        thread::scope(|scope| {
            scope.spawn(send);
            let search = self.search.clone();
            let tell = |turn: Turn<'_>| {
                if let Turn::Committed { events, .. } = turn {
                    search.changed(events);
                }
            };
            let (written, cost) = cost_of(|| self.indexer.run(&deliveries, tell));
            written.expect("it writes");
            cost
        })
    }

    pub(crate) fn tally(&self, round: &RoundId) -> RoundTally {
        let tally = self.store.snapshot().get::<RoundTallies>(round).expect("it reads");
        tally.unwrap_or_default()
    }
}

/// What `getStanding` asks: whether someone participates, may invite, and the verdict on their signups.
pub(crate) fn standing(rows: &dyn Rows, round: &AtUri, did: &Did) -> Result<bool, RowsError> {
    let Ok(door) = door(rows, round)? else { return Ok(false) };
    let participates = door.participates(rows, did)?;
    let may_invite = door.may_invite(rows, did)?.is_ok();
    for signup in signups_of(rows, &door.round, did, None) {
        let (key, _) = signup?;
        let id = RecordId { did: did.clone(), kind: Kind::Signup, rkey: key.rkey };
        let body: Option<Body> = rows.get::<Records>(&id)?.and_then(|record| record.body);
        body.map(|body| decide(rows, &id, &body)).transpose()?;
    }
    Ok(participates && may_invite)
}

/// Asks for the standing of one person after another while `work` is done, and returns how long each
/// answer took.
pub(crate) fn read_during<T>(
    store: &Store,
    round: &AtUri,
    people: &[Did],
    work: impl FnOnce() -> T,
) -> (T, Vec<Duration>) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut times = Vec::new();
            let mut seed = 0;
            while !done.load(Ordering::Relaxed) {
                seed += 1;
                let which = pick(seed, u64::try_from(people.len()).unwrap_or(1));
                let Some(did) = usize::try_from(which).ok().and_then(|which| people.get(which)) else {
                    break;
                };
                let began = Instant::now();
                standing(&*store.snapshot(), round, did).expect("it reads");
                times.push(began.elapsed());
                thread::sleep(READER_REST);
            }
            times
        });
        let done_work = work();
        done.store(true, Ordering::Relaxed);
        (done_work, reader.join().expect("it does not panic"))
    })
}
