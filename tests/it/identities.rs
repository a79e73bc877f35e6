//! Identities outside of tests of their own: recordings are proved by the keys that came with them, and a daemon
//! asks a directory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use guestlist::codec::car::Car;
use guestlist::codec::claim::Claim;
use guestlist::codec::commit::SignedCommit;
use guestlist::identity::{Directory, Resolver};
use ipld_core::ipld::Ipld;
use serde::Deserialize;
use serde_ipld_dagcbor::de::Deserializer;
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::tempdir;

use crate::harness::{content, frames, guestlist, recording};
use crate::serving::{begin, get};

/// How long the background may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a `#commit` claims, as the protocol words it: the hash of the commit object without its signature.
fn claim(frame: &[u8]) -> Option<Claim> {
    let mut parts = Deserializer::from_slice(frame);
    let header = Ipld::deserialize(&mut parts).unwrap();
    if !matches!(header.get("t"), Ok(Some(Ipld::String(kind))) if kind == "#commit") {
        return None;
    }
    let Ok(Ipld::Map(body)) = Ipld::deserialize(&mut parts) else { panic!("a commit is a map") };
    let Ipld::Bytes(blocks) = &body["blocks"] else { panic!("its blocks are bytes") };
    let car = Car::parse(blocks).unwrap();
    let block = car.block(&car.root()).unwrap();
    let commit = SignedCommit::decode(block).unwrap();
    let Ipld::Map(mut fields) = serde_ipld_dagcbor::from_slice(block).unwrap() else {
        panic!("so is its object")
    };
    let Some(Ipld::Bytes(signature)) = fields.remove("sig") else { panic!("and it is signed") };
    let unsigned = serde_ipld_dagcbor::to_vec(&Ipld::Map(fields)).unwrap();
    let digest = Sha256::digest(unsigned).into();
    Some(Claim { did: commit.did, rev: commit.rev, digest, signature: signature.into() })
}

#[test]
fn every_commit_of_the_recordings_is_proved_by_a_key_of_its_time() {
    for (recorded, identities) in [
        ("small-pds0.frames", "small.dids.jsonl"),
        ("small-pds1.frames", "small.dids.jsonl"),
        ("medium.frames.zst", "medium.dids.jsonl"),
    ] {
        let directory = Directory::load(&[recording(identities)]).unwrap();
        let (mut known, mut former, mut strangers) = (0, 0, 0);
        let resolver = Resolver::offline(directory.clone());
        for claim in frames(&content(recorded)).iter().filter_map(|frame| claim(frame)) {
            let Some(document) = directory.document(&claim.did) else {
                strangers += 1;
                continue;
            };
            assert!(resolver.proves(&claim), "{recorded}: {} at {}", claim.did, claim.rev);
            known += 1;
            former += usize::from(!claim.is_proved_by(document.key.as_ref().unwrap()));
            let forged = Claim { digest: [0; 32], ..claim };
            assert!(!resolver.proves(&forged));
        }
        assert!(known > 20 && strangers < known, "{recorded}: {known}, {strangers}");
        assert_eq!(former > 0, recorded.starts_with("small-pds1"), "{recorded}: {former} by former keys");
    }
}

/// A directory on this machine that knows everybody by a name that leads nowhere, so that nothing else is asked.
fn directory_of_everybody() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let did = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
            let body = json!({ "id": did, "alsoKnownAs": ["at://somebody.invalid"] }).to_string();
            noted.lock().unwrap().push(did);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    (address, asked)
}

#[test]
fn a_daemon_asks_the_directory_in_the_background_and_shows_what_it_says() {
    let (plc, asked) = directory_of_everybody();
    let dir = tempdir().unwrap();
    let config = dir.path().join("guestlist.toml");
    let text = format!(
        "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[identity]\nplc_url = \"http://{plc}\"\n\
         [[source]]\nkind = \"replay\"\npath = {:?}\nverify = \"off\"\n",
        dir.path().join("data"),
        recording("small-pds0.frames"),
    );
    std::fs::write(&config, text).unwrap();
    let mut command = guestlist();
    command.env("GUESTLIST_IDENTITY__NETWORK", "true").args(["serve", "--config"]).arg(&config);
    let daemon = begin(command);
    let path = "/xrpc/app.guestlist.listSignups";
    let begun = Instant::now();
    let shown = loop {
        let (status, _, body) = get(&daemon.address, path);
        assert_eq!(status, 200);
        let items = body["signups"].as_array().unwrap();
        // The directory's word is not enough: the handle leads nowhere.
        if items.iter().any(|item| item["handle"] == "handle.invalid") {
            break items.len();
        }
        assert!(begun.elapsed() < PATIENCE, "{body}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(shown > 0);
    let mut asked = asked.lock().unwrap().clone();
    assert!(asked.iter().all(|did| did.starts_with("did:plc:")), "{asked:?}");
    let times = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), times, "each once");
    let (status, _, body) = get(&daemon.address, &format!("{path}?author=somebody.invalid"));
    assert_eq!((status, &body["error"]), (400, &json!("InvalidRequest")));
}
