//! No token is anywhere but with whoever it was given to: not in what a daemon keeps, logs or answers, however much it
//! is told to log and whatever is wrong with a request.

use std::fs;
use std::path::Path;

use guestlist::syntax::TokenHash;
use serde_json::{Value, json};

use crate::harness::{run, succeed};
use crate::tokens::{Answer, Person, Site, claims, exchange, request};

mod ids;
mod portal;

const CREATE: &str = "rsvp.atmo.space.invite.create";
const REDEEM: &str = "rsvp.atmo.space.invite.redeem";
const REVOKE: &str = "rsvp.atmo.space.invite.revoke";
const LIST: &str = "rsvp.atmo.space.invite.list";

/// What must be nowhere, and all that was said.
#[derive(Default)]
struct Watched {
    secrets: Vec<String>,
    said: Vec<u8>,
    statuses: Vec<u16>,
}

impl Watched {
    /// A service token goes out: all of it, its signature and its id are secrets.
    fn service_token(&mut self, token: &str) {
        let signature = token.rsplit('.').next().unwrap().to_owned();
        let jti = claims(token)["jti"].as_str().unwrap().to_owned();
        self.secrets.extend([token.to_owned(), signature, jti]);
    }

    fn heard(&mut self, answer: &Answer) {
        self.said.extend([answer.head.as_bytes(), b"\n", answer.body.as_bytes(), b"\n"].concat());
        self.statuses.push(answer.status);
    }

    /// Sends a request as it stands.
    fn send(&mut self, site: &Site, request: &str) -> Answer {
        let answer = exchange(&site.address(), request).expect("an answer");
        self.heard(&answer);
        answer
    }

    /// Calls a method with a good token.
    fn call(&mut self, site: &Site, who: &Person, method: &str, input: &str) -> Answer {
        let token = who.token(method);
        self.service_token(&token);
        self.send(site, &request(method, Some(&token), Some(input)))
    }

    fn ask(&mut self, site: &Site, who: &Person, method: &str, query: &str) -> Answer {
        let token = who.token(method);
        self.service_token(&token);
        self.send(site, &request(&format!("{method}?{query}"), Some(&token), None))
    }

    /// Makes an invite; its answer alone has the token.
    fn invite(&mut self, site: &Site, who: &Person, space: &str, more: &Value) -> String {
        let mut input = json!({ "spaceUri": space, "note": "for friends" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let service_token = who.token(CREATE);
        self.service_token(&service_token);
        let made = request(CREATE, Some(&service_token), Some(&input.to_string()));
        let made = exchange(&site.address(), &made).expect("an answer").done();
        let token = made["token"].as_str().unwrap().to_owned();
        self.secrets.push(token.clone());
        token
    }

    fn is_in(&self, place: &str, bytes: &[u8]) {
        for secret in &self.secrets {
            let found = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(200)..(at + secret.len() + 60).min(bytes.len())];
                panic!("{secret} is in {place}: {}", String::from_utf8_lossy(around));
            }
        }
    }

    /// Looks at every file under a directory.
    fn are_under(&self, dir: &Path) -> usize {
        let mut files = 0;
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files += self.are_under(&path);
            } else if path.is_file() {
                self.is_in(&path.display().to_string(), &fs::read(&path).unwrap());
                files += 1;
            }
        }
        files
    }
}

