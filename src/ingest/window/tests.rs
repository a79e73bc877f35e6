//! What a window does with messages in every order in which proofs can come.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Closed, LANE_MAX, Order, Place, Proved, Ticket, WORKING_MAX, Window};
use crate::codec::Reject;
use crate::codec::event::{Body, Event};
use crate::delivery::{Delivery, Progress, Receiver, Tally, queue};
use crate::syntax::Did;
use crate::tables::keys::SourceKey;

fn did(number: u8) -> Did {
    Did::parse(&format!("did:plc:{number:024}")).unwrap()
}

fn window(order: Order) -> (Window, Receiver) {
    let (sender, receiver) = queue();
    let source = SourceKey { kind: "relay".to_owned(), name: "some".to_owned(), fingerprint: String::new() };
    (Window::new(source, order, Progress::Live { cursor: Some(0) }, sender, None), receiver)
}

fn place(seq: u64) -> Place {
    let tally = Tally { frames: 1, ..Tally::default() };
    Place { position: seq, until: Progress::Live { cursor: Some(seq) }, tally }
}

/// Something of a repository that says nothing but that it is there.
fn body(did: Did) -> Body {
    Body::Event(Event::Identity(did))
}

fn fine(did: Did) -> Proved {
    Proved::Message(Ok(body(did)))
}

fn deliveries(receiver: &Receiver) -> Vec<Delivery> {
    std::iter::from_fn(|| receiver.recv_timeout(Duration::ZERO).ok()).collect()
}

/// What was handed over: cursor, position of the event, and whether it says that something is missing.
fn handed_over(receiver: &Receiver) -> Vec<(u64, Option<u64>, bool)> {
    let cursor = |delivery: &Delivery| match delivery.progress {
        Progress::Live { cursor } => cursor.unwrap(),
        Progress::Dump { .. } => unreachable!("it is live"),
    };
    let told = |delivery: Delivery| {
        let missed = delivery.event.as_ref().is_some_and(|it| matches!(it.event, Event::Missed(_)));
        (cursor(&delivery), delivery.event.map(|event| event.position), missed)
    };
    deliveries(receiver).into_iter().map(told).collect()
}

#[test]
fn a_repository_whose_key_is_looked_for_holds_up_nobody_else_and_the_cursor_stays_below_it() {
    let (window, receiver) = window(Order::OfRepositories);
    let slow = window.begin(&did(1), 10, &place(1)).unwrap();
    let quick = window.begin(&did(2), 10, &place(2)).unwrap();
    window.park(slow, body(did(1)));
    window.finish(quick, fine(did(2)));
    window.pass(&place(3), Event::Identity(did(1))).unwrap();
    window.pass(&place(4), Event::Identity(did(3))).unwrap();
    assert_eq!(handed_over(&receiver), [(0, Some(2), false), (0, Some(4), false)]);
    window.finish(slow, Proved::Parked);
    assert_eq!(handed_over(&receiver), [(2, Some(1), false), (4, Some(3), false)]);
    assert_eq!(window.drain(), Ok(()));
}

#[test]
fn a_dump_is_handed_over_as_it_was_read() {
    let (window, receiver) = window(Order::OfSource);
    let slow = window.begin(&did(1), 10, &place(1)).unwrap();
    let quick = window.begin(&did(2), 10, &place(2)).unwrap();
    window.park(slow, body(did(1)));
    window.finish(quick, fine(did(2)));
    window.pass(&place(3), Event::Identity(did(3))).unwrap();
    assert_eq!(handed_over(&receiver), []);
    window.finish(slow, Proved::Message(Err(Reject::BadSignature)));
    assert_eq!(handed_over(&receiver), [(2, Some(2), false), (3, Some(3), false)]);
}

#[test]
fn what_is_refused_moves_the_cursor_and_is_counted() {
    let (window, receiver) = window(Order::OfRepositories);
    let bad = window.begin(&did(1), 10, &place(7)).unwrap();
    window.finish(bad, Proved::Message(Err(Reject::BadSignature)));
    window.advance(Progress::Live { cursor: Some(9) }, &Tally::default()).unwrap();
    window.advance(Progress::Live { cursor: Some(9) }, &Tally::default()).unwrap();
    let told = deliveries(&receiver);
    assert_eq!(told.len(), 1, "nothing new is not said again");
    assert_eq!(told[0].progress, Progress::Live { cursor: Some(9) });
    assert_eq!(told[0].tally.rejected, BTreeMap::from([(Reject::BadSignature, 1)]));
}

