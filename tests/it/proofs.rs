//! Commits that are genuinely signed: whole histories are proved, and no list of operations that lies is.

use std::collections::BTreeMap;

use guestlist::codec::car::Car;
use guestlist::codec::claim::Verify;
use guestlist::codec::commit::SignedCommit;
use guestlist::codec::event::{Origin, Proof};
use guestlist::codec::key::PublicKey;
use guestlist::codec::node::{Entry, Node, layer_of};
use guestlist::codec::proof::{Change, Changes, PartialTree};
use guestlist::codec::{Reject, mst};
use guestlist::syntax::Cid;
use ipld_core::ipld::Ipld;
use proptest::prelude::*;

use crate::frames::{link, map, text};
use crate::opened::{Opened, blocks_of};
use crate::signed::{Key, Repo, Write};
use crate::trees::{Blocks, Keys, car, tree};
use crate::verify::{proved, verified};

const DID: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const EVENT: &str = "community.lexicon.calendar.event";

fn record(number: u8) -> Ipld {
    map([("number", Ipld::Integer(number.into()))])
}

fn fully(frame: &Opened) -> Result<Proof, Reject> {
    proved(&verified(&frame.frame(), Verify::Full)).map(|(_, proof)| proof)
}

fn prev_data(frame: &Opened) -> Option<Cid> {
    match proved(&verified(&frame.frame(), Verify::Full)).unwrap().0.origin {
        Origin::Firehose { prev_data, .. } => prev_data,
        Origin::Jetstream => panic!("no frame is of Jetstream"),
    }
}

/// A repository with records under so many numbers, and the commit that made them.
fn filled(count: usize) -> (Repo, Opened) {
    let mut repo = Repo::new(DID, Key::k256(1));
    let paths: Vec<String> = (0..count).map(path).collect();
    let writes: Vec<_> = paths.iter().map(|path| Write::Put(path, record(0))).collect();
    let frame = repo.commit(1, &writes);
    (repo, frame)
}

fn path(number: usize) -> String {
    format!("{EVENT}/{number:03}")
}

/// The first of these paths on a layer.
fn on_layer(layer: u32) -> String {
    (0..1_000_000).map(path).find(|path| layer_of(path.as_bytes()) == layer).unwrap()
}

#[test]
fn a_repository_s_export_and_document_are_those_of_its_commits() {
    let (mut repo, _) = filled(60);
    repo.commit(2, &[Write::Put(&path(7), record(1)), Write::Delete(&path(8))]);
    let blocks = blocks_of(&repo.export());
    let block = |cid: &Cid| blocks.iter().find(|block| block.cid == *cid).map(|block| block.bytes.clone());
    let root = Opened::of(&repo.sync(3).frame()).unwrap().root;
    let commit = SignedCommit::decode(&block(&root).unwrap()).unwrap();
    let mut keys = Keys::new();
    mst::walk(
        commit.data,
        |cid| block(cid).ok_or(Reject::BlockMissing),
        |key, cid| {
            assert!(block(&Cid::try_from(cid).unwrap()).is_some());
            keys.insert(String::from_utf8(key.to_vec()).unwrap(), *cid);
            Ok::<_, Reject>(())
        },
    )
    .unwrap();
    assert_eq!(keys, repo.keys);
    let document = repo.document("https://pds.example", "someone.example");
    let method = &document["verificationMethod"][0];
    let key = PublicKey::of_method("Multikey", method["publicKeyMultibase"].as_str().unwrap()).unwrap();
    assert!(commit.claim().is_proved_by(&key));
}

