//! Events as the firehose sends them: frames with a CAR of the signed commit, tree nodes and the record.

use guestlist::codec::event::{Commit, Event, Origin, Write};
use guestlist::syntax::Cid;
use ipld_core::cid::Cid as AnyCid;
use ipld_core::ipld;
use ipld_core::ipld::Ipld;

use super::{BEGINNING, datetime, scatter};

/// Tree nodes beside the root on the way to a record, in a repository of some thousand records.
const NODES: u64 = 3;

/// Entries of such a node.
const ENTRIES: u64 = 4;

pub(super) fn encode(value: &Ipld) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).expect("it has a DAG-CBOR form")
}

pub(super) fn link(cid: Cid) -> Ipld {
    Ipld::Link(AnyCid::from(cid))
}

/// A node that refers to records which are not in the frame.
fn node(seed: u64) -> Ipld {
    let entry = |number: u64| {
        let seed = scatter(seed ^ number << 32);
        let key = format!("app.example.post/{seed:013x}").into_bytes();
        let value = link(Cid::compute_dag_cbor(&seed.to_be_bytes()));
        ipld!({ "p": 0, "k": Ipld::Bytes(key), "v": value, "t": null })
    };
    ipld!({ "l": null, "e": (0..ENTRIES).map(entry).collect::<Vec<_>>() })
}

/// Appends a length-prefixed section of a CAR.
pub(super) fn section(car: &mut Vec<u8>, parts: &[&[u8]]) {
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    while length >= 0x80 {
        car.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    car.push(u8::try_from(length).expect("seven bits"));
    parts.iter().for_each(|part| car.extend_from_slice(part));
}

/// The frame of a commit of one operation, with its length before it as dumps have it.
pub(crate) fn framed(seq: u64, event: &Event) -> Vec<u8> {
    let Event::Commit(Commit { did, rev, origin: Origin::Firehose { since, .. }, ops, .. }) = event else {
        panic!("only commits of the firehose are framed")
    };
    let [op] = ops.as_slice() else { panic!("only commits of one operation are framed") };
    let path = format!("{}/{}", op.collection, op.rkey);
    let (action, cid, record) = match &op.write {
        Write::Put(block) => ("create", Some(block.cid), Some(&block.bytes)),
        Write::Delete => ("delete", None, None),
    };
    let entry = cid
        .map(|cid| ipld!({ "p": 0, "k": Ipld::Bytes(path.clone().into_bytes()), "v": link(cid), "t": null }));
    let root = encode(&ipld!({ "l": null, "e": entry.into_iter().collect::<Vec<_>>() }));
    let data = Cid::compute_dag_cbor(&root);
    let signature: Vec<u8> = (0..8).flat_map(|part| scatter(seq ^ part << 40).to_be_bytes()).collect();
    let commit = encode(&ipld!({
        "did": did.as_str(), "version": 3, "data": link(data), "rev": rev.to_string(), "prev": null,
        "sig": Ipld::Bytes(signature),
    }));
    let commit_cid = Cid::compute_dag_cbor(&commit);
    let mut car = Vec::new();
    section(&mut car, &[&encode(&ipld!({ "roots": [link(commit_cid)], "version": 1 }))]);
    section(&mut car, &[commit_cid.as_bytes(), &commit]);
    section(&mut car, &[data.as_bytes(), &root]);
    for number in 0..NODES {
        let node = encode(&node(seq ^ number << 48));
        section(&mut car, &[Cid::compute_dag_cbor(&node).as_bytes(), &node]);
    }
    if let (Some(cid), Some(record)) = (cid, record) {
        section(&mut car, &[cid.as_bytes(), record]);
    }
    let mut frame = encode(&ipld!({ "t": "#commit", "op": 1 }));
    frame.extend(encode(&ipld!({
        "seq": i128::from(seq), "repo": did.as_str(), "commit": link(commit_cid), "rev": rev.to_string(),
        "since": since.map_or(Ipld::Null, |since| Ipld::String(since.to_string())),
        "blocks": Ipld::Bytes(car),
        "ops": [{ "action": action, "path": path, "cid": cid.map_or(Ipld::Null, link) }],
        "blobs": [], "rebase": false, "tooBig": false,
        "prevData": link(Cid::compute_dag_cbor(&rev.to_be_bytes())),
        "time": datetime(u64::try_from(rev.micros()).unwrap_or(BEGINNING) - BEGINNING),
    })));
    let length = u32::try_from(frame.len()).expect("a frame is small");
    [&length.to_be_bytes()[..], &frame].concat()
}
