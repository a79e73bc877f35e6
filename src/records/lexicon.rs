//! Lexicon schemas and where a value departs from them.
//!
//! The files under `lexicons/` are compiled in and parsed once. Validation collects every violation as
//! (JSON Pointer, keyword) instead of stopping at the first, because deviating records are kept and shown.
//! Spec: atproto lexicon; RULES §1 for what does not count as a deviation. String formats: `syntax`.

use std::collections::HashMap;
use std::sync::LazyLock;

use ipld_core::ipld::Ipld;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use unicode_segmentation::UnicodeSegmentation;

use super::fields::Map;
use super::{Deviation, Kind};
use crate::syntax::{
    AtUri, Datetime, Did, Handle, Nsid, RecordKey, Tid, is_at_identifier, is_cid_string, is_language, is_uri,
};

macro_rules! sources {
    ($($path:literal,)+) => {
        /// Every lexicon of the project, as JSON text.
        pub const SOURCES: &[&str] = &[$(include_str!(concat!("../../lexicons/", $path, ".json")),)+];
    };
}

sources! {
    "app/guestlist/defs",
    "app/guestlist/explain",
    "app/guestlist/getInviteGraph",
    "app/guestlist/getRound",
    "app/guestlist/getStanding",
    "app/guestlist/getStandings",
    "app/guestlist/getStatus",
    "app/guestlist/listActorRounds",
    "app/guestlist/listEventRSVPs",
    "app/guestlist/listInvitations",
    "app/guestlist/listParticipants",
    "app/guestlist/listQuarantine",
    "app/guestlist/listRounds",
    "app/guestlist/listSignups",
    "app/guestlist/listSubmissions",
    "at/atjam/invitation",
    "at/atjam/jam",
    "at/atjam/round",
    "at/atjam/signup",
    "at/atjam/submission",
    "com/atproto/repo/strongRef",
    "community/lexicon/calendar/event",
    "community/lexicon/calendar/getEvent",
    "community/lexicon/calendar/getRSVP",
    "community/lexicon/calendar/listRSVPs",
    "community/lexicon/calendar/rsvp",
    "community/lexicon/location/address",
    "community/lexicon/location/fsq",
    "community/lexicon/location/geo",
    "community/lexicon/location/hthree",
    "events/smokesignal/calendar/acceptance",
}

/// The project's lexicons, parsed.
pub static LEXICONS: LazyLock<Lexicons> = LazyLock::new(|| {
    let files = SOURCES.iter().map(|source| serde_json::from_str(source).expect("a test parses every file"));
    Lexicons::new(files)
});

/// Where a record departs from its kind's lexicon.
pub(super) fn deviations(kind: Kind, record: &Map) -> Vec<Deviation> {
    LEXICONS.record_deviations(kind.nsid(), record)
}

/// A lexicon document.
#[derive(Debug, Deserialize)]
pub struct Lexicon {
    /// Its NSID.
    pub id: String,
    defs: HashMap<String, Schema>,
}

