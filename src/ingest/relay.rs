//! Following `com.atproto.sync.subscribeRepos` of a relay or a PDS.
//!
//! What a message means for the stream: where it stands in the sequence, what to do with one that cannot be
//! decoded, and what the host says about the stream itself. Spec: PROTOCOL §1.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::endpoint::{Endpoint, RELAY_PATH};
use super::inbox::Raw;
use super::line::{Line, SILENCE_MICROS_MAX, Wiring, now};
use super::live::{Ended, Start, Stream, drop_it, shown};
use super::outlet::Unproved;
use super::prover::Hold;
use crate::codec::claim::Verify;
use crate::codec::event::{Body, Message};
use crate::codec::frame::Glance;
use crate::codec::limits::{FRAME_BYTES_MAX, SEQ_MAX};
use crate::codec::{Reject, frame};
use crate::sources::{Anomaly, kind};
use crate::store::{Store, StoreError};
use crate::tables::completeness::How;

/// Messages that could not be decoded and are remembered, to be known when they come again.
const SUSPECTS_MAX: usize = 1000;

/// A relay or a PDS to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How much of it is proved.
    pub verify: Verify,
    /// How long a message waits while nobody can be asked for its key.
    pub hold: Duration,
    /// Where a source that was never read begins.
    pub start: Start,
    /// What to do when the sequence begins anew.
    pub on_reset: OnReset,
}

/// What to do when a host's sequence begins anew, below the cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnReset {
    /// Stop following it, and say so: somebody should look why.
    #[default]
    Stop,
    /// Read the new sequence from its oldest message.
    Follow,
}

/// A relay or a PDS that is followed.
pub struct Relay {
    settings: Settings,
    line: Line,
    /// No message of this connection has had its place yet.
    first: bool,
    /// There was a connection.
    opened: bool,
    /// There was one before this one.
    again: bool,
    /// Hashes of messages since the last good one that could not be decoded, and which were passed over.
    suspects: HashMap<[u8; 32], bool>,
}

/// Where a message stands.
enum Place {
    Next,
    /// It is the next one, and a connection begins with it beyond what follows the cursor.
    Beyond,
    /// It is the one that the cursor names. Some hosts begin with it.
    Known,
    OutOfOrder,
    /// A connection begins below the cursor.
    Reset,
    Impossible,
}

impl Relay {
    pub(super) fn resume(settings: &Settings, store: &Store, wiring: &Wiring) -> Result<Self, StoreError> {
        let (name, hold) = (settings.endpoint.to_string(), Hold::GiveUpAfter(settings.hold));
        let line = Line::resume(kind::RELAY, name, settings.verify, hold, store, wiring)?;
        Ok(Self {
            settings: settings.clone(),
            line,
            first: true,
            opened: false,
            again: false,
            suspects: HashMap::new(),
        })
    }

    fn message(&mut self, bytes: &[u8]) -> ControlFlow<Ended> {
        let message = if self.settings.verify == Verify::Off {
            frame::decode(bytes, self.line.watch(), Verify::Off)
        } else {
            match frame::glance(bytes, self.line.watch()) {
                Glance::Settled(message) => message,
                Glance::Unproved { position, did, wanted } => {
                    if let Some(dealt_with) = self.out_of_place(position, bytes) {
                        return dealt_with;
                    }
                    let unproved = Unproved { position, did, wanted, bytes };
                    return self.line.prove(unproved, || frame::sent_at(bytes));
                }
            }
        };
        match &message.body {
            Err(Reject::FrameNotDagCbor | Reject::FrameTooDeep | Reject::FrameTooLarge) => {
                return self.undecodable(message, bytes);
            }
            Err(Reject::ErrorFrame) => return self.error(bytes),
            Ok(Body::Info(name)) => self.info(name),
            _ => {}
        }
        // One that says nothing well does not say well where it stands either, and only passes by.
        if let (Ok(_), Some(seq)) = (&message.body, message.position)
            && let Some(dealt_with) = self.out_of_place(seq, bytes)
        {
            return dealt_with;
        }
        self.line.pass_on(message, || frame::sent_at(bytes))
    }

    /// Deals with a message that is not the next one; `None` if it is.
    fn out_of_place(&mut self, seq: u64, bytes: &[u8]) -> Option<ControlFlow<Ended>> {
        let place = self.place(seq);
        match place {
            Place::Next | Place::Beyond => {
                self.suspects.clear();
                if matches!(place, Place::Beyond) {
                    self.look_back(bytes);
                }
                return None;
            }
            Place::Known => {}
            Place::OutOfOrder => self.line.met(Anomaly::OutOfOrder),
            Place::Impossible => self.line.met(Anomaly::BadPosition),
            Place::Reset => {
                let words = format!("the sequence begins anew at {seq}");
                return Some(self.reset(Anomaly::SequenceReset, &words));
            }
        }
        Some(self.line.pass_over(None))
    }

    /// Numbers may be left out for any reason. But a host that no longer has what follows the cursor need not say so,
    /// and then its first message was sent long after the last one that was read.
    fn look_back(&mut self, bytes: &[u8]) {
        let silence =
            self.line.latest().zip(frame::sent_at(bytes)).map(|(latest, sent)| sent.min(now()) - latest);
        if silence.is_some_and(|silence| silence > SILENCE_MICROS_MAX) {
            let why = "the host begins long after the cursor";
            self.line.missed(Anomaly::Retention, How::Retention, why);
        }
    }

