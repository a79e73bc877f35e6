//! Reading load-bearing fields: what is missing, what is bad, and what merely deviates.
//!
//! A missing field and a bad one are told apart for the whole record (RULES §1: of several reasons the
//! first of the list is given), so reading goes on after the first fault.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;

use super::grade::{Deviation, Unusable};
use crate::syntax::{AtUri, Authority, Datetime, RecordKey, Tid};

/// A map in the data model.
pub(super) type Map = BTreeMap<String, Ipld>;

/// The fields of one record while its kind reads them.
pub(super) struct Fields<'a> {
    record: &'a Map,
    rkey: &'a RecordKey,
    missing: bool,
    bad: bool,
    /// Faults of load-bearing fields that leave the record usable.
    pub(super) deviations: Vec<Deviation>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(record: &'a Map, rkey: &'a RecordKey) -> Self {
        Self { record, rkey, missing: false, bad: false, deviations: Vec::new() }
    }

    /// Why the record is unusable, if reading met a fault.
    pub(super) fn fault(&self) -> Option<Unusable> {
        match (self.missing, self.bad) {
            (true, _) => Some(Unusable::MissingField),
            (_, true) => Some(Unusable::BadField),
            _ => None,
        }
    }

    /// The whole record, for what bears no load.
    pub(super) fn record(&self) -> &'a Map {
        self.record
    }

    fn lookup(&mut self, map: &'a Map, name: &str) -> Option<&'a Ipld> {
        let value = map.get(name);
        self.missing |= value.is_none();
        value
    }

    fn accept<T>(&mut self, value: Option<T>) -> Option<T> {
        self.bad |= value.is_none();
        value
    }

    /// A required string.
    pub(super) fn text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.lookup(self.record, name)?;
        self.accept(as_text(value))
    }

    /// An optional string: the outer `None` is a fault, the inner one an absent field.
    pub(super) fn optional_text(&mut self, name: &str) -> Option<Option<&'a str>> {
        match self.record.get(name) {
            None => Some(None),
            Some(value) => self.accept(as_text(value)).map(Some),
        }
    }

    /// A required string that `parse` accepts.
    pub(super) fn parsed<T, E>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(name)?;
        self.accept(parse(text).ok())
    }

    /// The `uri` of a required strongRef.
    pub(super) fn uri(&mut self, name: &str) -> Option<AtUri> {
        let reference = self.lookup(self.record, name)?;
        let Ipld::Map(reference) = reference else { return self.accept(None) };
        let uri = self.lookup(reference, "uri")?;
        let uri = self.accept(as_text(uri).and_then(|uri| AtUri::parse(uri).ok()))?;
        if matches!(uri.authority(), Authority::Handle(_)) {
            // Only DIDs are authorities (RULES §2): readable, and no reference to anything.
            self.deviations.push(Deviation { path: format!("/{name}/uri"), rule: "format".to_owned() });
        }
        Some(uri)
    }

    /// The `uri` of an optional strongRef: the outer `None` is a fault, the inner one an absent field.
    pub(super) fn optional_uri(&mut self, name: &str) -> Option<Option<AtUri>> {
        if self.record.contains_key(name) { self.uri(name).map(Some) } else { Some(None) }
    }

    /// When the record says it was made, in microseconds since the epoch: its `createdAt` if that is a
    /// datetime, else the time in its key if that is a TID, else 0 (RULES §3).
    pub(super) fn time(&self) -> i64 {
        let created_at =
            self.record.get("createdAt").and_then(as_text).and_then(|at| Datetime::parse(at).ok());
        let in_key = || Tid::parse(self.rkey.as_str()).ok().map(Tid::micros);
        created_at.map(Datetime::micros).or_else(in_key).unwrap_or(0)
    }
}

pub(super) fn as_text(value: &Ipld) -> Option<&str> {
    match value {
        Ipld::String(text) => Some(text),
        _ => None,
    }
}
