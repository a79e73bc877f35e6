//! How events are set up and what tickets they give out, while the events come and go and tickets change.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use futures_util::future::join_all;
use guestlist::codec::event::{Event, Op, Write};
use guestlist::spaces::command::{Command, Done, Refusal};
use guestlist::spaces::tickets;
use guestlist::syntax::{AtUri, Did, RecordKey};
use guestlist::tables::Settings;
use guestlist::tables::keys::{RecordId, SpaceId};
use guestlist::tables::spaces::{Act, Finding};
use guestlist::tables::tickets::{EventSettings, Ticket};
use guestlist::tables::view::ReadRows;
use serde_json::{Value, json};

use super::{Scene, exchange, races};
use crate::told::{EVENT, at, firehose, party};

const CONFIGURE: &str = "events.smokesignal.event.configure";
const LINK: &str = "events.smokesignal.rsvp.linkAttestation";
const CONFIRM: &str = "app.guestlist.confirmAttestation";

/// An event of the first person's.
struct Party {
    scene: Arc<Scene>,
    event: RecordId,
}

impl Party {
    async fn new(run: u64) -> Arc<Self> {
        let scene = Scene::new(run, 3).await;
        let uri = AtUri::parse(&at(&scene.people[0].did, EVENT, "party")).unwrap();
        let party = Self { scene, event: RecordId::from_uri(&uri).unwrap() };
        party.tell(1, party_op(true));
        party.until(200).await;
        Arc::new(party)
    }

    fn tell(&self, rev: u64, op: Op) {
        self.scene.writer.tell(Event::Commit(firehose(&self.scene.people[0].did, rev, None, vec![op])));
    }

    /// Sets it up, again and again, until the answer is as it must be some time.
    async fn until(&self, status: u16) {
        for number in 0..10_000 {
            if self.configure(1_000_000 + number).await == status {
                return;
            }
        }
        panic!("it does not come to that");
    }

    /// Somebody calls a method, or has the writer do what it does: the status, and the ticket that was confirmed.
    async fn call(&self, who: usize, method: &str, input: Value, command: Command) -> (u16, Value) {
        let person = &self.scene.people[who];
        let Some(router) = &self.scene.router else {
            return match self.scene.writer.ask(&person.did, command).await {
                Ok(Done::Ticket(ticket)) => {
                    let aturi = ticket.attestation.to_string();
                    (200, json!({ "aturi": aturi, "confirmedAt": ticket.confirmed_at }))
                }
                Ok(Done::Changed(_)) => (200, Value::Null),
                Err(Refusal::EventNotFound | Refusal::TicketNotFound) => (404, Value::Null),
                other => panic!("{other:?}"),
            };
        };
        let request = Request::post(format!("/xrpc/{method}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", person.token(method)))
            .body(Body::from(input.to_string()));
        let (status, answer) = exchange(router, request.unwrap()).await;
        assert!([200, 404].contains(&status), "{answer}");
        (status, answer["ticket"].clone())
    }

    /// Its author changes something.
    async fn change(&self, input: Value, change: EventSettings) -> u16 {
        let mut input = input;
        input["event"] = self.event.uri().into();
        self.call(0, CONFIGURE, input, Command::Configure { event: self.event.clone(), change }).await.0
    }

    /// Its author sends people to another place each time.
    async fn configure(&self, number: usize) -> u16 {
        let change = EventSettings { rsvp_redirect_url: Some(url(number)), ..EventSettings::default() };
        self.change(json!({ "rsvpRedirectUrl": url(number) }), change).await
    }

    fn settings(&self) -> EventSettings {
        tickets::settings(&*self.scene.writer.store.snapshot(), &self.event).unwrap()
    }

    /// The author gives the second person a ticket.
    async fn link(&self, number: usize) -> u16 {
        let did = Did::parse(&self.scene.people[1].did).unwrap();
        let attestation = self.attestation(number);
        let input =
            json!({ "event": self.event.uri(), "did": did.as_str(), "aturi": attestation.to_string() });
        let command = Command::Link { event: self.event.clone(), did, attestation };
        self.call(0, LINK, input, command).await.0
    }

    /// They confirm what they were shown; the ticket.
    async fn confirm(&self, number: usize) -> Option<Value> {
        let attestation = self.attestation(number);
        let input = json!({ "event": self.event.uri(), "aturi": attestation.to_string() });
        let command = Command::Confirm { event: self.event.clone(), attestation: Some(attestation) };
        let (status, ticket) = self.call(1, CONFIRM, input, command).await;
        (status == 200).then_some(ticket)
    }

    fn attestation(&self, number: usize) -> AtUri {
        AtUri::parse(&at(&self.scene.people[0].did, "com.example.ticket", &format!("t{number}"))).unwrap()
    }

    fn ticket(&self) -> Option<Ticket> {
        let did = Did::parse(&self.scene.people[1].did).unwrap();
        tickets::ticket(&*self.scene.writer.store.snapshot(), &self.event, &did).unwrap()
    }

