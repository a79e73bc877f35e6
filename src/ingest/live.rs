//! Keeping one live source connected.
//!
//! A connection has two stages: `socket` reads it into a bounded inbox, and a thread decodes what is there
//! and delivers it. Reading so never waits for writing beyond what the bounds hold. When a connection ends,
//! what was read of it is dealt with before the next begins, so that the next asks for exactly the rest.
//! Spec: PROTOCOL §1 and §10.

use std::ops::ControlFlow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::connect::{ConnectError, Request, Socket};
use super::endpoint::Endpoint;
use super::fetch::fetch;
use super::inbox::{Inbox, Raw, inbox};
use super::jetstream::{self, Jetstream};
use super::line::{Line, Wiring};
use super::relay::{self, Relay};
use super::socket::{ReadEnd, read};
use crate::sources::{Anomaly, Connection};
use crate::store::{Store, StoreError};

/// Bytes of a message when the one before it was over the limit: enough to read past it.
const OVERSIZE_BYTES_MAX: usize = 64_000_000;

/// Characters of what a host says that are shown.
const HOST_WORDS_MAX: usize = 200;

/// How long a live source waits, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// Between pings.
    pub ping: Duration,
    /// For any sign of life.
    pub silence: Duration,
    /// Before the second attempt.
    pub retry_min: Duration,
    /// Between attempts at most.
    pub retry_max: Duration,
    /// Between two looks at what was gathered.
    pub tick: Duration,
}

/// Where a source that was never read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// With the oldest that the host still has.
    Oldest,
    /// With what comes next.
    Live,
}

/// What to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// A relay or a PDS.
    Relay(relay::Settings),
    /// Jetstream.
    Jetstream(jetstream::Settings),
}

/// A live source, ready to be followed.
pub enum Live {
    /// A relay or a PDS.
    Relay(Relay),
    /// Jetstream.
    Jetstream(Jetstream),
}

impl Live {
    /// Takes a source up where the store says it stands, and puts it on the board.
    pub fn prepare(plan: &Plan, store: &Store, wiring: &Wiring) -> Result<Self, StoreError> {
        Ok(match plan {
            Plan::Relay(settings) => Live::Relay(Relay::resume(settings, store, wiring)?),
            Plan::Jetstream(settings) => Live::Jetstream(Jetstream::resume(settings, store, wiring)?),
        })
    }

    /// Keeps it connected until it is told to stop or the writer is gone. A source that gives up waits here
    /// too: the others go on.
    ///
    /// # Errors
    /// Its decoder panicked.
    pub async fn follow(self, patience: &Patience, stop: &CancellationToken) -> Result<(), JoinError> {
        match self {
            Live::Relay(relay) => keep_connected(relay, patience, stop).await,
            Live::Jetstream(jetstream) => keep_connected(jetstream, patience, stop).await,
        }
    }
}

/// Why the decoding of a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Everything that was read is dealt with.
    Drained,
    /// Nobody takes deliveries any more.
    WriterGone,
    /// The connection is no good.
    Drop(Anomaly, String),
    /// The host is to be asked for something else.
    Again(String),
    /// Nothing more can be had until somebody changes the configuration.
    Stop(String),
    /// Messages cannot be read without something that the host has under this path.
    Fetch {
        /// Path and query.
        path: String,
        /// Bytes that it may have.
        bytes_max: usize,
    },
}

/// What one kind of live source does with what it reads.
pub(super) trait Stream: Send + 'static {
    /// The host.
    fn endpoint(&self) -> &Endpoint;
    /// What to ask it for, from where the source stands now.
    fn request(&self) -> String;
    /// Bytes of a message.
    fn message_bytes_max(&self) -> usize;
    /// A connection begins.
    fn opened(&mut self);
    /// Deals with a message.
    fn take(&mut self, raw: Raw) -> ControlFlow<Ended>;
    /// What was fetched. Says why it is of no use.
    fn fetched(&mut self, bytes: Vec<u8>) -> Result<(), String>;
    /// What all live sources have.
    fn line(&mut self) -> &mut Line;
}

/// What happens after a connection, or instead of one.
enum Next {
    Retry {
        words: String,
        at_least: Duration,
        lasting: bool,
    },
    /// After a wait, of which nothing needs to be said.
    Soon,
    GiveUp(String),
    End,
}

