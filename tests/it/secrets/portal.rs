//! What the Portal knows and must not say. The secret of a session is in the answer to its own login and nowhere else;
//! a code is in answers, and kept and exported, but in no line of the log, wherever in a request it stands.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use super::Watched;
use super::ids::{every_error_is_found_by_its_id, lines};
use crate::browsers::{Browser, LOG_IN, PORTAL, cookie, log_in};
use crate::harness::run;
use crate::tokens::{Answer, Person, Site, exchange, message, request};

impl Watched {
    /// Logs somebody in. All of the answer but its cookie is listened to.
    fn log_in(&mut self, site: &Site, who: &Person) -> String {
        let token = who.token(LOG_IN);
        self.service_token(&token);
        let answer = exchange(&site.address(), &log_in(&token)).expect("an answer");
        answer.done();
        let secret = answer.secret();
        let (cookies, rest): (Vec<_>, Vec<_>) =
            answer.head.lines().partition(|line| line.to_lowercase().starts_with("set-cookie:"));
        assert_eq!(cookies.len(), 1, "{}", answer.head);
        self.secrets.push(secret.clone());
        self.heard(&Answer { head: rest.join("\n"), ..answer });
        secret
    }

    /// Calls the Portal with a session.
    fn visit(&mut self, site: &Site, verb: &str, path: &str, secret: &str, input: Option<&str>) -> Answer {
        self.send(site, &message(verb, &format!("{PORTAL}{path}"), &cookie(secret), input))
    }

    /// Sends a request with header lines of its own, wherever it goes.
    fn poke(&mut self, site: &Site, verb: &str, target: &str, headers: &str, input: Option<&str>) {
        self.send(site, &message(verb, target, headers, input));
    }

    /// Has every command that prints something print it.
    fn hear_commands(&mut self, site: &Site) {
        let data = site.data();
        for arguments in [
            &["export", "--records"][..],
            &["export"],
            &["export", "--procedures"],
            &["status", "--json"],
            &["check"],
            &["digest"],
            &["audit"],
        ] {
            let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = Vec::new();
            arguments.iter().for_each(|argument| all.push(argument));
            all.extend([&"--data-dir" as &dyn AsRef<std::ffi::OsStr>, &data]);
            let output = run(&all);
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            self.said.extend([output.stdout, output.stderr].concat());
        }
        let output = site.command().arg("config").output().unwrap();
        assert!(output.status.success());
        self.said.extend([output.stdout, output.stderr].concat());
    }
}

