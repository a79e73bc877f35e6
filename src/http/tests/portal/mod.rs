//! The Portal as a browser and a program see it.

mod chats;
mod crossing;
mod invites;
mod managing;
mod refusals;
mod sessions;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};

use super::office::{Office, token};
use super::world::{Answer, did, exchange};
use crate::http::Portal;
use crate::net::Origin;
use crate::spaces::Bounds;
use crate::spaces::chats::Levels;
use crate::tables::portal::Level;

const CREATE_SESSION: &str = "app.guestlist.portal.createSession";

/// Where pages are from that may call, beside those of the service.
const APP: &str = "https://app.guestlist.example";

const PEOPLE: [&str; 6] = ["ada", "bea", "cal", "mod", "adm", "own"];

/// A service with the Portal, and people of every level.
pub(super) struct Site {
    pub(super) office: Office,
}

/// What a request has beside its method and path.
#[derive(Clone, Default)]
pub(super) struct With<'a> {
    cookie: Option<&'a str>,
    body: Option<Value>,
    headers: &'a [(&'a str, &'a str)],
}

pub(super) fn with(cookie: &str) -> With<'_> {
    With { cookie: Some(cookie), ..With::default() }
}

impl<'a> With<'a> {
    pub(super) fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(super) fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }
}

impl Site {
    pub(super) fn new() -> Self {
        let levels = [("mod", Level::Moderator), ("adm", Level::Admin), ("own", Level::Owner)];
        Self::of(&PEOPLE, levels.map(|(name, level)| (did(name), level)).into_iter().collect())
    }

    pub(super) fn of(people: &[&str], levels: Levels) -> Self {
        let bounds = Bounds { levels: levels.clone(), ..Bounds::default() };
        let origins = vec![Origin::parse(APP).unwrap()];
        let portal = Some(Portal { levels, origins });
        Self { office: Office::within(people, bounds, |world| world.service.portal = portal) }
    }

    pub(super) async fn send(&self, method: Method, path: &str, with: With<'_>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/v1/portal{path}"));
        if let Some(cookie) = with.cookie {
            request = request.header(header::COOKIE, format!("psession={cookie}"));
        }
        for (name, value) in with.headers {
            request = request.header(*name, *value);
        }
        let body = match with.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        exchange(self.office.router.clone(), request.body(body).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(Method::GET, path, with(cookie)).await
    }

    pub(super) async fn post(&self, path: &str, cookie: &str, body: Value) -> Answer {
        self.send(Method::POST, path, with(cookie).body(body)).await
    }

    /// Sends nothing but the request itself.
    pub(super) async fn poke(&self, path: &str, cookie: &str) -> Answer {
        self.send(Method::POST, path, with(cookie)).await
    }

    /// Trades a token for a session.
    pub(super) async fn open(&self, name: &str, with: With<'_>) -> Answer {
        let bearer = format!("Bearer {}", token(name, CREATE_SESSION));
        let headers = [with.headers, &[("authorization", bearer.as_str())]].concat();
        self.send(Method::POST, "/session", With { headers: &headers, ..with }).await
    }

    /// Logs somebody in; what their cookie says.
    pub(super) async fn log_in(&self, name: &str) -> String {
        let answer = self.open(name, With::default()).await;
        answer.done();
        answer.cookie()
    }

    /// Makes a chat; its number.
    pub(super) async fn chat(&self, cookie: &str, visibility: &str) -> u64 {
        let made = self.post("/chats", cookie, json!({ "name": "tea", "visibility": visibility })).await;
        made.done()["chat_id"].as_u64().unwrap()
    }

    /// Makes an invite; its code.
    pub(super) async fn invite(&self, cookie: &str, chat: u64, terms: Value) -> String {
        let made = self.post(&format!("/chats/{chat}/invites"), cookie, terms).await;
        made.done()["code"].as_str().unwrap().to_owned()
    }

    pub(super) async fn resolve(&self, cookie: &str, code: &str) -> Answer {
        self.poke(&format!("/resolve/{code}"), cookie).await
    }

    /// The codes that are listed.
    pub(super) async fn codes(&self, cookie: &str, chat: u64) -> Vec<String> {
        let list = self.get(&format!("/chats/{chat}/invites"), cookie).await;
        let invites = list.done()["invites"].as_array().unwrap().clone();
        invites.iter().map(|invite| invite["code"].as_str().unwrap().to_owned()).collect()
    }
}

impl Answer {
    /// What was asked for.
    #[track_caller]
    pub(super) fn done(&self) -> &Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        assert_eq!(self.headers["cache-control"], "no-store");
        &self.json
    }

    /// Asserts an error as the Portal words it, and returns its text.
    #[track_caller]
    pub(super) fn refused(&self, status: u16) -> &str {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        let body = self.json.as_object().unwrap();
        assert_eq!(body.keys().collect::<Vec<_>>(), ["correlation_id", "error"]);
        let id = body["correlation_id"].as_str().unwrap();
        let uuid = uuid::Uuid::parse_str(id).unwrap();
        assert_eq!((uuid.get_version_num(), uuid.to_string().as_str()), (4, id));
        assert_eq!(self.headers["content-type"], "application/json");
        assert_eq!(self.headers["cache-control"], "no-store");
        body["error"].as_str().unwrap()
    }

    /// What a browser is told to keep as its session.
    pub(super) fn cookie(&self) -> String {
        cookie_of(&self.headers)
    }
}

fn cookie_of(headers: &HeaderMap) -> String {
    let cookie = headers["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().strip_prefix("psession=").unwrap().to_owned()
}
