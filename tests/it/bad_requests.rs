//! Requests to the Portal that are wrong in any way, byte for byte over a socket. Each gets an answer, in the Portal's
//! shape where its router gives it, and nobody else waits for that: nothing panics, stalls, or is taken for what it is
//! not. Spec: RULES §6; what the HTTP library refuses itself has the shape of all others (CONTRACT §4).

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browsers::{Browser, cookie};
use crate::harness::check;
use crate::tokens::{Answer, Person, Site};

mod bodies;
mod heads;
mod pipes;

/// How long an answer may take. What is slow itself has more time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where nobody can say what was asked for.
const ANYWHERE: &str = "anywhere";

/// A service, and somebody who is logged in and has a chat with an invite.
struct Desk {
    site: Site,
    owner: Browser,
    chat: u64,
    code: String,
}

impl Desk {
    fn open() -> Self {
        let people = Person::many(1);
        let site = Site::logging(&people, "warn");
        let owner = Browser::of(&site.client(), &people[0]);
        let chat = owner.chat("private");
        let code = owner.invite(chat, &json!({}));
        Self { site, owner, chat, code }
    }

    fn cookie(&self) -> String {
        cookie(&self.owner.secret)
    }

    /// Sends these bytes, and reads until the service closes.
    fn send(&self, bytes: &[u8]) -> Vec<Answer> {
        let mut stream = self.connect();
        // A server that has refused may stop reading; what it said is there all the same.
        let _ = stream.write_all(bytes);
        answers(&mut stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&*self.site.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A head with these lines, asking that the connection be closed after the answer.
    fn head(&self, verb: &str, target: &str, lines: &str) -> String {
        format!("{verb} {target} HTTP/1.1\r\nHost: guestlist.example\r\nConnection: close\r\n{lines}\r\n")
    }

    /// The same of somebody who is logged in, and what is answered.
    #[track_caller]
    fn ask(&self, verb: &str, target: &str, lines: &str) -> Answer {
        self.one(target, self.head(verb, target, &format!("{}{lines}", self.cookie())).as_bytes())
    }

    /// Sends what is one request, and looks at the shape of its answer.
    #[track_caller]
    fn one(&self, target: &str, bytes: &[u8]) -> Answer {
        let mut answers = self.send(bytes);
        let of = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        assert_eq!(answers.len(), 1, "{of}: {answers:?}");
        let answer = answers.remove(0);
        if target != ANYWHERE {
            assert_shape(target, &answer);
        }
        answer
    }

    /// Whoever is well-behaved is answered at once, and the session, the chat and the invite are as they were.
    #[track_caller]
    fn is_well(&self) {
        let begun = Instant::now();
        self.owner.get("/session").done();
        let listed = self.owner.get(&format!("/chats/{}/invites", self.chat)).done();
        assert!(listed["invites"].as_array().unwrap().iter().any(|invite| invite["code"] == self.code));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    /// Ends it. Nothing that clients did is an error of ours.
    fn close(mut self) {
        self.is_well();
        self.site.stop();
        let log = fs::read_to_string(self.site.dir().join("stderr.1")).unwrap();
        assert!(!log.contains("panic") && !log.contains("ERROR"), "{log}");
        check(&self.site.data());
    }
}

/// Whether the Portal's router answers what is asked for there.
fn is_portals(target: &str) -> bool {
    let path = target.split(['?', '#']).next().unwrap();
    path == "/v1/portal" || path.starts_with("/v1/portal/")
}

#[track_caller]
fn assert_shape(target: &str, answer: &Answer) {
    assert!(answer.head.starts_with("HTTP/1."), "{answer:?}");
    if answer.status < 400 || answer.body.is_empty() {
        return;
    }
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{target}: {answer:?}"));
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    if is_portals(target) && !is_librarys(answer) {
        assert_eq!(keys, ["correlation_id", "error"], "{target}: {answer:?}");
    } else {
        assert!(keys.contains(&"message") && keys.contains(&"error"), "{target}: {answer:?}");
    }
}

/// Whether the HTTP library refused it itself, before anybody knew what was asked for.
fn is_librarys(answer: &Answer) -> bool {
    !answer.head.to_lowercase().contains("x-request-id: ")
}

/// The answers that come over a connection until it is closed. After an interim one comes the one that counts.
fn answers(stream: &mut TcpStream) -> Vec<Answer> {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let mut rest = String::from_utf8(bytes).unwrap();
    if let Err(error) = ended {
        // It may be reset where the service did not want the rest.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}: {rest}");
    }
    let mut answers = Vec::new();
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        let (body, next) = after.split_at(length.unwrap_or_default().min(after.len()));
        if status >= 200 {
            answers.push(Answer { status, head: head.to_owned(), body: body.to_owned() });
        }
        rest = next.to_owned();
    }
    assert!(rest.is_empty(), "half an answer: {rest}");
    answers
}

/// What of many answers was another than it must be: all of it, so that one look is enough.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    /// Compares a status with those that it may be.
    fn unless(&mut self, what: &str, answer: &Answer, statuses: &[u16]) {
        if !statuses.contains(&answer.status) {
            let shown: String = what.chars().take(100).collect();
            self.0.push(format!("{shown:?} gives {} {}, not {statuses:?}", answer.status, answer.body));
        }
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{:#?}", self.0);
        }
    }
}

/// Says something and goes away without having heard anything.
fn hang_up(stream: TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}
