//! How the sources are doing: what each is at, what it met, and whether all of them have caught up.
//!
//! Sources write it, the HTTP surface and the service manager read it. Nothing here is stored: where a source
//! stands is in its row, and this is what the process knows beside that.
#![allow(clippy::disallowed_methods, reason = "a shell: it notes when a connection is left")]

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::codec::Reject;
use crate::delivery::{Outcomes, Tally};
use crate::tables::completeness::{Coverage, Window};
use crate::tables::keys::SourceKey;
use crate::tables::rows::Source;

/// The kinds of sources, as their rows call them.
pub mod kind {
    /// A recorded dump.
    pub const REPLAY: &str = "replay";
    /// A relay or a PDS.
    pub const RELAY: &str = "relay";
    /// Jetstream.
    pub const JETSTREAM: &str = "jetstream";
    /// Whole repositories from their hosts.
    pub const BACKFILL: &str = "backfill";
}

/// A message that was sent less than this long ago shows that its source has caught up.
const SMALL_LAG_MICROS: i64 = 30_000_000;

/// A source that is not known to have read what was sent this long ago is late. A host that is restarted is away for
/// less, and who asks whether answers are fresh should hear of more.
const LATE_MICROS: i64 = 300_000_000;

const MICROS_PER_SECOND: i64 = 1_000_000;

macro_rules! anomalies {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// What a live source met that a quiet day would not have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Anomaly {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Anomaly {
            /// Everything there is.
            pub const ALL: &'static [Anomaly] = &[$(Anomaly::$variant,)+];

            /// The name under which it is counted.
            pub fn name(self) -> &'static str {
                match self {
                    $(Anomaly::$variant => $name,)+
                }
            }
        }
    };
}

anomalies! {
    /// No connection: the name did not resolve, nobody listened, TLS failed, or it took too long.
    ConnectFailed => "connect-failed",
    /// The upgrade was answered with an error status.
    Refused => "refused",
    /// The upgrade was answered with a redirect.
    Redirected => "redirected",
    /// The host closed the connection.
    Closed => "closed",
    /// The connection broke.
    Broken => "broken",
    /// Nothing came for too long, not even an answer to a ping.
    Silence => "silence",
    /// A message over the limit; the connection is dropped the first time.
    TooLarge => "too-large",
    /// A message of the wrong kind: text on the firehose, binary where nothing is compressed.
    WrongKind => "wrong-kind",
    /// A message that cannot be decoded; the connection is dropped the first time.
    Undecodable => "undecodable",
    /// A message that could not be used the second time either, and was passed over.
    PassedOver => "passed-over",
    /// `#info` `OutdatedCursor`: the host no longer has everything since the cursor.
    OutdatedCursor => "outdated-cursor",
    /// A connection begins long after the cursor: the host has forgotten what lies between, and does not say so.
    Retention => "retention",
    /// Another `#info`.
    OtherInfo => "other-info",
    /// The error `FutureCursor`: the host has never been as far as the cursor.
    FutureCursor => "future-cursor",
    /// The error `ConsumerTooSlow`.
    ConsumerTooSlow => "consumer-too-slow",
    /// Another error of the stream.
    OtherError => "other-error",
    /// A message whose number is not greater than that of the one before it.
    OutOfOrder => "out-of-order",
    /// A message whose number or time cannot be.
    BadPosition => "bad-position",
    /// A connection was lost before its first message, and the next begins live again.
    NoCursor => "no-cursor",
    /// The sequence begins again below the cursor.
    SequenceReset => "sequence-reset",
    /// The dictionary that messages are compressed with is not to be had.
    NoDictionary => "no-dictionary",
}

/// What a source is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Its turn has not come: dumps are read first.
    #[default]
    Queued,
    /// A dump is being read.
    Reading,
    /// A dump was read to its end, and everything in it is stored.
    Finished,
    /// A connection is being made.
    Connecting,
    /// The stream is open.
    Connected,
    /// It waits before the next attempt.
    Waiting,
    /// It gave up until somebody changes the configuration.
    Stopped,
}

impl Connection {
    /// The name under which it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Connection::Queued => "queued",
            Connection::Reading => "reading",
            Connection::Finished => "finished",
            Connection::Connecting => "connecting",
            Connection::Connected => "connected",
            Connection::Waiting => "waiting",
            Connection::Stopped => "stopped",
        }
    }
}

/// The last message of which it is known when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When the host says it was sent, in microseconds since the epoch.
    pub sent: i64,
    /// When it came.
    pub received: i64,
}

/// How one source is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub connection: Connection,
    /// Messages since the process began.
    pub messages: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// What it met.
    pub anomalies: BTreeMap<Anomaly, u64>,
    /// Messages, and operations of commits, that were not used.
    pub rejected: BTreeMap<Reject, u64>,
    /// What proving showed.
    pub outcomes: Outcomes,
    /// Times when something may have been missed: the host had forgotten it, or it could not be read.
    pub missed: u64,
    /// What went wrong last, in words.
    pub last_error: Option<String>,
    /// The last message of which it is known when it was sent.
    pub heard: Option<Heard>,
    /// It is connected, and at the end of its stream as far as anybody can tell.
    pub caught_up: bool,
    /// It was at the end once since the process began, and has read everything that was sent until then.
    pub read_until: Option<i64>,
    /// Something of what it told may be missing, and that is not made up for.
    pub is_open: bool,
}

impl Status {
    /// Counts something that it met.
    pub fn met(&mut self, anomaly: Anomaly) {
        *self.anomalies.entry(anomaly).or_default() += 1;
    }

    /// Adds what was counted.
    pub fn count(&mut self, tally: &Tally) {
        self.messages += tally.frames;
        for (reject, count) in &tally.rejected {
            *self.rejected.entry(*reject).or_default() += count;
        }
        self.outcomes.add(tally.outcomes);
    }

