//! Random histories: the same events for the model and for the program.
//!
//! A history is drawn as small numbers, so that a failure shrinks to few and simple moves, and is then
//! played in a tiny world in which references often meet.

mod acceptances;

use guestlist::codec::event::{self, Origin, Proof};
use guestlist::codec::json;
use guestlist::syntax::{Cid, Datetime, Did, RecordKey, Tid};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::model;

use acceptances::{Approval, acceptance, signed_rsvp};

/// One drawn move.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    /// A commit of up to three writes, over the firehose or as Jetstream events.
    Commit { who: u8, writes: Vec<Write>, jetstream: bool, rev: u8, source: u8 },
    /// An account event.
    Account { who: u8, state: u8, source: u8, time: u8 },
    /// A `#sync`.
    Sync { who: u8, other_data: bool, ahead: bool, source: u8 },
}

/// One drawn write; what the numbers mean depends on the kind.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    kind: u8,
    slot: u8,
    target: u8,
    other: u8,
    flavour: u8,
    time: u8,
}

/// One event as both sides know it.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) model: model::Event,
    pub(crate) position: u64,
    pub(crate) real: event::Event,
}

impl Pair {
    /// Whose repository or account it is about.
    pub(crate) fn did(&self) -> &Did {
        self.real.did()
    }
}

/// People in the world. The first two organize rounds.
const PEOPLE: u8 = 6;

/// Of them, those who have an event.
const HOSTS: u8 = 3;

const RSVP: &str = "community.lexicon.calendar.rsvp";
const ACCEPTANCE: &str = "events.smokesignal.calendar.acceptance";

/// Drawn histories of up to `moves` moves.
pub(crate) fn histories(moves: usize) -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec(any_move(), 1..moves)
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        16 => (0..PEOPLE, prop::collection::vec(any_write(), 1..4), prop::bool::weighted(0.15), 0..12_u8, 0..2_u8)
            .prop_map(|(who, writes, jetstream, rev, source)| Move::Commit { who, writes, jetstream, rev, source }),
        // Mostly people who are there: what an absent one says has no effect.
        1 => (0..PEOPLE, prop_oneof![Just(0_u8), 0..6_u8], 0..2_u8, 0..4_u8)
            .prop_map(|(who, state, source, time)| Move::Account { who, state, source, time }),
        1 => (0..PEOPLE, any::<bool>(), any::<bool>(), 0..2_u8)
            .prop_map(|(who, other_data, ahead, source)| Move::Sync { who, other_data, ahead, source }),
    ]
}

fn any_write() -> impl Strategy<Value = Write> {
    // Signups and invitations are what chains are made of, so they come most often.
    let kind = prop_oneof![
        8 => Just(0_u8), 8 => Just(1), 2 => Just(2), 4 => Just(3), 6 => Just(4), 1 => Just(5), 1 => Just(6), 3 => Just(7),
        1 => Just(8)
    ];
    // Five of six meet in one round: chains need company.
    let target = prop_oneof![2 => 0..12_u8, 1 => 0..24_u8];
    (kind, 0..3_u8, target, any::<u8>(), 0..16_u8, 0..8_u8).prop_map(
        |(kind, slot, target, other, flavour, time)| Write { kind, slot, target, other, flavour, time },
    )
}

/// A person's DID. Every second begins with the one before it and goes on with what sorts before a slash.
pub(crate) fn did(who: u8) -> String {
    let letter = char::from(b'a' + who / 2);
    let more = if who.is_multiple_of(2) { "" } else { ".b" };
    format!("did:plc:{}{more}", letter.to_string().repeat(24))
}

/// The key of a round; one begins with the other.
fn round_key(slot: u8) -> &'static str {
    if slot.is_multiple_of(2) { "r" } else { "r.1" }
}

/// The key of an invitation; each begins with those before it.
fn invitation_key(slot: u8) -> String {
    "i".repeat(usize::from(slot) + 1)
}

/// What the sources of a history may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    /// Anything.
    Wild,
    /// Each repository's commits come from one of them.
    OneEach,
    /// Each account has one, which sends no commits while the account is inactive, as a host does.
    Honest,
}

