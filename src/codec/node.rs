//! One node of a repository's tree (MST). Spec: atproto repository, "MST structure".
//!
//! A node holds keys of one layer in order, and links to the subtrees left of, between and right of them.
//! Keys are stored as what they do not share with the key before, and a key's layer follows from its hash.

use ipld_core::cid::Cid as AnyCid;
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use sha2::{Digest, Sha256};

use super::cbor;
use super::limits::MST_KEY_BYTES_MAX;
use super::reject::Reject;
use crate::syntax::Cid;

/// A node, its keys whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The subtree before the first key.
    pub left: Option<Cid>,
    /// The keys, in order.
    pub entries: Vec<Entry>,
}

/// A key with what it stands for and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `collection/rkey`.
    pub key: Vec<u8>,
    /// The record. Kept as it is: a record's CID may be of a form that no block of a tree has.
    pub value: AnyCid,
    /// The subtree between this key and the next.
    pub right: Option<Cid>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeWire<'a> {
    #[serde(borrow)]
    e: Vec<EntryWire<'a>>,
    // Null or a link, and there in every node: named so that a missing one is an error.
    #[serde(deserialize_with = "Option::deserialize")]
    l: Option<AnyCid>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryWire<'a> {
    #[serde(borrow)]
    k: &'a Bytes,
    p: usize,
    #[serde(deserialize_with = "Option::deserialize")]
    t: Option<AnyCid>,
    v: AnyCid,
}

impl Node {
    /// Decodes a block.
    ///
    /// # Errors
    /// `MstMalformed` for anything but the one way in which these keys and links are written.
    pub fn decode(block: &[u8]) -> Result<Self, Reject> {
        cbor::walk(block).map_err(|_| Reject::MstMalformed)?;
        let wire: NodeWire<'_> = serde_ipld_dagcbor::from_slice(block).map_err(|_| Reject::MstMalformed)?;
        let mut entries: Vec<Entry> = Vec::new();
        for entry in wire.e {
            let before = entries.last().map_or(&[][..], |entry| &entry.key);
            let shared = before.get(..entry.p).ok_or(Reject::MstMalformed)?;
            // Before they are put together: a few bytes may stand for many.
            if shared.len().saturating_add(entry.k.len()) > MST_KEY_BYTES_MAX {
                return Err(Reject::MstMalformed);
            }
            let key = [shared, &entry.k[..]].concat();
            if before >= key.as_slice() || shared_len(before, &key) != entry.p {
                return Err(Reject::MstMalformed);
            }
            entries.push(Entry { key, value: entry.v, right: link(entry.t.as_ref())? });
        }
        Ok(Self { left: link(wire.l.as_ref())?, entries })
    }

    /// The layer on which it is the root of a tree; `None` for the tree without any key.
    ///
    /// # Errors
    /// `MstMalformed` for a root that only points at another.
    pub fn root_layer(&self) -> Result<Option<u32>, Reject> {
        match (self.entries.first(), self.left) {
            (Some(first), _) => Ok(Some(layer_of(&first.key))),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Reject::MstMalformed),
        }
    }

    /// Checks that it may stand on this layer of a tree that has keys.
    ///
    /// # Errors
    /// `MstMalformed` for an empty node, a key of another layer, or a link below the lowest.
    pub fn check_layer(&self, layer: u32) -> Result<(), Reject> {
        let is_empty = self.entries.is_empty() && self.left.is_none();
        let has_links = self.left.is_some() || self.entries.iter().any(|entry| entry.right.is_some());
        let is_of_layer = |entry: &Entry| layer_of(&entry.key) == layer;
        if is_empty || (layer == 0 && has_links) || !self.entries.iter().all(is_of_layer) {
            return Err(Reject::MstMalformed);
        }
        Ok(())
    }

    /// The CID of its block.
    pub fn cid(&self) -> Cid {
        Cid::compute_dag_cbor(&self.encode())
    }

    /// The block of this node.
    pub fn encode(&self) -> Vec<u8> {
        let mut before: &[u8] = &[];
        let mut e = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let p = shared_len(before, &entry.key);
            let k = Bytes::new(entry.key.get(p..).unwrap_or_default());
            e.push(EntryWire { k, p, t: entry.right.map(AnyCid::from), v: entry.value });
            before = &entry.key;
        }
        let wire = NodeWire { e, l: self.left.map(AnyCid::from) };
        serde_ipld_dagcbor::to_vec(&wire).expect("byte strings, numbers and links have a DAG-CBOR form")
    }
}

fn link(cid: Option<&AnyCid>) -> Result<Option<Cid>, Reject> {
    let link = cid.map(Cid::try_from).transpose().map_err(|_| Reject::MstMalformed)?;
    if link.is_some_and(|link| !link.is_dag_cbor()) { Err(Reject::MstMalformed) } else { Ok(link) }
}

