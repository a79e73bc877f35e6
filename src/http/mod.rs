//! The HTTP surface: queries over the store and procedures, for programs and for people's browsers.
//!
//! The map of the room: this file has the routes, `answer` runs one query on one snapshot, `names` finds out whose handles are, `params` and
//! `error` are what comes in and what goes wrong, `page` and `cursor` are lists, `calendar` and `near` find events for them, `view`, `round`, `listing`,
//! `standing`, `event` (its links by `event_url`), `space` and `ticket` are the shapes that several methods share, `explanation` and `status` answer the command line too, and each method has a file under `query`
//! or `procedure`, which read what comes in by `input` and hand out what `secret` makes. `portal` is a dialect of its own. Who calls what takes a service token is found out by `auth`, whom the token must name by `service_did`, and they are let in by `door` as often as `pace` allows.
//! `ics` has the feeds for people's own calendars. `connections`, `patience`, `caller` and `requests` are what surrounds a request. It never
//! writes to the store and never decides: verdicts are read from `rules`. Shapes: CONTRACT §4 and the
//! lexicons.

mod answer;
mod auth;
mod calendar;
mod caller;
mod connections;
mod cursor;
mod door;
mod error;
mod event;
mod event_url;
mod explanation;
mod ics;
mod input;
mod listing;
mod memo;
mod names;
mod near;
mod pace;
mod page;
mod params;
mod patience;
mod portal;
mod procedure;
mod query;
mod requests;
mod round;
mod secret;
mod served;
mod service_did;
mod space;
mod standing;
mod status;
#[cfg(test)]
mod tests;
mod ticket;
mod view;
mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::middleware;
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;

use crate::identity::Resolver;
use crate::orders::{self, Desk};
use crate::search::Search;
use crate::sources::Board;
use crate::store::Store;
use crate::syntax::{Did, Nsid};

use answer::{Depends, Shared, health, private_query, query};
pub use caller::Addresses;
use caller::REQUEST_ID;
pub use connections::serve;
use error::{ApiError, render};
pub use event_url::{BadEventUrl, EventUrl};
pub use explanation::{Explanation, explain};
pub use pace::Rates;
pub use portal::Portal;
use procedure::{
    add_member, configure_event, confirm_attestation, create_invite, create_space, delete_space, leave_space,
    link_attestation, procedure, redeem, remove_member, revoke,
};
use query::{
    get_event, get_invite_graph, get_round, get_rsvp, get_space, get_standing, get_standings, get_status,
    list_actor_rounds, list_audit, list_event_rsvps, list_events, list_invitations, list_invites,
    list_members, list_participants, list_quarantine, list_rounds, list_rsvps, list_signups, list_spaces,
    list_submissions, list_tickets, search_events, whoami,
};
use requests::{trace, weaken};
pub use service_did::did_web_of;
pub use space::{AuditView, InviteView};
pub use status::{Asked, Status, compared, status};
pub use view::{ChainStep, LinkView};

/// The header that says which state of the store an answer was computed from. Compare it for equality only.
const POSITION: HeaderName = HeaderName::from_static("guestlist-position");

/// Bytes from which an answer is compressed for who takes that: below them it saves no packet.
const COMPRESSED_FROM_BYTES: u64 = 1_024;

/// What the answers are made from. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    /// The store.
    pub store: Store,
    /// Handles and who they belong to.
    pub identities: Resolver,
    /// Events by words.
    pub search: Search,
    /// How the sources are doing. While that is not well, `/xrpc/_health` says 503.
    pub sources: Board,
    /// How others reach the service: `https://guestlist.example`.
    pub public_url: String,
    /// How the URLs of events are made.
    pub event_url: EventUrl,
    /// Where things are asked of the writer.
    pub desk: Desk,
    /// Whom a token for this service names, alone or with `#guestlist` after it.
    pub service_did: Did,
    /// The type of spaces that are made without one.
    pub space_type: Nsid,
    /// The Portal, if there is one.
    pub portal: Option<Portal>,
    /// How much is taken on.
    pub limits: Limits,
}

impl Service {
    /// A service over a store to which nobody writes: it answers queries, and knows nobody.
    pub fn reading(store: Store) -> Self {
        Self {
            store,
            identities: Resolver::default(),
            search: Search::off(),
            sources: Board::default(),
            public_url: "https://guestlist.example".to_owned(),
            event_url: EventUrl::default(),
            desk: orders::desk().0,
            service_did: Did::parse("did:web:guestlist.example").expect("a constant"),
            space_type: Nsid::parse("tools.atmo.event.space").expect("a constant"),
            portal: None,
            limits: Limits::default(),
        }
    }
}

/// How much work the service takes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body. Queries need none; a client that sends one all the same is let off early.
    pub request_body_bytes_max: usize,
    /// Queries computed at the same time. Each holds a snapshot, which the writer waits for, and a thread.
    pub concurrent_queries_max: usize,
    /// How long a client waits for a query before it hears 503.
    pub query_time_max: Duration,
    /// How often what takes a service token may be called.
    pub rates: Rates,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Room for any procedure's input to come; a record at its own limit does not pass through here.
            request_body_bytes_max: 64 * 1024,
            // Enough to keep a few cores and the disk busy; more would only wait on each other.
            concurrent_queries_max: 64,
            // The slowest query draws a graph of 10,000 rows, or walks one chain: far below this on a healthy disk.
            query_time_max: Duration::from_secs(10),
            rates: Rates::default(),
        }
    }
}

