//! Spaces, their invites and members as they are shown. Times in milliseconds since the epoch, as the lexicons have them.

use serde::Serialize;

use super::Service;
use super::answer::Call;
use super::error::{ApiError, Failure};
use super::page::Item;
use crate::records;
use crate::spaces::{self, Basis};
use crate::syntax::{AtUri, Did, TokenHash};
use crate::tables::keys::{MemberKey, RecordId, RedemptionKey, SpaceId};
use crate::tables::spaces::{Actor, AppPolicy, Audit, Invite, Made, Member, Perms, SpaceTerms};
use crate::tables::view::{ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{Codes, Records, Redemptions, Spaces, record_bytes};

const MICROS_PER_MILLI: i64 = 1_000;

/// Uses of an invite that are shown with it. The rest are in the audit.
const REDEMPTIONS_SHOWN: usize = 100;

/// A space.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpaceView {
    uri: String,
    owner_did: Did,
    r#type: String,
    key: String,
    service_did: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_list_ref: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_policy_ref: Option<Box<str>>,
    created_at: i64,
    /// The owner's alone to see.
    #[serde(skip_serializing_if = "Option::is_none")]
    app_policy: Option<AppPolicy>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
}

impl SpaceView {
    /// The view of a space that was made by hand just now.
    pub(super) fn of_made(space: &SpaceId, made: Made, service: &Service) -> Self {
        Self {
            uri: space.uri(),
            owner_did: space.owner.clone(),
            r#type: space.kind.as_str().to_owned(),
            key: space.key.as_str().to_owned(),
            service_did: service.service_did.clone(),
            member_list_ref: made.terms.member_list_ref,
            app_policy_ref: made.terms.app_policy_ref,
            created_at: made.at,
            app_policy: made.terms.app_policy,
            paused: false,
        }
    }

    /// The view of a space for the caller.
    pub(super) fn read(call: &Call<'_>, space: &SpaceId, basis: Basis) -> Result<Self, RowsError> {
        Ok(Self::item(call, space, basis)?.view)
    }

    /// The same, with the bytes of the record that had to be read for it.
    pub(super) fn item(call: &Call<'_>, space: &SpaceId, basis: Basis) -> Result<Item<Self>, RowsError> {
        let (made, record_bytes) = match basis {
            Basis::Made(made) => (made, 0),
            Basis::Record(record) => {
                let (at, bytes) = created_at(call.rows, &record)?;
                (Made { at, terms: SpaceTerms::default() }, bytes)
            }
        };
        let mut view = Self::of_made(space, made, call.service);
        if !is_caller(call, &space.owner) {
            view.app_policy = None;
        }
        view.paused = call.rows.get::<Spaces>(space)?.is_some_and(|space| space.paused.is_some());
        Ok(Item { view, record_bytes })
    }
}

/// When a record says that it was made, or its key, as for RSVPs (RULES §3); and how many bytes it has.
fn created_at(rows: &dyn Rows, id: &RecordId) -> Result<(i64, usize), RowsError> {
    let Some(record) = rows.get::<Records>(id)? else { return Ok((0, 0)) };
    let bytes = record_bytes(rows, id, &record)?;
    Ok((records::time(&bytes, &id.rkey).div_euclid(MICROS_PER_MILLI), bytes.len()))
}

/// An invite. Of its token there is only the hash.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InviteView {
    token_hash: TokenHash,
    space_uri: String,
    perms: Perms,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_uses: Option<u64>,
    used_count: u64,
    created_by: Did,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redeemed_by: Vec<RedemptionView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RedemptionView {
    did: Did,
    redeemed_at: i64,
}

impl InviteView {
    /// The view of an invite that nobody has used.
    pub(super) fn of(hash: TokenHash, invite: &Invite) -> Self {
        Self {
            token_hash: hash,
            space_uri: invite.space.uri(),
            perms: invite.perms,
            expires_at: invite.expires_at,
            max_uses: invite.max_uses,
            used_count: invite.used,
            // Nobody else makes one by a token.
            created_by: invite.space.owner.clone(),
            created_at: invite.created_at,
            revoked_at: invite.revoked.map(|revoked| revoked.at),
            note: invite.note.clone(),
            last_used_at: invite.last_used_at,
            redeemed_by: Vec::new(),
        }
    }

