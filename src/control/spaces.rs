//! Questions about spaces, and what the operator has done in them.

use anyhow::Context;
use jiff::Timestamp;

use super::{Holder, Lines};
use crate::http::{AuditView, InviteView};
use crate::spaces;
use crate::spaces::command::{Answer, Command, Done, Refusal};
use crate::syntax::{AtUri, Did, TokenHash};
use crate::tables::keys::{SpaceId, write_space};
use crate::tables::spaces::{Actor, Audit, Finding, Invite};
use crate::tables::view::{ReadRows, Rows, RowsError, prefix_of};
use crate::tables::{Audits, Invites, SpaceAudits, SpaceInvites, Spaces};

/// Digits of a hash that are shown to a person: the invites of one space do not agree in so many.
const HASH_SHOWN: usize = 12;

fn parse_space(uri: &str) -> anyhow::Result<SpaceId> {
    let parsed = AtUri::parse(uri).with_context(|| format!("{uri:?}"))?;
    SpaceId::from_uri(&parsed).with_context(|| format!("{uri:?} is no place of a space"))
}

fn parse_did(did: &str) -> anyhow::Result<Did> {
    Did::parse(did).with_context(|| format!("{did:?}"))
}

/// The invites of a space, newest first.
pub(super) fn invites(holder: &Holder, space: &str, json: bool, lines: Lines<'_>) -> anyhow::Result<()> {
    let space = parse_space(space)?;
    let rows = holder.store.freeze();
    let invites = invites_of(&rows, &space)?;
    if invites.is_empty() && !is_known(&rows, &space)? {
        return Err(unknown_space(&space));
    }
    if json {
        for (hash, invite) in &invites {
            lines(&serde_json::to_string(&InviteView::read(&rows, *hash, invite)?)?)?;
        }
        return Ok(());
    }
    if invites.is_empty() {
        return Ok(lines("no invites")?);
    }
    let now = Timestamp::now().as_millisecond();
    let mut table = vec![["invite", "perms", "used", "expires", "state", "note"].map(str::to_owned)];
    for (hash, invite) in &invites {
        let most = invite.max_uses.map(|most| format!("/{most}")).unwrap_or_default();
        table.push([
            short(*hash),
            invite.perms.name().to_owned(),
            format!("{}{most}", invite.used),
            invite.expires_at.map_or_else(|| "never".to_owned(), time),
            state(&rows, *hash, invite, now)?.to_owned(),
            invite.note.as_deref().map(plain).unwrap_or_default(),
        ]);
    }
    Ok(aligned(&table).iter().try_for_each(|line| lines(line))?)
}

/// Whether there is a space, or something is kept of it.
fn is_known(rows: &dyn Rows, space: &SpaceId) -> Result<bool, RowsError> {
    Ok(spaces::basis(rows, space)?.is_some() || rows.get::<Spaces>(space)?.is_some())
}

fn invites_of(rows: &dyn Rows, space: &SpaceId) -> Result<Vec<(TokenHash, Invite)>, RowsError> {
    let missing = RowsError::Contradiction { what: "an invite of a space is not stored" };
    let keys = rows.scan::<SpaceInvites>(prefix_of::<SpaceInvites>(|key| write_space(space, key)));
    let hashes: Vec<TokenHash> = keys.map(|row| row.map(|(key, ())| key.hash)).collect::<Result<_, _>>()?;
    let invite = |hash| Ok(rows.get::<Invites>(&hash)?.map(|invite| (hash, invite)));
    let found: Option<Vec<_>> = hashes.into_iter().map(invite).collect::<Result<_, RowsError>>()?;
    found.ok_or(missing)
}

/// What becomes of whoever tries an invite now.
fn state(rows: &dyn Rows, hash: TokenHash, invite: &Invite, now: i64) -> Result<&'static str, RowsError> {
    Ok(match spaces::why_not(rows, hash, invite, now)? {
        None => "active",
        Some(Finding::Exhausted) => "used up",
        Some(Finding::NotLive) => "not live",
        Some(why) => why.name(),
    })
}

fn short(hash: TokenHash) -> String {
    hash.to_string().chars().take(HASH_SHOWN).collect()
}

/// A time in milliseconds since the epoch for a person.
fn time(at: i64) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.0}"))
}

