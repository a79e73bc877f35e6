//! Stores that earlier versions wrote: opened, brought up to date by themselves, and as good as new.

use std::path::Path;

use guestlist::rebuild::{Cause, needed};
use guestlist::store::engine::Engine;
use guestlist::store::{IfAbsent, Sled, Store, schema};
use guestlist::tables::keys::MetaKey;
use guestlist::tables::rows::Meta;
use guestlist::tables::view::{Changes, ReadRows};
use guestlist::tables::{
    Answers, Audits, Chats, Codes, Invited, Invites, Members, Metas, NonceExpiries, Nonces, Quarantine,
    Redemptions, Sessions, Settings, Spaces, Submissions, Tickets, Users,
};
use tempfile::tempdir;

use crate::harness::{check, digest, document, export, fixture, recording, replay, succeed};

/// Bytes of cache for a store of a few hundred records.
const CACHE_BYTES: u64 = 8 << 20;

/// The digest that version 1 printed for this store.
const DIGEST_OF_VERSION_1: &str = "d71a910f2336f3ba54584076cc7406b660807614b5ca99d950e92b3c9c7f0549";

/// The digest that version 4 printed for its store.
const DIGEST_OF_VERSION_4: &str = "2d5c99a8fc91b509adec212ba81e77d9761e96ceb0fc1c2a9fee2a7ee2add87b";

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
    assert_eq!(digest(&old), DIGEST_OF_VERSION_1);
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
    let dir = tempdir().unwrap();
    let dir = dir.path().join("old");
    write(&dir, rows("v1.rows.zst"));
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
    assert_eq!(digest(&dir), DIGEST_OF_VERSION_1);
    check(&dir);
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
    assert_eq!(digest(&dir), DIGEST_OF_VERSION_4);
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
