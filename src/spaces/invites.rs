//! Invites: made and revoked by a space's owner, used by whoever has the token.
//!
//! A use and the membership that it gives are one change, so exactly as many people join as an invite is for, however
//! many ask at once.

use super::audit::{About, Doing};
use super::command::{Answer, Done, InviteTerms, Refusal};
use super::{basis, members, owned, perms};
use crate::rules::accounts;
use crate::syntax::{Did, TokenHash};
use crate::tables::keys::{
    MemberKey, OpenInviteKey, RedemptionKey, SpaceId, SpaceInviteKey, write_open_until, write_space,
};
use crate::tables::portal::{Chat, Code};
use crate::tables::spaces::{Finding, Invite, Member, Revoked};
use crate::tables::view::{Overlay, Range, ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{Codes, Invites, Members, OpenInvites, Redemptions, SpaceInvites, Spaces};

/// Makes an invite to a chat by a code, which is kept with who made it.
pub(super) fn create_code(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    code: &str,
    terms: &InviteTerms,
) -> Result<Answer, RowsError> {
    if !Chat::is_in(space) {
        return Ok(Err(Refusal::SpaceNotFound));
    }
    let hash = TokenHash::of(code);
    let answer = create(rows, doing, space, hash, terms)?;
    if answer.is_ok() {
        rows.put::<Codes>(&hash, &Code { text: code.into(), created_by: doing.caller().cloned() });
    }
    Ok(answer)
}

/// Makes an invite.
pub(super) fn create(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    hash: TokenHash,
    terms: &InviteTerms,
) -> Result<Answer, RowsError> {
    let about = About::space(space).with_invite(hash);
    if let Err(refusal) = owned(rows, doing, space, &about)? {
        return Ok(Err(refusal));
    }
    if terms.expires_at.is_some_and(|expires_at| expires_at <= doing.now) {
        return Ok(Err(Refusal::Ended));
    }
    let most = doing.bounds.active_invites_max;
    if count_active(rows, space, doing.now, most)? >= most {
        doing.note(rows, &about, Finding::Quota)?;
        return Ok(Err(Refusal::Quota));
    }
    let invite = Invite {
        space: space.clone(),
        perms: terms.perms,
        max_uses: terms.max_uses,
        expires_at: terms.expires_at,
        note: terms.note.clone(),
        created_at: doing.now,
        used: 0,
        erased: 0,
        last_used_at: None,
        revoked: None,
    };
    if rows.get::<Invites>(&hash)?.is_some() {
        return Err(RowsError::Contradiction { what: "an invite has the token of another" });
    }
    put(rows, hash, &invite);
    doing.note(rows, &about, Finding::Done)?;
    Ok(Ok(Done::Invite(Box::new(invite))))
}

/// Uses an invite for the caller.
pub(super) fn redeem(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    hash: TokenHash,
) -> Result<Answer, RowsError> {
    let Some(caller) = doing.caller() else { return Ok(Err(Refusal::Forbidden)) };
    // What is known of the invites of other spaces is not the Portal's to tell.
    let is_meant = |invite: &Invite| !doing.is_in_portal() || Chat::is_in(&invite.space);
    let Some(mut invite) = rows.get::<Invites>(&hash)?.filter(is_meant) else {
        doing.note(rows, &About::default().with_invite(hash), Finding::Unknown)?;
        return Ok(Err(Refusal::InvalidInvite));
    };
    let space = invite.space.clone();
    let about = About::space(&space).with_invite(hash);
    let has = perms(rows, &space, caller)?;
    let finding = if is_redeemed(rows, hash, caller)? {
        // Whatever became of the invite: the answer to the first call may have been lost.
        if has.is_some() { Finding::Already } else { Finding::Gone }
    } else {
        match why_not(rows, hash, &invite, doing.now)? {
            Some(why_not) => why_not,
            None if has >= Some(invite.perms) => Finding::Already,
            None => Finding::Done,
        }
    };
    doing.note(rows, &about, finding)?;
    match (finding, has) {
        (Finding::Already, Some(perms)) => Ok(Ok(Done::Joined { space, perms, is_new: false })),
        (Finding::Done, _) => {
            invite.used += 1;
            invite.last_used_at = Some(doing.now);
            put(rows, hash, &invite);
            rows.put::<Redemptions>(&RedemptionKey { hash, did: caller.clone() }, &doing.now);
            join(rows, caller, hash, &invite, doing.now)?;
            Ok(Ok(Done::Joined { space, perms: invite.perms, is_new: has.is_none() }))
        }
        _ => Ok(Err(Refusal::InvalidInvite)),
    }
}

/// Makes the caller a member with what the invite gives, which is more than they had.
fn join(
    rows: &mut Overlay<'_>,
    caller: &Did,
    hash: TokenHash,
    invite: &Invite,
    now: i64,
) -> Result<(), RowsError> {
    let key = MemberKey { space: invite.space.clone(), did: caller.clone() };
    let member = match rows.get::<Members>(&key)?.filter(Member::is_in) {
        Some(member) => Member { perms: invite.perms, ..member },
        None => Member { perms: invite.perms, added_at: now, invite: Some(hash), left: None },
    };
    members::put(rows, &key, &member);
    Ok(())
}

fn is_redeemed(rows: &Overlay<'_>, hash: TokenHash, did: &Did) -> Result<bool, RowsError> {
    Ok(rows.get::<Redemptions>(&RedemptionKey { hash, did: did.clone() })?.is_some())
}

/// Why nobody joins by an invite at a time; `None` where they do.
///
/// # Errors
/// The rows cannot be read.
pub fn why_not(
    rows: &(impl Rows + ?Sized),
    hash: TokenHash,
    invite: &Invite,
    now: i64,
) -> Result<Option<Finding>, RowsError> {
    let space = &invite.space;
    Ok(if invite.revoked.is_some() {
        Some(Finding::Revoked)
    } else if invite.expires_at.is_some_and(|expires_at| expires_at <= now) {
        Some(Finding::Expired)
    } else if invite.is_used_up() {
        Some(Finding::Exhausted)
    } else if basis(rows, space)?.is_none() || !has_authority(rows, hash, space)? {
        Some(Finding::NotLive)
    } else if rows.get::<Spaces>(space)?.is_some_and(|space| space.paused.is_some()) {
        Some(Finding::Paused)
    } else {
        None
    })
}

/// Whether the accounts of a space's owner and of who made an invite are active (RULES §5, "Loss of authority").
fn has_authority(rows: &(impl Rows + ?Sized), hash: TokenHash, space: &SpaceId) -> Result<bool, RowsError> {
    if !accounts::is_active(rows, &space.owner)? {
        return Ok(false);
    }
    let creator = rows.get::<Codes>(&hash)?.and_then(|code| code.created_by);
    creator.map_or(Ok(true), |creator| accounts::is_active(rows, &creator))
}

/// Ends an invite, if it is one of that space.
pub(super) fn revoke(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    hash: TokenHash,
) -> Result<Answer, RowsError> {
    let about = About::space(space).with_invite(hash);
    // The operator may end what is not live now: it may be again in a minute.
    if doing.caller().is_some()
        && let Err(refusal) = owned(rows, doing, space, &about)?
    {
        return Ok(Err(refusal));
    }
    let Some(mut invite) = rows.get::<Invites>(&hash)?.filter(|invite| invite.space == *space) else {
        let Some(_) = basis(rows, space)? else { return Ok(Err(Refusal::SpaceNotFound)) };
        doing.note(rows, &about, Finding::Unknown)?;
        return Ok(Err(Refusal::InviteNotFound));
    };
    let changes = invite.revoked.is_none();
    if changes {
        invite.revoked = Some(Revoked { at: doing.now, by: doing.role(space) });
        put(rows, hash, &invite);
    }
    doing.note(rows, &about, if changes { Finding::Done } else { Finding::Already })?;
    Ok(Ok(Done::Changed(changes)))
}

/// The invites of a space that are active, the first to expire first. Whether anybody joins by them now is not looked at.
pub fn active<'a>(
    rows: &'a (impl Rows + ?Sized),
    space: &SpaceId,
    now: i64,
) -> impl Iterator<Item = Result<TokenHash, RowsError>> + 'a {
    let all = prefix_of::<OpenInvites>(|key| write_space(space, key));
    let now = prefix_of::<OpenInvites>(|key| write_open_until(space, now, key));
    // One that expires now has expired.
    let left = Range { start: now.end.unwrap_or(now.start), ..all };
    rows.scan::<OpenInvites>(left).map(|row| row.map(|(key, ())| key.hash))
}

