//! What real PDSes no longer send is made up for: `GUESTLIST_NETBOX` names the folder of a netbox that was set up.
//!
//! The PDSes keep events for some seconds only. A daemon that is killed again and again while it backfills, and then is
//! away while accounts move, close, are taken down and deleted, ends with the digest of one that begins afterwards.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::harness::{check, digest, guestlist};
use crate::netbox::{Running, netbox, until};
use crate::serving::{Daemon, begin, get, signal, wait};

/// How long the PDSes keep events, in milliseconds.
const KEPT_MS: u64 = 4_000;

/// How long a scenario waits for a daemon to have everything and go away.
const AWAY_MS: u64 = 60_000;

/// What it says before that.
const KNOWN: &str = "known";

/// How often the daemon is killed while it backfills.
const KILLS: u64 = 20;

/// A network of real servers, and what is written to it.
struct Network {
    dir: TempDir,
    folder: String,
    net: String,
    config: Value,
    _running: Running,
}

impl Network {
    fn start(folder: &str) -> Self {
        let dir = tempdir().unwrap();
        let text = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (net, data, kept) = (text("net.json"), text("net"), KEPT_MS.to_string());
        let start = ["start", "--pds", "2", "--net", &net, "--data", &data, "--backfill-ms", &kept];
        let running = Running(netbox(folder, &start).spawn().unwrap());
        until("the network", || Path::new(&net).exists());
        let config = serde_json::from_slice(&std::fs::read(&net).unwrap()).unwrap();
        Self { dir, folder: folder.to_owned(), net, config, _running: running }
    }

    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = netbox(&self.folder, arguments);
        command.args(["--net", &self.net]);
        command
    }

    /// Has a PDS killed, stopped or started.
    fn pds(&self, number: usize, what: &str) {
        let control = self.config["control"].as_str().unwrap().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(control).unwrap();
        let request = format!(
            "POST /pds/{number}/{what} HTTP/1.1\r\nHost: {control}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
    }

    /// A daemon with a store of this name that follows both.
    fn serve(&self, name: &str) -> Command {
        let sources: String = self.config["pds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pds| format!("[[source]]\nkind = \"relay\"\nurl = {}\n", pds["url"]))
            .collect();
        let config = format!(
            "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[identity]\nplc_url = {}\n\
             allow_private_networks = true\n[backfill]\nretry_seconds = 1\n[live]\nretry_ms = 100\n{sources}",
            self.at(name),
            self.config["plc"],
        );
        let path = self.at(&format!("{name}.toml"));
        std::fs::write(&path, config).unwrap();
        let mut command = guestlist();
        command.args(["serve", "--config"]).arg(path).env_remove("GUESTLIST_IDENTITY__NETWORK");
        command.stderr(Stdio::null());
        command
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a daemon until it says that everything is here, and stops it.
    fn complete(&self, name: &str) -> String {
        let mut daemon = begin(self.serve(name));
        until_complete(&daemon);
        signal(&daemon.process, "TERM");
        assert!(wait(&mut daemon.process).success());
        check(&self.at(name));
        digest(&self.at(name))
    }
}

fn status(daemon: &Daemon) -> Value {
    get(&daemon.address, "/xrpc/app.guestlist.getStatus").2
}

fn until_complete(daemon: &Daemon) {
    until("everything", || {
        let status = status(daemon);
        let closed = |source: &Value| source["window"]["state"] == "closed";
        let all = status["sources"].as_array().unwrap().iter().all(closed);
        status["ready"] == true && status["complete"] == true && all
    });
}