/// The routes of the service, with everything that surrounds them.
pub fn router(service: Service) -> Router {
    let limits = service.limits;
    let routes = Router::new()
        .merge(query("app.guestlist.explain", Depends::OnRows, query::explain::run))
        .merge(query("app.guestlist.getInviteGraph", Depends::OnRows, get_invite_graph::run))
        .merge(query("app.guestlist.getRound", Depends::OnTime, get_round::run))
        .merge(query("app.guestlist.getStanding", Depends::OnRows, get_standing::run))
        .merge(query("app.guestlist.getStandings", Depends::OnRows, get_standings::run))
        .merge(query("app.guestlist.getStatus", Depends::OnTime, get_status::run))
        .merge(query("app.guestlist.listActorRounds", Depends::OnRows, list_actor_rounds::run))
        .merge(query("app.guestlist.listEventRSVPs", Depends::OnRows, list_event_rsvps::run))
        .merge(query("app.guestlist.listEvents", Depends::OnTime, list_events::run))
        .merge(query("app.guestlist.listInvitations", Depends::OnRows, list_invitations::run))
        .merge(query("app.guestlist.listParticipants", Depends::OnRows, list_participants::run))
        .merge(query("app.guestlist.listQuarantine", Depends::OnRows, list_quarantine::run))
        .merge(query("app.guestlist.listRounds", Depends::OnTime, list_rounds::run))
        .merge(query("app.guestlist.listSignups", Depends::OnRows, list_signups::run))
        .merge(query("app.guestlist.listSubmissions", Depends::OnRows, list_submissions::run))
        .merge(query("community.lexicon.calendar.getEvent", Depends::OnRows, get_event::run))
        // The reference has both spellings.
        .merge(query("community.lexicon.calendar.GetEvent", Depends::OnRows, get_event::run))
        .merge(query("community.lexicon.calendar.getRSVP", Depends::OnRows, get_rsvp::run))
        .merge(query("community.lexicon.calendar.listRSVPs", Depends::OnRows, list_rsvps::run))
        .merge(query("community.lexicon.calendar.searchEvents", Depends::OnTime, search_events::run))
        .merge(private_query("app.guestlist.listAudit", list_audit::run))
        .merge(ics::routes())
        .merge(spaces())
        .merge(tickets())
        .route("/.well-known/did.json", get(service_did::document))
        .route("/lexicons/{nsid}", get(served::lexicon))
        .route("/xrpc/_health", get(health))
        .route("/xrpc/{method}", any(async || ApiError::UnknownMethod))
        .fallback(async || ApiError::NotFound);
    let portal = service.portal.clone();
    let shared = Arc::new(Shared::new(service));
    let routes = surround(routes.with_state(Arc::clone(&shared)), &limits);
    match portal {
        Some(portal) => routes.merge(portal::router(shared, &portal)),
        None => routes,
    }
}

/// The routes of spaces. All of them take a service token.
fn spaces() -> Router<Arc<Shared>> {
    Router::new()
        .merge(private_query("rsvp.atmo.space.getSpace", get_space::run))
        .merge(private_query("rsvp.atmo.space.invite.list", list_invites::run))
        .merge(private_query("rsvp.atmo.space.listMembers", list_members::run))
        .merge(private_query("rsvp.atmo.space.listSpaces", list_spaces::run))
        .merge(private_query("rsvp.atmo.space.whoami", whoami::run))
        .merge(procedure("rsvp.atmo.space.admin.addMember", add_member::ask, add_member::show))
        .merge(procedure("rsvp.atmo.space.admin.createSpace", create_space::ask, create_space::show))
        .merge(procedure("rsvp.atmo.space.admin.deleteSpace", delete_space::ask, delete_space::show))
        .merge(procedure("rsvp.atmo.space.admin.removeMember", remove_member::ask, remove_member::show))
        .merge(procedure("rsvp.atmo.space.invite.create", create_invite::ask, create_invite::show))
        .merge(procedure("rsvp.atmo.space.invite.redeem", redeem::ask, redeem::show))
        .merge(procedure("rsvp.atmo.space.invite.revoke", revoke::ask, revoke::show))
        .merge(procedure("rsvp.atmo.space.leaveSpace", leave_space::ask, leave_space::show))
}

/// The routes of how events are set up and of tickets. All of them take a service token.
fn tickets() -> Router<Arc<Shared>> {
    const CONFIGURE: &str = "events.smokesignal.event.configure";
    const LINK: &str = "events.smokesignal.rsvp.linkAttestation";
    const CONFIRM: &str = "app.guestlist.confirmAttestation";
    Router::new()
        .merge(private_query("app.guestlist.listTickets", list_tickets::run))
        .merge(procedure(CONFIGURE, configure_event::ask, configure_event::show))
        .merge(procedure(LINK, link_attestation::ask, link_attestation::show))
        .merge(procedure(CONFIRM, confirm_attestation::ask, confirm_attestation::show))
}

/// What every route has around it. The last layer is the outermost: what the inner ones refuse is put into
/// words by [`render`], and a browser may read all of it.
fn surround(routes: Router, limits: &Limits) -> Router {
    routes
        .layer(RequestBodyLimitLayer::new(limits.request_body_bytes_max))
        .layer(CatchPanicLayer::custom(error::after_panic))
        .layer(middleware::from_fn(render))
        .layer(compressed())
        .layer(middleware::from_fn(weaken))
        .layer(open_to_browsers())
        .layer(middleware::from_fn(trace))
}

fn compressed() -> CompressionLayer<SizeAbove> {
    // JSON of records gives in at the first attempt, and the time is the reader's too.
    let layer = CompressionLayer::new().quality(CompressionLevel::Fastest);
    layer.compress_when(SizeAbove::new(COMPRESSED_FROM_BYTES))
}

fn open_to_browsers() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        // A star does not mean `authorization`.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([POSITION, header::ETAG, header::RETRY_AFTER, header::WWW_AUTHENTICATE, REQUEST_ID])
}
