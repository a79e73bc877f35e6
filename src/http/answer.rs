//! Running a query: one snapshot, one clock reading, one answer.
//!
//! A snapshot keeps the writer waiting and may not cross an await, so a query runs to its end on a blocking
//! thread. Failures of ours are logged here, once, and nowhere else. Spec: DESIGN §2 "Consistent reads".
#![allow(clippy::disallowed_methods, reason = "a shell: round states need the time of day")]

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::{self, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::cursor;
use super::door::{Visitor, private};
use super::error::{ApiError, Failure};
use super::memo::Memo;
use super::names::{Asker, Found, Names};
use super::pace::Pace;
use super::params::Params;
use super::{POSITION, Service};
use crate::spaces::command::Command;
use crate::syntax::{Did, Handle};
use crate::tables::keys::MetaKey;
use crate::tables::number;
use crate::tables::view::{Rows, RowsError};

/// What an entity tag of something that depends on the time is cut to.
const MICROS_PER_SECOND: i64 = 1_000_000;

/// What the version is called outside.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The service as the handlers share it.
pub(super) struct Shared {
    service: Service,
    /// A permit is held until the work ends, which is later than the answer when the client was turned away.
    permits: Arc<Semaphore>,
    asker: Asker,
    pace: Pace,
}

impl Shared {
    pub(super) fn new(service: Service) -> Self {
        let permits = Arc::new(Semaphore::new(service.limits.concurrent_queries_max));
        Self { permits, asker: Asker::new(), pace: Pace::new(&service.limits.rates), service }
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// A short hash of what answers depend on beside rows and time: the version, the URLs, and handles.
    fn setting(&self) -> String {
        let mut setting = Sha256::new();
        setting.update(VERSION);
        setting.update([0]);
        setting.update(&self.service.public_url);
        setting.update([0]);
        setting.update(self.service.event_url.as_str());
        setting.update([0]);
        setting.update(self.service.identities.fingerprint());
        short(setting)
    }
}

/// What a query is computed from.
pub(super) struct Call<'a> {
    /// The NSID that was called.
    pub(super) method: &'static str,
    /// Who calls, where the method takes a service token.
    pub(super) caller: Option<&'a Did>,
    /// What was asked.
    pub(super) params: &'a Params,
    /// The store as of one moment.
    pub(super) rows: &'a dyn Rows,
    /// Whose the handles in it are.
    pub(super) names: &'a Names<'a>,
    /// Everything else.
    pub(super) service: &'a Service,
    /// The time of the call, in microseconds since the epoch.
    pub(super) now: i64,
}

impl Call<'_> {
    /// Who calls a method that takes a service token.
    pub(super) fn caller(&self) -> Result<&Did, ApiError> {
        self.caller.ok_or(ApiError::Internal)
    }
}

/// What a query finds out, and how it is sent.
pub(super) trait Answer: 'static {
    /// The response that says it.
    fn response(self) -> Response;

    /// The entity tag, of an answer that depends on nothing but what it says.
    fn tag(&self) -> Option<String> {
        None
    }
}

/// As JSON, unless a type says otherwise.
impl<A: Serialize + 'static> Answer for A {
    fn response(self) -> Response {
        json(StatusCode::OK, &self)
    }
}

/// A query: a function of a call.
pub(super) type Run<A> = fn(&Call<'_>) -> Result<A, Failure>;

/// What an answer depends on beside what was asked, and so when it may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depends {
    /// The rows alone.
    OnRows,
    /// The rows and the time of day: what holds for one second may not hold in the next.
    OnTime,
    /// What it says. It is worked out every time, and holds however much is written beside it.
    ByContent,
}

impl Depends {
    /// The entity tag of an answer, if it is known before the answer is.
    fn tag(self, position: &str, setting: &str, now: i64) -> Option<String> {
        match self {
            Depends::OnRows => Some(format!("\"{position}-{setting}\"")),
            Depends::OnTime => Some(format!("\"{position}-{setting}-{}\"", now / MICROS_PER_SECOND)),
            Depends::ByContent => None,
        }
    }
}

