//! A daemon that makes its store complete: by sweeps, backfill and resync, beside what its source tells.

use std::collections::BTreeSet;

use serde_json::json;

use crate::frames::ipld;
use crate::harness::{digest, succeed};
use crate::pds::{Pds, Say};
use crate::serving::{get, signal, wait};
use crate::signed::{Repo, Write};
use crate::stage::{Stage, commit, somebody, status, until};

/// Some people who have each written an event already.
fn people(letters: &str, pds: &Pds) -> Vec<Repo> {
    let one = |letter: char| {
        let mut repo = somebody(letter);
        commit(&mut repo, &[("k", &letter.to_string())]);
        pds.has(&repo);
        repo
    };
    letters.chars().map(one).collect()
}

fn at<'a>(people: &'a [Repo], pds: &'a Pds) -> Vec<(&'a Repo, &'a Pds)> {
    people.iter().map(|repo| (repo, pds)).collect()
}

/// The digest of a server that begins now, and is told nothing by its relay.
fn fresh_digest(people: &[(&Repo, &Pds)], lists: &Pds) -> String {
    let stage = Stage::new(people, lists);
    let daemon = stage.begin();
    stage.until_complete(&daemon);
    stage.end(daemon);
    digest(&stage.data())
}

#[test]
fn what_was_written_before_the_start_is_there_after_the_first_sweep() {
    for lists_everything_only in [false, true] {
        let pds = Pds::start();
        if lists_everything_only {
            pds.lists_everything_only();
        }
        pds.pages_of(2);
        let mut all = people("abcdefg", &pds);
        // Who has nothing that is wanted, who is not active, and whom the directory does not know.
        let mut other = somebody('h');
        other.commit(0, &[Write::Put("app.example.post/k", ipld(json!({ "text": "x" })))]);
        pds.has(&other);
        all.push(other);
        pds.stands(&all[1].did, Some("deactivated"));
        people("x", &pds);
        let stage = Stage::new(&at(&all, &pds), &pds);
        let daemon = stage.begin();
        let before = status(&daemon, "");
        assert_eq!((&before["complete"], &before["ready"]), (&json!(false), &json!(false)), "{before}");
        let after = stage.until_complete(&daemon);
        assert_eq!(after["sources"][0]["window"]["how"], "first-read");
        assert_eq!((&after["ledger"]["due"], &after["ledger"]["tracked"]), (&json!(0), &json!(6)), "{after}");
        stage.until(&daemon, "readiness", |status| status["ready"] == true);
        assert_eq!(get(&daemon.address, "/xrpc/_health").0, 200);
        for repo in &all {
            assert!(pds.times_asked("getRepo", &repo.did) <= 1, "{}", repo.did);
        }
        assert_eq!(stage.end(daemon), ["a", "c", "d", "e", "f", "g"]);
        let empty = pds
            .asked()
            .iter()
            .any(|asked| asked.query.get("cursor").is_some_and(|cursor| cursor.ends_with(" &é")));
        assert!(empty, "there was an empty page in the middle");
    }
}

#[test]
fn a_repository_first_seen_in_the_middle_of_its_history_is_backfilled() {
    let (pds, mut repo) = (Pds::start(), somebody('a'));
    let stage = Stage::new(&[(&repo, &pds)], &pds);
    let daemon = stage.begin();
    stage.until_complete(&daemon);
    commit(&mut repo, &[("a", "A"), ("b", "B")]);
    let second = commit(&mut repo, &[("c", "C"), ("b", "")]);
    pds.has(&repo);
    stage.tell(second);
    let known = stage.until_compared(&daemon, &repo);
    assert_eq!(known["repository"]["verified"], "whole", "{known}");
    // The next one follows, and nobody is asked for it.
    stage.tell(commit(&mut repo, &[("d", "D")]));
    stage.until(&daemon, "the commit", |status| status["sources"][0]["cursor"] == 2);
    assert_eq!(status(&daemon, "")["complete"], true);
    assert_eq!(pds.times_asked("getRepo", &repo.did), 1);
    assert_eq!(stage.end(daemon), ["A", "C", "D"]);
}

