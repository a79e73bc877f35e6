//! One firehose frame: two DAG-CBOR objects, header and payload.
//!
//! The strict decoder. It accepts what the lexicon of `com.atproto.sync.subscribeRepos` says, is lenient
//! where PDSes are known to differ (an empty `since`, a `time` that is no datetime, missing deprecated
//! fields), and names what is wrong with the rest. Spec: atproto event-stream and sync.

use ipld_core::cid::Cid as AnyCid;
use ipld_core::ipld::Ipld;
use serde::Deserialize;
use serde_bytes::Bytes;

use super::car::Car;
use super::cbor::{self, Head, Malformed, Reader};
use super::claim::{Claim, Verify};
use super::commit::SignedCommit;
use super::event::{Account, Body, Commit, Event, Interest, Message, Origin, Proof, Sync};
use super::limits::{COMMIT_BLOCKS_BYTES_MAX, FRAME_BYTES_MAX, FRAME_DEPTH_MAX, SYNC_BLOCKS_BYTES_MAX};
use super::ops::{self, OpWire};
use super::reject::Reject;
use super::skim::{Skim, skim};
use crate::syntax::{Cid, Datetime, Did, Tid};

/// Decodes a frame. Blocks are opened only if something in it is wanted or its repository is watched, and only
/// then is anything proved: `verify` says how much of it.
pub fn decode(frame: &[u8], interest: &impl Interest, verify: Verify) -> Message {
    match skim(frame, interest) {
        Skim::Unwanted { seq, repo } if !interest.watches(repo) => {
            Message::new(Some(seq), Ok(Body::Uninteresting))
        }
        _ => decode_strictly(frame, interest, verify),
    }
}

/// Decodes a frame without the fast look first.
pub fn decode_strictly(frame: &[u8], interest: &impl Interest, verify: Verify) -> Message {
    match split(frame).and_then(|(header, payload)| message(&header, payload, interest, verify)) {
        Ok(message) => message,
        Err(reject) => Message::new(None, Err(reject)),
    }
}

/// What a first look at a frame shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "taken apart at once; a box would be an allocation a message")]
pub enum Glance {
    /// All that there is to it.
    Settled(Message),
    /// That it is to be decoded with proof: a commit in which something is wanted, or of a repository that is watched,
    /// or a `#sync`.
    Unproved {
        /// Its position.
        position: u64,
        /// Its repository.
        did: Did,
        /// It changes something that is wanted.
        wanted: bool,
    },
}

/// Decodes a frame as far as that needs no block of it.
pub fn glance(frame: &[u8], interest: &impl Interest) -> Glance {
    if let Skim::Unwanted { seq, repo } = skim(frame, interest)
        && !interest.watches(repo)
    {
        return Glance::Settled(Message::new(Some(seq), Ok(Body::Uninteresting)));
    }
    let glance = split(frame).and_then(|(header, payload)| match (header.op, header.t) {
        (1, Some("#commit")) => {
            let wire: CommitWire<'_> = fields(payload)?;
            Ok(match announced(&wire, interest) {
                Ok(Some(it)) => unproved(wire.seq, it.did, !it.wanted.is_empty()),
                Ok(None) => Glance::Settled(Message::new(Some(wire.seq), Ok(Body::Uninteresting))),
                Err(reject) => Glance::Settled(Message::new(Some(wire.seq), Err(reject))),
            })
        }
        (1, Some("#sync")) => {
            let wire: SyncWire<'_> = fields(payload)?;
            Ok(match did(wire.did) {
                Ok(did) => unproved(wire.seq, did, false),
                Err(reject) => Glance::Settled(Message::new(Some(wire.seq), Err(reject))),
            })
        }
        _ => message(&header, payload, interest, Verify::Off).map(Glance::Settled),
    });
    glance.unwrap_or_else(|reject| Glance::Settled(Message::new(None, Err(reject))))
}

fn unproved(position: u64, did: Did, wanted: bool) -> Glance {
    Glance::Unproved { position, did, wanted }
}

/// When the host says that it sent a message, in microseconds since the epoch. Informal, so that whatever is
/// not found or cannot be read is unknown.
pub fn sent_at(frame: &[u8]) -> Option<i64> {
    let mut reader = Reader::new(frame);
    reader.skip_item().ok()?;
    let Head::Map(fields) = reader.head().ok()? else { return None };
    let mut key = None;
    for _ in 0..fields {
        let name = reader.key_after(key).ok()?;
        key = Some(name);
        if name == "time" {
            let Head::Text(time) = reader.head().ok()? else { return None };
            return Datetime::parse(time).ok().map(Datetime::micros);
        }
        reader.skip_item().ok()?;
    }
    None
}

