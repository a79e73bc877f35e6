//! Repositories that are kept as a host keeps them: with a real tree, and commits that a key really signed.
//!
//! What a repository says is genuine; a test that wants a lie alters the [`Opened`] frame that it gets, and signs
//! it anew if the lie is to be a signed one.

use std::collections::{BTreeMap, BTreeSet};

use guestlist::codec::key::PublicKey;
use guestlist::codec::node::Node;
use guestlist::syntax::Cid;
use ipld_core::ipld::Ipld;
use multibase::Base;
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use secp256k1::{Message, SecretKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::frames::{Block, car, cbor, link, rev, text};
use crate::opened::{Fields, Opened};
use crate::trees::{Blocks, Keys, tree};

/// The order of secp256k1 and of P-256: a signature's second half and its difference to this are the same.
const K256_ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// A private key.
#[derive(Clone)]
pub(crate) enum Key {
    K256(SecretKey),
    P256(SigningKey),
}

impl Key {
    /// A key on secp256k1; another for every number but 0.
    pub(crate) fn k256(number: u8) -> Self {
        Key::K256(SecretKey::from_secret_bytes([number; 32]).unwrap())
    }

    /// A key on P-256.
    pub(crate) fn p256(number: u8) -> Self {
        Key::P256(SigningKey::from_slice(&[number; 32]).unwrap())
    }

    /// As a multikey: what follows `did:key:`, and what a document has.
    pub(crate) fn multikey(&self) -> String {
        let bytes = match self {
            Key::K256(key) => {
                [&[0xe7, 0x01], &secp256k1::PublicKey::from_secret_key(key).serialize()[..]].concat()
            }
            Key::P256(key) => {
                [&[0x80, 0x24][..], key.verifying_key().to_sec1_point(true).as_bytes()].concat()
            }
        };
        multibase::encode(Base::Base58Btc, bytes)
    }

    /// The key that others know.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::parse_multikey(&self.multikey()).unwrap()
    }

    /// The low-S signature of the SHA-256 of some bytes.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        match self {
            Key::K256(key) => {
                secp256k1::ecdsa::sign(Message::from_digest(digest), key).serialize_compact().into()
            }
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
                signature.normalize_s().to_vec()
            }
        }
    }

    /// A commit object with its signature, in the place of any that it has.
    pub(crate) fn sign_commit(&self, mut commit: Fields) -> Fields {
        commit.remove("sig");
        let signature = self.sign(&cbor(&Ipld::Map(commit.clone())));
        commit.insert("sig".to_owned(), Ipld::Bytes(signature));
        commit
    }

    /// The other signature of the same bytes, with a high S where this one has a low S.
    pub(crate) fn twin(&self, signature: &[u8]) -> Vec<u8> {
        let order = match self {
            Key::K256(_) => K256_ORDER,
            Key::P256(_) => P256_ORDER,
        };
        let mut twin = signature.to_vec();
        let mut borrow = 0;
        for at in (0..32).rev() {
            let byte = i16::from(u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap());
            let difference = byte - i16::from(signature[32 + at]) - borrow;
            borrow = i16::from(difference < 0);
            twin[32 + at] = difference.rem_euclid(256) as u8;
        }
        twin
    }
}