#[test]
fn fault_2_resync_deletes_what_vanished() {
    let (pds, mut repo) = (Pds::start(), somebody('a'));
    commit(&mut repo, &[("a", "A"), ("b", "B"), ("c", "C")]);
    pds.has(&repo);
    let stage = Stage::new(&[(&repo, &pds)], &pds);
    let daemon = stage.begin();
    stage.until_complete(&daemon);
    // Of the first of the two nobody ever hears.
    commit(&mut repo, &[("a", ""), ("b", "B again"), ("lost", "Lost")]);
    let third = commit(&mut repo, &[("c", ""), ("d", "D")]);
    pds.has(&repo);
    stage.tell(third);
    stage.until_compared(&daemon, &repo);
    stage.until_complete(&daemon);
    assert_eq!(stage.end(daemon), ["B again", "D", "Lost"]);
    assert_eq!(pds.times_asked("getRepo", &repo.did), 2);
    assert_eq!(digest(&stage.data()), fresh_digest(&[(&repo, &pds)], &pds));
}

#[test]
fn fault_8_an_outdated_cursor_is_an_incident_that_is_swept() {
    let pds = Pds::start();
    let mut all = people("abcd", &pds);
    let stage = Stage::new(&at(&all, &pds), &pds);
    let daemon = stage.begin();
    stage.until_complete(&daemon);
    stage.pulse(&daemon);
    assert_eq!(stage.words().lines().last(), Some("complete"));
    assert_eq!(stage.end(daemon), ["a", "b", "c", "d"]);

    // While nobody looks: removed and written, written, taken down; and the relay forgets all of it.
    for (of, events) in [(0, vec![("k", ""), ("new", "A")]), (1, vec![("new", "B")])] {
        let told = commit(&mut all[of], &events);
        pds.has(&all[of]);
        stage.tell(told);
    }
    pds.stands(&all[2].did, Some("takendown"));
    stage.forget();
    stage.tell(commit(&mut all[3], &[("live", "D")]));
    pds.has(&all[3]);
    pds.holds("listReposByCollection");
    let daemon = stage.begin();
    let during =
        stage.until(&daemon, "the window", |status| status["sources"][0]["window"]["state"] == "sweeping");
    assert_eq!(during["sources"][0]["window"]["how"], "outdated-cursor");
    assert_eq!((&during["ready"], &during["complete"]), (&json!(false), &json!(false)), "{during}");
    assert_eq!(get(&daemon.address, "/xrpc/_health").0, 503);
    let words = stage.words();
    assert!(words.contains("no longer had everything since the cursor"), "{words}");
    assert!(words.lines().last().unwrap().starts_with("not complete: 1 window open"), "{words}");
    // What is told now is stored, and does not make up for the rest.
    stage.until(&daemon, "the commit", |status| status["sources"][0]["cursor"] == 4);
    assert_eq!(get(&daemon.address, "/xrpc/_health").0, 503);

    pds.lets_go();
    let after = stage.until_complete(&daemon);
    assert_eq!(after["sources"][0]["window"]["how"], "outdated-cursor", "{after}");
    stage.until(&daemon, "readiness", |status| status["ready"] == true);
    let words = stage.words();
    assert!(words.contains("  closed 2"), "{words}");
    assert_eq!(words.lines().last(), Some("complete"));
    let shown = succeed(&[&"export", &"--data-dir", &stage.data()]);
    assert!(!shown.contains(&all[2].did), "what was taken down is not shown");
    assert_eq!(stage.end(daemon), ["A", "B", "D", "b", "c", "d"]);
}

