//! JSON of the atproto data model and its DAG-CBOR form.
//!
//! `{"$link": …}` is a link and `{"$bytes": …}` a byte string; there are no fractions. The conversion is
//! exact: a record that came as JSON gets the bytes, and so the CID, that its repository holds.
//! Spec: atproto data-model, "JSON representation".

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ipld_core::cid::Cid as AnyCid;
use ipld_core::ipld::Ipld;
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value, json};

use super::cbor;
use super::limits::{JSON_DEPTH_PARSED_MAX, RECORD_DEPTH_MAX};

/// Standard alphabet, padding optional, as the data model has it; bits left over at the end are tolerated, as
/// the interop suite has them among the valid.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Characters of a link: those of the lexicon format `cid`. A hash of 64 bytes, the longest that is read, takes some 120.
const LINK_CHARS_MAX: usize = 256;

/// Why JSON has no DAG-CBOR bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// Some value in it has no form in the data model.
    NotDagCbor,
    /// It nests deeper than is read.
    TooDeep,
}

/// Encodes the JSON text of a record as canonical DAG-CBOR.
pub fn encode_dag_cbor(text: &str) -> Result<Vec<u8>, JsonFault> {
    let shape = look_over(text);
    if shape.depth > JSON_DEPTH_PARSED_MAX {
        return Err(if shape.fraction { JsonFault::NotDagCbor } else { JsonFault::TooDeep });
    }
    let value: Value = serde_json::from_str(text).map_err(|_| JsonFault::NotDagCbor)?;
    let ipld = to_ipld(value).ok_or(JsonFault::NotDagCbor)?;
    serde_ipld_dagcbor::to_vec(&ipld).map_err(|_| JsonFault::NotDagCbor)
}

/// The JSON form of DAG-CBOR bytes; `None` if they are none, or nest deeper than a record may.
pub fn decode_dag_cbor(bytes: &[u8]) -> Option<Value> {
    if cbor::walk(bytes).ok()? > RECORD_DEPTH_MAX {
        return None;
    }
    serde_ipld_dagcbor::from_slice(bytes).ok().map(|value| from_ipld(&value))
}

/// A value of the data model that is written as its JSON form, part by part. As a tree of JSON, a record of many
/// small parts would take hundreds of times its own size.
#[derive(Clone, Copy, Debug)]
pub struct AsJson<'a>(pub &'a Ipld);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Ipld::Null => serializer.serialize_unit(),
            Ipld::Bool(bool) => serializer.serialize_bool(*bool),
            // As in `from_ipld`.
            Ipld::Integer(int) => match i64::try_from(*int) {
                Ok(int) => serializer.serialize_i64(int),
                Err(_) => serializer.collect_str(int),
            },
            Ipld::Float(float) => serializer.serialize_f64(*float),
            Ipld::String(text) => serializer.serialize_str(text),
            Ipld::Bytes(bytes) => serializer.collect_map([("$bytes", BASE64.encode(bytes))]),
            Ipld::List(items) => serializer.collect_seq(items.iter().map(AsJson)),
            Ipld::Map(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name, AsJson(value))))
            }
            Ipld::Link(cid) => serializer.collect_map([("$link", cid.to_string())]),
        }
    }
}

/// The JSON form of a byte string.
pub fn from_bytes(bytes: &[u8]) -> Value {
    json!({ "$bytes": BASE64.encode(bytes) })
}

/// The bytes that a JSON form of a byte string holds.
pub fn to_bytes(value: &Value) -> Option<Vec<u8>> {
    BASE64.decode(sole_text(value.as_object()?, "$bytes")?).ok()
}

/// What one pass over JSON text tells without parsing it.
struct Shape {
    depth: usize,
    fraction: bool,
}

/// Counts brackets and looks at every number outside strings. Not recursive, so that text nested a million deep
/// is answered like any other.
fn look_over(text: &str) -> Shape {
    let (mut depth, mut deepest, mut fraction) = (0_usize, 0, false);
    let (mut in_string, mut escaped) = (false, false);
    let mut number = None;
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        if matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
            // The letter is also in `true` and `false`, which no digit precedes.
            number = number.or((byte != b'e').then_some(at));
            continue;
        }
        if let Some(number) = number.take().and_then(|start| text.get(start..at)) {
            fraction |= !serde_json::from_str(number).is_ok_and(|number| integer(&number).is_some());
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    Shape { depth: deepest, fraction }
}

