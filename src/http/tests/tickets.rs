//! How events are set up and who has tickets, through the whole life of an event: what shows where, to whom, and when.

use std::slice::from_ref;

use serde_json::{Value, json};

use super::office::Office;
use super::world::{did, uri};
use crate::records::Kind;

const LINK: &str = "events.smokesignal.rsvp.linkAttestation";
const CONFIGURE: &str = "events.smokesignal.event.configure";
const CONFIRM: &str = "app.guestlist.confirmAttestation";
const TICKETS: &str = "app.guestlist.listTickets";
const AUDIT: &str = "app.guestlist.listAudit";
const GET_EVENT: &str = "community.lexicon.calendar.getEvent";
const GET_RSVP: &str = "community.lexicon.calendar.getRSVP";
const LIST_RSVPS: &str = "community.lexicon.calendar.listRSVPs";
const OF_EVENT: &str = "app.guestlist.listEventRSVPs";

fn party() -> String {
    uri("ada", Kind::Event, "party")
}

/// A record of somebody's that attests something.
fn attestation(author: &str, key: &str) -> String {
    format!("at://did:plc:{author}/com.example.attestation/{key}")
}

fn going(event: &str) -> Value {
    let status = "community.lexicon.calendar.rsvp#going";
    json!({ "subject": { "uri": event }, "status": status })
}

/// Ada's party, and bea who goes there.
fn office() -> Office {
    let mut office = Office::of(&["ada", "bea", "cal", "eve"]);
    office.world.put("ada", Kind::Event, "party", json!({ "name": "Party" }));
    office.world.put("bea", Kind::Rsvp, "a", going(&party()));
    office
}

impl Office {
    async fn link(&self, author: &str, event: &str, who: &str, attestation: &str) {
        let input = json!({ "did": did(who).as_str(), "event": event, "aturi": attestation });
        assert_eq!(self.done(author, LINK, input).await, json!({}));
    }

    async fn confirm(&self, who: &str, event: &str) -> Value {
        self.done(who, CONFIRM, json!({ "event": event })).await["ticket"].clone()
    }

    /// What each of the three views of bea's answer to the party says of her ticket: all of them say the same.
    async fn shown(&self) -> Option<String> {
        let event = party();
        let one = self.world.get(GET_RSVP, &[("event", &event), ("identity", "did:plc:bea")]).await;
        let hers = self.world.list(LIST_RSVPS, "rsvps", &[("identity", "did:plc:bea")]).await;
        let of_event = self.world.list(OF_EVENT, "rsvps", &[("event", &event)]).await;
        let hers = hers.iter().find(|rsvp| rsvp["eventUri"] == event).unwrap();
        assert_eq!(
            (&one["attestation"], &one["attestation"]),
            (&hers["attestation"], &of_event[0]["attestation"])
        );
        assert!(!one["record"].to_string().contains("attestation"), "a record stays as it was written");
        one.get("attestation").map(|uri| uri.as_str().unwrap().to_owned())
    }

    /// How an event is set up.
    async fn settings(&self, author: &str) -> Value {
        let params = [("repository", did(author).as_str().to_owned()), ("record_key", "party".to_owned())];
        let params: Vec<_> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut view = self.world.get(GET_EVENT, &params).await;
        let names = ["requireConfirmedEmail", "disableDirectRsvp", "rsvpRedirectUrl"];
        let view = view.as_object_mut().unwrap();
        names.iter().filter_map(|name| view.remove_entry(*name)).collect()
    }

    async fn tickets(&self, who: &str, event: Option<&str>) -> Vec<Value> {
        let params: Vec<_> = event.map(|event| ("event", event)).into_iter().collect();
        self.list(who, TICKETS, "tickets", &params).await
    }

