//! Putting records and accounts into the tables, and taking them out.
//!
//! Whatever is stored is counted here, cut into rows that an engine can hold, and told to the rules, so that
//! nothing derived can be left behind. When to do so is for `reduce` to decide.

use std::collections::BTreeMap;

use crate::codec::answer::Path;
use crate::codec::event::{Block, Export};
use crate::ledger;
use crate::records::{self, Body, Deviation, Grade, Kind, Rsvp};
use crate::rules::authority::Authority;
use crate::rules::{attendance, listing};
use crate::syntax::{self, Cid, Did, Tid};
use crate::tables::completeness::Cause;
use crate::tables::keys::{
    ChunkKey, InvitationId, MetaKey, RecordId, RoundId, RoundRecordKey, SignupKey, SourceKey,
    write_repository,
};
use crate::tables::rows::{
    Account, AccountState, Chunk, GradeRow, Meta, Record, RecordBytes, RoundFacts, Shape, SignupFacts,
    Source, Totals as TotalsRow,
};
use crate::tables::view::{Overlay, ReadRows, Rows, RowsError, key_of, prefix_of};
use crate::tables::{Accounts, Chunks, Metas, Records, Rounds, Sources, Totals, number, record_bytes};

/// Bytes of a record that are kept in its row. sled must not be given values above 64 KiB, and writes a leaf
/// that exceeds 128 KiB to a file of its own; rows of this size make that rare.
const INLINE_BYTES_MAX: usize = 8192;

/// Bytes of one chunk of a larger record, for the same reasons.
const CHUNK_BYTES: usize = 8192;

/// Bytes of deviations that are kept in a record's row. More are worked out when they are asked for.
const DEVIATIONS_BYTES_MAX: usize = 4096;

/// Writes an account row as it was, without any consequence but the totals, and that it is due if it is marked: for a store that is filled anew
/// and has no records yet.
pub fn restore_account(rows: &mut Overlay<'_>, did: &Did, account: &Account) -> Result<(), RowsError> {
    rows.put::<Accounts>(did, account);
    if account.marks.any() {
        ledger::due(rows, did, Cause::Marked, None)?;
    }
    count_account(rows, &Account::default(), account)
}

