//! A service with a writer behind it, and people with keys who call what takes a service token.
#![allow(clippy::disallowed_methods, reason = "tokens of now, and a file of identities")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::world::{Answer, Pairs, World, did, exchange, query_of};
use crate::codec::json::to_ipld;
use crate::codec::service_token::tests::Signer;
use crate::filing;
use crate::http::router;
use crate::identity::{Directory, Resolver};
use crate::orders::desk;
use crate::records::lexicon::LEXICONS;
use crate::spaces::{self, Bounds};
use crate::store::StoreError;

/// What any method may answer beside the errors of its lexicon.
const GENERIC: [(u16, &str); 4] =
    [(400, "InvalidRequest"), (401, "AuthRequired"), (403, "Forbidden"), (429, "RateLimitExceeded")];

/// What makes each token another.
static TOKENS: AtomicU64 = AtomicU64::new(1);

/// Whether a method takes a service token.
pub(super) fn wants_a_token(method: &str) -> bool {
    const OURS: [&str; 3] =
        ["app.guestlist.confirmAttestation", "app.guestlist.listAudit", "app.guestlist.listTickets"];
    method.starts_with("rsvp.") || method.starts_with("events.smokesignal.") || OURS.contains(&method)
}

/// A service that knows some people.
pub(super) struct Office {
    pub(super) world: World,
    pub(super) router: Router,
}

/// The key of somebody; of both curves among them.
pub(super) fn signer(name: &str) -> Signer {
    let number = name.bytes().fold(1_u8, |number, byte| number.wrapping_mul(31).wrapping_add(byte)).max(1);
    if name.len().is_multiple_of(2) { Signer::p256(number) } else { Signer::k256(number) }
}

/// What a right token of somebody claims.
pub(super) fn claims(name: &str, method: &str) -> Value {
    let now = Timestamp::now().as_second();
    json!({
        "iss": did(name).as_str(), "aud": "did:web:guestlist.example", "lxm": method,
        "iat": now, "exp": now + 60, "jti": TOKENS.fetch_add(1, Ordering::Relaxed).to_string(),
    })
}

/// A right token of somebody, for one call.
pub(super) fn token(name: &str, method: &str) -> String {
    signer(name).token(&claims(name, method))
}

impl World {
    /// Gives the service a writer, which ends with it, and people keys and handles.
    pub(super) fn employ(&mut self, people: &[&str]) {
        self.employ_within(people, Bounds::default());
    }

    pub(super) fn employ_within(&mut self, people: &[&str], bounds: Bounds) {
        let (desk, orders) = desk();
        self.service.desk = desk;
        let store = self.service.store.clone();
        thread::spawn(move || {
            while let Ok(Some(order)) = orders.channel().recv() {
                let now = Timestamp::now().as_millisecond();
                let mut answer = None;
                let written = store.write::<StoreError>(|rows| {
                    answer = Some(spaces::apply(rows, &bounds, now, &order.request)?);
                    Ok(filing::move_position(rows)?)
                });
                written.unwrap();
                order.answer(answer.unwrap());
            }
        });
        let document = |name: &&str| {
            let did = did(name);
            json!({
                "id": did.as_str(),
                "alsoKnownAs": [format!("at://{name}.example")],
                "verificationMethod": [{
                    "id": format!("{did}#atproto"), "type": "Multikey", "controller": did.as_str(),
                    "publicKeyMultibase": signer(name).multikey(),
                }],
            })
            .to_string()
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), people.iter().map(document).collect::<Vec<_>>().join("\n")).unwrap();
        self.service.identities = Resolver::offline(Directory::load(&[file.path().to_owned()]).unwrap());
    }
}

impl Office {
    pub(super) fn of(people: &[&str]) -> Self {
        Self::within(people, Bounds::default(), |_| {})
    }

    pub(super) fn within(people: &[&str], bounds: Bounds, change: impl FnOnce(&mut World)) -> Self {
        let mut world = World::new();
        world.employ_within(people, bounds);
        change(&mut world);
        Self { router: router(world.service.clone()), world }
    }

