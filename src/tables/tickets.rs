//! Rows of events: how their authors set them up, and the tickets that they gave out.
//!
//! Like those of spaces they follow from no record. They are kept while the event is not there, and count when it is.
//! Spec: RULES §7.

use serde::{Deserialize, Serialize};

use crate::syntax::{AtUri, is_https_url};

/// Characters of the URL that an event sends people to (RULES §7).
pub const REDIRECT_URL_MAX: usize = 2048;

/// Whether an event may send people there.
pub fn is_redirect_url(url: &str) -> bool {
    // All of its characters are ASCII.
    url.len() <= REDIRECT_URL_MAX && is_https_url(url)
}

/// How an event is set up. What its author never said is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSettings {
    /// Whether an answer takes an email address that was confirmed.
    pub require_confirmed_email: Option<bool>,
    /// Whether people are sent elsewhere instead of answering.
    pub disable_direct_rsvp: Option<bool>,
    /// Where they are sent; in a change the empty text clears it.
    pub rsvp_redirect_url: Option<Box<str>>,
}

impl EventSettings {
    /// These with a change laid over them.
    pub fn with(self, change: &Self) -> Self {
        let url = change.rsvp_redirect_url.clone().or(self.rsvp_redirect_url);
        Self {
            require_confirmed_email: change.require_confirmed_email.or(self.require_confirmed_email),
            disable_direct_rsvp: change.disable_direct_rsvp.or(self.disable_direct_rsvp),
            rsvp_redirect_url: url.filter(|url| !url.is_empty()),
        }
    }
}

/// A ticket: what an event's author says that somebody has, until they confirm it and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The record that attests it, in the repository of the event's author.
    pub attestation: AtUri,
    /// When it was linked, in milliseconds since the epoch.
    pub linked_at: i64,
    /// When its holder confirmed it.
    pub confirmed_at: Option<i64>,
}
