//! A host of accounts on loopback, as other people's are: it lists them, says how they stand and gives their
//! repositories, or does whatever it is told instead. It keeps a record of what it was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};

use crate::serving::serve;
use crate::signed::Repo;

/// What a host does instead of answering.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// Answers with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Answers as it otherwise would, after a while.
    Late(Duration),
    /// Answers with a status, and then with a byte each time that a while has passed.
    Drip(u16, Duration),
    /// Promises more than it sends, and drops the connection.
    Cut(Vec<u8>),
    /// Says how many bytes there are, and sends zeros for ever; without a number it does not say.
    Endless(Option<u64>),
    /// Takes the request and never answers it.
    Nothing,
}

/// What it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The last part of the method's name.
    pub(crate) method: String,
    pub(crate) query: BTreeMap<String, String>,
}

/// An account as the host has it.
struct Account {
    export: Vec<u8>,
    rev: String,
    collections: BTreeSet<String>,
    /// Why it is not active.
    status: Option<&'static str>,
}

#[derive(Default)]
struct Shared {
    accounts: BTreeMap<String, Account>,
    /// What it does at a method, for one account or for all.
    says: Vec<(&'static str, Option<String>, Say)>,
    /// Methods of which the answers are ready and not sent.
    held: BTreeSet<&'static str>,
    asked: Vec<Asked>,
    /// Accounts on a page.
    page: usize,
    /// It has no lists for collections.
    lists_everything_only: bool,
}

/// A running host; it lives as long as the test does.
#[derive(Clone)]
pub(crate) struct Pds {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Pds {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared { page: 100, ..Shared::default() }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Self { address: serve(router), shared }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    /// Its address as a document has it.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// It has this repository from now on, and gives it.
    pub(crate) fn has(&self, repo: &Repo) {
        let collections = repo.keys.keys().map(|path| path.split('/').next().unwrap().to_owned()).collect();
        let account = Account { export: repo.export(), rev: repo.rev(), collections, status: None };
        let mut shared = self.lock();
        shared.says.retain(|(_, of, _)| of.as_ref() != Some(&repo.did));
        shared.accounts.insert(repo.did.clone(), account);
    }

    /// An account of it is not active, or is again.
    pub(crate) fn stands(&self, did: &str, status: Option<&'static str>) {
        self.lock().accounts.get_mut(did).unwrap().status = status;
    }

    /// At this method it does that instead.
    pub(crate) fn says(&self, method: &'static str, say: Say) {
        self.lock().says.push((method, None, say));
    }

    /// It answers this when it is asked for the repository of an account.
    pub(crate) fn answers(&self, did: &str, status: u16, body: Vec<u8>) {
        let mut shared = self.lock();
        shared.says.retain(|(_, of, _)| of.as_deref() != Some(did));
        shared.says.push(("getRepo", Some(did.to_owned()), Say::Answer(status, Vec::new(), body)));
    }

    /// It does what a host does.
    pub(crate) fn is_well(&self) {
        self.lock().says.clear();
    }

    /// What it would answer is not sent before it is let go.
    pub(crate) fn holds(&self, method: &'static str) {
        self.lock().held.insert(method);
    }

    /// Everything that was held is sent.
    pub(crate) fn lets_go(&self) {
        self.lock().held.clear();
    }

    /// So many accounts are on a page. Between two full ones there is an empty one.
    pub(crate) fn pages_of(&self, page: usize) {
        self.lock().page = page;
    }

    /// It has no lists for collections, as PDSes have none.
    pub(crate) fn lists_everything_only(&self) {
        self.lock().lists_everything_only = true;
    }

