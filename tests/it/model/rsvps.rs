//! Effective RSVPs and the counts of events (RULES §3).

use super::kind::Kind;
use super::times::{Instant, tid_micros};
use super::world::{Live, World};

/// How many effective RSVPs an event has, by status.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) going: usize,
    pub(super) interested: usize,
    pub(super) notgoing: usize,
    pub(super) other: usize,
}

/// Whether the RSVP is the one of its author, to its subject, with the greatest `(t, rkey)`.
pub(super) fn is_effective(world: &World<'_>, rsvp: &Live<'_>) -> bool {
    world
        .live(Kind::Rsvp)
        .filter(|other| other.author == rsvp.author && subject(other) == subject(rsvp))
        .all(|other| (time(&other), other.rkey) <= (time(rsvp), rsvp.rkey))
}

/// The counts of the event at this URI. Subjects are compared by URI, bytewise, so one with a handle counts
/// for none.
pub(super) fn count(world: &World<'_>, event_uri: &str) -> Counts {
    let mut counts = Counts::default();
    for rsvp in world.live(Kind::Rsvp).filter(|rsvp| subject(rsvp) == event_uri && is_effective(world, rsvp))
    {
        match rsvp.text("/status") {
            "community.lexicon.calendar.rsvp#going" => counts.going += 1,
            "community.lexicon.calendar.rsvp#interested" => counts.interested += 1,
            "community.lexicon.calendar.rsvp#notgoing" => counts.notgoing += 1,
            // reading: "Statuses outside the known set are kept and counted as `other`". The known set is
            // that of the lexicon, whole tokens, so a bare "going" is outside it.
            _ => counts.other += 1,
        }
    }
    counts
}

fn subject<'a>(rsvp: &Live<'a>) -> &'a str {
    rsvp.text("/subject/uri")
}

/// The `t` of RULES §3, in microseconds.
fn time(rsvp: &Live<'_>) -> i64 {
    let created = rsvp.optional_text("/createdAt").and_then(Instant::parse);
    created.map(|instant| instant.micros()).or_else(|| tid_micros(rsvp.rkey)).unwrap_or(0)
}
