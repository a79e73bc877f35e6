//! A made-up network: people, their records as real DAG-CBOR under real CIDs, and events about them.
//!
//! Everything follows from numbers, so that two runs see the same bytes. Wire frames are in [`wire`], whole repositories
//! in [`Exported`].
#![allow(dead_code, unused_imports, reason = "each program uses a part of it")]

mod exported;
mod history;
pub(crate) mod wire;

pub(crate) use exported::Exported;
pub(crate) use history::{Mixture, Tree};

use std::collections::HashMap;

use guestlist::codec::event::{Account, Block, Commit, Event, Op, Origin, Proof, Write};
use guestlist::records::Kind;
use guestlist::syntax::{Cid, Did, RecordKey, Tid};
use guestlist::tables::keys::RecordId;
use ipld_core::cid::Cid as AnyCid;
use ipld_core::ipld;
use ipld_core::ipld::Ipld;

/// The microsecond at which the made-up network begins, in 2023.
const BEGINNING: u64 = 1_700_000_000_000_000;

/// A fixed shuffle of the numbers, so that neighbours in time are not neighbours among the keys.
pub(crate) fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// A number below `end`, different for each `seed`.
pub(crate) fn pick(seed: u64, end: u64) -> u64 {
    scatter(seed) % end.max(1)
}

/// A person of a population: a DID as long as the real ones.
pub(crate) fn person(population: &str, number: u64) -> Did {
    let salt = population.bytes().fold(0, |salt, byte| scatter(salt ^ u64::from(byte)));
    let letters = |mut bits: u64| {
        std::iter::repeat_with(move || {
            let letter = b"abcdefghijklmnopqrstuvwxyz234567".get(usize::try_from(bits & 31).unwrap_or(0));
            bits >>= 5;
            char::from(*letter.unwrap_or(&b'a'))
        })
    };
    let high = letters(scatter(salt ^ number)).take(12);
    let low = letters(scatter(salt.wrapping_add(1) ^ number)).take(12);
    Did::parse(&format!("did:plc:{}", high.chain(low).collect::<String>())).expect("a DID")
}

/// The revision and the key of a microsecond.
pub(crate) fn tid(micros: u64) -> Tid {
    Tid::from_be_bytes(((BEGINNING + micros) << 10).to_be_bytes())
}

/// A text in which every record says when it was made.
pub(crate) fn datetime(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    format!(
        "2026-01-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        days % 28 + 1,
        hours % 24,
        minutes % 60,
        seconds % 60,
        micros % 1_000_000
    )
}

/// A record that exists: what others refer to.
#[derive(Clone)]
pub(crate) struct Reference {
    pub(crate) id: RecordId,
    cid: Cid,
}

impl Reference {
    fn strong(&self) -> Ipld {
        ipld!({ "uri": self.id.uri(), "cid": self.cid.to_string() })
    }
}

/// Writes records into repositories, one commit after the other.
#[derive(Default)]
pub(crate) struct Network {
    micros: u64,
    revs: HashMap<Did, Tid>,
}

impl Network {
    pub(crate) fn tick(&mut self) -> u64 {
        self.micros += 1_000;
        self.micros
    }

    fn commit(&mut self, did: &Did, op: Op) -> Event {
        let rev = tid(self.tick());
        let since = self.revs.insert(did.clone(), rev);
        let data = Cid::compute_dag_cbor(&rev.to_be_bytes());
        let origin = Origin::Firehose { since, data, prev_data: None, proof: Proof::None };
        Event::Commit(Commit { did: did.clone(), rev, origin, ops: vec![op], damaged: Vec::new() })
    }

    /// A record at a place of its own choosing.
    pub(crate) fn put_at(&mut self, id: RecordId, record: Ipld) -> (Event, Reference) {
        let bytes = serde_ipld_dagcbor::to_vec(&record).expect("a record has a DAG-CBOR form");
        let cid = Cid::compute_dag_cbor(&bytes);
        let write = Write::Put(Block { cid, bytes, fault: None });
        let op = Op { collection: id.kind.nsid(), rkey: id.rkey.clone(), write };
        (self.commit(&id.did, op), Reference { id, cid })
    }

