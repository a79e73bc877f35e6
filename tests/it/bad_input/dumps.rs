//! Dumps that end early, and frames that are unusual and good.

use guestlist::codec::claim::Verify;
use guestlist::codec::event::{Body, Event, Message};
use guestlist::codec::limits::{COMMIT_BLOCKS_BYTES_MAX, FRAME_BYTES_MAX};
use guestlist::codec::{frame as frame_codec, jetstream};
use guestlist::ingest::watch::Watch;
use ipld_core::ipld::Ipld;
use serde_json::json;

use super::cases::{padded, padded_car};
use super::{
    EVENT, LAST_KEY, between, event_record, frames, good, good_with, replayed, visible, visible_with,
};
use crate::frames::{
    Block, COMMIT_HEADER, Op, account, car, changed, frame, headed, ipld, link, nested, text, with_last,
};
use crate::harness::dump;
use crate::history::did;

#[test]
fn a_dump_cut_anywhere_in_its_last_frame_gives_the_rest() {
    let good = dump(&good());
    let without = replayed("some.frames", &good, &[]);
    let last = dump(&[visible().frame()]);
    let header_ends = 4 + COMMIT_HEADER.len();
    for kept in
        [1, 2, 3, 4, 5, 10, header_ends - 1, header_ends, header_ends + 1, last.len() / 2, last.len() - 1]
    {
        let cut = replayed("some.frames", &[&good[..], &last[..kept]].concat(), &[]);
        assert_eq!(cut.rejected(), &json!({ "truncated-frame": 1 }), "{kept} bytes");
        assert_eq!(cut.digest(), without.digest(), "{kept} bytes");
        let said = String::from_utf8_lossy(&cut.output.stderr).into_owned();
        assert!(said.contains("ends inside a frame") && said.contains("some.frames"), "{said}");
    }
    for declared in [5_000_001, 16_777_217, u32::MAX] {
        let bytes = [&good[..], &declared.to_be_bytes(), b"short"].concat();
        let cut = replayed("some.frames", &bytes, &[]);
        assert_eq!(cut.rejected(), &json!({ "truncated-frame": 1 }), "{declared}");
        assert_eq!(cut.digest(), without.digest(), "{declared}");
    }
}

#[test]
fn a_compressed_dump_that_was_cut_short_gives_what_is_whole() {
    let frames = good();
    // Each frame in a zstd frame of its own, so that it is known what a cut leaves.
    let compress = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let parts: Vec<Vec<u8>> = frames.iter().map(|frame| compress(&dump([frame]))).collect();
    let whole = replayed("some.frames.zst", &parts.concat(), &[]);
    assert_eq!(whole.digest(), super::frames(&frames).digest(), "compression changes nothing");
    for kept in 0..frames.len() {
        let without = super::frames(&frames[..kept]);
        for cut in [1, 5, parts[kept].len() / 2, parts[kept].len() - 1] {
            let bytes = [&parts[..kept].concat()[..], &parts[kept][..cut]].concat();
            let cut = replayed("some.frames.zst", &bytes, &[]);
            assert_eq!(cut.rejected(), &json!({ "truncated-frame": 1 }), "{kept} and a piece");
            assert_eq!(cut.digest(), without.digest(), "{kept} and a piece");
        }
    }
}

#[test]
fn a_notice_of_the_stream_is_neither_rejected_nor_applied() {
    let info = frame("#info", &ipld(json!({ "name": "OutdatedCursor", "message": "too old" })));
    let with = frames(&good_with([info]));
    assert_eq!(with.rejected(), &json!({}));
    assert_eq!(with.digest(), frames(&good()).digest());
}

