//! Sweeps: making up for what may have been missed, by coming by every repository that may hold something wanted.
//!
//! A sweep lists, and whoever is listed becomes due; asking hosts is for the keeper. Where a sweep stands is in the
//! store: each look reads it, takes one step, and waits until that is written. So a sweep goes on after a crash, and
//! lists no further than what is due can be worked off.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::list::{ListError, Lister};
use super::walk::Walk;
use super::{Channel, Gone};
use crate::codec::listing::Page;
use crate::ingest::endpoint::Endpoint;
use crate::ingest::line::now;
use crate::ingest::seldom::Seldom;
use crate::ledger::{FIRST_STAGE, Note, Step};
use crate::net::Origin;
use crate::records::Kind;
use crate::sources::kind;
use crate::store::{Store, StoreError};
use crate::syntax::Did;
use crate::tables::completeness::{Coverage, Stage, Sweep, Window};
use crate::tables::keys::{MetaKey, SourceKey};
use crate::tables::view::{Range, ReadRows, RowsError, key_of, prefix_of};
use crate::tables::{Accounts, Coverages, Dues, number};

/// How often it is looked at what there is to do.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How soon after a step the next one is taken: whoever lists is asked for some pages a second at most.
const STEP_EVERY: Duration = Duration::from_millis(50);

/// How often it is looked whether a step is written.
const WRITTEN_EVERY: Duration = Duration::from_millis(20);

/// Accounts that are due at a time before a sweep lists more.
const DUE_MAX: usize = 500;

/// Accounts of this store that become due at a time.
const TRACKED_PAGE: usize = 250;

/// Waits between attempts to go on, in microseconds: the first, and the longest.
const WAIT_MIN: i64 = 5_000_000;
const WAIT_MAX: i64 = 600_000_000;

/// How long after the beginning of a sweep the next of its source may begin, for each second before a second attempt:
/// ten minutes by default. A host that sends nonsense again and again must not have us ask everybody again and again.
const SPACING: u32 = 10;

/// Works off the windows of every source.
pub(super) struct Sweeper {
    pub(super) store: Store,
    pub(super) lister: Lister,
    pub(super) channel: Channel,
    /// How long to wait before a second attempt.
    pub(super) retry: Duration,
    /// Who lists repositories, rather than the sources themselves.
    pub(super) relay: Option<Origin>,
    pub(super) said: Seldom,
    /// What was seen of lists that are being walked over.
    pub(super) walks: BTreeMap<SourceKey, Walk>,
}

