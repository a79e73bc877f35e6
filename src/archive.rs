//! The stored records as JSON Lines, and back; and back what there is of spaces.
//!
//! What `export --records` prints is everything that the derived state is a function of: the records, and
//! what the sources said of accounts. What people did here (`export --procedures`) follows from nothing else. Both read
//! into an empty store give the same digest. Format: CONTRACT §3.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::codec::event::{Block, BlockFault};
use crate::codec::json;
use crate::filing;
use crate::spaces::{lines, restore, sound};
use crate::store::{Store, StoreError};
use crate::syntax::{AtUri, Cid, Datetime, Did, Tid};
use crate::tables::keys::{MetaKey, RecordId, SourceKey};
use crate::tables::rows::{Account, AccountState, Marks, Meta, Source, Unfinished, Witness, Word};
use crate::tables::view::{Overlay, ReadRows, Rows, RowsError};
use crate::tables::{
    Accounts, Audits, Chats, Codes, Invites, Members, Metas, Records, Redemptions, Settings, Sources, Spaces,
    Table, Tickets, Users, number,
};

/// Lines that are imported in one batch.
const BATCH_LINES: usize = 1000;

/// An import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is something in the store already.
    #[error("the store is not empty: import into a new directory")]
    NotEmpty,
    /// The export cannot be read.
    #[error("cannot read the export")]
    Read(#[source] io::Error),
    /// A line is not what an export has.
    #[error("line {number} is no line of an export: {what}")]
    Line {
        /// Its number, from 1.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Each line is one, but they contradict each other.
    #[error("the lines contradict each other: {what}")]
    Contradiction {
        /// The first thing that does not fit.
        what: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Account { did: Did, account: AccountLine },
    Record(RecordLine),
}

#[derive(Serialize, Deserialize)]
struct RecordLine {
    uri: String,
    cid: String,
    rev: String,
    record: Value,
    /// The record's bytes, where its JSON does not carry them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Value>,
    /// What the decoder found wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<BlockFault>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountLine {
    state: StateName,
    tracked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rev_from_jetstream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    marks: Marks,
    sources: Vec<WitnessLine>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StateName {
    Active,
    Inactive,
    Deleted,
}

#[derive(Serialize, Deserialize)]
struct WitnessLine {
    kind: String,
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<WordLine>,
}

#[derive(Serialize, Deserialize)]
struct WordLine {
    position: u64,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
}

/// Gives each line, without its newline, to `write`: first the accounts, then the records.
pub fn export<E: From<RowsError>>(
    rows: &dyn Rows,
    mut write: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let sources: Vec<(SourceKey, Source)> = rows.scan_all::<Sources>().collect::<Result<_, _>>()?;
    for row in rows.scan_all::<Accounts>() {
        let (did, account) = row?;
        write(&text(&Line::Account { did, account: account_line(account, &sources)? }))?;
    }
    for row in rows.scan_all::<Records>() {
        let (id, record) = row?;
        let block = filing::block_of(rows, &id, &record)?;
        write(&text(&Line::Record(record_line(&id, record.rev, block))))?;
    }
    Ok(())
}

fn text(line: &Line) -> String {
    serde_json::to_string(line).expect("a line of strings and numbers serialises")
}

fn account_line(account: Account, sources: &[(SourceKey, Source)]) -> Result<AccountLine, RowsError> {
    let witness = |witness: Witness| {
        let source = sources.iter().find(|(_, source)| source.id == witness.source);
        let (key, _) =
            source.ok_or(RowsError::Contradiction { what: "an account names a source that is not there" })?;
        Ok(WitnessLine {
            kind: key.kind.clone(),
            name: key.name.clone(),
            fingerprint: key.fingerprint.clone(),
            rev: witness.rev.map(|rev| rev.to_string()),
            word: witness.word.map(|word| WordLine {
                position: word.position,
                active: word.active,
                status: word.status,
                deleted: word.deleted,
                time: word.time.map(|time| time.to_string()),
            }),
        })
    };
    let mut witnesses: Vec<WitnessLine> =
        account.witnesses.into_iter().map(witness).collect::<Result<_, _>>()?;
    // By name: the numbers of sources are this store's alone.
    witnesses.sort_by(|a, b| (&a.kind, &a.name, &a.fingerprint).cmp(&(&b.kind, &b.name, &b.fingerprint)));
    Ok(AccountLine {
        state: match account.state {
            AccountState::Active => StateName::Active,
            AccountState::Inactive => StateName::Inactive,
            AccountState::Deleted => StateName::Deleted,
        },
        tracked: account.tracked,
        rev: account.rev.map(|rev| rev.to_string()),
        rev_from_jetstream: account.rev_from_jetstream,
        data: account.data.map(|data| data.to_string()),
        marks: account.marks,
        sources: witnesses,
    })
}

fn record_line(id: &RecordId, rev: Tid, block: Block) -> RecordLine {
    let has_dag_cbor = !matches!(block.fault, Some(BlockFault::NotDagCbor | BlockFault::TooDeep));
    let record = if has_dag_cbor { json::decode_dag_cbor(&block.bytes) } else { None };
    // JSON carries the record only if it leads back to the same bytes.
    let carries =
        |record: &Value| json::encode_dag_cbor(&record.to_string()).is_ok_and(|bytes| bytes == block.bytes);
    let carried = record.as_ref().is_some_and(carries);
    RecordLine {
        uri: id.uri(),
        cid: block.cid.to_string(),
        rev: rev.to_string(),
        record: record.unwrap_or_default(),
        bytes: (!carried).then(|| json::from_bytes(&block.bytes)),
        fault: block.fault,
    }
}

/// Reads exports into an empty store, their lines in any order. `progress` hears how many lines were read.
///
/// Where a record came before an account, what is derived has to be worked out anew before the store is used, and the
/// store says so (`rebuild::needed`): a record is put back under the accounts that are known.
pub fn import(
    store: &Store,
    lines: &mut dyn BufRead,
    mut progress: impl FnMut(u64),
) -> Result<(), ImportError> {
    if !is_empty(&*store.snapshot()).map_err(StoreError::from)? {
        return Err(ImportError::NotEmpty);
    }
    store.write::<ImportError>(|rows| {
        rows.put::<Metas>(&MetaKey::Unfinished, &Meta::Unfinished(Unfinished::Import));
        Ok(())
    })?;
    let mut seen = Seen::default();
    let mut lines = lines.lines().zip(1_u64..).peekable();
    while lines.peek().is_some() {
        store.write::<ImportError>(|rows| {
            for (line, number) in lines.by_ref().take(BATCH_LINES) {
                let line = line.map_err(ImportError::Read)?;
                take_in(rows, &mut seen, &line).map_err(|fault| fault.at(number))?;
                progress(number);
            }
            Ok(())
        })?;
    }
    // Which lines bear each other out shows when all are there.
    let mut contradiction = None;
    let keep_first = |what| {
        contradiction.get_or_insert(what);
    };
    sound::look(&store.freeze(), keep_first).map_err(StoreError::from)?;
    if let Some(what) = contradiction {
        return Err(ImportError::Contradiction { what });
    }
    store.write::<ImportError>(|rows| {
        if seen.is_account_late {
            rows.put::<Metas>(&MetaKey::Unfinished, &Meta::Unfinished(Unfinished::Rebuild));
        } else {
            rows.delete::<Metas>(&MetaKey::Unfinished);
        }
        Ok(filing::move_position(rows).map_err(StoreError::from)?)
    })
}

/// Whether nothing is stored that an export has.
fn is_empty(rows: &dyn Rows) -> Result<bool, RowsError> {
    fn has_none<T: Table>(rows: &dyn Rows) -> bool {
        rows.scan_all::<T>().next().is_none()
    }
    let is_bare = has_none::<Accounts>(rows)
        && has_none::<Records>(rows)
        && has_none::<Spaces>(rows)
        && has_none::<Invites>(rows)
        && has_none::<Redemptions>(rows)
        && has_none::<Members>(rows)
        && has_none::<Chats>(rows)
        && has_none::<Codes>(rows)
        && has_none::<Users>(rows)
        && has_none::<Settings>(rows)
        && has_none::<Tickets>(rows)
        && has_none::<Audits>(rows);
    // What had the numbers that were given may be gone.
    Ok(is_bare && number(rows, MetaKey::LastChat)? == 0 && number(rows, MetaKey::LastUser)? == 0)
}

/// In which order lines came.
#[derive(Default)]
struct Seen {
    has_record: bool,
    /// An account came after a record.
    is_account_late: bool,
}

/// Why one line was not taken in.
enum Fault {
    Line(String),
    Rows(RowsError),
}

impl Fault {
    fn at(self, number: u64) -> ImportError {
        match self {
            Fault::Line(what) => ImportError::Line { number, what },
            Fault::Rows(error) => ImportError::Store(error.into()),
        }
    }
}

impl From<RowsError> for Fault {
    fn from(error: RowsError) -> Self {
        Fault::Rows(error)
    }
}

/// A part of a line that is not what it should be.
fn bad(what: &str) -> Fault {
    Fault::Line(format!("bad {what}"))
}

/// A line about something that another line was about.
fn repeated() -> Fault {
    Fault::Line("an earlier line says it too".to_owned())
}

fn take_in(rows: &mut Overlay<'_>, seen: &mut Seen, line: &str) -> Result<(), Fault> {
    if let Some(row) = lines::parse(line) {
        let row = row.map_err(|error| Fault::Line(error.to_string()))?;
        let is_new = restore::row(rows, &row)?;
        return if is_new { Ok(()) } else { Err(repeated()) };
    }
    match serde_json::from_str(line).map_err(|error| Fault::Line(error.to_string()))? {
        Line::Account { did, account } => {
            if rows.get::<Accounts>(&did)?.is_some() {
                return Err(repeated());
            }
            seen.is_account_late |= seen.has_record;
            let account = account_row(rows, account)?;
            Ok(filing::restore_account(rows, &did, &account)?)
        }
        Line::Record(line) => {
            let uri = AtUri::parse(&line.uri).map_err(|_| bad("uri"))?;
            let id = RecordId::from_uri(&uri).ok_or_else(|| bad("uri"))?;
            if rows.get::<Records>(&id)?.is_some() {
                return Err(repeated());
            }
            seen.has_record = true;
            let rev = Tid::parse(&line.rev).map_err(|_| bad("rev"))?;
            let block = block(&line)?;
            Ok(filing::restore_record(rows, &id, rev, &block)?)
        }
    }
}

fn block(line: &RecordLine) -> Result<Block, Fault> {
    let cid = Cid::parse(&line.cid).map_err(|_| bad("cid"))?;
    let bytes = match &line.bytes {
        Some(bytes) => json::to_bytes(bytes).ok_or_else(|| bad("bytes"))?,
        None => json::encode_dag_cbor(&line.record.to_string()).map_err(|_| bad("record"))?,
    };
    if line.fault.is_none() && !cid.matches(&bytes) {
        return Err(Fault::Line("the record does not hash to its cid".to_owned()));
    }
    Ok(Block { cid, bytes, fault: line.fault })
}

fn account_row(rows: &mut Overlay<'_>, line: AccountLine) -> Result<Account, Fault> {
    let tid = |text: Option<String>| text.map(|text| Tid::parse(&text).map_err(|_| bad("rev"))).transpose();
    let mut account = Account {
        tracked: line.tracked,
        state: match line.state {
            StateName::Active => AccountState::Active,
            StateName::Inactive => AccountState::Inactive,
            StateName::Deleted => AccountState::Deleted,
        },
        rev: tid(line.rev)?,
        rev_from_jetstream: line.rev_from_jetstream,
        data: line.data.map(|data| Cid::parse(&data).map_err(|_| bad("data"))).transpose()?,
        marks: line.marks,
        witnesses: Vec::new(),
    };
    for witness in line.sources {
        let key = SourceKey { kind: witness.kind, name: witness.name, fingerprint: witness.fingerprint };
        let id = filing::source_row(rows, &key)?.id;
        let time = |time: String| Datetime::parse(&time).map_err(|_| bad("time"));
        let word = witness.word.map(|word| {
            Ok::<_, Fault>(Word {
                position: word.position,
                active: word.active,
                status: word.status,
                deleted: word.deleted,
                time: word.time.map(time).transpose()?,
            })
        });
        let (rev, word) = (tid(witness.rev)?, word.transpose()?);
        *account.witness(id) = Witness { source: id, rev, word };
    }
    Ok(account)
}
