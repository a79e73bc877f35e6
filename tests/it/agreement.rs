//! Two readers of the same bytes agree, and no bytes make any of them panic.
//!
//! The fast look at a frame may only say "unwanted" of what the strict decoder accepts as uninteresting; the
//! canonical walk may only accept what decodes and encodes to the same bytes. The inputs are the recordings,
//! frames built here, damage to both, and noise.

use std::path::PathBuf;
use std::sync::LazyLock;

use guestlist::codec::car::Car;
use guestlist::codec::claim::Verify;
use guestlist::codec::commit::SignedCommit;
use guestlist::codec::event::{Block, BlockFault, Body, Interest, Message};
use guestlist::codec::frame::{decode, decode_strictly};
use guestlist::codec::limits::FRAME_BYTES_MAX;
use guestlist::codec::skim::{Skim, skim};
use guestlist::codec::{Reject, cbor, jetstream, json};
use guestlist::records::lexicon::has_lexicon;
use guestlist::records::{Grade, Kind, grade};
use guestlist::syntax::{Cid, RecordKey};
use ipld_core::ipld::Ipld;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::frames::{
    self, COMMIT_HEADER, Line, Op, account, changed, commit, frame, identity, ipld, link, sync, text,
};
use crate::harness::{content, fixture};
use crate::history::did;

/// Wants the known collections and watches all repositories or none.
struct Wants {
    watches: bool,
}

impl Interest for Wants {
    fn collection(&self, nsid: &str) -> Option<&'static str> {
        Kind::from_nsid(nsid).map(Kind::nsid)
    }

    fn watches(&self, _: &str) -> bool {
        self.watches
    }
}

/// Fails unless both looks at a frame agree; says whether the fast one sufficed.
fn assert_agree(frame: &[u8]) -> bool {
    let (nothing, everything) = (Wants { watches: false }, Wants { watches: true });
    let found = skim(frame, &nothing);
    for verify in [Verify::Off, Verify::Signature, Verify::Full] {
        let strictly = decode_strictly(frame, &nothing, verify);
        if let Skim::Unwanted { seq, .. } = found {
            assert_eq!(
                strictly,
                Message { position: Some(seq), body: Ok(Body::Uninteresting), claim: None },
                "{frame:x?}"
            );
        }
        assert_eq!(decode(frame, &nothing, verify), strictly, "{frame:x?}");
        let strictly = decode_strictly(frame, &everything, verify);
        assert_eq!(decode(frame, &everything, verify), strictly, "{frame:x?}");
    }
    matches!(found, Skim::Unwanted { .. })
}

/// Frames of every type, recorded and built, wanted and not.
static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut all = crate::harness::frames(&content("small-pds0.frames"));
    all.extend(crate::harness::frames(&content("small-pds1.frames")));
    let record = ipld(json!({ "text": "x", "n": [1, -1, null, true] }));
    // As many unwanted ones again: they are what the fast look is for.
    for number in 0..60 {
        let ops: Vec<Op> = (0..number % 4)
            .map(|n| match n {
                0 => Op::create(&format!("app.example.post/{number}"), &record),
                1 => Op::delete(&format!("app.example.like/{number}")),
                2 => Op::update(&format!("app.example.profile/{number}"), &record).with("prev", Ipld::Null),
                _ => Op::create("community.lexicon.calendar.event/e", &record),
            })
            .collect();
        let since = (number % 3 > 0).then_some(number);
        all.push(commit(&did((number % 6) as u8), number, number + 1, since, &ops).frame());
    }
    all.push(frame("#sync", &sync(&did(0), 1, 1)));
    all.push(frame("#account", &account(&did(0), 1, false, Some("deleted"))));
    all.push(frame("#identity", &identity(&did(0), 1)));
    all.push(frame("#info", &ipld(json!({ "name": "OutdatedCursor" }))));
    all
});

