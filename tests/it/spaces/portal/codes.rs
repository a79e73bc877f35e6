//! Invites by code: what they share with those by token, and who answers for them.

use super::*;
use guestlist::tables::OpenInvites;
use guestlist::tables::keys::write_owner;
use guestlist::tables::spaces::Revoked;
use guestlist::tables::{PersonChats, Spaces};

fn until(expires_at: i64) -> InviteTerms {
    InviteTerms { expires_at: Some(expires_at), ..open() }
}

/// A public chat of ada's, in which bea is a moderator.
fn with_moderator() -> (World, Room) {
    let mut world = World::new();
    world.set_levels([("bea", Level::Moderator)]);
    let room = world.room("ada", Visibility::Public);
    (world, room)
}

#[test]
fn codes_and_tokens_of_one_chat_share_its_quota_of_twenty() {
    let (mut world, room) = with_moderator();
    let ends = world.now + 100;
    world.code("ada", &room, "ends", until(ends)).unwrap();
    world.code("bea", &room, "once", uses(1)).unwrap();
    for number in 2..11 {
        world.code("bea", &room, &format!("code {number}"), open()).unwrap();
    }
    for number in 11..20 {
        world.invite("ada", &room.uri, &format!("token {number}"), open()).unwrap();
    }
    let full = |world: &mut World| {
        let by_code = [world.code("ada", &room, "x", open()), world.code("bea", &room, "x", open())];
        let by_token = world.invite("ada", &room.uri, "x", open());
        assert_eq!((by_code, by_token), ([Err(Refusal::Quota), Err(Refusal::Quota)], Err(Refusal::Quota)));
        assert_eq!((world.audit().last(), world.stored_code("x")), (Some(&("create", "quota")), None));
    };
    full(&mut world);
    // Each way of being active no longer makes room for one more, of either kind.
    assert_eq!(world.resolve("cal", "once"), Ok(true));
    world.invite("ada", &room.uri, "for once", open()).unwrap();
    full(&mut world);
    assert_eq!(world.revoke_there("bea", &room, "token 11"), CHANGED);
    world.code("ada", &room, "for token 11", open()).unwrap();
    full(&mut world);
    world.now = ends - 1;
    full(&mut world);
    world.now = ends;
    world.code("bea", &room, "for ends", open()).unwrap();
    full(&mut world);
    // Another chat has its own.
    let other = world.room("ada", Visibility::Public);
    world.code("bea", &other, "y", open()).unwrap();
}

#[test]
fn whoever_joins_by_a_code_is_new_once() {
    let (mut world, room) = with_moderator();
    world.code("ada", &room, "t", uses(2)).unwrap();
    world.code("ada", &room, "u", open()).unwrap();
    assert_eq!(world.resolve("ada", "t"), Ok(false), "the owner is in it");
    assert_eq!(world.resolve("cal", "t"), Ok(true));
    assert_eq!(world.resolve("cal", "t"), Ok(false), "the answer was lost");
    assert_eq!(world.resolve("cal", "u"), Ok(false), "a member");
    assert_eq!((world.stored("t").used, world.stored("u").used), (1, 0));
    // A member with lesser permissions gets greater ones and is not new by it, and uses it.
    world.add("ada", &room.uri, "dan", Perms::Read).unwrap();
    assert_eq!(world.resolve("dan", "t"), Ok(false));
    assert_eq!(world.member(&room.uri, "dan").map(|member| member.perms), Some(Perms::Write));
    assert_eq!(world.stored("t").used, 2);
    assert_eq!(world.resolve("eve", "t"), Err(Refusal::InvalidInvite));
    // Who was put out, or left, comes back by another one alone, and is new again.
    world.remove("ada", &room.uri, "cal").unwrap();
    assert_eq!(world.resolve("cal", "t"), Err(Refusal::InvalidInvite));
    assert_eq!(world.resolve("cal", "u"), Ok(true));
    world.leave("dan", &room.uri).unwrap();
    assert_eq!(world.resolve("dan", "u"), Ok(true));
    // In any later state of the invite.
    world.revoke_there("bea", &room, "u").unwrap();
    assert_eq!(
        (world.resolve("dan", "u"), world.resolve("eve", "u")),
        (Ok(false), Err(Refusal::InvalidInvite))
    );
}