impl Next {
    fn retry(words: String) -> Self {
        Next::Retry { words, at_least: Duration::ZERO, lasting: false }
    }
}

async fn keep_connected<S: Stream>(
    mut stream: S,
    patience: &Patience,
    stop: &CancellationToken,
) -> Result<(), JoinError> {
    let mut backoff = Backoff::new(patience.retry_min, patience.retry_max);
    let mut oversize = Oversize::default();
    while !stop.is_cancelled() {
        stream.line().report(|status| status.connection = Connection::Connecting);
        let advances = stream.line().advances();
        let next = match open(&mut stream, oversize.limit(), patience, stop).await {
            None => Next::End,
            Some(Err(error)) => refused(&mut stream, &error),
            Some(Ok(socket)) => {
                let (read, ended);
                (stream, read, ended) = connection(stream, socket, patience, stop).await?;
                oversize.note(&read);
                after(&mut stream, read, ended, patience, stop).await
            }
        };
        if stream.line().advances() > advances {
            backoff.reset();
        }
        match next {
            Next::Soon => {
                tokio::select! {
                    () = tokio::time::sleep(backoff.next(random())) => {}
                    () = stop.cancelled() => break,
                }
            }
            Next::End => break,
            Next::Retry { words, at_least, lasting } => {
                let random = random();
                let wait = if lasting { backoff.longest(random) } else { backoff.next(random) };
                let wait = wait.max(at_least);
                say(&mut stream, &words, wait, lasting);
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stop.cancelled() => break,
                }
                stream.line().report(|status| status.reconnects += 1);
            }
            Next::GiveUp(words) => {
                tracing::error!(source = stream.line().name(), "{words}");
                stream.line().report(|status| {
                    status.connection = Connection::Stopped;
                    status.last_error = Some(words);
                });
                // The others go on, and so does everything that is asked of us.
                stop.cancelled().await;
            }
        }
    }
    Ok(())
}

/// Opens a connection; `None` when we are told to stop meanwhile.
async fn open<S: Stream>(
    stream: &mut S,
    oversize: Option<usize>,
    patience: &Patience,
    stop: &CancellationToken,
) -> Option<Result<Socket, ConnectError>> {
    let message_bytes_max = oversize.unwrap_or(stream.message_bytes_max());
    let (endpoint, path) = (stream.endpoint().clone(), stream.request());
    let request = Request { endpoint: &endpoint, path, message_bytes_max, patience: patience.connect };
    let line = stream.line();
    let redirected = |to: &Endpoint| {
        tracing::info!(source = line.name(), %to, "redirected");
        line.met(Anomaly::Redirected);
    };
    tokio::select! {
        opened = request.open(redirected) => Some(opened),
        () = stop.cancelled() => None,
    }
}

/// Runs the two stages of a connection until both have ended.
async fn connection<S: Stream>(
    mut stream: S,
    socket: Socket,
    patience: &Patience,
    stop: &CancellationToken,
) -> Result<(S, ReadEnd, Ended), JoinError> {
    let cursor = stream.line().cursor();
    tracing::info!(source = stream.line().name(), cursor, "connected");
    stream.line().report(|status| status.connection = Connection::Connected);
    let (inlet, inbox) = inbox();
    let decoder = spawn_blocking(move || {
        // It may have something to hand over, and wait for the writer.
        stream.opened();
        decode(stream, inbox)
    });
    let end = read(socket, inlet, patience, stop).await;
    let (stream, ended) = decoder.await?;
    Ok((stream, end, ended))
}

/// Deals with what a connection brings until it is over, and hands over all of it.
fn decode<S: Stream>(mut stream: S, mut inbox: Inbox) -> (S, Ended) {
    let mut dealt_with = ControlFlow::Continue(());
    while dealt_with.is_continue() {
        dealt_with = match inbox.next() {
            Some(Raw::Tick) => stream.line().tick(),
            Some(raw) => stream.take(raw),
            None => ControlFlow::Break(Ended::Drained),
        };
    }
    let ended = dealt_with.break_value().unwrap_or(Ended::Drained);
    match stream.line().rest() {
        ControlFlow::Break(gone) => (stream, gone),
        ControlFlow::Continue(()) => (stream, ended),
    }
}