/// Plays moves.
pub(crate) fn play(moves: &[Move], sources: Sources) -> Vec<Pair> {
    let people = usize::from(PEOPLE);
    let mut world = World {
        sources,
        active: vec![true; people],
        revs: vec![0; people],
        data: vec![0; people],
        position: 0,
    };
    let mut pairs = Vec::new();
    // The organizers' rounds are there from the start, most of them network rounds, until moves change them.
    // In every second history the round where most meet asks its participants to contribute first.
    let gates = if moves.len().is_multiple_of(2) { [3, 11] } else { [11, 3] };
    let found = |who, slot: u8| {
        let other = gates[usize::from(slot)];
        let write = Write { kind: 2, slot, target: 9, other, flavour: 9, time: 5 };
        Move::Commit { who, writes: vec![write], jetstream: false, rev: 9, source: 0 }
    };
    // So have all been accepted to one of the events, by proofs that moves change.
    let accepted = (0..PEOPLE).map(|guest| Write {
        kind: 7,
        slot: 0,
        target: 9,
        other: 72 + guest,
        flavour: 9,
        time: 5,
    });
    let accepted = Move::Commit { who: 0, writes: accepted.collect(), jetstream: false, rev: 9, source: 0 };
    for drawn in [found(0, 0), found(0, 1), found(1, 0), accepted].iter().chain(moves) {
        world.play(drawn, &mut pairs);
    }
    pairs
}

struct World {
    sources: Sources,
    active: Vec<bool>,
    revs: Vec<u64>,
    data: Vec<u64>,
    position: u64,
}

impl World {
    fn play(&mut self, drawn: &Move, pairs: &mut Vec<Pair>) {
        let sources = self.sources;
        let of_commits = |who: &u8, source: &u8| if sources == Sources::Wild { *source } else { who % 2 };
        let of_accounts = |who: &u8, source: &u8| if sources == Sources::Honest { who % 2 } else { *source };
        match drawn {
            Move::Commit { who, .. } | Move::Sync { who, .. }
                if sources == Sources::Honest && !self.active[usize::from(*who)] => {}
            Move::Commit { who, writes, jetstream, rev, source } => {
                let source = of_commits(who, source);
                let rev = self.next_rev(*who, *rev);
                let mut ops: Vec<(model::Op, Option<event::Op>)> = Vec::new();
                for write in writes {
                    let op = op(*who, write);
                    // No two operations of one commit have the same path.
                    if ops
                        .iter()
                        .all(|(other, _)| (&other.collection, &other.rkey) != (&op.0.collection, &op.0.rkey))
                    {
                        ops.push(op);
                    }
                }
                if *jetstream {
                    for op in ops {
                        pairs.push(self.jetstream(*who, source, rev, op));
                    }
                } else {
                    pairs.push(self.commit(*who, source, rev, ops));
                }
            }
            Move::Account { who, state, source, time } => {
                pairs.push(self.account(*who, *state, of_accounts(who, source), *time));
            }
            Move::Sync { who, other_data, ahead, source } => {
                pairs.push(self.sync(*who, *other_data, *ahead, of_commits(who, source)));
            }
        }
    }

    fn next_rev(&mut self, who: u8, choice: u8) -> u64 {
        let last = &mut self.revs[usize::from(who)];
        match choice {
            0 => last.saturating_sub(1),
            1 => *last,
            _ => {
                *last += 1;
                *last
            }
        }
    }

    fn next_position(&mut self) -> u64 {
        self.position += 1;
        self.position
    }

    fn commit(&mut self, who: u8, source: u8, rev: u64, ops: Vec<(model::Op, Option<event::Op>)>) -> Pair {
        self.data[usize::from(who)] += 1;
        let data = data(who, self.data[usize::from(who)]);
        let (model_ops, ops): (Vec<_>, Vec<_>) = ops.into_iter().unzip();
        let body = model::Body::Commit {
            did: did(who),
            rev: tid(rev).to_string(),
            data: data.to_string(),
            ops: model_ops,
        };
        let real = event::Commit {
            did: Did::parse(&did(who)).unwrap(),
            rev: tid(rev),
            origin: Origin::Firehose { since: None, data, prev_data: None, proof: Proof::None },
            ops: ops.into_iter().flatten().collect(),
            damaged: Vec::new(),
        };
        self.pair(source, body, event::Event::Commit(real))
    }

