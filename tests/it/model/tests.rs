//! The model against expectations worked out by hand, each beside the sentence of RULES or CONTRACT that it
//! covers.
//!
//! Owns the words in which the scenarios are told. The expectations must never be copied from what a program
//! printed.

mod acceptances;
mod accounts;
mod invitations;
mod lines;
mod repositories;
mod rounds;
mod rsvps;
mod signups;
mod times;

use super::{Body, Event, Model, Op, Record, Write};
use serde_json::{Value, json};

const ROUND: &str = "at.atjam.round";
const INVITATION: &str = "at.atjam.invitation";
const SIGNUP: &str = "at.atjam.signup";
const SUBMISSION: &str = "at.atjam.submission";
const EVENT: &str = "community.lexicon.calendar.event";
const RSVP: &str = "community.lexicon.calendar.rsvp";

const HOST: &str = "did:plc:host";
const GUEST: &str = "did:plc:guest";
const FRIEND: &str = "did:plc:friend";
const STRANGER: &str = "did:plc:stranger";

/// The source of everything that a scenario does not send from elsewhere.
const RELAY: &str = "relay";

const OPEN: &str = r#","verdict":{"status":"valid","basis":"open"}"#;
const ORGANIZER: &str = r#","verdict":{"status":"valid","basis":"organizer"}"#;
const INVITED: &str = r#","verdict":{"status":"valid","basis":"invited"}"#;
const VALID: &str = r#","verdict":{"status":"valid"}"#;
const EFFECTIVE: &str = r#","effective":true,"accepted":false"#;
const NOT_EFFECTIVE: &str = r#","effective":false,"accepted":false"#;
const ACCEPTED: &str = r#","effective":true,"accepted":true"#;

