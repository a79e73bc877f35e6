//! Orders and deliveries at one writer: neither starves the other, and what is asked is done once it is asked.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use guestlist::codec::event::Event;
use guestlist::delivery::{Tally, queue};
use guestlist::indexer::{Indexer, Turn};
use guestlist::orders::{Desk, Unanswered, desk};
use guestlist::spaces::Bounds;
use guestlist::spaces::command::{Answer, Command, Done, Refusal};
use guestlist::store::Store;
use guestlist::tables::keys::MetaKey;
use guestlist::tables::spaces::SpaceTerms;
use guestlist::tables::view::ReadRows;
use guestlist::tables::{Audits, Spaces, number};

use crate::told::{account, firehose, party};
use crate::writers::{Writer, by, delivery, space};

const BOB: &str = "did:plc:bob";

/// As many orders as a desk has room for.
const ROOM: usize = 1024;

/// Asks for as much as there is room for, and waits for nothing of it. Says how much that was.
fn fill(desk: &Desk, command: impl Fn() -> Command) -> usize {
    let ask = || desk.ask(by(BOB, command())).now_or_never();
    (0..ROOM).take_while(|_| ask() != Some(Err(Unanswered::Full))).count()
}

fn make(key: usize) -> Command {
    let space = space(&format!("at://{BOB}/tools.atmo.event.space/{key}"));
    Command::CreateSpace { space, terms: SpaceTerms::default() }
}

fn position(store: &Store) -> u64 {
    number(&*store.snapshot(), MetaKey::Position).unwrap()
}

#[test]
fn a_flood_of_orders_does_not_keep_deliveries_waiting() {
    const DELIVERIES: u64 = 100;
    const TURNS: usize = 20;
    let ((sender, deliveries), (desk, orders)) = (queue(), desk());
    for number in 1..=DELIVERIES {
        let event = Event::Commit(firehose("did:plc:ann", number, None, vec![party()]));
        sender.send(delivery(number, event)).unwrap();
    }
    let (mut asked, mut turns) = (fill(&desk, || Command::Admit), 0);
    assert_eq!(asked, ROOM);
    let (mut frames, mut sender) = (Vec::new(), Some(sender));
    let mut indexer = Indexer::new(Store::in_memory().unwrap(), 250).unwrap();
    let turn = |turn: Turn<'_>| {
        let Turn::Committed { tally, .. } = turn else { return };
        frames.push(tally.frames);
        turns += 1;
        match turns {
            // However much is done, there is always more to do.
            ..TURNS => asked += fill(&desk, || Command::Admit),
            TURNS => {
                sender = None;
                std::thread::spawn({
                    let desk = desk.clone();
                    move || desk.close()
                });
            }
            _ => {}
        }
    };
    indexer.serve(&deliveries, &orders, &Bounds::default(), turn).unwrap();
    assert!(asked > ROOM + TURNS * 100, "the flood was a trickle: {asked}");
    let in_flood: u64 = frames[..TURNS].iter().sum();
    assert_eq!(in_flood, DELIVERIES, "{frames:?}");
}

#[test]
fn a_flood_of_deliveries_does_not_keep_orders_waiting() {
    const ORDERS: usize = 40;
    let ((sender, deliveries), (desk, orders)) = (queue(), desk());
    let store = Store::in_memory().unwrap();
    let mut indexer = Indexer::new(store.clone(), 250).unwrap();
    let (mut placed, mut sent, mut applied) = (0, 0, 0);
    let mut sender = Some(sender);
    let mut turn = |turn: Turn<'_>| {
        let Turn::Committed { tally, .. } = turn else { return };
        applied += tally.frames;
        // What was asked before the last batch is done with it.
        assert_eq!(store.snapshot().scan_all::<Spaces>().count(), placed);
        if placed == ORDERS {
            if sender.take().is_some() {
                desk.close();
            }
            return;
        }
        let sender = sender.as_ref().unwrap();
        // However much is applied, there is always more.
        while deliveries.channel().len() < 1_000 {
            sent += 1;
            let event = Event::Commit(firehose("did:plc:ann", sent, None, vec![party()]));
            sender.send(delivery(sent, event)).unwrap();
        }
        assert_eq!(desk.ask(by(BOB, make(placed))).now_or_never(), None);
        placed += 1;
    };
    let (tally, none) = (Tally::default(), BTreeMap::new());
    let begins = Turn::Committed {
        tally: &tally,
        outcomes: &BTreeMap::new(),
        sources: &none,
        covered: &BTreeMap::new(),
        events: &BTreeSet::new(),
    };
    turn(begins);
    indexer.serve(&deliveries, &orders, &Bounds::default(), turn).unwrap();
    assert_eq!((placed, applied), (ORDERS, sent));
    assert!(sent > 1_000, "the flood was a trickle: {sent}");
}

