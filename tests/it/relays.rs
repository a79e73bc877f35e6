//! Following a relay: what hosts do on good days and on bad ones, each with its outcome and its counter.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use guestlist::codec::claim::Verify;
use guestlist::codec::event::Interest;
use guestlist::codec::frame::decode_strictly;
use guestlist::ingest::Sweeps;
use guestlist::ingest::endpoint::Endpoint;
use guestlist::ingest::live::{Patience, Plan, Start};
use guestlist::ingest::relay::{OnReset, Settings};
use guestlist::sources::Connection;
use guestlist::store::Store;
use ipld_core::ipld::Ipld;
use serde_json::json;
use tempfile::tempdir;

use crate::following::{Following, impatient, nobodys_prover, relay_at};
use crate::frames::{self, Op, commit, frame, headed, ipld, map, nested, text};
use crate::harness::{content, dump, recording, replay};
use crate::history::did;
use crate::host::{Act, Host, after_cursor};

const EVENT: &str = "community.lexicon.calendar.event";

/// Nothing is wanted: enough to read where a frame stands.
pub(crate) struct Nothing;

impl Interest for Nothing {
    fn collection(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn watches(&self, _: &str) -> bool {
        false
    }
}

/// The frames of a recording with their numbers.
pub(crate) fn numbered(name: &str) -> Vec<(u64, Vec<u8>)> {
    let frames = frames_of(name).into_iter();
    frames.map(|frame| (decode_strictly(&frame, &Nothing, Verify::Off).position.unwrap(), frame)).collect()
}

fn frames_of(name: &str) -> Vec<Vec<u8>> {
    crate::harness::frames(&content(name))
}

/// A commit with one event in it.
fn event(seq: u64) -> (u64, Vec<u8>) {
    let record = ipld(json!({ "$type": EVENT, "name": "Rehearsal", "createdAt": "2026-01-01T00:00:00Z" }));
    (seq, commit(&did(0), seq, seq, None, &[Op::create(&format!("{EVENT}/k{seq}"), &record)]).frame())
}

fn events(seqs: impl IntoIterator<Item = u64>) -> Vec<(u64, Vec<u8>)> {
    seqs.into_iter().map(event).collect()
}

/// The digest of a replay of these frames.
fn digest_of(frames: &[(u64, Vec<u8>)]) -> String {
    let dir = tempdir().unwrap();
    let path = dir.path().join("some.frames");
    std::fs::write(&path, dump(frames.iter().map(|(_, frame)| frame))).unwrap();
    let summary = replay(&dir.path().join("data"), &[path], &[]);
    summary["digest"].as_str().unwrap().to_owned()
}

fn error_frame(name: &str) -> Vec<u8> {
    headed(map([("op", Ipld::Integer(-1))]), &map([("error", text(name)), ("message", text("for a reason"))]))
}

pub(crate) fn info(name: &str) -> Vec<u8> {
    frame("#info", &map([("name", text(name))]))
}

fn counts(pairs: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
    pairs.iter().copied().collect()
}

/// Follows a host until the cursor is stored, and expects exactly these anomalies and rejections, and the state
/// that these frames give.
fn assert_follows(
    host: &Host,
    frames: &[(u64, Vec<u8>)],
    anomalies: &[(&'static str, u64)],
    rejected: &[(&'static str, u64)],
) -> Following {
    let following = Following::one(Plan::Relay(relay_at(host)));
    following.until_stored(frames.last().unwrap().0);
    // A count that comes after the last frame would be missed otherwise.
    following.until("the counts", |it| it.anomalies() == counts(anomalies));
    assert_eq!(following.rejected(), counts(rejected));
    assert_eq!(following.digest(), digest_of(frames));
    following
}

#[test]
fn two_hosts_one_after_the_other_give_what_a_replay_of_their_recordings_gives() {
    let hosts =
        ["small-pds1.frames", "small-pds0.frames"].map(|name| (numbered(name), Host::of(numbered(name))));
    let store = Store::in_memory().unwrap();
    let mut digest = String::new();
    for (frames, host) in &hosts {
        let following = Following::all(&store, &[Plan::Relay(relay_at(host))], &impatient());
        let last = frames.last().unwrap().0;
        let name = host.url();
        following.until("all of it", |it| {
            it.cursors().iter().any(|(key, cursor)| key.name == name && *cursor == Some(last))
        });
        digest = following.digest();
    }
    let dir = tempdir().unwrap();
    let dumps: Vec<PathBuf> = ["small-pds1.frames", "small-pds0.frames"].map(recording).into();
    assert_eq!(replay(dir.path(), &dumps, &[])["digest"], digest.as_str());
}

#[test]
fn a_restart_asks_for_what_comes_after_the_stored_cursor() {
    let frames = events(1..=20);
    let host = Host::of(frames.clone());
    let store = Store::in_memory().unwrap();
    let mut following = Following::all(&store, &[Plan::Relay(relay_at(&host))], &impatient());
    following.until_stored(20);
    following.stop();
    let again = Following::all(&store, &[Plan::Relay(relay_at(&host))], &impatient());
    again.until("the second request", |_| host.asked().len() == 2);
    let cursors: Vec<_> = host.asked().iter().map(|asked| asked.cursor()).collect();
    assert_eq!(cursors, [Some(0), Some(20)]);
    assert_eq!(again.status().messages, 0, "nothing is sent twice");
}

#[test]
fn a_source_that_is_to_begin_live_asks_without_a_cursor_the_first_time_only() {
    let frames = events(1..=5);
    let host = Host::start(move |asked| match asked.cursor() {
        None => vec![Act::Binary(frames[4].1.clone()), Act::Close(1001)],
        Some(_) => vec![Act::Stay],
    });
    let settings = Settings { start: Start::Live, ..relay_at(&host) };
    let following = Following::one(Plan::Relay(settings));
    following.until("the second request", |_| host.asked().len() == 2);
    let cursors: Vec<_> = host.asked().iter().map(|asked| asked.cursor()).collect();
    assert_eq!(cursors, [None, Some(5)]);
}

#[test]
fn a_live_start_that_is_lost_before_the_first_message_says_that_something_may_be_missing() {
    let host = Host::start(|asked| vec![if asked.number == 0 { Act::Close(1001) } else { Act::Stay }]);
    let settings = Settings { start: Start::Live, ..relay_at(&host) };
    let following = Following::one(Plan::Relay(settings));
    following.until("the second request", |_| host.asked().len() == 2);
    following.until("the note", |it| it.status().missed == 1);
    assert_eq!(following.anomalies(), counts(&[("closed", 1), ("no-cursor", 1)]));
}

#[test]
fn a_host_that_speaks_no_tls_is_no_connection() {
    let host = Host::of(events(1..=3));
    let endpoint = Endpoint::parse(&format!("wss://{}", host.address)).unwrap();
    let settings = Settings { endpoint, ..relay_at(&host) };
    let following = Following::one(Plan::Relay(settings));
    following.until("two attempts", |it| it.anomalies().get("connect-failed") >= Some(&2));
    assert_eq!(host.asked(), [], "nothing is said before TLS is there");
}

#[test]
fn a_host_that_begins_with_the_cursor_itself_is_as_good() {
    let frames = events(1..=10);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap().saturating_sub(1));
        acts.truncate(4);
        acts.push(Act::Close(1001));
        acts
    });
    let following = Following::one(Plan::Relay(relay_at(&host)));
    following.until_stored(10);
    let anomalies = following.anomalies();
    assert_eq!(anomalies.keys().collect::<Vec<_>>(), [&"closed"], "{anomalies:?}");
    assert_eq!(following.digest(), digest_of(&frames));
}

#[test]
fn a_server_that_closes_after_each_frame_is_followed_all_the_same() {
    let frames = events(1..=30);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        acts.truncate(1);
        acts.push(if acts.is_empty() { Act::Stay } else { Act::Close(1001) });
        acts
    });
    let following = assert_follows(&host, &frames, &[("closed", 30)], &[]);
    assert_eq!(following.status().messages, 30);
    let cursors: Vec<_> = host.asked().iter().map(|asked| asked.cursor().unwrap()).collect();
    assert_eq!(cursors, (0..=30).collect::<Vec<_>>(), "each connection asks for exactly the rest");
}

