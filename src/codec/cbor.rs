//! A strict, non-recursive walk over DAG-CBOR bytes.
//!
//! Owns the answer to "are these bytes canonical, and how deep do they nest?" and the small reader that
//! the frame skim, commits and tree nodes are read with. It builds no values: `serde_ipld_dagcbor` does that, on
//! bytes that this walk has accepted. It exists because a decoder must survive ten thousand levels of nesting and tell depth
//! from damage. Spec: atproto data-model (DRISL): definite and shortest lengths, text keys sorted by
//! length then bytes, tag 42 alone, no floats, integers of 64 signed bits.

use ipld_core::cid::Cid as AnyCid;

use super::limits::DEPTH_EXAMINED_MAX;
use crate::syntax::Cid;

/// Why bytes are not acceptable DAG-CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not canonical DAG-CBOR of the atproto data model.
    NotDagCbor,
    /// Nested beyond what is examined.
    TooDeep,
}

/// The first byte or bytes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// An integer.
    Int(i64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// A text string.
    Text(&'a str),
    /// An array of so many items, which follow.
    Array(usize),
    /// A map of so many entries, which follow.
    Map(usize),
    /// A link: the bytes of a CID, without the leading zero.
    Link(&'a [u8]),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// Reads items from a slice, front to back.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// An open container while walking: how many of its values have not begun.
enum Open<'a> {
    Array { left: usize },
    Map { left: usize, key: Option<&'a str> },
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::NotDagCbor)?;
        self.rest = rest;
        Ok(taken)
    }

    fn argument(&mut self, info: u8) -> Result<u64, Malformed> {
        // Each longer form must be needed: the shortest encoding is the only one.
        let (value, least) = match info {
            0..=23 => return Ok(u64::from(info)),
            24 => (self.unsigned::<1>()?, 24),
            25 => (self.unsigned::<2>()?, 1 << 8),
            26 => (self.unsigned::<4>()?, 1 << 16),
            27 => (self.unsigned::<8>()?, 1 << 32),
            _ => return Err(Malformed::NotDagCbor),
        };
        if value < least { Err(Malformed::NotDagCbor) } else { Ok(value) }
    }

    fn unsigned<const N: usize>(&mut self) -> Result<u64, Malformed> {
        Ok(self.take(N)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn length(&mut self, info: u8) -> Result<usize, Malformed> {
        usize::try_from(self.argument(info)?).map_err(|_| Malformed::NotDagCbor)
    }

    /// Reads one head; for strings and links, their content too.
    pub fn head(&mut self) -> Result<Head<'a>, Malformed> {
        let first = *self.take(1)?.first().ok_or(Malformed::NotDagCbor)?;
        let info = first & 0x1f;
        match first >> 5 {
            0 => i64::try_from(self.argument(info)?).map(Head::Int).map_err(|_| Malformed::NotDagCbor),
            1 => i64::try_from(self.argument(info)?)
                .map(|n| Head::Int(-1 - n))
                .map_err(|_| Malformed::NotDagCbor),
            2 => {
                let length = self.length(info)?;
                self.take(length).map(Head::Bytes)
            }
            3 => {
                let length = self.length(info)?;
                std::str::from_utf8(self.take(length)?).map(Head::Text).map_err(|_| Malformed::NotDagCbor)
            }
            4 => self.length(info).map(Head::Array),
            5 => self.length(info).map(Head::Map),
            6 => self.link(info),
            _ => match info {
                20 => Ok(Head::Bool(false)),
                21 => Ok(Head::Bool(true)),
                22 => Ok(Head::Null),
                _ => Err(Malformed::NotDagCbor),
            },
        }
    }

    fn link(&mut self, info: u8) -> Result<Head<'a>, Malformed> {
        const CID_TAG: u64 = 42;
        if self.argument(info)? != CID_TAG {
            return Err(Malformed::NotDagCbor);
        }
        // A tag in a tag must not recurse, so what follows is looked at before it is read.
        const BYTES: u8 = 2;
        if self.rest.first().is_none_or(|first| first >> 5 != BYTES) {
            return Err(Malformed::NotDagCbor);
        }
        match self.head()? {
            Head::Bytes([0, cid @ ..]) if is_cid(cid) => Ok(Head::Link(cid)),
            _ => Err(Malformed::NotDagCbor),
        }
    }

    /// Walks over one whole item and returns how many levels of maps and arrays it has.
    pub fn skip_item(&mut self) -> Result<usize, Malformed> {
        let mut open: Vec<Open<'a>> = Vec::new();
        let mut deepest = 0;
        loop {
            match self.head()? {
                Head::Array(left) => open.push(Open::Array { left }),
                Head::Map(left) => open.push(Open::Map { left, key: None }),
                _ => {}
            }
            deepest = deepest.max(open.len());
            if open.len() > DEPTH_EXAMINED_MAX {
                return Err(Malformed::TooDeep);
            }
            if !self.begin_next_value(&mut open)? {
                return Ok(deepest);
            }
        }
    }

    /// Reads one whole item, as it is written.
    pub fn item(&mut self) -> Result<&'a [u8], Malformed> {
        let before = self.rest;
        self.skip_item()?;
        let length = before.len().saturating_sub(self.rest.len());
        before.get(..length).ok_or(Malformed::NotDagCbor)
    }

    /// Closes what is finished and stands before the next value; `false` when the outermost item is done.
    fn begin_next_value(&mut self, open: &mut Vec<Open<'a>>) -> Result<bool, Malformed> {
        while let Some(top) = open.last_mut() {
            match top {
                Open::Array { left: 0 } | Open::Map { left: 0, .. } => {
                    open.pop();
                }
                Open::Array { left } => {
                    *left -= 1;
                    return Ok(true);
                }
                Open::Map { left, key } => {
                    *left -= 1;
                    *key = Some(self.key_after(*key)?);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Reads a map key that must sort after `last`: by length, then by bytes.
    pub fn key_after(&mut self, last: Option<&str>) -> Result<&'a str, Malformed> {
        let Head::Text(key) = self.head()? else { return Err(Malformed::NotDagCbor) };
        match last {
            Some(last) if (key.len(), key) <= (last.len(), last) => Err(Malformed::NotDagCbor),
            _ => Ok(key),
        }
    }
}

/// An entry of a map, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its value.
    pub value: &'a [u8],
    /// Both.
    pub whole: &'a [u8],
}

/// The entries of a map, in the order in which they are written.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    reader: Reader<'a>,
    left: usize,
    last: Option<&'a str>,
}

/// The entries of the map that `bytes` begin with; `None` if they begin with something else.
pub fn entries(bytes: &[u8]) -> Result<Option<Entries<'_>>, Malformed> {
    let mut reader = Reader::new(bytes);
    Ok(match reader.head()? {
        Head::Map(left) => Some(Entries { reader, left, last: None }),
        _ => None,
    })
}

