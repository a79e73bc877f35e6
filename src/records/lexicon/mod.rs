//! Lexicon schemas and where a value departs from them.
//!
//! The files under `lexicons/` are compiled in and parsed once. Validation collects every violation as
//! (JSON Pointer, keyword) instead of stopping at the first, because deviating records are kept and shown.
//! Spec: atproto lexicon; RULES §1 for what does not count as a deviation. String formats: `syntax`.

mod check;
mod schema;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use ipld_core::ipld::Ipld;
use sha2::{Digest, Sha256};

use super::fields::Map;
use super::{Deviation, Kind};

use check::Check;
use schema::{Content, Method, Schema};

pub use schema::{Lexicon, MethodError};
pub use sources::{SOURCES, documents};

/// The project's lexicons, parsed.
pub static LEXICONS: LazyLock<Lexicons> =
    LazyLock::new(|| Lexicons::new(parsed().map(|(_, lexicon)| lexicon)));

/// The documents with their text.
fn parsed() -> impl Iterator<Item = (&'static str, Lexicon)> {
    let parse = |source| serde_json::from_str(source).expect("a test parses every file");
    SOURCES.iter().map(move |source| (*source, parse(source)))
}

/// Where a record departs from its kind's lexicon.
pub(super) fn deviations(kind: Kind, record: &Map) -> Vec<Deviation> {
    LEXICONS.record_deviations(kind.nsid(), record)
}

/// Whether a kind has a lexicon.
pub fn has_lexicon(kind: Kind) -> bool {
    LEXICONS.defs.contains_key(kind.nsid())
}

/// A hash of every lexicon by which records are graded: those of the kinds, and what they refer to. When it changes,
/// stored grades are out of date.
pub fn fingerprint() -> [u8; 32] {
    let grading = LEXICONS.reachable(Kind::ALL.iter().map(|kind| kind.nsid()));
    let mut hash = Sha256::new();
    for (source, _) in parsed().filter(|(_, lexicon)| grading.contains(&*lexicon.id)) {
        hash.update(source);
        hash.update([0]);
    }
    hash.finalize().into()
}

/// A set of lexicons that refer to each other.
#[derive(Debug)]
pub struct Lexicons {
    /// Definitions by full name: the NSID alone for `main`, else `nsid#name`.
    defs: HashMap<String, Schema>,
}

impl Lexicons {
    /// Gathers lexicons, with every reference made absolute.
    pub fn new(files: impl IntoIterator<Item = Lexicon>) -> Self {
        let mut defs = HashMap::new();
        for file in files {
            for (name, mut schema) in file.defs {
                schema.make_absolute(&file.id);
                let name = if name == "main" { file.id.clone() } else { format!("{}#{name}", file.id) };
                defs.insert(name, schema);
            }
        }
        Self { defs }
    }

    /// Where a record departs from the lexicon of its collection. Empty for a collection without one.
    pub fn record_deviations(&self, nsid: &str, record: &Map) -> Vec<Deviation> {
        let mut check = Check::new(&self.defs);
        if !record.contains_key("$type") {
            check.at("$type", |check| check.fault("required"));
        }
        if let Some(Schema::Record { record: schema }) = self.defs.get(nsid)
            && let Schema::Object(schema) = schema.as_ref()
        {
            check.object(schema, record);
        }
        check.found()
    }

    /// Where the body of a call departs from the lexicon of its method, in the order of paths; `None` if there is no
    /// such procedure, or it takes no body.
    pub fn input_deviations(&self, nsid: &str, body: &Ipld) -> Option<Vec<Deviation>> {
        self.content_deviations(self.method(nsid)?.input.as_ref()?, body)
    }

    /// Where the answer of a query or a procedure departs from its lexicon, in the order of paths; `None` if there is no
    /// such method.
    pub fn output_deviations(&self, nsid: &str, answer: &Ipld) -> Option<Vec<Deviation>> {
        self.content_deviations(self.method(nsid)?.output.as_ref()?, answer)
    }

    /// The errors that a method declares, beside those that any may answer; `None` if there is no such method.
    pub fn errors(&self, nsid: &str) -> Option<&[MethodError]> {
        Some(&self.method(nsid)?.errors)
    }

    /// References to definitions that do not exist.
    pub fn dangling(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for schema in self.defs.values() {
            schema.references(&mut names);
        }
        names.retain(|name| !self.defs.contains_key(*name));
        names
    }

    fn method(&self, nsid: &str) -> Option<&Method> {
        match self.defs.get(nsid)? {
            Schema::Query(method) | Schema::Procedure(method) => Some(method),
            _ => None,
        }
    }

    fn content_deviations(&self, content: &Content, value: &Ipld) -> Option<Vec<Deviation>> {
        let mut check = Check::new(&self.defs);
        check.value(content.schema.as_deref()?, value);
        let mut found = check.found();
        found.sort();
        Some(found)
    }

    /// The documents of these NSIDs and of whatever they refer to.
    fn reachable<'a>(&'a self, from: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut left: Vec<_> = from.into_iter().collect();
        let mut reached = BTreeSet::new();
        while let Some(document) = left.pop() {
            if reached.insert(document) {
                let mut names = Vec::new();
                let inside = self.defs.iter().filter(|(name, _)| document_of(name) == document);
                inside.for_each(|(_, schema)| schema.references(&mut names));
                left.extend(names.into_iter().map(document_of));
            }
        }
        reached
    }
}

/// The NSID of the document in which a definition stands.
fn document_of(name: &str) -> &str {
    name.split_once('#').map_or(name, |(document, _)| document)
}
