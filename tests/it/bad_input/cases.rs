//! Frames that are refused, by reason.

use std::collections::BTreeMap;

use guestlist::codec::Reject;
use guestlist::codec::limits::{COMMIT_BLOCKS_BYTES_MAX, FRAME_BYTES_MAX};
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};

use super::{BAD, EVENT, LAST_KEY, between, event_record, frames, good, good_with, not_canonical, replayed};
use super::{visible, visible_with};
use crate::frames::{
    Block, COMMIT_HEADER, Op, account, car, car_with, cbor, changed, frame, headed, identity, ipld, link,
    nested, rev, sync, text, with_last,
};
use crate::harness::{check, dump};
use crate::history::did;

/// A name, a frame, and the reason for which it is not used.
type Case = (String, Vec<u8>, Reject);

fn case(name: &str, frame: Vec<u8>, reason: Reject) -> Case {
    (name.to_owned(), frame, reason)
}

fn bad_framing() -> Vec<Case> {
    let payload = || visible().value();
    let header = |fields: Value| headed(ipld(fields), &payload());
    let mut cases = vec![
        case("a frame of no bytes", Vec::new(), Reject::FrameNotDagCbor),
        case("a header alone", COMMIT_HEADER.to_vec(), Reject::FrameNotDagCbor),
        case("a header that is no map", headed(ipld(json!([1, "#commit"])), &payload()), Reject::BadField),
        case("an unknown type", header(json!({ "op": 1, "t": "#handle" })), Reject::UnknownType),
        case(
            "a type with its full name",
            header(json!({ "op": 1, "t": "com.atproto.sync.subscribeRepos#commit" })),
            Reject::UnknownType,
        ),
        case("an unknown op", header(json!({ "op": 2, "t": "#commit" })), Reject::UnknownOp),
        case("op zero", header(json!({ "op": 0, "t": "#commit" })), Reject::UnknownOp),
        case("no op", header(json!({ "t": "#commit" })), Reject::BadField),
        case("an op that is text", header(json!({ "op": "1", "t": "#commit" })), Reject::BadField),
        case("no type", header(json!({ "op": 1 })), Reject::BadField),
        case("a type that is a number", header(json!({ "op": 1, "t": 1 })), Reject::BadField),
        case(
            "an error frame",
            headed(ipld(json!({ "op": -1 })), &ipld(json!({ "error": "FutureCursor", "message": "no" }))),
            Reject::ErrorFrame,
        ),
        case(
            "an error frame without an error",
            headed(ipld(json!({ "op": -1 })), &ipld(json!({}))),
            Reject::ErrorFrame,
        ),
        case("an #info without a name", frame("#info", &ipld(json!({ "message": "no" }))), Reject::BadField),
        case("a third item", [visible().frame(), vec![0xa0]].concat(), Reject::FrameNotDagCbor),
        case(
            "levels without number in the payload",
            [COMMIT_HEADER, &with_last(&payload(), LAST_KEY, &nested(10_000))].concat(),
            Reject::FrameTooDeep,
        ),
        case(
            "more levels than are examined",
            [COMMIT_HEADER, &with_last(&payload(), LAST_KEY, &nested(1_000_000))].concat(),
            Reject::FrameTooDeep,
        ),
        case(
            "levels without number in the header",
            [nested(10_000), cbor(&payload())].concat(),
            Reject::FrameTooDeep,
        ),
        case(
            "a frame of 5,000,001 bytes",
            padded(visible().value(), FRAME_BYTES_MAX + 1),
            Reject::FrameTooLarge,
        ),
    ];
    for payload in [json!([35, did(1)]), json!("text"), json!(null), json!(35), json!([])] {
        for t in ["#commit", "#sync", "#identity", "#account", "#info"] {
            let name = format!("{t} with the payload {payload}");
            cases.push((name, frame(t, &ipld(payload.clone())), Reject::BadField));
        }
    }
    for (name, payload) in not_canonical(&payload()) {
        cases.push((
            format!("{name} in the payload"),
            [COMMIT_HEADER, &payload].concat(),
            Reject::FrameNotDagCbor,
        ));
    }
    for (name, header) in not_canonical(&ipld(json!({ "op": 1, "t": "#commit" }))) {
        // What follows the header is the payload, and a header that ends early takes its last byte from it.
        if !matches!(name, "something after the map" | "ends early") {
            let frame = [header, cbor(&payload())].concat();
            cases.push((format!("{name} in the header"), frame, Reject::FrameNotDagCbor));
        }
    }
    cases
}

