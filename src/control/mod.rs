//! Questions to a store, answered by whoever holds it.
//!
//! A command that only reads, or changes something of a space, is a question. Alone it is answered from the directory;
//! beside a daemon it goes through `control.sock` in the data directory, which only its owner can reach, and is answered
//! by the same code. One JSON line asks; the answer is lines, each after a mark: a space for output, `.` for the end, `!`
//! for an error.
#![allow(
    clippy::disallowed_methods,
    reason = "a shell: it owns a socket, and how late a source is depends on the time"
)]

mod spaces;

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::http::{self, explain};
use crate::identity::Resolver;
use crate::orders::{self, Desk};
use crate::search::{self, Agreement, Search};
use crate::sources::Board;
use crate::spaces::command::{Answer, By, Command, Request};
use crate::spaces::sound::Counts;
use crate::spaces::{Bounds, lines as procedures};
use crate::store::Store;
use crate::syntax::{AtUri, Did};
use crate::{archive, check, export};

/// The socket's name in the data directory.
const SOCKET_FILE: &str = "control.sock";

/// Questions that are answered at the same time. Each reads a view of its own, for which the store remembers
/// what is overwritten meanwhile.
const QUESTIONS_AT_ONCE: usize = 4;

/// Bytes of a question: a long AT-URI fits.
const QUESTION_BYTES_MAX: u64 = 65_536;

/// How long the other side may take to send its question or to take a line of the answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A question that a command asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Question {
    /// The digest of the derived state.
    Digest,
    /// The derived state, one line a record.
    Verdicts,
    /// The stored records and accounts.
    Records,
    /// What people did here: spaces, invites, members, the audit.
    Procedures,
    /// Whether everything derived agrees with the stored records.
    Check,
    /// What was decided of one record.
    Explain {
        /// The record.
        uri: String,
        /// As JSON rather than for a person.
        json: bool,
    },
    /// How everything is doing, and what may be missing.
    Status {
        /// Whose repository is asked about, if one is.
        did: Option<String>,
        /// As JSON rather than for a person.
        json: bool,
    },
    /// The invites of a space.
    Invites {
        /// Its URI.
        space: String,
        /// As JSON rather than for a person.
        json: bool,
    },
    /// What was done in spaces.
    Audit {
        /// In which; all if none is named.
        space: Option<String>,
        /// By or about whom; everybody if nobody is named.
        did: Option<String>,
        /// How many entries at most.
        limit: u64,
        /// As JSON rather than for a person.
        json: bool,
    },
    /// That an invite be ended.
    Revoke {
        /// The URI of its space.
        space: String,
        /// The hash of its token, or enough of its beginning.
        invite: String,
    },
    /// That nobody join a space by an invite, or that they can again.
    Pause {
        /// Its URI.
        space: String,
        /// Whether it is to be paused.
        paused: bool,
    },
    /// That a person's traces be erased.
    Erase {
        /// Whose.
        did: String,
    },
}

/// Who answers: the store, and what its holder knows beside it. Cheap to clone.
#[derive(Clone)]
pub struct Holder {
    /// The store.
    pub store: Store,
    /// Whose handles are shown.
    pub identities: Resolver,
    /// The search that is kept beside it.
    pub search: Search,
    /// How the sources are doing; `None` where nobody follows them.
    pub sources: Option<Board>,
    /// Where things are asked of the writer; `None` where there is none, and whoever holds the store writes itself.
    pub desk: Option<Desk>,
}

/// What a question found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// What was asked for.
    Answer,
    /// Something that should not be.
    Differences,
}

/// Where the lines of an answer go, without their newlines.
pub type Lines<'a> = &'a mut dyn FnMut(&str) -> io::Result<()>;

