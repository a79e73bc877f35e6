//! The README's chapter on queries, carried out: each command is sent to a daemon with the demonstration's
//! configuration, and its answer is what the chapter shows.
//!
//! What a chapter leaves out it writes as `…`: in a list or an object the rest, in a string any part of it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::needs_token;
use crate::harness::{document, guestlist};
use crate::serving::{Daemon, get};

/// The chapter, and where its commands go.
const CHAPTER: &str = "\n## Queries\n";
const BASE: &str = "http://127.0.0.1:8484";

/// How long the search index may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command's URL, and the answer that is shown.
struct Shown {
    url: String,
    answer: Value,
}

fn chapter() -> String {
    let readme = document("README.md");
    let (_, chapter) = readme.split_once(CHAPTER).expect("the README has a chapter on queries");
    chapter.split("\n## ").next().unwrap().to_owned()
}

fn shown(chapter: &str) -> Vec<Shown> {
    let blocks = chapter.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    let commands =
        blocks.flat_map(|block| block.split("$ curl '").skip(1).map(str::to_owned).collect::<Vec<_>>());
    commands
        .map(|command| {
            let (url, answer) = command.split_once("'\n").unwrap();
            let answer = serde_json::from_str(&spelt_out(answer));
            Shown { url: url.to_owned(), answer: answer.unwrap_or_else(|error| panic!("{url}: {error}")) }
        })
        .collect()
}

/// JSON in which each `…` outside of strings is one inside of one.
fn spelt_out(text: &str) -> String {
    let (mut json, mut open, mut in_string) = (String::new(), Vec::new(), false);
    for character in text.chars() {
        match character {
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => open.push(character),
            ']' | '}' if !in_string => drop(open.pop()),
            '…' if !in_string => {
                json.push_str(if open.last() == Some(&'[') { "\"…\"" } else { "\"…\":0" });
                continue;
            }
            _ => {}
        }
        json.push(character);
    }
    json
}

fn is_rest(value: &Value) -> bool {
    value == "…"
}

/// Whether an answer is the one that is shown.
fn agrees(shown: &Value, answer: &Value) -> bool {
    match (shown, answer) {
        (Value::Object(shown), Value::Object(answer)) => {
            let named = shown.iter().filter(|(name, _)| *name != "…");
            let is_whole = !shown.contains_key("…");
            named.clone().all(|(name, value)| answer.get(name).is_some_and(|found| agrees(value, found)))
                && (!is_whole || named.count() == answer.len())
        }
        (Value::Array(shown), Value::Array(answer)) => {
            let items: Vec<_> = shown.iter().filter(|item| !is_rest(item)).collect();
            let fits = if items.len() < shown.len() {
                items.len() <= answer.len()
            } else {
                items.len() == answer.len()
            };
            fits && items.iter().zip(answer).all(|(shown, found)| agrees(shown, found))
        }
        (Value::String(shown), Value::String(answer)) => {
            let parts: Vec<_> = shown.split('…').collect();
            let mut rest = answer.as_str();
            let (first, last) = (parts[0], parts[parts.len() - 1]);
            if parts.len() == 1 {
                return shown == answer;
            }
            if !rest.starts_with(first) || !rest.ends_with(last) || rest.len() < first.len() + last.len() {
                return false;
            }
            rest = &rest[first.len()..rest.len() - last.len()];
            parts[1..parts.len() - 1].iter().all(|part| match rest.split_once(part) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            })
        }
        (shown, answer) => shown == answer,
    }
}

#[test]
fn an_answer_agrees_with_what_is_shown_of_it() {
    for (shown, answer, is_same) in [
        (r#"{"a":1,…}"#, r#"{"a":1,"b":2}"#, true),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
        (r#"{…}"#, r#"{}"#, true),
        (r#"[1,…]"#, r#"[1,2,3]"#, true),
        (r#"[1]"#, r#"[1,2]"#, false),
        (r#"[1,…]"#, r#"[2,1]"#, false),
        (r#""at://…/x…""#, r#""at://did:plc:a/xyz""#, true),
        (r#""at://…/x""#, r#""at://did:plc:a/y""#, false),
        (r#"{"a":[{"b":"…"},…]}"#, r#"{"a":[{"b":"c"}]}"#, true),
        (r#""ab…bc""#, r#""abc""#, false),
    ] {
        let shown = serde_json::from_str(&spelt_out(shown)).unwrap();
        assert_eq!(agrees(&shown, &serde_json::from_str(answer).unwrap()), is_same, "{shown} {answer}");
    }
}

#[test]
fn every_query_of_the_chapter_answers_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = guestlist();
    command
        .args(["serve", "--config", "config/demo.toml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("GUESTLIST_HTTP__BIND", "127.0.0.1:0")
        .env("GUESTLIST_DATA_DIR", dir.path())
        .stderr(Stdio::null());
    let daemon = Daemon::start(command);
    let chapter = chapter();
    let commands = shown(&chapter);
    for Shown { url, answer } in &commands {
        let path = url.strip_prefix(BASE).unwrap_or_else(|| panic!("{url} is elsewhere"));
        // The index is a moment behind what the daemon says that it has read.
        let (mut found, begun) = (get(&daemon.address, path).2, Instant::now());
        while url.contains("searchEvents") && !agrees(answer, &found) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            found = get(&daemon.address, path).2;
        }
        assert!(agrees(answer, &found), "{url}\nshown: {answer}\nfound: {found}");
    }
    // Each method that anybody may call has its command.
    for (id, lexicon) in guestlist::records::lexicon::documents() {
        if lexicon["defs"]["main"]["type"] == "query" && !needs_token(&id) {
            let asked = format!("/xrpc/{id}");
            let is_asked = |shown: &Shown| shown.url.split(['?', '\'']).next().unwrap().ends_with(&asked);
            assert!(commands.iter().any(is_asked), "{id} is not in the chapter");
        }
    }
}
