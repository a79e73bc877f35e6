//! What every engine must do, on every engine. The one in memory is the specification.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use guestlist::store::engine::Engine;
use guestlist::store::{IfAbsent, Memory, Sled, Store};
use guestlist::tables::view::{Changes, Direction, Overlay, Range, Rows};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

/// Runs a test on each engine.
fn on_each(test: impl Fn(&dyn Engine, &str)) {
    test(&Memory::default(), "memory");
    let (sled, _dir) = sled();
    test(&sled, "sled");
}

fn sled() -> (Sled, TempDir) {
    let dir = tempdir().unwrap();
    (Sled::open(dir.path(), 1 << 20).unwrap(), dir)
}

fn changes(rows: &[(&[u8], Option<&[u8]>)]) -> Changes {
    rows.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect()
}

fn everything(rows: &dyn Rows, direction: Direction) -> Vec<(Vec<u8>, Vec<u8>)> {
    rows.scan_bytes(Range { start: Vec::new(), end: None }, direction).collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_batch_is_there_as_a_whole_after_it_is_committed() {
    on_each(|engine, name| {
        engine.commit(changes(&[(b"a", Some(b"1")), (b"b", Some(b"2"))])).unwrap();
        engine.commit(changes(&[(b"a", None), (b"c", Some(b"3"))])).unwrap();
        let rows = engine.snapshot();
        assert_eq!(rows.get_bytes(b"a").unwrap(), None, "{name}");
        assert_eq!(rows.get_bytes(b"b").unwrap(), Some(b"2".to_vec()), "{name}");
        assert_eq!(everything(&*rows, Direction::Ascending).len(), 2, "{name}");
    });
}

#[test]
fn a_snapshot_does_not_see_what_is_committed_after_it() {
    on_each(|engine, name| {
        engine.commit(changes(&[(b"a", Some(b"old"))])).unwrap();
        std::thread::scope(|scope| {
            let rows = engine.snapshot();
            let writer =
                scope.spawn(|| engine.commit(changes(&[(b"a", Some(b"new")), (b"b", Some(b"new"))])));
            // Whether the writer waits or writes elsewhere, these rows are of one moment. It gets the time to do
            // either: it syncs before it writes.
            let looked = Instant::now();
            while looked.elapsed() < Duration::from_millis(500) {
                assert_eq!(rows.get_bytes(b"a").unwrap(), Some(b"old".to_vec()), "{name}");
                assert_eq!(everything(&*rows, Direction::Ascending).len(), 1, "{name}");
            }
            drop(rows);
            writer.join().unwrap().unwrap();
        });
        assert_eq!(engine.snapshot().get_bytes(b"a").unwrap(), Some(b"new".to_vec()), "{name}");
    });
}

#[test]
fn a_frozen_view_keeps_its_moment_while_commits_go_on() {
    let dir = tempdir().unwrap();
    for store in [Store::in_memory().unwrap(), Store::open(dir.path(), 1 << 20, IfAbsent::Create).unwrap()] {
        let key = |number: u32| [&[b'~'][..], &number.to_be_bytes()].concat();
        // More rows than one page of a view, so that pages are read on both sides of a commit.
        let rows: Changes = (0..2000).map(|number| (key(number), Some(b"old".to_vec()))).collect();
        store.commit(rows).unwrap();
        let (view, ours) = (store.freeze(), Range::of_prefix(vec![b'~']));
        let mut scan = view.scan_bytes(ours.clone(), Direction::Ascending);
        let mut seen: Vec<_> = scan.by_ref().take(700).map(Result::unwrap).collect();
        let changed = (0..2000).step_by(2).map(|number| (key(number), None));
        let added = (2000..2500).map(|number| (key(number), Some(b"new".to_vec())));
        store.commit(changed.chain(added).collect()).unwrap();
        store.commit((0..2000).map(|number| (key(number), Some(b"newer".to_vec()))).collect()).unwrap();
        seen.extend(scan.map(Result::unwrap));
        assert_eq!(seen.len(), 2000);
        assert!(seen.iter().all(|(_, value)| value == b"old"));
        let back: Vec<_> = view.scan_bytes(ours, Direction::Descending).map(Result::unwrap).collect();
        assert!(back.into_iter().rev().eq(seen));
        assert_eq!(view.get_bytes(&key(2400)).unwrap(), None);
        assert_eq!(store.snapshot().get_bytes(&key(1)).unwrap(), Some(b"newer".to_vec()));
    }
}

#[test]
fn a_scan_from_the_end_gets_past_any_keys() {
    // Leaves of many shapes: what counts is that one begins where nothing is left, and the one before it
    // right after four of the greatest bytes.
    for before in 16..32_u8 {
        on_each(|engine, name| {
            let key =
                |time: [u8; 8], number: u8| [b"a/", &time[..], format!("k{number:03}").as_bytes()].concat();
            let last = |number| key([128, 0, 0, 4, 255, 255, 255, 255], number);
            let after = key([128, 0, 0, 5, 0, 0, 0, 0], 0);
            let others = (0..8).map(|number| vec![b'b', b'/', number]);
            let rows = (0..before).map(last).chain([after.clone()]).chain(others);
            let rows: Changes = rows.map(|key| (key, Some(Vec::new()))).collect();
            // The second time over sled looks at its leaves and cuts them.
            engine.commit(rows.clone()).unwrap();
            engine.commit(rows).unwrap();
            engine.commit(Changes::from([(after, None)])).unwrap();
            let rows = engine.snapshot();
            let found = rows.scan_bytes(Range::of_prefix(b"a/".to_vec()), Direction::Descending);
            let found: Vec<_> = found.map(|row| row.unwrap().0).collect();
            assert!(found.into_iter().eq((0..before).rev().map(last)), "{name}, {before}");
        });
    }
}

#[test]
fn a_frozen_view_goes_on_with_the_next_key_after_a_page_however_long() {
    let store = Store::in_memory().unwrap();
    // Each key begins with the one before it, so that nothing fits between two but what comes next.
    let key = |length: usize| vec![b'~'; length];
    store.commit((1..=700).map(|length| (key(length), Some(Vec::new()))).collect()).unwrap();
    let view = store.freeze();
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut lengths: Vec<usize> =
            view.scan_bytes(Range::of_prefix(key(1)), direction).map(|row| row.unwrap().0.len()).collect();
        if direction == Direction::Descending {
            lengths.reverse();
        }
        assert!(lengths.into_iter().eq(1..=700), "{direction:?}");
    }
}

