//! What a DID document says: the handle it claims, the key that signs, the host that serves.
//!
//! Documents of today and the older key forms, and of the PLC log the keys that an account had before. Pure.
//! Spec: atproto did; PROTOCOL §6.1.

use jiff::Timestamp;
use serde_json::Value;

use crate::codec::claim::Claim;
use crate::codec::key::PublicKey;
use crate::net::Origin;
use crate::syntax::{Did, Handle};

/// The fragments under which a document has what is looked for.
const SIGNING_KEY: &str = "#atproto";
const HOST: &str = "#atproto_pds";

/// The type of a service that is an account's host.
const HOST_TYPE: &str = "AtprotoPersonalDataServer";

/// How much later than the replacement of its key a revision may say that it was made: clocks differ, and a host
/// takes a moment to change over.
const LEEWAY_MICROS: i64 = 5 * 60 * 1_000_000;

/// Former keys that are kept of one account, the last ones. Nobody has changed theirs more often than this, and an
/// account that did must not take up more memory than others.
const FORMER_KEYS_MAX: usize = 16;

/// Bytes of an origin that is kept. The longest name with a port fits.
const HOST_BYTES_MAX: usize = 300;

/// A key that signed once, and does not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerKey {
    /// The key.
    pub key: PublicKey,
    /// When the directory took another in its place, in microseconds since the epoch.
    pub until: i64,
}

impl FormerKey {
    /// Whether it made the signature, over a revision of the time when it counted. Whoever has stolen a key that was
    /// replaced for it can still sign what looks old: nothing that is newer than what is known.
    pub fn proves(&self, claim: &Claim) -> bool {
        claim.rev.micros() <= self.until.saturating_add(LEEWAY_MICROS) && claim.is_proved_by(&self.key)
    }
}

/// A DID document, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Whose it is.
    pub did: Did,
    /// The first handle that it claims. Nothing says yet that the handle leads back here.
    pub handle: Option<Handle>,
    /// The key that signs commits now.
    pub key: Option<PublicKey>,
    /// The keys that signed them before, oldest first, as far as the PLC log came with the document.
    pub former_keys: Vec<FormerKey>,
    /// The origin of the account's host.
    pub host: Option<Origin>,
}

impl Document {
    /// Reads a document, or an object whose `doc` is one and whose `audit` is its PLC log.
    pub fn read(value: &Value) -> Option<Self> {
        let former_keys = value.get("audit").map(former_keys).unwrap_or_default();
        Some(Self { former_keys, ..Self::of(value.get("doc").unwrap_or(value))? })
    }

    /// Reads a document alone.
    pub fn of(document: &Value) -> Option<Self> {
        let id = document.get("id")?.as_str()?;
        // Of any shape: an entry that cannot be read is no reason to lose the others.
        let entries = |field| document.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let handle = |name: &Value| Handle::parse(name.as_str()?.strip_prefix("at://")?).ok();
        Some(Self {
            did: Did::parse(id).ok()?,
            handle: entries("alsoKnownAs").iter().find_map(handle),
            key: entry(entries("verificationMethod"), id, SIGNING_KEY).and_then(|method| key(method, id)),
            host: entry(entries("service"), id, HOST).and_then(host),
            former_keys: Vec::new(),
        })
    }

    /// Whether a key in it made the signature: that of now, or one of its time.
    pub fn proves(&self, claim: &Claim) -> bool {
        self.key.as_ref().is_some_and(|key| claim.is_proved_by(key))
            || self.former_keys.iter().any(|former| former.proves(claim))
    }
}

/// The first entry with this fragment, alone or after the DID.
fn entry<'a>(entries: &'a [Value], did: &str, fragment: &str) -> Option<&'a Value> {
    let is_it = |entry: &&Value| {
        let id = entry.get("id").and_then(Value::as_str).unwrap_or_default();
        id.strip_prefix(did).unwrap_or(id) == fragment
    };
    entries.iter().find(is_it)
}

fn key(method: &Value, did: &str) -> Option<PublicKey> {
    let text = |field| method.get(field).and_then(Value::as_str);
    if text("controller") != Some(did) {
        return None;
    }
    PublicKey::of_method(text("type")?, text("publicKeyMultibase")?)
}

