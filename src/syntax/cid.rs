//! Content identifiers: the hash that names a block.
//!
//! A repository uses one form only: version 1, SHA-256, of DAG-CBOR (records, tree nodes, commits)
//! or of raw bytes (blobs). That form is 36 bytes and is all that [`Cid`] can hold. The lexicon
//! format `cid` is wider and only looks at the characters: [`is_cid_string`].
//! Spec: atproto spec, data-model ("link and cid formats").

use std::fmt;
use std::str::FromStr;

use ipld_core::cid::{self, multihash::Multihash};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::SyntaxError;

const CID_BYTES: usize = 36;
const DIGEST_BYTES: usize = 32;

/// The multibase letter and the 58 characters that 36 bytes take in base32.
const CID_CHARS: usize = 59;

const VERSION: u8 = 0x01;
const DAG_CBOR: u8 = 0x71;
const RAW: u8 = 0x55;
const SHA2_256: u8 = 0x12;
const DIGEST_LEN: u8 = 0x20;

/// A CID of a repository block or a blob. `Ord` is the order of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid([u8; CID_BYTES]);

impl Cid {
    /// The CID of `bytes` taken as a DAG-CBOR block. Whether they are DAG-CBOR is not checked.
    pub fn compute_dag_cbor(bytes: &[u8]) -> Self {
        Self::new(DAG_CBOR, Sha256::digest(bytes).into())
    }

    /// The CID of a DAG-CBOR block that was hashed part by part.
    pub fn of_dag_cbor(hash: Sha256) -> Self {
        Self::new(DAG_CBOR, hash.finalize().into())
    }

    /// Reads the binary form: exactly 36 bytes of the one supported form, else `None`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version, codec, hash, len], digest) = bytes.split_first_chunk()?;
        if [version, hash, len] != [VERSION, SHA2_256, DIGEST_LEN] || !matches!(codec, DAG_CBOR | RAW) {
            return None;
        }
        digest.try_into().ok().map(|digest| Self::new(codec, digest))
    }

    /// Whether it is the CID of DAG-CBOR, as every record's is.
    pub fn is_dag_cbor(&self) -> bool {
        self.0.get(1) == Some(&DAG_CBOR)
    }

    /// Accepts the base32 text (`b…`, lowercase, 59 characters) of the one supported form.
    ///
    /// # Errors
    /// [`SyntaxError::Cid`] for any other text, also for the same CID in another base.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        // Checked here since the decoder takes other bases, either case and `/ipfs/` prefixes too.
        let is_base32 = |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        if text.len() != CID_CHARS || !text.starts_with('b') || !text.bytes().all(is_base32) {
            return Err(SyntaxError::Cid);
        }
        let decoded = cid::Cid::try_from(text).map_err(|_| SyntaxError::Cid)?;
        Self::try_from(&decoded)
    }

    /// Accepts any text of the one supported form that has the lexicon format: the same CID in another base is the same
    /// CID.
    ///
    /// # Errors
    /// [`SyntaxError::Cid`] for any other text.
    pub fn parse_in_any_base(text: &str) -> Result<Self, SyntaxError> {
        // The format bounds the length: the time that some bases take to decode grows with its square.
        if !is_cid_string(text) {
            return Err(SyntaxError::Cid);
        }
        let (_, bytes) = multibase::decode(text).map_err(|_| SyntaxError::Cid)?;
        Self::from_bytes(&bytes).ok_or(SyntaxError::Cid)
    }

    /// The binary form, without the zero byte that DAG-CBOR puts before a link.
    pub fn as_bytes(&self) -> &[u8; CID_BYTES] {
        &self.0
    }

    /// The SHA-256 in it, 32 bytes.
    pub fn digest(&self) -> &[u8] {
        let [_, _, _, _, digest @ ..] = &self.0;
        digest
    }

    /// Whether `block` hashes to this CID.
    pub fn matches(&self, block: &[u8]) -> bool {
        self.digest() == Sha256::digest(block).as_slice()
    }

    fn new(codec: u8, digest: [u8; DIGEST_BYTES]) -> Self {
        let mut bytes = [0; CID_BYTES];
        let [version, codec_byte, hash, len, rest @ ..] = &mut bytes;
        (*version, *codec_byte, *hash, *len) = (VERSION, codec, SHA2_256, DIGEST_LEN);
        *rest = digest;
        Self(bytes)
    }

    fn codec(&self) -> u8 {
        let [_, codec, ..] = self.0;
        codec
    }
}

