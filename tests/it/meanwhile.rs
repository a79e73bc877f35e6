//! A repository that is written to while its host is asked for it: whatever comes in between, in whatever parts it
//! comes, what is stored is what the host has, or the repository is due.

use std::collections::{BTreeMap, VecDeque};

use guestlist::check::check;
use guestlist::codec::answer::{Answer, Part, Path, Said};
use guestlist::codec::event::{
    Account, Block, Commit, Event, Export, Exported, Op, Origin, Proof, Sync, Write,
};
use guestlist::filing;
use guestlist::ledger;
use guestlist::reduce::{From, reduce};
use guestlist::store::{Store, StoreError};
use guestlist::syntax::{Cid, Datetime, Did, RecordKey, Tid};
use guestlist::tables::completeness::Cause;
use guestlist::tables::keys::SourceKey;
use guestlist::tables::view::ReadRows;
use guestlist::tables::{Accounts, Dues, Records, Touched};
use proptest::prelude::*;

const EVENT: &str = "community.lexicon.calendar.event";
const ROUND: &str = "at.atjam.round";

/// Where records are, in the order of their keys.
const PLACES: [(&str, &str); 6] =
    [(ROUND, "a"), (ROUND, "b"), (EVENT, "a"), (EVENT, "b"), (EVENT, "c"), (EVENT, "d")];

/// A repository at one revision: what is where.
type Tree = BTreeMap<usize, u64>;

/// Something that happens.
#[derive(Clone, Debug)]
enum Move {
    /// A commit: what is written where, or removed.
    Commit(Vec<(usize, bool)>),
    /// A commit of which one hears later.
    Write(Vec<(usize, bool)>),
    /// The next of what one hears later.
    Hear,
    /// The host says where its repository stands.
    Sync,
    /// The account is deactivated, or deleted, and returns.
    Away(bool),
    /// A commit of which nobody hears.
    Lost(Vec<(usize, bool)>),
    /// The host is asked.
    Ask,
    /// The host takes a look at its repository, to send that.
    Look,
    /// A part of so many records comes.
    Part(usize),
    /// It is cut.
    Fail,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let writes = || prop::collection::vec((0..PLACES.len(), any::<bool>()), 0..3);
    let one = prop_oneof![
        4 => writes().prop_map(Move::Commit),
        2 => writes().prop_map(Move::Write),
        2 => Just(Move::Hear),
        1 => Just(Move::Sync),
        1 => any::<bool>().prop_map(Move::Away),
        1 => writes().prop_map(Move::Lost),
        2 => Just(Move::Ask),
        2 => Just(Move::Look),
        5 => (0..4_usize).prop_map(Move::Part),
        1 => Just(Move::Fail),
    ];
    prop::collection::vec(one, 1..60)
}

fn did() -> Did {
    Did::parse("did:web:ann.example").unwrap()
}

fn tid(number: u64) -> Tid {
    Tid::from_be_bytes(((1_700_000_000_000_000 + number) << 10).to_be_bytes())
}

fn data(number: u64) -> Cid {
    Cid::compute_dag_cbor(&number.to_be_bytes())
}

fn block(value: u64) -> Block {
    let bytes = serde_ipld_dagcbor::to_vec(&serde_json::json!({ "name": value.to_string() })).unwrap();
    Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None }
}

fn path(place: usize) -> Path {
    let (collection, rkey) = PLACES[place];
    (collection, RecordKey::parse(rkey).unwrap())
}

/// The repository at its host, what is stored of it here, and what is on its way.
struct World {
    store: Store,
    rev: u64,
    /// What the last message told.
    told: u64,
    /// What the source has not sent yet, with the revision that it tells.
    behind: VecDeque<(u64, Event)>,
    tree: Tree,
    /// What the host sends, how much of it came, and when it was asked.
    sending: Option<(u64, Tree, usize)>,
    asked: bool,
    time: i64,
}

impl World {
    fn new() -> Self {
        let (store, tree) = (Store::in_memory().unwrap(), Tree::new());
        Self { store, rev: 0, told: 0, behind: VecDeque::new(), tree, sending: None, asked: false, time: 1 }
    }

