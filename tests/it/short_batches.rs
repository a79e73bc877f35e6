//! Batches that are cut short for orders: what is stored of a source is what was applied.

use std::pin::pin;
use std::task::{Context, Waker};

use guestlist::codec::event::{Block, Commit, Event, Op, Origin, Write};
use guestlist::codec::json;
use guestlist::delivery::{Delivery, Placed, Progress, Tally, queue};
use guestlist::indexer::{Indexer, Turn, standing_of};
use guestlist::orders::{Desk, desk};
use guestlist::spaces::Bounds;
use guestlist::spaces::command::{By, Command, Request};
use guestlist::store::Store;
use guestlist::syntax::{Cid, Did, RecordKey, Tid};
use guestlist::tables::Records;
use guestlist::tables::keys::SourceKey;
use guestlist::tables::view::ReadRows;

/// Orders that the writer does in one batch.
const ORDERS_AT_ONCE: usize = 256;

fn source() -> SourceKey {
    SourceKey { kind: "replay".into(), name: "some".into(), fingerprint: String::new() }
}

/// A jam by a person of its own.
fn delivery(number: u64) -> Delivery {
    let bytes = json::encode_dag_cbor(r#"{"$type":"at.atjam.jam"}"#).unwrap();
    let write = Write::Put(Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None });
    let ops = vec![Op { collection: "at.atjam.jam", rkey: RecordKey::parse("j").unwrap(), write }];
    let did = Did::parse(&format!("did:plc:p{number}")).unwrap();
    let rev = Tid::from_be_bytes((number << 10).to_be_bytes());
    let event = Event::Commit(Commit { did, rev, origin: Origin::Jetstream, ops, damaged: Vec::new() });
    let progress = Progress::Dump { offset: number, cursor: Some(number), finished: false };
    let event = Some(Placed { position: number, offset: number, event });
    Delivery { source: source(), progress, tally: Tally::default(), event, note: None }
}

/// Asks for something, and waits for no answer.
fn ask(desk: &Desk, times: usize) {
    for _ in 0..times {
        let asked = desk.ask(Request { by: By::Operator, command: Command::Admit });
        assert!(pin!(asked).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

/// Deliveries that are applied in each batch, while somebody always asks for more than is done in one, and what was
/// stored of the source each time.
fn applied_under_a_flood(count: u64, batch_events: usize) -> Vec<(u64, usize)> {
    let store = Store::in_memory().unwrap();
    let (sender, deliveries) = queue();
    (1..=count).for_each(|number| sender.send(delivery(number)).unwrap());
    drop(sender);
    let (desk, orders) = desk();
    ask(&desk, 2 * ORDERS_AT_ONCE);
    let mut stored = Vec::new();
    let mut indexer = Indexer::new(store.clone(), batch_events).unwrap();
    let serve = indexer.serve(&deliveries, &orders, &Bounds::default(), |turn| {
        if let Turn::Committed { .. } = turn {
            let offset = standing_of(&store, &source()).unwrap().map_or(0, |stands| stands.offset);
            stored.push((offset, store.snapshot().scan_all::<Records>().count()));
            // Until it is hopeless, or done.
            if offset == count || stored.len() == 1_000 {
                desk.close();
            } else {
                ask(&desk, ORDERS_AT_ONCE);
            }
        }
    });
    serve.unwrap();
    stored
}

#[test]
fn a_batch_that_is_cut_short_for_an_order_stores_what_it_applied() {
    let stored = applied_under_a_flood(1_000, 500);
    assert!(stored.len() > 2, "none was cut short");
    for (offset, records) in &stored {
        assert_eq!(*offset, u64::try_from(*records).unwrap(), "a position is stored of what was not applied");
    }
    assert_eq!(stored.last(), Some(&(1_000, 1_000)));
}
