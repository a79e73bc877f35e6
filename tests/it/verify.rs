//! What is proved of a commit and what is not: recorded commits and signed ones, genuine and altered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use guestlist::codec::Reject;
use guestlist::codec::claim::{Claim, Verify};
use guestlist::codec::event::{Body, Commit, Event, Interest, Message, Origin, Proof};
use guestlist::codec::frame::decode_strictly;
use guestlist::codec::key::PublicKey;
use guestlist::codec::node::Node;
use guestlist::records::Kind;
use guestlist::syntax::Cid;
use ipld_core::ipld::Ipld;
use serde_json::Value;

use crate::frames::{Block, cbor, ipld, link, map, rev, text};
use crate::harness::{frames, recording};
use crate::opened::Opened;
use crate::signed::{Key, Repo, Write, way_to};
use crate::trees::Blocks;

/// Wants the known collections, and follows all repositories.
pub(crate) struct Everything;

impl Interest for Everything {
    fn collection(&self, nsid: &str) -> Option<&'static str> {
        Kind::from_nsid(nsid).map(Kind::nsid)
    }

    fn watches(&self, _: &str) -> bool {
        true
    }
}

pub(crate) fn verified(frame: &[u8], verify: Verify) -> Message {
    decode_strictly(frame, &Everything, verify)
}

/// The commit of a message, with what was proved of it.
pub(crate) fn proved(message: &Message) -> Result<(&Commit, Proof), Reject> {
    match &message.body {
        Ok(Body::Event(Event::Commit(commit))) => match commit.origin {
            Origin::Firehose { proof, .. } => Ok((commit, proof)),
            Origin::Jetstream => panic!("no frame is of Jetstream"),
        },
        Ok(other) => panic!("no commit: {other:?}"),
        Err(reject) => Err(*reject),
    }
}

/// What comes of a frame where everything is asked for.
fn fully(frame: &Opened) -> Result<Proof, Reject> {
    proved(&verified(&frame.frame(), Verify::Full)).map(|(_, proof)| proof)
}

/// The keys that accounts have and had.
fn keys(dids: &Path) -> BTreeMap<String, Vec<PublicKey>> {
    let mut found: BTreeMap<String, Vec<PublicKey>> = BTreeMap::new();
    for line in std::fs::read_to_string(dids).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let keys = found.entry(text(&line["did"]).unwrap()).or_default();
        for method in line["doc"]["verificationMethod"].as_array().into_iter().flatten() {
            let id = method["id"].as_str().unwrap();
            if id.ends_with("#atproto") {
                let (kind, key) =
                    (text(&method["type"]).unwrap(), text(&method["publicKeyMultibase"]).unwrap());
                keys.push(PublicKey::of_method(&kind, &key).unwrap());
            }
        }
        for entry in line["audit"].as_array().into_iter().flatten() {
            let former = text(&entry["operation"]["verificationMethods"]["atproto"]);
            keys.extend(former.map(|key| PublicKey::parse_did_key(&key).unwrap()));
        }
    }
    found
}

fn recorded(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let is_compressed = path.extension().is_some_and(|ending| ending == "zst");
    frames(&if is_compressed { zstd::decode_all(&bytes[..]).unwrap() } else { bytes })
}

/// Every recording in a folder, with the keys of its accounts.
fn recordings(folder: &Path) -> Vec<(PathBuf, BTreeMap<String, Vec<PublicKey>>)> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let dumps = paths.filter(|path| name(path).ends_with(".frames") || name(path).ends_with(".frames.zst"));
    // `small-pds0` and `small-pds1` are of one network.
    dumps
        .map(|path| {
            let network = name(&path).split(['-', '.']).next().unwrap().to_owned();
            let dids = folder.join(format!("{network}.dids.jsonl"));
            (path, keys(&dids))
        })
        .collect()
}

/// Fails unless everything in the recordings of a folder is proved; gives how many commits and syncs there were.
fn assert_all_proved(folder: &Path) -> (usize, usize) {
    let (mut commits, mut syncs) = (0, 0);
    for (path, keys) in recordings(folder) {
        for frame in recorded(&path) {
            let message = verified(&frame, Verify::Full);
            let whose = |claim: &Claim| claim.did.to_string();
            let is_proved = |claim: &Claim| keys[&whose(claim)].iter().any(|key| claim.is_proved_by(key));
            match &message.body {
                Ok(Body::Event(Event::Commit(commit))) => {
                    let (_, proof) = proved(&message).unwrap();
                    assert_eq!(proof, Proof::Inverted, "{commit:?}");
                    let believed = verified(&frame, Verify::Off);
                    let (plain, proof) = proved(&believed).unwrap();
                    assert_eq!((&plain.ops, proof), (&commit.ops, Proof::None));
                    assert_eq!(believed.claim, None);
                    commits += 1;
                }
                Ok(Body::Event(Event::Sync(_))) => syncs += 1,
                Ok(_) => {
                    assert_eq!(message.claim, None);
                    continue;
                }
                Err(reject) => panic!("{}: {reject:?}", path.display()),
            }
            assert!(is_proved(message.claim.as_ref().unwrap()), "{message:?}");
            assert_eq!(message.claim, verified(&frame, Verify::Signature).claim);
        }
    }
    (commits, syncs)
}

