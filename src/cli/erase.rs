//! `guestlist erase`.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{DataDir, Failed, Failure};
use crate::control::Question;
use crate::identity::Resolver;
use crate::syntax::Did;

/// Erase a person's traces from what people did here
///
/// Erased are: the spaces and chats that they own, with all invites, uses and members; their memberships elsewhere; that
/// they used an invite; how their events are set up, the tickets that they gave and those that they have; their sessions and
/// their number in the Portal, and that they made invites of others' chats, which end; and their name in the audit, with all
/// entries about their own spaces. A use of an invite still counts, so that no more people join than it is for; nobody can
/// tell any more whose it was.
///
/// Not erased are: the records that they published, which are theirs to delete where they published them (that removes
/// them here too); and what they do from now on. Copies of exports, and logs, are elsewhere.
///
/// It cannot be undone, so it asks on a terminal, and elsewhere wants `--yes`. Doing it twice does no harm: do it again
/// where it was interrupted. Works alone and beside a running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Erase {
    #[command(flatten)]
    store: DataDir,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    /// Whose traces, as in did:plc:…
    #[arg(value_parser = Did::parse)]
    did: Did,
}

impl Erase {
    pub(super) fn run(self) -> Result<(), Failure> {
        if !self.yes {
            if !io::stdin().is_terminal() {
                let why = "erasing cannot be undone: confirm it with --yes";
                return Err(Failure::Usage(anyhow::anyhow!(why)));
            }
            let question = format!("Erase the traces of {}? It cannot be undone. [yes/no] ", self.did);
            if !confirmed(&question, &mut io::stdin().lock(), &mut io::stderr()).map_err(Failed)? {
                return Err(Failure::Usage(anyhow::anyhow!("nothing was erased")));
            }
        }
        let did = self.did.as_str().to_owned();
        self.store.ask(&Question::Erase { did }, &Resolver::default())
    }
}

/// Whether somebody answers a question with `yes`, and with nothing less.
fn confirmed(question: &str, answers: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<bool> {
    write!(out, "{question}")?;
    out.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use super::confirmed;

    #[test]
    fn only_yes_confirms() {
        for (answer, expected) in
            [("yes\n", true), ("y\n", false), ("no\n", false), ("\n", false), ("", false)]
        {
            let mut asked = Vec::new();
            assert_eq!(
                confirmed("Sure?", &mut answer.as_bytes(), &mut asked).unwrap(),
                expected,
                "{answer:?}"
            );
            assert_eq!(asked, b"Sure?");
        }
    }
}
