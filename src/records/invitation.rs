//! `at.atjam.invitation`: someone's permission to take part in a round. Load-bearing: `round.uri`, `invitee`.

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use crate::syntax::{AtUri, Did};

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The round it is for.
    pub round: AtUri,
    /// Whom it is for.
    pub invitee: Did,
}

impl Invitation {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let round = fields.uri("round");
        let invitee = fields.parsed("invitee", Did::parse);
        Some(Self { round: round?, invitee: invitee? })
    }
}
