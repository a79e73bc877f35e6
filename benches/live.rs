//! Following a relay for as long as one likes: a host on loopback plays commits from a ring as fast as they are
//! taken, most of which nobody wants. Prints how many a second, and how much memory as time goes by.
//!
//! A day of 2,000 messages a second is `cargo bench --bench live -- --messages 172800000`.
//!
//! `cargo bench --bench live -- [--messages 20000000] [--wanted-one-in 1000] [--records 10000]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

mod generate;
#[macro_use]
mod measure;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use generate::{Network, person, wire};
use guestlist::codec::claim::Verify;
use guestlist::codec::event::Interest;
use guestlist::codec::skim::{Skim, skim};
use guestlist::config::Config;
use guestlist::delivery::queue;
use guestlist::identity::{Directory, Resolver};
use guestlist::indexer::Indexer;
use guestlist::ingest::endpoint::Endpoint;
use guestlist::ingest::live::{Live, Plan, Start};
use guestlist::ingest::prover::Prover;
use guestlist::ingest::watch::Watch;
use guestlist::ingest::{Sweeps, Wiring, relay};
use guestlist::records::Kind;
use guestlist::sources::Board;
use guestlist::store::{IfAbsent, Store};
use guestlist::syntax::RecordKey;
use guestlist::tables::Sources;
use guestlist::tables::keys::RecordId;
use guestlist::tables::view::ReadRows;
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use measure::{argument, process_time, table};
use tokio::runtime::Builder;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;

/// The first number: from here on every one takes eight bytes, so that it can be written over in place.
const FIRST_SEQ: u64 = 1 << 33;

/// How often memory is looked at.
const LOOKS: u64 = 20;

/// Somebody who wants nothing.
struct Nobody;

impl Interest for Nobody {
    fn collection(&self, nsid: &str) -> Option<&'static str> {
        Kind::from_nsid(nsid).map(Kind::nsid)
    }

    fn watches(&self, _: &str) -> bool {
        false
    }
}

/// A frame with the place where its number stands.
struct Slot {
    frame: Vec<u8>,
    seq_at: usize,
}

/// The commits of a recording in which nothing is wanted, each with a number that can be written over.
fn ring() -> Vec<Slot> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/firehose/medium.frames.zst");
    let file = std::fs::File::open(path).expect("the recording is in the tree");
    let dump = zstd::decode_all(file).expect("it is compressed");
    let mut rest = dump.as_slice();
    let mut slots = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("four bytes fit");
        let (frame, after) = after.split_at(length);
        if matches!(skim(frame, &Nobody), Skim::Unwanted { .. }) {
            slots.push(slot(frame));
        }
        rest = after;
    }
    slots
}

fn slot(frame: &[u8]) -> Slot {
    let mut reader = guestlist::codec::cbor::Reader::new(frame);
    reader.skip_item().expect("a header");
    let mut payload: BTreeMap<String, Ipld> =
        serde_ipld_dagcbor::from_slice(reader.rest()).expect("a payload");
    payload.insert("seq".to_owned(), Ipld::Integer(FIRST_SEQ.into()));
    let header = frame.strip_suffix(reader.rest()).expect("it ends so");
    let payload = serde_ipld_dagcbor::to_vec(&Ipld::Map(payload)).expect("it was one");
    let frame = [header, &payload].concat();
    let mark = [&b"\x63seq\x1b"[..], &FIRST_SEQ.to_be_bytes()].concat();
    let at = frame.windows(mark.len()).position(|window| window == mark).expect("it has a number");
    Slot { frame, seq_at: at + 5 }
}

/// Plays so many messages to one client.
fn play(listener: &TcpListener, messages: u64, wanted_one_in: u64, records: u64) -> std::io::Result<()> {
    let mut ring = ring();
    let mut network = Network::default();
    let (stream, _) = listener.accept()?;
    let mut out = BufWriter::with_capacity(1 << 18, upgrade(stream)?);
    let size = ring.len();
    let mut next = 0;
    for number in 0..messages {
        let seq = FIRST_SEQ + number;
        if number % wanted_one_in == 0 {
            let framed = wire::framed(seq, &wanted(&mut network, number / wanted_one_in % records));
            send(&mut out, framed.get(4..).unwrap_or_default())?;
            continue;
        }
        let Some(slot) = ring.get_mut(next) else { continue };
        next = (next + 1) % size;
        if let Some(place) = slot.frame.get_mut(slot.seq_at..slot.seq_at + 8) {
            place.copy_from_slice(&seq.to_be_bytes());
        }
        send(&mut out, &slot.frame)?;
    }
    out.flush()?;
    // The connection stays: what follows is silence.
    thread::sleep(Duration::from_secs(3600));
    Ok(())
}

