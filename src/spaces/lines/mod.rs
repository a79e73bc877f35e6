//! The rows of spaces as JSON Lines, and back: what `export --procedures` prints and `import` reads.
//!
//! Each kind of row has a line of its own, told by its first key; the keys after that are named as on the wire, in a
//! fixed order, without those that have nothing to say. Used service tokens have none: they mean something for minutes.
//! Format: CONTRACT §3.

mod portal;
mod tickets;

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::syntax::{AtUri, Did, TokenHash};
use crate::tables::keys::{MemberKey, RecordId, RedemptionKey, SpaceId, TicketKey};
use crate::tables::portal::{Chat, Code};
use crate::tables::spaces::{
    Act, Actor, AppPolicy, Audit, Finding, Invite, Left, Made, Member, Perms, Revoked, Role, Space,
    SpaceTerms,
};
use crate::tables::tickets::{EventSettings, Ticket};
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{
    Audits, Chats, Codes, Invites, Members, Redemptions, Settings, Spaces, Tickets, Users, number,
};

pub use portal::Numbered;
use portal::{ChatLine, CodeLine, LastLine, UserLine};
use tickets::{SettingsLine, TicketLine};

/// The greatest number that a line may have: that up to which every JSON reader agrees, and nothing that is counted
/// on from there runs over.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A row of which there is a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A space that was made by hand or paused.
    Space(SpaceId, Space),
    /// An invite.
    Invite(TokenHash, Invite),
    /// A use of an invite, and when.
    Redemption(RedemptionKey, i64),
    /// A person who is, or was, in a space.
    Member(MemberKey, Member),
    /// A chat under its number.
    Chat(u64, Chat),
    /// The code of an invite.
    Code(TokenHash, Code),
    /// The number of somebody.
    User(Did, u64),
    /// How an event is set up.
    Settings(RecordId, EventSettings),
    /// A ticket for an event.
    Ticket(TicketKey, Ticket),
    /// The greatest number that was given, also when what it was given to is gone: nothing else gets it.
    Last(Numbered, u64),
    /// An entry of the audit under its number.
    Audit(u64, Audit),
}

