//! Who is logged in, for how long, and under which number.

use std::collections::BTreeSet;

use super::*;
use guestlist::tables::{PersonSessions, SessionExpiries, Sessions};

/// Sessions that there are, as each of the three tables has them.
fn counts(world: &World) -> [usize; 3] {
    let rows = world.store.snapshot();
    [
        rows.scan_all::<Sessions>().count(),
        rows.scan_all::<SessionExpiries>().count(),
        rows.scan_all::<PersonSessions>().count(),
    ]
}

fn opened(answer: &Answer) -> u64 {
    let Ok(Done::Session { user }) = answer else { panic!("{answer:?}") };
    *user
}

#[test]
fn a_session_lasts_to_the_millisecond_and_not_longer() {
    let mut world = World::new();
    let begun = world.now;
    opened(&world.open_session("ada", "s", None));
    for (after, is_in) in [(0, true), (LONG - 1, true), (LONG, false), (LONG + 1, false)] {
        world.now = begun + after;
        let expected = if is_in { Ok(Done::Admitted) } else { Err(Refusal::NoSession) };
        assert_eq!(world.ask_with("ada", hash("s"), Command::Admit), expected, "after {after}");
        assert_eq!(world.session("s").is_some(), is_in);
    }
}

#[test]
fn a_session_is_of_one_person_and_known_by_its_secret_alone() {
    let mut world = World::new();
    let room = world.room("ada", Visibility::Private);
    world.open_session("ada", "hers", None).unwrap();
    world.open_session("bea", "his", None).unwrap();
    let create = World::code_of(&room.uri, "t", open());
    // Stolen by another DID, a secret that nobody has, and another kind of secret.
    world.invite("ada", &room.uri, "token", open()).unwrap();
    for (who, secret) in [("bea", "hers"), ("ada", "his"), ("ada", "none"), ("ada", ""), ("ada", "token")] {
        for command in [create.clone(), Command::Admit, Command::EndSession] {
            let refused = world.ask_with(who, hash(secret), command);
            assert_eq!(refused, Err(Refusal::NoSession), "{who} with {secret:?}");
        }
    }
    assert_eq!(world.stored_code("t"), None);
    // Neither ended the other's by trying.
    assert_eq!(world.ask_with("ada", hash("hers"), Command::Admit), Ok(Done::Admitted));
    assert!(world.ask_with("ada", hash("hers"), create).is_ok());
    assert_eq!(world.ask_with("bea", hash("his"), Command::Admit), Ok(Done::Admitted));
}

#[test]
fn a_session_that_was_ended_is_over_and_the_others_go_on() {
    let mut world = World::new();
    world.open_session("ada", "one", None).unwrap();
    world.open_session("ada", "two", None).unwrap();
    assert_eq!(world.ask_with("ada", hash("one"), Command::EndSession), CHANGED);
    for command in [Command::EndSession, Command::Admit] {
        assert_eq!(world.ask_with("ada", hash("one"), command), Err(Refusal::NoSession));
    }
    assert_eq!(world.ask_with("ada", hash("two"), Command::Admit), Ok(Done::Admitted));
    assert_eq!(counts(&world), [1; 3]);
    // No audit: who logs in and out does nothing to anybody.
    assert_eq!(world.audit(), []);
}

#[test]
fn a_session_that_is_opened_in_place_of_another_ends_that() {
    let mut world = World::new();
    world.open_session("ada", "before", None).unwrap();
    world.open_session("ada", "after", Some("before")).unwrap();
    assert_eq!((world.session("before"), counts(&world)), (None, [1; 3]));
    // Whoever logs in where somebody else was logged in, and where the browser had something that never was a session.
    world.open_session("bea", "hers", Some("after")).unwrap();
    assert_eq!((world.session("after"), counts(&world)), (None, [1; 3]));
    world.open_session("cal", "his", Some("planted")).unwrap();
    assert_eq!(counts(&world), [2; 3]);
    assert_eq!(world.ask_with("cal", hash("planted"), Command::Admit), Err(Refusal::NoSession));
}

#[test]
fn the_twenty_first_session_of_a_person_ends_the_oldest() {
    let mut world = World::new();
    world.open_session("bea", "another's", None).unwrap();
    for number in 0..20 {
        world.now += 1;
        world.open_session("ada", &format!("s{number}"), None).unwrap();
    }
    assert_eq!(counts(&world), [21; 3]);
    for number in 20..23 {
        world.now += 1;
        world.open_session("ada", &format!("s{number}"), None).unwrap();
        assert_eq!(counts(&world), [21; 3]);
        let left: Vec<_> =
            (0..=number).map(|number| world.session(&format!("s{number}")).is_some()).collect();
        let expected: Vec<_> = (0..=number).map(|old| old > number - 20).collect();
        assert_eq!(left, expected);
    }
    // In place of one of the twenty nobody else has to go.
    world.open_session("ada", "instead", Some("s22")).unwrap();
    assert!(world.session("s3").is_some() && world.session("another's").is_some());
    assert_eq!(counts(&world), [21; 3]);
}

