//! The program against the model, over random histories.

use guestlist::check::check;
use guestlist::delivery::{Delivery, Placed, Progress, Tally, queue};
use guestlist::indexer::Indexer;
use guestlist::store::Store;
use guestlist::tables::keys::SourceKey;
use guestlist::tables::view::RowsError;
use guestlist::{archive, export};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write as _;

use crate::history::{Pair, Sources, histories, play};
use crate::model::Model;

/// Fresh histories in a run; `GUESTLIST_HISTORIES` asks for more.
const HISTORIES: u32 = 500;

/// Bytes of a seed.
const SEED_BYTES: usize = 32;

/// Draws histories with a fresh seed, which is said, or with the one in `GUESTLIST_SEED`.
fn for_histories<S: Strategy>(
    name: &str,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let asked = std::env::var("GUESTLIST_HISTORIES").ok().and_then(|asked| asked.parse().ok());
    let cases = asked.unwrap_or(HISTORIES);
    let mut seed = [0; SEED_BYTES];
    match std::env::var("GUESTLIST_SEED") {
        Ok(text) => {
            for (byte, digits) in seed.iter_mut().zip(text.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
            }
        }
        Err(_) => getrandom::fill(&mut seed).unwrap(),
    }
    let text: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    // Not through a macro, so that it is seen when the test passes too.
    let line = format!("{name}: {cases} histories, GUESTLIST_SEED={text}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    if let Err(failure) = TestRunner::new_with_rng(config, rng).run(strategy, test) {
        panic!("GUESTLIST_SEED={text}\n{failure}");
    }
}

/// Feeds a history to the program, as a dump whose messages are at these offsets.
fn index<'a>(store: &Store, pairs: impl Iterator<Item = &'a Pair>, batch_events: usize, first_offset: u64) {
    let pairs: Vec<&Pair> = pairs.collect();
    let (sender, deliveries) = queue();
    for (pair, offset) in pairs.into_iter().zip(first_offset..) {
        let source = SourceKey {
            kind: "replay".to_owned(),
            name: pair.model.source.clone(),
            fingerprint: "1-0".to_owned(),
        };
        let progress = Progress::Dump { offset, cursor: Some(pair.position), finished: false };
        let event = Some(Placed { position: pair.position, offset, event: pair.real.clone() });
        sender.send(Delivery { source, progress, tally: Tally::default(), event, note: None }).unwrap();
    }
    drop(sender);
    Indexer::new(store.clone(), batch_events).unwrap().run(&deliveries, |_| {}).unwrap();
}

fn exported(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    let push = |line: &str| {
        lines.push(line.to_owned());
        Ok::<_, RowsError>(())
    };
    export::verdicts(&store.freeze(), push).unwrap();
    lines
}

fn indexed(pairs: &[Pair], batch_events: usize) -> Store {
    let store = Store::in_memory().unwrap();
    index(&store, pairs.iter(), batch_events, 1);
    store
}

/// The same events, every repository's in their order, otherwise by the given choices.
fn interleaved(pairs: &[Pair], choices: &[usize]) -> Vec<Pair> {
    let mut queues: BTreeMap<_, std::collections::VecDeque<&Pair>> = BTreeMap::new();
    for pair in pairs {
        queues.entry(pair.did().clone()).or_default().push_back(pair);
    }
    let mut mixed = Vec::new();
    let mut choices = choices.iter().cycle();
    while !queues.is_empty() {
        let choice = choices.next().unwrap() % queues.len();
        let did = queues.keys().nth(choice).unwrap().clone();
        let queue = queues.get_mut(&did).unwrap();
        mixed.push(queue.pop_front().unwrap().clone());
        if queue.is_empty() {
            queues.remove(&did);
        }
    }
    mixed
}

/// How many lines say that an RSVP was accepted.
fn accepted(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.ends_with(r#""accepted":true}"#)).count()
}

#[test]
fn agrees_with_the_model_whatever_the_history_and_the_batches() {
    let (histories_told, found) = (Cell::new(0), Cell::new(0));
    for_histories("model", &(histories(100), 1..40_usize, 5..50_usize), |(moves, batch, stage)| {
        let pairs = play(&moves, Sources::Wild);
        let (store, mut model) = (Store::in_memory().unwrap(), Model::new());
        // Compared on the way too: what is wrong for a while may have come right by the end.
        for (part, told) in pairs.chunks(stage).zip((1..).step_by(stage)) {
            index(&store, part.iter(), batch, told);
            part.iter().for_each(|pair| model.apply(&pair.model));
            let lines = model.export();
            found.set(found.get() + accepted(&lines));
            prop_assert_eq!(exported(&store), lines);
        }
        histories_told.set(histories_told.get() + 1);
        prop_assert_eq!(check(&store, |_| {}).unwrap().differences, Vec::<String>::new());
        Ok(())
    });
    let (histories_told, found): (usize, usize) = (histories_told.get(), found.get());
    let line = format!("model: {found} accepted RSVPs were looked at in {histories_told} histories\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(found >= histories_told, "acceptances no longer meet their RSVPs: {found} in {histories_told}");
}

#[test]
fn an_export_of_records_says_the_same_in_an_empty_store() {
    let found = Cell::new(0);
    for_histories("elsewhere", &histories(100), |moves| {
        let store = indexed(&play(&moves, Sources::Wild), 250);
        let mut lines = Vec::new();
        let push = |line: &str| {
            lines.extend(line.as_bytes());
            lines.push(b'\n');
            Ok::<_, RowsError>(())
        };
        archive::export(&store.freeze(), push).unwrap();
        let other = Store::in_memory().unwrap();
        archive::import(&other, &mut &lines[..], |_| {}).unwrap();
        found.set(found.get() + accepted(&exported(&store)));
        prop_assert_eq!(exported(&other), exported(&store));
        prop_assert_eq!(export::digest(&other.freeze()).unwrap(), export::digest(&store.freeze()).unwrap());
        Ok(())
    });
    assert!(found.get() > 0, "nobody was accepted");
}

#[test]
fn any_order_across_repositories_gives_the_same_answers() {
    let drawn = (histories(100), prop::collection::vec(0..64_usize, 1..40), 1..40_usize);
    for_histories("order", &drawn, |(moves, choices, batch)| {
        let pairs = play(&moves, Sources::OneEach);
        let store = indexed(&interleaved(&pairs, &choices), batch);
        prop_assert_eq!(exported(&store), exported(&indexed(&pairs, 250)));
        prop_assert_eq!(check(&store, |_| {}).unwrap().differences, Vec::<String>::new());
        Ok(())
    });
}

#[test]
fn a_history_told_twice_changes_nothing() {
    for_histories("twice", &(histories(40), 1..40_usize), |(moves, batch)| {
        let pairs = play(&moves, Sources::Honest);
        let store = indexed(&pairs, batch);
        let once = exported(&store);
        // Behind what was told before, as in another dump with the same events.
        index(&store, pairs.iter(), batch, 1000);
        prop_assert_eq!(exported(&store), once);
        Ok(())
    });
}

#[test]
fn the_same_dump_read_again_is_not_decided_again() {
    for_histories("again", &(histories(40), 1..40_usize), |(moves, batch)| {
        let pairs = play(&moves, Sources::Wild);
        let store = indexed(&pairs, batch);
        let once = exported(&store);
        index(&store, pairs.iter(), batch, 1);
        prop_assert_eq!(exported(&store), once);
        Ok(())
    });
}
