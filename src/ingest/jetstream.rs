//! Following Jetstream's `/subscribe`.
//!
//! Jetstream loses and reorders now and then, above all where its replay meets the live stream. So a
//! reconnect asks for a few seconds that were had already; what is applied again changes nothing, since
//! revisions only grow. Spec: PROTOCOL §10.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use zstd::bulk::Decompressor;
use zstd::zstd_safe;

use super::endpoint::{Endpoint, JETSTREAM_PATH};
use super::inbox::Raw;
use super::line::{Line, SILENCE_MICROS_MAX, Wiring, now};
use super::live::{Ended, Start, Stream, drop_it, shown};
use super::prover::Hold;
use crate::codec::claim::Verify;
use crate::codec::event::Message;
use crate::codec::limits::JETSTREAM_LINE_BYTES_MAX;
use crate::codec::{Reject, jetstream};
use crate::records::Kind;
use crate::sources::{Anomaly, kind};
use crate::store::{Store, StoreError};
use crate::tables::completeness::How;

/// How much is read again after a reconnect, in microseconds: what the documentation of Jetstream suggests.
const REWIND_MICROS: u64 = 5_000_000;

/// A cursor that lies before everything that any Jetstream has. A smaller one would be read as a number of a
/// sequence by its second version.
const OLDEST_CURSOR: u64 = 1_000_000_000_000_000;

/// How far a message's time may be ahead of the clock and still move the cursor. Beyond it the server would
/// take the cursor for one in the future and begin at its end.
const AHEAD_MICROS_MAX: u64 = 300_000_000;

/// Where a server has the dictionaries that it compresses with.
const DICTIONARY_PATH: &str = "/xrpc/network.bsky.jetstream.getZstdDictionary";

/// Bytes of a dictionary. The known ones have 112,640.
pub const DICTIONARY_BYTES_MAX: usize = 4_000_000;

/// A Jetstream to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Where a source that was never read begins.
    pub start: Start,
    /// Ask for compressed messages.
    pub compress: bool,
    /// The dictionary that they are compressed with, rather than what the server has.
    pub dictionary: Option<Arc<[u8]>>,
}

/// A Jetstream that is followed.
pub struct Jetstream {
    settings: Settings,
    line: Line,
    unpacker: Option<Unpacker>,
    /// The dictionary that is being fetched.
    wanted: Option<u32>,
    /// The time of the last message of this connection that can be believed.
    reached: Option<u64>,
    /// When the process began, in microseconds: a source that was never read begins here, so that nothing is
    /// lost when its first connection breaks before the first message.
    begun: u64,
}

impl Jetstream {
    pub(super) fn resume(settings: &Settings, store: &Store, wiring: &Wiring) -> Result<Self, StoreError> {
        // Nothing in it is signed, so that nothing waits.
        let (name, hold) = (settings.endpoint.to_string(), Hold::GiveUpAfter(Duration::ZERO));
        let line = Line::resume(kind::JETSTREAM, name, Verify::Off, hold, store, wiring)?;
        let unpacker = settings.dictionary.as_deref().and_then(Unpacker::new);
        Ok(Self {
            settings: settings.clone(),
            line,
            unpacker,
            wanted: None,
            reached: None,
            begun: micros(now()),
        })
    }

    fn compressed(&mut self, bytes: &[u8]) -> ControlFlow<Ended> {
        if !self.settings.compress {
            return drop_it(Anomaly::WrongKind, "the host sent binary, and nothing was to be compressed");
        }
        // A frame may say nothing of its dictionary: then it is the one that we have.
        let wanted = zstd_safe::get_dict_id_from_frame(bytes).map(u32::from);
        let known = self.unpacker.as_ref().map(|unpacker| unpacker.dictionary);
        if let (Some(wanted), true) = (wanted, wanted != known) {
            if self.settings.dictionary.is_some() {
                let words = format!(
                    "messages are compressed with dictionary {wanted}, which is not the configured one"
                );
                return drop_it(Anomaly::NoDictionary, &words);
            }
            self.wanted = Some(wanted);
            let path = format!("{DICTIONARY_PATH}?id={wanted}");
            return ControlFlow::Break(Ended::Fetch { path, bytes_max: DICTIONARY_BYTES_MAX });
        }
        let Some(mut unpacker) = self.unpacker.take().or_else(|| Unpacker::new(&[])) else {
            return drop_it(Anomaly::NoDictionary, "nothing can be decompressed here");
        };
        let dealt_with = match unpacker.unpack(bytes) {
            Ok(line) => self.message(line),
            Err(reject) => {
                let why = "a message cannot be decompressed and was passed over";
                self.line.missed(Anomaly::PassedOver, How::PassedOver, why);
                self.line.pass_over(Some(reject))
            }
        };
        self.unpacker = Some(unpacker);
        dealt_with
    }

