//! What follows from what a host says when it is asked about an account.

use guestlist::codec::answer::{Answer, Part, Said, Standing};
use guestlist::codec::event::{self, Event, Export, Exported, Op, Write};
use guestlist::http::explain;
use guestlist::identity::Resolver;
use guestlist::syntax::{AtUri, Datetime, RecordKey};
use guestlist::tables::completeness::{Cause, Verified};
use guestlist::tables::rows::AccountState;
use guestlist::tables::view::ReadRows;
use guestlist::tables::{Accounts, Dues, Ledgers, Touched};

use crate::told::{ANN, BEN, EVENT, Story, account, at, data, did, firehose, party, put, sync, tid};

/// When `told::account` events say that they were sent, in microseconds since the epoch.
fn then() -> i64 {
    Datetime::parse("2026-05-01T12:00:00Z").unwrap().micros()
}

fn said(who: &str, at: i64, said: Said) -> Event {
    Event::Answer(Answer { did: did(who), at, retry: 60_000_000, said })
}

fn standing(active: bool, status: Option<&str>, rev: Option<u64>) -> Said {
    Said::Standing(Standing { active, status: status.map(Box::from), rev: rev.map(tid) })
}

/// The whole repository at a revision, with these records in it.
fn repository(who: &str, rev: u64, ops: Vec<Op>) -> Said {
    let records = ops.into_iter().map(|op| match op.write {
        Write::Put(block) => Exported { collection: op.collection, rkey: op.rkey, block },
        Write::Delete => unreachable!("a repository has what it has"),
    });
    let export = Export { did: did(who), rev: tid(rev), data: data(rev), records: records.collect() };
    Said::Part(Part { export, after: None, until: None })
}

fn event(rkey: &str) -> Op {
    put(EVENT, rkey, serde_json::json!({ "name": rkey, "createdAt": "2026-05-01T12:00:00Z" }))
}

/// A part of a repository at a revision, between two of its events.
fn part(rev: u64, ops: Vec<Op>, after: Option<&str>, until: Option<&str>) -> Said {
    let Said::Part(whole) = repository(ANN, rev, ops) else { unreachable!("it is one part") };
    let path = |rkey: &str| (EVENT, RecordKey::parse(rkey).unwrap());
    Said::Part(Part { after: after.map(path), until: until.map(path), ..whole })
}

fn deleted(at: i64) -> Event {
    let (status, time) = (Some("deleted".into()), Datetime::from_micros(at));
    Event::Account(event::Account { did: did(ANN), active: false, status, time })
}

fn suspended(at: i64) -> Event {
    let (status, time) = (Some("suspended".into()), Datetime::from_micros(at));
    Event::Account(event::Account { did: did(ANN), active: false, status, time })
}

trait Asking {
    fn asks(&mut self, who: &str, at: i64, said: Said);
    fn state(&self, who: &str) -> AccountState;
    fn cause(&self, who: &str) -> Option<Cause>;
    fn shows(&self, rkey: &str) -> bool;
}

impl Asking for Story {
    fn asks(&mut self, who: &str, at: i64, what: Said) {
        if matches!(what, Said::Part(_)) {
            self.say("hosts", &said(who, at, Said::Asked));
        }
        self.say("hosts", &said(who, at, what));
        self.assert_checked();
    }

    fn state(&self, who: &str) -> AccountState {
        self.account(who).state
    }

    fn cause(&self, who: &str) -> Option<Cause> {
        let rows = self.store.snapshot();
        let mut due = rows.scan_all::<Dues>().map(Result::unwrap);
        due.find(|(key, _)| key.did == did(who)).map(|(_, due)| due.cause)
    }

    fn shows(&self, rkey: &str) -> bool {
        self.line(&at(ANN, EVENT, rkey)).is_some()
    }
}

/// Somebody whose first commit was seen from the beginning.
fn known() -> Story {
    let mut story = Story::new();
    story.say("relay", &Event::Commit(firehose(ANN, 1, None, vec![party()])));
    assert_eq!(story.cause(ANN), None, "a first commit has no history");
    story
}

