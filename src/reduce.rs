//! The whole program in one function: an event and what is known become changes.
//!
//! [`reduce`] decides whether an event counts (whose account, which revision, which source) and hands what
//! it changes to the rules. It reads and writes an overlay and nothing else; the caller commits the overlay
//! together with the source's cursor. Spec: RULES §1 ("tracked") and §4.

use crate::codec::event::{self, Commit, Event, Op, Origin, Sync, Write};
use crate::records::{self, Body, Grade, Kind, Rsvp};
use crate::rules::attendance;
use crate::rules::authority::Authority;
use crate::syntax::{self, Did, Tid};
use crate::tables::keys::{ChunkKey, RecordId, RoundId, RoundRecordKey, write_repository};
use crate::tables::rows::{
    Account, AccountState, Chunk, Record, RecordBytes, RoundFacts, SignupFacts, Totals as TotalsRow, Word,
};
use crate::tables::view::{Overlay, ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{Accounts, Chunks, Records, Rounds, Totals};

/// Bytes of a record that are kept in its row. sled must not be given values above 64 KiB.
const INLINE_BYTES_MAX: usize = 32_768;

/// Bytes of one chunk of a larger record, for the same reason.
const CHUNK_BYTES: usize = 49_152;

/// Where an event came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    /// The source's number.
    pub source: u32,
    /// The event's `seq` or `time_us`; 0 where it has none.
    pub position: u64,
    /// It lies beyond what the source's cursor covers, so that it is not a repetition.
    pub is_new: bool,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A commit in which something was wanted was applied.
    Applied,
    /// A commit was not: nothing wanted, stale, or of an inactive account.
    Skipped,
    /// It was no commit.
    Noted,
}

/// Applies one event to the overlay.
pub fn reduce(rows: &mut Overlay<'_>, from: From, event: &Event) -> Result<Outcome, RowsError> {
    match event {
        Event::Commit(commit) => reduce_commit(rows, from, commit),
        Event::Sync(sync) => reduce_sync(rows, from, sync).map(|()| Outcome::Noted),
        Event::Account(account) => reduce_account(rows, from, account).map(|()| Outcome::Noted),
        Event::Identity(_) => Ok(Outcome::Noted),
    }
}

fn reduce_commit(rows: &mut Overlay<'_>, from: From, commit: &Commit) -> Result<Outcome, RowsError> {
    let mut account = Repository::load(rows, &commit.did)?;
    let wanted = !commit.ops.is_empty();
    if !wanted && !account.now.tracked {
        return Ok(Outcome::Skipped);
    }
    if wanted {
        // Stale and ignored ones count too: this decides which source knows the account best.
        account.now.saw_rev(from.source, commit.rev);
        account.decide_state(rows)?;
    }
    if account.now.state != AccountState::Active || !is_next(&mut account.now, from, commit) {
        account.save(rows)?;
        return Ok(Outcome::Skipped);
    }
    follow(&mut account.now, commit);
    account.now.tracked |= commit.ops.iter().any(|op| matches!(op.write, Write::Put(_)));
    account.save(rows)?;
    for op in &commit.ops {
        apply(rows, &commit.did, commit.rev, op)?;
    }
    Ok(if wanted { Outcome::Applied } else { Outcome::Skipped })
}

/// Whether a commit comes after what was applied (RULES §4, "Order within a repository").
fn is_next(account: &mut Account, from: From, commit: &Commit) -> bool {
    let Some(rev) = account.rev else { return true };
    if commit.rev < rev && commit.origin == Origin::Jetstream && from.is_new {
        account.marks.late_jetstream = true;
    }
    // A Jetstream commit arrives in pieces of one revision, and the firehose may have its other pieces.
    commit.rev > rev || (commit.rev == rev && account.rev_from_jetstream)
}

/// Moves the repository's state to after a commit.
fn follow(account: &mut Account, commit: &Commit) {
    match commit.origin {
        Origin::Firehose { since, data } => {
            // Jetstream leaves out what nobody wanted, so a gap after it says nothing.
            account.marks.gap |= account.tracked && !account.rev_from_jetstream && since != account.rev;
            account.data = Some(data);
            account.rev_from_jetstream = false;
        }
        Origin::Jetstream => {
            account.data = None;
            account.rev_from_jetstream = true;
        }
    }
    account.rev = Some(commit.rev);
}

