//! What a daemon has acknowledged to one owner: their spaces and chats with invites and members, how their event is set
//! up and its tickets, and what each call does to all that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::acts::Act;
use crate::tokens::{Client, Person, exchange, request};

/// Active invites of a space.
const ACTIVE_MAX: usize = 20;

/// For how many an invite is.
pub(super) const MAX_USES: usize = 3;

/// The type of a space that is a chat.
const CHAT: &str = "app.guestlist.portal.chat";

const EVENT: &str = "community.lexicon.calendar.event";

/// What an owner has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Estate {
    pub(super) spaces: BTreeMap<String, Space>,
    /// How the event is set up, by the names of an event's view.
    settings: BTreeMap<String, Value>,
    /// By whose they are: the record that attests it, and whether it is confirmed.
    pub(super) tickets: BTreeMap<String, (String, bool)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Space {
    /// By the hash of the token: who used it, and whether it is revoked.
    pub(super) invites: BTreeMap<String, (BTreeSet<String>, bool)>,
    pub(super) members: BTreeMap<String, String>,
}

impl Space {
    fn is_active(invite: &(BTreeSet<String>, bool)) -> bool {
        !invite.1 && invite.0.len() < MAX_USES
    }
}

/// The event of an owner.
pub(super) fn event_of(owner: &str) -> String {
    format!("at://{owner}/{EVENT}/party")
}

/// Where the chat of an owner with a number is.
pub(super) fn chat_of(owner: &str, number: u64) -> String {
    format!("at://{owner}/{CHAT}/{number}")
}

/// The number of a space that is a chat.
pub(super) fn number_of(space: &str) -> Option<u64> {
    space.split_once(CHAT)?.1.strip_prefix('/')?.parse().ok()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Estate {
    /// What the daemon has.
    pub(super) fn read(client: &Client, owner: &Person) -> Self {
        let (settings, tickets) = read_event(client, owner);
        Self { spaces: read_spaces(client, owner), settings, tickets }
    }

    /// The numbers of the chats.
    pub(super) fn chats(&self) -> impl Iterator<Item = u64> {
        self.spaces.keys().filter_map(|space| number_of(space))
    }

    /// What there is after something was done. Which hash a new invite has, and which number a new chat, is known from
    /// what is there, `real`.
    pub(super) fn after(&self, act: &Act, real: &Self) -> Self {
        let mut after = self.clone();
        if self.outcome(act).is_err() {
            return after;
        }
        match act {
            Act::Invite(space) | Act::Code(space) => {
                let known = self.spaces.get(space).map(|space| &space.invites);
                let is_new = |hash: &&String| known.is_some_and(|known| !known.contains_key(*hash));
                let hashes = real.spaces.get(space).into_iter().flat_map(|space| space.invites.keys());
                if let Some(hash) = hashes.into_iter().find(is_new) {
                    after.add_invite(space, hash);
                }
            }
            Act::Chat => {
                let is_new =
                    |space: &&String| number_of(space).is_some() && !self.spaces.contains_key(*space);
                if let Some(space) = real.spaces.keys().find(is_new) {
                    after.spaces.insert(space.clone(), Space::default());
                }
            }
            act => after.apply(act),
        }
        after
    }

    pub(super) fn add_invite(&mut self, space: &str, hash: &str) {
        self.spaces.get_mut(space).unwrap().invites.insert(hash.to_owned(), Default::default());
    }

    /// What must be answered: nothing, or an error.
    pub(super) fn outcome(&self, act: &Act) -> Result<(), &'static str> {
        let there = |space: &String| self.spaces.get(space).ok_or("NotFound");
        match act {
            Act::Make(space) if self.spaces.contains_key(space) => Err("AlreadyExists"),
            Act::Invite(space) | Act::Code(space) => {
                let active = there(space)?.invites.values().filter(|invite| Space::is_active(invite)).count();
                if active < ACTIVE_MAX { Ok(()) } else { Err("QuotaExceeded") }
            }
            Act::Redeem { space, hash, who } | Act::Resolve { space, hash, who } => {
                let space = self.spaces.get(space).ok_or("InvalidInvite")?;
                let invite = space.invites.get(hash).ok_or("InvalidInvite")?;
                let has = space.members.get(who);
                let good = if invite.0.contains(who) { has.is_some() } else { Space::is_active(invite) };
                if good { Ok(()) } else { Err("InvalidInvite") }
            }
            Act::Revoke { space, hash } | Act::End { space, hash } => {
                there(space)?.invites.get(hash).map(|_| ()).ok_or("NotFound")
            }
            Act::Delete(space)
            | Act::Add { space, .. }
            | Act::Remove { space, .. }
            | Act::Leave { space, .. } => there(space).map(|_| ()),
            Act::Confirm { who, aturi } => {
                let ticket = self.tickets.get(who).filter(|(linked, _)| linked == aturi);
                ticket.map(|_| ()).ok_or("NotFound")
            }
            Act::Make(_)
            | Act::Share { .. }
            | Act::Chat
            | Act::LogIn { .. }
            | Act::LogOut { .. }
            | Act::Configure { .. }
            | Act::Link { .. } => Ok(()),
        }
    }

    /// Does what succeeds. An invite and a chat are made elsewhere.
    pub(super) fn apply(&mut self, act: &Act) {
        match act {
            Act::Make(space) => drop(self.spaces.insert(space.clone(), Space::default())),
            Act::Delete(space) => drop(self.spaces.remove(space)),
            Act::Redeem { space, hash, who } | Act::Resolve { space, hash, who } => {
                let space = self.spaces.get_mut(space).unwrap();
                let (used, _) = space.invites.get_mut(hash).unwrap();
                if !used.contains(who) && space.members.get(who).is_none_or(|perms| perms == "read") {
                    used.insert(who.clone());
                    space.members.insert(who.clone(), "write".to_owned());
                }
            }
            Act::Revoke { space, hash } | Act::End { space, hash } => {
                self.spaces.get_mut(space).unwrap().invites.get_mut(hash).unwrap().1 = true;
            }
            Act::Add { space, who, perms } => {
                self.spaces.get_mut(space).unwrap().members.insert(who.clone(), (*perms).to_owned());
            }
            Act::Remove { space, who } | Act::Leave { space, who } => {
                self.spaces.get_mut(space).unwrap().members.remove(who);
            }
            Act::Configure { setting, value } => {
                if value == "" {
                    self.settings.remove(*setting);
                } else {
                    self.settings.insert((*setting).to_owned(), value.clone());
                }
            }
            Act::Link { who, aturi } => {
                let ticket = self.tickets.entry(who.clone()).or_default();
                if ticket.0 != *aturi {
                    *ticket = (aturi.clone(), false);
                }
            }
            Act::Confirm { who, .. } => self.tickets.get_mut(who).unwrap().1 = true,
            Act::Invite(_)
            | Act::Code(_)
            | Act::Chat
            | Act::Share { .. }
            | Act::LogIn { .. }
            | Act::LogOut { .. } => {}
        }
    }
}