#[test]
fn a_repository_with_too_much_in_wait_loses_the_oldest_and_is_marked() {
    let (window, receiver) = window(Order::OfRepositories);
    let first = window.begin(&did(1), 10, &place(1)).unwrap();
    window.park(first, body(did(1)));
    for seq in 2..=u64::try_from(LANE_MAX).unwrap() {
        let ticket = window.begin(&did(1), 10, &place(seq)).unwrap();
        window.finish(ticket, fine(did(1)));
    }
    assert_eq!(handed_over(&receiver), []);
    window.begin(&did(1), 10, &place(1000)).unwrap();
    let told = handed_over(&receiver);
    assert_eq!(told.len(), LANE_MAX);
    assert_eq!((told[0].1, told[0].2), (Some(1), true));
    assert!(told[1..].iter().all(|told| !told.2));
    window.finish(first, Proved::Parked);
    assert_eq!(handed_over(&receiver), [], "what was given up stays so");
}

#[test]
fn what_needs_no_proof_waits_within_the_same_bounds() {
    let (window, receiver) = window(Order::OfRepositories);
    let first = window.begin(&did(1), 10, &place(1)).unwrap();
    window.park(first, body(did(1)));
    for seq in 2..=u64::try_from(LANE_MAX).unwrap() {
        window.pass(&place(seq), Event::Identity(did(1))).unwrap();
    }
    assert_eq!(handed_over(&receiver), []);
    window.pass(&place(1000), Event::Identity(did(1))).unwrap();
    assert_eq!(handed_over(&receiver).len(), LANE_MAX + 1);
}

#[test]
fn what_was_given_up_behind_another_is_not_counted_again_when_its_key_comes() {
    let (window, receiver) = window(Order::OfRepositories);
    let front = window.begin(&did(1), 10, &place(1)).unwrap();
    let second = window.begin(&did(1), 10, &place(2)).unwrap();
    window.park(second, body(did(1)));
    for seq in 3..=u64::try_from(LANE_MAX).unwrap() + 1 {
        window.pass(&place(seq), Event::Identity(did(1))).unwrap();
    }
    window.finish(second, Proved::Parked);
    window.finish(front, fine(did(1)));
    let told = deliveries(&receiver);
    let missed = |it: &&Delivery| matches!(it.event.as_ref().unwrap().event, Event::Missed(_));
    assert_eq!(told.iter().filter(missed).count(), 1);
    let mut tally = Tally::default();
    told.iter().for_each(|it| tally.add(&it.tally));
    assert_eq!(tally.rejected, BTreeMap::from([(Reject::IdentityUnresolved, 1)]));
    assert_eq!(tally.outcomes.proved, 1, "the one before it");
}

#[test]
fn one_that_is_given_up_takes_no_memory_while_it_is_behind_another() {
    let (window, _receiver) = window(Order::OfRepositories);
    window.begin(&did(0), 10, &place(1)).unwrap();
    for seq in 2..=34 {
        let ticket = window.begin(&did(0), 2_000_000, &place(seq)).unwrap();
        window.park(ticket, body(did(0)));
    }
    let given_up = |window: &Window| {
        let state = window.lock();
        (state.held_bytes, state.slots.values().filter(|slot| slot.bytes == 0).count())
    };
    assert_eq!(given_up(&window), (66_000_000, 0));
    window.begin(&did(1), 10, &place(35)).unwrap();
    assert_eq!(given_up(&window), (64_000_000, 1));
}

/// How many messages a window takes in, if a reader puts in as many as it can.
fn taken_in(window: &Window, put: impl Fn(u64) -> Result<(), Closed> + Send + Sync) -> u64 {
    let count = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for seq in 2..20_000 {
                if put(seq).is_err() {
                    return;
                }
                count.fetch_add(1, Ordering::AcqRel);
            }
        });
        // It either waits for room or comes to an end; it can be told that it waits when it has long been quiet.
        let mut before = (0, Instant::now());
        while before.1.elapsed() < Duration::from_millis(300) {
            let now = count.load(Ordering::Acquire);
            if now != before.0 {
                before = (now, Instant::now());
            }
            thread::yield_now();
        }
        window.close();
    });
    count.into_inner()
}

#[test]
fn a_dump_is_read_no_further_than_so_much_while_its_first_message_waits() {
    let most = u64::try_from(WORKING_MAX).unwrap() - 1;
    let waiting = || {
        let (window, receiver) = window(Order::OfSource);
        let first = window.begin(&did(1), 10, &place(1)).unwrap();
        window.park(first, body(did(1)));
        (window, receiver)
    };
    let (window, _receiver) = waiting();
    let proved = |seq| window.begin(&did(2), 10, &place(seq)).map(|it| window.finish(it, fine(did(2))));
    assert_eq!(taken_in(&window, proved), most);
    let (window, _receiver) = waiting();
    let large = |seq| window.begin(&did(2), 4_000_000, &place(seq)).map(|it| window.finish(it, fine(did(2))));
    assert_eq!(taken_in(&window, large), 3);
    let (window, _receiver) = waiting();
    assert_eq!(taken_in(&window, |seq| window.pass(&place(seq), Event::Identity(did(2)))), most);
}

