//! The search index beside a daemon: behind, damaged, missing, killed in the middle; it is always made good, and everything
//! else goes on.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::frames::Line;
use crate::harness::{guestlist, replay, run};
use crate::host::{Act, Host};
use crate::serving::{Daemon, begin, get, signal, wait};

/// How long anything may take here before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

const SEARCH: &str = "/xrpc/community.lexicon.calendar.searchEvents";
const ORGANIZER: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

/// The first microsecond of these events.
const BEGINNING: u64 = 1_770_000_000_000_000;

const EVENT: &str = "community.lexicon.calendar.event";

/// A message of a Jetstream about an event that is written, or written anew; without a name about one that goes.
fn line(number: u64, key: &str, name: Option<&str>) -> String {
    let line = match name {
        None => Line::delete(ORGANIZER, number + 1, EVENT, key),
        Some(name) => {
            let record = json!({
                "$type": EVENT,
                "name": name,
                "createdAt": "2026-01-01T00:00:00Z",
                "startsAt": "2026-02-01T00:00:00Z",
            });
            Line::create(ORGANIZER, number + 1, EVENT, key, &record.to_string())
        }
    };
    Line { time_us: BEGINNING + number, ..line }.text()
}

/// Events with these numbers, each with a word of its own and one that all have.
fn events(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers
        .map(|number| line(number, &format!("k{number}"), Some(&format!("Gathering nr{number}nr"))))
        .collect()
}

/// A directory with a store, and a daemon over it that follows nothing unless it is said.
struct House {
    dir: TempDir,
    sources: String,
    search: &'static str,
}

impl House {
    fn new() -> Self {
        Self { dir: tempdir().unwrap(), sources: String::new(), search: "" }
    }

    /// Puts lines into the store, without a daemon.
    fn replay(&self, name: &str, lines: &[String]) {
        let dump = self.dir.path().join(name);
        fs::write(&dump, lines.join("\n")).unwrap();
        replay(&self.data(), &[dump], &[]);
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn index(&self) -> PathBuf {
        self.data().join("search")
    }

    fn command(&self) -> Command {
        let config = self.dir.path().join("guestlist.toml");
        let text = format!(
            "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[limits]\nbatch_events = 5\n[live]\nretry_ms = 10\n{}\n{}",
            self.data(),
            self.search,
            self.sources
        );
        fs::write(&config, text).unwrap();
        let mut command = guestlist();
        command.args(["serve", "--config"]).arg(config);
        command
    }

    fn serve(&self) -> Daemon {
        begin(self.command())
    }

    /// What `check` says, and whether nothing differs.
    fn check(&self) -> (String, bool) {
        let output = run(&[&"check", &"--data-dir", &self.data()]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.stderr, b"", "{}", String::from_utf8_lossy(&output.stderr));
        (said, output.status.success())
    }

    /// Fails unless the index is said to have exactly so many events.
    fn agrees(&self, events: usize) {
        let (said, is_good) = self.check();
        assert!(
            is_good && said.contains(&format!("the search index has the same {events} events")),
            "{said}"
        );
    }
}

fn stop(mut daemon: Daemon) {
    signal(&daemon.process, "TERM");
    assert!(wait(&mut daemon.process).success());
}

/// The keys of everything that is found.
fn found(daemon: &Daemon, query: &str) -> Result<Vec<String>, Value> {
    let mut keys = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, _, page) = get(&daemon.address, &format!("{SEARCH}?limit=100&query={query}{cursor}"));
        if status != 200 {
            return Err(page);
        }
        let key = |event: &Value| event["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        keys.extend(page["results"].as_array().unwrap().iter().map(key));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(keys),
        }
    }
}