#[test]
fn what_the_host_says_counts_until_a_source_says_something_later_or_sends_something_newer() {
    let mut story = known();
    story.asks(ANN, then() - 9, standing(false, Some("deactivated"), None));
    assert_eq!((story.state(ANN), story.shows("party")), (AccountState::Inactive, false));
    // The same source, the same revision: the later word counts.
    story.say("relay", &account(ANN, true, None));
    assert_eq!((story.state(ANN), story.shows("party")), (AccountState::Active, true));
    story.asks(ANN, then() - 8, standing(false, Some("takendown"), None));
    assert_eq!(story.state(ANN), AccountState::Active, "the account event was sent after that");
    story.asks(ANN, then() + 8, standing(false, Some("takendown"), None));
    assert_eq!(story.state(ANN), AccountState::Inactive);
    // A commit is ignored, as after an account event, and the host is asked whether that is right.
    story.say("relay", &Event::Commit(firehose(ANN, 2, Some(1), vec![event("e")])));
    assert_eq!((story.state(ANN), story.cause(ANN)), (AccountState::Inactive, Some(Cause::Ignored)));
    story.asks(ANN, then() + 9, repository(ANN, 2, vec![party(), event("e")]));
    assert_eq!((story.state(ANN), story.shows("e"), story.cause(ANN)), (AccountState::Active, true, None));
    // Whatever its commits have shown, what the source says next counts.
    story.say("hosts", &said(ANN, then() + 10, standing(true, None, Some(2))));
    story.say_at("relay", 900, true, &suspended(then() + 11));
    assert_eq!(story.state(ANN), AccountState::Inactive);
    story.assert_checked();
}

#[test]
fn a_host_that_an_account_has_left_is_overruled_by_the_one_that_it_has() {
    let mut story = known();
    story.say("relay", &account(ANN, false, Some("deactivated")));
    assert_eq!(story.state(ANN), AccountState::Inactive);
    story.asks(ANN, then() + 9, repository(ANN, 4, vec![party(), event("moved")]));
    assert_eq!((story.state(ANN), story.shows("party")), (AccountState::Active, true));
    assert_eq!(story.account(ANN).rev, Some(tid(4)));
}

#[test]
fn an_account_of_which_nothing_is_here_leaves_a_row_only_if_it_has_to_be_hidden() {
    let mut story = Story::new();
    story.asks(BEN, 5, standing(true, None, Some(9)));
    story.asks(BEN, 5, repository(BEN, 9, Vec::new()));
    let rows = |story: &Story| story.store.snapshot().get::<Accounts>(&did(BEN)).unwrap();
    assert_eq!(rows(&story), None);
    assert!(story.store.snapshot().scan_all::<Ledgers>().next().is_none());
    story.asks(BEN, 6, standing(false, Some("suspended"), None));
    assert_eq!(story.state(BEN), AccountState::Inactive);
    let uri = AtUri::parse(&at(BEN, EVENT, "x")).unwrap();
    let explained = explain(&*story.store.snapshot(), &Resolver::default(), &uri).unwrap();
    assert!(explained.to_text().contains("not-live"), "{}", explained.to_text());
}

#[test]
fn whom_a_record_refers_to_is_asked_about_until_somebody_has_spoken() {
    let mut story = known();
    story.answer(ANN, "v", &at(BEN, EVENT, "x"), "going");
    assert_eq!(story.cause(BEN), Some(Cause::Referenced));
    story.asks(BEN, 5, standing(true, None, Some(3)));
    assert_eq!(story.cause(BEN), None);
    story.answer(ANN, "w", &at(BEN, EVENT, "y"), "going");
    assert_eq!(story.cause(BEN), None, "it was answered");
}

#[test]
fn a_commit_in_the_middle_of_a_history_makes_its_repository_due_and_counts_meanwhile() {
    let mut story = Story::new();
    story.say("relay", &Event::Commit(firehose(ANN, 5, Some(4), vec![party()])));
    assert_eq!((story.cause(ANN), story.shows("party")), (Some(Cause::FirstSeen), true));
    story.asks(ANN, 9, repository(ANN, 5, vec![party(), event("earlier")]));
    assert_eq!((story.cause(ANN), story.shows("earlier")), (None, true));
    let ledger = story.store.snapshot().get::<Ledgers>(&did(ANN)).unwrap().unwrap();
    assert_eq!((ledger.verified, ledger.compared.unwrap().rev), (Verified::Whole, Some(tid(5))));
}

