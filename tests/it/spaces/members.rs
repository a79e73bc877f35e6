//! Which spaces there are, whose they are, and who is in them.

use super::*;

#[test]
fn live_jams_official_rounds_and_events_are_spaces_of_their_authors() {
    let mut world = World::new();
    let jam = world.publish("ada", Kind::Jam, json!({ "name": "Jam" }));
    let of = |jam: &str| json!({ "jam": { "uri": jam, "cid": "x" }, "joinMode": "open" });
    let round = world.publish("ada", Kind::Round, of(&jam));
    let event = world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    for uri in [&jam, &round, &event] {
        assert!(matches!(world.invite("ada", uri, uri, open()), Ok(Done::Invite(_))), "{uri}");
        assert_eq!(world.invite("bea", uri, "x", open()), Err(Refusal::Forbidden), "{uri}");
        assert_eq!(world.redeem("bea", uri), joined(uri, Perms::Write));
    }
    // A round of somebody else's jam has no authority over it, and other records are no spaces.
    let unofficial = world.publish("bea", Kind::Round, of(&jam));
    let rsvp =
        json!({ "subject": { "uri": event, "cid": "x" }, "status": "community.lexicon.calendar.rsvp#going" });
    let rsvp = world.publish("ada", Kind::Rsvp, rsvp);
    // What cannot be used is not live.
    let unusable = world.publish("cal", Kind::Event, json!(["no map"]));
    for (owner, uri) in [("bea", &unofficial), ("ada", &rsvp), ("cal", &unusable)] {
        assert_eq!(world.invite(owner, uri, "x", open()), Err(Refusal::SpaceNotFound), "{uri}");
    }
}

#[test]
fn a_space_is_made_once_and_not_in_the_place_of_a_record() {
    let mut world = World::new();
    assert!(matches!(world.make("ada", CLUB), Ok(Done::Space(_))));
    assert_eq!(world.make("ada", CLUB), Err(Refusal::AlreadyExists));
    let event = "at://did:plc:ada/community.lexicon.calendar.event/one";
    assert_eq!(world.make("ada", event), Err(Refusal::IsRecords));
    assert_eq!(world.make("bea", CLUB), Err(Refusal::Forbidden));
}

#[test]
fn somebody_makes_so_many_spaces_and_no_more() {
    let mut world = World::new();
    world.bounds.spaces_max = 3;
    let uri = |number| format!("at://did:plc:ada/a.b.c/{number}");
    for number in 0..3 {
        world.make("ada", &uri(number)).unwrap();
    }
    assert_eq!(world.make("ada", &uri(3)), Err(Refusal::Quota));
    world.ask("ada", Command::DeleteSpace { space: space(&uri(1)) }).unwrap();
    world.make("ada", &uri(3)).unwrap();
    world.make("bea", "at://did:plc:bea/a.b.c/0").unwrap();
}

#[test]
fn a_deleted_space_takes_everything_with_it_but_the_audit() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "t", open()).unwrap();
    world.redeem("bea", "t").unwrap();
    let delete = || Command::DeleteSpace { space: space(CLUB) };
    assert_eq!(world.ask("bea", delete()), Err(Refusal::Forbidden));
    assert_eq!(world.ask("ada", delete()), CHANGED);
    assert_eq!(world.ask("ada", delete()), Err(Refusal::SpaceNotFound));
    assert_eq!(world.redeem("bea", "t"), INVALID);
    assert_eq!((world.count_members(CLUB), world.count_redemptions("t")), (0, 0));
    assert_eq!(world.audit().len(), 6);
    // One that is made anew in its place has nothing of it.
    world.make("ada", CLUB).unwrap();
    assert_eq!(world.redeem("bea", "t"), INVALID);
    let event = world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    let delete = Command::DeleteSpace { space: space(&event) };
    assert_eq!(world.ask("ada", delete), Err(Refusal::IsRecords));
}

#[test]
fn the_owner_puts_people_in_and_out_and_others_do_not() {
    let mut world = World::with_club();
    assert_eq!(world.add("bea", CLUB, "bea", Perms::Write), Err(Refusal::Forbidden));
    assert_eq!(world.add("ada", CLUB, "bea", Perms::Write), CHANGED);
    assert_eq!(world.add("ada", CLUB, "bea", Perms::Write), SAME);
    // The owner may lower what an invite may not.
    assert_eq!(world.add("ada", CLUB, "bea", Perms::Read), CHANGED);
    assert_eq!(world.member(CLUB, "bea").unwrap().perms, Perms::Read);
    assert_eq!(world.remove("cal", CLUB, "bea"), Err(Refusal::Forbidden));
    assert_eq!(world.remove("ada", CLUB, "bea"), CHANGED);
    assert_eq!(world.remove("ada", CLUB, "bea"), SAME);
    assert_eq!(world.remove("ada", CLUB, "nobody"), SAME);
    assert_eq!(world.add("ada", CLUB, "bea", Perms::Write), CHANGED, "and back in by hand");
    let nowhere = "at://did:plc:ada/tools.atmo.event.space/nowhere";
    assert_eq!(world.add("ada", nowhere, "bea", Perms::Write), Err(Refusal::SpaceNotFound));
    assert_eq!(world.remove("ada", nowhere, "bea"), Err(Refusal::SpaceNotFound));
}

#[test]
fn the_owner_is_always_in_and_cannot_leave() {
    let mut world = World::with_club();
    let is_owner = Err(Refusal::IsOwner);
    assert_eq!(world.leave("ada", CLUB), is_owner);
    assert_eq!(world.remove("ada", CLUB, "ada"), is_owner);
    assert_eq!(world.add("ada", CLUB, "ada", Perms::Read), is_owner);
    assert_eq!(world.leave("bea", CLUB), SAME);
    assert_eq!(world.leave("bea", "at://did:plc:ada/a.b.c/nowhere"), Err(Refusal::SpaceNotFound));
}

#[test]
fn somebody_whose_account_is_not_active_does_nothing() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "t", open()).unwrap();
    world.account("bea", Some("takendown"));
    assert_eq!(world.redeem("bea", "t"), Err(Refusal::Inactive));
    assert_eq!(world.ask("bea", Command::Admit), Err(Refusal::Inactive));
    world.account("bea", None);
    assert_eq!(world.redeem("bea", "t"), joined(CLUB, Perms::Write));
}

#[test]
fn only_the_operator_operates() {
    let mut world = World::with_club();
    for command in [
        Command::Erase { did: did("ada") },
        Command::EraseAudit { did: did("ada"), from: 0 },
        Command::Retain { since: i64::MAX },
        Command::Pause { space: space(CLUB), paused: true },
    ] {
        assert_eq!(world.ask("ada", command), Err(Refusal::Forbidden));
    }
    assert_eq!(world.audit(), [("create-space", "done")]);
    // And some things only people do.
    assert_eq!(world.operate(Command::Redeem { hash: hash("t") }), Err(Refusal::Forbidden));
    assert_eq!(world.operate(Command::Leave { space: space(CLUB) }), Err(Refusal::Forbidden));
}
