//! How much memory it takes to read a large repository from its file, proved and in parts, in a process of its own; and
//! how fast that is beside `repo-stream`, which walks the same file.
//!
//! `cargo bench --bench backfill -- [--records 100000] [--rounds 5]`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement for people to read")]

mod generate;
#[macro_use]
mod measure;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use generate::{Exported, person};
use guestlist::ingest::repository::{ExportError, PART_BYTES, Repository};
use guestlist::ingest::watch::Watch;
use guestlist::syntax::Cid;
use measure::{argument, fraction, median, memory_bytes, process_time, table};
use repo_stream::{DiskBuilder, DriverBuilder, LoadError, Output};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// How much memory a repository may take that is read in parts.
const MEMORY_MOST: u64 = 64 << 20;

/// Tiny blocks that nothing leads to, in the file of somebody who wants to take all memory.
const BOMB_BLOCKS: u32 = 1_000_000;

/// Of how many records one is wanted, in a repository of the usual kind.
const WANTED_OF: u64 = 100;

/// Bytes of the buffer between a file and its reader.
const BUFFER_BYTES: usize = 1 << 20;

/// How a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Ours: opened, then taken in parts.
    Parts,
    /// `repo-stream` with all blocks in memory.
    InMemory,
    /// `repo-stream` with as much in memory as it takes by itself, and the rest in a database on disk.
    OnDisk,
}

const WAYS: [(&str, Way); 3] = [
    ("in parts", Way::Parts),
    ("repo-stream, in memory", Way::InMemory),
    ("repo-stream, on disk", Way::OnDisk),
];

impl Way {
    fn read(self, path: &Path) -> Records {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        match self {
            Way::Parts => in_parts(path),
            Way::InMemory => runtime.block_on(walked(path, 4_000)),
            Way::OnDisk => runtime.block_on(walked(path, DriverBuilder::default().mem_limit_mb)),
        }
    }
}

/// What was handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Records {
    count: usize,
    bytes: usize,
}

impl Records {
    fn add(&mut self, record: &[u8]) {
        self.count += 1;
        self.bytes += record.len();
    }
}

/// Reads a file as the backfill does.
fn in_parts(path: &Path) -> Records {
    let file = File::open(path).expect("just written");
    let mut first = BufReader::with_capacity(BUFFER_BYTES, file.try_clone().expect("it is open"));
    let stop = CancellationToken::new();
    let opened = Repository::open(&mut first, file, Watch::default(), &stop);
    let opened = opened.expect("it is whole");
    assert!(opened.claim().is_proved_by(&Exported::key()), "it is signed");
    let mut records = Records::default();
    let taken = opened.parts(PART_BYTES, &stop, |part| {
        part.export.records.iter().for_each(|record| records.add(&record.block.bytes));
        Ok::<_, ExportError>(())
    });
    taken.expect("it is as it was");
    records
}

/// Walks a file with `repo-stream`, which hands on everything.
async fn walked(path: &Path, memory_mib: usize) -> Records {
    const CHUNK: usize = 256;
    let file = tokio::fs::File::open(path).await.expect("just written");
    let reader = tokio::io::BufReader::with_capacity(BUFFER_BYTES, file);
    let mut records = Records::default();
    let mut take = |chunk: Vec<Output>| chunk.iter().for_each(|output| records.add(&output.data));
    match DriverBuilder::new().with_mem_limit_mb(memory_mib).load_car(reader).await {
        Ok(mut walk) => {
            while let Some(chunk) = walk.next_chunk_strict(CHUNK).expect("it is whole") {
                take(chunk);
            }
        }
        Err(LoadError::MemoryLimitReached(partial)) => {
            let dir = tempfile::tempdir().expect("a place for files");
            let store = DiskBuilder::new().open(dir.path().join("blocks")).await.expect("a new database");
            let (_, _, mut walk) = partial.finish_loading(store).await.expect("it is whole");
            while let Some(chunk) = walk.next_chunk(CHUNK).await.expect("it is whole") {
                take(chunk);
            }
        }
        Err(error) => panic!("it is whole: {error}"),
    }
    records
}

/// The process that only reads: prints by how much its memory grew, and what it found.
fn read_alone(way: &str, path: &Path) {
    let (_, way) = WAYS.iter().find(|(name, _)| *name == way).expect("one of the ways");
    let idle = memory_bytes("VmRSS:");
    let records = way.read(path);
    println!("{} {}", memory_bytes("VmHWM:").saturating_sub(idle), records.count);
}

