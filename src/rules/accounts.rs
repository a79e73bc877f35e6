//! Which source's word on an account counts. Spec: RULES §4, "Account events have no rev".

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::syntax::{Did, Tid};
use crate::tables::keys::SourceKey;
use crate::tables::rows::{Account, AccountState, Source, Witness, Word};
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{Accounts, Sources};

/// Whether the account of `did` is active. One that nobody has spoken of is.
pub fn is_active(rows: &(impl Rows + ?Sized), did: &Did) -> Result<bool, RowsError> {
    Ok(state(rows, did)? == AccountState::Active)
}

/// The state of the account of `did`.
pub fn state(rows: &(impl Rows + ?Sized), did: &Did) -> Result<AccountState, RowsError> {
    Ok(rows.get::<Accounts>(did)?.map_or(AccountState::Active, |account| account.state))
}

impl Account {
    /// The entry for a source, made when there is none.
    pub fn witness(&mut self, source: u32) -> &mut Witness {
        let at = self.witnesses.partition_point(|witness| witness.source < source);
        if self.witnesses.get(at).is_none_or(|witness| witness.source != source) {
            self.witnesses.insert(at, Witness { source, rev: None, word: None });
        }
        self.witnesses.get_mut(at).expect("just found or inserted")
    }

    /// Notes that a source sent a commit or `#sync` with this revision.
    pub fn saw_rev(&mut self, source: u32, rev: Tid) {
        let witness = self.witness(source);
        witness.rev = witness.rev.max(Some(rev));
    }

    /// Notes a source's account event; one that is before the last is ignored, and so is the last one when it comes
    /// again after the account's host was asked.
    pub fn heard(&mut self, source: u32, word: Word) {
        let last = &mut self.witness(source).word;
        let place = |word: &Word| (word.position, word.time);
        if last.as_ref().is_none_or(|last| place(last) <= place(&word)) {
            *last = Some(word);
        }
    }

    /// The state that follows from what the sources said, and from nothing else.
    ///
    /// A source that says `deactivated` after it said `deleted` is taken at its last word. What was purged is
    /// gone and hidden either way, so that the tombstone ends, for all that anybody can see, only with
    /// `active: true`.
    pub fn decide_state(&self, rows: &(impl Rows + ?Sized)) -> Result<AccountState, RowsError> {
        let word = deciding(rows, &self.witnesses)?.and_then(|witness| witness.word.as_ref());
        Ok(match word {
            None | Some(Word { active: true, .. }) => AccountState::Active,
            Some(Word { deleted: true, .. }) => AccountState::Deleted,
            Some(_) => AccountState::Inactive,
        })
    }

    /// The number of the source whose word counts, if any has sent something.
    pub fn deciding_source(&self, rows: &(impl Rows + ?Sized)) -> Result<Option<u32>, RowsError> {
        Ok(deciding(rows, &self.witnesses)?.map(|witness| witness.source))
    }
}

/// The source that has sent the greatest revision; with none or a tie, the latest account event, then the
/// smallest name.
fn deciding<'a>(
    rows: &(impl Rows + ?Sized),
    witnesses: &'a [Witness],
) -> Result<Option<&'a Witness>, RowsError> {
    if let [only] = witnesses {
        return Ok(Some(only));
    }
    let rev = witnesses.iter().map(|witness| witness.rev).max().flatten();
    // One that has sent no account event yields to one whose event has no readable time.
    let time = |witness: &Witness| witness.word.as_ref().map(|word| word.time);
    let candidates = || witnesses.iter().filter(|witness| witness.rev == rev);
    let latest = candidates().map(time).max().flatten();
    let mut candidates = candidates().filter(|witness| time(witness) == latest);
    match (candidates.next(), candidates.next()) {
        (first, None) => Ok(first),
        _ => {
            let names = names(rows)?;
            let tied = witnesses.iter().filter(|witness| witness.rev == rev && time(witness) == latest);
            Ok(tied.max_by_key(|witness| Reverse(names.get(&witness.source))))
        }
    }
}

/// The names of the sources by number, comparable: the name first, then what tells namesakes apart.
fn names(rows: &(impl Rows + ?Sized)) -> Result<BTreeMap<u32, (String, String, String)>, RowsError> {
    let name = |row| {
        let (key, source): (SourceKey, Source) = row?;
        Ok((source.id, (key.name, key.kind, key.fingerprint)))
    };
    rows.scan_all::<Sources>().map(name).collect()
}
