//! Codes of chats: the races of invites, by people who are logged in to the Portal.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use guestlist::spaces::command::{Command, Done, InviteTerms};
use guestlist::tables::portal::Visibility;
use guestlist::tables::spaces::{Act, Finding};
use guestlist::tables::view::ReadRows;
use guestlist::tables::{Chats, Codes};
use jiff::Timestamp;

use super::house::{House, uses};
use super::{assert_turns, races};
use crate::told::account;

/// Those who are in, whether they were before or not.
fn all(joined: &[(usize, bool)]) -> Vec<usize> {
    joined.iter().map(|(who, _)| *who).collect()
}

/// Asserts that all of these were told that they joined just now.
#[track_caller]
fn new(joined: &[(usize, bool)]) -> Vec<usize> {
    assert!(joined.iter().all(|(_, is_new)| *is_new), "{joined:?}");
    all(joined)
}

#[test]
fn of_five_hundred_who_resolve_a_code_for_ten_at_once_ten_join() {
    races(async |run| {
        let house = House::with_code(run, 501, 0, uses(Some(10))).await;
        let joined = new(&house.resolve_at_once(1..=500).await);
        assert_eq!(joined.len(), 10);
        house.scene.agrees_with(&joined);
        let exhausted = house.scene.findings().into_iter().filter(|it| *it == Finding::Exhausted).count();
        assert_eq!(exhausted, 490);
        // And once more: who is in hears so, and that they were before.
        let again = house.resolve_at_once(1..=500).await;
        assert_eq!(again, joined.iter().map(|who| (*who, false)).collect::<Vec<_>>());
        house.scene.agrees_with(&joined);
    });
}

#[test]
fn who_resolves_fifty_times_at_once_takes_one_use_and_joins_once() {
    races(async |run| {
        let house = House::with_code(run, 2, 0, uses(Some(10))).await;
        let joined = house.resolve_at_once(std::iter::repeat_n(1, 50)).await;
        assert_eq!(joined.len(), 50);
        assert_eq!(joined.iter().filter(|(_, is_new)| *is_new).count(), 1, "{joined:?}");
        house.scene.agrees_with(&[1]);
    });
}

#[test]
fn of_thirty_managers_who_make_the_twentieth_invite_at_once_one_does() {
    races(async |run| {
        let house = Arc::new(House::new(run, 31, 30).await);
        for _ in 0..19 {
            house.create(0, uses(Some(1))).await.unwrap();
        }
        let all = (1..=30).map(|who| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.create(who, uses(Some(1))).await })
        });
        let all: Vec<_> = all.collect();
        let answers: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        let made = answers.iter().filter(|answer| answer.is_ok()).count();
        let full = answers.iter().filter(|answer| **answer == Err(409)).count();
        assert_eq!((made, full), (1, 29), "{answers:?}");
        assert_eq!(house.scene.writer.store.snapshot().scan_all::<Codes>().count(), 20);
    });
}

#[test]
fn who_resolves_while_a_code_is_deleted_is_in_or_not() {
    races(async |run| {
        let house = House::with_code(run, 63, 0, uses(None)).await;
        assert_eq!(house.resolve(1).await, Some(true));
        let (joined, deleted) = tokio::join!(house.resolve_at_once(2..=61), house.delete(0));
        assert_eq!(deleted, 200);
        assert_eq!(house.resolve(62).await, None);
        let mut joined = new(&joined);
        joined.push(1);
        house.scene.agrees_with(&joined);
        assert_turns(&house.scene.findings(), &[Finding::Done], &[Finding::Revoked]);
    });
}

