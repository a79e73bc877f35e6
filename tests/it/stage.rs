//! A daemon with everything around it: a relay to follow, hosts to ask, and a directory that knows who is where. All
//! of it is on loopback, and nothing leads anywhere else.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use guestlist::codec::json::to_ipld;
use guestlist::records::lexicon::LEXICONS;
use ipld_core::ipld::Ipld;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::following::PATIENCE;
use crate::frames::{ipld, text};
use crate::harness::{check, guestlist, succeed};
use crate::host::{Act, Frames, Host};
use crate::opened::Opened;
use crate::pds::Pds;
use crate::relays::info;
use crate::serving::{Daemon, begin, get, serve, signal, wait};
use crate::signed::{Key, Repo, Write};

pub(crate) const EVENT: &str = "community.lexicon.calendar.event";

/// How often it is looked whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a relay has sent, and the last that it no longer has.
#[derive(Clone, Default)]
struct Sent {
    frames: Frames,
    seq: Arc<Mutex<u64>>,
}

/// The place where a daemon plays.
pub(crate) struct Stage {
    dir: TempDir,
    relay: Host,
    sent: Sent,
}

impl Stage {
    /// Everybody has their repository at one host. `lists` lists repositories.
    pub(crate) fn new(people: &[(&Repo, &Pds)], lists: &Pds) -> Self {
        let sent = Sent::default();
        let relay = {
            let sent = sent.clone();
            Host::start(move |asked| sent.after(asked.cursor()))
        };
        let stage = Self { dir: tempdir().unwrap(), relay, sent };
        let documents: Vec<_> =
            people.iter().map(|(repo, pds)| repo.document(&pds.url(), "ann.invalid").to_string()).collect();
        std::fs::write(stage.dir.path().join("people.dids.jsonl"), documents.join("\n")).unwrap();
        // A directory that knows nobody.
        let plc = serve(Router::new());
        let text = format!(
            "data_dir = {:?}\n[http]\nbind = \"127.0.0.1:0\"\n[live]\nretry_ms = 10\n\
             [identity]\nplc_url = \"http://{plc}\"\nallow_private_networks = true\ntimeout_seconds = 2\n\
             identities = [{:?}]\n[backfill]\nrelay = \"http://{}\"\nretry_seconds = 1\n\
             [[source]]\nkind = \"relay\"\nurl = {:?}\n",
            stage.data(),
            stage.dir.path().join("people.dids.jsonl"),
            lists.address,
            stage.relay.url(),
        );
        std::fs::write(stage.dir.path().join("guestlist.toml"), text).unwrap();
        stage
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn serving(&self) -> Command {
        let mut command = guestlist();
        command.env("GUESTLIST_IDENTITY__NETWORK", "true");
        command.args(["serve", "--config"]).arg(self.dir.path().join("guestlist.toml"));
        command
    }

    /// Runs the command, with these named.
    pub(crate) fn backfill(&self, dids: &[&str]) -> Output {
        let mut command = guestlist();
        command.env("GUESTLIST_IDENTITY__NETWORK", "true");
        command.args(["backfill", "--config"]).arg(self.dir.path().join("guestlist.toml")).args(dids);
        command.output().unwrap()
    }

    /// Starts a daemon, and waits until it follows the relay.
    pub(crate) fn begin(&self) -> Daemon {
        let asked = self.relay.asked().len();
        let daemon = begin(self.serving());
        until("the connection", || (self.relay.asked().len() > asked).then_some(()));
        daemon
    }

    /// The relay sends this, now.
    pub(crate) fn tell(&self, opened: Opened) -> u64 {
        let mut seq = self.sent.seq.lock().unwrap();
        *seq += 1;
        let time = text(Timestamp::now().to_string());
        let frame = opened.with("seq", Ipld::Integer((*seq).into())).with("time", time).frame();
        self.sent.frames.lock().unwrap().push((*seq, frame));
        *seq
    }

    /// The relay no longer has what it sent until now.
    pub(crate) fn forget(&self) {
        self.sent.frames.lock().unwrap().clear();
    }

    /// The relay sends something that nobody wants; until the daemon has stored that it has read it.
    pub(crate) fn pulse(&self, daemon: &Daemon) {
        let mut nobody = Repo::new("did:web:nobody.invalid", Key::k256(77));
        let path = format!("app.example.post/{}", self.sent.seq.lock().unwrap());
        let seq = self.tell(nobody.commit(0, &[Write::Put(&path, event("x"))]));
        self.until(daemon, "the cursor", |status| status["sources"][0]["cursor"] == seq);
    }

    /// Waits until the daemon says something of itself.
    pub(crate) fn until(&self, daemon: &Daemon, what: &str, says: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let status = status(daemon, "");
            if says(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {status}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until nothing is missing and nobody is to be asked about.
    pub(crate) fn until_complete(&self, daemon: &Daemon) -> Value {
        self.until(daemon, "completeness", |status| {
            status["complete"] == true && status["sources"][0]["window"]["state"] == "closed"
        })
    }

    /// Waits until a repository was compared with its host at its latest revision.
    pub(crate) fn until_compared(&self, daemon: &Daemon, repo: &Repo) -> Value {
        let at = |status: &Value| {
            let known = &status["repository"];
            known["comparedRev"] == repo.rev() && known["rev"] == repo.rev() && known["due"].is_null()
        };
        let begun = Instant::now();
        loop {
            let status = status(daemon, &repo.did);
            if at(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{status}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What `guestlist status` says.
    pub(crate) fn words(&self) -> String {
        succeed(&[&"status", &"--data-dir", &self.data()])
    }

    /// Ends a daemon; the names of the events that are stored, in order.
    pub(crate) fn end(&self, mut daemon: Daemon) -> Vec<String> {
        signal(&daemon.process, "TERM");
        assert!(wait(&mut daemon.process).success());
        check(&self.data());
        let records = succeed(&[&"export", &"--records", &"--data-dir", &self.data()]);
        let name = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["record"]["name"].as_str().map(str::to_owned)
        };
        let mut names: Vec<_> = records.lines().filter_map(name).collect();
        names.sort();
        names
    }
}

impl Sent {
    /// What a relay does for somebody with this cursor.
    fn after(&self, cursor: Option<u64>) -> Vec<Act> {
        let last = *self.seq.lock().unwrap();
        let oldest = self.frames.lock().unwrap().first().map_or(last + 1, |(seq, _)| *seq);
        let mut acts = Vec::new();
        if cursor.is_some_and(|cursor| cursor + 1 < oldest) {
            acts.push(Act::Binary(info("OutdatedCursor")));
        }
        acts.push(Act::Tail(Arc::clone(&self.frames), cursor.unwrap_or(last)));
        acts
    }
}

/// What a daemon says of itself, and of one repository, as its lexicon has it.
pub(crate) fn status(daemon: &Daemon, did: &str) -> Value {
    let method = "app.guestlist.getStatus";
    let about = if did.is_empty() { String::new() } else { format!("?did={did}") };
    let status = get(&daemon.address, &format!("/xrpc/{method}{about}")).2;
    let deviations = LEXICONS.output_deviations(method, &to_ipld(status.clone()).unwrap());
    assert_eq!(deviations, Some(Vec::new()), "{status}");
    status
}

/// Waits until there is something.
pub(crate) fn until<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Somebody, another for every letter.
pub(crate) fn somebody(letter: char) -> Repo {
    let did = format!("did:plc:{}", letter.to_string().repeat(24));
    Repo::new(&did, Key::k256(u8::try_from(letter).unwrap()))
}

pub(crate) fn event(name: &str) -> Ipld {
    ipld(json!({ "$type": EVENT, "name": name, "createdAt": "2026-01-01T00:00:00Z" }))
}

/// A commit that names events and removes some; whose name is empty is removed.
pub(crate) fn commit(repo: &mut Repo, events: &[(&str, &str)]) -> Opened {
    let paths: Vec<_> = events.iter().map(|(key, _)| format!("{EVENT}/{key}")).collect();
    let write = |(path, (_, name)): (_, &(&str, &str))| -> Write<'_> {
        let path: &String = path;
        if name.is_empty() { Write::Delete(path) } else { Write::Put(path, event(name)) }
    };
    let writes: Vec<_> = paths.iter().zip(events).map(write).collect();
    repo.commit(0, &writes)
}
