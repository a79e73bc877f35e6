//! Who may do what with which chat.

use super::*;
use guestlist::tables::spaces::Role;

/// RULES §6: "Who may manage invites: a private chat, its owner only; a public or official one, its owner or anyone of a
/// strictly higher level than the chat's owner, and level 3 always."
///
/// In each row: the visibility, who the caller is there, their level, and whether they may where the chat's owner is a user,
/// a moderator, an admin, an owner. There is no such case (`.`) where the caller is the chat's owner and has two levels.
const MATRIX: &str = "
    private   owner     user       y . . .
    private   owner     moderator  . y . .
    private   owner     admin      . . y .
    private   owner     owner      . . . y
    private   member    user       n n n n
    private   member    moderator  n n n n
    private   member    admin      n n n n
    private   member    owner      n n n n
    private   stranger  user       n n n n
    private   stranger  moderator  n n n n
    private   stranger  admin      n n n n
    private   stranger  owner      n n n n
    public    owner     user       y . . .
    public    owner     moderator  . y . .
    public    owner     admin      . . y .
    public    owner     owner      . . . y
    public    member    user       n n n n
    public    member    moderator  y n n n
    public    member    admin      y y n n
    public    member    owner      y y y y
    public    stranger  user       n n n n
    public    stranger  moderator  y n n n
    public    stranger  admin      y y n n
    public    stranger  owner      y y y y
    official  owner     user       y . . .
    official  owner     moderator  . y . .
    official  owner     admin      . . y .
    official  owner     owner      . . . y
    official  member    user       n n n n
    official  member    moderator  y n n n
    official  member    admin      y y n n
    official  member    owner      y y y y
    official  stranger  user       n n n n
    official  stranger  moderator  y n n n
    official  stranger  admin      y y n n
    official  stranger  owner      y y y y
";

fn level(name: &str) -> Level {
    LEVELS.into_iter().find(|level| level.name() == name).unwrap()
}

/// A chat of ada's, in which bea is or is not. An owner of an official one may have had a greater level when they made it.
fn with_chat(visibility: Visibility, is_member: bool) -> (World, Room) {
    let mut world = World::new();
    world.set_levels([("ada", Level::Admin)]);
    let room = world.room("ada", visibility);
    if is_member {
        assert_eq!(world.add("ada", &room.uri, "bea", Perms::Write), CHANGED);
    }
    (world, room)
}

#[test]
fn the_matrix_of_who_may_manage_which_chat_holds_for_every_command() {
    let mut cases = 0;
    for row in MATRIX.trim().lines() {
        let words: Vec<_> = row.split_whitespace().collect();
        let [visibility, relation, of_caller, cells @ ..] = &words[..] else { panic!("{row}") };
        for (owners, cell) in LEVELS.into_iter().zip(cells) {
            let of_caller = level(of_caller);
            let (mut world, room) =
                with_chat(Visibility::from_name(visibility).unwrap(), *relation == "member");
            let caller = if *relation == "owner" { "ada" } else { "bea" };
            if caller == "ada" && owners != of_caller {
                assert_eq!(*cell, ".", "{row}");
                continue;
            }
            let may = match *cell {
                "y" => true,
                "n" => false,
                other => panic!("{other}"),
            };
            cases += 1;
            world.set_levels([("ada", owners), (caller, of_caller)]);
            manages(&mut world, &room, caller, may, &format!("{row}, owner's level {}", owners.name()));
        }
    }
    // Nobody has two levels, so that of the owner's sixteen cases there are four.
    assert_eq!(cases, 3 * (4 + 4 * 4 + 4 * 4));
}

/// Whether somebody may make an invite and end one in the Portal, and that a service token says nothing of the Portal.
fn manages(world: &mut World, room: &Room, caller: &str, may: bool, case: &str) {
    let is_owner = caller == "ada";
    world.code("ada", room, "to be revoked", open()).unwrap();
    let made = world.code(caller, room, "made", open());
    let revoked = world.revoke_there(caller, room, "to be revoked");
    let unknown = world.revoke_there(caller, room, "unknown");
    if may {
        assert!(matches!(made, Ok(Done::Invite(_))), "{case}: {made:?}");
        assert_eq!(world.stored_code("made").unwrap().created_by, Some(did(caller)), "{case}");
        assert_eq!((revoked, unknown), (CHANGED, Err(Refusal::InviteNotFound)), "{case}");
        let by = if is_owner { Role::Owner } else { Role::Moderator };
        assert_eq!(world.stored("to be revoked").revoked.map(|revoked| revoked.by), Some(by), "{case}");
    } else {
        // Nobody learns by a refusal whether there is such an invite.
        assert_eq!((made, revoked, unknown), (FORBIDDEN, FORBIDDEN, FORBIDDEN), "{case}");
        assert!(world.stored_code("made").is_none() && world.stored("to be revoked").revoked.is_none());
    }
    let last = world.entries().pop().unwrap().finding.name();
    assert_eq!(last, if may { "unknown" } else { "forbidden" }, "{case}");
    // By a token it is the owner's alone.
    let [made, revoked] = [
        world.ask(caller, World::code_of(&room.uri, "by token", open())),
        world.revoke(caller, &room.uri, "to be revoked"),
    ];
    if is_owner {
        assert!(made.is_ok() && revoked == SAME, "{case}");
    } else {
        assert_eq!((made, revoked), (FORBIDDEN, FORBIDDEN), "{case}");
    }
}

