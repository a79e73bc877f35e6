//! How far a source was read: what the writer keeps of it, and when.

use std::thread::sleep;
use std::time::Duration;

use guestlist::codec::event::{self, Block, Commit, Event, Op, Origin, Write};
use guestlist::codec::json;
use guestlist::delivery::{Delivery, Placed, Progress, Tally, queue};
use guestlist::indexer::{Indexer, Turn, standing_of};
use guestlist::store::Store;
use guestlist::syntax::{Cid, Did, RecordKey, Tid};
use guestlist::tables::Accounts;
use guestlist::tables::keys::{MetaKey, SourceKey};
use guestlist::tables::rows::Source;
use guestlist::tables::view::ReadRows;

/// More than a batch waits for its next event.
const PATIENCE: Duration = Duration::from_millis(500);

fn some() -> SourceKey {
    SourceKey { kind: "replay".into(), name: "some".into(), fingerprint: String::new() }
}

fn ann() -> Did {
    Did::parse("did:web:ann.example").unwrap()
}

fn tid(number: u64) -> Tid {
    Tid::from_be_bytes(((1_700_000_000_000_000 + number) << 10).to_be_bytes())
}

/// A Jetstream event of this revision.
fn event(rev: u64) -> Event {
    let bytes = json::encode_dag_cbor(r#"{"$type":"at.atjam.jam"}"#).unwrap();
    let write = Write::Put(Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None });
    let ops = vec![Op { collection: "at.atjam.jam", rkey: RecordKey::parse("j").unwrap(), write }];
    Event::Commit(Commit { did: ann(), rev: tid(rev), origin: Origin::Jetstream, ops, damaged: Vec::new() })
}

fn delivery(offset: u64, cursor: u64, finished: bool, event: Option<Event>) -> Delivery {
    let progress = Progress::Dump { offset, cursor: Some(cursor), finished };
    let event = event.map(|event| Placed { position: cursor, offset, event });
    Delivery { source: some(), progress, tally: Tally::default(), event, note: None }
}

/// Has a new writer take these in, an event a batch; the position that follows.
fn deliver(store: &Store, deliveries: impl IntoIterator<Item = Delivery>) -> u64 {
    let (sender, receiver) = queue();
    deliveries.into_iter().for_each(|delivery| sender.send(delivery).unwrap());
    drop(sender);
    Indexer::new(store.clone(), 1).unwrap().run(&receiver, |_| {}).unwrap();
    guestlist::tables::number(&*store.snapshot(), MetaKey::Position).unwrap()
}

#[test]
fn a_dump_that_is_read_again_goes_back_and_what_was_decided_stays_known() {
    let store = Store::in_memory().unwrap();
    let whole = [10, 20, 30].into_iter().zip(1..);
    let position = deliver(
        &store,
        whole.map(|(cursor, offset)| delivery(offset, cursor, offset == 3, Some(event(offset)))),
    );
    assert_eq!(position, 3, "a batch each");
    let id = standing_of(&store, &some()).unwrap().unwrap().id;
    let standing = |offset, finished| Source { id, offset, high_water: 3, cursor: Some(30), finished };
    assert_eq!(standing_of(&store, &some()).unwrap(), Some(standing(3, true)));
    let position = deliver(&store, [delivery(1, 10, false, Some(event(1)))]);
    assert_eq!(position, 4, "counted on by the next writer");
    assert_eq!(standing_of(&store, &some()).unwrap(), Some(standing(1, false)));
}

#[test]
fn what_was_ignored_once_stays_ignored_when_the_same_dump_is_read_again() {
    let store = Store::in_memory().unwrap();
    let gone = event::Account { did: ann(), active: false, status: None, time: None };
    let told = || {
        [event(5), Event::Account(gone.clone()), event(6)]
            .into_iter()
            .zip(1..)
            .map(|(event, offset)| delivery(offset, offset, false, Some(event)))
    };
    let rev = |store: &Store| store.snapshot().get::<Accounts>(&ann()).unwrap().unwrap().rev;
    deliver(&store, told());
    assert_eq!(rev(&store), Some(tid(5)), "the last one is of an inactive account");
    // Another source, which knows the account better, has it active.
    let data = Cid::compute_dag_cbor(b"tree");
    let moved = Event::Sync(event::Sync { did: ann(), rev: tid(5), event_rev: tid(9), data });
    let other = SourceKey { name: "other".into(), ..some() };
    deliver(&store, [Delivery { source: other, ..delivery(1, 1, false, Some(moved)) }]);
    deliver(&store, told());
    assert_eq!(rev(&store), Some(tid(5)));
    // Another dump with the same events is another matter.
    let copy = SourceKey { name: "copy".into(), ..some() };
    deliver(&store, told().map(|delivery| Delivery { source: copy.clone(), ..delivery }));
    assert_eq!(rev(&store), Some(tid(6)));
}

#[test]
fn an_old_event_is_late_beyond_the_cursor_alone() {
    let rule = "A re-check because of an old Jetstream event is marked only when the event lies beyond the stored \
                cursor (a rewind after a reconnect is normal).";
    let is_marked =
        |store: &Store| store.snapshot().get::<Accounts>(&ann()).unwrap().unwrap().marks.late_jetstream;
    for (position, late) in [(9, false), (10, false), (11, true)] {
        let store = Store::in_memory().unwrap();
        deliver(&store, [delivery(1, 10, false, Some(event(5)))]);
        deliver(&store, [delivery(2, position, false, Some(event(4)))]);
        assert_eq!(is_marked(&store), late, "{position}: {rule}");
    }
}

#[test]
fn a_position_is_stored_at_the_end_and_now_and_then_though_nothing_happens() {
    let store = Store::in_memory().unwrap();
    let (sender, receiver) = queue();
    let quiet = |offset, frames| {
        let tally = Tally { frames, ..Tally::default() };
        Delivery { tally, ..delivery(offset, offset, false, None) }
    };
    let mut commits = 0;
    let count = |turn: Turn<'_>| commits += u64::from(matches!(turn, Turn::Committed { .. }));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for delivery in [quiet(1, 100_000), quiet(2, 1)] {
                sender.send(delivery).unwrap();
                // Each is a batch of its own, which closes because nothing follows.
                sleep(PATIENCE);
            }
        });
        Indexer::new(store.clone(), 1000).unwrap().run(&receiver, count).unwrap();
    });
    assert_eq!(commits, 2, "after very many messages, and at the end");
    assert_eq!(standing_of(&store, &some()).unwrap().unwrap().offset, 2);
}
