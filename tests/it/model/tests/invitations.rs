//! RULES §2: who may invite, the network gate, and the least fixed point.

use super::{
    FRIEND, GUEST, HOST, INVITATION, INVITED, OPEN, ORGANIZER, RELAY, ROUND, SIGNUP, STRANGER, SUBMISSION,
    Story, at, invalid, invited_by, invites, round, the_round, to_round, unusable,
};
use serde_json::json;

/// The guest invites the friend, and the friend signs up on that.
fn invite_friend(story: &mut Story) {
    story.put(GUEST, INVITATION, "to-friend", invites(FRIEND, &the_round()));
    story.put(FRIEND, SIGNUP, "signup", invited_by(&the_round(), &at(GUEST, INVITATION, "to-friend")));
}

#[test]
fn the_organizer_may_invite_in_every_mode() {
    let rule = "An invitation's is `organizer` when its author is the organizer";
    for mode in ["open", "hosted", "network"] {
        let mut story = Story::with_round(&json!({ "joinMode": mode, "networkGate": "contributed" }));
        story.put(HOST, INVITATION, "to-guest", invites(GUEST, &the_round()));
        story.shows(rule, &at(HOST, INVITATION, "to-guest"), ORGANIZER);
    }
}

#[test]
fn in_a_hosted_round_only_the_organizer_may_invite() {
    let mut story = Story::with_guest(&json!({ "joinMode": "hosted" }));
    invite_friend(&mut story);
    let rule = "`inviter-not-organizer` (hosted)";
    story.shows(rule, &at(GUEST, INVITATION, "to-friend"), &invalid("inviter-not-organizer"));
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), &invalid("inviter-not-organizer"));
}

#[test]
fn in_a_network_round_participants_may_invite() {
    let mut story = Story::with_guest(&json!({ "joinMode": "network" }));
    invite_friend(&mut story);
    story.put(STRANGER, INVITATION, "to-friend", invites(FRIEND, &the_round()));
    let rule = "joinMode is `network`, v has a valid signup to R, and v meets the gate.";
    story.shows(rule, &at(GUEST, INVITATION, "to-friend"), INVITED);
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), INVITED);
    story.shows(rule, &at(STRANGER, INVITATION, "to-friend"), &invalid("inviter-not-participant"));
}

#[test]
fn in_an_open_round_participants_may_invite_and_nothing_depends_on_it() {
    let mut story = Story::with_round(&json!({ "networkGate": "contributed" }));
    story.put(GUEST, INVITATION, "to-friend", invites(FRIEND, &the_round()));
    let rule = "joinMode is `open` and v has a valid signup to R";
    story.shows(rule, &at(GUEST, INVITATION, "to-friend"), &invalid("inviter-not-participant"));
    story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
    let rule = "else `invited` in a network round and `open` in an open one";
    story.shows(rule, &at(GUEST, INVITATION, "to-friend"), OPEN);
}

#[test]
fn under_the_contributed_gate_an_inviter_must_have_submitted() {
    let mut story = Story::with_guest(&json!({ "joinMode": "network", "networkGate": "contributed" }));
    invite_friend(&mut story);
    let rule =
        "`contributed` means the DID has a valid signup and at least one live submission to the same round.";
    story.shows(rule, &at(GUEST, INVITATION, "to-friend"), &invalid("inviter-gate-unmet"));
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), &invalid("inviter-gate-unmet"));

    story.put(HOST, ROUND, "other", round(&json!({})));
    story.put(GUEST, SUBMISSION, "elsewhere", to_round(&at(HOST, ROUND, "other")));
    story.write(GUEST, unusable(SUBMISSION, "work"));
    story.put(FRIEND, SUBMISSION, "work", to_round(&the_round()));
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), &invalid("inviter-gate-unmet"));

    story.put(GUEST, SUBMISSION, "work", to_round(&the_round()));
    story.shows(rule, &at(GUEST, INVITATION, "to-friend"), INVITED);
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), INVITED);

    story.put(GUEST, SUBMISSION, "work", to_round(&at(HOST, ROUND, "other")));
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), &invalid("inviter-gate-unmet"));
}

#[test]
fn a_submission_without_a_signup_does_not_open_the_gate() {
    let mut story = Story::with_round(&json!({ "joinMode": "network", "networkGate": "contributed" }));
    story.put(GUEST, SUBMISSION, "work", to_round(&the_round()));
    invite_friend(&mut story);
    let rule =
        "`contributed` means the DID has a valid signup and at least one live submission to the same round.";
    story.shows(rule, &at(GUEST, INVITATION, "to-friend"), &invalid("inviter-not-participant"));
}