    /// The view of an invite with those who used it.
    pub fn read(rows: &dyn Rows, hash: TokenHash, invite: &Invite) -> Result<Self, RowsError> {
        let range = prefix_of::<Redemptions>(|key| key.extend_from_slice(hash.as_bytes()));
        let view = |row: Result<(RedemptionKey, i64), RowsError>| {
            row.map(|(key, redeemed_at)| RedemptionView { did: key.did, redeemed_at })
        };
        let redeemed_by = rows.scan::<Redemptions>(range).take(REDEMPTIONS_SHOWN).map(view);
        let mut view = Self { redeemed_by: redeemed_by.collect::<Result<_, _>>()?, ..Self::of(hash, invite) };
        // The invite of a chat may be somebody else's. Where nobody knows any more whose, the owner answers for it.
        if let Some(maker) = rows.get::<Codes>(&hash)?.and_then(|code| code.created_by) {
            view.created_by = maker;
        }
        Ok(view)
    }
}

/// A member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberView {
    did: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    perms: Perms,
    added_at: i64,
    added_by: Did,
    /// The owner's alone to see.
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<TokenHash>,
}

impl MemberView {
    pub(super) fn of(call: &Call<'_>, key: MemberKey, member: &Member) -> Self {
        let is_owners = is_caller(call, &key.space.owner);
        Self {
            handle: call.service.identities.shown_handle(&key.did),
            did: key.did,
            perms: member.perms,
            added_at: member.added_at,
            added_by: key.space.owner,
            invite: member.invite.filter(|_| is_owners),
        }
    }

    /// The owner, who is in it from the beginning.
    pub(super) fn of_owner(call: &Call<'_>, space: &SpaceView) -> Self {
        Self {
            handle: call.service.identities.shown_handle(&space.owner_did),
            did: space.owner_did.clone(),
            perms: Perms::Write,
            added_at: space.created_at,
            added_by: space.owner_did.clone(),
            invite: None,
        }
    }
}

/// An entry of the audit.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    at: i64,
    act: &'static str,
    finding: &'static str,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Did>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<TokenHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Did>,
}

impl AuditView {
    /// The view of an entry.
    pub fn of(entry: &Audit) -> Self {
        let (by, actor) = match &entry.actor {
            Actor::Did(did) => ("person", Some(did.clone())),
            Actor::Operator => ("operator", None),
            Actor::Erased => ("erased", None),
        };
        Self {
            at: entry.at,
            act: entry.act.name(),
            finding: entry.finding.name(),
            by,
            actor,
            space: entry.space.as_ref().map(SpaceId::uri),
            invite: entry.invite,
            subject: entry.subject.clone(),
        }
    }
}

/// A space that a query asks about, with what the caller may do in it.
pub(super) struct Asked {
    pub(super) id: SpaceId,
    pub(super) basis: Basis,
    pub(super) perms: Option<Perms>,
}

impl Asked {
    /// The space that a parameter names.
    pub(super) fn of(call: &Call<'_>, parameter: &'static str) -> Result<Self, Failure> {
        let id = space_of(&call.params.uri(parameter)?)?;
        let basis = spaces::basis(call.rows, &id)?.ok_or(ApiError::SpaceNotFound)?;
        let perms = spaces::perms(call.rows, &id, call.caller()?)?;
        Ok(Self { id, basis, perms })
    }

    /// The same, where it has to be one that the caller is in.
    pub(super) fn as_member(call: &Call<'_>, parameter: &'static str) -> Result<Self, Failure> {
        let asked = Self::of(call, parameter)?;
        if asked.perms.is_none() { Err(ApiError::NotAMember.into()) } else { Ok(asked) }
    }

    /// Whether the caller is its owner.
    pub(super) fn is_owners(&self, call: &Call<'_>) -> bool {
        is_caller(call, &self.id.owner)
    }
}

/// Whether the caller is this person.
pub(super) fn is_caller(call: &Call<'_>, did: &Did) -> bool {
    call.caller.is_some_and(|caller| caller == did)
}

/// Whether the caller is in a space.
pub(super) fn is_in(call: &Call<'_>, space: &SpaceId) -> Result<bool, RowsError> {
    call.caller.map_or(Ok(false), |caller| Ok(spaces::perms(call.rows, space, caller)?.is_some()))
}

/// The space that a URI names, if it could be one's: one under a handle, or without a record key, nobody has.
pub(super) fn space_of(uri: &AtUri) -> Result<SpaceId, ApiError> {
    SpaceId::from_uri(uri).ok_or(ApiError::SpaceNotFound)
}
