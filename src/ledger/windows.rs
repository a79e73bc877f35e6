//! Times of a source in which something may have been missed, and the sweeps that make up for them.
//!
//! A window is opened when that is noticed, in the batch that moves the source's cursor past it. A sweep lists every
//! repository that may hold something wanted, and every account that it comes by becomes due; where it stands moves
//! with what it made due, so that a crash loses no page. What is noticed before the sweep begins is one window with
//! the first; what is noticed after that makes another one follow.

use super::due;
use crate::records::Kind;
use crate::rules::accounts;
use crate::syntax::Did;
use crate::tables::completeness::{Cause, Coverage, How, Miss, Stage, Sweep, Window};
use crate::tables::keys::SourceKey;
use crate::tables::view::{Overlay, ReadRows, RowsError};
use crate::tables::{Coverages, Ledgers};

/// Bytes of a reason that are kept: it may have a host's words in it.
const FAILURE_BYTES_MAX: usize = 300;

/// Something to write down beside what a source tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The latest message was sent then.
    Heard(i64),
    /// Something may have been missed.
    Missed(Miss),
    /// A sweep goes on.
    Sweep(Step),
    /// Somebody asks for these by name.
    Named(Vec<Did>),
}

/// What a sweep does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It begins.
    Begin {
        /// When.
        at: i64,
        /// With what.
        stage: Stage,
    },
    /// The upstream has no lists of the kind that was asked for.
    Instead(Stage),
    /// It came by these.
    Page {
        /// Whose repositories.
        dids: Vec<Did>,
        /// When.
        at: i64,
        /// Where the next page begins; `None` after the last of a stage.
        cursor: Option<Box<str>>,
    },
    /// It cannot be gone on with now.
    Failed {
        /// Why, in words.
        why: Box<str>,
        /// When it may be tried again.
        next: i64,
        /// The stage has to be begun again.
        restart: bool,
    },
    /// Everything that it came by was compared, or has failed and stays due.
    Close {
        /// When.
        at: i64,
        /// When the one after it may begin.
        next: i64,
    },
}

impl Note {
    /// Whether it is worth a write of its own.
    pub fn matters(&self) -> bool {
        !matches!(self, Note::Heard(_))
    }

    /// Accounts that it names.
    pub fn accounts(&self) -> usize {
        match self {
            Note::Named(dids) | Note::Sweep(Step::Page { dids, .. }) => dids.len(),
            Note::Heard(_) | Note::Missed(_) | Note::Sweep(_) => 0,
        }
    }
}

/// Writes something down for a source.
pub fn note(rows: &mut Overlay<'_>, source: &SourceKey, note: &Note) -> Result<(), RowsError> {
    let mut coverage = rows.get::<Coverages>(source)?.unwrap_or_default();
    let before = coverage.clone();
    match note {
        Note::Named(dids) => return dids.iter().try_for_each(|did| due(rows, did, Cause::Named, None)),
        Note::Heard(at) => coverage.heard = coverage.heard.max(Some(*at)),
        Note::Missed(miss) => missed(&mut coverage, *miss),
        Note::Sweep(step) => {
            if let Some(window) = coverage.window.as_mut().filter(|window| window.closed.is_none()) {
                go_on(rows, window, step)?;
            }
        }
    }
    if coverage != before {
        rows.put::<Coverages>(source, &coverage);
    }
    Ok(())
}

fn missed(coverage: &mut Coverage, miss: Miss) {
    match coverage.window.as_mut().filter(|window| window.closed.is_none()) {
        // Whoever asks wants it to be gone on with now, whatever failed before.
        Some(window) if miss.how == How::Asked => {
            (window.attempts, window.failure, window.next) = (0, None, 0);
        }
        // Nobody can tell how much of it the sweep has come by already.
        Some(window) if window.sweep.is_some() => window.again = window.again.or(Some(miss)),
        Some(window) => window.times = window.times.saturating_add(1),
        None => {
            let closed = coverage.window.as_ref().filter(|_| miss.how != How::Asked);
            let next = closed.map_or(0, |window| window.next);
            coverage.window = Some(Window::opened(miss, next));
        }
    }
}