impl<'a> Entries<'a> {
    fn entry(&mut self) -> Result<Entry<'a>, Malformed> {
        let before = self.reader.rest();
        let key = self.reader.key_after(self.last)?;
        let value = self.reader.item()?;
        let length = before.len().saturating_sub(self.reader.rest().len());
        let whole = before.get(..length).ok_or(Malformed::NotDagCbor)?;
        self.last = Some(key);
        Ok(Entry { key, value, whole })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        // Nothing can be read after a fault, so it is the last that is said.
        self.left = self.left.checked_sub(1)?;
        let entry = self.entry();
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}

/// The text that `bytes` begin with; `None` if they begin with something else.
pub fn text(bytes: &[u8]) -> Option<&str> {
    match Reader::new(bytes).head() {
        Ok(Head::Text(text)) => Some(text),
        _ => None,
    }
}

/// Whether `bytes` are one CID of any form and nothing more.
fn is_cid(mut bytes: &[u8]) -> bool {
    // Nearly every link has the one form that repositories use, which takes no parser.
    Cid::from_bytes(bytes).is_some() || (AnyCid::read_bytes(&mut bytes).is_ok() && bytes.is_empty())
}

/// Walks over `bytes` as exactly one item: its levels, or what is wrong with it.
pub fn walk(bytes: &[u8]) -> Result<usize, Malformed> {
    let mut reader = Reader::new(bytes);
    let levels = reader.skip_item()?;
    if reader.rest().is_empty() { Ok(levels) } else { Err(Malformed::NotDagCbor) }
}

/// The major type of unsigned integers. Nodes of trees are written with these; everything else with
/// `serde_ipld_dagcbor`.
pub const UNSIGNED: u8 = 0;
/// That of byte strings.
pub const BYTES: u8 = 2;
/// That of text.
pub const TEXT: u8 = 3;
/// That of arrays.
pub const ARRAY: u8 = 4;
/// That of maps.
pub const MAP: u8 = 5;
/// The whole of `null`.
pub const NULL: u8 = 0xf6;

/// Appends a link to the bytes of a CID.
pub fn write_link(out: &mut Vec<u8>, cid: &[u8]) {
    out.extend([0xd8, 42]);
    write_head(out, BYTES, cid.len() + 1);
    out.push(0);
    out.extend(cid);
}

