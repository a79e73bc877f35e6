//! Rows of the Portal: chats, the codes of their invites, who has a number there, and who is logged in.
//!
//! A chat is a space and its invites are invites of that space, so that all that is here is what the Portal knows
//! beside. Times are in milliseconds since the epoch. Spec: RULES §6.

use serde::{Deserialize, Serialize};

use super::keys::SpaceId;
use crate::syntax::{Did, Nsid, RecordKey};

/// The type of the spaces that are chats.
pub const CHAT_TYPE: &str = "app.guestlist.portal.chat";

/// A chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// The space that it is.
    pub space: SpaceId,
    /// What it is called.
    pub name: Box<str>,
    /// Who sees it.
    pub visibility: Visibility,
}

impl Chat {
    /// The place of the chat with a number.
    pub fn place(owner: &Did, number: u64) -> SpaceId {
        SpaceId {
            owner: owner.clone(),
            kind: Nsid::parse(CHAT_TYPE).expect("a constant"),
            key: RecordKey::parse(&number.to_string()).expect("digits are a record key"),
        }
    }

    /// Whether a space is in the place of a chat.
    pub fn is_in(space: &SpaceId) -> bool {
        space.kind.as_str() == CHAT_TYPE
    }
}

/// Who sees a chat, and who may decide about its invites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Its owner and its members; its owner decides.
    Private,
    /// Everybody; its owner decides, and whoever has a higher level.
    Public,
    /// The same, made by somebody who may speak for the service.
    Official,
}

impl Visibility {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Private, Self::Public, Self::Official];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Visibility::Private => "private",
            Visibility::Public => "public",
            Visibility::Official => "official",
        }
    }

    /// The visibility of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.name() == name)
    }
}

/// What somebody may do in the Portal, as the operator says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Like everybody.
    #[default]
    User,
    /// Decides about chats of users.
    Moderator,
    /// Decides about chats of users and moderators, and makes official ones.
    Admin,
    /// Decides about every chat that is not private.
    Owner,
}

impl Level {
    /// The name on the wire and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Level::User => "user",
            Level::Moderator => "moderator",
            Level::Admin => "admin",
            Level::Owner => "owner",
        }
    }
}

/// The code of an invite. The Portal lists codes, so they are kept as they are; of all other invites there is only the
/// hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The code.
    pub text: Box<str>,
    /// Who made the invite, which need not be the owner; `None` once their traces were erased.
    pub created_by: Option<Did>,
}

/// Somebody who is logged in. What their cookie says is kept as its hash alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who.
    pub did: Did,
    /// Until when.
    pub expires_at: i64,
}
