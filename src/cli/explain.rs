//! `guestlist explain`.

use std::path::PathBuf;

use super::{DataDir, Failed, Failure};
use crate::control::Question;
use crate::identity::{Directory, Resolver};
use crate::syntax::AtUri;

/// Say what was decided of one record, and why
///
/// The verdict, the reason, what the record refers to, and for someone who was invited the chain of
/// invitations back to the organizer. Works beside a running daemon, which shows the handles that it knows.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    #[command(flatten)]
    store: DataDir,
    /// DID documents from which handles are shown, one a line; may be repeated
    #[arg(long, value_name = "FILE")]
    identities: Vec<PathBuf>,
    /// Print JSON, as the query app.guestlist.explain answers it
    #[arg(long)]
    json: bool,
    /// The record, as in at://did:plc:…/at.atjam.signup/…
    #[arg(value_name = "AT-URI", value_parser = AtUri::parse)]
    uri: AtUri,
}

impl Explain {
    pub(super) fn run(self) -> Result<(), Failure> {
        let identities = Resolver::offline(Directory::load(&self.identities).map_err(Failed)?);
        self.store.ask(&Question::Explain { uri: self.uri.as_str().to_owned(), json: self.json }, &identities)
    }
}
