//! The record kinds and their grades.
//!
//! The only list of kinds is below; each kind's fields are known to its own file alone. A kind is added by
//! a lexicon under `lexicons/`, a file here, one line in the list, and fixtures; the compiler and the tests
//! name everything else that must follow. Grades: RULES §1. Pure; parses each lexicon once.

mod acceptance;
mod event;
mod fields;
mod grade;
mod invitation;
mod jam;
pub mod lexicon;
mod round;
mod rsvp;
mod signup;
mod submission;

pub use acceptance::Acceptance;
pub use event::{Event, EventMode, EventStatus, Place, location_cids};
pub use grade::{Deviation, Grade, Graded, Unusable, grade};
pub use invitation::Invitation;
pub use jam::Jam;
pub use round::{JoinMode, NetworkGate, Round};
pub use rsvp::{Rsvp, Status};
pub use signup::Signup;
pub use submission::Submission;

use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};

use crate::syntax::{AtUri, Authority, Did, RecordKey};

use fields::Fields;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident, $name:literal, $nsid:literal;)+) => {
        /// A kind of record. The order is the bytewise order of the collections' names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)+];

            /// Its place in [`Kind::ALL`].
            pub fn place(self) -> usize {
                self as usize
            }

            /// Its collection.
            pub fn nsid(self) -> &'static str {
                match self { $(Kind::$kind => $nsid,)+ }
            }

            /// Its short name.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)+ }
            }

            /// The kind of a collection, if it is wanted.
            pub fn from_nsid(nsid: &str) -> Option<Kind> {
                match nsid { $($nsid => Some(Kind::$kind),)+ _ => None }
            }
        }

        /// The fields of a usable record that the rules read.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Body {
            $($(#[doc = $doc])+ $kind($kind),)+
        }

        impl Body {
            /// Reads the load-bearing fields.
            fn parse(kind: Kind, fields: &mut Fields<'_>) -> Option<Body> {
                match kind { $(Kind::$kind => $kind::parse(fields).map(Body::$kind),)+ }
            }

            /// The kind of record it is of.
            pub fn kind(&self) -> Kind {
                match self { $(Body::$kind(_) => Kind::$kind,)+ }
            }
        }
    };
}

kinds! {
    /// Someone's permission to take part in a round.
    Invitation, "invitation", "at.atjam.invitation";
    /// A challenge that has rounds.
    Jam, "jam", "at.atjam.jam";
    /// One round of a jam.
    Round, "round", "at.atjam.round";
    /// A declaration to take part in a round.
    Signup, "signup", "at.atjam.signup";
    /// A contribution to a round.
    Submission, "submission", "at.atjam.submission";
    /// A calendar event.
    Event, "event", "community.lexicon.calendar.event";
    /// An answer to an event.
    Rsvp, "rsvp", "community.lexicon.calendar.rsvp";
    /// An organizer's proof that an answer was accepted.
    Acceptance, "acceptance", "events.smokesignal.calendar.acceptance";
}

/// When a usable record says that it was made, or its key where it does not (RULES §3), in microseconds since the epoch.
pub fn time(bytes: &[u8], rkey: &RecordKey) -> i64 {
    match serde_ipld_dagcbor::from_slice(bytes) {
        Ok(Ipld::Map(record)) => Fields::new(&record, rkey).time(),
        _ => 0,
    }
}

impl Body {
    /// The accounts that it refers to by the fields that the rules read.
    pub fn referred(&self) -> Vec<Did> {
        let of = |uri: &AtUri| match uri.authority() {
            Authority::Did(did) => Did::parse(did).ok(),
            Authority::Handle(_) => None,
        };
        match self {
            Body::Round(round) => of(&round.jam).into_iter().collect(),
            Body::Invitation(invitation) => {
                of(&invitation.round).into_iter().chain([invitation.invitee.clone()]).collect()
            }
            Body::Signup(signup) => [Some(&signup.round), signup.invitation.as_ref()]
                .into_iter()
                .flatten()
                .filter_map(of)
                .collect(),
            Body::Submission(submission) => of(&submission.round).into_iter().collect(),
            Body::Rsvp(rsvp) => of(&rsvp.subject).into_iter().collect(),
            Body::Jam(_) | Body::Event(_) | Body::Acceptance(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn kinds_are_in_the_order_of_their_collections() {
        assert!(Kind::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].nsid() < pair[1].nsid()));
    }

    #[test]
    fn a_neighbouring_collection_is_not_wanted() {
        assert_eq!(Kind::from_nsid("at.atjam.round"), Some(Kind::Round));
        assert_eq!(Kind::from_nsid("at.atjam.rounds"), None);
    }
}