    /// Ada's party is set up, and bea has confirmed her ticket.
    async fn prepare(&self) -> (Value, Value) {
        let change =
            json!({ "event": party(), "disableDirectRsvp": true, "rsvpRedirectUrl": "https://ti.to/a" });
        self.done("ada", CONFIGURE, change).await;
        self.link("ada", &party(), "bea", &attestation("ada", "one")).await;
        (self.settings("ada").await, self.confirm("bea", &party()).await)
    }

    /// Neither settings nor tickets of ada's party are anywhere.
    async fn assert_nothing_is_there(&self) {
        let event = party();
        let params = [("repository", "did:plc:ada"), ("record_key", "party")];
        self.world.ask(GET_EVENT, &params).await.assert_error(404, "not_found");
        assert_eq!(self.shown().await, None);
        assert_eq!(self.tickets("bea", None).await, Vec::<Value>::new());
        self.ask("bea", TICKETS, &[("event", &event)]).await.assert_error(404, "NotFound");
        self.call("bea", CONFIRM, json!({ "event": event })).await.assert_error(404, "NotFound");
    }

    /// Both are as they were.
    async fn assert_all_is_there(&self, (settings, ticket): &(Value, Value)) {
        assert_eq!(self.settings("ada").await, *settings);
        assert_eq!(self.shown().await.as_deref(), ticket["aturi"].as_str());
        for (who, event) in [("bea", None), ("bea", Some(party())), ("ada", Some(party()))] {
            assert_eq!(self.tickets(who, event.as_deref()).await, from_ref(ticket), "{who}");
        }
    }

    /// All of ada's party is as it was, and bea has a ticket for another event too.
    async fn assert_all_is_there_but(&self, (settings, ticket): &(Value, Value), other: &str) {
        assert_eq!(self.settings("ada").await, *settings);
        assert_eq!(self.shown().await.as_deref(), ticket["aturi"].as_str());
        let hers = self.tickets("bea", None).await;
        assert_eq!((hers.len(), &hers[0], hers[1]["event"].as_str()), (2, ticket, Some(other)));
        for who in ["bea", "eve"] {
            assert_eq!(self.tickets(who, Some(other)).await, from_ref(&hers[1]), "{who}");
        }
    }
}

#[tokio::test]
async fn a_ticket_is_linked_confirmed_and_shown() {
    let office = office();
    let (event, first) = (party(), attestation("ada", "one"));
    office.link("ada", &event, "bea", &first).await;
    let linked = office.tickets("bea", None).await;
    let at = linked[0]["linkedAt"].as_i64().unwrap();
    // Milliseconds, as everywhere with spaces.
    assert!(at > 1_700_000_000_000 && at < 100_000_000_000_000, "{at}");
    let expected = json!({ "event": event, "did": "did:plc:bea", "handle": "bea.example", "aturi": first, "linkedAt": at });
    assert_eq!(linked, from_ref(&expected));
    assert_eq!(office.shown().await, None, "nobody says for bea what is hers");

    let ticket = office.confirm("bea", &event).await;
    let confirmed = ticket["confirmedAt"].as_i64().unwrap();
    assert!(confirmed >= at);
    let mut with_confirmation = expected;
    with_confirmation["confirmedAt"] = json!(confirmed);
    assert_eq!(ticket, with_confirmation);
    assert_eq!(office.shown().await, Some(first.clone()));
    // A lost answer can be asked for again, and nothing is another.
    office.link("ada", &event, "bea", &first).await;
    assert_eq!(office.confirm("bea", &event).await, ticket);
    let named = json!({ "event": event, "aturi": first });
    assert_eq!(office.done("bea", CONFIRM, named).await["ticket"], ticket);
    assert_eq!(office.tickets("ada", Some(&event)).await, [ticket]);
}

