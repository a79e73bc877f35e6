//! What is due, and the windows of a source, step by step.

use guestlist::ledger::{FIRST_STAGE, Failure, Note, Step, compared, due, failed, heard_of, note, of, refer};
use guestlist::records::Kind;
use guestlist::store::{Store, StoreError};
use guestlist::syntax::{Did, Tid};
use guestlist::tables::completeness::{Cause, Compared, Due, How, Miss, Stage, Window};
use guestlist::tables::keys::{DueKey, MetaKey, SourceKey};
use guestlist::tables::rows::{Account, AccountState};
use guestlist::tables::view::{Overlay, ReadRows, RowsError};
use guestlist::tables::{Accounts, Coverages, Dues, Ledgers, number};

fn ann() -> Did {
    Did::parse("did:plc:a").unwrap()
}

fn ben() -> Did {
    Did::parse("did:plc:b").unwrap()
}

fn source() -> SourceKey {
    SourceKey { kind: "relay".into(), name: "wss://relay.example".into(), fingerprint: String::new() }
}

/// A store that is written to step by step.
struct Book(Store);

impl Book {
    fn new() -> Self {
        Self(Store::in_memory().unwrap())
    }

    fn write(&self, write: impl FnOnce(&mut Overlay<'_>) -> Result<(), RowsError>) {
        self.0.write::<StoreError>(|rows| Ok(write(rows)?)).unwrap();
        self.agrees();
    }

    fn step(&self, step: Step) {
        self.write(|rows| note(rows, &source(), &Note::Sweep(step)));
    }

    fn miss(&self, how: How, at: i64) {
        self.write(|rows| note(rows, &source(), &Note::Missed(Miss { how, at, cursor: None })));
    }

    fn window(&self) -> Window {
        self.0.snapshot().get::<Coverages>(&source()).unwrap().unwrap().window.unwrap()
    }

    fn dues(&self) -> Vec<(DueKey, Due)> {
        self.0.snapshot().scan_all::<Dues>().map(Result::unwrap).collect()
    }

    /// Ledgers, what is due, and the counts of it say the same.
    fn agrees(&self) {
        let (rows, dues) = (self.0.snapshot(), self.dues());
        let said: Vec<_> = rows.scan_all::<Ledgers>().map(Result::unwrap).collect();
        let mut from_ledgers: Vec<_> =
            said.into_iter().filter_map(|(did, ledger)| Some(DueKey { next: ledger.due?, did })).collect();
        from_ledgers.sort();
        assert_eq!(from_ledgers, dues.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>());
        let failing = dues.iter().filter(|(_, due)| due.attempts > 0).count();
        let counted = [MetaKey::Due, MetaKey::Failing].map(|key| number(&*rows, key).unwrap());
        assert_eq!(counted, [dues.len() as u64, failing as u64]);
    }
}

fn failure(at: i64, not_before: Option<i64>) -> Failure<'static> {
    Failure { why: "the host is gone", at, retry: 60_000_000, not_before }
}

#[test]
fn who_fails_stays_due_with_the_reason_and_waits_that_double_up_to_an_hour() {
    let book = Book::new();
    book.write(|rows| due(rows, &ann(), Cause::Marked, None));
    for (attempt, seconds) in (0..).zip([60, 120, 240, 480, 960, 1920, 3600, 3600]) {
        book.write(|rows| failed(rows, &ann(), &failure(1_000, None)));
        let [(key, due)] = &book.dues()[..] else { panic!() };
        assert_eq!((key.next, due.attempts), (1_000 + seconds * 1_000_000, attempt + 1));
        assert_eq!(due.failure.as_deref(), Some("the host is gone"));
    }
    // A host that asks for more time gets it, and who asks by name does not wait.
    book.write(|rows| failed(rows, &ann(), &failure(0, Some(i64::MAX))));
    assert_eq!(book.dues()[0].0.next, i64::MAX);
    book.write(|rows| due(rows, &ann(), Cause::Named, None));
    assert_eq!((book.dues()[0].0.next, book.dues()[0].1.attempts), (0, 0));
    book.write(|rows| compared(rows, &ann(), Compared { at: 5, rev: None }, None));
    assert!(book.dues().is_empty());
}

#[test]
fn a_cause_that_asks_for_more_wins_and_nobody_is_due_twice() {
    let book = Book::new();
    for (cause, then) in [
        (Cause::Listed, Cause::Listed),
        (Cause::Referenced, Cause::Listed),
        (Cause::Marked, Cause::Marked),
        (Cause::FirstSeen, Cause::Marked),
    ] {
        book.write(|rows| due(rows, &ann(), cause, None));
        let [(_, due)] = &book.dues()[..] else { panic!() };
        assert_eq!(due.cause, then);
    }
}

