//! The rows of the Portal and of events as lines and back.

use super::super::lines::{exported, faults, imported};
use super::*;
use guestlist::spaces::lines::{self, LineError, Row};
use guestlist::tables::keys::{MetaKey, RecordId};
use guestlist::tables::number;
use guestlist::tables::tickets::EventSettings;

const PARTY: &str = "at://did:plc:ada/community.lexicon.calendar.event/one";

fn party() -> RecordId {
    space(PARTY).record().unwrap()
}

fn link(whom: &str, attestation: &str) -> Command {
    let attestation = AtUri::parse(attestation).unwrap();
    Command::Link { event: party(), did: did(whom), attestation }
}

/// A world with something of every kind, in every state.
fn full() -> World {
    let mut world = World::new();
    world.set_levels([("bea", Level::Moderator), ("dan", Level::Admin)]);
    let create =
        Command::CreateChat { name: "Friends of \"\u{1F388}\" \\".into(), visibility: Visibility::Public };
    let Ok(Done::Chat { number: 1, .. }) = world.ask_there("ada", create) else { panic!() };
    let room = Room { number: 1, uri: "at://did:plc:ada/app.guestlist.portal.chat/1".to_owned() };
    world.room("bea", Visibility::Private);
    world.room("dan", Visibility::Official);
    let deleted = world.room("ada", Visibility::Private);
    let terms = InviteTerms { expires_at: Some(2_000_000), ..uses(10) };
    world.code("bea", &room, "abc123def456ghi7", terms).unwrap();
    world.code("ada", &room, "0000000000000000", open()).unwrap();
    world.code("dan", &room, "dddddddddddddddd", open()).unwrap();
    world.invite("ada", &room.uri, "token", open()).unwrap();
    world.now += 1;
    world.resolve("cal", "abc123def456ghi7").unwrap();
    world.revoke_there("bea", &room, "0000000000000000").unwrap();
    // Numbers that nothing has any more.
    world.open_session("eve", "e", None).unwrap();
    world.operate(Command::Pause { space: space(&deleted.uri), paused: true }).unwrap();
    world.ask("ada", Command::DeleteSpace { space: space(&deleted.uri) }).unwrap();
    world.operate(Command::Erase { did: did("eve") }).unwrap();
    world.operate(Command::Erase { did: did("dan") }).unwrap();
    world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    let change = EventSettings {
        require_confirmed_email: Some(true),
        disable_direct_rsvp: Some(false),
        rsvp_redirect_url: Some("https://ti.to/myorg/my-event".into()),
    };
    world.ask("ada", Command::Configure { event: party(), change }).unwrap();
    world.ask("ada", link("bea", "at://did:plc:ada/com.example.attestation/3att456")).unwrap();
    world.ask("ada", link("cal", "at://did:plc:ada/com.example.attestation/3att457")).unwrap();
    world.now += 1;
    world.ask("bea", Command::Confirm { event: party(), attestation: None }).unwrap();
    world
}

#[test]
fn lines_of_the_portal_and_of_events_lead_back_to_the_rows_in_any_order() {
    let world = full();
    let all = exported(&world.store);
    assert_eq!(faults(&world.store), Vec::<String>::new());
    let mut kinds: Vec<_> = all.iter().map(|line| line.split('"').nth(1).unwrap()).collect();
    kinds.dedup();
    let expected = [
        "space",
        "chat",
        "user",
        "last",
        "invite",
        "code",
        "redemption",
        "member",
        "settings",
        "ticket",
        "audit",
    ];
    assert_eq!(kinds, expected);
    assert!(all.iter().all(|line| !line.contains("null")));
    for first in 0..all.len() {
        // From each line on, round to it, and the other way round.
        let turned = all[first..].iter().chain(&all[..first]).cloned();
        let (forwards, backwards) = (imported(turned.clone()), imported(turned.rev()));
        for store in [forwards, backwards] {
            assert_eq!(exported(&store), all, "from line {first} on");
            assert_eq!(faults(&store), Vec::<String>::new());
        }
    }
}

