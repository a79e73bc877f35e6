//! What can be asked of spaces, and what comes of it: values that cross from whoever asks to the writer and back.

use crate::syntax::{AtUri, Did, TokenHash};
use crate::tables::keys::{NonceId, RecordId, SpaceId};
use crate::tables::portal::{Chat, Visibility};
use crate::tables::spaces::{Invite, Made, Perms, SpaceTerms};
use crate::tables::tickets::{EventSettings, Ticket};

/// A command with the one who gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who.
    pub by: By,
    /// What.
    pub command: Command,
}

/// Who gives a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A person, as a service token proved.
    Caller {
        /// Who.
        did: Did,
        /// The token, which counts once.
        nonce: Nonce,
    },
    /// A person who is logged in to the Portal.
    Session {
        /// Who.
        did: Did,
        /// The hash of what their cookie says.
        hash: TokenHash,
    },
    /// Whoever runs this service.
    Operator,
}

impl By {
    /// The person who gives it; `None` for the operator.
    pub fn person(&self) -> Option<&Did> {
        match self {
            By::Caller { did, .. } | By::Session { did, .. } => Some(did),
            By::Operator => None,
        }
    }
}

/// A service token that counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// What it is remembered by.
    pub id: NonceId,
    /// Until when it could be used again, in seconds since the epoch.
    pub expires: u64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Nothing: the caller asks a question, for which the token counts as used.
    Admit,
    /// Makes a space of the caller's.
    CreateSpace {
        /// Where.
        space: SpaceId,
        /// What its owner says of it.
        terms: SpaceTerms,
    },
    /// Removes a space that was made by hand, with all that is in it.
    DeleteSpace {
        /// Which.
        space: SpaceId,
    },
    /// Puts somebody into a space, or gives them other permissions.
    AddMember {
        /// Where.
        space: SpaceId,
        /// Whom.
        did: Did,
        /// As what.
        perms: Perms,
    },
    /// Puts somebody out.
    RemoveMember {
        /// Of where.
        space: SpaceId,
        /// Whom.
        did: Did,
    },
    /// The caller leaves a space.
    Leave {
        /// Which.
        space: SpaceId,
    },
    /// Makes an invite.
    CreateInvite {
        /// To where.
        space: SpaceId,
        /// The hash of its token, which the caller alone gets.
        hash: TokenHash,
        /// What it says.
        terms: InviteTerms,
    },
    /// Makes an invite by a code, which is kept as it is.
    CreateCode {
        /// To where.
        space: SpaceId,
        /// The code.
        code: Box<str>,
        /// What it says.
        terms: InviteTerms,
    },
    /// Uses an invite.
    Redeem {
        /// The hash of its token.
        hash: TokenHash,
    },
    /// Ends an invite.
    Revoke {
        /// Of which space.
        space: SpaceId,
        /// The hash of its token.
        hash: TokenHash,
    },
    /// Opens a session of the caller's in the Portal.
    OpenSession {
        /// The hash of what its cookie will say.
        hash: TokenHash,
        /// Until when, in milliseconds since the epoch.
        expires_at: i64,
        /// The session that the caller had until now, which ends.
        instead_of: Option<TokenHash>,
    },
    /// Ends the session by which it is asked.
    EndSession,
    /// Makes a chat of the caller's.
    CreateChat {
        /// What it is called.
        name: Box<str>,
        /// Who sees it.
        visibility: Visibility,
    },
    /// Sets up an event.
    Configure {
        /// Which.
        event: RecordId,
        /// What is to be another than before.
        change: EventSettings,
    },
    /// Gives somebody a ticket for an event.
    Link {
        /// For which.
        event: RecordId,
        /// Whom.
        did: Did,
        /// The record that attests it.
        attestation: AtUri,
    },
    /// Confirms the caller's ticket for an event.
    Confirm {
        /// For which.
        event: RecordId,
        /// What they have been shown: with another attestation it is not confirmed.
        attestation: Option<AtUri>,
    },
    /// Keeps everybody from joining by an invite, or no longer. The operator's alone.
    Pause {
        /// Which space.
        space: SpaceId,
        /// Whether it is to be paused.
        paused: bool,
    },
    /// Erases a person's traces: their spaces, memberships and uses of invites. The operator's alone. What the audit
    /// says of them is for [`Command::EraseAudit`].
    Erase {
        /// Whose.
        did: Did,
    },
    /// Erases a person from the audit, some entries at a time. The operator's alone.
    EraseAudit {
        /// Whom.
        did: Did,
        /// The number of the entry to begin with.
        from: u64,
    },
    /// Removes the oldest entries of the audit, some at a time. The operator's alone.
    Retain {
        /// Entries from before this go, in milliseconds since the epoch.
        since: i64,
    },
}

