//! Stores that earlier versions wrote: opened, brought up to date by themselves, and as good as new.

use std::collections::BTreeSet;
use std::path::Path;

use guestlist::rebuild::{Cause, needed};
use guestlist::records::Body;
use guestlist::store::engine::Engine;
use guestlist::store::{IfAbsent, Sled, Store, schema};
use guestlist::tables::keys::MetaKey;
use guestlist::tables::rows::Meta;
use guestlist::tables::view::{Changes, Direction, ReadRows, prefix_of};
use guestlist::tables::{
    Answers, Audits, Chats, Codes, EventTimes, Invited, Invites, Members, Metas, NonceExpiries, Nonces,
    OwnEvents, Quarantine, Records, Redemptions, Sessions, Settings, Spaces, Submissions, Tickets, Users,
};
use sha2::{Digest, Sha256};
use tempfile::tempdir;

use crate::harness::{check, document, export, fixture, recording, replay, succeed};

/// Bytes of cache for a store of a few hundred records.
const CACHE_BYTES: u64 = 8 << 20;

/// The digest that version 1 printed for this store.
const DIGEST_OF_VERSION_1: &str = "d71a910f2336f3ba54584076cc7406b660807614b5ca99d950e92b3c9c7f0549";

/// The digest that version 4 printed for its store.
const DIGEST_OF_VERSION_4: &str = "2d5c99a8fc91b509adec212ba81e77d9761e96ceb0fc1c2a9fee2a7ee2add87b";

/// The digest that version 5 printed for its store.
const DIGEST_OF_VERSION_5: &str = "448c0ffeca6c1885ec8706972da9eeb9a5875d4a98af4fdf2ad1ab6822b99f91";

/// The rows of a fixture: each key and each value after its length in four bytes.
fn rows(name: &str) -> Changes {
    let bytes = zstd::decode_all(&std::fs::read(fixture("store").join(name)).unwrap()[..]).unwrap();
    let mut rest = &bytes[..];
    let mut text = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (text, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        rest = after;
        Some(text.to_vec())
    };
    std::iter::from_fn(|| Some((text()?, text()))).collect()
}

/// The digest as these versions made it. Their exports did not say of an RSVP whether it was accepted.
fn digest_of_then(dir: &Path) -> String {
    let procedures = succeed(&[&"export", &"--procedures", &"--data-dir", &dir]);
    let mut hash = Sha256::new();
    let mut rsvps = 0;
    for line in export(dir).lines() {
        let then = line.replace(r#","accepted":false}"#, "}");
        rsvps += usize::from(then != line);
        hash.update(then + "\n");
    }
    assert!(rsvps > 0, "nothing of what was added since is in it");
    hash.update(procedures);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(dir: &Path, rows: Changes) {
    std::fs::create_dir(dir).unwrap();
    Sled::open(&dir.join("sled"), CACHE_BYTES).unwrap().commit(rows).unwrap();
}

fn count<T: guestlist::tables::Table>(store: &Store) -> usize {
    store.snapshot().scan_all::<T>().count()
}

#[test]
fn a_store_of_version_1_is_rebuilt_by_whoever_opens_it() {
    let dir = tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    write(&old, rows("v1.rows.zst"));
    {
        let store = Store::open(&old, CACHE_BYTES, IfAbsent::Fail).unwrap();
        assert_eq!(needed(&store).unwrap(), Some(Cause::Schema));
        assert_eq!(count::<Invited>(&store) + count::<Submissions>(&store) + count::<Answers>(&store), 0);
    }
    // Any command does it before it answers.
    assert_eq!(digest_of_then(&old), DIGEST_OF_VERSION_1);
    check(&old);
    let store = Store::open(&old, CACHE_BYTES, IfAbsent::Fail).unwrap();
    assert_eq!(needed(&store).unwrap(), None);
    let version = store.snapshot().get::<Metas>(&MetaKey::Schema).unwrap();
    assert_eq!(version, Some(Meta::Number(schema::VERSION)));
    let counts = [count::<Invited>(&store), count::<Submissions>(&store), count::<Answers>(&store)];
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    assert!(count::<Quarantine>(&store) > 0);
    // What people do here began later, and follows from no record.
    let of_spaces = [count::<Spaces>(&store), count::<Invites>(&store), count::<Redemptions>(&store)];
    assert_eq!(of_spaces, [0; 3]);
    assert_eq!([count::<Members>(&store), count::<Audits>(&store), count::<Nonces>(&store)], [0; 3]);
    drop(store);
    assert_eq!(succeed(&[&"export", &"--procedures", &"--data-dir", &old]), "");
    replay(&new, &[recording("small-pds1.frames"), recording("small-pds0.frames")], &[]);
    assert_eq!(export(&old), export(&new));
}

#[test]
fn a_rebuild_that_was_cut_short_is_begun_again() {
    for (name, expected) in [
        ("v1.rows.zst", DIGEST_OF_VERSION_1),
        ("v4.rows.zst", DIGEST_OF_VERSION_4),
        ("v5.rows.zst", DIGEST_OF_VERSION_5),
    ] {
        let dir = tempdir().unwrap();
        let dir = dir.path().join("old");
        write(&dir, rows(name));
        {
            let store = Store::open(&dir, CACHE_BYTES, IfAbsent::Fail).unwrap();
            let mut batches = 0;
            let cut = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                guestlist::rebuild::rebuild(&store, |_| {
                    batches += 1;
                    panic!("cut short on purpose")
                })
            }));
            assert!(cut.is_err() && batches == 1);
            assert_eq!(needed(&store).unwrap(), Some(Cause::Interrupted));
        }
        assert_eq!(digest_of_then(&dir), expected, "{name}");
        check(&dir);
    }
}

