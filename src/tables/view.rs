//! Reading rows, and writing them into a batch that reads its own writes.
//!
//! [`Rows`] is ordered bytes as of one moment: a snapshot of an engine, or an [`Overlay`] of pending
//! changes on one. The typed reads are the same on both, which is how a rule sees the effect of the event
//! before it in the same batch.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use super::Table;
use super::keys::Key;

/// Reading failed. Always our own state or our own disk, never something that a peer sent.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// A row is not what this version writes.
    #[error("the store is damaged: a row of table {table} cannot be read (key {key})")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The key, readable.
        key: String,
    },
    /// Two rows of the store contradict each other.
    #[error("the store is damaged: {what}")]
    Contradiction {
        /// What does not fit.
        what: &'static str,
    },
    /// The engine failed.
    #[error("the store cannot be read")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A key and its value, as bytes.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Rows in one direction.
pub type Pairs<'a> = Box<dyn Iterator<Item = Result<Pair, RowsError>> + 'a>;

/// A half-open range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first key in it.
    pub start: Vec<u8>,
    /// The first key after it; `None` for no end.
    pub end: Option<Vec<u8>>,
}

impl Range {
    /// All keys that begin with `prefix`.
    pub fn of_prefix(prefix: Vec<u8>) -> Self {
        let mut end = prefix.clone();
        while let Some(last) = end.last_mut() {
            if *last < u8::MAX {
                *last += 1;
                return Self { start: prefix, end: Some(end) };
            }
            end.pop();
        }
        Self { start: prefix, end: None }
    }
}

/// Which end a scan begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// Ordered rows as of one moment.
pub trait Rows {
    /// The value under a key.
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError>;
    /// The rows of a range.
    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_>;
}

/// The full key of a row.
pub fn key_of<T: Table>(key: &T::Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    bytes.push(T::TAG);
    key.write(&mut bytes);
    bytes
}

/// The key of a row of a table, if a full key is one.
pub fn key_in<T: Table>(bytes: &[u8]) -> Option<T::Key> {
    bytes.strip_prefix(&[T::TAG]).and_then(T::Key::read)
}

/// The keys of a table that begin with what `write` appends.
pub fn prefix_of<T: Table>(write: impl FnOnce(&mut Vec<u8>)) -> Range {
    let mut prefix = vec![T::TAG];
    write(&mut prefix);
    Range::of_prefix(prefix)
}

fn corrupt<T: Table>(key: &[u8]) -> RowsError {
    RowsError::Corrupt { table: T::NAME, key: key.escape_ascii().to_string() }
}

fn decode_value<T: Table>(key: &[u8], value: &[u8]) -> Result<T::Value, RowsError> {
    match postcard::take_from_bytes(value) {
        Ok((row, [])) => Ok(row),
        _ => Err(corrupt::<T>(key)),
    }
}

fn decode_pair<T: Table>(pair: Result<Pair, RowsError>) -> Result<Row<T>, RowsError> {
    let (key, value) = pair?;
    let row = decode_value::<T>(&key, &value)?;
    let typed = key_in::<T>(&key).ok_or_else(|| corrupt::<T>(&key))?;
    Ok((typed, row))
}

/// A row with its key.
pub type Row<T> = (<T as Table>::Key, <T as Table>::Value);

/// A row that is removed, or what it is to be.
type Change<'a> = (&'a Vec<u8>, &'a Option<Vec<u8>>);

/// Rows of a group that are passed by one at a time. Most groups are small, and to look for where the next one
/// begins costs as much as some steps.
const NEIGHBOURS_STEPPED: usize = 4;

/// Typed reads, on anything that has rows.
pub trait ReadRows: Rows {
    /// The row under a key.
    fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, RowsError> {
        let key = key_of::<T>(key);
        self.get_bytes(&key)?.map(|value| decode_value::<T>(&key, &value)).transpose()
    }

