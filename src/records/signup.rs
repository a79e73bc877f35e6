//! `at.atjam.signup`: a declaration to take part in a round. Load-bearing: `round.uri`, and `invitation.uri`
//! if there is an invitation.

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use crate::syntax::AtUri;

/// A signup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signup {
    /// The round it is for.
    pub round: AtUri,
    /// The invitation it rests on.
    pub invitation: Option<AtUri>,
    /// When it says it was made, in microseconds since the epoch.
    pub time: i64,
}

impl Signup {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let round = fields.uri("round");
        let invitation = fields.optional_uri("invitation");
        Some(Self { round: round?, invitation: invitation?, time: fields.time() })
    }
}