/// What follows from how a connection ended. What its content says comes before how the socket fared.
async fn after<S: Stream>(
    stream: &mut S,
    read: ReadEnd,
    ended: Ended,
    patience: &Patience,
    stop: &CancellationToken,
) -> Next {
    let (anomaly, words) = match (ended, read) {
        (Ended::WriterGone, _) => return Next::End,
        (Ended::Stop(words), _) => return Next::GiveUp(words),
        (Ended::Again(words), _) => return Next::retry(words),
        (Ended::Drop(anomaly, words), _) => (anomaly, words),
        (Ended::Fetch { path, bytes_max }, _) => {
            let endpoint = stream.endpoint().clone();
            let got = tokio::select! {
                got = fetch(&endpoint, &path, bytes_max, patience.connect) => got,
                () = stop.cancelled() => return Next::End,
            };
            match got.map_err(|error| error.to_string()).and_then(|bytes| stream.fetched(bytes)) {
                Ok(()) => return Next::Soon,
                Err(why) => {
                    stream.line().met(Anomaly::NoDictionary);
                    let words = format!("the dictionary of the compression is not to be had: {why}");
                    return Next::Retry { words, at_least: Duration::ZERO, lasting: true };
                }
            }
        }
        (Ended::Drained, ReadEnd::Stopped) => return Next::End,
        // It can have had enough only by saying why.
        (Ended::Drained, ReadEnd::Refused) => return Next::Soon,
        (Ended::Drained, ReadEnd::Closed(how)) => {
            (Anomaly::Closed, format!("the host closed the connection ({how})"))
        }
        (Ended::Drained, ReadEnd::Broken(how)) => (Anomaly::Broken, format!("the connection broke: {how}")),
        (Ended::Drained, ReadEnd::TooLarge) => {
            (Anomaly::TooLarge, "a message is over the limit of a message".to_owned())
        }
        (Ended::Drained, ReadEnd::Silence) => {
            let seconds = patience.silence.as_secs_f32();
            (Anomaly::Silence, format!("nothing came for {seconds} seconds, not even an answer to a ping"))
        }
    };
    stream.line().met(anomaly);
    Next::retry(words)
}

fn refused<S: Stream>(stream: &mut S, error: &ConnectError) -> Next {
    let anomaly = match error {
        ConnectError::Status { .. } | ConnectError::Redirect => Anomaly::Refused,
        ConnectError::TimedOut(_) | ConnectError::Io(_) | ConnectError::Stream(_) => Anomaly::ConnectFailed,
    };
    stream.line().met(anomaly);
    Next::Retry {
        words: error.to_string(),
        at_least: error.retry_after().unwrap_or_default(),
        lasting: error.is_lasting(),
    }
}

fn say<S: Stream>(stream: &mut S, words: &str, wait: Duration, lasting: bool) {
    let (line, seconds) = (stream.line(), wait.as_secs_f32());
    let source = line.name();
    if lasting {
        tracing::error!(
            source,
            seconds,
            "{words}; this will not pass by itself, and is tried again all the same"
        );
    } else {
        tracing::info!(source, seconds, "{words}; trying again");
    }
    line.report(|status| {
        status.connection = Connection::Waiting;
        status.last_error = Some(words.to_owned());
    });
}

/// Whether messages over the limit are read, in order to get past one.
///
/// The first time such a message ends the connection. On the next one it is read under a much higher limit,
/// counted and passed over: a host must not be able to hold us at one place.
#[derive(Default)]
struct Oversize {
    again: bool,
}

impl Oversize {
    fn note(&mut self, read: &ReadEnd) {
        self.again = matches!(read, ReadEnd::TooLarge);
    }

    fn limit(&self) -> Option<usize> {
        self.again.then_some(OVERSIZE_BYTES_MAX)
    }
}

pub(super) fn drop_it(anomaly: Anomaly, words: &str) -> ControlFlow<Ended> {
    ControlFlow::Break(Ended::Drop(anomaly, words.to_owned()))
}

/// What a host says, as far as it is shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(HOST_WORDS_MAX).flat_map(char::escape_debug).collect()
}

/// Any number.
pub(super) fn random() -> u32 {
    // Without randomness everybody waits equally long, which is no reason to stop.
    getrandom::u32().unwrap_or(u32::MAX / 2)
}