/// An origin, without a path or a user: what follows it in a URL is ours to say.
fn host(service: &Value) -> Option<Origin> {
    let text = |field| service.get(field).and_then(Value::as_str);
    let endpoint = text("serviceEndpoint").filter(|_| text("type") == Some(HOST_TYPE))?;
    if endpoint.len() > HOST_BYTES_MAX {
        return None;
    }
    Origin::parse(endpoint).ok()
}

/// The signing keys in a PLC log that were replaced, the first first, each with the time of its last replacement.
pub(super) fn former_keys(audit: &Value) -> Vec<FormerKey> {
    let mut former: Vec<FormerKey> = Vec::new();
    let mut current: Option<PublicKey> = None;
    for entry in audit.as_array().into_iter().flatten() {
        if entry.get("nullified").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        let next = key_of_operation(entry.get("operation").unwrap_or(entry));
        if next == current {
            continue;
        }
        let time =
            entry.get("createdAt").and_then(Value::as_str).and_then(|time| time.parse::<Timestamp>().ok());
        // A key of which nobody knows when it was replaced proves nothing.
        if let (Some(key), Some(time)) = (current.take(), time) {
            former.retain(|known| known.key != key);
            former.push(FormerKey { key, until: time.as_microsecond() });
        }
        current = next;
    }
    let beyond = former.len().saturating_sub(FORMER_KEYS_MAX);
    former.split_off(beyond)
}