static LINES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let event = r#"{"$type":"community.lexicon.calendar.event","name":"x","n":[1,{"$bytes":"AAE="}]}"#;
    let account =
        |inner: &str| format!(r#"{{"did":"{}","time_us":1,"kind":"account","account":{inner}}}"#, did(0));
    let lines = [
        Line::create(&did(0), 1, "community.lexicon.calendar.event", "e", event).text(),
        Line::create(&did(0), 2, "app.example.post", "p", event).text(),
        Line::delete(&did(0), 3, "community.lexicon.calendar.event", "e").text(),
        account(r#"{"active":false,"status":"deleted","time":"2026-01-01T00:00:00Z"}"#),
        format!(r#"{{"did":"{}","time_us":1,"kind":"identity","identity":{{}}}}"#, did(0)),
    ];
    lines.into_iter().map(String::into_bytes).collect()
});

#[test]
fn both_looks_agree_on_every_recorded_frame() {
    let mut sufficed = 0;
    for name in ["small-pds0.frames", "small-pds1.frames", "medium.frames.zst"] {
        for frame in crate::harness::frames(&content(name)) {
            sufficed += usize::from(assert_agree(&frame));
        }
    }
    assert!(sufficed > 500, "the fast look was enough for {sufficed} frames only");
}

#[test]
fn both_looks_agree_on_every_cut_of_a_frame_and_on_every_changed_byte() {
    let post = Op::delete("app.example.post/1");
    let frame = commit(&did(0), 1, 2, Some(1), &[post]).frame();
    assert!(assert_agree(&frame), "it is one that the fast look understands");
    let mut sufficed = 0;
    for at in 0..frame.len() {
        assert_agree(&frame[..at]);
        for byte in [
            0,
            1,
            0x18,
            0x20,
            0x40,
            0x60,
            0x80,
            0xa0,
            0xc0,
            0xd8,
            0xf6,
            0xff,
            frame[at] ^ 1,
            frame[at].wrapping_add(1),
        ] {
            let mut changed = frame.clone();
            changed[at] = byte;
            sufficed += usize::from(assert_agree(&changed));
            let mut longer = frame.clone();
            longer.insert(at, byte);
            assert_agree(&longer);
        }
    }
    assert!(sufficed > 100, "{sufficed}");
}

#[test]
fn both_looks_agree_on_a_frame_that_is_too_large() {
    for (bytes, unwanted) in [(FRAME_BYTES_MAX, true), (FRAME_BYTES_MAX + 1, false)] {
        let payload = commit(&did(0), 1, 2, None, &[Op::delete("app.example.post/1")]).value();
        let padded = |padding: usize| {
            let payload = changed(payload.clone(), "padding", Some(Ipld::Bytes(vec![0; padding])));
            frame("#commit", &payload)
        };
        let frame = padded(bytes - (padded(bytes).len() - bytes));
        assert_eq!(frame.len(), bytes);
        assert_eq!(assert_agree(&frame), unwanted, "{bytes} bytes");
        let rejected =
            decode(&frame, &Wants { watches: false }, Verify::Off).body == Err(Reject::FrameTooLarge);
        assert_eq!(rejected, !unwanted, "{bytes} bytes");
    }
}

#[test]
fn both_looks_agree_at_every_depth() {
    for levels in 1..=70 {
        let payload = commit(&did(0), 1, 2, None, &[Op::delete("app.example.post/1")]).value();
        let payload = frames::with_last(&payload, "zzzzzzzz", &frames::nested(levels));
        assert_eq!(assert_agree(&[COMMIT_HEADER, &payload].concat()), levels < 64, "{levels} levels");
    }
}

/// One change of bytes.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    // Bytes that mean something to CBOR and JSON come more often than others.
    let byte = || {
        prop_oneof![
            any::<u8>(),
            prop::sample::select(
                &b"\x00\x01\x17\x18\x40\x60\x7f\x80\x9f\xa0\xbf\xd8\x2a\xf4\xf6\xfb\xff{}[]\",:\\0e.-"[..]
            ),
        ]
    };
    let damage = prop_oneof![
        (any::<usize>(), 0..8_u32).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        (any::<usize>(), byte()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<usize>(), prop::collection::vec(byte(), 1..4))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<usize>(), 1..9_usize).prop_map(|(at, count)| Damage::Remove(at, count)),
        (any::<usize>(), 1..40_usize).prop_map(|(at, count)| Damage::Repeat(at, count)),
        any::<usize>().prop_map(Damage::Cut),
    ];
    prop::collection::vec(damage, 1..4)
}

