//! The lines of `export --verdicts` (CONTRACT §3), written by hand so that the order of keys is plain to see.

use super::acceptances::is_accepted;
use super::event::Record;
use super::kind::Kind;
use super::repositories::Stored;
use super::rounds::{Verdict, is_official, judge_invitation, judge_signup, judge_submission, valid_signups};
use super::rsvps::{count, is_effective};
use super::world::{Live, Target, World};
use serde_json::Value;
use std::collections::BTreeSet;

/// One line for each record that is shown, sorted by the bytes of its URI.
pub(super) fn export(world: &World<'_>) -> Vec<String> {
    let valid = valid_signups(world);
    world.shown.iter().map(|(uri, stored)| line(world, uri, stored, &valid)).collect()
}

fn line(world: &World<'_>, uri: &str, stored: &Stored, valid: &BTreeSet<&str>) -> String {
    let head = format!(
        r#""uri":{},"cid":{},"author":{},"kind":{}"#,
        quoted(uri),
        quoted(&stored.cid),
        quoted(&stored.author),
        quoted(stored.kind.name())
    );
    let grade = match &stored.record {
        Record::Unusable { reason } => format!(r#""grade":"unusable","reason":{}"#, quoted(reason)),
        Record::Usable { deviations, .. } if deviations.is_empty() => r#""grade":"conforming""#.to_owned(),
        Record::Usable { deviations, .. } => {
            format!(r#""grade":"deviating",{}"#, deviations_text(deviations))
        }
    };
    let outcome = match world.target(uri, stored.kind) {
        Target::Live(live) => outcome(world, &live, valid),
        Target::OtherCollection | Target::Unknown | Target::NotLive => String::new(),
    };
    format!("{{{head},{grade}{outcome}}}")
}

/// What the kind adds to the line.
fn outcome(world: &World<'_>, live: &Live<'_>, valid: &BTreeSet<&str>) -> String {
    match live.kind {
        Kind::Jam | Kind::Acceptance => String::new(),
        Kind::Round => format!(r#","official":{}"#, is_official(live)),
        Kind::Invitation => verdict_text(judge_invitation(world, live, valid)),
        Kind::Signup => verdict_text(judge_signup(world, live, valid)),
        Kind::Submission => verdict_text(judge_submission(world, live, valid)),
        Kind::Event => {
            let counts = count(world, live.uri);
            format!(
                r#","counts":{{"going":{},"interested":{},"notgoing":{},"other":{}}}"#,
                counts.going, counts.interested, counts.notgoing, counts.other
            )
        }
        Kind::Rsvp => {
            let (effective, accepted) = (is_effective(world, live), is_accepted(world, live));
            format!(r#","effective":{effective},"accepted":{accepted}"#)
        }
    }
}

fn verdict_text(verdict: Verdict) -> String {
    let inside = match verdict {
        Verdict::Valid(None) => r#""status":"valid""#.to_owned(),
        Verdict::Valid(Some(basis)) => format!(r#""status":"valid","basis":"{}""#, basis.text()),
        Verdict::Invalid(reason) => format!(r#""status":"invalid","reason":"{}""#, reason.text()),
        Verdict::Pending(reason) => format!(r#""status":"pending","reason":"{}""#, reason.text()),
    };
    format!(r#","verdict":{{{inside}}}"#)
}

/// reading: "all of them, sorted" is by path, then by rule, both bytewise; none is left out, repeated ones
/// included.
fn deviations_text(deviations: &[(String, String)]) -> String {
    let mut sorted = deviations.to_vec();
    sorted.sort();
    let items: Vec<String> = sorted
        .iter()
        .map(|(path, rule)| format!(r#"{{"path":{},"rule":{}}}"#, quoted(path), quoted(rule)))
        .collect();
    format!(r#""deviations":[{}]"#, items.join(","))
}

/// A JSON string, escaped only where JSON demands it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
