//! What follows from what an account's host says when it is asked.
//!
//! It is a source of its own. What it says of the account is an account event of the time at which it was asked, by
//! somebody who knew every revision that was known then; so it counts until another source says something later, or
//! sends something newer. What it says of the repository is a state: a record that was written while it was asked
//! stays as it was written, if that was done by a later revision.

use super::{Effect, From, Outcome, Repository, Sequence};
use crate::codec::answer::{Answer, Part, Said, Standing};
use crate::filing;
use crate::ledger::{self, Failure};
use crate::syntax::{Datetime, Did, Tid};
use crate::tables::completeness::{Cause, Compared, Ledger, Verified};
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
    let ledger = ledger::of(rows, &answer.did)?;
    let found = Compared { at: answer.at, rev: standing.rev };
    if standing.active && !suffices(rows, &account, &ledger, standing.rev)? {
        // Something came in between: it is asked for all of it.
        let again = Some(answer.at.max(0));
        return ledger::compared(rows, &answer.did, ledger.compared.unwrap_or(found), again);
    }
    ledger::compared(rows, &answer.did, found, None)
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
    Ok(covered && !doubtful && cause.is_none_or(|cause| cause <= Cause::Listed))
}

fn reduce_part(
    rows: &mut Overlay<'_>,
    from: From,
    answer: &Answer,
    part: &Part,
) -> Result<Outcome, RowsError> {
    let (did, export) = (&answer.did, &part.export);
    let mut account = Repository::load(rows, did)?;
    // Another attempt began, or the account was purged meanwhile.
    let Some(mut asking) = ledger::of(rows, did)?.asking else { return Ok(skipped(Sequence::Next)) };
    let this = Some((export.rev, export.data));
    if part.after.is_none() {
        let standing = Standing { active: true, status: None, rev: Some(export.rev) };
        let nothing = account.is_new() && export.records.is_empty();
        if !nothing {
            account.hear_host(rows, from, answer.at, &standing)?;
        }
        if asking.known > Some(export.rev) {
            fail(rows, answer, "the host has an older revision than what is known", None)?;
            return Ok(skipped(Sequence::Old));
        }
        asking.applying = this;
        ledger::applying(rows, did, asking)?;
    } else if asking.applying != this {
        return Ok(skipped(Sequence::Next));
    }
    if account.now.state != AccountState::Active {
        // A source knows better, by the rules; when it says otherwise the repository is marked.
        ledger::compared(rows, did, Compared { at: answer.at, rev: None }, None)?;
        return Ok(skipped(Sequence::Next));
    }
    if !export.records.is_empty() && !account.now.tracked {
        account.now.tracked = true;
        account.save(rows)?;
    }
    let mut changed = filing::replace_records(rows, export, part.after.as_ref(), part.until.as_ref())?;
    if part.until.is_none() {
        changed |= finish(rows, &mut account, answer, export.rev, part)?;
    }
    Ok(if changed { Effect::Applied.then(Sequence::Next) } else { skipped(Sequence::Next) })
}

/// All of it is applied. Whether that moved its revision.
fn finish(
    rows: &mut Overlay<'_>,
    account: &mut Repository<'_>,
    answer: &Answer,
    rev: Tid,
    part: &Part,
) -> Result<bool, RowsError> {
    let did = &answer.did;
    let moved = account.now.rev < Some(rev) || account.now.rev_from_jetstream;
    if !account.is_new() && account.now.rev <= Some(rev) {
        account.now.rev = Some(rev);
        account.now.data = Some(part.export.data);
        account.now.rev_from_jetstream = false;
        account.save(rows)?;
        ledger::applied(rows, did, rev, Verified::Whole, std::iter::empty())?;
    }
    let again = account.now.marks.any().then_some(answer.at.saturating_add(answer.retry).max(0));
    ledger::compared(rows, did, Compared { at: answer.at, rev: Some(rev) }, again)?;
    Ok(moved && !account.is_new())
}

fn skipped(sequence: Sequence) -> Outcome {
    Effect::Skipped.then(sequence)
}

impl Repository<'_> {
    /// Nothing is known of it.
    fn is_new(&self) -> bool {
        self.now == Default::default()
    }

    /// Notes what its host says of the account, as by somebody who knew all that is known.
    fn hear_host(
        &mut self,
        rows: &mut Overlay<'_>,
        from: From,
        at: i64,
        standing: &Standing,
    ) -> Result<(), RowsError> {
        let known = self.now.witnesses.iter().map(|witness| witness.rev).max().flatten();
        let rev = known.max(self.now.rev).max(standing.rev);
        self.now.witness(from.source).rev = rev;
        self.now.heard(
            from.source,
            Word {
                position: u64::try_from(at).unwrap_or(0),
                active: standing.active,
                status: standing.status.clone(),
                deleted: false,
                time: Datetime::from_micros(at),
            },
        );
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
