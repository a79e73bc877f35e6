//! The real writer over a store on disk, with people who ask it and a source that tells it things.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use guestlist::codec::event::Event;
use guestlist::delivery::{Delivery, Placed, Progress, Sender, Tally, queue};
use guestlist::indexer::Indexer;
use guestlist::orders::{Desk, desk};
use guestlist::spaces::Bounds;
use guestlist::spaces::command::{Answer, By, Command, InviteTerms, Nonce, Request};
use guestlist::store::{IfAbsent, Store};
use guestlist::syntax::{AtUri, Did, TokenHash};
use guestlist::tables::keys::{MemberKey, NonceId, RedemptionKey, SourceKey, SpaceId, write_space};
use guestlist::tables::portal::{Chat, Visibility};
use guestlist::tables::spaces::{Act, Audit, Finding, Invite, Member, Perms, SpaceTerms};
use guestlist::tables::view::{ReadRows, Rows, prefix_of};
use guestlist::tables::{
    Audits, Chats, Invites, Members, Memberships, NonceExpiries, Nonces, OpenChats, OpenInvites, PersonChats,
    PersonSessions, PersonTickets, Redemptions, SessionExpiries, Sessions, SpaceInvites, Tickets,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What makes each token another.
static NONCES: AtomicU64 = AtomicU64::new(1);

/// A request that counts, of somebody.
pub(crate) fn by(did: &str, command: Command) -> Request {
    let number = NONCES.fetch_add(1, Ordering::Relaxed);
    let nonce = Nonce { id: NonceId(Sha256::digest(number.to_be_bytes()).into()), expires: u64::MAX };
    Request { by: By::Caller { did: Did::parse(did).unwrap(), nonce }, command }
}

pub(crate) fn space(uri: &str) -> SpaceId {
    SpaceId::from_uri(&AtUri::parse(uri).unwrap()).unwrap()
}

/// What a source tells, at a place of its own.
pub(crate) fn delivery(position: u64, event: Event) -> Delivery {
    let source = SourceKey { kind: "jetstream".into(), name: "told".into(), fingerprint: String::new() };
    let event = Some(Placed { position, offset: 0, event });
    let progress = Progress::Live { cursor: Some(position) };
    Delivery { source, progress, tally: Tally { frames: 1, ..Tally::default() }, event, note: None }
}

/// A writer at work.
pub(crate) struct Writer {
    pub(crate) store: Store,
    pub(crate) desk: Desk,
    sender: Option<Sender>,
    events: AtomicU64,
    thread: Option<JoinHandle<()>>,
    _dir: TempDir,
}

impl Writer {
    pub(crate) fn start() -> Self {
        Self::within(Bounds::default())
    }

    /// One whose operator has set bounds.
    pub(crate) fn within(bounds: Bounds) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), 16_000_000, IfAbsent::Create).unwrap();
        let ((sender, deliveries), (desk, orders)) = (queue(), desk());
        let mut indexer = Indexer::new(store.clone(), 250).unwrap();
        let thread = std::thread::spawn(move || {
            indexer.serve(&deliveries, &orders, &bounds, |_| {}).unwrap();
        });
        let (sender, thread, events) = (Some(sender), Some(thread), AtomicU64::new(0));
        Self { store, desk, sender, events, thread, _dir: dir }
    }

    /// Has somebody ask, and waits.
    pub(crate) async fn ask(&self, did: &str, command: Command) -> Answer {
        self.desk.ask(by(did, command)).await.unwrap()
    }

    /// Makes a space, in the place of none.
    pub(crate) async fn space(&self, owner: &str, key: &str) -> SpaceId {
        let space = space(&format!("at://{owner}/tools.atmo.event.space/{key}"));
        let made = Command::CreateSpace { space: space.clone(), terms: SpaceTerms::default() };
        self.ask(owner, made).await.unwrap();
        space
    }

    /// Makes an invite, to take part.
    pub(crate) async fn invite(&self, space: &SpaceId, token: &str, max_uses: Option<u64>) -> Answer {
        let terms = InviteTerms { perms: Perms::Write, max_uses, expires_at: None, note: None };
        self.invite_with(space, token, terms).await
    }

    pub(crate) async fn invite_with(&self, space: &SpaceId, token: &str, terms: InviteTerms) -> Answer {
        let command = Command::CreateInvite { space: space.clone(), hash: TokenHash::of(token), terms };
        self.ask(space.owner.as_str(), command).await
    }

    /// Has the source tell something.
    pub(crate) fn tell(&self, event: Event) {
        let position = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        self.sender.as_ref().unwrap().send(delivery(position, event)).unwrap();
    }

    pub(crate) fn stored(&self, token: &str) -> Option<Invite> {
        self.store.snapshot().get::<Invites>(&TokenHash::of(token)).unwrap()
    }

    /// Who has used an invite.
    pub(crate) fn redeemers(&self, token: &str) -> Vec<String> {
        let hash = TokenHash::of(token);
        let range = prefix_of::<Redemptions>(|key| key.extend_from_slice(hash.as_bytes()));
        let rows = self.store.snapshot();
        rows.scan::<Redemptions>(range).map(|row| row.unwrap().0.did.as_str().to_owned()).collect()
    }

    /// Who is in a space.
    pub(crate) fn members(&self, space: &SpaceId) -> Vec<String> {
        let range = prefix_of::<Members>(|key| write_space(space, key));
        let rows = self.store.snapshot();
        let members = rows.scan::<Members>(range).map(Result::unwrap);
        members.filter(|(_, member)| member.is_in()).map(|(key, _)| key.did.as_str().to_owned()).collect()
    }

    /// What was done in a space, oldest first.
    pub(crate) fn audit(&self, space: &SpaceId) -> Vec<Audit> {
        let rows = self.store.snapshot();
        let entries = rows.scan_all::<Audits>().map(|row| row.unwrap().1);
        entries.filter(|entry| entry.space.as_ref() == Some(space)).collect()
    }

    /// The findings about one act in a space, oldest first.
    pub(crate) fn findings(&self, space: &SpaceId, act: Act) -> Vec<Finding> {
        let entries = self.audit(space).into_iter();
        entries.filter(|entry| entry.act == act).map(|entry| entry.finding).collect()
    }

    /// Ends it, when it has done what was asked before.
    pub(crate) fn end(&mut self) {
        self.desk.close();
        self.sender = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.end();
            hold(&*self.store.snapshot());
        }
    }
}