/// What happens while nobody listens, between two pauses.
fn scenario() -> Value {
    let account = |name: &str, pds: u64| json!({ "op": "account", "as": name, "pds": pds });
    let event = "community.lexicon.calendar.event";
    let write = |name: &str, id: &str, title: &str| {
        json!({ "op": "create", "as": name, "id": id, "collection": event,
            "record": { "name": title, "createdAt": "$now" } })
    };
    let does = |op: &str, name: &str| json!({ "op": op, "as": name });
    let pause = |ms: u64| json!({ "op": "sleep", "ms": ms });
    let people = ["moves", "pauses", "returns", "hidden", "shown", "leaves", "writes"];
    let mut steps: Vec<Value> = (0..).zip(people).map(|(at, name)| account(name, at % 2)).collect();
    for (name, number) in people.iter().flat_map(|name| (0..3).map(move |number| (name, number))) {
        steps.push(write(name, &format!("{name}{number}"), &format!("{name} {number}")));
    }
    for name in people {
        steps.push(json!({ "op": "create", "as": name, "collection": "community.lexicon.calendar.rsvp",
            "record": { "subject": { "$ref": "writes0" }, "createdAt": "$now",
                "status": "community.lexicon.calendar.rsvp#going" } }));
    }
    steps.push(does("deactivate", "returns"));
    steps.push(json!({ "op": "takedown", "as": "shown", "note": KNOWN }));
    steps.push(pause(AWAY_MS));
    steps.push(json!({ "op": "migrate", "as": "moves", "to": 1 }));
    steps.push(write("moves", "moved", "after the move"));
    steps.push(does("deactivate", "pauses"));
    steps.push(does("activate", "returns"));
    steps.push(json!({ "op": "delete", "as": "returns", "id": "returns1" }));
    steps.push(does("takedown", "hidden"));
    steps.push(does("untakedown", "shown"));
    steps.push(does("deleteAccount", "leaves"));
    steps.push(json!({ "op": "delete", "as": "writes", "id": "writes1" }));
    steps.push(json!({ "op": "put", "as": "writes", "id": "writes2",
        "record": { "name": "another", "createdAt": "$now" } }));
    steps.push(account("arrives", 1));
    steps.push(write("arrives", "arrived", "new"));
    steps.push(pause(KEPT_MS * 3));
    steps.push(write("writes", "last", "the last"));
    steps.push(write("arrives", "last of all", "the last of all"));
    json!({ "steps": steps })
}

/// Reads what a scenario says until this note.
fn until_note(said: &mut impl Iterator<Item = String>, note: &str) {
    for line in said.by_ref() {
        let step: Value = serde_json::from_str(&line).unwrap();
        assert!(step["error"].is_null(), "{step}");
        if step["note"] == note {
            return;
        }
    }
    panic!("the scenario ended before {note}");
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let stdout: ChildStdout = child.stdout.take().unwrap();
    BufReader::new(stdout).lines().map(Result::unwrap)
}

#[test]
fn what_real_pdses_have_forgotten_is_made_up_for_through_kills_and_a_time_away() {
    let Ok(folder) = std::env::var("GUESTLIST_NETBOX") else { return };
    let network = Network::start(&folder);
    assert!(network.run(&["scenario", "builtin"]).status().unwrap().success());
    // Written before anybody listens, and while it is backfilled.
    for pds in ["0", "1"] {
        let load = ["load", "--accounts", "30", "--writes", "200", "--seed", pds, "--pds", pds];
        assert!(network.run(&load).status().unwrap().success());
    }
    let load = ["load", "--accounts", "20", "--writes", "600", "--seed", "2", "--pds", "0"];
    let mut load = network.run(&load).spawn().unwrap();
    for kill in 0..KILLS {
        let mut daemon = network.serve("long").stdout(Stdio::null()).spawn().unwrap();
        // When the kill strikes is the point; nothing is expected to have happened by then.
        std::thread::sleep(Duration::from_millis(150 + 170 * (kill % 9)));
        // A host that goes away while it is asked.
        if kill % 5 == 4 {
            network.pds(1, "kill");
            std::thread::sleep(Duration::from_millis(300));
            network.pds(1, "start");
        }
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }
    assert!(load.wait().unwrap().success());
    let long = network.complete("long");
    assert_eq!(long, network.complete("fresh"), "after {KILLS} kills");

    std::fs::write(network.at("scenario.json"), scenario().to_string()).unwrap();
    let path = network.at("scenario.json");
    let mut command = network.run(&["scenario", path.to_str().unwrap()]);
    let mut scenario = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = lines(&mut scenario);
    until_note(&mut said, KNOWN);
    let known = network.complete("long");
    assert_ne!(known, long);
    said.for_each(drop);
    assert!(scenario.wait().unwrap().success());
    let mut daemon = begin(network.serve("long"));
    until("the window", || {
        let sources = status(&daemon)["sources"].clone();
        let is_outdated = |source: &Value| source["window"]["how"] == "outdated-cursor";
        sources.as_array().unwrap().iter().any(is_outdated)
    });
    until_complete(&daemon);
    signal(&daemon.process, "TERM");
    assert!(wait(&mut daemon.process).success());
    check(&network.at("long"));
    let away = digest(&network.at("long"));
    assert_ne!(away, known);
    assert_eq!(away, network.complete("fresher"));
}
