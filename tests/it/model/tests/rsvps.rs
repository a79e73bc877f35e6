//! RULES §3: effective RSVPs and the counts of events.

use super::{
    EFFECTIVE, EVENT, FRIEND, GUEST, HOST, NOT_EFFECTIVE, RELAY, RSVP, STRANGER, Story, at, counts, deletion,
    rsvp, rsvp_at, the_event, unusable,
};
use serde_json::{Value, json};

fn with_event() -> Story {
    let mut story = Story::new();
    story.put(HOST, EVENT, "party", json!({}));
    story
}

/// Two RSVPs of the guest to the event, of which the second to be written must be the effective one, and then
/// again with the order of writing reversed: "Not of arrival order".
fn later_is(rule: &str, earlier: (&str, Option<Value>), later: (&str, Option<Value>)) {
    for reversed in [false, true] {
        let mut story = with_event();
        let mut answers = [(earlier.clone(), "notgoing"), (later.clone(), "going")];
        if reversed {
            answers.reverse();
        }
        for ((rkey, created_at), status) in &answers {
            let record = match created_at {
                Some(created_at) => rsvp_at(&the_event(), status, created_at),
                None => rsvp(&the_event(), status),
            };
            story.put(GUEST, RSVP, rkey, record);
        }
        story.shows(rule, &at(GUEST, RSVP, earlier.0), NOT_EFFECTIVE);
        story.shows(rule, &at(GUEST, RSVP, later.0), EFFECTIVE);
        story.shows(
            "Counts** of an event are counts of effective RSVPs by status",
            &the_event(),
            &counts(1, 0, 0, 0),
        );
    }
}

#[test]
fn the_latest_rsvp_of_a_person_is_the_effective_one() {
    let created = "`t` is the record's `createdAt` if it is a valid datetime";
    let cut = "cut after the sixth digit of the fraction";
    let noon = Some(json!("2026-08-01T12:00:00Z"));
    later_is(created, ("b", noon.clone()), ("a", Some(json!("2026-08-01T12:00:01Z"))));
    later_is(created, ("b", Some(json!("2026-08-01T13:00:00+02:00"))), ("a", noon.clone()));
    later_is(
        cut,
        ("b", Some(json!("2026-08-01T12:00:00.000001Z"))),
        ("a", Some(json!("2026-08-01T12:00:00.000002Z"))),
    );
    later_is(
        cut,
        ("a", Some(json!("2026-08-01T12:00:00.0000019Z"))),
        ("b", Some(json!("2026-08-01T12:00:00.0000011Z"))),
    );
    later_is("the one with the greatest `(t, rkey)`", ("a", noon.clone()), ("b", noon.clone()));
    later_is("the one with the greatest `(t, rkey)`", ("B", noon.clone()), ("a", noon));
}

#[test]
fn a_time_before_1970_is_negative() {
    let rule = "and possibly negative";
    later_is(rule, ("b", Some(json!("1969-12-31T23:59:59.999999Z"))), ("a", None));
    later_is(rule, ("b", Some(json!("0000-01-01T00:00:00Z"))), ("a", Some(json!("1969-12-31T23:59:59Z"))));
    later_is(rule, ("b", Some(json!("1969-12-31T23:59:59Z"))), ("a", Some(json!("1969-12-31T23:59:59.5Z"))));
}

#[test]
fn a_tid_in_the_key_stands_in_for_a_missing_or_invalid_time() {
    // 3jzfcijpj2z2a is a moment of the year 2023; the smallest TID is that of 1970 itself.
    let rule = "else the time in the record key if that is a TID";
    let (tid, zero_tid) = ("3jzfcijpj2z2a", "2222222222222");
    later_is(rule, ("b", Some(json!("2022-12-31T23:59:59Z"))), (tid, None));
    later_is(rule, (tid, None), ("b", Some(json!("2024-01-01T00:00:00Z"))));
    for invalid in [
        json!("2024-01-01T00:00:60Z"),
        json!("2024-01-01"),
        json!("2024-02-30T00:00:00Z"),
        json!(5),
        json!(null),
    ] {
        later_is(rule, ("b", Some(json!("2022-12-31T23:59:59Z"))), (tid, Some(invalid)));
    }
    later_is("else 0", ("a", None), ("b", None));
    later_is("else 0", (zero_tid, None), ("a", None));
    later_is("else 0", ("zzzzzzzzzzzzz", None), (tid, None));
}

#[test]
fn counts_go_by_status() {
    let mut story = with_event();
    for (did, status) in [(HOST, "going"), (GUEST, "interested"), (FRIEND, "notgoing"), (STRANGER, "maybe")] {
        story.put(did, RSVP, "answer", rsvp(&the_event(), status));
    }
    let rule = "counts of effective RSVPs by status: going, interested, notgoing, other";
    story.shows(rule, &the_event(), &counts(1, 1, 1, 1));
    story.put(HOST, RSVP, "answer", json!({ "subject": { "uri": the_event() }, "status": "going" }));
    let rule = "Statuses outside the known set are kept and counted as `other`.";
    story.shows(rule, &the_event(), &counts(0, 1, 1, 2));
}