impl From<Cid> for cid::Cid {
    fn from(cid: Cid) -> Self {
        let hash = Multihash::wrap(SHA2_256.into(), cid.digest()).expect("room for 64 bytes, 32 given");
        Self::new_v1(cid.codec().into(), hash)
    }
}

impl TryFrom<&cid::Cid> for Cid {
    type Error = SyntaxError;

    /// Refuses every other version, codec, hash and digest length.
    fn try_from(cid: &cid::Cid) -> Result<Self, SyntaxError> {
        let codec = u8::try_from(cid.codec()).map_err(|_| SyntaxError::Cid)?;
        let form = (cid.version(), codec, cid.hash().code());
        if !matches!(form, (cid::Version::V1, DAG_CBOR | RAW, hash) if hash == u64::from(SHA2_256)) {
            return Err(SyntaxError::Cid);
        }
        let digest = cid.hash().digest().try_into().map_err(|_| SyntaxError::Cid)?;
        Ok(Self::new(codec, digest))
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cid::Cid::from(*self).fmt(f)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

impl FromStr for Cid {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl Serialize for Cid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Cid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(CidVisitor)
    }
}

struct CidVisitor;

impl Visitor<'_> for CidVisitor {
    type Value = Cid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the 36 bytes of a CID")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Cid, E> {
        Cid::from_bytes(bytes).ok_or_else(|| E::custom(SyntaxError::Cid))
    }
}

