//! Rows of the Portal: chats, the codes of their invites, who has a number there, and who is logged in.
//!
//! A chat is a space and its invites are invites of that space, so that all that is here is what the Portal knows
//! beside. Times are in milliseconds since the epoch. Spec: RULES §6.

use serde::{Deserialize, Serialize};

use super::keys::SpaceId;
use crate::syntax::{Did, Nsid, RecordKey};

/// The type of the spaces that are chats.
pub const CHAT_TYPE: &str = "app.guestlist.portal.chat";

/// Characters of a chat's name.
pub const NAME_MAX: usize = 64;

/// What the characters of a code are (RULES §6).
pub const CODE_ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Characters of a code: 82 bits.
pub const CODE_LEN: usize = 16;

/// Whether a text could be a code.
pub fn is_code(text: &str) -> bool {
    text.len() == CODE_LEN && text.bytes().all(|byte| CODE_ALPHABET.contains(&byte))
}

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

    /// Whether a space is of the type of chats.
    pub fn is_in(space: &SpaceId) -> bool {
        space.kind.as_str() == CHAT_TYPE
    }

    /// The number of the chat that is in this place, if there is one.
    pub fn number_in(space: &SpaceId) -> Option<u64> {
        let number = space.key.as_str().parse().ok()?;
        (Self::place(&space.owner, number) == *space).then_some(number)
    }

    /// Whether a chat may be called so: something that can be seen, on one line, and no longer than it should be.
    pub fn is_name(name: &str) -> bool {
        (1..=NAME_MAX).contains(&name.chars().count())
            && name.trim() == name
            && !name.chars().any(breaks_lines)
            && !name.chars().all(is_invisible)
    }
}

/// What ends a line, or turns what is around it.
fn breaks_lines(one: char) -> bool {
    one.is_control() || matches!(one, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What shows nothing where it stands alone.
fn is_invisible(one: char) -> bool {
    one.is_whitespace()
        || matches!(one, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}')
        || matches!(one, '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
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
