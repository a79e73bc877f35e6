//! Our copies of published lexicons against the published files, where they lie: `GUESTLIST_LEXICONS` names their folder.
//!
//! Facts are compared, and no sentences: whoever wrote a client by the published file can use ours. What is different on
//! purpose is listed here, so that nothing else is, and nothing is listed that is no longer so.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use guestlist::records::lexicon::documents;
use guestlist::tables::spaces::{Act, Finding};
use serde_json::{Value, json};

/// Where ours is not as published, on purpose.
const DIFFERENCES: &[&str] = &[
    // The reference takes anything for a repository and a key, under two spellings, and answers `not_found`.
    "community.lexicon.calendar.getEvent/main/parameters/recordKey: maxGraphemes is absent, published 150",
    "community.lexicon.calendar.getEvent/main/parameters/recordKey: maxLength is absent, published 150",
    "community.lexicon.calendar.getEvent/main/parameters/repository: format is absent, published \"did\"",
    "community.lexicon.calendar.getEvent/main/parameters: required lacks recordKey",
    "community.lexicon.calendar.getEvent/main: errors lacks NotFound",
    // More of an answer is promised here.
    "community.lexicon.calendar.getEvent/eventView: required has cid too",
    "community.lexicon.calendar.getEvent/eventView: required has repository too",
    "community.lexicon.calendar.getEvent/eventView: required has uri too",
    "community.lexicon.calendar.getRSVP/main/output/schema/cid: format is \"cid\", published absent",
    "community.lexicon.calendar.listRSVPs/main/output/schema/cursor: format is \"datetime\", published absent",
    // A handle will do too, and the record is as its author wrote it.
    "community.lexicon.calendar.getRSVP/main/parameters/identity: format is \"at-identifier\", published \"did\"",
    "community.lexicon.calendar.getRSVP/main/output/schema/record: ref is absent, published community.lexicon.calendar.rsvp",
    "community.lexicon.calendar.getRSVP/main/output/schema/record: type is \"unknown\", published \"ref\"",
    // The reference's own page has other names for these errors, and the contract has those. Longer queries are taken here, and what
    // is no DID or no CID has an answer of its own. Results are as `getEvent` has them.
    "community.lexicon.calendar.searchEvents/eventView: is not in ours",
    "community.lexicon.calendar.searchEvents/main/output/schema/results/items: ref is community.lexicon.calendar.getEvent#eventView, published community.lexicon.calendar.searchEvents#eventView",
    "community.lexicon.calendar.searchEvents/main/parameters/location/items: format is absent, published \"cid\"",
    "community.lexicon.calendar.searchEvents/main/parameters/location: maxLength is 100, published absent",
    "community.lexicon.calendar.searchEvents/main/parameters/query: maxGraphemes is absent, published 150",
    "community.lexicon.calendar.searchEvents/main/parameters/query: maxLength is absent, published 150",
    "community.lexicon.calendar.searchEvents/main/parameters/repository: format is absent, published \"did\"",
    "community.lexicon.calendar.searchEvents/main: errors lacks InvalidRepository",
    "community.lexicon.calendar.searchEvents/main: errors lacks SearchError",
    "community.lexicon.calendar.searchEvents/main: errors lacks SearchUnavailable",
    // What would be refused here is an `InvalidRedirectUrl`, and clearing it is none; of the URL the characters count.
    // Whose the event is not hears `InvalidRequest`, as the reference says.
    "events.smokesignal.event.configure/main/input/schema/rsvpRedirectUrl: format is absent, published \"uri\"",
    "events.smokesignal.event.configure/main/input/schema/rsvpRedirectUrl: maxLength is absent, published 2048",
    "events.smokesignal.event.configure/main: errors lacks NotAuthorized",
    // A policy is kept in a row, which has to end somewhere.
    "rsvp.atmo.space.defs/appPolicy/apps/items: maxLength is 200, published absent",
    "rsvp.atmo.space.defs/appPolicy/apps: maxLength is 100, published absent",
    "rsvp.atmo.space.defs/appPolicy/mode: maxLength is 64, published absent",
];