#[test]
fn a_revision_suffices_only_where_nothing_is_doubtful() {
    let mut story = known();
    story.say("relay", &Event::Commit(firehose(ANN, 9, Some(7), vec![event("e")])));
    assert!(story.account(ANN).marks.gap && story.cause(ANN) == Some(Cause::Marked));
    story.asks(ANN, 5, standing(true, None, Some(9)));
    assert_eq!(story.cause(ANN), Some(Cause::Marked), "the gap is still there");
    story.asks(ANN, 6, repository(ANN, 9, vec![event("e")]));
    assert_eq!((story.cause(ANN), story.shows("party"), story.shows("e")), (None, false, true));
    assert!(!story.account(ANN).marks.any());
}

#[test]
fn marks_come_back_when_nothing_comes_of_asking_and_an_older_answer_is_none() {
    let mut story = known();
    story.say("relay", &Event::Commit(firehose(ANN, 9, Some(7), vec![event("e")])));
    for failing in
        [Said::Failed { why: "cut".into(), not_before: None }, repository(ANN, 8, vec![event("old")])]
    {
        story.say("hosts", &said(ANN, 5, Said::Asked));
        assert!(!story.account(ANN).marks.any());
        story.say("hosts", &said(ANN, 5, failing));
        assert!(story.account(ANN).marks.gap && story.cause(ANN) == Some(Cause::Marked));
        assert_eq!((story.shows("e"), story.shows("old")), (true, false));
    }
    let rows = story.store.snapshot();
    let (key, due) = rows.scan_all::<Dues>().next().unwrap().unwrap();
    assert_eq!((due.attempts, key.next), (2, 5 + 2 * 60_000_000));
    assert_eq!(due.failure.as_deref(), Some("its host has an older revision than what is known"));
}

#[test]
fn an_account_that_returns_is_compared_with_its_host() {
    let mut story = known();
    story.say("relay", &account(ANN, false, Some("deactivated")));
    story.say("relay", &Event::Commit(firehose(ANN, 2, Some(1), vec![event("ignored")])));
    assert_eq!(story.cause(ANN), Some(Cause::Ignored));
    story.say("relay", &account(ANN, true, None));
    assert_eq!(story.cause(ANN), Some(Cause::Marked));
    story.asks(ANN, then() + 1, repository(ANN, 2, vec![party(), event("ignored")]));
    assert_eq!((story.cause(ANN), story.shows("ignored")), (None, true));
}

#[test]
fn what_is_said_while_the_host_is_asked_is_not_answered_by_it() {
    let mut story = known();
    story.say("hosts", &said(ANN, 5, Said::Asked));
    story.say("relay", &sync(ANN, 9, 9));
    story.say("hosts", &said(ANN, 5, repository(ANN, 2, vec![party()])));
    assert!(story.account(ANN).marks.desynchronized && story.cause(ANN) == Some(Cause::Marked));
    story.asks(ANN, 9, repository(ANN, 9, vec![event("e")]));
    assert_eq!((story.cause(ANN), story.shows("party"), story.shows("e")), (None, false, true));
}

#[test]
fn an_answer_that_nobody_waits_for_any_more_changes_nothing() {
    let mut story = known();
    story.say("hosts", &said(ANN, 5, repository(ANN, 7, vec![event("e")])));
    assert_eq!((story.shows("party"), story.account(ANN).rev), (true, Some(tid(1))));
    // Deleted while it was asked.
    story.say("hosts", &said(ANN, 5, Said::Asked));
    let time = Datetime::from_micros(10);
    let deleted = event::Account { did: did(ANN), active: false, status: Some("deleted".into()), time };
    story.say("relay", &Event::Account(deleted));
    story.say("hosts", &said(ANN, 5, repository(ANN, 7, vec![event("e")])));
    assert_eq!((story.state(ANN), story.shows("e")), (AccountState::Deleted, false));
    story.assert_checked();
}