    /// Sends a body to a procedure.
    pub(super) async fn post(&self, method: &str, token: Option<&str>, kind: &str, body: Body) -> Answer {
        let mut request = Request::post(format!("/xrpc/{method}")).header("content-type", kind);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = exchange(self.router.clone(), request.body(body).unwrap()).await;
        answer.assert_is_of(method);
        answer
    }

    /// Calls a procedure.
    pub(super) async fn call(&self, name: &str, method: &str, input: Value) -> Answer {
        let token = token(name, method);
        self.post(method, Some(&token), "application/json", Body::from(input.to_string())).await
    }

    /// Calls a procedure that must succeed.
    pub(super) async fn done(&self, name: &str, method: &str, input: Value) -> Value {
        let answer = self.call(name, method, input.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {input}: {}", answer.json);
        answer.json
    }

    /// Asks a query.
    pub(super) async fn ask(&self, name: &str, method: &str, params: Pairs<'_>) -> Answer {
        self.ask_with(&token(name, method), method, params).await
    }

    pub(super) async fn ask_with(&self, token: &str, method: &str, params: Pairs<'_>) -> Answer {
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("/xrpc/{method}?{}", query_of(params)))
            .header("authorization", format!("Bearer {token}"));
        let answer = exchange(self.router.clone(), request.body(Body::empty()).unwrap()).await;
        answer.assert_is_of(method);
        answer
    }

    /// Asks a query that must succeed.
    pub(super) async fn get(&self, name: &str, method: &str, params: Pairs<'_>) -> Value {
        let answer = self.ask(name, method, params).await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {params:?}: {}", answer.json);
        answer.json
    }

    /// Reads a list to its end.
    pub(super) async fn list(&self, name: &str, method: &str, of: &str, params: Pairs<'_>) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut params = params.to_vec();
            if let Some(cursor) = &cursor {
                params.retain(|(name, _)| *name != "cursor");
                params.push(("cursor", cursor));
            }
            let mut page = self.get(name, method, &params).await;
            items.extend(page[of].as_array().unwrap().clone());
            match page["cursor"].take() {
                Value::String(next) => cursor = Some(next),
                _ => return items,
            }
        }
    }

    /// A space that somebody makes by hand.
    pub(super) async fn space(&self, name: &str, key: &str) -> String {
        let made = self.done(name, "rsvp.atmo.space.admin.createSpace", json!({ "key": key })).await;
        made["space"]["uri"].as_str().unwrap().to_owned()
    }

    /// An invite that somebody makes: its token and its hash.
    pub(super) async fn invite(&self, name: &str, space: &str, more: Value) -> (String, String) {
        let mut input = json!({ "spaceUri": space });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.done(name, "rsvp.atmo.space.invite.create", input).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["token"]), text(&made["invite"]["tokenHash"]))
    }

    pub(super) async fn redeem(&self, name: &str, token: &str) -> Answer {
        self.call(name, "rsvp.atmo.space.invite.redeem", json!({ "token": token })).await
    }
}

impl Answer {
    /// Asserts that an answer is one that the lexicon of its method has, and is for its caller alone.
    fn assert_is_of(&self, method: &str) {
        assert_eq!(self.headers["content-type"], "application/json", "{method}");
        if self.status == StatusCode::OK {
            let answer = to_ipld(self.json.clone()).unwrap();
            assert_eq!(LEXICONS.output_deviations(method, &answer), Some(Vec::new()), "{}", self.json);
            assert_eq!(self.headers["cache-control"], "no-store", "{method}");
            assert!(!self.headers.contains_key("etag"), "{method}");
            return;
        }
        let (status, name) = (self.status.as_u16(), self.json["error"].as_str().unwrap());
        let declared = LEXICONS.errors(method).unwrap_or_default();
        let is_declared =
            declared.iter().any(|error| error.name == name && error.status().is_none_or(|of| of == status));
        let of_layers = [405, 408, 413, 431, 503].contains(&status);
        assert!(is_declared || of_layers || GENERIC.contains(&(status, name)), "{method}: {}", self.json);
    }
}
