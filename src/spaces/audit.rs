//! What was done in spaces, by whom, and what came of it: an entry for every command that was about one.

use super::command::{Answer, By, Done};
use super::{Bounds, chats};
use crate::syntax::{Did, TokenHash};
use crate::tables::keys::{MetaKey, SpaceAuditKey, SpaceId};
use crate::tables::rows::Meta;
use crate::tables::spaces::{Act, Actor, Audit, Finding, Role};
use crate::tables::view::{Overlay, ReadRows, RowsError};
use crate::tables::{Audits, Metas, SpaceAudits, number};

/// Entries that are removed in one batch: some tens of milliseconds of the writer.
const SWEPT_AT_ONCE: usize = 1_000;

/// A command while it is done.
pub(super) struct Doing<'a> {
    /// When.
    pub(super) now: i64,
    /// For whom.
    pub(super) by: &'a By,
    /// What it is called.
    pub(super) act: Act,
    /// How much of something there may be, and who may do more than others.
    pub(super) bounds: &'a Bounds,
}

/// What an entry is about.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) space: Option<SpaceId>,
    pub(super) invite: Option<TokenHash>,
    pub(super) subject: Option<Did>,
}

impl About {
    pub(super) fn space(space: &SpaceId) -> Self {
        Self { space: Some(space.clone()), ..Self::default() }
    }

    pub(super) fn with_invite(self, hash: TokenHash) -> Self {
        Self { invite: Some(hash), ..self }
    }

    pub(super) fn with_subject(self, did: &Did) -> Self {
        Self { subject: Some(did.clone()), ..self }
    }
}

impl Doing<'_> {
    /// The person who asks; `None` for the operator.
    pub(super) fn caller(&self) -> Option<&Did> {
        self.by.person()
    }

    /// Whether they ask in the Portal.
    pub(super) fn is_in_portal(&self) -> bool {
        matches!(self.by, By::Session { .. })
    }

    /// Whether whoever asks may decide about a space: its owner, the operator, and in the Portal who may manage the chat
    /// that it is.
    pub(super) fn decides_in(&self, rows: &Overlay<'_>, space: &SpaceId) -> Result<bool, RowsError> {
        let Some(caller) = self.caller().filter(|caller| **caller != space.owner) else { return Ok(true) };
        if !self.is_in_portal() {
            return Ok(false);
        }
        let levels = &self.bounds.levels;
        Ok(chats::of_space(rows, space)?.is_some_and(|chat| levels.may_manage(caller, &chat)))
    }

    /// In which role one who may decide about a space does so.
    pub(super) fn role(&self, space: &SpaceId) -> Role {
        match self.caller() {
            None => Role::Operator,
            Some(caller) if *caller == space.owner => Role::Owner,
            Some(_) => Role::Moderator,
        }
    }

    /// Writes down what came of it.
    pub(super) fn note(
        &self,
        rows: &mut Overlay<'_>,
        about: &About,
        finding: Finding,
    ) -> Result<(), RowsError> {
        let About { space, invite, subject } = about.clone();
        let actor = self.caller().map_or(Actor::Operator, |did| Actor::Did(did.clone()));
        let number = number(rows, MetaKey::NextAudit)?;
        rows.put::<Metas>(&MetaKey::NextAudit, &Meta::Number(number + 1));
        let entry = Audit { at: self.now, actor, act: self.act, space, invite, subject, finding };
        put(rows, number, &entry);
        Ok(())
    }
}

/// Stores an entry under its number.
pub(super) fn put(rows: &mut Overlay<'_>, number: u64, entry: &Audit) {
    if let Some(space) = &entry.space {
        rows.put::<SpaceAudits>(&SpaceAuditKey { space: space.clone(), number }, &());
    }
    rows.put::<Audits>(&number, entry);
}

/// Removes an entry.
pub(super) fn remove(rows: &mut Overlay<'_>, number: u64, entry: &Audit) {
    if let Some(space) = &entry.space {
        rows.delete::<SpaceAudits>(&SpaceAuditKey { space: space.clone(), number });
    }
    rows.delete::<Audits>(&number);
}

/// Removes the oldest entries, as far as they are from before `since`.
pub(super) fn retain(rows: &mut Overlay<'_>, since: i64) -> Result<Answer, RowsError> {
    let oldest: Vec<(u64, Audit)> =
        rows.scan_all::<Audits>().take(SWEPT_AT_ONCE + 1).collect::<Result<_, _>>()?;
    let mut count = 0;
    for (number, entry) in oldest {
        // Numbers go up with time; a clock that went ahead and was set back keeps what follows for longer, by as much as
        // it was ahead.
        if entry.at >= since || count == wide(SWEPT_AT_ONCE) {
            let next = (entry.at < since).then_some(number);
            return Ok(Ok(Done::Swept { count, next }));
        }
        remove(rows, number, &entry);
        count += 1;
    }
    Ok(Ok(Done::Swept { count, next: None }))
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
