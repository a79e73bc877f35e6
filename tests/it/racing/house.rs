//! A chat of the Portal with people who are logged in there, and the two ways to it: the writer's desk, and HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{Method, Request, header};
use futures_util::future::join_all;
use guestlist::spaces::chats::Levels;
use guestlist::spaces::command::{Answer, By, Command, Done, InviteTerms, Refusal, Request as Order};
use guestlist::syntax::{Did, TokenHash};
use guestlist::tables::portal::{Chat, Level, Visibility};
use guestlist::tables::spaces::Perms;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Scene, exchange};
use crate::browsers::{LOG_IN, PORTAL};
use crate::tokens::Person;
use crate::writers::by;

/// What makes each secret and each code that is made here another.
static SECRETS: AtomicU64 = AtomicU64::new(1);

/// Milliseconds that a session is, far more than a test takes.
const A_WHILE: i64 = 3_600_000;

/// A scene whose space is a chat, and what the cookies of its people say.
pub(super) struct House {
    pub(super) scene: Scene,
    pub(super) chat: u64,
    pub(super) secrets: Vec<String>,
}

/// An invite without an end, for so many.
pub(super) fn uses(max_uses: Option<u64>) -> InviteTerms {
    InviteTerms { perms: Perms::Write, max_uses, expires_at: None, note: None }
}

impl House {
    /// A public chat of the first of so many people, all of whom are logged in. In every other run they come by HTTP.
    /// So many of them, from the second on, are moderators.
    pub(super) async fn new(run: u64, count: usize, moderators: usize) -> Self {
        Self::by(run % 2 == 1, count, moderators).await
    }

    /// One in which nobody is logged in yet, and there is no chat.
    pub(super) fn empty(by_http: bool, count: usize, moderators: usize) -> Self {
        let people = Person::many(count);
        let level = |person: &Person| (Did::parse(&person.did).unwrap(), Level::Moderator);
        let levels: Levels = people[1..].iter().take(moderators).map(level).collect();
        Self { scene: Scene::of_portal(by_http, people, levels), chat: 0, secrets: Vec::new() }
    }

    pub(super) async fn by(by_http: bool, count: usize, moderators: usize) -> Self {
        let mut house = Self::empty(by_http, count, moderators);
        let logins = join_all((0..count).map(|who| house.log_in_at_the_desk(who))).await;
        house.secrets = logins.into_iter().map(|(secret, _)| secret).collect();
        house.open_chat().await;
        house
    }

    /// The same with a code, which the given person makes.
    pub(super) async fn with_code(run: u64, count: usize, maker: usize, terms: InviteTerms) -> Arc<Self> {
        let mut house = Self::new(run, count, maker).await;
        house.scene.token = house.create(maker, terms).await.unwrap();
        Arc::new(house)
    }

    /// Makes another chat, which is now the one that is meant.
    pub(super) async fn open_chat(&mut self) {
        let made = Command::CreateChat { name: "tea".into(), visibility: Visibility::Public };
        let Ok(Done::Chat { number, .. }) = self.ask(0, made).await else { panic!("no chat") };
        let owner = Did::parse(&self.scene.people[0].did).unwrap();
        (self.chat, self.scene.space) = (number, Chat::place(&owner, number));
    }

    fn is_by_http(&self) -> bool {
        self.scene.router.is_some()
    }

    /// Somebody asks the writer, by their session.
    pub(super) async fn ask(&self, who: usize, command: Command) -> Answer {
        let (did, hash) =
            (Did::parse(&self.scene.people[who].did).unwrap(), TokenHash::of(&self.secrets[who]));
        self.scene.writer.desk.ask(Order { by: By::Session { did, hash }, command }).await.unwrap()
    }

