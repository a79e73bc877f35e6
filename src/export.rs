//! The exported form of the derived state: one line a record, in the order of the URIs.
//!
//! The digest is the hash of these bytes, and of those that say what people did here: so two stores with the same
//! digest give the same answers. Format: CONTRACT §3, "Export".

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::filing;
use crate::records::{Body, Deviation};
use crate::rules::verdict::{Verdict, decide};
use crate::rules::{acceptance, accounts, attendance};
use crate::spaces::lines;
use crate::syntax::Did;
use crate::tables::keys::{EventKey, RecordId, RoundId};
use crate::tables::rows::{EventTally, GradeRow, Record};
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{EventTallies, Records, Rounds, record_bytes};

/// How many records have which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerdictCounts {
    /// They count.
    pub valid: u64,
    /// They do not.
    pub invalid: u64,
    /// They hang on something unknown.
    pub pending: u64,
}

/// A verdict as it is shown everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictView {
    /// `valid`, `invalid` or `pending`.
    pub status: &'static str,
    /// What a valid one rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<&'static str>,
    /// Why it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl From<Verdict> for VerdictView {
    fn from(verdict: Verdict) -> Self {
        let (basis, reason) = match verdict {
            Verdict::Valid(basis) => (basis.map(|basis| basis.name()), None),
            Verdict::Invalid(reason) => (None, Some(reason.name())),
        };
        Self { status: verdict.status(), basis, reason }
    }
}

/// One line, its keys in the order of the contract.
#[derive(Serialize)]
struct Line<'a> {
    uri: &'a str,
    cid: String,
    author: &'a Did,
    kind: &'static str,
    grade: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deviations: Option<Vec<Deviation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    official: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<EventTally>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<bool>,
}

/// Gives each line, without its newline, to `write`, and counts the verdicts.
pub fn verdicts<E: From<RowsError>>(
    rows: &dyn Rows,
    mut write: impl FnMut(&str) -> Result<(), E>,
) -> Result<VerdictCounts, E> {
    let mut counts = VerdictCounts::default();
    // The records of one author follow each other.
    let mut author: Option<(Did, bool)> = None;
    for row in rows.scan_all::<Records>() {
        let (id, record) = row?;
        let shown = match &author {
            Some((did, shown)) if *did == id.did => *shown,
            _ => accounts::is_active(rows, &id.did)?,
        };
        author = Some((id.did.clone(), shown));
        if shown {
            write(&line(rows, &id, &record, &mut counts)?)?;
        }
    }
    Ok(counts)
}

fn line(
    rows: &dyn Rows,
    id: &RecordId,
    record: &Record,
    counts: &mut VerdictCounts,
) -> Result<String, RowsError> {
    let uri = id.uri();
    let mut line = Line {
        uri: &uri,
        cid: record.cid.to_string(),
        author: &id.did,
        kind: id.kind.name(),
        grade: record.grade.name(),
        reason: None,
        deviations: None,
        official: None,
        verdict: None,
        counts: None,
        effective: None,
        accepted: None,
    };
    match &record.grade {
        GradeRow::Unusable(unusable) => line.reason = Some(unusable.reason()),
        GradeRow::Deviating(_) | GradeRow::DeviatingMuch => {
            line.deviations = Some(filing::deviations_of(rows, id, record)?);
        }
        GradeRow::Conforming => {}
    }
    if let Some(body) = &record.body {
        if let Some(verdict) = decide(rows, id, body)? {
            counts.count(verdict);
            line.verdict = Some(verdict.into());
        }
        match body {
            Body::Round(_) => {
                let round = RoundId::from(id.clone());
                line.official = Some(rows.get::<Rounds>(&round)?.is_some_and(|facts| facts.official));
            }
            Body::Event(_) => {
                let tally = rows.get::<EventTallies>(&EventKey::of(&uri))?;
                line.counts = Some(tally.unwrap_or_default());
            }
            Body::Rsvp(rsvp) => {
                line.effective = Some(attendance::is_effective(rows, id, rsvp)?);
                let bytes = record_bytes(rows, id, record)?;
                line.accepted = Some(acceptance::find(rows, id, &rsvp.subject, &bytes)?.accepted);
            }
            Body::Jam(_)
            | Body::Signup(_)
            | Body::Invitation(_)
            | Body::Submission(_)
            | Body::Acceptance(_) => {}
        }
    }
    Ok(serde_json::to_string(&line).expect("a line of strings and numbers serialises"))
}

impl VerdictCounts {
    fn count(&mut self, verdict: Verdict) {
        match verdict.status() {
            "valid" => self.valid += 1,
            "pending" => self.pending += 1,
            _ => self.invalid += 1,
        }
    }
}

/// The digest of the derived state and of what people did here, and the verdicts counted.
pub fn digest(rows: &dyn Rows) -> Result<(String, VerdictCounts), RowsError> {
    let mut hash = Sha256::new();
    let mut add = |line: &str| {
        hash.update(line);
        hash.update(b"\n");
        Ok::<_, RowsError>(())
    };
    let counts = verdicts(rows, &mut add)?;
    lines::export(rows, add)?;
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), counts))
}
