//! How fast frames are passed over in which nothing is wanted, from memory, on one thread; beside it the
//! strict decoder on the same frames.
//!
//! `cargo bench --bench skim -- [--rounds 15] [--frames 200000]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

#[macro_use]
mod measure;

use std::hint::black_box;
use std::time::Duration;

use guestlist::codec::claim::Verify;
use guestlist::codec::event::{Body, Interest};
use guestlist::codec::frame::{decode, decode_strictly};
use guestlist::codec::skim::{Skim, skim};
use measure::{argument, cost_of, fraction, median, table};

/// What the skim should reach.
const TARGET_PER_SECOND: f64 = 1e6;

/// Somebody who wants nothing.
struct Nobody;

impl Interest for Nobody {
    fn collection(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn watches(&self, _: &str) -> bool {
        false
    }
}

/// The commits of a recording that pass the skim.
fn commits() -> Vec<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/firehose/medium.frames.zst");
    let file = std::fs::File::open(path).expect("the recording is in the tree");
    let dump = zstd::decode_all(file).expect("it is compressed");
    let mut rest = dump.as_slice();
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("four bytes fit");
        let (frame, after) = after.split_at(length);
        if matches!(skim(frame, &Nobody), Skim::Unwanted { .. }) {
            frames.push(frame.to_vec());
        }
        rest = after;
    }
    frames
}

fn main() {
    let frames = commits();
    let passes = usize::try_from(argument("frames", 200_000)).expect("it fits").div_ceil(frames.len());
    let passed = frames.len() * passes;
    let time = |uninteresting: &dyn Fn(&[u8]) -> bool| {
        let (all, cost) = cost_of(|| {
            (0..passes).all(|_| frames.iter().all(|frame| black_box(uninteresting(black_box(frame)))))
        });
        assert!(all, "every frame is uninteresting");
        cost.processor
    };
    let strictly =
        |frame: &[u8]| matches!(decode_strictly(frame, &Nobody, Verify::Off).body, Ok(Body::Uninteresting));
    let (mut skims, mut decodes, mut stricts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..argument("rounds", 15) {
        skims.push(time(&|frame| matches!(skim(frame, &Nobody), Skim::Unwanted { .. })));
        decodes
            .push(time(&|frame| matches!(decode(frame, &Nobody, Verify::Off).body, Ok(Body::Uninteresting))));
        stricts.push(time(&strictly));
    }
    let rate = |time: Duration| fraction(passed) / time.as_secs_f64();
    let row = |name: &str, times: &[Duration]| {
        let time = median(times);
        let slower = time.as_secs_f64() / median(&skims).as_secs_f64();
        row![
            name,
            format!("{:.0} /s", rate(time)),
            format!("{:.0} ns", 1e9 / rate(time)),
            format!("{slower:.2}")
        ]
    };
    let bytes: usize = frames.iter().map(Vec::len).sum();
    println!("{} commits, {} bytes each on average", frames.len(), bytes / frames.len());
    table(
        "commits in which nothing is wanted, per second of one core (medians)",
        &[
            row!["", "commits", "each", "time / skim's"],
            row("the skim", &skims),
            row("decode, as a source calls it", &decodes),
            row("the strict decoder", &stricts),
        ],
    );
    let reached = rate(median(&skims)) >= TARGET_PER_SECOND;
    println!("  target: {TARGET_PER_SECOND:.0} /s, {}", if reached { "reached" } else { "NOT reached" });
}