    fn place(&mut self, seq: u64) -> Place {
        if !(1..=SEQ_MAX).contains(&seq) {
            return Place::Impossible;
        }
        let first = std::mem::take(&mut self.first);
        match self.line.cursor() {
            Some(cursor) if first && seq > cursor + 1 => Place::Beyond,
            Some(cursor) if seq > cursor => Place::Next,
            Some(cursor) if first && seq == cursor => Place::Known,
            Some(_) if first => Place::Reset,
            Some(_) => Place::OutOfOrder,
            None => Place::Next,
        }
    }

    /// One that cannot be decoded ends the connection, for nothing tells what else is wrong with it. The same
    /// bytes a second time are passed over: it must not become a loop.
    fn undecodable(&mut self, message: Message, bytes: &[u8]) -> ControlFlow<Ended> {
        if self.suspects.len() >= SUSPECTS_MAX {
            self.suspects.clear();
        }
        // One over the limit has ended a connection before it came here.
        let oversize = matches!(message.body, Err(Reject::FrameTooLarge));
        let hash = Sha256::digest(bytes).into();
        match self.suspects.insert(hash, true) {
            // A later one ended the connection, and this one comes by once more.
            Some(true) => self.line.pass_over(None),
            None if !oversize => {
                self.suspects.insert(hash, false);
                drop_it(Anomaly::Undecodable, "a message cannot be decoded")
            }
            _ => {
                let why = "a message that cannot be decoded came again and was passed over";
                self.line.missed(Anomaly::PassedOver, How::PassedOver, why);
                self.line.pass_on(message, || None)
            }
        }
    }

    fn info(&mut self, name: &str) {
        if name == "OutdatedCursor" && !self.again && self.line.is_at_its_beginning() {
            // It was asked for the oldest that it has. Later it may have forgotten what came since the first time.
            self.line.met(Anomaly::OutdatedCursor);
        } else if name == "OutdatedCursor" {
            let why = "the host no longer has everything since the cursor";
            self.line.missed(Anomaly::OutdatedCursor, How::OutdatedCursor, why);
        } else {
            self.line.met(Anomaly::OtherInfo);
        }
    }

    fn error(&mut self, bytes: &[u8]) -> ControlFlow<Ended> {
        let (name, words) = frame::error_in(bytes).unwrap_or_default();
        let words = format!("the host says {}: {}", shown(name), shown(words));
        self.line.pass_over(Some(Reject::ErrorFrame))?;
        match name {
            "FutureCursor" if self.line.cursor().is_some() => self.reset(Anomaly::FutureCursor, &words),
            "FutureCursor" => drop_it(Anomaly::FutureCursor, &words),
            "ConsumerTooSlow" => drop_it(Anomaly::ConsumerTooSlow, &words),
            _ => drop_it(Anomaly::OtherError, &words),
        }
    }

    fn reset(&mut self, anomaly: Anomaly, words: &str) -> ControlFlow<Ended> {
        let cursor = self.line.cursor().unwrap_or_default();
        let words = format!(
            "{words}, and the cursor is {cursor}: it is another host, or it was set up anew, and what it sent \
             between the two is not to be had from it"
        );
        if self.settings.on_reset == OnReset::Stop {
            self.line.met(anomaly);
            return ControlFlow::Break(Ended::Stop(format!(
                "{words}. To read the new sequence from its oldest message, set on_reset = \"follow\" and restart"
            )));
        }
        self.line.flush()?;
        if anomaly != Anomaly::SequenceReset {
            self.line.met(anomaly);
        }
        self.line.begin_anew()?;
        // Of the source that goes on from here.
        self.line.missed(Anomaly::SequenceReset, How::SequenceReset, &words);
        self.settings.start = Start::Oldest;
        ControlFlow::Break(Ended::Again(words))
    }
}

impl Stream for Relay {
    fn endpoint(&self) -> &Endpoint {
        &self.settings.endpoint
    }

    fn request(&self) -> String {
        match (self.line.cursor(), self.settings.start) {
            (Some(cursor), _) => format!("{RELAY_PATH}?cursor={cursor}"),
            (None, Start::Oldest) => format!("{RELAY_PATH}?cursor=0"),
            (None, Start::Live) => RELAY_PATH.to_owned(),
        }
    }

    fn message_bytes_max(&self) -> usize {
        FRAME_BYTES_MAX
    }

    fn opened(&mut self) {
        self.first = true;
        self.again = std::mem::replace(&mut self.opened, true);
        if !self.again {
            self.line.begins(self.settings.start == Start::Oldest);
        } else if self.line.cursor().is_none() && self.settings.start == Start::Live {
            let why = "a connection was lost before it said where the stream stands";
            self.line.missed(Anomaly::NoCursor, How::NoCursor, why);
        }
    }

    fn take(&mut self, raw: Raw) -> ControlFlow<Ended> {
        match raw {
            Raw::Binary(bytes) => self.message(&bytes),
            Raw::Text(_) => drop_it(Anomaly::WrongKind, "the host sent text, and the stream is binary"),
            Raw::Tick => ControlFlow::Continue(()),
        }
    }

    fn fetched(&mut self, _: Vec<u8>) -> Result<(), String> {
        Ok(())
    }

    fn line(&mut self) -> &mut Line {
        &mut self.line
    }
}
