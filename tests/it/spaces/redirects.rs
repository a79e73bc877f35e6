//! Where an event may send people: a row that nobody could have set is found by a check.

use guestlist::records::Kind;
use guestlist::spaces::command::Command;
use guestlist::spaces::sound;
use guestlist::syntax::AtUri;
use guestlist::tables::Settings;
use guestlist::tables::keys::RecordId;
use guestlist::tables::tickets::{EventSettings, is_redirect_url};
use guestlist::tables::view::Overlay;
use serde_json::json;

use super::{CHANGED, World};

fn to(url: &str) -> EventSettings {
    EventSettings { rsvp_redirect_url: Some(url.into()), ..EventSettings::default() }
}

/// What a check says of a store.
fn found(world: &World) -> Vec<String> {
    let rows = world.store.snapshot();
    let mut said = Vec::new();
    sound::look(&*rows, |what| said.push(what)).unwrap();
    said
}

#[test]
fn what_can_be_set_is_sound_and_nothing_else_is() {
    let mut world = World::new();
    let uri = world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    let event = RecordId::from_uri(&AtUri::parse(&uri).unwrap()).unwrap();
    let longest = format!("https://host.example/{}", "a".repeat(2_048 - 21));
    for url in ["https://ti.to/a", "HTTPS://TI.TO", "https://[::1]:8443?a", &longest] {
        assert!(is_redirect_url(url), "{url}");
        assert_eq!(world.ask("ada", Command::Configure { event: event.clone(), change: to(url) }), CHANGED);
        assert_eq!(found(&world), Vec::<String>::new(), "{url}");
    }
    let too_long = format!("{longest}a");
    for url in ["", "https://", "http://ti.to", "https://me@ti.to", "https://ti.to/ ", "https://é", &too_long]
    {
        assert!(!is_redirect_url(url), "{url}");
        world.write(|rows: &mut Overlay<'_>| rows.put::<Settings>(&event, &to(url)));
        assert_eq!(found(&world), [format!("settings of {uri}: nobody could have made them so")], "{url}");
    }
}
