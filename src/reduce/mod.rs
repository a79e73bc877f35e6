//! The whole program in one function: an event and what is known become changes.
//!
//! [`reduce`] decides whether an event counts (whose account, which revision, which source) and hands what
//! it changes to the rules. It reads and writes an overlay and nothing else; the caller commits the overlay
//! together with the source's cursor. Spec: RULES §1 ("tracked") and §4.

mod host;

use crate::codec::event::{self, Commit, Event, Export, Op, Origin, Proof, Sync, Write};
use crate::codec::node::Node;
use crate::filing;
use crate::ledger;
use crate::records::Kind;
use crate::rules::attendance;
use crate::rules::authority::Authority;
use crate::syntax::{Did, Tid};
use crate::tables::Accounts;
use crate::tables::completeness::{Cause, Verified};
use crate::tables::keys::RecordId;
use crate::tables::rows::{Account, AccountState, Marks, Word};
use crate::tables::view::{Overlay, ReadRows, RowsError};

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
pub struct Outcome {
    /// What it did.
    pub effect: Effect,
    /// How it stands to what was known of its repository.
    pub sequence: Sequence,
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A commit in which something was wanted was applied.
    Applied,
    /// A commit was not: nothing wanted, old, or of an inactive account.
    Skipped,
    /// It was no commit.
    Noted,
}

/// How a commit or a `#sync` stands to what was known of its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// It follows, or there is nothing that it could follow.
    Next,
    /// It is not later, and was ignored.
    Old,
    /// Something is missing between the two. The repository is marked.
    Discontinuous,
}

impl Effect {
    fn then(self, sequence: Sequence) -> Outcome {
        Outcome { effect: self, sequence }
    }
}

/// Applies one event to the overlay.
pub fn reduce(rows: &mut Overlay<'_>, from: From, event: &Event) -> Result<Outcome, RowsError> {
    let noted = |()| Effect::Noted.then(Sequence::Next);
    match event {
        Event::Commit(commit) => reduce_commit(rows, from, commit),
        Event::Sync(sync) => reduce_sync(rows, from, sync),
        Event::Account(account) => reduce_account(rows, from, account).map(noted),
        Event::Identity(_) => Ok(noted(())),
        Event::Export(export) => reduce_export(rows, export),
        Event::Missed(did) => reduce_missed(rows, did).map(noted),
        Event::Answer(answer) => host::reduce_answer(rows, from, answer),
    }
}

