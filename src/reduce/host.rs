//! What follows from what an account's host says when it is asked.
//!
//! What it says of the account is what the source that decides would have said then: an account event that nobody may
//! have heard. What it says of the repository is a state: a record that was written while it was asked stays as it was
//! written, if that was done by a later revision.

use super::{Effect, From, Outcome, Repository, Sequence};
use crate::codec::answer::{Answer, Part, Said, Standing};
use crate::filing;
use crate::ledger::{self, Failure};
use crate::syntax::{Datetime, Did, Tid};
use crate::tables::completeness::{Applying, Asking, Cause, Compared, Ledger, Verified};
use crate::tables::rows::{AccountState, Marks, Word};
use crate::tables::view::{Overlay, RowsError};

/// Applies what a host said.
pub(super) fn reduce_answer(
    rows: &mut Overlay<'_>,
    from: From,
    answer: &Answer,
) -> Result<Outcome, RowsError> {
    match &answer.said {
        Said::Asked => asked(rows, &answer.did),
        Said::Standing(standing) => stands(rows, from, answer, standing),
        Said::Nobody => is_nobody(rows, from, answer),
        Said::Part(part) => return reduce_part(rows, from, answer, part),
        Said::Failed { why, not_before } => fail(rows, answer, why, *not_before),
    }?;
    Ok(Effect::Noted.then(Sequence::Next))
}

/// Its marks are why it is asked. What is marked from now on is not answered by what it says.
fn asked(rows: &mut Overlay<'_>, did: &Did) -> Result<(), RowsError> {
    let mut account = Repository::load(rows, did)?;
    let before = ledger::of(rows, did)?.asking.map(|asking| asking.marks).unwrap_or_default();
    let marks = std::mem::take(&mut account.now.marks).with(before);
    let known = account.now.rev;
    account.save(rows)?;
    ledger::asked(rows, did, known, marks)
}

fn fail(
    rows: &mut Overlay<'_>,
    answer: &Answer,
    why: &str,
    not_before: Option<i64>,
) -> Result<(), RowsError> {
    if let Some(asking) = ledger::of(rows, &answer.did)?.asking {
        let mut account = Repository::load(rows, &answer.did)?;
        account.now.marks = account.now.marks.with(asking.marks);
        account.save(rows)?;
    }
    let (at, retry) = (answer.at, answer.retry);
    ledger::failed(rows, &answer.did, &Failure { why, at, retry, not_before })
}

fn stands(rows: &mut Overlay<'_>, from: From, answer: &Answer, standing: &Standing) -> Result<(), RowsError> {
    let mut account = Repository::load(rows, &answer.did)?;
    let is_news = !standing.active || !account.is_new();
    if is_news {
        account.hear_host(rows, from, answer.at, standing)?;
    }
    if !standing.active && account.now.state == AccountState::Active {
        return fail(rows, answer, "a source says that it is active, and its host did not", None);
    }
    let ledger = ledger::of(rows, &answer.did)?;
    // Of a repository that is not tracked nothing was compared.
    let rev = standing.rev.filter(|_| account.now.tracked);
    let found = Compared { at: answer.at, rev };
    if standing.active && !suffices(rows, &account, &ledger, standing.rev)? {
        // Something came in between: it is asked for all of it.
        return ledger::again(rows, &answer.did, answer.at);
    }
    ledger::compared(rows, &answer.did, found, None)
}

/// Of whom nothing is here, nothing has to be hidden, and there is nothing to be asked for.
fn is_nobody(rows: &mut Overlay<'_>, from: From, answer: &Answer) -> Result<(), RowsError> {
    if Repository::load(rows, &answer.did)?.is_new() {
        return ledger::compared(rows, &answer.did, Compared { at: answer.at, rev: None }, None);
    }
    let gone = Standing { active: false, status: Some("tombstoned".into()), rev: None };
    stands(rows, from, answer, &gone)
}

/// Whether there is nothing more to be asked, since the host is at this revision.
fn suffices(
    rows: &Overlay<'_>,
    account: &Repository<'_>,
    ledger: &Ledger,
    rev: Option<Tid>,
) -> Result<bool, RowsError> {
    let cause = ledger::cause(rows, account.did, ledger)?;
    if account.now.state != AccountState::Active {
        return Ok(true);
    }
    if !account.now.tracked {
        return Ok(cause.is_none_or(|cause| cause == Cause::Referenced));
    }
    let doubtful = account.now.marks.any() || account.now.rev_from_jetstream || account.now.data.is_none();
    let covered = rev.is_some() && rev <= account.now.rev;
    Ok(covered && !doubtful && cause.is_none_or(|cause| cause <= Cause::Ignored))
}