/// The first byte of every record's row, each once.
fn shapes(store: &Store) -> BTreeSet<u8> {
    let records = store.snapshot();
    let records = records.scan_bytes(prefix_of::<Records>(|_| {}), Direction::Ascending);
    records.map(|row| row.unwrap().1[0]).collect()
}

#[test]
fn rows_of_records_of_both_shapes_are_read_by_a_rebuild_and_no_others() {
    let dir = tempdir().unwrap();
    let dir = dir.path().join("old");
    write(&dir, rows("v5.rows.zst"));
    let store = Store::open(&dir, CACHE_BYTES, IfAbsent::Fail).unwrap();
    assert_eq!(shapes(&store), [36].into(), "the length of a CID");
    // Half of them as a rebuild that was cut short leaves them: those that come first in its walk.
    guestlist::rebuild::rebuild(&store, |_| {}).unwrap();
    assert_eq!(shapes(&store), [6].into());
    let before = rows("v5.rows.zst");
    let records: Vec<_> = before.range(vec![b'r']..vec![b's']).collect();
    assert!(records.len() > 20);
    let half = records.iter().skip(records.len() / 2).map(|(key, row)| ((*key).clone(), (*row).clone()));
    store.commit(half.collect()).unwrap();
    assert_eq!(shapes(&store), [6, 36].into());
    guestlist::rebuild::rebuild(&store, |_| {}).unwrap();
    assert_eq!(shapes(&store), [6].into());
    // One that is of neither shape stops it.
    let (key, row) = records[0];
    let row = row.clone().unwrap();
    let cut = row[..row.len() - 1].to_vec();
    let mut other = row.clone();
    other[0] = 7;
    for damaged in [cut, other, [&row[..], &[0]].concat(), Vec::new()] {
        store.commit([(key.clone(), Some(damaged))].into()).unwrap();
        let error = guestlist::rebuild::rebuild(&store, |_| {}).unwrap_err();
        assert!(format!("{error:?}").contains("Corrupt"), "{error:?}");
    }
}

