//! The queries over a recorded network: each answer agrees with the export, and follows its lexicon.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use guestlist::codec::json::to_ipld;
use guestlist::http::{Service, router};
use guestlist::identity::{Directory, Resolver};
use guestlist::records::lexicon::LEXICONS;
use guestlist::store::{IfAbsent, Store};
use guestlist::syntax::Datetime;
use serde_json::Value;
use tempfile::tempdir;
use tower::ServiceExt;

use crate::harness::{content, recording, replay};

/// Bytes of cache for a store of a few thousand records.
const CACHE_BYTES: u64 = 16 << 20;

struct Client(Router);

impl Client {
    fn of(dir: &Path, identities: &str) -> Self {
        let store = Store::open(dir, CACHE_BYTES, IfAbsent::Fail).unwrap();
        let identities = Resolver::offline(Directory::load(&[recording(identities)]).unwrap());
        let service = Service { identities, ..Service::reading(store) };
        Self(router(service))
    }

    async fn get(&self, method: &str, query: &str) -> Value {
        // A did:web has a percent sign of its own.
        let query = query.replace('%', "%25").replace('#', "%23");
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
    check_decided(&client, &lines, "invitation").await;
    check_decided(&client, &lines, "submission").await;
    check_answers(&client, &lines).await;
    check_calendar(&client, &lines).await;
    check_quarantine(&client, &lines).await;
    client.get("app.guestlist.getStatus", "").await;
}

/// The lines of usable records of a kind, by author.
fn by_author<'a>(lines: &'a [Value], kind: &str) -> BTreeMap<&'a str, Vec<&'a Value>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["kind"] == kind && line["grade"] != "unusable") {
        found.entry(text(&line["author"])).or_default().push(line);
    }
    assert!(!found.is_empty(), "{kind}");
    found
}

/// The lists of one kind: each author's, and each round's together, are what was exported.
async fn check_decided(client: &Client, lines: &[Value], kind: &str) {
    let (method, of) = match kind {
        "invitation" => ("app.guestlist.listInvitations", "invitations"),
        _ => ("app.guestlist.listSubmissions", "submissions"),
    };
    let (mut of_authors, mut of_rounds, mut of_invitees) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut rounds, mut invitees) = (BTreeSet::new(), BTreeSet::new());
    for (author, lines) in by_author(lines, kind) {
        let items = client.list(method, of, &format!("author={author}")).await;
        let shown: Vec<_> = items.iter().map(|item| (&item["uri"], &item["verdict"])).collect();
        let expected: Vec<_> = lines.iter().map(|line| (&line["uri"], &line["verdict"])).collect();
        assert_eq!(shown, expected, "{author}");
        for item in &items {
            let round = text(&item["record"]["round"]["uri"]);
            if round.contains("/at.atjam.round/") && round.starts_with("at://did:") {
                rounds.insert(round.to_owned());
                of_authors.insert(text(&item["uri"]).to_owned());
            }
            invitees.extend(item["record"]["invitee"].as_str().map(str::to_owned));
        }
    }
    let uris = |items: Vec<Value>| items.into_iter().map(|item| text(&item["uri"]).to_owned());
    for round in rounds {
        of_rounds.extend(uris(client.list(method, of, &format!("round={round}")).await));
    }
    assert_eq!(of_rounds, of_authors);
    if kind == "invitation" {
        for invitee in invitees {
            of_invitees.extend(uris(client.list(method, of, &format!("invitee={invitee}")).await));
        }
        assert_eq!(of_invitees, of_authors);
    }
}

/// Each person's answers, and of each event those that count.
async fn check_answers(client: &Client, lines: &[Value]) {
    let mut counted: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (author, lines) in by_author(lines, "rsvp") {
        let method = "community.lexicon.calendar.listRSVPs";
        let items = client.list(method, "rsvps", &format!("identity={author}")).await;
        let shown: BTreeSet<_> = items.iter().map(|item| text(&item["uri"])).collect();
        assert_eq!(shown.len(), items.len(), "{author}");
        assert_eq!(shown, lines.iter().map(|line| text(&line["uri"])).collect(), "{author}");
        for item in &items {
            let event = text(&item["eventUri"]);
            let query = format!("event={event}&identity={author}");
            let counts = client.get("community.lexicon.calendar.getRSVP", &query).await;
            let line = lines.iter().find(|line| line["uri"] == item["uri"]).unwrap();
            assert_eq!(line["effective"], counts["uri"] == item["uri"], "{line}");
            assert_eq!(line["accepted"], item["accepted"], "{line}");
            if counts["uri"] == item["uri"] {
                assert_eq!(counts["status"], item["status"]);
                let of_event = counted.entry(event.to_owned()).or_default();
                *of_event.entry(text(&item["status"]).to_owned()).or_default() += 1;
            }
        }
    }
    for (event, counts) in counted {
        for status in ["going", "interested", "notgoing", "other"] {
            let query = format!("event={event}&status={status}");
            let items = client.list("app.guestlist.listEventRSVPs", "rsvps", &query).await;
            assert_eq!(items.len() as u64, counts.get(status).copied().unwrap_or(0), "{query}");
        }
    }
}