    /// A record under a new key.
    pub(crate) fn put(&mut self, did: &Did, kind: Kind, record: Ipld) -> (Event, Reference) {
        let rkey = RecordKey::parse(&tid(self.tick()).to_string()).expect("a TID is a key");
        self.put_at(RecordId { did: did.clone(), kind, rkey }, record)
    }

    pub(crate) fn delete(&mut self, id: &RecordId) -> Event {
        let op = Op { collection: id.kind.nsid(), rkey: id.rkey.clone(), write: Write::Delete };
        self.commit(&id.did, op)
    }

    pub(crate) fn account(&mut self, did: &Did, active: bool) -> Event {
        let status = (!active).then(|| Box::from("deactivated"));
        Event::Account(Account { did: did.clone(), active, status, time: None })
    }

    fn created_at(&self) -> String {
        datetime(self.micros)
    }

    pub(crate) fn jam(&mut self, organizer: &Did) -> (Event, Reference) {
        let record = ipld!({
            "$type": Kind::Jam.nsid(), "name": "A jam of many", "createdAt": self.created_at(),
        });
        self.put(organizer, Kind::Jam, record)
    }

    /// The round of a jam under a fixed key, so that it can be put again with another mode.
    pub(crate) fn round(&mut self, jam: &Reference, mode: &str) -> (Event, Reference) {
        let record = ipld!({
            "$type": Kind::Round.nsid(),
            "jam": jam.strong(),
            "assignment": "Write something that nobody expects.",
            "acceptedSubmissionTypes": ["fm.plyr.track"],
            "milestones": [{ "label": "signup-deadline", "date": "2999-01-01T00:00:00Z" }],
            "joinMode": mode,
            "createdAt": self.created_at(),
        });
        let rkey = RecordKey::parse("round").expect("a key");
        self.put_at(RecordId { did: jam.id.did.clone(), kind: Kind::Round, rkey }, record)
    }

    pub(crate) fn invitation_record(&self, round: &Reference, invitee: &Did) -> Ipld {
        ipld!({
            "$type": Kind::Invitation.nsid(),
            "round": round.strong(),
            "invitee": invitee.as_str(),
            "createdAt": self.created_at(),
        })
    }

    pub(crate) fn invite(&mut self, inviter: &Did, round: &Reference, invitee: &Did) -> (Event, Reference) {
        let record = self.invitation_record(round, invitee);
        self.put(inviter, Kind::Invitation, record)
    }

    pub(crate) fn signup_record(&self, round: &Reference, invitation: &Reference) -> Ipld {
        ipld!({
            "$type": Kind::Signup.nsid(),
            "round": round.strong(),
            "invitation": invitation.strong(),
            "createdAt": self.created_at(),
        })
    }

    pub(crate) fn sign_up(
        &mut self,
        did: &Did,
        round: &Reference,
        invitation: &Reference,
    ) -> (Event, Reference) {
        let record = self.signup_record(round, invitation);
        self.put(did, Kind::Signup, record)
    }

    pub(crate) fn submit(&mut self, did: &Did, round: &Reference) -> (Event, Reference) {
        let record = ipld!({
            "$type": Kind::Submission.nsid(),
            "round": round.strong(),
            "payload": round.strong(),
            "createdAt": self.created_at(),
        });
        self.put(did, Kind::Submission, record)
    }

    pub(crate) fn calendar_event(&mut self, did: &Did) -> (Event, Reference) {
        let record = ipld!({
            "$type": Kind::Event.nsid(),
            "name": "An evening of many",
            "description": "Bring a friend, and something to drink.",
            "startsAt": "2999-01-01T18:00:00Z",
            "createdAt": self.created_at(),
        });
        self.put(did, Kind::Event, record)
    }

    pub(crate) fn rsvp(&mut self, did: &Did, event: &Reference) -> (Event, Reference) {
        let record = ipld!({
            "$type": Kind::Rsvp.nsid(),
            "subject": event.strong(),
            "status": "community.lexicon.calendar.rsvp#going",
            "createdAt": self.created_at(),
        });
        self.put(did, Kind::Rsvp, record)
    }
}
