//! Spaces: who is in one, who owns it, and what its invites do.
//!
//! [`apply`] checks a command against the rows and does it in one step, so that nothing is between a check and its
//! effect; the caller commits what it wrote. It is the only way into these tables. A space is made by hand, or is there
//! because a live jam, official round or event is. A chat of the Portal is a space with a number (`chats`), in which
//! whoever is logged in there (`sessions`) has invites by code; an event has settings and tickets beside (`tickets`).
//! Pure: the time is an argument, and the token of an invite is made, and forgotten, elsewhere. Spec: RULES §5 to §7.

mod audit;
pub mod chats;
pub mod command;
mod erase;
mod invites;
pub mod lines;
mod made;
mod members;
mod nonces;
pub mod restore;
pub mod sessions;
pub mod sound;
pub mod tickets;

pub use invites::{active, why_not};

use command::{Answer, By, Command, Done, Refusal, Request};

use crate::records::Kind;
use crate::rules::accounts;
use crate::syntax::Did;
use crate::tables::keys::{MemberKey, MetaKey, RecordId, RoundId, SpaceId};
use crate::tables::portal::Session;
use crate::tables::rows::Meta;
use crate::tables::spaces::{Act, Finding, Made, Member, Perms};
use crate::tables::view::{Overlay, ReadRows, Rows, RowsError};
use crate::tables::{Members, Metas, Records, Rounds, Spaces, number};

use audit::{About, Doing};
use chats::Levels;

/// What the operator sets: how much of something there may be, and who may do more than others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Active invites of a space (RULES §5).
    pub active_invites_max: usize,
    /// Spaces that one owner makes by hand.
    pub spaces_max: usize,
    /// Who has which level in the Portal.
    pub levels: Levels,
}

impl Default for Bounds {
    fn default() -> Self {
        // A hundred spaces are more than an organizer keeps an eye on, and whoever can log in can make some.
        Self { active_invites_max: 20, spaces_max: 100, levels: Levels::default() }
    }
}

/// What a space is there by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// It was made by hand.
    Made(Made),
    /// This record, which is live.
    Record(RecordId),
}

/// Does what is asked, at a time in milliseconds since the epoch, or says why not.
///
/// # Errors
/// The rows cannot be read. A refusal is no error.
pub fn apply(
    rows: &mut Overlay<'_>,
    bounds: &Bounds,
    now: i64,
    request: &Request,
) -> Result<Answer, RowsError> {
    let by = &request.by;
    if let Some(refusal) = turned_away(rows, now, request)? {
        return Ok(Err(refusal));
    }
    let doing = |act| Doing { now, by, act, bounds };
    match &request.command {
        Command::Admit => Ok(Ok(Done::Admitted)),
        Command::CreateSpace { space, terms } => made::create(rows, &doing(Act::CreateSpace), space, terms),
        Command::DeleteSpace { space } => made::delete(rows, &doing(Act::DeleteSpace), space),
        Command::Pause { space, paused } => {
            made::pause(rows, &doing(if *paused { Act::Pause } else { Act::Resume }), space, *paused)
        }
        Command::AddMember { space, did, perms } => {
            members::add(rows, &doing(Act::AddMember), space, did, *perms)
        }
        Command::RemoveMember { space, did } => members::remove(rows, &doing(Act::RemoveMember), space, did),
        Command::Leave { space } => members::leave(rows, &doing(Act::Leave), space),
        Command::CreateInvite { space, hash, terms } => {
            invites::create(rows, &doing(Act::Create), space, *hash, terms)
        }
        Command::CreateCode { space, code, terms } => {
            invites::create_code(rows, &doing(Act::Create), space, code, terms)
        }
        Command::Redeem { hash } => invites::redeem(rows, &doing(Act::Redeem), *hash),
        Command::Revoke { space, hash } => invites::revoke(rows, &doing(Act::Revoke), space, *hash),
        Command::OpenSession { hash, expires_at, instead_of } => {
            let Some(did) = by.person() else { return Ok(Err(Refusal::Forbidden)) };
            let session = Session { did: did.clone(), expires_at: *expires_at };
            sessions::open(rows, now, *hash, &session, *instead_of)
        }
        Command::EndSession => sessions::end(rows, by),
        Command::CreateChat { name, visibility } => {
            chats::create(rows, &doing(Act::CreateSpace), name, *visibility)
        }
        Command::Configure { event, change } => {
            tickets::configure(rows, &doing(Act::Configure), event, change)
        }
        Command::Link { event, did, attestation } => {
            tickets::link(rows, &doing(Act::Link), event, did, attestation)
        }
        Command::Confirm { event, attestation } => {
            tickets::confirm(rows, &doing(Act::Confirm), event, attestation.as_ref())
        }
        Command::Erase { did } => erase::erase(rows, &doing(Act::Erase), did),
        Command::EraseAudit { did, from } => erase::erase_from_audit(rows, did, *from),
        Command::Retain { since } => audit::retain(rows, *since),
    }
}

