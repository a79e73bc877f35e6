//! How fast commits are verified, from memory, on one thread, with what each part of it costs; and what the
//! most hostile slices cost that fit in a message.
//!
//! `cargo bench --bench verify -- [--rounds 9]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

#[macro_use]
mod measure;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use guestlist::codec::car::Car;
use guestlist::codec::claim::{Claim, Verify};
use guestlist::codec::event::{Body, Event, Interest};
use guestlist::codec::frame::decode;
use guestlist::codec::key::PublicKey;
use guestlist::codec::limits::{COMMIT_BLOCKS_BYTES_MAX, MST_KEY_BYTES_MAX};
use guestlist::codec::node::{Entry, Node, layer_of};
use guestlist::codec::proof::{Change, Changes, PartialTree};
use guestlist::records::Kind;
use guestlist::syntax::Cid;
use ipld_core::cid::Cid as AnyCid;
use ipld_core::cid::multihash::Multihash;
use measure::{argument, cost_of, fraction, median, millis, table};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use secp256k1::{Message, SecretKey};

/// What should be verified of an ordinary stream, everything included. The whole network has some 1,000 commits a
/// second, of which few are wanted.
const TARGET_PER_SECOND: f64 = 20_000.0;

/// Operations in a message, as many as it may have.
const OPS: usize = 200;

/// Wants the known collections, and follows all repositories.
struct Everything;

impl Interest for Everything {
    fn collection(&self, nsid: &str) -> Option<&'static str> {
        Kind::from_nsid(nsid).map(Kind::nsid)
    }

    fn watches(&self, _: &str) -> bool {
        true
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/firehose/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("the recording is in the tree")
}

/// The commits of a recording.
fn commits() -> Vec<Vec<u8>> {
    let dump = zstd::decode_all(&fixture("medium.frames.zst")[..]).expect("it is compressed");
    let mut rest = dump.as_slice();
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("four bytes fit");
        let (frame, after) = after.split_at(length);
        let body = decode(frame, &Everything, Verify::Full).body.expect("nothing recorded is refused");
        if matches!(body, Body::Event(Event::Commit(_))) {
            frames.push(frame.to_vec());
        }
        rest = after;
    }
    frames
}

/// The key that each account has at the end.
fn keys() -> HashMap<String, PublicKey> {
    let text = String::from_utf8(fixture("medium.dids.jsonl")).expect("it is text");
    let key = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        let method = line.pointer("/doc/verificationMethod/0/publicKeyMultibase")?.as_str()?;
        Some((line.get("did")?.as_str()?.to_owned(), PublicKey::parse_multikey(method)?))
    };
    text.lines().filter_map(key).collect()
}

fn ordinary(rounds: u64) {
    let (frames, keys) = (commits(), keys());
    let claims: Vec<Claim> =
        frames.iter().filter_map(|frame| decode(frame, &Everything, Verify::Full).claim).collect();
    let signed: Vec<(&Claim, &PublicKey)> =
        claims.iter().filter_map(|claim| Some((claim, keys.get(claim.did.as_str())?))).collect();
    let proved = signed.iter().filter(|(claim, key)| claim.is_proved_by(key)).count();
    // A few accounts changed their keys or are gone.
    assert!(proved * 10 > frames.len() * 9, "{proved} of {}", frames.len());
    let time = |verify: Verify| {
        let all = || {
            frames.iter().all(|frame| black_box(decode(black_box(frame), &Everything, verify)).body.is_ok())
        };
        let (good, cost) = cost_of(all);
        assert!(good, "nothing recorded is refused");
        cost.processor
    };
    let (mut off, mut signature, mut full, mut keyed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        off.push(time(Verify::Off));
        signature.push(time(Verify::Signature));
        full.push(time(Verify::Full));
        let (_, cost) = cost_of(|| signed.iter().filter(|(claim, key)| claim.is_proved_by(key)).count());
        keyed.push(cost.processor);
    }
    let each = |time: Duration, count: usize| time.as_secs_f64() / fraction(count) * 1e6;
    let [off, signature, full] = [off, signature, full].map(|times| each(median(&times), frames.len()));
    let keyed = each(median(&keyed), signed.len());
    let all = full + keyed;
    let row = |name: &str, micros: f64| {
        row![name, format!("{micros:.1} µs"), format!("{:.0} %", 100.0 * micros / all)]
    };
    let bytes: usize = frames.iter().map(Vec::len).sum();
    println!("{} commits, {} bytes each on average", frames.len(), bytes / frames.len());
    table(
        "a commit that is verified, on one core (medians)",
        &[
            row!["", "each", "share"],
            row("frame, blocks against their CIDs, what was signed", off),
            row("the claim, every wanted block", (signature - off).max(0.0)),
            row("the proof by its tree", (full - signature).max(0.0)),
            row("the signature", keyed),
            row("all", all),
        ],
    );
    let reached = if 1e6 / all >= TARGET_PER_SECOND { "reached" } else { "NOT reached" };
    println!("  {:.0} /s; target: {TARGET_PER_SECOND:.0} /s, {reached}", 1e6 / all);
    curves(rounds);
}

