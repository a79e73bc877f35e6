//! What holds between the rows of spaces, whatever was done and in which order.
//!
//! The rows follow from no record, so nothing can be worked out anew; but they bear each other out. Whoever checks a
//! store, and whoever has put one together from an export, looks here. What is only found by them (their indexes) is
//! not looked at.

use super::is_possible;
use crate::tables::keys::{MemberKey, MetaKey, RedemptionKey};
use crate::tables::spaces::{Invite, Member, NOTE_BYTES_MAX};
use crate::tables::view::{ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{Audits, Invites, Members, Redemptions, Spaces, number};

/// How many rows there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spaces that were made by hand or paused.
    pub spaces: u64,
    /// Invites.
    pub invites: u64,
    /// Uses of invites.
    pub redemptions: u64,
    /// People who are, or were, in a space.
    pub members: u64,
    /// Entries of the audit.
    pub entries: u64,
}

/// Counts the rows, and says of each what does not fit, readable by a person.
///
/// # Errors
/// The rows cannot be read.
pub fn look(rows: &dyn Rows, mut say: impl FnMut(String)) -> Result<Counts, RowsError> {
    let mut counts = Counts::default();
    for row in rows.scan_all::<Spaces>() {
        let (space, row) = row?;
        counts.spaces += 1;
        if row.made.is_some() && space.record().is_some() {
            say(format!("space {}: it was made, in the place of a record", space.uri()));
        }
        if space.record().is_some() && !is_possible(rows, &space)? {
            say(format!("space {}: no record of its kind makes one", space.uri()));
        }
    }
    for row in rows.scan_all::<Invites>() {
        let (hash, invite) = row?;
        counts.invites += 1;
        let range = prefix_of::<Redemptions>(|key| key.extend_from_slice(hash.as_bytes()));
        let uses = rows.scan::<Redemptions>(range).try_fold(0, |uses, row| row.map(|_| uses + 1))?;
        of_invite(rows, &invite, uses, |what| say(format!("invite {hash}: {what}")))?;
    }
    for row in rows.scan_all::<Redemptions>() {
        let (key, _) = row?;
        counts.redemptions += 1;
        of_redemption(rows, &key, |what| say(format!("use of invite {} by {}: {what}", key.hash, key.did)))?;
    }
    for row in rows.scan_all::<Members>() {
        let (key, member) = row?;
        counts.members += 1;
        of_member(rows, &key, &member, |what| {
            say(format!("member {} of {}: {what}", key.did, key.space.uri()));
        })?;
    }
    let next = number(rows, MetaKey::NextAudit)?;
    for row in rows.scan_all::<Audits>() {
        let (number, _) = row?;
        counts.entries += 1;
        if number >= next {
            say(format!("entry {number} of the audit: the next one would get number {next}"));
        }
    }
    Ok(counts)
}

fn of_invite(
    rows: &dyn Rows,
    invite: &Invite,
    uses: u64,
    mut say: impl FnMut(String),
) -> Result<(), RowsError> {
    let Invite { used, erased, .. } = invite;
    if uses.checked_add(*erased) != Some(*used) {
        say(format!("it counts {used} uses, of which {uses} are stored and {erased} were erased"));
    }
    if let Some(most) = invite.max_uses.filter(|most| most < used) {
        say(format!("it counts {used} uses and is for {most}"));
    }
    if invite.max_uses == Some(0) || invite.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        say("nobody could have made it so".to_owned());
    }
    if invite.last_used_at.is_some() != (*used > 0) {
        say(format!("it counts {used} uses, and the last is at {:?}", invite.last_used_at));
    }
    if !is_possible(rows, &invite.space)? {
        say(format!("its space {} was not made, and no record makes it", invite.space.uri()));
    }
    Ok(())
}

fn of_redemption(rows: &dyn Rows, key: &RedemptionKey, mut say: impl FnMut(&str)) -> Result<(), RowsError> {
    let Some(invite) = rows.get::<Invites>(&key.hash)? else {
        say("there is no such invite");
        return Ok(());
    };
    if rows.get::<Members>(&MemberKey { space: invite.space, did: key.did.clone() })?.is_none() {
        say("they never were in its space");
    }
    Ok(())
}

fn of_member(
    rows: &dyn Rows,
    key: &MemberKey,
    member: &Member,
    mut say: impl FnMut(&str),
) -> Result<(), RowsError> {
    if key.did == key.space.owner {
        say("the owner is in it without a row");
    }
    if !is_possible(rows, &key.space)? {
        say("the space was not made, and no record makes it");
    }
    let Some(hash) = member.invite else { return Ok(()) };
    match rows.get::<Invites>(&hash)? {
        None => say("the invite that brought them is not there"),
        Some(invite) if invite.space != key.space => say("the invite that brought them is another space's"),
        Some(_) => {}
    }
    if rows.get::<Redemptions>(&RedemptionKey { hash, did: key.did.clone() })?.is_none() {
        say("they did not use the invite that brought them");
    }
    Ok(())
}
