//! Where people see events: by the handle of the organizer, when it is known to hold both ways.
#![allow(clippy::disallowed_methods, reason = "it writes a file of identities")]

use serde_json::json;

use super::calendar::METHOD;
use super::world::{FUTURE, World};
use crate::identity::{Directory, Resolver};
use crate::records::Kind;

async fn url(world: &World) -> String {
    let event = [("repository", "did:plc:ada"), ("record_key", "e")];
    let one = world.get("community.lexicon.calendar.getEvent", &event).await;
    let list = world.get(METHOD, &[]).await;
    assert_eq!(list["events"][0], one);
    one["url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_to_an_event_has_the_handle_that_holds_else_the_did() {
    let mut world = World::new();
    world.put("ada", Kind::Event, "e", json!({ "name": "Meeting", "startsAt": FUTURE }));
    assert_eq!(url(&world).await, "https://guestlist.example/did:plc:ada/e", "nobody is known");
    world.introduce(&["bea"]);
    assert_eq!(url(&world).await, "https://guestlist.example/did:plc:ada/e", "somebody else is");
    world.introduce(&["ada"]);
    assert_eq!(url(&world).await, "https://guestlist.example/ada.example/e");
    // Two claim one handle, and so it is nobody's; or there is none.
    for lines in [
        r#"{"id":"did:plc:ada","alsoKnownAs":["at://one.example"]}
           {"id":"did:plc:bea","alsoKnownAs":["at://one.example"]}"#,
        r#"{"id":"did:plc:ada","alsoKnownAs":["https://ada.example"]}"#,
        r#"{"id":"did:plc:ada"}"#,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("people.dids.jsonl");
        std::fs::write(&path, lines).unwrap();
        world.service.identities = Resolver::offline(Directory::load(&[path]).unwrap());
        assert_eq!(url(&world).await, "https://guestlist.example/did:plc:ada/e", "{lines}");
    }
}

#[tokio::test]
async fn the_operator_says_where_events_are_seen() {
    let mut world = World::new();
    world.introduce(&["ada"]);
    world.put("ada", Kind::Event, "e", json!({ "name": "Meeting", "startsAt": FUTURE }));
    for (template, expected) in [
        ("https://events.example/{authority}/{rkey}", "https://events.example/ada.example/e"),
        ("{public_url}/event?of={did}&key={rkey}", "https://guestlist.example/event?of=did:plc:ada&key=e"),
    ] {
        world.service.event_url = template.parse().unwrap();
        assert_eq!(url(&world).await, expected);
    }
}