/// A set of lexicons that refer to each other.
#[derive(Debug)]
pub struct Lexicons {
    /// Definitions by full name: the NSID alone for `main`, else `nsid#name`.
    defs: HashMap<String, Schema>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Schema {
    Record {
        record: Box<Schema>,
    },
    Query {
        output: Option<Output>,
    },
    Null,
    Boolean(BooleanSchema),
    Integer(IntegerSchema),
    String(StringSchema),
    Bytes(SizeSchema),
    CidLink,
    Blob(BlobSchema),
    Array(ArraySchema),
    Object(ObjectSchema),
    Ref {
        r#ref: String,
    },
    Union(UnionSchema),
    Token,
    Unknown,
    // Procedures, subscriptions and permission sets describe no value that is validated here.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Output {
    schema: Option<Box<Schema>>,
}

#[derive(Debug, Deserialize)]
struct BooleanSchema {
    r#const: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct IntegerSchema {
    minimum: Option<i64>,
    maximum: Option<i64>,
    r#enum: Option<Vec<i64>>,
    r#const: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StringSchema {
    format: Option<String>,
    max_length: Option<usize>,
    min_length: Option<usize>,
    max_graphemes: Option<usize>,
    min_graphemes: Option<usize>,
    r#enum: Option<Vec<String>>,
    r#const: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SizeSchema {
    max_length: Option<usize>,
    min_length: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobSchema {
    accept: Option<Vec<String>>,
    max_size: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArraySchema {
    items: Box<Schema>,
    max_length: Option<usize>,
    min_length: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct ObjectSchema {
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    nullable: Vec<String>,
    #[serde(default)]
    properties: HashMap<String, Schema>,
}

#[derive(Debug, Deserialize)]
struct UnionSchema {
    refs: Vec<String>,
    #[serde(default)]
    closed: bool,
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
        let mut check = Check { lexicons: self, path: String::new(), found: Vec::new() };
        if !record.contains_key("$type") {
            check.at("$type", |check| check.fault("required"));
        }
        if let Some(Schema::Record { record: schema }) = self.defs.get(nsid)
            && let Schema::Object(schema) = schema.as_ref()
        {
            check.object(schema, record);
        }
        check.found
    }

    /// Where a query's answer departs from its lexicon; `None` if there is no such query.
    pub fn output_deviations(&self, nsid: &str, answer: &Ipld) -> Option<Vec<Deviation>> {
        let Some(Schema::Query { output: Some(output) }) = self.defs.get(nsid) else { return None };
        let mut check = Check { lexicons: self, path: String::new(), found: Vec::new() };
        check.value(output.schema.as_ref()?, answer);
        Some(check.found)
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

    fn contains(&self, nsid: &str) -> bool {
        self.defs.contains_key(nsid)
    }
}

/// Whether a kind has a lexicon.
pub fn has_lexicon(kind: Kind) -> bool {
    LEXICONS.contains(kind.nsid())
}

impl Schema {
    fn make_absolute(&mut self, nsid: &str) {
        match self {
            Schema::Ref { r#ref } => make_absolute(r#ref, nsid),
            Schema::Union(union) => union.refs.iter_mut().for_each(|name| make_absolute(name, nsid)),
            _ => self.children_mut().into_iter().for_each(|child| child.make_absolute(nsid)),
        }
    }

    fn children_mut(&mut self) -> Vec<&mut Schema> {
        match self {
            Schema::Record { record } => vec![record],
            Schema::Query { output: Some(Output { schema: Some(schema) }) } => vec![schema],
            Schema::Array(array) => vec![&mut array.items],
            Schema::Object(object) => object.properties.values_mut().collect(),
            _ => Vec::new(),
        }
    }

    fn references<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Schema::Ref { r#ref } => names.push(r#ref),
            Schema::Union(union) => names.extend(union.refs.iter().map(String::as_str)),
            Schema::Record { record } => record.references(names),
            Schema::Query { output: Some(Output { schema: Some(schema) }) } => schema.references(names),
            Schema::Array(array) => array.items.references(names),
            Schema::Object(object) => {
                object.properties.values().for_each(|child| child.references(names));
            }
            _ => {}
        }
    }
}

fn make_absolute(name: &mut String, nsid: &str) {
    if name.starts_with('#') {
        name.insert_str(0, nsid);
    }
    if let Some(main) = name.strip_suffix("#main") {
        *name = main.to_owned();
    }
}

/// One validation: where it stands and what it found.
struct Check<'a> {
    lexicons: &'a Lexicons,
    path: String,
    found: Vec<Deviation>,
}

impl Check<'_> {
    fn fault(&mut self, rule: &str) {
        self.found.push(Deviation { path: self.path.clone(), rule: rule.to_owned() });
    }

    fn unless(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.fault(rule);
        }
    }

    fn at(&mut self, segment: &str, look: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&segment.replace('~', "~0").replace('/', "~1"));
        look(self);
        self.path.truncate(length);
    }