/// How many bytes two keys begin with in common.
pub fn shared_len(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// The layer on which a key stands: half the zero bits that its hash begins with.
pub fn layer_of(key: &[u8]) -> u32 {
    let hash = Sha256::digest(key);
    let zeros = hash.iter().take_while(|byte| **byte == 0).count();
    let next = hash.get(zeros).map_or(0, |byte| byte.leading_zeros());
    (u32::try_from(zeros).unwrap_or(u32::MAX).saturating_mul(8) + next) / 2
}

#[cfg(test)]
mod tests {
    use ipld_core::cid::Cid as AnyCid;
    use ipld_core::ipld;

    use super::{Cid, Entry, Node, Reject, layer_of, shared_len};

    fn value() -> AnyCid {
        Cid::compute_dag_cbor(b"record").into()
    }

    #[test]
    fn a_key_stands_on_the_layer_of_its_hash() {
        // Known answers: SHA-256 in another implementation, its leading zero bits counted by hand.
        for (key, layer) in [
            ("", 0),
            ("asdf", 0),
            ("blue", 1),
            ("2653ae71", 0),
            ("88bfafc7", 2),
            ("884976f5", 6),
            ("app.bsky.feed.post/454397e440ec", 4),
            ("app.bsky.feed.post/9adeb165882c", 8),
        ] {
            assert_eq!(layer_of(key.as_bytes()), layer, "{key}");
        }
    }

    #[test]
    fn what_two_keys_share_is_counted_in_bytes() {
        for (left, right, shared) in [("", "a", 0), ("abc", "abd", 2), ("ab", "abc", 2), ("é", "è", 1)] {
            assert_eq!(shared_len(left.as_bytes(), right.as_bytes()), shared);
        }
    }

    #[test]
    fn a_node_is_written_in_one_way() {
        let entry = |key: &str, right| Entry { key: key.into(), value: value(), right };
        let link = Some(Cid::compute_dag_cbor(b"node"));
        let node =
            Node { left: link, entries: vec![entry("a/1", None), entry("a/12", link), entry("b/1", None)] };
        assert_eq!(Node::decode(&node.encode()), Ok(node));
        let empty = Cid::compute_dag_cbor(&Node::default().encode()).to_string();
        assert_eq!(empty, "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm");
    }

    #[test]
    fn a_node_stands_on_the_one_layer_of_its_keys() {
        let entry = |key: &str, right| Entry { key: key.into(), value: value(), right };
        let link = Some(Cid::compute_dag_cbor(b"node"));
        let node = |left, entries| Node { left, entries };
        let malformed = Err(Reject::MstMalformed);
        // `blue` stands on layer 1, `asdf` on layer 0.
        for (what, node, root, on) in [
            ("nothing", node(None, vec![]), Ok(None), [malformed, malformed]),
            ("a pointer", node(link, vec![]), malformed.map(|()| None), [malformed, Ok(())]),
            ("a low key", node(None, vec![entry("asdf", None)]), Ok(Some(0)), [Ok(()), malformed]),
            ("a link below it", node(None, vec![entry("asdf", link)]), Ok(Some(0)), [malformed, malformed]),
            ("a high key", node(link, vec![entry("blue", link)]), Ok(Some(1)), [malformed, Ok(())]),
            (
                "both",
                node(None, vec![entry("asdf", None), entry("blue", None)]),
                Ok(Some(0)),
                [malformed, malformed],
            ),
        ] {
            assert_eq!(node.root_layer(), root, "{what}");
            assert_eq!([0, 1].map(|layer| node.check_layer(layer)), on, "{what}");
        }
    }

    #[test]
    fn any_other_way_is_refused() {
        let entry = |p: i64, k: &[u8]| ipld!({ "p": p, "k": k.to_vec(), "v": value(), "t": null });
        let raw = AnyCid::new_v1(0x55, *value().hash());
        for (what, node) in [
            ("no left", ipld!({ "e": [] })),
            ("no entries", ipld!({ "l": null })),
            ("a first key that shares", ipld!({ "l": null, "e": [entry(1, b"a/1")] })),
            ("shares more than there is", ipld!({ "l": null, "e": [entry(0, b"a/1"), entry(9, b"2")] })),
            ("shares less than it could", ipld!({ "l": null, "e": [entry(0, b"a/1"), entry(0, b"a/2")] })),
            ("the same key twice", ipld!({ "l": null, "e": [entry(0, b"a/1"), entry(3, b"")] })),
            ("keys out of order", ipld!({ "l": null, "e": [entry(0, b"b/1"), entry(0, b"a/2")] })),
            ("an empty key", ipld!({ "l": null, "e": [entry(0, b"")] })),
            ("a long key", ipld!({ "l": null, "e": [entry(0, &[b'a'; 1025])] })),
            ("a negative count", ipld!({ "l": null, "e": [entry(-1, b"a/1")] })),
            ("a link to bytes", ipld!({ "l": raw, "e": [] })),
            ("text for a key", ipld!({ "l": null, "e": [{ "p": 0, "k": "a/1", "v": value(), "t": null }] })),
            ("a field more", ipld!({ "l": null, "e": [], "x": null })),
            ("a left of another type", ipld!({ "l": false, "e": [] })),
            ("entries that are none", ipld!({ "l": null, "e": null })),
            ("an entry that is none", ipld!({ "l": null, "e": [null] })),
            ("no right", ipld!({ "l": null, "e": [{ "p": 0, "k": b"a/1".to_vec(), "v": value() }] })),
        ] {
            let block = serde_ipld_dagcbor::to_vec(&node).unwrap();
            assert_eq!(Node::decode(&block), Err(Reject::MstMalformed), "{what}");
        }
    }
}