impl Question {
    /// Answers from a store.
    pub fn answer(&self, holder: &Holder, lines: Lines<'_>) -> anyhow::Result<Found> {
        let store = &holder.store;
        match self {
            Question::Digest => lines(&export::digest(&store.freeze())?.0)?,
            Question::Verdicts => {
                export::verdicts(&store.freeze(), |line| anyhow::Ok(lines(line)?))?;
            }
            Question::Records => archive::export(&store.freeze(), |line| anyhow::Ok(lines(line)?))?,
            Question::Check => return check_store(holder, lines),
            Question::Explain { uri, json } => {
                let uri = AtUri::parse(uri).with_context(|| format!("{uri:?}"))?;
                let explanation = explain(&*store.snapshot(), &holder.identities, &uri)?;
                if *json {
                    lines(&serde_json::to_string(&explanation)?)?;
                } else {
                    explanation.to_text().lines().try_for_each(lines)?;
                }
            }
            Question::Status { did, json } => status(holder, did.as_deref(), *json, lines)?,
            Question::Procedures => procedures::export(&store.freeze(), |line| anyhow::Ok(lines(line)?))?,
            Question::Invites { space, json } => spaces::invites(holder, space, *json, lines)?,
            Question::Audit { space, did, limit, json } => {
                let asked = spaces::Asked::parse(space.as_deref(), did.as_deref(), *limit)?;
                asked.audit(holder, *json, lines)?;
            }
            Question::Revoke { space, invite } => spaces::revoke(holder, space, invite, lines)?,
            Question::Pause { space, paused } => spaces::pause(holder, space, *paused, lines)?,
            Question::Erase { did } => spaces::erase(holder, did, lines)?,
        }
        Ok(Found::Answer)
    }
}

impl Holder {
    /// Has something done for the operator: by the writer, or where there is none at once.
    fn order(&self, command: Command) -> anyhow::Result<Answer> {
        let request = Request { by: By::Operator, command };
        match &self.desk {
            Some(desk) => Ok(desk.ask_and_wait(request)?),
            // What is bounded is what people ask for.
            None => {
                let now = Timestamp::now().as_millisecond();
                Ok(orders::carry_out(&self.store, &Bounds::default(), now, &request)?)
            }
        }
    }
}

fn status(holder: &Holder, did: Option<&str>, json: bool, lines: Lines<'_>) -> anyhow::Result<()> {
    let did = did.map(|did| Did::parse(did).with_context(|| format!("{did:?}"))).transpose()?;
    let rows = holder.store.freeze();
    let status = http::status(&http::Asked {
        rows: &rows,
        sources: holder.sources.as_ref(),
        search: holder.desk.is_some().then(|| holder.search.state()),
        store_bytes: holder.store.bytes_on_disk()?,
        did: did.as_ref(),
        now: Timestamp::now().as_microsecond(),
    })?;
    if json {
        lines(&serde_json::to_string(&status)?)?;
    } else {
        status.to_text(http::compared(&rows)?).lines().try_for_each(lines)?;
    }
    Ok(())
}

fn check_store(holder: &Holder, lines: Lines<'_>) -> anyhow::Result<Found> {
    let store = &holder.store;
    let mut report = check::check(store, |_| {})?;
    let index = match &holder.desk {
        Some(_) => search::agreement(&holder.search, store)?,
        None => search::at_rest(store)?,
    };
    match index {
        Agreement::Absent => {}
        Agreement::Filling => lines("the search index is being filled, or will be: it was not compared")?,
        Agreement::Full(events) => lines(&format!("the search index has the same {events} events"))?,
        Agreement::Behind(events) => {
            lines(&format!(
                "the search index is behind by {events} events, which a daemon reads when it starts"
            ))?;
        }
        Agreement::Broken(differences) => report.differences.extend(differences),
    }
    report.differences.iter().try_for_each(|difference| lines(difference))?;
    let (records, accounts, differences) = (report.records, report.accounts, report.differences.len());
    let Counts { spaces, chats, users, invites, redemptions, members, settings, tickets, entries } =
        report.procedures;
    lines(&format!(
        "{records} records, {accounts} accounts; {spaces} spaces, {invites} invites, {redemptions} uses of them, \
         {members} members, {chats} chats, {users} users, {settings} settings and {tickets} tickets of events, \
         {entries} entries of the audit; {differences} differences"
    ))?;
    Ok(if differences == 0 { Found::Answer } else { Found::Differences })
}

