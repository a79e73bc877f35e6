//! One Jetstream event: a line of JSON.
//!
//! Jetstream signs nothing and proves nothing; what it says is taken as its operator's word. The record's
//! JSON is turned back into the DAG-CBOR that its repository holds and compared with the CID it came with.
//! Source: the Jetstream documentation of `/subscribe`; unknown fields are ignored.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::{Account, Block, BlockFault, Body, Commit, Event, Interest, Message, Op, Origin, Write};
use super::json::{self, JsonFault};
use super::limits::JETSTREAM_LINE_BYTES_MAX;
use super::reject::Reject;
use crate::syntax::{Cid, Datetime, Did, Nsid, RecordKey, Tid};

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    did: Option<Cow<'a, str>>,
    time_us: Option<u64>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    commit: Option<&'a RawValue>,
    #[serde(borrow)]
    account: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CommitWire<'a> {
    #[serde(borrow)]
    rev: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow)]
    collection: Cow<'a, str>,
    #[serde(borrow)]
    rkey: Cow<'a, str>,
    // A record of `null` is a record that is no map; an absent one makes the event malformed.
    #[serde(borrow, default, deserialize_with = "present")]
    record: Option<&'a RawValue>,
    #[serde(borrow)]
    cid: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct AccountWire<'a> {
    active: bool,
    // These explain and decide nothing, so they may be anything.
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&'a RawValue>::deserialize(deserializer).map(Some)
}

/// Decodes a line. The record is opened only if its collection is wanted.
pub fn decode(line: &[u8], interest: &impl Interest) -> Message {
    if line.len() > JETSTREAM_LINE_BYTES_MAX {
        return Message::new(None, Err(Reject::LineTooLarge));
    }
    match serde_json::from_slice::<Wire<'_>>(line) {
        // The parser would take a list of the values in their order too.
        Ok(wire) if line.trim_ascii_start().starts_with(b"{") => {
            Message::new(wire.time_us, body(&wire, interest))
        }
        _ => Message::new(None, Err(Reject::LineNotJson)),
    }
}

/// What an error message says: its name, and what it adds for people.
pub fn error_in(line: &[u8]) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct ErrorWire {
        error: String,
        #[serde(default)]
        message: String,
    }
    serde_json::from_slice::<ErrorWire>(line).ok().map(|wire| (wire.error, wire.message))
}

fn body(wire: &Wire<'_>, interest: &impl Interest) -> Result<Body, Reject> {
    let Some(kind) = &wire.kind else {
        return Err(if wire.error.is_some() { Reject::ErrorFrame } else { Reject::BadField });
    };
    if !matches!(kind.as_ref(), "commit" | "identity" | "account") {
        return Err(Reject::UnknownKind);
    }
    if wire.time_us.is_none() {
        return Err(Reject::BadField);
    }
    let did = wire.did.as_deref().ok_or(Reject::BadField)?;
    let did = Did::parse(did).map_err(|_| Reject::BadDid)?;
    match kind.as_ref() {
        "commit" => commit(did, fields(wire.commit)?, interest),
        "account" => account(did, fields(wire.account)?).map(Event::Account).map(Body::Event),
        _ => Ok(Body::Event(Event::Identity(did))),
    }
}

fn fields<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<T, Reject> {
    let object = raw.map(RawValue::get).filter(|raw| raw.starts_with('{')).ok_or(Reject::BadField)?;
    serde_json::from_str(object).map_err(|_| Reject::BadField)
}

fn commit(did: Did, wire: CommitWire<'_>, interest: &impl Interest) -> Result<Body, Reject> {
    let rev = Tid::parse(&wire.rev).map_err(|_| Reject::BadRev)?;
    if !Nsid::is_valid(&wire.collection) {
        return Err(Reject::BadPath);
    }
    let rkey = RecordKey::parse(&wire.rkey).map_err(|_| Reject::BadPath)?;
    let deletes = match wire.operation.as_ref() {
        "create" | "update" => false,
        "delete" => true,
        _ => return Err(Reject::BadAction),
    };
    let ops = match interest.collection(&wire.collection) {
        Some(collection) => {
            let write = if deletes { Write::Delete } else { Write::Put(block(&wire)?) };
            vec![Op { collection, rkey, write }]
        }
        None if interest.watches(did.as_str()) => Vec::new(),
        None => return Ok(Body::Uninteresting),
    };
    Ok(Body::Event(Event::Commit(Commit { did, rev, origin: Origin::Jetstream, ops, damaged: Vec::new() })))
}

fn block(wire: &CommitWire<'_>) -> Result<Block, Reject> {
    let record = wire.record.ok_or(Reject::RecordMissing)?.get();
    let cid = wire.cid.as_deref().ok_or(Reject::BadCid)?;
    let cid = Cid::parse(cid).ok().filter(Cid::is_dag_cbor).ok_or(Reject::BadCid)?;
    Ok(match json::encode_dag_cbor(record) {
        Ok(bytes) => {
            let fault = if cid.matches(&bytes) { None } else { Some(BlockFault::CidMismatch) };
            Block { cid, bytes, fault }
        }
        Err(fault) => {
            let fault = match fault {
                JsonFault::NotDagCbor => BlockFault::NotDagCbor,
                JsonFault::TooDeep => BlockFault::TooDeep,
            };
            Block { cid, bytes: record.as_bytes().to_vec(), fault: Some(fault) }
        }
    })
}

fn account(did: Did, wire: AccountWire<'_>) -> Result<Account, Reject> {
    let text = |raw: Option<&RawValue>| serde_json::from_str::<String>(raw?.get()).ok();
    Ok(Account {
        did,
        active: wire.active,
        status: Account::status(text(wire.status).as_deref()),
        time: text(wire.time).and_then(|time| Datetime::parse(&time).ok()),
    })
}
