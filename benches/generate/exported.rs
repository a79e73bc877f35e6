//! A whole repository as its host exports it: a signed commit, the tree of all keys, every record.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use guestlist::codec::event::{Commit, Event, Write};
use guestlist::codec::key::PublicKey;
use guestlist::codec::node::{Entry, Node, layer_of};
use guestlist::syntax::{Cid, Did};
use ipld_core::cid::Cid as AnyCid;
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use secp256k1::{Message, SecretKey};
use sha2::{Digest, Sha256};

use super::wire::{encode, link, section};
use super::{Network, tid};

fn secret() -> SecretKey {
    SecretKey::from_secret_bytes([1; 32]).expect("it is a key")
}

/// A repository under construction.
pub(crate) struct Exported {
    did: Did,
    network: Network,
    keys: BTreeMap<String, Cid>,
    /// Ordered by their hashes, as most hosts keep them: nothing of the tree's order is left.
    blocks: BTreeMap<Cid, Vec<u8>>,
}

impl Exported {
    pub(crate) fn new(did: Did) -> Self {
        Self { did, network: Network::default(), keys: BTreeMap::new(), blocks: BTreeMap::new() }
    }

    /// The key that signs all of them.
    pub(crate) fn key() -> PublicKey {
        PublicKey::K256(secp256k1::PublicKey::from_secret_key(&secret()))
    }

    /// Writes an event of the calendar.
    pub(crate) fn calendar_event(&mut self) {
        let did = self.did.clone();
        let (Event::Commit(Commit { ops, .. }), reference) = self.network.calendar_event(&did) else {
            panic!("a record is written with a commit")
        };
        let path = format!("{}/{}", reference.id.kind.nsid(), reference.id.rkey);
        match ops.into_iter().next().map(|op| op.write) {
            Some(Write::Put(block)) => self.put(path, block.bytes),
            _ => panic!("the commit has the record"),
        }
    }

    /// Writes something that nobody wants, as long as most posts are.
    pub(crate) fn post(&mut self) {
        let record = ipld!({
            "$type": "app.bsky.feed.post",
            "text": format!("{} {}", self.network.created_at(), "words ".repeat(20)),
            "langs": ["en"],
            "createdAt": self.network.created_at(),
        });
        let path = format!("app.bsky.feed.post/{}", tid(self.network.tick()));
        self.put(path, encode(&record));
    }

    fn put(&mut self, path: String, record: Vec<u8>) {
        let cid = self.block(record);
        self.keys.insert(path, cid);
    }

    fn block(&mut self, bytes: Vec<u8>) -> Cid {
        let cid = Cid::compute_dag_cbor(&bytes);
        self.blocks.insert(cid, bytes);
        cid
    }

    /// Writes the file.
    pub(crate) fn export(mut self, path: &Path) {
        let keys: Vec<_> = std::mem::take(&mut self.keys).into_iter().collect();
        let top = keys.iter().map(|(key, _)| layer_of(key.as_bytes())).max().unwrap_or(0);
        let data = self.node(&keys, top);
        let rev = tid(self.network.tick()).to_string();
        let unsigned = ipld!({
            "did": self.did.as_str(), "version": 3, "data": link(data), "rev": rev, "prev": null,
        });
        let digest = Message::from_digest(Sha256::digest(encode(&unsigned)).into());
        let signature = secp256k1::ecdsa::sign(digest, &secret()).serialize_compact();
        let Ipld::Map(mut commit) = unsigned else { panic!("it is a map") };
        commit.insert("sig".to_owned(), Ipld::Bytes(signature.into()));
        let root = self.block(encode(&Ipld::Map(commit)));
        let mut file = BufWriter::new(File::create(path).expect("a new file"));
        let mut write = |parts: &[&[u8]]| {
            let mut bytes = Vec::new();
            section(&mut bytes, parts);
            file.write_all(&bytes).expect("there is room");
        };
        write(&[&encode(&ipld!({ "roots": [link(root)], "version": 1 }))]);
        self.blocks.iter().for_each(|(cid, block)| write(&[cid.as_bytes(), block]));
        file.flush().expect("there is room");
    }

    /// The node of these keys, which are in order, and everything below it.
    fn node(&mut self, keys: &[(String, Cid)], layer: u32) -> Cid {
        let is_here = |(key, _): &(String, Cid)| layer_of(key.as_bytes()) == layer;
        let groups = keys.split(is_here);
        let below: Vec<_> =
            groups.map(|group| (!group.is_empty()).then(|| self.node(group, layer - 1))).collect();
        let mut below = below.into_iter();
        let left = below.next().flatten();
        let entries = keys.iter().filter(|key| is_here(key)).zip(below);
        let entries = entries.map(|((key, value), right)| Entry {
            key: key.clone().into_bytes(),
            value: AnyCid::from(*value),
            right,
        });
        let node = Node { left, entries: entries.collect() };
        self.block(node.encode())
    }
}