#[test]
fn nobody_waits_for_what_waits_for_a_network_that_is_gone() {
    for order in [Order::OfSource, Order::OfRepositories] {
        let (window, _receiver) = window(order);
        let ticket = window.begin(&did(1), 10, &place(1)).unwrap();
        window.park(ticket, body(did(1)));
        thread::scope(|scope| {
            let drained = scope.spawn(|| window.drain());
            window.abandon();
            assert_eq!(drained.join().unwrap(), Err(Closed::Gone), "{order:?}");
        });
    }
}

#[test]
fn too_many_bytes_in_wait_cost_the_oldest() {
    let (window, receiver) = window(Order::OfRepositories);
    for number in 0..40 {
        let seq = u64::from(number) + 1;
        let ticket = window.begin(&did(number), 2_000_000, &place(seq)).unwrap();
        window.park(ticket, body(did(number)));
    }
    let told = handed_over(&receiver);
    let seqs: Vec<_> = told.iter().map(|told| (told.1.unwrap(), told.2)).collect();
    assert_eq!(seqs, (1..8).map(|seq| (seq, true)).collect::<Vec<_>>(), "64 MB of 80 stay");
}

#[test]
fn nobody_waits_for_a_window_that_is_closed_or_stuck() {
    let (window, receiver) = window(Order::OfSource);
    let ticket = window.begin(&did(1), 10, &place(1)).unwrap();
    window.finish(ticket, Proved::Stuck("nobody answers".to_owned()));
    assert_eq!(window.drain(), Err(Closed::Stuck("nobody answers".to_owned())));
    assert_eq!(
        window.pass(&place(2), Event::Identity(did(2))),
        Err(Closed::Stuck("nobody answers".to_owned()))
    );
    assert_eq!(handed_over(&receiver), [], "and nothing passes what is not known");
    let (window, _) = self::window(Order::OfRepositories);
    window.begin(&did(1), 10, &place(1)).unwrap();
    window.close();
    assert_eq!(window.drain(), Err(Closed::Gone));
    assert_eq!(window.begin(&did(1), 10, &place(2)), Err(Closed::Gone));
}

proptest! {
    #[test]
    fn every_message_is_handed_over_once_in_the_order_of_its_repository_and_never_passed_by_the_cursor(
        people in prop::collection::vec(0..4_u8, 1..60),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 200),
        parks in prop::collection::vec(any::<bool>(), 60),
        of_source in any::<bool>(),
    ) {
        let order = if of_source { Order::OfSource } else { Order::OfRepositories };
        let (window, receiver) = window(order);
        let finish = |window: &Window, (ticket, person, parks): (Ticket, u8, bool)| {
            window.finish(ticket, if parks { Proved::Parked } else { fine(did(person)) });
        };
        let mut open: Vec<(Ticket, u8, bool)> = Vec::new();
        let mut told = Vec::new();
        let mut choices = choices.into_iter();
        for (seq, (person, parks)) in (1..).zip(people.iter().zip(&parks)) {
            let ticket = window.begin(&did(*person), 1, &place(seq)).unwrap();
            if *parks {
                window.park(ticket, body(did(*person)));
            }
            open.push((ticket, *person, *parks));
            if seq % 3 == 0 {
                finish(&window, open.swap_remove(choices.next().unwrap().index(open.len())));
            }
            told.extend(handed_over(&receiver));
        }
        while !open.is_empty() {
            finish(&window, open.swap_remove(choices.next().unwrap().index(open.len())));
            told.extend(handed_over(&receiver));
        }
        let positions: Vec<u64> = told.iter().map(|told| told.1.unwrap()).collect();
        let mut sorted = positions.clone();
        sorted.sort_unstable();
        prop_assert_eq!(&sorted, &(1..=people.len() as u64).collect::<Vec<_>>());
        if of_source {
            prop_assert_eq!(&positions, &sorted);
        }
        for person in 0..4 {
            let of_person: std::collections::BTreeSet<u64> =
                (1..).zip(&people).filter(|(_, whose)| **whose == person).map(|(seq, _)| seq).collect();
            let of_person = positions.iter().filter(|seq| of_person.contains(seq));
            prop_assert!(of_person.is_sorted());
        }
        for (at, (cursor, ..)) in told.iter().enumerate() {
            let before: std::collections::BTreeSet<_> = positions[..=at].iter().collect();
            prop_assert!((1..=*cursor).all(|seq| before.contains(&seq)));
        }
    }
}