    /// A call over HTTP. Whoever hears that too much is asked at once comes again.
    pub(super) async fn call(&self, secret: &str, verb: Method, path: &str, input: Value) -> (u16, Value) {
        let router = self.scene.router.as_ref().expect("they come by HTTP");
        loop {
            let request = Request::builder()
                .method(verb.clone())
                .uri(format!("{PORTAL}{path}"))
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::COOKIE, format!("psession={secret}"))
                .body(Body::from(if input.is_null() { String::new() } else { input.to_string() }));
            let answer = exchange(router, request.unwrap()).await;
            if answer.0 != 503 {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// Logs somebody in; what their cookie says, and their number.
    pub(super) async fn log_in(&self, who: usize) -> (String, u64) {
        let Some(router) = &self.scene.router else { return self.log_in_at_the_desk(who).await };
        let request = Request::post(format!("{PORTAL}/session"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.scene.people[who].token(LOG_IN)))
            .body(Body::empty());
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        let secret = cookie["psession=".len()..].split(';').next().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let view: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(view["did"], self.scene.people[who].did);
        (secret, view["user_id"].as_u64().unwrap())
    }

    async fn log_in_at_the_desk(&self, who: usize) -> (String, u64) {
        let number = SECRETS.fetch_add(1, Ordering::Relaxed);
        let secret = format!("secret {number}");
        let expires_at = Timestamp::now().as_millisecond() + A_WHILE;
        let command = Command::OpenSession { hash: TokenHash::of(&secret), expires_at, instead_of: None };
        let order = by(&self.scene.people[who].did, command);
        match self.scene.writer.desk.ask(order).await.unwrap() {
            Ok(Done::Session { user }) => (secret, user),
            other => panic!("{other:?}"),
        }
    }

    /// Somebody resolves the code: whether they are in, and whether they were not before.
    pub(super) async fn resolve(&self, who: usize) -> Option<bool> {
        let view = |joined: bool| json!({ "chat_id": self.chat, "name": "tea", "visibility": "public", "joined": joined });
        let (status, answer) = if self.is_by_http() {
            let path = format!("/resolve/{}", self.scene.token);
            self.call(&self.secrets[who], Method::POST, &path, Value::Null).await
        } else {
            match self.ask(who, Command::Redeem { hash: self.scene.hash() }).await {
                Ok(Done::Joined { space, is_new, .. }) if space == self.scene.space => (200, view(is_new)),
                Err(refusal) => (status_of(refusal), Value::Null),
                other => panic!("{other:?}"),
            }
        };
        if status == 200 {
            let joined = answer["joined"].as_bool().unwrap();
            assert_eq!(answer, view(joined));
            return Some(joined);
        }
        assert_eq!(status, 400, "{answer}");
        None
    }

    /// These resolve the code at once; who is in, and whether they were not before.
    pub(super) async fn resolve_at_once(
        self: &Arc<Self>,
        who: impl Iterator<Item = usize>,
    ) -> Vec<(usize, bool)> {
        let all = who.map(|who| {
            let house = Arc::clone(self);
            tokio::spawn(async move { house.resolve(who).await.map(|is_new| (who, is_new)) })
        });
        let all: Vec<_> = all.collect();
        join_all(all).await.into_iter().filter_map(Result::unwrap).collect()
    }

    /// Somebody makes an invite: its code, or the status of a refusal.
    pub(super) async fn create(&self, who: usize, terms: InviteTerms) -> Result<String, u16> {
        if self.is_by_http() {
            let ends = terms.expires_at.map(|at| Timestamp::from_millisecond(at).unwrap().to_string());
            let input = json!({ "max_uses": terms.max_uses, "expires_at": ends });
            let path = format!("/chats/{}/invites", self.chat);
            let (status, answer) = self.call(&self.secrets[who], Method::POST, &path, input).await;
            return match status {
                200 => Ok(answer["code"].as_str().unwrap().to_owned()),
                _ => Err(status),
            };
        }
        let code = format!("code{:012}", SECRETS.fetch_add(1, Ordering::Relaxed));
        let space = self.scene.space.clone();
        match self.ask(who, Command::CreateCode { space, code: code.as_str().into(), terms }).await {
            Ok(Done::Invite(_)) => Ok(code),
            Err(refusal) => Err(status_of(refusal)),
            other => panic!("{other:?}"),
        }
    }

    /// Somebody ends the invite by its code; the status.
    pub(super) async fn delete(&self, who: usize) -> u16 {
        if self.is_by_http() {
            let path = format!("/chats/{}/invites/{}/delete", self.chat, self.scene.token);
            return self.call(&self.secrets[who], Method::POST, &path, Value::Null).await.0;
        }
        let command = Command::Revoke { space: self.scene.space.clone(), hash: self.scene.hash() };
        self.ask(who, command).await.map_or_else(status_of, |_| 200)
    }
}

/// The status under which the Portal answers a refusal.
fn status_of(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::InvalidInvite => 400,
        Refusal::NoSession => 401,
        Refusal::Forbidden => 403,
        Refusal::SpaceNotFound | Refusal::InviteNotFound => 404,
        Refusal::Quota => 409,
        other => panic!("{other:?}"),
    }
}
