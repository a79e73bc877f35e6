//! One client with the people that it speaks for: what it does next, and what it was told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use guestlist::syntax::TokenHash;
use serde_json::{Value, json};

use super::Numbers;
use super::acts::{Act, Call, of_space};
use super::model::{Estate, MAX_USES, Space, chat_of, event_of, number_of};
use super::sessions::{OF_ONE_MAX, Sessions};
use crate::tokens::{Answer, Client, Person};

/// Spaces of a garden, and chats.
const KEYS: usize = 3;
const CHATS: usize = 4;

/// Acknowledged calls that are made once more after a kill.
const REMEMBERED: usize = 12;

pub(super) struct Garden {
    pub(super) owner: Person,
    guests: Vec<Person>,
    numbers: Numbers,
    /// What was acknowledged.
    pub(super) estate: Estate,
    pub(super) sessions: Sessions,
    /// The numbers of all chats that there ever were.
    pub(super) chats: BTreeSet<u64>,
    /// Tokens of invites by their hashes, codes among them.
    tokens: BTreeMap<String, String>,
    /// The call of which no answer came.
    pub(super) lost: Option<Call>,
    /// The last calls that were answered.
    pub(super) acknowledged: VecDeque<Call>,
    pub(super) done: BTreeMap<&'static str, u64>,
    pub(super) calls: u64,
    /// Who asked to use the invite that is shared, who was told that they did, and whether somebody was refused.
    pub(super) shared_asked: BTreeSet<String>,
    pub(super) shared_told: BTreeSet<String>,
    pub(super) shared_refused: bool,
}

impl Garden {
    pub(super) fn new((number, people): (usize, &[Person])) -> Self {
        Self {
            owner: people[0].clone(),
            guests: people[1..].to_vec(),
            numbers: Numbers(number as u64 + 1),
            estate: Estate::default(),
            sessions: Sessions::default(),
            chats: BTreeSet::new(),
            tokens: BTreeMap::new(),
            lost: None,
            acknowledged: VecDeque::new(),
            done: BTreeMap::new(),
            calls: 0,
            shared_asked: BTreeSet::new(),
            shared_told: BTreeSet::new(),
            shared_refused: false,
        }
    }

    /// Calls until no answer comes.
    pub(super) fn grow(&mut self, client: &Client, shared: &str, calls: &AtomicU64) {
        self.shared_asked.clear();
        self.shared_told.clear();
        (self.shared_refused, self.calls) = (false, 0);
        // Far more than are made before a kill.
        for _ in 0..100_000 {
            let act = self.act();
            let call = self.call(act, shared);
            if let Act::Share { who } = &call.act {
                self.shared_asked.insert(who.clone());
            }
            let Some(answer) = call.send(client) else {
                self.lost = Some(call);
                return;
            };
            self.calls += 1;
            calls.fetch_add(1, Ordering::Relaxed);
            self.heard(&call, &answer);
            if call.counts_once() {
                self.acknowledged.push_back(call);
            }
            if self.acknowledged.len() > REMEMBERED {
                self.acknowledged.pop_front();
            }
        }
        panic!("nobody killed it");
    }

    /// Compares an answer with what it must be, and keeps what was done.
    pub(super) fn heard(&mut self, call: &Call, answer: &Answer) {
        let (act, error) = (&call.act, call.error(answer));
        if let Act::Share { who } = act {
            if answer.status == 200 {
                self.shared_told.insert(who.clone());
                *self.done.entry(act.name()).or_default() += 1;
            } else {
                assert_eq!(error, "InvalidInvite", "{}", answer.body);
                self.shared_refused = true;
            }
            return;
        }
        let expected = self.estate.outcome(act).err().unwrap_or_default();
        assert_eq!(
            (&*error, answer.status == 200),
            (expected, expected.is_empty()),
            "{act:?}: {}",
            answer.body
        );
        if expected.is_empty() {
            *self.done.entry(act.name()).or_default() += 1;
            self.keep(act, answer);
        }
    }

    /// Keeps what was done, of which the answer says more than was asked for.
    fn keep(&mut self, act: &Act, answer: &Answer) {
        let said = answer.json();
        match act {
            Act::Invite(space) => {
                let hash = self.keep_token(space, &said["token"]);
                assert_eq!(said["invite"]["tokenHash"], hash);
            }
            Act::Code(space) => {
                let made = json!([self.sessions.users[&self.owner.did], number_of(space), 0, MAX_USES]);
                assert_eq!(
                    json!([said["created_by_id"], said["chat_id"], said["uses"], said["max_uses"]]),
                    made
                );
                self.keep_token(space, &said["code"]);
            }
            Act::Chat => {
                let number = said["chat_id"].as_u64().unwrap();
                assert!(self.chats.insert(number), "chat {number} is given twice");
                self.estate.spaces.insert(chat_of(&self.owner.did, number), Space::default());
            }
            Act::Resolve { space, who, .. } => {
                let was_in = self.estate.spaces[space].members.contains_key(who);
                assert_eq!(said["joined"], !was_in, "{said}");
                assert_eq!(said["chat_id"].as_u64(), number_of(space));
                self.estate.apply(act);
            }
            Act::LogIn { who } => self.sessions.opened(who, answer),
            Act::LogOut { secret } => self.sessions.ended(secret),
            act => self.estate.apply(act),
        }
    }

