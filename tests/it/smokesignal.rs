//! The methods of Smoke Signal at a daemon: the commands of its reference (seed 002) and those of the README by the real
//! `curl`, and what is left after a kill.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::slice::from_ref;
use std::time::Duration;

use serde_json::{Value, json};

use crate::frames::Line;
use crate::harness::{check, document, replay};
use crate::reaping::Numbers;
use crate::smokesignal_reads::READS;
use crate::tokens::{Client, Person, Site, exchange, request, times};

const EVENT: &str = "community.lexicon.calendar.event";
const RSVP: &str = "community.lexicon.calendar.rsvp";
const LINK: &str = "events.smokesignal.rsvp.linkAttestation";
const CONFIGURE: &str = "events.smokesignal.event.configure";
const CONFIRM: &str = "app.guestlist.confirmAttestation";
const TICKETS: &str = "app.guestlist.listTickets";

/// The commands of the reference, as they stand there.
const LINKS: &str = r#"
curl -X POST 'https://smokesignal.events/xrpc/events.smokesignal.rsvp.linkAttestation' \
  -H 'Authorization: Bearer <at-proto-jwt>' \
  -H 'Content-Type: application/json' \
  -d '{
    "did": "did:plc:5678efgh",
    "event": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
    "aturi": "at://did:plc:1234abcd/com.example.attestation/3att456"
  }'
"#;
const CONFIGURES: &str = r#"
# Enable email confirmation requirement
curl -X POST 'https://smokesignal.events/xrpc/events.smokesignal.event.configure' \
  -H 'Authorization: Bearer <at-proto-jwt>' \
  -H 'Content-Type: application/json' \
  -d '{
    "event": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
    "requireConfirmedEmail": true
  }'

# Set up external ticketing redirect
curl -X POST 'https://smokesignal.events/xrpc/events.smokesignal.event.configure' \
  -H 'Authorization: Bearer <at-proto-jwt>' \
  -H 'Content-Type: application/json' \
  -d '{
    "event": "at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123",
    "disableDirectRsvp": true,
    "rsvpRedirectUrl": "https://ti.to/myorg/my-event"
  }'
"#;
/// Ada, who has published an event, and bea, who has answered it.
#[derive(Clone)]
pub(crate) struct Cast {
    pub(crate) ada: Person,
    pub(crate) bea: Person,
    pub(crate) event: String,
}

/// A daemon that knows of it.
pub(crate) struct Party {
    pub(crate) site: Site,
    pub(crate) cast: Cast,
}

/// Has a daemon read what people published.
pub(crate) fn publish(site: &mut Site, name: &str, lines: &[Line]) {
    let dump = site.dir().join(name);
    fs::write(&dump, lines.iter().map(|line| line.text() + "\n").collect::<String>()).unwrap();
    site.stop();
    replay(&site.data(), &[dump], &[]);
    site.start();
}

impl Party {
    pub(crate) fn begin() -> Self {
        let people = Person::many(2);
        let event = format!("at://{}/{EVENT}/3abc123", people[0].did);
        let cast = Cast { ada: people[0].clone(), bea: people[1].clone(), event };
        let mut site = Site::of(&people);
        let rsvp = json!({
            "$type": RSVP, "createdAt": "2026-02-10T12:00:00Z", "status": format!("{RSVP}#going"),
            "subject": { "uri": cast.event, "cid": "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq" },
        });
        let rsvp = Line::create(&cast.bea.did, 2, RSVP, "3xyz789", &rsvp.to_string());
        publish(&mut site, "party.jsonl", &[cast.publishes(1), rsvp]);
        Self { site, cast }
    }

    /// What anybody is answered.
    pub(crate) fn ask(&self, path: &str) -> Value {
        exchange(&self.site.address(), &request(path, None, None)).expect("an answer").json()
    }

    pub(crate) fn view(&self) -> Value {
        self.ask(&format!(
            "community.lexicon.calendar.getEvent?repository={}&record_key=3abc123",
            self.cast.ada.did
        ))
    }

    fn attestation(&self) -> Value {
        let path = format!(
            "community.lexicon.calendar.getRSVP?event={}&identity={}",
            self.cast.event, self.cast.bea.did
        );
        self.ask(&path)["attestation"].clone()
    }

    /// Bea's ticket, as she and ada see it.
    fn ticket(&self) -> Value {
        let client = self.site.client();
        let hers = client.list(&self.cast.bea, TICKETS, "tickets", "limit=1");
        let of_event = client.list(&self.cast.ada, TICKETS, "tickets", &format!("event={}", self.cast.event));
        assert_eq!(hers, of_event);
        assert!(hers.len() <= 1);
        hers.into_iter().next().unwrap_or_default()
    }

