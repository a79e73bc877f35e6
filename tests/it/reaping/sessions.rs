//! Who is logged in, as far as a daemon has said so.

use std::collections::{BTreeMap, VecDeque};

use crate::browsers::Browser;
use crate::tokens::{Answer, Client};

/// Sessions of one person: fewer than there may be, since of some that are lost nobody knows.
pub(super) const OF_ONE_MAX: usize = 5;

/// Sessions that were ended and are looked at after a kill.
const ENDED_MAX: usize = 40;

#[derive(Default)]
pub(super) struct Sessions {
    /// The secrets of each person's, oldest first.
    open: BTreeMap<String, Vec<String>>,
    ended: VecDeque<String>,
    /// The number of each person who has logged in.
    pub(super) users: BTreeMap<String, u64>,
}

impl Sessions {
    /// The sessions that somebody has.
    pub(super) fn of(&self, did: &str) -> &[String] {
        self.open.get(did).map(Vec::as_slice).unwrap_or_default()
    }

    /// Somebody has logged in, as they are told.
    pub(super) fn opened(&mut self, did: &str, answer: &Answer) {
        let view = answer.json();
        assert_eq!(view["did"], did);
        self.knows(did, view["user_id"].as_u64().unwrap());
        self.open.entry(did.to_owned()).or_default().push(answer.secret());
    }

    fn knows(&mut self, did: &str, user: u64) {
        assert_eq!(*self.users.entry(did.to_owned()).or_insert(user), user, "another number for {did}");
    }

    /// A session has ended.
    pub(super) fn ended(&mut self, secret: &str) {
        for open in self.open.values_mut() {
            open.retain(|one| one != secret);
        }
        self.ended.push_back(secret.to_owned());
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
    }

    /// Those that are open are, as the same people, and those that were ended are not. How many were looked at.
    pub(super) fn hold(&self, client: &Client) -> u64 {
        let mut count = 0;
        for (did, secrets) in &self.open {
            for secret in secrets {
                let view = Browser::with(client, secret).get("/session").done();
                assert_eq!(
                    (view["did"].as_str(), view["user_id"].as_u64()),
                    (Some(&**did), self.users.get(did).copied())
                );
                count += 1;
            }
        }
        for secret in &self.ended {
            Browser::with(client, secret).get("/session").refused(401);
            count += 1;
        }
        count
    }
}
