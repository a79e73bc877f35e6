//! What the Portal decides, rule by rule, as RULES §6 has it.

mod codes;
mod keeping;
mod managing;
mod races;
mod sessions;

use super::*;
use guestlist::spaces::chats::{self, Levels};
use guestlist::spaces::sessions as logged_in;
use guestlist::tables::portal::{Chat, Code, Level, Session, Visibility};
use guestlist::tables::{Chats, Codes, Users};

/// Every level, from that of everybody on.
const LEVELS: [Level; 4] = [Level::User, Level::Moderator, Level::Admin, Level::Owner];

/// Half a day.
const LONG: i64 = 12 * 3_600_000;

/// The hash of what the cookie of somebody says.
fn cookie(name: &str) -> TokenHash {
    hash(&format!("the cookie of {name}"))
}

/// A chat, as tests name it.
struct Room {
    number: u64,
    uri: String,
}

impl World {
    /// Says who has which level. Others are users.
    fn set_levels<const N: usize>(&mut self, levels: [(&str, Level); N]) {
        self.bounds.levels = levels.into_iter().map(|(name, level)| (did(name), level)).collect::<Levels>();
    }

    /// Opens a session with what this text says, instead of another one if there is one.
    fn open_session(&mut self, name: &str, secret: &str, instead_of: Option<&str>) -> Answer {
        let (hash, instead_of) = (hash(secret), instead_of.map(hash));
        let expires_at = self.now + LONG;
        self.ask(name, Command::OpenSession { hash, expires_at, instead_of })
    }

    /// Asks by a session.
    fn ask_with(&mut self, name: &str, hash: TokenHash, command: Command) -> Answer {
        self.request(&Request { by: By::Session { did: did(name), hash }, command })
    }

    /// Asks in the Portal, and logs in before if need be.
    fn ask_there(&mut self, name: &str, command: Command) -> Answer {
        let hash = cookie(name);
        if logged_in::of(&*self.store.snapshot(), hash, self.now).unwrap().is_none() {
            let _ = self.open_session(name, &format!("the cookie of {name}"), None);
        }
        self.ask_with(name, hash, command)
    }

    /// Makes a chat.
    fn make_chat(&mut self, owner: &str, visibility: Visibility) -> Answer {
        self.ask_there(owner, Command::CreateChat { name: "Friends".into(), visibility })
    }

    fn room(&mut self, owner: &str, visibility: Visibility) -> Room {
        let Ok(Done::Chat { number, chat, .. }) = self.make_chat(owner, visibility) else { panic!() };
        let uri = format!("at://did:plc:{owner}/app.guestlist.portal.chat/{number}");
        assert_eq!((chat.space.uri(), chat.visibility), (uri.clone(), visibility));
        Room { number, uri }
    }

    fn code_of(uri: &str, code: &str, terms: InviteTerms) -> Command {
        Command::CreateCode { space: space(uri), code: code.into(), terms }
    }

    /// Makes an invite in the Portal.
    fn code(&mut self, who: &str, room: &Room, code: &str, terms: InviteTerms) -> Answer {
        self.ask_there(who, Self::code_of(&room.uri, code, terms))
    }

    /// Joins in the Portal, and says whether they were not in it before.
    fn resolve(&mut self, who: &str, code: &str) -> Result<bool, Refusal> {
        self.ask_there(who, Command::Redeem { hash: hash(code) }).map(|done| match done {
            Done::Joined { is_new, .. } => is_new,
            other => panic!("{other:?}"),
        })
    }

    fn revoke_there(&mut self, who: &str, room: &Room, code: &str) -> Answer {
        self.ask_there(who, Command::Revoke { space: space(&room.uri), hash: hash(code) })
    }

    fn chat(&self, number: u64) -> Option<Chat> {
        self.store.snapshot().get::<Chats>(&number).unwrap()
    }

    fn stored_code(&self, code: &str) -> Option<Code> {
        self.store.snapshot().get::<Codes>(&hash(code)).unwrap()
    }

    fn user(&self, name: &str) -> Option<u64> {
        self.store.snapshot().get::<Users>(&did(name)).unwrap()
    }

    fn session(&self, secret: &str) -> Option<Session> {
        logged_in::of(&*self.store.snapshot(), hash(secret), self.now).unwrap()
    }
}

const FORBIDDEN: Answer = Err(Refusal::Forbidden);