#[tokio::test]
async fn what_is_asked_before_a_desk_closes_is_answered_and_what_comes_after_is_not() {
    let ((sender, deliveries), (desk, orders)) = (queue(), desk());
    drop(sender);
    let mut before: Vec<_> = (0..300).map(|key| Box::pin(asking(desk.clone(), key))).collect();
    for asked in &mut before {
        assert_eq!(asked.as_mut().now_or_never(), None);
    }
    desk.close();
    let mut after = Box::pin(asking(desk.clone(), 300));
    assert_eq!(after.as_mut().now_or_never(), None);
    let store = Store::in_memory().unwrap();
    let mut indexer = Indexer::new(store.clone(), 250).unwrap();
    let bounds = Bounds { spaces_max: 1_000, ..Bounds::default() };
    tokio::task::spawn_blocking(move || indexer.serve(&deliveries, &orders, &bounds, |_| {}).unwrap())
        .await
        .unwrap();
    for asked in before {
        assert!(matches!(asked.await, Ok(Ok(Done::Space(_)))));
    }
    assert_eq!(after.await, Err(Unanswered::Gone));
    assert_eq!(asking(desk.clone(), 301).await, Err(Unanswered::Gone));
    assert_eq!(store.snapshot().scan_all::<Spaces>().count(), 300);
    // To close it again does no harm.
    desk.close();
}

#[tokio::test]
async fn a_command_is_done_though_nobody_waits_for_its_answer() {
    let mut writer = Writer::start();
    let mut asked = 0;
    for key in 0..50 {
        let dropped = writer.desk.ask(by(BOB, make(key))).now_or_never();
        asked += usize::from(dropped != Some(Err(Unanswered::Full)));
    }
    writer.end();
    let rows = writer.store.snapshot();
    assert_eq!((asked, rows.scan_all::<Spaces>().count(), rows.scan_all::<Audits>().count()), (50, 50, 50));
}

#[tokio::test]
async fn who_only_asks_moves_nothing() {
    let writer = Writer::start();
    let at = || position(&writer.store);
    writer.ask(BOB, make(0)).await.unwrap();
    let first = at();
    assert!(first > 0);
    let request = by(BOB, Command::Admit);
    assert_eq!(writer.desk.ask(request.clone()).await, Ok(Ok(Done::Admitted)));
    assert_eq!(at(), first);
    // Nor does a token that counts no more; that it was used is kept all the same.
    assert_eq!(writer.desk.ask(request).await, Ok(Err(Refusal::Replayed)));
    assert_eq!(at(), first);
    let many: Vec<_> = (0..600).map(|_| writer.ask(BOB, Command::Admit)).collect();
    assert!(futures_util::future::join_all(many).await.iter().all(Result::is_ok));
    assert_eq!(at(), first);
    writer.ask(BOB, make(1)).await.unwrap();
    assert_eq!(at(), first + 1);
    // With an event, or an order of another kind in the same batch, it moves.
    writer.tell(account(BOB, true, None));
    while at() == first + 1 {
        writer.ask(BOB, Command::Admit).await.unwrap();
    }
    assert_eq!(at(), first + 2);
}

async fn asking(desk: Desk, key: usize) -> Result<Answer, Unanswered> {
    desk.ask(by(BOB, make(key))).await
}
