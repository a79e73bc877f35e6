//! `searchEvents` of Smoke Signal at a daemon: the commands of its reference (seed 002) by the real `curl`, its answer and its table
//! of errors; and the one search of a public client.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::frames::Line;
use crate::smokesignal::{Party, are_there, publish};
use crate::smokesignal_reads::meetup;
use crate::tokens::{Answer, exchange, message};

const EVENT: &str = "community.lexicon.calendar.event";
const SEARCH: &str = "community.lexicon.calendar.searchEvents";

/// How long the index may take before a test fails. It is said to be less than a second behind.
const PATIENCE: Duration = Duration::from_secs(20);

/// The commands as they stand there.
const SEARCHES: &str = r"
# Search by text
curl 'https://smokesignal.events/xrpc/community.lexicon.calendar.searchEvents?query=rust+meetup&limit=5'

# Search by organizer DID
curl 'https://smokesignal.events/xrpc/community.lexicon.calendar.searchEvents?repository=did:plc:1234abcd'

# Search upcoming events
curl 'https://smokesignal.events/xrpc/community.lexicon.calendar.searchEvents?query=upcoming&limit=10'

# Search by multiple locations
curl 'https://smokesignal.events/xrpc/community.lexicon.calendar.searchEvents?location=bafyreiabc&location=bafyreixyz'
";