/// Appends the head of an item in its shortest form.
pub fn write_head(out: &mut Vec<u8>, major: u8, argument: usize) {
    let major = major << 5;
    match (u8::try_from(argument), u16::try_from(argument), u32::try_from(argument)) {
        (Ok(argument @ ..24), ..) => out.push(major | argument),
        (Ok(argument), ..) => out.extend([major | 24, argument]),
        (_, Ok(argument), _) => {
            out.push(major | 25);
            out.extend(argument.to_be_bytes());
        }
        (_, _, Ok(argument)) => {
            out.push(major | 26);
            out.extend(argument.to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend((argument as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        let mut bytes = vec![0x81; levels - 1];
        bytes.push(0x80);
        bytes
    }

    #[test]
    fn counts_levels_of_maps_and_arrays() {
        let cases: [(&[u8], usize); 5] =
            [(b"\x01", 0), (b"\x80", 1), (b"\xa0", 1), (b"\xa1\x61a\x81\x01", 2), (b"\x82\x80\x81\x80", 3)];
        for (bytes, levels) in cases {
            assert_eq!(walk(bytes), Ok(levels), "{bytes:x?}");
        }
    }

    #[test]
    fn refuses_what_is_not_canonical() {
        let cases: [(&[u8], &str); 16] = [
            (b"", "nothing"),
            (b"\x01\x01", "two items"),
            (b"\x18\x17", "a longer form than needed"),
            (b"\x19\x00\xff", "a longer form than needed"),
            (b"\x9f\xff", "an indefinite array"),
            (b"\x7f\x61a\xff", "a chunked string"),
            (b"\xa2\x61b\x01\x61a\x02", "keys out of order"),
            (b"\xa2\x62aa\x01\x61b\x02", "a longer key first"),
            (b"\xa2\x61a\x01\x61a\x02", "a key twice"),
            (b"\xa1\x01\x01", "a key that is no text"),
            (b"\xfb\x3f\xf8\0\0\0\0\0\0", "a float"),
            (b"\xf9\x3c\x00", "a half float"),
            (b"\xf7", "undefined"),
            (b"\xc1\x01", "another tag"),
            (b"\x61\xff", "text that is not UTF-8"),
            (b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", "an integer above 64 signed bits"),
        ];
        for (bytes, what) in cases {
            assert_eq!(walk(bytes), Err(Malformed::NotDagCbor), "{what}");
        }
    }

    #[test]
    fn survives_any_depth_without_recursion() {
        assert_eq!(walk(&nested(10_000)), Ok(10_000));
        assert_eq!(walk(&nested(2_000_000)), Err(Malformed::TooDeep));
    }

    #[test]
    fn a_link_holds_one_cid_and_neither_another_tag_nor_anything_more() {
        let cid = crate::syntax::Cid::compute_dag_cbor(b"any");
        let link = [b"\xd8\x2a\x58\x25\0", &cid.as_bytes()[..]].concat();
        assert_eq!(walk(&link), Ok(0));
        let longer = [b"\xd8\x2a\x58\x26\0", &cid.as_bytes()[..], b"x"].concat();
        assert_eq!(walk(&longer), Err(Malformed::NotDagCbor));
        // Each tag once cost a stack frame.
        let tags = [&b"\xd8\x2a".repeat(2_000_000), &link[..]].concat();
        assert_eq!(walk(&tags), Err(Malformed::NotDagCbor));
    }

    #[test]
    fn a_head_is_written_in_its_shortest_form() {
        for length in [0, 1, 23, 24, 255, 256, 65_535, 65_536, 70_000] {
            let mut bytes = Vec::new();
            write_head(&mut bytes, BYTES, length);
            bytes.resize(bytes.len() + length, 0);
            assert_eq!(walk(&bytes), Ok(0), "{length}");
            assert_eq!(Reader::new(&bytes).head(), Ok(Head::Bytes(&vec![0; length])));
        }
        let mut bytes = Vec::new();
        write_head(&mut bytes, ARRAY, 1 << 32);
        assert_eq!(Reader::new(&bytes).head(), Ok(Head::Array(1 << 32)));
    }

    #[test]
    fn a_map_is_taken_apart_as_it_is_written() {
        let bytes = b"\xa3\x61a\x82\x01\x02\x61b\xa0\x62aa\x63yes";
        let whole: Vec<_> = entries(bytes).unwrap().unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(whole.iter().map(|entry| entry.key).collect::<Vec<_>>(), ["a", "b", "aa"]);
        assert_eq!(
            whole.iter().map(|entry| entry.value).collect::<Vec<_>>(),
            [&b"\x82\x01\x02"[..], b"\xa0", b"\x63yes"]
        );
        assert_eq!(whole.iter().flat_map(|entry| entry.whole).copied().collect::<Vec<_>>(), bytes[1..]);
        assert_eq!(
            whole.iter().map(|entry| text(entry.value)).collect::<Vec<_>>(),
            [None, None, Some("yes")]
        );
        assert!(entries(b"\x80").unwrap().is_none() && entries(b"").is_err());
        // A fault is said once, and is the last.
        for (bytes, entry_count) in [(&b"\xa2\x61b\x01\x61a\x01"[..], 2), (b"\xa9\x61b\x61", 1), (b"\xa1", 1)]
        {
            let found: Vec<_> = entries(bytes).unwrap().unwrap().collect();
            assert_eq!((found.len(), found.last().unwrap().is_err()), (entry_count, true), "{bytes:x?}");
        }
    }

    #[test]
    fn refuses_a_length_beyond_the_end() {
        assert_eq!(walk(b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"), Err(Malformed::NotDagCbor));
        assert_eq!(walk(b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\x01"), Err(Malformed::NotDagCbor));
    }
}
