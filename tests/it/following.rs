//! A live source followed in this process, with a store in memory, and what can be asked of it.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use guestlist::codec::claim::Verify;
use guestlist::delivery::{Sender, queue};
use guestlist::export;
use guestlist::identity::{Directory, Resolver};
use guestlist::indexer::Indexer;
use guestlist::ingest::dump::Dump;
use guestlist::ingest::endpoint::Endpoint;
use guestlist::ingest::live::{Live, Patience, Plan, Start};
use guestlist::ingest::prover::{Hold, Prover};
use guestlist::ingest::replay::{Manner, Replay};
use guestlist::ingest::watch::Watch;
use guestlist::ingest::{Sweeps, Wiring};
use guestlist::ingest::{jetstream, relay};
use guestlist::sources::{Board, Connection, Status};
use guestlist::store::Store;
use guestlist::tables::Sources;
use guestlist::tables::keys::SourceKey;
use guestlist::tables::view::ReadRows;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::host::Host;

/// Long after anything here should have happened.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Quick enough for tests, with the same proportions.
pub(crate) fn impatient() -> Patience {
    Patience {
        connect: Duration::from_secs(10),
        ping: Duration::from_millis(100),
        silence: Duration::from_secs(10),
        retry_min: Duration::from_millis(2),
        retry_max: Duration::from_millis(50),
        tick: Duration::from_millis(20),
    }
}

/// A prover that knows nobody and asks nobody.
pub(crate) fn nobodys_prover() -> Prover {
    prover(Resolver::offline(Directory::default()))
}

/// A prover that asks this resolver.
pub(crate) fn prover(resolver: Resolver) -> Prover {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    Prover::start(resolver, RUNTIME.handle().clone(), CancellationToken::new())
}

/// Reads a dump to its end, unproved, into a queue, which ends with it.
pub(crate) fn read_unproved(dump: Dump, source: SourceKey, store: &Store, deliveries: Sender) {
    let wiring = Wiring {
        watch: Watch::load(store).unwrap(),
        prover: nobodys_prover(),
        deliveries,
        board: Board::default(),
        sweeps: Sweeps::Off,
    };
    let manner = Manner { verify: Verify::Off, hold: Hold::Forever };
    Replay::new(dump, source, None, &wiring, manner).unwrap().run(&CancellationToken::new()).unwrap();
}

/// A relay that is followed from its oldest message.
pub(crate) fn relay_at(host: &Host) -> relay::Settings {
    let endpoint = Endpoint::parse(&host.url()).unwrap();
    relay::Settings {
        endpoint,
        verify: Verify::Off,
        hold: Duration::from_secs(60),
        start: Start::Oldest,
        on_reset: relay::OnReset::Stop,
    }
}

/// A Jetstream that is followed from its oldest message, without compression.
pub(crate) fn jetstream_at(host: &Host) -> jetstream::Settings {
    let endpoint = Endpoint::parse(&host.url()).unwrap();
    jetstream::Settings { endpoint, start: Start::Oldest, compress: false, dictionary: None }
}

/// Sources that are followed; they stop when this is dropped.
pub(crate) struct Following {
    pub(crate) store: Store,
    pub(crate) board: Board,
    stop: CancellationToken,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Following {
    /// Follows one relay or Jetstream into a new store.
    pub(crate) fn one(plan: Plan) -> Self {
        Self::all(&Store::in_memory().unwrap(), &[plan], &impatient())
    }

    /// Follows sources into a store, unproved.
    pub(crate) fn all(store: &Store, plans: &[Plan], patience: &Patience) -> Self {
        Self::proving(store, plans, patience, nobodys_prover())
    }

    /// Follows sources into a store, proved as they say.
    pub(crate) fn proving(store: &Store, plans: &[Plan], patience: &Patience, prover: Prover) -> Self {
        Self::swept(store, plans, patience, prover, Sweeps::Off)
    }

    /// Follows sources whose past is made up for, or is not.
    pub(crate) fn swept(
        store: &Store,
        plans: &[Plan],
        patience: &Patience,
        prover: Prover,
        sweeps: Sweeps,
    ) -> Self {
        let (sender, deliveries) = queue();
        let board = Board::default();
        board.complete();
        let watch = Watch::load(store).unwrap();
        let wiring = Wiring { watch, prover, deliveries: sender, board: board.clone(), sweeps };
        let live: Vec<Live> = plans.iter().map(|plan| Live::prepare(plan, store, &wiring).unwrap()).collect();
        drop(wiring);
        let stop = CancellationToken::new();
        let mut indexer = Indexer::new(store.clone(), 250).unwrap();
        let writer = thread::spawn(move || indexer.run(&deliveries, |_| {}).unwrap());
        let (patience, stopped) = (patience.clone(), stop.clone());
        let reader = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let follow = live.into_iter().map(|live| live.follow(&patience, &stopped));
                for ended in futures_util::future::join_all(follow).await {
                    ended.unwrap();
                }
            });
        });
        Self { store: store.clone(), board, stop, threads: vec![reader, writer] }
    }

    /// Stops in the order of the data: when this returns, everything that was read is stored.
    pub(crate) fn stop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }

    /// The one source and how it is doing.
    pub(crate) fn status(&self) -> Status {
        let mut statuses = self.board.statuses().into_values();
        let status = statuses.next().unwrap();
        assert_eq!(statuses.next(), None, "there is one source");
        status
    }

    /// What it met so far.
    pub(crate) fn anomalies(&self) -> BTreeMap<&'static str, u64> {
        self.status().anomalies.into_iter().map(|(anomaly, count)| (anomaly.name(), count)).collect()
    }

    /// What was refused so far.
    pub(crate) fn rejected(&self) -> BTreeMap<&'static str, u64> {
        self.status().rejected.into_iter().map(|(reject, count)| (reject.reason(), count)).collect()
    }

    /// The stored cursors, by source.
    pub(crate) fn cursors(&self) -> Vec<(SourceKey, Option<u64>)> {
        let rows = self.store.snapshot();
        rows.scan_all::<Sources>()
            .map(|row| {
                let (key, source) = row.unwrap();
                (key, source.cursor)
            })
            .collect()
    }

    /// The stored cursor of the source that is read last.
    pub(crate) fn cursor(&self) -> Option<u64> {
        self.cursors().pop().and_then(|(_, cursor)| cursor)
    }

    pub(crate) fn digest(&self) -> String {
        export::digest(&self.store.freeze()).unwrap().0
    }

    /// Waits until the cursor is stored.
    pub(crate) fn until_stored(&self, cursor: u64) {
        self.until("the cursor", |it| it.cursor() == Some(cursor));
    }

    /// Waits until its connection is like this.
    pub(crate) fn until_it_is(&self, connection: Connection) {
        self.until(connection.name(), |it| it.status().connection == connection);
    }

    /// Waits until something holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(
                begun.elapsed() < PATIENCE,
                "{what} did not come: {:?}, {:?}",
                self.board.statuses(),
                self.cursors()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether the board says that everything is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.board.is_ready(jiff::Timestamp::now().as_microsecond())
    }
}
