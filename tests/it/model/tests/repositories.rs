//! RULES §4: order within a repository, tracked repositories, `#sync`.

use super::{
    Body, EFFECTIVE, GUEST, NOT_EFFECTIVE, Op, RELAY, RSVP, Story, at, deletion, noise, rev, rsvp, the_event,
    usable,
};

const JETSTREAM: &str = "jetstream";

fn put(rkey: &str) -> Op {
    usable(RSVP, rkey, rsvp(&the_event(), "going"))
}

fn answer(rkey: &str) -> String {
    at(GUEST, RSVP, rkey)
}

/// Commits of the guest by the relay, one op each.
fn told_by_relay(commits: &[(u32, Op)]) -> Story {
    let mut story = Story::new();
    for (rev_number, op) in commits {
        story.commit(RELAY, GUEST, *rev_number, op.clone());
    }
    story
}

#[test]
fn a_commit_must_be_newer_than_the_repository() {
    let rule =
        "Per repository the greatest rev applied is kept; a commit with a rev that is not greater is ignored";
    let mut story = told_by_relay(&[(10, put("a"))]);
    story.commit(RELAY, GUEST, 9, deletion(RSVP, "a"));
    story.shows(rule, &answer("a"), EFFECTIVE);
    story.commit(RELAY, GUEST, 10, deletion(RSVP, "a"));
    story.shows(rule, &answer("a"), EFFECTIVE);
    story.commit(RELAY, GUEST, 11, deletion(RSVP, "a"));
    story.hides(rule, &answer("a"));
}

#[test]
fn a_gap_is_no_obstacle() {
    let story = told_by_relay(&[(10, put("a")), (400, deletion(RSVP, "a"))]);
    story.hides("a gap in the chain is counted and the commit applied", &answer("a"));
}

#[test]
fn the_ops_of_one_jetstream_commit_share_a_rev() {
    let rule =
        "except that the operations of one Jetstream commit arrive as several events with the same rev";
    let mut story = told_by_relay(&[]);
    story.jetstream(JETSTREAM, GUEST, 10, put("a"));
    story.jetstream(JETSTREAM, GUEST, 10, put("b"));
    story.shows(rule, &answer("a"), NOT_EFFECTIVE);
    story.shows(rule, &answer("b"), EFFECTIVE);
    story.jetstream(JETSTREAM, GUEST, 9, put("c"));
    let rule = "A Jetstream event older than the repository's rev is ignored";
    story.hides(rule, &answer("c"));
}

#[test]
fn a_firehose_commit_completes_what_jetstream_left_and_does_so_once() {
    let rule = "and that a firehose commit with exactly the rev that Jetstream left is applied once more";
    let mut story = told_by_relay(&[]);
    story.jetstream(JETSTREAM, GUEST, 10, put("a"));
    story.commit(RELAY, GUEST, 10, put("b"));
    story.shows(rule, &answer("b"), EFFECTIVE);
    story.commit(RELAY, GUEST, 10, put("c"));
    story.hides(rule, &answer("c"));
    story.jetstream(JETSTREAM, GUEST, 10, put("c"));
    story.hides(rule, &answer("c"));
}

#[test]
fn a_skipped_commit_leaves_no_trace() {
    let rule = "A skipped commit (nothing wanted, repository not tracked) leaves no trace.";
    let mut story = told_by_relay(&[(20, noise())]);
    story.jetstream(JETSTREAM, GUEST, 21, noise());
    let (did, data) = (GUEST.to_owned(), "data22".to_owned());
    story.send(RELAY, Body::Commit { did, rev: rev(22), data, ops: Vec::new() });
    story.commit(RELAY, GUEST, 10, put("a"));
    story.shows(rule, &answer("a"), EFFECTIVE);
}

#[test]
fn in_a_tracked_repository_every_commit_advances_the_rev() {
    let rule = "from the first applied record of a wanted collection until the account's deletion";
    for by_jetstream in [false, true] {
        let mut story = told_by_relay(&[(10, put("a")), (11, deletion(RSVP, "a"))]);
        if by_jetstream {
            story.jetstream(JETSTREAM, GUEST, 20, noise());
        } else {
            story.commit(RELAY, GUEST, 20, noise());
        }
        story.commit(RELAY, GUEST, 19, put("b"));
        story.hides(rule, &answer("b"));
    }
    // A delete is no record: the repository has a rev and is not tracked.
    let mut story = told_by_relay(&[(10, deletion(RSVP, "a")), (20, noise())]);
    story.commit(RELAY, GUEST, 10, put("b"));
    story.hides(rule, &answer("b"));
    story.commit(RELAY, GUEST, 19, put("b"));
    story.shows(rule, &answer("b"), EFFECTIVE);
}

