//! A daemon that is killed while several people make spaces, invites and members, log in to the Portal, make chats and
//! codes there, and set up events and give out tickets, again and again; what it has after each restart is compared with a
//! model of what it acknowledged.
//!
//! How many kills: `GUESTLIST_TEST_KILLS`. One client a garden, with people of its own, so that what was acknowledged
//! is known exactly, and of each garden one call may be lost with a kill; and one invite that all of them use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::frames::{Op, commit, ipld};
use crate::harness::check;
use crate::tokens::{Client, Person, Site, times};

mod acts;
mod garden;
mod model;
mod sessions;

use acts::{ACTS, Act};
use garden::Garden;
use model::Estate;

const GARDENS: usize = 4;
const GUESTS: usize = 24;

/// Uses of the invite that everybody has: fewer than there are guests.
const SHARED_USES: usize = 20;

/// Calls before a kill.
const CALLS_MIN: u64 = 250;

/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Numbers by chance, the same in every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// An invite that everybody uses.
struct Shared {
    owner: Person,
    uri: String,
    token: String,
}

impl Shared {
    fn make(client: &Client, owner: &Person, number: u64) -> Self {
        let input = json!({ "key": format!("round-{number}") });
        let made = client.done(owner, "rsvp.atmo.space.admin.createSpace", &input);
        let uri = made["space"]["uri"].as_str().unwrap().to_owned();
        let input = json!({ "spaceUri": uri, "maxUses": SHARED_USES });
        let made = client.done(owner, "rsvp.atmo.space.invite.create", &input);
        Self { owner: owner.clone(), uri, token: made["token"].as_str().unwrap().to_owned() }
    }

    /// Nobody who was told so is missing, nobody is in who did not ask, and as many uses are counted.
    fn agrees_with(&self, client: &Client, gardens: &[Garden]) -> usize {
        let params = format!("spaceUri={}&limit=7", self.uri);
        let members = client.list(&self.owner, "rsvp.atmo.space.listMembers", "members", &params);
        let did = |member: &Value| member["did"].as_str().unwrap().to_owned();
        let members: BTreeSet<_> = members.iter().map(did).filter(|did| *did != self.owner.did).collect();
        let invites = client.list(&self.owner, "rsvp.atmo.space.invite.list", "invites", &params);
        let redeemed = &invites[0]["redeemedBy"];
        let redeemers: BTreeSet<_> = redeemed.as_array().into_iter().flatten().map(did).collect();
        assert_eq!((invites.len(), &redeemers), (1, &members));
        assert_eq!(invites[0]["usedCount"], members.len());
        let of = |which: fn(&Garden) -> &BTreeSet<String>| -> BTreeSet<String> {
            gardens.iter().flat_map(|garden| which(garden).iter().cloned()).collect()
        };
        let (told, asked) = (of(|garden| &garden.shared_told), of(|garden| &garden.shared_asked));
        assert!(told.is_subset(&members), "lost: {:?}", told.difference(&members).collect::<Vec<_>>());
        assert!(members.is_subset(&asked), "{:?}", members.difference(&asked).collect::<Vec<_>>());
        assert!(members.len() <= SHARED_USES);
        if gardens.iter().any(|garden| garden.shared_refused) {
            assert_eq!(members.len(), SHARED_USES, "somebody was refused before it was used up");
        }
        members.len()
    }
}