#[test]
fn a_first_commit_is_proved_by_its_whole_tree() {
    let (_, frame) = filled(60);
    assert_eq!(fully(&frame), Ok(Proof::Inverted));
    assert_eq!(prev_data(&frame), None);
    assert_eq!(fully(&frame.clone().with("since", text(""))), Ok(Proof::Inverted), "as some hosts write it");
    // It may say what was before: nothing.
    let nothing = tree(&Keys::new(), &mut Blocks::new());
    assert_eq!(fully(&frame.clone().with("prevData", link(nothing))), Ok(Proof::Inverted));
    let mut fewer = frame.clone();
    fewer.ops().pop();
    assert_eq!(fully(&fewer), Err(Reject::ProofMismatch), "something was there before");
    let nodes = frame.blocks.iter().filter(|block| Node::decode(&block.bytes).is_ok());
    let mut seen = 0;
    for node in nodes {
        let mut without = frame.clone();
        without.blocks.retain(|block| block.cid != node.cid);
        assert!(matches!(fully(&without), Err(Reject::ProofIncomplete | Reject::BlockMissing)));
        seen += 1;
    }
    assert!(seen > 10);
    let mut updating = frame;
    updating.op(0).insert("action".to_owned(), text("update"));
    assert_eq!(fully(&updating), Err(Reject::ProofMismatch), "there was nothing to update");
}

#[test]
fn a_root_that_is_told_counts_even_if_nothing_was_sent_before() {
    let (mut repo, _) = filled(60);
    let frame = repo.commit(2, &[Write::Put(&path(7), record(1))]).with("since", Ipld::Null);
    assert_eq!(fully(&frame), Ok(Proof::Inverted));
    assert_eq!(fully(&frame.without("prevData")), Err(Reject::ProofMismatch));
}

#[test]
fn a_commit_without_operations_leaves_the_tree_as_it_was() {
    let mut repo = Repo::new(DID, Key::p256(1));
    assert_eq!(fully(&repo.commit(1, &[])), Ok(Proof::Inverted), "an account begins with one");
    repo.commit(2, &[Write::Put(&path(1), record(1))]);
    let mut frame = repo.commit(3, &[]);
    assert_eq!(fully(&frame), Ok(Proof::Inverted));
    let other = link(Cid::compute_dag_cbor(b"another"));
    assert_eq!(fully(&frame.clone().with("prevData", other)), Err(Reject::ProofMismatch));
    assert_eq!(fully(&frame.clone().without("prevData")), Ok(Proof::Forward));
    assert_eq!(
        fully(&frame.clone().without("prevData").with("since", Ipld::Null)),
        Err(Reject::ProofMismatch)
    );
    // Its tree need not come.
    let root = frame.root;
    frame.blocks.retain(|block| block.cid == root);
    assert_eq!(fully(&frame), Ok(Proof::Inverted));
}

#[test]
fn a_host_of_an_older_kind_is_believed_as_far_as_its_tree_shows() {
    let (mut repo, _) = filled(60);
    let (low, high) = (on_layer(0), on_layer(2));
    let updating = repo.commit(2, &[Write::Put(&low, record(1))]);
    let deleting = repo.commit(3, &[Write::Delete(&high)]);
    let creating = repo.commit(4, &[Write::Put(&high, record(2))]);
    let old = |frame: &Opened| {
        let mut frame = frame.clone().without("prevData");
        frame.op(0).remove("prev");
        frame
    };
    for frame in [&updating, &deleting, &creating] {
        assert_eq!(fully(&old(frame)), Ok(Proof::Forward));
        assert_eq!(prev_data(&old(frame)), None);
        let mut lying = old(frame);
        let path = format!("{EVENT}/none");
        lying.op(0).insert("path".to_owned(), text(path));
        let is_there = lying.op(0)["cid"] != Ipld::Null;
        assert!(!is_there || fully(&lying).is_err());
    }
    // A root without what an operation changed proves as little as no root.
    for mut frame in [updating.clone(), deleting.clone()] {
        frame.op(0).remove("prev");
        assert_eq!(fully(&frame), Ok(Proof::Forward));
    }
    // The other way about, too.
    assert_eq!(fully(&updating.clone().without("prevData")), Ok(Proof::Forward));
    let mut present = old(&updating);
    present.op(0).insert("action".to_owned(), text("delete"));
    present.op(0).insert("cid".to_owned(), Ipld::Null);
    assert_eq!(fully(&present), Err(Reject::ProofMismatch), "what is there was not deleted");
    let mut hidden = old(&deleting);
    let root = deleting.data();
    hidden.blocks.retain(|block| block.cid == root || block.cid == deleting.root);
    assert_eq!(fully(&hidden), Err(Reject::ProofIncomplete), "a deletion is not taken on trust");
}