#[test]
fn the_cid_of_the_subject_is_ignored_for_counting() {
    let mut story = with_event();
    story.put(
        GUEST,
        RSVP,
        "answer",
        json!({ "subject": { "uri": the_event(), "cid": "another" }, "status": format!("{RSVP}#going") }),
    );
    story.shows(
        "The subject's CID is ignored for counting and shown as link state.",
        &the_event(),
        &counts(1, 0, 0, 0),
    );
}

#[test]
fn everyone_has_an_effective_rsvp_of_their_own() {
    let mut story = with_event();
    story.put(GUEST, RSVP, "a", rsvp(&the_event(), "going"));
    story.put(FRIEND, RSVP, "b", rsvp(&the_event(), "going"));
    let rule = "of (author, `subject.uri`)";
    story.shows(rule, &at(GUEST, RSVP, "a"), EFFECTIVE);
    story.shows(rule, &at(FRIEND, RSVP, "b"), EFFECTIVE);
    story.shows(rule, &the_event(), &counts(2, 0, 0, 0));
}

#[test]
fn an_edited_rsvp_moves_from_one_event_to_the_other() {
    let mut story = with_event();
    story.put(HOST, EVENT, "concert", json!({}));
    story.put(GUEST, RSVP, "answer", rsvp(&the_event(), "going"));
    story.put(GUEST, RSVP, "answer", rsvp(&at(HOST, EVENT, "concert"), "going"));
    let rule = "An RSVP edited to point at another event leaves the first and joins the second.";
    story.shows(rule, &the_event(), &counts(0, 0, 0, 0));
    story.shows(rule, &at(HOST, EVENT, "concert"), &counts(1, 0, 0, 0));
}

#[test]
fn an_rsvp_waits_for_its_event() {
    let mut story = Story::new();
    story.put(GUEST, RSVP, "answer", rsvp(&the_event(), "going"));
    let rule = "An RSVP to an event not yet seen waits and counts when the event arrives.";
    story.shows(rule, &at(GUEST, RSVP, "answer"), EFFECTIVE);
    story.put(HOST, EVENT, "party", json!({}));
    story.shows(rule, &the_event(), &counts(1, 0, 0, 0));
}

#[test]
fn the_one_before_takes_over_when_the_effective_rsvp_goes() {
    let mut story = with_event();
    story.put(GUEST, RSVP, "a", rsvp(&the_event(), "interested"));
    story.put(GUEST, RSVP, "b", rsvp(&the_event(), "going"));
    let rule = "of the author's live RSVPs to that URI the one with the greatest `(t, rkey)`";
    story.shows(rule, &at(GUEST, RSVP, "a"), NOT_EFFECTIVE);
    story.write(GUEST, unusable(RSVP, "b"));
    story.shows(rule, &at(GUEST, RSVP, "a"), EFFECTIVE);
    story.put(GUEST, RSVP, "b", rsvp(&the_event(), "going"));
    story.write(GUEST, deletion(RSVP, "b"));
    story.shows(rule, &the_event(), &counts(0, 1, 0, 0));
}

#[test]
fn an_rsvp_of_an_inactive_account_is_in_no_count() {
    let mut story = with_event();
    story.put(GUEST, RSVP, "answer", rsvp(&the_event(), "going"));
    story.inactive(RELAY, GUEST, 1, "deactivated");
    let rule = "not live: in no list, count, search or chain";
    story.shows(rule, &the_event(), &counts(0, 0, 0, 0));
    story.hides(rule, &at(GUEST, RSVP, "answer"));
}

#[test]
fn an_rsvp_to_a_handle_counts_for_no_event() {
    let mut story = with_event();
    let by_handle = format!("at://host.example/{EVENT}/party");
    story.put(GUEST, RSVP, "a", rsvp(&by_handle, "going"));
    story.put(GUEST, RSVP, "b", rsvp(&by_handle, "going"));
    story.put(GUEST, RSVP, "c", rsvp(&the_event(), "going"));
    let rule = "An RSVP whose `subject.uri` has a handle for an authority is grouped under that text, may \
                be effective there, and counts for no event.";
    story.shows(rule, &at(GUEST, RSVP, "a"), NOT_EFFECTIVE);
    story.shows(rule, &at(GUEST, RSVP, "b"), EFFECTIVE);
    story.shows(rule, &at(GUEST, RSVP, "c"), EFFECTIVE);
    story.shows(rule, &the_event(), &counts(1, 0, 0, 0));
}
