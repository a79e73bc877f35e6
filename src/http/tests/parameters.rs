//! Every parameter of every method with whatever a client may put there: the documented error, never a 500.
//!
//! Driven by the lexicons, so that a new method or parameter is covered by itself.
#![allow(clippy::disallowed_methods, reason = "it measures how long an answer takes")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::office::{token, wants_a_token};
use super::world::{Answer, World, exchange, uri};
use crate::http::router;
use crate::records::Kind;
use crate::records::lexicon::documents;

/// How long an answer may take; what stalls takes for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// What any method may answer beside the errors of its lexicon: `docs/api.md` names them once for all.
const GENERIC: [(u16, &str); 1] = [(400, "InvalidRequest")];

/// The longest that a URI can be in this process; longer ones never get past the socket.
const LONG_BYTES: usize = 60_000;

/// What must come of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// An answer, if only that there is no such thing.
    Taken,
    /// 400 `InvalidRequest` that names the parameter.
    Refused,
    /// Anything that the lexicon documents.
    Documented,
}

use Outcome::{Documented, Refused, Taken};

/// The queries by method, as they are called.
fn queries() -> BTreeMap<String, Value> {
    let is_query = |document: &Value| document["defs"]["main"]["type"] == "query";
    let mut queries: BTreeMap<_, _> =
        documents().into_iter().filter(|(_, document)| is_query(document)).collect();
    let event = queries["community.lexicon.calendar.getEvent"].clone();
    queries.insert("community.lexicon.calendar.GetEvent".to_owned(), event);
    queries
}

fn parameters(document: &Value) -> BTreeMap<String, Value> {
    let properties = document["defs"]["main"]["parameters"]["properties"].as_object().unwrap();
    properties.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect()
}

fn is_required(document: &Value, name: &str) -> bool {
    let required = document["defs"]["main"]["parameters"]["required"].as_array();
    required.is_some_and(|required| required.iter().any(|one| one == name))
}

/// What is wrong with a value depends on the type of its parameter: of an array, on that of its items.
fn schema_of(schema: &Value) -> &Value {
    if schema["type"] == "array" { &schema["items"] } else { schema }
}

/// A value that the parameter takes, over the network of [`World::network`].
fn sample(name: &str, schema: &Value) -> Option<String> {
    let schema = schema_of(schema);
    let text = match (schema["format"].as_str(), schema["knownValues"][0].as_str(), name) {
        (_, _, "cursor") => return None,
        (_, Some(known), _) => known.to_owned(),
        (Some("at-uri"), ..) => uri("ada", Kind::Round, "r"),
        (Some("at-identifier" | "did"), ..) | (_, _, "repository") => "did:plc:bea".to_owned(),
        (Some("nsid"), ..) => Kind::Signup.nsid().to_owned(),
        _ if schema["type"] == "integer" => "7".to_owned(),
        // The one key under which there is something of everybody.
        _ => "s1".to_owned(),
    };
    Some(text)
}

