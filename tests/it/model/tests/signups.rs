//! RULES §2: signups and their bases, and the reasons that lie in the invitation.

use super::{
    FRIEND, GUEST, HOST, INVITATION, INVITED, OPEN, ORGANIZER, RELAY, ROUND, SIGNUP, STRANGER, Story, at,
    invalid, invited_by, invites, pending, round, the_round, to_round, unusable,
};
use serde_json::json;

#[test]
fn anyone_can_sign_up_to_an_open_round() {
    let absent = "absent or unknown value means `open`";
    for (rule, settings) in [
        (absent, json!({})),
        (absent, json!({ "joinMode": "by-post" })),
        (absent, json!({ "joinMode": "at.atjam.round#hosted" })),
        ("joinMode is `open`", json!({ "joinMode": "open" })),
    ] {
        let mut story = Story::with_round(&settings);
        story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
        story.shows(rule, &at(GUEST, SIGNUP, "signup"), OPEN);
    }
}

#[test]
fn an_open_round_ignores_the_invitation() {
    let mut story = Story::with_round(&json!({}));
    let rule = "joinMode is `open` (any `invitation` field is ignored)";
    for invitation in
        [at(HOST, ROUND, "round"), at(STRANGER, INVITATION, "never-written"), format!("at://{HOST}")]
    {
        story.put(GUEST, SIGNUP, "signup", invited_by(&the_round(), &invitation));
        story.shows(rule, &at(GUEST, SIGNUP, "signup"), OPEN);
    }
}

#[test]
fn the_organizer_needs_no_invitation() {
    for mode in ["hosted", "network"] {
        let mut story = Story::with_round(&json!({ "joinMode": mode }));
        story.put(HOST, SIGNUP, "signup", to_round(&the_round()));
        story.shows("p is the organizer", &at(HOST, SIGNUP, "signup"), ORGANIZER);
        story.put(
            HOST,
            SIGNUP,
            "signup",
            invited_by(&the_round(), "at://host.example/at.atjam.invitation/self"),
        );
        story.shows("p is the organizer", &at(HOST, SIGNUP, "signup"), ORGANIZER);
    }
    let mut story = Story::with_round(&json!({}));
    story.put(HOST, SIGNUP, "signup", to_round(&the_round()));
    let rule = "(so an organizer in an open round has `open`)";
    story.shows(rule, &at(HOST, SIGNUP, "signup"), OPEN);
}

#[test]
fn a_guest_of_the_organizer_is_invited() {
    for mode in ["hosted", "network"] {
        let story = Story::with_guest(&json!({ "joinMode": mode }));
        let rule = "names a live invitation I with `I.invitee == p`, `I.round.uri == S.round.uri`";
        story.shows(rule, &at(GUEST, SIGNUP, "signup"), INVITED);
    }
}