fn reduce_sync(rows: &mut Overlay<'_>, from: From, sync: &Sync) -> Result<(), RowsError> {
    let mut account = Repository::load(rows, &sync.did)?;
    account.now.saw_rev(from.source, sync.event_rev);
    account.decide_state(rows)?;
    if account.now.state == AccountState::Active && account.now.rev.is_none_or(|rev| rev < sync.rev) {
        // A purged repository keeps its revision and is unknown all the same.
        let known = account.now.data.is_some() || account.now.rev_from_jetstream;
        if !known || account.now.data == Some(sync.data) {
            account.now.rev = Some(sync.rev);
            account.now.data = Some(sync.data);
            account.now.rev_from_jetstream = false;
        } else {
            // The records behind it are not in the message; whoever can ask the host will.
            account.now.marks.desynchronized |= account.now.tracked;
        }
    }
    account.save(rows)
}

fn reduce_account(rows: &mut Overlay<'_>, from: From, event: &event::Account) -> Result<(), RowsError> {
    let mut account = Repository::load(rows, &event.did)?;
    let word = Word {
        position: from.position,
        active: event.active,
        status: event.status.clone(),
        time: event.time,
    };
    account.now.heard(from.source, word);
    account.decide_state(rows)?;
    account.save(rows)
}

/// An account row while an event changes it.
struct Repository<'a> {
    did: &'a Did,
    before: Account,
    now: Account,
}

impl<'a> Repository<'a> {
    fn load(rows: &Overlay<'_>, did: &'a Did) -> Result<Self, RowsError> {
        let before = rows.get::<Accounts>(did)?.unwrap_or_default();
        Ok(Self { did, now: before.clone(), before })
    }

    fn decide_state(&mut self, rows: &Overlay<'_>) -> Result<(), RowsError> {
        self.now.state = self.now.decide_state(rows)?;
        Ok(())
    }

    /// Writes the row and everything that follows from its state.
    fn save(&mut self, rows: &mut Overlay<'_>) -> Result<(), RowsError> {
        let (was, is) = (self.before.state, self.now.state);
        if was == AccountState::Inactive && is == AccountState::Active {
            // Commits were ignored meanwhile, and there may be no host to ask what they were.
            self.now.marks.unchecked |= self.now.tracked;
        }
        if is == AccountState::Deleted && was != AccountState::Deleted {
            self.now.tracked = false;
            self.now.marks = Default::default();
            // After a purge an equal revision is stale too.
            self.now.rev_from_jetstream = false;
            self.now.data = None;
        }
        if self.now == self.before {
            return Ok(());
        }
        rows.put::<Accounts>(self.did, &self.now);
        count_account(rows, &self.before, &self.now)?;
        let (was_active, is_active) = (was == AccountState::Active, is == AccountState::Active);
        if was_active != is_active {
            let mut authority = Authority::new(rows);
            authority.account(self.did, is_active)?;
            authority.settle()?;
            attendance::account_changed(rows, self.did, is_active)?;
        }
        if is == AccountState::Deleted && was != AccountState::Deleted {
            purge(rows, self.did)?;
        }
        self.before = self.now.clone();
        Ok(())
    }
}

/// Writes an account row as it was, without any consequence but the totals: for a store that is filled anew
/// and has no records yet.
pub fn restore_account(rows: &mut Overlay<'_>, did: &Did, account: &Account) -> Result<(), RowsError> {
    rows.put::<Accounts>(did, account);
    count_account(rows, &Account::default(), account)
}

fn count_account(rows: &mut Overlay<'_>, before: &Account, after: &Account) -> Result<(), RowsError> {
    let mut totals = rows.get::<Totals>(&())?.unwrap_or_default();
    let counted = totals.clone();
    let is = |account: &Account, state| account.state == state;
    recount(&mut totals.tracked, before.tracked, after.tracked)?;
    recount(&mut totals.marked, before.marks.any(), after.marks.any())?;
    for (count, state) in
        [(&mut totals.inactive, AccountState::Inactive), (&mut totals.deleted, AccountState::Deleted)]
    {
        recount(count, is(before, state), is(after, state))?;
    }
    if totals != counted {
        rows.put_or_delete::<Totals>(&(), &totals);
    }
    Ok(())
}