#[tokio::test]
async fn another_attestation_is_confirmed_anew() {
    let office = office();
    let (event, second) = (party(), attestation("ada", "two"));
    let (_, first) = office.prepare().await;
    office.link("ada", &event, "bea", &second).await;
    assert_eq!(office.shown().await, None);
    let other = json!({ "event": event, "aturi": first["aturi"] });
    office.call("bea", CONFIRM, other).await.assert_error(404, "NotFound");
    assert_eq!(office.shown().await, None);
    office.done("bea", CONFIRM, json!({ "event": event, "aturi": second })).await;
    assert_eq!(office.shown().await, Some(second));
    assert_eq!(office.tickets("ada", Some(&event)).await.len(), 1, "one person has one ticket");
}

#[tokio::test]
async fn only_who_has_a_ticket_confirms_it_and_only_for_its_event() {
    let mut office = office();
    office.world.put("ada", Kind::Event, "other", json!({ "name": "Other" }));
    let event = party();
    office.link("ada", &event, "bea", &attestation("ada", "one")).await;
    let by_handle = event.replace("did:plc:ada", "ada.example");
    let nowhere = uri("ada", Kind::Event, "nowhere");
    for (who, event) in [
        ("ada", event.as_str()),
        ("cal", &event),
        ("bea", &uri("ada", Kind::Event, "other")),
        ("bea", &nowhere),
        ("bea", &by_handle),
    ] {
        office.call(who, CONFIRM, json!({ "event": event })).await.assert_error(404, "NotFound");
    }
    for event in
        ["at://did:plc:ada", "at://did:plc:ada/community.lexicon.calendar.event", &attestation("ada", "one")]
    {
        let answer = office.call("bea", CONFIRM, json!({ "event": event })).await;
        assert!(answer.assert_error(400, "InvalidRequest").contains("/event"));
    }
    assert_eq!(office.shown().await, None);
}

#[tokio::test]
async fn what_is_kept_of_an_event_goes_and_returns_with_it() {
    let mut office = office();
    let kept = office.prepare().await;
    office.assert_all_is_there(&kept).await;
    let input = json!({ "event": party(), "requireConfirmedEmail": true });
    let link = json!({ "event": party(), "did": "did:plc:cal", "aturi": attestation("ada", "two") });

    // Its author deletes it, and creates it again.
    office.world.delete("ada", Kind::Event, "party");
    office.assert_nothing_is_there().await;
    office.call("ada", CONFIGURE, input.clone()).await.assert_error(404, "EventNotFound");
    office.call("ada", LINK, link.clone()).await.assert_error(404, "NotFound");
    office.ask("ada", TICKETS, &[("event", &party())]).await.assert_error(404, "NotFound");
    // Somebody else's of the same key is another event.
    office.world.put("eve", Kind::Event, "party", json!({ "name": "Party" }));
    assert_eq!(office.settings("eve").await, json!({}));
    let of_eve = uri("eve", Kind::Event, "party");
    assert_eq!(office.tickets("eve", Some(&of_eve)).await, Vec::<Value>::new());
    office.assert_nothing_is_there().await;
    office.world.put("ada", Kind::Event, "party", json!({ "name": "Party", "description": "Again" }));
    office.assert_all_is_there(&kept).await;
    assert_eq!(office.settings("eve").await, json!({}));

    // It becomes unusable, and is mended.
    office.world.put("ada", Kind::Event, "party", json!({ "$type": "something.else.entirely" }));
    office.assert_nothing_is_there().await;
    office.world.put("ada", Kind::Event, "party", json!({ "name": "Party" }));
    office.assert_all_is_there(&kept).await;

    // Its author goes away, and returns.
    for status in ["deactivated", "suspended", "takendown"] {
        office.world.account("ada", Some(status));
        office.assert_nothing_is_there().await;
        office.call("ada", CONFIGURE, input.clone()).await.assert_error(403, "Forbidden");
        office.world.account("ada", None);
        office.assert_all_is_there(&kept).await;
    }
    // For good: the event is gone with the account, and what is kept of it counts when both are there again.
    office.world.account("ada", Some("deleted"));
    office.assert_nothing_is_there().await;
    office.world.account("ada", None);
    office.assert_nothing_is_there().await;
    office.world.put("ada", Kind::Event, "party", json!({ "name": "Party" }));
    office.assert_all_is_there(&kept).await;
}

