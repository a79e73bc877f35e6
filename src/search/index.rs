//! The index as tantivy has it: its fields, its files, and what is written into it.
//!
//! All of it follows from the store. So whatever is wrong with it, it is thrown away and filled anew.
#![allow(clippy::disallowed_methods, reason = "a shell: it owns a directory")]

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::{
    Field, IndexRecordOption, NumericOptions, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term};

use super::cutter::Cutter;
use super::document::{Document, number_of};

/// What is in the index and how texts are cut. Another number, and an index is filled anew.
const VERSION: u32 = 1;

/// Bytes of documents that are gathered before they go to the disk, which is the least that tantivy takes.
const WRITER_BYTES: usize = 16_000_000;

/// What tantivy knows our way of cutting texts by.
const CUTTER: &str = "words";

/// Names of columns, which tantivy knows by these.
pub(super) const START: &str = "start";
pub(super) const NUMBER: &str = "number";
pub(super) const URI: &str = "uri";
const VERSION_COLUMN: &str = "version";

/// The start of what has none: it comes last.
const NO_START: i64 = i64::MAX;

/// What is never upcoming.
const NEVER: i64 = i64::MIN;

/// The index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Its files cannot be read or written.
    #[error(transparent)]
    Tantivy(#[from] TantivyError),
    /// Its directory cannot be made or emptied.
    #[error("cannot use {dir}: {source}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is of another version, or of another store.
    #[error("it is of another version")]
    OtherVersion,
    /// Some of its files are not as they were written.
    #[error("{files} of its files are damaged")]
    Damaged {
        /// How many.
        files: usize,
    },
    /// It says what it cannot.
    #[error("it says {what}")]
    Nonsense {
        /// What.
        what: &'static str,
    },
    /// The library panicked.
    #[error("something in it broke")]
    Panicked,
}

/// The fields of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) name: Field,
    pub(super) places: Field,
    pub(super) description: Field,
    pub(super) organizer: Field,
    pub(super) location: Field,
    pub(super) upcoming_until: Field,
    start: Field,
    number: Field,
    uri: Field,
    version: Field,
}

/// What is known of an index beside its documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    version: u32,
    /// The position of the store that the index agrees with, where nothing was on its way when it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
}

/// Where an index is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In a directory of its own.
    Dir(PathBuf),
    /// In memory, beside a store that is there too.
    Memory,
}

/// An index that is open.
pub(super) struct Catalog {
    index: Index,
    pub(super) fields: Fields,
    /// The position of the store that it agreed with when it was left.
    pub(super) position: Option<u64>,
}

/// Who writes into an index.
pub(super) struct Writer {
    writer: IndexWriter,
    reader: IndexReader,
    fields: Fields,
}

impl Fields {
    fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        // Where words stand is needed for runs and phrases.
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(CUTTER)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let text = TextOptions::default().set_indexing_options(indexing);
        let column = NumericOptions::default().set_fast();
        let fields = Self {
            name: schema.add_text_field("name", text.clone()),
            places: schema.add_text_field("places", text.clone()),
            description: schema.add_text_field("description", text),
            organizer: schema.add_text_field("organizer", STRING),
            location: schema.add_text_field("location", STRING),
            upcoming_until: schema.add_i64_field("upcoming_until", column.clone()),
            start: schema.add_i64_field(START, column.clone()),
            number: schema.add_u64_field(NUMBER, column.clone()),
            uri: schema.add_text_field(URI, STRING.set_fast("raw")),
            version: schema.add_u64_field(VERSION_COLUMN, column),
        };
        (schema.build(), fields)
    }

    fn document(&self, of: &Document) -> TantivyDocument {
        let uri = of.id.uri();
        let mut document = TantivyDocument::new();
        document.add_text(self.name, &of.name);
        document.add_text(self.description, &of.description);
        // Between two lines no word goes on, nor a run.
        document.add_text(self.places, of.places.join("\n"));
        for cid in &of.location_cids {
            document.add_text(self.location, cid);
        }
        document.add_text(self.organizer, of.id.did.as_str());
        document.add_i64(self.upcoming_until, of.upcoming_until.unwrap_or(NEVER));
        document.add_i64(self.start, of.start.unwrap_or(NO_START));
        document.add_u64(self.number, number_of(&uri));
        document.add_u64(self.version, of.version);
        document.add_text(self.uri, uri);
        document
    }
}

impl Place {
    /// Opens the index that is there.
    ///
    /// # Errors
    /// There is none, or it is of no use.
    pub(super) fn open(&self) -> Result<Catalog, IndexError> {
        guarded(|| self.open_files())
    }

