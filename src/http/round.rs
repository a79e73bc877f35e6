//! A round as it is shown: its record, its effective rules, its state at a time, its counts.
//!
//! Time enters here and nowhere deeper: deadlines never change a verdict. Spec: RULES §2 "State of a round".

use ipld_core::ipld::Ipld;
use serde::Serialize;

use super::page::Item;
use super::view::{Fields, FlatView, Stored, round_uri};
use crate::records::{JoinMode, NetworkGate, Round};
use crate::syntax::{Authority, Datetime};
use crate::tables::RoundTallies;
use crate::tables::keys::RoundId;
use crate::tables::rows::{RoundFacts, RoundTally};
use crate::tables::view::{ReadRows, Rows, RowsError};

/// Where a round is in its course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoundState {
    Open,
    InProgress,
    Closed,
}

impl RoundState {
    /// The names of the states.
    pub(super) const NAMES: [&'static str; 3] = ["open", "in-progress", "closed"];

    /// The name under which it is shown.
    pub(super) fn name(self) -> &'static str {
        match self {
            RoundState::Open => "open",
            RoundState::InProgress => "in-progress",
            RoundState::Closed => "closed",
        }
    }
}

/// The deadlines that a round's milestones set, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deadlines {
    signup: Option<i64>,
    submission: Option<i64>,
}

impl Deadlines {
    /// Of each label the first milestone counts; one whose date is unreadable sets no deadline.
    pub(super) fn of(round: &Fields) -> Self {
        let Some(Ipld::List(milestones)) = round.get("milestones") else { return Self::default() };
        let date = |label: &str| {
            let first = milestones.iter().find_map(|milestone| match milestone {
                Ipld::Map(milestone) if is_text(milestone.get("label"), label) => Some(milestone),
                _ => None,
            });
            first.and_then(|milestone| time_in(milestone, "date"))
        };
        Self { signup: date("signup-deadline"), submission: date("submission-deadline") }
    }

    /// The state of the round at a time.
    pub(super) fn state(self, now: i64) -> RoundState {
        let is_past = |deadline: Option<i64>| deadline.is_some_and(|deadline| now >= deadline);
        if is_past(self.submission) {
            RoundState::Closed
        } else if is_past(self.signup) {
            RoundState::InProgress
        } else {
            RoundState::Open
        }
    }

    /// Whether a signup says that it was made after the deadline for signups.
    pub(super) fn is_late(self, signup: &Fields) -> bool {
        time_in(signup, "createdAt").zip(self.signup).is_some_and(|(made, deadline)| made > deadline)
    }
}

fn is_text(value: Option<&Ipld>, text: &str) -> bool {
    matches!(value, Some(Ipld::String(value)) if value == text)
}

fn time_in(fields: &Fields, name: &str) -> Option<i64> {
    match fields.get(name) {
        Some(Ipld::String(text)) => Datetime::parse(text).ok().map(Datetime::micros),
        _ => None,
    }
}

/// The fields of a round view that are ours.
const OURS: [&str; 8] =
    ["uri", "cid", "organizer", "official", "effectiveJoinMode", "effectiveNetworkGate", "state", "counts"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ours<'a> {
    uri: String,
    cid: String,
    /// Absent when the jam is named by a handle.
    #[serde(skip_serializing_if = "Option::is_none")]
    organizer: Option<&'a str>,
    official: bool,
    effective_join_mode: &'static str,
    effective_network_gate: &'static str,
    state: &'static str,
    counts: Counts,
}

#[derive(Serialize)]
struct Counts {
    signups: u32,
    participants: u32,
    invitations: u32,
    submissions: u32,
}

impl Counts {
    fn of(tally: &RoundTally, facts: &RoundFacts) -> Self {
        let people = match (facts.join_mode, facts.network_gate) {
            (JoinMode::Open, _) => tally.open,
            (JoinMode::Hosted, _) => tally.hosted,
            (JoinMode::Network, NetworkGate::Signup) => tally.network,
            (JoinMode::Network, NetworkGate::Contributed) => tally.contributed,
        };
        Self {
            signups: tally.signups,
            // Nobody is in a round that has no authority.
            participants: if facts.official { people } else { 0 },
            invitations: tally.invitations,
            submissions: tally.submissions,
        }
    }
}

