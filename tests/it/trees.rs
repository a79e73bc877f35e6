//! The part of a tree that a message brings: what it proves, and what it does not.

use std::collections::BTreeMap;

use guestlist::codec::Reject;
use guestlist::codec::car::Car;
use guestlist::codec::node::{Entry, Node, layer_of};
use guestlist::codec::proof::{Change, Changes, PartialTree};
use guestlist::syntax::Cid;
use ipld_core::cid::Cid as AnyCid;
use proptest::prelude::*;

/// Blocks by CID.
pub(crate) type Blocks = BTreeMap<Cid, Vec<u8>>;

pub(crate) type Keys = BTreeMap<String, AnyCid>;

fn value(number: u8) -> AnyCid {
    Cid::compute_dag_cbor(&[number]).into()
}

fn keys(of: &[&str]) -> Keys {
    of.iter().map(|key| ((*key).to_owned(), value(1))).collect()
}

/// The whole tree of these keys, made from the top down as the specification words it.
pub(crate) fn tree(keys: &Keys, blocks: &mut Blocks) -> Cid {
    let top = keys.keys().map(|key| layer_of(key.as_bytes())).max().unwrap_or(0);
    let pairs: Vec<_> = keys.iter().collect();
    node(&pairs, top, blocks)
}

fn node(pairs: &[(&String, &AnyCid)], layer: u32, blocks: &mut Blocks) -> Cid {
    let mut made = Node::default();
    let mut groups = pairs.split(|(key, _)| layer_of(key.as_bytes()) == layer);
    let below = |group: Option<&[(&String, &AnyCid)]>, blocks: &mut Blocks| {
        let group = group.unwrap_or_default();
        (!group.is_empty()).then(|| node(group, layer - 1, blocks))
    };
    made.left = below(groups.next(), blocks);
    for (key, value) in pairs.iter().filter(|(key, _)| layer_of(key.as_bytes()) == layer) {
        let right = below(groups.next(), blocks);
        made.entries.push(Entry { key: key.as_bytes().to_vec(), value: **value, right });
    }
    let block = made.encode();
    let cid = Cid::compute_dag_cbor(&block);
    blocks.insert(cid, block);
    cid
}

pub(crate) fn car(blocks: &Blocks) -> Vec<u8> {
    let varint = |mut length: usize| {
        let mut bytes = Vec::new();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes
    };
    let root = AnyCid::from(Cid::compute_dag_cbor(b"commit"));
    let header = serde_ipld_dagcbor::to_vec(&ipld_core::ipld!({ "roots": [root], "version": 1 })).unwrap();
    let mut bytes = [varint(header.len()), header].concat();
    for (cid, block) in blocks {
        bytes.extend(varint(cid.as_bytes().len() + block.len()));
        bytes.extend(cid.as_bytes());
        bytes.extend(block);
    }
    bytes
}

/// Opens a tree around every one of these keys.
fn open(blocks: &Blocks, root: &Cid, keys: &[&str]) -> Result<PartialTree, Reject> {
    let change = |path| Change { path, before: None, after: None };
    PartialTree::open(&Car::parse(&car(blocks)).unwrap(), root, &keys.iter().copied().map(change).collect())
}

pub(crate) fn created(path: &str, now: AnyCid) -> Change<'_> {
    Change { path, before: None, after: Some(now) }
}

pub(crate) fn updated(path: &str, was: AnyCid, now: AnyCid) -> Change<'_> {
    Change { path, before: Some(was), after: Some(now) }
}

pub(crate) fn deleted(path: &str, was: AnyCid) -> Change<'_> {
    Change { path, before: Some(was), after: None }
}

/// What leads from one set of keys to another.
fn changes<'a>(before: &'a Keys, after: &'a Keys) -> Vec<Change<'a>> {
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let gone = gone.map(|(key, was)| deleted(key, *was));
    let here = after.iter().filter_map(|(key, now)| match before.get(key) {
        None => Some(created(key, *now)),
        Some(was) if was != now => Some(updated(key, *was, *now)),
        Some(_) => None,
    });
    gone.chain(here).collect()
}