/// Everything that can be wrong with a call, with a token in it. Where it makes a good DID or key of a space, its
/// sender has named somebody or something by it, and that is kept like any other name.
fn offend(watched: &mut Watched, site: &Site, people: &[Person], space: &str, token: &str) {
    let (owner, guest) = (&people[0], &people[1]);
    let event = format!("at://{}/community.lexicon.calendar.event/party", guest.did);
    let bodies = [
        format!("{{\"token\": \"{token}\""),
        format!("{{\"token\": \"{token}\", \"token\": \"{token}\"}}"),
        format!("{{\"token\": [\"{token}\"]}}"),
        format!("{{\"token\": {{\"{token}\": \"{token}\"}}}}"),
        format!("{{\"{token}\": null}}"),
        format!("\"{token}\""),
        token.to_owned(),
        json!({ "spaceUri": token, "did": token, "tokenHash": token, "token": 1, "perms": token })
            .to_string(),
        json!({ "spaceUri": format!("at://{token}.example/a.b.c/{token}"), "perms": token, "key": token,
            "did": owner.did, "tokenHash": token, "type": token, "maxUses": token, "expiresAt": token,
            "appPolicy": { token: token, "mode": [token], "apps": { token: token } } })
        .to_string(),
        json!({ "spaceUri": space, "tokenHash": token, "did": format!("did:{token}"), "perms": token })
            .to_string(),
        json!({ "event": token, "aturi": token, "did": owner.did, "requireConfirmedEmail": token })
            .to_string(),
        json!({ "event": event, "aturi": token, "did": owner.did, "rsvpRedirectUrl": token }).to_string(),
        json!({ "event": event, "rsvpRedirectUrl": format!("https://{token}@host.example/{token}") })
            .to_string(),
    ];
    for method in [
        REDEEM,
        REVOKE,
        CREATE,
        "rsvp.atmo.space.leaveSpace",
        "rsvp.atmo.space.admin.createSpace",
        "rsvp.atmo.space.admin.deleteSpace",
        "rsvp.atmo.space.admin.addMember",
        "rsvp.atmo.space.admin.removeMember",
        "events.smokesignal.event.configure",
        "events.smokesignal.rsvp.linkAttestation",
        "app.guestlist.confirmAttestation",
    ] {
        for body in &bodies {
            // With its token as the key of a space, somebody says it themselves.
            if method != "rsvp.atmo.space.admin.createSpace" || !body.contains("\"key\"") {
                watched.call(site, guest, method, body);
            }
        }
        // Not a procedure's way, and a query string is nobody's business.
        watched.ask(site, guest, method, &format!("token={token}&{token}"));
    }
    for query in [
        format!("spaceUri={token}"),
        format!("spaceUri={space}&cursor={token}"),
        format!("spaceUri={space}&limit={token}&includeRevoked={token}"),
        format!("spaceUri={space}&{token}={token}"),
        format!("spaceUri=%ff{token}"),
    ] {
        watched.ask(site, owner, LIST, &query);
        watched.ask(site, owner, "app.guestlist.listAudit", &query.replace("spaceUri", "space"));
        watched.ask(site, owner, "app.guestlist.listTickets", &query.replace("spaceUri", "event"));
        watched.ask(site, owner, "app.guestlist.getStanding", &query.replace("spaceUri", "actor"));
    }
    misuse(watched, site, people, token);
}

