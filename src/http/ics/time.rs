//! When an event is: instants in UTC, or days.
//!
//! A record has only instants, each with an offset that its author's application chose. What begins at a midnight of
//! that offset, and ends at one or a minute before, was meant as whole days, and is given as such: then a reader elsewhere
//! sees the days that were meant.

use icalendar::Property;
use jiff::civil::{Date, DateTime, Time, time};

use crate::records::Event;
use crate::syntax::Datetime;

/// Characters of an instant up to its seconds, as a record has it and as a calendar does.
const WRITTEN_CHARS: usize = "2026-01-31T18:00:00".len();
const BASIC_CHARS: usize = "20260131T180000".len();

/// When the first year begins, in microseconds since the epoch.
const YEAR_ONE: i64 = -62_135_596_800_000_000;

/// What a day ends with where the next is not named.
const LAST_MINUTE: Time = time(23, 59, 0, 0);
const LAST_SECOND: Time = time(23, 59, 59, 0);

/// A time as it is written in a record, by its own clock.
struct Written {
    at: DateTime,
    /// It is some part of a second later.
    has_fraction: bool,
}

impl Written {
    /// Reads what is a datetime.
    fn read(text: &str) -> Option<Self> {
        let (at, rest) = text.split_at_checked(WRITTEN_CHARS)?;
        let mut fraction = rest.bytes().take_while(|byte| *byte == b'.' || byte.is_ascii_digit());
        let has_fraction = fraction.any(|byte| !matches!(byte, b'.' | b'0'));
        Some(Self { at: at.parse().ok()?, has_fraction })
    }

    fn is_midnight(&self) -> bool {
        self.at.time() == Time::midnight() && !self.has_fraction
    }

    /// The first day that is not in it, if it is the end of one.
    fn day_after(&self) -> Option<Date> {
        let time = self.at.time();
        if self.is_midnight() {
            return Some(self.at.date());
        }
        let ends_day = time == LAST_SECOND || (time == LAST_MINUTE && !self.has_fraction);
        if ends_day { self.at.date().tomorrow().ok() } else { None }
    }
}

/// Whether a calendar can have a time. There is no year 0 in that of Gregory, and some readers give up on all of a feed for it.
pub(super) fn is_dated(time: &Datetime) -> bool {
    time.micros() >= YEAR_ONE
}

/// An instant in UTC. What is below a second is left out.
pub(super) fn utc(time: Datetime) -> String {
    let text = time.to_string();
    let basic = text.chars().filter(|character| !matches!(character, '-' | ':'));
    basic.take(BASIC_CHARS).chain(['Z']).collect()
}

/// The start of an event, and its end where there is one after it. `starts` and `ends` are what its record has for them.
pub(super) fn of(event: &Event, starts: &str, ends: &str) -> Option<(Property, Option<Property>)> {
    let (start, end) = (event.start.filter(is_dated)?, event.end.filter(|end| Some(*end) > event.start));
    if let Some((first, after)) = end.and_then(|_| all_day(starts, ends)) {
        return Some((on("DTSTART", first), Some(on("DTEND", after))));
    }
    let start = utc(start);
    let end = end.map(utc).filter(|end| *end > start);
    Some((Property::new("DTSTART", start), end.map(|end| Property::new("DTEND", end))))
}

/// The days that an event takes up, with the first after them, if it is of whole ones.
fn all_day(starts: &str, ends: &str) -> Option<(Date, Date)> {
    let (start, end) = (Written::read(starts)?, Written::read(ends)?);
    let (first, after) = (start.at.date(), end.day_after()?);
    (start.is_midnight() && first < after).then_some((first, after))
}

fn on(name: &str, day: Date) -> Property {
    let value = format!("{:04}{:02}{:02}", day.year(), day.month(), day.day());
    Property::new(name, value).add_parameter("VALUE", "DATE").done()
}

#[cfg(test)]
mod tests {
    use super::{of, utc};
    use crate::records::{Event, EventMode, EventStatus};
    use crate::syntax::Datetime;

    /// The start and the end as a calendar has them.
    fn shown(starts: &str, ends: &str) -> Option<(String, String)> {
        let time = |text: &str| Datetime::parse(text).ok();
        let event = Event {
            start: time(starts),
            end: time(ends),
            status: EventStatus::Scheduled,
            mode: EventMode::InPerson,
            places: Vec::new(),
        };
        let (start, end) = of(&event, starts, ends)?;
        let end = end.map(|end| end.value().to_owned()).unwrap_or_default();
        Some((start.value().to_owned(), end))
    }

