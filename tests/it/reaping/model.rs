//! What a daemon has acknowledged: spaces of one owner with their invites and members, and what each call does to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use guestlist::syntax::TokenHash;
use serde_json::{Value, json};

use super::Numbers;
use crate::tokens::{Answer, Client, Person};

/// Kinds of calls that succeed.
pub(super) const ACTS: usize = 9;

/// Active invites of a space, and spaces of a garden.
const ACTIVE_MAX: usize = 20;
const KEYS: usize = 3;

/// Acknowledged calls that are made once more after a kill.
const REMEMBERED: usize = 12;

const MAX_USES: usize = 3;

/// What an owner has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spaces(BTreeMap<String, Space>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Space {
    /// By the hash of the token: who used it, and whether it is revoked.
    invites: BTreeMap<String, (BTreeSet<String>, bool)>,
    members: BTreeMap<String, String>,
}

impl Space {
    fn is_active(invite: &(BTreeSet<String>, bool)) -> bool {
        !invite.1 && invite.0.len() < MAX_USES
    }
}

/// Something to do in a garden.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Make(String),
    Delete(String),
    Invite(String),
    Redeem {
        space: String,
        hash: String,
        who: String,
    },
    Revoke {
        space: String,
        hash: String,
    },
    Add {
        space: String,
        who: String,
        perms: &'static str,
    },
    Remove {
        space: String,
        who: String,
    },
    Leave {
        space: String,
        who: String,
    },
    /// By the invite that all gardens share.
    Share {
        who: String,
    },
}

/// A call as it goes out.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) token: String,
    pub(super) method: &'static str,
    pub(super) input: Value,
    pub(super) act: Act,
}

impl Spaces {
    /// What the daemon has.
    pub(super) fn read(client: &Client, owner: &Person) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut spaces = BTreeMap::new();
        for space in client.list(owner, "rsvp.atmo.space.listSpaces", "spaces", "scope=owner&limit=2") {
            let params = format!("spaceUri={}&includeRevoked=true&limit=5", text(&space["uri"]));
            let mut found = Space::default();
            for invite in client.list(owner, "rsvp.atmo.space.invite.list", "invites", &params) {
                let used = invite["redeemedBy"].as_array().cloned().unwrap_or_default();
                let used: BTreeSet<_> = used.iter().map(|by| text(&by["did"])).collect();
                assert_eq!(invite["usedCount"], used.len(), "{invite}");
                let revoked = invite.get("revokedAt").is_some();
                assert!(found.invites.insert(text(&invite["tokenHash"]), (used, revoked)).is_none());
            }
            let params = format!("spaceUri={}&limit=5", text(&space["uri"]));
            for member in client.list(owner, "rsvp.atmo.space.listMembers", "members", &params) {
                let (did, perms) = (text(&member["did"]), text(&member["perms"]));
                if did != owner.did {
                    assert!(found.members.insert(did, perms).is_none(), "a member twice");
                }
            }
            assert!(spaces.insert(text(&space["uri"]), found).is_none(), "a space twice");
        }
        Self(spaces)
    }

    /// What there is after something was done. Which hash a new invite has is known from what is there, `real`.
    pub(super) fn after(&self, act: &Act, real: &Self) -> Self {
        let mut after = self.clone();
        if let Act::Invite(space) = act {
            let known = self.0.get(space).map(|space| &space.invites);
            let is_new = |hash: &&String| known.is_some_and(|known| !known.contains_key(*hash));
            let hashes = real.0.get(space).into_iter().flat_map(|space| space.invites.keys());
            if let (Some(hash), Ok(())) = (hashes.into_iter().find(is_new), self.outcome(act)) {
                after.add_invite(space, hash);
            }
        } else if self.outcome(act).is_ok() {
            after.apply(act);
        }
        after
    }

    fn add_invite(&mut self, space: &str, hash: &str) {
        self.0.get_mut(space).unwrap().invites.insert(hash.to_owned(), Default::default());
    }

    /// What must be answered: nothing, or an error.
    fn outcome(&self, act: &Act) -> Result<(), &'static str> {
        let there = |space: &String| self.0.get(space).ok_or("NotFound");
        match act {
            Act::Make(space) if self.0.contains_key(space) => Err("AlreadyExists"),
            Act::Make(_) | Act::Share { .. } => Ok(()),
            Act::Invite(space) => {
                let active = there(space)?.invites.values().filter(|invite| Space::is_active(invite)).count();
                if active < ACTIVE_MAX { Ok(()) } else { Err("QuotaExceeded") }
            }
            Act::Redeem { space, hash, who } => {
                let space = self.0.get(space).ok_or("InvalidInvite")?;
                let invite = space.invites.get(hash).ok_or("InvalidInvite")?;
                let has = space.members.get(who);
                let good = if invite.0.contains(who) { has.is_some() } else { Space::is_active(invite) };
                if good { Ok(()) } else { Err("InvalidInvite") }
            }
            Act::Revoke { space, hash } => there(space)?.invites.get(hash).map(|_| ()).ok_or("NotFound"),
            Act::Delete(space)
            | Act::Add { space, .. }
            | Act::Remove { space, .. }
            | Act::Leave { space, .. } => there(space).map(|_| ()),
        }
    }

    /// Does what succeeds. An invite is made elsewhere.
    fn apply(&mut self, act: &Act) {
        match act {
            Act::Make(space) => drop(self.0.insert(space.clone(), Space::default())),
            Act::Delete(space) => drop(self.0.remove(space)),
            Act::Redeem { space, hash, who } => {
                let space = self.0.get_mut(space).unwrap();
                let (used, _) = space.invites.get_mut(hash).unwrap();
                if !used.contains(who) && space.members.get(who).is_none_or(|perms| perms == "read") {
                    used.insert(who.clone());
                    space.members.insert(who.clone(), "write".to_owned());
                }
            }
            Act::Revoke { space, hash } => {
                self.0.get_mut(space).unwrap().invites.get_mut(hash).unwrap().1 = true
            }
            Act::Add { space, who, perms } => {
                self.0.get_mut(space).unwrap().members.insert(who.clone(), (*perms).to_owned());
            }
            Act::Remove { space, who } | Act::Leave { space, who } => {
                self.0.get_mut(space).unwrap().members.remove(who);
            }
            Act::Invite(_) | Act::Share { .. } => {}
        }
    }
}

