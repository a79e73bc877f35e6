//! What a round costs by its size: one more signup or invitation, a leaf added and cut, everything cut at the
//! root and mended, the mode flipped, the organizer gone; and what readers feel of it.
//!
//! `cargo bench --bench rounds -- [--small 1000] [--large 100000] [--depth 10000] [--leaves 100] [--rounds 7]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

mod daemon;
mod generate;
#[macro_use]
mod measure;

use std::time::Duration;

use daemon::{Daemon, read_during};
use generate::{Network, Reference, Tree, person, pick};
use guestlist::codec::event::Event;
use guestlist::syntax::{AtUri, Did};
use guestlist::tables::keys::RoundId;
use measure::{Cost, argument, median, micros, millis, quantile, ratio, table, within};

/// How much more an event may cost in the large round.
const LARGER_AT_MOST: f64 = 2.0;

/// How much more it may cost to cut a leaf than to add it. A little is left to the noise.
const CUT_AT_MOST: f64 = 1.05;

/// How long it may take to commit a change of the round itself, and to answer a reader meanwhile.
const COMMIT_MOST: Duration = Duration::from_millis(50);
const READER_MOST: Duration = Duration::from_millis(20);

/// A round with people who come and go at its edge.
struct Place {
    daemon: Daemon,
    network: Network,
    tree: Tree,
    /// People who were invited and have not signed up, with their invitations.
    invited: Vec<(Did, Reference)>,
    /// Invitations that people have signed up with and that are gone.
    missed: Vec<(Did, Reference)>,
}

/// What one event cost, by what it did.
#[derive(Default)]
struct Costs {
    signup: Vec<Duration>,
    signup_cut: Vec<Duration>,
    invitation: Vec<Duration>,
    invitation_cut: Vec<Duration>,
}

impl Place {
    fn new(mut daemon: Daemon, size: u64, leaves: u64, inviter: impl Fn(u64) -> u64) -> Self {
        let mut network = Network::default();
        let tree = Tree::grow(&mut network, "round", size, inviter, |event| daemon.fill(event));
        let mut place = Self { daemon, network, tree, invited: Vec::new(), missed: Vec::new() };
        for number in 0..leaves {
            let by = place.participant(number);
            let (invited, missed) = (person("invited", number), person("missed", number));
            let (event, invitation) = place.network.invite(&by, &place.tree.round, &invited);
            place.daemon.fill(event);
            place.invited.push((invited, invitation));
            let (event, invitation) = place.network.invite(&by, &place.tree.round, &missed);
            place.daemon.fill(event);
            place.daemon.fill(place.network.sign_up(&missed, &place.tree.round, &invitation).0);
            place.daemon.fill(place.network.delete(&invitation.id));
            place.missed.push((missed, invitation));
        }
        place.daemon.fill_up();
        place.assert_people(0);
        place
    }

    /// Somebody in the round; in a chain nearly always somebody deep in it.
    fn participant(&self, seed: u64) -> Did {
        let count = u64::try_from(self.tree.people.len()).expect("it fits");
        let which = usize::try_from(pick(seed, count)).expect("it fits");
        self.tree.people.get(which).expect("picked below the count").clone()
    }

    fn round(&self) -> RoundId {
        RoundId::from(self.tree.round.id.clone())
    }

    fn uri(&self) -> AtUri {
        AtUri::parse(&self.tree.round.id.uri()).expect("a URI")
    }

    /// Asserts how many are in beside the people of the tree.
    fn assert_people(&self, more: usize) {
        let network = self.daemon.tally(&self.round()).network;
        assert_eq!(usize::try_from(network), Ok(self.tree.people.len() + more), "people in the round");
    }