/// What holds of the rows of spaces after any commit.
pub(crate) fn hold(rows: &dyn Rows) {
    let mut open = 0;
    for row in rows.scan_all::<Invites>() {
        let (hash, invite) = row.unwrap();
        let range = prefix_of::<Redemptions>(|key| key.extend_from_slice(hash.as_bytes()));
        let mut uses = 0;
        for row in rows.scan::<Redemptions>(range) {
            let key = MemberKey { space: invite.space.clone(), did: row.unwrap().0.did };
            assert!(rows.get::<Members>(&key).unwrap().is_some(), "a use without a member: {}", key.did);
            uses += 1;
        }
        assert_eq!(invite.used, uses + invite.erased);
        assert!(invite.max_uses.is_none_or(|max_uses| invite.used <= max_uses), "{invite:?}");
        open += usize::from(invite.is_open());
    }
    for row in rows.scan_all::<Redemptions>() {
        let (key, _) = row.unwrap();
        assert!(rows.get::<Invites>(&key.hash).unwrap().is_some(), "a use of no invite");
    }
    for row in rows.scan_all::<Members>() {
        let (key, Member { invite, .. }) = row.unwrap();
        let used = invite.map(|hash| RedemptionKey { hash, did: key.did.clone() });
        let is_used = used.is_none_or(|key| rows.get::<Redemptions>(&key).unwrap().is_some());
        assert!(is_used, "a member without a use: {}", key.did);
    }
    assert_eq!(rows.scan_all::<OpenInvites>().count(), open);
    assert_eq!(rows.scan_all::<SpaceInvites>().count(), rows.scan_all::<Invites>().count());
    assert_eq!(rows.scan_all::<Memberships>().count(), rows.scan_all::<Members>().count());
    assert_eq!(rows.scan_all::<NonceExpiries>().count(), rows.scan_all::<Nonces>().count());
    let in_chats = rows.scan_all::<Members>().filter(|row| {
        let (key, member) = row.as_ref().unwrap();
        Chat::is_in(&key.space) && member.is_in()
    });
    assert_eq!(rows.scan_all::<PersonChats>().count(), rows.scan_all::<Chats>().count() + in_chats.count());
    let seen =
        rows.scan_all::<Chats>().filter(|row| row.as_ref().unwrap().1.visibility != Visibility::Private);
    assert_eq!(rows.scan_all::<OpenChats>().count(), seen.count());
    let sessions = rows.scan_all::<Sessions>().count();
    assert_eq!(rows.scan_all::<SessionExpiries>().count(), sessions);
    assert_eq!(rows.scan_all::<PersonSessions>().count(), sessions);
    assert_eq!(rows.scan_all::<PersonTickets>().count(), rows.scan_all::<Tickets>().count());
    let mut faults = Vec::new();
    guestlist::spaces::sound::look(rows, |fault| faults.push(fault)).unwrap();
    assert_eq!(faults, Vec::<String>::new());
}
