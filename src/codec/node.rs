//! One node of a repository's tree (MST). Spec: atproto repository, "MST structure".
//!
//! A node holds keys of one layer in order, and links to the subtrees left of, between and right of them.
//! Keys are stored as what they do not share with the key before, and a key's layer follows from its hash.

use ipld_core::cid::Cid as AnyCid;
use sha2::{Digest, Sha256};

use super::cbor::{self, Head, Malformed, Reader};
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

/// What the fields of a node and of an entry are called, in their order.
const FIELDS: [&str; 2] = ["e", "l"];
const ENTRY_FIELDS: [&str; 4] = ["k", "p", "t", "v"];

impl Node {
    /// Decodes a block.
    ///
    /// # Errors
    /// `MstMalformed` for anything but the one way in which these keys and links are written.
    pub fn decode(block: &[u8]) -> Result<Self, Reject> {
        read(block).ok().flatten().ok_or(Reject::MstMalformed)
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
        let entries = self.entries.iter().map(|entry| (&*entry.key, &entry.value, entry.right));
        encode(self.left, entries)
    }
}

/// Reads a node in one pass. There is one way to write it, so every head is known before it comes.
fn read(block: &[u8]) -> Result<Option<Node>, Malformed> {
    let mut reader = Reader::new(block);
    let [entries_name, left_name] = FIELDS;
    if reader.head()? != Head::Map(FIELDS.len()) || reader.head()? != Head::Text(entries_name) {
        return Ok(None);
    }
    let Head::Array(count) = reader.head()? else { return Ok(None) };
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..count {
        let before = entries.last().map_or(&[][..], |entry| &entry.key);
        let Some(entry) = read_entry(&mut reader, before)? else { return Ok(None) };
        entries.push(entry);
    }
    if reader.head()? != Head::Text(left_name) {
        return Ok(None);
    }
    let Some(left) = link(reader.head()?) else { return Ok(None) };
    Ok(reader.rest().is_empty().then_some(Node { left, entries }))
}

/// Reads the entry after the key `before`.
fn read_entry(reader: &mut Reader<'_>, before: &[u8]) -> Result<Option<Entry>, Malformed> {
    let [rest_name, shared_name, right_name, value_name] = ENTRY_FIELDS.map(Head::Text);
    if reader.head()? != Head::Map(ENTRY_FIELDS.len()) || reader.head()? != rest_name {
        return Ok(None);
    }
    let Head::Bytes(rest) = reader.head()? else { return Ok(None) };
    if reader.head()? != shared_name {
        return Ok(None);
    }
    let Head::Int(shared) = reader.head()? else { return Ok(None) };
    let Some(key) = whole(before, shared, rest) else { return Ok(None) };
    if reader.head()? != right_name {
        return Ok(None);
    }
    let Some(right) = link(reader.head()?) else { return Ok(None) };
    if reader.head()? != value_name {
        return Ok(None);
    }
    let Head::Link(value) = reader.head()? else { return Ok(None) };
    Ok(AnyCid::try_from(value).ok().map(|value| Entry { key, value, right }))
}

/// The key that shares so many bytes with the one before it and ends in `rest`; `None` if it is not written so.
fn whole(before: &[u8], shared: i64, rest: &[u8]) -> Option<Vec<u8>> {
    let (common, left) = before.split_at_checked(usize::try_from(shared).ok()?)?;
    // Before they are put together: a few bytes may stand for many.
    if common.len() + rest.len() > MST_KEY_BYTES_MAX {
        return None;
    }
    // It follows the key before, and shares no more with it: where they part, it is longer or its byte is greater.
    let is_next = match (left.first(), rest.first()) {
        (Some(left), Some(rest)) => left < rest,
        (None, Some(_)) => true,
        (_, None) => false,
    };
    is_next.then(|| [common, rest].concat())
}

/// A link to a node, or none.
fn link(head: Head<'_>) -> Option<Option<Cid>> {
    match head {
        Head::Null => Some(None),
        Head::Link(cid) => Cid::from_bytes(cid).filter(Cid::is_dag_cbor).map(Some),
        _ => None,
    }
}

