//! Whether an event is yet to come, at a time that whoever asks brings along. Spec: RULES §3, "upcoming".

use crate::records::{Event, EventStatus};

/// Whether it has ended before a time, in microseconds since the epoch; `None` of an event without a start.
pub fn has_ended(event: &Event, now: i64) -> Option<bool> {
    last_moment(event).map(|last| last < now)
}

/// Whether people may still go there.
pub fn is_upcoming(event: &Event, now: i64) -> bool {
    upcoming_until(event).is_some_and(|last| now <= last)
}

/// The last microsecond at which people may still go there; `None` of an event that is never upcoming.
pub fn upcoming_until(event: &Event) -> Option<i64> {
    last_moment(event).filter(|_| event.status != EventStatus::Cancelled)
}

/// When it ends, or without an end when it begins.
fn last_moment(event: &Event) -> Option<i64> {
    let start = event.start?;
    Some(event.end.unwrap_or(start).micros())
}

#[cfg(test)]
mod tests {
    use super::{has_ended, is_upcoming};
    use crate::records::{Event, EventMode, EventStatus};
    use crate::syntax::Datetime;

    const NOW: i64 = 1_780_000_000_000_000;
    const FOREVER: i64 = 253_402_300_799_999_999;

    fn event(start: Option<i64>, end: Option<i64>, status: EventStatus) -> Event {
        let time = |micros: Option<i64>| micros.map(|micros| Datetime::from_micros(micros).unwrap());
        Event { start: time(start), end: time(end), status, mode: EventMode::InPerson, places: Vec::new() }
    }

    #[test]
    fn an_event_is_upcoming_when_its_end_or_without_one_its_start_is_not_in_the_past() {
        let scheduled = EventStatus::Scheduled;
        for (start, end, upcoming) in [
            // "its end is not in the past": to the microsecond.
            (NOW - 10, Some(NOW - 1), false),
            (NOW - 10, Some(NOW), true),
            (NOW - 10, Some(NOW + 1), true),
            (NOW + 10, Some(NOW + 20), true),
            (-FOREVER / 5, Some(FOREVER), true),
            // "or, without one, its start".
            (NOW - 1, None, false),
            (NOW, None, true),
            (NOW + 1, None, true),
            (FOREVER, None, true),
            // An end before the start counts all the same.
            (NOW + 10, Some(NOW - 1), false),
            (NOW + 10, Some(NOW), true),
            (NOW - 1, Some(NOW - 2), false),
        ] {
            let event = event(Some(start), end, scheduled);
            assert_eq!(is_upcoming(&event, NOW), upcoming, "{start} {end:?}");
            assert_eq!(has_ended(&event, NOW), Some(!upcoming), "{start} {end:?}");
        }
    }

    #[test]
    fn what_is_cancelled_or_has_no_start_is_never_upcoming() {
        for (status, upcoming) in [
            (EventStatus::Cancelled, false),
            (EventStatus::Planned, true),
            (EventStatus::Postponed, true),
            (EventStatus::Rescheduled, true),
            (EventStatus::Scheduled, true),
            (EventStatus::Other, true),
        ] {
            assert_eq!(is_upcoming(&event(Some(NOW), None, status), NOW), upcoming, "{status:?}");
            assert_eq!(has_ended(&event(Some(NOW), None, status), NOW), Some(false), "{status:?}");
            for end in [None, Some(NOW - 1), Some(NOW + 1), Some(FOREVER)] {
                let event = event(None, end, status);
                assert!(!is_upcoming(&event, NOW) && has_ended(&event, NOW).is_none(), "{status:?} {end:?}");
            }
        }
    }
}