fn recount(count: &mut u64, was: bool, is: bool) -> Result<(), RowsError> {
    match (was, is) {
        (false, true) => *count += 1,
        (true, false) => {
            *count =
                count.checked_sub(1).ok_or(RowsError::Contradiction { what: "a total fell below zero" })?;
        }
        _ => {}
    }
    Ok(())
}

fn apply(rows: &mut Overlay<'_>, did: &Did, rev: Tid, op: &Op) -> Result<(), RowsError> {
    // Decoders keep operations on wanted collections only.
    let Some(kind) = Kind::from_nsid(op.collection) else { return Ok(()) };
    let id = RecordId { did: did.clone(), kind, rkey: op.rkey.clone() };
    match &op.write {
        Write::Put(block) => put_record(rows, &id, rev, block),
        Write::Delete => delete_record(rows, &id),
    }
}

/// Stores a record in place of whatever was there, and works out what follows.
pub fn put_record(
    rows: &mut Overlay<'_>,
    id: &RecordId,
    rev: Tid,
    block: &event::Block,
) -> Result<(), RowsError> {
    let graded = records::grade(id.kind, &id.rkey, block);
    let before = rows.get::<Records>(id)?;
    if let Some(before) = &before {
        delete_chunks(rows, id, before);
    }
    let bytes = write_bytes(rows, id, &block.bytes)?;
    let after =
        Record { cid: block.cid, rev, grade: graded.grade, body: graded.body, fault: block.fault, bytes };
    rows.put::<Records>(id, &after);
    count_record(rows, id.kind, before.as_ref(), Some(&after))?;
    body_changed(rows, id, before.and_then(|before| before.body).as_ref(), after.body.as_ref())
}

fn delete_record(rows: &mut Overlay<'_>, id: &RecordId) -> Result<(), RowsError> {
    let Some(before) = rows.get::<Records>(id)? else { return Ok(()) };
    delete_chunks(rows, id, &before);
    rows.delete::<Records>(id);
    count_record(rows, id.kind, Some(&before), None)?;
    body_changed(rows, id, before.body.as_ref(), None)
}

/// Removes every record of an account.
fn purge(rows: &mut Overlay<'_>, did: &Did) -> Result<(), RowsError> {
    let range = prefix_of::<Records>(|key| write_repository(did, key));
    let ids: Vec<RecordId> =
        rows.scan::<Records>(range).map(|row| row.map(|(id, _)| id)).collect::<Result<_, _>>()?;
    ids.iter().try_for_each(|id| delete_record(rows, id))
}

fn count_record(
    rows: &mut Overlay<'_>,
    kind: Kind,
    before: Option<&Record>,
    after: Option<&Record>,
) -> Result<(), RowsError> {
    let quarantined =
        |record: Option<&Record>| record.is_some_and(|record| matches!(record.grade, Grade::Unusable(_)));
    let mut totals = rows.get::<Totals>(&())?.unwrap_or_default();
    let counted = totals.clone();
    if let Some(count) = totals.records.get_mut(kind.place()) {
        recount(count, before.is_some(), after.is_some())?;
    }
    recount(&mut totals.quarantined, quarantined(before), quarantined(after))?;
    if totals != counted {
        rows.put_or_delete::<Totals>(&(), &totals);
    }
    Ok(())
}

fn write_bytes(rows: &mut Overlay<'_>, id: &RecordId, bytes: &[u8]) -> Result<RecordBytes, RowsError> {
    if bytes.len() <= INLINE_BYTES_MAX {
        return Ok(RecordBytes::Inline(bytes.to_vec()));
    }
    let mut count = 0;
    for chunk in bytes.chunks(CHUNK_BYTES) {
        rows.put::<Chunks>(&ChunkKey { record: id.clone(), number: count }, &Chunk(chunk.to_vec()));
        // A frame holds 5 MB, a line 8 MB: at most some two hundred chunks.
        count =
            count.checked_add(1).ok_or(RowsError::Contradiction { what: "a record has too many chunks" })?;
    }
    Ok(RecordBytes::Chunked(count))
}

