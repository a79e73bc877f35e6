//! The lexicon documents as they are in the tree, compiled in.

use std::collections::HashMap;

use serde_json::Value;

macro_rules! sources {
    ($($path:literal,)+) => {
        /// Every lexicon of the project, as JSON text.
        pub const SOURCES: &[&str] = &[$(include_str!(concat!("../../../lexicons/", $path, ".json")),)+];
    };
}

sources! {
    "app/guestlist/confirmAttestation",
    "app/guestlist/defs",
    "app/guestlist/explain",
    "app/guestlist/getInviteGraph",
    "app/guestlist/getRound",
    "app/guestlist/getStanding",
    "app/guestlist/getStandings",
    "app/guestlist/getStatus",
    "app/guestlist/listActorRounds",
    "app/guestlist/listAudit",
    "app/guestlist/listEventRSVPs",
    "app/guestlist/listEvents",
    "app/guestlist/listInvitations",
    "app/guestlist/listParticipants",
    "app/guestlist/listQuarantine",
    "app/guestlist/listRounds",
    "app/guestlist/listSignups",
    "app/guestlist/listSubmissions",
    "app/guestlist/listTickets",
    "at/atjam/invitation",
    "at/atjam/jam",
    "at/atjam/round",
    "at/atjam/signup",
    "at/atjam/submission",
    "com/atproto/repo/strongRef",
    "community/lexicon/calendar/event",
    "community/lexicon/calendar/getEvent",
    "community/lexicon/calendar/getRSVP",
    "community/lexicon/calendar/listRSVPs",
    "community/lexicon/calendar/rsvp",
    "community/lexicon/calendar/searchEvents",
    "community/lexicon/location/address",
    "community/lexicon/location/fsq",
    "community/lexicon/location/geo",
    "community/lexicon/location/hthree",
    "events/smokesignal/calendar/acceptance",
    "events/smokesignal/event/configure",
    "events/smokesignal/rsvp/linkAttestation",
    "rsvp/atmo/space/admin/addMember",
    "rsvp/atmo/space/admin/createSpace",
    "rsvp/atmo/space/admin/deleteSpace",
    "rsvp/atmo/space/admin/removeMember",
    "rsvp/atmo/space/defs",
    "rsvp/atmo/space/getSpace",
    "rsvp/atmo/space/invite/create",
    "rsvp/atmo/space/invite/list",
    "rsvp/atmo/space/invite/redeem",
    "rsvp/atmo/space/invite/revoke",
    "rsvp/atmo/space/leaveSpace",
    "rsvp/atmo/space/listMembers",
    "rsvp/atmo/space/listSpaces",
    "rsvp/atmo/space/whoami",
}

/// The lexicon documents by NSID, as they are served.
pub fn documents() -> HashMap<String, Value> {
    let parse = |source: &&str| serde_json::from_str::<Value>(source).ok();
    let named = |document: Value| Some((document.get("id")?.as_str()?.to_owned(), document));
    SOURCES.iter().filter_map(parse).filter_map(named).collect()
}