/// The block of a node with these keys in order, each with its value and the subtree after it.
pub fn encode<'a>(
    left: Option<Cid>,
    entries: impl ExactSizeIterator<Item = (&'a [u8], &'a AnyCid, Option<Cid>)>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENTRY_BYTES * (entries.len() + 1));
    let [entries_name, left_name] = FIELDS;
    let [rest_name, shared_name, right_name, value_name] = ENTRY_FIELDS;
    cbor::write_head(&mut out, cbor::MAP, FIELDS.len());
    write_name(&mut out, entries_name);
    cbor::write_head(&mut out, cbor::ARRAY, entries.len());
    let mut before: &[u8] = &[];
    for (key, value, right) in entries {
        let shared = shared_len(before, key);
        let rest = key.get(shared..).unwrap_or_default();
        cbor::write_head(&mut out, cbor::MAP, ENTRY_FIELDS.len());
        write_name(&mut out, rest_name);
        cbor::write_head(&mut out, cbor::BYTES, rest.len());
        out.extend(rest);
        write_name(&mut out, shared_name);
        cbor::write_head(&mut out, cbor::UNSIGNED, shared);
        write_name(&mut out, right_name);
        write_link(&mut out, right);
        write_name(&mut out, value_name);
        match Cid::try_from(value) {
            Ok(value) => write_link(&mut out, Some(value)),
            Err(_) => cbor::write_link(&mut out, &value.to_bytes()),
        }
        before = key;
    }
    write_name(&mut out, left_name);
    write_link(&mut out, left);
    out
}

/// What an entry takes, roughly: a link, the rest of a record key, and the names around them.
const ENTRY_BYTES: usize = 80;

fn write_name(out: &mut Vec<u8>, name: &str) {
    cbor::write_head(out, cbor::TEXT, name.len());
    out.extend(name.as_bytes());
}

fn write_link(out: &mut Vec<u8>, cid: Option<Cid>) {
    match cid {
        Some(cid) => cbor::write_link(out, cid.as_bytes()),
        None => out.push(cbor::NULL),
    }
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
    use ipld_core::ipld::Ipld;

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
    fn a_node_is_written_as_any_other_dag_cbor_is() {
        let old: AnyCid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
        let raw = AnyCid::new_v1(0x55, *value().hash());
        let link = Some(Cid::compute_dag_cbor(b"node"));
        let long = "a/".to_owned() + &"1".repeat(300);
        let mut entries = Vec::new();
        let mut wire = Vec::new();
        let mut before = String::new();
        for (key, value, right) in
            [("a/1", value(), link), ("a/11", raw, None), (long.as_str(), old, link), ("b", value(), None)]
        {
            entries.push(Entry { key: key.into(), value, right });
            let shared = shared_len(before.as_bytes(), key.as_bytes());
            let rest = key.as_bytes()[shared..].to_vec();
            let right = right.map_or(Ipld::Null, |right| Ipld::Link(right.into()));
            wire.push(ipld!({ "p": i64::try_from(shared).unwrap(), "k": rest, "v": value, "t": right }));
            before = key.to_owned();
        }
        // As many entries as take a head of two bytes, and of three.
        for count in 0..300 {
            let key = format!("c/{count:03}");
            let shared = shared_len(before.as_bytes(), key.as_bytes());
            let rest = key.as_bytes()[shared..].to_vec();
            wire.push(ipld!({ "p": i64::try_from(shared).unwrap(), "k": rest, "v": raw, "t": null }));
            entries.push(Entry { key: key.clone().into(), value: raw, right: None });
            let node = Node { left: None, entries: entries.clone() };
            let expected = ipld!({ "l": null, "e": wire.clone() });
            assert_eq!(node.encode(), serde_ipld_dagcbor::to_vec(&expected).unwrap());
            assert_eq!(Node::decode(&node.encode()), Ok(node));
            before = key;
        }
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