/// A commit frame that an unknown field makes so many bytes long.
pub(super) fn padded(payload: Ipld, bytes: usize) -> Vec<u8> {
    let frame_of = |padding: usize| {
        let payload = changed(payload.clone(), LAST_KEY, Some(Ipld::Bytes(vec![0; padding])));
        frame("#commit", &payload)
    };
    let most = frame_of(bytes);
    let frame = frame_of(bytes - (most.len() - bytes));
    assert_eq!(frame.len(), bytes);
    frame
}

fn bad_fields() -> Vec<Case> {
    let with = |field: &str, value: Ipld| visible().with(field, value).frame();
    let mut cases = vec![
        case("a bad DID", with("repo", text("did:plc:")), Reject::BadDid),
        case("a handle for a DID", with("repo", text("someone.example")), Reject::BadDid),
        case("a bad rev", with("rev", text("yesterday")), Reject::BadRev),
        case("an empty rev", with("rev", text("")), Reject::BadRev),
        case("a rev with a high first bit", with("rev", text("z222222222222")), Reject::BadRev),
        case("a bad since", with("since", text("yesterday")), Reject::BadRev),
        case("a since that is a number", with("since", Ipld::Integer(1)), Reject::BadField),
        case("tooBig", with("tooBig", Ipld::Bool(true)), Reject::TooBig),
        case("a tooBig that is a number", with("tooBig", Ipld::Integer(0)), Reject::BadField),
        case("a negative seq", with("seq", Ipld::Integer(-1)), Reject::BadField),
        case("a seq that is text", with("seq", text("35")), Reject::BadField),
        case("a commit that is text", with("commit", text("bafy")), Reject::BadField),
        case("a blocks that is text", with("blocks", text("")), Reject::BadField),
        case("an ops that is a map", with("ops", ipld(json!({}))), Reject::BadField),
        case("an ops of numbers", with("ops", ipld(json!([1]))), Reject::BadField),
        case("a bad DID in a #sync", sync_with("did", text("did:x")), Reject::BadDid),
        case("a bad rev in a #sync", sync_with("rev", text("-")), Reject::BadRev),
        case(
            "a #sync without blocks",
            frame("#sync", &changed(sync(&did(1), 35, 15), "blocks", None)),
            Reject::BadField,
        ),
        case("a bad DID in an #identity", frame("#identity", &identity("did:plc", 35)), Reject::BadDid),
        case("a bad DID in an #account", frame("#account", &account("plc", 35, false, None)), Reject::BadDid),
    ];
    for field in ["seq", "repo", "commit", "rev", "blocks", "ops"] {
        cases.push((format!("no {field}"), visible().without(field).frame(), Reject::BadField));
    }
    // It would hide what this person wrote.
    for active in [text("false"), Ipld::Integer(0), Ipld::Null] {
        let account = changed(account(&did(1), 35, false, Some("deleted")), "active", Some(active.clone()));
        cases.push((format!("active is {active:?}"), frame("#account", &account), Reject::BadField));
    }
    let account = changed(account(&did(1), 35, false, Some("deleted")), "active", None);
    cases.push(case("active is absent", frame("#account", &account), Reject::BadField));
    cases
}