    /// Adds leaves and cuts them again, by their signups and by their invitations.
    fn leaves(&mut self, costs: &mut Costs) {
        let each = |cost: Cost, count: usize| cost.processor / u32::try_from(count).unwrap_or(1);
        let mut signups = Vec::new();
        let mut added = Vec::new();
        for (did, invitation) in &self.invited {
            let (event, signup) = self.network.sign_up(did, &self.tree.round, invitation);
            added.push(event);
            signups.push(signup);
        }
        costs.signup.push(each(self.daemon.apply(added), signups.len()));
        self.assert_people(signups.len());
        let cut = signups.iter().map(|signup| self.network.delete(&signup.id)).collect();
        costs.signup_cut.push(each(self.daemon.apply(cut), signups.len()));
        self.assert_people(0);
        let added = self.missed.iter().map(|(did, invitation)| {
            let record = self.network.invitation_record(&self.tree.round, did);
            self.network.put_at(invitation.id.clone(), record).0
        });
        let added: Vec<Event> = added.collect();
        costs.invitation.push(each(self.daemon.apply(added), self.missed.len()));
        self.assert_people(self.missed.len());
        let cut = self.missed.iter().map(|(_, invitation)| self.network.delete(&invitation.id)).collect();
        costs.invitation_cut.push(each(self.daemon.apply(cut), self.missed.len()));
        self.assert_people(0);
    }

    /// Applies one event while a reader asks; returns the commit's cost and the reader's times.
    fn alone(&mut self, event: Event) -> (Cost, Vec<Duration>) {
        let (uri, store) = (self.uri(), self.daemon.store.clone());
        read_during(&store, &uri, &self.tree.people, || self.daemon.apply(vec![event]))
    }
}

/// Commits of one kind, and the longest delay of a reader during each.
#[derive(Default)]
struct Commits {
    walls: Vec<Duration>,
    processors: Vec<Duration>,
    delays: Vec<Duration>,
}

impl Commits {
    fn add(&mut self, (cost, delays): (Cost, Vec<Duration>)) {
        self.walls.push(cost.wall);
        self.processors.push(cost.processor);
        self.delays.extend(delays.into_iter().max());
    }

    fn row(&self, name: &str, limits: Option<(Duration, Duration)>) -> Vec<String> {
        let longest = |times: &[Duration]| quantile(times, 1.0);
        let (commit, reader) = match limits {
            Some((commit, reader)) => {
                (within(median(&self.walls), commit), within(median(&self.delays), reader))
            }
            None => (millis(median(&self.walls)), millis(median(&self.delays))),
        };
        row![
            name,
            commit,
            millis(longest(&self.walls)),
            millis(median(&self.processors)),
            reader,
            millis(longest(&self.delays))
        ]
    }
}

fn edges(engine: &str, small: &mut Place, large: &mut Place, rounds: u64) {
    let (mut in_small, mut in_large) = (Costs::default(), Costs::default());
    // The first time is a rehearsal: accounts become known, buffers grow.
    small.leaves(&mut Costs::default());
    large.leaves(&mut Costs::default());
    for _ in 0..rounds {
        small.leaves(&mut in_small);
        large.leaves(&mut in_large);
    }
    let row = |name: &str, of: fn(&Costs) -> &Vec<Duration>, added: fn(&Costs) -> &Vec<Duration>| {
        let (in_small, in_large, added) =
            (median(of(&in_small)), median(of(&in_large)), median(added(&in_large)));
        row![
            name,
            micros(in_small),
            micros(in_large),
            ratio(in_large, in_small, LARGER_AT_MOST),
            ratio(in_large, added, CUT_AT_MOST)
        ]
    };
    let title = format!(
        "{engine}: the writer's processor time for one event (median of {rounds} batches of {})",
        small.invited.len()
    );
    let size = |place: &Place| format!("in {}", place.tree.people.len());
    table(
        &title,
        &[
            row!["", size(small), size(large), "large / small", "cut / added, in the large"],
            row("signup added", |costs| &costs.signup, |costs| &costs.signup),
            row("signup cut", |costs| &costs.signup_cut, |costs| &costs.signup),
            row("invitation added", |costs| &costs.invitation, |costs| &costs.invitation),
            row("invitation cut", |costs| &costs.invitation_cut, |costs| &costs.invitation),
        ],
    );
}