/// What a commit does to one record.
#[derive(Clone, Debug)]
pub(crate) enum Write<'a> {
    /// Creates or updates it, as it is there or not.
    Put(&'a str, Ipld),
    Delete(&'a str),
}

/// A repository.
#[derive(Clone)]
pub(crate) struct Repo {
    pub(crate) did: String,
    pub(crate) key: Key,
    /// Every path with its record.
    pub(crate) keys: Keys,
    /// Every block of a record that is or was there.
    records: Blocks,
    /// How many commits there were, and the last of them.
    commits: u64,
    last: Option<Block>,
}

impl Repo {
    /// One without any commit.
    pub(crate) fn new(did: &str, key: Key) -> Self {
        let (did, keys, records) = (did.to_owned(), Keys::new(), Blocks::new());
        Self { did, key, keys, records, commits: 0, last: None }
    }

    /// The revision of the last commit.
    pub(crate) fn rev(&self) -> String {
        rev(self.commits)
    }

    /// Its next revision is that of a commit after so many more.
    pub(crate) fn skip(&mut self, commits: u64) {
        self.commits += commits;
    }

    /// Commits, and tells of it as a host of today does.
    pub(crate) fn commit(&mut self, seq: u64, writes: &[Write<'_>]) -> Opened {
        let (mut nodes_before, mut nodes) = (Blocks::new(), Blocks::new());
        let base = tree(&self.keys, &mut nodes_before);
        let ops: Vec<Ipld> = writes.iter().map(|write| self.write(write)).collect();
        let data = tree(&self.keys, &mut nodes);
        let since = self.last.is_some().then(|| self.rev());
        self.commits += 1;
        let root = self.sign(data);
        let paths = writes.iter().map(|(Write::Put(path, _) | Write::Delete(path))| *path);
        let shown: BTreeSet<Cid> = paths.flat_map(|path| around(&nodes, data, &self.keys, path)).collect();
        nodes.retain(|cid, _| shown.contains(cid) || !nodes_before.contains_key(cid));
        let mut payload: Fields = [
            ("seq", Ipld::Integer(seq.into())),
            ("repo", text(&self.did)),
            ("commit", link(root.cid)),
            ("rev", text(self.rev())),
            ("since", since.clone().map_or(Ipld::Null, text)),
            ("ops", Ipld::List(ops)),
            ("blobs", Ipld::List(Vec::new())),
            ("rebase", Ipld::Bool(false)),
            ("tooBig", Ipld::Bool(false)),
            ("time", text("2026-01-01T00:00:00.000Z")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        payload.extend(since.map(|_| ("prevData".to_owned(), link(base))));
        let mut blocks: Vec<Block> = nodes.into_iter().map(|(cid, bytes)| Block { cid, bytes }).collect();
        blocks.extend(writes.iter().filter_map(|write| match write {
            Write::Put(_, record) => Some(Block::new(cbor(record))),
            Write::Delete(_) => None,
        }));
        blocks.push(root.clone());
        Opened { t: "#commit", payload, root: root.cid, blocks }
    }

    /// Tells where the repository is.
    pub(crate) fn sync(&self, seq: u64) -> Opened {
        let root = self.last.clone().unwrap();
        let payload = [
            ("seq", Ipld::Integer(seq.into())),
            ("did", text(&self.did)),
            ("rev", text(self.rev())),
            ("time", text("2026-01-01T00:00:00.000Z")),
        ];
        let payload = payload.map(|(name, value)| (name.to_owned(), value)).into();
        Opened { t: "#sync", payload, root: root.cid, blocks: vec![root] }
    }

    /// The whole repository, as `getRepo` gives it.
    pub(crate) fn export(&self) -> Vec<u8> {
        let mut blocks = Blocks::new();
        tree(&self.keys, &mut blocks);
        let cids = self.keys.values().map(|cid| Cid::try_from(cid).unwrap());
        blocks.extend(cids.map(|cid| (cid, self.records[&cid].clone())));
        let last = self.last.clone().unwrap();
        let blocks = blocks.into_iter().map(|(cid, bytes)| Block { cid, bytes });
        car(&[last.cid], &blocks.chain([last.clone()]).collect::<Vec<_>>())
    }

    /// An export with a tree of somebody's own making, under a commit that is signed.
    pub(crate) fn export_of(&mut self, data: Cid, blocks: &[Block]) -> Vec<u8> {
        self.commits += 1;
        let root = self.sign(data);
        car(&[root.cid], &[blocks, std::slice::from_ref(&root)].concat())
    }

    /// The account's DID document, with this host and handle.
    pub(crate) fn document(&self, host: &str, handle: &str) -> Value {
        json!({
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
            "id": self.did,
            "alsoKnownAs": [format!("at://{handle}")],
            "verificationMethod": [{
                "id": format!("{}#atproto", self.did),
                "type": "Multikey",
                "controller": self.did,
                "publicKeyMultibase": self.key.multikey(),
            }],
            "service": [{
                "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": host
            }],
        })
    }

    /// Does it, and says so as `ops` does.
    fn write(&mut self, write: &Write<'_>) -> Ipld {
        let (path, now) = match write {
            Write::Put(path, record) => {
                let block = Block::new(cbor(record));
                self.records.insert(block.cid, block.bytes);
                (*path, Some(block.cid))
            }
            Write::Delete(path) => (*path, None),
        };
        let was = match now {
            Some(cid) => self.keys.insert(path.to_owned(), cid.into()),
            None => Some(self.keys.remove(path).expect("there is something to delete")),
        };
        let action = match (was, now) {
            (None, _) => "create",
            (Some(_), Some(_)) => "update",
            (Some(_), None) => "delete",
        };
        let mut op: BTreeMap<String, Ipld> =
            [("action", text(action)), ("path", text(path)), ("cid", now.map_or(Ipld::Null, link))]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        op.extend(was.map(|was| ("prev".to_owned(), Ipld::Link(was))));
        Ipld::Map(op)
    }

    fn sign(&mut self, data: Cid) -> Block {
        let commit = [
            ("did", text(&self.did)),
            ("rev", text(self.rev())),
            ("data", link(data)),
            ("prev", Ipld::Null),
            ("version", Ipld::Integer(3)),
        ];
        let commit = commit.map(|(name, value)| (name.to_owned(), value)).into();
        let root = Block::new(cbor(&Ipld::Map(self.key.sign_commit(commit))));
        self.last = Some(root.clone());
        root
    }
}

/// The nodes on the way to a key and to the keys beside it, as the reference implementation shows them.
fn around(nodes: &Blocks, root: Cid, keys: &Keys, path: &str) -> Vec<Cid> {
    let before = keys.keys().map(String::as_str).take_while(|key| *key < path).last();
    let after = keys.keys().map(String::as_str).find(|key| *key > path);
    before.into_iter().chain([path]).chain(after).flat_map(|key| way_to(nodes, root, key)).collect()
}

/// The nodes from the root to where a key is or would be.
pub(crate) fn way_to(nodes: &Blocks, root: Cid, key: &str) -> Vec<Cid> {
    let (mut way, mut next) = (Vec::new(), Some(root));
    while let Some(cid) = next {
        way.push(cid);
        let node = Node::decode(&nodes[&cid]).unwrap();
        if node.entries.iter().any(|entry| entry.key == key.as_bytes()) {
            break;
        }
        let before = node.entries.iter().rfind(|entry| entry.key.as_slice() < key.as_bytes());
        next = before.map_or(node.left, |entry| entry.right);
    }
    way
}