#[test]
fn a_row_that_was_read_is_read_anew_when_it_changed() {
    on_each(|engine, name| {
        for (number, value) in
            (0_u8..).zip([Some(b"1"), Some(b"2"), None, Some(b"3"), None, None, Some(b"4")])
        {
            engine.commit(changes(&[(b"a", value.map(|value| &value[..]))])).unwrap();
            let expected = value.map(|value| value.to_vec());
            assert_eq!(engine.snapshot().get_bytes(b"a").unwrap(), expected, "{name}, {number}");
            // The commit after it changes something else: now the row stands where rows are kept.
            engine.commit(changes(&[(b"b", Some(&[number]))])).unwrap();
            assert_eq!(engine.snapshot().get_bytes(b"a").unwrap(), expected, "{name}, after {number}");
        }
    });
}

#[test]
fn keys_of_every_length_and_values_up_to_the_chunk_size_are_kept() {
    on_each(|engine, name| {
        for length in [1, 100, 6000] {
            let (key, value) = (vec![b'k'; length], vec![7; 49_152]);
            engine.commit(Changes::from([(key.clone(), Some(value.clone()))])).unwrap();
            assert_eq!(engine.snapshot().get_bytes(&key).unwrap(), Some(value), "{name}, key of {length}");
        }
        let empty = Changes::from([(b"empty".to_vec(), Some(Vec::new()))]);
        engine.commit(empty).unwrap();
        assert_eq!(engine.snapshot().get_bytes(b"empty").unwrap(), Some(Vec::new()), "{name}");
    });
}

#[test]
fn readers_see_whole_commits_while_they_are_written() {
    on_each(|engine, name| {
        // Commit `n` leaves the rows of every key but the n-th, each saying n.
        const KEYS: u32 = 300;
        let key = |number: u32| number.to_be_bytes().to_vec();
        let commit = |version: u32| {
            let row =
                |number| (key(number), (number != version % KEYS).then(|| version.to_be_bytes().to_vec()));
            engine.commit((0..KEYS).map(row).collect()).unwrap();
        };
        commit(0);
        let (done, looks) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for direction in [Direction::Ascending, Direction::Descending] {
                let (done, looks) = (&done, &looks);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let rows = engine.snapshot();
                        let seen = everything(&*rows, direction);
                        let versions: BTreeSet<_> = seen.iter().map(|(_, version)| version.clone()).collect();
                        assert_eq!((seen.len(), versions.len()), (KEYS as usize - 1, 1), "{name}");
                        let version = u32::from_be_bytes(seen[0].1.as_slice().try_into().unwrap());
                        assert_eq!(rows.get_bytes(&key(version % KEYS)).unwrap(), None, "{name}");
                        let other = rows.get_bytes(&key((version + 1) % KEYS)).unwrap();
                        assert_eq!(other.as_ref(), versions.first(), "{name}");
                        looks.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            (1..400).for_each(commit);
            done.store(true, Ordering::Relaxed);
        });
        assert!(looks.load(Ordering::Relaxed) > 10, "{name}: nobody looked, so nothing was tested");
    });
}