#[test]
fn everything_in_the_recordings_is_proved_by_the_keys_of_its_accounts() {
    let (commits, syncs) = assert_all_proved(&recording(""));
    assert!(commits > 4000 && syncs > 5, "{commits} commits and {syncs} syncs");
}

/// `GUESTLIST_NETBOX_RECORDINGS` names a folder of other recordings.
#[test]
fn everything_in_other_recordings_is_proved_by_the_keys_of_its_accounts() {
    let Some(folder) = std::env::var_os("GUESTLIST_NETBOX_RECORDINGS") else { return };
    let (commits, _) = assert_all_proved(Path::new(&folder));
    assert!(commits > 0, "there is something in the folder");
}

/// Recorded commits whose first operation is on something wanted, of every action.
fn changing() -> Vec<Opened> {
    let small = recorded(&recording("small-pds0.frames")).into_iter();
    let medium = recorded(&recording("medium.frames.zst"));
    let step = medium.len() / 200;
    let all = small.chain(medium.into_iter().step_by(step)).filter_map(|frame| Opened::of(&frame));
    let is_wanted = |frame: &Opened| {
        let Some(Ipld::List(ops)) = frame.payload.get("ops") else { return false };
        let path = ops.first().map(|op| op.get("path").unwrap().unwrap());
        let Some(Ipld::String(path)) = path else { return false };
        Everything.collection(path.split_once('/').unwrap().0).is_some()
    };
    let found: Vec<_> = all.filter(is_wanted).collect();
    let actions = found.iter().cloned().map(|mut frame| format!("{:?}", frame.op(0)["action"]));
    let actions: BTreeSet<_> = actions.collect();
    assert!(found.len() > 100 && actions.len() == 3, "{} commits, {actions:?}", found.len());
    found
}

fn any_link() -> Ipld {
    link(Cid::compute_dag_cbor(b"another"))
}

/// What a frame is refused for once it is altered; `None` where the alteration does not apply to it.
pub(crate) type Alteration = (&'static str, fn(&mut Opened) -> Option<()>, &'static [Reject]);

fn record_of(frame: &mut Opened) -> Option<Cid> {
    match frame.op(0).get("cid") {
        Some(Ipld::Link(cid)) => Cid::try_from(cid).ok(),
        _ => None,
    }
}

fn set(frame: &mut Opened, field: &str, value: Ipld) -> Option<()> {
    frame.payload.insert(field.to_owned(), value);
    Some(())
}

