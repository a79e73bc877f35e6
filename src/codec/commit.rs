//! The signed commit object of a repository. Spec: atproto repository, "Commit objects".

use sha2::{Digest, Sha256};

use super::cbor::{self, Head, Malformed, Reader};
use super::claim::Claim;
use super::reject::Reject;
use crate::syntax::{Cid, Did, Tid};

/// The only version on the network.
const VERSION: i64 = 3;

/// What a signed commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCommit {
    /// The repository.
    pub did: Did,
    /// Its revision.
    pub rev: Tid,
    /// The CID of the tree's root node.
    pub data: Cid,
    /// The SHA-256 of what was signed.
    digest: [u8; 32],
    signature: Box<[u8]>,
}

/// The fields of a commit, as far as they have been read.
#[derive(Default)]
struct Fields<'a> {
    did: Option<&'a str>,
    rev: Option<&'a str>,
    data: Option<Cid>,
    version: Option<i64>,
    // Null on nearly every commit, and there on all of them.
    has_prev: bool,
    signature: Option<&'a [u8]>,
}

impl SignedCommit {
    /// Decodes a commit block. The signature is not checked here.
    ///
    /// # Errors
    /// `CommitMalformed` for anything but a canonical commit of version 3. Unknown fields may be in it, and are signed.
    pub fn decode(block: &[u8]) -> Result<Self, Reject> {
        read(block).ok().flatten().ok_or(Reject::CommitMalformed)
    }

    /// What its signature must prove.
    pub fn claim(self) -> Claim {
        Claim { did: self.did, rev: self.rev, digest: self.digest, signature: self.signature }
    }
}

/// Reads a block in one pass. What was signed is the block without its signature, which is cut out of the bytes:
/// they are canonical, so the rest is what encoding the rest would give.
fn read(block: &[u8]) -> Result<Option<SignedCommit>, Malformed> {
    let mut reader = Reader::new(block);
    let Head::Map(count) = reader.head()? else { return Ok(None) };
    let mut fields = Fields::default();
    let (mut before, mut after) = (reader.rest(), &[][..]);
    let mut key = None;
    for _ in 0..count {
        let from = reader.rest();
        let name = reader.key_after(key)?;
        key = Some(name);
        if name == "sig" {
            let Head::Bytes(signature) = reader.head()? else { return Ok(None) };
            fields.signature = Some(signature);
            before = before.strip_suffix(from).unwrap_or_default();
            after = reader.rest();
        } else if !fields.read(name, &mut reader)? {
            return Ok(None);
        }
    }
    if !reader.rest().is_empty() {
        return Ok(None);
    }
    Ok(fields.commit(|| {
        let mut head = Vec::new();
        cbor::write_head(&mut head, cbor::MAP, count.saturating_sub(1));
        let mut hash = Sha256::new();
        hash.update(head);
        hash.update(before);
        hash.update(after);
        hash.finalize().into()
    }))
}

impl<'a> Fields<'a> {
    /// Reads the value of a field other than the signature; `false` if it has another type than it should.
    fn read(&mut self, name: &str, reader: &mut Reader<'a>) -> Result<bool, Malformed> {
        match name {
            "did" | "rev" => {
                let Head::Text(text) = reader.head()? else { return Ok(false) };
                *(if name == "did" { &mut self.did } else { &mut self.rev }) = Some(text);
            }
            "data" => {
                let Head::Link(cid) = reader.head()? else { return Ok(false) };
                self.data = Cid::from_bytes(cid);
            }
            "prev" => {
                self.has_prev = matches!(reader.head()?, Head::Null | Head::Link(_));
                return Ok(self.has_prev);
            }
            "version" => {
                let Head::Int(version) = reader.head()? else { return Ok(false) };
                self.version = Some(version);
            }
            _ => {
                reader.skip_item()?;
            }
        }
        Ok(true)
    }