#[test]
fn somebody_who_is_referred_to_is_asked_about_once_and_only_while_nothing_is_known() {
    let book = Book::new();
    book.write(|rows| refer(rows, &ann()));
    book.write(|rows| refer(rows, &ann()));
    assert_eq!(book.dues().len(), 1);
    book.write(|rows| compared(rows, &ann(), Compared { at: 5, rev: None }, None));
    book.write(|rows| refer(rows, &ann()));
    assert!(book.dues().is_empty(), "it was answered");
    book.write(|rows| refer(rows, &ben()));
    book.write(|rows| heard_of(rows, &ben()));
    assert!(book.dues().is_empty(), "a source has spoken");
    book.write(|rows| {
        rows.put::<Accounts>(&ben(), &Account { tracked: true, ..Account::default() });
        refer(rows, &ben())
    });
    assert!(book.dues().is_empty());
}

#[test]
fn of_somebody_who_has_nothing_and_whom_nothing_names_nothing_is_kept() {
    let book = Book::new();
    book.write(|rows| due(rows, &ann(), Cause::Listed, Some(3)));
    book.write(|rows| compared(rows, &ann(), Compared { at: 5, rev: None }, None));
    assert!(book.0.snapshot().scan_all::<Ledgers>().next().is_none());
}

#[test]
fn misses_before_a_sweep_are_one_window_and_later_ones_make_another_follow() {
    let book = Book::new();
    book.miss(How::OutdatedCursor, 1);
    book.miss(How::PassedOver, 2);
    assert_eq!((book.window().miss.how, book.window().times), (How::OutdatedCursor, 2));
    book.step(Step::Begin { at: 10, stage: Stage::Tracked });
    book.miss(How::Retention, 11);
    book.miss(How::PassedOver, 12);
    book.step(Step::Close { at: 13, next: 90 });
    assert!(book.window().is_open() && book.window().sweep.is_some(), "the sweep has not ended");
    book.step(Step::Page { dids: vec![], at: 14, cursor: None });
    book.step(Step::Close { at: 15, next: 90 });
    let window = book.window();
    assert_eq!((window.miss.how, window.next, window.sweep), (How::Retention, 90, None));
    book.step(Step::Begin { at: 91, stage: Stage::Tracked });
    book.step(Step::Page { dids: vec![], at: 92, cursor: None });
    book.step(Step::Close { at: 93, next: 100 });
    assert_eq!(book.window().closed, Some(93));
    book.step(Step::Begin { at: 94, stage: Stage::Tracked });
    assert_eq!(book.window().closed, Some(93), "what is closed stays so");
    book.miss(How::NoCursor, 95);
    assert!(book.window().is_open() && book.window().next == 100, "not at once after the one before");
}

#[test]
fn a_sweep_walks_over_every_collection_then_those_that_are_tracked_and_its_place_moves_with_whom_it_makes_due()
 {
    let book = Book::new();
    book.miss(How::FirstRead, 1);
    book.step(Step::Begin { at: 10, stage: FIRST_STAGE });
    book.step(Step::Page { dids: vec![ann()], at: 11, cursor: Some("more".into()) });
    let sweep = book.window().sweep.unwrap();
    assert_eq!((sweep.stage, sweep.cursor.as_deref()), (Stage::Collection(0), Some("more")));
    assert_eq!(book.dues()[0].1.listed, Some(11));
    // Who was compared since the sweep began is passed over.
    book.write(|rows| {
        rows.put::<Accounts>(&ann(), &Account::default());
        compared(rows, &ann(), Compared { at: 12, rev: Some(Tid::from_be_bytes([1; 8])) }, None)
    });
    for _ in Kind::ALL {
        book.step(Step::Page { dids: vec![ann()], at: 13, cursor: None });
    }
    assert!(book.dues().is_empty());
    assert_eq!(book.window().sweep.unwrap().stage, Stage::Tracked);
    book.step(Step::Page { dids: vec![ben()], at: 14, cursor: None });
    let sweep = book.window().sweep.unwrap();
    assert_eq!((sweep.ended, sweep.listed), (Some(14), 10));
    assert_eq!(book.dues()[0].0.did, ben());
}

#[test]
fn a_sweep_that_fails_says_why_and_begins_its_stage_again_only_where_it_must() {
    let book = Book::new();
    book.miss(How::FirstRead, 1);
    book.step(Step::Begin { at: 10, stage: Stage::Everything });
    book.step(Step::Page { dids: vec![], at: 11, cursor: Some("more".into()) });
    let fail = |restart| Step::Failed { why: "x".repeat(1000).into(), next: 77, restart };
    book.step(fail(false));
    let window = book.window();
    assert_eq!((window.attempts, window.next, window.failure.unwrap().len()), (1, 77, 300));
    assert_eq!(window.sweep.unwrap().cursor.as_deref(), Some("more"));
    book.step(fail(true));
    assert_eq!(book.window().sweep.unwrap().cursor, None);
    book.step(Step::Page { dids: vec![], at: 12, cursor: Some("more".into()) });
    assert_eq!((book.window().attempts, book.window().failure), (0, None));
}