/// The view of a live round.
pub(super) fn round_view(
    rows: &dyn Rows,
    id: &RoundId,
    (facts, round): (&RoundFacts, &Round),
    stored: &Stored,
    state: RoundState,
) -> Result<Item<FlatView>, RowsError> {
    let tally = rows.get::<RoundTallies>(id)?.unwrap_or_default();
    let organizer = match round.jam.authority() {
        Authority::Did(did) => Some(did),
        Authority::Handle(_) => None,
    };
    let ours = Ours {
        uri: round_uri(id),
        cid: stored.cid.to_string(),
        organizer,
        official: facts.official,
        effective_join_mode: facts.join_mode.name(),
        effective_network_gate: facts.network_gate.name(),
        state: state.name(),
        counts: Counts::of(&tally, facts),
    };
    Ok(Item { view: stored.flatten(&OURS, &ours), record_bytes: stored.bytes.len() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Deadlines, Fields, Ipld, RoundState};
    use crate::codec::json::to_ipld;
    use crate::syntax::Datetime;

    fn fields(value: Value) -> Fields {
        match to_ipld(value) {
            Some(Ipld::Map(fields)) => fields,
            other => panic!("{other:?}"),
        }
    }

    fn micros(text: &str) -> i64 {
        Datetime::parse(text).unwrap().micros()
    }

    #[test]
    fn the_first_milestone_of_each_label_decides() {
        let signup = |date: &str| json!({ "label": "signup-deadline", "date": date });
        let submission = |date: &str| json!({ "label": "submission-deadline", "date": date });
        let (may, june, july) = ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
        let cases = [
            (json!([]), june, RoundState::Open),
            (json!([signup(june)]), may, RoundState::Open),
            (json!([signup(june)]), june, RoundState::InProgress),
            (json!([submission(june), signup(may)]), june, RoundState::Closed),
            (json!([submission(july), signup(may)]), june, RoundState::InProgress),
            // Signups may close after submissions; the submission deadline is looked at first.
            (json!([signup(july), submission(may)]), june, RoundState::Closed),
            (json!([signup(july), signup(may)]), june, RoundState::Open),
            (json!([signup("soon"), signup(may)]), june, RoundState::Open),
            (json!([submission("2026-05-01"), signup(may)]), june, RoundState::InProgress),
            (json!([7, null, "x", { "label": 7, "date": may }, signup(may)]), june, RoundState::InProgress),
            (json!([{ "label": "signup-deadline" }]), june, RoundState::Open),
            (json!([{ "label": "results", "date": may }]), june, RoundState::Open),
            (json!({ "label": "signup-deadline", "date": may }), june, RoundState::Open),
            (json!(null), june, RoundState::Open),
        ];
        for (milestones, now, state) in cases {
            let round = fields(json!({ "milestones": milestones }));
            assert_eq!(Deadlines::of(&round).state(micros(now)), state, "{milestones} at {now}");
        }
        assert_eq!(Deadlines::of(&Fields::new()).state(0), RoundState::Open);
    }

    #[test]
    fn a_signup_is_late_by_its_own_date() {
        let round = fields(json!({
            "milestones": [{ "label": "signup-deadline", "date": "2026-06-01T00:00:00Z" }]
        }));
        let deadlines = Deadlines::of(&round);
        for (created_at, late) in [
            (json!("2026-05-31T23:59:59Z"), false),
            (json!("2026-06-01T00:00:00Z"), false),
            (json!("2026-06-01T00:00:00.000001Z"), true),
            (json!("2026-06-01T00:30:00+01:00"), false),
            (json!("2027"), false),
            (json!(7), false),
        ] {
            assert_eq!(deadlines.is_late(&fields(json!({ "createdAt": created_at }))), late, "{created_at}");
        }
        assert!(!deadlines.is_late(&Fields::new()));
        assert!(!Deadlines::default().is_late(&fields(json!({ "createdAt": "2027-01-01T00:00:00Z" }))));
    }
}