fn key_of_operation(operation: &Value) -> Option<PublicKey> {
    // The first form of an operation had the key in a field of its own.
    let key = operation.pointer("/verificationMethods/atproto").or_else(|| operation.get("signingKey"));
    key.and_then(Value::as_str).and_then(PublicKey::parse_did_key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Document;
    use crate::codec::key::PublicKey;

    const K256: &str = "zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc";
    const P256: &str = "zDnaembgSGUhZULN2Caob4HLJPaxBh92N7rtH21TErzqf8HQo";

    fn method(id: &str, kind: &str, key: &str) -> Value {
        json!({ "id": id, "type": kind, "controller": "did:plc:a", "publicKeyMultibase": key })
    }

    fn read(methods: &[Value], services: &[Value]) -> Document {
        let document = json!({
            "id": "did:plc:a", "alsoKnownAs": ["https://a.example", "at://a.example"],
            "verificationMethod": methods, "service": services,
        });
        Document::read(&document).unwrap()
    }

    #[test]
    fn the_first_entry_of_its_fragment_is_the_key() {
        for id in ["#atproto", "did:plc:a#atproto"] {
            let document =
                read(&[json!(7), method("#other", "Multikey", P256), method(id, "Multikey", K256)], &[]);
            assert!(document.key.is_some(), "{id}");
        }
        // The first counts, whatever follows.
        assert!(
            read(&[method("#atproto", "Unknown", K256), method("#atproto", "Multikey", K256)], &[])
                .key
                .is_none()
        );
        let mut foreign = method("#atproto", "Multikey", K256);
        foreign["controller"] = json!("did:plc:b");
        for bad in
            [foreign, method("did:plc:b#atproto", "Multikey", K256), method("#atproto", "Multikey", "z")]
        {
            assert!(read(&[bad], &[]).key.is_none());
        }
    }

    #[test]
    fn what_cannot_be_read_takes_nothing_with_it() {
        let document = Document::read(&json!({
            "id": "did:plc:a", "alsoKnownAs": [7, null, { "at": 1 }, "at://a.example/path", "at://A.example"],
            "verificationMethod": [method("#atproto", "Multikey", K256)], "service": null,
        }));
        let document = document.unwrap();
        assert_eq!(document.handle.unwrap().as_str(), "a.example");
        assert!(document.key.is_some());
        let elsewhere =
            json!({ "id": "did:plc:a", "alsoKnownAs": "at://a.example", "verificationMethod": {} });
        let elsewhere = Document::read(&elsewhere).unwrap();
        assert_eq!((elsewhere.handle, elsewhere.key), (None, None));
    }

    #[test]
    fn a_very_long_key_is_none_without_being_worked_out() {
        let long = format!("z{}", "2".repeat(300_000));
        let begun = std::time::Instant::now();
        assert!(read(&[method("#atproto", "Multikey", &long)], &[]).key.is_none());
        assert!(begun.elapsed().as_secs() < 1, "{:?}", begun.elapsed());
    }

    #[test]
    fn the_older_forms_hold_the_bare_point() {
        let key = |kind, text| read(&[method("#atproto", kind, text)], &[]).key;
        let (k256, p256) = (
            "z25z9DTpsiYYJKGsWmSPJK2NFN8PcJtZig12K59UgW7q5t",
            "zxdM8dSstjrpZaRUwBmDvjGXweKuEMVN95A9oJBFjkWMh",
        );
        assert_eq!(key("EcdsaSecp256k1VerificationKey2019", k256), key("Multikey", K256));
        assert_eq!(key("EcdsaSecp256r1VerificationKey2019", p256), key("Multikey", P256));
        for (kind, text) in
            [("EcdsaSecp256r1VerificationKey2019", k256), ("EcdsaSecp256k1VerificationKey2019", K256)]
        {
            assert_eq!(key(kind, text), None, "{kind} {text}");
        }
    }

    #[test]
    fn the_host_is_an_origin() {
        let service = |endpoint: &str| {
            read(&[], &[json!({ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint })])
                .host
                .map(|host| host.to_string())
        };
        assert_eq!(service("https://pds.example/").as_deref(), Some("https://pds.example"));
        assert_eq!(service("http://localhost:2583").as_deref(), Some("http://localhost:2583"));
        for bad in [
            "",
            "https://",
            "https:///",
            "ftp://pds.example",
            "https://a@pds.example",
            "https://pds.example/x",
            "https://p?q",
        ] {
            assert_eq!(service(bad), None, "{bad}");
        }
        let other =
            json!({ "id": "#atproto_pds", "type": "Other", "serviceEndpoint": "https://pds.example" });
        assert_eq!(read(&[], &[other]).host, None);
    }

    #[test]
    fn the_log_tells_the_keys_that_counted_before_and_until_when() {
        let entry = |key: &str, second: u32, nullified: bool| {
            json!({
                "operation": { "verificationMethods": { "atproto": format!("did:key:{key}") } },
                "createdAt": format!("2026-01-01T00:00:{second:02}.000Z"), "nullified": nullified,
            })
        };
        let first = json!({
            "operation": { "signingKey": format!("did:key:{P256}") }, "createdAt": "2026-01-01T00:00:00Z",
        });
        let read = |audit: Value| {
            let document = Document::read(&json!({ "doc": { "id": "did:plc:a" }, "audit": audit })).unwrap();
            let second = |until: i64| (until / 1_000_000) % 60;
            document
                .former_keys
                .into_iter()
                .map(|former| (former.key, second(former.until)))
                .collect::<Vec<_>>()
        };
        let [k256, p256] = [K256, P256].map(|key| PublicKey::parse_multikey(key).unwrap());
        assert_eq!(read(json!([first, entry(K256, 1, false), entry(K256, 2, false)])), [(p256.clone(), 1)]);
        // Replaced for one that is no key, or by a tombstone, it was replaced all the same.
        let gone = json!({ "operation": { "type": "plc_tombstone" }, "createdAt": "2026-01-01T00:00:07Z" });
        assert_eq!(read(json!([entry(K256, 1, false), gone])), [(k256.clone(), 7)]);
        // What was taken back never counted, nor did what it replaced end.
        assert_eq!(read(json!([entry(K256, 1, false), entry(P256, 2, true)])), []);
        // A key that came back counts until the last time.
        let back =
            [entry(K256, 1, false), entry(P256, 2, false), entry(K256, 3, false), entry(P256, 4, false)];
        assert_eq!(read(json!(back)), [(p256.clone(), 3), (k256, 4)]);
        let timeless =
            json!({ "operation": { "verificationMethods": { "atproto": format!("did:key:{P256}") } } });
        assert_eq!(read(json!([entry(K256, 1, false), timeless])), []);
        for not_a_log in [json!(null), json!("x"), json!([null, 7, {}])] {
            assert_eq!(read(not_a_log), []);
        }
    }
}
