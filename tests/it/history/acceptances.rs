//! RSVPs that are signed, and the acceptances that they name.

use guestlist::codec::json;
use guestlist::syntax::Cid;
use serde_json::{Value, json};

use super::{ACCEPTANCE, HOSTS, PEOPLE, RSVP, SOME_CID, Write, did, strong_ref};
use crate::model;

/// A proof that somebody was accepted. There are few of each, so that an RSVP often finds the one that it names.
#[derive(Clone, Copy)]
pub(super) struct Approval {
    /// Whose RSVP it accepts.
    guest: u8,
    /// To whose event.
    host: u8,
    /// Which RSVP, of two.
    answer: u8,
    /// With which words, of three: the last do not say what they are.
    words: u8,
}

impl Approval {
    /// What somebody's move puts into their own repository. Those who have no event accept in others' names.
    pub(super) fn by(who: u8, write: &Write) -> Approval {
        let Write { target, other, flavour, .. } = *write;
        let host = if who < HOSTS { who } else { target % HOSTS };
        Approval {
            guest: other % PEOPLE,
            host,
            answer: u8::from(other / 8 % 8 == 0),
            words: if flavour == 3 { 2 } else { u8::from(other / 64 == 0) },
        }
    }

    pub(super) fn key(self) -> String {
        format!("a{}", self.guest)
    }

    /// The RSVP that it accepts, as it is before anybody signs it.
    fn rsvp(self) -> Value {
        let uri = format!("at://{}/community.lexicon.calendar.event/e", did(self.host));
        // The second sorts otherwise, and has all that a record can hold.
        let mut rsvp = json!({
            "$type": RSVP, "subject": strong_ref(uri), "status": format!("{RSVP}#going"),
            "createdAt": "2026-05-01T12:00:00.000001Z",
        });
        if self.answer > 0 {
            rsvp["createdAt"] = json!("2026-05-02T12:00:00Z");
            rsvp["a"] = json!([null, true, -1, 70_000, { "\u{e9}": { "$bytes": "AAEC" }, "b": { "$link": SOME_CID } }]);
            rsvp["$sig"] = json!("old");
        }
        rsvp
    }

    fn record(self) -> Value {
        let mut proof = match self.words {
            0 => json!({ "$type": ACCEPTANCE }),
            1 => json!({ "$type": ACCEPTANCE, "repository": "old", "seat": 12 }),
            _ => json!({ "seat": 12 }),
        };
        proof["cid"] = json!(model::attestation_cid(&self.rsvp(), &proof, &did(self.guest)));
        proof
    }

    /// The reference to it that stands in an RSVP, if it is in this repository.
    fn signature(self, repository: u8) -> Value {
        let bytes = json::encode_dag_cbor(&self.record().to_string()).unwrap();
        json!({
            "uri": format!("at://{}/{ACCEPTANCE}/{}", did(repository), self.key()),
            "cid": Cid::compute_dag_cbor(&bytes).to_string(),
        })
    }
}

/// An RSVP with signatures: mostly one that names the right proof.
pub(super) fn signed_rsvp(who: u8, write: &Write) -> Value {
    let Write { target, other, time, .. } = *write;
    let proof = Approval { guest: who, host: target % HOSTS, answer: u8::from(other / 4 % 8 == 0), words: 0 };
    let right = proof.signature(proof.host);
    let mut rsvp = proof.rsvp();
    rsvp["signatures"] = match (other / 32, time) {
        (0..4, _) => json!([right]),
        (4, _) => json!([Approval { words: 1 + time % 2, ..proof }.signature(proof.host)]),
        (5, _) => json!([7, { "$type": "app.example.inline" }, proof.signature(HOSTS + who % HOSTS), right]),
        (6, _) => json!([proof.signature(HOSTS + who % HOSTS)]),
        (_, 0) => json!([]),
        (_, 1) => right,
        (_, 2) => {
            let mut other = right;
            other["$type"] = json!("com.atproto.repo.strongRef");
            let cid = Cid::parse(other["cid"].as_str().unwrap()).unwrap();
            other["cid"] = json!(multibase::encode(multibase::Base::Base58Btc, cid.as_bytes()));
            json!([other])
        }
        (_, 3) => {
            let mut other = right;
            other["$type"] = json!("app.example.other");
            json!([other])
        }
        (_, 4) => {
            rsvp["status"] = json!(format!("{RSVP}#interested"));
            json!([right])
        }
        _ => {
            rsvp["subject"]["uri"] = json!(format!("at://{}", did(proof.host)));
            json!([right])
        }
    };
    rsvp
}

/// A proof, mostly a good one.
pub(super) fn acceptance(who: u8, write: &Write) -> Value {
    let mut proof = Approval::by(who, write).record();
    match write.flavour {
        4 => proof["cid"] = json!(SOME_CID),
        5 => proof["more"] = json!(1),
        _ => {}
    }
    proof
}