    fn say(&mut self, kind: &str, event: &Event) {
        let key = SourceKey { kind: kind.into(), name: "x".into(), fingerprint: String::new() };
        let position = self.time.unsigned_abs();
        let written = self.store.write::<StoreError>(|rows| {
            let source = filing::source_row(rows, &key)?.id;
            reduce(rows, From { source, position, is_new: true }, event)?;
            Ok(())
        });
        written.unwrap();
        self.time += 1;
    }

    fn answer(&mut self, said: Said) {
        let answer = Answer { did: did(), at: self.time, retry: 1, said };
        self.say("backfill", &Event::Answer(answer));
    }

    /// Writes to the repository; returns the commit.
    fn commit(&mut self, writes: &[(usize, bool)]) -> Commit {
        let before = self.rev;
        self.rev += 1;
        let mut ops = BTreeMap::new();
        for (place, puts) in writes {
            let write = if *puts { Some(self.rev * 10 + *place as u64) } else { None };
            if write.is_some() || self.tree.contains_key(place) {
                ops.insert(*place, write);
            }
        }
        for (place, write) in &ops {
            match write {
                Some(value) => self.tree.insert(*place, *value),
                None => self.tree.remove(place),
            };
        }
        let ops = ops.into_iter().map(|(place, write)| {
            let (collection, rkey) = path(place);
            let write = write.map_or(Write::Delete, |value| Write::Put(block(value)));
            Op { collection, rkey, write }
        });
        let since = (before > 0).then(|| tid(before));
        let prev_data = (before > 0).then(|| data(before));
        let origin = Origin::Firehose { since, data: data(self.rev), prev_data, proof: Proof::Inverted };
        Commit { did: did(), rev: tid(self.rev), origin, ops: ops.collect(), damaged: Vec::new() }
    }

    fn write(&mut self, writes: &[(usize, bool)]) {
        let commit = self.commit(writes);
        self.behind.push_back((self.rev, Event::Commit(commit)));
    }

    fn hear(&mut self) {
        if let Some((rev, event)) = self.behind.pop_front() {
            self.told = rev;
            self.say("relay", &event);
        }
    }

    fn hear_all(&mut self) {
        while !self.behind.is_empty() {
            self.hear();
        }
    }

    fn sync(&mut self) {
        if self.rev > 0 {
            let (rev, data) = (tid(self.rev), data(self.rev));
            let sync = Sync { did: did(), rev, event_rev: rev, data };
            self.behind.push_back((self.rev, Event::Sync(sync)));
        }
    }

    /// It comes back as it was. Everything that the source has to say of it comes before.
    fn away(&mut self, status: &str) {
        self.hear_all();
        for (active, status) in [(false, Some(status.into())), (true, None)] {
            let time = Datetime::from_micros(self.time);
            self.say("relay", &Event::Account(Account { did: did(), active, status, time }));
        }
    }

    /// The next so many records come; those after them are still to come if there are any.
    fn part(&mut self, count: usize) {
        let Some((rev, tree, sent)) = self.sending.take() else { return };
        let all: Vec<_> = tree.iter().collect();
        let end = (sent + count).min(all.len());
        let records = all[sent..end].iter().map(|(place, value)| {
            let (collection, rkey) = path(**place);
            Exported { collection, rkey, block: block(**value) }
        });
        let export = Export { did: did(), rev: tid(rev), data: data(rev), records: records.collect() };
        let last = |end: usize| end.checked_sub(1).map(|at| path(*all[at].0));
        let until = if end < all.len() && end > 0 { last(end) } else { None };
        let is_last = until.is_none();
        if is_last && end < all.len() {
            // A part of nothing is none.
            self.sending = Some((rev, tree, sent));
            return;
        }
        self.answer(Said::Part(Part { export, after: last(sent), until }));
        if is_last { self.asked = false } else { self.sending = Some((rev, tree, end)) }
    }