    fn keep_token(&mut self, space: &str, token: &Value) -> String {
        let token = token.as_str().unwrap();
        let hash = TokenHash::of(token).to_string();
        self.estate.add_invite(space, &hash);
        self.tokens.insert(hash.clone(), token.to_owned());
        hash
    }

    /// One of these by chance.
    fn one_of<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        (!items.is_empty()).then(|| items[self.numbers.below(items.len())].clone())
    }

    /// An invite of a space by chance.
    fn hash_in(&mut self, space: &str) -> Option<String> {
        let there = self.estate.spaces.get(space);
        let invites: Vec<_> = there.into_iter().flat_map(|space| space.invites.keys().cloned()).collect();
        self.one_of(&invites)
    }

    /// Something by chance.
    fn act(&mut self) -> Act {
        let chats: Vec<_> = self.estate.chats().map(|number| chat_of(&self.owner.did, number)).collect();
        let place = format!("at://{}/tools.atmo.event.space/k{}", self.owner.did, self.numbers.below(KEYS));
        let who = self.guests[self.numbers.below(self.guests.len())].did.clone();
        // A chat is a space as well.
        let chat = self.one_of(&chats);
        let space = chat.clone().filter(|_| self.numbers.below(4) == 0).unwrap_or_else(|| place.clone());
        let hash = self.hash_in(&space);
        match (self.numbers.below(40), hash) {
            (0..2, _) => Act::Make(place),
            (2, _) => Act::Delete(place),
            (3..8, _) => Act::Invite(place),
            (8..11, Some(hash)) => Act::Revoke { space, hash },
            (11..13, _) => Act::Add { space, who, perms: "read" },
            (13..15, _) => Act::Add { space, who, perms: "write" },
            (15..17, _) => Act::Remove { space, who },
            (17..19, _) => Act::Leave { space, who },
            // Of one whose answer was lost nobody has the token.
            (19..23, Some(hash)) if self.tokens.contains_key(&hash) => Act::Redeem { space, hash, who },
            (23..28, _) => Act::Share { who },
            (28..31, _) => self.act_on_event(who),
            (31.., _) => self.act_in_portal(chat, chats.len(), who),
            _ => Act::Make(place),
        }
    }

    fn act_on_event(&mut self, who: String) -> Act {
        let number = self.numbers.below(1_000);
        let aturi = format!("at://{}/com.example.ticket/{number}", self.owner.did);
        let linked = self.estate.tickets.get(&who).map(|(aturi, _)| aturi.clone());
        match number % 10 {
            0..2 => Act::Configure { setting: "requireConfirmedEmail", value: (number % 20 < 10).into() },
            2 => Act::Configure { setting: "disableDirectRsvp", value: (number % 20 < 10).into() },
            3 => Act::Configure { setting: "rsvpRedirectUrl", value: "".into() },
            4 => {
                let url = format!("https://tickets.example/{number}");
                Act::Configure { setting: "rsvpRedirectUrl", value: url.into() }
            }
            5..7 => Act::Link { who, aturi },
            // Mostly what they were shown.
            7 => Act::Confirm { who, aturi },
            _ => {
                let shown = self.estate.tickets.iter().map(|(who, (aturi, _))| (who.clone(), aturi.clone()));
                let shown: Vec<_> = shown.collect();
                match (linked, self.one_of(&shown)) {
                    (Some(aturi), _) => Act::Confirm { who, aturi },
                    (None, Some((who, aturi))) => Act::Confirm { who, aturi },
                    (None, None) => Act::Link { who, aturi },
                }
            }
        }
    }

    fn act_in_portal(&mut self, chat: Option<String>, chats: usize, who: String) -> Act {
        let what = self.numbers.below(20);
        let hash = chat.as_ref().and_then(|chat| self.hash_in(chat));
        let hash = hash.filter(|hash| self.tokens.contains_key(hash));
        let act = match (what, chat, hash) {
            (0, Some(chat), _) if chats > 1 => Act::Delete(chat),
            (1..3, _, _) if chats < CHATS => Act::Chat,
            (3..9, Some(space), _) => Act::Code(space),
            (9..10, Some(space), Some(hash)) => Act::End { space, hash },
            (10..16, Some(space), Some(hash)) => {
                // Mostly one who is logged in, for else they log in first.
                let is_in = |guest: &&Person| !self.sessions.of(&guest.did).is_empty();
                let those: Vec<_> = self.guests.iter().filter(is_in).map(|guest| guest.did.clone()).collect();
                let who = self.one_of(&those).filter(|_| what > 10).unwrap_or(who);
                Act::Resolve { space, hash, who }
            }
            (16..18, _, _) => Act::LogIn { who },
            (18.., _, _) => {
                let open: Vec<_> =
                    self.guests.iter().flat_map(|guest| self.sessions.of(&guest.did)).cloned().collect();
                self.one_of(&open).map_or(Act::LogIn { who }, |secret| Act::LogOut { secret })
            }
            (_, None, _) => Act::Chat,
            (_, Some(space), _) => Act::Code(space),
        };
        self.logged_in(act)
    }

    /// The same, or a log in where nobody could do it yet; and a log out where somebody has many sessions.
    fn logged_in(&self, act: Act) -> Act {
        let who = match &act {
            Act::Chat | Act::Code(_) | Act::End { .. } => &self.owner.did,
            Act::Resolve { who, .. } => who,
            Act::LogIn { who } if self.sessions.of(who).len() == OF_ONE_MAX => {
                return Act::LogOut { secret: self.sessions.of(who)[0].clone() };
            }
            _ => return act,
        };
        if self.sessions.of(who).is_empty() { Act::LogIn { who: who.clone() } } else { act }
    }

    fn person(&self, did: &str) -> &Person {
        [&self.owner].into_iter().chain(&self.guests).find(|person| person.did == did).unwrap()
    }

    /// How an act is asked for.
    fn call(&self, act: Act, shared: &str) -> Call {
        match &act {
            Act::Chat | Act::Code(_) | Act::End { .. } | Act::Resolve { .. } | Act::LogOut { .. } => {
                self.visit(act)
            }
            Act::LogIn { who } => Call::log_in(self.person(who)),
            _ => {
                let (method, input) = self.words(&act, shared);
                let who = match &act {
                    Act::Redeem { who, .. }
                    | Act::Leave { who, .. }
                    | Act::Share { who }
                    | Act::Confirm { who, .. } => self.person(who),
                    _ => &self.owner,
                };
                Call::of(who, method, input, act)
            }
        }
    }

    /// A call of the Portal, by the last session that somebody has.
    fn visit(&self, act: Act) -> Call {
        let of = |did: &str| self.sessions.of(did).last().unwrap().clone();
        let chat = |space: &str| format!("/chats/{}", number_of(space).unwrap());
        let (secret, verb, path, input) = match &act {
            Act::Chat => (
                of(&self.owner.did),
                "POST",
                "/chats".to_owned(),
                json!({ "name": "Tea", "visibility": "public" }),
            ),
            Act::Code(space) => {
                let path = format!("{}/invites", chat(space));
                (of(&self.owner.did), "POST", path, json!({ "max_uses": MAX_USES }))
            }
            Act::End { space, hash } => {
                let path = format!("{}/invites/{}/delete", chat(space), self.tokens[hash]);
                (of(&self.owner.did), "POST", path, Value::Null)
            }
            Act::Resolve { hash, who, .. } => {
                (of(who), "POST", format!("/resolve/{}", self.tokens[hash]), Value::Null)
            }
            Act::LogOut { secret } => (secret.clone(), "DELETE", "/session".to_owned(), Value::Null),
            act => panic!("{act:?} is no call of the Portal"),
        };
        Call::visit(&secret, verb, path, input, act)
    }

    /// The method of an act and its input.
    fn words(&self, act: &Act, shared: &str) -> (&'static str, Value) {
        let event = event_of(&self.owner.did);
        match act {
            Act::Make(space) => {
                let key = space.rsplit('/').next().unwrap();
                ("rsvp.atmo.space.admin.createSpace", json!({ "key": key }))
            }
            Act::Delete(space) => ("rsvp.atmo.space.admin.deleteSpace", of_space(space, json!({}))),
            Act::Invite(space) => {
                ("rsvp.atmo.space.invite.create", of_space(space, json!({ "maxUses": MAX_USES })))
            }
            Act::Redeem { hash, .. } => {
                ("rsvp.atmo.space.invite.redeem", json!({ "token": self.tokens[hash] }))
            }
            Act::Revoke { space, hash } => {
                ("rsvp.atmo.space.invite.revoke", of_space(space, json!({ "tokenHash": hash })))
            }
            Act::Add { space, who, perms } => {
                let input = of_space(space, json!({ "did": who, "perms": perms }));
                ("rsvp.atmo.space.admin.addMember", input)
            }
            Act::Remove { space, who } => {
                ("rsvp.atmo.space.admin.removeMember", of_space(space, json!({ "did": who })))
            }
            Act::Leave { space, .. } => ("rsvp.atmo.space.leaveSpace", of_space(space, json!({}))),
            Act::Share { .. } => ("rsvp.atmo.space.invite.redeem", json!({ "token": shared })),
            Act::Configure { setting, value } => {
                ("events.smokesignal.event.configure", json!({ "event": event, *setting: value }))
            }
            Act::Link { who, aturi } => {
                let input = json!({ "event": event, "did": who, "aturi": aturi });
                ("events.smokesignal.rsvp.linkAttestation", input)
            }
            Act::Confirm { aturi, .. } => {
                ("app.guestlist.confirmAttestation", json!({ "event": event, "aturi": aturi }))
            }
            act => panic!("{act:?} is no method"),
        }
    }
}