    /// Notes when the latest message was sent and came.
    pub fn heard(&mut self, heard: Heard) {
        if self.caught_up || self.read_until.is_some() {
            self.read_until = Some(heard.sent);
        }
        self.heard = Some(heard);
        self.caught_up = heard.received - heard.sent < SMALL_LAG_MICROS;
    }

    /// Its connection is gone. One that brought nothing, and did not last, does not show that all was read until now.
    fn left(&mut self, at: i64) {
        if std::mem::take(&mut self.caught_up) {
            self.read_until = Some(at);
        }
    }

    /// How far it is behind, in whole seconds. While it is connected that is the age of the latest message when
    /// it came, since a quiet host is not a late one; else the time since that message was sent.
    pub fn lag_seconds(&self, now: i64) -> Option<u64> {
        let heard = self.heard?;
        let until = if self.connection == Connection::Connected { heard.received } else { now };
        u64::try_from((until - heard.sent).max(0) / MICROS_PER_SECOND).ok()
    }

    /// Whether it is at the end of its stream, or was a short time ago. A quiet host is not a late one.
    fn is_in_time(&self, now: i64) -> bool {
        let late = |until: i64| now.saturating_sub(until) > LATE_MICROS;
        self.caught_up || self.read_until.is_some_and(|until| !late(until))
    }

    fn is_ready(&self, now: i64) -> bool {
        !self.is_open
            && match self.connection {
                Connection::Finished => true,
                Connection::Connecting | Connection::Connected | Connection::Waiting => self.is_in_time(now),
                Connection::Queued | Connection::Reading | Connection::Stopped => false,
            }
    }
}

/// The board on which every source of the process is written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Board {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    entries: Mutex<Entries>,
    dumps_stored: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Entries {
    /// Every dump is on the board.
    complete: bool,
    statuses: BTreeMap<SourceKey, Status>,
}

impl Default for Board {
    fn default() -> Self {
        let (dumps_stored, _) = watch::channel(false);
        Self { shared: Arc::new(Shared { entries: Mutex::default(), dumps_stored }) }
    }
}

impl Board {
    /// Puts a source on the board.
    pub fn reporter(&self, source: SourceKey) -> Reporter {
        self.change(|entries| {
            entries.statuses.entry(source.clone()).or_default();
        });
        Reporter { board: self.clone(), source }
    }

    /// Every dump was put on the board, so that what is there is all there is.
    pub fn complete(&self) {
        self.change(|entries| entries.complete = true);
    }

    /// Notes how the sources stand in the store.
    pub fn stored(&self, sources: &BTreeMap<SourceKey, Source>) {
        self.change(|entries| {
            for (key, _) in sources.iter().filter(|(_, source)| source.finished) {
                if let Some(status) = entries.statuses.get_mut(key) {
                    status.connection = Connection::Finished;
                }
            }
        });
    }

    /// Notes for which sources something may still be missing.
    pub fn covered(&self, coverages: &BTreeMap<SourceKey, Coverage>) {
        self.change(|entries| {
            for (key, coverage) in coverages {
                if let Some(status) = entries.statuses.get_mut(key) {
                    status.is_open = coverage.window.as_ref().is_some_and(Window::is_open);
                }
            }
        });
    }

    /// Notes what came of messages when they were applied.
    pub fn applied(&self, source: &SourceKey, outcomes: Outcomes) {
        self.change(|entries| {
            if let Some(status) = entries.statuses.get_mut(source) {
                status.outcomes.add(outcomes);
            }
        });
    }

    /// How a source is doing, if this process has to do with it.
    pub fn status(&self, source: &SourceKey) -> Option<Status> {
        self.lock().statuses.get(source).cloned()
    }

    /// How every source is doing.
    pub fn statuses(&self) -> BTreeMap<SourceKey, Status> {
        self.lock().statuses.clone()
    }

    /// Whether answers are as fresh and as complete as the sources allow: every dump is stored, every live source
    /// has caught up once and is not late now, none has given up, and nothing that one told may be missing.
    pub fn is_ready(&self, now: i64) -> bool {
        let entries = self.lock();
        entries.complete && entries.statuses.values().all(|status| status.is_ready(now))
    }

    /// Waits until everything in every dump is stored.
    pub async fn dumps_stored(&self) {
        let mut stored = self.shared.dumps_stored.subscribe();
        // The sender lives as long as this board.
        let _ = stored.wait_for(|stored| *stored).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        // A panic elsewhere leaves a count too low at worst.
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Entries)) {
        let mut entries = self.lock();
        change(&mut entries);
        let stored = |(key, status): (&SourceKey, &Status)| {
            key.kind != kind::REPLAY || status.connection == Connection::Finished
        };
        if entries.complete && entries.statuses.iter().all(stored) {
            self.shared.dumps_stored.send_if_modified(|done| !std::mem::replace(done, true));
        }
    }
}

/// The place of one source on the board.
#[derive(Clone, Debug)]
pub struct Reporter {
    board: Board,
    source: SourceKey,
}

impl Reporter {
    /// Changes what the board says of the source.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        self.board.change(|entries| {
            let status = entries.statuses.entry(self.source.clone()).or_default();
            let was = status.connection;
            change(status);
            if was == Connection::Connected && status.connection != was {
                status.left(Timestamp::now().as_microsecond());
            }
        });
    }

    /// Goes on as another source, with all that was counted.
    pub fn rename(&mut self, source: SourceKey) {
        self.board.change(|entries| {
            let status = entries.statuses.remove(&self.source).unwrap_or_default();
            entries.statuses.insert(source.clone(), status);
        });
        self.source = source;
    }
}
