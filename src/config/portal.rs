//! The section `portal`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::net::Origin;
use crate::spaces::chats::Levels;
use crate::syntax::Did;
use crate::tables::portal::Level;

/// The routes of the Portal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Portal {
    /// Whether there are any.
    pub enabled: bool,
    /// Who may do more than others.
    pub levels: BTreeMap<Did, Level>,
    /// Where pages are from that may call with their visitors' cookies, beside those of `http.public_url`.
    pub origins: Vec<Origin>,
}

impl Portal {
    /// Who has which level.
    pub fn levels(&self) -> Levels {
        self.levels.iter().map(|(did, level)| (did.clone(), *level)).collect()
    }
}
