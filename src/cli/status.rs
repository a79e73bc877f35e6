//! `guestlist status`.

use super::{DataDir, Failure};
use crate::control::Question;
use crate::identity::Resolver;
use crate::syntax::Did;

/// Say how the sources are doing, and whether anything may be missing
///
/// Where each source stands; each time when something of one may have been missed, and what was done about it; how
/// many repositories were compared with their hosts, and of which that fails, with the reason and the next attempt.
/// The last line is `complete`, or says why not. With a DID, what is known of that repository: what its last
/// revision was proved by, when it was compared with its host, and whether that is to be asked again. Beside a
/// running daemon it also says which connections there are, and how late they are. The exit code is 0 either way.
#[derive(Debug, clap::Args)]
pub(super) struct ShowStatus {
    #[command(flatten)]
    store: DataDir,
    /// Print JSON, as the query app.guestlist.getStatus answers it
    #[arg(long)]
    json: bool,
    /// A repository to ask about, as in did:plc:…
    #[arg(value_parser = Did::parse)]
    did: Option<Did>,
}

impl ShowStatus {
    pub(super) fn run(self) -> Result<(), Failure> {
        let did = self.did.map(|did| did.as_str().to_owned());
        self.store.ask(&Question::Status { did, json: self.json }, &Resolver::default())
    }
}