    fn message(&mut self, line: &[u8]) -> ControlFlow<Ended> {
        let mut message = jetstream::decode(line, self.line.watch());
        match &message.body {
            Err(Reject::ErrorFrame) => return self.error(line),
            Err(Reject::LineTooLarge) => {
                let why = "a message over the limit was passed over";
                self.line.missed(Anomaly::PassedOver, How::PassedOver, why);
            }
            _ => {}
        }
        self.keep_out_of_the_future(&mut message);
        let sent = self.reached;
        self.line.pass_on(message, || sent.and_then(|sent| i64::try_from(sent).ok()))
    }

    /// The time of a message may be whatever an operator's import made of it. One in the future would take the
    /// cursor past everything that is still to come, and every later message of an account would count as an
    /// earlier one. So it stands where the message before it stands, which is the same when it comes again.
    fn keep_out_of_the_future(&mut self, message: &mut Message) {
        let latest = micros(now()).saturating_add(AHEAD_MICROS_MAX);
        match message.position {
            Some(time) if time > latest => {
                self.line.met(Anomaly::BadPosition);
                message.position = self.reached;
            }
            Some(time) => {
                let is_first = self.reached.is_none();
                self.reached = Some(time);
                if is_first {
                    self.look_back(time);
                }
            }
            None => {}
        }
    }

    /// A Jetstream that no longer has what follows the cursor begins with what it has, and does not say so.
    fn look_back(&mut self, time: u64) {
        let since = self.line.cursor().unwrap_or(self.begun);
        if time.saturating_sub(since) > micros(SILENCE_MICROS_MAX) {
            let why = "the host begins long after the cursor";
            self.line.missed(Anomaly::Retention, How::Retention, why);
        }
    }

    fn error(&mut self, line: &[u8]) -> ControlFlow<Ended> {
        self.line.pass_over(Some(Reject::ErrorFrame))?;
        let (name, words) = jetstream::error_in(line).unwrap_or_default();
        let anomaly = if name == "ConsumerTooSlow" { Anomaly::ConsumerTooSlow } else { Anomaly::OtherError };
        drop_it(anomaly, &format!("the host says {}: {}", shown(&name), shown(&words)))
    }
}

impl Stream for Jetstream {
    fn endpoint(&self) -> &Endpoint {
        &self.settings.endpoint
    }

    fn request(&self) -> String {
        let cursor = match (self.line.cursor(), self.settings.start) {
            (Some(cursor), _) => cursor.saturating_sub(REWIND_MICROS).max(OLDEST_CURSOR),
            (None, Start::Oldest) => OLDEST_CURSOR,
            (None, Start::Live) => self.begun,
        };
        let wanted: String =
            Kind::ALL.iter().map(|kind| format!("&wantedCollections={}", kind.nsid())).collect();
        let compress = if self.settings.compress { "&compress=true" } else { "" };
        format!("{JETSTREAM_PATH}?cursor={cursor}{wanted}{compress}")
    }

    fn message_bytes_max(&self) -> usize {
        JETSTREAM_LINE_BYTES_MAX
    }

    fn opened(&mut self) {
        self.line.begins(self.settings.start == Start::Oldest);
        self.reached = None;
    }

    fn take(&mut self, raw: Raw) -> ControlFlow<Ended> {
        match raw {
            Raw::Binary(bytes) => self.compressed(&bytes),
            Raw::Text(bytes) => self.message(&bytes),
            Raw::Tick => ControlFlow::Continue(()),
        }
    }

    fn fetched(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        let unpacker = Unpacker::new(&bytes).ok_or("what the host has there is no dictionary")?;
        if Some(unpacker.dictionary) != self.wanted {
            return Err(format!("the host has dictionary {} there", unpacker.dictionary));
        }
        self.unpacker = Some(unpacker);
        Ok(())
    }

    fn line(&mut self) -> &mut Line {
        &mut self.line
    }
}

/// Decompresses messages.
struct Unpacker {
    decompressor: Decompressor<'static>,
    /// The number of its dictionary; 0 for none.
    dictionary: u32,
    buffer: Vec<u8>,
}

impl Unpacker {
    fn new(dictionary: &[u8]) -> Option<Self> {
        let decompressor = Decompressor::with_dictionary(dictionary).ok()?;
        let dictionary = zstd_safe::get_dict_id_from_dict(dictionary).map_or(0, u32::from);
        Some(Self { decompressor, dictionary, buffer: Vec::new() })
    }

    fn unpack(&mut self, bytes: &[u8]) -> Result<&[u8], Reject> {
        // Messages need not say how large they are, so there is room for any. The system gives memory for what is
        // written only.
        self.buffer.clear();
        self.buffer.reserve(JETSTREAM_LINE_BYTES_MAX + 1);
        match self.decompressor.decompress_to_buffer(bytes, &mut self.buffer) {
            Ok(_) => Ok(&self.buffer),
            Err(_) => Err(Reject::NotDecompressed),
        }
    }
}

/// Whether bytes are a dictionary that messages can be compressed with.
pub fn is_dictionary(bytes: &[u8]) -> bool {
    bytes.len() <= DICTIONARY_BYTES_MAX && zstd_safe::get_dict_id_from_dict(bytes).is_some()
}

fn micros(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}
