//! Every time in which a live source may have missed something is written down, under the source that goes on from
//! there, before its cursor passes it.

use guestlist::ingest::live::Plan;
use guestlist::ingest::relay::{OnReset, Settings};
use guestlist::store::Store;
use guestlist::tables::Coverages;
use guestlist::tables::completeness::How;
use guestlist::tables::view::ReadRows;
use ipld_core::ipld::Ipld;
use jiff::{Timestamp, ToSpan};

use crate::following::{Following, impatient, relay_at};
use crate::frames::text;
use crate::host::{Act, Host};
use crate::stage::{commit, somebody};

/// A message with this number, sent so many hours ago.
fn message(seq: u64, hours: i64) -> Act {
    let mut repo = somebody('a');
    let sent = Timestamp::now() - hours.hours();
    let seq = Ipld::Integer(seq.into());
    Act::Binary(
        commit(&mut repo, &[("k", "K")]).with("seq", seq).with("time", text(sent.to_string())).frame(),
    )
}

/// A host that sends these on each connection, and keeps the last one.
fn host(connections: Vec<Vec<Act>>) -> Host {
    Host::start(move |asked| {
        let end = if asked.number + 1 < connections.len() { Act::Close(1001) } else { Act::Stay };
        let mut acts = connections.get(asked.number).cloned().unwrap_or_default();
        acts.push(end);
        acts
    })
}

/// The windows of a host that is followed to this cursor, with what tells its sequences apart.
fn windows(connections: Vec<Vec<Act>>, cursor: u64) -> Vec<(String, How)> {
    let (store, host) = (Store::in_memory().unwrap(), host(connections));
    let plan = Plan::Relay(Settings { on_reset: OnReset::Follow, ..relay_at(&host) });
    let following = Following::all(&store, &[plan], &impatient());
    following.until("the cursor", |it| it.cursors().into_iter().any(|(_, at)| at == Some(cursor)));
    let rows = store.snapshot();
    let all = rows.scan_all::<Coverages>().map(Result::unwrap);
    let open = all.filter_map(|(key, coverage)| Some((key.fingerprint, coverage.window?)));
    open.map(|(key, window)| (key, window.miss.how)).collect()
}

#[test]
fn a_host_that_begins_long_after_the_cursor_and_does_not_say_why_has_forgotten_something() {
    let missed = |seq, hours| windows(vec![vec![message(1, 5)], vec![message(seq, hours)]], seq);
    assert_eq!(missed(7, 0), [(String::new(), How::Retention)]);
    assert_eq!(missed(2, 0), [], "that one follows, however quiet it was");
    assert_eq!(missed(7, 5), [], "numbers may be left out for any reason");
}

#[test]
fn a_message_that_is_passed_over_and_a_sequence_that_begins_anew_leave_a_window() {
    let garbage = || Act::Binary(vec![0xff; 9]);
    let poisoned = vec![vec![message(1, 0), garbage()], vec![garbage(), message(2, 0)]];
    assert_eq!(windows(poisoned, 2), [(String::new(), How::PassedOver)]);
    let anew = vec![vec![message(9, 0)], vec![message(3, 0)], vec![message(1, 0), message(4, 0)]];
    assert_eq!(windows(anew, 4), [("2".to_owned(), How::SequenceReset)]);
}