fn reduce_commit(rows: &mut Overlay<'_>, from: From, commit: &Commit) -> Result<Outcome, RowsError> {
    let mut account = Repository::load(rows, &commit.did)?;
    let wanted = !commit.ops.is_empty();
    let asking = ledger::of(rows, &commit.did)?.asking;
    if !wanted && !account.now.tracked && asking.is_none() {
        return Ok(Effect::Skipped.then(Sequence::Next));
    }
    if wanted {
        // Stale and ignored ones count too: this decides which source knows the account best.
        account.now.saw_rev(from.source, commit.rev);
        account.decide_state(rows)?;
    }
    if account.now.state != AccountState::Active {
        account.save(rows)?;
        if wanted {
            ledger::due(rows, &commit.did, Cause::Ignored, None)?;
        }
        return Ok(Effect::Skipped.then(Sequence::Next));
    }
    // What the host sends holds what an older commit wrote, and some of it may be stored already.
    let is_sent = asking.and_then(|asking| asking.applying).is_some_and(|sent| commit.rev <= sent.rev);
    if is_sent || !is_next(&mut account.now, from, commit) {
        account.save(rows)?;
        return Ok(Effect::Skipped.then(Sequence::Old));
    }
    let sequence = follow(&mut account.now, commit);
    if let Origin::Firehose { since: Some(since), .. } = commit.origin
        && account.before.rev != Some(since)
    {
        // Where nothing was known it follows on nothing, and shows no gap. What the host sends may be older still.
        ledger::needs(rows, &commit.did, since)?;
    }
    // What a damaged block held can be had from the host alone.
    account.now.marks.desynchronized |= !commit.damaged.is_empty();
    account.now.tracked |= commit.ops.iter().any(|op| matches!(op.write, Write::Put(_)));
    let first_seen = account.now.tracked && !account.before.tracked && has_history(commit);
    account.save(rows)?;
    if first_seen {
        ledger::due(rows, &commit.did, Cause::FirstSeen, None)?;
    }
    if account.now.tracked || wanted {
        let written = commit.ops.iter().filter_map(|op| record_of(&commit.did, op));
        ledger::applied(rows, &commit.did, commit.rev, verified(commit), written)?;
    }
    for op in &commit.ops {
        apply(rows, &commit.did, commit.rev, op)?;
    }
    Ok(if wanted { Effect::Applied } else { Effect::Skipped }.then(sequence))
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
fn follow(account: &mut Account, commit: &Commit) -> Sequence {
    let mut sequence = Sequence::Next;
    match commit.origin {
        Origin::Firehose { since, data, prev_data, proof } => {
            // Jetstream leaves out what nobody wanted, so a gap after it says nothing.
            if account.tracked && !account.rev_from_jetstream {
                let other_tree = prev_data.is_some() && account.data.is_some() && prev_data != account.data;
                if since != account.rev || other_tree {
                    sequence = Sequence::Discontinuous;
                    account.marks.gap = true;
                }
            }
            // What it does not say of the tree before it nobody has proved.
            account.marks.unchecked |= proof == Proof::Forward;
            account.data = Some(data);
            account.rev_from_jetstream = false;
        }
        Origin::Jetstream => {
            account.data = None;
            account.rev_from_jetstream = true;
        }
    }
    account.rev = Some(commit.rev);
    sequence
}

fn reduce_sync(rows: &mut Overlay<'_>, from: From, sync: &Sync) -> Result<Outcome, RowsError> {
    let mut account = Repository::load(rows, &sync.did)?;
    account.now.saw_rev(from.source, sync.event_rev);
    account.decide_state(rows)?;
    let mut sequence = Sequence::Next;
    if account.now.rev.is_some_and(|rev| rev >= sync.rev) {
        sequence = Sequence::Old;
    } else if account.now.state == AccountState::Active {
        // A purged repository keeps its revision and is unknown all the same.
        let known = account.now.data.is_some() || account.now.rev_from_jetstream;
        let is_asked = ledger::of(rows, &sync.did)?.asking.is_some();
        if account.now.data == Some(sync.data) || !(known || account.now.tracked || is_asked) {
            account.now.rev = Some(sync.rev);
            account.now.data = Some(sync.data);
            account.now.rev_from_jetstream = false;
        } else if account.now.tracked || is_asked {
            // The records behind it are not in the message; whoever can ask the host will.
            account.now.marks.desynchronized = true;
            sequence = Sequence::Discontinuous;
        }
    }
    account.save(rows)?;
    Ok(Effect::Noted.then(sequence))
}

/// Marks a repository of which something is missing. What it was nobody can say, so that nothing else changes.
fn reduce_missed(rows: &mut Overlay<'_>, did: &Did) -> Result<(), RowsError> {
    let mut account = Repository::load(rows, did)?;
    account.now.marks.gap = true;
    account.save(rows)
}

fn reduce_account(rows: &mut Overlay<'_>, from: From, event: &event::Account) -> Result<(), RowsError> {
    let mut account = Repository::load(rows, &event.did)?;
    let (active, status, time) = (event.active, event.status.clone(), event.time);
    let word = Word { position: from.position, active, status, deleted: event.deletes(), time };
    account.now.heard(from.source, word);
    account.decide_state(rows)?;
    account.save(rows)
}

/// Makes a repository what an export says, unless it is older than what is known.
///
/// An export is a state and not a word of its host about the account: it counts for nothing between sources.
fn reduce_export(rows: &mut Overlay<'_>, export: &Export) -> Result<Outcome, RowsError> {
    let mut account = Repository::load(rows, &export.did)?;
    let nothing = export.records.is_empty() && !account.now.tracked;
    // At the stored revision it is what was applied, unless something of that is missing.
    let doubtful = account.now.rev_from_jetstream || account.now.marks.any();
    let newer = account.now.rev.is_none_or(|rev| export.rev > rev || (export.rev == rev && doubtful));
    if nothing || !newer || account.now.state != AccountState::Active {
        return Ok(Effect::Skipped.then(if newer { Sequence::Next } else { Sequence::Old }));
    }
    account.now.rev = Some(export.rev);
    account.now.data = Some(export.data);
    account.now.rev_from_jetstream = false;
    account.now.tracked |= !export.records.is_empty();
    if account.now.witnesses.iter().all(|witness| witness.rev <= Some(export.rev)) {
        // Nobody has spoken of anything later, so that there is nothing left to compare.
        account.now.marks = Marks::default();
    }
    account.save(rows)?;
    filing::replace_records(rows, export, None, None)?;
    ledger::outdone(rows, &export.did, export.rev)?;
    ledger::applied(rows, &export.did, export.rev, Verified::Whole, std::iter::empty())?;
    Ok(Effect::Applied.then(Sequence::Next))
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
        filing::count_account(rows, &self.before, &self.now)?;
        let (was_active, is_active) = (was == AccountState::Active, is == AccountState::Active);
        if was_active != is_active {
            let mut authority = Authority::new(rows);
            authority.account(self.did, is_active)?;
            authority.settle()?;
            attendance::account_changed(rows, self.did, is_active)?;
        }
        if is == AccountState::Deleted && was != AccountState::Deleted {
            filing::purge(rows, self.did)?;
        }
        if is == AccountState::Deleted && was != AccountState::Deleted {
            ledger::purged(rows, self.did)?;
        }
        if self.before == Account::default() {
            ledger::heard_of(rows, self.did)?;
        }
        if is_active && !was_active && !self.now.tracked {
            // What it has was purged, or was hidden from whoever asked.
            ledger::due(rows, self.did, Cause::FirstSeen, None)?;
        }
        let is_marked = self.now.marks.any() && is == AccountState::Active;
        if is_marked && (self.now.marks != self.before.marks || was != is) {
            ledger::due(rows, self.did, Cause::Marked, None)?;
        }
        self.before = self.now.clone();
        Ok(())
    }
}

