//! The look-ups themselves: a document by its DID, an account by its handle. Spec: PROTOCOL §6.1 and §6.2.

use std::sync::Arc;

use hyper::StatusCode;

use super::document::{Document, FormerKey};
use super::failure::{Unresolved, UnresolvedHandle};
use super::gate::Gate;
use super::method::Method;
use super::plc::{DOCUMENT_BYTES_MAX, Plc, read};
use super::settings::Settings;
use crate::net::Failure;
use crate::net::Guard;
use crate::net::Network;
use crate::net::Origin;
use crate::net::{NamedBy, Web, Wish};
use crate::syntax::{Did, Handle};

/// Where a `did:web` has its document, and a handle its account.
const DOCUMENT_PATH: &str = "/.well-known/did.json";
const HANDLE_PATH: &str = "/.well-known/atproto-did";

/// Bytes of an answer that is a DID: the longest one fits.
const HANDLE_BYTES_MAX: usize = 2_100;

/// Redirects that are followed for a handle: to `www`, and once more.
const HANDLE_REDIRECTS_MAX: u32 = 3;

/// What a TXT record of a handle begins with.
const TEXT_PREFIX: &str = "did=";

/// Looks things up. Remembers nothing.
pub(super) struct Lookups {
    web: Web,
    plc: Plc,
    /// Of documents at hosts of their own. Apart from the directory's, so that slow hosts do not hold that up.
    hosts: Gate,
    handles: Gate,
}

impl Lookups {
    pub(super) fn new(settings: &Settings, network: Arc<dyn Network>) -> Self {
        let guard = Guard { private: settings.allow_private_networks };
        Self {
            web: Web { network, guard, patience: settings.patience },
            plc: Plc::new(settings),
            hosts: Gate::new(settings.limits.hosts),
            handles: Gate::new(settings.limits.handles),
        }
    }

    pub(super) fn guard(&self) -> Guard {
        self.web.guard
    }

    /// How an account is resolved, if it can be.
    pub(super) fn method(&self, did: &Did) -> Result<Method, Unresolved> {
        Method::of(did, self.guard()).ok_or(Unresolved::Unsupported)
    }

    /// The document of an account.
    pub(super) async fn document(&self, did: &Did) -> Result<Arc<Document>, Unresolved> {
        match self.method(did)? {
            Method::Plc => self.plc.document(&self.web, did).await,
            Method::Web(origin) => self.document_at(&origin, did).await,
        }
    }

    /// The keys that an account had before. Nobody keeps those of a `did:web`.
    pub(super) async fn former_keys(&self, did: &Did) -> Result<Arc<[FormerKey]>, Unresolved> {
        match self.method(did)? {
            Method::Plc => self.plc.former_keys(&self.web, did).await,
            Method::Web(_) => Err(Unresolved::NotThere),
        }
    }

    async fn document_at(&self, origin: &Origin, did: &Did) -> Result<Arc<Document>, Unresolved> {
        let entered = self.hosts.enter_within(&origin.authority(), self.web.patience).await;
        let _pass = entered.map_err(|_| Unresolved::Busy)?;
        let wish = Wish {
            origin,
            path: DOCUMENT_PATH,
            named_by: NamedBy::Stranger,
            bytes_max: DOCUMENT_BYTES_MAX,
            redirects_max: 0,
        };
        let answer = self.web.get(wish).await.map_err(Unresolved::Failed)?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Unresolved::NotThere),
            status if status.is_success() => read(&answer.body, did),
            status => Err(Unresolved::Failed(Failure::Status(status))),
        }
    }

    /// The account that a handle names: by DNS, or where that says nothing by its web server. Whether the account
    /// knows of it is another question.
    pub(super) async fn did_of(&self, handle: &Handle) -> Result<Did, UnresolvedHandle> {
        if self.guard().is_reserved(handle.as_str()) {
            return Err(UnresolvedHandle::Reserved);
        }
        let entered = self.handles.enter_within(handle.as_str(), self.web.patience).await;
        let _pass = entered.map_err(|_| UnresolvedHandle::Busy)?;
        let found = tokio::time::timeout(self.web.patience, self.ask_for(handle)).await;
        let did = found.unwrap_or(Err(UnresolvedHandle::Failed(Failure::TimedOut)))?;
        // Nothing that nobody can resolve is remembered: it may be long.
        self.method(&did).map_err(UnresolvedHandle::Account)?;
        Ok(did)
    }

    async fn ask_for(&self, handle: &Handle) -> Result<Did, UnresolvedHandle> {
        let by_name = match self.did_by_name(handle).await {
            Ok(Some(did)) => return Ok(did),
            Ok(None) => None,
            Err(error @ UnresolvedHandle::Ambiguous) => return Err(error),
            Err(error) => Some(error),
        };
        // That the web server knows nothing is the whole answer only if DNS said so too.
        self.did_by_web(handle).await.map_err(|error| match (error, by_name) {
            (UnresolvedHandle::NotThere, Some(by_name)) => by_name,
            (error, _) => error,
        })
    }

    async fn did_by_name(&self, handle: &Handle) -> Result<Option<Did>, UnresolvedHandle> {
        let name = format!("_atproto.{handle}");
        // The rest of the time is the web server's.
        let texts = tokio::time::timeout(self.web.patience / 2, self.web.network.texts(&name)).await;
        let texts = texts.map_err(|_| UnresolvedHandle::Failed(Failure::TimedOut))?;
        let texts = texts.map_err(|error| UnresolvedHandle::Failed(Failure::Name(Arc::new(error))))?;
        let mut dids =
            texts.iter().filter_map(|text| Did::parse(text.strip_prefix(TEXT_PREFIX)?.trim()).ok());
        let Some(did) = dids.next() else { return Ok(None) };
        if dids.any(|other| other != did) { Err(UnresolvedHandle::Ambiguous) } else { Ok(Some(did)) }
    }

    async fn did_by_web(&self, handle: &Handle) -> Result<Did, UnresolvedHandle> {
        let wish = Wish {
            origin: &Origin::of_name(handle.as_str()),
            path: HANDLE_PATH,
            named_by: NamedBy::Stranger,
            bytes_max: HANDLE_BYTES_MAX,
            redirects_max: HANDLE_REDIRECTS_MAX,
        };
        let answer = self.web.get(wish).await.map_err(UnresolvedHandle::Failed)?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(UnresolvedHandle::NotThere),
            status if !status.is_success() => Err(UnresolvedHandle::Failed(Failure::Status(status))),
            _ => {
                let text = String::from_utf8(answer.body).unwrap_or_default();
                Did::parse(text.trim()).map_err(|_| UnresolvedHandle::Failed(Failure::Unreadable))
            }
        }
    }
}
