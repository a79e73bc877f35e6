//! RULES §2: what a reference to a round leads to, official rounds, submissions.

use super::{
    FRIEND, GUEST, HOST, INVITATION, OPEN, RELAY, ROUND, SIGNUP, STRANGER, SUBMISSION, Story, VALID, at,
    invalid, invites, pending, round, the_round, to_round, unusable,
};
use serde_json::json;

const OFFICIAL: &str = r#","official":true"#;
const UNOFFICIAL: &str = r#","official":false"#;

#[test]
fn a_round_is_official_in_the_repository_of_its_organizer_only() {
    let mut story = Story::with_round(&json!({}));
    story.put(STRANGER, ROUND, "round", round(&json!({})));
    let rule = "a live `at.atjam.round` whose author is its organizer";
    story.shows(rule, &the_round(), OFFICIAL);
    let rule = "A round in someone else's repository that points at a jam has no authority over that jam";
    story.shows(rule, &at(STRANGER, ROUND, "round"), UNOFFICIAL);

    story.put(GUEST, SIGNUP, "signup", to_round(&at(STRANGER, ROUND, "round")));
    let rule = "R is live and official";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("round-unofficial"));
}

#[test]
fn only_the_authority_of_the_jam_counts() {
    let rule =
        "Of `jam.uri` only the authority counts: the jam may be missing, which is shown as its link state.";
    for (rkey, jam) in [
        ("missing-jam", at(HOST, "at.atjam.jam", "never-written")),
        ("bare-did", format!("at://{HOST}")),
        ("other-collection", at(HOST, "app.example.note", "note")),
    ] {
        let mut story = Story::new();
        story.put(HOST, ROUND, rkey, json!({ "jam": { "uri": jam } }));
        story.shows(rule, &at(HOST, ROUND, rkey), OFFICIAL);
    }
    let mut story = Story::new();
    story.put(HOST, ROUND, "round", json!({ "jam": { "uri": "at://host.example/at.atjam.jam/jam" } }));
    let rule = "a round whose `jam.uri` has a handle is unofficial";
    story.shows(rule, &the_round(), UNOFFICIAL);
}

#[test]
fn a_reference_to_a_round_has_one_reason_for_each_way_to_fail() {
    let mut story = Story::new();
    story.put(HOST, ROUND, "good", round(&json!({})));
    story.write(HOST, unusable(ROUND, "quarantined"));
    story.put(HOST, ROUND, "removed", round(&json!({})));
    story.delete(HOST, ROUND, "removed");
    story.put(FRIEND, ROUND, "hidden", round(&json!({})));
    story.inactive(RELAY, FRIEND, 1, "suspended");

    let rows = [
        ("a bare DID is such a one", format!("at://{HOST}"), invalid("not-a-round")),
        (
            "A reference that names another collection than it must (a round that is no `at.atjam.round`, an \
             invitation that is no `at.atjam.invitation`) is invalid with a reason of its own",
            at(HOST, "at.atjam.jam", "jam"),
            invalid("not-a-round"),
        ),
        (
            "the order in which the first that applies is given): `not-a-round`, `round-unknown` (pending)",
            "at://host.example/at.atjam.jam/jam".to_owned(),
            invalid("not-a-round"),
        ),
        (
            "References are compared by URI, bytewise.",
            at(HOST, "At.atjam.round", "good"),
            invalid("not-a-round"),
        ),
        (
            "a right collection without a record key is unknown",
            format!("at://{HOST}/{ROUND}"),
            pending("round-unknown"),
        ),
        (
            "a reference whose authority is a handle is never resolved",
            "at://host.example/at.atjam.round/good".to_owned(),
            pending("round-unknown"),
        ),
        (
            "else `unknown` when nothing is stored, whether or not something once was",
            at(HOST, ROUND, "removed"),
            pending("round-unknown"),
        ),
        (
            "else `unknown` when nothing is stored, whether or not something once was",
            at(STRANGER, ROUND, "never-written"),
            pending("round-unknown"),
        ),
        (
            "and when an unusable record is stored there",
            at(HOST, ROUND, "quarantined"),
            invalid("round-not-live"),
        ),
        (
            "`not-live` when its DID's account is inactive or deleted, whatever is or is not stored",
            at(FRIEND, ROUND, "hidden"),
            invalid("round-not-live"),
        ),
        (
            "`not-live` when its DID's account is inactive or deleted, whatever is or is not stored",
            at(FRIEND, ROUND, "never-written"),
            invalid("round-not-live"),
        ),
        (
            "`not-live` when its DID's account is inactive or deleted, whatever is or is not stored",
            format!("at://{FRIEND}/{ROUND}"),
            invalid("round-not-live"),
        ),
    ];
    for (rule, uri, verdict) in &rows {
        story.put(GUEST, SIGNUP, "signup", to_round(uri));
        story.put(GUEST, SUBMISSION, "submission", to_round(uri));
        story.put(GUEST, INVITATION, "invitation", invites(STRANGER, uri));
        story.shows(rule, &at(GUEST, SIGNUP, "signup"), verdict);
        story.shows(rule, &at(GUEST, SUBMISSION, "submission"), verdict);
        story.shows(rule, &at(GUEST, INVITATION, "invitation"), verdict);
    }
}

#[test]
fn a_submission_needs_a_valid_signup_of_its_author_to_the_same_round() {
    let mut story = Story::with_round(&json!({}));
    story.put(HOST, ROUND, "other", round(&json!({})));
    story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
    story.put(GUEST, SUBMISSION, "here", to_round(&the_round()));
    story.put(GUEST, SUBMISSION, "elsewhere", to_round(&at(HOST, ROUND, "other")));
    let rule = "A submission by p to R is valid when";
    story.shows(rule, &at(GUEST, SUBMISSION, "here"), VALID);
    let rule = "A participant of R";
    story.shows(rule, &at(GUEST, SUBMISSION, "elsewhere"), &invalid("author-not-participant"));

    story.delete(GUEST, SIGNUP, "signup");
    let rule = "for submissions, after the round's reasons, `author-not-participant`";
    story.shows(rule, &at(GUEST, SUBMISSION, "here"), &invalid("author-not-participant"));
}

#[test]
fn the_organizer_is_no_participant_without_a_signup() {
    let mut story = Story::with_round(&json!({}));
    story.put(HOST, SUBMISSION, "submission", to_round(&the_round()));
    let rule = "is a DID with at least one valid signup to R.";
    story.shows(rule, &at(HOST, SUBMISSION, "submission"), &invalid("author-not-participant"));
    story.put(HOST, SIGNUP, "signup", to_round(&the_round()));
    story.shows(rule, &at(HOST, SUBMISSION, "submission"), VALID);
}

#[test]
fn a_round_that_arrives_late_settles_what_was_pending() {
    let mut story = Story::new();
    story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
    let rule = "the answer hangs directly on a URI that is unknown";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &pending("round-unknown"));
    story.put(HOST, ROUND, "round", round(&json!({})));
    let rule = "Not of arrival order, batch boundaries, restarts, the source";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), OPEN);
}

#[test]
fn the_cid_of_a_reference_is_never_part_of_a_verdict() {
    let mut story = Story::with_round(&json!({}));
    story.put(GUEST, SIGNUP, "signup", json!({ "round": { "uri": the_round(), "cid": "another" } }));
    let rule = "Reported, and never part of a verdict";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), OPEN);
}
