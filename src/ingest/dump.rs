//! Recorded dumps: firehose frames or Jetstream lines, plain or zstd, from a file or standard input.
//!
//! Formats: CONTRACT §3. A dump is read front to back once; positions are bytes after decompression.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::codec::limits::{FRAME_BYTES_MAX, JETSTREAM_LINE_BYTES_MAX};
use crate::tables::keys::SourceKey;

/// The path that means standard input.
pub const STDIN: &str = "-";

/// Bytes at the beginning of a file that its fingerprint covers.
const FINGERPRINT_BYTES: u64 = 65_536;

/// What a zstd frame begins with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of the buffers between file, decompressor and decoder.
const BUFFER_BYTES: usize = 1 << 18;

/// A dump cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// Reading failed.
    #[error("cannot read {path}")]
    Read {
        /// The dump.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name does not say what is in it.
    #[error(
        "cannot tell what is in {path}: firehose dumps end in .frames, Jetstream dumps in .jsonl, \
         either followed by .zst, and repositories in .car"
    )]
    UnknownFormat {
        /// The dump.
        path: PathBuf,
    },
    /// A repository comes through a pipe.
    #[error("a repository is read twice, and so has to be a file: {path} can be read only once")]
    ReadOnce {
        /// The dump.
        path: PathBuf,
    },
    /// What is in it cannot be proved, because nobody can be asked.
    #[error(
        "{path} cannot be proved: {why}. Give the DID documents with --identities, or replay it unproved with \
         --verify off; it is gone on with where it stopped"
    )]
    Unproved {
        /// The dump.
        path: PathBuf,
        /// What is not to be had.
        why: String,
    },
    /// A list of identities was given as a dump.
    #[error("{path} is a list of identities, not a dump: give it with --identities")]
    Identities {
        /// The file.
        path: PathBuf,
    },
}

/// What a dump consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Firehose frames, each after its length.
    Frames,
    /// Jetstream events, one a line.
    Jetstream,
    /// One repository, as its host exports it.
    Repository,
}

/// One piece of a dump.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A frame or a line, in the buffer that was given.
    Whole,
    /// One over the limit; its bytes were passed over.
    TooLarge,
    /// The dump ended inside a frame.
    Truncated,
    /// The dump ended.
    End,
}

/// An open dump.
pub struct Dump {
    path: PathBuf,
    format: Format,
    reader: Box<dyn BufRead + Send>,
    offset: u64,
    seekable: bool,
}

/// What a file's name says of its content: the format, and whether it is compressed.
fn format_of(path: &Path) -> Result<(Format, bool), DumpError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (plain, zstd) = match name.strip_suffix(".zst") {
        Some(plain) => (plain, true),
        None => (name.as_ref(), false),
    };
    if plain.ends_with(".dids.jsonl") {
        return Err(DumpError::Identities { path: path.to_owned() });
    }
    let format = match plain.rsplit_once('.').map(|(_, ending)| ending) {
        Some("frames") => Format::Frames,
        Some("jsonl") => Format::Jetstream,
        // Compressed, its blocks could not be found again by their places.
        Some("car") if !zstd => Format::Repository,
        _ => return Err(DumpError::UnknownFormat { path: path.to_owned() }),
    };
    Ok((format, zstd))
}

/// Whether a path can be a dump, by its name alone.
pub fn check_name(path: &Path) -> Result<(), DumpError> {
    if path.as_os_str() == STDIN { Ok(()) } else { format_of(path).map(|_| ()) }
}

