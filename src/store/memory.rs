//! An engine in memory: the readable specification of the trait, for tests, rebuilds and demonstrations.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::engine::{Engine, EngineError};
use crate::tables::view::{Changes, Direction, Pairs, Range, Rows, RowsError};

/// Rows in a map.
#[derive(Debug, Default)]
pub struct Memory {
    rows: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

struct Snapshot<'a>(RwLockReadGuard<'a, BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for Memory {
    fn snapshot(&self) -> Box<dyn Rows + '_> {
        // A writer that panicked left the map between two rows at worst; it is fatal elsewhere already.
        Box::new(Snapshot(self.rows.read().unwrap_or_else(PoisonError::into_inner)))
    }

    fn commit(&self, changes: Changes) -> Result<(), EngineError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        Ok(0)
    }
}

impl Rows for Snapshot<'_> {
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        let end = range.end.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.0.range((Bound::Included(range.start), end));
        let pair = |(key, value): (&Vec<u8>, &Vec<u8>)| Ok((key.clone(), value.clone()));
        match direction {
            Direction::Ascending => Box::new(rows.map(pair)),
            Direction::Descending => Box::new(rows.rev().map(pair)),
        }
    }
}
