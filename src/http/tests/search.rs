//! `searchEvents`: what is asked and answered, pages of one generation, and what is said where there is no index.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::world::{FUTURE, PAST, PATIENCE, World, did, query_of};
use crate::records::Kind;
use crate::search::Search;
use crate::syntax::RecordKey;
use crate::tables::keys::RecordId;

const METHOD: &str = "community.lexicon.calendar.searchEvents";

/// A world that can be searched.
struct Town {
    world: World,
}

impl Town {
    fn new() -> Self {
        Self::of(World::new())
    }

    fn of(mut world: World) -> Self {
        world.open_search();
        Self { world }
    }

    /// Says that somebody's event changed, and waits until it can be found.
    fn tell(&self, author: &str, rkey: &str) {
        let id = RecordId { did: did(author), kind: Kind::Event, rkey: RecordKey::parse(rkey).unwrap() };
        self.world.service.search.changed(&BTreeSet::from([id]));
        assert!(self.world.service.search.settle(PATIENCE));
    }

    fn put(&mut self, author: &str, rkey: &str, event: Value) {
        self.world.put(author, Kind::Event, rkey, event);
        self.tell(author, rkey);
    }

    fn delete(&mut self, author: &str, rkey: &str) {
        self.world.delete(author, Kind::Event, rkey);
        self.tell(author, rkey);
    }

    async fn found(&self, params: &[(&str, &str)]) -> Vec<String> {
        keys(&self.world.list(METHOD, "results", params).await)
    }
}