/// The data model value of parsed JSON; `None` if it has none.
pub fn to_ipld(value: Value) -> Option<Ipld> {
    Some(match value {
        Value::Null => Ipld::Null,
        Value::Bool(bool) => Ipld::Bool(bool),
        Value::Number(number) => Ipld::Integer(integer(&number)?.into()),
        Value::String(text) => Ipld::String(text),
        Value::Array(items) => Ipld::List(items.into_iter().map(to_ipld).collect::<Option<_>>()?),
        Value::Object(fields) if fields.contains_key("$link") => link(&fields)?,
        Value::Object(fields) if fields.contains_key("$bytes") => bytes(&fields)?,
        Value::Object(fields) => Ipld::Map(
            fields
                .into_iter()
                .map(|(key, value)| Some((key, to_ipld(value)?)))
                .collect::<Option<BTreeMap<_, _>>>()?,
        ),
    })
}

/// A number without a fraction, however it is written: JSON does not tell 123 from 123.0, and the interop
/// suite has the latter among the valid. Where it stood for a float after all, the record's CID says so.
fn integer(number: &Number) -> Option<i64> {
    /// The greatest magnitude up to which a double holds every integer.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let double = number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() <= EXACT_MAX)?;
        format!("{double:.0}").parse().ok()
    })
}

fn sole_text<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    if fields.len() == 1 { fields.get(key)?.as_str() } else { None }
}

fn link(fields: &Map<String, Value>) -> Option<Ipld> {
    let text = sole_text(fields, "$link")?;
    // The parser takes paths and other bases too; a link has one text only. To decode a long text of some bases takes
    // time that grows with the square of its length.
    let text = Some(text).filter(|text| text.len() <= LINK_CHARS_MAX)?;
    AnyCid::try_from(text).ok().filter(|cid| cid.to_string() == text).map(Ipld::Link)
}

fn bytes(fields: &Map<String, Value>) -> Option<Ipld> {
    BASE64.decode(sole_text(fields, "$bytes")?).ok().map(Ipld::Bytes)
}

/// The JSON form of a data model value.
pub fn from_ipld(value: &Ipld) -> Value {
    match value {
        Ipld::Null => Value::Null,
        Ipld::Bool(bool) => Value::Bool(*bool),
        // Integers outside 64 signed bits and floats never pass the decoder; shown as text if ever met.
        Ipld::Integer(int) => i64::try_from(*int).map_or_else(|_| json!(int.to_string()), |int| json!(int)),
        Ipld::Float(float) => Number::from_f64(*float).map_or(Value::Null, Value::Number),
        Ipld::String(text) => Value::String(text.clone()),
        Ipld::Bytes(bytes) => from_bytes(bytes),
        Ipld::List(items) => Value::Array(items.iter().map(from_ipld).collect()),
        Ipld::Map(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), from_ipld(value))).collect())
        }
        Ipld::Link(cid) => json!({ "$link": cid.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{AsJson, from_ipld, to_ipld};

    #[test]
    fn a_link_of_a_million_characters_is_refused_and_not_decoded() {
        // In this base it would take a minute.
        assert_eq!(to_ipld(json!({ "$link": format!("z{}", "2".repeat(1_000_000)) })), None);
    }

    #[test]
    fn a_value_is_written_as_its_tree_of_json_would_be() {
        let link = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";
        let value = json!({
            "b": [null, true, -7, i64::MAX, "text \u{1f600} \" \n", { "$link": link }, { "$bytes": "" }],
            "a": { "": { "$bytes": "AAEC" }, "z": [], "empty": {} },
            "$type": "x",
        });
        let value = to_ipld(value).unwrap();
        let written = serde_json::to_string(&AsJson(&value)).unwrap();
        assert_eq!(written, from_ipld(&value).to_string());
        assert!(written.contains(link) && written.contains("AAEC"), "{written}");
    }
}