/// The spaces that were made by hand, chats among them, with all that is in them.
fn read_spaces(client: &Client, owner: &Person) -> BTreeMap<String, Space> {
    let mut spaces = BTreeMap::new();
    for space in client.list(owner, "rsvp.atmo.space.listSpaces", "spaces", "scope=owner&limit=2") {
        let uri = text(&space["uri"]);
        if uri == event_of(&owner.did) {
            continue;
        }
        let params = format!("spaceUri={uri}&includeRevoked=true&limit=5");
        let mut found = Space::default();
        for invite in client.list(owner, "rsvp.atmo.space.invite.list", "invites", &params) {
            let used = invite["redeemedBy"].as_array().cloned().unwrap_or_default();
            let used: BTreeSet<_> = used.iter().map(|by| text(&by["did"])).collect();
            assert_eq!(invite["usedCount"], used.len(), "{invite}");
            let revoked = invite.get("revokedAt").is_some();
            assert!(found.invites.insert(text(&invite["tokenHash"]), (used, revoked)).is_none());
        }
        let params = format!("spaceUri={uri}&limit=5");
        for member in client.list(owner, "rsvp.atmo.space.listMembers", "members", &params) {
            let (did, perms) = (text(&member["did"]), text(&member["perms"]));
            if did != owner.did {
                assert!(found.members.insert(did, perms).is_none(), "a member twice");
            }
        }
        assert!(spaces.insert(uri, found).is_none(), "a space twice");
    }
    spaces
}

/// How the event is set up, and its tickets.
fn read_event(
    client: &Client,
    owner: &Person,
) -> (BTreeMap<String, Value>, BTreeMap<String, (String, bool)>) {
    let path = format!("community.lexicon.calendar.getEvent?repository={}&record_key=party", owner.did);
    let view = exchange(&client.address, &request(&path, None, None)).expect("an answer").done();
    let names = ["requireConfirmedEmail", "disableDirectRsvp", "rsvpRedirectUrl"];
    let settings = names.into_iter().filter_map(|name| Some((name.to_owned(), view.get(name)?.clone())));
    let params = format!("event={}&limit=7", event_of(&owner.did));
    let mut tickets = BTreeMap::new();
    for ticket in client.list(owner, "app.guestlist.listTickets", "tickets", &params) {
        let is_confirmed = ticket.get("confirmedAt").is_some();
        let before = tickets.insert(text(&ticket["did"]), (text(&ticket["aturi"]), is_confirmed));
        assert!(before.is_none(), "a ticket twice");
    }
    (settings.collect(), tickets)
}
