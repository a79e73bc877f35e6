//! The section `identity`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Who is who.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Files with DID documents, used instead of the network.
    pub identities: Vec<PathBuf>,
}