/// Waits until a query finds so many.
fn until_found(daemon: &Daemon, query: &str, count: usize) {
    let begun = Instant::now();
    loop {
        match found(daemon, query) {
            Ok(keys) if keys.len() == count => return,
            Ok(_) => {}
            Err(refused) => {
                let expected = ["search_unavailable", "ExpiredCursor"];
                assert!(expected.iter().any(|name| refused["error"] == *name), "{refused}");
            }
        }
        assert!(begun.elapsed() < PATIENCE, "{query}: {:?}", found(daemon, query).map(|keys| keys.len()));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Something else that the daemon answers.
fn answers(daemon: &Daemon) {
    let path = "/xrpc/app.guestlist.listEvents?when=all&limit=1";
    assert_eq!(get(&daemon.address, path).2["events"].as_array().unwrap().len(), 1);
}

#[test]
fn what_was_written_without_a_daemon_is_found_when_one_starts() {
    let house = House::new();
    house.replay("first.jsonl", &events(0..300));
    let (said, is_good) = house.check();
    assert!(is_good && !said.contains("search index"), "{said}");
    let daemon = house.serve();
    until_found(&daemon, "gathering", 300);
    house.agrees(300);
    stop(daemon);
    house.agrees(300);

    let mut more = events(300..350);
    more.push(line(400, "k7", None));
    more.push(line(401, "k8", Some("Other nr8nr")));
    house.replay("second.jsonl", &more);
    let (said, is_good) = house.check();
    assert!(is_good && said.contains("the search index is behind by 52 events"), "{said}");
    let daemon = house.serve();
    until_found(&daemon, "gathering", 348);
    assert_eq!(found(&daemon, "nr7nr"), Ok(vec![]));
    assert_eq!(found(&daemon, "other"), Ok(vec!["k8".to_owned()]));
    house.agrees(349);
    stop(daemon);
    house.agrees(349);
}

/// Files of the index whose names end so.
fn files(index: &Path, ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(index).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

/// Changes a file of the index.
fn alter(index: &Path, ending: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let files = files(index, ending);
    assert!(!files.is_empty(), "no file of {ending}");
    for path in files {
        fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
    }
}

fn flipped(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    bytes
}

fn halved(bytes: Vec<u8>) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

fn replaced(bytes: Vec<u8>, this: &str, that: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(this), "{text}");
    text.replace(this, that).into_bytes()
}

#[test]
fn an_index_that_is_damaged_or_missing_or_of_another_version_is_made_anew() {
    let house = House::new();
    house.replay("first.jsonl", &events(0..120));
    stop_when_filled(&house);
    let index = house.index();
    // What happens to the index, and what `check` says to that: nothing, a note, or that it differs.
    type Damage<'a> = (&'a str, &'a dyn Fn(), Option<bool>);
    let damages: &[Damage<'_>] = &[
        ("a bit in the terms", &|| alter(&index, ".term", flipped), Some(false)),
        ("a bit in the postings", &|| alter(&index, ".idx", flipped), Some(false)),
        ("a bit in the positions", &|| alter(&index, ".pos", flipped), Some(false)),
        ("a bit in the columns", &|| alter(&index, ".fast", flipped), Some(false)),
        ("half of the columns", &|| alter(&index, ".fast", halved), Some(false)),
        ("nothing of the terms", &|| alter(&index, ".term", |_| Vec::new()), Some(false)),
        (
            "a missing file",
            &|| files(&index, ".idx").iter().for_each(|path| fs::remove_file(path).unwrap()),
            Some(false),
        ),
        ("no list of files", &|| fs::remove_file(index.join("meta.json")).unwrap(), Some(false)),
        ("a list of files that is none", &|| fs::write(index.join("meta.json"), "{}").unwrap(), Some(false)),
        (
            "another version",
            &|| alter(&index, "meta.json", |bytes| replaced(bytes, r#"\"version\":1"#, r#"\"version\":7"#)),
            Some(true),
        ),
        ("no directory", &|| fs::remove_dir_all(&index).unwrap(), None),
        (
            "a file in its place",
            &|| {
                fs::remove_dir_all(&index).unwrap();
                fs::write(&index, "x").unwrap();
            },
            Some(false),
        ),
        (
            "an empty directory",
            &|| files(&index, "").iter().for_each(|path| fs::remove_file(path).unwrap()),
            Some(false),
        ),
    ];
    for (what, damage, said_of_it) in damages {
        damage();
        let (said, is_good) = house.check();
        assert_eq!(is_good, said_of_it.unwrap_or(true), "{what}: {said}");
        assert_eq!(said.contains("search index"), said_of_it.is_some(), "{what}: {said}");
        let daemon = house.serve();
        answers(&daemon);
        until_found(&daemon, "gathering", 120);
        house.agrees(120);
        stop(daemon);
        house.agrees(120);
    }
}

fn stop_when_filled(house: &House) {
    let daemon = house.serve();
    until_found(&daemon, "gathering", 120);
    stop(daemon);
}

#[test]
fn a_file_that_is_cut_to_a_few_bytes_ends_nothing() {
    let house = House::new();
    house.replay("first.jsonl", &events(0..120));
    for ending in [".term", ".idx", ".pos", ".fast", ".store", "meta.json", ".managed.json"] {
        stop_when_filled(&house);
        alter(&house.index(), ending, |bytes| bytes[..5].to_vec());
        // The library says more of it, on the other output.
        let output = run(&[&"check", &"--data-dir", &house.data()]);
        assert_eq!(output.status.code(), Some(1), "{ending}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("search index"), "{ending}");
    }
    let daemon = house.serve();
    until_found(&daemon, "gathering", 120);
    house.agrees(120);
}

#[test]
fn an_index_that_says_it_agrees_and_does_not_is_made_anew() {
    let house = House::new();
    house.replay("first.jsonl", &events(0..120));
    stop_when_filled(&house);
    // Another store's index, which was left when that was at the same position.
    let other = House::new();
    other.replay("first.jsonl", &events(500..620));
    stop_when_filled(&other);
    fs::remove_dir_all(house.index()).unwrap();
    fs::rename(other.index(), house.index()).unwrap();
    let (said, is_good) = house.check();
    assert!(!is_good && said.contains("is missing or of another version"), "{said}");
    let daemon = house.serve();
    until_found(&daemon, "gathering", 120);
    house.agrees(120);
    assert_eq!(found(&daemon, "nr500nr"), Ok(vec![]));
    assert_eq!(found(&daemon, "nr5nr"), Ok(vec!["k5".to_owned()]));
}

#[test]
fn where_it_is_switched_off_there_is_none_and_all_else_answers() {
    let mut house = House::new();
    house.replay("first.jsonl", &events(0..20));
    house.search = "[search]\nenabled = false\n";
    let daemon = house.serve();
    answers(&daemon);
    let refused = found(&daemon, "gathering").unwrap_err();
    assert_eq!(refused["error"], "search_unavailable");
    assert!(!house.index().exists());
    let (said, is_good) = house.check();
    assert!(is_good && !said.contains("search index"), "{said}");
}

#[test]
fn very_many_words_are_refused_and_the_next_query_is_answered() {
    let house = House::new();
    house.replay("first.jsonl", &events(0..20));
    let daemon = house.serve();
    until_found(&daemon, "gathering", 20);
    let refused = found(&daemon, &"words+".repeat(10_000)).unwrap_err();
    assert_eq!(refused["error"], "InvalidRequest", "{refused}");
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let line = format!("GET {SEARCH}?query={} HTTP/1.1\r\nHost: x\r\n\r\n", "words+".repeat(200_000));
    // Nobody reads it to its end.
    let _ = stream.write_all(line.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 414 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    until_found(&daemon, "gathering", 20);
}

/// Events that are stored.
fn stored(daemon: &Daemon) -> u64 {
    let status = get(&daemon.address, "/xrpc/app.guestlist.getStatus").2;
    let counts = status["records"].as_array().unwrap();
    counts.iter().find(|of| of["collection"] == EVENT).unwrap()["count"].as_u64().unwrap()
}

#[test]
fn a_daemon_that_is_killed_while_it_indexes_catches_up() {
    const EVENTS: u64 = 3_000;
    let mut lines: Vec<(u64, String)> =
        (0..).zip(events(0..EVENTS)).map(|(number, line)| (BEGINNING + number, line)).collect();
    // Every third is written anew, and every seventh goes.
    for (nth, key) in (EVENTS..).zip((0..EVENTS).filter(|key| key % 3 == 0)) {
        lines.push((BEGINNING + nth, line(nth, &format!("k{key}"), Some(&format!("Assembly nr{key}nr")))));
    }
    for (nth, key) in (2 * EVENTS..).zip((0..EVENTS).filter(|key| key % 7 == 0)) {
        lines.push((BEGINNING + nth, line(nth, &format!("k{key}"), None)));
    }
    // In small parts, so that a kill comes in the middle.
    let host = Host::start(move |asked| {
        let cursor = asked.cursor().unwrap_or(0);
        let rest: Vec<_> = lines.iter().filter(|(time, _)| *time >= cursor).collect();
        let parts = rest.chunks(40).flat_map(|part| {
            let texts = part.iter().map(|(_, line)| Act::Text(line.clone()));
            texts.chain([Act::Pause(Duration::from_millis(4))]).collect::<Vec<_>>()
        });
        parts.chain([Act::Stay]).collect()
    });
    let mut house = House::new();
    house.sources = format!("[[source]]\nkind = \"jetstream\"\nurl = {:?}\nstart = \"oldest\"\n", host.url());
    let mut behind = 0;
    for round in 1..=8 {
        let mut daemon = house.serve();
        // As soon as more is stored than before: the index is some tenths of a second behind that.
        let begun = Instant::now();
        while stored(&daemon) < round * 200 {
            assert!(
                begun.elapsed() < PATIENCE,
                "{round}: {}",
                get(&daemon.address, "/xrpc/app.guestlist.getStatus").2
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        daemon.process.kill().unwrap();
        daemon.process.wait().unwrap();
        let (said, is_good) = house.check();
        assert!(is_good, "{said}");
        behind += u64::from(said.contains("is behind by"));
    }
    assert!(behind > 0, "no kill struck in the middle");
    let daemon = house.serve();
    let kept = |of: fn(u64) -> bool| (0..EVENTS).filter(|key| key % 7 != 0 && of(*key)).count();
    until_found(&daemon, "gathering", kept(|key| key % 3 != 0));
    until_found(&daemon, "assembly", kept(|key| key % 3 == 0));
    assert_eq!(found(&daemon, "nr14nr"), Ok(vec![]));
    house.agrees(kept(|_| true));
    stop(daemon);
    house.agrees(kept(|_| true));
}