fn damaged(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damages {
        let place = |at: usize| at % (bytes.len() + 1);
        match damage {
            Damage::Flip(at, bits) => {
                let at = place(*at);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits);
            }
            Damage::Set(at, value) => {
                let at = place(*at);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = *value);
            }
            Damage::Insert(at, inserted) => {
                let at = place(*at);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Damage::Remove(at, count) => {
                let at = place(*at);
                let end = (at + count).min(bytes.len());
                bytes.drain(at..end);
            }
            Damage::Repeat(at, count) => {
                let at = place(*at);
                let end = (at + count).min(bytes.len());
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            Damage::Cut(at) => {
                let at = place(*at);
                bytes.truncate(at);
            }
        }
    }
    bytes
}

/// Any value of the data model.
fn values() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        any::<i64>().prop_map(|int| Ipld::Integer(int.into())),
        (-300..300_i128).prop_map(Ipld::Integer),
        ".{0,30}".prop_map(Ipld::String),
        prop::collection::vec(any::<u8>(), 0..30).prop_map(Ipld::Bytes),
        any::<u8>().prop_map(|byte| link(Cid::compute_dag_cbor(&[byte]))),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Ipld::List),
            prop::collection::btree_map("[a-z$]{0,8}", inner, 0..6).prop_map(Ipld::Map),
        ]
    })
}

/// Texts that stand somewhere in a commit, and texts that nearly could.
const NEAR_TEXTS: [&str; 18] = [
    "",
    "create",
    "update",
    "delete",
    "Create",
    "app.example.post/1",
    "app.example.post/",
    "app.example.post/1/2",
    "post/1",
    "community.lexicon.calendar.event/1",
    "app.example.post",
    "did:plc:",
    "did:web:example.com",
    "someone.example",
    "3l3qo2vutsw2b",
    "zzzzzzzzzzzzz",
    "3l3qo2vutsw2",
    "#commit",
];