/// What a client may put into a parameter, already escaped, and what must come of it.
fn values(name: &str, schema: &Value) -> Vec<(String, Outcome)> {
    let schema = schema_of(schema);
    let format = schema["format"].as_str();
    let is_closed = schema["knownValues"].is_array();
    let is_strict = format.is_some() || is_closed || schema["type"] == "integer" || name == "cursor";
    let wrong = if is_strict { Refused } else { Documented };
    let mut values = vec![
        // Whatever the type, these are no text.
        ("%ff".to_owned(), Refused),
        ("%C3%28".to_owned(), Refused),
        ("%ED%A0%80".to_owned(), Refused),
        ("a%".to_owned(), Refused),
        ("a%zz".to_owned(), Refused),
        (String::new(), wrong),
        ("%00".to_owned(), wrong),
        ("did:plc:bea%00".to_owned(), wrong),
        ("true".to_owned(), wrong),
        ("null".to_owned(), wrong),
        ("[]".to_owned(), wrong),
        ("%7B%7D".to_owned(), wrong),
        ("../../etc".to_owned(), wrong),
        ("%F0%9F%8E%89".to_owned(), wrong),
        ("a".repeat(LONG_BYTES), wrong),
        ("%00".repeat(LONG_BYTES / 3), wrong),
    ];
    let did_or_handle = match format {
        Some("at-identifier") => [Taken, Refused],
        Some("did") => [Taken, Refused],
        Some(_) => [Refused, Refused],
        None => [wrong, wrong],
    };
    values.extend([
        ("did:plc:bea".to_owned(), did_or_handle[0]),
        ("did:web:host.example%253A80".to_owned(), did_or_handle[0]),
        ("nobody.example".to_owned(), did_or_handle[1]),
        ("@nobody.example".to_owned(), wrong),
    ]);
    let integer = if schema["type"] == "integer" { Taken } else { wrong };
    for number in ["-1", "0", "1", "101", "-99999999999999999999", "99999999999999999999999"] {
        values.push((number.to_owned(), integer));
    }
    for number in ["1.5", "1e3", "0x10", "+1", "%201"] {
        values.push((number.to_owned(), wrong));
    }
    if format == Some("at-uri") {
        for (uri, outcome) in [
            ("at://did:plc:bea", Documented),
            ("at://nobody.example/at.atjam.round/r", Documented),
            ("at://did:plc:bea/at.atjam.signup/s1", Documented),
            ("at://did:plc:bea/at.atjam.round/r/", Refused),
            ("at://did:plc:bea/at.atjam.round/r%23x", Refused),
            ("https://host.example/", Refused),
        ] {
            values.push((uri.to_owned(), outcome));
        }
    }
    values
}

async fn call(world: &World, method: &str, query: &str) -> Answer {
    let begun = Instant::now();
    let mut request = Request::get(format!("/xrpc/{method}?{query}"));
    if wants_a_token(method) {
        request = request.header("authorization", format!("Bearer {}", token("ada", method)));
    }
    let answer = exchange(router(world.service.clone()), request.body(Body::empty()).unwrap()).await;
    assert!(begun.elapsed() < PATIENCE, "{method} stalls");
    answer
}

/// Asserts that an answer is one of those that the lexicon has, and says which it is.
fn check(document: &Value, name: &str, answer: &Answer, outcome: Outcome, what: &str) {
    if answer.status == 200 {
        assert_ne!(outcome, Refused, "{what}");
        return;
    }
    assert!(outcome != Taken || answer.status == 404, "{what}: {}", answer.json);
    let error = (answer.status.as_u16(), answer.json["error"].as_str().unwrap());
    let documented = document["defs"]["main"]["errors"].as_array().into_iter().flatten().map(|error| {
        let status = error["description"].as_str().unwrap()[..3].parse().unwrap();
        (status, error["name"].as_str().unwrap())
    });
    let mut possible = documented.chain(GENERIC);
    assert!(possible.any(|one| one == error), "{what}: {}", answer.json);
    let message = answer.json["message"].as_str().unwrap();
    if outcome == Refused {
        assert_eq!(error, (400, "InvalidRequest"), "{what}");
        let named = message.contains(&format!("`{name}`")) || message.contains("percent-encoded");
        assert!(named, "{what}: {message}");
    }
    let is_calendar = document["id"].as_str().unwrap().starts_with("community.lexicon.calendar.");
    let description = answer.json["error_description"].as_str();
    assert_eq!(description, is_calendar.then_some(message), "{what}");
}

/// The parameters that a method needs, but for one.
fn others<'a>(document: &'a Value, but: &'a str) -> impl Iterator<Item = String> + 'a {
    let needed = move |(name, _): &(String, Value)| name != but && is_needed(document, name);
    parameters(document).into_iter().filter(needed).map(|(name, schema)| {
        let sample = sample(&name, &schema).unwrap();
        format!("{name}={sample}")
    })
}

/// Required by the lexicon, or one spelling of what is.
fn is_needed(document: &Value, name: &str) -> bool {
    is_required(document, name) || name == "record_key"
}

fn world() -> World {
    let mut world = World::new();
    world.employ(&["ada"]);
    world.network();
    for rkey in ["x", "y", "z"] {
        world.round("zoe", rkey, "open", json!({}));
    }
    world.open_search();
    world
}

