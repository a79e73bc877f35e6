//! A small network: people, their records, and a client that asks about them.
#![allow(clippy::disallowed_methods, reason = "it writes a file of identities")]

use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::codec::event::{self, Block, Commit, Event, Op, Origin, Write};
use crate::codec::json::{encode_dag_cbor, to_ipld};
use crate::http::{Service, router};
use crate::identity::{Directory, Resolver};
use crate::records::Kind;
use crate::records::lexicon::LEXICONS;
use crate::reduce::{From, reduce};
use crate::search::Search;
use crate::sources::Board;
use crate::store::Store;
use crate::syntax::{Cid, Did, RecordKey, Tid};
use crate::tables::keys::{MetaKey, RecordId};
use crate::tables::rows::Meta;
use crate::tables::view::Overlay;
use crate::tables::{Metas, Sources, keys, rows};

/// Longer than anything takes here on any machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const PAST: &str = "2000-01-01T00:00:00Z";
pub(super) const FUTURE: &str = "2999-01-01T00:00:00Z";

pub(super) struct World {
    pub(super) service: Service,
    events: u64,
}

/// Parameters of a query.
pub(super) type Pairs<'a> = &'a [(&'a str, &'a str)];

/// An answer as a client has it.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) json: Value,
}

pub(super) fn did(name: &str) -> Did {
    Did::parse(&format!("did:plc:{name}")).unwrap()
}

fn id(author: &str, kind: Kind, rkey: &str) -> RecordId {
    RecordId { did: did(author), kind, rkey: RecordKey::parse(rkey).unwrap() }
}

pub(super) fn uri(author: &str, kind: Kind, rkey: &str) -> String {
    id(author, kind, rkey).uri()
}

impl Drop for World {
    fn drop(&mut self) {
        self.service.search.close();
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::over(Store::in_memory().unwrap())
    }

    pub(super) fn over(store: Store) -> Self {
        let sources = Board::default();
        sources.complete();
        let service = Service { sources, ..Service::reading(store) };
        Self { service, events: 0 }
    }

    /// Lets its events be searched, for as long as it is there.
    pub(super) fn open_search(&mut self) {
        let (search, keeper) = Search::over(&self.service.store).unwrap();
        thread::spawn(move || keeper.run().unwrap());
        assert!(search.settle(PATIENCE));
        self.service.search = search;
    }

    /// Gives people handles: `name.example`.
    pub(super) fn introduce(&mut self, names: &[&str]) {
        let handles: Vec<_> = names.iter().map(|name| format!("{name}.example")).collect();
        let people: Vec<_> = names.iter().copied().zip(handles.iter().map(String::as_str)).collect();
        self.introduce_as(&people);
    }