/// A field of a commit or of an operation with a value that is near what belongs there.
fn near_values() -> impl Strategy<Value = Ipld> {
    prop_oneof![
        prop::sample::select(&NEAR_TEXTS[..]).prop_map(text),
        prop_oneof![Just(0_i128), Just(1), Just(-1), Just(i128::from(i64::MAX)), Just(23), Just(24)]
            .prop_map(Ipld::Integer),
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        Just(link(Cid::compute_dag_cbor(b"x"))),
        Just(Ipld::Link("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap())),
        (0..3_usize).prop_map(|count| Ipld::Bytes(vec![0; count])),
        values(),
    ]
}

type OddOp = (usize, Vec<(&'static str, Option<Ipld>)>);

fn odd_ops() -> impl Strategy<Value = Vec<OddOp>> {
    let field = prop::sample::select(&["action", "path", "cid", "prev", "other"][..]);
    let change = (field, prop::option::weighted(0.8, near_values()));
    prop::collection::vec((0..6_usize, prop::collection::vec(change, 0..2)), 0..4)
}

fn odd_op(number: usize, changes: &[(&'static str, Option<Ipld>)]) -> Op {
    let record = ipld(json!({ "n": number }));
    let mut op = match number {
        0 => Op::delete("app.example.post/1"),
        1 => Op::update("app.example.post/2", &record),
        2 => Op::create("community.lexicon.calendar.event/3", &record),
        _ => Op::create(&format!("app.example.post/{number}"), &record),
    };
    for (field, value) in changes {
        op = match value {
            Some(value) => op.with(field, value.clone()),
            None => op.without(field),
        };
    }
    op
}

const PAYLOAD_FIELDS: [&str; 13] = [
    "seq", "repo", "commit", "rev", "since", "blocks", "ops", "blobs", "prevData", "rebase", "tooBig",
    "time", "other",
];

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn both_looks_agree_on_damaged_frames(which in any::<prop::sample::Index>(), damages in damages()) {
        assert_agree(&damaged(&FRAMES[which.index(FRAMES.len())], &damages));
    }

    #[test]
    fn both_looks_agree_on_odd_commits(
        ops in odd_ops(),
        changes in prop::collection::vec((prop::sample::select(&PAYLOAD_FIELDS[..]), prop::option::weighted(0.8, near_values())), 0..3),
        header in prop::option::weighted(0.1, near_values()),
        damages in prop::option::weighted(0.2, damages()),
    ) {
        let ops: Vec<Op> = ops.iter().map(|(number, changes)| odd_op(*number, changes)).collect();
        let mut payload = commit(&did(0), 7, 7, Some(6), &ops).value();
        for (field, value) in changes {
            payload = changed(payload, field, value);
        }
        let frame = match header {
            None => frame("#commit", &payload),
            Some(header) => frames::headed(frames::map([("op", Ipld::Integer(1)), ("t", header)]), &payload),
        };
        assert_agree(&frame);
        if let Some(damages) = damages {
            assert_agree(&damaged(&frame, &damages));
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_agree(&bytes);
        assert_agree(&[COMMIT_HEADER, &bytes].concat());
        let _ = cbor::walk(&bytes);
        let _ = SignedCommit::decode(&bytes);
        let _ = jetstream::decode(&bytes, &Wants { watches: true });
        let _ = json::encode_dag_cbor(&String::from_utf8_lossy(&bytes));
        if let Ok(car) = Car::parse(&bytes) {
            let _ = car.block(&car.root());
        }
    }

    #[test]
    fn no_damage_to_a_car_makes_its_reader_panic(damages in damages(), big in any::<bool>()) {
        let blocks: Vec<frames::Block> =
            (0..4).map(|n| frames::Block::new(vec![n; if big { 300 } else { 3 }])).collect();
        let bytes = damaged(&frames::car(&[blocks[0].cid], &blocks), &damages);
        if let Ok(car) = Car::parse(&bytes) {
            for block in &blocks {
                // Whatever it gives out under a CID is what hashes to it.
                if let Ok(found) = car.block(&block.cid) {
                    prop_assert_eq!(found, &block.bytes[..]);
                }
            }
            let _ = car.block(&car.root()).map(SignedCommit::decode);
        }
    }

    #[test]
    fn no_damage_to_a_line_makes_its_reader_panic(which in any::<prop::sample::Index>(), damages in damages()) {
        let line = damaged(&LINES[which.index(LINES.len())], &damages);
        let quiet = jetstream::decode(&line, &Wants { watches: false });
        let watching = jetstream::decode(&line, &Wants { watches: true });
        prop_assert_eq!(quiet.position, watching.position);
        prop_assert_eq!(quiet.body.err(), watching.body.err(), "whoever watches, the same is refused");
    }

    #[test]
    fn what_is_canonical_encodes_to_the_same_bytes(value in values(), damages in damages()) {
        let bytes = frames::cbor(&value);
        prop_assert!(cbor::walk(&bytes).is_ok(), "{:x?}", bytes);
        let damaged = damaged(&bytes, &damages);
        if cbor::walk(&damaged).is_ok_and(|levels| levels < 100) {
            let value: Ipld = serde_ipld_dagcbor::from_slice(&damaged).unwrap();
            prop_assert_eq!(frames::cbor(&value), damaged);
        }
    }

    #[test]
    fn json_and_back_keeps_every_byte(value in values()) {
        // A `$` key of a map is read as the JSON form of something else.
        let bytes = frames::cbor(&value);
        let text = json::from_ipld(&value).to_string();
        if !text.contains("\"$link\":") && !text.contains("\"$bytes\":") {
            prop_assert_eq!(json::encode_dag_cbor(&text).unwrap(), bytes);
        }
    }

    #[test]
    fn no_record_makes_the_grading_panic(
        kind in prop::sample::select(Kind::ALL), noise in prop::collection::vec(any::<u8>(), 0..100), value in values(),
        which in any::<prop::sample::Index>(), damages in damages(), fault in 0..4_usize,
    ) {
        let fault = [None, Some(BlockFault::NotDagCbor), Some(BlockFault::TooDeep), Some(BlockFault::CidMismatch)][fault];
        let known = &RECORDS[which.index(RECORDS.len())].bytes;
        for bytes in [noise, frames::cbor(&value), known.clone(), damaged(known, &damages)] {
            let block = Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault };
            let graded = grade(kind, &RecordKey::parse("k").unwrap(), &block);
            prop_assert_eq!(graded.body.is_none(), matches!(graded.grade, Grade::Unusable(_)));
            prop_assert!(fault.is_none() || graded.body.is_none(), "a faulty record has no effect");
        }
    }
}

/// A record fixture.
struct Fixture {
    path: PathBuf,
    kind: Kind,
    rkey: RecordKey,
    cid: Cid,
    bytes: Vec<u8>,
    fault: Option<BlockFault>,
    expect: Value,
}

static RECORDS: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    Kind::ALL
        .iter()
        .flat_map(|kind| ["valid", "invalid"].map(|sort| fixtures(*kind, sort)))
        .flatten()
        .collect()
});

fn fixtures(kind: Kind, sort: &str) -> Vec<Fixture> {
    let dir = fixture("records").join(kind.name()).join(sort);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Fixture {
    let text = std::fs::read_to_string(&path).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let record = file["record"].to_string();
    let (bytes, fault) = match json::encode_dag_cbor(&record) {
        Ok(bytes) => (bytes, None),
        Err(json::JsonFault::NotDagCbor) => (record.into_bytes(), Some(BlockFault::NotDagCbor)),
        Err(json::JsonFault::TooDeep) => (record.into_bytes(), Some(BlockFault::TooDeep)),
    };
    Fixture {
        kind: Kind::from_nsid(file["collection"].as_str().unwrap()).unwrap(),
        rkey: RecordKey::parse(file["rkey"].as_str().unwrap()).unwrap(),
        cid: Cid::compute_dag_cbor(&bytes),
        bytes,
        fault,
        expect: file["expect"].take(),
        path,
    }
}

#[test]
fn every_kind_has_a_lexicon_and_fixtures_of_both_sorts_in_their_place() {
    for kind in Kind::ALL {
        assert!(has_lexicon(*kind), "{kind:?} has no lexicon");
        for (sort, usable) in [("valid", true), ("invalid", false)] {
            let fixtures = fixtures(*kind, sort);
            assert!(!fixtures.is_empty(), "{kind:?} has no {sort} fixture");
            for fixture in fixtures {
                assert_eq!(fixture.kind, *kind, "{:?}", fixture.path);
                assert_eq!(fixture.expect["grade"] != "unusable", usable, "{:?}", fixture.path);
            }
        }
    }
    let folders: Vec<_> =
        std::fs::read_dir(fixture("records")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for folder in folders.iter().filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(Kind::ALL.iter().any(|kind| kind.name() == name), "no kind is called {name}");
    }
}

#[test]
fn every_record_fixture_is_graded_as_it_expects() {
    for fixture in RECORDS.iter() {
        let block = Block { cid: fixture.cid, bytes: fixture.bytes.clone(), fault: fixture.fault };
        let graded = grade(fixture.kind, &fixture.rkey, &block);
        let mut found = json!({ "grade": graded.grade.name() });
        match &graded.grade {
            Grade::Conforming => {}
            Grade::Deviating(deviations) => found["deviations"] = json!(deviations),
            Grade::Unusable(unusable) => found["reason"] = json!(unusable.reason()),
        }
        assert_eq!(found, fixture.expect, "{:?}", fixture.path);
    }
    assert!(RECORDS.len() > 150, "{} fixtures", RECORDS.len());
}