fn invalid(reason: &str) -> String {
    format!(r#","verdict":{{"status":"invalid","reason":"{reason}"}}"#)
}

fn pending(reason: &str) -> String {
    format!(r#","verdict":{{"status":"pending","reason":"{reason}"}}"#)
}

fn counts(going: u32, interested: u32, notgoing: u32, other: u32) -> String {
    format!(
        r#","counts":{{"going":{going},"interested":{interested},"notgoing":{notgoing},"other":{other}}}"#
    )
}

fn at(did: &str, collection: &str, rkey: &str) -> String {
    format!("at://{did}/{collection}/{rkey}")
}

/// The round that most scenarios are about.
fn the_round() -> String {
    at(HOST, ROUND, "round")
}

/// The event that most scenarios are about.
fn the_event() -> String {
    at(HOST, EVENT, "party")
}

/// A round of the host's jam.
fn round(settings: &Value) -> Value {
    let mut record = settings.clone();
    if let Some(fields) = record.as_object_mut() {
        fields.insert("jam".to_owned(), json!({ "uri": at(HOST, "at.atjam.jam", "jam"), "cid": "c" }));
    }
    record
}

fn to_round(uri: &str) -> Value {
    json!({ "round": { "uri": uri, "cid": "c" } })
}

fn invited_by(round_uri: &str, invitation_uri: &str) -> Value {
    json!({ "round": { "uri": round_uri, "cid": "c" }, "invitation": { "uri": invitation_uri, "cid": "c" } })
}

fn invites(invitee: &str, round_uri: &str) -> Value {
    json!({ "round": { "uri": round_uri, "cid": "c" }, "invitee": invitee })
}

fn rsvp(event_uri: &str, status: &str) -> Value {
    json!({ "subject": { "uri": event_uri, "cid": "c" }, "status": format!("{RSVP}#{status}") })
}

fn rsvp_at(event_uri: &str, status: &str, created_at: &Value) -> Value {
    let mut record = rsvp(event_uri, status);
    if let Some(fields) = record.as_object_mut() {
        fields.insert("createdAt".to_owned(), created_at.clone());
    }
    record
}

fn usable(collection: &str, rkey: &str, value: Value) -> Op {
    let record = Record::Usable { value, deviations: Vec::new() };
    Op {
        collection: collection.to_owned(),
        rkey: rkey.to_owned(),
        write: Write::Put { cid: "c".to_owned(), record },
    }
}

fn unusable(collection: &str, rkey: &str) -> Op {
    let record = Record::Unusable { reason: "bad-field".to_owned() };
    Op {
        collection: collection.to_owned(),
        rkey: rkey.to_owned(),
        write: Write::Put { cid: "c".to_owned(), record },
    }
}

fn deletion(collection: &str, rkey: &str) -> Op {
    Op { collection: collection.to_owned(), rkey: rkey.to_owned(), write: Write::Delete }
}

/// Something in a collection that nobody wants.
fn noise() -> Op {
    usable("app.example.note", "note", json!({}))
}

fn rev(number: u32) -> String {
    format!("rev{number:05}")
}

fn minute(number: u64) -> String {
    format!("2026-08-01T12:{number:02}:00.000Z")
}

/// A history that is told step by step, and the export at any point of it.
struct Story {
    model: Model,
    steps: u32,
}

impl Story {
    fn new() -> Story {
        Story { model: Model::new(), steps: 0 }
    }

    /// A story that begins with the host's round.
    fn with_round(settings: &Value) -> Story {
        let mut story = Story::new();
        story.put(HOST, ROUND, "round", round(settings));
        story
    }

    /// A story that begins with an invitation-only round in which the host has invited the guest, who has
    /// accepted.
    fn with_guest(settings: &Value) -> Story {
        let mut story = Story::with_round(settings);
        story.put(HOST, INVITATION, "to-guest", invites(GUEST, &the_round()));
        story.put(GUEST, SIGNUP, "signup", invited_by(&the_round(), &at(HOST, INVITATION, "to-guest")));
        story
    }

    fn send(&mut self, source: &str, body: Body) {
        self.model.apply(&Event { source: source.to_owned(), body });
    }

    /// A firehose commit of one op.
    fn commit(&mut self, source: &str, did: &str, rev_number: u32, op: Op) {
        let (did, data) = (did.to_owned(), format!("data{rev_number}"));
        self.send(source, Body::Commit { did, rev: rev(rev_number), data, ops: vec![op] });
    }

    fn jetstream(&mut self, source: &str, did: &str, rev_number: u32, op: Op) {
        let position = u64::from(rev_number);
        self.send(source, Body::JetstreamCommit { did: did.to_owned(), rev: rev(rev_number), op, position });
    }

    fn sync(&mut self, source: &str, did: &str, rev_number: u32, data: &str) {
        let (did, data) = (did.to_owned(), data.to_owned());
        self.send(source, Body::Sync { did, rev: rev(rev_number), event_rev: rev(rev_number), data });
    }

    /// An inactive state, by its status.
    fn inactive(&mut self, source: &str, did: &str, position: u64, status: &str) {
        self.account(source, did, position, (false, Some(status)), &minute(position));
    }

    fn active(&mut self, source: &str, did: &str, position: u64) {
        self.account(source, did, position, (true, None), &minute(position));
    }

    fn account(&mut self, source: &str, did: &str, position: u64, state: (bool, Option<&str>), time: &str) {
        let (active, status) = (state.0, state.1.map(str::to_owned));
        self.send(
            source,
            Body::Account { did: did.to_owned(), position, active, status, time: time.to_owned() },
        );
    }

    /// The next op in the order of the story: a commit of its own, newer than all before it.
    fn write(&mut self, did: &str, op: Op) {
        self.steps += 1;
        let steps = self.steps;
        self.commit(RELAY, did, steps, op);
    }

    fn put(&mut self, did: &str, collection: &str, rkey: &str, value: Value) {
        self.write(did, usable(collection, rkey, value));
    }

    fn delete(&mut self, did: &str, collection: &str, rkey: &str) {
        self.write(did, deletion(collection, rkey));
    }

    /// The line of a conforming record ends like this after its grade.
    fn shows(&self, rule: &str, uri: &str, rest: &str) {
        let mut parts = uri.split('/').skip(2);
        let (author, collection) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let kind = collection.rsplit('.').next().unwrap_or_default();
        let head = format!(r#""uri":"{uri}","cid":"c","author":"{author}","kind":"{kind}""#);
        self.shows_line(rule, uri, &format!(r#"{{{head},"grade":"conforming"{rest}}}"#));
    }

    fn shows_line(&self, rule: &str, uri: &str, expected: &str) {
        assert_eq!(self.line(uri).as_deref(), Some(expected), "{rule}");
    }

    fn hides(&self, rule: &str, uri: &str) {
        assert_eq!(self.line(uri), None, "{rule}");
    }

    fn line(&self, uri: &str) -> Option<String> {
        let beginning = format!(r#"{{"uri":"{uri}","#);
        self.model.export().into_iter().find(|line| line.starts_with(&beginning))
    }
}
