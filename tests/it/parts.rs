//! Repository exports that are opened and taken in parts: nothing of a bad one is handed on, and of a good one
//! everything, once and in order.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write as _};
use std::os::unix::fs::FileExt;

use guestlist::codec::Reject;
use guestlist::codec::answer::Part;
use guestlist::codec::event::{Export, Interest};
use guestlist::codec::node::{Entry, Node, layer_of};
use guestlist::ingest::repository::{ExportError, PART_BYTES, Repository, read};
use guestlist::ingest::watch::Watch;
use guestlist::records::Kind;
use guestlist::syntax::Cid;
use ipld_core::cid::Cid as AnyCid;
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use tempfile::tempfile;
use tokio_util::sync::CancellationToken;

use crate::frames::{Block, car, car_with, cbor, link, rev, root_of, text};
use crate::opened::{Fields, blocks_of};
use crate::signed::{Key, Repo, Write};
use crate::trees::{Blocks, tree};

const EVENT: &str = "community.lexicon.calendar.event";
const RSVP: &str = "community.lexicon.calendar.rsvp";
const POST: &str = "app.bsky.feed.post";
const DID: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

/// Wants nothing.
struct Nobody;

impl Interest for Nobody {
    fn collection(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn watches(&self, _: &str) -> bool {
        false
    }
}

fn record(number: usize) -> Ipld {
    ipld!({ "name": format!("{number}"), "description": "x".repeat(number * 37 % 1_500) })
}

/// A repository with so many records, a third of them of each kind; posts are not wanted.
fn filled(count: usize) -> Repo {
    let paths = |number| format!("{}/3k{number:05}", [EVENT, RSVP, POST][number % 3]);
    let paths: Vec<_> = (0..count).map(paths).collect();
    let writes: Vec<_> =
        paths.iter().enumerate().map(|(number, path)| Write::Put(path, record(number))).collect();
    let mut repo = Repo::new(DID, Key::k256(3));
    repo.commit(1, &writes);
    repo
}

/// A repository of these nodes and records, whether or not they are a tree.
fn signed(root: Cid, blocks: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let commit: Fields = [
        ("did", text(DID)),
        ("rev", text(rev(1))),
        ("data", link(root)),
        ("prev", Ipld::Null),
        ("version", Ipld::Integer(3)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let commit = Block::new(cbor(&Ipld::Map(Key::k256(3).sign_commit(commit))));
    let blocks: Vec<_> = blocks.into_iter().map(Block::new).chain([commit.clone()]).collect();
    car(&[commit.cid], &blocks)
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn open_file<I: Interest>(mut file: &File, interest: I) -> Result<Repository<I>, ExportError> {
    file.rewind().unwrap();
    let mut first = BufReader::new(file);
    Repository::open(&mut first, file.try_clone().unwrap(), interest, &CancellationToken::new())
}

fn open(bytes: &[u8]) -> Result<Repository<Watch>, ExportError> {
    open_file(&file_of(bytes), Watch::default())
}

/// Why these bytes are no repository.
fn refusal(bytes: &[u8]) -> Option<Reject> {
    match open(bytes) {
        Err(ExportError::Reject(reject)) => Some(reject),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

fn parts(repository: &Repository<impl Interest>, bytes_max: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let taken = repository.parts(bytes_max, &CancellationToken::new(), |part| {
        parts.push(part);
        Ok::<_, ExportError>(())
    });
    taken.unwrap();
    parts
}

fn join(parts: &[Part]) -> Export {
    let records = parts.iter().flat_map(|part| part.export.records.iter().cloned());
    Export { records: records.collect(), ..parts[0].export.clone() }
}

/// The paths that stand on this layer.
fn on_layer(layer: u32, path: impl Fn(usize) -> String) -> impl Iterator<Item = String> {
    (0..).map(path).filter(move |path| layer_of(path.as_bytes()) == layer)
}

/// That parts follow each other, and that their records lie between their borders.
fn check_borders(parts: &[Part]) {
    assert_eq!(parts.first().unwrap().after, None);
    assert_eq!(parts.last().unwrap().until, None);
    assert!(parts.windows(2).all(|pair| pair[0].until.is_some() && pair[0].until == pair[1].after));
    for part in parts {
        let mut keys =
            part.export.records.iter().map(|record| Some((record.collection, record.rkey.clone())));
        assert!(part.until.is_none() || keys.clone().next_back() == Some(part.until.clone()));
        assert!(keys.all(|key| part.after < key && (part.until.is_none() || key <= part.until)));
    }
}

#[test]
fn parts_of_any_size_join_to_what_is_read_at_once() {
    let repo = filled(300);
    let file = file_of(&repo.export());
    let mut first = BufReader::new(file.try_clone().unwrap());
    let stop = CancellationToken::new();
    let (whole, claim) = read(&mut first, file.try_clone().unwrap(), &Watch::default(), &stop).unwrap();
    let found = whole
        .records
        .iter()
        .map(|record| (format!("{}/{}", record.collection, record.rkey), AnyCid::from(record.block.cid)));
    let wanted = repo.keys.clone().into_iter().filter(|(path, _)| !path.starts_with(POST));
    assert!(found.eq(wanted) && whole.records.len() == 200);
    assert!(whole.records.iter().all(|record| record.block.cid.matches(&record.block.bytes)));
    let repository = open_file(&file, Watch::default()).unwrap();
    assert_eq!((repository.did(), repository.rev()), (&whole.did, whole.rev));
    assert_eq!(repository.claim(), claim);
    assert!(claim.is_proved_by(&repo.key.public()));
    for (bytes_max, fewest, most) in [
        (0, 200, 200),
        (1_000, 200, 200),
        (3_000, 100, 200),
        (50_000, 6, 12),
        (PART_BYTES, 1, 1),
        (usize::MAX, 1, 1),
    ] {
        let parts = parts(&repository, bytes_max);
        assert!((fewest..=most).contains(&parts.len()), "{} parts of {bytes_max}", parts.len());
        assert_eq!(join(&parts), whole, "{bytes_max}");
        check_borders(&parts);
        for records in parts.iter().map(|part| &part.export.records).filter(|records| records.len() > 1) {
            let bytes: usize = records.iter().map(|record| 1_000 + record.block.bytes.len()).sum();
            assert!(bytes <= bytes_max, "{bytes} in a part of {bytes_max}");
        }
    }
}

#[test]
fn the_order_of_paths_is_that_of_keys_in_a_tree() {
    for (one, other) in Kind::ALL.iter().flat_map(|one| Kind::ALL.iter().map(move |other| (one, other))) {
        let in_tree = format!("{}/a", one.nsid()).cmp(&format!("{}/a", other.nsid()));
        assert_eq!(one.nsid().cmp(other.nsid()), in_tree, "{} and {}", one.nsid(), other.nsid());
    }
}

#[test]
fn a_repository_in_which_nothing_is_wanted_is_one_part_without_records() {
    let mut empty = filled(1);
    empty.commit(2, &[Write::Delete(&format!("{EVENT}/3k00000"))]);
    let posts = file_of(&filled(50).export());
    let of_posts = open_file(&posts, Nobody).unwrap();
    for parts in [parts(&open(&empty.export()).unwrap(), PART_BYTES), parts(&of_posts, PART_BYTES)] {
        let [Part { export, after: None, until: None }] = parts.as_slice() else { panic!("{parts:?}") };
        assert!(export.records.is_empty());
    }
}

#[test]
fn whoever_takes_parts_may_have_enough_and_so_may_we() {
    let repository = open(&filled(60).export()).unwrap();
    let mut taken = 0;
    let enough = repository.parts(3_000, &CancellationToken::new(), |_| {
        taken += 1;
        if taken == 3 { Err(ExportError::Reject(Reject::BadField)) } else { Ok(()) }
    });
    assert!(matches!(enough, Err(ExportError::Reject(Reject::BadField))));
    assert_eq!(taken, 3);
    let stop = CancellationToken::new();
    let stopped = repository.parts(3_000, &stop, |_| {
        taken += 1;
        stop.cancel();
        Ok(())
    });
    assert!(matches!(stopped, Err(ExportError::Stopped)));
    assert_eq!(taken, 4);
    let file = file_of(&filled(3).export());
    let opened = Repository::open(&mut &file, file.try_clone().unwrap(), Nobody, &stop);
    assert!(matches!(opened, Err(ExportError::Stopped)));
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let bytes = filled(6).export();
    assert_eq!(refusal(&bytes), None, "the whole one is good");
    let cuts: Vec<_> = (0..bytes.len()).map(|cut| refusal(&bytes[..cut])).collect();
    let count = |reject| cuts.iter().filter(|found| **found == Some(reject)).count();
    let between = count(Reject::BlockMissing);
    assert_eq!(between + count(Reject::TruncatedExport), bytes.len());
    // After the header and after every block but the last, it looks whole.
    assert_eq!(between, blocks_of(&bytes).len());
}

#[test]
fn a_root_that_is_no_commit_of_this_tree_is_refused() {
    let mut repo = filled(30);
    let before = root_of(&repo.export());
    let earlier = blocks_of(&repo.export()).into_iter().find(|block| block.cid == before).unwrap();
    repo.commit(2, &[Write::Put(&format!("{EVENT}/3k00000"), record(99))]);
    let blocks = blocks_of(&repo.export());
    let with_earlier = [blocks.clone(), vec![earlier]].concat();
    assert_eq!(refusal(&car(&[root_of(&repo.export())], &with_earlier)), None, "one that nothing leads to");
    for (what, root, reject) in [
        (
            "a record",
            Cid::try_from(&repo.keys[&format!("{EVENT}/3k00000")]).unwrap(),
            Reject::CommitMalformed,
        ),
        ("absent", Cid::compute_dag_cbor(b"absent"), Reject::BlockMissing),
        ("an earlier commit", before, Reject::BlockMissing),
    ] {
        assert_eq!(refusal(&car(&[root], &with_earlier)), Some(reject), "{what}");
    }
    assert_eq!(refusal(&car(&[], &blocks)), Some(Reject::CarMalformed), "none");
}

#[test]
fn blocks_that_come_twice_and_blocks_that_nothing_leads_to_change_nothing() {
    let bytes = filled(30).export();
    let (root, blocks) = (root_of(&bytes), blocks_of(&bytes));
    let more = (0..50_u8).map(|number| Block::new(vec![number]));
    let twice: Vec<_> = blocks.iter().rev().cloned().chain(more).chain(blocks.iter().cloned()).collect();
    let (once, twice) = (open(&bytes).unwrap(), open(&car(&[root], &twice)).unwrap());
    assert_eq!(parts(&once, 5_000), parts(&twice, 5_000));
}

#[test]
fn a_tree_as_deep_as_anybody_can_make_one_is_read() {
    // Found by a search through a thousand million keys. Each layer more takes four times as many.
    const LAYER: u32 = 14;
    let deep = format!("{EVENT}/deep22z5yoxq");
    assert_eq!(layer_of(deep.as_bytes()), LAYER);
    let low = format!("{EVENT}/3k00000");
    let mut repo = Repo::new(DID, Key::k256(3));
    repo.commit(1, &[Write::Put(&deep, record(1)), Write::Put(&low, record(2))]);
    let repository = open(&repo.export()).unwrap();
    assert_eq!(
        blocks_of(&repo.export()).len(),
        2 + 1 + 1 + usize::try_from(LAYER).unwrap(),
        "a node on each layer"
    );
    let found = join(&parts(&repository, PART_BYTES));
    assert_eq!(found.records.len(), 2);
}

#[test]
fn nodes_that_only_point_at_each_other_are_followed_no_deeper_than_layers_go() {
    let low = |number| format!("{EVENT}/3k{number:05}");
    for levels in [40, 128, 100_000] {
        let bottom = on_layer(0, low).next().unwrap();
        let top = on_layer(3, low).find(|path| *path > bottom).unwrap();
        let block = cbor(&record(1));
        let value = AnyCid::from(Cid::compute_dag_cbor(&block));
        let entry = |path: &String| Entry { key: path.clone().into_bytes(), value, right: None };
        let mut nodes = vec![Node { left: None, entries: vec![entry(&bottom)] }.encode()];
        for _ in 0..levels {
            let left = Some(Cid::compute_dag_cbor(nodes.last().unwrap()));
            nodes.push(Node { left, entries: Vec::new() }.encode());
        }
        let below = Cid::compute_dag_cbor(nodes.last().unwrap());
        assert_eq!(
            refusal(&signed(below, nodes.iter().cloned().chain([block.clone()]))),
            Some(Reject::MstMalformed)
        );
        let root = Node { left: Some(below), entries: vec![entry(&top)] };
        nodes.push(root.encode());
        assert_eq!(
            refusal(&signed(root.cid(), nodes.into_iter().chain([block]))),
            Some(Reject::MstMalformed)
        );
    }
}

#[test]
fn a_million_tiny_blocks_that_nothing_leads_to_are_passed_over() {
    let bytes = filled(30).export();
    let mut file = BufWriter::new(tempfile().unwrap());
    file.write_all(&bytes).unwrap();
    for number in 0..1_000_000_u32 {
        let cid = Cid::compute_dag_cbor(&number.to_be_bytes());
        file.write_all(&[&[40], &cid.as_bytes()[..], &number.to_be_bytes()].concat()).unwrap();
    }
    let mut file = file.into_inner().unwrap();
    file.rewind().unwrap();
    let repository = open_file(&file, Watch::default()).unwrap();
    assert_eq!(join(&parts(&repository, 5_000)), join(&parts(&open(&bytes).unwrap(), PART_BYTES)));
}

#[test]
fn lengths_that_nothing_has_are_refused_before_anything_is_kept_for_them() {
    let huge = [&[0x80; 8][..], &[0x10]].concat();
    let bytes = filled(3).export();
    // A map of two whose first value is a list of 2^60 roots.
    let roots = [&b"\xa2\x65roots\x9b\x10\0\0\0\0\0\0\0"[..], &b"\xd8\x2a"[..]].concat();
    for (what, bytes) in [
        ("a header", huge.clone()),
        ("a block", [&bytes[..], &huge].concat()),
        ("a length of many bytes", [&bytes[..], &[0xff; 11]].concat()),
        ("roots", car_with(&roots, &[])),
        ("nothing", vec![0]),
        ("a block without anything", [&bytes[..], &[0]].concat()),
    ] {
        assert_eq!(refusal(&bytes), Some(Reject::CarMalformed), "{what}");
    }
}

#[test]
fn one_large_record_under_many_keys_is_refused() {
    let large = ipld!({ "x": "x".repeat(1_000_000) });
    let keys = |count| (0..count).map(|number| format!("{EVENT}/{number:03}")).collect::<Vec<_>>();
    let export = |count| {
        let mut repo = Repo::new(DID, Key::k256(3));
        let keys = keys(count);
        repo.commit(1, &keys.iter().map(|key| Write::Put(key, large.clone())).collect::<Vec<_>>());
        repo.export()
    };
    assert_eq!(refusal(&export(60)), None);
    assert_eq!(refusal(&export(70)), Some(Reject::ExportTooLarge));
}

#[test]
fn a_node_of_thousands_of_keys_is_refused_before_they_are_written_out() {
    let block = cbor(&record(1));
    let value = AnyCid::from(Cid::compute_dag_cbor(&block));
    let long = |number| format!("{}/{number:07}", "x".repeat(1_000));
    let node = |count| {
        let keys = on_layer(0, long).take(count);
        let entries = keys.map(|key| Entry { key: key.into_bytes(), value, right: None });
        Node { left: None, entries: entries.collect() }
    };
    for (count, expected) in [(5_000, None), (10_000, Some(Reject::ExportTooLarge))] {
        let node = node(count);
        assert_eq!(refusal(&signed(node.cid(), [node.encode(), block.clone()])), expected, "{count}");
    }
}

#[test]
fn a_wanted_record_that_is_no_dag_cbor_is_noticed_before_any_part_is_handed_on() {
    let block = cbor(&record(1));
    let raw = AnyCid::new_v1(0x55, *AnyCid::from(Cid::compute_dag_cbor(&block)).hash());
    for (collection, expected) in [(RSVP, Some(Reject::BadCid)), (POST, None)] {
        let mut nodes = Blocks::new();
        let root = tree(&[(format!("{collection}/3k"), raw)].into(), &mut nodes);
        let commit = signed(root, nodes.into_values());
        let raw = Block { cid: Cid::try_from(&raw).unwrap(), bytes: block.clone() };
        let blocks = [blocks_of(&commit), vec![raw]].concat();
        assert_eq!(refusal(&car(&[root_of(&commit)], &blocks)), expected, "{collection}");
    }
}

#[test]
fn what_is_altered_after_it_was_opened_is_not_handed_on() {
    let repo = filled(30);
    let file = file_of(&repo.export());
    let repository = open_file(&file, Watch::default()).unwrap();
    let altered: Vec<u8> = repo.export().iter().map(|byte| byte ^ 1).collect();
    file.write_all_at(&altered, 0).unwrap();
    let taken = repository.parts(PART_BYTES, &CancellationToken::new(), |_| panic!("a part of what?"));
    assert!(matches!(taken, Err(ExportError::Reject(Reject::BlockHashMismatch))));
}
