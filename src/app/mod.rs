//! Where everything comes together: open, bind, spawn, supervise, drain.
//!
//! Stages stop in the order in which they need each other: the readers, the server, which asks the writer, then the
//! writer. The first stage that fails ends the process.
#![allow(clippy::disallowed_methods, reason = "a shell: it binds a socket")]

mod announce;
mod audit;
mod feed;
mod notify;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use self::announce::announce;
use self::audit::retain;
use self::feed::Feed;
use self::notify::Watchdog;
use crate::config::{Config, EngineKind};
use crate::control::{Control, Holder};
use crate::delivery::{Receiver, Tally, queue};
use crate::http::{self, Service};
use crate::identity::Directory;
use crate::indexer::{Indexer, Turn};
use crate::ingest::prover::Prover;
use crate::ingest::watch::Watch;
use crate::ingest::{Sweeps, Wiring};
use crate::orders::{self, Orders};
use crate::rebuild;
use crate::search::{Keeper, Search};
use crate::sources::Board;
use crate::spaces::Bounds;
use crate::store::{IfAbsent, Store, StoreError};

/// How long a writer that has failed may take to say so, after those who deliver to it have noticed.
const WRITER_PATIENCE: Duration = Duration::from_secs(1);

/// Runs the daemon until it is told to stop or a stage fails.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config));
    // A query that is stuck must not keep a stopping process alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let directory = Directory::load(&config.identity.identities)?;
    let in_files = directory.len();
    let identities = config.identity.resolver(directory);
    let store = open(&config)?;
    let (search, keeper) = if config.search.enabled {
        let (search, keeper) = Search::over(&store)?;
        (search, Some(keeper))
    } else {
        (Search::off(), None)
    };
    let board = Board::default();
    let (desk, orders) = orders::desk();
    let holder = Holder {
        store: store.clone(),
        identities: identities.clone(),
        search: search.clone(),
        sources: Some(board.clone()),
        desk: Some(desk.clone()),
    };
    let listen = |dir| Control::listen(holder, dir).context("cannot listen on control.sock");
    let _control = store.dir().map(listen).transpose()?;
    let listener = bind(&config).await?;
    let address = listener.local_addr()?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), %address, data_dir = %config.data_dir.display(),
        identities = in_files, "guestlist is listening"
    );
    let stop = CancellationToken::new();
    let service = Service {
        store: store.clone(),
        identities: identities.clone(),
        search: search.clone(),
        sources: board.clone(),
        public_url: config.http.public_url.clone(),
        event_url: config.http.event_url.clone(),
        desk: desk.clone(),
        service_did: config.http.service_did()?,
        space_type: config.invites.space_type.clone(),
        portal: config
            .portal
            .enabled
            .then(|| http::Portal { levels: config.portal.levels(), origins: config.portal.origins.clone() }),
        limits: http::Limits {
            concurrent_queries_max: config.limits.queries_at_once,
            rates: config.invites.rates(),
            ..http::Limits::default()
        },
    };
    let stop_server = CancellationToken::new();
    let trusted = config.http.trusted_proxies.clone();
    let mut server = tokio::spawn(http::serve(listener, http::router(service), trusted, stop_server.clone()));

    let (sender, deliveries) = queue();
    let watch = Watch::load(&store)?;
    let sweeps = config.sweeps();
    let means = (sweeps != Sweeps::Off)
        .then(|| config.means(&store, identities.clone(), watch.clone(), sender.clone()));
    let prover = Prover::start(identities, Handle::current(), stop.clone());
    let wiring = Wiring { watch, prover, deliveries: sender, board: board.clone(), sweeps };
    let feed = Feed::prepare(&config, &store, wiring, means)?;
    let mut writer = spawn_blocking({
        let indexer = Indexer::new(store.clone(), config.limits.batch_events)?;
        let (bounds, board) = (config.invites.bounds(config.portal.levels()), board.clone());
        let search = search.clone();
        move || write(indexer, &deliveries, &orders, &bounds, &board, &search)
    });
    let mut keeper = spawn_blocking(move || keeper.map_or(Ok(()), Keeper::run));
    tokio::spawn(retain(desk.clone(), config.invites.audit_days, stop.clone()));
    let mut reader = tokio::spawn(feed.run(stop.clone()));

    notify::ready("reading the dumps");
    let announced = say_where(&board, address, &store);
    let mut signals = Signals::new()?;
    tokio::select! {
        () = signals.next() => tracing::info!("told to stop: finishing what has begun"),
        result = idle_after(&mut reader, &mut writer, announced) => result?,
        result = &mut server => result??,
        result = kept(&mut keeper) => result?,
    }
    notify::stopping();
    stop.cancel();
    let drained = async {
        // The readers drop their ends of the queue when they have handed over what they read.
        if !reader.is_finished() {
            (&mut reader).await??;
        }
        // Whoever asked the writer for something still gets an answer.
        stop_server.cancel();
        server.await??;
        spawn_blocking(move || desk.close()).await?;
        if !writer.is_finished() {
            (&mut writer).await??;
        }
        search.close();
        if !keeper.is_finished() {
            (&mut keeper).await??;
        }
        anyhow::Ok(())
    };
    drain(drained, Duration::from_secs(config.limits.drain_seconds), &mut signals).await
}

