//! An error of the Portal and the log say the same id, and what went wrong inside is in the log alone.

use std::fs;

use guestlist::store::{IfAbsent, Store};
use guestlist::tables::Chats;
use guestlist::tables::view::{Changes, key_of};
use serde_json::Value;

use super::Watched;
use crate::browsers::{Browser, PORTAL};
use crate::tokens::{Person, Site};

/// What the line of a request says.
const ANSWERED: &str = "answered a request";

/// The lines of a log, as they were written.
pub(super) fn lines(site: &Site, start: u32) -> Vec<Value> {
    let log = fs::read_to_string(site.dir().join(format!("stderr.{start}"))).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// Each answer in the Portal's words names a line, and that says which route it was and how it went.
pub(super) fn every_error_is_found_by_its_id(watched: &Watched, log: &[Value]) {
    let answered: Vec<_> =
        log.iter().map(|line| &line["fields"]).filter(|fields| fields["message"] == ANSWERED).collect();
    let heard = String::from_utf8_lossy(&watched.said);
    let bodies = heard.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut ids: Vec<_> =
        bodies.filter_map(|body| body["correlation_id"].as_str().map(str::to_owned)).collect();
    assert!(ids.len() > 400, "{}", ids.len());
    for id in &ids {
        let found: Vec<_> = answered.iter().filter(|fields| fields["correlation_id"] == **id).collect();
        let [fields] = &found[..] else { panic!("{id} is in {} lines", found.len()) };
        assert!(fields["route"].as_str().unwrap().starts_with(PORTAL), "{fields}");
        assert!(fields["status"].as_u64().unwrap() >= 400, "{fields}");
    }
    ids.sort();
    ids.dedup();
    // Nothing else has one, but for what clients did not wait to hear.
    let with_id = answered.iter().filter(|fields| !fields["correlation_id"].is_null()).count();
    assert!(with_id >= ids.len());
    for fields in answered {
        let (route, status) = (fields["route"].as_str(), fields["status"].as_u64().unwrap());
        let is_ours = route.is_some_and(|route| route.starts_with(PORTAL));
        // A browser's question whether it may call is answered before there is anything to be wrong.
        assert_eq!(fields["correlation_id"].is_string(), is_ours && status >= 400, "{fields}");
        let methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "another"];
        assert!(methods.contains(&fields["method"].as_str().unwrap()), "{fields}");
    }
}

/// Overwrites the row of a chat with what is none.
fn damage(site: &Site, chat: u64) {
    let changes: Changes =
        [(key_of::<Chats>(&chat), Some(b"\xff\xffscribble".to_vec()))].into_iter().collect();
    // A moment after the daemon ended, its lock may be still held by a program that is being started.
    let store = Store::open(&site.data(), 1 << 20, IfAbsent::Fail).unwrap();
    store.commit(changes).unwrap();
}

#[test]
fn what_went_wrong_inside_is_in_the_log_alone_under_the_id_of_the_answer() {
    for level in ["info", "error"] {
        let people = Person::many(1);
        let mut site = Site::logging(&people, level);
        let owner = Browser::of(&site.client(), &people[0]);
        let (chat, sound) = (owner.chat("public"), owner.chat("public"));
        site.stop();
        damage(&site, chat);
        site.start();
        let owner = Browser::with(&site.client(), &owner.secret);
        for (verb, path) in [
            ("GET", format!("/chats/{chat}")),
            ("GET", "/chats".to_owned()),
            ("GET", format!("/chats/{chat}/invites")),
            ("POST", format!("/chats/{chat}/invites")),
        ] {
            let answer = owner.call(verb, &path, None).unwrap();
            assert_eq!(answer.refused(500), "something went wrong here, and was written down");
            let said = format!("{}{}", answer.head, answer.body).to_lowercase();
            for inner in ["chats", " row", "scribble", "postcard", "contradict", "panic", "src/"] {
                assert!(!said.contains(inner), "{inner}: {said}");
            }
            let id = answer.json()["correlation_id"].as_str().unwrap().to_owned();
            let log = lines(&site, 2);
            let causes: Vec<_> = log.iter().filter(|line| line["span"]["correlation_id"] == id).collect();
            let [cause] = &causes[..] else { panic!("{id} is in {} lines: {log:?}", causes.len()) };
            assert_eq!(cause["level"], "ERROR");
            assert!(cause["fields"]["error"].as_str().unwrap().contains("Chats"), "{cause}");
            let answered = log.iter().filter(|line| line["fields"]["correlation_id"] == id).count();
            assert_eq!(answered, usize::from(level == "info"));
        }
        // Whatever else there is goes on.
        owner.get(&format!("/chats/{sound}")).done();
        owner.log_out().done();
    }
}