pub(crate) const ALTERATIONS: &[Alteration] = &[
    (
        "another CID of the record",
        |frame| record_of(frame).map(|_| drop(frame.op(0).insert("cid".to_owned(), any_link()))),
        &[Reject::ProofMismatch],
    ),
    (
        "another CID before",
        |frame| frame.op(0).get_mut("prev").map(|prev| *prev = any_link()),
        &[Reject::ProofMismatch],
    ),
    (
        "a prev that is text",
        |frame| frame.op(0).get_mut("prev").map(|prev| *prev = text("bafy")),
        &[Reject::BadField],
    ),
    (
        "a create that had a value",
        |frame| {
            let is_create = frame.op(0)["action"] == text("create");
            is_create.then(|| drop(frame.op(0).insert("prev".to_owned(), any_link())))
        },
        &[Reject::BadAction],
    ),
    (
        "a create that is called an update",
        |frame| {
            let is_create = frame.op(0)["action"] == text("create");
            is_create.then(|| {
                frame.op(0).insert("action".to_owned(), text("update"));
                frame.op(0).insert("prev".to_owned(), any_link());
            })
        },
        &[Reject::ProofMismatch],
    ),
    (
        "an update that is called a create",
        |frame| {
            let is_update = frame.op(0)["action"] == text("update");
            is_update.then(|| {
                frame.op(0).insert("action".to_owned(), text("create"));
                frame.op(0).remove("prev");
            })
        },
        &[Reject::ProofMismatch],
    ),
    (
        "a deletion of what is there",
        |frame| {
            record_of(frame)?;
            let now = frame.op(0).insert("cid".to_owned(), Ipld::Null)?;
            frame.op(0).insert("action".to_owned(), text("delete"));
            frame.op(0).insert("prev".to_owned(), now);
            Some(())
        },
        &[Reject::ProofMismatch],
    ),
    ("an operation left out", |frame| frame.ops().pop().map(drop), &[Reject::ProofMismatch]),
    (
        "an operation added",
        |frame| {
            let mut added = frame.op(0).clone();
            let Some(Ipld::String(path)) = added.get("path") else { return None };
            let path = text(format!("{path}0"));
            added.insert("path".to_owned(), path);
            frame.ops().push(Ipld::Map(added));
            Some(())
        },
        &[Reject::ProofMismatch, Reject::ProofIncomplete],
    ),
    (
        "a record that does not hash to its CID",
        |frame| {
            let cid = record_of(frame)?;
            frame.block(cid).bytes = cbor(&ipld(serde_json::json!({})));
            Some(())
        },
        &[Reject::BlockHashMismatch],
    ),
    (
        "another record under its own CID",
        |frame| {
            let cid = record_of(frame)?;
            *frame.block(cid) = Block::new(cbor(&ipld(serde_json::json!({}))));
            Some(())
        },
        &[Reject::BlockMissing],
    ),
    (
        "another record that the operation names",
        |frame| {
            let cid = record_of(frame)?;
            let block = Block::new(cbor(&ipld(serde_json::json!({}))));
            frame.op(0).insert("cid".to_owned(), link(block.cid));
            *frame.block(cid) = block;
            Some(())
        },
        &[Reject::ProofMismatch],
    ),
    (
        "another root before",
        |frame| frame.payload.get_mut("prevData").map(|root| *root = any_link()),
        &[Reject::ProofMismatch],
    ),
    ("a root before that is text", |frame| set(frame, "prevData", text("bafy")), &[Reject::BadField]),
    (
        "a root before that is no block",
        |frame| {
            let old = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
            set(frame, "prevData", Ipld::Link(old))
        },
        &[Reject::BadCid],
    ),
    (
        "another DID",
        |frame| set(frame, "repo", text("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")),
        &[Reject::CommitDidMismatch],
    ),
    ("another rev", |frame| set(frame, "rev", text(rev(1))), &[Reject::CommitRevMismatch]),
    ("another commit", |frame| set(frame, "commit", any_link()), &[Reject::CarRootMismatch]),
];

#[test]
fn an_altered_frame_is_refused_for_what_is_wrong_with_it() {
    let frames = changing();
    for (what, alter, reasons) in ALTERATIONS {
        let mut altered = 0;
        for frame in &frames {
            let mut frame = frame.clone();
            assert!(fully(&frame).is_ok());
            if alter(&mut frame).is_some() {
                altered += 1;
                let found = fully(&frame);
                assert!(
                    found.is_err_and(|found| reasons.contains(&found)),
                    "{what}: {found:?} {:?}",
                    frame.payload
                );
            }
        }
        assert!(altered > 5, "{what}: {altered}");
    }
}

#[test]
fn a_frame_without_a_node_that_leads_to_a_key_is_refused() {
    let (mut refused, mut beside, mut idle) = (0, 0, 0);
    for mut frame in changing() {
        let nodes = frame.blocks.iter().filter(|block| Node::decode(&block.bytes).is_ok());
        let nodes: Blocks = nodes.map(|block| (block.cid, block.bytes.clone())).collect();
        let count = frame.ops().len();
        let path = |at: usize| match frame.op(at).get("path") {
            Some(Ipld::String(path)) => path.clone(),
            other => panic!("no path: {other:?}"),
        };
        let paths: Vec<String> = (0..count).map(path).collect();
        let data = frame.data();
        let way: BTreeSet<Cid> = paths.iter().flat_map(|path| way_to(&nodes, data, path)).collect();
        for cid in nodes.keys() {
            let mut without = frame.clone();
            without.blocks.retain(|block| block.cid != *cid);
            let mut damaged = frame.clone();
            damaged.block(*cid).bytes.push(0);
            let found = (fully(&without), fully(&damaged));
            let expected = if *cid == data { Reject::BlockMissing } else { Reject::ProofIncomplete };
            if way.contains(cid) {
                refused += 1;
                assert_eq!(found, (Err(expected), Err(Reject::BlockHashMismatch)));
            } else if found.0.is_err() {
                // One beside a new key: without it nobody can tell what was there before.
                beside += 1;
                assert_eq!(found, (Err(Reject::ProofIncomplete), Err(Reject::BlockHashMismatch)));
            } else {
                // One of which nothing changed.
                idle += 1;
                assert_eq!(found.0, Ok(Proof::Inverted));
            }
        }
    }
    assert!(refused > 200 && beside > 20 && idle > 20, "{refused} {beside} {idle}");
}