#[tokio::test]
async fn an_event_of_the_same_key_has_nothing_of_anothers() {
    let mut office = office();
    let kept = office.prepare().await;
    office.world.put("eve", Kind::Event, "party", json!({ "name": "Party" }));
    let of_eve = uri("eve", Kind::Event, "party");
    assert_eq!(office.settings("eve").await, json!({}));
    office.call("bea", CONFIRM, json!({ "event": of_eve })).await.assert_error(404, "NotFound");
    office.done("eve", CONFIGURE, json!({ "event": of_eve, "requireConfirmedEmail": true })).await;
    office.link("eve", &of_eve, "bea", &attestation("eve", "one")).await;
    office.assert_all_is_there_but(&kept, &of_eve).await;
    office.world.delete("eve", Kind::Event, "party");
    office.assert_all_is_there(&kept).await;
}

#[tokio::test]
async fn somebody_who_goes_away_is_on_no_list_of_tickets_until_they_return() {
    let mut office = office();
    let kept = office.prepare().await;
    office.link("ada", &party(), "cal", &attestation("ada", "two")).await;
    office.world.account("bea", Some("deactivated"));
    let left = office.tickets("ada", Some(&party())).await;
    assert_eq!((left.len(), left[0]["did"].as_str()), (1, Some("did:plc:cal")));
    office.call("bea", CONFIRM, json!({ "event": party() })).await.assert_error(403, "Forbidden");
    office.world.account("bea", None);
    let all = office.tickets("ada", Some(&party())).await;
    assert_eq!((all.len(), &all[0]), (2, &kept.1));
}

#[tokio::test]
async fn no_record_speaks_in_our_place() {
    let mut office = office();
    let claims = json!({
        "name": "Party", "requireConfirmedEmail": true, "disableDirectRsvp": true,
        "rsvpRedirectUrl": "https://evil.example", "attestation": "x",
    });
    office.world.put("ada", Kind::Event, "party", claims);
    assert_eq!(office.settings("ada").await, json!({}));
    office.done("ada", CONFIGURE, json!({ "event": party(), "requireConfirmedEmail": false })).await;
    assert_eq!(office.settings("ada").await, json!({ "requireConfirmedEmail": false }));
}

#[tokio::test]
async fn the_attestation_is_of_each_answer_to_the_event_and_of_no_other() {
    let mut office = office();
    let by_handle = party().replace("did:plc:ada", "ada.example");
    let other = uri("ada", Kind::Event, "other");
    for (key, event) in
        [("b", &party()), ("c", &other), ("d", &by_handle), ("e", &"at://did:plc:ada".to_owned())]
    {
        office.world.put("bea", Kind::Rsvp, key, going(event));
    }
    office.world.put("cal", Kind::Rsvp, "a", going(&party()));
    let (_, ticket) = office.prepare().await;
    let hers = office.world.list(LIST_RSVPS, "rsvps", &[("identity", "did:plc:bea")]).await;
    assert_eq!(hers.len(), 5);
    for rsvp in &hers {
        let expected = if rsvp["eventUri"] == party() { &ticket["aturi"] } else { &Value::Null };
        assert_eq!(&rsvp["attestation"], expected, "{rsvp}");
    }
    let of_event = office.world.list(OF_EVENT, "rsvps", &[("event", &party())]).await;
    assert_eq!((&of_event[0]["attestation"], of_event[1].get("attestation")), (&ticket["aturi"], None));
    // What is answered under a handle is no event.
    let one = office.world.get(GET_RSVP, &[("event", &by_handle), ("identity", "did:plc:bea")]).await;
    assert!(one.get("attestation").is_none());
}