#[tokio::test]
async fn whatever_is_in_a_parameter_the_answer_is_documented() {
    let world = world();
    let mut checked = 0;
    for (method, document) in queries() {
        for (name, schema) in parameters(&document) {
            let others: Vec<_> = others(&document, &name).collect();
            for (value, outcome) in values(&name, &schema) {
                let pair = format!("{name}={value}");
                let query = others.iter().chain([&pair]).map(String::as_str).collect::<Vec<_>>().join("&");
                let what = format!("{method}?{}", query.chars().take(300).collect::<String>());
                let outcome = match (&*method, &*name) {
                    // The reference answers `not_found` to whatever leads to no event; a second spelling that
                    // says something else is refused.
                    (_, "recordKey") => Documented,
                    _ => outcome,
                };
                check(&document, &name, &call(&world, &method, &query).await, outcome, &what);
                checked += 1;
            }
        }
    }
    assert!(checked > 1_500, "{checked}");
}

#[tokio::test]
async fn what_is_missing_or_given_twice_is_named() {
    let world = world();
    for (method, document) in queries() {
        for (name, schema) in parameters(&document) {
            let others: Vec<_> = others(&document, &name).collect();
            let missing = call(&world, &method, &others.join("&")).await;
            let outcome = if is_needed(&document, &name) { Refused } else { Documented };
            check(&document, &name, &missing, outcome, &format!("{method} without {name}"));

            let sample = sample(&name, &schema).unwrap_or_else(|| "x".to_owned());
            let twice = format!("{name}={sample}&{name}={sample}");
            let query = others.iter().map(String::as_str).chain([&*twice]).collect::<Vec<_>>().join("&");
            let outcome = if schema["type"] == "array" { Taken } else { Refused };
            check(&document, &name, &call(&world, &method, &query).await, outcome, &query);
        }
        // What a method does not know, it does not look at.
        let query = others(&document, "").chain(["unheard-of=1&unheard-of=2".to_owned()]).collect::<Vec<_>>();
        check(&document, "", &call(&world, &method, &query.join("&")).await, Documented, &method);
    }
}

#[tokio::test]
async fn a_cursor_of_another_query_and_an_altered_one_are_refused() {
    let world = world();
    let foreign = world.get("app.guestlist.listRounds", &[("limit", "1")]).await["cursor"].clone();
    let foreign = foreign.as_str().unwrap().to_owned();
    let altered = format!("{}A", &foreign[..foreign.len() - 1]);
    let (mut lists, mut own) = (0, 0);
    for (method, document) in queries() {
        if !parameters(&document).contains_key("cursor") {
            continue;
        }
        lists += 1;
        for cursor in
            [&*foreign, &*altered, &foreign[1..], &foreign[..20], &format!("{foreign}AAAA"), "====", "AAAA"]
        {
            let cursor = format!("cursor={cursor}");
            let query = others(&document, "cursor").chain([cursor.clone()]).collect::<Vec<_>>().join("&");
            let answer = call(&world, &method, &query).await;
            // The method's own, with its own parameters, is fine.
            if method == "app.guestlist.listRounds" && cursor.ends_with(&foreign) {
                own += 1;
                assert_eq!(answer.status, 200);
                continue;
            }
            check(&document, "cursor", &answer, Refused, &format!("{method} {cursor}"));
        }
    }
    assert!(lists > 8 && own == 1, "{lists} {own}");
}

#[test]
fn every_documented_error_says_its_status() {
    let mut errors = 0;
    for (method, document) in queries() {
        for error in document["defs"]["main"]["errors"].as_array().into_iter().flatten() {
            let description = error["description"].as_str().unwrap();
            let (status, text) = description.split_once(": ").unwrap();
            assert!((400..=599).contains(&status.parse().unwrap()), "{method}: {description}");
            assert!(text.ends_with('.'), "{method}: {description}");
            errors += 1;
        }
        assert!(document["defs"]["main"]["description"].is_string(), "{method}");
        for (name, schema) in parameters(&document) {
            assert!(schema["description"].is_string(), "{method}: {name} is not described");
        }
    }
    assert!(errors > 5);
}