/// Whether there may be records from before a commit. One on top of the empty tree has none.
fn has_history(commit: &Commit) -> bool {
    match commit.origin {
        Origin::Firehose { prev_data: Some(before), .. } => before != Node::default().cid(),
        Origin::Firehose { since, prev_data: None, .. } => since.is_some(),
        Origin::Jetstream => true,
    }
}

/// How a commit was proved.
fn verified(commit: &Commit) -> Verified {
    match commit.origin {
        Origin::Firehose { proof: Proof::Inverted, .. } => Verified::Full,
        Origin::Firehose { proof: Proof::Forward, .. } => Verified::Forward,
        Origin::Firehose { proof: Proof::Signed, .. } => Verified::Signature,
        Origin::Firehose { proof: Proof::None, .. } | Origin::Jetstream => Verified::Believed,
    }
}

/// The record that an operation is on. Decoders keep those in wanted collections only.
fn record_of(did: &Did, op: &Op) -> Option<RecordId> {
    Some(RecordId { did: did.clone(), kind: Kind::from_nsid(op.collection)?, rkey: op.rkey.clone() })
}

fn apply(rows: &mut Overlay<'_>, did: &Did, rev: Tid, op: &Op) -> Result<(), RowsError> {
    let Some(id) = record_of(did, op) else { return Ok(()) };
    match &op.write {
        Write::Put(block) => filing::put_record(rows, &id, rev, block),
        Write::Delete => filing::delete_record(rows, &id),
    }
}
