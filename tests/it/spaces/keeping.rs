//! Tokens that count once, the audit, and what is erased.

use super::*;
use guestlist::tables::spaces::Actor;
use guestlist::tables::{Memberships, NonceExpiries, Nonces, SpaceAudits};

#[test]
fn a_token_counts_once_whatever_it_was_for() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "t", open()).unwrap();
    let nonce = world.nonce();
    let by = |name: &str| By::Caller { did: did(name), nonce };
    assert_eq!(world.request(&Request { by: by("bea"), command: Command::Admit }), Ok(Done::Admitted));
    let redeem = Request { by: by("bea"), command: Command::Redeem { hash: hash("t") } };
    assert_eq!(world.request(&redeem), Err(Refusal::Replayed));
    assert_eq!(world.member(CLUB, "bea"), None);
    // Also where what it was for was refused.
    let nonce = world.nonce();
    let by = By::Caller { did: did("bea"), nonce };
    let unknown = Request { by, command: Command::Redeem { hash: hash("unknown") } };
    assert_eq!(world.request(&unknown), INVALID);
    assert_eq!(world.request(&unknown), Err(Refusal::Replayed));
}

#[test]
fn used_tokens_are_forgotten_when_they_could_not_be_used_again() {
    let mut world = World::new();
    let first = world.nonce();
    let admit = |nonce| Request { by: By::Caller { did: did("bea"), nonce }, command: Command::Admit };
    world.request(&admit(first)).unwrap();
    for _ in 0..20 {
        world.ask("bea", Command::Admit).unwrap();
    }
    world.now = i64::try_from(first.expires).unwrap() * 1_000;
    assert_eq!(world.request(&admit(first)), Err(Refusal::Replayed), "its last second");
    world.now += 1_000;
    // It may be forgotten by now, and does not count all the same.
    assert_eq!(world.request(&admit(first)), Err(Refusal::Replayed));
    for _ in 0..4 {
        world.ask("bea", Command::Admit).unwrap();
    }
    let rows = world.store.snapshot();
    assert_eq!((rows.scan_all::<Nonces>().count(), rows.scan_all::<NonceExpiries>().count()), (4, 4));
}

#[test]
fn every_create_redeem_and_revoke_leaves_an_entry_that_outlives_the_invite() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "t", open()).unwrap();
    world.now += 1;
    world.redeem("bea", "t").unwrap();
    world.redeem("bea", "t").unwrap();
    world.revoke("ada", CLUB, "t").unwrap();
    world.ask("ada", Command::DeleteSpace { space: space(CLUB) }).unwrap();
    let entries = world.entries();
    let about: Vec<_> = entries
        .iter()
        .map(|entry| (entry.act.name(), entry.finding.name(), entry.invite.is_some()))
        .collect();
    assert_eq!(
        about,
        [
            ("create-space", "done", false),
            ("create", "done", true),
            ("redeem", "done", true),
            ("redeem", "already", true),
            ("revoke", "done", true),
            ("delete-space", "done", false),
        ]
    );
    assert_eq!(entries[2].actor, Actor::Did(did("bea")));
    assert_eq!(entries[2].at, world.now);
    assert!(entries.iter().all(|entry| entry.space == Some(space(CLUB))));
}

#[test]
fn old_entries_are_forgotten_some_at_a_time() {
    let mut world = World::with_club();
    for _ in 0..1_500 {
        world.now += 1;
        let _ = world.redeem("bea", "unknown");
    }
    let since = world.now - 100;
    let retain = Command::Retain { since };
    let Ok(Done::Swept { count: 1_000, next: Some(1_000) }) = world.operate(retain.clone()) else { panic!() };
    assert_eq!(world.operate(retain.clone()), Ok(Done::Swept { count: 400, next: None }));
    assert_eq!(world.operate(retain), Ok(Done::Swept { count: 0, next: None }));
    assert!(world.entries().iter().all(|entry| entry.at >= since));
    assert_eq!(world.entries().len(), 101);
    assert_eq!(world.store.snapshot().scan_all::<SpaceAudits>().count(), 0);
}

#[test]
fn nothing_is_left_of_somebody_who_is_erased() {
    let mut world = World::with_club();
    let hers = "at://did:plc:bea/tools.atmo.event.space/hers";
    world.make("bea", hers).unwrap();
    let event = world.publish("bea", Kind::Event, json!({ "name": "Party" }));
    for (owner, uri) in [("ada", CLUB), ("bea", hers), ("bea", &event)] {
        world.invite(owner, uri, uri, uses(3)).unwrap();
        world.redeem("bea", uri).unwrap();
        world.redeem("cal", uri).unwrap();
    }
    world.remove("ada", CLUB, "bea").unwrap();
    world.add("ada", CLUB, "bea", Perms::Read).unwrap();
    assert!(matches!(world.operate(Command::Erase { did: did("bea") }), Ok(Done::Swept { .. })));
    let erase_audit = Command::EraseAudit { did: did("bea"), from: 0 };
    assert!(matches!(world.operate(erase_audit), Ok(Done::Swept { count: 1.., next: None })));
    let rows = world.store.snapshot();
    let debug = [
        format!("{:?}", rows.scan_all::<Members>().collect::<Vec<_>>()),
        format!("{:?}", rows.scan_all::<Memberships>().collect::<Vec<_>>()),
        format!("{:?}", rows.scan_all::<Invites>().collect::<Vec<_>>()),
        format!("{:?}", rows.scan_all::<Redemptions>().collect::<Vec<_>>()),
        format!("{:?}", rows.scan_all::<Audits>().collect::<Vec<_>>()),
        format!("{:?}", rows.scan_all::<SpaceAudits>().collect::<Vec<_>>()),
    ]
    .join("\n");
    assert!(!debug.contains("did:plc:bea"), "{debug}");
    drop(rows);
    // Her use still counts: as many join as the invite is for.
    let invite = world.stored(CLUB);
    assert_eq!((invite.used, invite.erased, world.count_redemptions(CLUB)), (2, 1, 1));
    world.redeem("dan", CLUB).unwrap();
    assert_eq!(world.redeem("eve", CLUB), INVALID);
    assert!(world.member(CLUB, "cal").is_some());
}