    fn open_files(&self) -> Result<Catalog, IndexError> {
        let Self::Dir(dir) = self else { return self.make() };
        let index = Index::open_in_dir(dir)?;
        let (schema, fields) = Fields::schema();
        let label = index.load_metas()?.payload;
        let label: Option<Label> = label.and_then(|label| serde_json::from_str(&label).ok());
        let label = label.filter(|label| label.version == VERSION && index.schema() == schema);
        let Some(Label { position, .. }) = label else { return Err(IndexError::OtherVersion) };
        match index.validate_checksum()?.len() {
            0 => Ok(Catalog { index, fields, position }),
            files => Err(IndexError::Damaged { files }),
        }
    }

    /// Makes an empty one in its place.
    pub(super) fn make(&self) -> Result<Catalog, IndexError> {
        let (schema, fields) = Fields::schema();
        let index = match self {
            Self::Memory => Index::create_in_ram(schema),
            Self::Dir(dir) => {
                remake(dir).map_err(|source| IndexError::Directory { dir: dir.clone(), source })?;
                Index::create_in_dir(dir, schema)?
            }
        };
        Ok(Catalog { index, fields, position: None })
    }

    /// Whether there is anything.
    pub(super) fn exists(&self) -> bool {
        match self {
            Self::Memory => false,
            Self::Dir(dir) => dir.exists(),
        }
    }
}

/// Makes a directory without files, whatever is there. One that is there stays, since it may be a disk of its own.
fn remake(dir: &Path) -> std::io::Result<()> {
    if !dir.is_dir() {
        if dir.exists() {
            fs::remove_file(dir)?;
        }
        return fs::create_dir(dir);
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Catalog {
    /// A reader of what is in it now, and of what is committed later when it is told to look again.
    pub(super) fn reader(&self) -> Result<IndexReader, IndexError> {
        Ok(self.index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?)
    }

    /// Begins to write. Nobody else does.
    pub(super) fn write(&self) -> Result<Writer, IndexError> {
        self.index.tokenizers().register(CUTTER, TextAnalyzer::from(Cutter));
        // Two cores have enough else to do.
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = self.index.writer_with_options(options)?;
        Ok(Writer { writer, reader: self.reader()?, fields: self.fields })
    }
}

impl Writer {
    /// Puts a document in place of what there is of its event.
    pub(super) fn put(&self, document: &Document) -> Result<(), IndexError> {
        self.remove(&document.id.uri());
        self.writer.add_document(self.fields.document(document))?;
        Ok(())
    }

    /// Takes out what there is of an event.
    pub(super) fn remove(&self, uri: &str) {
        self.writer.delete_term(Term::from_field_text(self.fields.uri, uri));
    }

    /// Makes everything durable, and visible to searchers that are taken from now on. With the position of the store that
    /// it then agrees with, if it agrees with one.
    pub(super) fn commit(&mut self, position: Option<u64>) -> Result<(), IndexError> {
        let label = Label { version: VERSION, position };
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&serde_json::to_string(&label).expect("two numbers serialise"));
        commit.commit()?;
        self.reader.reload()?;
        Ok(())
    }

    /// What is in the index as of the last commit.
    pub(super) fn searcher(&self) -> tantivy::Searcher {
        self.reader.searcher()
    }

    /// Waits until nothing is written any more.
    pub(super) fn close(self) -> Result<(), IndexError> {
        Ok(self.writer.wait_merging_threads()?)
    }
}

/// Does something with an index whose files may be others than they should: the library panics where they are cut short, or
/// altered under it.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(IndexError::Panicked))
}

/// The version of every document, by the URI of its event.
pub(super) fn versions(searcher: &tantivy::Searcher) -> Result<HashMap<String, u64>, IndexError> {
    let mut versions = HashMap::new();
    for segment in searcher.segment_readers() {
        let columns = segment.fast_fields();
        let of = columns.u64(VERSION_COLUMN)?;
        let uris =
            columns.str(URI)?.ok_or(IndexError::Nonsense { what: "nothing of where its events are" })?;
        for document in segment.doc_ids_alive() {
            let uri = uri_of(&uris, document)?;
            let version = of.first(document).ok_or(IndexError::Nonsense { what: "nothing of a version" })?;
            if versions.insert(uri, version).is_some() {
                return Err(IndexError::Nonsense { what: "two things of one event" });
            }
        }
    }
    Ok(versions)
}

/// The URI of a document.
pub(super) fn uri_of(
    uris: &tantivy::columnar::StrColumn,
    document: tantivy::DocId,
) -> Result<String, IndexError> {
    let mut uri = String::new();
    let number = uris.ords().first(document).ok_or(IndexError::Nonsense { what: "no URI" })?;
    let is_there = uris.ord_to_str(number, &mut uri).map_err(TantivyError::from)?;
    if is_there { Ok(uri) } else { Err(IndexError::Nonsense { what: "a URI that is nowhere" }) }
}
