//! The keys of accounts, as DID documents and PLC logs write them, and whether they signed something.
//!
//! Both curves of the network are known: secp256k1, which nearly every account has, and P-256. A signature
//! is 64 bytes and has the smaller of its two possible forms ("low-S"); nothing else counts for a commit. Service
//! tokens alone may have either.
//! Spec: atproto cryptography; PROTOCOL §4.1 and §6.1.

use multibase::Base;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use secp256k1::Message;
use sha2::{Digest, Sha256};

/// What a multikey begins with, before the point: the multicodec of its curve.
const K256_CODEC: [u8; 2] = [0xe7, 0x01];
const P256_CODEC: [u8; 2] = [0x80, 0x24];

/// The types of verification methods that say their curve and hold the bare point.
const K256_LEGACY: &str = "EcdsaSecp256k1VerificationKey2019";
const P256_LEGACY: &str = "EcdsaSecp256r1VerificationKey2019";

/// Bytes of a compressed point.
const POINT_BYTES: usize = 33;

/// Characters of the longest key: an uncompressed point, after the letter of its base. Reading base58 takes time with the
/// square of its length, and documents are a stranger's.
const BASE58_LEN_MAX: usize = 90;

/// The curve that a key is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// secp256k1, which signs what JSON calls `ES256K`.
    K256,
    /// P-256, which signs `ES256`.
    P256,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// On secp256k1.
    K256(secp256k1::PublicKey),
    /// On P-256.
    P256(p256::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// Reads the value of a verification method of this `kind`; `None` for another kind or no key.
    pub fn of_method(kind: &str, text: &str) -> Option<Self> {
        match kind {
            "Multikey" => Self::parse_multikey(text),
            K256_LEGACY => Self::k256(&base58(text)?),
            P256_LEGACY => Self::p256(&base58(text)?),
            _ => None,
        }
    }

    /// Reads `did:key:` and a multikey, as PLC logs have it.
    pub fn parse_did_key(text: &str) -> Option<Self> {
        Self::parse_multikey(text.strip_prefix("did:key:")?)
    }

    /// Reads a multikey: base58 of the curve and the compressed point.
    pub fn parse_multikey(text: &str) -> Option<Self> {
        let bytes = base58(text)?;
        let (codec, point) = bytes.split_first_chunk()?;
        match *codec {
            _ if point.len() != POINT_BYTES => None,
            K256_CODEC => Self::k256(point),
            P256_CODEC => Self::p256(point),
            _ => None,
        }
    }

    fn k256(point: &[u8]) -> Option<Self> {
        secp256k1::PublicKey::from_slice(point).ok().map(PublicKey::K256)
    }

    fn p256(point: &[u8]) -> Option<Self> {
        p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(PublicKey::P256)
    }

    /// The curve that it is on.
    pub fn curve(&self) -> Curve {
        match self {
            PublicKey::K256(_) => Curve::K256,
            PublicKey::P256(_) => Curve::P256,
        }
    }

    /// Whether `signature` is this key's over the SHA-256 of `message`, in its low-S form.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifies_digest(&Sha256::digest(message).into(), signature)
    }

    /// Whether `signature` is this key's over this SHA-256, in its low-S form.
    pub fn verifies_digest(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        match self {
            // This library refuses high-S by itself. It keeps a context a thread, and since no secret is used here
            // the context needs no randomness.
            PublicKey::K256(key) => secp256k1::ecdsa::Signature::from_compact(signature)
                .is_ok_and(|signature| signature.verify(Message::from_digest(*digest), key).is_ok()),
            PublicKey::P256(key) => p256::ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
                signature.normalize_s() == signature && key.verify_prehash(digest, &signature).is_ok()
            }),
        }
    }

    /// Whether `signature` is this key's over this SHA-256, whichever of its two forms it has. For service tokens only:
    /// what is known by its bytes must not have two signatures.
    pub fn verifies_digest_in_either_form(&self, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        match self {
            PublicKey::K256(key) => {
                secp256k1::ecdsa::Signature::from_compact(signature).is_ok_and(|mut signature| {
                    signature.normalize_s();
                    signature.verify(Message::from_digest(*digest), key).is_ok()
                })
            }
            PublicKey::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()),
        }
    }
}

fn base58(text: &str) -> Option<Vec<u8>> {
    if text.len() > BASE58_LEN_MAX {
        return None;
    }
    match multibase::decode(text) {
        Ok((Base::Base58Btc, bytes)) => Some(bytes),
        _ => None,
    }
}
