//! Frames and lines as they stand on the wire, and every way of damaging them.
//!
//! What is built here is well-formed unless a test asks for something else: blocks have real hashes, maps
//! are canonical, the signed commit is of version 3. Nothing is verified yet, so the root of the tree is
//! any CID and the signature any 64 bytes. Format: PROTOCOL §1 to §4 and §10.

use std::collections::BTreeMap;

use guestlist::codec::car::Car;
use guestlist::codec::json;
use guestlist::syntax::{Cid, Tid};
use ipld_core::cid::Cid as AnyCid;
use ipld_core::ipld::Ipld;

/// The header of a commit.
pub(crate) const COMMIT_HEADER: &[u8] = b"\xa2\x61t\x67#commit\x62op\x01";

/// A revision; a greater number is a later one. Starts in 2023, so that it is never in the future.
pub(crate) fn rev(number: u64) -> String {
    Tid::from_be_bytes(((1_700_000_000_000_000 + number) << 10).to_be_bytes()).to_string()
}

/// Canonical DAG-CBOR.
pub(crate) fn cbor(value: &Ipld) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).unwrap()
}

/// The value of JSON text in the data model.
pub(crate) fn ipld(value: serde_json::Value) -> Ipld {
    json::to_ipld(value).unwrap()
}

/// A link.
pub(crate) fn link(cid: Cid) -> Ipld {
    Ipld::Link(AnyCid::from(cid))
}

