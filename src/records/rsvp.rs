//! `community.lexicon.calendar.rsvp`: an answer to an event. Load-bearing: `subject.uri`, `status`.

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use crate::syntax::AtUri;

/// An RSVP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rsvp {
    /// The event that it answers.
    pub subject: AtUri,
    /// The answer.
    pub status: Status,
    /// When it says it was made, in microseconds since the epoch.
    pub time: i64,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Will come.
    Going,
    /// May come.
    Interested,
    /// Will not come.
    NotGoing,
    /// Anything that the lexicon does not know.
    Other,
}

impl Status {
    /// Every answer by its short name.
    pub const NAMES: [&'static str; 4] = ["going", "interested", "notgoing", "other"];

    /// The short name under which it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Status::Going => "going",
            Status::Interested => "interested",
            Status::NotGoing => "notgoing",
            Status::Other => "other",
        }
    }
}

impl Rsvp {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let subject = fields.uri("subject");
        let status = fields.text("status");
        let status = match status? {
            "community.lexicon.calendar.rsvp#going" => Status::Going,
            "community.lexicon.calendar.rsvp#interested" => Status::Interested,
            "community.lexicon.calendar.rsvp#notgoing" => Status::NotGoing,
            _ => Status::Other,
        };
        Some(Self { subject: subject?, status, time: fields.time() })
    }
}