#[test]
fn a_store_of_version_5_gets_its_calendar() {
    let dir = tempdir().unwrap();
    let dir = dir.path().join("old");
    write(&dir, rows("v5.rows.zst"));
    let of_people = |store: &Store| {
        [
            count::<Spaces>(store),
            count::<Members>(store),
            count::<Chats>(store),
            count::<Codes>(store),
            count::<Settings>(store),
            count::<Tickets>(store),
        ]
    };
    let before = {
        let store = Store::open(&dir, CACHE_BYTES, IfAbsent::Fail).unwrap();
        assert_eq!(needed(&store).unwrap(), Some(Cause::Schema));
        assert_eq!(store.snapshot().get::<Metas>(&MetaKey::Schema).unwrap(), Some(Meta::Number(5)));
        assert_eq!(count::<EventTimes>(&store) + count::<OwnEvents>(&store), 0);
        of_people(&store)
    };
    assert!(before.iter().all(|count| *count > 0), "{before:?}");
    assert_eq!(digest_of_then(&dir), DIGEST_OF_VERSION_5);
    check(&dir);
    let store = Store::open(&dir, CACHE_BYTES, IfAbsent::Fail).unwrap();
    assert_eq!(needed(&store).unwrap(), None);
    assert_eq!(of_people(&store), before);
    let is_event = |row: guestlist::tables::view::Row<Records>| matches!(row.1.body, Some(Body::Event(_)));
    let events =
        store.snapshot().scan_all::<Records>().filter(|row| is_event(row.as_ref().unwrap().clone())).count();
    assert!(events > 0);
    assert_eq!([count::<EventTimes>(&store), count::<OwnEvents>(&store)], [events; 2]);
    drop(store);
    let before = document("fixtures/store/v5.procedures.jsonl");
    assert_eq!(succeed(&[&"export", &"--procedures", &"--data-dir", &dir]), before);
}

#[test]
fn a_store_of_version_4_is_opened_with_everything_that_people_did() {
    let dir = tempdir().unwrap();
    let dir = dir.path().join("old");
    write(&dir, rows("v4.rows.zst"));
    // Spaces, invites, their uses, members, entries of the audit, and used tokens twice.
    let of_people = |store: &Store| {
        [
            count::<Spaces>(store),
            count::<Invites>(store),
            count::<Redemptions>(store),
            count::<Members>(store),
            count::<Audits>(store),
            count::<Nonces>(store),
            count::<NonceExpiries>(store),
        ]
    };
    {
        let store = Store::open(&dir, CACHE_BYTES, IfAbsent::Fail).unwrap();
        assert_eq!(needed(&store).unwrap(), Some(Cause::Schema));
        assert_eq!(store.snapshot().get::<Metas>(&MetaKey::Schema).unwrap(), Some(Meta::Number(4)));
        assert_eq!(of_people(&store), [2, 4, 2, 3, 14, 11, 11]);
    }
    assert_eq!(digest_of_then(&dir), DIGEST_OF_VERSION_4);
    check(&dir);
    let store = Store::open(&dir, CACHE_BYTES, IfAbsent::Fail).unwrap();
    assert_eq!(needed(&store).unwrap(), None);
    assert_eq!(of_people(&store), [2, 4, 2, 3, 14, 11, 11]);
    let of_portal = [count::<Chats>(&store), count::<Codes>(&store), count::<Users>(&store)];
    assert_eq!(of_portal, [0; 3]);
    assert_eq!([count::<Sessions>(&store), count::<Settings>(&store), count::<Tickets>(&store)], [0; 3]);
    drop(store);
    let before = document("fixtures/store/v4.procedures.jsonl");
    assert_eq!(succeed(&[&"export", &"--procedures", &"--data-dir", &dir]), before);
    // And it goes on from there.
    let party = "at://did:plc:wjhryzcympl32mbztchwd6qy/community.lexicon.calendar.event/3n2rvktmu522b";
    succeed(&[&"invites", &"resume", &party, &"--data-dir", &dir]);
    let after = succeed(&[&"export", &"--procedures", &"--data-dir", &dir]);
    assert!(after.lines().last().unwrap().starts_with("{\"audit\":14,"), "{after}");
    check(&dir);
}