#[test]
fn an_unknown_gate_means_signup() {
    for gate in ["signup", "paid"] {
        let mut story = Story::with_guest(&json!({ "joinMode": "network", "networkGate": gate }));
        invite_friend(&mut story);
        story.shows("absent or unknown means `signup`", &at(FRIEND, SIGNUP, "signup"), INVITED);
    }
}

#[test]
fn a_gate_outside_a_network_round_means_nothing() {
    let story = Story::with_guest(&json!({ "joinMode": "hosted", "networkGate": "contributed" }));
    let rule = "joinMode is `hosted` or `network`";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), INVITED);
}

#[test]
fn two_who_invite_each_other_without_a_root_are_both_invalid() {
    let mut story = Story::with_round(&json!({ "joinMode": "network" }));
    for (inviter, invitee) in [(GUEST, FRIEND), (FRIEND, GUEST)] {
        story.put(inviter, INVITATION, "mutual", invites(invitee, &the_round()));
        story.put(invitee, SIGNUP, "signup", invited_by(&the_round(), &at(inviter, INVITATION, "mutual")));
    }
    let rule = "Two DIDs that invite each other without a root are both invalid.";
    for did in [GUEST, FRIEND] {
        story.shows(rule, &at(did, INVITATION, "mutual"), &invalid("inviter-not-participant"));
        story.shows(rule, &at(did, SIGNUP, "signup"), &invalid("inviter-not-participant"));
    }

    story.put(HOST, INVITATION, "root", invites(GUEST, &the_round()));
    story.put(GUEST, SIGNUP, "second", invited_by(&the_round(), &at(HOST, INVITATION, "root")));
    let rule = "a verdict is valid only if a finite chain leads back to the organizer or to an open round.";
    for (did, signup) in [(GUEST, "second"), (FRIEND, "signup"), (GUEST, "signup")] {
        story.shows(rule, &at(did, SIGNUP, signup), INVITED);
    }

    story.delete(HOST, INVITATION, "root");
    let rule = "every verdict that has no other chain turns invalid";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("inviter-not-participant"));
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), &invalid("inviter-not-participant"));
}

#[test]
fn someone_who_invites_themselves_is_not_invited() {
    let mut story = Story::with_round(&json!({ "joinMode": "network" }));
    story.put(GUEST, INVITATION, "self", invites(GUEST, &the_round()));
    story.put(GUEST, SIGNUP, "signup", invited_by(&the_round(), &at(GUEST, INVITATION, "self")));
    let rule = "They are read as the **least fixed point grown from the organizer**";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("inviter-not-participant"));
}

#[test]
fn a_chain_ends_where_a_link_is_pending() {
    let mut story = Story::with_round(&json!({ "joinMode": "network" }));
    story.put(GUEST, SIGNUP, "signup", invited_by(&the_round(), &at(HOST, INVITATION, "never-written")));
    invite_friend(&mut story);
    let rule = "and it does not spread: what depends on a pending record is invalid";
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), &invalid("inviter-not-participant"));
}

#[test]
fn an_inviter_must_be_a_participant_now() {
    let mut story = Story::with_guest(&json!({ "joinMode": "network" }));
    invite_friend(&mut story);
    story.inactive(RELAY, GUEST, 1, "deactivated");
    let rule = "an account is deactivated";
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), &invalid("invitation-not-live"));
    story.active(RELAY, GUEST, 2);
    story.shows("and returns if the link returns", &at(FRIEND, SIGNUP, "signup"), INVITED);
    story.delete(GUEST, SIGNUP, "signup");
    let rule = "is read as *now*, not as *at the time of inviting*";
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), &invalid("inviter-not-participant"));
}

#[test]
fn participation_in_one_round_is_none_in_another() {
    let mut story = Story::with_guest(&json!({ "joinMode": "network" }));
    story.put(HOST, ROUND, "other", round(&json!({ "joinMode": "network" })));
    story.put(GUEST, INVITATION, "elsewhere", invites(FRIEND, &at(HOST, ROUND, "other")));
    let rule = "v has a valid signup to R";
    story.shows(rule, &at(GUEST, INVITATION, "elsewhere"), &invalid("inviter-not-participant"));
}

#[test]
fn a_second_chain_holds_what_the_first_lets_go() {
    let mut story = Story::with_guest(&json!({ "joinMode": "network" }));
    story.put(HOST, INVITATION, "again", invites(GUEST, &the_round()));
    story.put(GUEST, SIGNUP, "second", invited_by(&the_round(), &at(HOST, INVITATION, "again")));
    invite_friend(&mut story);
    story.delete(HOST, INVITATION, "to-guest");
    let rule = "is a DID with at least one valid signup to R.";
    story.shows(rule, &at(FRIEND, SIGNUP, "signup"), INVITED);
}
