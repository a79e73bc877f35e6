//! Saying the same thing in the log now and then only, however often there is reason to.

use std::time::{Duration, Instant};

/// Between two of the same. Somebody who reads along learns of it soon, and a day of it is a few thousand lines.
const BETWEEN: Duration = Duration::from_secs(10);

/// When something was said last, and how often it was not said since.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    last: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// There is reason to say it. How often it was left unsaid since the last time, if it is to be said now.
    pub(super) fn again(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < BETWEEN) {
            self.unsaid += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BETWEEN, Seldom};

    #[test]
    fn what_comes_often_is_said_now_and_then_with_how_often_it_was_not() {
        let mut seldom = Seldom::default();
        let begun = Instant::now();
        let said: Vec<_> =
            (0..=2500).filter_map(|n| seldom.again(begun + n * Duration::from_millis(10))).collect();
        assert_eq!(BETWEEN, Duration::from_secs(10));
        assert_eq!(said, [0, 999, 999]);
    }
}