#[test]
fn a_list_that_lies_is_found_out_though_the_commit_is_signed() {
    let (mut repo, _) = filled(60);
    let (one, other) = (path(3), path(40));
    let writes = [Write::Put(&one, record(1)), Write::Delete(&other), Write::Put(EVENT_NEW, record(2))];
    let frame = repo.commit(2, &writes);
    assert_eq!(fully(&frame), Ok(Proof::Inverted));
    for at in 0..writes.len() {
        let mut hiding = frame.clone();
        hiding.ops().remove(at);
        assert_eq!(fully(&hiding), Err(Reject::ProofMismatch));
    }
    let mut swapped = frame.clone();
    let (first, third) = (swapped.op(0)["cid"].clone(), swapped.op(2)["cid"].clone());
    swapped.op(0).insert("cid".to_owned(), third);
    swapped.op(2).insert("cid".to_owned(), first);
    assert_eq!(fully(&swapped), Err(Reject::ProofMismatch));
    // Another tree, signed by the account, under the same list.
    let mut elsewhere = Keys::new();
    elsewhere.extend(repo.keys.clone().into_iter().skip(1));
    let mut nodes = Blocks::new();
    let data = tree(&elsewhere, &mut nodes);
    let mut forged = frame.signing("data", link(data), &repo.key);
    forged.blocks.extend(nodes.into_iter().map(|(cid, bytes)| crate::frames::Block { cid, bytes }));
    assert_eq!(fully(&forged), Err(Reject::ProofMismatch));
    let message = verified(&forged.frame(), Verify::Signature);
    assert!(message.claim.unwrap().is_proved_by(&repo.key.public()));
}

const EVENT_NEW: &str = "community.lexicon.calendar.event/new";

#[test]
fn a_key_that_was_mined_to_stand_high_makes_a_chain_and_no_more() {
    let (mut repo, _) = filled(60);
    let high = on_layer(9);
    for writes in [
        vec![Write::Put(high.as_str(), record(1))],
        vec![Write::Put(high.as_str(), record(2))],
        vec![Write::Delete(&high)],
    ] {
        let frame = repo.commit(2, &writes);
        assert_eq!(fully(&frame), Ok(Proof::Inverted));
    }
}

/// A node on a layer that only points at the one below, down to one that did not come.
fn pointers(layer: u32, blocks: &mut Blocks) -> Cid {
    if layer == 0 {
        return Cid::compute_dag_cbor(b"absent");
    }
    let node = Node { left: Some(pointers(layer - 1, blocks)), entries: Vec::new() };
    blocks.insert(node.cid(), node.encode());
    node.cid()
}

#[test]
fn nodes_that_are_linked_again_and_again_are_not_laid_out_again_and_again() {
    let keys: Vec<String> = (0..).map(path).filter(|path| layer_of(path.as_bytes()) == 4).take(100).collect();
    let mut keys = keys;
    keys.sort();
    let value = Cid::compute_dag_cbor(b"record").into();
    let mut blocks = Blocks::new();
    let below = pointers(3, &mut blocks);
    let entry = |key: &String| Entry { key: key.clone().into_bytes(), value, right: Some(below) };
    let root = Node { left: None, entries: keys.iter().map(entry).collect() };
    blocks.insert(root.cid(), root.encode());
    let changes: Changes<'_> =
        keys.iter().map(|path| Change { path, before: None, after: Some(value) }).collect();
    let bytes = car(&blocks);
    let opened = PartialTree::open(&Car::parse(&bytes).unwrap(), &root.cid(), &changes);
    assert_eq!(opened.err(), Some(Reject::MstMalformed));
}

/// Commits: what each does to which path, by numbers.
fn histories() -> impl Strategy<Value = Vec<Vec<(usize, Option<u8>)>>> {
    let write = (0..40_usize, prop::option::weighted(0.7, any::<u8>()));
    prop::collection::vec(prop::collection::vec(write, 0..8), 1..12)
}