#[test]
fn after_a_deletion_the_repository_is_no_longer_tracked() {
    let rule = "from the first applied record of a wanted collection until the account's deletion";
    let mut story = told_by_relay(&[(10, put("a"))]);
    story.inactive(RELAY, GUEST, 1, "deleted");
    story.active(RELAY, GUEST, 2);
    story.commit(RELAY, GUEST, 20, noise());
    story.commit(RELAY, GUEST, 19, put("b"));
    story.shows(rule, &answer("b"), EFFECTIVE);
}

#[test]
fn after_a_purge_an_equal_rev_is_stale_too() {
    let mut story = told_by_relay(&[]);
    story.jetstream(JETSTREAM, GUEST, 10, put("a"));
    story.inactive(JETSTREAM, GUEST, 1, "deleted");
    story.active(JETSTREAM, GUEST, 2);
    story.jetstream(JETSTREAM, GUEST, 10, put("a"));
    let rule = "After a purge an equal rev is stale too.";
    story.hides(rule, &answer("a"));
    story.commit(JETSTREAM, GUEST, 10, put("a"));
    story.hides(rule, &answer("a"));
}

#[test]
fn a_sync_founds_an_unknown_repository() {
    let rule = "a `#sync` for an unknown repository founds it empty";
    let mut story = told_by_relay(&[]);
    story.sync(RELAY, GUEST, 10, "data10");
    assert!(story.model.export().is_empty(), "{rule}");
    story.commit(RELAY, GUEST, 10, put("a"));
    story.hides(rule, &answer("a"));
    story.jetstream(JETSTREAM, GUEST, 10, put("a"));
    story.hides(rule, &answer("a"));
    // Founded is not tracked: what is not wanted leaves no trace.
    story.commit(RELAY, GUEST, 20, noise());
    story.commit(RELAY, GUEST, 11, put("a"));
    story.shows(rule, &answer("a"), EFFECTIVE);
}

#[test]
fn a_sync_of_a_known_repository_advances_its_rev_only_with_the_same_data() {
    let rule = "and one of a known repository with other data leaves its rev as it was";
    let mut story = told_by_relay(&[(10, put("a"))]);
    story.sync(RELAY, GUEST, 20, "other");
    story.commit(RELAY, GUEST, 15, put("b"));
    story.shows(rule, &answer("b"), EFFECTIVE);
    story.shows(rule, &answer("a"), NOT_EFFECTIVE);

    story.sync(RELAY, GUEST, 30, "data15");
    story.commit(RELAY, GUEST, 30, put("c"));
    story.hides(rule, &answer("c"));
    story.commit(RELAY, GUEST, 31, put("c"));
    story.shows(rule, &answer("c"), EFFECTIVE);
}

#[test]
fn data_that_jetstream_left_unknown_is_other_data() {
    let rule = "and one of a known repository with other data leaves its rev as it was";
    let mut story = told_by_relay(&[(10, put("a"))]);
    story.jetstream(JETSTREAM, GUEST, 11, put("b"));
    story.sync(RELAY, GUEST, 20, "data10");
    story.commit(RELAY, GUEST, 15, put("c"));
    story.shows(rule, &answer("c"), EFFECTIVE);
}

#[test]
fn a_sync_founds_a_purged_repository_anew() {
    let rule = "a `#sync` for an unknown repository founds it empty";
    let mut story = told_by_relay(&[(10, put("a"))]);
    story.inactive(RELAY, GUEST, 1, "deleted");
    story.active(RELAY, GUEST, 2);
    story.sync(RELAY, GUEST, 9, "data9");
    story.sync(RELAY, GUEST, 20, "data20");
    story.commit(RELAY, GUEST, 15, put("a"));
    story.hides(rule, &answer("a"));
    story.commit(RELAY, GUEST, 21, put("a"));
    story.shows(rule, &answer("a"), EFFECTIVE);
}

#[test]
fn later_ops_of_a_commit_win_over_earlier_ones() {
    let mut story = told_by_relay(&[]);
    let ops = vec![put("a"), put("b"), deletion(RSVP, "a")];
    story.send(RELAY, Body::Commit { did: GUEST.to_owned(), rev: rev(1), data: "data".to_owned(), ops });
    story.hides("the current value at an AT-URI", &answer("a"));
    story.shows("the current value at an AT-URI", &answer("b"), EFFECTIVE);
}