impl Window {
    fn opened(miss: Miss, next: i64) -> Self {
        let (again, sweep, failure, closed) = (None, None, None, None);
        Window { miss, times: 1, again, sweep, attempts: 0, failure, next, closed }
    }

    /// Whether something in it may still be missing.
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

/// Whether a sweep that goes on began after that.
pub(super) fn began_after(rows: &Overlay<'_>, at: i64) -> Result<bool, RowsError> {
    let began = |coverage: &Coverage| {
        let open = coverage.window.as_ref().filter(|window| window.is_open());
        open.and_then(|window| window.sweep.as_ref()).is_some_and(|sweep| sweep.begun > at)
    };
    for row in rows.scan_all::<Coverages>() {
        if began(&row?.1) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn go_on(rows: &mut Overlay<'_>, window: &mut Window, step: &Step) -> Result<(), RowsError> {
    match (step, &mut window.sweep) {
        (Step::Begin { at, stage }, None) => {
            window.sweep =
                Some(Sweep { begun: *at, stage: *stage, cursor: None, pages: 0, listed: 0, ended: None });
        }
        (Step::Instead(stage), Some(sweep)) => enter(sweep, *stage),
        (Step::Page { dids, at, cursor }, Some(sweep)) => {
            for did in dids {
                list(rows, did, sweep.begun, *at)?;
            }
            sweep.listed += u64::try_from(dids.len()).unwrap_or(0);
            sweep.pages += 1;
            sweep.cursor.clone_from(cursor);
            if cursor.is_none() {
                match after(sweep.stage) {
                    Some(stage) => enter(sweep, stage),
                    None => sweep.ended = Some(*at),
                }
            }
            (window.attempts, window.failure, window.next) = (0, None, 0);
        }
        (Step::Failed { why, next, restart }, sweep) => {
            if let Some(sweep) = sweep.as_mut().filter(|_| *restart) {
                enter(sweep, sweep.stage);
            }
            let mut why = String::from(&**why);
            why.truncate(why.floor_char_boundary(FAILURE_BYTES_MAX));
            (window.attempts, window.failure) = (window.attempts.saturating_add(1), Some(why.into()));
            window.next = *next;
        }
        (Step::Close { at, next }, Some(Sweep { ended: Some(_), .. })) => match window.again {
            Some(miss) => *window = Window::opened(miss, *next),
            None => (window.closed, window.next) = (Some(*at), *next),
        },
        _ => {}
    }
    Ok(())
}

fn enter(sweep: &mut Sweep, stage: Stage) {
    (sweep.stage, sweep.cursor, sweep.pages) = (stage, None, 0);
}

/// What is walked over after a stage.
fn after(stage: Stage) -> Option<Stage> {
    match stage {
        Stage::Collection(place) if usize::from(place) + 1 < Kind::ALL.len() => {
            Some(Stage::Collection(place + 1))
        }
        Stage::Collection(_) | Stage::Everything => Some(Stage::Tracked),
        Stage::Tracked => None,
    }
}

/// A sweep comes by an account. One that was compared since it began is passed over, unless its host was only asked
/// whether it is active, and it is: then nobody knows what it has.
fn list(rows: &mut Overlay<'_>, did: &Did, begun: i64, at: i64) -> Result<(), RowsError> {
    let compared = rows.get::<Ledgers>(did)?.and_then(|ledger| ledger.compared);
    if let Some(compared) = compared.filter(|compared| compared.at >= begun)
        && (compared.rev.is_some() || !accounts::is_active(rows, did)?)
    {
        return Ok(());
    }
    due(rows, did, Cause::Listed, Some(at))
}

/// The first stage of a sweep.
pub const FIRST_STAGE: Stage = Stage::Collection(0);
