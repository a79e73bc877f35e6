//! Running a query: one snapshot, one clock reading, one answer.
//!
//! A snapshot keeps the writer waiting and may not cross an await, so a query runs to its end on a blocking
//! thread. Failures of ours are logged here, once, and nowhere else. Spec: DESIGN §2 "Consistent reads".
#![allow(clippy::disallowed_methods, reason = "a shell: round states need the time of day")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::error::{ApiError, Failure};
use super::params::Params;
use super::{POSITION, Service};
use crate::tables::Metas;
use crate::tables::keys::MetaKey;
use crate::tables::rows::Meta;
use crate::tables::view::{ReadRows, Rows, RowsError};

/// What the version is called outside.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The service as the handlers share it.
pub(super) struct Shared {
    service: Service,
    /// A permit is held until the work ends, which is later than the answer when the client was turned away.
    permits: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(service: Service) -> Self {
        let permits = Arc::new(Semaphore::new(service.limits.concurrent_queries_max));
        Self { service, permits }
    }
}

/// What a query is computed from.
pub(super) struct Call<'a> {
    /// The NSID that was called.
    pub(super) method: &'static str,
    /// What was asked.
    pub(super) params: &'a Params,
    /// The store as of one moment.
    pub(super) rows: &'a dyn Rows,
    /// Everything else.
    pub(super) service: &'a Service,
    /// The time of the call, in microseconds since the epoch.
    pub(super) now: i64,
}

/// A query: a function of a call.
pub(super) type Run<A> = fn(&Call<'_>) -> Result<A, Failure>;

/// The route of one query.
pub(super) fn query<A: Serialize + 'static>(method: &'static str, run: Run<A>) -> Router<Arc<Shared>> {
    let handler =
        move |State(shared): State<Arc<Shared>>, RawQuery(raw): RawQuery| answer(shared, method, raw, run);
    Router::new().route(&format!("/xrpc/{method}"), get(handler))
}

async fn answer<A: Serialize + 'static>(
    shared: Arc<Shared>,
    method: &'static str,
    raw: Option<String>,
    run: Run<A>,
) -> Response {
    let Ok(permit) = Arc::clone(&shared.permits).try_acquire_owned() else {
        return ApiError::Busy.into_response();
    };
    let time_max = shared.service.limits.query_time_max;
    let now = Timestamp::now().as_microsecond();
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        compute(&shared.service, method, raw.as_deref(), now, run)
    });
    match tokio::time::timeout(time_max, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::error!(method, %error, "a query did not end: {error}");
            ApiError::Internal.into_response()
        }
        Err(_) => {
            tracing::warn!(method, seconds = time_max.as_secs(), "a query took too long");
            ApiError::TooSlow.into_response()
        }
    }
}

fn compute<A: Serialize>(
    service: &Service,
    method: &'static str,
    raw: Option<&str>,
    now: i64,
    run: Run<A>,
) -> Response {
    let (position, outcome) = {
        let rows = service.store.snapshot();
        let outcome = Params::parse(raw)
            .map_err(Failure::from)
            .and_then(|params| run(&Call { method, params: &params, rows: &*rows, service, now }));
        match position(&*rows) {
            Ok(position) => (position, outcome),
            Err(error) => return refuse(method, error.into()),
        }
    };
    let mut response = match outcome {
        Ok(answer) => json(StatusCode::OK, &answer),
        Err(failure) => refuse(method, failure),
    };
    response.headers_mut().insert(POSITION, HeaderValue::from(position));
    response
}

fn refuse(method: &'static str, failure: Failure) -> Response {
    match failure {
        Failure::Client(error) => error.into_response(),
        Failure::Store(error) => {
            tracing::error!(method, error = causes(&error), "a query failed");
            ApiError::Internal.into_response()
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

fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    let body = serde_json::to_vec(answer).expect("an answer of strings and numbers serialises");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// How many batches the store has seen.
fn position(rows: &dyn Rows) -> Result<u64, RowsError> {
    match rows.get::<Metas>(&MetaKey::Position)? {
        None => Ok(0),
        Some(Meta::Number(position)) => Ok(position),
        Some(Meta::Bytes(_)) => Err(RowsError::Contradiction { what: "the position is no number" }),
    }
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
    if shared.service.ready.load(Ordering::Acquire) {
        return json(StatusCode::OK, &Health { version: VERSION, error: None, message: None });
    }
    let (error, message) = (Some("NotReady"), Some("the service is starting"));
    json(StatusCode::SERVICE_UNAVAILABLE, &Health { version: VERSION, error, message })
}
