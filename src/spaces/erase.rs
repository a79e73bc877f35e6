//! Taking things out for good: a space with all that is in it, and the traces of a person.

use std::collections::BTreeSet;

use super::audit::{self, About, Doing};
use super::command::{Answer, Done};
use super::{chats, invites, sessions, tickets};
use crate::syntax::{Did, TokenHash};
use crate::tables::keys::{
    MemberKey, MembershipKey, PersonTicketKey, RedemptionKey, SpaceId, SpaceInviteKey, TicketKey,
    write_owner, write_person, write_repository, write_space,
};
use crate::tables::portal::Code;
use crate::tables::spaces::{Act, Actor, Audit, Finding, Revoked, Role};
use crate::tables::view::{Overlay, Range, ReadRows, RowsError, key_of, prefix_of};
use crate::tables::{
    Audits, Codes, Invites, Members, Memberships, PersonTickets, Redemptions, Settings, SpaceInvites, Spaces,
    Tickets, Users,
};

/// Entries of the audit that are looked at in one batch: some tens of milliseconds of the writer.
const LOOKED_AT_ONCE: usize = 5_000;

/// Removes a space with its invites, their uses, and its members. The audit stays.
pub(super) fn remove_space(rows: &mut Overlay<'_>, space: &SpaceId) -> Result<(), RowsError> {
    rows.delete::<Spaces>(space);
    chats::remove_of(rows, space)?;
    for hash in invites_of(rows, space)? {
        let invite = invite(rows, hash)?;
        invites::remove(rows, hash, &invite);
        let range = prefix_of::<Redemptions>(|key| key.extend_from_slice(hash.as_bytes()));
        for key in keys(rows.scan::<Redemptions>(range))? {
            rows.delete::<Redemptions>(&key);
        }
    }
    let range = prefix_of::<Members>(|key| write_space(space, key));
    for key in keys(rows.scan::<Members>(range))? {
        remove_member(rows, &key);
    }
    Ok(())
}

/// Erases a person's spaces, memberships and uses of invites, their events' settings and tickets, the tickets that they
/// have, and who they are in the Portal.
pub(super) fn erase(rows: &mut Overlay<'_>, doing: &Doing<'_>, did: &Did) -> Result<Answer, RowsError> {
    let owned = spaces_of(rows, did)?;
    let mut count = owned.len();
    for space in &owned {
        remove_space(rows, space)?;
    }
    let range = prefix_of::<Memberships>(|key| write_person(did, key));
    for MembershipKey { space, .. } in keys(rows.scan::<Memberships>(range))? {
        for hash in invites_of(rows, &space)? {
            let key = RedemptionKey { hash, did: did.clone() };
            if rows.get::<Redemptions>(&key)?.is_some() {
                rows.delete::<Redemptions>(&key);
                let mut invite = invite(rows, hash)?;
                invite.erased += 1;
                invites::put(rows, hash, &invite);
            }
        }
        remove_member(rows, &MemberKey { space, did: did.clone() });
        count += 1;
    }
    count += erase_tickets(rows, did)? + erase_from_portal(rows, doing, did)?;
    // Without a name: that it was done is not about them.
    doing.note(rows, &About::default(), Finding::Done)?;
    Ok(Ok(Done::Swept { count: u64::try_from(count).unwrap_or(u64::MAX), next: Some(0) }))
}

/// Erases how a person's events are set up, and every ticket from them or for them; how many it was.
fn erase_tickets(rows: &mut Overlay<'_>, did: &Did) -> Result<usize, RowsError> {
    let settings = keys(rows.scan::<Settings>(prefix_of::<Settings>(|key| write_repository(did, key))))?;
    settings.iter().for_each(|event| rows.delete::<Settings>(event));
    let given = keys(rows.scan::<Tickets>(prefix_of::<Tickets>(|key| write_repository(did, key))))?;
    given.iter().for_each(|key| tickets::remove(rows, key));
    let had = keys(rows.scan::<PersonTickets>(prefix_of::<PersonTickets>(|key| write_person(did, key))))?;
    for PersonTicketKey { did, event } in &had {
        tickets::remove(rows, &TicketKey { event: event.clone(), did: did.clone() });
    }
    Ok(settings.len() + given.len() + had.len())
}