#[test]
fn ten_thousand_people_are_logged_in_and_forgotten_little_by_little() {
    const PEOPLE: usize = 10_000;
    let mut world = World::new();
    let begun = world.now;
    let bounds = world.bounds.clone();
    let users = world.write(|rows| {
        let mut users = BTreeSet::new();
        for number in 0..PEOPLE {
            let name = format!("p{number}");
            let id = *hash(&name).as_bytes();
            let by = By::Caller { did: did(&name), nonce: Nonce { id: NonceId(id), expires: u64::MAX } };
            let expires_at = begun + LONG + i64::try_from(number).unwrap() / 1_000;
            let command = Command::OpenSession { hash: cookie(&name), expires_at, instead_of: None };
            let answer = apply(rows, &bounds, begun, &Request { by, command }).unwrap();
            users.insert(opened(&answer));
        }
        users
    });
    assert_eq!(users, (1..=10_000).collect());
    assert_eq!(counts(&world), [PEOPLE; 3]);
    world.now = begun + LONG - 1;
    let rows = world.store.snapshot();
    for number in 0..PEOPLE {
        let name = format!("p{number}");
        let session = logged_in::of(&*rows, cookie(&name), world.now).unwrap().unwrap();
        assert_eq!(session.did, did(&name));
    }
    drop(rows);
    // Nine thousand are over by then. Each that is opened takes eight of them along.
    world.now = begun + LONG + 8;
    for number in 1..=9_000 / 8 {
        world.open_session("ada", &format!("s{number}"), Some(&format!("s{}", number - 1))).unwrap();
        assert_eq!(counts(&world), [PEOPLE - 8 * number + 1; 3]);
    }
    world.open_session("bea", "one more", None).unwrap();
    assert_eq!(counts(&world), [1_000 + 2; 3], "none too many");
    assert!(world.session("the cookie of p9500").is_some());
}

#[test]
fn whose_account_is_not_active_is_not_let_in_but_may_log_out() {
    for status in ["deactivated", "suspended", "deleted"] {
        let mut world = World::new();
        let room = world.room("ada", Visibility::Private);
        let user = world.user("ada");
        world.open_session("ada", "another", None).unwrap();
        world.account("ada", Some(status));
        let create = World::code_of(&room.uri, "t", open());
        for command in [create.clone(), Command::Admit] {
            assert_eq!(world.ask_with("ada", cookie("ada"), command), Err(Refusal::Inactive), "{status}");
        }
        assert_eq!(world.open_session("ada", "new", None), Err(Refusal::Inactive), "{status}");
        assert_eq!(world.ask_with("ada", hash("another"), Command::EndSession), CHANGED, "{status}");
        assert_eq!(world.session("another"), None);
        // The session is there when they are back, and so is their number.
        world.account("ada", None);
        assert!(world.ask_with("ada", cookie("ada"), create).is_ok(), "{status}");
        assert_eq!(world.user("ada"), user);
    }
}

#[test]
fn a_number_is_given_with_the_first_session_and_to_nobody_else_after() {
    let mut world = World::new();
    assert_eq!(opened(&world.open_session("ada", "a1", None)), 1);
    assert_eq!(opened(&world.open_session("bea", "b1", None)), 2);
    assert_eq!(opened(&world.open_session("ada", "a2", None)), 1);
    world.ask_with("bea", hash("b1"), Command::EndSession).unwrap();
    world.now += 2 * LONG;
    assert_eq!(opened(&world.open_session("bea", "b2", None)), 2, "also after all sessions are over");
    // Whoever is erased is a stranger when they come back, and their number stays theirs.
    world.operate(Command::Erase { did: did("bea") }).unwrap();
    assert_eq!((world.user("bea"), world.session("b2")), (None, None));
    assert_eq!(opened(&world.open_session("cal", "c1", None)), 3);
    assert_eq!(opened(&world.open_session("bea", "b3", None)), 4);
    // Nobody has one who was only let in, or put into a chat.
    let room = world.room("ada", Visibility::Private);
    world.add("ada", &room.uri, "dan", Perms::Write).unwrap();
    world.ask("dan", Command::Admit).unwrap();
    assert_eq!(world.user("dan"), None);
}

#[test]
fn a_token_opens_one_session() {
    let mut world = World::new();
    let by = By::Caller { did: did("ada"), nonce: world.nonce() };
    let open = |secret: &str, at: i64| Command::OpenSession {
        hash: hash(secret),
        expires_at: at + LONG,
        instead_of: None,
    };
    let (first, second) = (open("one", world.now), open("two", world.now));
    assert_eq!(opened(&world.request(&Request { by: by.clone(), command: first })), 1);
    assert_eq!(world.request(&Request { by, command: second }), Err(Refusal::Replayed));
    assert_eq!(counts(&world), [1; 3]);
}
