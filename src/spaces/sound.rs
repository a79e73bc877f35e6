//! What holds between the rows of spaces, whatever was done and in which order.
//!
//! The rows follow from no record, so nothing can be worked out anew; but they bear each other out. Whoever checks a
//! store, and whoever has put one together from an export, looks here. What is only found by them (their indexes) is
//! not looked at.

use std::collections::BTreeSet;

use super::{chats, is_possible};
use crate::records::Kind;
use crate::syntax::{Authority, TokenHash};
use crate::tables::keys::{MemberKey, MetaKey, RedemptionKey, TicketKey};
use crate::tables::portal::{Chat, is_code};
use crate::tables::spaces::{Invite, Member, NOTE_BYTES_MAX};
use crate::tables::tickets::{EventSettings, is_redirect_url};
use crate::tables::view::{ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{
    Audits, Chats, Codes, Invites, Members, Redemptions, Sessions, Settings, Spaces, Tickets, Users, number,
};

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
    /// Chats.
    pub chats: u64,
    /// People with a number in the Portal.
    pub users: u64,
    /// Events that are set up.
    pub settings: u64,
    /// Tickets.
    pub tickets: u64,
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
        if row.made.is_some() && Chat::is_in(&space) && chats::of_space(rows, &space)?.is_none() {
            say(format!("space {}: the chat in this place is not there", space.uri()));
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
    look_at_portal(rows, &mut counts, &mut say)?;
    look_at_events(rows, &mut counts, &mut say)?;
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

fn look_at_portal(
    rows: &dyn Rows,
    counts: &mut Counts,
    mut say: impl FnMut(String),
) -> Result<(), RowsError> {
    let last = number(rows, MetaKey::LastChat)?;
    for row in rows.scan_all::<Chats>() {
        let (number, chat) = row?;
        counts.chats += 1;
        if Chat::place(&chat.space.owner, number) != chat.space || !(1..=last).contains(&number) {
            say(format!("chat {number}: it is not in its place, or its number is none that was given"));
        }
        if rows.get::<Spaces>(&chat.space)?.is_none_or(|space| space.made.is_none()) {
            say(format!("chat {number}: its space is not there"));
        }
        if !Chat::is_name(&chat.name) {
            say(format!("chat {number}: nobody could have called it so"));
        }
        if rows.get::<Users>(&chat.space.owner)?.is_none() {
            say(format!("chat {number}: its owner has no number"));
        }
    }
    for row in rows.scan_all::<Codes>() {
        let (hash, code) = row?;
        let invite = rows.get::<Invites>(&hash)?;
        let is_of_chat = invite.as_ref().is_some_and(|invite| Chat::is_in(&invite.space));
        if hash != TokenHash::of(&code.text) || !is_code(&code.text) || !is_of_chat {
            say(format!("code of invite {hash}: it is another's or none, or the invite is of no chat"));
        }
        match code.created_by {
            Some(did) if rows.get::<Users>(&did)?.is_none() => {
                say(format!("code of invite {hash}: who made it has no number"));
            }
            None if invite.is_some_and(|invite| invite.revoked.is_none()) => {
                say(format!("code of invite {hash}: nobody answers for it, and it is not revoked"));
            }
            _ => {}
        }
    }
    let last = number(rows, MetaKey::LastUser)?;
    let mut numbers = BTreeSet::new();
    for row in rows.scan_all::<Users>() {
        let (did, number) = row?;
        counts.users += 1;
        if !numbers.insert(number) || !(1..=last).contains(&number) {
            say(format!("user {did}: number {number} is another's, or none that was given"));
        }
    }
    for row in rows.scan_all::<Sessions>() {
        let (_, session) = row?;
        if rows.get::<Users>(&session.did)?.is_none() {
            say(format!("user {}: logged in without a number", session.did));
        }
    }
    Ok(())
}

fn look_at_events(
    rows: &dyn Rows,
    counts: &mut Counts,
    mut say: impl FnMut(String),
) -> Result<(), RowsError> {
    for row in rows.scan_all::<Settings>() {
        let (event, settings) = row?;
        counts.settings += 1;
        let is_none = settings == EventSettings::default();
        let is_url_good = settings.rsvp_redirect_url.as_deref().is_none_or(is_redirect_url);
        if event.kind != Kind::Event || is_none || !is_url_good {
            say(format!("settings of {}: nobody could have made them so", event.uri()));
        }
    }
    for row in rows.scan_all::<Tickets>() {
        let (TicketKey { event, did }, ticket) = row?;
        counts.tickets += 1;
        let is_authors = ticket.attestation.authority() == Authority::Did(event.did.as_str());
        let is_record = ticket.attestation.record_key().is_some();
        if event.kind != Kind::Event || !is_authors || !is_record {
            say(format!("ticket of {did} for {}: nobody could have given it so", event.uri()));
        }
    }
    Ok(())
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
