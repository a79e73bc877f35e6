//! People with keys who call what takes a service token: their tokens, a file of who they are, a client, and a daemon
//! that can be killed and started again on what it has.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{dump, guestlist, replay};
use crate::serving::{signal, wait};
use crate::signed::{Key, Repo};

/// Whom the tokens are for.
pub(crate) const SERVICE: &str = "did:web:guestlist.example";

/// Where people see its events.
const EVENT_URL: &str = "https://smokesignal.events/{authority}/{rkey}";

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What makes each token another.
static TOKENS: AtomicU64 = AtomicU64::new(1);

/// How many times a test does what takes long: a small number, or the one that a variable has.
pub(crate) fn times(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// Somebody with a key.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) did: String,
    key: Key,
}

impl Person {
    /// A person of this number; of both curves among them.
    pub(crate) fn new(number: usize) -> Self {
        let letters: String =
            format!("{number:05}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        let of_key = u8::try_from(number % 250 + 1).unwrap();
        let key = if number.is_multiple_of(2) { Key::k256(of_key) } else { Key::p256(of_key) };
        Self { did: format!("did:plc:{letters:a>24}"), key }
    }

    pub(crate) fn many(count: usize) -> Vec<Self> {
        (0..count).map(Self::new).collect()
    }

    /// A token of this person's for one call of a method.
    pub(crate) fn token(&self, method: &str) -> String {
        self.token_with(method, |_| {})
    }

    /// The same with other claims.
    pub(crate) fn token_with(&self, method: &str, change: impl FnOnce(&mut Value)) -> String {
        let now = Timestamp::now().as_second();
        let jti = format!("once-{:08x}-{:08x}", std::process::id(), TOKENS.fetch_add(1, Ordering::Relaxed));
        let mut claims = json!({
            "iss": self.did, "aud": SERVICE, "lxm": method, "iat": now, "exp": now + 120, "jti": jti,
        });
        change(&mut claims);
        let alg = if matches!(self.key, Key::K256(_)) { "ES256K" } else { "ES256" };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": alg, "typ": "JWT" })), part(&claims));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The claims of a token.
pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Writes a file of identities in which these people are.
pub(crate) fn identities(dir: &Path, people: &[Person]) -> PathBuf {
    let path = dir.join("people.dids.jsonl");
    let line = |person: &Person| {
        let handle = format!("{}.example", &person.did["did:plc:".len()..]);
        Repo::new(&person.did, person.key.clone()).document("https://pds.example", &handle).to_string()
    };
    fs::write(&path, people.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap();
    path
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The error's name, or nothing.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// What was asked for.
    #[track_caller]
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }
}

/// What goes out over a connection and what comes back; `None` if there is nobody, or they are gone before all of it came.
pub(crate) fn exchange(address: &str, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
    });
    // Half an answer is none.
    (length == Some(body.len())).then(|| Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// The request of a procedure, or without input that of a query.
pub(crate) fn request(path: &str, token: Option<&str>, input: Option<&str>) -> String {
    let verb = if input.is_some() { "POST" } else { "GET" };
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    message(verb, &format!("/xrpc/{path}"), &bearer, input)
}

/// A request, with header lines of its own and an input in JSON.
pub(crate) fn message(verb: &str, target: &str, headers: &str, input: Option<&str>) -> String {
    let kind = input
        .map(|input| format!("Content-Type: application/json\r\nContent-Length: {}\r\n", input.len()))
        .unwrap_or_default();
    let input = input.unwrap_or_default();
    format!(
        "{verb} {target} HTTP/1.1\r\nHost: guestlist.example\r\nConnection: close\r\n{headers}{kind}\r\n{input}"
    )
}

/// A service with a Portal that knows some people: a directory with everything that it keeps and says, and a process
/// while it runs.
pub(crate) struct Site {
    dir: TempDir,
    identities: PathBuf,
    log: &'static str,
    levels: String,
    starts: u32,
    process: Option<Child>,
    address: Arc<str>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Site {
    /// Starts one.
    pub(crate) fn of(people: &[Person]) -> Self {
        Self::logging(people, "warn")
    }

    /// The same, with this much in its log.
    pub(crate) fn logging(people: &[Person], log: &'static str) -> Self {
        let mut site = Self::prepared(people, log);
        site.start();
        site
    }

    /// One that does not run yet.
    pub(crate) fn prepared(people: &[Person], log: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identities = identities(dir.path(), people);
        let levels = "{}".to_owned();
        Self { dir, identities, log, levels, starts: 0, process: None, address: "".into() }
    }

    /// Has people be more than users in the Portal, from the next start on.
    pub(crate) fn give_levels(&mut self, levels: &[(&Person, &str)]) {
        let of = |(person, level): &(&Person, &str)| format!("{:?} = {level:?}", person.did);
        self.levels = format!("{{ {} }}", levels.iter().map(of).collect::<Vec<_>>().join(", "));
    }

    /// Has a source tell it things, while it does not run.
    pub(crate) fn tell(&self, frames: &[Vec<u8>]) {
        let path = self.dir.path().join("told.frames");
        fs::write(&path, dump(frames)).unwrap();
        replay(&self.data(), &[path], &[]);
    }

    /// The program with the settings of this service.
    pub(crate) fn command(&self) -> Command {
        const MANY: &str = "1000000";
        let mut command = guestlist();
        command
            .env("GUESTLIST_DATA_DIR", self.data())
            .env("GUESTLIST_HTTP__BIND", "127.0.0.1:0")
            .env("GUESTLIST_HTTP__SERVICE_DID", SERVICE)
            .env("GUESTLIST_HTTP__EVENT_URL", EVENT_URL)
            .env("GUESTLIST_IDENTITY__IDENTITIES", format!("[{:?}]", self.identities))
            .env("GUESTLIST_PORTAL__ENABLED", "true")
            .env("GUESTLIST_PORTAL__LEVELS", &self.levels)
            .env("GUESTLIST_TELEMETRY__LOG", self.log);
        for rate in ["CALLS_PER_MINUTE", "CHANGES_PER_HOUR", "FAILURES_PER_HOUR"] {
            command.env(format!("GUESTLIST_INVITES__{rate}"), MANY);
            command.env(format!("GUESTLIST_INVITES__{rate}_PER_ADDRESS"), MANY);
        }
        command
    }

    /// Starts the daemon, and waits until it says where it answers.
    pub(crate) fn start(&mut self) {
        assert!(self.process.is_none(), "it runs");
        self.starts += 1;
        let said = |name: &str| self.dir.path().join(format!("{name}.{}", self.starts));
        let (out, err) = (said("stdout"), said("stderr"));
        let mut process = self
            .command()
            .arg("serve")
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        self.address = loop {
            let text = fs::read_to_string(&out).unwrap();
            let line = text.split_once('\n').map(|(line, _)| line);
            if let Some(address) = line.and_then(|line| line.split("http://").nth(1)) {
                break address.split(',').next().unwrap().into();
            }
            let ended = process.try_wait().unwrap();
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let _ = process.kill();
                panic!("it does not start: {text}{}", fs::read_to_string(&err).unwrap());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        self.process = Some(process);
    }

    /// Ends it as a lack of memory does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        signal(&process, "TERM");
        assert!(wait(&mut process).success());
    }

    /// Where everything is that it keeps or says.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it keeps.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Where it answers, now.
    pub(crate) fn address(&self) -> Arc<str> {
        Arc::clone(&self.address)
    }

    /// A client of the process of now.
    pub(crate) fn client(&self) -> Client {
        Client { address: self.address() }
    }
}

/// Calls one process of a [`Site`].
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: Arc<str>,
}

impl Client {
    /// Calls a procedure; `None` if no answer came.
    pub(crate) fn call(&self, who: &Person, method: &str, input: &Value) -> Option<Answer> {
        self.call_with(&who.token(method), method, input)
    }

    /// The same with a token that is there already.
    pub(crate) fn call_with(&self, token: &str, method: &str, input: &Value) -> Option<Answer> {
        exchange(&self.address, &request(method, Some(token), Some(&input.to_string())))
    }

    /// Calls a procedure that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, who: &Person, method: &str, input: &Value) -> Value {
        self.call(who, method, input).expect("an answer").done()
    }

    /// Asks a query; the parameters as they stand in a URL.
    pub(crate) fn ask(&self, who: &Person, method: &str, params: &str) -> Option<Answer> {
        exchange(&self.address, &request(&format!("{method}?{params}"), Some(&who.token(method)), None))
    }

    /// Reads a list to its end.
    #[track_caller]
    pub(crate) fn list(&self, who: &Person, method: &str, of: &str, params: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        // More pages than anything here has.
        for _ in 0..1_000 {
            let page = self.ask(who, method, &format!("{params}{cursor}")).expect("an answer").done();
            items.extend(page[of].as_array().unwrap().iter().cloned());
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
        panic!("{method} has no end");
    }
}
