//! Lines of chats, codes, users, and of the last numbers that chats and users got. Sessions have none, as used tokens have
//! none: they mean something for hours.

use serde::{Deserialize, Serialize};

use super::{LineError, Row, space_of, within};
use crate::syntax::{Did, TokenHash};
use crate::tables::keys::MetaKey;
use crate::tables::portal::{Chat, Code, Visibility};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChatLine {
    chat: u64,
    space_uri: String,
    name: Box<str>,
    visibility: Visibility,
}

impl ChatLine {
    pub(super) fn of(number: u64, chat: Chat) -> Self {
        let Chat { space, name, visibility } = chat;
        Self { chat: number, space_uri: space.uri(), name, visibility }
    }

    pub(super) fn row(self) -> Result<Row, LineError> {
        let space = space_of(&self.space_uri)?;
        let number = within(self.chat, "chat")?;
        if Chat::place(&space.owner, number) != space {
            return Err(LineError::Bad("chat: its space is another's"));
        }
        Ok(Row::Chat(number, Chat { space, name: self.name, visibility: self.visibility }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CodeLine {
    code: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Did>,
}

impl CodeLine {
    pub(super) fn of(code: Code) -> Self {
        Self { code: code.text, created_by: code.created_by }
    }

    pub(super) fn row(self) -> Row {
        Row::Code(TokenHash::of(&self.code), Code { text: self.code, created_by: self.created_by })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UserLine {
    user: Did,
    number: u64,
}

impl UserLine {
    pub(super) fn of(did: Did, number: u64) -> Self {
        Self { user: did, number }
    }

    pub(super) fn row(self) -> Result<Row, LineError> {
        Ok(Row::User(self.user, within(self.number, "number")?))
    }
}

/// What has numbers that are given once and to nothing else after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbered {
    /// Chats.
    Chat,
    /// People who log in.
    User,
}

impl Numbered {
    pub(super) const ALL: [Self; 2] = [Self::Chat, Self::User];

    /// Where the last number is kept.
    pub(in crate::spaces) fn key(self) -> MetaKey {
        match self {
            Numbered::Chat => MetaKey::LastChat,
            Numbered::User => MetaKey::LastUser,
        }
    }
}

/// The last number may be less than this: half of what a line can have, so that nothing runs over.
const LAST_MAX: u64 = 1 << 52;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LastLine {
    last: Numbered,
    number: u64,
}

impl LastLine {
    pub(super) fn of(last: Numbered, number: u64) -> Self {
        Self { last, number }
    }

    pub(super) fn row(self) -> Result<Row, LineError> {
        // The next one has a line too; and where none was given there is no line.
        let is_one = (1..LAST_MAX).contains(&self.number);
        if is_one { Ok(Row::Last(self.last, self.number)) } else { Err(LineError::Bad("number")) }
    }
}
