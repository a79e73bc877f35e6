//! Who is in a space: put in and out by its owner, or gone by themselves.

use super::audit::{About, Doing};
use super::command::{Answer, Done, Refusal};
use super::{basis, chats, owned};
use crate::syntax::Did;
use crate::tables::keys::{MemberKey, MembershipKey, SpaceId};
use crate::tables::spaces::{Finding, Left, Member, Perms, Role};
use crate::tables::view::{Overlay, ReadRows, RowsError};
use crate::tables::{Members, Memberships};

/// Puts somebody into a space. Who is in it already gets these permissions, lesser ones too: the owner decides.
pub(super) fn add(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    did: &Did,
    perms: Perms,
) -> Result<Answer, RowsError> {
    let about = About::space(space).with_subject(did);
    if let Err(refusal) = owned(rows, doing, space, &about)? {
        return Ok(Err(refusal));
    }
    if space.owner == *did {
        return Ok(Err(Refusal::IsOwner));
    }
    let key = MemberKey { space: space.clone(), did: did.clone() };
    let before = rows.get::<Members>(&key)?;
    let after = match before.clone().filter(Member::is_in) {
        Some(member) => Member { perms, ..member },
        None => Member { perms, added_at: doing.now, invite: None, left: None },
    };
    let changes = before.as_ref() != Some(&after);
    if changes {
        put(rows, &key, &after);
    }
    doing.note(rows, &about, if changes { Finding::Done } else { Finding::Already })?;
    Ok(Ok(Done::Changed(changes)))
}

/// Puts somebody out of a space.
pub(super) fn remove(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    did: &Did,
) -> Result<Answer, RowsError> {
    let about = About::space(space).with_subject(did);
    if let Err(refusal) = owned(rows, doing, space, &about)? {
        return Ok(Err(refusal));
    }
    end(rows, doing, &about, did, doing.role(space))
}

/// The caller leaves a space.
pub(super) fn leave(rows: &mut Overlay<'_>, doing: &Doing<'_>, space: &SpaceId) -> Result<Answer, RowsError> {
    let Some(caller) = doing.caller() else { return Ok(Err(Refusal::Forbidden)) };
    if basis(rows, space)?.is_none() {
        return Ok(Err(Refusal::SpaceNotFound));
    }
    end(rows, doing, &About::space(space), caller, Role::Member)
}

/// Ends a membership, if there is one. The row stays: it is how an invite knows that it has been used.
fn end(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    about: &About,
    did: &Did,
    by: Role,
) -> Result<Answer, RowsError> {
    let Some(space) = about.space.clone() else { return Ok(Err(Refusal::SpaceNotFound)) };
    if space.owner == *did {
        return Ok(Err(Refusal::IsOwner));
    }
    let key = MemberKey { space, did: did.clone() };
    let member = rows.get::<Members>(&key)?.filter(Member::is_in);
    let changes = member.is_some();
    if let Some(member) = member {
        put(rows, &key, &Member { left: Some(Left { at: doing.now, by }), ..member });
    }
    doing.note(rows, about, if changes { Finding::Done } else { Finding::Already })?;
    Ok(Ok(Done::Changed(changes)))
}

/// Writes the row of a person in a space, and how they find it.
pub(super) fn put(rows: &mut Overlay<'_>, key: &MemberKey, member: &Member) {
    rows.put::<Members>(key, member);
    chats::note_member(rows, key, member.is_in());
    let membership = MembershipKey { did: key.did.clone(), space: key.space.clone() };
    rows.put::<Memberships>(&membership, &());
}
