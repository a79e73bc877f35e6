//! Datetimes and TIDs, read as the interop syntax files and RULES §1 and §3 say.

const MICROS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;
const TID_ALPHABET: &str = "234567abcdefghijklmnopqrstuvwxyz";

/// A moment, exact to the last digit written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant {
    /// Since 1970, rounded down.
    seconds: i64,
    /// Digits after the point without trailing zeros, so that they sort as the fractions they are.
    fraction: String,
}

impl Instant {
    /// `None` when the text is no valid datetime.
    ///
    /// reading: the interop files name no bound for the fraction; twenty digits is the bound in the published
    /// syntax. An offset has hours to 23 and minutes to 59. A moment before the year 0 is invalid (an interop
    /// vector says so); one that an offset moves beyond the year 9999 is valid.
    pub(super) fn parse(text: &str) -> Option<Instant> {
        let (date_and_time, rest) = text.split_at_checked(19)?;
        if shape(date_and_time) != "0000-00-00T00:00:00" {
            return None;
        }
        let number = |from: usize, to: usize| date_and_time.get(from..to)?.parse::<i64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (fraction, zone) = split_fraction(rest)?;
        let days = days_before_year(year)
            + (1..month).map(|earlier| days_in_month(year, earlier)).sum::<i64>()
            + day
            - 1;
        let since_year_zero =
            days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset_seconds(zone)?;
        if since_year_zero < 0 {
            return None;
        }
        Some(Instant {
            seconds: since_year_zero - days_before_year(1970) * SECONDS_A_DAY,
            fraction: fraction.trim_end_matches('0').to_owned(),
        })
    }

    /// Microseconds since 1970, cut (not rounded) after the sixth digit of the fraction.
    pub(super) fn micros(&self) -> i64 {
        let digits: String = self.fraction.chars().chain("000000".chars()).take(6).collect();
        self.seconds * MICROS_A_SECOND + digits.parse::<i64>().unwrap_or(0)
    }
}

/// The time in a TID, or `None` when the text is no TID.
pub(super) fn tid_micros(text: &str) -> Option<i64> {
    // The first character carries four bits: a higher one would not fit into 64.
    if text.len() != 13
        || !text.starts_with(|first| ('2'..='7').contains(&first) || ('a'..='j').contains(&first))
    {
        return None;
    }
    let mut value: u64 = 0;
    for character in text.chars() {
        let digit = TID_ALPHABET.find(character)?;
        value = value * 32 + u64::try_from(digit).ok()?;
    }
    // The lowest ten bits are the clock's id.
    i64::try_from(value >> 10).ok()
}

/// The text with every digit written as 0.
fn shape(text: &str) -> String {
    text.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect()
}

/// The digits after a point, if there is one, and what follows them.
fn split_fraction(rest: &str) -> Option<(&str, &str)> {
    let Some(after_point) = rest.strip_prefix('.') else {
        return Some(("", rest));
    };
    let zone = after_point.trim_start_matches(|character: char| character.is_ascii_digit());
    let digits = after_point.strip_suffix(zone)?;
    (1..=20).contains(&digits.len()).then_some((digits, zone))
}

/// How far the clock of the zone is ahead of UTC.
fn offset_seconds(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, hours_and_minutes) = zone.split_at_checked(1)?;
    if shape(hours_and_minutes) != "00:00" {
        return None;
    }
    let hours: i64 = hours_and_minutes.get(0..2)?.parse().ok()?;
    let minutes: i64 = hours_and_minutes.get(3..5)?.parse().ok()?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    match sign {
        "+" => Some(hours * 3600 + minutes * 60),
        "-" if hours_and_minutes != "00:00" => Some(-(hours * 3600 + minutes * 60)),
        _ => None,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_before_year(year: i64) -> i64 {
    (0..year).map(|earlier| if is_leap(earlier) { 366 } else { 365 }).sum()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}