/// One signature on each curve.
fn curves(rounds: u64) {
    const TIMES: usize = 500;
    let digest = [7; 32];
    let secret = SecretKey::from_secret_bytes([1; 32]).expect("it is a key");
    let k256 = PublicKey::K256(secp256k1::PublicKey::from_secret_key(&secret));
    let k256_signature = secp256k1::ecdsa::sign(Message::from_digest(digest), &secret).serialize_compact();
    let secret = p256::ecdsa::SigningKey::from_slice(&[1; 32]).expect("it is a key");
    let p256 = PublicKey::P256(*secret.verifying_key());
    let signature: p256::ecdsa::Signature = secret.sign_prehash(&digest).expect("it signs");
    let p256_signature = signature.normalize_s().to_bytes();
    let time = |key: &PublicKey, signature: &[u8]| {
        let times: Vec<_> = (0..rounds)
            .map(|_| {
                let all =
                    || (0..TIMES).all(|_| key.verifies_digest(black_box(&digest), black_box(signature)));
                let (good, cost) = cost_of(all);
                assert!(good, "it is its own");
                cost.processor
            })
            .collect();
        median(&times).as_secs_f64() / fraction(TIMES) * 1e6
    };
    let (k256, p256) = (time(&k256, &k256_signature), time(&p256, &p256_signature));
    table(
        "a signature, by curve",
        &[
            row!["", "each", "/ secp256k1"],
            row!["secp256k1", format!("{k256:.1} µs"), "1.0"],
            row!["P-256", format!("{p256:.1} µs"), format!("{:.1}", p256 / k256)],
        ],
    );
}

/// Blocks of a tree as a CAR, and its root.
#[derive(Default)]
struct Tree {
    car: Vec<u8>,
    root: Option<Cid>,
}

