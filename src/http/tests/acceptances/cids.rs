//! The CIDs of an entry and of a proof: the same in other words, and what is another or none.

use ipld_core::cid::{Cid as AnyCid, multihash::Multihash};
use multibase::Base;
use serde_json::{Value, json};

use super::{accepted, answer, is_accepted, party, proof, signed};
use crate::http::tests::world::World;
use crate::records::Kind;
use crate::syntax::Cid;

/// The same digest under another codec, and under the name of another hash.
fn relatives(cid: &str) -> [String; 3] {
    let cid = Cid::parse(cid).unwrap();
    let hash = |code| Multihash::<64>::wrap(code, cid.digest()).unwrap();
    [
        AnyCid::new_v1(0x55, hash(0x12)).to_string(),
        AnyCid::new_v1(0x71, hash(0x1e)).to_string(),
        AnyCid::new_v0(hash(0x12)).unwrap().to_string(),
    ]
}

/// The same CID in other words.
fn synonyms(cid: &str) -> [String; 4] {
    let cid = Cid::parse(cid).unwrap();
    [Base::Base16Lower, Base::Base32Upper, Base::Base36Lower, Base::Base58Btc]
        .map(|base| multibase::encode(base, cid.as_bytes()))
}

fn no_cids(cid: &str) -> [Value; 9] {
    let bytes = Cid::parse(cid).unwrap();
    let longer = multibase::encode(Base::Base32Lower, [bytes.as_bytes(), &[0][..]].concat());
    [
        json!(null),
        json!(7),
        json!(""),
        json!("not a cid"),
        json!(&cid[1..]),
        json!(longer),
        json!(format!("/ipfs/{cid}")),
        json!({ "$link": cid }),
        json!(format!("z{}", "2".repeat(900_000))),
    ]
}

#[tokio::test]
async fn the_cid_in_an_entry_is_the_one_of_the_proof_in_any_base() {
    let mut world = World::new();
    let (rsvp, named) = accepted(&mut world);
    let cid = named["cid"].as_str().unwrap();
    let good = synonyms(cid).map(|text| (json!(text), true));
    let bad = relatives(cid).map(|text| (json!(text), false));
    for (text, accepted) in good.into_iter().chain(bad).chain(no_cids(cid).map(|text| (text, false))) {
        let entry = json!({ "uri": named["uri"], "cid": text });
        world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), json!([entry])));
        assert_eq!(is_accepted(&world, "bea").await, accepted, "{:.100}", entry.to_string());
    }
}

#[tokio::test]
async fn the_cid_in_a_proof_is_the_attestation_cid_in_any_base() {
    let rsvp = answer(&party());
    let proof = proof(&rsvp, "bea");
    let cid = proof["cid"].as_str().unwrap();
    let good = synonyms(cid).map(|text| (json!(text), true));
    let bad = relatives(cid).map(|text| (json!(text), false));
    for (text, accepted) in good.into_iter().chain(bad).chain(no_cids(cid).map(|text| (text, false))) {
        let mut world = World::new();
        let mut said = proof.clone();
        said["cid"] = text;
        let named = world.put("ada", Kind::Acceptance, "k", said);
        world.put("bea", Kind::Rsvp, "v", signed(rsvp.clone(), json!([named])));
        assert_eq!(is_accepted(&world, "bea").await, accepted, "{:.100}", proof.to_string());
    }
}