#[test]
fn a_connection_that_is_cut_is_made_again_from_the_cursor() {
    let frames = events(1..=20);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        if asked.number < 3 {
            acts.truncate(5);
            acts.push(Act::Cut);
        }
        acts.push(Act::Stay);
        acts
    });
    let following = Following::one(Plan::Relay(relay_at(&host)));
    following.until_stored(20);
    assert_eq!(following.digest(), digest_of(&frames));
    // Whether a cut shows as an end or as an error is up to the kernel.
    assert_eq!(following.anomalies().values().sum::<u64>(), 3, "{:?}", following.anomalies());
}

#[test]
fn ten_thousand_frames_in_one_burst_are_all_there() {
    let frames: Vec<_> = events(1..=10_000);
    let host = Host::of(frames.clone());
    let following = assert_follows(&host, &frames, &[], &[]);
    assert_eq!(following.status().messages, 10_000);
}

#[test]
fn garbage_on_the_wire_drops_the_connection_and_costs_nothing_else() {
    let frames = events(1..=6);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        if asked.number == 0 {
            // Reserved bits that nobody has negotiated.
            acts.insert(3, Act::Garbage(vec![0xff; 64]));
        }
        acts.push(Act::Stay);
        acts
    });
    assert_follows(&host, &frames, &[("broken", 1)], &[]);
}

