//! Making, using and ending invites.

use super::*;

#[test]
fn an_invite_is_made_by_the_owner_alone() {
    let mut world = World::with_club();
    assert_eq!(world.invite("bea", CLUB, "t", open()), Err(Refusal::Forbidden));
    let nowhere = "at://did:plc:ada/tools.atmo.event.space/nowhere";
    assert_eq!(world.invite("ada", nowhere, "t", open()), Err(Refusal::SpaceNotFound));
    assert!(matches!(world.invite("ada", CLUB, "t", open()), Ok(Done::Invite(_))));
    assert_eq!(world.audit(), [("create-space", "done"), ("create", "forbidden"), ("create", "done")]);
}

#[test]
fn exactly_as_many_join_as_an_invite_is_for() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "t", uses(2)).unwrap();
    assert_eq!(world.redeem("bea", "t"), joined(CLUB, Perms::Write));
    assert_eq!(world.redeem("cal", "t"), joined(CLUB, Perms::Write));
    assert_eq!(world.redeem("dan", "t"), INVALID);
    assert_eq!((world.stored("t").used, world.count_members(CLUB), world.count_redemptions("t")), (2, 2, 2));
    assert_eq!(world.audit().last(), Some(&("redeem", "exhausted")));
}

#[test]
fn unknown_expired_revoked_and_exhausted_are_one_answer() {
    let mut world = World::with_club();
    let until = world.now + 10;
    world.invite("ada", CLUB, "expired", InviteTerms { expires_at: Some(until), ..open() }).unwrap();
    world.invite("ada", CLUB, "revoked", open()).unwrap();
    world.invite("ada", CLUB, "exhausted", uses(1)).unwrap();
    world.revoke("ada", CLUB, "revoked").unwrap();
    world.redeem("bea", "exhausted").unwrap();
    // It ends with the moment that it names.
    world.now = until;
    for token in ["unknown", "expired", "revoked", "exhausted"] {
        assert_eq!(world.redeem("cal", token), INVALID, "{token}");
        assert_eq!(world.audit().last(), Some(&("redeem", token)));
    }
    assert_eq!(world.member(CLUB, "cal"), None);
}

#[test]
fn a_lost_answer_can_be_asked_for_again_in_any_later_state() {
    let mut world = World::with_club();
    let until = world.now + 10;
    let terms = InviteTerms { expires_at: Some(until), ..uses(1) };
    world.invite("ada", CLUB, "t", terms).unwrap();
    let again = joined(CLUB, Perms::Write);
    assert_eq!(world.redeem("bea", "t"), again);
    assert_eq!(world.redeem("bea", "t"), again, "used up");
    world.revoke("ada", CLUB, "t").unwrap();
    assert_eq!(world.redeem("bea", "t"), again, "revoked");
    world.now = until + 1;
    assert_eq!(world.redeem("bea", "t"), again, "expired");
    world.account("ada", Some("deactivated"));
    assert_eq!(world.redeem("bea", "t"), again, "the owner is away");
    assert_eq!((world.stored("t").used, world.count_redemptions("t")), (1, 1));
}

#[test]
fn what_others_got_wrong_a_use_is_not_burnt_by_a_member() {
    let mut world = World::with_club();
    world.add("ada", CLUB, "bea", Perms::Write).unwrap();
    world.invite("ada", CLUB, "write", uses(1)).unwrap();
    world.invite("ada", CLUB, "read", InviteTerms { perms: Perms::Read, ..uses(1) }).unwrap();
    for (who, token) in [("bea", "write"), ("bea", "read"), ("ada", "write"), ("ada", "read")] {
        assert_eq!(world.redeem(who, token), joined(CLUB, Perms::Write), "{who} {token}");
        assert_eq!(world.stored(token).used, 0, "{who} {token}");
    }
    assert_eq!(world.redeem("cal", "write"), joined(CLUB, Perms::Write));
    // Who has not used it is no exception where nobody joins any more.
    assert_eq!(world.redeem("bea", "write"), INVALID);
}

#[test]
fn what_others_got_wrong_perms_are_never_lowered_by_an_invite() {
    let mut world = World::with_club();
    world.add("ada", CLUB, "bea", Perms::Write).unwrap();
    world.invite("ada", CLUB, "read", InviteTerms { perms: Perms::Read, ..open() }).unwrap();
    assert_eq!(world.redeem("bea", "read"), joined(CLUB, Perms::Write));
    assert_eq!(world.member(CLUB, "bea").unwrap().perms, Perms::Write);
}