/// How many invites of a space are active, counted up to `most`.
fn count_active(
    rows: &(impl Rows + ?Sized),
    space: &SpaceId,
    now: i64,
    most: usize,
) -> Result<usize, RowsError> {
    active(rows, space, now).take(most).try_fold(0, |count, row| row.map(|_| count + 1))
}

/// Writes the row of an invite, and where it is found.
pub(super) fn put(rows: &mut Overlay<'_>, hash: TokenHash, invite: &Invite) {
    rows.put::<Invites>(&hash, invite);
    rows.put::<SpaceInvites>(&of_space(hash, invite), &());
    if invite.is_open() {
        rows.put::<OpenInvites>(&open(hash, invite), &());
    } else {
        rows.delete::<OpenInvites>(&open(hash, invite));
    }
}

/// Removes an invite, and where it is found.
pub(super) fn remove(rows: &mut Overlay<'_>, hash: TokenHash, invite: &Invite) {
    rows.delete::<Invites>(&hash);
    rows.delete::<Codes>(&hash);
    rows.delete::<SpaceInvites>(&of_space(hash, invite));
    rows.delete::<OpenInvites>(&open(hash, invite));
}

fn of_space(hash: TokenHash, invite: &Invite) -> SpaceInviteKey {
    SpaceInviteKey { space: invite.space.clone(), created_at: invite.created_at, hash }
}

fn open(hash: TokenHash, invite: &Invite) -> OpenInviteKey {
    OpenInviteKey { space: invite.space.clone(), expires_at: invite.expires_at.unwrap_or(i64::MAX), hash }
}