#[test]
fn an_invitation_has_one_reason_for_each_way_to_fail() {
    let mut story = Story::with_round(&json!({ "joinMode": "hosted" }));
    story.put(HOST, ROUND, "other", round(&json!({})));
    story.put(HOST, INVITATION, "to-friend", invites(FRIEND, &the_round()));
    story.put(HOST, INVITATION, "elsewhere", invites(GUEST, &at(HOST, ROUND, "other")));
    story.put(HOST, INVITATION, "to-friend-elsewhere", invites(FRIEND, &at(HOST, ROUND, "other")));
    story.put(STRANGER, INVITATION, "elsewhere", invites(GUEST, &at(HOST, ROUND, "other")));
    story.put(STRANGER, INVITATION, "to-guest", invites(GUEST, &the_round()));
    story.write(HOST, unusable(INVITATION, "quarantined"));
    story.put(FRIEND, INVITATION, "hidden", invites(GUEST, &the_round()));
    story.inactive(RELAY, FRIEND, 1, "takendown");

    let other_collection = "A reference that names another collection than it must (a round that is no \
                            `at.atjam.round`, an invitation that is no `at.atjam.invitation`) is invalid \
                            with a reason of its own";
    let order = "(closed set, and the order in which the first that applies is given)";
    let inviter = "then, for the inviter, `inviter-not-organizer` (hosted), `inviter-not-participant`, \
                   `inviter-gate-unmet`";
    let not_live = "`not-live` when its DID's account is inactive or deleted, whatever is or is not stored";
    let rows = [
        (other_collection, the_round(), invalid("not-an-invitation")),
        (other_collection, format!("at://{HOST}"), invalid("not-an-invitation")),
        (order, "at://host.example/at.atjam.round/x".to_owned(), invalid("not-an-invitation")),
        (
            "a right collection without a record key is unknown",
            format!("at://{HOST}/{INVITATION}"),
            pending("invitation-unknown"),
        ),
        (
            "Such a URI is unknown",
            "at://host.example/at.atjam.invitation/to-guest".to_owned(),
            pending("invitation-unknown"),
        ),
        (
            "`invitation-unknown` (pending)",
            at(HOST, INVITATION, "never-written"),
            pending("invitation-unknown"),
        ),
        (
            "and when an unusable record is stored there",
            at(HOST, INVITATION, "quarantined"),
            invalid("invitation-not-live"),
        ),
        (not_live, at(FRIEND, INVITATION, "hidden"), invalid("invitation-not-live")),
        (not_live, at(FRIEND, INVITATION, "never-written"), invalid("invitation-not-live")),
        ("`I.invitee == p`", at(HOST, INVITATION, "to-friend"), invalid("invitee-mismatch")),
        (order, at(HOST, INVITATION, "to-friend-elsewhere"), invalid("invitee-mismatch")),
        (
            "`I.round.uri == S.round.uri`",
            at(HOST, INVITATION, "elsewhere"),
            invalid("invitation-for-other-round"),
        ),
        (order, at(STRANGER, INVITATION, "elsewhere"), invalid("invitation-for-other-round")),
        (inviter, at(STRANGER, INVITATION, "to-guest"), invalid("inviter-not-organizer")),
    ];
    for (rule, uri, verdict) in &rows {
        story.put(GUEST, SIGNUP, "signup", invited_by(&the_round(), uri));
        story.shows(rule, &at(GUEST, SIGNUP, "signup"), verdict);
    }
    story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
    let rule = "Views say `invitation-required`, never \"rejected\".";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("invitation-required"));
}

#[test]
fn an_invitation_that_nobody_refers_to_opens_nothing() {
    let mut story = Story::with_round(&json!({ "joinMode": "hosted" }));
    story.put(HOST, INVITATION, "to-guest", invites(GUEST, &the_round()));
    story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
    let rule = "`S.invitation` names a live invitation I";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("invitation-required"));
}

#[test]
fn a_round_that_turns_from_open_to_hosted_takes_its_signups_along() {
    let mut story = Story::with_round(&json!({ "joinMode": "open" }));
    story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
    story.put(HOST, ROUND, "round", round(&json!({ "joinMode": "hosted" })));
    let rule = "a round turns from open to hosted";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("invitation-required"));
    story.put(HOST, ROUND, "round", round(&json!({ "joinMode": "open" })));
    story.shows("and returns if the link returns", &at(GUEST, SIGNUP, "signup"), OPEN);
}

#[test]
fn a_round_that_becomes_unusable_takes_its_signups_along() {
    let mut story = Story::with_round(&json!({}));
    story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
    story.write(HOST, unusable(ROUND, "round"));
    let rule = "An unusable version replaces the one before it: the old version is gone.";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("round-not-live"));
}

#[test]
fn a_hosted_guest_goes_when_the_invitation_goes() {
    let mut story = Story::with_guest(&json!({ "joinMode": "hosted" }));
    story.delete(HOST, INVITATION, "to-guest");
    let rule = "When any link of a chain goes (a record is deleted or edited";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &pending("invitation-unknown"));
    story.put(HOST, INVITATION, "to-guest", invites(FRIEND, &the_round()));
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("invitee-mismatch"));
    story.put(HOST, INVITATION, "to-guest", invites(GUEST, &the_round()));
    story.shows("and returns if the link returns", &at(GUEST, SIGNUP, "signup"), INVITED);
}
