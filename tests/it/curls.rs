//! The Portal called by the real `curl`, with the command line that its reference shows: only the host, the session, the
//! number of the chat and the date are others. Skipped where there is no `curl`.
//!
//! The reference is that of "Create invite" of the Portal's API (`POST /v1/portal/chats/{chat_id}/invites`).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::browsers::{LOG_IN, PORTAL};
use crate::tokens::{Person, Site};

/// The call as the reference has it.
const CREATE: &str = r#"curl -X POST https://portal-api.7331.org/v1/portal/chats/42/invites \
  -H "Content-Type: application/json" \
  -b "psession=YOUR_SESSION" \
  -d '{"max_uses": 10, "expires_at": "2026-05-01T00:00:00Z"}'"#;

/// And its answer.
const CREATED: &str = r#"{
  "code": "abc123def456ghi7",
  "chat_id": 42,
  "created_by_id": 1,
  "created_at": "2026-03-16T12:00:00Z",
  "expires_at": "2026-05-01T00:00:00Z",
  "uses": 0,
  "max_uses": 10
}"#;

/// Has `curl` answer to its name as it is, but quietly and with the status after the answer.
const QUIETLY: &str = r#"curl() { command curl --noproxy '*' -sS -w '\n%{http_code}' "$@"; }"#;

/// Somebody's shell in a directory of their own.
struct Shell<'a> {
    dir: &'a Path,
    variables: BTreeMap<&'static str, String>,
}

/// What `curl` printed.
struct Printed {
    status: u16,
    text: String,
}

impl Shell<'_> {
    fn run(&self, command: &str) -> Printed {
        let output = Command::new("sh")
            .args(["-euc", &format!("{QUIETLY}; {command}")])
            .current_dir(self.dir)
            .envs(&self.variables)
            .output()
            .unwrap();
        let (said, wrong) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(output.status.success(), "{command}: {wrong}");
        let said = String::from_utf8(said).unwrap();
        let (text, status) = said.rsplit_once('\n').unwrap();
        Printed { status: status.parse().unwrap(), text: text.to_owned() }
    }

    fn done(&self, command: &str) -> Value {
        self.run(command).json(200)
    }

    /// An error: a text, and an id by which it is found in the log.
    fn refused(&self, command: &str, status: u16) -> String {
        let body = self.run(command).json(status);
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        let id = body["correlation_id"].as_str().unwrap();
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{body}");
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{body}");
        body["error"].as_str().unwrap().to_owned()
    }

    /// Trades a token for a session, as whoever reads the documentation does.
    fn log_in(&mut self, who: &Person) -> Value {
        self.variables.insert("TOKEN", who.token(LOG_IN));
        let command = r#"curl -X POST "$HOST/session" -H "Authorization: Bearer $TOKEN" -c jar -D head"#;
        let opened = self.done(command);
        // What a browser is told, word by word (RULES §6).
        let head = std::fs::read_to_string(self.dir.join("head")).unwrap().to_lowercase();
        assert!(head.contains("; max-age=43200; path=/v1/portal; httponly; secure; samesite=lax"), "{head}");
        let head = std::fs::read_to_string(self.dir.join("head")).unwrap();
        let after = head.split("psession=").nth(1).unwrap();
        let session = after.split(';').next().unwrap().to_owned();
        self.variables.insert("SESSION", session);
        opened
    }
}

impl Printed {
    #[track_caller]
    fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// The names of an object's fields in the order in which they stand.
    fn names(&self) -> Vec<String> {
        names(&self.text)
    }
}

/// The names of the fields of an object without objects in it, in the order in which they stand.
fn names(text: &str) -> Vec<String> {
    let before_colons = text.split("\":").filter_map(|part| part.rsplit('"').next());
    let mut names: Vec<_> = before_colons.map(str::to_owned).collect();
    // After the last colon is no name.
    names.pop();
    names
}