/// Every place of a request in which the secret of a session could stand by mistake. A name that somebody gives to
/// something is kept, so it is in none that is good.
fn misplace(watched: &mut Watched, site: &Site, secret: &str, chat: u64) {
    let long = format!("{secret}{}", "a".repeat(60_000));
    for headers in [
        format!("Cookie: session={secret}\r\n"),
        format!("Cookie: psession=\"{secret}\"\r\n"),
        format!("Cookie: psession={secret}; psession={secret}x\r\n"),
        format!("Cookie: psession=x{secret}\r\nCookie: psession={secret}\r\n"),
        format!("Cookie: psession={long}\r\n"),
        format!("Cookie: {secret}\r\n"),
        format!("Authorization: Bearer {secret}\r\n"),
        format!("Authorization: psession={secret}\r\n"),
        format!("X-Request-Id: {secret}\r\nX-Session: {secret}\r\nUser-Agent: {secret}\r\n"),
        format!("{secret}: {secret}\r\n"),
        format!("Origin: https://{secret}.example\r\nCookie: psession={secret}\r\n"),
        format!("Referer: http://guestlist.example/{secret}\r\nCookie: psession={secret}\r\n"),
        format!("Access-Control-Request-Method: {secret}\r\nOrigin: {secret}\r\n"),
        format!("Transfer-Encoding: {secret}\r\n"),
        format!("Expect: {secret}\r\n"),
        format!("Cookie: psession={}\r\n", "a".repeat(150_000)),
    ] {
        for verb in ["GET", "POST", "DELETE", "OPTIONS"] {
            // The log out comes later.
            if verb != "DELETE" || !headers.ends_with(&format!("psession={secret}\r\n")) {
                watched.poke(site, verb, &format!("{PORTAL}/session"), &headers, None);
            }
        }
    }
    for target in [
        format!("{PORTAL}/session/{secret}"),
        format!("{PORTAL}/session?psession={secret}"),
        format!("{PORTAL}/chats?cursor={secret}"),
        format!("{PORTAL}/chats?limit={secret}"),
        format!("{PORTAL}/chats?{secret}=%ff"),
        format!("{PORTAL}/chats/{secret}"),
        format!("{PORTAL}/chats/{chat}/invites/{secret}/delete"),
        format!("{PORTAL}/resolve/{secret}"),
        format!("{PORTAL}/{secret}"),
        format!("/{secret}"),
        format!("/xrpc/{secret}"),
        format!("/lexicons/{secret}"),
    ] {
        for verb in ["GET", "POST", "PUT", secret] {
            watched.poke(site, verb, &target, &cookie(secret), None);
        }
    }
    for input in [
        format!("{{\"name\": \"{secret}\\u0000\"}}"),
        format!("{{\"name\": [\"{secret}\"]}}"),
        format!("{{\"name\": \"x\", \"visibility\": \"{secret}\"}}"),
        format!("{{\"max_uses\": \"{secret}\"}}"),
        format!("{{\"expires_at\": \"{secret}\"}}"),
        format!("{{\"{secret}\""),
        secret.to_owned(),
    ] {
        for path in ["/chats", &format!("/chats/{chat}/invites")] {
            let answer = watched.visit(site, "POST", path, secret, Some(&input));
            assert!(answer.status == 400 || path.ends_with("invites"), "{input}: {}", answer.body);
        }
    }
}