    /// Gives people these handles.
    pub(super) fn introduce_as(&mut self, people: &[(&str, &str)]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("people.dids.jsonl");
        let line = |(name, handle): &(&str, &str)| {
            json!({ "id": did(name).as_str(), "alsoKnownAs": [format!("at://{handle}")] }).to_string()
        };
        std::fs::write(&path, people.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap();
        self.service.identities = Resolver::offline(Directory::load(&[path]).unwrap());
    }

    fn apply(&mut self, event: impl FnOnce(u64) -> Event) {
        self.events += 1;
        let changes = {
            let snapshot = self.service.store.snapshot();
            let mut overlay = Overlay::new(&*snapshot);
            let from = From { source: 0, position: self.events, is_new: true };
            reduce(&mut overlay, from, &event(self.events)).unwrap();
            overlay.put::<Metas>(&MetaKey::Position, &Meta::Number(self.events));
            overlay.into_changes()
        };
        self.service.store.commit(changes).unwrap();
    }

    fn commit(&mut self, author: &str, kind: Kind, rkey: &str, write: Write) {
        let did = did(author);
        let op = Op { collection: kind.nsid(), rkey: RecordKey::parse(rkey).unwrap(), write };
        self.apply(|number| {
            let rev = Tid::from_be_bytes((number << 10).to_be_bytes());
            Event::Commit(Commit { did, rev, origin: Origin::Jetstream, ops: vec![op], damaged: Vec::new() })
        });
    }

    /// Writes a record and returns a reference to it. `$type` and `createdAt` are filled in.
    pub(super) fn put(&mut self, author: &str, kind: Kind, rkey: &str, mut record: Value) -> Value {
        let fields = record.as_object_mut().unwrap();
        fields.entry("$type").or_insert_with(|| json!(kind.nsid()));
        fields.entry("createdAt").or_insert_with(|| json!("2026-01-01T00:00:00Z"));
        let bytes = encode_dag_cbor(&record.to_string()).unwrap();
        self.put_bytes(author, kind, rkey, bytes)
    }

    /// Writes whatever these bytes are.
    pub(super) fn put_bytes(&mut self, author: &str, kind: Kind, rkey: &str, bytes: Vec<u8>) -> Value {
        let cid = Cid::compute_dag_cbor(&bytes);
        self.commit(author, kind, rkey, Write::Put(Block { cid, bytes, fault: None }));
        json!({ "uri": uri(author, kind, rkey), "cid": cid.to_string() })
    }

    pub(super) fn delete(&mut self, author: &str, kind: Kind, rkey: &str) {
        self.commit(author, kind, rkey, Write::Delete);
    }

    pub(super) fn account(&mut self, name: &str, status: Option<&str>) {
        let account = event::Account {
            did: did(name),
            active: status.is_none(),
            status: status.map(Into::into),
            time: None,
        };
        self.apply(|_| Event::Account(account));
    }

    /// Notes a source that has been read so far.
    pub(super) fn source(&mut self, name: &str, source: &rows::Source) {
        let changes = {
            let snapshot = self.service.store.snapshot();
            let mut overlay = Overlay::new(&*snapshot);
            let key = keys::SourceKey {
                kind: "replay".to_owned(),
                name: name.to_owned(),
                fingerprint: String::new(),
            };
            overlay.put::<Sources>(&key, source);
            overlay.into_changes()
        };
        self.service.store.commit(changes).unwrap();
    }

    /// A round of `author`'s own jam.
    pub(super) fn round(&mut self, author: &str, rkey: &str, mode: &str, more: Value) -> Value {
        let jam = self.put(author, Kind::Jam, "jam", json!({ "name": "Jam" }));
        let mut round = json!({
            "jam": jam,
            "assignment": "Write something.",
            "acceptedSubmissionTypes": ["at.atjam.jam"],
            "milestones": [{ "label": "signup-deadline", "date": FUTURE }],
            "joinMode": mode,
        });
        round.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.put(author, Kind::Round, rkey, round)
    }

    pub(super) fn invite(&mut self, author: &str, rkey: &str, round: &Value, invitee: &str) -> Value {
        self.put(author, Kind::Invitation, rkey, json!({ "round": round, "invitee": did(invitee).as_str() }))
    }

    pub(super) fn sign_up(
        &mut self,
        author: &str,
        rkey: &str,
        round: &Value,
        invitation: Option<&Value>,
    ) -> Value {
        let mut signup = json!({ "round": round });
        if let Some(invitation) = invitation {
            signup["invitation"] = invitation.clone();
        }
        self.put(author, Kind::Signup, rkey, signup)
    }

    /// A network round: ada invites bea, bea invites cal, and both sign up.
    pub(super) fn network(&mut self) -> Value {
        let round = self.round("ada", "r", "network", json!({}));
        let for_bea = self.invite("ada", "i1", &round, "bea");
        self.sign_up("bea", "s1", &round, Some(&for_bea));
        let for_cal = self.invite("bea", "i2", &round, "cal");
        self.sign_up("cal", "s2", &round, Some(&for_cal));
        round
    }

    /// Sends a request.
    pub(super) async fn send(&self, method: Method, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        exchange(router(self.service.clone()), request).await
    }

    /// Calls a query with pairs, which are escaped here.
    pub(super) async fn ask(&self, method: &str, params: Pairs<'_>) -> Answer {
        let answer = self.send(Method::GET, &format!("/xrpc/{method}?{}", query_of(params))).await;
        if answer.status == StatusCode::OK {
            answer.assert_follows(method);
        }
        answer
    }

    /// Calls a query that must succeed.
    pub(super) async fn get(&self, method: &str, params: Pairs<'_>) -> Value {
        let answer = self.ask(method, params).await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {params:?}: {}", answer.json);
        answer.json
    }

    /// Reads a list to its end, page by page, and returns its items.
    pub(super) async fn list(&self, method: &str, of: &str, params: Pairs<'_>) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut params = params.to_vec();
            params.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let mut page = self.get(method, &params).await;
            items.extend(page[of].as_array().unwrap().clone());
            match page["cursor"].take() {
                Value::String(next) => cursor = Some(next),
                _ => return items,
            }
        }
    }
}

/// The query string of pairs, which are escaped here.
pub(super) fn query_of(params: Pairs<'_>) -> String {
    let pair = |(name, value): &(&str, &str)| {
        let escaped: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        format!("{name}={escaped}")
    };
    params.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Sends one request to a router.
pub(super) async fn exchange(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Answer { status: parts.status, headers: parts.headers, json }
}

impl Answer {
    fn assert_follows(&self, method: &str) {
        let nsid = method.replace("GetEvent", "getEvent");
        let answer = to_ipld(self.json.clone()).unwrap();
        let deviations = LEXICONS.output_deviations(&nsid, &answer);
        assert_eq!(deviations, Some(Vec::new()), "{}", self.json);
        assert!(self.headers.contains_key("guestlist-position"), "{method}");
        assert_eq!(self.headers["content-type"], "application/json");
    }

    /// Asserts an error and returns its message.
    pub(super) fn assert_error(&self, status: u16, name: &str) -> &str {
        assert_eq!(
            (self.status.as_u16(), self.json["error"].as_str()),
            (status, Some(name)),
            "{}",
            self.json
        );
        assert_eq!(self.headers["content-type"], "application/json");
        self.json["message"].as_str().unwrap()
    }
}
