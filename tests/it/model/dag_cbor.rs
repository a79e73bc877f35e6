//! The bytes that a record in JSON has in a repository, written down one item after the other, and their CID.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256};

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// CIDv1, DAG-CBOR, SHA-256 of 32 bytes; in base32.
pub(super) fn cid(value: &Value) -> String {
    let mut cid = vec![0x01, 0x71, 0x12, 0x20];
    cid.extend(Sha256::digest(bytes(value)));
    multibase::encode(multibase::Base::Base32Lower, cid)
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![0xf6],
        Value::Bool(false) => vec![0xf4],
        Value::Bool(true) => vec![0xf5],
        Value::Number(number) => {
            let number = number.as_i64().expect("a record has integers of 64 bits and no others");
            match u64::try_from(number) {
                Ok(number) => head(UNSIGNED, number),
                Err(_) => head(NEGATIVE, (-1 - number).unsigned_abs()),
            }
        }
        Value::String(text) => string(TEXT, text.as_bytes()),
        Value::Array(items) => {
            let mut all = head(ARRAY, length(items.len()));
            all.extend(items.iter().flat_map(bytes));
            all
        }
        Value::Object(fields) => match (fields.get("$link"), fields.get("$bytes")) {
            (Some(Value::String(link)), _) => {
                let (_, cid) = multibase::decode(link).expect("a link is a CID");
                let mut tagged = vec![0xd8, 42];
                tagged.extend(string(BYTES, &[&[0], &cid[..]].concat()));
                tagged
            }
            (_, Some(Value::String(text))) => {
                let content = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
                string(BYTES, &content.expect("bytes are in base64"))
            }
            _ => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by_key(|(name, _)| (name.len(), name.as_bytes()));
                let mut all = head(MAP, length(sorted.len()));
                for (name, value) in sorted {
                    all.extend(string(TEXT, name.as_bytes()));
                    all.extend(bytes(value));
                }
                all
            }
        },
    }
}

fn string(major: u8, content: &[u8]) -> Vec<u8> {
    let mut all = head(major, length(content.len()));
    all.extend(content);
    all
}

/// The shortest form of a head.
fn head(major: u8, argument: u64) -> Vec<u8> {
    let (info, size) = match argument {
        0..24 => (u8::try_from(argument).unwrap_or(0), 0),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    let mut all = vec![major << 5 | info];
    all.extend(&argument.to_be_bytes()[8 - size..]);
    all
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