#[test]
fn a_code_and_a_token_are_used_alike_but_the_portal_knows_invites_of_chats_alone() {
    let mut world = World::with_club();
    let room = world.room("ada", Visibility::Private);
    world.code("ada", &room, "code", open()).unwrap();
    world.invite("ada", &room.uri, "token", open()).unwrap();
    world.invite("ada", CLUB, "club", open()).unwrap();
    // With a service token.
    assert_eq!(world.redeem("bea", "code"), joined(&room.uri, Perms::Write));
    assert_eq!(world.resolve("bea", "token"), Ok(false));
    assert_eq!(world.resolve("cal", "token"), Ok(true));
    // A space that is no chat has no number to answer with.
    assert_eq!(world.resolve("cal", "club"), Err(Refusal::InvalidInvite));
    assert_eq!(world.audit().last(), Some(&("redeem", "unknown")));
    assert_eq!((world.stored("club").used, world.member(CLUB, "cal")), (0, None));
    // And is made no code for.
    for refused in [
        world.ask("ada", World::code_of(CLUB, "x", open())),
        world.ask_there("ada", World::code_of(CLUB, "x", open())),
        world.operate(World::code_of(CLUB, "x", open())),
    ] {
        assert_eq!(refused, Err(Refusal::SpaceNotFound));
    }
    assert_eq!(world.stored_code("x"), None);
}

#[test]
fn nobody_joins_by_a_code_while_the_account_of_who_made_it_is_not_active() {
    for status in ["suspended", "deactivated", "takendown", "deleted"] {
        let (mut world, room) = with_moderator();
        world.code("bea", &room, "hers", open()).unwrap();
        world.code("ada", &room, "the owner's", open()).unwrap();
        assert_eq!(world.resolve("cal", "hers"), Ok(true));
        world.account("bea", Some(status));
        assert_eq!(world.resolve("dan", "hers"), Err(Refusal::InvalidInvite), "{status}");
        assert_eq!(world.audit().last(), Some(&("redeem", "not-live")));
        assert_eq!(world.member(&room.uri, "dan"), None);
        assert_eq!(world.resolve("cal", "hers"), Ok(false), "a member's retry, {status}");
        assert_eq!(world.resolve("eve", "the owner's"), Ok(true), "{status}");
        // It counts as active meanwhile: it works again in a minute.
        let active: Vec<_> =
            guestlist::spaces::active(&*world.store.snapshot(), &space(&room.uri), world.now)
                .collect::<Result<_, _>>()
                .unwrap();
        assert!(active.contains(&hash("hers")), "{status}");
        world.account("bea", None);
        assert_eq!(world.resolve("dan", "hers"), Ok(true), "{status}");
        // And the owner's account counts for all of them, as for tokens.
        world.account("ada", Some(status));
        assert_eq!(world.resolve("fay", "hers"), Err(Refusal::InvalidInvite), "{status}");
        assert_eq!(world.resolve("fay", "the owner's"), Err(Refusal::InvalidInvite), "{status}");
        world.account("ada", None);
        assert_eq!(world.resolve("fay", "hers"), Ok(true), "{status}");
    }
}

#[test]
fn an_invite_outlives_the_level_of_who_made_it() {
    let (mut world, room) = with_moderator();
    world.code("bea", &room, "hers", open()).unwrap();
    world.set_levels([]);
    assert_eq!(world.code("bea", &room, "another", open()), FORBIDDEN);
    assert_eq!(world.revoke_there("bea", &room, "hers"), FORBIDDEN);
    assert_eq!(world.resolve("cal", "hers"), Ok(true));
    assert_eq!(world.revoke_there("ada", &room, "hers"), CHANGED);
    assert_eq!(world.resolve("dan", "hers"), Err(Refusal::InvalidInvite));
}

#[test]
fn a_code_is_kept_as_text_with_who_made_it_and_a_token_is_not() {
    let (mut world, room) = with_moderator();
    world.code("bea", &room, "abc123def456ghi7", open()).unwrap();
    world.invite("ada", &room.uri, "token", open()).unwrap();
    let code = Code { text: "abc123def456ghi7".into(), created_by: Some(did("bea")) };
    assert_eq!((world.stored_code("abc123def456ghi7"), world.stored_code("token")), (Some(code), None));
    // Revoked, it is still known whose it was.
    world.revoke_there("ada", &room, "abc123def456ghi7").unwrap();
    assert!(world.stored_code("abc123def456ghi7").is_some());
}

