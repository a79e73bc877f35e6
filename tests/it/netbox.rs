//! Against real PDSes, where there are some: `GUESTLIST_NETBOX` names the folder of a netbox that was set up.
//!
//! Two PDSes play a scenario, with a migration between them, while they are recorded and followed by a daemon
//! that is killed again and again. In the end its digest is that of a replay of the recordings.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use guestlist::codec::claim::Verify;
use guestlist::codec::frame::decode_strictly;
use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{check, digest, frames, guestlist, summary};
use crate::names::name_server;
use crate::relays::Nothing;
use crate::serving::{Daemon, begin, get, signal, wait};

/// Long after a scenario should be over, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running process, asked to end when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        signal(&self.0, "TERM");
        let _ = self.0.wait();
    }
}

pub(crate) fn netbox(folder: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.arg(Path::new(folder).join("netbox.mjs")).args(arguments);
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The last number in a recording.
fn last_of(path: &Path) -> Option<u64> {
    let frames = frames(&std::fs::read(path).unwrap());
    frames.iter().filter_map(|frame| decode_strictly(frame, &Nothing, Verify::Off).position).max()
}

/// What the network says of a handle, as `/.well-known/atproto-did` has it.
fn did_of(control: &str, handle: &str) -> Option<String> {
    let mut stream = TcpStream::connect(control).ok()?;
    let request =
        format!("GET /.well-known/atproto-did HTTP/1.1\r\nHost: {handle}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let did = answer.starts_with("HTTP/1.1 200").then(|| answer.find("did:")).flatten()?;
    let did: String = answer[did..].chars().take_while(|it| !it.is_whitespace()).collect();
    Some(format!("did={did}"))
}

/// Asserts that the daemon finds every account by the handle that it has in the end, and by no other.
fn assert_handles_hold(daemon: &Daemon, people: &str) {
    let mut found = 0;
    for line in std::fs::read_to_string(people).unwrap().lines() {
        let person: Value = serde_json::from_str(line).unwrap();
        let Some(handle) = person["doc"]["alsoKnownAs"][0].as_str().and_then(|it| it.strip_prefix("at://"))
        else {
            continue;
        };
        let rounds_of = |actor: &str| {
            let actor = actor.replace('%', "%25");
            get(&daemon.address, &format!("/xrpc/app.guestlist.listActorRounds?actor={actor}"))
        };
        let (status, _, answer) = rounds_of(handle);
        // A handle of an account that is gone leads nowhere.
        if status == 200 {
            assert_eq!(answer, rounds_of(person["did"].as_str().unwrap()).2, "{handle}");
            found += usize::from(!answer["rounds"].as_array().unwrap().is_empty());
        }
        assert_eq!(rounds_of(&format!("old-{handle}")).0, 400);
    }
    assert!(found > 3, "{found} handles of people in rounds");
}

#[test]
fn real_pdses_are_followed_through_kills_to_the_digest_of_their_recordings() {
    let Ok(folder) = std::env::var("GUESTLIST_NETBOX") else { return };
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (net, data, recorded) = (text(&at("net.json")), text(&at("net")), text(&at("recorded")));
    let start = ["start", "--pds", "2", "--net", &net, "--data", &data];
    let _network = Running(netbox(&folder, &start).spawn().unwrap());
    until("the network", || at("net.json").exists());
    let network: Value = serde_json::from_slice(&std::fs::read(&net).unwrap()).unwrap();
    let urls: Vec<String> = network["pds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pds| pds["url"].as_str().unwrap().to_owned())
        .collect();
    let record = ["record", "--out", &recorded, "--net", &net, "--idle", "15"];
    let mut recorder = netbox(&folder, &record).spawn().unwrap();

    let sources: String =
        urls.iter().map(|url| format!("[[source]]\nkind = \"relay\"\nurl = {url:?}\n")).collect();
    let control = network["control"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let dns = {
        let control = control.clone();
        name_server(move |name| did_of(&control, name.strip_prefix("_atproto.")?))
    };
    let config = format!(
        "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[identity]\nplc_url = {}\ndns = [\"{dns}\"]\n\
         allow_private_networks = true\n{sources}",
        at("store"),
        network["plc"],
    );
    std::fs::write(at("guestlist.toml"), config).unwrap();
    let serve = || {
        let mut command = guestlist();
        command
            .args(["serve", "--config"])
            .arg(at("guestlist.toml"))
            .env_remove("GUESTLIST_IDENTITY__NETWORK");
        command
    };
    let mut scenario = netbox(&folder, &["scenario", "builtin", "--net", &net]).spawn().unwrap();
    let mut kills = 0_u64;
    while scenario.try_wait().unwrap().is_none() {
        let mut daemon = serve().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // When the kill strikes is the point; nothing is expected to have happened by then.
        std::thread::sleep(Duration::from_millis(200 + 370 * (kills % 7)));
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        kills += 1;
    }
    assert!(scenario.wait().unwrap().success() && kills > 3, "{kills} kills");
    assert!(recorder.wait().unwrap().success());
    let recordings: Vec<PathBuf> = ["1", "0"]
        .map(|pds| {
            let path = at(&format!("pds{pds}.frames"));
            std::fs::rename(at(&format!("recorded.pds{pds}")), &path).unwrap();
            path
        })
        .into();
    let mut lasts: Vec<_> = recordings.iter().map(|path| last_of(path)).collect();
    lasts.sort_unstable();
    let mut daemon = begin(serve());
    until("the end of the streams", || {
        let status = get(&daemon.address, "/xrpc/app.guestlist.getStatus").2;
        let mut cursors: Vec<_> =
            status["sources"].as_array().unwrap().iter().map(|source| source["cursor"].as_u64()).collect();
        cursors.sort_unstable();
        cursors == lasts
    });
    assert_handles_hold(&daemon, &text(&at("recorded.dids.jsonl")));
    signal(&daemon.process, "TERM");
    assert!(wait(&mut daemon.process).success());
    let mut replay = guestlist();
    replay.args(["replay", "--data-dir"]).arg(at("replayed"));
    replay.arg("--identities").arg(at("recorded.dids.jsonl")).args(&recordings);
    let output = replay.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = summary(&output);
    assert_eq!(summary["rejected"], serde_json::json!({}));
    assert_eq!(summary["digest"], digest(&at("store")).as_str(), "after {kills} kills");
    check(&at("store"));
}
