//! Rows as lines and back, and what must hold between rows.

use super::*;
use guestlist::spaces::lines::{self, LineError, Row};
use guestlist::spaces::{restore, sound};
use guestlist::tables::spaces::AppPolicy;
use guestlist::tables::view::RowsError;

/// A world with something of every kind, in every state.
fn full() -> World {
    let mut world = World::with_club();
    let event = world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    let policy = AppPolicy { mode: "deny".into(), apps: vec!["https://app.example".into()] };
    let terms = SpaceTerms {
        member_list_ref: Some("at://did:plc:ada/x.y.z/m".into()),
        app_policy: Some(policy),
        ..SpaceTerms::default()
    };
    let other = space("at://did:plc:bea/tools.atmo.event.space/hers");
    world.ask("bea", Command::CreateSpace { space: other.clone(), terms }).unwrap();
    world.operate(Command::Pause { space: other, paused: true }).unwrap();
    world.operate(Command::Pause { space: space(&event), paused: true }).unwrap();
    world.invite("ada", CLUB, "used up", uses(2)).unwrap();
    let terms = InviteTerms {
        perms: Perms::Read,
        expires_at: Some(world.now + 5),
        note: Some("for \u{1F388} \"you\"\n".into()),
        ..uses(9)
    };
    world.invite("ada", CLUB, "with terms", terms).unwrap();
    world.invite("ada", &event, "of an event", open()).unwrap();
    world.now += 1;
    world.redeem("bea", "used up").unwrap();
    world.redeem("cal", "used up").unwrap();
    world.redeem("dan", "with terms").unwrap();
    world.revoke("ada", CLUB, "with terms").unwrap();
    world.add("ada", CLUB, "eve", Perms::Read).unwrap();
    world.leave("dan", CLUB).unwrap();
    world.remove("ada", CLUB, "eve").unwrap();
    world.operate(Command::Erase { did: did("cal") }).unwrap();
    world.operate(Command::EraseAudit { did: did("cal"), from: 0 }).unwrap();
    world
}

pub(super) fn exported(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    let push = |line: &str| {
        all.push(line.to_owned());
        Ok::<_, RowsError>(())
    };
    lines::export(&store.freeze(), push).unwrap();
    all
}

pub(super) fn imported(lines: impl Iterator<Item = String>) -> Store {
    let mut world = World::new();
    world.write(|rows| {
        for line in lines {
            let row = lines::parse(&line).expect(&line).expect(&line);
            assert!(restore::row(rows, &row).unwrap(), "{line}");
            assert!(!restore::row(rows, &row).unwrap(), "twice: {line}");
        }
    });
    world.store
}

pub(super) fn faults(store: &Store) -> Vec<String> {
    let mut faults = Vec::new();
    sound::look(&*store.snapshot(), |fault| faults.push(fault)).unwrap();
    faults
}

#[test]
fn lines_lead_back_to_the_rows_in_any_order() {
    let world = full();
    let all = exported(&world.store);
    assert_eq!(faults(&world.store), Vec::<String>::new());
    let backwards = imported(all.iter().rev().cloned());
    assert_eq!(exported(&backwards), all);
    assert_eq!(faults(&backwards), Vec::<String>::new());
    let kinds: Vec<_> = all.iter().map(|line| line.split('"').nth(1).unwrap()).collect();
    let mut changes = kinds.clone();
    changes.dedup();
    assert_eq!(changes, ["space", "invite", "redemption", "member", "audit"]);
    assert!(all.iter().all(|line| !line.contains("null")));
    assert_eq!(kinds.iter().filter(|kind| **kind == "audit").count(), world.entries().len());
}

#[test]
fn lines_look_as_they_are_described() {
    let all = exported(&full().store);
    let tail = |token: &str| hash(token).to_string();
    for line in [
        format!("{{\"space\":\"{CLUB}\",\"createdAt\":1000000}}"),
        "{\"space\":\"at://did:plc:bea/tools.atmo.event.space/hers\",\"createdAt\":1000000,\
         \"memberListRef\":\"at://did:plc:ada/x.y.z/m\",\
         \"appPolicy\":{\"mode\":\"deny\",\"apps\":[\"https://app.example\"]},\"pausedAt\":1000000}"
            .to_owned(),
        "{\"space\":\"at://did:plc:ada/community.lexicon.calendar.event/one\",\"pausedAt\":1000000}"
            .to_owned(),
        format!(
            "{{\"invite\":\"{}\",\"spaceUri\":\"{CLUB}\",\"perms\":\"write\",\"maxUses\":2,\"usedCount\":2,\
             \"erasedCount\":1,\"createdAt\":1000000,\"lastUsedAt\":1000001}}",
            tail("used up")
        ),
        format!(
            "{{\"invite\":\"{}\",\"spaceUri\":\"{CLUB}\",\"perms\":\"read\",\"expiresAt\":1000005,\"maxUses\":9,\
             \"usedCount\":1,\"createdAt\":1000000,\"revokedAt\":1000001,\"revokedBy\":\"owner\",\
             \"note\":\"for \u{1F388} \\\"you\\\"\\n\",\"lastUsedAt\":1000001}}",
            tail("with terms")
        ),
        format!(
            "{{\"redemption\":\"{}\",\"did\":\"did:plc:dan\",\"redeemedAt\":1000001}}",
            tail("with terms")
        ),
        format!(
            "{{\"member\":\"did:plc:dan\",\"spaceUri\":\"{CLUB}\",\"perms\":\"read\",\"addedAt\":1000001,\
             \"invite\":\"{}\",\"leftAt\":1000001,\"leftBy\":\"member\"}}",
            tail("with terms")
        ),
        format!(
            "{{\"audit\":0,\"at\":1000000,\"act\":\"create-space\",\"finding\":\"done\",\"by\":\"person\",\
             \"actor\":\"did:plc:ada\",\"space\":\"{CLUB}\"}}"
        ),
        "{\"audit\":14,\"at\":1000001,\"act\":\"erase\",\"finding\":\"done\",\"by\":\"operator\"}".to_owned(),
    ] {
        assert!(all.contains(&line), "{line}\n{}", all.join("\n"));
    }
    assert!(all.iter().any(|line| line.contains("\"by\":\"erased\"")));
}