/// Counts the difference between two versions of an account row in the totals.
pub fn count_account(rows: &mut Overlay<'_>, before: &Account, after: &Account) -> Result<(), RowsError> {
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

/// Stores a record in place of whatever was there, and works out what follows.
pub fn put_record(rows: &mut Overlay<'_>, id: &RecordId, rev: Tid, block: &Block) -> Result<(), RowsError> {
    let before = rows.get::<Records>(id)?;
    if let Some(before) = &before {
        delete_chunks(rows, id, before);
    }
    replace_record(rows, id, before, rev, block)
}

/// Grades and stores a record that nothing is derived from yet, as if it had just come: for a store that is
/// filled anew.
pub fn restore_record(
    rows: &mut Overlay<'_>,
    id: &RecordId,
    rev: Tid,
    block: &Block,
) -> Result<(), RowsError> {
    replace_record(rows, id, None, rev, block)
}

fn replace_record(
    rows: &mut Overlay<'_>,
    id: &RecordId,
    before: Option<Record>,
    rev: Tid,
    block: &Block,
) -> Result<(), RowsError> {
    let graded = records::grade(id.kind, &id.rkey, block);
    let bytes = write_bytes(rows, id, &block.bytes)?;
    let after = Record {
        shape: Shape,
        cid: block.cid,
        rev,
        grade: grade_row(graded.grade),
        body: graded.body,
        fault: block.fault,
        bytes,
    };
    rows.put::<Records>(id, &after);
    count_record(rows, id, before.as_ref(), Some(&after))?;
    refer(rows, id, after.body.as_ref())?;
    body_changed(rows, id, before.and_then(|before| before.body).as_ref(), after.body.as_ref())
}

/// Has somebody find out how the accounts stand that a record refers to.
fn refer(rows: &mut Overlay<'_>, id: &RecordId, body: Option<&Body>) -> Result<(), RowsError> {
    let Some(body) = body else { return Ok(()) };
    let mut referred = body.referred();
    referred.sort();
    referred.dedup();
    referred.iter().filter(|did| **did != id.did).try_for_each(|did| ledger::refer(rows, did))
}

/// Removes a record, if it is there, and works out what follows.
pub fn delete_record(rows: &mut Overlay<'_>, id: &RecordId) -> Result<(), RowsError> {
    let Some(before) = rows.get::<Records>(id)? else { return Ok(()) };
    delete_chunks(rows, id, &before);
    rows.delete::<Records>(id);
    count_record(rows, id, Some(&before), None)?;
    body_changed(rows, id, before.body.as_ref(), None)
}

/// Makes the records of a repository between two of its keys those of its export, but for those that were written by a
/// later revision meanwhile. Whether that changed anything.
pub fn replace_records(
    rows: &mut Overlay<'_>,
    export: &Export,
    after: Option<&Path>,
    until: Option<&Path>,
) -> Result<bool, RowsError> {
    let key = |path: &Path| {
        let kind = Kind::from_nsid(path.0)?;
        Some(key_of::<Records>(&RecordId { did: export.did.clone(), kind, rkey: path.1.clone() }))
    };
    let mut range = prefix_of::<Records>(|key| write_repository(&export.did, key));
    // The first key after this one, and the first after that.
    let next = |key: Vec<u8>| [key, vec![0]].concat();
    if let Some(after) = after.and_then(key) {
        range.start = next(after);
    }
    if let Some(until) = until.and_then(key) {
        range.end = Some(next(until));
    }
    let mut stored: BTreeMap<RecordId, (Cid, bool)> = BTreeMap::new();
    for row in rows.scan::<Records>(range) {
        let (id, record) = row?;
        stored.insert(id, (record.cid, record.fault.is_none()));
    }
    let mut changed = false;
    for record in &export.records {
        // Decoders keep records of wanted collections only.
        let Some(kind) = Kind::from_nsid(record.collection) else { continue };
        let id = RecordId { did: export.did.clone(), kind, rkey: record.rkey.clone() };
        // One that came as JSON and did not hash to its CID is another, whatever CID it came under.
        let is_same = stored.remove(&id) == Some((record.block.cid, true));
        if !is_same && !ledger::is_later(rows, &id, export.rev)? {
            put_record(rows, &id, export.rev, &record.block)?;
            changed = true;
        }
    }
    for id in stored.keys() {
        if !ledger::is_later(rows, id, export.rev)? {
            delete_record(rows, id)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Removes every record of an account. What follows for rounds is worked out once, at the end.
pub fn purge(rows: &mut Overlay<'_>, did: &Did) -> Result<(), RowsError> {
    let range = prefix_of::<Records>(|key| write_repository(did, key));
    let records: Vec<(RecordId, Record)> = rows.scan::<Records>(range).collect::<Result<_, _>>()?;
    for (id, record) in &records {
        delete_chunks(rows, id, record);
        rows.delete::<Records>(id);
        count_record(rows, id, Some(record), None)?;
        if let Some(body) = &record.body {
            listing::list(rows, id, body, false);
        }
        match &record.body {
            Some(Body::Round(_)) => round_changed(rows, id, None),
            Some(Body::Rsvp(rsvp)) => attendance::rsvp_changed(rows, did, &id.rkey, Some(rsvp), None)?,
            _ => {}
        }
    }
    let mut authority = Authority::new(rows);
    for (id, record) in &records {
        if let Some(body) = &record.body {
            link(&mut authority, id, body, false)?;
        }
    }
    authority.settle()
}

/// Counts the difference between two versions of a record in the totals, and keeps the quarantine.
fn count_record(
    rows: &mut Overlay<'_>,
    id: &RecordId,
    before: Option<&Record>,
    after: Option<&Record>,
) -> Result<(), RowsError> {
    let reason = |record: Option<&Record>| match record?.grade {
        GradeRow::Unusable(reason) => Some(reason),
        GradeRow::Conforming | GradeRow::Deviating(_) | GradeRow::DeviatingMuch => None,
    };
    let (was, is) = (reason(before), reason(after));
    if was != is {
        listing::quarantine(rows, id, is);
    }
    let mut totals = rows.get::<Totals>(&())?.unwrap_or_default();
    let counted = totals.clone();
    if let Some(count) = totals.records.get_mut(id.kind.place()) {
        recount(count, before.is_some(), after.is_some())?;
    }
    recount(&mut totals.quarantined, was.is_some(), is.is_some())?;
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

fn grade_row(grade: Grade) -> GradeRow {
    match grade {
        Grade::Conforming => GradeRow::Conforming,
        Grade::Unusable(unusable) => GradeRow::Unusable(unusable),
        Grade::Deviating(deviations) => {
            let bytes: usize = deviations.iter().map(|one| one.path.len() + one.rule.len()).sum();
            if bytes <= DEVIATIONS_BYTES_MAX {
                GradeRow::Deviating(deviations)
            } else {
                GradeRow::DeviatingMuch
            }
        }
    }
}

/// Where a stored record fails its lexicon; empty unless it is deviating.
pub fn deviations_of(
    rows: &(impl Rows + ?Sized),
    id: &RecordId,
    record: &Record,
) -> Result<Vec<Deviation>, RowsError> {
    match &record.grade {
        GradeRow::Conforming | GradeRow::Unusable(_) => Ok(Vec::new()),
        GradeRow::Deviating(deviations) => Ok(deviations.clone()),
        GradeRow::DeviatingMuch => {
            match records::grade(id.kind, &id.rkey, &block_of(rows, id, record)?).grade {
                Grade::Deviating(deviations) => Ok(deviations),
                _ => Err(RowsError::Contradiction {
                    what: "a record no longer has the grade that it was stored with",
                }),
            }
        }
    }
}

/// A stored record as it came.
pub fn block_of(rows: &(impl Rows + ?Sized), id: &RecordId, record: &Record) -> Result<Block, RowsError> {
    Ok(Block { cid: record.cid, bytes: record_bytes(rows, id, record)?, fault: record.fault })
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
    for (body, appears) in [(before, false), (after, true)] {
        if let Some(body) = body {
            listing::list(rows, id, body, appears);
        }
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
    let (author, rkey) = (id.did.clone(), id.rkey.clone());
    match body {
        Body::Signup(signup) => {
            let Some(round) = RoundId::from_uri(&signup.round) else { return Ok(()) };
            let invitation = signup.invitation.as_ref().and_then(InvitationId::from_uri);
            let key = SignupKey { round, author, invitation, rkey };
            authority.signup(&key, appears.then_some(SignupFacts { time: signup.time }))
        }
        Body::Invitation(invitation) => {
            let Some(round) = RoundId::from_uri(&invitation.round) else { return Ok(()) };
            let key = RoundRecordKey { round, author, rkey };
            authority.invitation(&key, appears.then_some(&invitation.invitee))
        }
        Body::Submission(submission) => {
            let Some(round) = RoundId::from_uri(&submission.round) else { return Ok(()) };
            authority.submission(&round, &author, appears)
        }
        Body::Jam(_) | Body::Round(_) | Body::Event(_) | Body::Rsvp(_) | Body::Acceptance(_) => Ok(()),
    }
}

/// The row of a source, made when it is new.
pub fn source_row(rows: &mut Overlay<'_>, key: &SourceKey) -> Result<Source, RowsError> {
    if let Some(source) = rows.get::<Sources>(key)? {
        return Ok(source);
    }
    let next = number(rows, MetaKey::NextSource)?;
    let id =
        u32::try_from(next).map_err(|_| RowsError::Contradiction { what: "there are too many sources" })?;
    let source = Source { id, ..Source::default() };
    rows.put::<Metas>(&MetaKey::NextSource, &Meta::Number(next + 1));
    rows.put::<Sources>(key, &source);
    Ok(source)
}

/// Counts a batch, so that what was said of the state before it is not taken for the state after it.
pub fn move_position(rows: &mut Overlay<'_>) -> Result<(), RowsError> {
    let position = number(rows, MetaKey::Position)?;
    rows.put::<Metas>(&MetaKey::Position, &Meta::Number(position + 1));
    Ok(())
}

/// The totals of the store.
pub fn totals(rows: &(impl Rows + ?Sized)) -> Result<TotalsRow, RowsError> {
    Ok(rows.get::<Totals>(&())?.unwrap_or_default())
}