    fn value(&mut self, schema: &Schema, value: &Ipld) {
        match (schema, value) {
            (Schema::Boolean(schema), Ipld::Bool(value)) => {
                self.unless(schema.r#const.is_none_or(|only| only == *value), "const");
            }
            (Schema::Integer(schema), Ipld::Integer(value)) => self.integer(schema, *value),
            (Schema::String(schema), Ipld::String(value)) => self.string(schema, value),
            (Schema::Bytes(schema), Ipld::Bytes(value)) => {
                self.size(value.len(), schema.min_length, schema.max_length);
            }
            (Schema::Array(schema), Ipld::List(items)) => self.array(schema, items),
            (Schema::Object(schema), Ipld::Map(value)) => self.object(schema, value),
            (Schema::Blob(schema), Ipld::Map(value)) => self.blob(schema, value),
            (Schema::Ref { r#ref: name }, value) => {
                // A reference to nothing cannot be violated; a test finds it in our own files.
                if let Some(schema) = self.lexicons.defs.get(name) {
                    self.value(schema, value);
                }
            }
            (Schema::Union(schema), value) => self.union(schema, value),
            (Schema::Unknown, Ipld::Map(value)) => {
                self.unless(value.get("$type") != Some(&Ipld::String("blob".to_owned())), "type");
            }
            (Schema::Null, Ipld::Null)
            | (Schema::CidLink, Ipld::Link(_))
            | (Schema::Token, Ipld::String(_))
            | (Schema::Record { .. } | Schema::Query { .. } | Schema::Other, _) => {}
            _ => self.fault("type"),
        }
    }

    fn integer(&mut self, schema: &IntegerSchema, value: i128) {
        self.unless(schema.minimum.is_none_or(|least| value >= least.into()), "minimum");
        self.unless(schema.maximum.is_none_or(|most| value <= most.into()), "maximum");
        let values = schema.r#enum.as_ref();
        self.unless(values.is_none_or(|values| values.iter().any(|one| value == (*one).into())), "enum");
        self.unless(schema.r#const.is_none_or(|only| value == only.into()), "const");
    }

    fn string(&mut self, schema: &StringSchema, value: &str) {
        self.size(value.len(), schema.min_length, schema.max_length);
        if schema.min_graphemes.is_some() || schema.max_graphemes.is_some() {
            let graphemes = value.graphemes(true).count();
            self.unless(schema.min_graphemes.is_none_or(|least| graphemes >= least), "minGraphemes");
            self.unless(schema.max_graphemes.is_none_or(|most| graphemes <= most), "maxGraphemes");
        }
        self.unless(schema.format.as_deref().is_none_or(|format| has_format(format, value)), "format");
        self.unless(
            schema.r#enum.as_ref().is_none_or(|values| values.iter().any(|one| one == value)),
            "enum",
        );
        self.unless(schema.r#const.as_ref().is_none_or(|only| only == value), "const");
    }

    fn size(&mut self, size: usize, least: Option<usize>, most: Option<usize>) {
        self.unless(least.is_none_or(|least| size >= least), "minLength");
        self.unless(most.is_none_or(|most| size <= most), "maxLength");
    }

    fn array(&mut self, schema: &ArraySchema, items: &[Ipld]) {
        self.size(items.len(), schema.min_length, schema.max_length);
        for (index, item) in items.iter().enumerate() {
            self.at(&index.to_string(), |check| check.value(&schema.items, item));
        }
    }

    fn object(&mut self, schema: &ObjectSchema, value: &Map) {
        for name in schema.required.iter().filter(|name| !value.contains_key(*name)) {
            self.at(name, |check| check.fault("required"));
        }
        for (name, schema_of_it) in &schema.properties {
            match value.get(name) {
                None => {}
                Some(Ipld::Null) if schema.nullable.contains(name) => {}
                Some(value) => self.at(name, |check| check.value(schema_of_it, value)),
            }
        }
    }

    fn blob(&mut self, schema: &BlobSchema, value: &Map) {
        let (mime, size) =
            match (value.get("$type"), value.get("mimeType"), value.get("size"), value.get("ref")) {
                (
                    Some(Ipld::String(kind)),
                    Some(Ipld::String(mime)),
                    Some(Ipld::Integer(size)),
                    Some(Ipld::Link(_)),
                ) if kind == "blob" => (mime, *size),
                _ => return self.fault("type"),
            };
        self.unless(schema.max_size.is_none_or(|most| size <= most.into()), "maxSize");
        self.unless(
            schema.accept.as_ref().is_none_or(|globs| globs.iter().any(|glob| accepts(glob, mime))),
            "accept",
        );
    }

    fn union(&mut self, schema: &UnionSchema, value: &Ipld) {
        let name = match value {
            Ipld::Map(fields) => match fields.get("$type") {
                Some(Ipld::String(name)) => name,
                _ => return self.fault("refs"),
            },
            _ => return self.fault("refs"),
        };
        match self.lexicons.defs.get(name) {
            Some(variant) if schema.refs.contains(name) => self.value(variant, value),
            // An open union takes variants that nobody here has heard of.
            _ => self.unless(!schema.closed, "refs"),
        }
    }
}

fn accepts(glob: &str, mime: &str) -> bool {
    match glob.strip_suffix('*') {
        Some(prefix) => mime.starts_with(prefix),
        None => glob == mime,
    }
}

/// Whether a string has a lexicon format. A format that is not known is no constraint.
fn has_format(format: &str, value: &str) -> bool {
    match format {
        "at-identifier" => is_at_identifier(value),
        "at-uri" => AtUri::is_valid(value),
        "cid" => is_cid_string(value),
        "datetime" => Datetime::parse(value).is_ok(),
        "did" => Did::is_valid(value),
        "handle" => Handle::is_valid(value),
        "language" => is_language(value),
        "nsid" => Nsid::is_valid(value),
        "record-key" => RecordKey::is_valid(value),
        "tid" => Tid::parse(value).is_ok(),
        "uri" => is_uri(value),
        _ => true,
    }
}

/// A hash of every lexicon by which records are graded. When it changes, stored grades are out of date.
pub fn fingerprint() -> [u8; 32] {
    let is_query = |document: &Value| document.pointer("/defs/main/type") == Some(&Value::from("query"));
    let grades =
        |source: &&&str| !serde_json::from_str::<Value>(source).is_ok_and(|document| is_query(&document));
    let mut hash = Sha256::new();
    for source in SOURCES.iter().filter(grades) {
        hash.update(source);
        hash.update([0]);
    }
    hash.finalize().into()
}

/// The lexicon documents by NSID, as they are served.
pub fn documents() -> HashMap<String, Value> {
    let parse = |source: &&str| serde_json::from_str::<Value>(source).ok();
    let named = |document: Value| Some((document.get("id")?.as_str()?.to_owned(), document));
    SOURCES.iter().filter_map(parse).filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::{LEXICONS, Lexicon, SOURCES, has_lexicon};
    use crate::records::Kind;

    #[test]
    fn every_file_is_a_lexicon_and_every_reference_leads_somewhere() {
        for source in SOURCES {
            serde_json::from_str::<Lexicon>(source).expect(source);
        }
        assert_eq!(LEXICONS.dangling(), Vec::<&str>::new());
    }

    #[test]
    fn every_kind_has_a_lexicon() {
        assert!(Kind::ALL.iter().all(|kind| has_lexicon(*kind)));
    }
}
