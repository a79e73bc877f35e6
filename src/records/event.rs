//! `community.lexicon.calendar.event`: a calendar event. Nothing in it bears load.

use serde::{Deserialize, Serialize};

use super::fields::Fields;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event;

impl Event {
    pub(super) fn parse(_: &mut Fields<'_>) -> Option<Self> {
        Some(Self)
    }
}
