//! How long to wait before the next attempt: twice as long each time, up to a limit, and never quite as
//! long as the others.

use std::time::Duration;

/// The waits between attempts at one host.
///
/// Each is between half and all of a step, and the steps double. Without the random half everybody who lost
/// a relay at the same moment would come back to it at the same moment.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    /// Waits from about `min` to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), step: min }
    }

    /// The next wait. `random` is any number; equal ones give equal waits.
    pub fn next(&mut self, random: u32) -> Duration {
        let half = self.step / 2;
        let wait = half + half.mul_f64(f64::from(random) / f64::from(u32::MAX));
        self.step = (self.step * 2).min(self.max);
        wait
    }

    /// The wait where nothing will be better soon: about the longest.
    pub fn longest(&mut self, random: u32) -> Duration {
        self.step = self.max;
        self.next(random)
    }

    /// Begins with short waits again. To be called after real progress only: a host that lets us in and says
    /// nothing is as bad as one that does not let us in.
    pub fn reset(&mut self) {
        self.step = self.min;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    const MIN: Duration = Duration::from_millis(500);
    const MAX: Duration = Duration::from_secs(60);

    #[test]
    fn the_longest_wait_of_each_step_doubles_up_to_the_limit() {
        let mut backoff = Backoff::new(MIN, MAX);
        let waits: Vec<u128> = (0..9).map(|_| backoff.next(u32::MAX).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    }

    #[test]
    fn a_wait_is_at_least_half_of_its_step() {
        let mut backoff = Backoff::new(MIN, MAX);
        let waits: Vec<u128> = (0..9).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn progress_makes_waits_short_again() {
        let mut backoff = Backoff::new(MIN, MAX);
        assert_eq!(backoff.longest(u32::MAX), MAX);
        assert_eq!(backoff.next(u32::MAX), MAX);
        backoff.reset();
        assert_eq!(backoff.next(u32::MAX), MIN);
    }

    #[test]
    fn a_limit_below_the_first_wait_is_the_first_wait() {
        let mut backoff = Backoff::new(MAX, MIN);
        assert_eq!([backoff.next(u32::MAX), backoff.next(u32::MAX)], [MAX, MAX]);
    }
}