/// Reads a file in a new process: how much memory that took, and how many records were handed on.
fn alone(way: &str, path: &Path) -> (u64, u64) {
    let this = std::env::current_exe().expect("it runs");
    let output = Command::new(this).args(["--read", way]).arg(path).output().expect("it runs again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it is text");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("it prints numbers"));
    (numbers.next().expect("there are two"), numbers.next().expect("there are two"))
}

/// Writes a repository in which one of so many records is wanted.
fn write(path: PathBuf, records: u64, wanted_of: u64) -> PathBuf {
    let mut repository = Exported::new(person("exported", wanted_of));
    for number in 0..records {
        if number % wanted_of == 0 { repository.calendar_event() } else { repository.post() }
    }
    repository.export(&path);
    path
}

/// Writes a repository of a few records with a million blocks too many.
fn write_bomb(path: PathBuf) -> PathBuf {
    let path = write(path, 100, 1);
    let file = OpenOptions::new().append(true).open(&path).expect("just written");
    let mut file = BufWriter::new(file);
    for number in 0..BOMB_BLOCKS {
        let block = number.to_be_bytes();
        let cid = Cid::compute_dag_cbor(&block);
        file.write_all(&[&[40], &cid.as_bytes()[..], &block].concat()).expect("there is room");
    }
    file.flush().expect("there is room");
    path
}

fn memory(files: &[(&str, &Path, u64)]) {
    let mut rows = vec![row!["", "", "bytes of the file", "handed on", "memory above idle"]];
    for (name, path, wanted) in files {
        for (way_name, way) in WAYS {
            let (bytes, count) = alone(way_name, path);
            let mib = format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
            let limit = match way {
                Way::Parts if bytes <= MEMORY_MOST => format!(" (under {} MiB)", MEMORY_MOST >> 20),
                Way::Parts => format!(" (OVER {} MiB)", MEMORY_MOST >> 20),
                Way::InMemory | Way::OnDisk => String::new(),
            };
            assert!(way != Way::Parts || count == *wanted, "{count} of {wanted}");
            let size = path.metadata().expect("just written").len();
            rows.push(row![name, way_name, size, count, mib + &limit]);
        }
    }
    table("a repository that is read in a process of its own: its peak", &rows);
}

fn speed(path: &Path, rounds: u64) {
    let mut times: [Vec<(Duration, Duration)>; 3] = Default::default();
    let mut found = Vec::new();
    for _ in 0..rounds {
        for ((_, way), times) in WAYS.iter().zip(&mut times) {
            let (began, processor) = (Instant::now(), process_time());
            found.push(way.read(path));
            times.push((began.elapsed(), process_time().saturating_sub(processor)));
        }
    }
    let all = *found.first().expect("there are rounds");
    assert!(found.iter().all(|records| *records == all), "the same, whoever reads: {found:?}");
    let middle = |of: fn(&(Duration, Duration)) -> Duration| {
        times.each_ref().map(|times| median(&times.iter().map(of).collect::<Vec<_>>()))
    };
    let (walls, processors) = (middle(|(wall, _)| *wall), middle(|(_, processor)| *processor));
    let mut rows = vec![row!["", "records/s", "records/CPU-s", "time / ours", "CPU time / ours"]];
    for (((name, _), wall), processor) in WAYS.iter().zip(walls).zip(processors) {
        let rate = |time: Duration| format!("{:.0}", fraction(all.count) / time.as_secs_f64());
        let times = |time: Duration, ours: Duration| time.as_secs_f64() / ours.as_secs_f64();
        let [ours, ..] = walls;
        let [ours_processor, ..] = processors;
        let (slower, dearer) = (times(wall, ours), times(processor, ours_processor));
        rows.push(row![name, rate(wall), rate(processor), format!("{slower:.2}"), format!("{dearer:.2}")]);
    }
    let title = format!(
        "{} records, all wanted, {} bytes each on average (medians)",
        all.count,
        all.bytes / all.count
    );
    table(&title, &rows);
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--read").skip(1);
    if let (Some(way), Some(path)) = (arguments.next(), arguments.next()) {
        return read_alone(&way, Path::new(&path));
    }
    let records = argument("records", 100_000);
    let dir = tempfile::tempdir().expect("a place for files");
    let all = write(dir.path().join("all.car"), records, 1);
    let few = write(dir.path().join("few.car"), records, WANTED_OF);
    let bomb = write_bomb(dir.path().join("bomb.car"));
    memory(&[
        ("all wanted", &all, records),
        ("one in a hundred wanted", &few, records.div_ceil(WANTED_OF)),
        ("a million tiny blocks", &bomb, 100),
    ]);
    speed(&all, argument("rounds", 5));
}
