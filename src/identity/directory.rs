//! Identities from files: who an account is, without asking the network.
//!
//! Owns the reading of `*.dids.jsonl` (CONTRACT §3) and the question whether a handle and a DID name each
//! other. It never decides anything: verdicts know DIDs only (RULES §2), handles are for people.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::INVALID_HANDLE;
use super::document::Document;
use crate::syntax::{Did, Handle};

/// Reading a file of identities failed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be opened or read.
    #[error("cannot read the identities in {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not JSON.
    #[error("{path}, line {line}: not JSON")]
    NotJson {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A line is JSON, but neither a DID document nor an object whose `doc` is one.
    #[error("{path}, line {line}: no DID document")]
    NotADocument {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// DID documents by DID, and the handles that hold both ways as far as these documents tell.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    documents: HashMap<Did, Arc<Document>>,
    /// Handles that are claimed first, by the one document that does, or by none alone.
    owners: HashMap<Handle, Option<Did>>,
    fingerprint: OnceLock<[u8; 32]>,
}

impl Directory {
    /// Reads files in the order given. A later line for a DID replaces an earlier one; empty lines are
    /// skipped.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no identity; both are named.
    pub fn load(paths: &[PathBuf]) -> Result<Self, IdentityError> {
        let mut documents = HashMap::new();
        for path in paths {
            load_file(path, &mut documents)?;
        }
        let mut owners = HashMap::new();
        for document in documents.values() {
            if let Some(handle) = &document.handle {
                let sole = |owner: &mut Option<Did>| *owner = None;
                owners.entry(handle.clone()).and_modify(sole).or_insert_with(|| Some(document.did.clone()));
            }
        }
        Ok(Self { documents, owners, fingerprint: OnceLock::new() })
    }

    /// A hash of all of it: answers that show handles are others when it is another.
    pub fn fingerprint(&self) -> [u8; 32] {
        *self.fingerprint.get_or_init(|| self.hash())
    }

    fn hash(&self) -> [u8; 32] {
        let sorted: BTreeMap<_, _> = self.documents.iter().collect();
        let mut hash = Sha256::new();
        for (did, document) in sorted {
            hash.update(did.as_str());
            hash.update([0]);
            hash.update(document.handle.as_ref().map_or("", Handle::as_str));
            hash.update([0]);
        }
        hash.finalize().into()
    }

    /// How many accounts are known.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The document of an account.
    pub fn document(&self, did: &Did) -> Option<&Arc<Document>> {
        self.documents.get(did)
    }

    /// The handle of an account: the first that its document claims, if no other document claims it first.
    pub fn handle_of(&self, did: &Did) -> Option<&Handle> {
        let handle = self.documents.get(did)?.handle.as_ref()?;
        (self.did_of(handle) == Some(did)).then_some(handle)
    }

    /// The account that a handle names, under the same condition.
    pub fn did_of(&self, handle: &Handle) -> Option<&Did> {
        self.owners.get(handle)?.as_ref()
    }

    /// Whether a document claims this handle first, so that the files say whose it is, be it nobody's.
    pub fn knows(&self, handle: &Handle) -> bool {
        self.owners.contains_key(handle)
    }

    /// What to show for an account: its handle, `handle.invalid` where its document gives none that holds,
    /// and nothing where there is no document to tell.
    pub fn shown_handle(&self, did: &Did) -> Option<&str> {
        self.documents.get(did).map(|_| self.handle_of(did).map_or(INVALID_HANDLE, Handle::as_str))
    }
}

fn load_file(path: &Path, documents: &mut HashMap<Did, Arc<Document>>) -> Result<(), IdentityError> {
    let unreadable = |source| IdentityError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    for (index, text) in BufReader::new(file).lines().enumerate() {
        let text = text.map_err(unreadable)?;
        if text.trim().is_empty() {
            continue;
        }
        let line = index + 1;
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|source| IdentityError::NotJson { path: path.to_owned(), line, source })?;
        let document = Document::read(&value)
            .ok_or_else(|| IdentityError::NotADocument { path: path.to_owned(), line })?;
        documents.insert(document.did.clone(), Arc::new(document));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Directory, IdentityError};
    use crate::syntax::{Did, Handle};

    fn load(files: &[&str]) -> Result<Directory, IdentityError> {
        let dir = tempfile::tempdir().unwrap();
        let write = |(number, text): (usize, &&str)| {
            let path = dir.path().join(format!("{number}.dids.jsonl"));
            fs::write(&path, text).unwrap();
            path
        };
        let paths: Vec<_> = files.iter().enumerate().map(write).collect();
        Directory::load(&paths)
    }

    fn did(text: &str) -> Did {
        Did::parse(text).unwrap()
    }

    fn handle(text: &str) -> Handle {
        Handle::parse(text).unwrap()
    }

    #[test]
    fn takes_documents_plain_and_wrapped() {
        let directory = load(&[concat!(
            r#"{"id":"did:plc:ada","alsoKnownAs":["https://ada.example","at://no_handle","at://Ada.example"]}"#,
            "\n\n",
            r#"{"did":"did:plc:other","doc":{"id":"did:plc:bob","alsoKnownAs":["at://bob.example"]},"audit":[]}"#,
        )])
        .unwrap();
        assert_eq!(directory.len(), 2);
        assert_eq!(directory.handle_of(&did("did:plc:ada")), Some(&handle("ada.example")));
        assert_eq!(directory.did_of(&handle("BOB.example")), Some(&did("did:plc:bob")));
        assert_eq!(directory.handle_of(&did("did:plc:other")), None);
    }

    #[test]
    fn a_handle_that_two_accounts_claim_is_nobodys() {
        let directory = load(&[concat!(
            r#"{"id":"did:plc:a","alsoKnownAs":["at://same.example"]}"#,
            "\n",
            r#"{"id":"did:plc:b","alsoKnownAs":["at://same.example"]}"#,
            "\n",
            // A second name is no claim.
            r#"{"id":"did:plc:c","alsoKnownAs":["at://c.example","at://d.example"]}"#,
            "\n",
            r#"{"id":"did:plc:d","alsoKnownAs":["at://d.example"]}"#,
        )])
        .unwrap();
        assert_eq!(directory.did_of(&handle("same.example")), None);
        assert_eq!(directory.handle_of(&did("did:plc:a")), None);
        assert_eq!(directory.shown_handle(&did("did:plc:a")), Some("handle.invalid"));
        assert_eq!(directory.shown_handle(&did("did:plc:d")), Some("d.example"));
        assert_eq!(directory.shown_handle(&did("did:plc:stranger")), None);
    }

    #[test]
    fn a_later_line_replaces_an_earlier_one() {
        let directory = load(&[
            r#"{"id":"did:plc:a","alsoKnownAs":["at://old.example"]}"#,
            r#"{"id":"did:plc:a","alsoKnownAs":["at://new.example"]}"#,
        ])
        .unwrap();
        assert_eq!(directory.len(), 1);
        assert_eq!(directory.did_of(&handle("old.example")), None);
        assert_eq!(directory.handle_of(&did("did:plc:a")), Some(&handle("new.example")));
    }

    #[test]
    fn an_error_names_the_file_and_the_line() {
        let good = r#"{"id":"did:plc:a"}"#;
        let not_json = load(&[&format!("{good}\n{{")]).unwrap_err();
        assert!(not_json.to_string().ends_with("0.dids.jsonl, line 2: not JSON"), "{not_json}");
        for line in ["[]", "{}", r#"{"id":"did:plc:"}"#, r#"{"doc":null}"#, r#"{"id":"did:plc:a","doc":7}"#] {
            let error = load(&[good, &format!("\n{line}")]).unwrap_err();
            assert!(error.to_string().ends_with("1.dids.jsonl, line 2: no DID document"), "{error}");
        }
        let missing = Directory::load(&["no-such-file.dids.jsonl".into()]).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read the identities in no-such-file.dids.jsonl");
        assert!(Directory::load(&[]).unwrap().is_empty());
    }
}