#[test]
fn sled_keeps_what_was_committed_whatever_had_reached_its_own_files() {
    let dir = tempdir().unwrap();
    let engine = Sled::open(dir.path(), 1 << 20).unwrap();
    for number in 0..50_u8 {
        engine.commit(changes(&[(&[number], Some(b"there")), (&[number / 2], None)])).unwrap();
        if number % 10 != 9 {
            continue;
        }
        // As a machine would find it that lost its power now.
        let copy = tempdir().unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        let found = Sled::open(copy.path(), 1 << 20).unwrap();
        assert_eq!(
            everything(&*found.snapshot(), Direction::Ascending),
            everything(&*engine.snapshot(), Direction::Ascending),
            "after {number}"
        );
    }
}

#[test]
fn sled_keeps_what_was_committed_before_its_journal_began_anew() {
    let dir = tempdir().unwrap();
    let engine = Sled::open(dir.path(), 1 << 20).unwrap();
    let journal = dir.path().join("journal");
    let (mut longest, mut batches) = (0, 0_u8);
    loop {
        // Few and large, so that it is not long until then.
        let rows = (0..40_u8).map(|row| (vec![batches, row], Some(vec![row; 40_000]))).collect();
        engine.commit(rows).unwrap();
        batches += 1;
        let bytes = std::fs::metadata(&journal).unwrap().len();
        if bytes < longest {
            break;
        }
        longest = bytes;
        assert!(batches < 50, "the journal grows without end");
    }
    let copy = tempdir().unwrap();
    crate::bad_input::copy_dir(dir.path(), copy.path());
    let found = Sled::open(copy.path(), 1 << 20).unwrap();
    let rows = everything(&*found.snapshot(), Direction::Ascending);
    assert_eq!(rows.len(), 40 * usize::from(batches));
    assert!(
        rows.iter().all(|(key, value)| value.len() == 40_000 && value.iter().all(|byte| *byte == key[1]))
    );
}

#[test]
fn sled_keeps_what_was_committed_when_it_is_opened_again() {
    let dir = tempdir().unwrap();
    let engine = Sled::open(dir.path(), 1 << 20).unwrap();
    engine.commit(changes(&[(b"a", Some(b"1"))])).unwrap();
    drop(engine);
    let engine = Sled::open(dir.path(), 1 << 20).unwrap();
    assert_eq!(engine.snapshot().get_bytes(b"a").unwrap(), Some(b"1".to_vec()));
    assert!(engine.bytes_on_disk().unwrap() > 0);
}

#[test]
fn sled_opens_after_an_opening_that_was_cut_short() {
    let dir = tempdir().unwrap();
    for content in [&b""[..], b"not all of it"] {
        let engine = Sled::open(dir.path(), 1 << 20).unwrap();
        engine.commit(changes(&[(b"a", Some(content))])).unwrap();
        drop(engine);
        // Where sled begins to write what it has found, before the file gets its name.
        let next = format!("snap.{:016X}.generating", i64::MAX);
        std::fs::write(dir.path().join(next), content).unwrap();
        let engine = Sled::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(engine.snapshot().get_bytes(b"a").unwrap(), Some(content.to_vec()));
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // Short keys over few bytes, the last among them, so that prefixes and ends of ranges are met.
    prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(b'/'), Just(254), Just(255)], 1..4)
}

fn batch() -> impl Strategy<Value = Changes> {
    prop::collection::btree_map(key(), prop::option::of(prop::collection::vec(any::<u8>(), 0..3)), 0..12)
}

fn laid_over(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key, value),
            None => model.remove(&key),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_engine_and_an_overlay_scan_like_a_sorted_map(
        batches in prop::collection::vec(batch(), 0..4), pending in batch(), prefix in key(),
    ) {
        let (sled, _dir) = sled();
        let memory = Memory::default();
        let mut model = BTreeMap::new();
        for batch in batches {
            sled.commit(batch.clone()).unwrap();
            memory.commit(batch.clone()).unwrap();
            laid_over(&mut model, batch);
        }
        let mut with_pending = model.clone();
        laid_over(&mut with_pending, pending.clone());
        for engine in [&sled as &dyn Engine, &memory] {
            let rows = engine.snapshot();
            let overlay = Overlay::with(&*rows, pending.clone());
            for (rows, model) in [(&*rows, &model), (&overlay, &with_pending)] {
                let mut expected: Vec<_> = model.clone().into_iter().collect();
                prop_assert_eq!(everything(rows, Direction::Ascending), expected.clone());
                expected.retain(|(key, _)| key.starts_with(&prefix));
                let range = Range::of_prefix(prefix.clone());
                let found: Vec<_> =
                    rows.scan_bytes(range.clone(), Direction::Ascending).collect::<Result<_, _>>().unwrap();
                prop_assert_eq!(&found, &expected);
                let mut back: Vec<_> =
                    rows.scan_bytes(range, Direction::Descending).collect::<Result<_, _>>().unwrap();
                back.reverse();
                prop_assert_eq!(&back, &expected);
                for (key, value) in model {
                    prop_assert_eq!(rows.get_bytes(key).unwrap(), Some(value.clone()));
                }
            }
        }
    }
}