#[test]
fn who_resolves_while_a_code_expires_is_in_or_not() {
    races(async |run| {
        let mut house = House::new(run, 62, 0).await;
        let ends = Timestamp::now().as_millisecond() + 400;
        let terms = InviteTerms { expires_at: Some(ends), ..uses(None) };
        house.scene.token = house.create(0, terms).await.unwrap();
        let house = Arc::new(house);
        assert_eq!(house.resolve(1).await, Some(true));
        let left = u64::try_from(ends - Timestamp::now().as_millisecond()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left.saturating_sub(10))).await;
        let mut joined = vec![1];
        for some in 0..6 {
            joined.extend(new(&house.resolve_at_once(some * 10 + 2..(some + 1) * 10 + 2).await));
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
        while Timestamp::now().as_millisecond() < ends {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(house.resolve(0).await, None, "the owner is no exception");
        house.scene.agrees_with(&joined);
        assert_turns(&house.scene.findings(), &[Finding::Done], &[Finding::Expired]);
    });
}

#[test]
fn who_is_removed_while_they_resolve_is_out() {
    races(async |run| {
        let house = House::with_code(run, 2, 0, uses(Some(3))).await;
        assert_eq!(house.resolve(1).await, Some(true));
        let again = house.resolve_at_once(std::iter::repeat_n(1, 30));
        let (again, gone) = tokio::join!(again, house.scene.remove(1));
        assert_eq!(gone, Ok(Done::Changed(true)));
        assert!(again.iter().all(|(_, is_new)| !is_new), "{again:?}");
        assert_eq!(house.resolve(1).await, None);
        let findings = house.scene.findings();
        assert_turns(&findings, &[Finding::Done, Finding::Already], &[Finding::Gone]);
        assert_eq!(house.scene.writer.stored(&house.scene.token).unwrap().used, 1);
        assert_eq!(house.scene.writer.members(&house.scene.space), [""; 0]);
    });
}

#[test]
fn who_resolves_while_the_maker_of_a_code_goes_away_and_returns_is_in_or_not() {
    races(async |run| {
        // The chat is another's, who stays.
        let house = House::with_code(run, 200, 1, uses(None)).await;
        let maker = house.scene.people[1].did.clone();
        assert_eq!(house.resolve(2).await, Some(true));
        house.scene.writer.tell(account(&maker, false, Some("deactivated")));
        let mut joined = new(&house.resolve_at_once(3..60).await);
        joined.push(2);
        // What was told is applied some time.
        let mut next = 60;
        while house.resolve(next).await.is_some() {
            joined.push(next);
            next += 1;
        }
        assert_eq!(house.resolve(2).await, Some(false), "a retry succeeds all the same");
        house.scene.agrees_with(&joined);
        let mut findings = house.scene.findings();
        findings.retain(|finding| *finding != Finding::Already);
        assert_turns(&findings, &[Finding::Done], &[Finding::NotLive]);
        house.scene.writer.tell(account(&maker, true, None));
        joined.extend(new(&house.resolve_at_once(120..180).await));
        let mut tries = 0;
        while house.resolve(199).await.is_none() {
            tries += 1;
            assert!(tries < 10_000, "it does not return");
        }
        joined.push(199);
        house.scene.agrees_with(&joined);
    });
}

#[test]
fn a_code_that_is_made_while_its_chat_is_deleted_is_gone_or_was_never_there() {
    races(async |run| {
        let mut house = House::new(run, 18, 16).await;
        house.scene.token = house.create(0, uses(None)).await.unwrap();
        let (before, house) = (house.chat, Arc::new(house));
        let all = (1..=16).map(|who| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.create(who, uses(None)).await })
        });
        let all: Vec<_> = all.collect();
        let (made, deleted) = tokio::join!(join_all(all), house.scene.delete());
        assert_eq!(deleted, Ok(Done::Changed(true)));
        let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
        assert!(made.iter().all(|made| matches!(made, Ok(_) | Err(404))), "{made:?}");
        assert_eq!(house.create(1, uses(None)).await, Err(404));
        // Whoever was before it was told so, and that is in the audit still.
        let done = house.scene.writer.findings(&house.scene.space, Act::Create);
        let done = done.into_iter().filter(|finding| *finding == Finding::Done).count();
        assert_eq!(done, made.iter().filter(|made| made.is_ok()).count() + 1);
        let mut house = Arc::into_inner(house).expect("all of them are done");
        let tokens: Vec<_> = made.into_iter().flatten().chain([house.scene.token.clone()]).collect();
        house.open_chat().await;
        assert!(house.chat > before, "the number is given once");
        for token in tokens {
            house.scene.token = token;
            assert_eq!(house.resolve(17).await, None);
        }
        let rows = house.scene.writer.store.snapshot();
        assert_eq!(rows.scan_all::<Codes>().count(), 0);
        assert_eq!(rows.scan_all::<Chats>().count(), 1);
    });
}

#[test]
fn whoever_makes_chats_at_once_gets_numbers_of_their_own() {
    races(async |run| {
        let house = Arc::new(House::new(run, 30, 0).await);
        let all = (0..90).map(|number| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let command = Command::CreateChat { name: "tea".into(), visibility: Visibility::Private };
                match house.ask(number % 30, command).await {
                    Ok(Done::Chat { number, .. }) => number,
                    other => panic!("{other:?}"),
                }
            })
        });
        let all: Vec<_> = all.collect();
        let mut numbers: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (house.chat + 1..=house.chat + 90).collect::<Vec<_>>());
    });
}