fn keys(results: &[Value]) -> Vec<String> {
    let key = |event: &Value| event["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    results.iter().map(key).collect()
}

fn named(name: &str, start: &str) -> Value {
    json!({ "name": name, "startsAt": start })
}

fn cancelled(mut event: Value) -> Value {
    event["status"] = json!("community.lexicon.calendar.event#cancelled");
    event
}

#[tokio::test]
async fn upcoming_is_by_start_and_may_stand_beside_words_and_filters() {
    let mut town = Town::new();
    town.put("ada", "later", named("Rust evening", "2998-01-02T00:00:00Z"));
    town.put("bea", "sooner", named("Rust morning", "2998-01-01T00:00:00Z"));
    town.put("ada", "over", named("Rust upcoming", PAST));
    town.put("ada", "off", cancelled(named("Rust night", "2998-01-01T00:00:00Z")));
    town.put("ada", "open", json!({ "name": "Long chess", "startsAt": PAST, "endsAt": FUTURE }));
    town.put("ada", "when", json!({ "name": "Rust some day" }));
    let ada = did("ada");
    let ada = ada.as_str();
    for (params, expected) in [
        // "`upcoming` sorts by start ascending".
        (&[("query", "upcoming")] as &[_], vec!["open", "sooner", "later"]),
        (&[("query", "UPCOMING")], vec!["open", "sooner", "later"]),
        (&[("query", "upcoming rust")], vec!["sooner", "later"]),
        (&[("query", "rust upcoming evening")], vec!["later"]),
        (&[("query", "upcoming"), ("repository", ada)], vec!["open", "later"]),
        // "text by relevance then start"; without a start last.
        (&[("query", "rust")], vec!["over", "off", "sooner", "later", "when"]),
        (&[("query", "rust e")], vec!["later"]),
        (&[("repository", ada)], vec!["over", "open", "off", "later", "when"]),
        (&[("query", "chess"), ("repository", did("bea").as_str())], vec![]),
    ] {
        let mut found = town.found(params).await;
        let mut expected = expected;
        if params == [("repository", ada)] {
            // Two begin at the same moment.
            found.sort();
            expected.sort_unstable();
        }
        assert_eq!(found, expected, "{params:?}");
    }
}

#[tokio::test]
async fn locations_are_found_by_their_cids_and_several_are_an_or() {
    let mut town = Town::new();
    let place =
        |name: &str| json!({ "$type": "community.lexicon.location.address", "country": "DE", "name": name });
    for (key, names) in [("one", vec!["Hall"]), ("two", vec!["Park", "Hall"]), ("three", vec!["Quay"])] {
        let locations: Vec<Value> = names.into_iter().map(place).collect();
        town.put("ada", key, json!({ "name": "Party", "startsAt": FUTURE, "locations": locations }));
    }
    let all = town.world.get(METHOD, &[("query", "party")]).await;
    let cid = |key: &str, at: usize| {
        let event =
            all["results"].as_array().unwrap().iter().find(|event| keys(&[(*event).clone()]) == [key]);
        event.unwrap()["locationCids"][at].as_str().unwrap().to_owned()
    };
    let (hall, park, quay) = (cid("one", 0), cid("two", 0), cid("three", 0));
    assert_eq!(hall, cid("two", 1));
    for (locations, expected) in [
        (vec![hall.as_str()], vec!["one", "two"]),
        (vec![&park], vec!["two"]),
        (vec![&park, &quay], vec!["three", "two"]),
        (vec!["bafyreiabc", &quay], vec!["three"]),
        (vec!["bafyreiabc"], vec![]),
    ] {
        let params: Vec<_> = locations.iter().map(|cid| ("location", *cid)).collect();
        let mut found = town.found(&params).await;
        found.sort();
        assert_eq!(found, expected, "{params:?}");
    }
    assert_eq!(town.found(&[("query", "hall"), ("location", &park)]).await, ["two"]);
    assert!(town.found(&[("query", "quay"), ("location", &park)]).await.is_empty());
    let many = vec![("location", hall.as_str()); 101];
    town.world.ask(METHOD, &many).await.assert_error(400, "InvalidRequest");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_said() {
    let town = Town::new();
    // "repository: 404 invalid_repository if not did:plc/did:web".
    for repository in ["", "did:key:z6Mk", "ada.example", "did:plc:", "did", "did:web", "x'; DROP"] {
        let answer = town.world.ask(METHOD, &[("repository", repository)]).await;
        answer.assert_error(404, "invalid_repository");
        // Clients of this API read the one name or the other.
        assert_eq!(answer.json["message"], answer.json["error_description"]);
    }
    town.world.ask(METHOD, &[("query", "a"), ("query", "b")]).await.assert_error(400, "InvalidRequest");
    town.world.ask(METHOD, &[("query", "a"), ("limit", "ten")]).await.assert_error(400, "InvalidRequest");
    town.world.ask(METHOD, &[("query", "a"), ("cursor", "AAAA")]).await.assert_error(400, "InvalidRequest");
    town.world.send(Method::POST, &format!("/xrpc/{METHOD}")).await.assert_error(405, "MethodNotAllowed");
    // "None of the three: {"results":[]}".
    for params in [
        &[] as &[_],
        &[("query", "")],
        &[("query", "  ")],
        &[("limit", "5")],
        &[("query", ""), ("location", "")],
    ] {
        assert_eq!(town.world.get(METHOD, params).await, json!({ "results": [] }), "{params:?}");
    }
}

#[tokio::test]
async fn hostile_queries_get_an_answer_or_a_clear_refusal() {
    let mut town = Town::new();
    town.put("ada", "one", named("Rust 🎉 مرحبا", FUTURE));
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    for (query, found) in [
        ("!!! ??? … — ()[]{}", false),
        ("🎉", false),
        ("\0", false),
        ("\u{200f}\u{202e}\u{2066}", false),
        ("\u{301}\u{302}", false),
        ("name:rust AND (description:* OR _id:[0 TO 9])^5~2", false),
        ("+rust -rust \"rust\" /ru.*/ rust* ru?t", false),
        ("rust*", true),
        ("/rust/", true),
        ("\"rust\"", true),
        ("ru\0st", false),
        ("\u{202e}rust\u{202c}", true),
        ("مرحبا\u{200f} rust", true),
        (letters.join(" ").as_str(), false),
        ("\u{10ffff}", false),
        ("'; DROP TABLE events; --", false),
    ] {
        let expected = if found { vec!["one"] } else { vec![] };
        assert_eq!(town.found(&[("query", query)]).await, expected, "{query:?}");
    }
    let words: Vec<String> = (0..33).map(|number| format!("word{number}")).collect();
    // A megabyte is refused before anybody reads it (`tests/it/bad_requests`).
    for query in ["x ".repeat(10_000), "a".repeat(513), words.join(" ")] {
        let answer = town.world.ask(METHOD, &[("query", &query)]).await;
        assert!(answer.assert_error(400, "InvalidRequest").contains("at most 32 words and 512 characters"));
    }
    assert!(town.found(&[("query", &words[..32].join(" "))]).await.is_empty());
}

#[tokio::test]
async fn views_are_those_of_get_event() {
    let mut town = Town::new();
    town.put(
        "ada",
        "e",
        json!({ "name": "Rust Meetup", "startsAt": FUTURE, "media": [{ "x": 1 }], "facets": [], "odd": { "y": [2] } }),
    );
    let searched = town.world.get(METHOD, &[("query", "rust")]).await["results"][0].clone();
    let got = town
        .world
        .get(
            "community.lexicon.calendar.getEvent",
            &[("repository", did("ada").as_str()), ("record_key", "e")],
        )
        .await;
    assert_eq!(searched, got);
    assert_eq!(searched["odd"], json!({ "y": [2] }));
    assert_eq!(searched["$type"], "community.lexicon.calendar.eventView");
}

#[tokio::test]
async fn a_change_on_either_side_shows_and_what_is_gone_does_not() {
    let mut town = Town::new();
    town.put("ada", "e", named("Chess", FUTURE));
    town.put("bea", "f", named("Chess", FUTURE));
    assert_eq!(town.found(&[("query", "chess")]).await.len(), 2);
    town.put("ada", "e", named("Knitting", FUTURE));
    assert_eq!(town.found(&[("query", "chess")]).await, ["f"]);
    assert_eq!(town.found(&[("query", "knit")]).await, ["e"]);
    // Whose account is not active is in no search, and returns.
    town.world.account("ada", Some("deactivated"));
    assert!(town.found(&[("query", "knit")]).await.is_empty());
    town.world.account("ada", None);
    assert_eq!(town.found(&[("query", "knit")]).await, ["e"]);
    // What is deleted is gone before the index hears of it, and after.
    town.world.delete("bea", Kind::Event, "f");
    assert!(town.found(&[("query", "chess")]).await.is_empty());
    town.delete("bea", "f");
    assert!(town.found(&[("query", "chess")]).await.is_empty());
}

#[tokio::test]
async fn pages_are_of_one_generation_whatever_is_written_meanwhile() {
    let mut town = Town::new();
    for number in 0..7 {
        town.put("ada", &format!("k{number}"), named("Rust", &format!("2998-01-0{}T00:00:00Z", number + 1)));
    }
    let ask = |cursor: Option<String>| {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        format!("/xrpc/{METHOD}?query=upcoming+rust&limit=2{cursor}")
    };
    let first = town.world.send(Method::GET, &ask(None)).await.json;
    assert_eq!(keys(first["results"].as_array().unwrap()), ["k0", "k1"]);
    // Some come before the place of the cursor, and one after it goes.
    town.put("bea", "early", named("Rust", "2997-01-01T00:00:00Z"));
    town.delete("ada", "k3");
    let mut seen = Vec::new();
    let mut cursor = first["cursor"].as_str().map(str::to_owned);
    while let Some(at) = cursor {
        let page = town.world.send(Method::GET, &ask(Some(at))).await.json;
        seen.extend(keys(page["results"].as_array().unwrap()));
        cursor = page["cursor"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, ["k2", "k4", "k5", "k6"]);
    assert_eq!(town.found(&[("query", "upcoming rust")]).await.first().unwrap(), "early");
    // Of another query it is no cursor, and after a restart its results are gone.
    let cursor = first["cursor"].as_str().unwrap().to_owned();
    let other = format!("/xrpc/{METHOD}?query=rust&limit=2&cursor={cursor}");
    town.world.send(Method::GET, &other).await.assert_error(400, "InvalidRequest");
    let store = town.world.service.store.clone();
    drop(town);
    let town = Town::of(World::over(store));
    town.world.send(Method::GET, &ask(Some(cursor))).await.assert_error(400, "ExpiredCursor");
}

#[tokio::test]
async fn the_limit_is_ten_and_a_hundred_at_most() {
    let mut town = Town::new();
    for number in 0..103 {
        town.world.put("ada", Kind::Event, &format!("k{number}"), named("Rust", FUTURE));
    }
    town = Town::of(World::over(town.world.service.store.clone()));
    for (limit, items) in [
        (None, 10),
        (Some("0"), 1),
        (Some("-3"), 1),
        (Some("37"), 37),
        (Some("100"), 100),
        (Some("1000"), 100),
    ] {
        let mut params = vec![("query", "rust")];
        params.extend(limit.map(|limit| ("limit", limit)));
        let page = town.world.get(METHOD, &params).await;
        assert_eq!(page["results"].as_array().unwrap().len(), items, "{limit:?}");
        assert!(page["cursor"].is_string());
    }
    for limit in ["1", "7", "100"] {
        let found: BTreeSet<String> =
            town.found(&[("query", "rust"), ("limit", limit)]).await.into_iter().collect();
        assert_eq!(found.len(), 103, "{limit}");
    }
    // Of many who are gone, pages are short and lead on.
    town.world.account("ada", Some("takendown"));
    assert!(town.found(&[("query", "rust")]).await.is_empty());
}

#[test]
fn what_was_written_is_waited_for_and_not_what_is_written_meanwhile() {
    let town = Town::new();
    let search = &town.world.service.search;
    let id = RecordId { did: did("ada"), kind: Kind::Event, rkey: RecordKey::parse("e").unwrap() };
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                search.changed(&BTreeSet::from([id.clone()]));
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        let settled = search.settle(PATIENCE);
        ended.store(true, Ordering::Relaxed);
        assert!(settled);
    });
}

#[tokio::test]
async fn without_an_index_it_says_so_and_all_else_answers() {
    let mut world = World::new();
    world.put("ada", Kind::Event, "e", named("Rust", FUTURE));
    let answer = world.ask(METHOD, &[("query", "upcoming")]).await;
    answer.assert_error(503, "search_unavailable");
    assert_eq!(answer.json["message"], answer.json["error_description"]);
    assert!(answer.headers.contains_key("retry-after"));
    // Nobody has filled this one yet.
    let (search, keeper) = Search::over(&world.service.store).unwrap();
    world.service.search = search.clone();
    world.ask(METHOD, &[("query", "rust")]).await.assert_error(503, "search_unavailable");
    let path = format!("/xrpc/app.guestlist.listEvents?{}", query_of(&[("when", "upcoming")]));
    assert_eq!(world.send(Method::GET, &path).await.json["events"].as_array().unwrap().len(), 1);
    let keeper = thread::spawn(move || keeper.run().unwrap());
    assert!(search.settle(PATIENCE));
    assert_eq!(world.get(METHOD, &[("query", "rust")]).await["results"].as_array().unwrap().len(), 1);
    search.close();
    keeper.join().unwrap();
    world.ask(METHOD, &[("query", "rust")]).await.assert_error(503, "search_unavailable");
}