/// A map.
pub(crate) fn map<const N: usize>(fields: [(&str, Ipld); N]) -> Ipld {
    Ipld::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Text.
pub(crate) fn text(text: impl Into<String>) -> Ipld {
    Ipld::String(text.into())
}

/// A message of type `t`, `#` included.
pub(crate) fn frame(t: &str, payload: &Ipld) -> Vec<u8> {
    headed(map([("op", Ipld::Integer(1)), ("t", text(t))]), payload)
}

/// A message with any header.
pub(crate) fn headed(header: Ipld, payload: &Ipld) -> Vec<u8> {
    [cbor(&header), cbor(payload)].concat()
}

/// DAG-CBOR nested so many levels deep: arrays around an empty one.
pub(crate) fn nested(levels: usize) -> Vec<u8> {
    let mut bytes = vec![0x81; levels - 1];
    bytes.push(0x80);
    bytes
}

/// A map of DAG-CBOR with one more entry, whose key must sort after all others and whose value is any bytes.
/// The map has at most 22 entries.
pub(crate) fn with_last(map: &Ipld, key: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = cbor(map);
    assert!((0xa0..0xb6).contains(&bytes[0]), "the head of a small map");
    bytes[0] += 1;
    bytes.extend(cbor(&text(key)));
    bytes.extend(value);
    bytes
}

/// A link around a real CID with bytes before and after it.
pub(crate) fn link_bytes(before: &[u8], after: &[u8]) -> Vec<u8> {
    let cid = Cid::compute_dag_cbor(b"any");
    let content = [before, cid.as_bytes(), after].concat();
    [&[0xd8, 0x2a, 0x58, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

/// A block of a CAR.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) cid: Cid,
    pub(crate) bytes: Vec<u8>,
}

impl Block {
    /// A block under its own hash.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { cid: Cid::compute_dag_cbor(&bytes), bytes }
    }
}

/// A CAR of version 1.
pub(crate) fn car(roots: &[Cid], blocks: &[Block]) -> Vec<u8> {
    let roots = Ipld::List(roots.iter().copied().map(link).collect());
    car_with(&cbor(&map([("roots", roots), ("version", Ipld::Integer(1))])), blocks)
}

/// The first root of a CAR.
pub(crate) fn root_of(car: &[u8]) -> Cid {
    Car::parse(car).unwrap().root()
}

/// A CAR with any header.
pub(crate) fn car_with(header: &[u8], blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::new();
    section(&mut bytes, &[header]);
    for block in blocks {
        section(&mut bytes, &[block.cid.as_bytes(), &block.bytes]);
    }
    bytes
}

fn section(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    while length >= 0x80 {
        out.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    out.push(length as u8);
    parts.iter().for_each(|part| out.extend(*part));
}

/// One operation of a commit, with the block that it brings.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    /// The entry of `ops`.
    pub(crate) entry: BTreeMap<String, Ipld>,
    /// The record.
    pub(crate) block: Option<Block>,
}

impl Op {
    /// A record appears.
    pub(crate) fn create(path: &str, record: &Ipld) -> Self {
        Self::put("create", path, cbor(record))
    }

    /// A record is replaced.
    pub(crate) fn update(path: &str, record: &Ipld) -> Self {
        Self::put("update", path, cbor(record))
    }

    /// A record appears or is replaced by any bytes.
    pub(crate) fn put(action: &str, path: &str, record: Vec<u8>) -> Self {
        let block = Block::new(record);
        let entry = [("action", text(action)), ("cid", link(block.cid)), ("path", text(path))];
        Self { entry: named(entry), block: Some(block) }
    }

    /// A record goes.
    pub(crate) fn delete(path: &str) -> Self {
        let entry = [("action", text("delete")), ("cid", Ipld::Null), ("path", text(path))];
        Self { entry: named(entry), block: None }
    }

    /// With another value in its entry.
    pub(crate) fn with(mut self, field: &str, value: Ipld) -> Self {
        self.entry.insert(field.to_owned(), value);
        self
    }

    /// Without a field in its entry.
    pub(crate) fn without(mut self, field: &str) -> Self {
        self.entry.remove(field);
        self
    }
}

fn named<const N: usize>(fields: [(&str, Ipld); N]) -> BTreeMap<String, Ipld> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A `#commit`. Every part can be replaced before it is encoded.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// The payload without `ops`, `commit` and `blocks`, which follow from the rest unless they are here.
    pub(crate) payload: BTreeMap<String, Ipld>,
    /// The signed commit.
    pub(crate) signed: BTreeMap<String, Ipld>,
    /// Its operations.
    pub(crate) ops: Vec<Op>,
    /// Fields that are left out after all.
    pub(crate) absent: Vec<&'static str>,
}

/// A commit in `did`'s repository.
pub(crate) fn commit(did: &str, seq: u64, revision: u64, since: Option<u64>, ops: &[Op]) -> Commit {
    let payload = [
        ("seq", Ipld::Integer(seq.into())),
        ("repo", text(did)),
        ("rev", text(rev(revision))),
        ("since", since.map_or(Ipld::Null, |since| text(rev(since)))),
        ("blobs", Ipld::List(Vec::new())),
        ("rebase", Ipld::Bool(false)),
        ("tooBig", Ipld::Bool(false)),
        ("time", text("2026-01-01T00:00:00.000Z")),
    ];
    Commit { payload: named(payload), signed: signed(did, revision), ops: ops.to_vec(), absent: Vec::new() }
}

fn signed(did: &str, revision: u64) -> BTreeMap<String, Ipld> {
    named([
        ("did", text(did)),
        ("rev", text(rev(revision))),
        ("data", link(Cid::compute_dag_cbor(&revision.to_be_bytes()))),
        ("prev", Ipld::Null),
        ("version", Ipld::Integer(3)),
        ("sig", Ipld::Bytes(vec![7; 64])),
    ])
}

impl Commit {
    /// With another value in its payload.
    pub(crate) fn with(mut self, field: &str, value: Ipld) -> Self {
        self.payload.insert(field.to_owned(), value);
        self
    }

    /// Without a field in its payload.
    pub(crate) fn without(mut self, field: &'static str) -> Self {
        self.absent.push(field);
        self
    }

    /// With another value in the signed commit.
    pub(crate) fn signing(mut self, field: &str, value: Ipld) -> Self {
        self.signed.insert(field.to_owned(), value);
        self
    }

    /// The block of the signed commit.
    pub(crate) fn root(&self) -> Block {
        Block::new(cbor(&Ipld::Map(self.signed.clone())))
    }

    /// The blocks that its CAR holds: the records, and the commit last.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let records = self.ops.iter().filter_map(|op| op.block.clone());
        records.chain([self.root()]).collect()
    }

    /// With other blocks in its CAR.
    pub(crate) fn carrying(self, blocks: &[Block]) -> Self {
        let root = self.root().cid;
        self.with("blocks", Ipld::Bytes(car(&[root], blocks)))
    }

    /// The payload as a value.
    pub(crate) fn value(&self) -> Ipld {
        let root = self.root().cid;
        let mut payload = named([
            ("commit", link(root)),
            ("blocks", Ipld::Bytes(car(&[root], &self.blocks()))),
            ("ops", Ipld::List(self.ops.iter().map(|op| Ipld::Map(op.entry.clone())).collect())),
        ]);
        payload.extend(self.payload.clone());
        payload.retain(|name, _| !self.absent.contains(&name.as_str()));
        Ipld::Map(payload)
    }

    /// The frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        frame("#commit", &self.value())
    }
}

