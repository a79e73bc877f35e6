//! `guestlist import`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::Context;

use super::{DataDir, Failed, Failure, output, prepare};
use crate::archive;

/// Read what `export --records` and `export --procedures` printed into an empty store
///
/// Both together give the same digest as the store they came from. Several files are read as if they were one, in any
/// order; without any, standard input is read. A line that is none, or contradicts another, ends it with an error; remove
/// the directory before the next try.
#[derive(Debug, clap::Args)]
#[allow(clippy::disallowed_methods, reason = "a shell: it reads files")]
pub(super) struct Import {
    #[command(flatten)]
    store: DataDir,
    /// The exports
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Import {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut lines = self.lines().map_err(Failed)?;
        let store = self.store.open_to_write("import")?;
        let bar = output::counter("lines read");
        let done = archive::import(&store, &mut *lines, |lines| bar.set_position(lines));
        bar.finish_and_clear();
        done.map_err(Failed)?;
        prepare(&store)
    }

    /// Opens every file before anything is written.
    #[allow(clippy::disallowed_methods, reason = "a shell: it reads files")]
    fn lines(&self) -> anyhow::Result<Box<dyn BufRead>> {
        if self.files.is_empty() {
            return Ok(Box::new(BufReader::new(io::stdin())));
        }
        let mut all: Box<dyn Read> = Box::new(io::empty());
        for path in &self.files {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            all = Box::new(all.chain(file));
        }
        Ok(Box::new(BufReader::new(all)))
    }
}
