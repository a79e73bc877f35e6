//! The eight kinds of record that are wanted, with their collections and their names in an export (CONTRACT
//! §3).

/// A kind of record that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jam,
    Round,
    Invitation,
    Signup,
    Submission,
    Event,
    Rsvp,
    Acceptance,
}

const ALL: [Kind; 8] = [
    Kind::Jam,
    Kind::Round,
    Kind::Invitation,
    Kind::Signup,
    Kind::Submission,
    Kind::Event,
    Kind::Rsvp,
    Kind::Acceptance,
];

impl Kind {
    pub(super) fn of_collection(collection: &str) -> Option<Kind> {
        ALL.into_iter().find(|kind| kind.collection() == collection)
    }

    pub(super) fn collection(self) -> &'static str {
        match self {
            Kind::Jam => "at.atjam.jam",
            Kind::Round => "at.atjam.round",
            Kind::Invitation => "at.atjam.invitation",
            Kind::Signup => "at.atjam.signup",
            Kind::Submission => "at.atjam.submission",
            Kind::Event => "community.lexicon.calendar.event",
            Kind::Rsvp => "community.lexicon.calendar.rsvp",
            Kind::Acceptance => "events.smokesignal.calendar.acceptance",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Jam => "jam",
            Kind::Round => "round",
            Kind::Invitation => "invitation",
            Kind::Signup => "signup",
            Kind::Submission => "submission",
            Kind::Event => "event",
            Kind::Rsvp => "rsvp",
            Kind::Acceptance => "acceptance",
        }
    }
}