#[test]
fn lines_of_the_portal_and_of_events_look_as_they_are_described() {
    let all = exported(&full().store);
    let line = |text: &str| {
        text.replace("ROOM", "at://did:plc:ada/app.guestlist.portal.chat/1").replace("PARTY", PARTY)
    };
    let invite = hash("abc123def456ghi7");
    for line in [
        line(r#"{"space":"ROOM","createdAt":1000000}"#),
        line(r#"{"space":"at://did:plc:ada/app.guestlist.portal.chat/4","pausedAt":1000001}"#),
        line(
            "{\"chat\":1,\"spaceUri\":\"ROOM\",\"name\":\"Friends of \\\"\u{1F388}\\\" \\\\\",\"visibility\":\"public\"}",
        ),
        line(
            r#"{"chat":2,"spaceUri":"at://did:plc:bea/app.guestlist.portal.chat/2","name":"Friends","visibility":"private"}"#,
        ),
        line(r#"{"user":"did:plc:ada","number":1}"#),
        line(r#"{"user":"did:plc:cal","number":4}"#),
        line(r#"{"last":"chat","number":4}"#),
        line(r#"{"last":"user","number":5}"#),
        line(&format!(
            r#"{{"invite":"{invite}","spaceUri":"ROOM","perms":"write","expiresAt":2000000,"maxUses":10,"usedCount":1,"createdAt":1000000,"lastUsedAt":1000001}}"#
        )),
        line(&format!(
            r#"{{"invite":"{}","spaceUri":"ROOM","perms":"write","usedCount":0,"createdAt":1000000,"revokedAt":1000001,"revokedBy":"moderator"}}"#,
            hash("0000000000000000")
        )),
        line(r#"{"code":"abc123def456ghi7","createdBy":"did:plc:bea"}"#),
        line(r#"{"code":"0000000000000000","createdBy":"did:plc:ada"}"#),
        line(r#"{"code":"dddddddddddddddd"}"#),
        line(
            r#"{"settings":"PARTY","requireConfirmedEmail":true,"disableDirectRsvp":false,"rsvpRedirectUrl":"https://ti.to/myorg/my-event"}"#,
        ),
        line(
            r#"{"ticket":"PARTY","did":"did:plc:bea","aturi":"at://did:plc:ada/com.example.attestation/3att456","linkedAt":1000001,"confirmedAt":1000002}"#,
        ),
        line(
            r#"{"ticket":"PARTY","did":"did:plc:cal","aturi":"at://did:plc:ada/com.example.attestation/3att457","linkedAt":1000001}"#,
        ),
    ] {
        assert!(all.contains(&line), "{line}\n{}", all.join("\n"));
    }
    let tail: Vec<_> =
        all[all.len() - 4..].iter().map(|line| line.split_once(",\"act\"").unwrap().1).collect();
    let expected = [
        line(r#":"configure","finding":"done","by":"person","actor":"did:plc:ada","space":"PARTY"}"#),
        line(
            r#":"link","finding":"done","by":"person","actor":"did:plc:ada","space":"PARTY","subject":"did:plc:bea"}"#,
        ),
        line(
            r#":"link","finding":"done","by":"person","actor":"did:plc:ada","space":"PARTY","subject":"did:plc:cal"}"#,
        ),
        line(r#":"confirm","finding":"done","by":"person","actor":"did:plc:bea","space":"PARTY"}"#),
    ];
    assert_eq!(tail, expected);
    // Nobody is logged in by an export, and nothing else that is secret is in it.
    for secret in [cookie("ada"), cookie("bea"), hash("e")] {
        assert!(!all.concat().contains(&secret.to_string()));
    }
    assert!(!all.concat().contains("cookie") && !all.concat().contains("\"token\""));
}

#[test]
fn a_line_of_the_portal_or_of_an_event_that_could_not_be_written_is_refused() {
    const BEYOND: &str = "9007199254740992";
    let line = |text: &str| {
        let room = "at://did:plc:ada/app.guestlist.portal.chat/1";
        text.replace("ROOM", room).replace("PARTY", PARTY).replace("BEYOND", BEYOND)
    };
    let ticket = r#""did":"did:plc:bea","aturi":"at://did:plc:ada/a.b.c/x","linkedAt":1"#;
    for (text, why) in [
        (r#"{"chat":1,"spaceUri":"ROOM","name":"x"}"#.to_owned(), "missing field"),
        (r#"{"chat":1,"spaceUri":"ROOM","visibility":"public"}"#.to_owned(), "missing field"),
        (r#"{"chat":1,"spaceUri":"ROOM","name":"x","visibility":"secret"}"#.to_owned(), "unknown variant"),
        (r#"{"chat":1,"spaceUri":"ROOM","name":"x","visibility":"Public"}"#.to_owned(), "unknown variant"),
        (r#"{"chat":1,"spaceUri":"ROOM","name":"x","visibility":"public","id":1}"#.to_owned(), "unknown field"),
        (r#"{"chat":"1","spaceUri":"ROOM","name":"x","visibility":"public"}"#.to_owned(), "invalid type"),
        (r#"{"chat":1.5,"spaceUri":"ROOM","name":"x","visibility":"public"}"#.to_owned(), "invalid type"),
        (r#"{"chat":-1,"spaceUri":"ROOM","name":"x","visibility":"public"}"#.to_owned(), "invalid value"),
        (r#"{"chat":1,"spaceUri":"ROOM","name":null,"visibility":"public"}"#.to_owned(), "invalid type"),
        (r#"{"chat":2,"spaceUri":"ROOM","name":"x","visibility":"public"}"#.to_owned(), "its space is another's"),
        (
            r#"{"chat":1,"spaceUri":"at://did:plc:ada/tools.atmo.event.space/1","name":"x","visibility":"public"}"#.to_owned(),
            "its space is another's",
        ),
        (
            r#"{"chat":1,"spaceUri":"at://did:plc:ada/app.guestlist.portal.chat/01","name":"x","visibility":"public"}"#.to_owned(),
            "its space is another's",
        ),
        (
            r#"{"chat":BEYOND,"spaceUri":"at://did:plc:ada/app.guestlist.portal.chat/BEYOND","name":"x","visibility":"public"}"#
                .to_owned(),
            "bad chat",
        ),
        (r#"{"chat":1,"spaceUri":"at://ada.example/a.b.c/1","name":"x","visibility":"public"}"#.to_owned(), "bad space"),
        (r#"{"user":"did:plc:ada"}"#.to_owned(), "missing field"),
        (r#"{"user":"ada","number":1}"#.to_owned(), "DID"),
        (r#"{"user":"did:plc:ada","number":"1"}"#.to_owned(), "invalid type"),
        (r#"{"user":"did:plc:ada","number":BEYOND}"#.to_owned(), "bad number"),
        (r#"{"user":"did:plc:ada","number":1,"level":"owner"}"#.to_owned(), "unknown field"),
        (r#"{"last":"chat"}"#.to_owned(), "missing field"),
        (r#"{"last":"audit","number":1}"#.to_owned(), "unknown variant"),
        (r#"{"last":"user","number":BEYOND}"#.to_owned(), "bad number"),
        (r#"{"last":"user","number":-1}"#.to_owned(), "invalid value"),
        (r#"{"code":7}"#.to_owned(), "invalid type"),
        (r#"{"code":"x","createdBy":"ada"}"#.to_owned(), "DID"),
        (r#"{"code":"x","hash":"y"}"#.to_owned(), "unknown field"),
        (r#"{"settings":"PARTY"}"#.to_owned(), "nothing is set"),
        (r#"{"settings":"PARTY","requireConfirmedEmail":"true"}"#.to_owned(), "invalid type"),
        (r#"{"settings":"PARTY","requireConfirmedEmail":true,"x":1}"#.to_owned(), "unknown field"),
        (r#"{"settings":"at://did:plc:ada/at.atjam.jam/one","requireConfirmedEmail":true}"#.to_owned(), "bad event"),
        (r#"{"settings":"at://did:plc:ada","requireConfirmedEmail":true}"#.to_owned(), "bad event"),
        (
            r#"{"settings":"at://ada.example/community.lexicon.calendar.event/one","requireConfirmedEmail":true}"#.to_owned(),
            "bad event",
        ),
        (r#"{"settings":"nothing","requireConfirmedEmail":true}"#.to_owned(), "bad event"),
        (r#"{"ticket":"PARTY","did":"did:plc:bea","linkedAt":1}"#.to_owned(), "missing field"),
        (format!(r#"{{"ticket":"PARTY",{ticket},"by":"x"}}"#), "unknown field"),
        (format!(r#"{{"ticket":"PARTY",{ticket},"confirmedAt":"1"}}"#), "invalid type"),
        (format!(r#"{{"ticket":"at://did:plc:ada/at.atjam.round/one",{ticket}}}"#), "bad event"),
        (r#"{"ticket":"PARTY","did":"bea","aturi":"at://did:plc:ada/a.b.c/x","linkedAt":1}"#.to_owned(), "DID"),
        (r#"{"ticket":"PARTY","did":"did:plc:bea","aturi":"https://x.example","linkedAt":1}"#.to_owned(), "AT-URI"),
        (r#"{"audit":1,"at":1,"act":"log-in","finding":"done","by":"operator"}"#.to_owned(), "unknown variant"),
    ] {
        let text = line(&text);
        let refused: Result<Row, LineError> = lines::parse(&text).expect(&text);
        let said = refused.expect_err(&text).to_string();
        assert!(said.contains(why), "{text}: {said}");
    }
    let greatest = line(r#"{"user":"did:plc:ada","number":9007199254740991}"#);
    assert!(lines::parse(&greatest).unwrap().is_ok());
}

/// Whether a line needs the number of somebody, as that one says.
fn rests_on(line: &str, user: &str) -> bool {
    let did = user.split('"').nth(3).unwrap();
    let is_chats = line.starts_with("{\"chat\"") && line.contains(&format!("at://{did}/"));
    is_chats || line.contains(&format!("\"createdBy\":\"{did}\""))
}

#[test]
fn what_has_no_line_of_the_portal_is_told_by_the_others_where_they_rest_on_it() {
    let all = exported(&full().store);
    let room = "app.guestlist.portal.chat/1";
    let mut found = 0;
    for (left_out, line) in all.iter().enumerate() {
        let kind = line.split('"').nth(1).unwrap();
        let others = all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| line.clone());
        let faults = faults(&imported(others));
        // Without its code an invite is one by token, and what is only paused, a setting or a ticket bears nothing.
        let is_missed = match kind {
            "space" => !line.contains("pausedAt"),
            "chat" => true,
            "invite" => !line.contains(&hash("token").to_string()),
            "redemption" => true,
            "member" => line.contains(room),
            "last" => true,
            // Who has no chat and made no code may have no number.
            "user" => all.iter().any(|other| rests_on(other, line)),
            _ => false,
        };
        assert_eq!(!faults.is_empty(), is_missed, "{line}: {faults:?}");
        found += usize::from(is_missed);
    }
    assert_eq!(
        found, 13,
        "two spaces, chats, numbers and last ones, three invites with a code, a use, a member"
    );
}

#[test]
fn numbers_go_on_where_they_were_also_when_the_last_ones_are_gone() {
    let world = full();
    let store = imported(exported(&world.store).into_iter());
    let last = |store: &Store, key| number(&*store.snapshot(), key).unwrap();
    for key in [MetaKey::LastChat, MetaKey::LastUser, MetaKey::NextAudit] {
        assert_eq!(last(&store, key), last(&world.store, key), "{key:?}");
    }
    let mut again = World { store, ..world };
    // The fourth chat was deleted while it was paused. A fourth that is another would be paused, and have its audit.
    let next = again.room("ada", Visibility::Private);
    assert_eq!(next.number, 5);
    again.code("ada", &next, "t", open()).unwrap();
    assert_eq!(again.resolve("zoe", "t"), Ok(true));
    assert_eq!((again.user("ada"), again.user("zoe")), (Some(1), Some(6)));
    // One that is there is not said again.
    again.write(|rows| {
        for line in ["{\"last\":\"chat\",\"number\":9}", "{\"last\":\"user\",\"number\":9}"] {
            let row = lines::parse(line).unwrap().unwrap();
            assert!(!guestlist::spaces::restore::row(rows, &row).unwrap());
        }
    });
    assert_eq!(last(&again.store, MetaKey::LastChat), 5);
    assert_eq!(last(&again.store, MetaKey::LastUser), 6);
}

#[test]
fn a_store_in_which_nobody_was_in_the_portal_says_nothing_of_it() {
    let world = World::with_club();
    assert!(
        exported(&world.store)
            .iter()
            .all(|line| line.starts_with("{\"space\"") || line.starts_with("{\"audit\""))
    );
}
