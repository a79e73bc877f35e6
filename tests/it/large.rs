//! Rounds that are long, wide or crossed: cut, and mended.

use guestlist::check::check;
use guestlist::codec::event::{Account, Block, Commit, Event, Op, Origin, Proof, Write};
use guestlist::codec::json;
use guestlist::delivery::{Delivery, Placed, Progress, Tally, queue};
use guestlist::filing;
use guestlist::http::explain;
use guestlist::identity::Resolver;
use guestlist::indexer::Indexer;
use guestlist::store::Store;
use guestlist::syntax::{AtUri, Cid, Did, RecordKey, Tid};
use guestlist::tables::keys::{MetaKey, RoundId, SourceKey};
use guestlist::tables::rows::RoundTally;
use guestlist::tables::view::ReadRows;
use guestlist::tables::{EventTallies, RoundTallies};
use serde_json::{Value, json};

/// A link to nothing in particular.
const SOME_CID: &str = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq";

const TIME: &str = "2026-05-01T12:00:00Z";

struct World {
    store: Store,
    indexer: Indexer,
    waiting: Vec<Event>,
    told: u64,
}

fn did(number: usize) -> Did {
    Did::parse(&format!("did:web:p{number}.example")).unwrap()
}

fn round() -> RoundId {
    RoundId { did: did(0), rkey: RecordKey::parse("r").unwrap() }
}

fn strong_ref(uri: &str) -> Value {
    json!({ "uri": uri, "cid": SOME_CID })
}

impl World {
    /// A network round of somebody who has numbered themselves 0.
    fn new() -> Self {
        let store = Store::in_memory().unwrap();
        let indexer = Indexer::new(store.clone(), 1000).unwrap();
        let mut world = World { store, indexer, waiting: Vec::new(), told: 0 };
        let jam = strong_ref("at://did:web:p0.example/at.atjam.jam/j");
        let round = json!({
            "$type": "at.atjam.round", "jam": jam, "assignment": "play", "createdAt": TIME, "joinMode": "network",
            "acceptedSubmissionTypes": ["fm.plyr.track"], "milestones": [{ "label": "results", "date": TIME }],
        });
        world.tell(0, "at.atjam.round", "r", Some(round));
        world
    }

    /// Has somebody write a record, or delete it.
    fn tell(&mut self, who: usize, collection: &'static str, rkey: &str, record: Option<Value>) {
        self.told += 1;
        let write = match record {
            None => Write::Delete,
            Some(record) => {
                let bytes = json::encode_dag_cbor(&record.to_string()).unwrap();
                Write::Put(Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None })
            }
        };
        let rev = Tid::from_be_bytes(((1_700_000_000_000_000 + self.told) << 10).to_be_bytes());
        let ops = vec![Op { collection, rkey: RecordKey::parse(rkey).unwrap(), write }];
        let origin = Origin::Firehose {
            since: None,
            data: Cid::compute_dag_cbor(b"tree"),
            prev_data: None,
            proof: Proof::None,
        };
        self.waiting.push(Event::Commit(Commit { did: did(who), rev, origin, ops, damaged: Vec::new() }));
    }

    fn invite(&mut self, from: usize, to: usize) {
        let round = strong_ref(&round().record().uri());
        let record =
            json!({ "$type": "at.atjam.invitation", "round": round, "invitee": did(to), "createdAt": TIME });
        self.tell(from, "at.atjam.invitation", &format!("i{to}"), Some(record));
    }

    fn sign_up(&mut self, who: usize, by: usize) {
        self.sign_up_as("s", who, by);
    }

    /// Has somebody sign up on an invitation, with a record of this key.
    fn sign_up_as(&mut self, rkey: &str, who: usize, by: usize) {
        let invitation = format!("at://{}/at.atjam.invitation/i{who}", did(by));
        let record = json!({
            "$type": "at.atjam.signup", "round": strong_ref(&round().record().uri()),
            "invitation": strong_ref(&invitation), "createdAt": TIME,
        });
        self.tell(who, "at.atjam.signup", rkey, Some(record));
    }

    /// Has everything indexed that was told, and says what the round looks like.
    fn settle(&mut self) -> RoundTally {
        let events = std::mem::take(&mut self.waiting);
        let first = self.told + 1 - events.len() as u64;
        let (sender, deliveries) = queue();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for (seq, event) in (first..).zip(events) {
                    let source =
                        SourceKey { kind: "replay".into(), name: "told".into(), fingerprint: String::new() };
                    let progress = Progress::Dump { offset: seq, cursor: Some(seq), finished: false };
                    let event = Some(Placed { position: seq, offset: seq, event });
                    sender
                        .send(Delivery { source, progress, tally: Tally::default(), event, note: None })
                        .unwrap();
                }
            });
            self.indexer.run(&deliveries, |_| {}).unwrap();
        });
        self.store.snapshot().get::<RoundTallies>(&round()).unwrap().unwrap()
    }

    fn assert_checked(&self) {
        assert_eq!(check(&self.store, |_| {}).unwrap().differences, Vec::<String>::new());
    }
}