/// The route of one query.
pub(super) fn query<A: Answer>(method: &'static str, depends: Depends, run: Run<A>) -> Router<Arc<Shared>> {
    let handler = move |State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery, headers: HeaderMap| {
        let asked = Asked::Query(raw);
        answer(shared, Request { method, depends, asked, known: known(&headers), caller: None }, run)
    };
    Router::new().route(&format!("/xrpc/{method}"), get(handler))
}

/// A query at a path of its own, of which one part is a parameter.
pub(super) async fn answer_path<A: Answer>(
    shared: Arc<Shared>,
    (method, depends): (&'static str, Depends),
    (name, value): (&'static str, String),
    headers: &HeaderMap,
    run: Run<A>,
) -> Response {
    let asked = Asked::Path(name, value);
    answer(shared, Request { method, depends, asked, known: known(headers), caller: None }, run).await
}

/// The entity tags that a client has answers for.
fn known(headers: &HeaderMap) -> Option<String> {
    headers.get(header::IF_NONE_MATCH)?.to_str().ok().map(str::to_owned)
}

/// The route of a query that takes a service token. Its answers are for the caller alone, and so are not remembered.
pub(super) fn private_query<A: Answer>(method: &'static str, run: Run<A>) -> Router<Arc<Shared>> {
    let handler = move |State(shared): State<Arc<Shared>>, request: extract::Request| async move {
        let answered = answer_caller(shared, method, request, run).await;
        private(answered.unwrap_or_else(ApiError::into_response))
    };
    Router::new().route(&format!("/xrpc/{method}"), get(handler))
}

async fn answer_caller<A: Answer>(
    shared: Arc<Shared>,
    method: &'static str,
    request: extract::Request,
    run: Run<A>,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let visitor = Visitor::at(&shared, &parts, method).await?;
    visitor.ask(&shared, Command::Admit).await?;
    let asked = Asked::Query(parts.uri.query().map(str::to_owned));
    let caller = Some(visitor.did().clone());
    let request = Request { method, depends: Depends::OnTime, asked, known: None, caller };
    Ok(answer(shared, request, run).await)
}

/// A request for a query.
struct Request {
    method: &'static str,
    depends: Depends,
    asked: Asked,
    /// The entity tags that the client has answers for.
    known: Option<String>,
    /// Who calls, where the method takes a service token.
    caller: Option<Did>,
}

impl Request {
    /// Whether the client has an answer with this entity tag.
    fn knows(&self, tag: Option<&str>) -> bool {
        let mut known = self.known.as_deref().unwrap_or_default().split(',');
        tag.is_some_and(|tag| known.any(|one| one.trim().trim_start_matches("W/") == tag))
    }
}

/// Where the parameters of a query stand.
enum Asked {
    /// In the query string, as it came.
    Query(Option<String>),
    /// In the path: a single one, decoded.
    Path(&'static str, String),
}

impl Asked {
    fn params(&self) -> Result<Params, ApiError> {
        match self {
            Asked::Query(raw) => Params::parse(raw.as_deref()),
            Asked::Path(name, value) => Ok(Params::of(name, value)),
        }
    }
}

async fn answer<A: Answer>(shared: Arc<Shared>, request: Request, run: Run<A>) -> Response {
    let request = Arc::new(request);
    let missing = match attempt(&shared, &request, Found::new(), run).await {
        Ok(response) => return response,
        Err(missing) => missing,
    };
    // Nothing is held while others are waited for: neither a snapshot nor a turn.
    match shared.asker.ask(&shared.service.identities, missing).await {
        // Whatever was asked for is found now, be it as nobody's.
        Ok(found) => match attempt(&shared, &request, found, run).await {
            Ok(response) => response,
            Err(_) => ApiError::Busy.into_response(),
        },
        Err(error) => error.into_response(),
    }
}

/// Runs a query on a thread of its own. `Err` with the handles that it needs to know of.
async fn attempt<A: Answer>(
    shared: &Arc<Shared>,
    request: &Arc<Request>,
    found: Found,
    run: Run<A>,
) -> Result<Response, Vec<Handle>> {
    let method = request.method;
    let (of_work, request) = (Arc::clone(shared), Arc::clone(request));
    let work = move |now| compute(&of_work, &request, now, &found, run);
    on_thread(shared, method, work).await.unwrap_or_else(|error| Ok(error.into_response()))
}

/// Does something that holds a snapshot, on a thread of its own, at a time in microseconds since the epoch.
///
/// # Errors
/// There is no room for it now, or it takes too long or panicked.
pub(super) async fn on_thread<T: Send + 'static>(
    shared: &Shared,
    method: &'static str,
    work: impl FnOnce(i64) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let permit = Arc::clone(&shared.permits).try_acquire_owned().map_err(|_| ApiError::Busy)?;
    let time_max = shared.service.limits.query_time_max;
    let now = Timestamp::now().as_microsecond();
    let span = tracing::Span::current();
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(|| work(now))
    });
    match tokio::time::timeout(time_max, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            tracing::error!(method, %error, "a query did not end: {error}");
            Err(ApiError::Internal)
        }
        Err(_) => {
            tracing::warn!(method, seconds = time_max.as_secs(), "a query took too long");
            Err(ApiError::TooSlow)
        }
    }
}

