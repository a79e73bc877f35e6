//! The queries over a recorded network: each answer agrees with the export, and follows its lexicon.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use guestlist::codec::json::to_ipld;
use guestlist::http::{Limits, Service, router};
use guestlist::identity::Directory;
use guestlist::records::lexicon::LEXICONS;
use guestlist::sources::Board;
use guestlist::store::{IfAbsent, Store};
use serde_json::Value;
use tempfile::tempdir;
use tower::ServiceExt;

use crate::harness::{content, recording, replay};

/// Bytes of cache for a store of a few thousand records.
const CACHE_BYTES: u64 = 16 << 20;

struct Client(Router);

impl Client {
    fn of(dir: &Path, identities: &str) -> Self {
        let service = Service {
            store: Store::open(dir, CACHE_BYTES, IfAbsent::Fail).unwrap(),
            identities: Arc::new(Directory::load(&[recording(identities)]).unwrap()),
            ready: Arc::new(AtomicBool::new(true)),
            sources: Board::default(),
            public_url: "https://guestlist.example".to_owned(),
            limits: Limits::default(),
        };
        Self(router(service))
    }

    async fn get(&self, method: &str, query: &str) -> Value {
        // A did:web has a percent sign of its own.
        let query = query.replace('%', "%25");
        let request = Request::get(format!("/xrpc/{method}?{query}")).body(Body::empty()).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 200, "{method} {query}: {answer}");
        let deviations = LEXICONS.output_deviations(method, &to_ipld(answer.clone()).unwrap());
        assert_eq!(deviations, Some(Vec::new()), "{method} {query}: {answer}");
        answer
    }

    async fn list(&self, method: &str, of: &str, query: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(method, &format!("{query}&limit=7{cursor}")).await;
            items.extend(page[of].as_array().unwrap().clone());
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn is_valid(line: &Value) -> bool {
    line["verdict"]["status"] == "valid"
}

#[tokio::test]
async fn answers_agree_with_the_export() {
    let dir = tempdir().unwrap();
    replay(dir.path(), &[recording("medium.frames.zst")], &[]);
    let client = Client::of(dir.path(), "medium.dids.jsonl");
    let exported = String::from_utf8(content("medium.expected.jsonl.zst")).unwrap();
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let mut signups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in &lines {
        let answer = client.get("app.guestlist.explain", &format!("uri={}", text(&line["uri"]))).await;
        for field in ["cid", "author", "kind", "grade", "reason", "deviations", "official", "verdict"] {
            assert_eq!(answer.get(field), line.get(field), "{field} of {line}");
        }
        assert_eq!(answer.get("chain").is_some(), line["verdict"]["basis"] == "invited" && is_signup(line));
        if line["kind"] == "event" && line["grade"] != "unusable" {
            check_event(&client, line).await;
        }
        if is_signup(line) && line["grade"] != "unusable" {
            signups.entry(text(&line["author"]).to_owned()).or_default().push(line.clone());
        }
    }
    for (author, lines) in &signups {
        let items = client.list("app.guestlist.listSignups", "signups", &format!("author={author}")).await;
        let shown: Vec<_> = items.iter().map(|item| (&item["uri"], &item["verdict"])).collect();
        let expected: Vec<_> = lines.iter().map(|line| (&line["uri"], &line["verdict"])).collect();
        assert_eq!(shown, expected, "{author}");
    }
    check_rounds(&client, &lines).await;
    client.get("app.guestlist.getStatus", "").await;
}

fn is_signup(line: &Value) -> bool {
    line["kind"] == "signup"
}

async fn check_event(client: &Client, line: &Value) {
    let rkey = text(&line["uri"]).rsplit('/').next().unwrap();
    let query = format!("repository={}&record_key={rkey}", text(&line["author"]));
    let view = client.get("community.lexicon.calendar.getEvent", &query).await;
    for (ours, theirs) in
        [("countGoing", "going"), ("countInterested", "interested"), ("countNotGoing", "notgoing")]
    {
        assert_eq!(view[ours], line["counts"][theirs], "{line}");
    }
}

async fn check_rounds(client: &Client, lines: &[Value]) {
    let expected: BTreeSet<_> = lines
        .iter()
        .filter(|line| line["kind"] == "round" && line["grade"] != "unusable")
        .map(|line| text(&line["uri"]))
        .collect();
    let rounds = client.list("app.guestlist.listRounds", "rounds", "").await;
    assert_eq!(rounds.iter().map(|round| text(&round["uri"])).collect::<BTreeSet<_>>(), expected);
    assert!(!expected.is_empty());
    for round in &rounds {
        let uri = text(&round["uri"]);
        assert_eq!(*round, client.get("app.guestlist.getRound", &format!("uri={uri}")).await);
        let items = client.list("app.guestlist.listSignups", "signups", &format!("round={uri}")).await;
        let people: BTreeSet<_> = items.iter().map(|item| text(&item["author"])).collect();
        let participants: BTreeSet<_> =
            items.iter().filter(|item| is_valid(item)).map(|item| text(&item["author"])).collect();
        assert_eq!(round["counts"]["signups"], items.len(), "{uri}");
        assert_eq!(round["counts"]["participants"], participants.len(), "{uri}");
        for person in people {
            let query = format!("round={uri}&actor={person}");
            let standing = client.get("app.guestlist.getStanding", &query).await;
            assert_eq!(standing["participant"], participants.contains(person), "{query}");
            assert_eq!(is_valid(&standing), participants.contains(person), "{query}");
            let shown = items.iter().find(|item| item["uri"] == standing["signup"]).unwrap();
            assert_eq!(shown["verdict"], standing["verdict"], "{query}");
        }
    }
}