/// The event of the reference, which is over, and others: ada's later one, elsewhere, and two of bea's.
fn begin() -> Party {
    let mut party = Party::begin();
    let at = |place: &str| json!([{ "$type": "community.lexicon.location.address", "country": "DE", "name": place }]);
    let (ada, bea) = (party.cast.ada.did.clone(), party.cast.bea.did.clone());
    let events = [
        (&ada, "3jazz", "Jazz Night", "2998-03-01T18:00:00Z", at("Cellar")),
        (&bea, "3rust", "Another Rust Meetup", "2997-03-01T18:00:00Z", at("Attic")),
        (&bea, "3chess", "Chess", "2999-03-01T18:00:00Z", json!([])),
    ];
    let line = |(number, (did, rkey, name, starts_at, locations)): (
        u64,
        &(&String, &'static str, &str, &str, Value),
    )| {
        let record = json!({
            "$type": EVENT, "name": name, "startsAt": starts_at, "locations": locations,
            "createdAt": "2026-02-01T12:00:00Z",
        });
        Line::create(did, 10 + number, EVENT, rkey, &record.to_string())
    };
    let lines: Vec<_> = (0..).zip(&events).map(line).collect();
    publish(&mut party.site, "more.jsonl", &lines);
    // While the index is made anew there is none to ask.
    let begun = Instant::now();
    loop {
        let answer = get(&party, "query=rust");
        let found = (answer.status == 200).then(|| answer.json()["results"].as_array().map_or(0, Vec::len));
        if found == Some(2) {
            return party;
        }
        assert!(found.is_some() || answer.error() == "search_unavailable", "{}", answer.body);
        assert!(begun.elapsed() < PATIENCE, "{}", answer.body);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Searches as a page in a browser does.
fn get(party: &Party, query: &str) -> Answer {
    let headers = "Accept: application/json\r\nOrigin: https://calendar.example\r\n";
    let request = message("GET", &format!("/xrpc/{SEARCH}?{query}"), headers, None);
    exchange(&party.site.address(), &request).expect("an answer")
}

/// The record keys of what was found, in its order.
fn keys(found: &Value) -> Vec<&str> {
    let results = found["results"].as_array().unwrap();
    results.iter().map(|event| event["uri"].as_str().unwrap().rsplit('/').next().unwrap()).collect()
}

fn sorted(mut keys: Vec<&str>) -> Vec<&str> {
    keys.sort_unstable();
    keys
}

/// The view that `getEvent` gives of an event.
fn view(party: &Party, did: &str, rkey: &str) -> Value {
    party.ask(&format!("community.lexicon.calendar.getEvent?repository={did}&record_key={rkey}"))
}

#[test]
fn the_commands_that_search_are_answered_as_the_reference_shows() {
    if !are_there(&["curl"]) {
        println!("skipped: there is no curl");
        return;
    }
    let party = begin();
    let (ada, bea) = (&party.cast.ada.did, &party.cast.bea.did);
    let place =
        |did: &str, rkey: &str| view(&party, did, rkey)["locationCids"][0].as_str().unwrap().to_owned();
    let searches =
        SEARCHES.replace("bafyreiabc", &place(ada, "3jazz")).replace("bafyreixyz", &place(bea, "3rust"));
    let found: Vec<Value> = party
        .curl(&searches, "")
        .into_iter()
        .map(|(status, body)| {
            assert_eq!(status, "200 application/json", "{body}");
            body
        })
        .collect();
    let [by_text, by_organizer, upcoming, by_place] = &found[..] else { panic!("{found:?}") };
    assert_eq!(sorted(keys(by_text)), ["3abc123", "3rust"]);
    assert_eq!(sorted(keys(by_organizer)), ["3abc123", "3jazz"]);
    assert_eq!(keys(upcoming), ["3rust", "3jazz", "3chess"], "the first first, and none that is over");
    assert_eq!(sorted(keys(by_place)), ["3jazz", "3rust"], "at one of them");
    // "Each result contains the event record fields (flattened), RSVP counts, and a web URL for the event."
    let of_reference =
        by_text["results"].as_array().unwrap().iter().find(|event| event["uri"] == party.cast.event);
    let expected = meetup(&party, &party.view()["cid"]);
    assert_eq!(of_reference, Some(&expected));
    for event in found.iter().flat_map(|found| found["results"].as_array().unwrap()) {
        let rkey = event["uri"].as_str().unwrap().rsplit('/').next().unwrap();
        assert_eq!(*event, view(&party, event["repository"].as_str().unwrap(), rkey), "one view everywhere");
    }
}

#[test]
fn a_search_for_nothing_finds_nothing_and_every_row_of_the_table_of_errors_is_so() {
    let party = begin();
    // "If none are provided, an empty result set is returned."
    for query in ["", "limit=5", "unknown=rust"] {
        assert_eq!(get(&party, query).done(), json!({ "results": [] }), "{query}");
    }
    // "404 `invalid_repository`: `repository` parameter is not a valid `did:plc` or `did:web` value."
    for repository in
        ["1234abcd", "alice.bsky.social", "did:plc:", "did:web:", "did:key:zQ3sh", "did:plc:a/b", ""]
    {
        for more in ["", "&query=rust", "&query=upcoming&limit=10"] {
            let answer = get(&party, &format!("repository={repository}{more}"));
            assert_eq!(
                (answer.status, answer.error()),
                (404, "invalid_repository".to_owned()),
                "{repository:?}"
            );
            let body = answer.json();
            let fields: Vec<_> = body.as_object().unwrap().keys().collect();
            assert_eq!(fields, ["error", "error_description", "message"], "{repository:?}");
            assert_eq!(body["message"], body["error_description"]);
            assert!(!body["message"].as_str().unwrap().is_empty());
        }
    }
    // Somebody of whom nothing is known has no events.
    for repository in ["did:plc:zzzzzzzzzzzzzzzzzzzzzzzz", "did:web:nobody.example"] {
        assert_eq!(get(&party, &format!("repository={repository}")).done(), json!({ "results": [] }));
    }
}

#[test]
fn ten_results_are_given_unless_another_number_is_asked_for() {
    let mut party = begin();
    let ada = party.cast.ada.did.clone();
    let rkeys: Vec<&'static str> = (0..12).map(|number| &*format!("3more{number:02}").leak()).collect();
    let line = |(number, rkey): (u64, &&'static str)| {
        let starts_at = format!("2996-01-{:02}T18:00:00Z", number + 1);
        let record = json!({
            "$type": EVENT, "name": "One of many", "startsAt": starts_at, "createdAt": "2026-02-01T12:00:00Z",
        });
        Line::create(&ada, 100 + number, EVENT, rkey, &record.to_string())
    };
    let lines: Vec<_> = (0..).zip(&rkeys).map(line).collect();
    publish(&mut party.site, "many.jsonl", &lines);
    let all = format!("repository={ada}&query=upcoming&limit=100");
    let begun = Instant::now();
    while get(&party, &all).json()["results"].as_array().map(Vec::len) != Some(13) {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    let [first, .., last] = &rkeys[..] else { unreachable!("twelve") };
    let found = get(&party, &all).done();
    assert_eq!((keys(&found)[0], keys(&found)[11], keys(&found)[12]), (*first, *last, "3jazz"));
    for (limit, count) in [("", 10), ("&limit=1", 1), ("&limit=0", 1), ("&limit=-3", 1), ("&limit=1000", 13)]
    {
        let found = get(&party, &all.replace("&limit=100", limit)).done();
        assert_eq!(keys(&found).len(), count, "{limit}");
        assert_eq!(keys(&found)[0], *first);
    }
}

/// It is `flo-bit/blento` (as of its commit fb4d93d, of February 2026): a page of what an organizer has upcoming.
/// It escapes the DID, names the organizer before the words, gives no limit, and takes any error for "no events".
#[test]
fn the_page_of_an_organizer_in_a_public_client_has_what_is_upcoming() {
    let party = begin();
    let (ada, bea) = (&party.cast.ada.did, &party.cast.bea.did);
    for (organizer, upcoming) in [(ada, &["3jazz"][..]), (bea, &["3rust", "3chess"])] {
        let answer = get(&party, &format!("repository={}&query=upcoming", organizer.replace(':', "%3A")));
        let head = answer.head.to_lowercase();
        assert!(head.contains("access-control-allow-origin: *"), "{head}");
        let found = answer.done();
        let events = found["results"].as_array().unwrap();
        // It tells events apart by their URL, and takes the record key from its end.
        let keys: Vec<_> =
            events.iter().map(|event| event["url"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
        assert_eq!(keys, upcoming);
        for event in events {
            assert!(
                event["name"].is_string() && event["startsAt"].is_string() && event["countGoing"].is_u64()
            );
            assert!(event["locations"].is_array(), "{event}");
        }
    }
    let nobody = get(&party, "repository=did%3Aplc%3Azzzzzzzzzzzzzzzzzzzzzzzz&query=upcoming").done();
    assert_eq!(nobody, json!({ "results": [] }), "no events found");
}
