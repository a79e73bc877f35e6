//! What a daemon says on standard output: where it answers, with queries that have an answer.

use std::io::Write as _;
use std::net::SocketAddr;

use crate::records::Kind;
use crate::rules::accounts;
use crate::rules::verdict::{self, Basis, Verdict};
use crate::store::Store;
use crate::tables::keys::{RecordId, RoundId};
use crate::tables::view::{ReadRows, Rows};
use crate::tables::{Records, Signups};

/// Signups that are looked at for an example worth showing.
const SIGNUPS_LOOKED_AT: usize = 1000;

/// Says on standard output where to look, with queries that have an answer.
pub(super) fn announce(address: SocketAddr, store: &Store) -> anyhow::Result<()> {
    let base = format!("http://{address}/xrpc/app.guestlist");
    let mut lines = vec![
        format!("guestlist answers at http://{address}, for example:"),
        format!("  curl '{base}.getStatus'"),
    ];
    if let Some((round, signup)) = example(&*store.snapshot())? {
        let (round, actor) = (escaped(&round.record().uri()), escaped(signup.did.as_str()));
        lines.push(format!("  curl '{base}.getRound?uri={round}'"));
        lines.push(format!("  curl '{base}.getStanding?round={round}&actor={actor}'"));
        lines.push(format!("  curl '{base}.explain?uri={}'", escaped(&signup.uri())));
    }
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; the daemon goes on all the same.
    let _ = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    Ok(())
}

/// A signup with something to tell: one that somebody was invited to.
fn example(rows: &dyn Rows) -> anyhow::Result<Option<(RoundId, RecordId)>> {
    for row in rows.scan_all::<Signups>().take(SIGNUPS_LOOKED_AT) {
        let (key, _) = row?;
        let id = RecordId { did: key.author, kind: Kind::Signup, rkey: key.rkey };
        let body = rows.get::<Records>(&id)?.and_then(|record| record.body);
        let verdict = body.map(|body| verdict::decide(rows, &id, &body)).transpose()?.flatten();
        if verdict == Some(Verdict::Valid(Some(Basis::Invited))) && accounts::is_active(rows, &id.did)? {
            return Ok(Some((key.round, id)));
        }
    }
    Ok(None)
}

/// A DID or URI as part of a query: of its characters only this one means something there.
fn escaped(text: &str) -> String {
    text.replace('%', "%25")
}
