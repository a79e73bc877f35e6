//! `events.smokesignal.calendar.acceptance`: an organizer's proof that an answer was accepted.
//! Load-bearing: `cid`.

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use crate::syntax::is_cid_string;

/// An acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The attestation CID of the RSVP, as written.
    pub cid: Box<str>,
}

impl Acceptance {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let cid = fields.parsed("cid", |cid| if is_cid_string(cid) { Ok(Box::from(cid)) } else { Err(()) });
        cid.map(|cid| Self { cid })
    }
}