    #[test]
    fn an_instant_of_any_offset_is_one_of_utc() {
        for (starts, ends, start, end) in [
            ("2026-06-01T18:00:00Z", "2026-06-01T20:00:00Z", "20260601T180000Z", "20260601T200000Z"),
            (
                "2026-06-01T18:00:00+05:30",
                "2026-06-02T01:00:00+05:30",
                "20260601T123000Z",
                "20260601T193000Z",
            ),
            (
                "2026-06-01T18:00:00-11:00",
                "2026-06-01T18:00:01-11:00",
                "20260602T050000Z",
                "20260602T050001Z",
            ),
            (
                "2026-06-01T18:00:00.75+00:00",
                "2026-06-01T18:00:01.25Z",
                "20260601T180000Z",
                "20260601T180001Z",
            ),
            // At the edges of what there is.
            ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "00010101T000000Z", "99991231T235959Z"),
            ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z", "99991231T000000Z", "99991231T235959Z"),
        ] {
            assert_eq!(shown(starts, ends), Some((start.to_owned(), end.to_owned())), "{starts} {ends}");
        }
    }

    #[test]
    fn an_end_that_is_not_after_the_start_is_none() {
        for ends in [
            "",
            "2026-06-02",
            "2026-06-01T18:00:60Z",
            "2026-06-01T18:00:00Z",
            "2026-06-01T17:00:00Z",
            // In the same second.
            "2026-06-01T18:00:00.9Z",
            // An hour earlier, by a clock that shows more.
            "2026-06-01T23:00:00+06:00",
        ] {
            let start = Some(("20260601T180000Z".to_owned(), String::new()));
            assert_eq!(shown("2026-06-01T18:00:00Z", ends), start, "{ends}");
        }
        for starts in
            ["", "0000-12-31T23:59:59Z", "2026-06-01", "2026-06-01T18:00:60Z", "2026-13-01T18:00:00Z", "soon"]
        {
            assert_eq!(shown(starts, "2026-06-02T18:00:00Z"), None, "{starts}");
        }
    }

    #[test]
    fn whole_days_are_days() {
        for (starts, ends, start, end) in [
            ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", "20260601", "20260602"),
            ("2026-06-01T00:00:00.000Z", "2026-06-04T00:00:00.0Z", "20260601", "20260604"),
            ("2026-06-01T00:00:00+09:00", "2026-06-01T23:59:00+09:00", "20260601", "20260602"),
            ("2026-06-01T00:00:00-11:00", "2026-06-01T23:59:59-11:00", "20260601", "20260602"),
            ("2026-06-01T00:00:00-11:00", "2026-06-02T23:59:59.999-11:00", "20260601", "20260603"),
            // The clocks go back meanwhile.
            ("2026-10-24T00:00:00+02:00", "2026-10-26T00:00:00+01:00", "20261024", "20261026"),
            ("2026-12-31T00:00:00Z", "2026-12-31T23:59:59Z", "20261231", "20270101"),
            ("2028-02-28T00:00:00Z", "2028-02-28T23:59:59Z", "20280228", "20280229"),
            ("0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z", "00010101", "00010102"),
        ] {
            assert_eq!(shown(starts, ends), Some((start.to_owned(), end.to_owned())), "{starts} {ends}");
        }
    }

    #[test]
    fn what_only_looks_like_whole_days_is_not() {
        for (starts, ends) in [
            ("2026-06-01T00:00:00Z", ""),
            ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z"),
            ("2026-06-01T00:00:00Z", "2026-05-31T23:59:59Z"),
            ("2026-06-01T00:00:01Z", "2026-06-02T00:00:00Z"),
            ("2026-06-01T00:00:00.001Z", "2026-06-02T00:00:00Z"),
            ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00.001Z"),
            ("2026-06-01T00:00:00Z", "2026-06-01T23:59:30Z"),
            ("2026-06-01T00:00:00Z", "2026-06-01T23:59:00.5Z"),
            ("2026-06-01T00:00:00Z", "2026-06-01T23:58:59Z"),
            ("2026-06-01T12:00:00Z", "2026-06-02T12:00:00Z"),
            // Midnight somewhere else.
            ("2026-06-01T02:00:00+02:00", "2026-06-02T00:00:00Z"),
            // Later by the calendar, and earlier in truth.
            ("2026-06-01T00:00:00-23:00", "2026-06-02T00:00:00+23:00"),
        ] {
            let (start, end) = shown(starts, ends).unwrap();
            assert!(start.ends_with('Z') && (end.is_empty() || end.ends_with('Z')), "{starts} {ends}");
        }
    }

    #[test]
    fn years_have_four_digits() {
        let time = |text: &str| utc(Datetime::parse(text).unwrap());
        assert_eq!(time("0001-01-01T00:00:00Z"), "00010101T000000Z");
        assert_eq!(time("9999-12-31T23:59:59.999999Z"), "99991231T235959Z");
        assert_eq!(time("1969-12-31T23:59:59.5Z"), "19691231T235959Z");
    }
}