/// One client with the people that it speaks for.
pub(super) struct Garden {
    pub(super) owner: Person,
    guests: Vec<Person>,
    numbers: Numbers,
    /// What was acknowledged.
    pub(super) spaces: Spaces,
    /// Tokens of invites by their hashes.
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
            spaces: Spaces::default(),
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
    pub(super) fn grow(&mut self, client: &Client, shared: &str) {
        self.shared_asked.clear();
        self.shared_told.clear();
        (self.shared_refused, self.calls) = (false, 0);
        // Far more than are made before a kill.
        for _ in 0..100_000 {
            let call = self.next(shared);
            if let Act::Share { who } = &call.act {
                self.shared_asked.insert(who.clone());
            }
            let Some(answer) = client.call_with(&call.token, call.method, &call.input) else {
                self.lost = Some(call);
                return;
            };
            self.calls += 1;
            self.heard(&call.act, &answer);
            self.acknowledged.push_back(call);
            if self.acknowledged.len() > REMEMBERED {
                self.acknowledged.pop_front();
            }
        }
        panic!("nobody killed it");
    }

    /// Compares an answer with what it must be, and keeps what was done.
    pub(super) fn heard(&mut self, act: &Act, answer: &Answer) {
        if let Act::Share { who } = act {
            if answer.status == 200 {
                self.shared_told.insert(who.clone());
                *self.done.entry(act.name()).or_default() += 1;
            } else {
                assert_eq!(answer.error(), "InvalidInvite", "{}", answer.body);
                self.shared_refused = true;
            }
            return;
        }
        let expected = self.spaces.outcome(act).err().unwrap_or_default();
        assert_eq!(
            (answer.error().as_str(), answer.status == 200),
            (expected, expected.is_empty()),
            "{act:?}: {}",
            answer.body
        );
        if !expected.is_empty() {
            return;
        }
        *self.done.entry(act.name()).or_default() += 1;
        if let Act::Invite(space) = act {
            let made = answer.json();
            let token = made["token"].as_str().unwrap();
            let hash = TokenHash::of(token).to_string();
            assert_eq!(made["invite"]["tokenHash"], hash);
            self.spaces.add_invite(space, &hash);
            self.tokens.insert(hash, token.to_owned());
        } else {
            self.spaces.apply(act);
        }
    }

