//! RULES §4: account states, which source counts, deletion.

use super::{
    Body, EFFECTIVE, GUEST, HOST, NOT_EFFECTIVE, RELAY, ROUND, RSVP, SIGNUP, Story, at, deletion, invalid,
    minute, noise, pending, rev, rsvp, the_event, the_round, to_round, usable,
};
use serde_json::json;

const OLD_HOST: &str = "old-host";
const NEW_HOST: &str = "new-host";

fn answer() -> String {
    at(GUEST, RSVP, "answer")
}

/// A story that begins with the guest's RSVP, sent by one source at rev 10.
fn with_answer(source: &str) -> Story {
    let mut story = Story::new();
    put_answer(&mut story, source, 10);
    story
}

fn put_answer(story: &mut Story, source: &str, rev_number: u32) {
    story.commit(source, GUEST, rev_number, usable(RSVP, "answer", rsvp(&the_event(), "going")));
}

#[test]
fn an_inactive_account_is_hidden_and_returns() {
    let rule = "inactive: deactivated, suspended, takendown, or any unknown status";
    for status in ["deactivated", "suspended", "takendown", "asleep"] {
        let mut story = with_answer(RELAY);
        story.inactive(RELAY, GUEST, 1, status);
        story.hides(rule, &answer());
        story.active(RELAY, GUEST, 2);
        story.shows("kept, returns on reactivation", &answer(), EFFECTIVE);
    }
}

#[test]
fn active_decides_and_not_the_status() {
    let rule = "`active` decides, `status` only explains";
    let mut story = with_answer(RELAY);
    story.account(RELAY, GUEST, 1, (false, None), &minute(1));
    story.hides(rule, &answer());
    for status in ["deactivated", "deleted"] {
        story.account(RELAY, GUEST, 2, (true, Some(status)), &minute(2));
        story.shows(rule, &answer(), EFFECTIVE);
    }
}

#[test]
fn a_deleted_account_is_purged_and_its_uris_become_unknown() {
    let mut story = with_answer(RELAY);
    story.inactive(RELAY, GUEST, 1, "deleted");
    story.hides("purged; the DID stays as a tombstone", &answer());
    story.active(RELAY, GUEST, 2);
    let rule = "A tombstone ends only with `active: true`; then the purged URIs are unknown, and the rev \
                watermark is kept.";
    story.hides(rule, &answer());
    put_answer(&mut story, RELAY, 9);
    story.hides(rule, &answer());
    put_answer(&mut story, RELAY, 11);
    story.shows(rule, &answer(), EFFECTIVE);
}

#[test]
fn a_deactivation_does_not_end_a_tombstone() {
    let mut story = with_answer(RELAY);
    story.inactive(RELAY, GUEST, 1, "deleted");
    story.inactive(RELAY, GUEST, 2, "deactivated");
    let rule = "A tombstone ends only with `active: true`";
    put_answer(&mut story, RELAY, 11);
    story.hides(rule, &answer());
    story.active(RELAY, GUEST, 3);
    story.hides(rule, &answer());
}

#[test]
fn commits_of_an_inactive_account_leave_the_rev_as_it_was() {
    let rule = "Commits from inactive accounts are ignored and do not advance the repository's rev";
    let mut story = with_answer(RELAY);
    story.inactive(RELAY, GUEST, 1, "deactivated");
    story.commit(RELAY, GUEST, 20, deletion(RSVP, "answer"));
    story.jetstream(RELAY, GUEST, 21, deletion(RSVP, "answer"));
    story.sync(RELAY, GUEST, 22, "data10");
    story.active(RELAY, GUEST, 2);
    story.shows(rule, &answer(), EFFECTIVE);
    story.commit(RELAY, GUEST, 11, deletion(RSVP, "answer"));
    story.hides(rule, &answer());
}

