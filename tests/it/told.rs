//! Histories told by hand: what random ones meet too seldom, event by event, with the rule that decides.

use guestlist::check::check;
use guestlist::codec::Reject;
use guestlist::codec::event::{self, Block, Commit, Event, Op, Origin, Proof, Sync, Write};
use guestlist::codec::json;
use guestlist::export;
use guestlist::filing;
use guestlist::http::explain;
use guestlist::identity::Resolver;
use guestlist::reduce::{From, reduce};
use guestlist::store::{Store, StoreError};
use guestlist::syntax::{AtUri, Cid, Datetime, Did, RecordKey, Tid};
use guestlist::tables::Accounts;
use guestlist::tables::keys::SourceKey;
use guestlist::tables::rows::{Account, AccountState, Marks};
use guestlist::tables::view::{ReadRows, RowsError};
use serde_json::{Value, json};

const INVITATION: &str = "at.atjam.invitation";
const ROUND: &str = "at.atjam.round";
const SIGNUP: &str = "at.atjam.signup";
const SUBMISSION: &str = "at.atjam.submission";
pub(crate) const EVENT: &str = "community.lexicon.calendar.event";
const RSVP: &str = "community.lexicon.calendar.rsvp";

const HOST: &str = "did:web:host.example";
pub(crate) const ANN: &str = "did:web:ann.example";
pub(crate) const BEN: &str = "did:web:ben.example";
const CAL: &str = "did:web:cal.example";
const DOT: &str = "did:web:dot.example";

/// A CID that nothing here has.
const SOME_CID: &str = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq";

const FIRST: &str = "2026-05-01T12:00:00Z";
const SECOND: &str = "2026-05-02T12:00:00Z";

pub(crate) struct Story {
    pub(crate) store: Store,
    told: u64,
}

pub(crate) fn did(text: &str) -> Did {
    Did::parse(text).unwrap()
}

pub(crate) fn at(author: &str, collection: &str, rkey: &str) -> String {
    format!("at://{author}/{collection}/{rkey}")
}

pub(crate) fn strong_ref(uri: &str) -> Value {
    json!({ "uri": uri, "cid": SOME_CID })
}

pub(crate) fn tid(number: u64) -> Tid {
    Tid::from_be_bytes(((1_700_000_000_000_000 + number) << 10).to_be_bytes())
}

pub(crate) fn data(number: u64) -> Cid {
    Cid::compute_dag_cbor(&number.to_be_bytes())
}

pub(crate) fn put(collection: &'static str, rkey: &str, mut record: Value) -> Op {
    record["$type"] = json!(collection);
    let bytes = json::encode_dag_cbor(&record.to_string()).unwrap();
    let block = Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None };
    Op { collection, rkey: RecordKey::parse(rkey).unwrap(), write: Write::Put(block) }
}

pub(crate) fn firehose(who: &str, rev: u64, since: Option<u64>, ops: Vec<Op>) -> Commit {
    let origin =
        Origin::Firehose { since: since.map(tid), data: data(rev), prev_data: None, proof: Proof::None };
    Commit { did: did(who), rev: tid(rev), origin, ops, damaged: Vec::new() }
}

fn jetstream(who: &str, rev: u64, op: Op) -> Commit {
    Commit { did: did(who), rev: tid(rev), origin: Origin::Jetstream, ops: vec![op], damaged: Vec::new() }
}

pub(crate) fn sync(who: &str, rev: u64, tree: u64) -> Event {
    Event::Sync(Sync { did: did(who), rev: tid(rev), event_rev: tid(rev), data: data(tree) })
}

pub(crate) fn account(who: &str, active: bool, status: Option<&str>) -> Event {
    let time = Datetime::parse(FIRST).ok();
    Event::Account(event::Account { did: did(who), active, status: status.map(Box::from), time })
}

/// A record that nothing else depends on.
pub(crate) fn party() -> Op {
    put(EVENT, "party", json!({ "name": "Party", "createdAt": FIRST }))
}

