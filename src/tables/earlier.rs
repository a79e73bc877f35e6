//! Rows of records as versions 1 to 5 of the store wrote them: read once, by the rebuild that writes them anew.
//!
//! A rebuild may be interrupted, so it meets rows of both shapes. The first byte tells them apart. What the rules
//! had read of a record is passed over, since it is read anew: only its shape is kept here, whatever becomes of the types.

use serde::Deserialize;

use super::keys::{Key, RecordId};
use super::rows::{GradeRow, Record, RecordBytes, Shape};
use super::view::{Direction, Range, Rows, RowsError};
use super::{Records, Table};
use crate::codec::event::BlockFault;
use crate::syntax::{Cid, Tid};

/// A record's row of before.
#[derive(Deserialize)]
struct Before<'a> {
    cid: Cid,
    rev: Tid,
    grade: GradeRow,
    #[serde(borrow)]
    body: Option<Read<'a>>,
    fault: Option<BlockFault>,
    bytes: RecordBytes,
}

/// What the rules had read, by the kind of record, in the order of the kinds.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the fields say how much is passed over")]
enum Read<'a> {
    /// The round and the invitee.
    Invitation(&'a str, &'a str),
    Jam,
    /// The jam, the mode and the gate.
    Round(&'a str, u32, u32),
    /// The round, the invitation and the time.
    Signup(&'a str, Option<&'a str>, i64),
    /// The round.
    Submission(&'a str),
    Event,
    /// The event, the answer and the time.
    Rsvp(&'a str, u32, i64),
    /// The CID.
    Acceptance(&'a str),
}

/// The records of a range, without what the rules read of them, whichever version wrote their rows.
///
/// # Errors
/// A row is of neither shape.
pub fn scan_records<'a>(
    rows: &'a dyn Rows,
    range: Range,
) -> impl Iterator<Item = Result<(RecordId, Record), RowsError>> + 'a {
    rows.scan_bytes(range, Direction::Ascending).map(|pair| {
        let (key, value) = pair?;
        let row = key.split_first().and_then(|(_, key)| Some((RecordId::read(key)?, read(&value)?)));
        row.ok_or_else(|| RowsError::Corrupt { table: Records::NAME, key: key.escape_ascii().to_string() })
    })
}

fn read(value: &[u8]) -> Option<Record> {
    if value.first() == Some(&Shape::SINCE) {
        let (record, rest) = postcard::take_from_bytes::<Record>(value).ok()?;
        return rest.is_empty().then_some(Record { body: None, ..record });
    }
    let (before, rest) = postcard::take_from_bytes::<Before<'_>>(value).ok()?;
    let Before { cid, rev, grade, body, fault, bytes } = before;
    let fits = rest.is_empty() && body.is_none() == matches!(grade, GradeRow::Unusable(_));
    fits.then_some(Record { shape: Shape, cid, rev, grade, body: None, fault, bytes })
}
