//! `at.atjam.round`: one round of a jam. Load-bearing: `jam.uri`, `joinMode`, `networkGate` (RULES §1, §2).

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use crate::syntax::AtUri;

/// A round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The jam that it belongs to; of this only the authority counts.
    pub jam: AtUri,
    /// Who may sign up.
    pub join_mode: JoinMode,
    /// What a participant must have done to invite, in a network round.
    pub network_gate: NetworkGate,
}

/// Who may sign up to a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinMode {
    /// Anyone. Also what an absent or unknown value means.
    Open,
    /// Whom the organizer invites.
    Hosted,
    /// Whom the organizer or a participant invites.
    Network,
}

impl JoinMode {
    /// The lexicon's name for it.
    pub fn name(self) -> &'static str {
        match self {
            JoinMode::Open => "open",
            JoinMode::Hosted => "hosted",
            JoinMode::Network => "network",
        }
    }
}

/// What a participant of a network round must have done to invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkGate {
    /// Signed up. Also what an absent or unknown value means.
    Signup,
    /// Signed up and submitted something.
    Contributed,
}

impl NetworkGate {
    /// The lexicon's name for it.
    pub fn name(self) -> &'static str {
        match self {
            NetworkGate::Signup => "signup",
            NetworkGate::Contributed => "contributed",
        }
    }
}

impl Round {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let jam = fields.uri("jam");
        let join_mode = fields.optional_text("joinMode");
        let network_gate = fields.optional_text("networkGate");
        Some(Self {
            jam: jam?,
            join_mode: match join_mode? {
                Some("hosted") => JoinMode::Hosted,
                Some("network") => JoinMode::Network,
                _ => JoinMode::Open,
            },
            network_gate: match network_gate? {
                Some("contributed") => NetworkGate::Contributed,
                _ => NetworkGate::Signup,
            },
        })
    }
}