#[test]
fn a_chat_that_is_deleted_takes_its_codes_along_and_its_number_is_never_given_again() {
    let (mut world, room) = with_moderator();
    let other = world.room("ada", Visibility::Private);
    assert_eq!((room.number, other.number), (1, 2));
    world.code("bea", &room, "t", open()).unwrap();
    world.code("ada", &other, "of the other", open()).unwrap();
    world.resolve("cal", "t").unwrap();
    let delete = |uri: &str| Command::DeleteSpace { space: space(uri) };
    assert_eq!(world.ask("bea", delete(&room.uri)), FORBIDDEN);
    for uri in [&other.uri, &room.uri] {
        assert_eq!(world.ask("ada", delete(uri)), CHANGED);
    }
    let rows = world.store.snapshot();
    let of_ada = prefix_of::<Spaces>(|key| write_owner(&did("ada"), key));
    let left = [
        rows.scan_all::<Codes>().count(),
        rows.scan_all::<Invites>().count(),
        rows.scan_all::<OpenInvites>().count(),
        rows.scan_all::<Chats>().count(),
        rows.scan_all::<PersonChats>().count(),
        rows.scan::<Spaces>(of_ada).count(),
        rows.scan_all::<Members>().count(),
    ];
    assert_eq!(left, [0; 7]);
    drop(rows);
    assert_eq!(world.resolve("dan", "t"), Err(Refusal::InvalidInvite));
    assert_eq!(world.code("ada", &room, "u", open()), Err(Refusal::SpaceNotFound));
    assert_eq!(world.code("bea", &room, "u", open()), Err(Refusal::SpaceNotFound));
    let next = world.room("bea", Visibility::Public);
    assert_eq!((next.number, next.uri.as_str()), (3, "at://did:plc:bea/app.guestlist.portal.chat/3"));
}

#[test]
fn the_place_of_a_chat_is_made_by_the_portal_alone() {
    let mut world = World::new();
    let room = world.room("ada", Visibility::Public);
    for key in ["1", "2", "01", "self"] {
        let place = format!("at://did:plc:ada/app.guestlist.portal.chat/{key}");
        assert_eq!(world.make("ada", &place), Err(Refusal::IsChats), "{key}");
        assert_eq!(world.make("bea", &place), FORBIDDEN, "{key}");
    }
    // Nor is one that is paused before anybody made it.
    let next = space("at://did:plc:ada/app.guestlist.portal.chat/2");
    assert_eq!(world.operate(Command::Pause { space: next, paused: true }), Err(Refusal::SpaceNotFound));
    assert_eq!(world.operate(Command::Pause { space: space(&room.uri), paused: true }), CHANGED);
    world.code("ada", &room, "t", open()).unwrap();
    assert_eq!(world.resolve("bea", "t"), Err(Refusal::InvalidInvite));
    assert_eq!(world.operate(Command::Pause { space: space(&room.uri), paused: false }), CHANGED);
    assert_eq!(world.resolve("bea", "t"), Ok(true));
}

#[test]
fn chats_count_among_the_spaces_that_somebody_makes() {
    let mut world = World::new();
    world.bounds.spaces_max = 2;
    let full = Err(Refusal::Quota);
    world.room("ada", Visibility::Private);
    world.make("ada", CLUB).unwrap();
    assert_eq!(world.make_chat("ada", Visibility::Public), full);
    assert_eq!(world.audit().last(), Some(&("create-space", "quota")));
    assert_eq!(world.entries().pop().unwrap().space, None, "the place is the next chat's");
    assert_eq!(world.make("ada", "at://did:plc:ada/tools.atmo.event.space/other"), full);
    // Of each their own; and what is deleted makes room.
    assert_eq!(world.room("bea", Visibility::Public).number, 2);
    world.ask("ada", Command::DeleteSpace { space: space(CLUB) }).unwrap();
    assert_eq!(world.room("ada", Visibility::Public).number, 3);
    assert_eq!(world.make("ada", CLUB), full);
}

#[test]
fn whose_traces_are_erased_leaves_no_invite_in_the_chats_of_others_that_works() {
    let (mut world, room) = with_moderator();
    world.code("bea", &room, "hers", open()).unwrap();
    world.code("bea", &room, "ended", open()).unwrap();
    world.code("ada", &room, "the owner's", open()).unwrap();
    world.resolve("cal", "hers").unwrap();
    world.revoke_there("ada", &room, "ended").unwrap();
    let ended = world.stored("ended");
    world.account("bea", Some("deleted"));
    world.now += 5;
    let before = world.now;
    assert!(matches!(world.operate(Command::Erase { did: did("bea") }), Ok(Done::Swept { count: 4, .. })));
    for code in ["hers", "ended"] {
        let of_nobody = Code { text: code.into(), created_by: None };
        assert_eq!(world.stored_code(code), Some(of_nobody));
    }
    // It would be erasing that lets people in otherwise: nobody joined while her account was not active.
    let by_operator = Revoked { at: before, by: guestlist::tables::spaces::Role::Operator };
    assert_eq!(world.stored("hers").revoked, Some(by_operator));
    assert_eq!(world.stored("ended"), ended);
    assert_eq!(world.resolve("dan", "hers"), Err(Refusal::InvalidInvite));
    assert_eq!(world.resolve("cal", "hers"), Ok(false), "a member's retry");
    assert_eq!(world.resolve("dan", "the owner's"), Ok(true));
    assert_eq!((world.user("bea"), world.session("the cookie of bea")), (None, None));
}