async fn check_quarantine(client: &Client, lines: &[Value]) {
    let expected: BTreeSet<_> = lines
        .iter()
        .filter(|line| line["grade"] == "unusable")
        .map(|line| (text(&line["uri"]), text(&line["reason"]), text(&line["cid"])))
        .collect();
    let items = client.list("app.guestlist.listQuarantine", "records", "").await;
    let shown: BTreeSet<_> =
        items.iter().map(|item| (text(&item["uri"]), text(&item["reason"]), text(&item["cid"]))).collect();
    assert_eq!(shown, expected);
    assert_eq!(shown.len(), items.len());
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

/// The calendar, everybody's and that of each organizer: every event once, and each is in one of the lists by time or in none
/// for a reason.
async fn check_calendar(client: &Client, lines: &[Value]) {
    let list = async |query: &str| client.list("app.guestlist.listEvents", "events", query).await;
    let all = list("when=all").await;
    let place = |event: &Value| {
        let start = event["startsAt"].as_str().and_then(|start| Datetime::parse(start).ok());
        (start.is_none(), start, text(&event["uri"]).to_owned())
    };
    assert!(all.is_sorted_by_key(place));
    let (mut of_organizers, mut expected) = (Vec::new(), BTreeSet::new());
    for (organizer, lines) in by_author(lines, "event") {
        of_organizers.extend(list(&format!("when=all&organizer={organizer}")).await);
        expected.extend(lines.iter().map(|line| text(&line["uri"])));
    }
    of_organizers.sort_by_key(place);
    assert_eq!(all, of_organizers);
    assert_eq!(all.iter().map(|event| text(&event["uri"])).collect::<BTreeSet<_>>(), expected);
    assert_eq!(all.len(), expected.len());
    let (mut past, upcoming) = (list("when=past").await, list("when=upcoming").await);
    past.reverse();
    assert!(past.is_sorted_by_key(place) && upcoming.is_sorted_by_key(place));
    let is_called_off = |event: &Value| event["status"].as_str().is_some_and(|of| of.ends_with("#cancelled"));
    let timeless =
        all.iter().filter(|event| place(event).0 || (is_called_off(event) && !past.contains(event)));
    let mut each: Vec<_> = past.iter().chain(&upcoming).chain(timeless).cloned().collect();
    each.sort_by_key(place);
    assert_eq!(each, all);
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
        let listed =
            client.list("app.guestlist.listParticipants", "participants", &format!("round={uri}")).await;
        let listed: BTreeMap<_, _> = listed.iter().map(|person| (text(&person["did"]), person)).collect();
        assert_eq!(listed.keys().copied().collect::<BTreeSet<_>>(), participants, "{uri}");
        client.get("app.guestlist.getInviteGraph", &format!("round={uri}")).await;
        for person in people {
            let query = format!("round={uri}&actor={person}");
            let standing = client.get("app.guestlist.getStanding", &query).await;
            assert_eq!(standing["participant"], participants.contains(person), "{query}");
            assert_eq!(is_valid(&standing), participants.contains(person), "{query}");
            let shown = items.iter().find(|item| item["uri"] == standing["signup"]).unwrap();
            assert_eq!(shown["verdict"], standing["verdict"], "{query}");
            if let Some(listed) = listed.get(person) {
                assert_eq!(listed["signup"], standing["signup"], "{query}");
                assert_eq!(listed["basis"], standing["verdict"]["basis"], "{query}");
                let chain = standing["chain"].as_array().map_or(1, Vec::len);
                assert_eq!(listed["depth"], (chain - 1) / 2, "{query}");
            }
            let several =
                client.get("app.guestlist.getStandings", &format!("round={uri}&actors={person}")).await;
            assert_eq!(several["standings"], serde_json::json!([standing]), "{query}");
            let rounds =
                client.list("app.guestlist.listActorRounds", "rounds", &format!("actor={person}")).await;
            let round = rounds.iter().find(|round| round["round"] == uri).unwrap();
            assert_eq!(round["verdict"], standing["verdict"], "{query}");
            assert_eq!(round["canInvite"], standing["canInvite"], "{query}");
        }
    }
}