/// Why whoever asks is not let in, if they are not.
fn turned_away(rows: &mut Overlay<'_>, now: i64, request: &Request) -> Result<Option<Refusal>, RowsError> {
    let did = match &request.by {
        By::Operator => return Ok(None),
        By::Caller { did, nonce } => {
            if !nonces::spend(rows, now, nonce)? {
                return Ok(Some(Refusal::Replayed));
            }
            did
        }
        By::Session { did, hash } => {
            if sessions::of(rows, *hash, now)?.is_none_or(|session| session.did != *did) {
                return Ok(Some(Refusal::NoSession));
            }
            did
        }
    };
    // Whoever logs out does, also when their account is suspended.
    if request.command != Command::EndSession && !accounts::is_active(rows, did)? {
        return Ok(Some(Refusal::Inactive));
    }
    Ok((!request.command.is_for(&request.by)).then_some(Refusal::Forbidden))
}

/// What a space is there by; `None` where there is none.
pub fn basis(rows: &(impl Rows + ?Sized), space: &SpaceId) -> Result<Option<Basis>, RowsError> {
    match space.record() {
        Some(record) => Ok(is_live(rows, &record)?.then_some(Basis::Record(record))),
        None => Ok(rows.get::<Spaces>(space)?.and_then(|space| space.made).map(Basis::Made)),
    }
}

/// Whether a space is there, or may be there again without anybody making it, since a record is what makes it.
pub fn is_possible(rows: &(impl Rows + ?Sized), space: &SpaceId) -> Result<bool, RowsError> {
    match space.record().map(|record| record.kind) {
        Some(Kind::Jam | Kind::Round | Kind::Event) => Ok(true),
        Some(Kind::Invitation | Kind::Signup | Kind::Submission | Kind::Rsvp | Kind::Acceptance) => Ok(false),
        None => Ok(rows.get::<Spaces>(space)?.is_some_and(|space| space.made.is_some())),
    }
}

/// Whether a record is there that makes a space, by an active account.
fn is_live(rows: &(impl Rows + ?Sized), id: &RecordId) -> Result<bool, RowsError> {
    let makes_one = match id.kind {
        Kind::Jam | Kind::Event => rows.get::<Records>(id)?.is_some_and(|record| record.body.is_some()),
        // Of a round that is not its author's to hold nobody is the owner.
        Kind::Round => rows.get::<Rounds>(&RoundId::from(id.clone()))?.is_some_and(|round| round.official),
        Kind::Invitation | Kind::Signup | Kind::Submission | Kind::Rsvp | Kind::Acceptance => false,
    };
    Ok(makes_one && accounts::is_active(rows, &id.did)?)
}

/// What somebody is in a space now. The owner is no member by a row, and may do everything.
pub fn perms(rows: &(impl Rows + ?Sized), space: &SpaceId, did: &Did) -> Result<Option<Perms>, RowsError> {
    if space.owner == *did {
        return Ok(Some(Perms::Write));
    }
    let key = MemberKey { space: space.clone(), did: did.clone() };
    Ok(rows.get::<Members>(&key)?.filter(Member::is_in).map(|member| member.perms))
}

/// Notes that a number was given, so that those that come later are greater. It is a number of the store about itself.
fn note_given(rows: &mut Overlay<'_>, key: MetaKey, given: u64) -> Result<(), RowsError> {
    let last = number(rows, key)?.max(given);
    rows.put::<Metas>(&key, &Meta::Number(last));
    Ok(())
}

/// The space that a command is about, if it is there and whoever gives the command may decide about it.
fn owned(
    rows: &mut Overlay<'_>,
    doing: &Doing<'_>,
    space: &SpaceId,
    about: &About,
) -> Result<Result<Basis, Refusal>, RowsError> {
    let Some(basis) = basis(rows, space)? else { return Ok(Err(Refusal::SpaceNotFound)) };
    if !doing.decides_in(rows, space)? {
        // Without whom it was to be about: strangers must not write names into somebody's audit.
        doing.note(rows, &About { subject: None, ..about.clone() }, Finding::Forbidden)?;
        return Ok(Err(Refusal::Forbidden));
    }
    Ok(Ok(basis))
}
