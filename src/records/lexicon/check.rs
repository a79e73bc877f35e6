//! Where a value departs from a schema: every violation as (JSON Pointer, keyword), not only the first.
//!
//! What a schema does not name is no violation: lexicons are open. `null` is one, unless the field is nullable.

use std::collections::HashMap;

use ipld_core::ipld::Ipld;
use unicode_segmentation::UnicodeSegmentation;

use super::schema::{
    ArraySchema, BlobSchema, IntegerSchema, ObjectSchema, Schema, StringSchema, UnionSchema,
};
use crate::records::Deviation;
use crate::records::fields::Map;
use crate::syntax::{
    AtUri, Datetime, Did, Handle, Nsid, RecordKey, Tid, is_at_identifier, is_cid_string, is_language, is_uri,
};

/// One validation: where it stands and what it found.
pub(super) struct Check<'a> {
    defs: &'a HashMap<String, Schema>,
    path: String,
    found: Vec<Deviation>,
}

impl<'a> Check<'a> {
    /// Begins one; references lead into `defs`.
    pub(super) fn new(defs: &'a HashMap<String, Schema>) -> Self {
        Self { defs, path: String::new(), found: Vec::new() }
    }

    /// What it found.
    pub(super) fn found(self) -> Vec<Deviation> {
        self.found
    }
}

impl Check<'_> {
    /// Notes a violation where it stands.
    pub(super) fn fault(&mut self, rule: &str) {
        self.found.push(Deviation { path: self.path.clone(), rule: rule.to_owned() });
    }

    fn unless(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.fault(rule);
        }
    }

    /// Looks at what is under a name or a place in a list.
    pub(super) fn at(&mut self, segment: &str, look: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&segment.replace('~', "~0").replace('/', "~1"));
        look(self);
        self.path.truncate(length);
    }

    /// Looks at a value.
    pub(super) fn value(&mut self, schema: &Schema, value: &Ipld) {
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
                if let Some(schema) = self.defs.get(name) {
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
            | (Schema::Record { .. } | Schema::Query(_) | Schema::Procedure(_) | Schema::Other, _) => {}
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

    /// Looks at the fields of an object.
    pub(super) fn object(&mut self, schema: &ObjectSchema, value: &Map) {
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
        match self.defs.get(name) {
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