/// A line is not what an export has.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is no JSON, or a key is missing, unknown or of another type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A value is not what it should be.
    #[error("bad {0}")]
    Bad(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpaceLine {
    space: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_list_ref: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_policy_ref: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_policy: Option<AppPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InviteLine {
    invite: TokenHash,
    space_uri: String,
    perms: Perms,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_uses: Option<u64>,
    used_count: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    erased_count: u64,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_by: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedemptionLine {
    redemption: TokenHash,
    did: Did,
    redeemed_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MemberLine {
    member: Did,
    space_uri: String,
    perms: Perms,
    added_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<TokenHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_by: Option<Role>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AuditLine {
    audit: u64,
    at: i64,
    act: Act,
    finding: Finding,
    by: By,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Did>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<TokenHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Did>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Person,
    Operator,
    Erased,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde passes it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Gives each line, without its newline, to `write`: spaces, chats, users, the last numbers of both, invites, codes, uses,
/// members, settings of events, tickets, entries of the audit, each in the order of their keys.
///
/// # Errors
/// The rows cannot be read, or those of `write`.
pub fn export<E: From<RowsError>>(
    rows: &dyn Rows,
    mut write: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    for row in rows.scan_all::<Spaces>() {
        let (id, space) = row?;
        write(&text(&SpaceLine::of(&id, space)))?;
    }
    for row in rows.scan_all::<Chats>() {
        let (number, chat) = row?;
        write(&text(&ChatLine::of(number, chat)))?;
    }
    for row in rows.scan_all::<Users>() {
        let (did, number) = row?;
        write(&text(&UserLine::of(did, number)))?;
    }
    for numbered in Numbered::ALL {
        // Where nothing ever had a number there is nothing to say.
        if let last @ 1.. = number(rows, numbered.key())? {
            write(&text(&LastLine::of(numbered, last)))?;
        }
    }
    for row in rows.scan_all::<Invites>() {
        let (hash, invite) = row?;
        write(&text(&InviteLine::of(hash, invite)))?;
    }
    for row in rows.scan_all::<Codes>() {
        write(&text(&CodeLine::of(row?.1)))?;
    }
    for row in rows.scan_all::<Redemptions>() {
        let (RedemptionKey { hash, did }, redeemed_at) = row?;
        write(&text(&RedemptionLine { redemption: hash, did, redeemed_at }))?;
    }
    for row in rows.scan_all::<Members>() {
        let (key, member) = row?;
        write(&text(&MemberLine::of(key, &member)))?;
    }
    for row in rows.scan_all::<Settings>() {
        let (event, settings) = row?;
        write(&text(&SettingsLine::of(&event, settings)))?;
    }
    for row in rows.scan_all::<Tickets>() {
        let (key, ticket) = row?;
        write(&text(&TicketLine::of(key, ticket)))?;
    }
    for row in rows.scan_all::<Audits>() {
        let (number, entry) = row?;
        write(&text(&AuditLine::of(number, entry)))?;
    }
    Ok(())
}

/// Reads a line; `None` if it is of another export.
pub fn parse(line: &str) -> Option<Result<Row, LineError>> {
    Some(match first_key(line)?.as_str() {
        "space" => read(line, SpaceLine::row),
        "invite" => read(line, InviteLine::row),
        "redemption" => read(line, RedemptionLine::row),
        "member" => read(line, MemberLine::row),
        "chat" => read(line, ChatLine::row),
        "user" => read(line, UserLine::row),
        "last" => read(line, LastLine::row),
        "code" => read(line, |line: CodeLine| Ok(line.row())),
        "settings" => read(line, SettingsLine::row),
        "ticket" => read(line, TicketLine::row),
        "audit" => read(line, AuditLine::row),
        _ => return None,
    })
}

fn text(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("a line of strings and numbers serialises")
}

fn read<L: DeserializeOwned>(
    line: &str,
    row: impl FnOnce(L) -> Result<Row, LineError>,
) -> Result<Row, LineError> {
    row(serde_json::from_str(line)?)
}

/// The first key of an object, without a look at the rest: lines of records can be long.
fn first_key(line: &str) -> Option<String> {
    struct First<'a>(&'a mut Option<String>);

    impl<'de> DeserializeSeed<'de> for First<'_> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_map(self)
        }
    }

    impl<'de> Visitor<'de> for First<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            *self.0 = map.next_key()?;
            map.next_value::<IgnoredAny>().map(|_| ())
        }
    }

    let mut key = None;
    // The object is left in the middle, which is an error of no interest.
    let _ = First(&mut key).deserialize(&mut serde_json::Deserializer::from_str(line));
    key
}

fn space_of(uri: &str) -> Result<SpaceId, LineError> {
    let space = AtUri::parse(uri).ok().and_then(|uri| SpaceId::from_uri(&uri));
    space.filter(|space| space.uri() == uri).ok_or(LineError::Bad("space"))
}

fn within(number: u64, what: &'static str) -> Result<u64, LineError> {
    if number <= NUMBER_MAX { Ok(number) } else { Err(LineError::Bad(what)) }
}

/// When something was ended and by whom: both or neither.
fn end(at: Option<i64>, by: Option<Role>, what: &'static str) -> Result<Option<(i64, Role)>, LineError> {
    match (at, by) {
        (Some(at), Some(by)) => Ok(Some((at, by))),
        (None, None) => Ok(None),
        _ => Err(LineError::Bad(what)),
    }
}

impl SpaceLine {
    fn of(id: &SpaceId, space: Space) -> Self {
        let (created_at, terms) = space.made.map(|made| (made.at, made.terms)).unzip();
        let SpaceTerms { member_list_ref, app_policy_ref, app_policy } = terms.unwrap_or_default();
        let paused_at = space.paused;
        Self { space: id.uri(), created_at, member_list_ref, app_policy_ref, app_policy, paused_at }
    }

    fn row(self) -> Result<Row, LineError> {
        let id = space_of(&self.space)?;
        let terms = SpaceTerms {
            member_list_ref: self.member_list_ref,
            app_policy_ref: self.app_policy_ref,
            app_policy: self.app_policy,
        };
        if self.created_at.is_none() && (terms != SpaceTerms::default() || self.paused_at.is_none()) {
            return Err(LineError::Bad("space: it was neither made nor paused"));
        }
        let made = self.created_at.map(|at| Made { at, terms });
        Ok(Row::Space(id, Space { made, paused: self.paused_at }))
    }
}

impl InviteLine {
    fn of(hash: TokenHash, invite: Invite) -> Self {
        let (revoked_at, revoked_by) = invite.revoked.map(|revoked| (revoked.at, revoked.by)).unzip();
        Self {
            invite: hash,
            space_uri: invite.space.uri(),
            perms: invite.perms,
            expires_at: invite.expires_at,
            max_uses: invite.max_uses,
            used_count: invite.used,
            erased_count: invite.erased,
            created_at: invite.created_at,
            revoked_at,
            revoked_by,
            note: invite.note,
            last_used_at: invite.last_used_at,
        }
    }

    fn row(self) -> Result<Row, LineError> {
        let revoked = end(self.revoked_at, self.revoked_by, "revokedAt or revokedBy")?;
        let invite = Invite {
            space: space_of(&self.space_uri)?,
            perms: self.perms,
            max_uses: self.max_uses.map(|most| within(most, "maxUses")).transpose()?,
            expires_at: self.expires_at,
            note: self.note,
            created_at: self.created_at,
            used: within(self.used_count, "usedCount")?,
            erased: within(self.erased_count, "erasedCount")?,
            last_used_at: self.last_used_at,
            revoked: revoked.map(|(at, by)| Revoked { at, by }),
        };
        Ok(Row::Invite(self.invite, invite))
    }
}

impl RedemptionLine {
    fn row(self) -> Result<Row, LineError> {
        Ok(Row::Redemption(RedemptionKey { hash: self.redemption, did: self.did }, self.redeemed_at))
    }
}

impl MemberLine {
    fn of(key: MemberKey, member: &Member) -> Self {
        let (left_at, left_by) = member.left.map(|left| (left.at, left.by)).unzip();
        Self {
            space_uri: key.space.uri(),
            member: key.did,
            perms: member.perms,
            added_at: member.added_at,
            invite: member.invite,
            left_at,
            left_by,
        }
    }

    fn row(self) -> Result<Row, LineError> {
        let left = end(self.left_at, self.left_by, "leftAt or leftBy")?.map(|(at, by)| Left { at, by });
        let member = Member { perms: self.perms, added_at: self.added_at, invite: self.invite, left };
        Ok(Row::Member(MemberKey { space: space_of(&self.space_uri)?, did: self.member }, member))
    }
}

impl AuditLine {
    fn of(number: u64, entry: Audit) -> Self {
        let (by, actor) = match entry.actor {
            Actor::Did(did) => (By::Person, Some(did)),
            Actor::Operator => (By::Operator, None),
            Actor::Erased => (By::Erased, None),
        };
        Self {
            audit: number,
            at: entry.at,
            act: entry.act,
            finding: entry.finding,
            by,
            actor,
            space: entry.space.as_ref().map(SpaceId::uri),
            invite: entry.invite,
            subject: entry.subject,
        }
    }

    fn row(self) -> Result<Row, LineError> {
        let actor = match (self.by, self.actor) {
            (By::Person, Some(did)) => Actor::Did(did),
            (By::Operator, None) => Actor::Operator,
            (By::Erased, None) => Actor::Erased,
            _ => return Err(LineError::Bad("actor")),
        };
        let entry = Audit {
            at: self.at,
            actor,
            act: self.act,
            space: self.space.as_deref().map(space_of).transpose()?,
            invite: self.invite,
            subject: self.subject,
            finding: self.finding,
        };
        Ok(Row::Audit(within(self.audit, "number")?, entry))
    }
}