    /// Runs commands of the reference, with only its host, its tokens and its people replaced, and returns what each
    /// answered: the status, the type and the body.
    pub(crate) fn curl(&self, commands: &str, method: &str) -> Vec<(String, Value)> {
        // What curl is to show beside the body is no part of the commands.
        let settings = "silent\nshow-error\nwrite-out = \"\\t%{http_code} %{content_type}\\n\"\n";
        fs::write(self.site.dir().join(".curlrc"), settings).unwrap();
        let mut script = commands
            .replace("https://smokesignal.events", &format!("http://{}", self.site.address()))
            .replace("did:plc:1234abcd", &self.cast.ada.did)
            .replace("did:plc:5678efgh", &self.cast.bea.did);
        while script.contains("<at-proto-jwt>") {
            script = script.replacen("<at-proto-jwt>", &self.cast.ada.token(method), 1);
        }
        let output = shell(self.site.dir(), &script);
        let answer = |line: &str| {
            let (body, status) = line.rsplit_once('\t').unwrap_or_else(|| panic!("{line}"));
            (status.to_owned(), serde_json::from_str(body).unwrap())
        };
        output.lines().map(answer).collect()
    }
}

/// What a script prints.
fn shell(dir: &Path, script: &str) -> String {
    let told = Command::new("sh").args(["-euc", script]).env("CURL_HOME", dir).output().unwrap();
    let said = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&told.stderr));
    said
}

/// Whether programs are on this machine.
pub(crate) fn are_there(programs: &[&str]) -> bool {
    programs.iter().all(|program| Command::new(program).arg("--version").output().is_ok())
}

#[test]
fn the_commands_of_the_reference_do_what_it_says() {
    if !are_there(&["curl"]) {
        println!("skipped: there is no curl");
        return;
    }
    let party = Party::begin();
    let done = ("200 application/json".to_owned(), json!({}));
    assert_eq!(party.curl(LINKS, LINK), from_ref(&done));
    assert_eq!(party.curl(CONFIGURES, CONFIGURE), [done.clone(), done]);
    let attestation = format!("at://{}/com.example.attestation/3att456", party.cast.ada.did);
    assert_eq!(party.ticket()["aturi"], attestation);
    let input = json!({ "event": party.cast.event });
    party.site.client().done(&party.cast.bea, CONFIRM, &input);
    let read: Vec<Value> = party.curl(READS, "").into_iter().map(|(_, body)| body).collect();
    let [event, rsvp, rsvps, _] = &read[..] else { panic!("{read:?}") };
    assert_eq!(event["requireConfirmedEmail"], true);
    assert_eq!(event["disableDirectRsvp"], true);
    assert_eq!(event["rsvpRedirectUrl"], "https://ti.to/myorg/my-event");
    assert_eq!(rsvp["attestation"], attestation);
    assert_eq!(rsvps["rsvps"][0]["attestation"], attestation);
}

#[test]
fn what_the_readme_tells_of_settings_and_tickets_is_so() {
    if !are_there(&["curl", "jq"]) {
        println!("skipped: there is no curl, or no jq");
        return;
    }
    let party = Party::begin();
    let readme = document("README.md");
    let block = |chapter: &str| {
        let (_, chapter) = readme.split_once(chapter).expect("the README has the chapter");
        chapter.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
    };
    // The functions of the chapter before. Who has no PDS has their tokens in files, one for each call.
    let functions = block("\n## Spaces and invites\n");
    let functions =
        functions.lines().filter(|line| line.starts_with("ask() ") || line.starts_with("call() "));
    let functions = functions.collect::<Vec<_>>().join("\n");
    let tokens = "login() { echo \"$1\"; }\ntoken() { cat \"$TOKENS/$1.$2\"; }\n";
    let people = [("ada", &party.cast.ada), ("bea", &party.cast.bea)];
    for (name, person) in people {
        for method in [CONFIGURE, LINK, CONFIRM, TICKETS] {
            fs::write(party.site.dir().join(format!("{name}.{method}")), person.token(method)).unwrap();
        }
    }
    let given = [
        ("TOKENS", party.site.dir().to_str().unwrap()),
        ("GUESTLIST", &format!("http://{}", party.site.address())),
        ("ADA", "ada"),
        ("BEA", "bea"),
        ("ADA_DID", &party.cast.ada.did),
        ("BEA_DID", &party.cast.bea.did),
        ("EVENT", &party.cast.event),
    ];
    let given: String = given.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    let story = format!("{given}{tokens}{functions}\n{}", block("\n## Settings and tickets of events\n"));
    let told = shell(party.site.dir(), &story);
    let answers: Vec<Value> =
        serde_json::Deserializer::from_str(&told).into_iter().map(Result::unwrap).collect();
    let [configured, linked, confirmed, listed] = &answers[..] else { panic!("{told}") };
    assert_eq!((configured, linked), (&json!({}), &json!({})));
    assert_eq!(listed["tickets"], json!([confirmed["ticket"]]));
    assert_eq!(party.attestation(), confirmed["ticket"]["aturi"]);
    assert_eq!(party.view()["rsvpRedirectUrl"], "https://tickets.example/party");
}

impl Cast {
    /// Ada publishes her event.
    fn publishes(&self, revision: u64) -> Line {
        let event = json!({
            "$type": EVENT, "name": "Rust Meetup", "description": "Monthly Rust meetup",
            "startsAt": "2026-03-01T18:00:00Z", "endsAt": "2026-03-01T20:00:00Z",
            "createdAt": "2026-02-01T12:00:00Z",
        });
        Line::create(&self.ada.did, revision, EVENT, "3abc123", &event.to_string())
    }

