//! Pages under fire: somebody reads a list while somebody else writes.
//!
//! Whatever was in the list from the first page to the last is seen exactly once, and in order. Runs are drawn
//! from a seed, which a failure prints; `GUESTLIST_PAGE_RUNS` draws more of them.
#![allow(clippy::disallowed_methods, reason = "it reads a variable for the number of runs")]

use serde_json::{Value, json};

use super::world::{World, uri};
use crate::records::Kind;
use crate::syntax::AtUri;
use crate::tables::Records;
use crate::tables::keys::RecordId;
use crate::tables::view::ReadRows;

/// Runs of each list.
const RUNS: u64 = 100;

/// Numbers from a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }

    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// People of whom one's DID is the beginning of another's.
const PEOPLE: [&str; 6] = ["ada", "ada-b", "adab", "bea", "cal", "dan"];

/// A list, and what makes one of its items the same as before.
struct List {
    method: &'static str,
    of: &'static str,
    params: &'static [(&'static str, &'static str)],
    /// Pointers into an item. An edit that changes these takes it out of the list and puts it in elsewhere.
    same: &'static [&'static str],
}

const ROUND: &str = "at://did:plc:ada/at.atjam.round/r0";
const EVENT: &str = "at://did:plc:ada/community.lexicon.calendar.event/e0";
const BEA: &str = "did:plc:bea";

const LISTS: [List; 15] = [
    List { method: "app.guestlist.listRounds", of: "rounds", params: &[], same: &["/uri"] },
    List {
        method: "app.guestlist.listRounds",
        of: "rounds",
        params: &[("organizer", "did:plc:ada")],
        same: &["/uri"],
    },
    List { method: "app.guestlist.listSignups", of: "signups", params: &[], same: &["/uri"] },
    List { method: "app.guestlist.listSignups", of: "signups", params: &[("round", ROUND)], same: &["/uri"] },
    List {
        method: "app.guestlist.listSignups",
        of: "signups",
        params: &[("round", ROUND), ("author", BEA)],
        same: &["/uri"],
    },
    List { method: "app.guestlist.listSignups", of: "signups", params: &[("author", BEA)], same: &["/uri"] },
    List {
        method: "app.guestlist.listInvitations",
        of: "invitations",
        params: &[("round", ROUND)],
        same: &["/uri"],
    },
    List {
        method: "app.guestlist.listInvitations",
        of: "invitations",
        params: &[("invitee", BEA)],
        same: &["/uri", "/record/round/uri"],
    },
    List {
        method: "app.guestlist.listSubmissions",
        of: "submissions",
        params: &[("round", ROUND)],
        same: &["/uri"],
    },
    List {
        method: "app.guestlist.listSubmissions",
        of: "submissions",
        params: &[("author", BEA)],
        same: &["/uri"],
    },
    List {
        method: "app.guestlist.listParticipants",
        of: "participants",
        params: &[("round", ROUND)],
        same: &["/did"],
    },
    List {
        method: "app.guestlist.listActorRounds",
        of: "rounds",
        params: &[("actor", BEA)],
        same: &["/round"],
    },
    List {
        method: "app.guestlist.listEventRSVPs",
        of: "rsvps",
        params: &[("event", EVENT)],
        same: &["/author"],
    },
    List { method: "app.guestlist.listQuarantine", of: "records", params: &[], same: &["/uri"] },
    List {
        method: "community.lexicon.calendar.listRSVPs",
        of: "rsvps",
        params: &[("identity", BEA)],
        same: &["/uri", "/record/createdAt"],
    },
];

impl List {
    fn identity(&self, item: &Value) -> String {
        self.same.iter().map(|pointer| item.pointer(pointer).unwrap().to_string()).collect()
    }

    async fn page(&self, world: &World, limit: u64, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
        let limit = limit.to_string();
        let mut params = self.params.to_vec();
        params.push(("limit", &limit));
        params.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = world.get(self.method, &params).await;
        let items = page[self.of].as_array().unwrap().iter().map(|item| self.identity(item)).collect();
        (items, page["cursor"].as_str().map(str::to_owned))
    }

    async fn all(&self, world: &World) -> Vec<String> {
        let (items, cursor) = self.page(world, 100, None).await;
        assert_eq!(cursor, None, "these worlds are small");
        items
    }
}