/// What an error frame says: its name, and what it adds for people.
pub fn error_in(frame: &[u8]) -> Option<(&str, &str)> {
    let (header, payload) = split(frame).ok()?;
    let wire: ErrorWire<'_> = fields(payload).ok()?;
    (header.op == -1).then_some((wire.error, wire.message.unwrap_or_default()))
}

#[derive(Deserialize)]
struct ErrorWire<'a> {
    error: &'a str,
    message: Option<&'a str>,
}

#[derive(Deserialize)]
struct Header<'a> {
    op: i64,
    t: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitWire<'a> {
    seq: u64,
    repo: &'a str,
    commit: AnyCid,
    rev: &'a str,
    since: Option<&'a str>,
    #[serde(borrow)]
    blocks: &'a Bytes,
    #[serde(borrow)]
    ops: Vec<OpWire<'a>>,
    too_big: Option<bool>,
    // A link or nothing, where it is looked at.
    prev_data: Option<Ipld>,
}

#[derive(Deserialize)]
struct SyncWire<'a> {
    seq: u64,
    did: &'a str,
    #[serde(borrow)]
    blocks: &'a Bytes,
    rev: &'a str,
}

#[derive(Deserialize)]
struct IdentityWire<'a> {
    seq: u64,
    did: &'a str,
}

#[derive(Deserialize)]
struct AccountWire<'a> {
    seq: u64,
    did: &'a str,
    active: bool,
    // These explain and decide nothing, so they may be anything.
    status: Option<Ipld>,
    time: Option<Ipld>,
}

#[derive(Deserialize)]
struct InfoWire<'a> {
    name: &'a str,
}

/// Cuts a frame into its header and the bytes of its payload, both canonical.
fn split(frame: &[u8]) -> Result<(Header<'_>, &[u8]), Reject> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(Reject::FrameTooLarge);
    }
    let mut reader = Reader::new(frame);
    let levels = reader.skip_item().map_err(from_malformed)?;
    let payload = reader.rest();
    let levels = levels.max(cbor::walk(payload).map_err(from_malformed)?);
    if levels > FRAME_DEPTH_MAX {
        return Err(Reject::FrameTooDeep);
    }
    let header = frame.strip_suffix(payload).unwrap_or(frame);
    Ok((fields(header)?, payload))
}

fn from_malformed(malformed: Malformed) -> Reject {
    match malformed {
        Malformed::NotDagCbor => Reject::FrameNotDagCbor,
        Malformed::TooDeep => Reject::FrameTooDeep,
    }
}

/// Reads the fields of a map that is known to be canonical.
fn fields<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Reject> {
    serde_ipld_dagcbor::from_slice(bytes).map_err(|_| Reject::BadField)
}

/// A body with the claim that it rests on, or why it is not used.
type Found = Result<(Body, Option<Claim>), Reject>;

fn message(
    header: &Header<'_>,
    payload: &[u8],
    interest: &impl Interest,
    verify: Verify,
) -> Result<Message, Reject> {
    match (header.op, header.t) {
        (1, Some("#commit")) => {
            let wire: CommitWire<'_> = fields(payload)?;
            Ok(claiming(wire.seq, commit(&wire, interest, verify)))
        }
        (1, Some("#sync")) => {
            let wire: SyncWire<'_> = fields(payload)?;
            Ok(claiming(wire.seq, sync(&wire, verify)))
        }
        (1, Some("#identity")) => {
            let wire: IdentityWire<'_> = fields(payload)?;
            Ok(Message::new(Some(wire.seq), did(wire.did).map(Event::Identity).map(Body::Event)))
        }
        (1, Some("#account")) => {
            let wire: AccountWire<'_> = fields(payload)?;
            Ok(Message::new(Some(wire.seq), account(wire).map(Event::Account).map(Body::Event)))
        }
        (1, Some("#info")) => {
            let wire: InfoWire<'_> = fields(payload)?;
            Ok(Message::new(None, Ok(Body::Info(wire.name.into()))))
        }
        (1, Some(_)) => Err(Reject::UnknownType),
        (1, None) => Err(Reject::BadField),
        (-1, _) => Err(Reject::ErrorFrame),
        _ => Err(Reject::UnknownOp),
    }
}