#[test]
fn a_chain_of_ten_thousand_invitations_falls_and_returns_with_its_root() {
    const LENGTH: usize = 10_000;
    let mut world = World::new();
    for who in 1..=LENGTH {
        world.invite(who - 1, who);
        world.sign_up(who, who - 1);
    }
    assert_eq!(world.settle().network, 10_000);
    let last = format!("at://{}/at.atjam.signup/s", did(LENGTH));
    let explained =
        explain(&*world.store.snapshot(), &Resolver::default(), &AtUri::parse(&last).unwrap()).unwrap();
    // The organizer, then an invitation and a signup for each link.
    assert_eq!(explained.chain.unwrap().len(), 1 + 2 * LENGTH);

    world.tell(0, "at.atjam.invitation", "i1", None);
    assert_eq!(world.settle().network, 0);
    world.invite(0, 1);
    assert_eq!(world.settle().network, 10_000);
    world.assert_checked();
    assert_eq!(filing::totals(&*world.store.snapshot()).unwrap().records.iter().sum::<u64>(), 20_001);
}

#[test]
fn somebody_with_two_inviters_stays_when_the_nearer_one_goes_and_so_do_those_below() {
    let mut world = World::new();
    // 0 invites 1 and 2, 2 invites 3; 4 is invited by 1 and, a step further from the organizer, by 3; 5 by 4.
    for (from, to) in [(0, 1), (0, 2), (2, 3), (1, 4), (3, 4), (4, 5)] {
        world.invite(from, to);
        world.sign_up_as(&format!("s{from}"), to, from);
        // One at a time: the order is what gives 4 its number by way of 1.
        world.settle();
    }
    world.tell(0, "at.atjam.invitation", "i1", None);
    assert_eq!(world.settle().network, 4, "1 is out; 2, 3, 4 and 5 are in");
    world.tell(2, "at.atjam.invitation", "i3", None);
    assert_eq!(world.settle().network, 1, "only 2 is in");
    world.invite(0, 1);
    assert_eq!(world.settle().network, 4, "1 is back, and 4 and 5 with them");
    world.assert_checked();
}

#[test]
fn a_chain_may_pass_through_its_own_end() {
    let mut world = World::new();
    // 0 invites 1, 1 invites 2, and 2 invites 1 once more: the second signup of 1 rests on their first.
    for (from, to) in [(0, 1), (1, 2), (2, 1)] {
        world.invite(from, to);
        world.sign_up_as(&format!("s{from}"), to, from);
    }
    world.settle();
    let second = AtUri::parse(&format!("at://{}/at.atjam.signup/s2", did(1))).unwrap();
    let explained = explain(&*world.store.snapshot(), &Resolver::default(), &second).unwrap();
    let steps: Vec<Value> = serde_json::to_value(explained.chain).unwrap().as_array().unwrap().clone();
    let authors: Vec<_> = steps[1..].iter().map(|step| step["author"].as_str().unwrap().to_owned()).collect();
    assert_eq!(authors, [0, 1, 1, 2, 2, 1].map(|who| did(who).to_string()));
}

#[test]
fn a_wide_round_falls_and_returns_with_the_one_who_invited_everybody() {
    const WIDTH: usize = 100_000;
    let mut world = World::new();
    world.invite(0, 1);
    world.sign_up(1, 0);
    for who in 2..WIDTH + 2 {
        world.invite(1, who);
        world.sign_up(who, 1);
    }
    assert_eq!(world.settle().network, 100_001);
    world.tell(0, "at.atjam.invitation", "i1", None);
    let cut = world.settle();
    assert_eq!((cut.network, cut.signups, cut.open), (0, 100_001, 100_001));
    world.invite(0, 1);
    assert_eq!(world.settle().network, 100_001);
    world.assert_checked();
}