    fn is_confirmed(&self) -> bool {
        self.ticket().unwrap().confirmed_at.is_some()
    }
}

fn url(number: usize) -> Box<str> {
    format!("https://tickets.example/{number}").into()
}

fn party_op(is_there: bool) -> Op {
    match is_there {
        true => party(),
        false => Op { collection: EVENT, rkey: RecordKey::parse("party").unwrap(), write: Write::Delete },
    }
}

#[test]
fn an_event_is_set_up_while_it_is_deleted_and_made_anew() {
    races(async |run| {
        let party = Party::new(run).await;
        assert_eq!(party.link(0).await, 200);
        let configure = |number| {
            let party = Arc::clone(&party);
            tokio::spawn(async move { party.configure(number).await })
        };
        let mut calls: Vec<_> = (0..20).map(configure).collect();
        party.tell(2, party_op(false));
        calls.extend((20..40).map(configure));
        party.tell(3, party_op(true));
        calls.extend((40..60).map(configure));
        let statuses: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        // It is there in the end, and is what somebody was told to have made of it.
        party.until(200).await;
        assert_eq!(party.configure(60).await, 200);
        let set_up = party.settings();
        assert_eq!(set_up.rsvp_redirect_url, Some(url(60)));
        assert_eq!(party.configure(60).await, 200);
        let findings = party.scene.writer.findings(&SpaceId::of_record(&party.event), Act::Configure);
        assert_eq!(findings.last(), Some(&Finding::Already));
        let done = findings.into_iter().filter(|finding| *finding == Finding::Done).count();
        let told = statuses.iter().filter(|status| **status == 200).count();
        assert!(done >= told + 2, "{done} changes, of which {told} were told in the race");
        goes_with_its_event_and_comes_back(&party, &set_up).await;
    });
}

/// What is kept of an event says nothing while that is not there, and the same as before when its author makes it anew.
async fn goes_with_its_event_and_comes_back(party: &Party, set_up: &EventSettings) {
    party.tell(4, party_op(false));
    party.until(404).await;
    assert_eq!((party.settings(), party.ticket()), (EventSettings::default(), None));
    assert_eq!((party.confirm(0).await, party.link(1).await), (None, 404));
    // Whatever was set between the deletion's being told and its being applied counts.
    let kept = party.scene.writer.store.snapshot().get::<Settings>(&party.event).unwrap().unwrap();
    assert_eq!(kept.require_confirmed_email, set_up.require_confirmed_email);
    party.tell(5, party_op(true));
    let mut tries = 0;
    let change = || EventSettings { require_confirmed_email: Some(true), ..EventSettings::default() };
    while party.change(json!({ "requireConfirmedEmail": true }), change()).await == 404 {
        tries += 1;
        assert!(tries < 10_000, "it does not return");
    }
    assert_eq!(party.settings(), EventSettings { require_confirmed_email: Some(true), ..kept });
    assert_eq!(party.ticket().map(|ticket| ticket.attestation), Some(party.attestation(0)));
}

#[test]
fn nothing_is_confirmed_that_was_not_shown_while_tickets_change() {
    const LAST: usize = 30;
    races(async |run| {
        let party = Party::new(run).await;
        assert_eq!(party.link(0).await, 200);
        let linking = {
            let party = Arc::clone(&party);
            tokio::spawn(async move {
                for number in 1..=LAST {
                    assert_eq!(party.link(number).await, 200);
                }
            })
        };
        let confirming = (0..=LAST).flat_map(|number| [number; 4]).map(|number| {
            let party = Arc::clone(&party);
            tokio::spawn(async move { (number, party.confirm(number).await) })
        });
        let confirming: Vec<_> = confirming.collect();
        let answers: Vec<_> = join_all(confirming).await.into_iter().map(Result::unwrap).collect();
        linking.await.unwrap();
        for (number, ticket) in &answers {
            let Some(ticket) = ticket else { continue };
            assert_eq!(ticket["aturi"], party.attestation(*number).to_string());
            assert!(ticket["confirmedAt"].is_i64(), "{ticket}");
        }
        assert_eq!(party.ticket().unwrap().attestation, party.attestation(LAST));
        let was_told = answers.iter().any(|(number, ticket)| *number == LAST && ticket.is_some());
        assert_eq!(party.is_confirmed(), was_told);
        // What came before is no longer to be confirmed, and what comes after is to be confirmed anew.
        assert_eq!(party.confirm(LAST - 1).await, None);
        assert!(party.confirm(LAST).await.is_some());
        assert_eq!(party.link(LAST).await, 200);
        assert!(party.is_confirmed(), "the same again changes nothing");
        assert_eq!(party.link(LAST + 1).await, 200);
        assert!(!party.is_confirmed());
        assert_eq!(party.confirm(LAST).await, None);
        assert!(!party.is_confirmed());
    });
}