/// What is ours alone, by the beginning of its name.
const OURS: &[&str] = &["app.guestlist.", "rsvp.atmo.space.admin.deleteSpace"];

fn folder() -> Option<PathBuf> {
    std::env::var_os("GUESTLIST_LEXICONS").map(PathBuf::from)
}

fn published(folder: &Path, id: &str) -> Value {
    let path = folder.join(id.replace('.', "/")).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn our_copies_say_what_the_published_lexicons_say() {
    let Some(folder) = folder() else {
        println!("skipped: GUESTLIST_LEXICONS names no folder");
        return;
    };
    let documents = documents();
    let mut found = BTreeSet::new();
    let mut compared = 0;
    for (id, ours) in &documents {
        if OURS.iter().any(|start| id.starts_with(start)) {
            continue;
        }
        let theirs = published(&folder, id);
        assert_eq!(theirs["id"], ours["id"]);
        let mut comparison =
            Comparison { documents: &documents, id, path: String::new(), facts: 0, found: Vec::new() };
        comparison.named(&theirs["defs"], &ours["defs"]);
        assert!(comparison.facts > 3, "{id}: nothing was compared");
        found.extend(comparison.found.into_iter().map(|difference| format!("{id}{difference}")));
        compared += 1;
    }
    assert!(compared >= 31, "{compared}");
    let expected: BTreeSet<_> = DIFFERENCES.iter().map(|line| (*line).to_owned()).collect();
    assert_eq!(found, expected);
}

/// One document against the other.
struct Comparison<'a> {
    documents: &'a HashMap<String, Value>,
    id: &'a str,
    path: String,
    facts: usize,
    found: Vec<String>,
}

impl Comparison<'_> {
    fn at(&mut self, name: &str, compare: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(name);
        compare(self);
        self.path.truncate(length);
    }

    fn differs(&mut self, how: &str) {
        self.found.push(format!("{}: {how}", self.path));
    }

    /// Definitions or properties by name: ours may be more.
    fn named(&mut self, theirs: &Value, ours: &Value) {
        for (name, schema) in theirs.as_object().unwrap() {
            self.at(name, |this| match ours.get(name) {
                Some(ours) => this.schema(schema, ours),
                None => this.differs("is not in ours"),
            });
        }
    }

    /// What ours says; a definition that others share says it where the published one says it on the spot.
    fn meant<'a>(&'a self, theirs: &Value, ours: &'a Value) -> &'a Value {
        match ours["ref"].as_str().map(|name| self.full(name)) {
            Some(name) if theirs["type"] != "ref" => {
                let (document, name) = name.split_once('#').unwrap_or((&name, "main"));
                &self.documents[document]["defs"][name]
            }
            _ => ours,
        }
    }

    fn schema(&mut self, theirs: &Value, ours: &Value) {
        let ours = self.meant(theirs, ours).clone();
        let (theirs, ours) = (theirs.as_object().unwrap(), ours.as_object().unwrap());
        let keys: BTreeSet<_> = theirs.keys().chain(ours.keys()).map(String::as_str).collect();
        for key in keys.into_iter().filter(|key| *key != "description") {
            self.facts += 1;
            match (key, theirs.get(key), ours.get(key)) {
                ("properties", Some(theirs), Some(ours)) => self.named(theirs, ours),
                (
                    "items" | "schema" | "input" | "output" | "parameters" | "record",
                    Some(theirs),
                    Some(ours),
                ) => {
                    self.at(key, |this| this.schema(theirs, ours));
                }
                // Values that others know and errors that may come do no harm when there are more of them.
                ("knownValues" | "refs" | "errors", theirs, ours) => {
                    self.list(key, theirs, ours, &mut |_, _| {});
                }
                ("required" | "nullable" | "enum" | "accept", theirs, ours) => {
                    self.list(key, theirs, ours, &mut |this, word| {
                        this.differs(&format!("{key} has {word} too"))
                    });
                }
                (_, theirs, ours) => {
                    let (theirs, ours) = (self.fact(key, theirs), self.fact(key, ours));
                    if theirs != ours {
                        self.differs(&format!("{key} is {ours}, published {theirs}"));
                    }
                }
            }
        }
    }

    /// A list whose order means nothing.
    fn list(
        &mut self,
        key: &str,
        theirs: Option<&Value>,
        ours: Option<&Value>,
        more: &mut dyn FnMut(&mut Self, &str),
    ) {
        let (theirs, ours) = (self.words(theirs), self.words(ours));
        for word in theirs.difference(&ours) {
            self.differs(&format!("{key} lacks {word}"));
        }
        for word in ours.difference(&theirs) {
            more(self, word);
        }
    }

    fn words(&self, list: Option<&Value>) -> BTreeSet<String> {
        let word = |item: &Value| self.full(item["name"].as_str().or(item.as_str()).unwrap());
        list.and_then(Value::as_array).into_iter().flatten().map(word).collect()
    }

    /// A value as text; a reference does not depend on where it stands.
    fn fact(&self, key: &str, value: Option<&Value>) -> String {
        match value {
            None => "absent".to_owned(),
            Some(Value::String(text)) if key == "ref" => self.full(text),
            Some(value) => value.to_string(),
        }
    }

    fn full(&self, name: &str) -> String {
        if name.starts_with('#') { format!("{}{name}", self.id) } else { name.to_owned() }
    }
}

