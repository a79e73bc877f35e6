//! How long whoever redeems an invite waits for the writer, alone and while it applies a replay at full speed.
//!
//! `cargo bench --bench redeem -- [--records N] [--calls N] [--cache-mb N]`. What is measured is from the order to its
//! durable answer: what HTTP and the check of a signature add is in `queries` and `verify`.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

mod daemon;
mod generate;
#[macro_use]
mod measure;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guestlist::config::Config;
use guestlist::delivery::{Delivery, Placed, Progress, Sender, Tally, queue};
use guestlist::indexer::Indexer;
use guestlist::orders::{Desk, desk};
use guestlist::spaces::Bounds;
use guestlist::spaces::command::{By, Command, Done, InviteTerms, Nonce, Request};
use guestlist::syntax::{AtUri, Did, TokenHash};
use guestlist::tables::keys::{NonceId, SourceKey, SpaceId};
use guestlist::tables::spaces::{Perms, SpaceTerms};
use sha2::{Digest, Sha256};

use daemon::Daemon;
use generate::Mixture;
use measure::{argument, fraction, median, millis, quantile, table, within};

/// What whoever redeems may wait, as the median.
const REDEEM_MOST: Duration = Duration::from_millis(20);

/// Between two calls.
const REST: Duration = Duration::from_millis(3);

/// Those who redeem.
struct Callers {
    desk: Desk,
    calls: u64,
    space: SpaceId,
    token: TokenHash,
}

impl Callers {
    /// Makes a space with an invite for anybody.
    fn of(desk: Desk) -> Self {
        let uri = AtUri::parse("at://did:plc:owner/tools.atmo.event.space/bench").expect("a constant");
        let space = SpaceId::from_uri(&uri).expect("a space's");
        let mut callers = Self { desk, calls: 0, space: space.clone(), token: TokenHash::of("token") };
        let owner = Did::parse("did:plc:owner").expect("a constant");
        callers.ask(&owner, Command::CreateSpace { space, terms: SpaceTerms::default() });
        callers
    }

    fn invite(&mut self) {
        let owner = self.space.owner.clone();
        let terms = InviteTerms { perms: Perms::Write, max_uses: None, expires_at: None, note: None };
        self.ask(&owner, Command::CreateInvite { space: self.space.clone(), hash: self.token, terms });
    }

    fn ask(&mut self, caller: &Did, command: Command) -> Done {
        self.calls += 1;
        let id = NonceId(Sha256::digest(self.calls.to_be_bytes()).into());
        let by = By::Caller { did: caller.clone(), nonce: Nonce { id, expires: u64::MAX } };
        let answer = self.desk.ask_and_wait(Request { by, command }).expect("the writer is there");
        answer.expect("nothing is against it")
    }

    /// One after another redeems, and waits this long.
    fn redeem(&mut self, times: u64) -> Vec<Duration> {
        let mut waited = Vec::new();
        for _ in 0..times {
            let caller = Did::parse(&format!("did:plc:caller{}", self.calls)).expect("letters and digits");
            let began = Instant::now();
            self.ask(&caller, Command::Redeem { hash: self.token });
            waited.push(began.elapsed());
            thread::sleep(REST);
        }
        waited
    }
}

/// Sends events as fast as they are taken, until it is done.
fn replay(sender: &Sender, done: &AtomicBool, sent: &AtomicU64) {
    for (event, seq) in Mixture::new("replayed", u64::MAX).zip(1..) {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let source =
            SourceKey { kind: "replay".into(), name: "meanwhile".into(), fingerprint: String::new() };
        let progress = Progress::Dump { offset: seq, cursor: Some(seq), finished: false };
        let event = Some(Placed { position: seq, offset: seq, event });
        let delivery = Delivery { source, progress, tally: Tally::default(), event, note: None };
        sender.send(delivery).expect("the writer is there");
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let (records, calls) = (argument("records", 100_000), argument("calls", 1_000));
    let mut daemon = Daemon::on_sled();
    Mixture::new("stored", records).for_each(|event| daemon.fill(event));
    daemon.fill_up();
    let batch = Config::default().limits.batch_events;
    let mut indexer = Indexer::new(daemon.store.clone(), batch).expect("a store");
    let ((sender, deliveries), (desk, orders)) = (queue(), desk());
    let (done, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (idle, alone, busy, beside) = thread::scope(|scope| {
        scope.spawn(move || {
            indexer.serve(&deliveries, &orders, &Bounds::default(), |_| {}).expect("it writes")
        });
        let mut callers = Callers::of(desk.clone());
        callers.invite();
        let idle = callers.redeem(calls);
        let (done, sent) = (&done, &sent);
        scope.spawn(move || replay(&sender, done, sent));
        thread::sleep(Duration::from_secs(2));
        let rate = |work: &mut dyn FnMut()| {
            let (began, before) = (Instant::now(), sent.load(Ordering::Relaxed));
            work();
            let count = usize::try_from(sent.load(Ordering::Relaxed) - before).unwrap_or(usize::MAX);
            fraction(count) / began.elapsed().as_secs_f64()
        };
        let alone = rate(&mut || thread::sleep(Duration::from_secs(5)));
        let mut busy = Vec::new();
        let beside = rate(&mut || busy = callers.redeem(calls));
        done.store(true, Ordering::Relaxed);
        desk.close();
        (idle, alone, busy, beside)
    });
    let mut rows = vec![row!["", "median", "9 of 10", "99 of 100", "worst"]];
    for (name, times) in [("nothing else", &idle), ("during a replay", &busy)] {
        let [nine, ninety_nine, worst] = [0.9, 0.99, 1.0].map(|share| millis(quantile(times, share)));
        rows.push(row![name, within(median(times), REDEEM_MOST), nine, ninety_nine, worst]);
    }
    table(&format!("from an order to its durable answer, {records} records on sled, {calls} calls"), &rows);
    println!("  the replay wrote {alone:.0} events a second alone, and {beside:.0} beside the callers");
}
