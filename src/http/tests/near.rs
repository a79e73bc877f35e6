//! `listEvents` near a point: over the date line, at the poles, and with places that are none.

use serde_json::{Value, json};

use super::calendar::METHOD;
use super::world::{FUTURE, World};
use crate::records::Kind;

fn geo(latitude: &str, longitude: &str) -> Value {
    json!({ "$type": "community.lexicon.location.geo", "latitude": latitude, "longitude": longitude })
}

fn cell(value: &str) -> Value {
    json!({ "$type": "community.lexicon.location.hthree", "value": value })
}

/// An event in these places for each key.
fn world(places: &[(&str, Vec<Value>)]) -> World {
    let mut world = World::new();
    for (rkey, locations) in places {
        world.put(
            "ada",
            Kind::Event,
            rkey,
            json!({ "name": "Meeting", "startsAt": FUTURE, "locations": locations }),
        );
    }
    world
}

async fn near(world: &World, point: &str, km: &str) -> Vec<String> {
    let events = world.list(METHOD, "events", &[("near", point), ("withinKm", km), ("limit", "2")]).await;
    let key = |event: &Value| event["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    events.iter().map(key).collect()
}

#[tokio::test]
async fn an_event_is_near_when_one_of_its_places_is() {
    let world = world(&[
        ("berlin", vec![geo("52.52", "13.405")]),
        ("both", vec![geo("48.137", "11.575"), geo("52.39", "13.06")]),
        ("hamburg", vec![geo("53.5511", "9.9937")]),
        ("liberty", vec![cell("8a2a1072b59ffff")]),
        (
            "named",
            vec![
                json!({ "$type": "community.lexicon.location.address", "country": "DE", "locality": "Berlin" }),
            ],
        ),
        ("nowhere", vec![]),
    ]);
    for (point, km, expected) in [
        ("52.52,13.405", "1", &["berlin"][..]),
        ("52.52,13.405", "30", &["berlin", "both"]),
        ("52.52,13.405", "255", &["berlin", "both"]),
        ("52.52,13.405", "256", &["berlin", "both", "hamburg"]),
        ("40.6892,-74.0445", "1", &["liberty"]),
        ("40.7128,-74.006", "3", &[]),
        ("40.7128,-74.006", "5", &["liberty"]),
        ("-52.52,13.405", "1000", &[]),
    ] {
        assert_eq!(near(&world, point, km).await, expected, "{point} {km}");
    }
    let default = world.list(METHOD, "events", &[("near", "52.52,13.405")]).await;
    assert_eq!(default.len(), 1, "25 km; Potsdam is 27 away");
    let all = world.list(METHOD, "events", &[("withinKm", "1")]).await;
    assert_eq!(all.len(), 6, "a distance from nowhere is none");
}

#[tokio::test]
async fn the_globe_is_round() {
    let world = world(&[
        ("east", vec![geo("0", "179.95")]),
        ("equator", vec![geo("-0.0", "0")]),
        ("north", vec![geo("89.95", "0")]),
        ("pole", vec![geo("90", "77")]),
        ("south", vec![geo("-90", "-180")]),
        ("west", vec![geo("0", "-179.95")]),
    ]);
    for (point, km, expected) in [
        ("0,180", "10", &["east", "west"][..]),
        ("0,-180", "10", &["east", "west"]),
        ("0,179.95", "10", &["east"]),
        ("0,179.95", "12", &["east", "west"]),
        ("90,-123.4", "1", &["pole"]),
        ("90,0", "6", &["north", "pole"]),
        ("89.95,180", "12", &["north", "pole"]),
        ("-90,5", "1", &["south"]),
        ("0,0", "1", &["equator"]),
    ] {
        assert_eq!(near(&world, point, km).await, expected, "{point} {km}");
    }
}

#[tokio::test]
async fn a_place_that_is_none_is_near_to_nothing_and_harms_nobody() {
    let odd = [
        geo("NaN", "NaN"),
        geo("inf", "0"),
        geo("1e308", "0"),
        geo("0", "360"),
        geo("-91", "0"),
        geo("", ""),
        geo("0,0", "0"),
        geo(&"9".repeat(10_000), "0"),
        json!({ "$type": "community.lexicon.location.geo", "latitude": 0, "longitude": 0 }),
        cell("0"),
        cell("zzzzzzzzzzzzzzz"),
        cell("ffffffffffffffff"),
        json!({ "$type": "community.lexicon.location.hthree", "value": { "latitude": "0" } }),
        json!(null),
        json!([]),
    ];
    let mut places: Vec<(String, Vec<Value>)> =
        odd.iter().enumerate().map(|(number, one)| (format!("odd{number}"), vec![one.clone()])).collect();
    places.push(("there".to_owned(), odd.iter().cloned().chain([geo("0", "0")]).collect()));
    let places: Vec<_> = places.iter().map(|(key, places)| (key.as_str(), places.clone())).collect();
    let world = world(&places);
    assert_eq!(near(&world, "0,0", "1000").await, ["there"]);
    assert_eq!(world.list(METHOD, "events", &[]).await.len(), odd.len() + 1);
}
