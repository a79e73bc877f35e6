//! The daemon as an operator meets it: started, asked, stopped, killed, started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{check, guestlist, recording};

/// How long anything may take here before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon; ended when dropped.
pub(crate) struct Daemon {
    pub(crate) process: Child,
    pub(crate) address: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configured(dir: &Path, bind: &str) -> Command {
    let config = dir.join("guestlist.toml");
    let text = format!(
        "data_dir = {:?}\n[http]\nbind = {bind:?}\n[identity]\nidentities = [{:?}]\n\
         [[source]]\nkind = \"replay\"\npath = {:?}\n[[source]]\nkind = \"replay\"\npath = {:?}\n",
        dir.join("data"),
        recording("small.dids.jsonl"),
        recording("small-pds1.frames"),
        recording("small-pds0.frames"),
    );
    std::fs::write(&config, text).unwrap();
    let mut command = guestlist();
    command.args(["serve", "--config"]).arg(config);
    command
}

/// Starts a daemon and waits until it says where it answers.
fn start(dir: &Path) -> Daemon {
    begin(configured(dir, "127.0.0.1:0"))
}

/// The same with a command of the caller's; what it logs is not looked at.
pub(crate) fn begin(mut command: Command) -> Daemon {
    command.stderr(Stdio::null());
    Daemon::start(command)
}

impl Daemon {
    /// Starts a daemon and waits until it says where it answers.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        Self { process, address }
    }
}

/// Serves this on loopback for as long as the process runs.
pub(crate) fn serve(router: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    address
}

/// One request; the status, the headers as they came, and the body.
pub(crate) fn get(address: &str, path: &str) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap())
}

pub(crate) fn wait(process: &mut Child) -> std::process::ExitStatus {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the daemon did not end");
}

pub(crate) fn signal(process: &Child, name: &str) {
    let status =
        Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status().unwrap();
    assert!(status.success());
}

const STANDING: &str = "/xrpc/app.guestlist.getStanding?actor=bobby.test\
    &round=at://did:plc:wjhryzcympl32mbztchwd6qy/at.atjam.round/3n2rvktzu5k2b";

#[test]
fn serves_what_it_replayed_and_stops_when_it_is_told() {
    let dir = tempdir().unwrap();
    let mut daemon = start(dir.path());
    let (status, head, standing) = get(&daemon.address, STANDING);
    assert_eq!(status, 200, "{standing}");
    assert!(head.contains("guestlist-position: "), "{head}");
    assert_eq!(standing["participant"], true);
    assert_eq!(standing["verdict"], serde_json::json!({ "status": "valid", "basis": "invited" }));
    assert_eq!(standing["chain"].as_array().unwrap().len(), 3);
    assert_eq!(get(&daemon.address, "/xrpc/_health").0, 200);
    // Who has this answer already is told so, until the store changes.
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    for (known, status) in [(tag, "304"), ("\"another\"", "200")] {
        let mut stream = TcpStream::connect(&daemon.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let asks = format!(
            "GET {STANDING} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {known}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(asks.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    signal(&daemon.process, "TERM");
    assert!(wait(&mut daemon.process).success());
    check(&dir.path().join("data"));
}

#[test]
fn a_hundred_megabytes_in_a_header_take_no_memory() {
    let dir = tempdir().unwrap();
    let daemon = start(dir.path());
    let (status, _, document) = get(&daemon.address, "/.well-known/did.json");
    assert_eq!((status, &document["id"]), (200, &"did:web:127.0.0.1%3A8484".into()), "{document}");
    let memory_kb = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        most.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    };
    let before = memory_kb();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let address = daemon.address.clone();
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let head = "POST /xrpc/a.b.c HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ";
                stream.write_all(head.as_bytes()).unwrap();
                let junk = vec![b'a'; 1 << 20];
                let written = (0..100).take_while(|_| stream.write_all(&junk).is_ok()).count();
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                (written, String::from_utf8(answer).unwrap())
            })
        })
        .collect();
    for client in clients {
        let (written, answer) = client.join().unwrap();
        // Who goes on writing may not hear why.
        assert!(
            written < 40 && (answer.is_empty() || answer.starts_with("HTTP/1.1 431 ")),
            "{written} {answer}"
        );
    }
    assert!(memory_kb() < before + 16_000, "{before} kB, then {} kB", memory_kb());
    assert_eq!(get(&daemon.address, STANDING).0, 200);
}

#[test]
fn answers_the_same_after_a_kill_and_a_restart() {
    let dir = tempdir().unwrap();
    let mut daemon = start(dir.path());
    let before = get(&daemon.address, STANDING).2;
    signal(&daemon.process, "KILL");
    assert!(!wait(&mut daemon.process).success());
    let again = start(dir.path());
    assert_eq!(get(&again.address, STANDING).2, before);
    let (_, _, status) = get(&again.address, "/xrpc/app.guestlist.getStatus");
    let states: Vec<_> =
        status["sources"].as_array().unwrap().iter().map(|source| &source["state"]).collect();
    assert_eq!(states, ["finished", "finished"]);
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_served() {
    let dir = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = configured(dir.path(), &address).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&address) && said.contains("http.bind"), "{said}");
}

#[test]
fn a_second_daemon_on_the_same_store_is_refused_by_name() {
    let dir = tempdir().unwrap();
    let daemon = start(dir.path());
    let output = configured(dir.path(), "127.0.0.1:0").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let data_dir = dir.path().join("data").display().to_string();
    assert!(said.contains(&data_dir) && said.contains(&daemon.process.id().to_string()), "{said}");
}

#[test]
fn a_source_that_is_not_there_ends_the_daemon_with_its_name() {
    let dir = tempdir().unwrap();
    let mut command = configured(dir.path(), "127.0.0.1:0");
    let config = dir.path().join("guestlist.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("small-pds0.frames", "gone.frames");
    std::fs::write(config, text).unwrap();
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("gone.frames"));
    check(&dir.path().join("data"));
}
