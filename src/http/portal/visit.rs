//! Who comes with a session: from the cookie to a person, and what they may read.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::request::Parts;

use crate::http::answer::{Call, Shared, on_thread, told};
use crate::http::door::Visitor;
use crate::http::error::{ApiError, Failure};
use crate::http::names::{Found, Names};
use crate::http::params::Params;
use crate::http::portal::cookie;
use crate::http::requests::Client;
use crate::rules::accounts;
use crate::spaces::chats::Levels;
use crate::spaces::{chats, sessions};
use crate::syntax::Did;
use crate::tables::Chats;
use crate::tables::portal::{Chat, Session};
use crate::tables::view::ReadRows;

/// Microseconds in a millisecond.
const MICROS: i64 = 1_000;

/// What somebody with a session reads, as of one moment.
pub(super) struct View<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) did: &'a Did,
    pub(super) session: &'a Session,
    pub(super) levels: &'a Levels,
}

impl View<'_> {
    /// The time, in milliseconds since the epoch.
    pub(super) fn now(&self) -> i64 {
        self.call.now.div_euclid(MICROS)
    }

    /// A chat, if it is there and they see it.
    pub(super) fn chat(&self, number: u64) -> Result<Chat, Failure> {
        let chat = self.call.rows.get::<Chats>(&number)?.ok_or(ApiError::ChatNotFound)?;
        if chats::may_see(self.call.rows, self.did, &chat)? {
            Ok(chat)
        } else {
            Err(ApiError::ChatNotFound.into())
        }
    }

    /// The same, where they have to be one who may manage it.
    pub(super) fn managed(&self, number: u64) -> Result<Chat, Failure> {
        let chat = self.chat(number)?;
        if self.levels.may_manage(self.did, &chat) { Ok(chat) } else { Err(ApiError::NotAManager.into()) }
    }
}

/// What somebody comes for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    /// Anything else.
    Usual,
    /// To log out: neither a rate nor the state of their account keeps anybody from that.
    Leave,
}

/// Lets somebody in, and reads what they ask for on one snapshot.
///
/// # Errors
/// They have no session, come too often, or have an account that is not active; or those of `read`.
pub(super) async fn visit<T: Send + 'static>(
    shared: &Arc<Shared>,
    route: &'static str,
    parts: &Parts,
    read: impl FnOnce(&View<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<(Visitor, T), ApiError> {
    enter(shared, Errand::Usual, route, parts, read).await
}

/// Lets somebody in who wants to log out.
///
/// # Errors
/// They have no session.
pub(super) async fn visit_to_leave(
    shared: &Arc<Shared>,
    route: &'static str,
    parts: &Parts,
) -> Result<Visitor, ApiError> {
    enter(shared, Errand::Leave, route, parts, |_| Ok(())).await.map(|(visitor, ())| visitor)
}

async fn enter<T: Send + 'static>(
    shared: &Arc<Shared>,
    errand: Errand,
    route: &'static str,
    parts: &Parts,
    read: impl FnOnce(&View<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<(Visitor, T), ApiError> {
    let address = parts.extensions.get::<Client>().map(|client| client.0);
    shared.pace().of_address(address)?;
    let hash = cookie::named(&parts.headers)?;
    let params = Params::parse(parts.uri.query())?;
    let of_work = Arc::clone(shared);
    let work = move |now: i64| {
        let service = of_work.service();
        let snapshot = service.store.snapshot();
        let rows = &*snapshot;
        let session = sessions::of(rows, hash, now.div_euclid(MICROS))?.ok_or(ApiError::NoSession)?;
        let did = &session.did;
        let visitor = Visitor::with_session(address, did, hash);
        if errand == Errand::Usual {
            // Whoever asks too much hears so before anything is read for them.
            visitor.count(&of_work)?;
            if !accounts::is_active(rows, did)? {
                return Err(Failure::Client(ApiError::InactiveAccount));
            }
        }
        let levels = service.portal.as_ref().map(|portal| portal.levels.clone()).unwrap_or_default();
        let found = Found::new();
        let names = Names::new(&service.identities, &found);
        let call =
            Call { method: route, caller: Some(did), params: &params, rows, names: &names, service, now };
        let read = read(&View { call: &call, did, session: &session, levels: &levels })?;
        Ok((visitor, read))
    };
    on_thread(shared, route, work).await?.map_err(|failure| told(route, failure))
}

/// A request without its body.
pub(super) fn without_body(request: Request) -> Parts {
    request.into_parts().0
}