#[test]
fn a_text_message_drops_the_connection() {
    let frames = events(1..=6);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        if asked.number == 0 {
            acts.insert(3, Act::Text("hello".to_owned()));
        }
        acts.push(Act::Stay);
        acts
    });
    assert_follows(&host, &frames, &[("wrong-kind", 1)], &[]);
}

#[test]
fn a_message_of_six_megabytes_drops_the_connection_once_and_is_then_passed_over() {
    let frames = events(1..=6);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        if asked.cursor().unwrap() <= 3 {
            let at = acts.len() - 3;
            acts.insert(at, Act::Binary(vec![0; 6_000_000]));
        }
        acts.push(Act::Stay);
        acts
    });
    let following =
        assert_follows(&host, &frames, &[("passed-over", 1), ("too-large", 1)], &[("frame-too-large", 1)]);
    assert_eq!(following.status().missed, 1, "something may be missing, and it is said");
    assert_eq!(host.asked().len(), 2);
}

#[test]
fn a_poison_frame_drops_the_connection_once_and_is_then_passed_over() {
    let frames = events(1..=9);
    let served = frames.clone();
    // Three in a row, which are found one after the other.
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        if asked.cursor().unwrap() <= 3 {
            let at = acts.len() - 6;
            for poison in [b"\xff".to_vec(), Vec::new(), [nested(100), vec![0x80]].concat()] {
                acts.insert(at, Act::Binary(poison));
            }
        }
        acts.push(Act::Stay);
        acts
    });
    let following = assert_follows(
        &host,
        &frames,
        &[("passed-over", 3), ("undecodable", 3)],
        &[("frame-not-dag-cbor", 2), ("frame-too-deep", 1)],
    );
    assert_eq!(following.status().missed, 3);
    assert_eq!(host.asked().len(), 4);
}

#[test]
fn garbage_that_is_different_each_time_is_never_passed_over_and_never_spins() {
    let host = Host::start(|asked| vec![Act::Binary(vec![0xff, asked.number as u8]), Act::Stay]);
    let following = Following::one(Plan::Relay(relay_at(&host)));
    following.until("five attempts", |it| it.anomalies().get("undecodable") >= Some(&5));
    assert_eq!(following.status().missed, 0);
    assert!(!following.anomalies().contains_key("passed-over"));
}