#[test]
fn what_an_older_commit_wrote_does_not_replace_what_a_part_brought() {
    let mut story = known();
    let at_three = |name: &str| put(EVENT, "a", serde_json::json!({ "name": name }));
    story.say("hosts", &said(ANN, 5, Said::Asked));
    story.say("hosts", &said(ANN, 5, part(3, vec![at_three("third")], None, Some("a"))));
    // The source is behind the host, and catches up before and after the last part.
    story.say("relay", &Event::Commit(firehose(ANN, 2, Some(1), vec![at_three("second")])));
    story.say("hosts", &said(ANN, 5, part(3, vec![party()], Some("a"), None)));
    story.say("relay", &Event::Commit(firehose(ANN, 3, Some(2), vec![at_three("third")])));
    let line = story.line(&at(ANN, EVENT, "a")).unwrap();
    let fresh = {
        let mut fresh = known();
        fresh.asks(ANN, 5, repository(ANN, 3, vec![at_three("third"), party()]));
        fresh.line(&at(ANN, EVENT, "a")).unwrap()
    };
    assert_eq!((line, story.cause(ANN)), (fresh, None));
    story.assert_checked();
}

#[test]
fn somebody_who_was_inactive_when_asked_is_asked_again_when_active() {
    let mut story = Story::new();
    story.asks(ANN, then() - 9, standing(false, Some("deactivated"), None));
    assert_eq!((story.state(ANN), story.cause(ANN)), (AccountState::Inactive, None));
    story.say("relay", &account(ANN, true, None));
    assert_eq!((story.state(ANN), story.cause(ANN)), (AccountState::Active, Some(Cause::FirstSeen)));
    story.asks(ANN, then() + 9, repository(ANN, 2, vec![party()]));
    assert_eq!((story.shows("party"), story.cause(ANN)), (true, None));
}

#[test]
fn an_account_that_was_deleted_and_returns_is_asked_about_and_until_then_a_tombstone_stays() {
    let mut story = known();
    story.say("relay", &deleted(then() - 9));
    story.asks(ANN, then() - 8, standing(false, Some("not-found"), None));
    assert_eq!(story.state(ANN), AccountState::Deleted);
    story.say("relay", &account(ANN, true, None));
    assert_eq!((story.state(ANN), story.cause(ANN)), (AccountState::Active, Some(Cause::FirstSeen)));
    story.asks(ANN, then() + 9, repository(ANN, 1, vec![party()]));
    assert_eq!((story.shows("party"), story.cause(ANN)), (true, None));
}

#[test]
fn a_host_that_was_asked_before_a_source_spoke_leaves_marks_and_the_account_due() {
    let mut story = known();
    story.say("relay", &Event::Commit(firehose(ANN, 9, Some(7), vec![event("e")])));
    story.say("hosts", &said(ANN, then() - 1, Said::Asked));
    story.say("relay", &account(ANN, true, None));
    story.asks(ANN, then() - 1, standing(false, Some("deactivated"), None));
    assert_eq!((story.state(ANN), story.cause(ANN)), (AccountState::Active, Some(Cause::Marked)));
    assert!(story.account(ANN).marks.gap);
    story.asks(ANN, then() + 1, standing(false, Some("deactivated"), None));
    assert_eq!((story.state(ANN), story.cause(ANN)), (AccountState::Inactive, None));
}

#[test]
fn a_sync_of_somebody_of_whom_nothing_is_known_is_not_answered_by_what_was_asked_for_before() {
    let mut story = Story::new();
    story.say("hosts", &said(ANN, 5, Said::Asked));
    story.say("relay", &sync(ANN, 9, 9));
    story.say("hosts", &said(ANN, 5, repository(ANN, 2, vec![party()])));
    assert_eq!(story.cause(ANN), Some(Cause::Marked));
    story.asks(ANN, 9, repository(ANN, 9, vec![event("e")]));
    assert_eq!((story.cause(ANN), story.shows("party"), story.shows("e")), (None, false, true));
}

