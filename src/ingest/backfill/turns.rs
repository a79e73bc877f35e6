//! Politeness: how many questions are under way at a host, and when one that is busy may be asked again.
//!
//! Knows no clock: whoever asks says what time it is. A host that says that it is busy is left alone for as long
//! as it asks, and else for waits that double; others go on. Spec: PROTOCOL §14.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::net::Origin;

/// How long a host is left alone after its first refusal, and at most.
const REST_MIN: Duration = Duration::from_secs(10);
const REST_MAX: Duration = Duration::from_secs(3600);

/// Hosts that are remembered though nothing is under way there and their rest is over. Anybody can name any number
/// of hosts that do not answer.
const RESTED_MAX: usize = 10_000;

/// How many questions may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// At all hosts together.
    pub at_once: usize,
    /// At one.
    pub at_once_per_host: usize,
}

/// Whether a host may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may, and is: [`Turns::done`] says when that is over.
    Now,
    /// When one of those who are asking is done.
    Later,
    /// Not before this.
    At(Instant),
}

/// What came of a question, as far as it says something of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It answers.
    Fine,
    /// It has too much to do, or is not well. It may say for how long.
    Busy(Option<Duration>),
}

/// The turns of every host.
pub(super) struct Turns {
    bounds: Bounds,
    under_way: usize,
    /// Hosts with something under way, and those that are left alone.
    hosts: HashMap<Origin, Host>,
}

#[derive(Default)]
struct Host {
    under_way: usize,
    /// Refusals in a row.
    refusals: u32,
    rests_until: Option<Instant>,
}

impl Turns {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, under_way: 0, hosts: HashMap::new() }
    }

    /// Takes a turn at a host, if there is one.
    pub(super) fn take(&mut self, host: &Origin, now: Instant) -> Turn {
        if self.under_way >= self.bounds.at_once {
            return Turn::Later;
        }
        let state = self.hosts.entry(host.clone()).or_default();
        match state.rests_until {
            Some(until) if until > now => return Turn::At(until),
            // One at a time until it answers again.
            Some(_) if state.under_way > 0 => return Turn::Later,
            _ => {}
        }
        if state.under_way >= self.bounds.at_once_per_host {
            return Turn::Later;
        }
        state.under_way += 1;
        self.under_way += 1;
        Turn::Now
    }

    /// A question is over.
    pub(super) fn done(&mut self, host: &Origin, told: Told, now: Instant) {
        let Some(state) = self.hosts.get_mut(host) else { return };
        self.under_way -= 1;
        state.under_way -= 1;
        match told {
            // It was asked before it wanted to be left alone.
            Told::Fine if state.rests_until.is_some_and(|until| until > now) => {}
            Told::Fine => {
                state.refusals = 0;
                state.rests_until = None;
                if state.under_way == 0 {
                    self.hosts.remove(host);
                }
            }
            Told::Busy(asked_for) => {
                let doubled = REST_MIN.saturating_mul(1_u32.checked_shl(state.refusals).unwrap_or(u32::MAX));
                state.refusals = state.refusals.saturating_add(1);
                let rest = asked_for.unwrap_or(doubled).clamp(REST_MIN, REST_MAX);
                // The longest that was asked for counts: those under way came before it.
                state.rests_until = state.rests_until.max(Some(now + rest));
            }
        }
        if self.hosts.len() > RESTED_MAX {
            self.hosts.retain(|_, host| host.under_way > 0 || host.rests_until > Some(now));
        }
    }

    /// Until when a host is left alone, if it is.
    pub(super) fn rests_until(&self, host: &Origin, now: Instant) -> Option<Instant> {
        self.hosts.get(host)?.rests_until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Bounds, REST_MIN, RESTED_MAX, Told, Turn, Turns};
    use crate::net::Origin;

    fn host(number: usize) -> Origin {
        Origin::of_name(&format!("pds{number}.example"))
    }

    fn turns() -> Turns {
        Turns::new(Bounds { at_once: 3, at_once_per_host: 2 })
    }

    #[test]
    fn turns_are_bounded_in_all_and_at_each_host() {
        let (mut turns, now) = (turns(), Instant::now());
        assert_eq!(
            [0, 0, 0, 1, 2].map(|it| turns.take(&host(it), now)),
            [Turn::Now, Turn::Now, Turn::Later, Turn::Now, Turn::Later]
        );
        turns.done(&host(0), Told::Fine, now);
        assert_eq!(turns.take(&host(2), now), Turn::Now);
        assert_eq!(turns.take(&host(0), now), Turn::Later, "all are taken");
        for it in [0, 1, 2] {
            turns.done(&host(it), Told::Fine, now);
        }
        assert!(turns.hosts.is_empty(), "nothing is kept of hosts that answer");
    }

    #[test]
    fn a_busy_host_is_left_alone_longer_each_time_and_asked_once_to_see() {
        let (mut turns, mut now) = (turns(), Instant::now());
        for rest in [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] {
            assert_eq!(turns.take(&host(0), now), Turn::Now);
            turns.done(&host(0), Told::Busy(None), now);
            let until = now + Duration::from_secs(rest);
            assert_eq!(turns.take(&host(0), now), Turn::At(until), "{rest}");
            assert_eq!(turns.take(&host(1), now), Turn::Now, "others go on");
            turns.done(&host(1), Told::Fine, now);
            now = until;
        }
        assert_eq!([turns.take(&host(0), now), turns.take(&host(0), now)], [Turn::Now, Turn::Later]);
        turns.done(&host(0), Told::Fine, now);
        assert_eq!([turns.take(&host(0), now), turns.take(&host(0), now)], [Turn::Now, Turn::Now]);
    }

    #[test]
    fn who_was_asked_before_a_host_wanted_to_be_left_alone_does_not_end_its_rest() {
        let (mut turns, now) = (turns(), Instant::now());
        assert_eq!([0, 0].map(|it| turns.take(&host(it), now)), [Turn::Now, Turn::Now]);
        turns.done(&host(0), Told::Busy(Some(Duration::from_secs(60))), now);
        turns.done(&host(0), Told::Fine, now);
        let until = now + Duration::from_secs(60);
        assert_eq!(turns.take(&host(0), now), Turn::At(until));
        assert_eq!(turns.rests_until(&host(0), now), Some(until));
        assert_eq!(turns.rests_until(&host(0), until), None);
    }

    #[test]
    fn hosts_that_never_answer_are_not_remembered_for_ever() {
        let (mut turns, mut now) = (turns(), Instant::now());
        for number in 0..3 * RESTED_MAX {
            assert_eq!(turns.take(&host(number), now), Turn::Now);
            turns.done(&host(number), Told::Busy(None), now);
            now += REST_MIN;
        }
        assert!(turns.hosts.len() <= RESTED_MAX + 1, "{}", turns.hosts.len());
    }

    #[test]
    fn what_a_host_asks_for_counts_within_reason() {
        for (asked, rest) in [(0, 10), (60, 60), (86_400, 3600)] {
            let (mut turns, now) = (turns(), Instant::now());
            turns.take(&host(0), now);
            turns.done(&host(0), Told::Busy(Some(Duration::from_secs(asked))), now);
            assert_eq!(turns.take(&host(0), now), Turn::At(now + Duration::from_secs(rest)));
        }
    }
}