    fn play(&mut self, step: &Move) {
        match step {
            Move::Commit(writes) => {
                self.write(writes);
                self.hear_all();
            }
            Move::Write(writes) => self.write(writes),
            Move::Hear => self.hear(),
            Move::Sync => self.sync(),
            Move::Away(deleted) => self.away(if *deleted { "deleted" } else { "deactivated" }),
            Move::Lost(writes) if self.is_tracked() => drop(self.commit(writes)),
            // Of what is not tracked nobody notices later that something is lost; that is for windows.
            Move::Lost(writes) if self.asked => {
                drop(self.commit(writes));
                self.play(&Move::Commit(Vec::new()));
            }
            Move::Ask => {
                self.answer(Said::Asked);
                (self.asked, self.sending) = (true, None);
            }
            // It is asked first, and looks then.
            Move::Look if self.asked && self.sending.is_none() && self.rev > 0 => {
                self.sending = Some((self.rev, self.tree.clone(), 0));
            }
            Move::Part(count) => self.part(*count),
            Move::Fail if self.asked => {
                self.answer(Said::Failed { why: "cut".into(), not_before: None });
                (self.asked, self.sending) = (false, None);
            }
            Move::Lost(_) | Move::Look | Move::Fail => {}
        }
    }

    /// A sweep comes by it.
    fn list(&mut self) {
        let listed =
            self.store.write::<StoreError>(|rows| Ok(ledger::due(rows, &did(), Cause::Listed, None)?));
        listed.unwrap();
    }

    fn ask_to_the_end(&mut self) {
        [Move::Ask, Move::Look].iter().for_each(|step| self.play(step));
        while self.sending.is_some() {
            self.part(PLACES.len());
        }
    }

    fn stored(&self) -> BTreeMap<String, Cid> {
        let rows = self.store.snapshot();
        rows.scan_all::<Records>()
            .map(|row| row.map(|(id, record)| (id.uri(), record.cid)).unwrap())
            .collect()
    }

    fn hosted(&self) -> BTreeMap<String, Cid> {
        let uri = |place: usize| format!("at://{}/{}/{}", did(), PLACES[place].0, PLACES[place].1);
        self.tree.iter().map(|(place, value)| (uri(*place), block(*value).cid)).collect()
    }

    fn is_tracked(&self) -> bool {
        let account = self.store.snapshot().get::<Accounts>(&did()).unwrap();
        account.is_some_and(|account| account.tracked)
    }

    fn is_due(&self) -> bool {
        self.store.snapshot().scan_all::<Dues>().next().is_some()
    }
}

#[test]
fn what_was_lost_while_a_host_was_asked_for_nothing_missing_is_due_when_that_fails() {
    let mut world = World::new();
    world.list();
    for step in [Move::Commit(Vec::new()), Move::Ask, Move::Look, Move::Part(0), Move::Ask] {
        world.play(&step);
    }
    assert!(!world.is_due());
    world.play(&Move::Lost(vec![(0, true)]));
    world.play(&Move::Fail);
    assert!(world.is_due());
    world.ask_to_the_end();
    assert_eq!(world.stored(), world.hosted());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_stored_is_what_the_host_has_or_the_repository_is_due(known in any::<bool>(), moves in moves()) {
        let mut world = World::new();
        if known {
            world.play(&Move::Commit(vec![(0, true)]));
        } else {
            world.list();
        }
        for step in &moves {
            world.play(step);
            // What was lost shows with the next message, and what is being fetched may be half here.
            let is_told = world.told == world.rev && world.behind.is_empty() && !world.asked;
            if is_told && !world.is_due() {
                prop_assert_eq!(world.stored(), world.hosted(), "after {:?}", step);
            }
        }
        world.play(&Move::Fail);
        world.hear_all();
        if world.rev == 0 {
            world.play(&Move::Commit(Vec::new()));
        }
        // A second time, if there was a doubt about what came while the first was under way.
        world.ask_to_the_end();
        world.ask_to_the_end();
        prop_assert_eq!(world.stored(), world.hosted());
        prop_assert!(!world.is_due());
        let rows = world.store.snapshot();
        prop_assert!(!rows.get::<Accounts>(&did()).unwrap().unwrap_or_default().marks.any());
        prop_assert!(rows.scan_all::<Touched>().next().is_none());
        drop(rows);
        prop_assert_eq!(check(&world.store, |_| {}).unwrap().differences, Vec::<String>::new());
    }
}