/// The socket of a data directory by a path that is short enough for a socket, however long the directory's
/// is; the file keeps that path valid.
fn socket_path(dir: &Path) -> io::Result<(PathBuf, File)> {
    let open = File::open(dir)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_FILE}", open.as_raw_fd())), open))
}

/// Asks the process that holds a data directory. `None` if nobody listens there.
///
/// # Errors
/// The connection broke, or the other side could not answer; its own words say why.
pub fn ask(dir: &Path, question: &Question, lines: Lines<'_>) -> anyhow::Result<Option<Found>> {
    let (path, _dir) = socket_path(dir)?;
    let Ok(mut stream) = UnixStream::connect(path) else { return Ok(None) };
    writeln!(stream, "{}", serde_json::to_string(question)?)?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        match line.split_at_checked(1) {
            Some((" ", line)) => lines(line)?,
            Some((".", "differences")) => return Ok(Some(Found::Differences)),
            Some((".", _)) => return Ok(Some(Found::Answer)),
            Some(("!", error)) => anyhow::bail!("the daemon answered: {error}"),
            _ => anyhow::bail!("the daemon answered something that this version does not know"),
        }
    }
    anyhow::bail!("the daemon went away in the middle of its answer")
}

/// Answers questions on the socket of a data directory until it is dropped.
pub struct Control {
    path: PathBuf,
}

impl Control {
    /// Begins to listen. The caller holds the directory, so a socket that is there already is a dead one's.
    pub fn listen(holder: Holder, dir: &Path) -> io::Result<Self> {
        let path = dir.join(SOCKET_FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (short, _dir) = socket_path(dir)?;
        let listener = UnixListener::bind(short)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        thread::Builder::new().name("control".to_owned()).spawn(move || accept(&listener, &holder))?;
        Ok(Self { path })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket that stays behind is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// One of the questions that are being answered, however that ends.
struct Turn {
    busy: Arc<AtomicUsize>,
    /// How many were before it.
    place: usize,
}

impl Turn {
    fn take(busy: Arc<AtomicUsize>) -> Self {
        Self { place: busy.fetch_add(1, Ordering::AcqRel), busy }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

fn accept(listener: &UnixListener, holder: &Holder) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let (holder, busy) = (holder.clone(), Arc::clone(&busy));
        let answering = thread::Builder::new().name("question".to_owned()).spawn(move || {
            let turn = Turn::take(busy);
            // Whoever asked may have gone; there is nobody to tell.
            let _ = converse(&stream, &holder, turn.place < QUESTIONS_AT_ONCE);
        });
        if let Err(error) = answering {
            tracing::warn!(%error, "cannot answer on the control socket");
        }
    }
}

fn converse(stream: &UnixStream, holder: &Holder, has_turn: bool) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = String::new();
    io::Read::take(BufReader::new(stream), QUESTION_BYTES_MAX).read_line(&mut question)?;
    let mut out = BufWriter::new(stream);
    let answered = if has_turn {
        serde_json::from_str::<Question>(&question)
            .context("the question is not understood")
            .and_then(|question| question.answer(holder, &mut |line| writeln!(out, " {line}")))
    } else {
        Err(anyhow::anyhow!("too many questions at once"))
    };
    match answered {
        Ok(Found::Answer) => writeln!(out, ".")?,
        Ok(Found::Differences) => writeln!(out, ".differences")?,
        Err(error) => writeln!(out, "!{}", format!("{error:#}").replace('\n', " "))?,
    }
    out.flush()
}
