//! When the board says ready, and how late a source is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Anomaly, Board, Connection, Heard, LATE_MICROS, Reporter, Status, kind};
use crate::tables::completeness::{Coverage, How, Miss, Window};
use crate::tables::keys::SourceKey;

const HOUR: i64 = 3_600_000_000;

fn source(kind: &str, name: &str) -> SourceKey {
    SourceKey { kind: kind.to_owned(), name: name.to_owned(), fingerprint: String::new() }
}

/// A board with one relay, connected and caught up.
fn followed() -> (Board, Reporter) {
    let board = Board::default();
    let relay = board.reporter(source(kind::RELAY, "wss://relay.example"));
    board.complete();
    relay.update(|status| {
        status.connection = Connection::Connected;
        status.caught_up = true;
    });
    (board, relay)
}

#[test]
fn every_anomaly_has_a_name_of_its_own() {
    let names: BTreeSet<_> = Anomaly::ALL.iter().map(|anomaly| anomaly.name()).collect();
    assert_eq!(names.len(), Anomaly::ALL.len());
}

#[test]
fn it_is_ready_when_dumps_are_stored_and_live_sources_have_caught_up_and_none_has_given_up() {
    let board = Board::default();
    let dump = board.reporter(source(kind::REPLAY, "a.frames"));
    let relay = board.reporter(source(kind::RELAY, "wss://relay.example"));
    assert!(!board.is_ready(0));
    board.complete();
    dump.update(|status| status.connection = Connection::Finished);
    relay.update(|status| status.connection = Connection::Connected);
    assert!(!board.is_ready(0), "connected is not caught up");
    relay.update(|status| status.heard(Heard { sent: 0, received: HOUR }));
    assert!(!board.is_ready(HOUR), "an hour behind");
    relay.update(|status| status.heard(Heard { sent: HOUR, received: HOUR + 1_000_000 }));
    assert!(board.is_ready(HOUR + 1_000_000));
    relay.update(|status| status.connection = Connection::Stopped);
    assert!(!board.is_ready(HOUR + 1_000_000));
}

#[test]
fn one_that_has_caught_up_and_falls_behind_is_ready_until_it_is_late() {
    let (board, relay) = followed();
    let behind = |by: i64| {
        relay.update(|status| status.heard(Heard { sent: HOUR - by, received: HOUR }));
        board.is_ready(HOUR)
    };
    assert!(behind(1_000_000));
    assert!(behind(LATE_MICROS));
    assert!(!behind(LATE_MICROS + 1));
    assert!(!behind(5 * HOUR));
    assert!(behind(LATE_MICROS), "on its way back");
    relay.update(|status| status.caught_up = true);
    assert!(board.is_ready(i64::MAX), "a host that is quiet is not late, however long");
}

#[test]
fn a_connection_that_is_lost_takes_nothing_back_until_that_is_minutes_ago() {
    let (board, relay) = followed();
    let before = Timestamp::now().as_microsecond();
    relay.update(|status| status.connection = Connection::Waiting);
    assert!(board.is_ready(before + LATE_MICROS));
    let after = Timestamp::now().as_microsecond();
    assert!(!board.is_ready(after + LATE_MICROS + 1));
    // Connections that end at once bring nothing nearer.
    for connection in [Connection::Connecting, Connection::Connected, Connection::Waiting] {
        relay.update(|status| status.connection = connection);
        assert!(!board.is_ready(after + LATE_MICROS + 1), "{}", connection.name());
    }
    relay.update(|status| status.connection = Connection::Connected);
    relay.update(|status| status.caught_up = true);
    assert!(board.is_ready(after + LATE_MICROS + 1), "it came back, and has nothing to say");
}

#[test]
fn it_is_not_ready_while_something_may_be_missing() {
    let (board, relay) = followed();
    let missed = |closed: Option<i64>| {
        let miss = Miss { how: How::OutdatedCursor, at: 0, cursor: None };
        let window =
            Window { miss, times: 1, again: None, sweep: None, attempts: 0, failure: None, next: 0, closed };
        let coverage = Coverage { heard: None, window: Some(window) };
        board.covered(&BTreeMap::from([(relay.source.clone(), coverage)]));
        board.is_ready(0)
    };
    assert!(!missed(None));
    assert!(missed(Some(1)));
}

#[test]
fn lag_is_the_age_of_the_latest_message_and_grows_only_without_a_connection() {
    let mut status = Status { connection: Connection::Connected, ..Status::default() };
    assert_eq!(status.lag_seconds(100_000_000), None);
    status.heard(Heard { sent: 10_000_000, received: 13_900_000 });
    assert_eq!(status.lag_seconds(100_000_000), Some(3));
    status.connection = Connection::Waiting;
    assert_eq!(status.lag_seconds(100_000_000), Some(90));
    assert_eq!(status.lag_seconds(0), Some(0), "a clock that was set back");
}