fn compute<A: Answer>(
    shared: &Shared,
    request: &Request,
    now: i64,
    found: &Found,
    run: Run<A>,
) -> Result<Response, Vec<Handle>> {
    let (method, service) = (request.method, &shared.service);
    // Before anything is read: if handles change meanwhile the answer is newer than its tag, which does no harm.
    let setting = shared.setting();
    let snapshot = service.store.snapshot();
    let rows = Memo::of(&*snapshot);
    let position = match position(&rows) {
        Ok(position) => position,
        Err(error) => return Ok(refuse(method, error.into())),
    };
    let mut tag = request.depends.tag(&position, &setting, now);
    let mut response = if request.knows(tag.as_deref()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let names = Names::new(&service.identities, found);
        let outcome = request.asked.params().map_err(Failure::from).and_then(|params| {
            let caller = request.caller.as_ref();
            run(&Call { method, caller, params: &params, rows: &rows, names: &names, service, now })
        });
        let missing = names.missing();
        if !missing.is_empty() {
            return Err(missing);
        }
        match outcome {
            Ok(answer) => {
                tag = tag.or_else(|| answer.tag());
                if request.knows(tag.as_deref()) {
                    StatusCode::NOT_MODIFIED.into_response()
                } else {
                    answer.response()
                }
            }
            Err(failure) => refuse(method, failure),
        }
    };
    drop(rows);
    drop(snapshot);
    let headers = response.headers_mut();
    for (name, value) in [(POSITION, position)].into_iter().chain(tag.map(|tag| (header::ETAG, tag))) {
        headers.insert(name, HeaderValue::try_from(value).expect("a position is made of letters and digits"));
    }
    Ok(response)
}

fn refuse(method: &'static str, failure: Failure) -> Response {
    told(method, failure).into_response()
}

/// What the client is told of a failure. What is ours is written down.
pub(super) fn told(method: &'static str, failure: Failure) -> ApiError {
    match failure {
        Failure::Client(error) => error,
        Failure::Store(error) => {
            tracing::error!(method, error = causes(&error), "a query failed");
            ApiError::Internal
        }
    }
}

/// An error with everything that led to it.
fn causes(error: &dyn Error) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    let body = serde_json::to_vec(answer).expect("an answer of strings and numbers serialises");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Which state of which store this is: no two states ever have the same.
fn position(rows: &dyn Rows) -> Result<String, RowsError> {
    let batches = number(rows, MetaKey::Position)?;
    // Batches are counted from 1 in every store, so a store that is made anew must not look like the old one.
    let store = short(Sha256::new_with_prefix(cursor::secret(rows)?));
    Ok(format!("{store}-{batches}"))
}

/// The first four bytes of a hash: what is compared is one state with the next, not with every other.
fn short(hash: Sha256) -> String {
    hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Serialize)]
struct Health {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// `/xrpc/_health`. It asks the store nothing and takes no permit: it must answer when all else is busy.
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Response {
    if shared.service.sources.is_ready(Timestamp::now().as_microsecond()) {
        return json(StatusCode::OK, &Health { version: VERSION, error: None, message: None });
    }
    let (error, message) = (
        Some("NotReady"),
        Some("a source has not caught up, is late, or may lack something: getStatus says which"),
    );
    json(StatusCode::SERVICE_UNAVAILABLE, &Health { version: VERSION, error, message })
}
