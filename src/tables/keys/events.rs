//! Keys about events: who answered one, and what one person answered.

use sha2::{Digest, Sha256};

use super::{END, Key, rkey, split_at, text, write_person, write_repository};
use crate::syntax::{Did, RecordKey};

/// What RSVPs are grouped by: the text of their subject's URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(Box<str>);

/// An RSVP, in the order that decides which of several is effective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsvpKey {
    /// The subject.
    pub event: EventKey,
    /// Whose answer it is.
    pub author: Did,
    /// When it says it was made, in microseconds since the epoch.
    pub time: i64,
    /// The record's key.
    pub rkey: RecordKey,
}

/// A place in one author's answers, which are shown by time: an instant, and below its microseconds a number
/// that tells answers of one microsecond apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Microseconds since the epoch.
    pub time: i64,
    /// Below [`Moment::ORDERS`].
    pub order: u64,
}

/// An RSVP as its author finds it, by time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerKey {
    /// Whose answer it is.
    pub author: Did,
    /// When it says it was made, and what follows from the key.
    pub moment: Moment,
    /// The record's key.
    pub rkey: RecordKey,
}

impl Moment {
    /// How many orders there are: fourteen decimal digits, which a datetime has room for below its
    /// microseconds.
    pub const ORDERS: u64 = 100_000_000_000_000;

    /// The place of an RSVP: the order is a hash of its key, so that it is the same on every machine.
    pub fn of(time: i64, rkey: &RecordKey) -> Self {
        let digest = Sha256::digest(rkey.as_str());
        let (first, _) = digest.split_first_chunk::<8>().expect("SHA-256 has 32 bytes");
        Self { time, order: u64::from_be_bytes(*first) % Self::ORDERS }
    }

    /// Appends the moment so that the bytes sort as the moments do.
    fn write(self, out: &mut Vec<u8>) {
        write_time(self.time, out);
        out.extend_from_slice(&self.order.to_be_bytes());
    }
}

impl AnswerKey {
    /// The key of a usable RSVP.
    pub fn new(author: &Did, time: i64, rkey: &RecordKey) -> Self {
        Self { author: author.clone(), moment: Moment::of(time, rkey), rkey: rkey.clone() }
    }
}

/// Appends what the keys of one author's answers at a moment begin with.
pub fn write_answers(author: &Did, moment: Moment, out: &mut Vec<u8>) {
    write_person(author, out);
    moment.write(out);
}

/// Flipping the sign bit makes two's complement sort as numbers do.
pub(super) fn write_time(time: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&(time ^ i64::MIN).to_be_bytes());
}

pub(super) fn read_time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (time, rest) = bytes.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*time) ^ i64::MIN, rest))
}

impl EventKey {
    /// Longer subjects are keyed by their hash, so that no key grows with what a stranger writes.
    const TEXT_BYTES_MAX: usize = 1024;

    /// The key of a subject.
    pub fn of(subject: &str) -> Self {
        let text = subject.strip_prefix("at://").unwrap_or(subject);
        if text.len() <= Self::TEXT_BYTES_MAX {
            return Self(text.into());
        }
        let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        // No authority begins with '#', so a hash is never taken for a subject.
        Self(format!("#{digest}").into())
    }
}

impl Key for EventKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        text(bytes).map(|text| Self(text.into()))
    }
}

/// Appends what every key of an event's RSVPs begins with.
pub fn write_event(event: &EventKey, out: &mut Vec<u8>) {
    event.write(out);
    out.push(END);
}

/// Appends what every key of one author's RSVPs to an event begins with.
pub fn write_event_author(event: &EventKey, author: &Did, out: &mut Vec<u8>) {
    write_event(event, out);
    write_repository(author, out);
}

impl Key for RsvpKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_event_author(&self.event, &self.author, out);
        write_time(self.time, out);
        out.extend_from_slice(self.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (event, rest) = split_at(bytes, END)?;
        let (author, rest) = split_at(rest, b'/')?;
        let (time, key) = read_time(rest)?;
        Some(Self { event: EventKey::read(event)?, author: Did::read(author)?, time, rkey: rkey(key)? })
    }
}

impl Key for AnswerKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_answers(&self.author, self.moment, out);
        out.extend_from_slice(self.rkey.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (author, rest) = split_at(bytes, END)?;
        let (time, rest) = read_time(rest)?;
        let (order, key) = rest.split_first_chunk::<8>()?;
        let moment = Moment { time, order: u64::from_be_bytes(*order) };
        Some(Self { author: Did::read(author)?, moment, rkey: rkey(key)? })
    }
}
