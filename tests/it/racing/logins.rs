//! Sessions: opened, used and ended at the same moment.

use std::sync::Arc;

use axum::http::Method;
use futures_util::future::join_all;
use guestlist::spaces::sessions;
use guestlist::syntax::TokenHash;
use guestlist::tables::Sessions;
use guestlist::tables::view::ReadRows;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::house::{House, uses};
use super::races;

/// Callers of each kind of call, on both sides of a log out.
const CALLERS: usize = 12;

/// Every kind of call that takes a session, but for the log out itself. `CHAT` and `CODE` stand for what there is.
fn kinds() -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::GET, "/session", Value::Null),
        (Method::GET, "/chats", Value::Null),
        (Method::POST, "/chats", json!({ "name": "tea", "visibility": "public" })),
        (Method::GET, "/chats/CHAT", Value::Null),
        (Method::GET, "/chats/CHAT/invites", Value::Null),
        (Method::POST, "/chats/CHAT/invites", json!({ "max_uses": 1 })),
        (Method::POST, "/resolve/CODE", Value::Null),
        (Method::POST, "/chats/CHAT/invites/CODE/delete", Value::Null),
    ]
}

/// How many chats and active invites somebody sees.
async fn count(house: &House, secret: &str) -> (usize, usize) {
    let chats = house.call(secret, Method::GET, "/chats?limit=100", Value::Null).await.1;
    let path = format!("/chats/{}/invites", house.chat);
    let invites = house.call(secret, Method::GET, &path, Value::Null).await.1;
    (chats["chats"].as_array().unwrap().len(), invites["invites"].as_array().unwrap().len())
}

#[test]
fn whatever_is_asked_while_somebody_logs_out_is_done_and_said_so_or_neither() {
    races(async |_| {
        let mut house = House::by(true, 1, 0).await;
        house.scene.token = house.create(0, uses(None)).await.unwrap();
        let house = Arc::new(house);
        let (other, _) = house.log_in(0).await;
        for (verb, path, input) in kinds() {
            let path = path.replace("CHAT", &house.chat.to_string()).replace("CODE", &house.scene.token);
            let (secret, _) = house.log_in(0).await;
            let call = |verb: Method, path: &str, input: Value| {
                let (house, secret, path) = (Arc::clone(&house), secret.clone(), path.to_owned());
                tokio::spawn(async move { house.call(&secret, verb, &path, input).await.0 })
            };
            let before = count(&house, &other).await;
            assert_eq!(call(verb.clone(), &path, input.clone()).await.unwrap(), 200, "{verb} {path}");
            let mut calls: Vec<_> =
                (0..CALLERS / 2).map(|_| call(verb.clone(), &path, input.clone())).collect();
            let end = call(Method::DELETE, "/session", Value::Null);
            calls.extend((0..CALLERS / 2).map(|_| call(verb.clone(), &path, input.clone())));
            let answers: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
            assert_eq!(end.await.unwrap(), 200);
            assert_eq!(call(verb.clone(), &path, input.clone()).await.unwrap(), 401, "{verb} {path}");
            assert!(answers.iter().all(|status| [200, 401].contains(status)), "{verb} {path}: {answers:?}");
            // As much was done as they were told, the first call among it.
            let done = 1 + answers.iter().filter(|status| **status == 200).count();
            let (chats, invites) = count(&house, &other).await;
            let grown = match (path.as_str(), &verb) {
                ("/chats", &Method::POST) => (done, 0),
                (path, &Method::POST) if path.ends_with("/invites") => (0, done),
                _ => (0, 0),
            };
            let ended = usize::from(path.ends_with("/delete"));
            assert_eq!((chats - before.0, invites + ended - before.1), grown, "{verb} {path}");
        }
    });
}

#[test]
fn of_many_who_end_one_session_at_once_one_does() {
    races(async |_| {
        let house = Arc::new(House::by(true, 1, 0).await);
        let (secret, _) = house.log_in(0).await;
        let all = (0..CALLERS).map(|_| {
            let (house, secret) = (Arc::clone(&house), secret.clone());
            tokio::spawn(async move { house.call(&secret, Method::DELETE, "/session", Value::Null).await.0 })
        });
        let all: Vec<_> = all.collect();
        let mut statuses: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (200, &[401; CALLERS - 1][..]));
    });
}

#[test]
fn of_thirty_logins_of_one_person_at_once_twenty_are_open_and_all_are_one_user() {
    races(async |run| {
        let house = Arc::new(House::new(run, 2, 0).await);
        let all = (0..30).map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.log_in(1).await })
        });
        let all: Vec<_> = all.collect();
        let mut logins: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        let is_open = |secret: &str| {
            let now = Timestamp::now().as_millisecond();
            sessions::of(&*house.scene.writer.store.snapshot(), TokenHash::of(secret), now).unwrap().is_some()
        };
        let users: Vec<_> = logins.iter().map(|(_, user)| *user).collect();
        // The first two numbers were given when the house was opened.
        assert_eq!(users, [users[0]; 30]);
        assert!(users[0] <= 2);
        // What they had before may have been opened in the same millisecond, and is one of all of them.
        logins.push((house.secrets[1].clone(), users[0]));
        assert_eq!(logins.iter().filter(|(secret, _)| is_open(secret)).count(), 20);
        // The next one ends the oldest, and is open itself.
        logins.push(house.log_in(1).await);
        assert!(is_open(&logins[31].0));
        assert_eq!(logins.iter().filter(|(secret, _)| is_open(secret)).count(), 20);
        // The owner's is not touched.
        assert_eq!(house.scene.writer.store.snapshot().scan_all::<Sessions>().count(), 21);
        assert!(is_open(&house.secrets[0]));
    });
}

#[test]
fn whoever_comes_for_the_first_time_at_once_gets_a_number_of_their_own() {
    races(async |run| {
        let house = Arc::new(House::empty(run % 2 == 1, 60, 0));
        let all = (0..120).map(|number| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { (number / 2, house.log_in(number / 2).await.1) })
        });
        let all: Vec<_> = all.collect();
        let mut numbers: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 60, "somebody got two: {numbers:?}");
        let mut given: Vec<_> = numbers.iter().map(|(_, user)| *user).collect();
        given.sort_unstable();
        assert_eq!(given, (1..=60).collect::<Vec<_>>());
    });
}
