//! Rows of spaces. Unlike all others they follow from no record: what people did here is the only source of them.
//!
//! Times are in milliseconds since the epoch, as the lexicons of spaces have them.

use serde::{Deserialize, Serialize};

use super::keys::SpaceId;
use crate::syntax::{Did, TokenHash};

/// What is kept of a space, if anything: one behind which there is a record needs no row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// It was made here, by hand.
    pub made: Option<Made>,
    /// When the operator paused it: nobody joins by its invites meanwhile.
    pub paused: Option<i64>,
}

/// A space that was made by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// When.
    pub at: i64,
    /// What its owner says of it; nothing here depends on it.
    pub terms: SpaceTerms,
}

/// What the owner of a space says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpaceTerms {
    /// An AT-URI, kept as it came.
    #[serde(default)]
    pub member_list_ref: Option<Box<str>>,
    /// An AT-URI, kept as it came.
    #[serde(default)]
    pub app_policy_ref: Option<Box<str>>,
    /// Which applications may use it.
    #[serde(default)]
    pub app_policy: Option<AppPolicy>,
}

/// Which applications may use a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPolicy {
    /// `allow` or `deny`, or what the lexicon does not know.
    pub mode: Box<str>,
    /// The exceptions.
    pub apps: Vec<Box<str>>,
}

/// What a member may do. The greater has the lesser in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Perms {
    /// Look.
    Read,
    /// Take part.
    Write,
}

impl Perms {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Perms::Read => "read",
            Perms::Write => "write",
        }
    }

    /// The permissions of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Perms::Read, Perms::Write].into_iter().find(|perms| perms.name() == name)
    }
}

/// Bytes of the note on an invite (RULES §5).
pub const NOTE_BYTES_MAX: usize = 500;

/// An invite: whoever has its token may join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// To where. It was made by that space's owner, if it has no code that says otherwise.
    pub space: SpaceId,
    /// What one becomes.
    pub perms: Perms,
    /// How many it is for; `None` for any number.
    pub max_uses: Option<u64>,
    /// When it ends; `None` for never.
    pub expires_at: Option<i64>,
    /// What its owner wrote on it.
    pub note: Option<Box<str>>,
    /// When it was made.
    pub created_at: i64,
    /// How many have used it.
    pub used: u64,
    /// Uses by people whose traces were erased since. They count, and nobody knows whose they were.
    pub erased: u64,
    /// When it was last used.
    pub last_used_at: Option<i64>,
    /// When it was revoked, and by whom.
    pub revoked: Option<Revoked>,
}

impl Invite {
    /// Whether as many have used it as it is for.
    pub fn is_used_up(&self) -> bool {
        self.max_uses.is_some_and(|max_uses| self.used >= max_uses)
    }

    /// Whether it is neither revoked nor used up. It may have expired.
    pub fn is_open(&self) -> bool {
        self.revoked.is_none() && !self.is_used_up()
    }
}

/// An end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// When.
    pub at: i64,
    /// By whom.
    pub by: Role,
}

/// In which role something was done to a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Its owner.
    Owner,
    /// The person whom it is about.
    Member,
    /// The operator of this service.
    Operator,
    /// Somebody who decides about the chats of others.
    Moderator,
}

/// A person who is, or was, in a space. The owner is in it without a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What they may do.
    pub perms: Perms,
    /// Since when.
    pub added_at: i64,
    /// The invite that brought them; `None` where the owner did.
    pub invite: Option<TokenHash>,
    /// They are in it no longer.
    pub left: Option<Left>,
}

impl Member {
    /// Whether they are in the space now.
    pub fn is_in(&self) -> bool {
        self.left.is_none()
    }
}

/// The end of a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// When.
    pub at: i64,
    /// By whose will.
    pub by: Role,
}

/// Something that somebody did, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When.
    pub at: i64,
    /// Who.
    pub actor: Actor,
    /// What.
    pub act: Act,
    /// In which space; `None` where nobody knows, as with a token that is none.
    pub space: Option<SpaceId>,
    /// With which invite.
    pub invite: Option<TokenHash>,
    /// About whom, where that is not who did it.
    pub subject: Option<Did>,
    /// What came of it.
    pub finding: Finding,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// A person.
    Did(Did),
    /// The operator.
    Operator,
    /// Somebody whose traces were erased.
    Erased,
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$of:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $type {
            $($(#[$of])* $variant,)+
        }

        impl $type {
            /// Every one.
            pub const ALL: &'static [$type] = &[$($type::$variant,)+];

            /// The name under which it is shown.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)+ }
            }
        }
    };
}

names! {
    /// What can be done to a space.
    Act {
        /// A space was made.
        CreateSpace = "create-space",
        /// A space was removed with all that was in it.
        DeleteSpace = "delete-space",
        /// Somebody was put in by hand, or given other permissions.
        AddMember = "add-member",
        /// Somebody was put out.
        RemoveMember = "remove-member",
        /// Somebody left.
        Leave = "leave",
        /// An invite was made.
        Create = "create",
        /// An invite was used.
        Redeem = "redeem",
        /// An invite was ended.
        Revoke = "revoke",
        /// Nobody can join by an invite for a while.
        Pause = "pause",
        /// They can again.
        Resume = "resume",
        /// The traces of somebody were erased.
        Erase = "erase",
        /// An event was set up.
        Configure = "configure",
        /// Somebody got a ticket for an event.
        Link = "link",
        /// They confirmed it.
        Confirm = "confirm",
    }
}

names! {
    /// What came of something.
    Finding {
        /// It was done.
        Done = "done",
        /// It was so already.
        Already = "already",
        /// It is not theirs to do.
        Forbidden = "forbidden",
        /// There are as many as there may be.
        Quota = "quota",
        /// There is no such invite.
        Unknown = "unknown",
        /// The invite is revoked.
        Revoked = "revoked",
        /// The invite has expired.
        Expired = "expired",
        /// The invite is used up.
        Exhausted = "exhausted",
        /// They were a member by this invite, and are not any more.
        Gone = "gone",
        /// The space is paused.
        Paused = "paused",
        /// The space is not there now, or the account of its owner or of who made the invite is not active.
        NotLive = "not-live",
    }
}