/// Erases who a person is in the Portal: their number, their sessions, and that they made invites of others' chats, which
/// end: nobody answers for them any more. How much it was.
fn erase_from_portal(rows: &mut Overlay<'_>, doing: &Doing<'_>, did: &Did) -> Result<usize, RowsError> {
    let mut count = sessions::end_all(rows, did)?;
    count += usize::from(rows.get::<Users>(did)?.is_some());
    rows.delete::<Users>(did);
    // Nothing finds invites by who made them: it is seldom asked, and the few that there are in chats are looked through.
    let made: Vec<(TokenHash, Code)> = rows
        .scan_all::<Codes>()
        .filter(|row| row.as_ref().map_or(true, |(_, code)| code.created_by.as_ref() == Some(did)))
        .collect::<Result<_, _>>()?;
    count += made.len();
    for (hash, code) in made {
        rows.put::<Codes>(&hash, &Code { created_by: None, ..code });
        let mut invite = invite(rows, hash)?;
        if invite.revoked.is_none() {
            invite.revoked = Some(Revoked { at: doing.now, by: Role::Operator });
            invites::put(rows, hash, &invite);
            let revoking = Doing { act: Act::Revoke, ..*doing };
            revoking.note(rows, &About::space(&invite.space).with_invite(hash), Finding::Done)?;
        }
    }
    Ok(count)
}

/// Erases a person from the next entries of the audit, beginning with the number `from`.
pub(super) fn erase_from_audit(rows: &mut Overlay<'_>, did: &Did, from: u64) -> Result<Answer, RowsError> {
    let range = Range { start: key_of::<Audits>(&from), ..prefix_of::<Audits>(|_| {}) };
    let entries: Vec<(u64, Audit)> =
        rows.scan::<Audits>(range).take(LOOKED_AT_ONCE).collect::<Result<_, _>>()?;
    let mut count = 0;
    for (number, entry) in &entries {
        let mut erased = entry.clone();
        if erased.actor == Actor::Did(did.clone()) {
            erased.actor = Actor::Erased;
        }
        erased.subject = erased.subject.filter(|subject| subject != did);
        if entry.space.as_ref().is_some_and(|space| space.owner == *did) {
            audit::remove(rows, *number, entry);
            count += 1;
        } else if erased != *entry {
            audit::put(rows, *number, &erased);
            count += 1;
        }
    }
    let is_full = entries.len() == LOOKED_AT_ONCE;
    let next = entries.last().map(|(number, _)| number + 1).filter(|_| is_full);
    Ok(Ok(Done::Swept { count, next }))
}

/// The spaces of a person of which anything is kept.
fn spaces_of(rows: &Overlay<'_>, owner: &Did) -> Result<BTreeSet<SpaceId>, RowsError> {
    let mut spaces = BTreeSet::new();
    spaces.extend(keys(rows.scan::<Spaces>(prefix_of::<Spaces>(|key| write_owner(owner, key))))?);
    let invites = prefix_of::<SpaceInvites>(|key| write_owner(owner, key));
    spaces.extend(keys(rows.scan::<SpaceInvites>(invites))?.into_iter().map(|key| key.space));
    let members = prefix_of::<Members>(|key| write_owner(owner, key));
    spaces.extend(keys(rows.scan::<Members>(members))?.into_iter().map(|key| key.space));
    Ok(spaces)
}

fn invites_of(rows: &Overlay<'_>, space: &SpaceId) -> Result<Vec<TokenHash>, RowsError> {
    let range = prefix_of::<SpaceInvites>(|key| write_space(space, key));
    let keys: Vec<SpaceInviteKey> = keys(rows.scan::<SpaceInvites>(range))?;
    Ok(keys.into_iter().map(|key| key.hash).collect())
}

fn invite(rows: &Overlay<'_>, hash: TokenHash) -> Result<crate::tables::spaces::Invite, RowsError> {
    let missing = RowsError::Contradiction { what: "an invite of a space is not stored" };
    rows.get::<Invites>(&hash)?.ok_or(missing)
}

fn remove_member(rows: &mut Overlay<'_>, key: &MemberKey) {
    rows.delete::<Members>(key);
    chats::note_member(rows, key, false);
    rows.delete::<Memberships>(&MembershipKey { did: key.did.clone(), space: key.space.clone() });
}

/// The keys of rows, read before anything about them is changed.
fn keys<K, V>(rows: impl Iterator<Item = Result<(K, V), RowsError>>) -> Result<Vec<K>, RowsError> {
    rows.map(|row| row.map(|(key, _)| key)).collect()
}