#[test]
fn a_sync_of_half_a_repository_does_not_vouch_for_the_other_half() {
    let mut story = Story::new();
    story.say("hosts", &said(ANN, 5, Said::Asked));
    story.say("hosts", &said(ANN, 5, part(3, vec![event("a")], None, Some("a"))));
    story.say("hosts", &said(ANN, 5, Said::Failed { why: "cut".into(), not_before: None }));
    story.say("relay", &sync(ANN, 4, 4));
    assert!(story.account(ANN).marks.desynchronized && story.cause(ANN) == Some(Cause::Marked));
}

#[test]
fn what_comes_of_a_repository_that_was_purged_meanwhile_is_not_taken_for_all_of_it() {
    let mut story = known();
    story.say("hosts", &said(ANN, 5, Said::Asked));
    story.say("hosts", &said(ANN, 5, part(3, vec![event("a")], None, Some("a"))));
    story.say("relay", &Event::Commit(firehose(ANN, 4, Some(1), vec![event("z")])));
    story.say("relay", &deleted(6));
    assert!(story.store.snapshot().scan_all::<Touched>().next().is_none());
    story.say("relay", &account(ANN, true, None));
    story.say("hosts", &said(ANN, 5, part(3, vec![party()], Some("a"), None)));
    assert_eq!((story.shows("a"), story.cause(ANN)), (false, Some(Cause::FirstSeen)));
    story.asks(ANN, then() + 1, repository(ANN, 4, vec![event("a"), party(), event("z")]));
    assert_eq!((story.shows("a"), story.shows("z"), story.cause(ANN)), (true, true, None));
}

#[test]
fn who_is_being_asked_about_stays_due_until_there_is_an_answer() {
    let mut story = known();
    story.answer(ANN, "v", &at(BEN, EVENT, "x"), "going");
    story.say("hosts", &said(BEN, 5, Said::Asked));
    story.say("relay", &account(BEN, true, None));
    assert_eq!(story.cause(BEN), Some(Cause::Referenced));
    story.say("hosts", &said(BEN, 5, repository(BEN, 3, Vec::new())));
    assert_eq!(story.cause(BEN), None);
}

#[test]
fn an_account_event_that_comes_again_does_not_outdo_what_the_host_has_said_since() {
    let mut story = known();
    let away = account(ANN, false, Some("deactivated"));
    story.say_at("relay", 50, true, &away);
    story.asks(ANN, then() + 1, repository(ANN, 2, vec![party()]));
    story.say_at("relay", 50, false, &away);
    assert_eq!(story.state(ANN), AccountState::Active);
}

#[test]
fn an_export_that_is_read_while_the_host_is_asked_is_not_undone_by_something_older() {
    let mut story = known();
    story.say("hosts", &said(ANN, 5, Said::Asked));
    let Said::Part(newer) = repository(ANN, 9, vec![event("newer")]) else { unreachable!("it is one part") };
    story.say("dump", &Event::Export(newer.export));
    story.say("hosts", &said(ANN, 5, repository(ANN, 8, vec![party()])));
    assert_eq!((story.shows("newer"), story.shows("party")), (true, false));
}

#[test]
fn parts_of_two_revisions_do_not_make_one_repository() {
    let mut story = known();
    story.say("relay", &Event::Commit(firehose(ANN, 9, Some(7), vec![event("e")])));
    story.say("hosts", &said(ANN, 5, Said::Asked));
    story.say("hosts", &said(ANN, 5, part(10, vec![event("a")], None, Some("a"))));
    story.say("hosts", &said(ANN, 5, part(11, vec![event("z")], Some("a"), None)));
    assert_eq!((story.account(ANN).rev, story.cause(ANN)), (Some(tid(9)), Some(Cause::Marked)));
    assert_eq!((story.shows("z"), story.shows("e")), (false, true));
}

#[test]
fn marks_outlive_an_attempt_that_was_cut_off_without_a_word() {
    let mut story = known();
    story.say("relay", &Event::Commit(firehose(ANN, 9, Some(7), vec![event("e")])));
    story.say("hosts", &said(ANN, 5, Said::Asked));
    // Whoever asked was killed, and asks again.
    story.say("hosts", &said(ANN, 6, Said::Asked));
    story.say("hosts", &said(ANN, 6, Said::Failed { why: "cut".into(), not_before: None }));
    assert!(story.account(ANN).marks.gap && story.cause(ANN) == Some(Cause::Marked));
}
