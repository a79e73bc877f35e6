//! `community.lexicon.calendar.listRSVPs`: one person's answers to anything, newest first.
//!
//! Wire-compatible with Smoke Signal (CONTRACT §4.1): the cursor is a datetime, and a page holds what is
//! strictly older. So that no answer is skipped or repeated, each has a moment of its own: its time, and in the
//! digits that a datetime has room for below the microseconds a number that follows from its record key.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::{ApiError, Failure};
use crate::http::page::PAGE_BYTES_MAX;
use crate::http::ticket::attestation;
use crate::http::view::{RecordView, Stored};
use crate::records::{Body, Kind};
use crate::rules::{acceptance, accounts};
use crate::syntax::{AtUri, Datetime};
use crate::tables::keys::{Moment, RecordId, write_answers, write_person};
use crate::tables::view::{ReadRows, RowsError, prefix_of};
use crate::tables::{Answers, Records};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Digits of a fraction that make up the microseconds, and those below them.
const MICROS_DIGITS: usize = 6;
const ORDER_DIGITS: usize = 14;

/// A page of answers.
#[derive(Serialize)]
pub(in crate::http) struct RsvpList {
    rsvps: Vec<RsvpView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RsvpView {
    uri: String,
    cid: String,
    record: RecordView,
    event_uri: String,
    status: &'static str,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<AtUri>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<RsvpList, Failure> {
    let rows = call.rows;
    let author = call.params.actor("identity", call.names)?;
    let limit = call.params.limit()?;
    let before = call.params.optional("cursor")?.map(read_moment).transpose()?;
    let mut list = RsvpList { rsvps: Vec::new(), cursor: None };
    if !accounts::is_active(rows, &author)? {
        return Ok(list);
    }
    let mut range = prefix_of::<Answers>(|key| write_person(&author, key));
    if let Some(before) = before {
        range.end = Some(prefix_of::<Answers>(|key| write_answers(&author, before, key)).start);
    }
    let mut bytes = 0;
    let mut last: Option<Moment> = None;
    for row in rows.scan_back::<Answers>(range) {
        let (key, ()) = row?;
        let is_full = list.rsvps.len() >= limit || bytes > PAGE_BYTES_MAX;
        // Two keys may make the same number; a cursor cannot tell these apart, so they share a page.
        if let Some(last) = last.filter(|last| is_full && *last != key.moment) {
            list.cursor = Some(write_moment(last)?);
            break;
        }
        last = Some(key.moment);
        let id = RecordId { did: key.author, kind: Kind::Rsvp, rkey: key.rkey };
        let record = rows.get::<Records>(&id)?;
        let Some((record, Body::Rsvp(rsvp))) =
            record.and_then(|record| record.body.clone().map(|body| (record, body)))
        else {
            return Err(RowsError::Contradiction { what: "an answer of an index is not stored" }.into());
        };
        let stored = Stored::read(rows, &id, &record)?;
        let acceptance = acceptance::find(rows, &id, &rsvp.subject, &stored.bytes)?;
        bytes += stored.bytes.len() + acceptance.bytes;
        list.rsvps.push(RsvpView {
            uri: id.uri(),
            cid: stored.cid.to_string(),
            record: stored.json(),
            event_uri: rsvp.subject.as_str().to_owned(),
            status: rsvp.status.name(),
            accepted: acceptance.accepted,
            attestation: attestation(rows, &rsvp.subject, &id.did)?,
        });
    }
    Ok(list)
}

/// A moment as a datetime with twenty digits of fraction.
fn write_moment(moment: Moment) -> Result<String, RowsError> {
    let micros = moment.time.rem_euclid(MICROS_PER_SECOND);
    let second = Datetime::from_micros(moment.time - micros)
        .ok_or(RowsError::Contradiction { what: "an answer is of no year that there is" })?;
    let second = second.to_string();
    Ok(format!("{}.{micros:0MICROS_DIGITS$}{:0ORDER_DIGITS$}Z", second.trim_end_matches('Z'), moment.order))
}

/// The moment that a datetime of any precision is. What it leaves out is zero.
fn read_moment(text: &str) -> Result<Moment, ApiError> {
    let expected = "a datetime as RFC 3339 has it, such as a `cursor` of an earlier answer";
    let datetime = Datetime::parse(text).map_err(|_| ApiError::BadParameter { name: "cursor", expected })?;
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0'));
    let order = digits.skip(MICROS_DIGITS).take(ORDER_DIGITS);
    let order = order.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Ok(Moment { time: datetime.micros(), order })
}

#[cfg(test)]
mod tests {
    use super::{Moment, read_moment, write_moment};

    #[test]
    fn a_moment_is_written_as_a_datetime_and_read_back() {
        for (time, order, text) in [
            (0, 0, "1970-01-01T00:00:00.00000000000000000000Z"),
            (0, 1, "1970-01-01T00:00:00.00000000000000000001Z"),
            (1, 99_999_999_999_999, "1970-01-01T00:00:00.00000199999999999999Z"),
            (-1, 70_000_000_000_000, "1969-12-31T23:59:59.99999970000000000000Z"),
            (-1_000_000, 12, "1969-12-31T23:59:59.00000000000000000012Z"),
            (-62_167_219_200_000_000, 0, "0000-01-01T00:00:00.00000000000000000000Z"),
            (1_770_724_800_000_000, 5, "2026-02-10T12:00:00.00000000000000000005Z"),
        ] {
            let moment = Moment { time, order };
            assert_eq!(write_moment(moment).unwrap(), text);
            assert_eq!(read_moment(text), Ok(moment));
        }
    }

    #[test]
    fn a_clients_own_datetime_is_a_moment_too() {
        let noon = 1_770_724_800_000_000;
        for (text, time, order) in [
            ("2026-02-10T12:00:00Z", noon, 0),
            ("2026-02-10T13:30:00+01:30", noon, 0),
            ("2026-02-10T12:00:00.5Z", noon + 500_000, 0),
            ("2026-02-10T12:00:00.123456789Z", noon + 123_456, 78_900_000_000_000),
            ("1969-12-31T23:59:59.1234567Z", -876_544, 70_000_000_000_000),
        ] {
            assert_eq!(read_moment(text), Ok(Moment { time, order }), "{text}");
        }
        for text in
            ["", "now", "2026-02-10", "2026-02-10T12:00:00", "2026-02-10T12:00:00.123456789012345678901Z"]
        {
            assert!(read_moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn later_datetimes_are_later_moments_also_before_the_epoch() {
        let texts = [
            "1969-12-31T23:59:58.99999999999999999999Z",
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:59.00000000000000000001Z",
            "1969-12-31T23:59:59.0000009Z",
            "1969-12-31T23:59:59.000001Z",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00.0000001Z",
        ];
        let moments = texts.map(|text| read_moment(text).unwrap());
        assert!(moments.is_sorted_by(|a, b| a < b), "{moments:?}");
    }
}