#[test]
fn a_private_chat_is_seen_by_who_is_in_it_and_the_others_by_everybody() {
    for visibility in Visibility::ALL {
        for of_caller in LEVELS {
            let (mut world, room) = with_chat(visibility, true);
            world.add("ada", &room.uri, "cal", Perms::Read).unwrap();
            world.add("ada", &room.uri, "dan", Perms::Write).unwrap();
            world.add("ada", &room.uri, "eve", Perms::Write).unwrap();
            world.leave("dan", &room.uri).unwrap();
            world.remove("ada", &room.uri, "eve").unwrap();
            let people = ["ada", "bea", "cal", "dan", "eve", "fay"];
            world.set_levels(people.map(|name| (name, of_caller)));
            let chat = world.chat(room.number).unwrap();
            let sees = |name: &str| chats::may_see(&*world.store.snapshot(), &did(name), &chat).unwrap();
            let is_private = visibility == Visibility::Private;
            let expected = [true, true, true, !is_private, !is_private, !is_private];
            assert_eq!(people.map(sees), expected, "{visibility:?}, {of_caller:?}");
        }
    }
}

#[test]
fn an_official_chat_takes_an_admin_and_the_others_nobody_in_particular() {
    for visibility in Visibility::ALL {
        for of_caller in LEVELS {
            let mut world = World::new();
            world.set_levels([("ada", of_caller)]);
            let may = visibility != Visibility::Official || of_caller >= Level::Admin;
            let made = world.make_chat("ada", visibility);
            if may {
                assert!(matches!(made, Ok(Done::Chat { number: 1, .. })), "{visibility:?}, {of_caller:?}");
                assert_eq!(world.audit(), [("create-space", "done")]);
            } else {
                assert_eq!(made, FORBIDDEN, "{visibility:?}, {of_caller:?}");
                assert_eq!((world.chat(1), world.audit()), (None, vec![]));
                // The number is not lost with it.
                assert_eq!(world.room("ada", Visibility::Public).number, 1);
            }
        }
    }
}

/// Every command about a space with which somebody decides in it.
fn decisions(uri: &str) -> Vec<Command> {
    let space = space(uri);
    vec![
        Command::CreateInvite { space: space.clone(), hash: hash("new"), terms: open() },
        Command::Revoke { space: space.clone(), hash: hash("t") },
        Command::AddMember { space: space.clone(), did: did("cal"), perms: Perms::Read },
        Command::RemoveMember { space: space.clone(), did: did("dan") },
        Command::DeleteSpace { space },
    ]
}

#[test]
fn a_level_is_worth_nothing_by_a_service_token() {
    let mut world = World::with_club();
    let room = world.room("ada", Visibility::Public);
    for of_caller in LEVELS {
        world.set_levels([("bea", of_caller)]);
        for uri in [CLUB, &room.uri] {
            for command in decisions(uri) {
                assert_eq!(world.ask("bea", command.clone()), FORBIDDEN, "{of_caller:?}: {command:?}");
            }
            // Nor by a session, where the space is no chat.
            if uri == CLUB {
                for command in decisions(uri) {
                    assert_eq!(world.ask_there("bea", command.clone()), FORBIDDEN, "{command:?}");
                }
            }
        }
        let anew = "at://did:plc:ada/tools.atmo.event.space/new";
        assert_eq!(world.make("bea", anew), FORBIDDEN);
        let pause = Command::Pause { space: space(&room.uri), paused: true };
        assert_eq!(world.ask("bea", pause.clone()), FORBIDDEN);
        assert_eq!(world.ask_there("bea", pause), FORBIDDEN);
    }
    for uri in [CLUB, &room.uri] {
        assert_eq!(world.count_members(uri), 0);
        world.ask("ada", Command::DeleteSpace { space: space(uri) }).unwrap();
    }
}

#[test]
fn a_session_opens_the_portal_and_nothing_else() {
    let mut world = World::with_club();
    world.set_levels([("ada", Level::Owner)]);
    let room = world.room("ada", Visibility::Public);
    world.invite("ada", &room.uri, "t", open()).unwrap();
    let party = world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    let event = space(&party).record().unwrap();
    let mut commands = decisions(&room.uri);
    // In the Portal invites are revoked.
    let revoke = commands.remove(1);
    let fresh = hash("another cookie");
    commands.extend([
        Command::CreateSpace { space: space("at://did:plc:ada/a.b.c/x"), terms: SpaceTerms::default() },
        Command::Leave { space: space(CLUB) },
        Command::OpenSession { hash: fresh, expires_at: world.now + LONG, instead_of: None },
        Command::Configure { event: event.clone(), change: Default::default() },
        Command::Link {
            event: event.clone(),
            did: did("bea"),
            attestation: AtUri::parse("at://did:plc:ada/a.b.c/x").unwrap(),
        },
        Command::Confirm { event, attestation: None },
        Command::Erase { did: did("bea") },
        Command::EraseAudit { did: did("bea"), from: 0 },
        Command::Retain { since: i64::MAX },
    ]);
    let before = world.entries();
    for command in commands {
        assert_eq!(world.ask_there("ada", command.clone()), FORBIDDEN, "{command:?}");
    }
    assert_eq!(world.entries(), before);
    assert!(world.chat(room.number).is_some() && world.session("another cookie").is_none());
    assert_eq!(world.ask_there("ada", revoke), CHANGED);
    assert_eq!(world.ask_there("ada", Command::Admit), Ok(Done::Admitted));
    // The operator is no person, and so has no chats and no sessions.
    let chat = Command::CreateChat { name: "x".into(), visibility: Visibility::Public };
    let session = Command::OpenSession { hash: fresh, expires_at: world.now + LONG, instead_of: None };
    assert_eq!((world.operate(chat), world.operate(session)), (FORBIDDEN, FORBIDDEN));
    assert_eq!(world.operate(Command::EndSession), Err(Refusal::NoSession));
    assert_eq!(world.ask("ada", Command::EndSession), Err(Refusal::NoSession));
}
