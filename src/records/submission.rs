//! `at.atjam.submission`: a contribution to a round. Load-bearing: `round.uri`.

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use crate::syntax::AtUri;

/// A submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The round it is for.
    pub round: AtUri,
}

impl Submission {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        fields.uri("round").map(|round| Self { round })
    }
}
