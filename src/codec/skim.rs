//! The fast look at a firehose frame: is anything in it wanted?
//!
//! Nearly every frame of the network is a commit in which nothing is wanted. This walk answers that for a
//! well-formed frame without decoding a value or a block. Whatever it does not recognise to the last byte
//! is [`Skim::Unclear`] and goes to the strict decoder in [`super::frame`], so that the two cannot
//! disagree: a frame that is called uninteresting here is one that the strict decoder accepts.

use super::cbor::{Head, Malformed, Reader};
use super::event::Interest;
use super::limits::{COMMIT_BLOCKS_BYTES_MAX, COMMIT_OPS_MAX, FRAME_BYTES_MAX, FRAME_DEPTH_MAX};
use crate::syntax::{Did, Nsid, RecordKey, Tid};

/// What the look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skim<'a> {
    /// A well-formed commit without a wanted operation.
    Unwanted {
        /// Its position.
        seq: u64,
        /// Its repository, a valid DID.
        repo: &'a str,
    },
    /// Anything else.
    Unclear,
}

/// Looks at a frame.
pub fn skim<'a>(frame: &'a [u8], interest: &impl Interest) -> Skim<'a> {
    if frame.len() > FRAME_BYTES_MAX {
        return Skim::Unclear;
    }
    let mut reader = Reader::new(frame);
    match header_is_commit(&mut reader) {
        Ok(true) => commit(reader, interest).ok().flatten().unwrap_or(Skim::Unclear),
        _ => Skim::Unclear,
    }
}

fn header_is_commit(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let Head::Map(2) = reader.head()? else { return Ok(false) };
    let first = (reader.key_after(None)?, reader.head()?);
    let second = (reader.key_after(Some(first.0))?, reader.head()?);
    Ok(first == ("t", Head::Text("#commit")) && second == ("op", Head::Int(1)))
}

/// `None` for anything that this walk leaves to the strict decoder.
fn commit<'a>(mut reader: Reader<'a>, interest: &impl Interest) -> Result<Option<Skim<'a>>, Malformed> {
    let Head::Map(fields) = reader.head()? else { return Ok(None) };
    let (mut seq, mut repo) = (None, None);
    let (mut commit, mut rev, mut ops, mut blocks) = (false, false, false, false);
    let mut key = None;
    for _ in 0..fields {
        let name = reader.key_after(key)?;
        key = Some(name);
        let known = match name {
            "ops" => {
                ops = unwanted_ops(&mut reader, interest)?;
                ops
            }
            "seq" => {
                seq = match reader.head()? {
                    Head::Int(seq) => u64::try_from(seq).ok(),
                    _ => None,
                };
                seq.is_some()
            }
            "repo" => {
                repo = text(&mut reader)?.filter(|repo| Did::is_valid(repo));
                repo.is_some()
            }
            "rev" => {
                rev = text(&mut reader)?.is_some_and(|rev| Tid::parse(rev).is_ok());
                rev
            }
            "commit" => {
                commit = matches!(reader.head()?, Head::Link(_));
                commit
            }
            "blocks" => {
                blocks = matches!(reader.head()?, Head::Bytes(car) if car.len() <= COMMIT_BLOCKS_BYTES_MAX);
                blocks
            }
            "since" => match reader.head()? {
                Head::Null | Head::Text("") => true,
                Head::Text(since) => Tid::parse(since).is_ok(),
                _ => false,
            },
            "tooBig" => reader.head()? == Head::Bool(false),
            _ => reader.skip_item()? < FRAME_DEPTH_MAX,
        };
        if !known {
            return Ok(None);
        }
    }
    let whole = commit && rev && ops && blocks && reader.rest().is_empty();
    Ok(match (seq, repo) {
        (Some(seq), Some(repo)) if whole => Some(Skim::Unwanted { seq, repo }),
        _ => None,
    })
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a str>, Malformed> {
    Ok(match reader.head()? {
        Head::Text(text) => Some(text),
        _ => None,
    })
}

/// Whether this is a well-formed list of operations of which none is wanted.
fn unwanted_ops(reader: &mut Reader<'_>, interest: &impl Interest) -> Result<bool, Malformed> {
    let Head::Array(count) = reader.head()? else { return Ok(false) };
    if count > COMMIT_OPS_MAX {
        return Ok(false);
    }
    let mut paths: Vec<&str> = Vec::new();
    for _ in 0..count {
        let Some(path) = op(reader)? else { return Ok(false) };
        let Some((collection, _)) = split_path(path) else { return Ok(false) };
        if interest.collection(collection).is_some() || paths.contains(&path) {
            return Ok(false);
        }
        if count > 1 {
            paths.push(path);
        }
    }
    Ok(true)
}

/// The path of one well-formed operation.
fn op<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a str>, Malformed> {
    let Head::Map(fields) = reader.head()? else { return Ok(None) };
    let (mut path, mut action, mut cid) = (None, None, None);
    let mut key = None;
    for _ in 0..fields {
        let name = reader.key_after(key)?;
        key = Some(name);
        let head = reader.head()?;
        match (name, head) {
            ("path", Head::Text(text)) => path = Some(text),
            ("action", Head::Text(text)) => action = Some(text),
            ("cid", Head::Link(_)) => cid = Some(true),
            ("cid", Head::Null) => cid = Some(false),
            ("prev", Head::Link(_) | Head::Null) => {}
            _ => return Ok(None),
        }
    }
    Ok(match (action, cid) {
        (Some("create" | "update"), Some(true)) | (Some("delete"), Some(false)) => path,
        _ => None,
    })
}

/// Splits a repository path into collection and record key; `None` if it is no path.
pub fn split_path(path: &str) -> Option<(&str, &str)> {
    let (collection, rkey) = path.split_once('/')?;
    (Nsid::is_valid(collection) && RecordKey::is_valid(rkey)).then_some((collection, rkey))
}