/// What somebody wrote, on one line and without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The lines of a table, each column as wide as its widest cell.
fn aligned<const N: usize>(table: &[[String; N]]) -> Vec<String> {
    let width = |cell: &String| cell.chars().count();
    let mut widths = [0; N];
    for row in table {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

/// Which entries of the audit are asked for.
pub(super) struct Asked {
    space: Option<SpaceId>,
    did: Option<Did>,
    limit: usize,
}

impl Asked {
    pub(super) fn parse(space: Option<&str>, did: Option<&str>, limit: u64) -> anyhow::Result<Self> {
        Ok(Self {
            space: space.map(parse_space).transpose()?,
            did: did.map(parse_did).transpose()?,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        })
    }

    /// The entries, newest first.
    pub(super) fn audit(&self, holder: &Holder, json: bool, lines: Lines<'_>) -> anyhow::Result<()> {
        let rows = holder.store.freeze();
        let missing = || RowsError::Contradiction { what: "an entry of a space's audit is not stored" };
        let entries: Box<dyn Iterator<Item = Result<Audit, RowsError>>> = match &self.space {
            Some(space) => {
                let range = prefix_of::<SpaceAudits>(|key| write_space(space, key));
                let entry = |number| rows.get::<Audits>(&number)?.ok_or_else(missing);
                Box::new(rows.scan::<SpaceAudits>(range).map(move |row| entry(row?.0.number)))
            }
            None => {
                let range = prefix_of::<Audits>(|_| {});
                Box::new(rows.scan_back::<Audits>(range).map(|row| row.map(|(_, entry)| entry)))
            }
        };
        let is_asked =
            |entry: &Result<Audit, RowsError>| entry.as_ref().map_or(true, |entry| self.asks(entry));
        for entry in entries.filter(is_asked).take(self.limit) {
            let entry = entry?;
            lines(&if json { serde_json::to_string(&AuditView::of(&entry))? } else { sentence(&entry) })?;
        }
        Ok(())
    }

    fn asks(&self, entry: &Audit) -> bool {
        self.did.as_ref().is_none_or(|did| {
            matches!(&entry.actor, Actor::Did(actor) if actor == did) || entry.subject.as_ref() == Some(did)
        })
    }
}

/// An entry for a person.
fn sentence(entry: &Audit) -> String {
    let actor = match &entry.actor {
        Actor::Did(did) => did.as_str(),
        Actor::Operator => "the operator",
        Actor::Erased => "somebody who was erased",
    };
    let mut words = format!("{}  {} {}  by {actor}", time(entry.at), entry.act.name(), entry.finding.name());
    if let Some(subject) = &entry.subject {
        words.push_str(&format!("  about {subject}"));
    }
    if let Some(space) = &entry.space {
        words.push_str(&format!("  in {}", space.uri()));
    }
    if let Some(invite) = entry.invite {
        words.push_str(&format!("  invite {}", short(invite)));
    }
    words
}

/// Ends an invite.
pub(super) fn revoke(holder: &Holder, space: &str, invite: &str, lines: Lines<'_>) -> anyhow::Result<()> {
    let space = parse_space(space)?;
    let hash = hash_of(&holder.store.freeze(), &space, invite)?;
    let changed = changed(holder.order(Command::Revoke { space: space.clone(), hash })?, &space)?;
    Ok(lines(if changed { "revoked" } else { "it was revoked already" })?)
}

/// The invite of a space whose hash begins so.
fn hash_of(rows: &dyn Rows, space: &SpaceId, begins: &str) -> anyhow::Result<TokenHash> {
    if let Ok(hash) = TokenHash::parse(begins) {
        return Ok(hash);
    }
    let invites = invites_of(rows, space)?;
    if invites.is_empty() && !is_known(rows, space)? {
        return Err(unknown_space(space));
    }
    let mut found = invites.iter().map(|(hash, _)| *hash).filter(|hash| hash.to_string().starts_with(begins));
    match (found.next(), found.next()) {
        (Some(hash), None) => Ok(hash),
        (None, _) => anyhow::bail!("{} has no such invite", space.uri()),
        (Some(_), Some(_)) => {
            anyhow::bail!("{} has several invites that begin with {begins}: give more of it", space.uri())
        }
    }
}

/// Keeps everybody from joining by an invite, or no longer.
pub(super) fn pause(holder: &Holder, space: &str, paused: bool, lines: Lines<'_>) -> anyhow::Result<()> {
    let space = parse_space(space)?;
    let changed = changed(holder.order(Command::Pause { space: space.clone(), paused })?, &space)?;
    Ok(lines(match (paused, changed) {
        (true, true) => "paused: nobody joins by an invite until it is resumed",
        (true, false) => "it was paused already",
        (false, true) => "resumed: its invites can be used again",
        (false, false) => "it was not paused",
    })?)
}

/// Erases a person's traces, then their name from the audit, a part at a time: others come in between.
pub(super) fn erase(holder: &Holder, did: &str, lines: Lines<'_>) -> anyhow::Result<()> {
    let did = parse_did(did)?;
    let (rows, mut next) = swept(holder.order(Command::Erase { did: did.clone() })?)?;
    let mut entries = 0;
    while let Some(from) = next {
        let (count, left) = swept(holder.order(Command::EraseAudit { did: did.clone(), from })?)?;
        entries += count;
        next = left;
    }
    lines(&format!("{rows} spaces, memberships, settings, tickets and traces in the Portal erased"))?;
    Ok(lines(&format!("{entries} entries of the audit erased or made nameless"))?)
}

/// How many rows went, and where it goes on.
fn swept(answer: Answer) -> anyhow::Result<(u64, Option<u64>)> {
    match answer {
        Ok(Done::Swept { count, next }) => Ok((count, next)),
        other => anyhow::bail!("the writer answered {other:?}"),
    }
}

/// Whether something is another now.
fn changed(answer: Answer, space: &SpaceId) -> anyhow::Result<bool> {
    match answer {
        Ok(Done::Changed(changed)) => Ok(changed),
        Err(Refusal::SpaceNotFound) => Err(unknown_space(space)),
        Err(Refusal::InviteNotFound) => anyhow::bail!("{} has no such invite", space.uri()),
        other => anyhow::bail!("the writer answered {other:?}"),
    }
}

fn unknown_space(space: &SpaceId) -> anyhow::Error {
    anyhow::anyhow!("there is no space {} now", space.uri())
}