    fn attestation(&self, number: u64) -> String {
        format!("at://{}/com.example.attestation/{number}", self.ada.did)
    }

    /// The call that comes after so many: the event is set up, bea gets a ticket, and she confirms it, again and again.
    fn step(&self, number: u64) -> (&Person, &'static str, Value) {
        let Self { ada, bea, event } = self;
        match number % 3 {
            0 => {
                let url = format!("https://ti.to/{number}");
                (ada, CONFIGURE, json!({ "event": event, "rsvpRedirectUrl": url }))
            }
            1 => {
                let aturi = self.attestation(number);
                (ada, LINK, json!({ "event": event, "did": bea.did, "aturi": aturi }))
            }
            _ => (bea, CONFIRM, json!({ "event": event })),
        }
    }

    /// What is to be seen after so many calls: where people are sent, what attests bea's ticket, and the same if she has
    /// confirmed it.
    fn expects(&self, calls: u64) -> [Value; 3] {
        let last = |of: u64| (0..calls).rev().find(|number| number % 3 == of);
        let attestation = |number: u64| json!(self.attestation(number));
        let linked = last(1);
        let confirmed = linked.filter(|linked| last(2) > Some(*linked));
        [
            last(0).map_or(Value::Null, |number| json!(format!("https://ti.to/{number}"))),
            linked.map_or(Value::Null, attestation),
            confirmed.map_or(Value::Null, attestation),
        ]
    }

    /// Makes one call after the other until no answer comes; the tokens of those that were acknowledged, and the last.
    fn go_on(&self, client: &Client, from: u64) -> (Vec<String>, String) {
        let mut acknowledged = Vec::new();
        loop {
            let (who, method, input) = self.step(from + acknowledged.len() as u64);
            let token = who.token(method);
            match client.call_with(&token, method, &input) {
                Some(answer) => {
                    answer.done();
                    acknowledged.push(token);
                }
                None => return (acknowledged, token),
            }
        }
    }
}

fn seen(party: &Party) -> [Value; 3] {
    let ticket = party.ticket();
    let confirmed = party.attestation();
    assert_eq!(ticket["confirmedAt"].is_null(), confirmed.is_null());
    [party.view()["rsvpRedirectUrl"].clone(), ticket["aturi"].clone(), confirmed]
}

#[test]
fn settings_and_tickets_that_were_acknowledged_survive_a_kill() {
    let kills = times("GUESTLIST_TEST_KILLS", 4);
    let mut party = Party::begin();
    let (mut numbers, mut calls, mut kept) = (Numbers(8), 0, 0);
    for _ in 0..kills {
        let client = party.site.client();
        let cast = party.cast.clone();
        let (acknowledged, lost) = std::thread::scope(|scope| {
            let calling = scope.spawn(|| cast.go_on(&client, calls));
            // When the kill strikes is the point.
            std::thread::sleep(Duration::from_millis(20 + numbers.below(150) as u64));
            party.site.kill();
            calling.join().unwrap()
        });
        check(&party.site.data());
        party.site.start();
        let client = party.site.client();
        let first = calls;
        calls += acknowledged.len() as u64;
        // The last call was done, or not, and its token with it.
        let found = seen(&party);
        let is_done = found == cast.expects(calls + 1);
        assert!(is_done || found == cast.expects(calls), "{found:?} after {calls} calls");
        let (_, method, input) = cast.step(calls);
        let again = client.call_with(&lost, method, &input).expect("an answer");
        assert_eq!(again.status, if is_done { 401 } else { 200 }, "{}", again.body);
        kept += u64::from(is_done);
        calls += 1;
        assert_eq!(seen(&party), cast.expects(calls));
        for (number, token) in acknowledged.iter().enumerate().rev().take(5) {
            let (_, method, input) = cast.step(first + number as u64);
            let again = client.call_with(token, method, &input).expect("an answer");
            assert_eq!((again.status, again.body.contains("used before")), (401, true), "{}", again.body);
        }
        assert_eq!(seen(&party), cast.expects(calls));
    }
    eprintln!("{kills} kills, {calls} calls, {kept} of those that were lost had been done");
    assert!(calls > kills * 5, "{calls}");
    // Without its event it is nowhere, and with its author's next one it is back.
    let before = seen(&party);
    publish(&mut party.site, "gone.jsonl", &[Line::delete(&party.cast.ada.did, 100, EVENT, "3abc123")]);
    assert_eq!((party.view()["error"].as_str(), party.attestation()), (Some("not_found"), Value::Null));
    let hers = party.site.client().list(&party.cast.bea, TICKETS, "tickets", "");
    assert_eq!(hers, Vec::<Value>::new());
    let again = party.cast.publishes(200);
    publish(&mut party.site, "again.jsonl", &[again]);
    assert_eq!(seen(&party), before);
    party.site.stop();
    check(&party.site.data());
}