    fn jetstream(
        &mut self,
        who: u8,
        source: u8,
        rev: u64,
        (op, real): (model::Op, Option<event::Op>),
    ) -> Pair {
        let position = self.position + 1;
        let body = model::Body::JetstreamCommit { did: did(who), rev: tid(rev).to_string(), op, position };
        let real = event::Commit {
            did: Did::parse(&did(who)).unwrap(),
            rev: tid(rev),
            origin: Origin::Jetstream,
            ops: real.into_iter().collect(),
            damaged: Vec::new(),
        };
        self.pair(source, body, event::Event::Commit(real))
    }

    fn account(&mut self, who: u8, state: u8, source: u8, time: u8) -> Pair {
        let (active, status) = match state {
            0 | 1 => (true, None),
            2 => (false, Some("deactivated")),
            3 => (false, Some("takendown")),
            4 => (false, Some("deleted")),
            _ => (false, None),
        };
        self.active[usize::from(who)] = active;
        // Few different times, so that ties are common, and one that cannot be read.
        let time = ["2026-01-01T00:00:01Z", "2026-01-01T01:00:02+01:00", "2026-01-01T00:00:02Z", "yesterday"]
            [usize::from(time)];
        let position = self.position + 1;
        let body = model::Body::Account {
            did: did(who),
            position,
            active,
            status: status.map(str::to_owned),
            time: time.to_owned(),
        };
        let real = event::Account {
            did: Did::parse(&did(who)).unwrap(),
            active,
            status: status.map(Box::from),
            time: Datetime::parse(time).ok(),
        };
        self.pair(source, body, event::Event::Account(real))
    }

    fn sync(&mut self, who: u8, other_data: bool, ahead: bool, source: u8) -> Pair {
        let person = usize::from(who);
        if other_data {
            self.data[person] += 1;
        }
        let data = data(who, self.data[person]);
        self.revs[person] += 1;
        let rev = self.revs[person];
        if ahead {
            self.revs[person] += 1;
        }
        let event_rev = self.revs[person];
        let body = model::Body::Sync {
            did: did(who),
            rev: tid(rev).to_string(),
            event_rev: tid(event_rev).to_string(),
            data: data.to_string(),
        };
        let did = Did::parse(&did(who)).unwrap();
        let real = event::Sync { did, rev: tid(rev), event_rev: tid(event_rev), data };
        self.pair(source, body, event::Event::Sync(real))
    }

    fn pair(&mut self, source: u8, body: model::Body, real: event::Event) -> Pair {
        // The first to be heard of is not the smallest of name.
        let source = ["south", "north"][usize::from(source)].to_owned();
        Pair { model: model::Event { source, body }, position: self.next_position(), real }
    }
}

fn tid(rev: u64) -> Tid {
    // Starts in 2023, so that times in revisions and keys look like real ones.
    Tid::from_be_bytes(((1_700_000_000_000_000 + rev) << 10).to_be_bytes())
}

fn data(who: u8, number: u64) -> Cid {
    Cid::compute_dag_cbor(format!("{who} {number}").as_bytes())
}

/// A CID that no record here has.
const SOME_CID: &str = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq";

fn strong_ref(uri: String) -> Value {
    json!({ "uri": uri, "cid": SOME_CID })
}

/// What a reference to a round says; deviates where its authority is a handle.
fn round_uri(target: u8) -> (String, bool) {
    let (organizer, slot) = if target < 12 { (0, 0) } else { (target % 2, target / 2 % 2) };
    let organizer = did(organizer);
    match target {
        20 => (format!("at://{organizer}/at.atjam.jam/jam"), false),
        21 => ("at://someone.example/at.atjam.round/r0".to_owned(), true),
        22 => (format!("at://{organizer}/at.atjam.round"), false),
        23 => (format!("at://{}", did(2)), false),
        _ => (format!("at://{organizer}/at.atjam.round/{}", round_key(slot)), false),
    }
}

