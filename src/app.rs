//! Where everything comes together: open, bind, spawn, supervise, drain.
//!
//! Stages stop in the order of the data: the reader, the writer, then the server. The first stage that fails
//! ends the process.
#![allow(clippy::disallowed_methods, reason = "a shell: it binds a socket")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, EngineKind, SourceConfig, Verify};
use crate::control::Control;
use crate::delivery::{Receiver, Sender, Tally, queue};
use crate::http::{self, Service};
use crate::identity::Directory;
use crate::indexer::{self, Indexer};
use crate::ingest::dump::Dump;
use crate::ingest::replay::{Ended, Replay};
use crate::ingest::watch::Watch;
use crate::rebuild;
use crate::records::Kind;
use crate::rules::accounts;
use crate::rules::verdict::{self, Basis, Verdict};
use crate::store::{IfAbsent, Store};
use crate::tables::keys::{RecordId, RoundId};
use crate::tables::view::{ReadRows, Rows};
use crate::tables::{Records, Signups};

/// Signups that are looked at for an example worth showing.
const SIGNUPS_LOOKED_AT: usize = 1000;

/// Runs the daemon until it is told to stop or a stage fails.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config));
    // A query that is stuck must not keep a stopping process alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let identities = Arc::new(Directory::load(&config.identity.identities)?);
    let store = open(&config)?;
    let _control = match store.dir() {
        Some(dir) => Some(
            Control::listen(store.clone(), Arc::clone(&identities), dir)
                .context("cannot listen on control.sock")?,
        ),
        None => None,
    };
    let listener = bind(&config).await?;
    let address = listener.local_addr()?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), %address, data_dir = %config.data_dir.display(),
        identities = identities.len(), "guestlist is listening"
    );
    let stop = CancellationToken::new();
    let ready = Arc::new(AtomicBool::new(false));
    let service = Service {
        store: store.clone(),
        identities,
        ready: Arc::clone(&ready),
        public_url: config.http.public_url.clone(),
        limits: http::Limits {
            concurrent_queries_max: config.limits.queries_at_once,
            ..http::Limits::default()
        },
    };
    let stop_server = CancellationToken::new();
    let trusted = config.http.trusted_proxies.clone();
    let mut server = tokio::spawn(http::serve(listener, http::router(service), trusted, stop_server.clone()));

    let (sender, deliveries) = queue();
    let watch = Watch::load(&store)?;
    let mut writer = spawn_blocking({
        let (store, batch_events) = (store.clone(), config.limits.batch_events);
        move || write(store, batch_events, &deliveries)
    });
    let reader = spawn_blocking({
        let (config, store, stop) = (config.clone(), store.clone(), stop.clone());
        move || read(&config, &store, &watch, &sender, &stop)
    });

    let announced = (address, store.clone());
    let mut signals = Signals::new()?;
    tokio::select! {
        () = signals.next() => tracing::info!("told to stop: finishing what has begun"),
        result = idle_after(reader, &mut writer, &ready, &announced) => result?,
        result = &mut server => result??,
    }
    stop.cancel();
    let drained = async {
        // The reader has dropped its end of the channel by then, or is about to.
        if !writer.is_finished() {
            (&mut writer).await??;
        }
        stop_server.cancel();
        server.await??;
        anyhow::Ok(())
    };
    tokio::select! {
        drained = tokio::time::timeout(Duration::from_secs(config.limits.drain_seconds), drained) => match drained {
            Ok(result) => result,
            Err(_) => {
                tracing::warn!("stopped before everything was finished: the time to drain is over");
                Ok(())
            }
        },
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

/// Waits for the reader, then for as long as nothing fails.
async fn idle_after(
    reader: tokio::task::JoinHandle<anyhow::Result<()>>,
    writer: &mut tokio::task::JoinHandle<anyhow::Result<()>>,
    ready: &AtomicBool,
    (address, store): &(SocketAddr, Store),
) -> anyhow::Result<()> {
    let read = reader.await?;
    // The writer ends when the reader does, unless it failed; that error says more.
    writer.await??;
    read?;
    ready.store(true, Ordering::Release);
    tracing::info!("every source was read; serving");
    let (address, store) = (*address, store.clone());
    spawn_blocking(move || announce(address, &store)).await??;
    std::future::pending().await
}

/// Says on standard output where to look, with queries that have an answer.
fn announce(address: SocketAddr, store: &Store) -> anyhow::Result<()> {
    let base = format!("http://{address}/xrpc/app.guestlist");
    let mut lines = vec![
        format!("guestlist answers at http://{address}, for example:"),
        format!("  curl '{base}.getStatus'"),
    ];
    if let Some((round, signup)) = example(&*store.snapshot())? {
        let (round, actor) = (escaped(&round.record().uri()), escaped(signup.did.as_str()));
        lines.push(format!("  curl '{base}.getRound?uri={round}'"));
        lines.push(format!("  curl '{base}.getStanding?round={round}&actor={actor}'"));
        lines.push(format!("  curl '{base}.explain?uri={}'", escaped(&signup.uri())));
    }
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; the daemon goes on all the same.
    let _ = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    Ok(())
}

/// A signup with something to tell: one that somebody was invited to.
fn example(rows: &dyn Rows) -> anyhow::Result<Option<(RoundId, RecordId)>> {
    for row in rows.scan_all::<Signups>().take(SIGNUPS_LOOKED_AT) {
        let (key, _) = row?;
        let id = RecordId { did: key.author, kind: Kind::Signup, rkey: key.rkey };
        let body = rows.get::<Records>(&id)?.and_then(|record| record.body);
        let verdict = body.map(|body| verdict::decide(rows, &id, &body)).transpose()?.flatten();
        if verdict == Some(Verdict::Valid(Some(Basis::Invited))) && accounts::is_active(rows, &id.did)? {
            return Ok(Some((key.round, id)));
        }
    }
    Ok(None)
}

/// A DID or URI as part of a query: of its characters only this one means something there.
fn escaped(text: &str) -> String {
    text.replace('%', "%25")
}

fn write(store: Store, batch_events: usize, deliveries: &Receiver) -> anyhow::Result<()> {
    let mut total = Tally::default();
    Indexer::new(store, batch_events)?.run(deliveries, |batch| total.add(batch))?;
    let rejected: BTreeMap<_, _> =
        total.rejected.iter().map(|(reject, count)| (reject.reason(), count)).collect();
    tracing::info!(
        messages = total.frames,
        commits = total.commits,
        skipped = total.skipped,
        applied = total.applied,
        ?rejected,
        "everything that was read is stored"
    );
    Ok(())
}

/// Reads the sources one after the other.
fn read(
    config: &Config,
    store: &Store,
    watch: &Watch,
    deliveries: &Sender,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    for source in &config.source {
        // Only `off` exists so far.
        let SourceConfig::Replay { path, verify: Verify::Off } = source;
        if replay(path, store, watch, deliveries, stop)? == Ended::Stopped {
            break;
        }
    }
    Ok(())
}

fn replay(
    path: &Path,
    store: &Store,
    watch: &Watch,
    deliveries: &Sender,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    let (dump, source) = Dump::open(path, |raw, _| raw)?;
    let stands = indexer::standing_of(store, &source)?;
    if stands.as_ref().is_some_and(|stands| stands.finished) {
        tracing::info!(source = %source.name, "already read to its end");
        return Ok(Ended::Finished);
    }
    tracing::info!(source = %source.name, offset = stands.as_ref().map_or(0, |stands| stands.offset), "reading");
    Ok(Replay::new(dump, source, stands.as_ref(), watch, deliveries)?.run(stop)?)
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
