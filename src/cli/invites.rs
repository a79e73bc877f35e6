//! `guestlist invites`.

use clap::Subcommand;

use super::{DataDir, Failure};
use crate::control::Question;
use crate::identity::Resolver;
use crate::syntax::{AtUri, TokenHash};
use crate::tables::keys::SpaceId;

/// Hexadecimal digits by which an invite can be named at least, so that nobody ends one by a slip of the finger.
const DIGITS_MIN: usize = 8;

/// Look at the invites of a space, end one, or pause them all
///
/// A space is named by its AT-URI: of a jam, an official round or an event the URI of the record; of one that was made by
/// hand the URI that it got, as in at://did:plc:…/tools.atmo.event.space/self. What is done here is done as the
/// operator, and so it stands in the audit. Works alone and beside a running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Invites {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the invites of a space, newest first
    ///
    /// Of each the beginning of its hash, what one becomes by it, how often it was used and may be, when it expires, its
    /// state and its note. The states: active; revoked; expired; used up; paused, by `invites pause`; not live, while
    /// the record of the space is not there, or the account of its owner or of who made the invite is not active. A token
    /// is kept nowhere; the codes of chats are, and `export --procedures` has them.
    List {
        #[command(flatten)]
        store: DataDir,
        /// Print JSON, one invite a line, as the query rsvp.atmo.space.invite.list answers it
        #[arg(long)]
        json: bool,
        /// The space
        #[arg(value_parser = parse_space)]
        space: SpaceId,
    },
    /// End an invite for good
    ///
    /// Nobody joins by it any more; who joined stays. It can be done twice.
    Revoke {
        #[command(flatten)]
        store: DataDir,
        /// The space
        #[arg(value_parser = parse_space)]
        space: SpaceId,
        /// The hash of the invite's token, or so much of its beginning as `invites list` prints
        #[arg(value_parser = parse_hash)]
        hash: String,
    },
    /// Keep everybody from joining a space by an invite, until it is resumed
    ///
    /// Its invites stay as they are, and its owner can still put people in. Also where the record of the space is not
    /// there at the moment.
    Pause {
        #[command(flatten)]
        store: DataDir,
        /// The space
        #[arg(value_parser = parse_space)]
        space: SpaceId,
    },
    /// Let people join a space by its invites again
    Resume {
        #[command(flatten)]
        store: DataDir,
        /// The space
        #[arg(value_parser = parse_space)]
        space: SpaceId,
    },
}

impl Invites {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (store, question) = match self.action {
            Action::List { store, json, space } => (store, Question::Invites { space: space.uri(), json }),
            Action::Revoke { store, space, hash } => {
                (store, Question::Revoke { space: space.uri(), invite: hash })
            }
            Action::Pause { store, space } => (store, Question::Pause { space: space.uri(), paused: true }),
            Action::Resume { store, space } => (store, Question::Pause { space: space.uri(), paused: false }),
        };
        store.ask(&question, &Resolver::default())
    }
}

/// The place of a space.
pub(super) fn parse_space(text: &str) -> Result<SpaceId, String> {
    let uri = AtUri::parse(text).map_err(|error| error.to_string())?;
    SpaceId::from_uri(&uri)
        .ok_or_else(|| "no place of a space: it is at://, a DID, a type and a key, with / between".to_owned())
}

fn parse_hash(text: &str) -> Result<String, String> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_beginning = text.len() >= DIGITS_MIN && text.bytes().all(is_digit);
    if TokenHash::parse(text).is_ok() || is_beginning && text.len() < 64 {
        Ok(text.to_owned())
    } else {
        Err(format!("no hash of a token: {DIGITS_MIN} to 64 hexadecimal digits in lowercase"))
    }
}
