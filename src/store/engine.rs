//! What guestlist asks of a storage engine: ordered bytes, a snapshot, an atomic batch. Nothing else in the
//! program knows which engine it is, and no type of an engine leaves its file.

use crate::tables::view::{Changes, Rows};

/// The engine failed. Always fatal: a disk that is full or broken, or files that are damaged.
#[derive(Debug, thiserror::Error)]
#[error("the storage engine failed while it tried to {doing}")]
pub struct EngineError {
    /// What it was doing.
    pub doing: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl EngineError {
    /// An error of the engine's own type.
    pub fn new(doing: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { doing, source: Box::new(source) }
    }
}

/// A storage engine.
pub trait Engine: Send + Sync {
    /// The rows as of now: what is committed later does not show in it.
    fn snapshot(&self) -> Box<dyn Rows + '_>;
    /// Writes all of the changes or none, durably.
    fn commit(&self, changes: Changes) -> Result<(), EngineError>;
    /// Bytes on disk.
    fn bytes_on_disk(&self) -> Result<u64, EngineError>;
}