#[test]
fn the_ledger_of_somebody_who_is_due_names_the_row() {
    let book = Book::new();
    book.write(|rows| due(rows, &ann(), Cause::Marked, None));
    book.write(|rows| {
        rows.delete::<Dues>(&DueKey { next: 0, did: ann() });
        assert!(matches!(due(rows, &ann(), Cause::Marked, None), Err(RowsError::Contradiction { .. })));
        assert!(of(rows, &ann())?.due.is_some());
        rows.put::<Dues>(
            &DueKey { next: 0, did: ann() },
            &Due { cause: Cause::Marked, listed: None, attempts: 0, failure: None },
        );
        Ok(())
    });
}

#[test]
fn a_sweep_does_not_pass_over_somebody_of_whom_only_the_account_was_asked_about() {
    let book = Book::new();
    book.miss(How::FirstRead, 1);
    book.step(Step::Begin { at: 10, stage: FIRST_STAGE });
    book.write(|rows| refer(rows, &ann()));
    book.write(|rows| compared(rows, &ann(), Compared { at: 11, rev: None }, None));
    book.step(Step::Page { dids: vec![ann()], at: 12, cursor: None });
    assert_eq!(book.dues()[0].1.cause, Cause::Listed);
    // Of somebody whose content is not to be had there is nothing more to ask.
    let state = AccountState::Inactive;
    book.write(|rows| {
        rows.put::<Accounts>(&ben(), &Account { state, ..Account::default() });
        due(rows, &ben(), Cause::Listed, Some(12))?;
        compared(rows, &ben(), Compared { at: 13, rev: None }, None)
    });
    book.step(Step::Page { dids: vec![ben()], at: 14, cursor: None });
    assert_eq!(book.dues().len(), 1);
}

/// A sweep that finds nobody.
fn sweep(book: &Book, begun: i64, next: i64) {
    book.step(Step::Begin { at: begun, stage: Stage::Tracked });
    book.step(Step::Page { dids: vec![], at: begun + 1, cursor: None });
    book.step(Step::Close { at: begun + 2, next });
}

#[test]
fn what_is_missed_after_a_window_was_closed_waits_too_unless_somebody_asks() {
    let book = Book::new();
    book.miss(How::OutdatedCursor, 1);
    sweep(&book, 10, 90);
    assert_eq!(book.window().closed, Some(12));
    book.miss(How::OutdatedCursor, 13);
    assert_eq!((book.window().is_open(), book.window().next), (true, 90));
    sweep(&book, 91, 170);
    book.miss(How::Asked, 95);
    assert_eq!((book.window().is_open(), book.window().next), (true, 0));
}

#[test]
fn who_asks_for_a_sweep_that_failed_has_it_gone_on_with_at_once_where_it_was() {
    let book = Book::new();
    book.miss(How::Asked, 1);
    book.step(Step::Begin { at: 10, stage: Stage::Everything });
    book.step(Step::Page { dids: vec![], at: 11, cursor: Some("more".into()) });
    for _ in 0..3 {
        book.step(Step::Failed { why: "no".into(), next: 77, restart: false });
    }
    book.miss(How::Asked, 20);
    let window = book.window();
    assert_eq!((window.attempts, window.failure, window.next, window.again), (0, None, 0, None));
    assert_eq!(window.sweep.unwrap().cursor.as_deref(), Some("more"));
}

#[test]
fn an_answer_from_before_a_sweep_began_does_not_count_for_it() {
    let book = Book::new();
    book.write(|rows| {
        rows.put::<Accounts>(&ann(), &Account::default());
        due(rows, &ann(), Cause::Marked, None)
    });
    // Its host is asked at 5; something is missed; the sweep comes by; and then the answer is there.
    book.miss(How::OutdatedCursor, 6);
    book.step(Step::Begin { at: 10, stage: Stage::Tracked });
    book.step(Step::Page { dids: vec![ann()], at: 11, cursor: None });
    book.write(|rows| compared(rows, &ann(), Compared { at: 5, rev: None }, None));
    assert_eq!((book.dues()[0].1.cause, book.dues()[0].1.listed), (Cause::Listed, Some(11)));
    book.write(|rows| compared(rows, &ann(), Compared { at: 12, rev: None }, None));
    assert!(book.dues().is_empty());
}
