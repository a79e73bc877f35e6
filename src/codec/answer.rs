//! What a host says of one of its accounts when it is asked. Spec: PROTOCOL §4.6 and §7.

use super::event::Export;
use crate::syntax::RecordKey;

/// The wanted records of a repository between two of its keys. Parts come in the order of the keys, and all of a
/// repository was proved before its first part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The repository, with the wanted records of this part.
    pub export: Export,
    /// The last key before it; `None` for the first part.
    pub after: Option<Path>,
    /// Its last key; `None` for the last part.
    pub until: Option<Path>,
}

/// Where a wanted record is in its repository: its collection and its key.
pub type Path = (&'static str, RecordKey);
