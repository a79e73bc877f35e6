//! What can be seen at the moment of a question: live records, and what a URI leads to (RULES §1, §2).
//!
//! Gathered anew for each question and never kept.

use super::accounts::Accounts;
use super::event::Record;
use super::kind::Kind;
use super::repositories::{Repositories, Stored};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A record that is live: it exists, is usable, and its author's account is active.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live<'a> {
    pub(super) uri: &'a str,
    pub(super) author: &'a str,
    pub(super) kind: Kind,
    pub(super) rkey: &'a str,
    pub(super) cid: &'a str,
    pub(super) value: &'a Value,
}

/// What a reference leads to, in the order in which the answers exclude each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    OtherCollection,
    Unknown,
    NotLive,
    Live(Live<'a>),
}

/// Everything that is visible, by URI.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) shown: BTreeMap<&'a str, &'a Stored>,
    inactive: BTreeSet<&'a str>,
    live: Vec<Live<'a>>,
}

impl<'a> World<'a> {
    pub(super) fn gather(accounts: &'a Accounts, repositories: &'a Repositories) -> World<'a> {
        let inactive = accounts.inactive();
        let shown: BTreeMap<&str, &Stored> = repositories
            .records
            .iter()
            .filter(|(_, stored)| !inactive.contains(stored.author.as_str()))
            .map(|(uri, stored)| (uri.as_str(), stored))
            .collect();
        let live = shown.iter().filter_map(|(uri, stored)| Live::of(uri, stored)).collect();
        World { shown, inactive, live }
    }

    /// All live records of one kind.
    pub(super) fn live(&self, kind: Kind) -> impl Iterator<Item = Live<'a>> {
        self.live.iter().copied().filter(move |live| live.kind == kind)
    }

    /// What a reference that must name a record of this kind leads to.
    pub(super) fn target(&self, uri: &str, kind: Kind) -> Target<'a> {
        let mut parts = uri.strip_prefix("at://").unwrap_or(uri).split('/');
        let authority = parts.next().unwrap_or_default();
        // "a bare DID is such a one": no collection at all is another one.
        //
        // reading: of a handle with a wrong collection the reason is that of the collection, which comes
        // first in the list of reasons. It can be told without knowing who the handle is.
        if parts.next() != Some(kind.collection()) {
            return Target::OtherCollection;
        }
        // "Only DIDs are authorities": a handle is never resolved.
        if !authority.starts_with("did:") {
            return Target::Unknown;
        }
        // reading: `not-live` holds for an inactive account "whatever is or is not stored", so also for a
        // reference without a record key, which is otherwise unknown because nothing can be stored there.
        if self.inactive.contains(authority) {
            return Target::NotLive;
        }
        match self.shown.get_key_value(uri) {
            None => Target::Unknown,
            Some((uri, stored)) => Live::of(uri, stored).map_or(Target::NotLive, Target::Live),
        }
    }
}

impl<'a> Live<'a> {
    /// A shown record, if it is usable.
    fn of(uri: &'a str, stored: &'a Stored) -> Option<Live<'a>> {
        match &stored.record {
            Record::Usable { value, .. } => Some(Live {
                uri,
                author: &stored.author,
                kind: stored.kind,
                rkey: &stored.rkey,
                cid: &stored.cid,
                value,
            }),
            Record::Unusable { .. } => None,
        }
    }

    /// A load-bearing text, which every usable record has.
    pub(super) fn text(&self, pointer: &str) -> &'a str {
        self.optional_text(pointer).expect("a usable record has its load-bearing fields")
    }

    /// A text that may be absent.
    pub(super) fn optional_text(&self, pointer: &str) -> Option<&'a str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }
}