#[test]
fn fault_16_complete_means_it() {
    let (pds, bad) = (Pds::start(), Pds::start());
    let good = people("ab", &pds);
    let failing = people("c", &bad);
    // The list has them all.
    people("c", &pds);
    pds.answers(&failing[0].did, 404, Vec::new());
    bad.says("getRepo", Say::Answer(503, Vec::new(), Vec::new()));
    let everybody = [at(&good, &pds), at(&failing, &bad)].concat();
    let stage = Stage::new(&everybody, &pds);
    let daemon = stage.begin();
    let during = stage
        .until(&daemon, "the end of the sweep", |status| status["sources"][0]["window"]["state"] == "closed");
    assert_eq!((&during["complete"], &during["ledger"]["failing"]), (&json!(false), &json!(1)), "{during}");
    let failure = &during["ledger"]["failures"][0];
    assert_eq!((&failure["did"], &failure["cause"]), (&json!(failing[0].did), &json!("listed")));
    assert_eq!(failure["reason"], "the host answered 503", "{failure}");
    assert!(failure["nextAttempt"].as_str().is_some(), "{failure}");
    let words = stage.words();
    assert!(words.contains(&format!("  {}  listed: the host answered 503", failing[0].did)), "{words}");
    assert_eq!(words.lines().last(), Some("not complete: 0 windows open, 1 account to be asked about"));
    assert_eq!(during["ledger"]["tracked"], 2);

    bad.is_well();
    let after = stage.until_complete(&daemon);
    assert_eq!((&after["ledger"]["failing"], &after["ledger"]["tracked"]), (&json!(0), &json!(3)));
    assert_eq!(stage.end(daemon), ["a", "b", "c"]);
    assert_eq!(bad.times_asked("getRepo", &failing[0].did), 2, "its host was left alone in between");
}

#[test]
fn somebody_whom_a_record_refers_to_is_asked_about() {
    let (pds, other) = (Pds::start(), Pds::start());
    let (mut ann, gone) = (somebody('a'), people("b", &other).remove(0));
    let here = people("c", &other).remove(0);
    other.stands(&gone.did, Some("deactivated"));
    let stage = Stage::new(&[(&ann, &pds), (&gone, &other), (&here, &other)], &pds);
    let daemon = stage.begin();
    stage.until_complete(&daemon);
    let rsvp = |of: &Repo| {
        ipld(json!({
            "$type": "community.lexicon.calendar.rsvp", "status": "community.lexicon.calendar.rsvp#going",
            "subject": {
                "uri": format!("at://{}/community.lexicon.calendar.event/k", of.did),
                "cid": "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm",
            },
            "createdAt": "2026-01-01T00:00:00Z",
        }))
    };
    let path = |key: &str| format!("community.lexicon.calendar.rsvp/{key}");
    let (first, second) = (path("first"), path("second"));
    // Of whom nobody can know anything, nobody is asked, and nothing is missing.
    let mut nobody = somebody('z');
    nobody.did = "did:example:nobody".to_owned();
    let third = path("third");
    let told = ann.commit(
        0,
        &[
            Write::Put(&first, rsvp(&gone)),
            Write::Put(&second, rsvp(&here)),
            Write::Put(&third, rsvp(&nobody)),
        ],
    );
    pds.has(&ann);
    stage.tell(told);
    for repo in [&gone, &here] {
        until("the question", || (other.times_asked("getRepoStatus", &repo.did) > 0).then_some(()));
    }
    stage.until_complete(&daemon);
    for (repo, state) in [(&gone, "not-live"), (&here, "unknown")] {
        let uri = format!("at://{}/community.lexicon.calendar.event/k", repo.did);
        let explained = succeed(&[&"explain", &"--json", &"--data-dir", &stage.data(), &uri]);
        assert!(explained.contains(state), "{explained}");
        assert_eq!(other.times_asked("getRepoStatus", &repo.did), 1);
        assert_eq!(other.times_asked("getRepo", &repo.did), 0, "nothing of it is wanted");
    }
    stage.end(daemon);
}