#[test]
fn signups_that_name_nothing_cost_the_same_however_many_there_are() {
    // One author, one round, invitations that were never written: the walk that each would take is what
    // this guards against. Twenty thousand take a fraction of a second, or minutes.
    let mut world = World::new();
    for number in 0..20_000 {
        let record = json!({
            "$type": "at.atjam.signup", "round": strong_ref(&round().record().uri()), "createdAt": TIME,
            "invitation": strong_ref(&format!("at://{}/at.atjam.invitation/none{number}", did(2))),
        });
        world.tell(1, "at.atjam.signup", &format!("s{number}"), Some(record));
    }
    let tally = world.settle();
    assert_eq!((tally.signups, tally.open, tally.network), (20_000, 1, 0));
}

#[test]
fn an_invitation_costs_the_same_however_many_signups_name_it() {
    // Written and deleted over and over: a look at every signup each time would take minutes.
    let mut world = World::new();
    for number in 0..20_000 {
        world.sign_up_as(&format!("s{number}"), 1, 0);
    }
    for _ in 0..2_000 {
        world.invite(0, 1);
        world.tell(0, "at.atjam.invitation", "i1", None);
    }
    assert_eq!(world.settle().network, 0);
    world.invite(0, 1);
    assert_eq!(world.settle().network, 1);
    for number in 0..19_999 {
        world.tell(1, "at.atjam.signup", &format!("s{number}"), None);
    }
    assert_eq!(world.settle().network, 1);
    world.tell(1, "at.atjam.signup", "s19999", None);
    assert_eq!(world.settle().network, 0);
    world.assert_checked();
}

#[test]
fn an_account_with_many_answers_to_one_event_goes_in_time() {
    // The last by their keys are the first by their times. To find the one that counts among those that have
    // gone already would take minutes.
    const ANSWERS: usize = 40_000;
    let mut world = World::new();
    world.sign_up(3, 0);
    for number in 0..ANSWERS {
        let (minute, second) = ((ANSWERS - number) / 60, (ANSWERS - number) % 60);
        let made = format!(
            "2026-01-{:02}T{:02}:{:02}:{second:02}Z",
            minute / 1440 + 1,
            minute / 60 % 24,
            minute % 60
        );
        let record = json!({
            "$type": "community.lexicon.calendar.rsvp", "createdAt": made,
            "subject": strong_ref("at://did:web:p0.example/community.lexicon.calendar.event/e"),
            "status": "community.lexicon.calendar.rsvp#going",
        });
        world.tell(1, "community.lexicon.calendar.rsvp", &format!("v{number:05}"), Some(record));
    }
    world.settle();
    assert_eq!(world.store.snapshot().scan_all::<EventTallies>().count(), 1);
    world.told += 1;
    let status = Some("deleted".into());
    world.waiting.push(Event::Account(Account { did: did(1), active: false, status, time: None }));
    world.settle();
    assert_eq!(world.store.snapshot().scan_all::<EventTallies>().count(), 0);
    world.assert_checked();
}

#[test]
fn a_chain_is_given_up_when_there_is_too_much_to_look_at() {
    let mut world = World::new();
    world.invite(0, 1);
    world.sign_up(1, 0);
    world.invite(1, 2);
    world.sign_up(2, 1);
    world.settle();
    let uri = AtUri::parse(&format!("at://{}/at.atjam.signup/s", did(2))).unwrap();
    let chain = |world: &World| explain(&*world.store.snapshot(), &Resolver::default(), &uri).unwrap().chain;
    assert_eq!(chain(&world).unwrap().len(), 5);
    for number in 0..20_000 {
        let record = json!({
            "$type": "at.atjam.signup", "round": strong_ref(&round().record().uri()), "createdAt": TIME,
            "invitation": strong_ref(&format!("at://{}/at.atjam.invitation/none{number}", did(0))),
        });
        world.tell(1, "at.atjam.signup", &format!("s{number}"), Some(record));
    }
    world.settle();
    assert!(chain(&world).is_none());
}

#[test]
fn a_batch_of_deletions_is_bounded_too() {
    let mut world = World::new();
    world.sign_up(3, 0);
    world.indexer = Indexer::new(world.store.clone(), 100_000).unwrap();
    for number in 0..20_000 {
        world.tell(1, "at.atjam.signup", &format!("s{number}"), None);
    }
    let before = guestlist::tables::number(&*world.store.snapshot(), MetaKey::Position).unwrap();
    world.settle();
    let batches = guestlist::tables::number(&*world.store.snapshot(), MetaKey::Position).unwrap() - before;
    assert!(batches >= 5, "{batches}");
}