/// Inserts, edits or deletes something somewhere.
fn write(world: &mut World, dice: &mut Dice) {
    // She is whom half of the lists are about.
    let author = if dice.below(3) == 0 { "bea" } else { dice.of(&PEOPLE) };
    let rkey = dice.of(&["a", "b", "b-", "c", "d"]);
    let round = json!({ "uri": format!("at://did:plc:{}/at.atjam.round/r{}", dice.of(&["ada", "ada-b"]), dice.below(2)) });
    let kind = dice.of(&[
        Kind::Round,
        Kind::Invitation,
        Kind::Signup,
        Kind::Signup,
        Kind::Submission,
        Kind::Rsvp,
        Kind::Rsvp,
    ]);
    match dice.below(12) {
        0..=2 => return world.delete(author, kind, rkey),
        3 => {
            world.put(author, kind, rkey, json!({ "unusable": dice.below(3) }));
            return;
        }
        4 if dice.below(3) == 0 => return world.account(author, Some("deactivated")),
        4 => return world.account(author, None),
        _ => {}
    }
    let made = format!("2026-01-01T00:00:0{}Z", dice.below(3));
    let record = match kind {
        Kind::Round => {
            let mode = dice.of(&["open", "network", "network", "hosted"]);
            world.round(author, &format!("r{}", dice.below(2)), mode, json!({ "note": dice.below(9) }));
            return;
        }
        Kind::Invitation => json!({ "round": round, "invitee": format!("did:plc:{}", dice.of(&PEOPLE)) }),
        Kind::Signup => {
            let invitation = uri(dice.of(&PEOPLE), Kind::Invitation, dice.of(&["a", "b", "c"]));
            json!({ "round": round, "invitation": { "uri": invitation }, "note": dice.below(9), "createdAt": made })
        }
        Kind::Submission => json!({ "round": round, "payload": round, "note": dice.below(9) }),
        _ => {
            let event = uri("ada", Kind::Event, &format!("e{}", dice.below(2)));
            let status = dice.of(&["going", "interested", "notgoing"]);
            let status = format!("community.lexicon.calendar.rsvp#{status}");
            json!({ "subject": { "uri": event }, "status": status, "createdAt": made, "note": dice.below(9) })
        }
    };
    world.put(author, kind, rkey, record);
}

/// Reads a list page by page while somebody writes; how many rows were there throughout.
async fn read_under_fire(list: &List, world: &mut World, dice: &mut Dice, seed: u64) -> usize {
    let mut throughout = list.all(world).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let (items, next) = list.page(world, 1 + dice.below(3), cursor.as_deref()).await;
        seen.extend(items);
        let Some(next) = next else { break };
        cursor = Some(next);
        for _ in 0..dice.below(3) {
            write(world, dice);
            let now = list.all(world).await;
            throughout.retain(|item| now.contains(item));
        }
    }
    let mut kept = seen.clone();
    kept.retain(|item| throughout.contains(item));
    assert_eq!(kept, throughout, "seed {seed}, {} {:?}: saw {seen:#?}", list.method, list.params);
    throughout.len()
}

#[tokio::test]
async fn whatever_was_there_throughout_is_seen_once_and_in_order() {
    let runs = std::env::var("GUESTLIST_PAGE_RUNS").ok().map_or(RUNS, |runs| runs.parse().unwrap());
    let mut rows = [0; LISTS.len()];
    for seed in 0..runs {
        for (place, list) in LISTS.iter().enumerate() {
            let mut world = World::new();
            let mut dice = Dice(seed << 8 | place as u64);
            for author in ["ada", "ada-b"] {
                world.round(author, "r0", "network", json!({}));
            }
            (0..200).for_each(|_| write(&mut world, &mut dice));
            rows[place] += read_under_fire(list, &mut world, &mut dice, seed).await;
        }
    }
    assert!(rows.iter().all(|rows| *rows as u64 > runs / 4), "a list had nothing to show: {rows:?}");
}

#[tokio::test]
async fn a_thousand_answers_of_one_microsecond_are_told_apart() {
    let list = &LISTS[LISTS.len() - 1];
    for seed in 0..3 {
        let mut world = World::new();
        let mut dice = Dice(seed);
        let answer = |note: u64| {
            let subject = json!({ "uri": EVENT });
            let status = "community.lexicon.calendar.rsvp#going";
            json!({ "subject": subject, "status": status, "createdAt": "1969-07-20T20:17:40.123456Z", "note": note })
        };
        for number in 0..1_000 {
            world.put("bea", Kind::Rsvp, &format!("k{number}"), answer(0));
        }
        let mut throughout: Vec<_> =
            (0..1_000).map(|number| uri("bea", Kind::Rsvp, &format!("k{number}"))).collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let (items, next) = list.page(&world, 1 + dice.below(100), cursor.as_deref()).await;
            seen.extend(items);
            let Some(next) = next else { break };
            cursor = Some(next);
            for _ in 0..10 {
                let number = dice.below(1_000);
                let rkey = format!("k{number}");
                match dice.below(3) {
                    0 => world.delete("bea", Kind::Rsvp, &rkey),
                    1 => drop(world.put("bea", Kind::Rsvp, &rkey, answer(1 + dice.below(9)))),
                    _ => drop(world.put("bea", Kind::Rsvp, &format!("new{}", dice.below(9_999)), answer(0))),
                }
            }
            throughout.retain(|uri| times_seen(&seen, uri) > 0 || exists(&world, uri));
        }
        for uri in &throughout {
            assert_eq!(times_seen(&seen, uri), 1, "seed {seed}: {uri}");
        }
        assert!(throughout.len() > 500, "{}", throughout.len());
    }
}

fn times_seen(seen: &[String], uri: &str) -> usize {
    let quoted = format!("\"{uri}\"");
    seen.iter().filter(|item| item.starts_with(&quoted)).count()
}

fn exists(world: &World, uri: &str) -> bool {
    let id = RecordId::from_uri(&AtUri::parse(uri).unwrap()).unwrap();
    world.service.store.snapshot().get::<Records>(&id).unwrap().is_some()
}