fn delete_chunks(rows: &mut Overlay<'_>, id: &RecordId, record: &Record) {
    if let RecordBytes::Chunked(count) = record.bytes {
        for number in 0..count {
            rows.delete::<Chunks>(&ChunkKey { record: id.clone(), number });
        }
    }
}

/// The bytes of a stored record.
pub fn record_bytes(
    rows: &(impl Rows + ?Sized),
    id: &RecordId,
    record: &Record,
) -> Result<Vec<u8>, RowsError> {
    match &record.bytes {
        RecordBytes::Inline(bytes) => Ok(bytes.clone()),
        RecordBytes::Chunked(count) => {
            let mut bytes = Vec::new();
            for number in 0..*count {
                let chunk = rows.get::<Chunks>(&ChunkKey { record: id.clone(), number })?;
                let chunk =
                    chunk.ok_or(RowsError::Contradiction { what: "a part of a large record is missing" })?;
                bytes.extend_from_slice(&chunk.0);
            }
            Ok(bytes)
        }
    }
}

/// Hands the difference between two versions of a record to the rules.
fn body_changed(
    rows: &mut Overlay<'_>,
    id: &RecordId,
    before: Option<&Body>,
    after: Option<&Body>,
) -> Result<(), RowsError> {
    if before == after {
        return Ok(());
    }
    match id.kind {
        Kind::Round => {
            round_changed(rows, id, after);
            Ok(())
        }
        Kind::Signup | Kind::Invitation | Kind::Submission => {
            let mut authority = Authority::new(rows);
            for (body, appears) in [(before, false), (after, true)] {
                if let Some(body) = body {
                    link(&mut authority, id, body, appears)?;
                }
            }
            authority.settle()
        }
        Kind::Rsvp => attendance::rsvp_changed(rows, &id.did, &id.rkey, rsvp(before), rsvp(after)),
        Kind::Jam | Kind::Event | Kind::Acceptance => Ok(()),
    }
}

fn rsvp(body: Option<&Body>) -> Option<&Rsvp> {
    match body {
        Some(Body::Rsvp(rsvp)) => Some(rsvp),
        _ => None,
    }
}

fn round_changed(rows: &mut Overlay<'_>, id: &RecordId, after: Option<&Body>) {
    let round = RoundId { did: id.did.clone(), rkey: id.rkey.clone() };
    match after {
        Some(Body::Round(facts)) => {
            let official = facts.jam.authority() == syntax::Authority::Did(id.did.as_str());
            let (join_mode, network_gate) = (facts.join_mode, facts.network_gate);
            rows.put::<Rounds>(&round, &RoundFacts { official, join_mode, network_gate });
        }
        _ => rows.delete::<Rounds>(&round),
    }
}

/// Adds or removes what one version of a record contributes to its round, if it names one.
fn link(
    authority: &mut Authority<'_, '_>,
    id: &RecordId,
    body: &Body,
    appears: bool,
) -> Result<(), RowsError> {
    let key = |uri| {
        let round = RoundId::from_uri(uri)?;
        Some(RoundRecordKey { round, author: id.did.clone(), rkey: id.rkey.clone() })
    };
    match body {
        Body::Signup(signup) => match key(&signup.round) {
            Some(key) => authority.signup(&key, appears.then(|| SignupFacts::of(signup)).as_ref()),
            None => Ok(()),
        },
        Body::Invitation(invitation) => match key(&invitation.round) {
            Some(key) => authority.invitation(&key, appears.then_some(&invitation.invitee)),
            None => Ok(()),
        },
        Body::Submission(submission) => match key(&submission.round) {
            Some(key) => authority.submission(&key.round, &id.did, appears),
            None => Ok(()),
        },
        Body::Jam(_) | Body::Round(_) | Body::Event(_) | Body::Rsvp(_) | Body::Acceptance(_) => Ok(()),
    }
}

/// The totals of the store.
pub fn totals(rows: &(impl Rows + ?Sized)) -> Result<TotalsRow, RowsError> {
    Ok(rows.get::<Totals>(&())?.unwrap_or_default())
}