impl Story {
    pub(crate) fn new() -> Self {
        Self { store: Store::in_memory().unwrap(), told: 0 }
    }

    /// Has a source say something, at a position of its own.
    pub(crate) fn say(&mut self, source: &str, event: &Event) {
        self.told += 1;
        self.say_at(source, self.told, true, event);
    }

    pub(crate) fn say_at(&mut self, source: &str, position: u64, is_new: bool, event: &Event) {
        let key = SourceKey { kind: "replay".into(), name: source.into(), fingerprint: String::new() };
        let written = self.store.write::<StoreError>(|rows| {
            let source = filing::source_row(rows, &key)?.id;
            reduce(rows, From { source, position, is_new }, event)?;
            Ok(())
        });
        written.unwrap();
    }

    /// A commit of one operation, newer than all before it.
    pub(crate) fn write(&mut self, who: &str, op: Op) {
        let rev = self.told + 1;
        self.say("some", &Event::Commit(firehose(who, rev, None, vec![op])));
    }

    fn delete(&mut self, who: &str, collection: &'static str, rkey: &str) {
        self.write(who, Op { collection, rkey: RecordKey::parse(rkey).unwrap(), write: Write::Delete });
    }

    fn round(&mut self, mode: &str, gate: &str) {
        let jam = strong_ref(&at(HOST, "at.atjam.jam", "j"));
        let round = json!({ "jam": jam, "joinMode": mode, "networkGate": gate, "createdAt": FIRST });
        self.write(HOST, put(ROUND, "r", round));
    }

    fn invite(&mut self, from: &str, rkey: &str, to: &str) {
        let round = strong_ref(&at(HOST, ROUND, "r"));
        self.write(from, put(INVITATION, rkey, json!({ "round": round, "invitee": to, "createdAt": FIRST })));
    }

    fn sign_up(&mut self, who: &str, rkey: &str, invitation: &str, created_at: &str) {
        let (round, invitation) = (strong_ref(&at(HOST, ROUND, "r")), strong_ref(invitation));
        let record = json!({ "round": round, "invitation": invitation, "createdAt": created_at });
        self.write(who, put(SIGNUP, rkey, record));
    }

    /// An invitation and the signup that accepts it, under one key.
    fn bring_in(&mut self, from: &str, rkey: &str, to: &str) {
        self.invite(from, rkey, to);
        self.sign_up(to, rkey, &at(from, INVITATION, rkey), FIRST);
    }

    fn submit(&mut self, who: &str, rkey: &str) {
        let round = strong_ref(&at(HOST, ROUND, "r"));
        self.write(who, put(SUBMISSION, rkey, json!({ "round": round, "createdAt": FIRST })));
    }

    pub(crate) fn answer(&mut self, who: &str, rkey: &str, event: &str, status: &str) {
        let record = json!({ "subject": strong_ref(event), "status": format!("{RSVP}#{status}") });
        self.write(who, put(RSVP, rkey, record));
    }