impl Sweeper {
    /// Goes on until it is told to stop.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        loop {
            let mut pause = LOOK_EVERY;
            for (source, window) in open_windows(&self.store)? {
                self.say(&source, &window)?;
                let looked = tokio::select! {
                    looked = self.look(&source, &window) => looked?,
                    () = stop.cancelled() => return Ok(()),
                };
                let Some(step) = looked else { continue };
                pause = STEP_EVERY;
                if self.take(&source, &window, step, stop).await?.is_err() {
                    return Ok(());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Says now and then how far a sweep has come.
    fn say(&mut self, source: &SourceKey, window: &Window) -> Result<(), StoreError> {
        let Some(sweep) = &window.sweep else { return Ok(()) };
        if self.said.again(Instant::now()).is_some() {
            let rows = self.store.snapshot();
            let [due, failing] = [MetaKey::Due, MetaKey::Failing].map(|key| number(&*rows, key));
            let fetched = self.channel.fetched_so_far();
            tracing::info!(
                source = %source.name, listed = sweep.listed, due = due?, failing = failing?, fetched,
                "making up for what may be missing goes on"
            );
        }
        Ok(())
    }

    /// Has a step written, and waits for that.
    async fn take(
        &self,
        source: &SourceKey,
        before: &Window,
        step: Step,
        stop: &CancellationToken,
    ) -> Result<Result<(), Gone>, StoreError> {
        if let Err(gone) = self.channel.note(source, Note::Sweep(step)).await {
            return Ok(Err(gone));
        }
        loop {
            let now = self.store.snapshot().get::<Coverages>(source)?.and_then(|coverage| coverage.window);
            if now.is_none_or(|now| is_further(before, &now)) {
                return Ok(Ok(()));
            }
            tokio::select! {
                () = tokio::time::sleep(WRITTEN_EVERY) => {}
                () = stop.cancelled() => return Ok(Err(Gone)),
            }
        }
    }

    async fn look(&mut self, source: &SourceKey, window: &Window) -> Result<Option<Step>, StoreError> {
        let at = now();
        if window.next > at {
            return Ok(None);
        }
        let Some(sweep) = &window.sweep else {
            tracing::info!(source = %source.name, how = window.miss.how.name(), "making up for what may be missing");
            return Ok(Some(Step::Begin { at, stage: FIRST_STAGE }));
        };
        if let Some(ended) = sweep.ended {
            return self.close(source, sweep, ended, at);
        }
        if due_now(&self.store, at)? >= DUE_MAX {
            return Ok(None);
        }
        if sweep.stage == Stage::Tracked {
            let (dids, cursor) = tracked(&self.store, sweep.cursor.as_deref())?;
            return Ok(Some(Step::Page { dids, at, cursor }));
        }
        let Some(origin) = self.upstream(source) else {
            let why = "nobody lists repositories: set backfill.relay";
            return Ok(Some(failed(window, at, why.to_owned(), false)));
        };
        let kind = match sweep.stage {
            Stage::Collection(place) => Kind::ALL.get(usize::from(place)).copied(),
            Stage::Everything | Stage::Tracked => None,
        };
        let page = self.lister.page(&origin, kind, sweep.cursor.as_deref()).await;
        let mut step = self.listed(source, window, sweep, page);
        if let (Step::Failed { next, .. }, Some(until)) = (&mut step, self.lister.polite.rests_until(&origin))
        {
            // An attempt before its rest is over would be none, and would hide why it rests.
            *next = until.max(*next);
        }
        Ok(Some(step))
    }

    /// What follows from a page.
    fn listed(
        &mut self,
        source: &SourceKey,
        window: &Window,
        sweep: &Sweep,
        page: Result<Page, ListError>,
    ) -> Step {
        let at = now();
        match page {
            Ok(page) => {
                let walk = self.walks.entry(source.clone()).or_default();
                if let Err(why) = walk.goes_on(&page, sweep) {
                    self.walks.remove(source);
                    return failed(window, at, why.to_owned(), true);
                }
                if page.cursor.is_none() {
                    self.walks.remove(source);
                }
                if page.unreadable > 0 {
                    tracing::warn!(source = %source.name, entries = page.unreadable, "a list has entries that cannot be read");
                }
                let dids = page.repositories;
                Step::Page { dids, at, cursor: page.cursor.map(String::into_boxed_str) }
            }
            // Who has given a part of a list has such lists: it may not know its own cursor any more.
            Err(error @ ListError::Unsupported(_)) if sweep.cursor.is_some() => {
                self.walks.remove(source);
                failed(window, at, format!("its list of repositories breaks off: {error}"), true)
            }
            Err(ListError::Unsupported(_)) if matches!(sweep.stage, Stage::Collection(_)) => {
                Step::Instead(Stage::Everything)
            }
            Err(error) => {
                failed(window, at, format!("its list of repositories is not to be had: {error}"), false)
            }
        }
    }

    /// Closes a window when everybody it came by was asked about.
    fn close(
        &self,
        source: &SourceKey,
        sweep: &Sweep,
        ended: i64,
        at: i64,
    ) -> Result<Option<Step>, StoreError> {
        let rows = self.store.snapshot();
        for row in rows.scan_all::<Dues>() {
            let (_, due) = row?;
            if due.attempts == 0 && due.listed.is_some_and(|listed| listed <= ended) {
                return Ok(None);
            }
        }
        tracing::info!(source = %source.name, listed = sweep.listed, "everybody was asked about");
        let spacing = i64::try_from((self.retry * SPACING).as_micros()).unwrap_or(i64::MAX);
        Ok(Some(Step::Close { at, next: sweep.begun.saturating_add(spacing) }))
    }

    /// Who lists repositories for a source.
    fn upstream(&self, source: &SourceKey) -> Option<Origin> {
        let own = || match source.kind.as_str() {
            kind::RELAY => Endpoint::parse(&source.name).ok().map(|endpoint| endpoint.origin().clone()),
            kind::BACKFILL => Origin::parse(&source.name).ok(),
            _ => None,
        };
        self.relay.clone().or_else(own)
    }
}

/// Whether a step was written. What a source misses meanwhile is no step: one that is taken twice could end a stage
/// that it was not meant for.
fn is_further(before: &Window, now: &Window) -> bool {
    let steps = |window: &Window| (window.sweep.clone(), window.attempts, window.next, window.closed);
    steps(before) != steps(now)
}

fn failed(window: &Window, at: i64, why: String, restart: bool) -> Step {
    let wait = WAIT_MIN.saturating_mul(1 << window.attempts.min(20)).min(WAIT_MAX);
    tracing::warn!(why, attempts = window.attempts + 1, "a sweep cannot go on");
    Step::Failed { why: why.into(), next: at.saturating_add(wait), restart }
}

/// The windows that are open.
pub(super) fn open_windows(store: &Store) -> Result<Vec<(SourceKey, Window)>, StoreError> {
    let rows = store.snapshot();
    let open = |row: Result<(SourceKey, Coverage), RowsError>| {
        row.map(|(source, coverage)| coverage.window.filter(Window::is_open).map(|window| (source, window)))
            .transpose()
    };
    Ok(rows.scan_all::<Coverages>().filter_map(open).collect::<Result<_, _>>()?)
}

/// How many accounts are due now, up to a bound.
fn due_now(store: &Store, now: i64) -> Result<usize, StoreError> {
    let rows = store.snapshot();
    let mut count = 0;
    for row in rows.scan_all::<Dues>().take(DUE_MAX) {
        let (key, _) = row?;
        if key.next > now {
            break;
        }
        count += 1;
    }
    Ok(count)
}

/// The next repositories that are tracked here, and where those after them begin.
fn tracked(store: &Store, after: Option<&str>) -> Result<(Vec<Did>, Option<Box<str>>), StoreError> {
    let rows = store.snapshot();
    let mut range: Range = prefix_of::<Accounts>(|_| {});
    if let Some(after) = after.and_then(|after| Did::parse(after).ok()) {
        range.start = [key_of::<Accounts>(&after), vec![0]].concat();
    }
    let mut dids = Vec::new();
    for row in rows.scan::<Accounts>(range) {
        let (did, account) = row?;
        if account.tracked {
            dids.push(did);
        }
        if dids.len() == TRACKED_PAGE {
            let last = dids.last().map(|did| did.as_str().into());
            return Ok((dids, last));
        }
    }
    Ok((dids, None))
}

#[cfg(test)]
mod tests {
    use super::is_further;
    use crate::tables::completeness::{How, Miss, Stage, Sweep, Window};

    #[test]
    fn what_is_missed_while_a_step_is_on_its_way_does_not_look_like_the_step() {
        let miss = Miss { how: How::PassedOver, at: 1, cursor: None };
        let sweep =
            Sweep { begun: 2, stage: Stage::Collection(0), cursor: None, pages: 0, listed: 0, ended: None };
        let (again, sweep, failure, closed) = (None, Some(sweep), None, None);
        let before = Window { miss, times: 1, again, sweep, attempts: 0, failure, next: 0, closed };
        let mut now = before.clone();
        now.again = Some(miss);
        assert!(!is_further(&before, &now));
        now.sweep.as_mut().unwrap().pages += 1;
        assert!(is_further(&before, &now));
    }
}
