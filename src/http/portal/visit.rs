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
use crate::syntax::{Did, TokenHash};
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

/// Lets somebody in whose account is active, and reads what they ask for on one snapshot.
///
/// # Errors
/// They have no session or come too often, or those of `read`.
pub(super) async fn visit<T: Send + 'static>(
    shared: &Arc<Shared>,
    route: &'static str,
    parts: &Parts,
    read: impl FnOnce(&View<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<(Visitor, T), ApiError> {
    let of_active = move |view: &View<'_>| {
        if !accounts::is_active(view.call.rows, view.did)? {
            return Err(ApiError::InactiveAccount.into());
        }
        read(view)
    };
    visit_anyway(shared, route, parts, of_active).await
}

/// The same for whoever has a session.
pub(super) async fn visit_anyway<T: Send + 'static>(
    shared: &Arc<Shared>,
    route: &'static str,
    parts: &Parts,
    read: impl FnOnce(&View<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<(Visitor, T), ApiError> {
    let address = parts.extensions.get::<Client>().map(|client| client.0);
    shared.pace().of_address(address)?;
    let hash = cookie::named(&parts.headers)?;
    let params = Params::parse(parts.uri.query())?;
    let of_work = Arc::clone(shared);
    let work = move |now| read_as(&of_work, route, hash, &params, now, read);
    let outcome = on_thread(shared, route, work).await?;
    let (did, found) = outcome.map_err(|failure| told(route, failure))?;
    // Whoever asks too much hears so first, whatever they asked for.
    let visitor = Visitor::with_session(shared, address, did, hash)?;
    Ok((visitor, found.map_err(|failure| told(route, failure))?))
}

/// Who has a session, and what they may read of what they ask for.
fn read_as<T>(
    shared: &Shared,
    route: &'static str,
    hash: TokenHash,
    params: &Params,
    now: i64,
    read: impl FnOnce(&View<'_>) -> Result<T, Failure>,
) -> Result<(Did, Result<T, Failure>), Failure> {
    let service = shared.service();
    let levels = service.portal.as_ref().map(|portal| portal.levels.clone()).unwrap_or_default();
    let snapshot = service.store.snapshot();
    let rows = &*snapshot;
    let session = sessions::of(rows, hash, now.div_euclid(MICROS))?.ok_or(ApiError::NoSession)?;
    let did = session.did.clone();
    let found = Found::new();
    let names = Names::new(&service.identities, &found);
    let call = Call { method: route, caller: Some(&did), params, rows, names: &names, service, now };
    let read = read(&View { call: &call, did: &did, session: &session, levels: &levels });
    Ok((did, read))
}

/// A request without its body.
pub(super) fn without_body(request: Request) -> Parts {
    request.into_parts().0
}