#[test]
fn unknown_operations_and_types_are_counted_and_the_connection_is_kept() {
    let frames = events(1..=6);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        let odd = [
            headed(map([("op", Ipld::Integer(7))]), &map([])),
            frame("#handle", &map([("seq", Ipld::Integer(4))])),
            frame("#commit", &map([("seq", Ipld::Integer(4))])),
        ];
        for frame in odd {
            acts.insert(3, Act::Binary(frame));
        }
        acts.push(Act::Stay);
        acts
    });
    let rejected = [("bad-field", 1), ("unknown-op", 1), ("unknown-type", 1)];
    assert_follows(&host, &frames, &[], &rejected);
    assert_eq!(host.asked().len(), 1);
}

#[test]
fn a_number_that_does_not_follow_is_counted_and_never_applied() {
    let frames = events([1, 2, 5, 9]);
    let mut served = frames.clone();
    // Twice the same, one from before, and ones that cannot be.
    served.splice(3..3, [event(5), event(3), (0, commit(&did(0), 0, 70, None, &[]).frame())]);
    served.insert(3, (0, commit(&did(0), 1 << 53, 80, None, &[]).frame()));
    let host = Host::start(move |_| {
        let mut acts: Vec<_> = served.iter().map(|(_, frame)| Act::Binary(frame.clone())).collect();
        acts.push(Act::Stay);
        acts
    });
    assert_follows(&host, &frames, &[("bad-position", 2), ("out-of-order", 2)], &[]);
}

#[test]
fn an_outdated_cursor_is_an_incident_and_the_stream_goes_on() {
    let frames = events(1..=6);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = vec![Act::Binary(info("OutdatedCursor")), Act::Binary(info("Weather"))];
        acts.extend(after_cursor(&served, asked.cursor().unwrap()));
        acts.push(Act::Stay);
        acts
    });
    let following = assert_follows(&host, &frames, &[("other-info", 1), ("outdated-cursor", 1)], &[]);
    assert_eq!(following.status().missed, 1);
    assert!(following.status().last_error.unwrap().contains("no longer has everything"));
}

#[test]
fn what_a_host_forgets_after_the_first_connection_is_missed_though_nothing_was_read_yet() {
    let host = Host::start(|asked| {
        vec![
            Act::Binary(info("OutdatedCursor")),
            if asked.number == 0 { Act::Close(1001) } else { Act::Stay },
        ]
    });
    let (store, plans) = (Store::in_memory().unwrap(), [Plan::Relay(relay_at(&host))]);
    let following = Following::swept(&store, &plans, &impatient(), nobodys_prover(), Sweeps::OfSources);
    following.until("the second notice", |it| it.anomalies().get("outdated-cursor") == Some(&2));
    assert_eq!(following.status().missed, 1, "the first is of what the first sweep makes up for");
}

#[test]
fn error_frames_end_the_connection_and_are_counted_by_name() {
    let frames = events(1..=6);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        let errors = ["ConsumerTooSlow", "InvalidRequest", "\u{202e}odd"];
        if let Some(name) = errors.get(asked.number) {
            acts.truncate(2);
            acts.extend([Act::Binary(error_frame(name)), Act::Close(1008)]);
        }
        acts.push(Act::Stay);
        acts
    });
    assert_follows(&host, &frames, &[("consumer-too-slow", 1), ("other-error", 2)], &[("error-frame", 3)]);
}

/// A host that was set up anew after ten events, and numbers from 1 again.
fn set_up_anew(answer: impl Fn(u64, &[(u64, Vec<u8>)]) -> Vec<Act> + Send + Sync + 'static) -> Host {
    let (before, after) = (events(1..=10), anew());
    Host::start(move |asked| {
        let cursor = asked.cursor().unwrap();
        if asked.number == 0 {
            let mut acts = after_cursor(&before, cursor);
            acts.push(Act::Close(1001));
            return acts;
        }
        let mut acts = if cursor == 0 { after_cursor(&after, 0) } else { answer(cursor, &after) };
        acts.push(Act::Stay);
        acts
    })
}

/// What such a host sends: commits of another account, numbered from 1, with later revisions.
fn anew() -> Vec<(u64, Vec<u8>)> {
    let record = ipld(json!({ "$type": EVENT, "name": "Again", "createdAt": "2026-01-01T00:00:00Z" }));
    let one = |seq: u64| {
        let op = Op::create(&format!("{EVENT}/n{seq}"), &record);
        (seq, commit(&did(1), seq, 100 + seq, None, &[op]).frame())
    };
    (1..=5).map(one).collect()
}