#[test]
fn blocks_more_and_in_any_order_change_nothing() {
    for frame in changing() {
        let expected = verified(&frame.frame(), Verify::Full);
        for turn in 0..frame.blocks.len() {
            let mut turned = frame.clone();
            turned.blocks.rotate_left(turn);
            turned.blocks.insert(turn, Block::new(cbor(&ipld(serde_json::json!({ "more": turn })))));
            turned.blocks.push(turned.blocks[0].clone());
            assert_eq!(verified(&turned.frame(), Verify::Full), expected);
        }
    }
}

#[test]
fn a_signature_is_the_key_s_own_and_in_its_one_form() {
    let record = ipld(serde_json::json!({}));
    for (key, other) in [(Key::k256(1), Key::p256(1)), (Key::p256(2), Key::k256(2))] {
        let mut repo = Repo::new(DID, key.clone());
        let frame = repo.commit(1, &[Write::Put(PATH, record.clone())]);
        let claim = |frame: &Opened| verified(&frame.frame(), Verify::Full).claim.unwrap();
        let signature = claim(&frame).signature.to_vec();
        assert!(claim(&frame).is_proved_by(&key.public()));
        assert!(claim(&repo.sync(2)).is_proved_by(&key.public()));
        assert!(!claim(&frame).is_proved_by(&other.public()));
        assert!(!claim(&frame).is_proved_by(&Key::k256(9).public()));
        assert!(!claim(&frame).is_proved_by(&Key::p256(9).public()));
        assert!(claim(&frame.clone().signed_by(&other)).is_proved_by(&other.public()));
        let is_proved =
            |signature: Vec<u8>| claim(&frame.clone().with_signature(signature)).is_proved_by(&key.public());
        assert!(is_proved(signature.clone()));
        assert!(!is_proved(key.twin(&signature)), "a high S");
        assert!(is_proved(key.twin(&key.twin(&signature))));
        for at in 0..signature.len() * 8 {
            let mut flipped = signature.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(!is_proved(flipped), "bit {at}");
        }
        for odd in [&[][..], &signature[..63], &[&signature[..], &[0]].concat(), &[0; 64], &[0xff; 64]] {
            assert!(!is_proved(odd.to_vec()), "{odd:x?}");
        }
        // The signature is over all that the commit says.
        let later = frame.commit().into_iter().chain([("more".to_owned(), Ipld::Null)]).collect();
        assert!(!claim(&frame.clone().holding(later)).is_proved_by(&key.public()));
        assert!(claim(&frame.clone().signing("more", Ipld::Null, &key)).is_proved_by(&key.public()));
    }
}

const DID: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const PATH: &str = "community.lexicon.calendar.event/3kabc";

#[test]
fn with_signatures_alone_a_damaged_record_spoils_its_commit_and_a_lie_does_not_show() {
    let mut repo = Repo::new(DID, Key::k256(1));
    let record = map([("$type", text("community.lexicon.calendar.event"))]);
    let other = format!("{PATH}x");
    let frame = repo.commit(1, &[Write::Put(PATH, record.clone()), Write::Put(&other, map([]))]);
    let mut damaged = frame.clone();
    damaged.blocks.retain(|block| block.bytes != cbor(&record));
    let with = |frame: &Opened, verify| {
        let message = verified(&frame.frame(), verify);
        let commit = proved(&message).map(|(commit, _)| (commit.ops.len(), commit.damaged.len()));
        (commit, message.claim.is_some())
    };
    assert_eq!(with(&frame, Verify::Off), (Ok((2, 0)), false));
    assert_eq!(with(&frame, Verify::Signature), (Ok((2, 0)), true));
    assert_eq!(with(&damaged, Verify::Off), (Ok((1, 1)), false));
    assert_eq!(with(&damaged, Verify::Signature), (Err(Reject::BlockMissing), false));
    assert_eq!(with(&damaged, Verify::Full), (Err(Reject::BlockMissing), false));
    let mut lying = frame.clone();
    lying.ops().remove(0);
    assert_eq!(with(&lying, Verify::Signature), (Ok((1, 0)), true));
    assert_eq!(with(&lying, Verify::Full), (Err(Reject::ProofMismatch), false));
    // Where nothing is proved, what proves is not looked at.
    let odd = frame.with("prevData", text("bafy"));
    assert_eq!(with(&odd, Verify::Off), (Ok((2, 0)), false));
    assert_eq!(with(&odd, Verify::Signature), (Err(Reject::BadField), false));
}
