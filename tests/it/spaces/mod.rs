//! What spaces decide, rule by rule, as RULES §5 to §7 have it.

mod invites;
mod keeping;
mod lines;
mod members;
mod portal;
mod races;
mod redirects;
mod tickets;

use guestlist::codec::event::{self, Block, Commit, Event, Op, Origin, Write};
use guestlist::codec::json::encode_dag_cbor;
use guestlist::records::Kind;
use guestlist::reduce::{From, reduce};
use guestlist::spaces::command::{Answer, By, Command, Done, InviteTerms, Nonce, Refusal, Request};
use guestlist::spaces::{Bounds, apply};
use guestlist::store::Store;
use guestlist::syntax::{AtUri, Cid, Did, RecordKey, Tid, TokenHash};
use guestlist::tables::keys::{MemberKey, NonceId, SpaceId, write_space};
use guestlist::tables::spaces::{Audit, Invite, Member, Perms, SpaceTerms};
use guestlist::tables::view::{Overlay, ReadRows, prefix_of};
use guestlist::tables::{Audits, Invites, Members, Redemptions};
use serde_json::{Value, json};

/// A space that ada made by hand.
const CLUB: &str = "at://did:plc:ada/tools.atmo.event.space/club";

/// A store, a clock, and people.
struct World {
    store: Store,
    bounds: Bounds,
    now: i64,
    events: u64,
    nonces: u64,
}

fn did(name: &str) -> Did {
    Did::parse(&format!("did:plc:{name}")).unwrap()
}

fn space(uri: &str) -> SpaceId {
    SpaceId::from_uri(&AtUri::parse(uri).unwrap()).unwrap()
}

fn hash(token: &str) -> TokenHash {
    TokenHash::of(token)
}

/// An invite for any number, without an end, to take part.
fn open() -> InviteTerms {
    InviteTerms { perms: Perms::Write, max_uses: None, expires_at: None, note: None }
}

fn uses(count: u64) -> InviteTerms {
    InviteTerms { max_uses: Some(count), ..open() }
}

impl World {
    fn new() -> Self {
        let store = Store::in_memory().unwrap();
        Self { store, bounds: Bounds::default(), now: 1_000_000, events: 0, nonces: 0 }
    }

    /// A world in which ada has a space.
    fn with_club() -> Self {
        let mut world = Self::new();
        world.make("ada", CLUB).unwrap();
        world
    }

    fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&self.nonces.to_be_bytes());
        Nonce { id: NonceId(id), expires: u64::try_from(self.now).unwrap() / 1_000 + 300 }
    }

    fn write<T>(&mut self, change: impl FnOnce(&mut Overlay<'_>) -> T) -> T {
        let (changes, outcome) = {
            let snapshot = self.store.snapshot();
            let mut rows = Overlay::new(&*snapshot);
            let outcome = change(&mut rows);
            (rows.into_changes(), outcome)
        };
        self.store.commit(changes).unwrap();
        outcome
    }

    fn request(&mut self, request: &Request) -> Answer {
        let (bounds, now) = (self.bounds.clone(), self.now);
        self.write(|rows| apply(rows, &bounds, now, request).unwrap())
    }

    fn ask(&mut self, caller: &str, command: Command) -> Answer {
        let by = By::Caller { did: did(caller), nonce: self.nonce() };
        self.request(&Request { by, command })
    }

    fn operate(&mut self, command: Command) -> Answer {
        self.request(&Request { by: By::Operator, command })
    }

    fn make(&mut self, caller: &str, uri: &str) -> Answer {
        self.ask(caller, Command::CreateSpace { space: space(uri), terms: SpaceTerms::default() })
    }

    fn invite(&mut self, caller: &str, uri: &str, token: &str, terms: InviteTerms) -> Answer {
        self.ask(caller, Command::CreateInvite { space: space(uri), hash: hash(token), terms })
    }

    /// Redeems, and says what one is then. Whether one was that before is the Portal's affair.
    fn redeem(&mut self, caller: &str, token: &str) -> Answer {
        let answer = self.ask(caller, Command::Redeem { hash: hash(token) });
        answer.map(|done| match done {
            Done::Joined { space, perms, .. } => Done::Joined { space, perms, is_new: true },
            done => done,
        })
    }

    fn revoke(&mut self, caller: &str, uri: &str, token: &str) -> Answer {
        self.ask(caller, Command::Revoke { space: space(uri), hash: hash(token) })
    }

    fn add(&mut self, caller: &str, uri: &str, name: &str, perms: Perms) -> Answer {
        self.ask(caller, Command::AddMember { space: space(uri), did: did(name), perms })
    }

    fn remove(&mut self, caller: &str, uri: &str, name: &str) -> Answer {
        self.ask(caller, Command::RemoveMember { space: space(uri), did: did(name) })
    }

    fn leave(&mut self, caller: &str, uri: &str) -> Answer {
        self.ask(caller, Command::Leave { space: space(uri) })
    }

    fn stored(&self, token: &str) -> Invite {
        self.store.snapshot().get::<Invites>(&hash(token)).unwrap().unwrap()
    }

    fn member(&self, uri: &str, name: &str) -> Option<Member> {
        let key = MemberKey { space: space(uri), did: did(name) };
        self.store.snapshot().get::<Members>(&key).unwrap().filter(Member::is_in)
    }

    fn count_members(&self, uri: &str) -> usize {
        let range = prefix_of::<Members>(|key| write_space(&space(uri), key));
        self.store.snapshot().scan::<Members>(range).filter(|row| row.as_ref().unwrap().1.is_in()).count()
    }

    fn count_redemptions(&self, token: &str) -> usize {
        let range = prefix_of::<Redemptions>(|key| key.extend_from_slice(hash(token).as_bytes()));
        self.store.snapshot().scan::<Redemptions>(range).count()
    }

    /// What was done, oldest first: the act and what came of it.
    fn audit(&self) -> Vec<(&'static str, &'static str)> {
        self.entries().iter().map(|entry| (entry.act.name(), entry.finding.name())).collect()
    }

    fn entries(&self) -> Vec<Audit> {
        self.store.snapshot().scan_all::<Audits>().map(|row| row.unwrap().1).collect()
    }

    fn event(&mut self, event: impl FnOnce(Tid) -> Event) {
        self.events += 1;
        let event = event(Tid::from_be_bytes((self.events << 10).to_be_bytes()));
        let from = From { source: 0, position: self.events, is_new: true };
        self.write(|rows| reduce(rows, from, &event).unwrap());
    }

    fn commit(&mut self, author: &str, kind: Kind, write: Write) {
        let op = Op { collection: kind.nsid(), rkey: RecordKey::parse("one").unwrap(), write };
        let did = did(author);
        self.event(|rev| {
            Event::Commit(Commit { did, rev, origin: Origin::Jetstream, ops: vec![op], damaged: Vec::new() })
        });
    }

    /// Publishes a record under the key `one` and returns its URI.
    fn publish(&mut self, author: &str, kind: Kind, record: Value) -> String {
        let bytes = encode_dag_cbor(&record.to_string()).unwrap();
        let cid = Cid::compute_dag_cbor(&bytes);
        self.commit(author, kind, Write::Put(Block { cid, bytes, fault: None }));
        format!("at://did:plc:{author}/{}/one", kind.nsid())
    }

    fn delete(&mut self, author: &str, kind: Kind) {
        self.commit(author, kind, Write::Delete);
    }

    fn account(&mut self, name: &str, status: Option<&str>) {
        let did = did(name);
        let (active, status) = (status.is_none(), status.map(Into::into));
        self.event(|_| Event::Account(event::Account { did, active, status, time: None }));
    }
}

fn joined(uri: &str, perms: Perms) -> Answer {
    Ok(Done::Joined { space: space(uri), perms, is_new: true })
}

const INVALID: Answer = Err(Refusal::InvalidInvite);
const CHANGED: Answer = Ok(Done::Changed(true));
const SAME: Answer = Ok(Done::Changed(false));