#[test]
fn no_secret_of_a_session_is_anywhere_but_in_the_answer_to_its_login() {
    let people = Person::many(3);
    let mut site = Site::prepared(&people, "trace");
    site.give_levels(&[(&people[1], "moderator")]);
    site.start();
    let mut watched = Watched::default();
    let secret = watched.log_in(&site, &people[0]);
    let other = watched.log_in(&site, &people[1]);
    let made =
        watched.visit(&site, "POST", "/chats", &secret, Some(r#"{"name":"Tea","visibility":"public"}"#));
    let chat = made.done()["chat_id"].as_u64().unwrap();
    let made = watched.visit(&site, "POST", &format!("/chats/{chat}/invites"), &other, Some("{}"));
    let code = made.done()["code"].as_str().unwrap().to_owned();
    watched.visit(&site, "POST", &format!("/resolve/{code}"), &other, None).done();
    for path in ["/session", "/chats", &format!("/chats/{chat}"), &format!("/chats/{chat}/invites")] {
        watched.visit(&site, "GET", path, &secret, None).done();
    }
    misplace(&mut watched, &site, &secret, chat);
    // What a token is that was used or is none: it is no secret's business, but a secret too.
    let token = people[2].token_with(LOG_IN, |claims| claims["aud"] = json!("did:web:other.example"));
    watched.service_token(&token);
    assert_eq!(watched.send(&site, &log_in(&token)).status, 401);
    let opened = people[2].token(LOG_IN);
    watched.service_token(&opened);
    let again =
        message("POST", &format!("{PORTAL}/session"), &format!("Authorization: Bearer {opened}\r\n"), None);
    let answer = exchange(&site.address(), &again).unwrap();
    watched.secrets.push(answer.secret());
    assert_eq!(watched.send(&site, &again).status, 401);
    site.kill();
    site.start();
    // It is open still, and what is opened in its place is another.
    watched.visit(&site, "GET", "/session", &secret, None).done();
    let token = people[0].token(LOG_IN);
    watched.service_token(&token);
    let headers = format!("Authorization: Bearer {token}\r\n{}", cookie(&secret));
    let renewed = message("POST", &format!("{PORTAL}/session"), &headers, None);
    let renewed = exchange(&site.address(), &renewed).unwrap().secret();
    watched.secrets.push(renewed.clone());
    assert_eq!(watched.visit(&site, "GET", "/session", &secret, None).status, 401);
    watched.visit(&site, "DELETE", "/session", &renewed, None).done();
    watched.hear_commands(&site);
    site.stop();
    watched.hear_commands(&site);
    for status in [200, 400, 401, 403, 404, 405, 431] {
        assert!(watched.statuses.contains(&status), "{status} was not provoked: {:?}", watched.statuses);
    }
    assert!(lines(&site, 1).len() > 100);
    watched.is_in("answers and output", &watched.said);
    assert!(watched.are_under(site.dir()) > 5);
    // What is looked for would be found.
    assert!(String::from_utf8_lossy(&watched.said).contains(&code), "the export has it");
}

/// Ways that lead somewhere or nowhere, with a code in them. `CODE` stands for it, `CHAT` for its chat.
const WAYS: [&str; 34] = [
    "/v1/portal/resolve/CODE",
    "/v1/portal/resolve/CODE/",
    "/v1/portal/resolve/CODE/x",
    "/v1/portal/resolve//CODE",
    "/v1/portal/resolve/CODE?code=CODE",
    "/v1/portal/resolve/?code=CODE",
    "/v1/portal/resolve?CODE",
    "/v1/portal/resolve/CODE%00",
    "/v1/portal/resolve/CODE%ff",
    "/v1/portal/resolve/CODE%",
    "/v1/portal/resolve/%20CODE",
    "/v1/portal/Resolve/CODE",
    "/v1/portal//resolve/CODE",
    "//v1/portal/resolve/CODE",
    "/V1/portal/resolve/CODE",
    "/v1/PORTAL/resolve/CODE",
    "/v2/portal/resolve/CODE",
    "/v1/portal/CODE",
    "/v1/portal/chats?cursor=CODE",
    "/v1/portal/chats?limit=CODE",
    "/v1/portal/chats/CODE",
    "/v1/portal/chats/CHAT/CODE",
    "/v1/portal/chats/CHAT/invites?code=CODE",
    "/v1/portal/chats/CHAT/invites/CODE",
    "/v1/portal/chats/CHAT/invites/CODE/",
    "/v1/portal/chats/CHAT/invites/CODE/remove",
    "/v1/portal/chats/CHAT/invites/CODE/delete/",
    "/v1/portal/chats/CODE/invites/CODE/delete",
    "/v1/portal/session/CODE",
    "/CODE",
    "/xrpc/CODE",
    "/xrpc/v1/portal/resolve/CODE",
    "/lexicons/CODE",
    "http://CODE.example/v1/portal/resolve/CODE",
];

/// Sends what a client said before it hung up.
fn hang_up(site: &Site, said: &str) {
    let mut stream = TcpStream::connect(&*site.address()).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    drop(stream);
}

/// Everything that can be wrong with a request, with a code in it.
fn mistake(watched: &mut Watched, site: &Site, code: &str, chat: u64, secret: &str) {
    let escaped: String = code.bytes().map(|byte| format!("%{byte:02x}")).collect();
    watched.secrets.push(escaped.clone());
    for way in WAYS {
        let way = way.replace("CODE", code).replace("CHAT", &chat.to_string());
        for verb in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW", code] {
            // It is not to be ended, and is used once at the end.
            watched.poke(site, verb, &way, "", None);
            watched.poke(site, verb, &way, &cookie("x"), None);
            watched.poke(
                site,
                verb,
                &way,
                &format!("Origin: https://evil.example\r\n{}", cookie(secret)),
                None,
            );
        }
        let large = format!("{{\"code\":\"{code}\",\"x\":\"{}\"}}", "x".repeat(100_000));
        watched.poke(site, "POST", &way, &cookie("x"), Some(&large));
        watched.poke(site, "POST", &way, &format!("Referer: http://x.example{way}\r\n"), Some(code));
        // Cut in the head, in the body, and before the answer.
        let whole = message("POST", &way, &cookie("x"), Some(&format!("{{\"code\":\"{code}\"}}")));
        for end in
            [whole.find(" HTTP").unwrap(), whole.find("\r\n\r\n").unwrap(), whole.len() - 3, whole.len()]
        {
            hang_up(site, &whole[..end]);
        }
    }
    watched.poke(site, "POST", &format!("{PORTAL}/resolve/{escaped}"), &cookie("x"), None);
    // What is no HTTP, or more of it than anybody takes.
    let plain = message("POST", &format!("{PORTAL}/resolve/{code}"), "", None);
    for wrong in [
        plain.replace("HTTP/1.1", "HTTP/9.9"),
        plain.replace(" HTTP/1.1", &format!(" {code} HTTP/1.1")),
        plain.replace("POST ", "POST"),
        plain.replace("Host:", &format!("Host: {code}.example\r\nX: {code}\r\nY")),
        plain.replace("Host:", &format!("{code}\r\nHost:")),
        plain.replace(code, &format!("{code}?{}", "a".repeat(70_000))),
        plain.replace("Host:", &format!("X: {code}{}\r\nHost:", "a".repeat(150_000))),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{code}"),
        format!("{code}\r\n\r\n"),
    ] {
        if let Some(answer) = exchange(&site.address(), &wrong) {
            watched.heard(&answer);
        }
    }
    // By the other dialect, where it is a token like any other.
    let person = &Person::many(2)[1];
    for input in [format!("{{\"token\": \"{code}"), format!("{{\"token\": [\"{code}\"]}}"), code.to_owned()] {
        let method = "rsvp.atmo.space.invite.redeem";
        let answer = watched.send(site, &request(method, Some(&person.token(method)), Some(&input)));
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
}

#[test]
fn no_code_is_in_any_line_of_the_log_wherever_it_stands_in_a_request() {
    let people = Person::many(2);
    let mut site = Site::logging(&people, "trace");
    let (owner, guest) = (Browser::of(&site.client(), &people[0]), Browser::of(&site.client(), &people[1]));
    let chat = owner.chat("private");
    let codes: Vec<_> = (0..3).map(|_| owner.invite(chat, &json!({}))).collect();
    let mut watched = Watched { secrets: codes.clone(), ..Watched::default() };
    mistake(&mut watched, &site, &codes[0], chat, &guest.secret);
    // And those that are right.
    for joined in [true, false] {
        assert_eq!(guest.resolve(&codes[0]).done()["joined"], joined);
    }
    let delete = format!("/chats/{chat}/invites/{}/delete", codes[1]);
    assert!(owner.post(&delete, &json!({})).done()["message"].as_str().unwrap().contains(&codes[1]));
    guest.resolve(&codes[1]).refused(400);
    for status in [400, 401, 403, 404, 405, 413, 414, 431, 501] {
        assert!(watched.statuses.contains(&status), "{status} was not provoked: {:?}", watched.statuses);
    }
    site.kill();
    site.start();
    assert_eq!(Browser::with(&site.client(), &guest.secret).resolve(&codes[0]).done()["joined"], false);
    site.stop();
    for start in [1, 2] {
        let log = fs::read(site.dir().join(format!("stderr.{start}"))).unwrap();
        watched.is_in("the log", &log);
        watched.is_in("standard output", &fs::read(site.dir().join(format!("stdout.{start}"))).unwrap());
    }
    every_error_is_found_by_its_id(&watched, &lines(&site, 1));
    // The Portal lists codes, so they are kept and exported.
    let exported = run(&[&"export", &"--procedures", &"--data-dir", &site.data()]);
    let exported = String::from_utf8(exported.stdout).unwrap();
    assert!(codes.iter().all(|code| exported.contains(code)), "{exported}");
    for command in ["audit", "check", "digest"] {
        let printed = run(&[&command, &"--data-dir", &site.data()]);
        watched.is_in(command, &[printed.stdout, printed.stderr].concat());
    }
}