fn sync_with(field: &str, value: Ipld) -> Vec<u8> {
    frame("#sync", &changed(sync(&did(1), 35, 15), field, Some(value)))
}

fn bad_ops() -> Vec<Case> {
    let record = event_record();
    let many = |count: usize| -> Vec<Op> {
        (0..count).map(|n| Op::create(&format!("{EVENT}/bad{n}"), &record)).collect()
    };
    let mut cases = vec![
        case("201 operations", between(&many(201)).frame(), Reject::TooManyOps),
        case(
            "a path twice",
            between(&[Op::create(BAD, &record), Op::update(BAD, &ipld(json!({})))]).frame(),
            Reject::DuplicatePath,
        ),
        case(
            "an unwanted path twice",
            between(&[
                Op::create(BAD, &record),
                Op::delete("app.example.post/1"),
                Op::delete("app.example.post/1"),
            ])
            .frame(),
            Reject::DuplicatePath,
        ),
        case("an unknown action", visible_with(|op| op.with("action", text("replace"))), Reject::BadAction),
        case(
            "an action in capitals",
            visible_with(|op| op.with("action", text("Create"))),
            Reject::BadAction,
        ),
        case("a create without a cid", visible_with(|op| op.without("cid")), Reject::BadAction),
        case("a create whose cid is null", visible_with(|op| op.with("cid", Ipld::Null)), Reject::BadAction),
        case("a delete with a cid", visible_with(|op| op.with("action", text("delete"))), Reject::BadAction),
        case("no action", visible_with(|op| op.without("action")), Reject::BadField),
        case("no path", visible_with(|op| op.without("path")), Reject::BadField),
        case("a cid that is text", visible_with(|op| op.with("cid", text("bafy"))), Reject::BadField),
        case("a cid of version 0", visible_with(|op| op.with("cid", old_link())), Reject::BadCid),
    ];
    let long = format!("{EVENT}/{}", "a".repeat(513));
    for path in [
        "",
        "/",
        EVENT,
        "community.lexicon.calendar.event/",
        "/bad",
        "community.lexicon.calendar.event/bad/bad",
        "community.lexicon.calendar.event//bad",
        "/community.lexicon.calendar.event/bad",
        "event/bad",
        "community.lexicon.calendar.event#main/bad",
        "-.lexicon.event/bad",
        "community.lexicon.calendar.event/.",
        "community.lexicon.calendar.event/..",
        "community.lexicon.calendar.event/b d",
        "community.lexicon.calendar.event/b%64",
        "community.lexicon.calendar.event/b\0d",
        "community.lexicon.calendar.event/bäd",
        &long,
    ] {
        let frame = visible_with(|op| op.with("path", text(path)));
        cases.push((format!("the path {path:?}"), frame, Reject::BadPath));
        let unwanted = Op::delete("app.example.post/1").with("path", text(path));
        let frame = between(&[Op::create(BAD, &record), unwanted]).frame();
        cases.push((format!("the path {path:?} beside a good one"), frame, Reject::BadPath));
    }
    cases
}