/// A new version of one of so many events.
fn wanted(network: &mut Network, record: u64) -> guestlist::codec::event::Event {
    let id = RecordId {
        did: person("followed", record),
        kind: Kind::Event,
        rkey: RecordKey::parse("event").expect("a key"),
    };
    let version = network.tick();
    let record = ipld!({
        "$type": Kind::Event.nsid(), "name": format!("Version {version}"), "createdAt": "2026-01-01T00:00:00Z",
    });
    network.put_at(id, record).0
}

fn upgrade(mut stream: TcpStream) -> std::io::Result<TcpStream> {
    let mut key = String::new();
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("sec-websocket-key") => {
                value.trim().clone_into(&mut key);
            }
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let accept = derive_accept_key(key.as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    Ok(stream)
}

fn send(out: &mut impl std::io::Write, message: &[u8]) -> std::io::Result<()> {
    match u16::try_from(message.len()) {
        Ok(length) if length < 126 => out.write_all(&[0x82, u8::try_from(length).unwrap_or(0)])?,
        Ok(length) => {
            out.write_all(&[0x82, 126])?;
            out.write_all(&length.to_be_bytes())?;
        }
        Err(_) => {
            out.write_all(&[0x82, 127])?;
            out.write_all(&u64::try_from(message.len()).unwrap_or(0).to_be_bytes())?;
        }
    }
    out.write_all(message)
}

/// Memory in mebibytes: now, and the most there ever was.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) >> 10
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// The stored cursor of the one source.
fn cursor(store: &Store) -> u64 {
    let rows = store.snapshot();
    let source = rows.scan_all::<Sources>().next().map(|row| row.expect("it reads").1);
    source.and_then(|source| source.cursor).unwrap_or(0)
}

fn main() {
    let messages = argument("messages", 20_000_000);
    let (one_in, records) = (argument("wanted-one-in", 1000), argument("records", 10_000));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || play(&listener, messages, one_in, records));

    let config = Config::default();
    let dir = tempfile::tempdir().expect("a place for files");
    let store = Store::open(dir.path(), config.cache_bytes(), IfAbsent::Create).expect("a new store");
    let (sender, deliveries) = queue();
    let board = Board::default();
    let watch = Watch::load(&store).expect("a new store");
    let resolver = Resolver::offline(Directory::default());
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let prover = Prover::start(resolver, runtime.handle().clone(), CancellationToken::new());
    let wiring = Wiring { watch, prover, deliveries: sender, board: board.clone(), sweeps: Sweeps::Off };
    let endpoint = Endpoint::parse(&format!("ws://{address}")).expect("an origin");
    let settings = relay::Settings {
        endpoint,
        verify: Verify::Off,
        hold: Duration::from_secs(60),
        start: Start::Oldest,
        on_reset: relay::OnReset::Stop,
    };
    let live = Live::prepare(&Plan::Relay(settings), &store, &wiring).expect("a new store");
    drop(wiring);
    let mut indexer = Indexer::new(store.clone(), config.limits.batch_events).expect("a new store");
    let writer = thread::spawn(move || indexer.run(&deliveries, |_| {}).expect("it writes"));
    let stop = CancellationToken::new();
    let reader = thread::spawn({
        let (stop, patience) = (stop.clone(), config.live.patience());
        move || {
            runtime.block_on(live.follow(&patience, &stop)).expect("it does not panic");
        }
    });

    let (began, processor) = (Instant::now(), process_time());
    let mut rows = vec![row!["messages", "seconds", "messages/s", "MiB now", "MiB at most"]];
    let mut last = (0, Duration::ZERO);
    for look in 1..=LOOKS {
        let until = messages * look / LOOKS;
        while (cursor(&store) + 1).saturating_sub(FIRST_SEQ) < until {
            thread::sleep(Duration::from_millis(50));
        }
        let elapsed = began.elapsed();
        let count = f64::from(u32::try_from(until - last.0).unwrap_or(u32::MAX));
        let rate = count / (elapsed - last.1).as_secs_f64();
        let (now, most) = memory();
        rows.push(row![until, format!("{:.1}", elapsed.as_secs_f64()), format!("{rate:.0}"), now, most]);
        last = (until, elapsed);
    }
    let processor = process_time().saturating_sub(processor);
    stop.cancel();
    reader.join().expect("it does not panic");
    writer.join().expect("it does not panic");
    let read: u64 = board.statuses().values().map(|status| status.messages).sum();
    assert_eq!(read, messages, "every message came once: {:?}", board.statuses());
    table("following a relay on loopback, host and store in the same process", &rows);
    let each = processor.as_secs_f64() * 1e6 / f64::from(u32::try_from(messages).unwrap_or(u32::MAX));
    println!("  {each:.1} µs of processor time a message, the host's included");
}