/// A `#sync` whose signed commit has the event's own revision.
pub(crate) fn sync(did: &str, seq: u64, revision: u64) -> Ipld {
    let root = Block::new(cbor(&Ipld::Map(signed(did, revision))));
    map([
        ("seq", Ipld::Integer(seq.into())),
        ("did", text(did)),
        ("rev", text(rev(revision))),
        ("blocks", Ipld::Bytes(car(&[root.cid], &[root]))),
        ("time", text("2026-01-01T00:00:00.000Z")),
    ])
}

/// An `#account`.
pub(crate) fn account(did: &str, seq: u64, active: bool, status: Option<&str>) -> Ipld {
    let Ipld::Map(mut fields) = identity(did, seq) else { unreachable!("it is a map") };
    fields.insert("active".to_owned(), Ipld::Bool(active));
    fields.extend(status.map(|status| ("status".to_owned(), text(status))));
    Ipld::Map(fields)
}

/// An `#identity`.
pub(crate) fn identity(did: &str, seq: u64) -> Ipld {
    map([("seq", Ipld::Integer(seq.into())), ("did", text(did)), ("time", text("2026-01-01T00:00:00.000Z"))])
}

/// A map with another value under `field`, or without it.
pub(crate) fn changed(map: Ipld, field: &str, value: Option<Ipld>) -> Ipld {
    let Ipld::Map(mut fields) = map else { unreachable!("only maps have fields") };
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
    Ipld::Map(fields)
}

/// A Jetstream commit event. The record is JSON text, so that it can be anything.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) did: String,
    pub(crate) time_us: u64,
    pub(crate) rev: String,
    pub(crate) operation: &'static str,
    pub(crate) collection: &'static str,
    pub(crate) rkey: String,
    pub(crate) record: Option<String>,
    pub(crate) cid: Option<String>,
}

impl Line {
    /// A record appears, under the CID that its JSON hashes to; one without such a CID gets any.
    pub(crate) fn create(
        did: &str,
        revision: u64,
        collection: &'static str,
        rkey: &str,
        record: &str,
    ) -> Self {
        let bytes = json::encode_dag_cbor(record).unwrap_or_default();
        Self {
            did: did.to_owned(),
            time_us: revision,
            rev: rev(revision),
            operation: "create",
            collection,
            rkey: rkey.to_owned(),
            record: Some(record.to_owned()),
            cid: Some(Cid::compute_dag_cbor(&bytes).to_string()),
        }
    }

    /// A record goes.
    pub(crate) fn delete(did: &str, revision: u64, collection: &'static str, rkey: &str) -> Self {
        let line = Self::create(did, revision, collection, rkey, "{}");
        Self { operation: "delete", record: None, cid: None, ..line }
    }

    /// The line, without its newline.
    pub(crate) fn text(&self) -> String {
        let record = self.record.as_ref().map(|record| format!(r#","record":{record}"#)).unwrap_or_default();
        let cid = self.cid.as_ref().map(|cid| format!(r#","cid":"{cid}""#)).unwrap_or_default();
        format!(
            r#"{{"did":"{}","time_us":{},"kind":"commit","commit":{{"rev":"{}","operation":"{}","collection":"{}","rkey":"{}"{record}{cid}}}}}"#,
            self.did, self.time_us, self.rev, self.operation, self.collection, self.rkey
        )
    }
}
