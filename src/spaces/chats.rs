//! Chats: spaces that the Portal made, and who may decide about the invites of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::audit::{About, Doing};
use super::command::{Answer, Done, Refusal};
use super::{made, note_given, perms};
use crate::syntax::Did;
use crate::tables::keys::{MetaKey, SpaceId, write_owner, write_person};
use crate::tables::portal::{Chat, Level, Visibility};
use crate::tables::spaces::{Finding, SpaceTerms};
use crate::tables::view::{Overlay, Range, ReadRows, Rows, RowsError, key_of, prefix_of};
use crate::tables::{Chats, Memberships, OpenChats, SpaceChats, number};

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
/// Those that they are in are looked through each time, so that nobody waits for the private chats of others.
///
/// # Errors
/// The rows cannot be read.
pub fn seen_by(
    rows: &(impl Rows + ?Sized),
    did: &Did,
    after: u64,
    most: usize,
) -> Result<Vec<u64>, RowsError> {
    let mut seen = BTreeSet::new();
    for row in rows.scan::<SpaceChats>(prefix_of::<SpaceChats>(|key| write_owner(did, key))) {
        seen.insert(row?.1);
    }
    for row in rows.scan::<Memberships>(prefix_of::<Memberships>(|key| write_person(did, key))) {
        let space = row?.0.space;
        if Chat::is_in(&space) && perms(rows, &space, did)?.is_some() {
            seen.extend(rows.get::<SpaceChats>(&space)?);
        }
    }
    let everything = prefix_of::<OpenChats>(|_| {});
    let open = Range { start: key_of::<OpenChats>(&after), ..everything };
    for row in rows.scan::<OpenChats>(open).take(most + 1) {
        seen.insert(row?.0);
    }
    Ok(seen.into_iter().filter(|number| *number > after).take(most).collect())
}

/// The chat that a space is.
pub(super) fn of_space(rows: &(impl Rows + ?Sized), space: &SpaceId) -> Result<Option<Chat>, RowsError> {
    let Some(number) = rows.get::<SpaceChats>(space)? else { return Ok(None) };
    let missing = RowsError::Contradiction { what: "the chat of a space is not stored" };
    rows.get::<Chats>(&number)?.map(Some).ok_or(missing)
}

/// Makes a chat of the caller's.
pub(super) fn create(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    name: &str,
    visibility: Visibility,
) -> Result<Answer, RowsError> {
    let Some(owner) = doing.caller() else { return Ok(Err(Refusal::Forbidden)) };
    let number = number(rows, MetaKey::LastChat)? + 1;
    let space = Chat::place(owner, number);
    if visibility == Visibility::Official && doing.bounds.levels.of(owner) < OFFICIAL_FROM {
        return Ok(Err(Refusal::Forbidden));
    }
    if made::is_full(rows, doing.bounds, owner)? {
        // Not under the place: the next chat has it.
        doing.note(rows, &About::default(), Finding::Quota)?;
        return Ok(Err(Refusal::Quota));
    }
    made::put(rows, doing, &space, &SpaceTerms::default())?;
    let chat = Chat { space: space.clone(), name: name.into(), visibility };
    put(rows, number, &chat)?;
    doing.note(rows, &About::space(&space), Finding::Done)?;
    Ok(Ok(Done::Chat { number, made_at: doing.now, chat: Box::new(chat) }))
}

/// Writes the row of a chat, how its space finds it, and that its number is taken.
pub(super) fn put(rows: &mut Overlay<'_>, number: u64, chat: &Chat) -> Result<(), RowsError> {
    rows.put::<Chats>(&number, chat);
    rows.put::<SpaceChats>(&chat.space, &number);
    if chat.visibility != Visibility::Private {
        rows.put::<OpenChats>(&number, &());
    }
    note_given(rows, MetaKey::LastChat, number)
}

/// Removes the chat that a space is, if it is one.
pub(super) fn remove_of(rows: &mut Overlay<'_>, space: &SpaceId) -> Result<(), RowsError> {
    if let Some(number) = rows.get::<SpaceChats>(space)? {
        rows.delete::<Chats>(&number);
        rows.delete::<OpenChats>(&number);
        rows.delete::<SpaceChats>(space);
    }
    Ok(())
}