#[test]
fn a_greater_invite_raises_a_member_and_takes_a_use() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "read", InviteTerms { perms: Perms::Read, ..open() }).unwrap();
    world.invite("ada", CLUB, "write", uses(1)).unwrap();
    assert_eq!(world.redeem("bea", "read"), joined(CLUB, Perms::Read));
    let since = world.member(CLUB, "bea").unwrap().added_at;
    world.now += 5;
    assert_eq!(world.redeem("bea", "write"), joined(CLUB, Perms::Write));
    assert_eq!(world.stored("write").used, 1);
    let member = world.member(CLUB, "bea").unwrap();
    assert_eq!((member.perms, member.added_at, member.invite), (Perms::Write, since, Some(hash("read"))));
    // The first invite is answered with what she is now.
    assert_eq!(world.redeem("bea", "read"), joined(CLUB, Perms::Write));
}

#[test]
fn who_was_removed_or_left_does_not_come_back_by_the_same_invite() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "one", open()).unwrap();
    world.invite("ada", CLUB, "two", open()).unwrap();
    world.redeem("bea", "one").unwrap();
    world.redeem("cal", "one").unwrap();
    assert_eq!(world.remove("ada", CLUB, "bea"), CHANGED);
    assert_eq!(world.leave("cal", CLUB), CHANGED);
    for who in ["bea", "cal"] {
        assert_eq!(world.redeem(who, "one"), INVALID);
        assert_eq!(world.audit().last(), Some(&("redeem", "gone")));
        assert_eq!(world.redeem(who, "two"), joined(CLUB, Perms::Write));
        // Now the first one is theirs again.
        assert_eq!(world.redeem(who, "one"), joined(CLUB, Perms::Write));
    }
    assert_eq!((world.stored("one").used, world.stored("two").used), (2, 2));
}

#[test]
fn what_others_got_wrong_an_invite_of_another_space_is_not_revoked() {
    let other = "at://did:plc:ada/tools.atmo.event.space/other";
    let bea = "at://did:plc:bea/tools.atmo.event.space/hers";
    let mut world = World::with_club();
    world.make("ada", other).unwrap();
    world.make("bea", bea).unwrap();
    world.invite("ada", CLUB, "t", open()).unwrap();
    assert_eq!(world.revoke("ada", other, "t"), Err(Refusal::InviteNotFound));
    assert_eq!(world.revoke("bea", bea, "t"), Err(Refusal::InviteNotFound));
    assert_eq!(world.revoke("bea", CLUB, "t"), Err(Refusal::Forbidden));
    assert_eq!(world.revoke("ada", CLUB, "unknown"), Err(Refusal::InviteNotFound));
    assert_eq!(world.stored("t").revoked, None);
    assert_eq!(world.revoke("ada", CLUB, "t"), CHANGED);
    assert_eq!(world.revoke("ada", CLUB, "t"), SAME);
    let revoked = world.stored("t").revoked.unwrap();
    assert_eq!(revoked.at, world.now);
}

#[test]
fn an_owner_is_not_rid_of_a_pause_by_making_the_space_anew() {
    let mut world = World::with_club();
    let pause = |paused| Command::Pause { space: space(CLUB), paused };
    assert_eq!(world.operate(pause(true)), CHANGED);
    world.ask("ada", Command::DeleteSpace { space: space(CLUB) }).unwrap();
    assert_eq!(world.operate(pause(true)), SAME);
    world.make("ada", CLUB).unwrap();
    world.invite("ada", CLUB, "t", open()).unwrap();
    assert_eq!(world.redeem("bea", "t"), INVALID);
    assert_eq!(world.operate(pause(false)), CHANGED);
    assert_eq!(world.redeem("bea", "t"), joined(CLUB, Perms::Write));
}

#[test]
fn the_operator_revokes_also_where_nothing_is_live_now() {
    let mut world = World::new();
    let event = world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    world.invite("ada", &event, "t", open()).unwrap();
    world.delete("ada", Kind::Event);
    let revoke = |token: &str| Command::Revoke { space: space(&event), hash: hash(token) };
    assert_eq!(world.ask("ada", revoke("t")), Err(Refusal::SpaceNotFound));
    assert_eq!(world.operate(revoke("unknown")), Err(Refusal::SpaceNotFound));
    assert_eq!(world.operate(revoke("t")), CHANGED);
    world.publish("ada", Kind::Event, json!({ "name": "Party again" }));
    assert_eq!(world.redeem("bea", "t"), INVALID);
}