/// Whether taking back what happened leads to the tree `was`.
pub(crate) fn undone(blocks: &Blocks, root: &Cid, changes: &[Change<'_>], was: &Cid) -> Result<(), Reject> {
    let changes: Changes<'_> = changes.iter().cloned().collect();
    PartialTree::open(&Car::parse(&car(blocks)).unwrap(), root, &changes)?.undo(&changes)?.leads_to(was)
}

#[test]
fn the_empty_tree_is_a_node_without_anything() {
    let mut blocks = Blocks::new();
    let root = tree(&Keys::new(), &mut blocks);
    assert_eq!(root.to_string(), "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm");
    assert_eq!(open(&blocks, &root, &["a/1"]).unwrap().leads_to(&root), Ok(()));
}

#[test]
fn a_tree_that_is_not_the_one_of_its_keys_is_refused() {
    let entry = |key: &str, right| Entry { key: key.into(), value: value(1), right };
    let block = |node: &Node| (Cid::compute_dag_cbor(&node.encode()), node.encode());
    // `blue` stands on layer 1, the others on layer 0.
    let low = block(&Node { left: None, entries: vec![entry("2653ae71", None)] });
    let empty = block(&Node::default());
    let pointer = block(&Node { left: Some(low.0), entries: Vec::new() });
    for (what, root) in [
        (
            "a key on another layer than its own",
            Node { left: None, entries: vec![entry("asdf", None), entry("blue", None)] },
        ),
        ("a subtree below the lowest layer", Node { left: Some(low.0), entries: vec![entry("asdf", None)] }),
        ("keys out of order between nodes", Node { left: None, entries: vec![entry("blue", Some(low.0))] }),
        ("a subtree without anything", Node { left: Some(empty.0), entries: vec![entry("blue", None)] }),
        ("a root that only points on", Node { left: Some(low.0), entries: Vec::new() }),
        ("a pointer on the lowest layer", Node { left: Some(pointer.0), entries: vec![entry("blue", None)] }),
    ] {
        let root = block(&root);
        let blocks = Blocks::from([low.clone(), empty.clone(), pointer.clone(), root.clone()]);
        let keys = ["2653ae71", "asdf", "blue"];
        assert_eq!(open(&blocks, &root.0, &keys).err(), Some(Reject::MstMalformed), "{what}");
    }
    let absent = Cid::compute_dag_cbor(b"absent");
    assert_eq!(open(&Blocks::new(), &absent, &["a/1"]).err(), Some(Reject::BlockMissing));
}

#[test]
fn an_operation_that_did_not_happen_is_noticed() {
    let (before, after) = (keys(&["a/1", "b/2"]), keys(&["a/1", "c/3"]));
    let mut blocks = Blocks::new();
    let (root, was) = (tree(&after, &mut blocks), tree(&before, &mut Blocks::new()));
    let told = |changes: &[Change<'_>]| undone(&blocks, &root, changes, &was);
    let (created_c, deleted_b) = (created("c/3", value(1)), deleted("b/2", value(1)));
    assert_eq!(told(&[deleted_b.clone(), created_c.clone()]), Ok(()));
    assert_eq!(told(&[created_c.clone(), deleted_b.clone()]), Ok(()), "in any order");
    assert_eq!(
        told(std::slice::from_ref(&created_c)),
        Err(Reject::ProofMismatch),
        "a deletion that is not told"
    );
    assert_eq!(
        told(std::slice::from_ref(&deleted_b)),
        Err(Reject::ProofMismatch),
        "a creation that is not told"
    );
    assert_eq!(
        told(&[deleted("b/2", value(2)), created_c]),
        Err(Reject::ProofMismatch),
        "another value was there"
    );
    for change in [
        created("c/3", value(2)),
        created("d/4", value(1)),
        deleted("a/1", value(1)),
        updated("a/1", value(1), value(2)),
        updated("d/4", value(1), value(2)),
    ] {
        assert_eq!(told(std::slice::from_ref(&change)), Err(Reject::ProofMismatch), "{change:?}");
    }
}

#[test]
fn a_subtree_that_is_all_there_was_need_not_come() {
    // The second stands on layer 2, so that a node stands between it and the first that only points.
    let (low, high) = ("2653ae71", "88bfafc7");
    let mut blocks = Blocks::new();
    let (root, was) = (tree(&keys(&[low, high]), &mut blocks), tree(&keys(&[low]), &mut Blocks::new()));
    assert_eq!(blocks.len(), 3);
    let undoing = |blocks: &Blocks| undone(blocks, &root, &[created(high, value(1))], &was);
    assert_eq!(undoing(&blocks), Ok(()));
    blocks.remove(&was);
    assert_eq!(undoing(&blocks), Ok(()), "its CID tells");
    blocks.retain(|cid, _| *cid == root);
    assert_eq!(undoing(&blocks), Err(Reject::ProofIncomplete), "what only points must come");
}

fn any_keys() -> impl Strategy<Value = Keys> {
    // Few and short keys: many trees differ in one, and some have several layers.
    prop::collection::btree_map("[a-c]/[0-9a-f]{1,2}", (1..4_u8).prop_map(value), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn taking_back_every_change_leads_to_the_tree_before(before in any_keys(), after in any_keys()) {
        let mut blocks = Blocks::new();
        let (root, was) = (tree(&after, &mut blocks), tree(&before, &mut Blocks::new()));
        prop_assert_eq!(undone(&blocks, &root, &changes(&before, &after), &was), Ok(()));
        let other = undone(&blocks, &root, &changes(&before, &after), &root);
        prop_assert_eq!(other, if was == root { Ok(()) } else { Err(Reject::ProofMismatch) });
    }

    #[test]
    fn what_is_missing_never_leads_to_another_tree(
        before in any_keys(), added in any_keys(), taken in prop::collection::vec(0..64_usize, 0..3),
        missing in prop::collection::vec(0..64_usize, 1..4),
    ) {
        let mut after = before.clone();
        for which in taken {
            let key = after.keys().nth(which % after.len().max(1)).cloned();
            key.and_then(|key| after.remove(&key));
        }
        after.extend(added.into_iter().take(2));
        let mut blocks = Blocks::new();
        let (root, was) = (tree(&after, &mut blocks), tree(&before, &mut Blocks::new()));
        for which in missing {
            let cid = blocks.keys().nth(which % blocks.len().max(1)).copied();
            cid.and_then(|cid| blocks.remove(&cid));
        }
        let changes = changes(&before, &after);
        if let Err(reject) = undone(&blocks, &root, &changes, &was) {
            prop_assert!(matches!(reject, Reject::BlockMissing | Reject::ProofIncomplete), "{:?}", reject);
        }
        prop_assert!(was == root || undone(&blocks, &root, &changes, &root).is_err());
    }
}