#[tokio::test]
async fn tickets_are_listed_once_each_to_whom_they_concern() {
    let mut office = office();
    let people: Vec<_> = (0..5).map(|number| format!("g{number}")).collect();
    // Of whom one's DID is the beginning of another's.
    for who in people.iter().map(String::as_str).chain(["bea", "beat"]) {
        office.link("ada", &party(), who, &attestation("ada", who)).await;
    }
    for key in ["p1", "p2", "p3"] {
        let event = office.world.put("cal", Kind::Event, key, json!({ "name": key }));
        office.link("cal", event["uri"].as_str().unwrap(), "bea", &attestation("cal", key)).await;
    }
    let all = ["bea", "beat", "g0", "g1", "g2", "g3", "g4"].map(|name| did(name).as_str().to_owned());
    for limit in ["1", "2", "3", "100"] {
        let params = [("event", &*party()), ("limit", limit)];
        let listed = office.list("ada", TICKETS, "tickets", &params).await;
        assert_eq!(listed.iter().map(|one| one["did"].as_str().unwrap()).collect::<Vec<_>>(), all, "{limit}");
        let hers = office.list("bea", TICKETS, "tickets", &[("limit", limit)]).await;
        let keys: Vec<_> =
            hers.iter().map(|one| one["aturi"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
        assert_eq!(keys, ["bea", "p1", "p2", "p3"], "{limit}");
    }
    let own = office.tickets("bea", Some(&party())).await;
    assert_eq!((own.len(), &own[0]["did"]), (1, &json!("did:plc:bea")));
    for who in ["cal", "eve"] {
        assert_eq!(office.tickets(who, Some(&party())).await, Vec::<Value>::new(), "{who}");
    }
    assert_eq!(office.tickets("ada", None).await, Vec::<Value>::new(), "what she gave is not what she has");
    // A cursor is for the list that gave it.
    let first = office.get("ada", TICKETS, &[("event", &party()), ("limit", "1")]).await;
    let cursor = first["cursor"].as_str().unwrap();
    for (who, event) in [("bea", Some(party())), ("ada", None), ("bea", None)] {
        let event = event.unwrap_or_default();
        let mut params = vec![("cursor", cursor)];
        params.extend((!event.is_empty()).then_some(("event", event.as_str())));
        office.ask(who, TICKETS, &params).await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn who_asks_for_tickets_of_what_is_no_event_is_told_so() {
    let office = office();
    for (event, status, name) in [
        ("party", 400, "InvalidRequest"),
        ("at://did:plc:ada", 400, "InvalidRequest"),
        ("at://did:plc:ada/community.lexicon.calendar.event", 400, "InvalidRequest"),
        ("at://did:plc:ada/at.atjam.round/party", 400, "InvalidRequest"),
        ("at://ada.example/community.lexicon.calendar.event/party", 404, "NotFound"),
        ("at://did:plc:ada/community.lexicon.calendar.event/nowhere", 404, "NotFound"),
    ] {
        let answer = office.ask("ada", TICKETS, &[("event", event)]).await;
        assert!(answer.assert_error(status, name).contains("event"), "{event}");
    }
    office.ask("ada", TICKETS, &[("limit", "many")]).await.assert_error(400, "InvalidRequest");
}

#[tokio::test]
async fn what_is_done_with_an_event_is_in_the_audit_of_its_space() {
    let office = office();
    office.prepare().await;
    let entries = office.list("ada", AUDIT, "entries", &[("space", &party())]).await;
    let told: Vec<_> = entries.iter().map(|one| (&one["act"], &one["actor"], &one["subject"])).collect();
    let (ada, bea, nobody) = (&json!("did:plc:ada"), &json!("did:plc:bea"), &Value::Null);
    let acts = [json!("confirm"), json!("link"), json!("configure")];
    assert_eq!(told, [(&acts[0], bea, nobody), (&acts[1], ada, bea), (&acts[2], ada, nobody)]);
}