#[test]
fn members_who_joined_stay_when_an_invite_is_revoked() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "t", open()).unwrap();
    world.redeem("bea", "t").unwrap();
    world.revoke("ada", CLUB, "t").unwrap();
    assert!(world.member(CLUB, "bea").is_some());
}

#[test]
fn the_twenty_first_active_invite_is_refused() {
    let mut world = World::with_club();
    let until = world.now + 100;
    world.invite("ada", CLUB, "ends", InviteTerms { expires_at: Some(until), ..open() }).unwrap();
    world.invite("ada", CLUB, "once", uses(1)).unwrap();
    for number in 2..20 {
        world.invite("ada", CLUB, &number.to_string(), open()).unwrap();
    }
    let full = Err(Refusal::Quota);
    assert_eq!(world.invite("ada", CLUB, "x", open()), full);
    // Each way of being active no longer makes room for one.
    world.redeem("bea", "once").unwrap();
    world.invite("ada", CLUB, "for once", open()).unwrap();
    assert_eq!(world.invite("ada", CLUB, "x", open()), full);
    world.revoke("ada", CLUB, "7").unwrap();
    world.invite("ada", CLUB, "for 7", open()).unwrap();
    assert_eq!(world.invite("ada", CLUB, "x", open()), full);
    world.now = until;
    world.invite("ada", CLUB, "for ends", open()).unwrap();
    assert_eq!(world.invite("ada", CLUB, "x", open()), full);
    // Another space has its own.
    let other = "at://did:plc:ada/tools.atmo.event.space/other";
    world.make("ada", other).unwrap();
    world.invite("ada", other, "y", open()).unwrap();
}

#[test]
fn an_invite_that_ends_before_it_begins_is_none() {
    let mut world = World::with_club();
    for expires_at in [world.now, world.now - 1, 0, -1] {
        let terms = InviteTerms { expires_at: Some(expires_at), ..open() };
        assert_eq!(world.invite("ada", CLUB, "t", terms), Err(Refusal::Ended));
    }
    assert_eq!(world.audit(), [("create-space", "done")]);
}

#[test]
fn nobody_joins_while_authority_is_lost_and_they_can_again_when_it_returns() {
    let mut world = World::with_club();
    let event = world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    world.invite("ada", &event, "event", open()).unwrap();
    world.invite("ada", CLUB, "club", open()).unwrap();
    world.redeem("bea", "event").unwrap();
    world.account("ada", Some("suspended"));
    assert_eq!(world.redeem("cal", "event"), INVALID);
    assert_eq!(world.redeem("cal", "club"), INVALID);
    assert_eq!(world.redeem("bea", "event"), joined(&event, Perms::Write), "a retry still succeeds");
    world.account("ada", None);
    world.delete("ada", Kind::Event);
    assert_eq!(world.redeem("cal", "event"), INVALID);
    assert_eq!(world.audit().last(), Some(&("redeem", "not-live")));
    assert_eq!(world.redeem("cal", "club"), joined(CLUB, Perms::Write));
    world.publish("ada", Kind::Event, json!({ "name": "Party again" }));
    assert_eq!(world.redeem("cal", "event"), joined(&event, Perms::Write));
}

#[test]
fn a_paused_space_lets_nobody_in_by_an_invite() {
    let mut world = World::with_club();
    world.invite("ada", CLUB, "t", open()).unwrap();
    world.redeem("bea", "t").unwrap();
    let pause = |paused| Command::Pause { space: space(CLUB), paused };
    assert_eq!(world.ask("ada", pause(true)), Err(Refusal::Forbidden));
    assert_eq!(world.operate(pause(true)), CHANGED);
    assert_eq!(world.operate(pause(true)), SAME);
    assert_eq!(world.redeem("cal", "t"), INVALID);
    assert_eq!(world.audit().last(), Some(&("redeem", "paused")));
    assert_eq!(world.redeem("bea", "t"), joined(CLUB, Perms::Write));
    assert_eq!(world.operate(pause(false)), CHANGED);
    assert_eq!(world.redeem("cal", "t"), joined(CLUB, Perms::Write));
}