    /// The rows of a range, smallest key first.
    fn scan<'a, T: Table + 'a>(
        &'a self,
        range: Range,
    ) -> impl Iterator<Item = Result<Row<T>, RowsError>> + 'a {
        self.scan_bytes(range, Direction::Ascending).map(decode_pair::<T>)
    }

    /// The rows of a range, greatest key first.
    fn scan_back<'a, T: Table + 'a>(
        &'a self,
        range: Range,
    ) -> impl Iterator<Item = Result<Row<T>, RowsError>> + 'a {
        self.scan_bytes(range, Direction::Descending).map(decode_pair::<T>)
    }

    /// All rows of a table, smallest key first.
    fn scan_all<'a, T: Table + 'a>(&'a self) -> impl Iterator<Item = Result<Row<T>, RowsError>> + 'a {
        self.scan::<T>(prefix_of::<T>(|_| {}))
    }

    /// The first row of each group of neighbours in a range, without a look at the others; `group` gives the keys
    /// of the group that a key is in.
    fn scan_groups<'a, T: Table + 'a>(
        &'a self,
        range: Range,
        group: impl Fn(&T::Key) -> Range + 'a,
    ) -> impl Iterator<Item = Result<Row<T>, RowsError>> + 'a {
        let mut rows = self.scan_bytes(range.clone(), Direction::Ascending);
        // Where the group of the last row ends; at first nothing lies before.
        let mut next = Some(Vec::new());
        std::iter::from_fn(move || {
            let start = next.take()?;
            let mut stepped = 0;
            let pair = loop {
                match rows.next()? {
                    Ok((key, _)) if key < start && stepped < NEIGHBOURS_STEPPED => stepped += 1,
                    Ok((key, _)) if key < start => {
                        let range = Range { start: start.clone(), end: range.end.clone() };
                        rows = self.scan_bytes(range, Direction::Ascending);
                    }
                    pair => break pair,
                }
            };
            let row = decode_pair::<T>(pair);
            next = row.as_ref().ok().and_then(|(key, _)| group(key).end);
            Some(row)
        })
    }

    /// The row with the greatest key of a range.
    fn last<T: Table>(&self, range: Range) -> Result<Option<Row<T>>, RowsError> {
        self.scan_bytes(range, Direction::Descending).next().map(decode_pair::<T>).transpose()
    }
}

impl<R: Rows + ?Sized> ReadRows for R {}

impl<R: Rows + ?Sized> Rows for &R {
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        (**self).get_bytes(key)
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        (**self).scan_bytes(range, direction)
    }
}

/// Rows to write: new values, and `None` for what is removed.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Pending changes on top of rows.
pub struct Overlay<'a> {
    base: &'a dyn Rows,
    changes: Changes,
}

impl<'a> Overlay<'a> {
    /// No changes yet.
    pub fn new(base: &'a dyn Rows) -> Self {
        Self { base, changes: Changes::new() }
    }

    /// These changes.
    pub fn with(base: &'a dyn Rows, changes: Changes) -> Self {
        Self { base, changes }
    }

    /// What has been written.
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// How many rows have been written.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Writes a row.
    pub fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        // Writing to a vector cannot fail, and every row type is serialisable.
        let bytes = postcard::to_stdvec(value).expect("row types serialise to memory");
        self.changes.insert(key_of::<T>(key), Some(bytes));
    }

    /// Removes a row.
    pub fn delete<T: Table>(&mut self, key: &T::Key) {
        self.changes.insert(key_of::<T>(key), None);
    }

    /// Writes a row, or removes it when it says nothing.
    pub fn put_or_delete<T: Table>(&mut self, key: &T::Key, value: &T::Value)
    where
        T::Value: Default,
    {
        if *value == T::Value::default() { self.delete::<T>(key) } else { self.put::<T>(key, value) }
    }
}

impl Rows for Overlay<'_> {
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get_bytes(key),
        }
    }

    fn scan_bytes(&self, range: Range, direction: Direction) -> Pairs<'_> {
        Box::new(merged(self.base, &self.changes, range, direction))
    }
}

/// The rows of a range with changes laid over them.
pub fn merged<'a>(
    base: &'a dyn Rows,
    changes: &'a Changes,
    range: Range,
    direction: Direction,
) -> impl Iterator<Item = Result<Pair, RowsError>> + 'a {
    let end = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
    let changed = changes.range((Bound::Included(range.start.clone()), end));
    let changed: Box<dyn Iterator<Item = Change<'a>> + 'a> = match direction {
        Direction::Ascending => Box::new(changed),
        Direction::Descending => Box::new(changed.rev()),
    };
    let base = base.scan_bytes(range, direction).peekable();
    Merged { base, changed: changed.peekable(), direction }
}

/// Rows of the base with the changes laid over them.
struct Merged<'a, C: Iterator<Item = Change<'a>>> {
    base: Peekable<Pairs<'a>>,
    changed: Peekable<C>,
    direction: Direction,
}

impl<'a, C: Iterator<Item = Change<'a>>> Iterator for Merged<'a, C> {
    type Item = Result<Pair, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((changed, _)) = self.changed.peek() else { return self.base.next() };
            if let Some(base) = self.base.peek() {
                let Ok((base, _)) = base else { return self.base.next() };
                let base_first = match self.direction {
                    Direction::Ascending => base < *changed,
                    Direction::Descending => base > *changed,
                };
                if base_first {
                    return self.base.next();
                }
                if base == *changed {
                    self.base.next();
                }
            }
            if let Some((key, Some(value))) = self.changed.next() {
                return Some(Ok((key.clone(), value.clone())));
            }
        }
    }
}