fn old_link() -> Ipld {
    Ipld::Link("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap())
}

fn bad_blocks() -> Vec<Case> {
    let commit = visible();
    let (record, root) = (commit.blocks()[0].clone(), commit.root());
    let blocks = [record.clone(), root.clone()];
    let with_car = |car: Vec<u8>| visible().with("blocks", Ipld::Bytes(car)).frame();
    let header = |value: Value| cbor(&ipld(value));
    let root_link = json!({ "$link": root.cid.to_string() });
    let good = car(&[root.cid], &blocks);
    let lie = |block: &Block| Block { cid: block.cid, bytes: b"\xa1\x61a\x01".to_vec() };
    let signing = |field: &str, value: Ipld| visible().signing(field, value).frame();
    let deep_header =
        with_last(&ipld(json!({ "roots": [root_link.clone()], "version": 1 })), LAST_KEY, &nested(200_000));
    let unsigned = Block::new(cbor(&changed(Ipld::Map(commit.signed.clone()), "sig", None)));
    let malformed = |bytes: Vec<u8>| {
        let root = Block::new(bytes);
        let car = car(&[root.cid], &[record.clone(), root.clone()]);
        visible().with("commit", link(root.cid)).with("blocks", Ipld::Bytes(car)).frame()
    };
    let mut cases = vec![
        case("an empty CAR", with_car(Vec::new()), Reject::CarMalformed),
        case("a CAR of garbage", with_car(vec![0x55; 1000]), Reject::CarMalformed),
        case("a CAR of zeros", with_car(vec![0; 1000]), Reject::CarMalformed),
        case("a CAR of endless lengths", with_car(vec![0xff; 1000]), Reject::CarMalformed),
        case("a CAR that ends early", with_car(good[..good.len() - 1].to_vec()), Reject::CarMalformed),
        case("a CAR with something after it", with_car([&good[..], &[9]].concat()), Reject::CarMalformed),
        case("a CAR with an empty section", with_car([&good[..], &[0]].concat()), Reject::CarMalformed),
        case("a CAR without roots", with_car(car(&[], &blocks)), Reject::CarMalformed),
        case(
            "a CAR of version 2",
            with_car(car_with(&header(json!({ "roots": [root_link.clone()], "version": 2 })), &blocks)),
            Reject::CarMalformed,
        ),
        case(
            "a CAR without a version",
            with_car(car_with(&header(json!({ "roots": [root_link] })), &blocks)),
            Reject::CarMalformed,
        ),
        case("a CAR whose header is deep", with_car(car_with(&deep_header, &blocks)), Reject::CarMalformed),
        case(
            "a CAR of 2,000,001 bytes",
            with_car(padded_car(&blocks, COMMIT_BLOCKS_BYTES_MAX + 1)),
            Reject::BlocksTooLarge,
        ),
        case("another root", visible().with("commit", link(record.cid)).frame(), Reject::CarRootMismatch),
        case(
            "a commit that is no CID of ours",
            visible().with("commit", old_link()).frame(),
            Reject::CarRootMismatch,
        ),
        case(
            "the roots in the wrong order",
            with_car(car(&[record.cid, root.cid], &blocks)),
            Reject::CarRootMismatch,
        ),
        case(
            "no commit block",
            visible().carrying(std::slice::from_ref(&record)).frame(),
            Reject::BlockMissing,
        ),
        case(
            "no record block",
            visible().carrying(std::slice::from_ref(&root)).frame(),
            Reject::BlockMissing,
        ),
        case(
            "a record that does not hash to its CID",
            visible().carrying(&[lie(&record), root.clone()]).frame(),
            Reject::BlockHashMismatch,
        ),
        case(
            "a commit that does not hash to its CID",
            visible().carrying(&[record.clone(), lie(&root)]).frame(),
            Reject::BlockHashMismatch,
        ),
        case("a signed commit of version 2", signing("version", Ipld::Integer(2)), Reject::CommitMalformed),
        case("a signed commit whose data is text", signing("data", text("x")), Reject::CommitMalformed),
        case("a signed commit whose DID is none", signing("did", text("x")), Reject::CommitMalformed),
        case("a signed commit whose rev is none", signing("rev", text("x")), Reject::CommitMalformed),
        case("a commit without a signature", malformed(unsigned.bytes), Reject::CommitMalformed),
        case("a commit that is a list", malformed(cbor(&ipld(json!([did(1), 3])))), Reject::CommitMalformed),
        case("a commit that is nothing", malformed(Vec::new()), Reject::CommitMalformed),
        case("a commit of another DID", signing("did", text(did(2))), Reject::CommitDidMismatch),
        case("a commit of another rev", signing("rev", text(rev(16))), Reject::CommitRevMismatch),
        case("a #sync with an empty CAR", sync_with("blocks", Ipld::Bytes(Vec::new())), Reject::CarMalformed),
        case("a #sync of another DID", sync_with("did", text(did(2))), Reject::CommitDidMismatch),
    ];
    for (name, bytes) in not_canonical(&Ipld::Map(commit.signed.clone())) {
        cases.push((format!("{name} in the signed commit"), malformed(bytes), Reject::CommitMalformed));
    }
    let big = Block::new(vec![0; 10_000]);
    let sync_root = Block::new(cbor(&Ipld::Map(commit.signed.clone())));
    let big_sync = Ipld::Bytes(car(&[sync_root.cid], &[sync_root, big]));
    cases.push(case(
        "a #sync of more than 10,000 bytes",
        sync_with("blocks", big_sync),
        Reject::BlocksTooLarge,
    ));
    cases
}

/// A CAR that one more block makes so many bytes long.
pub(super) fn padded_car(blocks: &[Block], bytes: usize) -> Vec<u8> {
    let commit = visible().root().cid;
    let car_of = |padding: usize| car(&[commit], &[blocks, &[Block::new(vec![0; padding])]].concat());
    let most = car_of(bytes);
    let car = car_of(bytes - (most.len() - bytes));
    assert_eq!(car.len(), bytes);
    car
}

/// Each in a dump of its own, so that what it does is seen alone.
fn assert_left_out(cases: &[Case]) {
    let without = frames(&good());
    assert_eq!(without.rejected(), &json!({}), "the good dump is good");
    assert_eq!(without.export().lines().count(), 7, "and has something to spoil");
    for (name, bad, reason) in cases {
        let with = frames(&good_with([bad.clone()]));
        assert_eq!(with.rejected(), &json!({ reason.reason(): 1 }), "{name}");
        assert_eq!(with.summary["frames"], good().len() + 1, "{name}");
        assert_eq!(with.summary["records"], without.summary["records"], "{name}");
        assert_eq!(with.digest(), without.digest(), "{name}:\n{}", with.export());
    }
}

#[test]
fn bad_framing_is_counted_and_left_out() {
    assert_left_out(&bad_framing());
}

#[test]
fn bad_fields_are_counted_and_left_out() {
    assert_left_out(&bad_fields());
}

#[test]
fn bad_operations_are_counted_and_left_out() {
    assert_left_out(&bad_ops());
}

#[test]
fn bad_blocks_are_counted_and_left_out() {
    assert_left_out(&bad_blocks());
}

#[test]
fn every_bad_frame_in_one_dump_spoils_nothing() {
    let cases = [bad_framing(), bad_fields(), bad_ops(), bad_blocks()].concat();
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    cases.iter().for_each(|(_, _, reason)| *reasons.entry(reason.reason()).or_default() += 1);
    let bytes = dump(&good_with(cases.iter().map(|(_, frame, _)| frame.clone())));
    let without = frames(&good());
    for batch in ["1", "3", "250"] {
        let with = replayed("some.frames", &bytes, &["--batch", batch]);
        assert_eq!(with.rejected(), &json!(reasons));
        assert_eq!(with.export(), without.export());
        check(&with.data_dir());
    }
    // What only a dump, a line, an export or a live source can have; everything else must be here.
    let elsewhere = [
        "truncated-frame",
        "line-too-large",
        "line-not-json",
        "not-decompressed",
        "unknown-kind",
        "record-missing",
        "mst-malformed",
        "truncated-export",
        "export-too-large",
        "future-rev",
        // What is found only when it is looked for: these dumps are replayed without.
        "proof-mismatch",
        "proof-incomplete",
        "bad-signature",
        "no-signing-key",
        "identity-unresolved",
    ];
    for reject in Reject::ALL.iter().filter(|reject| !elsewhere.contains(&reject.reason())) {
        assert!(reasons.contains_key(reject.reason()), "no frame here is refused for {}", reject.reason());
    }
}