#[test]
fn what_is_lost_and_what_is_stricter_is_a_difference_and_what_is_added_is_none() {
    let method = |properties: Value, required: Value, errors: Value| {
        json!({ "main": {
            "type": "procedure",
            "input": { "schema": { "type": "object", "required": required, "properties": properties } },
            "errors": errors,
        } })
    };
    let mode = |most: u64, known: Value| json!({ "type": "string", "maxLength": most, "knownValues": known });
    let theirs = method(
        json!({ "mode": mode(9, json!(["a", "b"])), "uri": { "type": "string", "format": "at-uri" }, "n": { "type": "integer" } }),
        json!(["uri"]),
        json!([{ "name": "NotFound", "description": "theirs" }]),
    );
    let compared = |ours: &Value| {
        let documents = HashMap::new();
        let mut comparison = Comparison {
            documents: &documents,
            id: "a.b.c",
            path: String::new(),
            facts: 0,
            found: Vec::new(),
        };
        comparison.named(&theirs, ours);
        comparison.found
    };
    let more = method(
        json!({ "mode": mode(9, json!(["b", "c", "a"])), "uri": { "type": "string", "format": "at-uri", "description": "ours" },
            "n": { "type": "integer" }, "m": { "type": "integer" } }),
        json!(["uri"]),
        json!([{ "name": "QuotaExceeded" }, { "name": "NotFound" }]),
    );
    assert_eq!(compared(&more), Vec::<String>::new());
    let other = method(
        json!({ "mode": mode(8, json!(["a"])), "uri": { "type": "string" }, "m": { "type": "integer", "minimum": 1 } }),
        json!(["mode"]),
        json!([]),
    );
    assert_eq!(
        compared(&other),
        [
            "/main: errors lacks NotFound",
            "/main/input/schema/mode: knownValues lacks b",
            "/main/input/schema/mode: maxLength is 8, published 9",
            "/main/input/schema/n: is not in ours",
            "/main/input/schema/uri: format is absent, published \"at-uri\"",
            "/main/input/schema: required lacks uri",
            "/main/input/schema: required has mode too",
        ]
    );
}

#[test]
fn an_audit_knows_everything_that_can_be_done_and_come_of_it() {
    let document = &documents()["app.guestlist.listAudit"];
    let known = |field: &str| -> Vec<String> {
        let values = &document["defs"]["entry"]["properties"][field]["knownValues"];
        values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(known("act"), Act::ALL.iter().map(|act| act.name()).collect::<Vec<_>>());
    assert_eq!(known("finding"), Finding::ALL.iter().map(|finding| finding.name()).collect::<Vec<_>>());
}