fn invitation_uri(who: u8, other: u8) -> (String, bool) {
    match other % 32 {
        28 => (format!("at://{}/at.atjam.signup/s0", did(0)), false),
        29 => ("at://someone.example/at.atjam.invitation/i0".to_owned(), true),
        30 => (format!("at://{}/at.atjam.invitation", did(1)), false),
        // Most name the person before, and the slot that an inviter uses for this one.
        n => {
            let inviter = if n % 4 < 3 { (who + PEOPLE - 1) % PEOPLE } else { n / 4 % PEOPLE };
            let slot = if n < 24 { who } else { n % 3 };
            (format!("at://{}/at.atjam.invitation/{}", did(inviter), invitation_key(slot)), false)
        }
    }
}

/// The operation for the model and, if the collection is wanted, for the program.
fn op(who: u8, write: &Write) -> (model::Op, Option<event::Op>) {
    let (collection, key, record) = content(who, write);
    let rkey = RecordKey::parse(&key).unwrap();
    let known = guestlist::records::Kind::from_nsid(collection).map(guestlist::records::Kind::nsid);
    let (model_write, real_write) = match record {
        None => (model::Write::Delete, event::Write::Delete),
        Some((value, record)) => {
            let bytes = json::encode_dag_cbor(&value.to_string()).unwrap();
            let cid = Cid::compute_dag_cbor(&bytes);
            let block = event::Block { cid, bytes, fault: None };
            (model::Write::Put { cid: cid.to_string(), record }, event::Write::Put(block))
        }
    };
    let op = model::Op { collection: collection.to_owned(), rkey: key, write: model_write };
    (op, known.map(|collection| event::Op { collection, rkey, write: real_write }))
}

/// Whom somebody invites: mostly the person after them, so that chains form.
fn invitee(who: u8, other: u8) -> u8 {
    if other % 4 < 3 { (who + 1) % PEOPLE } else { other / 4 % PEOPLE }
}

type Content = (&'static str, String, Option<(Value, model::Record)>);

fn content(who: u8, write: &Write) -> Content {
    let Write { kind, slot, target, other, flavour, .. } = *write;
    let (collection, key) = match kind {
        0 => ("at.atjam.signup", format!("s{slot}")),
        1 => {
            let slot = if target % 4 == 0 { slot } else { invitee(who, other) };
            ("at.atjam.invitation", invitation_key(slot))
        }
        2 => ("at.atjam.round", round_key(slot).to_owned()),
        3 => ("at.atjam.submission", format!("b{slot}")),
        // Keys with and without a time in them.
        4 => (
            "community.lexicon.calendar.rsvp",
            if slot == 0 { "v".to_owned() } else { tid(slot.into()).to_string() },
        ),
        5 => ("community.lexicon.calendar.event", "e".to_owned()),
        6 => ("at.atjam.jam", "jam".to_owned()),
        7 => (ACCEPTANCE, Approval::by(who, write).key()),
        _ => ("app.example.post", format!("p{slot}")),
    };
    if flavour == 0 || flavour == 1 {
        return (collection, key, None);
    }
    let mut deviations = Vec::new();
    let mut value = match kind {
        0 => signup(who, write, &mut deviations),
        1 => {
            let (uri, handle) = round_uri(target);
            deviates(&mut deviations, handle, "/round/uri", "format");
            json!({ "round": strong_ref(uri), "invitee": did(invitee(who, other)) })
        }
        2 => round(who, write, &mut deviations),
        3 => {
            let (uri, handle) = round_uri(target);
            deviates(&mut deviations, handle, "/round/uri", "format");
            deviates(&mut deviations, other % 2 == 0, "/payload", "required");
            match other % 2 {
                0 => json!({ "round": strong_ref(uri) }),
                _ => {
                    json!({ "round": strong_ref(uri), "payload": strong_ref(format!("at://{}/fm.plyr.track/t", did(who))) })
                }
            }
        }
        4 if other % 4 > 0 => signed_rsvp(who, write),
        4 => rsvp(write, &mut deviations),
        5 => json!({ "name": format!("event {other}") }),
        6 => json!({ "name": format!("jam {other}") }),
        7 => {
            deviates(&mut deviations, flavour == 3, "/$type", "required");
            acceptance(who, write)
        }
        _ => json!({ "text": "not wanted" }),
    };
    // What is attested is there to the last letter: other moves must be able to say the same.
    if kind != 7 && value.get("signatures").is_none() {
        value["$type"] = json!(collection);
        stamp(&mut value, kind, write.time, &mut deviations);
    }
    if flavour == 2
        && let Some(reason) = break_it(&mut value, kind)
    {
        return (collection, key, Some((value, model::Record::Unusable { reason: reason.to_owned() })));
    }
    deviations.sort();
    (collection, key, Some((value.clone(), model::Record::Usable { value, deviations })))
}

fn deviates(deviations: &mut Vec<(String, String)>, does: bool, path: &str, rule: &str) {
    if does {
        deviations.push((path.to_owned(), rule.to_owned()));
    }
}

/// Gives a record its `createdAt`, or none, or one that cannot be read.
fn stamp(value: &mut Value, kind: u8, time: u8, deviations: &mut Vec<(String, String)>) {
    let at = match time {
        0 => None,
        1 => Some("not a datetime"),
        2 => Some("1969-12-31T23:59:59.1234567Z"),
        3 => Some("2026-05-01T12:00:00.000001Z"),
        4 => Some("2026-05-01T14:00:00.0000019+02:00"),
        5 => Some("2026-05-01T12:00:01Z"),
        _ => Some("2026-05-02T12:00:00Z"),
    };
    if let Some(at) = at {
        value["createdAt"] = json!(at);
    }
    // The lexicons of RSVPs and acceptances know no createdAt.
    if !matches!(kind, 4 | 7 | 8) {
        deviates(deviations, time == 0, "/createdAt", "required");
        deviates(deviations, time == 1, "/createdAt", "format");
    }
}

fn break_it(value: &mut Value, kind: u8) -> Option<&'static str> {
    let field = match kind {
        0 | 1 | 3 => "round",
        2 => "jam",
        4 => "subject",
        7 => "cid",
        5 | 6 => {
            value["$type"] = json!("app.example.other");
            return Some("wrong-type");
        }
        _ => return None,
    };
    value.as_object_mut().unwrap().remove(field);
    Some("missing-field")
}