#[test]
fn a_sequence_that_starts_again_stops_the_source_and_nothing_else() {
    // A relay goes on with what is new, and a PDS says that the cursor is in the future.
    let relay = set_up_anew(|_, after| after_cursor(after, 3));
    let pds = set_up_anew(|_, _| vec![Act::Binary(error_frame("FutureCursor")), Act::Close(1008)]);
    for (host, anomaly) in [(&relay, "sequence-reset"), (&pds, "future-cursor")] {
        let healthy = Host::of(events(1..=3));
        let store = Store::in_memory().unwrap();
        let plans = [Plan::Relay(relay_at(host)), Plan::Relay(relay_at(&healthy))];
        let following = Following::all(&store, &plans, &impatient());
        let status = |it: &Following, host: &Host| {
            it.board.statuses().into_iter().find(|(key, _)| key.name == host.url()).unwrap().1
        };
        following.until("the stop", |it| status(it, host).connection == Connection::Stopped);
        let stopped = status(&following, host);
        assert!(stopped.anomalies.keys().any(|met| met.name() == anomaly), "{stopped:?}");
        assert!(stopped.last_error.unwrap().contains("on_reset = \"follow\""));
        following.until("the other", |it| status(it, &healthy).caught_up);
        assert!(!following.is_ready(), "a source that has given up is nothing to be ready with");
        assert_eq!(status(&following, &healthy).connection, Connection::Connected);
        let cursor = |it: &Following| it.cursors().into_iter().find(|(key, _)| key.name == host.url());
        following.until("the cursor", |it| cursor(it).is_some());
        assert_eq!(cursor(&following).unwrap().1, Some(10), "the cursor is as it was");
        assert_eq!(host.asked().len(), 2);
    }
}

#[test]
fn a_sequence_that_starts_again_is_followed_from_its_oldest_where_that_is_wanted() {
    let relay = set_up_anew(|_, after| after_cursor(after, 3));
    let pds = set_up_anew(|_, _| vec![Act::Binary(error_frame("FutureCursor")), Act::Close(1008)]);
    let expected = digest_of(&[events(1..=10), anew()].concat());
    for host in [&relay, &pds] {
        let store = Store::in_memory().unwrap();
        let settings = Settings { on_reset: OnReset::Follow, ..relay_at(host) };
        let mut following = Following::all(&store, &[Plan::Relay(settings.clone())], &impatient());
        following.until_stored(5);
        assert_eq!(following.anomalies()["sequence-reset"], 1);
        assert_eq!(following.status().missed, 1);
        let cursors: Vec<_> = following.cursors().into_iter().map(|(_, cursor)| cursor).collect();
        assert_eq!(cursors, [Some(10), Some(5)], "the new sequence is another source");
        assert_eq!(following.digest(), expected);
        following.stop();
        // And after a restart it is the one that is followed.
        let again = Following::all(&store, &[Plan::Relay(settings)], &impatient());
        again.until("the request", |_| host.asked().len() == 4);
        assert_eq!(host.asked().last().unwrap().cursor(), Some(5));
    }
}

#[test]
fn redirects_are_followed_a_few_times_with_the_cursor() {
    let frames = events(1..=6);
    let there = Host::of(frames.clone());
    let to = format!("http://{}/elsewhere", there.address);
    let here = Host::start(move |asked| match asked.path.as_str() {
        path if path.starts_with("/again") => vec![Act::Answer(302, vec![("Location", to.clone())], vec![])],
        _ => vec![Act::Answer(307, vec![("Location", "/again?cursor=0".to_owned())], vec![])],
    });
    assert_follows(&here, &frames, &[("redirected", 2)], &[]);
    assert_eq!(there.asked()[0].path, "/elsewhere?cursor=0");

    let round = Host::start(|_| vec![Act::Answer(302, vec![("Location", "/again".to_owned())], vec![])]);
    let following = Following::one(Plan::Relay(relay_at(&round)));
    following.until("the refusal", |it| it.anomalies().contains_key("refused"));
    assert!(round.asked().len() >= 6, "five redirects are followed");
}