    /// All that it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// How often it was asked this about an account.
    pub(crate) fn times_asked(&self, method: &str, did: &str) -> usize {
        let is_it = |asked: &&Asked| {
            asked.method == method && asked.query.get("did").is_some_and(|asked| asked == did)
        };
        self.lock().asked.iter().filter(is_it).count()
    }
}

async fn answer(
    State(shared): State<Arc<Mutex<Shared>>>,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let method = uri.path().rsplit('.').next().unwrap_or_default().to_owned();
    let (said, usual) = {
        let mut shared = shared.lock().unwrap();
        shared.asked.push(Asked { method: method.clone(), query: query.clone() });
        let is_meant = |(at, of, _): &&(&str, Option<String>, Say)| {
            *at == method && of.as_ref().is_none_or(|did| query.get("did") == Some(did))
        };
        let said = shared.says.iter().find(is_meant).map(|(_, _, say)| say.clone());
        (said, shared.usual(&method, &query))
    };
    // What it sends is what it had when it was asked.
    while shared.lock().unwrap().held.contains(&*method) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    match said {
        None => usual,
        Some(Say::Late(time)) => {
            tokio::time::sleep(time).await;
            usual
        }
        Some(say) => say.response().await,
    }
}

impl Say {
    async fn response(self) -> Response {
        let promised = |status: u16, length: Option<u64>, body: Body| {
            let mut response = Response::builder().status(status);
            if let Some(length) = length {
                response = response.header("Content-Length", length);
            }
            response.body(body).unwrap()
        };
        match self {
            Say::Answer(status, headers, body) => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(body)).unwrap()
            }
            Say::Drip(status, pause) => {
                let drops = stream::unfold((), move |()| async move {
                    tokio::time::sleep(pause).await;
                    Some((Ok::<_, Infallible>(vec![b'x']), ()))
                });
                promised(status, None, Body::from_stream(drops))
            }
            Say::Cut(sent) => {
                let length = sent.len() as u64 + 1000;
                let pieces = [Ok(sent), Err(std::io::Error::other("cut"))];
                promised(200, Some(length), Body::from_stream(stream::iter(pieces)))
            }
            Say::Endless(length) => {
                let zeros = stream::repeat_with(|| Ok::<_, Infallible>(vec![0; 1 << 16]));
                promised(200, length, Body::from_stream(zeros))
            }
            Say::Nothing | Say::Late(_) => std::future::pending().await,
        }
    }
}

impl Shared {
    /// What a host answers.
    fn usual(&self, method: &str, query: &BTreeMap<String, String>) -> Response {
        let account = query.get("did").and_then(|did| self.accounts.get(did));
        match (method, account) {
            ("listRepos", _) => self.list(query, |_| true),
            ("listReposByCollection", _) if self.lists_everything_only => {
                refusal(StatusCode::UNAUTHORIZED, "AuthMissing")
            }
            ("listReposByCollection", _) => {
                self.list(query, |account| account.collections.contains(&query["collection"]))
            }
            ("getRepo" | "getRepoStatus", None) => refusal(StatusCode::BAD_REQUEST, "RepoNotFound"),
            ("getRepo", Some(account)) => match account.status {
                None => account.export.clone().into_response(),
                Some("takendown") => refusal(StatusCode::BAD_REQUEST, "RepoTakendown"),
                Some("suspended") => refusal(StatusCode::BAD_REQUEST, "RepoSuspended"),
                Some(_) => refusal(StatusCode::BAD_REQUEST, "RepoDeactivated"),
            },
            ("getRepoStatus", Some(account)) => axum::Json(account.stands(&query["did"])).into_response(),
            _ => refusal(StatusCode::NOT_IMPLEMENTED, "MethodNotImplemented"),
        }
    }

    /// A page. Cursors are opaque to everybody else, and have odd characters in them.
    fn list(&self, query: &BTreeMap<String, String>, is_listed: impl Fn(&Account) -> bool) -> Response {
        let cursor = query.get("cursor").map_or("", String::as_str);
        let after = cursor.trim_end_matches(" &é");
        let mut rest = self.accounts.iter().filter(|(did, it)| did.as_str() > after && is_listed(it));
        let is_after_a_page = !cursor.is_empty() && cursor == after;
        let first: Vec<_> = rest.by_ref().take(self.page).collect();
        let has_more = rest.next().is_some();
        if is_after_a_page && has_more {
            // Nothing, and yet not the end.
            return axum::Json(json!({ "repos": [], "cursor": format!("{after} &é") })).into_response();
        }
        let repos: Vec<_> = first.iter().map(|(did, account)| account.stands(did)).collect();
        let mut page = json!({ "repos": repos });
        if has_more {
            page["cursor"] = json!(first.last().unwrap().0);
        }
        axum::Json(page).into_response()
    }
}

impl Account {
    fn stands(&self, did: &str) -> Value {
        let mut stands = json!({ "did": did, "active": self.status.is_none(), "rev": self.rev });
        if let Some(status) = self.status {
            stands["status"] = json!(status);
        }
        stands
    }
}

fn refusal(status: StatusCode, name: &str) -> Response {
    (status, axum::Json(json!({ "error": name, "message": "no" }))).into_response()
}