#[test]
fn lines_of_other_exports_are_no_lines_of_spaces() {
    for line in [
        "",
        "[]",
        "5",
        "{}",
        "{\"did\":\"did:plc:a\",\"account\":{}}",
        "{\"uri\":\"at://x\",\"space\":1}",
        "{\"spac",
    ] {
        assert!(lines::parse(line).is_none(), "{line}");
    }
}

#[test]
fn a_line_that_is_not_whole_or_says_too_much_is_refused() {
    let hash = hash("t");
    for (line, why) in [
        (format!("{{\"space\":\"{CLUB}\""), "EOF"),
        (format!("{{\"space\":\"{CLUB}\"}}"), "neither made nor paused"),
        (
            format!("{{\"space\":\"{CLUB}\",\"pausedAt\":1,\"appPolicyRef\":\"x\"}}"),
            "neither made nor paused",
        ),
        (format!("{{\"space\":\"{CLUB}\",\"createdAt\":1,\"owner\":\"x\"}}"), "unknown field"),
        (format!("{{\"space\":\"{CLUB}\",\"createdAt\":1}} {{}}"), "trailing"),
        ("{\"space\":\"at://ada.example/a.b.c/self\",\"createdAt\":1}".to_owned(), "bad space"),
        ("{\"space\":7,\"createdAt\":1}".to_owned(), "invalid type"),
        (format!("{{\"invite\":\"{hash}\"}}"), "missing field"),
        (
            format!(
                "{{\"invite\":\"{hash}\",\"spaceUri\":\"{CLUB}\",\"perms\":\"own\",\"usedCount\":0,\"createdAt\":1}}"
            ),
            "unknown variant",
        ),
        (
            format!(
                "{{\"invite\":\"{hash}\",\"spaceUri\":\"{CLUB}\",\"perms\":\"read\",\"usedCount\":0,\"createdAt\":1,\"revokedAt\":1}}"
            ),
            "bad revokedAt",
        ),
        (
            format!(
                "{{\"invite\":\"{hash}\",\"spaceUri\":\"{CLUB}\",\"perms\":\"read\",\"usedCount\":{},\"createdAt\":1}}",
                u64::MAX
            ),
            "bad usedCount",
        ),
        (format!("{{\"redemption\":\"{}\",\"did\":\"did:plc:a\",\"redeemedAt\":1}}", "A".repeat(64)), "hash"),
        (format!("{{\"member\":\"ada\",\"spaceUri\":\"{CLUB}\",\"perms\":\"read\",\"addedAt\":1}}"), "DID"),
        (
            format!(
                "{{\"member\":\"did:plc:a\",\"spaceUri\":\"{CLUB}\",\"perms\":\"read\",\"addedAt\":1,\"leftBy\":\"owner\"}}"
            ),
            "bad leftAt",
        ),
        (
            "{\"audit\":1,\"at\":1,\"act\":\"redeem\",\"finding\":\"done\",\"by\":\"person\"}".to_owned(),
            "bad actor",
        ),
        (
            "{\"audit\":1,\"at\":1,\"act\":\"dance\",\"finding\":\"done\",\"by\":\"erased\"}".to_owned(),
            "unknown variant",
        ),
        (
            format!(
                "{{\"audit\":{},\"at\":1,\"act\":\"redeem\",\"finding\":\"done\",\"by\":\"erased\"}}",
                u64::MAX
            ),
            "bad number",
        ),
        (
            "{\"audit\":-1,\"at\":1,\"act\":\"redeem\",\"finding\":\"done\",\"by\":\"erased\"}".to_owned(),
            "invalid value",
        ),
    ] {
        let refused: Result<Row, LineError> = lines::parse(&line).expect(&line);
        let said = refused.expect_err(&line).to_string();
        assert!(said.contains(why), "{line}: {said}");
    }
}

#[test]
fn what_has_no_line_is_told_by_the_others() {
    let all = exported(&full().store);
    let mut found = 0;
    for (left_out, line) in all.iter().enumerate() {
        let kind = line.split('"').nth(1).unwrap();
        let others = all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| line.clone());
        let faults = faults(&imported(others));
        // Nothing hangs on an entry, on a space that is only paused or has nothing in it, and on who was put in by hand.
        let is_missed = match kind {
            "space" => line.contains("/club"),
            "invite" => !line.contains("calendar.event"),
            "redemption" => true,
            "member" => line.contains("\"invite\""),
            _ => false,
        };
        assert_eq!(!faults.is_empty(), is_missed, "{line}: {faults:?}");
        found += usize::from(is_missed);
    }
    assert_eq!(found, 7, "the space, two invites, two uses, two members");
}