/// Compares a garden with its model, and settles what became of the call that was lost.
fn settle(client: &Client, garden: &mut Garden, seen: &mut Seen) {
    let real = Estate::read(client, &garden.owner);
    if let Some(call) = garden.lost.take() {
        seen.lost += 1;
        let without = garden.estate.clone();
        let with = garden.estate.after(&call.act, &real);
        let is_there = real == with && with != without;
        assert!(is_there || real == without, "{call:?}\n{real:#?}\nis neither\n{without:#?}\nnor\n{with:#?}");
        let changes = with != without;
        garden.estate = real.clone();
        if !is_there {
            let again = call.send(client).expect("an answer");
            // The token counts with what it was for, or not at all. What changes nothing that one could see may have
            // been done: a session that was opened, of which nobody has the secret, or one that was ended.
            if again.status != 401 {
                garden.heard(&call, &again);
            } else if let Act::LogOut { secret } = &call.act {
                garden.sessions.ended(secret);
            } else {
                assert!(!changes, "{call:?} is not done, and its token is used: {}", again.body);
            }
        } else {
            seen.kept += 1;
            if call.counts_once() {
                let again = call.send(client).expect("an answer");
                assert_eq!(again.status, 401, "{call:?} counts twice: {}", again.body);
            }
        }
        // Also a number of which nobody was told is given once.
        garden.chats.extend(garden.estate.chats());
    }
    assert_eq!(Estate::read(client, &garden.owner), garden.estate);
    seen.sessions += garden.sessions.hold(client);
    // What was acknowledged counts once, whatever came of it.
    for call in garden.acknowledged.drain(..) {
        let again = call.send(client).expect("an answer");
        assert_eq!((again.status, &*call.error(&again)), (401, "AuthRequired"), "{call:?}");
        assert!(again.body.contains("used before"), "{}", again.body);
        seen.replayed += 1;
    }
    assert_eq!(Estate::read(client, &garden.owner), garden.estate);
}

/// No number is anybody else's.
fn assert_apart<'a, T: Ord + 'a>(what: &str, numbers: impl Iterator<Item = &'a T>) {
    let mut all = BTreeSet::new();
    for number in numbers {
        assert!(all.insert(number), "{what} twice");
    }
    assert!(!all.is_empty());
}

/// What there was to see.
#[derive(Debug, Default)]
struct Seen {
    calls: u64,
    lost: u64,
    kept: u64,
    replayed: u64,
    sessions: u64,
    shared: Vec<usize>,
}

/// Somebody publishes an event.
fn party(number: usize, owner: &Person) -> Vec<u8> {
    let record = json!({
        "$type": "community.lexicon.calendar.event", "name": "Party", "createdAt": "2026-05-01T12:00:00Z",
    });
    let op = Op::create("community.lexicon.calendar.event/party", &ipld(record));
    commit(&owner.did, number as u64 + 1, 1, None, &[op]).frame()
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_nothing_is_done_twice() {
    let kills = times("GUESTLIST_TEST_KILLS", 4);
    let people = Person::many(1 + GARDENS * (GUESTS + 1));
    let mut gardens: Vec<_> = people[1..].chunks(GUESTS + 1).enumerate().map(Garden::new).collect();
    let mut site = Site::prepared(&people, "warn");
    site.tell(
        &gardens.iter().enumerate().map(|(number, garden)| party(number, &garden.owner)).collect::<Vec<_>>(),
    );
    site.start();
    let (mut numbers, mut seen) = (Numbers(7), Seen::default());
    for round in 0..kills {
        let shared = Shared::make(&site.client(), &people[0], round);
        let (client, calls) = (site.client(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for garden in &mut gardens {
                let (client, token, calls) = (client.clone(), shared.token.as_str(), &calls);
                scope.spawn(move || garden.grow(&client, token, calls));
            }
            // When the kill strikes is the point; but that enough was done before it where the machine is busy.
            std::thread::sleep(Duration::from_millis(100 + numbers.below(400) as u64));
            let begun = Instant::now();
            while calls.load(Ordering::Relaxed) < CALLS_MIN && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
            site.kill();
        });
        seen.calls += gardens.iter().map(|garden| garden.calls).sum::<u64>();
        check(&site.data());
        site.start();
        let client = site.client();
        seen.shared.push(shared.agrees_with(&client, &gardens));
        for garden in &mut gardens {
            settle(&client, garden, &mut seen);
        }
        assert_apart("a chat", gardens.iter().flat_map(|garden| &garden.chats));
        assert_apart("a user", gardens.iter().flat_map(|garden| garden.sessions.users.values()));
    }
    site.stop();
    check(&site.data());
    let mut acts: BTreeMap<&str, u64> = BTreeMap::new();
    for garden in &gardens {
        garden.done.iter().for_each(|(act, count)| *acts.entry(act).or_default() += count);
    }
    eprintln!("{kills} kills, {seen:?}, {acts:?}");
    assert_eq!(acts.len(), ACTS, "not everything was done: {acts:?}");
    assert!(seen.lost >= kills && seen.replayed > kills * 10, "{seen:?}");
}