#[test]
fn what_hosts_are_known_to_do_is_accepted() {
    let plain = frames(&good_with([visible().frame()]));
    assert_ne!(plain.digest(), frames(&good()).digest(), "it would be missed");
    let with = |field: &str, value: Ipld| visible().with(field, value).frame();
    let commit = visible();
    let (record, root) = (commit.blocks()[0].clone(), commit.root());
    let extra = Block::new(b"\x65extra".to_vec());
    let full = padded_car(&[record.clone(), root.clone()], COMMIT_BLOCKS_BYTES_MAX);
    let unread = |value: &[u8]| [COMMIT_HEADER, &with_last(&visible().value(), LAST_KEY, value)].concat();
    let cases = [
        ("an empty since", with("since", text(""))),
        ("a since of null", with("since", Ipld::Null)),
        ("no since", visible().without("since").frame()),
        ("a time without a zone", with("time", text("2026-02-24T14:05:20.5215469"))),
        ("a time that is no datetime", with("time", text("yesterday"))),
        ("a time that is a number", with("time", Ipld::Integer(5))),
        ("no time", visible().without("time").frame()),
        ("no blobs", visible().without("blobs").frame()),
        ("blobs of null", with("blobs", Ipld::Null)),
        ("no rebase", visible().without("rebase").frame()),
        ("no tooBig", visible().without("tooBig").frame()),
        ("a prevData", with("prevData", link(root.cid))),
        ("an unknown field", with(LAST_KEY, ipld(json!({ "a": [1, null] })))),
        ("an unknown field of 63 levels", unread(&nested(63))),
        ("an operation with prev", visible_with(|op| op.with("prev", Ipld::Null))),
        ("an operation with an unknown field", visible_with(|op| op.with("size", Ipld::Integer(1)))),
        ("an update of what is not there", visible_with(|op| op.with("action", text("update")))),
        (
            "a header with an unknown field",
            headed(ipld(json!({ "op": 1, "t": "#commit", "v": 2 })), &visible().value()),
        ),
        ("the commit first", visible().carrying(&[root.clone(), record.clone()]).frame()),
        ("a block twice", visible().carrying(&[record.clone(), root.clone(), record.clone()]).frame()),
        ("a block too many", visible().carrying(&[extra, record.clone(), root.clone()]).frame()),
        ("a CAR of 2,000,000 bytes", with("blocks", Ipld::Bytes(full))),
        ("a frame of 5,000,000 bytes", padded(visible().value(), FRAME_BYTES_MAX)),
        (
            "another root after the commit",
            with("blocks", Ipld::Bytes(car(&[root.cid, record.cid], &[record, root]))),
        ),
    ];
    for (name, frame) in cases {
        let with = frames(&good_with([frame]));
        assert_eq!(with.rejected(), &json!({}), "{name}");
        assert_eq!(with.digest(), plain.digest(), "{name}");
    }
}

#[test]
fn an_account_event_counts_whatever_its_other_fields_are() {
    let gone = |account: Ipld| frames(&good_with([frame("#account", &account)]));
    let plain = || account(&did(1), 35, false, Some("takendown"));
    let expected = gone(plain());
    assert_ne!(expected.digest(), frames(&good()).digest(), "it hides something");
    for (name, field, value) in [
        ("no time", "time", None),
        ("a time that is no datetime", "time", Some(text("yesterday"))),
        ("a time that is a number", "time", Some(Ipld::Integer(5))),
        ("a time of null", "time", Some(Ipld::Null)),
        ("no status", "status", None),
        ("a status of null", "status", Some(Ipld::Null)),
        ("a status that is a number", "status", Some(Ipld::Integer(5))),
        ("a status that nobody knows", "status", Some(text("abducted"))),
        ("a status of a megabyte", "status", Some(text("x".repeat(1_000_000)))),
        ("an unknown field", LAST_KEY, Some(Ipld::Null)),
    ] {
        let with = gone(changed(plain(), field, value));
        assert_eq!(with.rejected(), &json!({}), "{name}");
        assert_eq!(with.digest(), expected.digest(), "{name}");
    }
}

#[test]
fn a_status_that_is_no_word_is_not_kept_whole() {
    for (status, kept) in [("x".repeat(64), true), ("x".repeat(65), false), ("x".repeat(1_000_000), false)] {
        let found = |message: Message| match message.body {
            Ok(Body::Event(Event::Account(account))) => account.status,
            other => panic!("{other:?}"),
        };
        let expected: Option<Box<str>> = Some(if kept { status.as_str() } else { "unrecognised" }.into());
        let frame = frame("#account", &account(&did(1), 35, false, Some(&status)));
        assert_eq!(found(frame_codec::decode(&frame, &Watch::default(), Verify::Off)), expected);
        let line = json!({
            "did": did(1), "time_us": 35, "kind": "account", "account": { "active": false, "status": status }
        });
        assert_eq!(found(jetstream::decode(line.to_string().as_bytes(), &Watch::default())), expected);
    }
    // As in a frame, it may be anything, and so may the time.
    let line = json!({
        "did": did(1), "time_us": 35, "kind": "account", "account": { "active": false, "status": 5, "time": [1] }
    });
    let message = jetstream::decode(line.to_string().as_bytes(), &Watch::default());
    let Ok(Body::Event(Event::Account(account))) = message.body else { panic!("{message:?}") };
    assert_eq!((account.active, account.status, account.time), (false, None, None));
}

#[test]
fn two_hundred_operations_are_a_commit() {
    let ops: Vec<Op> = (0..200).map(|n| Op::create(&format!("{EVENT}/n{n}"), &event_record())).collect();
    let with = frames(&good_with([between(&ops).frame()]));
    assert_eq!(with.rejected(), &json!({}));
    assert_eq!(with.summary["records"][EVENT], 201);
}
