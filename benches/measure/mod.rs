//! What the programs measure with: clocks, medians, a table, sizes from the command line.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::fs;
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The value of `--name` on the command line.
pub(crate) fn argument(name: &str, default: u64) -> u64 {
    let name = format!("--{name}");
    let mut arguments = std::env::args().skip_while(|argument| *argument != name).skip(1);
    match arguments.next().map(|value| value.parse()) {
        None => default,
        Some(Ok(value)) => value,
        Some(Err(_)) => panic!("{name} needs a number"),
    }
}

/// Processor time of this thread.
pub(crate) fn thread_time() -> Duration {
    // The kernel brings the number up to date when it schedules, else only a few times in ten milliseconds.
    std::thread::yield_now();
    let times = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells processor times");
    let nanos = times.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("the first number is the time on a processor"))
}

/// Processor time of the whole process, threads that have ended included; to a hundredth of a second.
pub(crate) fn process_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux tells processor times");
    // The name may hold anything; after its bracket come the state and then numbers.
    let (_, numbers) = stat.rsplit_once(')').expect("the name is in brackets");
    let ticks = numbers.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().unwrap_or(0));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Time by the clock and on a processor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) processor: Duration,
}

/// What `work` costs this thread.
pub(crate) fn cost_of<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (began, processor) = (Instant::now(), thread_time());
    let done = work();
    let cost = Cost { wall: began.elapsed(), processor: thread_time().saturating_sub(processor) };
    (done, cost)
}

/// The memory that the process has, and the most that it had.
pub(crate) fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells about memory");
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

/// One of the figures that Linux tells about the memory of the process, in bytes.
pub(crate) fn memory_bytes(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells about memory");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("it tells this one") << 10
}

/// The value below which a share of all lie.
pub(crate) fn quantile(values: &[Duration], share: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    let place = (0..=last).find(|place| fraction(*place) >= share * fraction(last)).unwrap_or(last);
    sorted.get(place).copied().unwrap_or_default()
}

pub(crate) fn median(values: &[Duration]) -> Duration {
    quantile(values, 0.5)
}

/// A count as a number to divide with.
pub(crate) fn fraction(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(crate) fn micros(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}

pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// `numerator / denominator`, with a limit that it should keep.
pub(crate) fn ratio(numerator: Duration, denominator: Duration, most: f64) -> String {
    let ratio = numerator.as_secs_f64() / denominator.as_secs_f64().max(1e-9);
    format!("{ratio:.2} ({})", if ratio <= most { format!("at most {most}") } else { format!("OVER {most}") })
}

/// Whether a duration keeps a limit, in words.
pub(crate) fn within(duration: Duration, most: Duration) -> String {
    let word = if duration <= most { "under" } else { "OVER" };
    format!("{} ({word} {})", millis(duration), millis(most))
}

/// Prints rows in columns.
pub(crate) fn table(title: &str, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    println!("\n{title}");
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("  {}", cells.join("  ").trim_end());
    }
}

/// A row of a table.
macro_rules! row {
    ($($cell:expr),+ $(,)?) => { vec![$($cell.to_string()),+] };
}