/// Whether `text` has the lexicon format `cid`: 8 to 256 letters, digits, `+` and `=`, and not the
/// old version 0. Purely about the characters: any base, codec and hash passes, decoded or not.
pub fn is_cid_string(text: &str) -> bool {
    (8..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'='))
        // Version 0 is always a SHA-256 in base58 without a base letter, which begins like this.
        && !text.starts_with("Qm")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::value::{BytesDeserializer, Error as ValueError};

    use super::{Cid, cid, is_cid_string};
    use crate::syntax::SyntaxError;

    /// The block `{}` (one byte of DAG-CBOR) and its CID, as other implementations give it.
    const EMPTY_MAP: &[u8] = &[0xa0];
    const EMPTY_MAP_CID: &str = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua";

    /// The raw CID of no bytes at all.
    const EMPTY_RAW_CID: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

    #[test]
    fn computes_and_prints_a_known_cid() {
        let cid = Cid::compute_dag_cbor(EMPTY_MAP);
        assert_eq!(cid.to_string(), EMPTY_MAP_CID);
        assert_eq!(Cid::parse(EMPTY_MAP_CID), Ok(cid));
        assert_eq!(format!("{cid:?}"), format!("Cid({EMPTY_MAP_CID})"));
        assert_eq!(cid.as_bytes()[..4], [0x01, 0x71, 0x12, 0x20]);
        assert_eq!(cid.as_bytes()[4..], *cid.digest());
    }

    #[test]
    fn matches_its_block_and_no_other() {
        let cid = Cid::compute_dag_cbor(EMPTY_MAP);
        assert!(cid.matches(EMPTY_MAP));
        assert!(!cid.matches(&[]) && !cid.matches(&[0xa1]) && !cid.matches(&[0xa0, 0xa0]));
        assert!(Cid::parse(EMPTY_RAW_CID).unwrap().matches(&[]));
    }

    #[test]
    fn takes_36_bytes_of_the_one_form() {
        let good = *Cid::compute_dag_cbor(EMPTY_MAP).as_bytes();
        assert_eq!(Cid::from_bytes(&good).unwrap().as_bytes(), &good);
        for (place, byte) in
            [(0, 0x00), (0, 0x02), (1, 0x70), (1, 0x72), (2, 0x13), (2, 0x1e), (3, 0x1f), (3, 0x40)]
        {
            let mut bad = good;
            bad[place] = byte;
            assert_eq!(Cid::from_bytes(&bad), None, "{place} {byte}");
        }
        let mut raw = good;
        raw[1] = 0x55;
        assert!(Cid::from_bytes(&raw).is_some());
        assert_eq!(Cid::from_bytes(&[]), None);
        assert_eq!(Cid::from_bytes(&good[..35]), None);
        assert_eq!(Cid::from_bytes(&[&good[..], &[0]].concat()), None);
        assert_eq!(Cid::from_bytes(&[&[0], &good[..]].concat()), None);
    }

    #[test]
    fn refuses_other_texts_of_a_cid() {
        for text in [
            "",
            "b",
            EMPTY_MAP_CID.to_uppercase().as_str(),
            &EMPTY_MAP_CID.replace("bafy", "bAfy"),
            &EMPTY_MAP_CID[1..],
            &EMPTY_MAP_CID[..58],
            &format!("{EMPTY_MAP_CID}a"),
            &format!("/ipfs/{EMPTY_MAP_CID}"),
            &format!(" {}", &EMPTY_MAP_CID[..58]),
            &EMPTY_MAP_CID.replace('7', "1"),
            // The empty map in base58.
            "zdpuAyTBnYSugBZhqJuLsNpzjmAjSmxDqBbtAqXMtsvxiN2v3",
            // The last character carries two bits that must be zero.
            &format!("{}b", &EMPTY_MAP_CID[..58]),
            // dag-pb, and a version 0.
            "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
        ] {
            assert_eq!(Cid::parse(text), Err(SyntaxError::Cid), "{text:?}");
        }
    }

    #[test]
    fn takes_the_same_cid_in_another_base() {
        let cid = Cid::compute_dag_cbor(EMPTY_MAP);
        let raw = Cid::parse(EMPTY_RAW_CID).unwrap();
        let bases = [
            multibase::Base::Base16Lower,
            multibase::Base::Base32Upper,
            multibase::Base::Base32PadLower,
            multibase::Base::Base36Lower,
            multibase::Base::Base58Btc,
        ];
        for base in bases {
            for cid in [cid, raw] {
                let text = multibase::encode(base, cid.as_bytes());
                assert_eq!(Cid::parse_in_any_base(&text), Ok(cid), "{text}");
            }
        }
        assert_eq!(Cid::parse_in_any_base(EMPTY_MAP_CID), Ok(cid));
        let encode = |bytes: &[u8]| multibase::encode(multibase::Base::Base58Btc, bytes);
        let long = format!("z{}", "2".repeat(1_000_000));
        for text in [
            "",
            "b",
            &EMPTY_MAP_CID[1..],
            &format!("/ipfs/{EMPTY_MAP_CID}"),
            // Something after it, or before it, and a version, a codec and a hash that are others.
            &encode(&[cid.as_bytes(), &[0][..]].concat()),
            &encode(&[&[0], &cid.as_bytes()[..]].concat()),
            &encode(&cid.as_bytes()[..35]),
            "zdj7WhuEjrB52m1BisYCtmjH1hSKa7yZ3jEZ9JcXaFRD51wV",
            "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
            &long,
        ] {
            assert_eq!(Cid::parse_in_any_base(text), Err(SyntaxError::Cid), "{text:.80}");
        }
    }

    #[test]
    fn converts_to_the_general_type_and_back() {
        for text in [EMPTY_MAP_CID, EMPTY_RAW_CID] {
            let cid = Cid::parse(text).unwrap();
            let general = cid::Cid::from(cid);
            assert_eq!(general.to_bytes(), cid.as_bytes());
            assert_eq!(Cid::try_from(&general), Ok(cid));
        }
        let old = cid::Cid::try_from("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").unwrap();
        assert_eq!(Cid::try_from(&old), Err(SyntaxError::Cid));
        let digest = [0; 32];
        for (codec, hash, len) in
            [(0x70, 0x12, 32), (0x171, 0x12, 32), (0x71, 0x16, 32), (0x71, 0x12, 31), (0x71, 0x12, 0)]
        {
            let hash = super::Multihash::wrap(hash, &digest[..len]).unwrap();
            assert_eq!(Cid::try_from(&cid::Cid::new_v1(codec, hash)), Err(SyntaxError::Cid));
        }
    }

    #[test]
    fn a_stored_cid_is_checked_again() {
        let read = |bytes: &[u8]| Cid::deserialize(BytesDeserializer::<ValueError>::new(bytes));
        let cid = Cid::compute_dag_cbor(EMPTY_MAP);
        assert_eq!(read(cid.as_bytes()), Ok(cid));
        assert_eq!(read(&[0; 36]).unwrap_err().to_string(), "not a CID");
        assert!(read(&cid.as_bytes()[..35]).is_err());
    }

    #[test]
    fn the_lexicon_format_looks_at_characters_only() {
        let longest = "a".repeat(256);
        for text in [EMPTY_MAP_CID, EMPTY_RAW_CID, "abcdefgh", "mAXASIA+=", "12345678", "Qabcdefg", &longest]
        {
            assert!(is_cid_string(text), "{text}");
        }
        let too_long = "a".repeat(257);
        for text in [
            "",
            "abcdefg",
            "not-a-cid",
            "abc.defgh",
            "abcd efgh",
            " abcdefgh",
            "abcdefgh\n",
            "cid:abcdefgh",
            "abcd/efgh",
            "abcdefgé",
            "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
            &too_long,
        ] {
            assert!(!is_cid_string(text), "{text:?}");
        }
    }
}
