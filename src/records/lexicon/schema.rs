//! What a lexicon document says, as far as values are checked against it.
//!
//! Only that is read which a value can violate, and the errors of a method. What is not understood constrains nothing.

use std::collections::HashMap;

use serde::Deserialize;

/// A lexicon document.
#[derive(Debug, Deserialize)]
pub struct Lexicon {
    /// Its NSID.
    pub id: String,
    pub(super) defs: HashMap<String, Schema>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Schema {
    Record {
        record: Box<Schema>,
    },
    Query(Method),
    Procedure(Method),
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
    // Subscriptions, parameters and permission sets describe no value that is validated here.
    #[serde(other)]
    Other,
}

/// A query or a procedure. A query has no input of this kind: its parameters are text.
#[derive(Debug, Deserialize)]
pub(super) struct Method {
    pub(super) input: Option<Content>,
    pub(super) output: Option<Content>,
    #[serde(default)]
    pub(super) errors: Vec<MethodError>,
}

/// What goes over the wire.
#[derive(Debug, Deserialize)]
pub(super) struct Content {
    pub(super) schema: Option<Box<Schema>>,
}

/// An error that a method says it may answer.
#[derive(Debug, Deserialize)]
pub struct MethodError {
    /// Its name on the wire.
    pub name: String,
    description: Option<String>,
}

impl MethodError {
    /// The status that it comes with. Our files say it in the description: `404: when`.
    pub fn status(&self) -> Option<u16> {
        self.description.as_deref()?.split_once(": ")?.0.parse().ok()
    }
}

impl Method {
    fn schemas(&self) -> impl Iterator<Item = &Schema> {
        [&self.input, &self.output].into_iter().flatten().filter_map(|content| content.schema.as_deref())
    }

    fn schemas_mut(&mut self) -> impl Iterator<Item = &mut Schema> {
        [&mut self.input, &mut self.output]
            .into_iter()
            .flatten()
            .filter_map(|content| content.schema.as_deref_mut())
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct BooleanSchema {
    pub(super) r#const: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IntegerSchema {
    pub(super) minimum: Option<i64>,
    pub(super) maximum: Option<i64>,
    pub(super) r#enum: Option<Vec<i64>>,
    pub(super) r#const: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StringSchema {
    pub(super) format: Option<String>,
    pub(super) max_length: Option<usize>,
    pub(super) min_length: Option<usize>,
    pub(super) max_graphemes: Option<usize>,
    pub(super) min_graphemes: Option<usize>,
    pub(super) r#enum: Option<Vec<String>>,
    pub(super) r#const: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SizeSchema {
    pub(super) max_length: Option<usize>,
    pub(super) min_length: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlobSchema {
    pub(super) accept: Option<Vec<String>>,
    pub(super) max_size: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArraySchema {
    pub(super) items: Box<Schema>,
    pub(super) max_length: Option<usize>,
    pub(super) min_length: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ObjectSchema {
    #[serde(default)]
    pub(super) required: Vec<String>,
    #[serde(default)]
    pub(super) nullable: Vec<String>,
    #[serde(default)]
    pub(super) properties: HashMap<String, Schema>,
}

#[derive(Debug, Deserialize)]
pub(super) struct UnionSchema {
    pub(super) refs: Vec<String>,
    #[serde(default)]
    pub(super) closed: bool,
}

impl Schema {
    /// Makes every reference in it absolute; it stands in the document `nsid`.
    pub(super) fn make_absolute(&mut self, nsid: &str) {
        match self {
            Schema::Ref { r#ref } => make_absolute(r#ref, nsid),
            Schema::Union(union) => union.refs.iter_mut().for_each(|name| make_absolute(name, nsid)),
            _ => self.children_mut().into_iter().for_each(|child| child.make_absolute(nsid)),
        }
    }

    fn children_mut(&mut self) -> Vec<&mut Schema> {
        match self {
            Schema::Record { record } => vec![record],
            Schema::Query(method) | Schema::Procedure(method) => method.schemas_mut().collect(),
            Schema::Array(array) => vec![&mut array.items],
            Schema::Object(object) => object.properties.values_mut().collect(),
            _ => Vec::new(),
        }
    }

    /// Gathers the names that it refers to.
    pub(super) fn references<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Schema::Ref { r#ref } => names.push(r#ref),
            Schema::Union(union) => names.extend(union.refs.iter().map(String::as_str)),
            Schema::Record { record } => record.references(names),
            Schema::Query(method) | Schema::Procedure(method) => {
                method.schemas().for_each(|schema| schema.references(names));
            }
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
