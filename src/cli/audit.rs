//! `guestlist audit`.

use super::invites::parse_space;
use super::{DataDir, Failure};
use crate::control::Question;
use crate::identity::Resolver;
use crate::syntax::Did;
use crate::tables::keys::SpaceId;

/// Print what was done in spaces, newest first
///
/// Of each entry when it was, what somebody tried, what came of it, who it was, and which space, invite and person it was
/// about, as far as that is known. Tries that were refused are among them: a token that is none is `redeem unknown`.
/// Entries are kept for `invites.audit_days`, also when the space is gone. Works alone and beside a running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct ShowAudit {
    #[command(flatten)]
    store: DataDir,
    /// Only what was done in this space
    #[arg(long, value_name = "AT-URI", value_parser = parse_space)]
    space: Option<SpaceId>,
    /// Only what this person did, or what was done about them
    #[arg(long, value_parser = Did::parse)]
    did: Option<Did>,
    /// Print JSON, one entry a line, as the query app.guestlist.listAudit answers it
    #[arg(long)]
    json: bool,
    /// How many entries at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

impl ShowAudit {
    pub(super) fn run(self) -> Result<(), Failure> {
        let space = self.space.as_ref().map(SpaceId::uri);
        let did = self.did.map(|did| did.as_str().to_owned());
        let question = Question::Audit { space, did, limit: self.limit, json: self.json };
        self.store.ask(&question, &Resolver::default())
    }
}