fn claiming(seq: u64, found: Found) -> Message {
    let (body, claim) = match found {
        Ok((body, claim)) => (Ok(body), claim),
        Err(reject) => (Err(reject), None),
    };
    Message { position: Some(seq), body, claim }
}

fn did(text: &str) -> Result<Did, Reject> {
    Did::parse(text).map_err(|_| Reject::BadDid)
}

fn rev(text: &str) -> Result<Tid, Reject> {
    Tid::parse(text).map_err(|_| Reject::BadRev)
}

/// What a commit says outside its blocks.
struct Announced {
    did: Did,
    rev: Tid,
    since: Option<Tid>,
    wanted: Vec<ops::WantedOp>,
}

/// Reads that; `None` where nobody wants the commit.
fn announced(wire: &CommitWire<'_>, interest: &impl Interest) -> Result<Option<Announced>, Reject> {
    let did = did(wire.repo)?;
    let rev_after = rev(wire.rev)?;
    // Some hosts write an empty string where the lexicon wants null.
    let since = wire.since.filter(|since| !since.is_empty()).map(rev).transpose()?;
    if wire.too_big == Some(true) {
        return Err(Reject::TooBig);
    }
    if wire.blocks.len() > COMMIT_BLOCKS_BYTES_MAX {
        return Err(Reject::BlocksTooLarge);
    }
    let wanted = ops::wanted(&wire.ops, interest)?;
    if wanted.is_empty() && !interest.watches(wire.repo) {
        return Ok(None);
    }
    Ok(Some(Announced { did, rev: rev_after, since, wanted }))
}

fn commit(wire: &CommitWire<'_>, interest: &impl Interest, verify: Verify) -> Found {
    let Some(Announced { did, rev, since, wanted }) = announced(wire, interest)? else {
        return Ok((Body::Uninteresting, None));
    };
    let car = Car::parse(wire.blocks)?;
    if Cid::try_from(&wire.commit) != Ok(car.root()) {
        return Err(Reject::CarRootMismatch);
    }
    let signed = SignedCommit::decode(car.block(&car.root())?)?;
    if signed.did != did {
        return Err(Reject::CommitDidMismatch);
    }
    if signed.rev != rev {
        return Err(Reject::CommitRevMismatch);
    }
    let data = signed.data;
    let prev_data = match verify {
        Verify::Off => None,
        Verify::Signature | Verify::Full => ops::link(wire.prev_data.as_ref())?,
    };
    let prev_data = prev_data.as_ref().map(ops::block_cid).transpose()?;
    let proof = match verify {
        Verify::Off => Proof::None,
        Verify::Signature => Proof::Signed,
        Verify::Full => ops::prove(&wire.ops, ops::base(since, prev_data), data, &car)?,
    };
    let (ops, damaged) = match verify {
        Verify::Off => ops::open_what_is_whole(wanted, &car)?,
        Verify::Signature | Verify::Full => (ops::open_all(wanted, &car)?, Vec::new()),
    };
    let origin = Origin::Firehose { since, data, prev_data, proof };
    let event = Event::Commit(Commit { did, rev, origin, ops, damaged });
    Ok((Body::Event(event), claim(signed, verify)))
}

/// What the signature must prove, where that is asked for.
fn claim(signed: SignedCommit, verify: Verify) -> Option<Claim> {
    match verify {
        Verify::Off => None,
        Verify::Signature | Verify::Full => Some(signed.claim()),
    }
}

fn sync(wire: &SyncWire<'_>, verify: Verify) -> Found {
    let did = did(wire.did)?;
    let event_rev = rev(wire.rev)?;
    if wire.blocks.len() > SYNC_BLOCKS_BYTES_MAX {
        return Err(Reject::BlocksTooLarge);
    }
    let car = Car::parse(wire.blocks)?;
    let signed = SignedCommit::decode(car.block(&car.root())?)?;
    if signed.did != did {
        return Err(Reject::CommitDidMismatch);
    }
    let event = Event::Sync(Sync { did, rev: signed.rev, event_rev, data: signed.data });
    Ok((Body::Event(event), claim(signed, verify)))
}

fn text(value: Ipld) -> Option<String> {
    match value {
        Ipld::String(text) => Some(text),
        _ => None,
    }
}

fn account(wire: AccountWire<'_>) -> Result<Account, Reject> {
    Ok(Account {
        did: did(wire.did)?,
        active: wire.active,
        status: Account::status(wire.status.and_then(text).as_deref()),
        time: wire.time.and_then(text).and_then(|time| Datetime::parse(&time).ok()),
    })
}
