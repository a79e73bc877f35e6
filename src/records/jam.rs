//! `at.atjam.jam`: a challenge that has rounds. Nothing in it bears load.

use serde::{Deserialize, Serialize};

use super::fields::Fields;

/// A jam.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jam;

impl Jam {
    pub(super) fn parse(_: &mut Fields<'_>) -> Option<Self> {
        Some(Self)
    }
}