/// Everything that can be wrong with a service token, and with requests that hold one.
fn misuse(watched: &mut Watched, site: &Site, people: &[Person], token: &str) {
    let (owner, guest, stranger) = (&people[0], &people[1], &people[2]);
    let input = json!({ "token": token }).to_string();
    let good = guest.token(REDEEM);
    watched.service_token(&good);
    let cut = good[..good.len() - 4].to_owned();
    let mut bad: Vec<String> = [
        ("exp", json!(1_000)),
        ("iat", json!(4_000_000_000_u64)),
        ("exp", json!(4_000_000_000_u64)),
        ("aud", json!("did:web:other.example")),
        ("lxm", json!(CREATE)),
        ("iss", json!(owner.did)),
        ("iss", json!("did:plc:zzzzzzzzzzzzzzzzzzzzzzzz")),
        ("iss", json!("nobody")),
        ("exp", json!("soon")),
    ]
    .into_iter()
    .map(|(claim, value)| guest.token_with(REDEEM, |claims| claims[claim] = value))
    .collect();
    bad.push(stranger.token(REDEEM));
    for bad in &bad {
        watched.service_token(bad);
        let answer = watched.send(site, &request(REDEEM, Some(bad), Some(&input)));
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    watched.secrets.push(cut.clone());
    for bearer in [token, &cut, &format!("{token}.{token}.{token}"), &format!("{good}, {good}")] {
        watched.send(site, &request(REDEEM, Some(bearer), Some(&input)));
    }
    // The header more than once, with another scheme, too long, and what is no HTTP.
    type Change = fn(&str, &str, &str) -> String;
    let changes: [Change; 8] = [
        |plain, good, _| {
            let twice = format!("Authorization: Bearer {good}\r\nAuthorization: Bearer");
            plain.replace("Authorization: Bearer", &twice)
        },
        |plain, _, _| plain.replace("Bearer", "DPoP"),
        |plain, _, _| plain.replace("Bearer ", &format!("Bearer {}", "a".repeat(100_000))),
        |plain, _, _| plain.replace("HTTP/1.1", "HTTP/9.9"),
        |plain, _, _| plain.replace("application/json", "text/plain"),
        |plain, _, _| plain.replace("POST", "PUT"),
        |plain, good, token| plain.replace(REDEEM, &format!("{REDEEM}?token={token}&jwt={good}")),
        |plain, good, _| plain.replace("Host:", &format!("X-Request-Id: {good}\r\nCookie: {good}\r\nHost:")),
    ];
    for change in changes {
        let good = guest.token(REDEEM);
        watched.service_token(&good);
        let plain = request(REDEEM, Some(&good), Some(&input));
        watched.send(site, &change(&plain, &good, token));
    }
    let large = json!({ "token": token, "more": "x".repeat(200_000) }).to_string();
    watched.call(site, guest, REDEEM, &large);
    // And the good one, and the same again.
    let plain = request(REDEEM, Some(&good), Some(&input));
    assert_eq!(watched.send(site, &plain).error(), "InvalidInvite");
    assert_eq!(watched.send(site, &plain).status, 401);
}

#[test]
fn no_token_is_kept_logged_or_answered() {
    let people = Person::many(3);
    // The last of them is nobody to the service.
    let mut site = Site::logging(&people[..2], "trace");
    let mut watched = Watched::default();
    let (owner, guest) = (&people[0], &people[1]);
    let made = watched.call(&site, owner, "rsvp.atmo.space.admin.createSpace", "{\"key\": \"club\"}").done();
    let space = made["space"]["uri"].as_str().unwrap().to_owned();
    let tokens: Vec<String> =
        [json!({}), json!({ "maxUses": 1, "perms": "read" }), json!({ "expiresAt": 4_000_000_000_000_u64 })]
            .iter()
            .map(|more| watched.invite(&site, owner, &space, more))
            .collect();
    let redeem = |token: &str| json!({ "token": token }).to_string();
    for token in &tokens {
        watched.call(&site, guest, REDEEM, &redeem(token)).done();
    }
    let revoke = json!({ "spaceUri": space, "tokenHash": TokenHash::of(&tokens[0]).to_string() }).to_string();
    watched.call(&site, owner, REVOKE, &revoke).done();
    let listed = watched.ask(&site, owner, LIST, &format!("spaceUri={space}&includeRevoked=true")).done();
    assert_eq!(listed["invites"].as_array().unwrap().len(), 3);
    watched.ask(&site, owner, "app.guestlist.listAudit", &format!("space={space}")).done();
    watched
        .call(&site, guest, "rsvp.atmo.space.leaveSpace", &json!({ "spaceUri": space }).to_string())
        .done();
    offend(&mut watched, &site, &people, &space, &tokens[0]);
    site.kill();
    site.start();
    let token = watched.invite(&site, owner, &space, &json!({}));
    watched.call(&site, guest, REDEEM, &redeem(&token)).done();
    watched.ask(&site, owner, LIST, &format!("spaceUri={space}")).done();
    let data = site.data();
    let json = succeed(&[&"status", &"--json", &"--data-dir", &data]);
    watched.said.extend(json.as_bytes());
    site.stop();
    for arguments in
        [&["export", "--records"][..], &["export"], &["status", "--json"], &["check"], &["digest"]]
    {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = Vec::new();
        arguments.iter().for_each(|argument| all.push(argument));
        all.extend([&"--data-dir" as &dyn AsRef<std::ffi::OsStr>, &data]);
        let output = run(&all);
        watched.said.extend([output.stdout, output.stderr].concat());
    }
    for status in [200, 400, 401, 403, 404, 405, 413] {
        assert!(watched.statuses.contains(&status), "{status} was not provoked: {:?}", watched.statuses);
    }
    let log = fs::read_to_string(site.dir().join("stderr.1")).unwrap();
    assert!(log.contains(REDEEM) && log.lines().count() > 100, "nothing is logged: {log}");
    watched.is_in("answers and output", &watched.said);
    assert!(watched.are_under(site.dir()) > 5);
    // What is looked for would be found: the note is on disk as it was written, and the hash in the export.
    let hash = TokenHash::of(&token).to_string();
    assert!(String::from_utf8_lossy(&watched.said).contains(&hash));
    let note = Watched { secrets: vec!["for friends".to_owned()], ..Watched::default() };
    let found = std::panic::catch_unwind(|| note.are_under(&data)).unwrap_err();
    assert!(found.downcast::<String>().unwrap().starts_with("for friends is in "));
}