#[test]
fn a_redirect_with_a_query_of_its_own_does_not_lose_the_cursor() {
    let frames = events(1..=6);
    let there = Host::of(frames.clone());
    let to = format!("http://{}/elsewhere?shard=2", there.address);
    let here = Host::start(move |_| vec![Act::Answer(302, vec![("Location", to.clone())], vec![])]);
    assert_follows(&here, &frames, &[("redirected", 1)], &[]);
    assert_eq!(there.asked()[0].path, "/elsewhere?shard=2&cursor=0");
}

#[test]
fn a_host_that_is_busy_is_asked_again_when_it_says() {
    let frames = events(1..=6);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        if asked.number == 0 {
            return vec![Act::Answer(
                429,
                vec![("Retry-After", "1".to_owned())],
                b"<html>busy</html>".to_vec(),
            )];
        }
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        acts.push(Act::Stay);
        acts
    });
    let begun = Instant::now();
    assert_follows(&host, &frames, &[("refused", 1)], &[]);
    assert!(begun.elapsed() >= Duration::from_secs(1), "it said a second");
}

#[test]
fn a_host_without_the_method_is_asked_again_slowly_and_its_answer_is_shown() {
    for status in [400, 401, 404, 405, 501] {
        let host = Host::start(move |_| vec![Act::Answer(status, vec![], vec![])]);
        let patience = Patience { retry_max: Duration::from_secs(3600), ..impatient() };
        let store = Store::in_memory().unwrap();
        let following = Following::all(&store, &[Plan::Relay(relay_at(&host))], &patience);
        following.until_it_is(Connection::Waiting);
        assert_eq!(following.anomalies(), counts(&[("refused", 1)]));
        assert!(following.status().last_error.unwrap().contains(&status.to_string()));
        assert_eq!(host.asked().len(), 1);
        assert!(!following.is_ready());
    }
}

#[test]
fn half_open_silence_ends_a_connection() {
    let frames = events(1..=6);
    let served = frames.clone();
    let host = Host::start(move |asked| {
        let mut acts = after_cursor(&served, asked.cursor().unwrap());
        if asked.number == 0 {
            acts.truncate(3);
            acts.push(Act::Freeze);
        }
        acts.push(Act::Stay);
        acts
    });
    let patience = Patience { silence: Duration::from_millis(500), ..impatient() };
    let store = Store::in_memory().unwrap();
    let following = Following::all(&store, &[Plan::Relay(relay_at(&host))], &patience);
    following.until_stored(6);
    assert_eq!(following.anomalies(), counts(&[("silence", 1)]));
    assert_eq!(following.digest(), digest_of(&frames));
}

#[test]
fn a_revision_ahead_of_the_clock_is_refused_on_a_live_source_only() {
    let ahead = |seq: u64, minutes: i64| {
        let micros = jiff::Timestamp::now().as_microsecond() + minutes * 60_000_000;
        let number = u64::try_from(micros).unwrap() - 1_700_000_000_000_000;
        let record = ipld(json!({ "$type": EVENT, "name": "Soon", "createdAt": "2026-01-01T00:00:00Z" }));
        let op = Op::create(&format!("{EVENT}/k{seq}"), &record);
        (seq, commit(&did(0), seq, number, None, &[op]).frame())
    };
    let with_sync = |seq: u64| (seq, frame("#sync", &frames::sync(&did(2), seq, 1 << 50)));
    let served = vec![event(1), ahead(2, 4), ahead(3, 60), with_sync(4), ahead(5, 4)];
    let host = Host::of(served.clone());
    let following = Following::one(Plan::Relay(relay_at(&host)));
    following.until_stored(5);
    assert_eq!(following.rejected(), counts(&[("future-rev", 2)]));
    let honest = [event(1), ahead(2, 4), ahead(5, 4)];
    assert_eq!(following.digest(), digest_of(&honest));
    assert_ne!(following.digest(), digest_of(&served), "a replay takes what is recorded");
}