#[test]
fn account_events_of_one_source_go_by_position() {
    let mut story = with_answer(RELAY);
    story.inactive(RELAY, GUEST, 5, "deactivated");
    story.active(RELAY, GUEST, 4);
    let rule = "each with the `seq` (or time) of the last one applied, below which they are ignored";
    story.hides(rule, &answer());
    story.active(RELAY, GUEST, 5);
    story.shows(rule, &answer(), EFFECTIVE);
}

#[test]
fn the_source_with_the_greatest_rev_counts() {
    let rule = "The one that counts is that of the source which has sent the commit or `#sync` with the \
                greatest rev for the DID";
    let mut story = with_answer(OLD_HOST);
    put_answer(&mut story, NEW_HOST, 11);
    story.active(NEW_HOST, GUEST, 1);
    story.inactive(OLD_HOST, GUEST, 9, "deactivated");
    story.shows(rule, &answer(), EFFECTIVE);
    // What a source sends again does not lower the greatest rev that it has sent.
    put_answer(&mut story, NEW_HOST, 8);
    story.shows(rule, &answer(), EFFECTIVE);

    story.sync(OLD_HOST, GUEST, 12, "other");
    story.hides(rule, &answer());
}

#[test]
fn the_hosts_of_a_moved_account_may_be_replayed_in_either_order() {
    let rule = "the order in which two recordings are replayed must not matter";
    let old = |story: &mut Story| {
        put_answer(story, OLD_HOST, 10);
        story.inactive(OLD_HOST, GUEST, 900, "deactivated");
    };
    let new = |story: &mut Story| {
        story.active(NEW_HOST, GUEST, 1);
        put_answer(story, NEW_HOST, 11);
    };
    for old_first in [true, false] {
        let mut story = Story::new();
        if old_first {
            old(&mut story);
            new(&mut story);
        } else {
            new(&mut story);
            old(&mut story);
        }
        story.shows(rule, &answer(), EFFECTIVE);
    }
}

#[test]
fn the_rev_of_a_sync_event_decides_between_sources() {
    let mut story = with_answer(OLD_HOST);
    story.inactive(OLD_HOST, GUEST, 9, "deactivated");
    let (did, data) = (GUEST.to_owned(), "data10".to_owned());
    story.send(NEW_HOST, Body::Sync { did, rev: rev(10), event_rev: rev(11), data });
    let rule = "Of a `#sync` the rev inside the signed commit is the watermark and the event's own rev \
                only decides between sources";
    story.shows(rule, &answer(), EFFECTIVE);
    story.commit(NEW_HOST, GUEST, 11, deletion(RSVP, "answer"));
    story.hides(rule, &answer());
}

#[test]
fn stale_and_ignored_commits_decide_between_sources_and_skipped_ones_do_not() {
    let rule = "every `#sync`, and every commit in which something was wanted, counts here, stale and \
                ignored ones too, and before activity is checked";
    // Not wanted: the old host counts on.
    let mut story = with_answer(OLD_HOST);
    story.inactive(OLD_HOST, GUEST, 1, "deactivated");
    story.commit(NEW_HOST, GUEST, 11, noise());
    story.hides(rule, &answer());
    // Wanted, from an account that is inactive until this very commit makes the new host count.
    story.commit(NEW_HOST, GUEST, 12, usable(RSVP, "another", rsvp(&the_event(), "going")));
    story.shows(rule, &at(GUEST, RSVP, "another"), NOT_EFFECTIVE);
    story.shows(rule, &answer(), EFFECTIVE);
    // Ignored as the new host is inactive now, and yet it makes that host's rev the greatest.
    story.inactive(NEW_HOST, GUEST, 2, "deactivated");
    story.commit(NEW_HOST, GUEST, 20, deletion(RSVP, "answer"));
    story.active(OLD_HOST, GUEST, 3);
    story.commit(OLD_HOST, GUEST, 19, deletion(RSVP, "another"));
    story.hides(rule, &answer());
    // Stale for the repository as such, and greater than what the other source has sent.
    let mut story = with_answer(RELAY);
    story.inactive(OLD_HOST, GUEST, 1, "deactivated");
    story.shows(rule, &answer(), EFFECTIVE);
    story.sync(RELAY, GUEST, 12, "data10");
    put_answer(&mut story, OLD_HOST, 12);
    story.hides(rule, &answer());
}

