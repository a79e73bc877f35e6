//! Frames taken apart, to be altered and put together again: recorded ones, and those of [`crate::signed`].

use std::collections::BTreeMap;

use guestlist::codec::cbor::Reader;
use guestlist::syntax::Cid;
use ipld_core::ipld::Ipld;

use crate::frames::{Block, car, cbor, headed, link};
use crate::signed::Key;

pub(crate) type Fields = BTreeMap<String, Ipld>;

fn fields(bytes: &[u8]) -> Fields {
    match serde_ipld_dagcbor::from_slice(bytes).unwrap() {
        Ipld::Map(fields) => fields,
        other => panic!("no map: {other:?}"),
    }
}

/// The fields of a frame's payload.
pub(crate) fn payload(frame: &[u8]) -> Fields {
    let mut reader = Reader::new(frame);
    reader.skip_item().unwrap();
    fields(reader.rest())
}

/// The blocks of a CAR.
pub(crate) fn blocks_of(mut bytes: &[u8]) -> Vec<Block> {
    let header = varint(&mut bytes);
    bytes = &bytes[header..];
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let length = varint(&mut bytes);
        let (block, rest) = bytes.split_at(length);
        blocks.push(Block { cid: Cid::from_bytes(&block[..36]).unwrap(), bytes: block[36..].to_vec() });
        bytes = rest;
    }
    blocks
}

fn varint(bytes: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}

/// A `#commit` or `#sync` whose every part can be changed. What follows from a changed part does not change with
/// it, but for the CAR: its root is `root`, its blocks are `blocks`.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) t: &'static str,
    /// The payload without `blocks`.
    pub(crate) payload: Fields,
    pub(crate) root: Cid,
    pub(crate) blocks: Vec<Block>,
}

impl Opened {
    /// Takes a frame apart; `None` if it is neither `#commit` nor `#sync`.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let mut payload = payload(frame);
        let Some(Ipld::Bytes(blocks)) = payload.remove("blocks") else { return None };
        let root = crate::frames::root_of(&blocks);
        let t = if payload.contains_key("ops") { "#commit" } else { "#sync" };
        Some(Self { t, payload, root, blocks: blocks_of(&blocks) })
    }

    /// The frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut payload = self.payload.clone();
        payload.insert("blocks".to_owned(), Ipld::Bytes(car(&[self.root], &self.blocks)));
        let header = [("op", Ipld::Integer(1)), ("t", Ipld::String(self.t.to_owned()))];
        headed(crate::frames::map(header), &Ipld::Map(payload))
    }

    /// With another value in the payload.
    pub(crate) fn with(mut self, field: &str, value: Ipld) -> Self {
        self.payload.insert(field.to_owned(), value);
        self
    }

    /// Without a field in the payload.
    pub(crate) fn without(mut self, field: &str) -> Self {
        self.payload.remove(field);
        self
    }

    /// The operations.
    pub(crate) fn ops(&mut self) -> &mut Vec<Ipld> {
        match self.payload.get_mut("ops") {
            Some(Ipld::List(ops)) => ops,
            other => panic!("no list: {other:?}"),
        }
    }

    /// The fields of one operation.
    pub(crate) fn op(&mut self, at: usize) -> &mut Fields {
        match &mut self.ops()[at] {
            Ipld::Map(fields) => fields,
            other => panic!("no operation: {other:?}"),
        }
    }

    /// The block under a CID.
    pub(crate) fn block(&mut self, cid: Cid) -> &mut Block {
        self.blocks.iter_mut().find(|block| block.cid == cid).unwrap()
    }

    /// The commit object.
    pub(crate) fn commit(&self) -> Fields {
        let root = self.blocks.iter().find(|block| block.cid == self.root).unwrap();
        fields(&root.bytes)
    }

    /// The root of the tree that the commit names.
    pub(crate) fn data(&self) -> Cid {
        match self.commit().get("data") {
            Some(Ipld::Link(cid)) => Cid::try_from(cid).unwrap(),
            other => panic!("no link: {other:?}"),
        }
    }

    /// With another commit object in the place of the one there, named by the message as before.
    pub(crate) fn holding(mut self, commit: Fields) -> Self {
        let block = Block::new(cbor(&Ipld::Map(commit)));
        let was = std::mem::replace(&mut self.root, block.cid);
        *self.block(was) = block;
        if self.t == "#commit" {
            self.payload.insert("commit".to_owned(), link(self.root));
        }
        self
    }

    /// With another value in the commit object, signed anew by `key`.
    pub(crate) fn signing(self, field: &str, value: Ipld, key: &Key) -> Self {
        let mut commit = self.commit();
        commit.insert(field.to_owned(), value);
        self.holding(key.sign_commit(commit))
    }

    /// Signed anew by another key.
    pub(crate) fn signed_by(self, key: &Key) -> Self {
        let commit = self.commit();
        self.holding(key.sign_commit(commit))
    }

    /// With this for a signature.
    pub(crate) fn with_signature(self, signature: Vec<u8>) -> Self {
        let mut commit = self.commit();
        commit.insert("sig".to_owned(), Ipld::Bytes(signature));
        self.holding(commit)
    }
}