    fn next(&mut self, shared: &str) -> Call {
        let act = self.act();
        let (method, input) = self.words(&act, shared);
        let who = match &act {
            Act::Redeem { who, .. } | Act::Leave { who, .. } | Act::Share { who } => {
                self.guests.iter().find(|guest| guest.did == *who).unwrap()
            }
            _ => &self.owner,
        };
        Call { token: who.token(method), method, input, act }
    }

    /// Something by chance.
    fn act(&mut self) -> Act {
        let key = self.numbers.below(KEYS);
        let space = format!("at://{}/tools.atmo.event.space/k{key}", self.owner.did);
        let who = self.guests[self.numbers.below(self.guests.len())].did.clone();
        let hashes: Vec<String> = self
            .spaces
            .0
            .get(&space)
            .map(|space| space.invites.keys().cloned().collect())
            .unwrap_or_default();
        // Of one whose answer was lost nobody has the token.
        let hash = (!hashes.is_empty()).then(|| hashes[self.numbers.below(hashes.len())].clone());
        match (self.numbers.below(40), hash) {
            (0..2, _) => Act::Make(space),
            (2, _) => Act::Delete(space),
            (3..12, _) => Act::Invite(space),
            (12..16, Some(hash)) => Act::Revoke { space, hash },
            (16..18, _) => Act::Add { space, who, perms: "read" },
            (18..20, _) => Act::Add { space, who, perms: "write" },
            (20..23, _) => Act::Remove { space, who },
            (23..26, _) => Act::Leave { space, who },
            (26..32, Some(hash)) if self.tokens.contains_key(&hash) => Act::Redeem { space, hash, who },
            (32.., _) => Act::Share { who },
            _ => Act::Make(space),
        }
    }

    /// The method of an act and its input.
    fn words(&self, act: &Act, shared: &str) -> (&'static str, Value) {
        match act {
            Act::Make(space) => {
                let key = space.rsplit('/').next().unwrap();
                ("rsvp.atmo.space.admin.createSpace", json!({ "key": key }))
            }
            Act::Delete(space) => ("rsvp.atmo.space.admin.deleteSpace", json!({ "spaceUri": space })),
            Act::Invite(space) => {
                ("rsvp.atmo.space.invite.create", json!({ "spaceUri": space, "maxUses": MAX_USES }))
            }
            Act::Redeem { hash, .. } => {
                ("rsvp.atmo.space.invite.redeem", json!({ "token": self.tokens[hash] }))
            }
            Act::Revoke { space, hash } => {
                ("rsvp.atmo.space.invite.revoke", json!({ "spaceUri": space, "tokenHash": hash }))
            }
            Act::Add { space, who, perms } => {
                ("rsvp.atmo.space.admin.addMember", json!({ "spaceUri": space, "did": who, "perms": perms }))
            }
            Act::Remove { space, who } => {
                ("rsvp.atmo.space.admin.removeMember", json!({ "spaceUri": space, "did": who }))
            }
            Act::Leave { space, .. } => ("rsvp.atmo.space.leaveSpace", json!({ "spaceUri": space })),
            Act::Share { .. } => ("rsvp.atmo.space.invite.redeem", json!({ "token": shared })),
        }
    }
}

impl Act {
    fn name(&self) -> &'static str {
        match self {
            Act::Make(_) => "make",
            Act::Delete(_) => "delete",
            Act::Invite(_) => "invite",
            Act::Redeem { .. } => "redeem",
            Act::Revoke { .. } => "revoke",
            Act::Add { .. } => "add",
            Act::Remove { .. } => "remove",
            Act::Leave { .. } => "leave",
            Act::Share { .. } => "share",
        }
    }
}