#[test]
fn without_any_rev_the_latest_time_counts_and_then_the_smallest_name() {
    let rule = "With none, or a tie: the latest `time` in the account events, then the smallest source name.";
    // Nothing by the guest was ever sent; the state shows in what a reference to the guest's round leads to.
    for (old_time, new_time, active) in [
        (minute(1), minute(2), true),
        (minute(2), minute(1), false),
        // "new-host" is the smaller name.
        (minute(1), minute(1), true),
        ("2026-08-01T14:01:00+02:00".to_owned(), minute(1), true),
        ("2026-08-01T14:02:00+02:00".to_owned(), minute(1), false),
        ("soon".to_owned(), minute(1), true),
        (minute(1), "soon".to_owned(), false),
    ] {
        let mut story = Story::new();
        story.account(OLD_HOST, GUEST, 7, (false, Some("suspended")), &old_time);
        story.account(NEW_HOST, GUEST, 3, (true, None), &new_time);
        story.put(HOST, SIGNUP, "signup", to_round(&at(GUEST, ROUND, "never-written")));
        let verdict = if active { pending("round-unknown") } else { invalid("round-not-live") };
        story.shows(rule, &at(HOST, SIGNUP, "signup"), &verdict);
    }
}

#[test]
fn in_a_tie_only_the_sources_that_tie_are_asked() {
    let rule = "With none, or a tie: the latest `time` in the account events, then the smallest source name.";
    let mut story = with_answer(OLD_HOST);
    put_answer(&mut story, NEW_HOST, 10);
    story.inactive("a-third-source", GUEST, 9, "deactivated");
    story.shows(rule, &answer(), EFFECTIVE);
    story.inactive(OLD_HOST, GUEST, 1, "deactivated");
    story.hides(rule, &answer());
    story.active(NEW_HOST, GUEST, 2);
    story.shows(rule, &answer(), EFFECTIVE);
}

#[test]
fn a_silent_source_says_active() {
    let rule = "A source that has sent no account event for the DID says active.";
    let mut story = with_answer(OLD_HOST);
    story.inactive(OLD_HOST, GUEST, 1, "deactivated");
    put_answer(&mut story, NEW_HOST, 11);
    story.shows(rule, &answer(), EFFECTIVE);
}

#[test]
fn a_deletion_told_by_a_source_that_does_not_count_purges_nothing() {
    let rule = "The one that counts is that of the source";
    let mut story = with_answer(OLD_HOST);
    put_answer(&mut story, NEW_HOST, 11);
    story.inactive(OLD_HOST, GUEST, 1, "deleted");
    story.shows(rule, &answer(), EFFECTIVE);
}

#[test]
fn an_account_of_which_nothing_is_stored_can_be_inactive() {
    let mut story = Story::new();
    story.inactive(RELAY, GUEST, 1, "suspended");
    story.commit(RELAY, GUEST, 1, usable(RSVP, "answer", rsvp(&the_event(), "going")));
    story.hides("Inactive states are kept for all DIDs, tracked or not.", &answer());
}

#[test]
fn a_deleted_organizer_takes_the_round_along() {
    let mut story = Story::with_round(&json!({}));
    story.put(GUEST, SIGNUP, "signup", to_round(&the_round()));
    story.inactive(RELAY, HOST, 1, "deleted");
    let rule = "the DID stays as a tombstone so that verdict reasons remain true";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &invalid("round-not-live"));
    story.active(RELAY, HOST, 2);
    let rule = "then the purged URIs are unknown";
    story.shows(rule, &at(GUEST, SIGNUP, "signup"), &pending("round-unknown"));
}