fn signup(who: u8, write: &Write, deviations: &mut Vec<(String, String)>) -> Value {
    let (uri, handle) = round_uri(write.target);
    deviates(deviations, handle, "/round/uri", "format");
    let mut value = json!({ "round": strong_ref(uri) });
    if write.other < 240 {
        let (uri, handle) = invitation_uri(who, write.other);
        deviates(deviations, handle, "/invitation/uri", "format");
        value["invitation"] = strong_ref(uri);
    }
    value
}

fn round(who: u8, write: &Write, deviations: &mut Vec<(String, String)>) -> Value {
    let jam = match write.target {
        0 => format!("at://{}/at.atjam.jam/jam", did((who + 1) % PEOPLE)),
        1 => "at://someone.example/at.atjam.jam/jam".to_owned(),
        _ => format!("at://{}/at.atjam.jam/jam", did(who)),
    };
    deviates(deviations, write.target == 1, "/jam/uri", "format");
    let mut value = json!({
        "jam": strong_ref(jam), "assignment": "play", "acceptedSubmissionTypes": ["fm.plyr.track"],
        "milestones": [{ "label": "results", "date": "2026-06-01T00:00:00Z" }],
    });
    // Mostly network rounds: that is where the work is.
    match write.other % 8 {
        0 => {}
        1 => value["joinMode"] = json!("whatever"),
        2 => value["joinMode"] = json!("hosted"),
        _ => value["joinMode"] = json!("network"),
    }
    if write.other / 8 % 2 == 1 {
        value["networkGate"] = json!("contributed");
    }
    value
}

fn rsvp(write: &Write, deviations: &mut Vec<(String, String)>) -> Value {
    let uri = match write.target {
        22 => "at://someone.example/community.lexicon.calendar.event/e".to_owned(),
        23 => format!("at://{}/at.atjam.round/r0", did(0)),
        n => format!("at://{}/community.lexicon.calendar.event/e", did(n % HOSTS)),
    };
    deviates(deviations, write.target == 22, "/subject/uri", "format");
    let status = ["#going", "#interested", "#notgoing", "going"][usize::from(write.other % 4)];
    let status = if status == "going" {
        status.to_owned()
    } else {
        format!("community.lexicon.calendar.rsvp{status}")
    };
    json!({ "subject": strong_ref(uri), "status": status })
}