fn reduce_part(
    rows: &mut Overlay<'_>,
    from: From,
    answer: &Answer,
    part: &Part,
) -> Result<Outcome, RowsError> {
    let (did, export) = (&answer.did, &part.export);
    let mut account = Repository::load(rows, did)?;
    // Without it another attempt has begun, or this one failed.
    let Some(mut asking) = ledger::of(rows, did)?.asking else { return Ok(skipped(Sequence::Next)) };
    if part.after.is_none() {
        let standing = Standing { active: true, status: None, rev: Some(export.rev) };
        if !(account.is_new() && export.records.is_empty() && part.until.is_none()) {
            // That it returns is no reason to ask again: this is what is there.
            let marks = account.now.marks;
            account.hear_host(rows, from, answer.at, &standing)?;
            account.now.marks = marks;
            account.save(rows)?;
        }
        if asking.known > Some(export.rev) {
            fail(rows, answer, "its host has an older revision than what is known", None)?;
            return Ok(skipped(Sequence::Old));
        }
        asking.applying = Some(Applying { rev: export.rev, data: export.data, changed: false });
    }
    let is_this = |applying: &Applying| (applying.rev, applying.data) == (export.rev, export.data);
    let Some(mut applying) = asking.applying.filter(is_this) else { return Ok(skipped(Sequence::Next)) };
    if account.now.state != AccountState::Active {
        // A source knows better, by the rules; when it says otherwise the repository is marked.
        ledger::compared(rows, did, Compared { at: answer.at, rev: None }, None)?;
        return Ok(skipped(Sequence::Next));
    }
    if !export.records.is_empty() && !account.now.tracked {
        account.now.tracked = true;
        account.save(rows)?;
    }
    applying.changed |= filing::replace_records(rows, export, part.after.as_ref(), part.until.as_ref())?;
    if part.until.is_some() {
        ledger::applying(rows, did, Asking { applying: Some(applying), ..asking })?;
        return Ok(Effect::Noted.then(Sequence::Next));
    }
    account.now.marks.gap |= asking.needed > Some(export.rev);
    let moved = finish(rows, &mut account, answer, &applying)?;
    Ok(if applying.changed || moved { Effect::Applied.then(Sequence::Next) } else { skipped(Sequence::Next) })
}

/// All of it is applied. Whether that moved its revision.
fn finish(
    rows: &mut Overlay<'_>,
    account: &mut Repository<'_>,
    answer: &Answer,
    sent: &Applying,
) -> Result<bool, RowsError> {
    let (did, rev) = (&answer.did, Some(sent.rev));
    let moved = !account.is_new() && (account.now.rev < rev || account.now.rev_from_jetstream);
    if !account.is_new() && account.now.rev <= rev {
        account.now.rev = rev;
        account.now.data = Some(sent.data);
        account.now.rev_from_jetstream = false;
        ledger::applied(rows, did, sent.rev, Verified::Whole, std::iter::empty())?;
    }
    account.save(rows)?;
    let again = account.now.marks.any().then_some(answer.at.saturating_add(answer.retry).max(0));
    ledger::compared(rows, did, Compared { at: answer.at, rev }, again)?;
    Ok(moved)
}

fn skipped(sequence: Sequence) -> Outcome {
    Effect::Skipped.then(sequence)
}

impl Repository<'_> {
    /// Nothing is known of it.
    fn is_new(&self) -> bool {
        self.now == Default::default()
    }

    /// Notes what its host says of the account: as the word of the source that decides, which will say so itself when
    /// that changes; or of hosts, where no source has spoken. What a source said later than the host was asked stays.
    fn hear_host(
        &mut self,
        rows: &mut Overlay<'_>,
        from: From,
        at: i64,
        standing: &Standing,
    ) -> Result<(), RowsError> {
        let source = self.now.deciding_source(rows)?.unwrap_or(from.source);
        let last = &mut self.now.witness(source).word;
        let time = Datetime::from_micros(at);
        if last.as_ref().is_some_and(|last| last.time > time) {
            return Ok(());
        }
        *last = Some(Word {
            position: last.as_ref().map_or(0, |last| last.position),
            active: standing.active,
            status: standing.status.clone(),
            // A tombstone ends only when somebody says that the account is active.
            deleted: !standing.active && last.as_ref().is_some_and(|last| last.deleted),
            time,
        });
        self.decide_state(rows)?;
        self.save(rows)
    }
}

impl Marks {
    /// Those of both.
    fn with(self, other: Marks) -> Marks {
        Marks {
            gap: self.gap | other.gap,
            desynchronized: self.desynchronized | other.desynchronized,
            late_jetstream: self.late_jetstream | other.late_jetstream,
            unchecked: self.unchecked | other.unchecked,
        }
    }
}
