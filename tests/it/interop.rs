//! The public atproto interop suite, where it lies: `GUESTLIST_INTEROP` names its folder.
//!
//! The suite is not part of the project; the tests beside the code cover the same ground with vectors of
//! their own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use guestlist::codec::event::Block;
use guestlist::codec::json;
use guestlist::codec::key::PublicKey;
use guestlist::codec::node::{layer_of, shared_len};
use guestlist::records::{Grade, Kind, grade};

use guestlist::records::lexicon::{Lexicon, Lexicons};
use guestlist::syntax::{
    AtUri, Cid, Datetime, Did, Handle, Nsid, RecordKey, Tid, is_at_identifier, is_cid_string, is_language,
    is_uri,
};
use ipld_core::ipld::Ipld;
use p256::ecdsa::SigningKey;
use secp256k1::SecretKey;
use serde_json::Value;

use crate::signed::Key;
use crate::trees::{Blocks, Keys, created, deleted, tree, undone};

fn folder() -> Option<PathBuf> {
    std::env::var_os("GUESTLIST_INTEROP").map(PathBuf::from)
}

#[test]
fn interop() {
    let Some(folder) = folder() else {
        println!("skipped: GUESTLIST_INTEROP names no folder");
        return;
    };
    syntax(&folder.join("syntax"));
    data_model(&folder.join("data-model"));
    lexicon(&folder.join("lexicon"));
    crypto(&folder.join("crypto"));
    mst(&folder.join("mst"));
    commit_proofs(&folder.join("firehose"));
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn cases(path: &Path) -> Vec<Value> {
    serde_json::from_str(&read(path)).unwrap()
}

type Format = (&'static str, fn(&str) -> bool);

const FORMATS: &[Format] = &[
    ("atidentifier", is_at_identifier),
    ("aturi", AtUri::is_valid),
    ("cid", is_cid_string),
    ("datetime", |text| Datetime::parse(text).is_ok()),
    ("did", Did::is_valid),
    ("handle", Handle::is_valid),
    ("language", is_language),
    ("nsid", Nsid::is_valid),
    ("recordkey", RecordKey::is_valid),
    ("tid", |text| Tid::parse(text).is_ok()),
    ("uri", is_uri),
];

fn syntax(folder: &Path) {
    let mut seen = 0;
    for (name, is_valid) in FORMATS {
        for (list, verdict) in [("syntax_valid", true), ("syntax_invalid", false), ("parse_invalid", false)] {
            let path = folder.join(format!("{name}_{list}.txt"));
            if !path.exists() {
                assert_eq!(list, "parse_invalid", "{} is missing", path.display());
                continue;
            }
            for line in read(&path).lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                seen += 1;
                assert_eq!(is_valid(line), verdict, "{name}: {line:?}");
            }
        }
    }
    assert!(seen > 400, "the lists were not found: {seen}");
}

fn data_model(folder: &Path) {
    for case in cases(&folder.join("data-model-fixtures.json")) {
        let bytes = json::encode_dag_cbor(&case["json"].to_string()).unwrap();
        assert_eq!(Cid::compute_dag_cbor(&bytes).to_string(), case["cid"].as_str().unwrap());
        guestlist::codec::cbor::walk(&bytes).unwrap();
        let back: Ipld = serde_ipld_dagcbor::from_slice(&bytes).unwrap();
        assert_eq!(json::encode_dag_cbor(&json::from_ipld(&back).to_string()).unwrap(), bytes);
    }
    for case in cases(&folder.join("data-model-valid.json")) {
        json::encode_dag_cbor(&case["json"].to_string())
            .unwrap_or_else(|fault| panic!("{}: {fault:?}", case["note"]));
    }
    for case in cases(&folder.join("data-model-invalid.json")) {
        let note = case["note"].as_str().unwrap();
        // What a blob must be is for lexicons to say, and is among the records of the lexicon suite.
        if note.contains("blob") {
            continue;
        }
        let value = case["json"].get("rcrd").unwrap_or(&case["json"]);
        let Ok(bytes) = json::encode_dag_cbor(&value.to_string()) else { continue };
        // What a record and its `$type` must be is for the grades to say.
        let block = Block { cid: Cid::compute_dag_cbor(&bytes), bytes, fault: None };
        let graded = grade(Kind::Jam, &RecordKey::parse("self").unwrap(), &block);
        assert!(matches!(graded.grade, Grade::Unusable(_)), "{note}");
    }
}

fn lexicon(folder: &Path) {
    let catalog = std::fs::read_dir(folder.join("catalog")).unwrap();
    let files = catalog.map(|entry| serde_json::from_str::<Lexicon>(&read(&entry.unwrap().path())).unwrap());
    let lexicons = Lexicons::new(files);
    // Those that are no lexicons are not tried: only our own are ever read, and they are compiled in.
    for case in cases(&folder.join("lexicon-valid.json")) {
        let name = case["name"].as_str().unwrap();
        serde_json::from_value::<Lexicon>(case["lexicon"].clone())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for (list, conforms) in [("record-data-valid.json", true), ("record-data-invalid.json", false)] {
        for case in cases(&folder.join(list)) {
            // Data without a DAG-CBOR form fails before any lexicon is asked.
            let Some(Ipld::Map(record)) = json::to_ipld(case["data"].clone()) else {
                assert!(!conforms, "{}", case["name"]);
                continue;
            };
            let found = lexicons.record_deviations("example.lexicon.record", &record);
            assert_eq!(found.is_empty(), conforms, "{}: {found:?}", case["name"]);
        }
    }
}

fn crypto(folder: &Path) {
    let mut refused = 0;
    for case in cases(&folder.join("signature-fixtures.json")) {
        let text = |field: &str| case[field].as_str().unwrap();
        // Some of them end in padding and some do not.
        let bytes = |field: &str| STANDARD_NO_PAD.decode(text(field).trim_end_matches('=')).unwrap();
        let key = PublicKey::parse_did_key(text("publicKeyDid")).unwrap();
        assert_eq!(PublicKey::of_method(text("didDocSuite"), text("publicKeyMultibase")), Some(key.clone()));
        let valid = case["validSignature"].as_bool().unwrap();
        refused += usize::from(!valid);
        let verifies = key.verifies(&bytes("messageBase64"), &bytes("signatureBase64"));
        assert_eq!(verifies, valid, "{}", case["comment"]);
    }
    assert!(refused >= 4, "high-S and DER are among them: {refused}");
    for case in cases(&folder.join("w3c_didkey_K256.json")) {
        let text = case["privateKeyBytesHex"].as_str().unwrap();
        let bytes = std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap());
        assert_key(&Key::K256(SecretKey::from_secret_bytes(bytes).unwrap()), &case);
    }
    for case in cases(&folder.join("w3c_didkey_P256.json")) {
        let text = case["privateKeyBytesBase58"].as_str().unwrap();
        let bytes = multibase::Base::Base58Btc.decode(text).unwrap();
        assert_key(&Key::P256(SigningKey::from_slice(&bytes).unwrap()), &case);
    }
}

/// Fails unless a private key has the public key of its case, and that key knows its signatures.
fn assert_key(key: &Key, case: &Value) {
    let public = PublicKey::parse_did_key(case["publicDidKey"].as_str().unwrap()).unwrap();
    assert_eq!(key.public(), public, "{case}");
    assert!(public.verifies(b"message", &key.sign(b"message")), "{case}");
    assert!(!public.verifies(b"another", &key.sign(b"message")), "{case}");
}

fn mst(folder: &Path) {
    for case in cases(&folder.join("key_heights.json")) {
        let layer = layer_of(case["key"].as_str().unwrap().as_bytes());
        assert_eq!(u64::from(layer), case["height"].as_u64().unwrap(), "{case}");
    }
    for case in cases(&folder.join("common_prefix.json")) {
        let side = |name: &str| case[name].as_str().unwrap().as_bytes();
        assert_eq!(shared_len(side("left"), side("right")) as u64, case["len"].as_u64().unwrap(), "{case}");
    }
    for key in read(&folder.join("example_keys.txt")).lines() {
        // A letter, and the layer on which the key stands.
        let layer = key.chars().nth(1).unwrap().to_digit(10).unwrap();
        assert_eq!(layer_of(key.as_bytes()), layer, "{key}");
    }
}

fn commit_proofs(folder: &Path) {
    for case in cases(&folder.join("commit-proof-fixtures.json")) {
        let value = case["leafValue"].as_str().unwrap().parse().unwrap();
        let names = |field: &str| -> Vec<&str> {
            case[field].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
        };
        let mut keys: Keys = names("keys").into_iter().map(|key| (key.to_owned(), value)).collect();
        let before = tree(&keys, &mut Blocks::new());
        assert_eq!(before.to_string(), case["rootBeforeCommit"].as_str().unwrap(), "{}", case["comment"]);
        let (adds, dels) = (names("adds"), names("dels"));
        keys.retain(|key, _| !dels.contains(&key.as_str()));
        keys.extend(adds.iter().map(|key| ((*key).to_owned(), value)));
        let added = adds.iter().map(|key| created(key, value));
        let changes: Vec<_> = added.chain(dels.iter().map(|key| deleted(key, value))).collect();
        let mut blocks = Blocks::new();
        let after = tree(&keys, &mut blocks);
        assert_eq!(after.to_string(), case["rootAfterCommit"].as_str().unwrap(), "{}", case["comment"]);
        let proof: BTreeSet<Cid> = names("blocksInProof").iter().map(|cid| cid.parse().unwrap()).collect();
        blocks.retain(|cid, _| proof.contains(cid));
        assert_eq!(undone(&blocks, &after, &changes, &before), Ok(()), "{}", case["comment"]);
    }
}