fn section(car: &mut Vec<u8>, parts: &[&[u8]]) {
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    while length >= 0x80 {
        car.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    car.push(u8::try_from(length).expect("seven bits"));
    parts.iter().for_each(|part| car.extend(*part));
}

impl Tree {
    /// The whole tree of sorted keys.
    fn of(keys: &[String], value: AnyCid) -> Self {
        let mut tree = Tree::default();
        let root = AnyCid::from(Cid::compute_dag_cbor(b"commit"));
        let header = ipld_core::ipld!({ "roots": [root], "version": 1 });
        let header = serde_ipld_dagcbor::to_vec(&header).expect("it has a form");
        section(&mut tree.car, &[&header]);
        let top = keys.iter().map(|key| layer_of(key.as_bytes())).max().unwrap_or(0);
        tree.root = Some(tree.node(keys, top, value));
        tree
    }

    fn node(&mut self, keys: &[String], layer: u32, value: AnyCid) -> Cid {
        let is_here = |key: &String| layer_of(key.as_bytes()) == layer;
        let mut groups: Vec<Option<Cid>> = Vec::new();
        for group in keys.split(is_here) {
            groups.push((!group.is_empty()).then(|| self.node(group, layer - 1, value)));
        }
        let mut rights = groups.into_iter();
        let left = rights.next().flatten();
        let entries = keys.iter().filter(|key| is_here(key)).zip(rights);
        let entries = entries.map(|(key, right)| Entry { key: key.clone().into_bytes(), value, right });
        let block = Node { left, entries: entries.collect() }.encode();
        let cid = Cid::compute_dag_cbor(&block);
        section(&mut self.car, &[cid.as_bytes(), &block]);
        cid
    }
}

/// What 200 operations on one slice cost: all created, or all deleted, evenly among its keys.
fn hostile(rounds: u64) {
    let record = AnyCid::from(Cid::compute_dag_cbor(b"record"));
    // A record that is its own CID takes the fewest bytes, so that a slice has room for the most keys.
    let tiny = AnyCid::new_v1(0x55, Multihash::wrap(0, &[]).expect("nothing fits"));
    let path = |number: usize| format!("community.lexicon.calendar.event/{number:07}");
    let low = |key: &String| layer_of(key.as_bytes()) == 0;
    let long = |number: usize| format!("{}/{number:07}", "x".repeat(MST_KEY_BYTES_MAX - 8));
    let high = (0..).map(path).find(|key| layer_of(key.as_bytes()) == 10);
    let mut chain: Vec<_> = (0..500).map(|number| path(number * 1_000)).chain(high).collect();
    chain.sort();
    let slices: [(&str, Vec<String>, AnyCid); 4] = [
        ("20,000 keys as they come", (0..20_000).map(path).collect(), record),
        ("20,000 keys in one node", (0..).map(path).filter(low).take(20_000).collect(), record),
        ("70,000 keys of a kilobyte in one node", (0..).map(long).filter(low).take(70_000).collect(), tiny),
        ("500 keys, one of them on layer 10", chain, record),
    ];
    let mut rows = vec![row!["", "bytes", "created", "deleted"]];
    for (name, keys, value) in slices {
        let step = (keys.len() / OPS).max(1);
        let chosen: Vec<&String> = keys.iter().step_by(step).take(OPS).collect();
        let rest: Vec<String> = keys
            .iter()
            .enumerate()
            .filter(|(at, _)| at % step != 0 || *at >= step * OPS)
            .map(|(_, key)| key.clone())
            .collect();
        let (with, without) = (Tree::of(&keys, value), Tree::of(&rest, value));
        assert!(with.car.len() <= COMMIT_BLOCKS_BYTES_MAX, "{name}: {}", with.car.len());
        let there = |path| Change { path, before: None, after: Some(value) };
        let gone = |path| Change { path, before: Some(value), after: None };
        let created: Changes<'_> = chosen.iter().map(|path| there(path.as_str())).collect();
        let deleted: Changes<'_> = chosen.iter().map(|path| gone(path.as_str())).collect();
        let time = |tree: &Tree, changes: &Changes<'_>, before: &Tree| {
            let prove = || {
                let car = Car::parse(&tree.car)?;
                PartialTree::open(&car, &tree.root.expect("it is built"), changes)?
                    .undo(changes)?
                    .leads_to(&before.root.expect("it is built"))
            };
            let times: Vec<_> = (0..rounds)
                .map(|_| {
                    let (proved, cost) = cost_of(prove);
                    assert_eq!(proved, Ok(()), "{name}");
                    cost.processor
                })
                .collect();
            millis(median(&times))
        };
        let (made, undone) = (time(&with, &created, &without), time(&without, &deleted, &with));
        rows.push(row![name, with.car.len(), made, undone]);
    }
    table("200 operations on the largest slices (medians)", &rows);
}

fn main() {
    let rounds = argument("rounds", 9);
    ordinary(rounds);
    hostile(rounds);
}
