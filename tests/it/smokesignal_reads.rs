//! The queries of Smoke Signal at a daemon: the commands of its reference (seed 002) by the real `curl`.

use serde_json::{Value, json};

use crate::smokesignal::{Party, are_there};

/// The commands as they stand there.
pub(crate) const READS: &str = r"
curl 'https://smokesignal.events/xrpc/community.lexicon.calendar.getEvent?repository=did:plc:1234abcd&record_key=3abc123'
curl 'https://smokesignal.events/xrpc/community.lexicon.calendar.getRSVP?event=at://did:plc:1234abcd/community.lexicon.calendar.event/3abc123&identity=did:plc:5678efgh'
# First page
curl 'https://smokesignal.events/xrpc/community.lexicon.calendar.listRSVPs?identity=did:plc:5678efgh&limit=25'

# Next page using cursor
curl 'https://smokesignal.events/xrpc/community.lexicon.calendar.listRSVPs?identity=did:plc:5678efgh&limit=25&cursor=2026-02-10T12:00:00Z'
";

/// How people are called in the files of identities.
pub(crate) fn handle(did: &str) -> String {
    format!("{}.example", did.strip_prefix("did:plc:").unwrap())
}

/// The event of the reference, as all its methods show it.
pub(crate) fn meetup(party: &Party, cid: &Value) -> Value {
    json!({
        "$type": "community.lexicon.calendar.eventView",
        "name": "Rust Meetup",
        "description": "Monthly Rust meetup",
        "startsAt": "2026-03-01T18:00:00Z",
        "endsAt": "2026-03-01T20:00:00Z",
        "countGoing": 1,
        "countInterested": 0,
        "countNotGoing": 0,
        "url": format!("https://smokesignal.events/{}/3abc123", handle(&party.cast.ada.did)),
        // The record's own, and ours.
        "createdAt": "2026-02-01T12:00:00Z",
        "uri": party.cast.event,
        "cid": cid,
        "repository": party.cast.ada.did,
    })
}

#[test]
fn the_commands_that_read_are_answered_as_the_reference_shows() {
    if !are_there(&["curl"]) {
        println!("skipped: there is no curl");
        return;
    }
    let party = Party::begin();
    let read: Vec<Value> = party
        .curl(READS, "")
        .into_iter()
        .map(|(status, body)| {
            assert_eq!(status, "200 application/json", "{body}");
            body
        })
        .collect();
    let [event, rsvp, rsvps, next] = read.try_into().unwrap();
    let bea = &party.cast.bea.did;
    assert_eq!(event, meetup(&party, &event["cid"]));
    let record = json!({
        "$type": "community.lexicon.calendar.rsvp",
        "subject": rsvp["record"]["subject"],
        "status": "community.lexicon.calendar.rsvp#going",
        "createdAt": "2026-02-10T12:00:00Z",
    });
    let uri = format!("at://{bea}/community.lexicon.calendar.rsvp/3xyz789");
    let expected =
        json!({ "uri": uri, "cid": rsvp["cid"], "record": record, "status": "going", "accepted": false });
    assert_eq!(rsvp, expected);
    assert_eq!(rsvp["record"]["subject"]["uri"], party.cast.event);
    let mut item = rsvp;
    item["eventUri"] = json!(party.cast.event);
    assert_eq!(rsvps, json!({ "rsvps": [item] }), "and no cursor, since nothing follows");
    assert_eq!(next, json!({ "rsvps": [] }), "what is older than the answer");
}