/// Does one commit of a history, each path once, deleting only what is there.
fn commit(repo: &mut Repo, seq: u64, writes: &[(usize, Option<u8>)]) -> Opened {
    let writes: BTreeMap<String, Option<u8>> = writes
        .iter()
        .map(|(number, value)| {
            // A third is of a collection that nobody wants.
            let collection = if number % 3 == 0 { "app.example.post" } else { EVENT };
            (format!("{collection}/{number}"), *value)
        })
        .filter(|(path, value)| value.is_some() || repo.keys.contains_key(path))
        .collect();
    let writes: Vec<Write<'_>> = writes
        .iter()
        .map(|(path, value)| value.map_or(Write::Delete(path), |value| Write::Put(path, record(value))))
        .collect();
    repo.commit(seq, &writes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_commit_of_a_history_is_proved_and_follows_the_one_before(history in histories()) {
        let mut repo = Repo::new(DID, Key::k256(1));
        let mut before = None;
        for (seq, writes) in history.iter().enumerate() {
            let frame = commit(&mut repo, seq as u64, writes);
            let message = verified(&frame.frame(), Verify::Full);
            let (found, proof) = proved(&message).unwrap();
            prop_assert_eq!(proof, Proof::Inverted);
            prop_assert_eq!(found.rev.to_string(), repo.rev());
            let Origin::Firehose { data, prev_data, .. } = found.origin else { unreachable!() };
            prop_assert_eq!((data, prev_data), (frame.data(), before));
            prop_assert!(message.claim.unwrap().is_proved_by(&repo.key.public()));
            before = Some(data);
        }
    }

    #[test]
    fn no_lie_about_one_operation_is_proved(
        history in histories(), which in any::<usize>(), lie in 0..5_usize, value in any::<u8>()
    ) {
        let mut repo = Repo::new(DID, Key::k256(1));
        let frames: Vec<_> =
            history.iter().enumerate().map(|(seq, writes)| commit(&mut repo, seq as u64, writes)).collect();
        let mut frame = frames[frames.len() - 1].clone();
        let count = frame.ops().len();
        prop_assume!(count > 0);
        let honest = frame.clone();
        let at = which % count;
        let other = link(Cid::compute_dag_cbor(&[value, 1, 2, 3]));
        match lie {
            0 => drop(frame.ops().remove(at)),
            1 => drop(frame.op(at).insert("prev".to_owned(), other)),
            2 if frame.op(at)["cid"] != Ipld::Null => drop(frame.op(at).insert("cid".to_owned(), other)),
            3 => drop(frame.op(at).insert("path".to_owned(), text(format!("{EVENT}/z{value}")))),
            _ => drop(frame.payload.insert("prevData".to_owned(), other)),
        }
        // An update that changed nothing may be left out: nothing is lost with it.
        let is_idle = honest.clone().op(at).get("prev") == honest.clone().op(at).get("cid");
        prop_assert!(fully(&frame).is_err() || (lie == 0 && is_idle), "{:?}", frame.payload);
    }

    #[test]
    fn what_does_not_come_is_never_made_up(history in histories(), which in prop::collection::vec(any::<usize>(), 1..4)) {
        let mut repo = Repo::new(DID, Key::k256(1));
        let frames: Vec<_> =
            history.iter().enumerate().map(|(seq, writes)| commit(&mut repo, seq as u64, writes)).collect();
        let mut frame = frames[frames.len() - 1].clone();
        let expected = verified(&frame.frame(), Verify::Full);
        for which in which {
            let at = which % frame.blocks.len().max(1);
            if at < frame.blocks.len() {
                frame.blocks.remove(at);
            }
        }
        let found = verified(&frame.frame(), Verify::Full);
        match found.body {
            Err(reject) => {
                prop_assert!(matches!(reject, Reject::BlockMissing | Reject::ProofIncomplete), "{:?}", reject);
            }
            Ok(_) => prop_assert_eq!(found, expected),
        }
    }
}