    /// What an export says of a record.
    pub(crate) fn line(&self, uri: &str) -> Option<Value> {
        let mut found = None;
        let look = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            if line["uri"] == uri {
                found = Some(line);
            }
            Ok::<_, RowsError>(())
        };
        export::verdicts(&self.store.freeze(), look).unwrap();
        found
    }

    /// The reason of an invalid record, or the basis of a valid one.
    fn verdict(&self, uri: &str) -> String {
        let verdict = self.line(uri).unwrap()["verdict"].clone();
        let of = |field: &str| verdict[field].as_str().map(str::to_owned);
        of("reason").or_else(|| of("basis")).unwrap()
    }

    /// The URIs of a signup's chain, after the organizer.
    fn chain(&self, uri: &str) -> Vec<String> {
        let explained =
            explain(&*self.store.snapshot(), &Resolver::default(), &AtUri::parse(uri).unwrap()).unwrap();
        let steps = serde_json::to_value(explained.chain).unwrap();
        steps.as_array().unwrap()[1..].iter().map(|step| step["uri"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn account(&self, who: &str) -> Account {
        self.store.snapshot().get::<Accounts>(&did(who)).unwrap().unwrap_or_default()
    }

    pub(crate) fn assert_checked(&self) {
        assert_eq!(check(&self.store, |_| {}).unwrap().differences, Vec::<String>::new());
    }
}

#[test]
fn a_gate_opens_with_the_first_submission_and_closes_with_the_last() {
    let rule =
        "`contributed` means the DID has a valid signup and at least one live submission to the same round";
    let mut story = Story::new();
    story.round("network", "contributed");
    story.bring_in(HOST, "a", ANN);
    story.bring_in(ANN, "b", BEN);
    story.bring_in(BEN, "c", CAL);
    story.submit(BEN, "work");
    let (of_ben, of_cal) = (at(BEN, SIGNUP, "b"), at(CAL, SIGNUP, "c"));
    let assert_in = |story: &Story, is_in: bool| {
        let (ben, cal) =
            if is_in { ("invited", "invited") } else { ("inviter-gate-unmet", "inviter-not-participant") };
        assert_eq!((&*story.verdict(&of_ben), &*story.verdict(&of_cal)), (ben, cal), "{rule}");
        story.assert_checked();
    };
    assert_in(&story, false);
    story.submit(ANN, "first");
    assert_in(&story, true);
    story.submit(ANN, "second");
    story.delete(ANN, SUBMISSION, "first");
    assert_in(&story, true);
    story.delete(ANN, SUBMISSION, "second");
    assert_in(&story, false);
    story.submit(ANN, "first");
    story.say("some", &account(ANN, false, Some("deactivated")));
    assert_eq!(story.verdict(&of_ben), "invitation-not-live");
    story.say("some", &account(ANN, true, None));
    assert_in(&story, true);
    // A submission that was edited to another round is none to this one.
    let other = json!({ "round": strong_ref(&at(HOST, ROUND, "other")), "createdAt": FIRST });
    story.write(ANN, put(SUBMISSION, "first", other));
    assert_in(&story, false);
}

#[test]
fn two_who_hold_each_other_fall_when_the_last_root_goes_whatever_their_numbers() {
    let rule = "Two DIDs that invite each other without a root are both invalid.";
    let mut story = Story::new();
    story.round("network", "signup");
    // Both are as near to the organizer, so that neither may stand on the other alone.
    story.bring_in(HOST, "a", ANN);
    story.bring_in(HOST, "b", BEN);
    story.bring_in(ANN, "to-ben", BEN);
    story.bring_in(BEN, "to-ann", ANN);
    let verdicts =
        |story: &Story| [at(ANN, SIGNUP, "to-ann"), at(BEN, SIGNUP, "to-ben")].map(|uri| story.verdict(&uri));
    story.delete(HOST, INVITATION, "a");
    assert_eq!(verdicts(&story), ["invited", "invited"], "ben is the root of both");
    story.assert_checked();
    story.delete(HOST, INVITATION, "b");
    assert_eq!(verdicts(&story), ["inviter-not-participant", "inviter-not-participant"], "{rule}");
    story.assert_checked();
    story.invite(HOST, "a", ANN);
    assert_eq!(verdicts(&story), ["invited", "invited"], "and returns if the link returns");
    story.assert_checked();
}

#[test]
fn of_equal_chains_the_one_with_the_smallest_invitations_is_shown() {
    let rule = "The chain shown is the shortest; between equals the one whose sequence of invitation URIs, read \
                from the organizer, is smallest";
    let mut story = Story::new();
    story.round("network", "contributed");
    // The organizer's to ben is the smaller, though ann's to cal is smaller than ben's to cal.
    story.bring_in(HOST, "2", ANN);
    story.bring_in(HOST, "1", BEN);
    story.submit(ANN, "work");
    story.submit(BEN, "work");
    story.submit(CAL, "work");
    story.bring_in(ANN, "x", CAL);
    story.bring_in(BEN, "y", CAL);
    story.bring_in(CAL, "z", DOT);
    let last = at(DOT, SIGNUP, "z");
    let by = |first: &str, name: &str, from: &str, second: &str| {
        [
            at(HOST, INVITATION, first),
            at(name, SIGNUP, first),
            at(from, INVITATION, second),
            at(CAL, SIGNUP, second),
            at(CAL, INVITATION, "z"),
            last.clone(),
        ]
    };
    assert_eq!(story.chain(&last), by("1", BEN, BEN, "y"), "{rule}");
    // Whoever may not invite is in nobody's chain, however small their invitations are.
    story.delete(BEN, SUBMISSION, "work");
    assert_eq!(story.chain(&last), by("2", ANN, ANN, "x"), "{rule}");
}

#[test]
fn a_link_of_a_chain_is_the_earliest_signup_that_names_an_invitation_that_is_there() {
    let rule = "the one shown is the valid one with the smallest `(t, rkey)`";
    let mut story = Story::new();
    story.round("network", "signup");
    story.invite(HOST, "b", ANN);
    let invitation = at(HOST, INVITATION, "b");
    story.sign_up(ANN, "1", &invitation, SECOND);
    story.sign_up(ANN, "3", &invitation, FIRST);
    story.sign_up(ANN, "2", &invitation, FIRST);
    // The smaller URI, but nothing is there.
    story.sign_up(ANN, "0", &at(HOST, INVITATION, "a"), FIRST);
    story.bring_in(ANN, "z", BEN);
    let last = at(BEN, SIGNUP, "z");
    let expected = [invitation, at(ANN, SIGNUP, "2"), at(ANN, INVITATION, "z"), last.clone()];
    assert_eq!(story.chain(&last), expected, "{rule}");
}

#[test]
fn an_account_event_at_the_position_of_the_last_is_applied() {
    let rule = "each with the `seq` (or time) of the last one applied, below which they are ignored";
    let mut story = Story::new();
    story.write(ANN, party());
    let uri = at(ANN, EVENT, "party");
    for (position, active, shown) in [(10, false, false), (10, true, true), (9, false, true)] {
        story.say_at("some", position, true, &account(ANN, active, None));
        assert_eq!(story.line(&uri).is_some(), shown, "{rule}");
    }
}

#[test]
fn a_source_that_says_deactivated_after_deleted_is_taken_at_its_last_word() {
    let rule = "A tombstone ends only with `active: true`; then the purged URIs are unknown";
    let mut story = Story::new();
    story.write(ANN, party());
    for (active, status, state) in [
        (false, Some("deleted"), AccountState::Deleted),
        (false, Some("deactivated"), AccountState::Inactive),
        (true, None, AccountState::Active),
    ] {
        story.say("some", &account(ANN, active, status));
        assert_eq!(story.account(ANN).state, state, "the state is a function of what was said last");
        assert!(story.line(&at(ANN, EVENT, "party")).is_none(), "{rule}");
        story.assert_checked();
    }
}

#[test]
fn of_sources_that_know_the_same_the_smallest_name_counts_whichever_spoke_first() {
    let rule = "With none, or a tie: the latest `time` in the account events, then the smallest source name.";
    for names in [["a", "b"], ["b", "a"]] {
        let mut story = Story::new();
        story.write(ANN, party());
        for name in names {
            story.say(name, &sync(ANN, 50, 50));
            story.say(name, &account(ANN, name == "a", None));
        }
        assert!(story.line(&at(ANN, EVENT, "party")).is_some(), "{rule} {names:?}");
    }
}

#[test]
fn a_repository_is_marked_for_whatever_a_host_should_be_asked_about() {
    let rule = "A Jetstream event older than the repository's rev is ignored, and the repository is marked for \
                re-checking.";
    let gap = Marks { gap: true, ..Marks::default() };
    let desynchronized = Marks { desynchronized: true, ..Marks::default() };
    let late_jetstream = Marks { late_jetstream: true, ..Marks::default() };
    let unchecked = Marks { unchecked: true, ..Marks::default() };
    let mut damaged = firehose(ANN, 11, Some(10), vec![party()]);
    damaged.damaged.push(Reject::BlockMissing);
    let begun = || Event::Commit(firehose(ANN, 10, None, vec![party()]));
    let by_jetstream = || Event::Commit(jetstream(ANN, 10, party()));
    let on_top = |since| Event::Commit(firehose(ANN, 11, since, vec![party()]));
    let on_another = |tree| {
        let mut commit = firehose(ANN, 11, Some(10), vec![party()]);
        let Origin::Firehose { prev_data, .. } = &mut commit.origin else {
            unreachable!("it is of the firehose")
        };
        *prev_data = Some(data(tree));
        Event::Commit(commit)
    };
    let (old, gone) = (Event::Commit(jetstream(ANN, 9, party())), account(ANN, false, None));
    let cases = [
        ("a commit that follows", vec![(begun(), true), (on_top(Some(10)), true)], Marks::default()),
        ("a gap in the chain", vec![(begun(), true), (on_top(Some(9)), true)], gap),
        ("a gap that only the tree shows", vec![(begun(), true), (on_another(9), true)], gap),
        (
            "a commit that follows by its tree too",
            vec![(begun(), true), (on_another(10), true)],
            Marks::default(),
        ),
        ("a gap at the start", vec![(on_top(Some(9)), true)], Marks::default()),
        ("a gap after Jetstream", vec![(by_jetstream(), true), (on_top(Some(9)), true)], Marks::default()),
        ("a block is missing", vec![(begun(), true), (Event::Commit(damaged), true)], desynchronized),
        ("a `#sync` with the same data", vec![(begun(), true), (sync(ANN, 11, 10), true)], Marks::default()),
        ("a `#sync` with other data", vec![(begun(), true), (sync(ANN, 11, 9), true)], desynchronized),
        ("a `#sync` of the past", vec![(begun(), true), (sync(ANN, 9, 9), true)], Marks::default()),
        ("an old Jetstream event", vec![(begun(), true), (old.clone(), true)], late_jetstream),
        ("a rewind is normal", vec![(begun(), true), (old.clone(), false)], Marks::default()),
        (
            "an account was gone",
            vec![(begun(), true), (gone, true), (account(ANN, true, None), true)],
            unchecked,
        ),
        (
            "what was deleted needs no host",
            vec![(begun(), true), (old, true), (account(ANN, false, Some("deleted")), true)],
            Marks::default(),
        ),
    ];
    for (what, events, expected) in cases {
        let mut story = Story::new();
        for ((event, is_new), position) in events.into_iter().zip(1..) {
            story.say_at("some", position, is_new, &event);
        }
        assert_eq!(story.account(ANN).marks, expected, "{what}: {rule}");
        let marked = filing::totals(&*story.store.snapshot()).unwrap().marked;
        assert_eq!(marked, u64::from(expected.any()), "{what}");
    }
}

#[test]
fn events_whose_uris_begin_alike_are_answered_apart() {
    // As long as a DID may be, so that the two differ where an index that cut them off would not see it.
    let host = |end: char| format!("did:web:{}{end}", "h".repeat(2000));
    let ends = ['1', '2'].map(host);
    let longs = ends.each_ref().map(|host| at(host, EVENT, "e"));
    let shorts = [at(HOST, EVENT, "e"), at(HOST, EVENT, "e2")];
    for [one, other] in [longs, shorts] {
        let mut story = Story::new();
        for (uri, rkey) in [(&one, "a"), (&other, "b")] {
            let (host, key) = (uri.split('/').nth(2).unwrap(), uri.split('/').nth(4).unwrap());
            story.write(host, put(EVENT, key, json!({ "name": "Party", "createdAt": FIRST })));
            story.answer(ANN, rkey, uri, "going");
        }
        for (uri, rkey) in [(&one, "a"), (&other, "b")] {
            assert_eq!(story.line(&at(ANN, RSVP, rkey)).unwrap()["effective"], true);
            assert_eq!(story.line(uri).unwrap()["counts"]["going"], 1);
        }
        story.assert_checked();
    }
}

#[test]
fn nothing_of_an_account_touches_one_whose_did_goes_on_where_its_own_ends() {
    const LONGER: &str = "did:web:ann.example.org";
    assert!(LONGER.starts_with(ANN));
    for status in ["deactivated", "deleted"] {
        let mut story = Story::new();
        story.round("network", "signup");
        let at_party = at(HOST, EVENT, "party");
        for who in [ANN, LONGER] {
            story.bring_in(HOST, "i", who);
            story.answer(who, "v", &at_party, "going");
            story.invite(HOST, "i2", BEN);
        }
        story.delete(HOST, INVITATION, "i2");
        story.write(HOST, party());
        story.bring_in(LONGER, "to-ben", BEN);
        // The invitation that both signed up with now invites the second alone.
        assert_eq!(story.verdict(&at(ANN, SIGNUP, "i")), "invitee-mismatch");
        story.say("some", &account(ANN, false, Some(status)));
        assert_eq!(story.verdict(&at(LONGER, SIGNUP, "i")), "invited", "{status}");
        assert_eq!(story.verdict(&at(BEN, SIGNUP, "to-ben")), "invited", "{status}");
        assert_eq!(story.line(&at(LONGER, RSVP, "v")).unwrap()["effective"], true);
        assert_eq!(story.line(&at_party).unwrap()["counts"]["going"], 1, "{status}");
        story.say("some", &account(ANN, true, None));
        story.submit(ANN, "work");
        assert_eq!(story.verdict(&at(ANN, SUBMISSION, "work")), "author-not-participant", "{status}");
        story.assert_checked();
    }
}

#[test]
fn an_invitation_is_told_from_one_whose_key_goes_on_where_its_own_ends() {
    let mut story = Story::new();
    story.round("network", "signup");
    story.invite(HOST, "i1", ANN);
    story.sign_up(ANN, "s", &at(HOST, INVITATION, "i1"), FIRST);
    // The same invitee under a key that begins the other.
    story.invite(HOST, "i", ANN);
    story.delete(HOST, INVITATION, "i");
    assert_eq!(story.verdict(&at(ANN, SIGNUP, "s")), "invited");
    story.assert_checked();
    story.invite(HOST, "i", ANN);
    story.delete(HOST, INVITATION, "i1");
    assert_eq!(story.verdict(&at(ANN, SIGNUP, "s")), "invitation-unknown");
    story.submit(ANN, "work");
    assert_eq!(story.verdict(&at(ANN, SUBMISSION, "work")), "author-not-participant");
    story.assert_checked();
}

#[test]
fn a_repository_after_its_deletion_is_one_that_nothing_is_known_of_but_its_revision() {
    let uri = at(ANN, EVENT, "party");
    let returned = |begun: Commit| {
        let mut story = Story::new();
        story.say("some", &Event::Commit(begun));
        assert!(story.account(ANN).tracked);
        story.say("some", &account(ANN, false, Some("deleted")));
        let account = story.account(ANN);
        assert_eq!((account.tracked, account.rev), (false, Some(tid(10))), "the rev watermark is kept");
        story.say("some", &self::account(ANN, true, None));
        story
    };
    for begun in [jetstream(ANN, 10, party()), firehose(ANN, 10, None, vec![party()])] {
        let mut story = returned(begun);
        for again in [jetstream(ANN, 10, party()), firehose(ANN, 10, None, vec![party()])] {
            story.say("some", &Event::Commit(again));
            assert!(story.line(&uri).is_none(), "After a purge an equal rev is stale too.");
        }
        story.say("some", &Event::Commit(firehose(ANN, 11, None, vec![party()])));
        assert!(story.line(&uri).is_some());
    }
    let mut story = returned(firehose(ANN, 10, None, vec![party()]));
    story.say("some", &sync(ANN, 12, 12));
    story.say("some", &Event::Commit(firehose(ANN, 11, None, vec![party()])));
    assert!(story.line(&uri).is_none(), "a `#sync` for an unknown repository founds it empty");
    story.assert_checked();
}

#[test]
fn a_repository_is_tracked_from_its_first_record_on() {
    let rule = "A skipped commit (nothing wanted, repository not tracked) leaves no trace.";
    let mut story = Story::new();
    let gone = Op { collection: EVENT, rkey: RecordKey::parse("party").unwrap(), write: Write::Delete };
    story.say("some", &Event::Commit(firehose(ANN, 10, None, Vec::new())));
    assert_eq!(story.account(ANN), Account::default(), "{rule}");
    story.say("some", &Event::Commit(firehose(ANN, 11, None, vec![gone])));
    assert!(!story.account(ANN).tracked, "a deletion is no record");
    story.say("some", &Event::Commit(firehose(ANN, 12, None, Vec::new())));
    assert_eq!(story.account(ANN).rev, Some(tid(11)), "{rule}");
    story.say("some", &Event::Commit(firehose(ANN, 13, None, vec![party()])));
    assert!(story.account(ANN).tracked);
    story.say("some", &Event::Commit(firehose(ANN, 14, None, Vec::new())));
    assert_eq!(story.account(ANN).rev, Some(tid(14)), "every commit of a tracked repository moves it");
}

#[test]
fn what_an_inactive_account_commits_does_not_move_its_revision() {
    let rule = "Commits from inactive accounts are ignored and do not advance the repository's rev";
    let mut story = Story::new();
    story.say("some", &Event::Commit(firehose(ANN, 10, None, vec![party()])));
    story.say("some", &account(ANN, false, Some("suspended")));
    for ignored in [
        Event::Commit(firehose(ANN, 20, None, vec![put(EVENT, "other", json!({ "name": "Other" }))])),
        Event::Commit(jetstream(ANN, 21, party())),
        sync(ANN, 22, 10),
    ] {
        story.say("some", &ignored);
        assert_eq!(story.account(ANN).rev, Some(tid(10)), "{rule}");
    }
    story.say("some", &account(ANN, true, None));
    story.say("some", &Event::Commit(firehose(ANN, 11, None, vec![put(EVENT, "later", json!({}))])));
    assert_eq!(story.account(ANN).rev, Some(tid(11)), "{rule}");
    assert!(story.line(&at(ANN, EVENT, "later")).is_some() && story.line(&at(ANN, EVENT, "other")).is_none());
}

#[test]
fn of_a_sync_its_own_revision_chooses_the_source_and_the_signed_one_is_the_watermark() {
    let rule = "Of a `#sync` the rev inside the signed commit is the watermark and the event's own rev only decides \
                between sources";
    let mut story = Story::new();
    story.say("old", &Event::Commit(firehose(ANN, 20, None, vec![party()])));
    story.say("old", &account(ANN, false, Some("deactivated")));
    assert!(story.line(&at(ANN, EVENT, "party")).is_none());
    let moved = Sync { did: did(ANN), rev: tid(10), event_rev: tid(30), data: data(20) };
    story.say("new", &Event::Sync(moved));
    assert!(story.line(&at(ANN, EVENT, "party")).is_some(), "{rule}");
    assert_eq!(story.account(ANN).rev, Some(tid(20)), "{rule}");
    let ahead = Sync { did: did(ANN), rev: tid(21), event_rev: tid(40), data: data(20) };
    story.say("new", &Event::Sync(ahead));
    story.say("new", &Event::Commit(firehose(ANN, 22, None, vec![put(EVENT, "later", json!({}))])));
    assert!(story.line(&at(ANN, EVENT, "later")).is_some(), "{rule}");
}