/// Makes 42 chats, of which the last is `visibility` and all others are private.
fn forty_two_chats(shell: &Shell<'_>, visibility: &str) {
    for number in 1..=42 {
        let visibility = if number == 42 { visibility } else { "private" };
        let made = shell.done(&format!(
            r#"curl -X POST "$HOST/chats" -b "psession=$SESSION" -H "Content-Type: application/json" \
                -d '{{"name": "Tea {number}", "visibility": "{visibility}"}}'"#
        ));
        assert_eq!(made["chat_id"], number);
    }
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn the_reference_is_followed_to_the_letter() {
    if !has_curl() {
        eprintln!("there is no curl here");
        return;
    }
    let people = Person::many(3);
    let site = Site::of(&people);
    let host = format!("http://{}", site.address());
    let dirs: Vec<_> = people.iter().map(|_| tempfile::tempdir().unwrap()).collect();
    let mut shells: Vec<_> = dirs
        .iter()
        .map(|dir| Shell {
            dir: dir.path(),
            variables: [("HOST", format!("{host}{PORTAL}"))].into_iter().collect(),
        })
        .collect();
    for (number, (shell, person)) in shells.iter_mut().zip(&people).enumerate() {
        let opened = shell.log_in(person);
        assert_eq!(
            (&opened["user_id"], &opened["did"]),
            (&json!(number + 1), &json!(person.did)),
            "{opened}"
        );
    }
    let [owner, guest, late] = &shells[..] else { unreachable!("three people") };
    forty_two_chats(owner, "public");

    // The command line of the reference.
    let expires_at = (Timestamp::now() + (24 * 45).hours()).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let create = CREATE
        .replace("https://portal-api.7331.org", &host)
        .replace("YOUR_SESSION", &owner.variables["SESSION"])
        .replace("2026-05-01T00:00:00Z", &expires_at);
    let printed = owner.run(&create);
    let (made, shown) = (printed.json(200), serde_json::from_str::<Value>(CREATED).unwrap());
    assert_eq!(printed.names(), names(CREATED), "{}", printed.text);
    for (name, shown) in shown.as_object().unwrap() {
        let found = &made[name];
        match name.as_str() {
            "expires_at" => assert_eq!(*found, expires_at),
            // One is drawn by lot, the other is now.
            "code" => assert!(is_like_the_code_shown(found, shown), "{made}"),
            "created_at" => assert_just_now(found),
            _ => assert_eq!(found, shown, "{name}"),
        }
    }
    lists_and_deletes(&made, owner, guest, late);
    refuses(&create, owner, guest);
}

fn is_like_the_code_shown(found: &Value, shown: &Value) -> bool {
    let (found, shown) = (found.as_str().unwrap(), shown.as_str().unwrap());
    let is_of_it = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    found.len() == shown.len() && found.bytes().all(is_of_it)
}

fn assert_just_now(found: &Value) {
    let text = found.as_str().unwrap();
    let at: Timestamp = text.parse().unwrap();
    assert!(text.ends_with('Z') && (Timestamp::now().as_second() - at.as_second()).abs() < 60, "{text}");
}

/// The calls around it, as RULES §6 has them.
fn lists_and_deletes(made: &Value, owner: &Shell<'_>, guest: &Shell<'_>, late: &Shell<'_>) {
    let list = r#"curl "$HOST/chats/42/invites" -b "psession=$SESSION""#;
    assert_eq!(owner.done(list), json!({ "invites": [made] }));
    // Without anything in it, and without a body at all: explicit nulls.
    let create = r#"curl -X POST "$HOST/chats/42/invites" -b "psession=$SESSION""#;
    let open = [
        owner.run(&format!(r#"{create} -H "Content-Type: application/json" -d '{{}}'"#)),
        owner.run(&format!(
            r#"{create} -H "Content-Type: application/json" -d '{{"max_uses": null, "expires_at": null}}'"#
        )),
        owner.run(create),
    ];
    for printed in &open {
        let open = printed.json(200);
        assert_eq!(printed.names(), names(CREATED));
        assert_eq!((&open["expires_at"], &open["max_uses"]), (&Value::Null, &Value::Null));
    }
    let mut all: Vec<_> = open.iter().map(|open| open.json(200)).chain([made.clone()]).collect();
    let listed = owner.done(list)["invites"].as_array().unwrap().clone();
    assert!(listed.iter().all(|invite| all.contains(invite)) && listed.len() == all.len(), "{listed:?}");
    // Newest first.
    all.sort_by_key(|invite| {
        std::cmp::Reverse(invite["created_at"].as_str().unwrap().parse::<Timestamp>().unwrap())
    });
    let times = |invites: &[Value]| -> Vec<_> { invites.iter().map(|it| it["created_at"].clone()).collect() };
    assert_eq!(times(&listed), times(&all));

    let code = made["code"].as_str().unwrap();
    let resolve = format!(r#"curl -X POST "$HOST/resolve/{code}" -b "psession=$SESSION""#);
    let joined = json!({ "chat_id": 42, "name": "Tea 42", "visibility": "public", "joined": true });
    assert_eq!(guest.done(&resolve), joined);
    assert_eq!(guest.done(&resolve)["joined"], false);
    assert_eq!(owner.done(&resolve)["joined"], false);
    let invites = owner.done(list);
    let used = invites["invites"].as_array().unwrap().iter().find(|invite| invite["code"] == code).unwrap();
    assert_eq!((&used["uses"], &used["max_uses"]), (&json!(1), &json!(10)));

    let delete = format!(r#"curl -X POST "$HOST/chats/42/invites/{code}/delete" -b "psession=$SESSION""#);
    let deleted = json!({ "message": format!("Invite '{code}' revoked") });
    assert_eq!(owner.done(&delete), deleted);
    assert!(!owner.run(list).text.contains(code));
    assert!(!late.refused(&resolve, 400).is_empty());
    // Who is in hears so again.
    assert_eq!(guest.done(&resolve)["joined"], false);
    let elsewhere = delete.replace("/chats/42/", "/chats/41/");
    owner.refused(&elsewhere, 404);
    owner.refused(&delete.replace(code, "abc123def456ghi7"), 404);
}

/// What is not as it must be, by the same command line.
fn refuses(create: &str, owner: &Shell<'_>, guest: &Shell<'_>) {
    for (from, to, status) in [
        ("-b \"psession=", "-b \"psession=x", 401),
        ("-b \"psession=", "-b \"session=", 401),
        ("application/json", "text/plain", 400),
        ("\"max_uses\": 10", "\"max_uses\": 0", 400),
        ("\"max_uses\": 10", "\"max_uses\": \"10\"", 400),
        ("\"expires_at\": \"", "\"expires_at\": \"0", 400),
        ("\"expires_at\": \"", "\"expires_at\": 1, \"x\": \"", 400),
        ("/chats/42/", "/chats/43/", 404),
        ("/chats/42/", "/chats/42/x/", 404),
        ("POST", "PUT", 405),
    ] {
        assert!(create.contains(from), "{from}");
        owner.refused(&create.replacen(from, to, 1), status);
    }
    let (owners, guests) = (&owner.variables["SESSION"], &guest.variables["SESSION"]);
    assert_eq!(
        guest.refused(&create.replace(owners, guests), 403),
        "this is for those who may manage the chat"
    );
    // "Returns 409 Conflict if the per-chat invite quota (20 active invites) is already reached." Three are there.
    for _ in 3..20 {
        owner.done(create);
    }
    owner.refused(create, 409);
    // The jar that was written at log in is a browser's: it gives the cookie back where it is from, and nowhere else.
    let jar = std::fs::read_to_string(owner.dir.join("jar")).unwrap();
    let kept: Vec<_> = jar.lines().filter(|line| line.contains("psession")).collect();
    if let [kept] = &kept[..] {
        // This curl takes loopback for as safe as TLS.
        assert!(kept.starts_with("#HttpOnly_127.0.0.1\tFALSE\t/v1/portal\tTRUE\t"), "{kept}");
        owner.done(r#"curl "$HOST/session" -b jar"#);
    } else {
        assert!(kept.is_empty(), "{jar}");
        owner.refused(r#"curl "$HOST/session" -b jar"#, 401);
    }
    let ended = owner.done(r#"curl -X DELETE "$HOST/session" -b "psession=$SESSION""#);
    assert_eq!(ended, json!({ "message": "Session ended" }));
    owner.refused(r#"curl "$HOST/session" -b "psession=$SESSION""#, 401);
    owner.refused(create, 401);
}
