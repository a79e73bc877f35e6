//! Identities over a network that lies, stalls and breaks, all of it within the process.

mod claims;
mod documents;
mod floods;
mod handles;
mod stub;
mod system;
mod tokens;

use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use multibase::Base;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use super::{Directory, Limits, Resolver, Settings};
use crate::codec::claim::Claim;
use crate::net::Origin;
use crate::syntax::{Did, Handle, Tid};
pub(crate) use stub::{Reply, Stub};

/// Where the directory of these tests is: in a private network, since its operator says so.
const PLC: &str = "http://plc.internal:2582";
const PLC_ADDRESS: &str = "10.0.0.9:2582";

pub(crate) const ADA: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const BEA: &str = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb";

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The moment that the clocks of these tests show in revisions.
const NOW: i64 = 1_700_000_000_000_000;

pub(crate) fn did(text: &str) -> Did {
    Did::parse(text).unwrap()
}

fn handle(text: &str) -> Handle {
    Handle::parse(text).unwrap()
}

/// The `n`th account of many.
fn account(n: usize) -> Did {
    let letters = (0..5).map(|place| char::from(b'a' + u8::try_from(n / 20_usize.pow(place) % 20).unwrap()));
    did(&format!("did:plc:{}{}", "c".repeat(19), letters.collect::<String>()))
}

/// A key, as documents have it, and its signature over [`DIGEST`].
struct Key {
    multikey: String,
    signature: Box<[u8]>,
}

/// What everybody signs here: what it is does not matter.
const DIGEST: [u8; 32] = [7; 32];

/// The key that a number makes.
fn key(number: u8) -> &'static Key {
    static KEYS: [OnceLock<Key>; 8] = [const { OnceLock::new() }; 8];
    KEYS[usize::from(number)].get_or_init(|| {
        let key = SigningKey::from_slice(&[number; 32]).unwrap();
        let point = key.verifying_key().to_sec1_point(true);
        let signature: Signature = key.sign_prehash(&DIGEST).unwrap();
        Key {
            multikey: multibase::encode(Base::Base58Btc, [&[0x80, 0x24], point.as_bytes()].concat()),
            signature: signature.normalize_s().to_bytes().to_vec().into(),
        }
    })
}

/// A document with this key, at a host, that claims a handle.
pub(crate) fn document(did: &str, number: u8, handle: &str) -> Value {
    json!({
        "id": did, "alsoKnownAs": [format!("at://{handle}")],
        "verificationMethod": [{
            "id": format!("{did}#atproto"), "type": "Multikey", "controller": did, "publicKeyMultibase": key(number).multikey,
        }],
        "service": [{
            "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.host.com",
        }],
    })
}

/// A log of keys, each from a minute after [`NOW`] on.
fn log(keys: &[(u8, i64)]) -> Value {
    let time =
        |minute: &i64| jiff::Timestamp::from_microsecond(NOW + minute * 60_000_000).unwrap().to_string();
    let entry = |(number, minute): &(u8, i64)| {
        let key = format!("did:key:{}", key(*number).multikey);
        json!({
            "operation": { "verificationMethods": { "atproto": key } },
            "nullified": false, "createdAt": time(minute),
        })
    };
    keys.iter().map(entry).collect()
}

/// What an account claims with this key, in a revision of some minutes after [`NOW`].
fn claim_at(did: &Did, number: u8, minute: i64) -> Claim {
    let micros = u64::try_from(NOW + minute * 60_000_000).unwrap();
    let rev = Tid::from_be_bytes((micros << 10).to_be_bytes());
    Claim { did: did.clone(), rev, digest: DIGEST, signature: key(number).signature.clone() }
}

fn claim(account: &str, number: u8) -> Claim {
    claim_at(&did(account), number, 0)
}

fn settings() -> Settings {
    Settings::with(Origin::parse(PLC).unwrap())
}

pub(crate) fn resolver(stub: &Stub) -> Resolver {
    Resolver::new(settings(), Directory::default(), Arc::new(stub.clone()))
}

/// The same within other bounds.
pub(crate) fn resolver_with(stub: &Stub, change: impl FnOnce(&mut Limits)) -> Resolver {
    let mut settings = settings();
    change(&mut settings.limits);
    Resolver::new(settings, Directory::default(), Arc::new(stub.clone()))
}

/// The same with what these lines say in a file.
fn resolver_beside(stub: &Stub, lines: &[Value]) -> Resolver {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text: Vec<_> = lines.iter().map(Value::to_string).collect();
    fs::write(file.path(), text.join("\n")).unwrap();
    let directory = Directory::load(&[file.path().to_owned()]).unwrap();
    Resolver::new(settings(), directory, Arc::new(stub.clone()))
}

/// A network with a directory that answers so.
pub(crate) fn with_plc(plc: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Stub {
    let stub = Stub::new(&["ada.host.com", "www.host.com", "*.slow.com"]);
    stub.name("plc.internal", &["10.0.0.9"]);
    stub.host(PLC_ADDRESS, plc);
    stub
}

/// A directory of these documents.
pub(crate) fn directory(documents: Vec<Value>) -> impl Fn(&str) -> Reply + Send + Sync {
    move |path: &str| {
        let found = documents.iter().find(|document| document["id"] == path.trim_start_matches('/'));
        found.map_or_else(|| Reply::status(404, "", "{}"), |document| Reply::body(document.to_string()))
    }
}

/// A directory whose answer can be changed.
#[derive(Clone, Default)]
struct Changing(Arc<std::sync::Mutex<Vec<(String, Reply)>>>);

impl Changing {
    fn set(&self, path: &str, reply: Reply) {
        self.0.lock().unwrap().insert(0, (path.to_owned(), reply));
    }

    fn stub(&self) -> Stub {
        let this = self.clone();
        with_plc(move |path| {
            let replies = this.0.lock().unwrap();
            let found = replies.iter().find(|(known, _)| known == path || known == "*");
            found.map_or_else(|| Reply::status(404, "", "{}"), |(_, reply)| reply.clone())
        })
    }
}