#[test]
fn a_daemon_killed_again_and_again_in_a_sweep_goes_on_where_it_was() {
    let pds = Pds::start();
    pds.pages_of(1);
    let all = people("abcdefg", &pds);
    let stage = Stage::new(&at(&all, &pds), &pds);
    // It has to know where its relay stands, or a restart is a reason for another sweep.
    pds.holds("listReposByCollection");
    let daemon = stage.begin();
    stage.pulse(&daemon);
    pds.lets_go();
    for method in ["listReposByCollection", "getRepo"] {
        pds.says(method, Say::Late(std::time::Duration::from_millis(50)));
    }
    let mut daemon = daemon;
    for round in 1..=5 {
        until("some pages", || (lists(&pds).len() >= 4 * round).then_some(()));
        signal(&daemon.process, "KILL");
        assert!(!wait(&mut daemon.process).success());
        daemon = stage.begin();
    }
    stage.until_complete(&daemon);
    assert_eq!(stage.end(daemon).len(), all.len());
    let mut asked = lists(&pds);
    asked.dedup();
    pds.pages_of(100);
    pds.is_well();
    let different: BTreeSet<_> = asked.iter().collect();
    assert_eq!(different.len(), asked.len(), "no page but the last one is asked for again: {asked:?}");
    assert_eq!(digest(&stage.data()), fresh_digest(&at(&all, &pds), &pds));
}

/// The lists that a host was asked for.
fn lists(pds: &Pds) -> Vec<(String, String)> {
    let asked = pds.asked().into_iter().filter(|asked| asked.method == "listReposByCollection");
    let asked = asked.map(|mut asked| {
        let mut of = |name: &str| asked.query.remove(name).unwrap_or_default();
        (of("collection"), of("cursor"))
    });
    asked.collect()
}

#[test]
fn commits_that_come_while_a_host_is_slow_are_neither_lost_nor_undone() {
    let (pds, mut repo) = (Pds::start(), somebody('a'));
    commit(&mut repo, &[("a", "A"), ("b", "B"), ("c", "C")]);
    pds.has(&repo);
    pds.holds("getRepo");
    let stage = Stage::new(&[(&repo, &pds)], &pds);
    let daemon = stage.begin();
    until("the question", || (pds.times_asked("getRepo", &repo.did) == 1).then_some(()));
    // What is on its way is of before these.
    stage.tell(commit(&mut repo, &[("a", ""), ("b", "B again"), ("d", "D")]));
    stage.tell(commit(&mut repo, &[("d", ""), ("e", "E")]));
    pds.has(&repo);
    stage.until(&daemon, "the commits", |status| status["sources"][0]["cursor"] == 2);
    pds.lets_go();
    stage.until_complete(&daemon);
    assert_eq!(stage.end(daemon), ["B again", "C", "E"]);
    assert_eq!(digest(&stage.data()), fresh_digest(&[(&repo, &pds)], &pds));
}

#[test]
fn a_repository_whose_host_does_not_answer_is_had_from_the_relay_and_proved() {
    let (host, relay, mut repo) = (Pds::start(), Pds::start(), somebody('a'));
    commit(&mut repo, &[("k", "A")]);
    host.says("getRepo", Say::Answer(503, Vec::new(), Vec::new()));
    relay.has(&repo);
    let stage = Stage::new(&[(&repo, &host)], &relay);
    let daemon = stage.begin();
    stage.until_complete(&daemon);
    assert_eq!(stage.end(daemon), ["A"]);
    let times = |pds: &Pds| pds.times_asked("getRepo", &repo.did);
    assert_eq!((times(&host), times(&relay)), (1, 1));
}

#[test]
fn whoever_is_named_and_does_not_exist_is_said_to_and_does_not_stay_due() {
    let pds = Pds::start();
    let all = people("a", &pds);
    let stage = Stage::new(&at(&all, &pds), &pds);
    let output = stage.backfill(&["did:plc:zzzzzzzzzzzzzzzzzzzzzzzz", "did:example:nobody", &all[0].did]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\"did:example:nobody\":\"nobody knows of it\""), "{said}");
    assert!(said.contains("\"did:plc:zzzzzzzzzzzzzzzzzzzzzzzz\":\"nobody knows of it\""), "{said}");
    assert_eq!(stage.words().lines().last(), Some("complete"));
}