    /// The commit, if everything is there.
    fn commit(self, digest: impl FnOnce() -> [u8; 32]) -> Option<SignedCommit> {
        (self.has_prev && self.version == Some(VERSION)).then_some(())?;
        Some(SignedCommit {
            did: Did::parse(self.did?).ok()?,
            rev: Tid::parse(self.rev?).ok()?,
            data: self.data?,
            signature: self.signature?.into(),
            digest: digest(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ipld_core::cid::Cid as AnyCid;
    use ipld_core::ipld::Ipld;
    use sha2::{Digest, Sha256};

    use super::{Reject, SignedCommit};
    use crate::codec::key::PublicKey;
    use crate::syntax::Cid;

    type Fields = BTreeMap<String, Ipld>;

    fn fields() -> Fields {
        let data = Cid::compute_dag_cbor(b"node");
        [
            ("did", Ipld::String("did:plc:wjhryzcympl32mbztchwd6qy".to_owned())),
            ("rev", Ipld::String("3kdgeujwlq32y".to_owned())),
            ("data", Ipld::Link(data.into())),
            ("prev", Ipld::Null),
            ("version", Ipld::Integer(3)),
            ("sig", Ipld::Bytes(vec![7; 64])),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn encode(fields: &Fields) -> Vec<u8> {
        serde_ipld_dagcbor::to_vec(fields).unwrap()
    }

    /// The digest of a commit with these fields, against that of the others encoded anew.
    fn assert_signs_the_rest(fields: &Fields) {
        let mut unsigned = fields.clone();
        unsigned.remove("sig");
        let claim = SignedCommit::decode(&encode(fields)).unwrap().claim();
        assert_eq!(claim.digest, <[u8; 32]>::from(Sha256::digest(encode(&unsigned))), "{fields:?}");
        assert_eq!(Ipld::Bytes(claim.signature.into()), fields["sig"]);
    }

    #[test]
    fn what_is_signed_is_everything_but_the_signature() {
        assert_signs_the_rest(&fields());
        let with = |name: &str, value: Ipld| {
            let mut fields = fields();
            fields.insert(name.to_owned(), value);
            fields
        };
        for signature in [0, 1, 63, 64, 300] {
            assert_signs_the_rest(&with("sig", Ipld::Bytes(vec![7; signature])));
        }
        assert_signs_the_rest(&with("prev", Ipld::Link(Cid::compute_dag_cbor(b"before").into())));
        // Before the signature and after it, in the order of keys, and one that looks like it.
        for name in ["a", "siga", "zzzzzzzz"] {
            assert_signs_the_rest(&with(name, Ipld::List(vec![Ipld::String("sig".to_owned())])));
        }
    }

    #[test]
    fn the_head_of_what_is_signed_is_the_shortest() {
        for count in [6_usize, 23, 24, 25, 255, 256, 257, 65_535, 65_536, 65_537] {
            let mut fields = fields();
            fields.extend((fields.len()..count).map(|n| (format!("field{n}"), Ipld::Null)));
            assert_eq!(fields.len(), count);
            assert_signs_the_rest(&fields);
        }
    }

    #[test]
    fn a_commit_of_a_real_host_is_proved_by_its_key_and_by_no_other() {
        // The first commit of a recording, and the keys of the PLC log.
        let block = concat!(
            "a66364696478206469643a706c633a776a6872797a63796d706c33326d627a7463687764367179637265766d33",
            "6e3272766b716f3773733262637369675840d7fdb4cde06edf61de8db9ac59fe874e553997233672f3b0eca04a",
            "21b9ce7a88740a1817ee28d624e9c2e09ba374dad3bc4f489d175ad90e3ac1c83a783eba2a6464617461d82a58",
            "2500017112209dfefe61dd76ea3dcae5023880b08379d57adf20482d6fdbe2759289f647677b6470726576f667",
            "76657273696f6e03",
        );
        let block: Vec<u8> = (0..block.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&block[at..at + 2], 16).unwrap())
            .collect();
        let claim = SignedCommit::decode(&block).unwrap().claim();
        let key = |text| PublicKey::parse_did_key(text).unwrap();
        assert!(claim.is_proved_by(&key("did:key:zQ3shNiGHSqChyoBiV5nJMi2HvWBHeG4mgkE66tfwqWvyo4gb")));
        assert!(!claim.is_proved_by(&key("did:key:zQ3shg3yg7P6nw2GqSeyqB19YZRd1bcgx6W4brf2kk2h92hbb")));
    }

    #[test]
    fn anything_else_is_no_commit() {
        let refused = |what: &str, block: &[u8]| {
            assert_eq!(SignedCommit::decode(block), Err(Reject::CommitMalformed), "{what}");
        };
        let old = AnyCid::try_from("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").unwrap();
        for (name, value) in [
            ("did", Ipld::String("did:plc".to_owned())),
            ("did", Ipld::Null),
            ("rev", Ipld::String("today".to_owned())),
            ("rev", Ipld::Integer(3)),
            ("data", Ipld::Null),
            ("data", Ipld::Link(old)),
            ("prev", Ipld::Bool(false)),
            ("version", Ipld::Integer(2)),
            ("version", Ipld::String("3".to_owned())),
            ("sig", Ipld::String("sig".to_owned())),
        ] {
            let mut fields = fields();
            fields.insert(name.to_owned(), value);
            refused(name, &encode(&fields));
        }
        for name in fields().keys() {
            let mut fields = fields();
            fields.remove(name);
            refused(name, &encode(&fields));
        }
        let good = encode(&fields());
        assert!(SignedCommit::decode(&good).is_ok());
        refused("nothing", b"");
        refused("a list", b"\x80");
        refused("a byte more", &[&good[..], &[0xf6]].concat());
        refused("a byte less", &good[..good.len() - 1]);
        refused("a long head", &[&[0xb8, 6], &good[1..]].concat());
    }
}