impl Dump {
    /// Opens the dump at `path`, or standard input for [`STDIN`], and says which source it is. `wrap` may
    /// look at the raw bytes as they are read, of which there are so many where that is known.
    pub fn open(
        path: &Path,
        wrap: impl FnOnce(Box<dyn Read + Send>, Option<u64>) -> Box<dyn Read + Send>,
    ) -> Result<(Self, SourceKey), DumpError> {
        let failed = |source| DumpError::Read { path: path.to_owned(), source };
        let is_stdin = path.as_os_str() == STDIN;
        let named = if is_stdin { None } else { Some(format_of(path)?) };
        let (raw, size) = open_raw(path, is_stdin).map_err(failed)?;
        let mut raw = wrap(raw, size);
        // Read from the one handle and put back: a pipe gives its beginning only once.
        let mut start = Vec::new();
        raw.by_ref().take(FINGERPRINT_BYTES).read_to_end(&mut start).map_err(failed)?;
        let source = source_key(path, is_stdin, size, &start);
        let zstd = named.map_or_else(|| start.starts_with(&ZSTD_MAGIC), |(_, zstd)| zstd);
        let raw = BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(start).chain(raw));
        let mut reader = if zstd { decompress(Box::new(raw)).map_err(failed)? } else { Box::new(raw) };
        let format = match named {
            Some((format, _)) => format,
            // A frame begins with the top byte of a length under five million, which is zero.
            None if reader.fill_buf().map_err(failed)?.first() == Some(&0) => Format::Frames,
            None if is_car(reader.fill_buf().map_err(failed)?) => Format::Repository,
            None => Format::Jetstream,
        };
        if format == Format::Repository && size.is_none() {
            return Err(DumpError::ReadOnce { path: path.to_owned() });
        }
        Ok((Self { path: path.to_owned(), format, reader, offset: 0, seekable: size.is_some() }, source))
    }

    /// Reads the repository in it with `read`, which gets the bytes front to back, and the file once more for
    /// reading in any order.
    pub(super) fn read_repository<T>(
        &mut self,
        read: impl FnOnce(&mut dyn Read, File) -> T,
    ) -> Result<T, DumpError> {
        let file = File::open(&self.path).map_err(|source| self.failed(source))?;
        let size = file.metadata().map_err(|source| self.failed(source))?.len();
        let result = read(&mut self.reader, file);
        self.offset = size;
        Ok(result)
    }

    pub(super) fn unproved(&self, why: String) -> DumpError {
        DumpError::Unproved { path: self.path.clone(), why }
    }

    pub(super) fn failed(&self, source: io::Error) -> DumpError {
        DumpError::Read { path: self.path.clone(), source }
    }

    /// Whether the same dump can be read again from its start, and so be gone on with.
    pub fn can_resume(&self) -> bool {
        self.seekable
    }

    /// What it consists of.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes read so far, after decompression.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Passes over everything before `offset`.
    pub fn skip_to(&mut self, offset: u64) -> Result<(), DumpError> {
        let wanted = offset.saturating_sub(self.offset);
        let skipped = io::copy(&mut self.reader.by_ref().take(wanted), &mut io::sink());
        self.offset += skipped.map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// Reads the next piece into `buffer`, whose content is replaced.
    pub fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Piece, DumpError> {
        buffer.clear();
        let piece = match self.format {
            Format::Frames => self.next_frame(buffer),
            Format::Jetstream => self.next_line(buffer),
            // It is no sequence of pieces: see `read_repository`.
            Format::Repository => Ok(Piece::End),
        };
        match piece {
            // A compressed dump that was cut short ends like this too.
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => Ok(Piece::Truncated),
            other => other.map_err(|source| self.failed(source)),
        }
    }

    fn next_frame(&mut self, buffer: &mut Vec<u8>) -> io::Result<Piece> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(Piece::End);
        }
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        let length = u64::from(u32::from_be_bytes(length));
        let fits = usize::try_from(length).is_ok_and(|length| length <= FRAME_BYTES_MAX);
        let mut frame = self.reader.by_ref().take(length);
        let read = if fits { io::copy(&mut frame, buffer)? } else { io::copy(&mut frame, &mut io::sink())? };
        if read < length {
            return Ok(Piece::Truncated);
        }
        self.offset += 4 + length;
        Ok(if fits { Piece::Whole } else { Piece::TooLarge })
    }

    fn next_line(&mut self, buffer: &mut Vec<u8>) -> io::Result<Piece> {
        // Room for a carriage return and a newline, which are no part of the line.
        let limit = u64::try_from(JETSTREAM_LINE_BYTES_MAX).unwrap_or(u64::MAX) + 2;
        let read = self.reader.by_ref().take(limit).read_until(b'\n', buffer)?;
        if read == 0 {
            return Ok(Piece::End);
        }
        self.offset += u64::try_from(read).unwrap_or(u64::MAX);
        let ended = buffer.pop_if(|last| *last == b'\n').is_some();
        let cut = !ended && read > JETSTREAM_LINE_BYTES_MAX + 1;
        buffer.pop_if(|last| *last == b'\r');
        if !cut && buffer.len() <= JETSTREAM_LINE_BYTES_MAX {
            return Ok(Piece::Whole);
        }
        if cut {
            self.offset += skip_line(&mut self.reader)?;
        }
        Ok(Piece::TooLarge)
    }
}

/// Whether this is how a CAR begins: the length of its header in one byte or two, and the header, a map of two whose
/// first key is `roots`.
fn is_car(start: &[u8]) -> bool {
    let header = b"\xa2\x65roots";
    [1, 2].iter().any(|length| start.get(*length..).is_some_and(|rest| rest.starts_with(header)))
}

/// Passes over the rest of a line; returns its bytes, the newline included.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let available = reader.fill_buf()?;
        let end = available.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(available.len(), |end| end + 1);
        reader.consume(used);
        skipped += u64::try_from(used).unwrap_or(u64::MAX);
        if end.is_some() || used == 0 {
            return Ok(skipped);
        }
    }
}

fn decompress(input: Box<dyn BufRead + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    let decoder = zstd::Decoder::with_buffer(input)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)))
}

/// The raw bytes, and how many there are where that is known: in a regular file.
fn open_raw(path: &Path, is_stdin: bool) -> io::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if is_stdin {
        return Ok((Box::new(io::stdin()), None));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}

/// Name, size and the hash of the beginning: another file under the same name is another source.
fn source_key(path: &Path, is_stdin: bool, size: Option<u64>, start: &[u8]) -> SourceKey {
    let name = if is_stdin { path.as_os_str() } else { path.file_name().unwrap_or_default() };
    let size = size.map_or_else(|| "stream".to_owned(), |size| size.to_string());
    let hash: String = Sha256::digest(start).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    SourceKey {
        kind: "replay".to_owned(),
        name: name.to_string_lossy().into_owned(),
        fingerprint: format!("{size}-{hash}"),
    }
}
