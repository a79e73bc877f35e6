//! `guestlist explain`.

use std::path::PathBuf;

use anyhow::Context;

use super::{DataDir, Failed, Failure, output};
use crate::http::explain;
use crate::identity::Directory;
use crate::syntax::AtUri;

/// Say what was decided of one record, and why
///
/// The verdict, the reason, what the record refers to, and for someone who was invited the chain of
/// invitations back to the organizer.
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
    #[arg(value_name = "AT-URI")]
    uri: String,
}

impl Explain {
    pub(super) fn run(self) -> Result<(), Failure> {
        let uri = AtUri::parse(&self.uri).with_context(|| format!("{:?}", self.uri)).map_err(Failed)?;
        let identities = Directory::load(&self.identities).map_err(Failed)?;
        let store = self.store.open().map_err(Failed)?;
        let explanation = explain(&*store.snapshot(), &identities, &uri).map_err(Failed)?;
        output::lines(|out| {
            if self.json {
                writeln!(out, "{}", serde_json::to_string(&explanation)?)?;
            } else {
                write!(out, "{}", explanation.to_text())?;
            }
            Ok(())
        })
        .map_err(Failed)?;
        Ok(())
    }
}
