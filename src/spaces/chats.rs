//! Chats: spaces that the Portal made, and who may decide about the invites of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::audit::{About, Doing};
use super::command::{Answer, Done, Refusal};
use super::{made, note_given, perms};
use crate::syntax::Did;
use crate::tables::keys::{MemberKey, MetaKey, PersonChatKey, SpaceId, write_person};
use crate::tables::portal::{Chat, Level, Visibility};
use crate::tables::spaces::{Finding, SpaceTerms};
use crate::tables::view::{Overlay, Range, ReadRows, Rows, RowsError, key_of, prefix_of};
use crate::tables::{Chats, OpenChats, PersonChats, Spaces, number};

/// What makes a chat official.
const OFFICIAL_FROM: Level = Level::Admin;

/// Who has which level. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels(Arc<BTreeMap<Did, Level>>);

impl FromIterator<(Did, Level)> for Levels {
    fn from_iter<I: IntoIterator<Item = (Did, Level)>>(people: I) -> Self {
        Self(Arc::new(people.into_iter().collect()))
    }
}

impl Levels {
    /// The level of somebody; that of a user where nothing is said.
    pub fn of(&self, did: &Did) -> Level {
        self.0.get(did).copied().unwrap_or_default()
    }

    /// Whether somebody may decide about the invites of a chat (RULES §6, `can_manage_room`).
    pub fn may_manage(&self, did: &Did, chat: &Chat) -> bool {
        let owner = &chat.space.owner;
        if did == owner {
            return true;
        }
        match chat.visibility {
            Visibility::Private => false,
            Visibility::Public | Visibility::Official => {
                let level = self.of(did);
                level == Level::Owner || level > self.of(owner)
            }
        }
    }
}

/// Whether somebody sees a chat: whoever is in it, and everybody if it is not private.
///
/// # Errors
/// The rows cannot be read.
pub fn may_see(rows: &(impl Rows + ?Sized), did: &Did, chat: &Chat) -> Result<bool, RowsError> {
    match chat.visibility {
        Visibility::Private => Ok(perms(rows, &chat.space, did)?.is_some()),
        Visibility::Public | Visibility::Official => Ok(true),
    }
}

/// The numbers of the first chats that somebody sees after a number, in their order, so many at most.
///
/// # Errors
/// The rows cannot be read.
pub fn seen_by(
    rows: &(impl Rows + ?Sized),
    did: &Did,
    after: u64,
    most: usize,
) -> Result<Vec<u64>, RowsError> {
    let first = after.saturating_add(1);
    let start = key_of::<PersonChats>(&PersonChatKey { did: did.clone(), number: first });
    let theirs = Range { start, ..prefix_of::<PersonChats>(|key| write_person(did, key)) };
    let open = Range { start: key_of::<OpenChats>(&first), ..prefix_of::<OpenChats>(|_| {}) };
    let mut seen = BTreeSet::new();
    for row in rows.scan::<PersonChats>(theirs).take(most) {
        seen.insert(row?.0.number);
    }
    for row in rows.scan::<OpenChats>(open).take(most) {
        seen.insert(row?.0);
    }
    Ok(seen.into_iter().take(most).collect())
}

/// The chat that a space is.
pub(super) fn of_space(rows: &(impl Rows + ?Sized), space: &SpaceId) -> Result<Option<Chat>, RowsError> {
    let Some(number) = Chat::number_in(space) else { return Ok(None) };
    Ok(rows.get::<Chats>(&number)?.filter(|chat| chat.space == *space))
}

/// Makes a chat of the caller's.
pub(super) fn create(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    name: &str,
    visibility: Visibility,
) -> Result<Answer, RowsError> {
    let Some(owner) = doing.caller() else { return Ok(Err(Refusal::Forbidden)) };
    if visibility == Visibility::Official && doing.bounds.levels.of(owner) < OFFICIAL_FROM {
        return Ok(Err(Refusal::Forbidden));
    }
    if made::is_full(rows, doing.bounds, owner)? {
        // Not under the place: the next chat has it.
        doing.note(rows, &About::default(), Finding::Quota)?;
        return Ok(Err(Refusal::Quota));
    }
    let (number, space) = next(rows, owner)?;
    made::put(rows, doing, &space, &SpaceTerms::default())?;
    note_given(rows, MetaKey::LastChat, number)?;
    let chat = Chat { space: space.clone(), name: name.into(), visibility };
    put(rows, number, &chat);
    doing.note(rows, &About::space(&space), Finding::Done)?;
    Ok(Ok(Done::Chat { number, made_at: doing.now, chat: Box::new(chat) }))
}

/// The number that the next chat of somebody gets, and its place, in which an earlier version may have made a space.
fn next(rows: &Overlay<'_>, owner: &Did) -> Result<(u64, SpaceId), RowsError> {
    let mut number = number(rows, MetaKey::LastChat)?;
    loop {
        number += 1;
        let space = Chat::place(owner, number);
        if rows.get::<Spaces>(&space)?.is_none() {
            return Ok((number, space));
        }
    }
}

/// Writes the row of a chat, and how it is found.
pub(super) fn put(rows: &mut Overlay<'_>, number: u64, chat: &Chat) {
    rows.put::<Chats>(&number, chat);
    rows.put::<PersonChats>(&PersonChatKey { did: chat.space.owner.clone(), number }, &());
    if chat.visibility != Visibility::Private {
        rows.put::<OpenChats>(&number, &());
    }
}

/// Removes the chat that a space is, if it is one.
pub(super) fn remove_of(rows: &mut Overlay<'_>, space: &SpaceId) -> Result<(), RowsError> {
    if let (Some(number), Some(_)) = (Chat::number_in(space), of_space(rows, space)?) {
        rows.delete::<Chats>(&number);
        rows.delete::<PersonChats>(&PersonChatKey { did: space.owner.clone(), number });
        rows.delete::<OpenChats>(&number);
    }
    Ok(())
}

/// Notes that somebody is in the chat that a space is, if it is one, or is not any more.
pub(super) fn note_member(rows: &mut Overlay<'_>, key: &MemberKey, is_in: bool) {
    let Some(number) = Chat::number_in(&key.space) else { return };
    let key = PersonChatKey { did: key.did.clone(), number };
    if is_in {
        rows.put::<PersonChats>(&key, &());
    } else {
        rows.delete::<PersonChats>(&key);
    }
}