impl Command {
    /// Whether it can be given like this, whatever it is about.
    pub(super) fn is_for(&self, by: &By) -> bool {
        match self {
            Command::Pause { .. }
            | Command::Erase { .. }
            | Command::EraseAudit { .. }
            | Command::Retain { .. } => *by == By::Operator,
            Command::Admit
            | Command::CreateCode { .. }
            | Command::Redeem { .. }
            | Command::Revoke { .. }
            | Command::EndSession
            | Command::CreateChat { .. } => true,
            // A browser sends its cookie along, whoever wrote the page: it opens the Portal and nothing else. So levels, too,
            // are about the invites of chats alone.
            Command::CreateSpace { .. }
            | Command::DeleteSpace { .. }
            | Command::AddMember { .. }
            | Command::RemoveMember { .. }
            | Command::Leave { .. }
            | Command::CreateInvite { .. }
            | Command::OpenSession { .. }
            | Command::Configure { .. }
            | Command::Link { .. }
            | Command::Confirm { .. } => !matches!(by, By::Session { .. }),
        }
    }
}

/// What an invite says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteTerms {
    /// What one becomes.
    pub perms: Perms,
    /// How many it is for.
    pub max_uses: Option<u64>,
    /// When it ends, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// What its owner wrote on it.
    pub note: Option<Box<str>>,
}

/// What came of a command.
pub type Answer = Result<Done, Refusal>;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// What was asked for.
    Admitted,
    /// A space was made.
    Space(Made),
    /// An invite was made.
    Invite(Box<Invite>),
    /// The caller is a member.
    Joined {
        /// Of what.
        space: SpaceId,
        /// What they may do.
        perms: Perms,
        /// They were not in it before.
        is_new: bool,
    },
    /// A session was opened.
    Session {
        /// The number of whom it is.
        user: u64,
    },
    /// A chat was made.
    Chat {
        /// Its number.
        number: u64,
        /// When it was made, in milliseconds since the epoch.
        made_at: i64,
        /// The chat.
        chat: Box<Chat>,
    },
    /// A ticket was confirmed.
    Ticket(Box<Ticket>),
    /// It was done, or `false` where it was so already.
    Changed(bool),
    /// So many rows were erased or removed, and whether and where it goes on.
    Swept {
        /// How many.
        count: u64,
        /// The number of the next entry of the audit, if there are more.
        next: Option<u64>,
    },
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token was used before.
    Replayed,
    /// The session has ended, or never was.
    NoSession,
    /// The caller's account is not active.
    Inactive,
    /// There is no such space.
    SpaceNotFound,
    /// The space has no such invite.
    InviteNotFound,
    /// The caller may not do this.
    Forbidden,
    /// There is a space there already.
    AlreadyExists,
    /// A record would be there: such a space exists when its record does.
    IsRecords,
    /// A chat would be there: the Portal makes those.
    IsChats,
    /// There is no such event.
    EventNotFound,
    /// The caller has no such ticket.
    TicketNotFound,
    /// There are as many as there may be.
    Quota,
    /// The invite ends before it begins.
    Ended,
    /// The token is none, or none any more: nobody is told which.
    InvalidInvite,
    /// The owner is always in the space.
    IsOwner,
}