fn whole(engine: &str, place: &mut Place, rounds: u64) {
    let [mut idle, mut flips, mut gone, mut cut, mut mended] = <[Commits; 5]>::default();
    let organizer = place.tree.jam.id.did.clone();
    for _ in 0..rounds {
        let (uri, people) = (place.uri(), &place.tree.people);
        let pause = || std::thread::sleep(Duration::from_millis(20));
        let ((), delays) = read_during(&place.daemon.store, &uri, people, pause);
        idle.add((Cost::default(), delays));
        for mode in ["open", "hosted", "network"] {
            let event = place.network.round(&place.tree.jam, mode).0;
            flips.add(place.alone(event));
        }
        for active in [false, true] {
            let event = place.network.account(&organizer, active);
            gone.add(place.alone(event));
        }
    }
    let first = place.tree.people.first().expect("somebody is in it").clone();
    for _ in 0..rounds.min(3) {
        let root = place.tree.root.id.clone();
        let event = place.network.delete(&root);
        cut.add(place.alone(event));
        assert_eq!(place.daemon.tally(&place.round()).network, 0, "everybody hung on the root");
        let record = place.network.invitation_record(&place.tree.round, &first);
        let event = place.network.put_at(root, record).0;
        mended.add(place.alone(event));
        place.assert_people(0);
    }
    let limits = Some((COMMIT_MOST, READER_MOST));
    let title =
        format!("{engine}, {} people: one event alone, and a reader meanwhile", place.tree.people.len());
    table(
        &title,
        &[
            row!["", "commit", "longest", "processor", "reader's longest delay, median", "longest"],
            idle.row("nothing is written", None),
            flips.row("mode flipped", limits),
            gone.row("organizer gone or back", limits),
            cut.row("cut at the root", None),
            mended.row("mended", None),
        ],
    );
}

/// The organizer of a round in which all were invited by them signs up and takes it back: nobody hangs on that.
fn star(engine: &str, place: &mut Place, rounds: u64) {
    let mut own = Commits::default();
    let organizer = place.tree.jam.id.did.clone();
    for _ in 0..rounds {
        let (event, signup) = place.network.sign_up(&organizer, &place.tree.round, &place.tree.root);
        own.add(place.alone(event));
        place.assert_people(1);
        let event = place.network.delete(&signup.id);
        own.add(place.alone(event));
        place.assert_people(0);
    }
    let title = format!("{engine}, {} people, all invited by the organizer", place.tree.people.len());
    let limits = Some((COMMIT_MOST, READER_MOST));
    let head = row!["", "commit", "longest", "processor", "reader's longest delay, median", "longest"];
    table(&title, &[head, own.row("organizer's own signup", limits)]);
}

fn main() {
    let (small, large) = (argument("small", 1_000), argument("large", 100_000));
    let (depth, leaves, rounds) = (argument("depth", 10_000), argument("leaves", 100), argument("rounds", 7));
    // Everybody invites ten, the first of them the second to the eleventh, and so on.
    let breadth = |number: u64| number.checked_sub(1).map_or(u64::MAX, |before| before / 10);
    let chain = |number: u64| number.checked_sub(1).unwrap_or(u64::MAX);
    for (engine, new) in [("in memory", Daemon::in_memory as fn() -> Daemon), ("sled", Daemon::on_sled)] {
        let mut in_small = Place::new(new(), small, leaves, breadth);
        let mut in_large = Place::new(new(), large, leaves, breadth);
        edges(engine, &mut in_small, &mut in_large, rounds);
        whole(engine, &mut in_large, rounds);
        drop(in_large);
        let mut deep = Place::new(new(), depth, leaves, chain);
        edges(&format!("{engine}, the large one a chain"), &mut in_small, &mut deep, rounds);
        whole(&format!("{engine}, a chain"), &mut deep, rounds);
        star(engine, &mut Place::new(new(), depth, leaves, |_| u64::MAX), rounds);
    }
}