/// Lets what has begun be finished, within a time and until a second signal.
async fn drain(
    drained: impl Future<Output = anyhow::Result<()>>,
    patience: Duration,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    tokio::select! {
        drained = tokio::time::timeout(patience, drained) => drained.unwrap_or_else(|_| {
            tracing::warn!("stopped before everything was finished: the time to drain is over");
            Ok(())
        }),
        () = signals.next() => {
            tracing::warn!("told to stop again: stopping at once");
            Ok(())
        }
    }
}

fn open(config: &Config) -> anyhow::Result<Store> {
    let store = match config.store.engine {
        EngineKind::Sled => Store::open(&config.data_dir, config.cache_bytes(), IfAbsent::Create)?,
        EngineKind::Memory => Store::in_memory()?,
    };
    if let Some(cause) = rebuild::needed(&store)? {
        tracing::info!(?cause, "working out everything derived anew; queries are answered after that");
        rebuild::rebuild(&store, |records| tracing::debug!(records, "graded again"))?;
    }
    Ok(store)
}

async fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    let bind = config.http.bind;
    TcpListener::bind(bind).await.with_context(|| format!("cannot listen on {bind} (http.bind)"))
}

/// Waits for the readers, then for as long as nothing fails.
async fn idle_after(
    reader: &mut JoinHandle<anyhow::Result<()>>,
    writer: &mut JoinHandle<anyhow::Result<()>>,
    announced: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let ended = async {
        tokio::select! {
            read = &mut *reader => {
                if let Err(error) = read? {
                    // Where the writer failed that says more, and is known in a moment.
                    if let Ok(written) = tokio::time::timeout(WRITER_PATIENCE, writer).await {
                        written??;
                    }
                    return Err(error);
                }
                // It goes on for those who ask something of it.
                writer.await?
            }
            // It ends before the readers do if it failed, and they would hear of that late; or a moment before
            // them, when they have let go of the queue and not yet said why.
            written = &mut *writer => {
                written??;
                reader.await?
            }
        }
    };
    tokio::try_join!(ended, announced)?;
    std::future::pending().await
}

/// Waits for as long as the search index is kept, or need not be.
async fn kept(keeper: &mut JoinHandle<Result<(), StoreError>>) -> anyhow::Result<()> {
    keeper.await??;
    std::future::pending().await
}

/// Says where to look as soon as there is something to see.
async fn say_where(board: &Board, address: SocketAddr, store: &Store) -> anyhow::Result<()> {
    board.dumps_stored().await;
    tracing::info!("every dump was read; serving");
    notify::status("every dump was read; serving");
    let store = store.clone();
    spawn_blocking(move || announce(address, &store)).await?
}

fn write(
    mut indexer: Indexer,
    deliveries: &Receiver,
    orders: &Orders,
    bounds: &Bounds,
    board: &Board,
    search: &Search,
) -> anyhow::Result<()> {
    let mut total = Tally::default();
    let mut watchdog = Watchdog::new();
    indexer.serve(deliveries, orders, bounds, |turn| {
        watchdog.ping();
        if let Turn::Committed { tally, outcomes, sources, covered, events } = turn {
            search.changed(events);
            total.add(tally);
            outcomes.iter().for_each(|(source, outcomes)| board.applied(source, *outcomes));
            board.stored(sources);
            board.covered(covered);
        }
    })?;
    let rejected: BTreeMap<_, _> =
        total.rejected.iter().map(|(reject, count)| (reject.reason(), count)).collect();
    tracing::info!(
        messages = total.frames,
        commits = total.commits,
        skipped = total.skipped,
        applied = total.applied,
        ?rejected,
        outcomes = ?total.outcomes,
        "everything that was read is stored"
    );
    Ok(())
}

/// The signals that ask a daemon to stop.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::idle_after;

    #[tokio::test]
    async fn what_stopped_the_readers_is_heard_when_the_writer_is_done_before_them() {
        let mut reader = tokio::spawn(async {
            tokio::task::yield_now().await;
            anyhow::bail!("a dump cannot be read")
        });
        let mut writer = tokio::spawn(async { anyhow::Ok(()) });
        let idle = idle_after(&mut reader, &mut writer, async { Ok(()) });
        let ended = tokio::time::timeout(Duration::from_secs(10), idle).await;
        assert_eq!(ended.unwrap().unwrap_err().to_string(), "a dump cannot be read");
    }
}
