//! How events are set up, and the tickets for them, as RULES §7 has it.

mod model;

use super::*;
use guestlist::spaces::tickets;
use guestlist::tables::keys::RecordId;
use guestlist::tables::spaces::Actor;
use guestlist::tables::tickets::{EventSettings, Ticket};
use guestlist::tables::{PersonTickets, Settings, Tickets};

const EVENT: &str = "at://did:plc:ada/community.lexicon.calendar.event/one";
const URL: &str = "https://ti.to/myorg/my-event";
const ATTESTED: &str = "at://did:plc:ada/com.example.attestation/3att456";
const OTHER: &str = "at://did:plc:ada/com.example.attestation/3att457";

fn event() -> RecordId {
    record(EVENT)
}

fn record(uri: &str) -> RecordId {
    RecordId::from_uri(&AtUri::parse(uri).unwrap()).unwrap()
}

fn uri(text: &str) -> AtUri {
    AtUri::parse(text).unwrap()
}

fn email(is_required: bool) -> EventSettings {
    EventSettings { require_confirmed_email: Some(is_required), ..EventSettings::default() }
}

fn redirect(url: &str) -> EventSettings {
    EventSettings { rsvp_redirect_url: Some(url.into()), ..EventSettings::default() }
}

fn ticket(attestation: &str, linked_at: i64, confirmed_at: Option<i64>) -> Ticket {
    Ticket { attestation: uri(attestation), linked_at, confirmed_at }
}

impl World {
    /// A world in which ada has an event.
    fn with_event() -> Self {
        let mut world = Self::new();
        assert_eq!(world.publish("ada", Kind::Event, json!({ "name": "Party" })), EVENT);
        world
    }

    fn configure(&mut self, who: &str, at: &str, change: EventSettings) -> Answer {
        self.ask(who, Command::Configure { event: record(at), change })
    }

    fn link(&mut self, who: &str, whom: &str, attestation: &str) -> Answer {
        let (event, attestation) = (event(), uri(attestation));
        self.ask(who, Command::Link { event, did: did(whom), attestation })
    }

    fn confirm(&mut self, who: &str, attestation: Option<&str>) -> Answer {
        self.ask(who, Command::Confirm { event: event(), attestation: attestation.map(uri) })
    }

    fn settings(&self) -> EventSettings {
        tickets::settings(&*self.store.snapshot(), &event()).unwrap()
    }

    fn ticket(&self, who: &str) -> Option<Ticket> {
        tickets::ticket(&*self.store.snapshot(), &event(), &did(who)).unwrap()
    }

    /// Rows of settings and of tickets, the latter as both tables have them.
    fn kept(&self) -> [usize; 3] {
        let rows = self.store.snapshot();
        [
            rows.scan_all::<Settings>().count(),
            rows.scan_all::<Tickets>().count(),
            rows.scan_all::<PersonTickets>().count(),
        ]
    }
}

const NO_TICKET: Answer = Err(Refusal::TicketNotFound);

#[test]
fn each_setting_is_set_by_itself_and_stays_until_it_is_set_again() {
    let mut world = World::with_event();
    assert_eq!(world.settings(), EventSettings::default());
    assert_eq!(world.configure("ada", EVENT, email(true)), CHANGED);
    assert_eq!(world.configure("ada", EVENT, redirect(URL)), CHANGED);
    let direct = EventSettings { disable_direct_rsvp: Some(true), ..EventSettings::default() };
    assert_eq!(world.configure("ada", EVENT, direct), CHANGED);
    let all = EventSettings {
        require_confirmed_email: Some(true),
        disable_direct_rsvp: Some(true),
        rsvp_redirect_url: Some(URL.into()),
    };
    assert_eq!(world.settings(), all);
    // The same again is no change, and what is said to be false was said.
    assert_eq!(world.configure("ada", EVENT, all.clone()), SAME);
    assert_eq!(world.configure("ada", EVENT, email(false)), CHANGED);
    assert_eq!(world.settings(), EventSettings { require_confirmed_email: Some(false), ..all.clone() });
    // The empty text clears the URL, once; there is no clearing the others.
    assert_eq!(world.configure("ada", EVENT, redirect("")), CHANGED);
    assert_eq!(world.configure("ada", EVENT, redirect("")), SAME);
    assert_eq!(world.settings().rsvp_redirect_url, None);
    let acts: Vec<_> = world.audit().into_iter().map(|(act, finding)| format!("{act} {finding}")).collect();
    let done = "configure done";
    let already = "configure already";
    assert_eq!(acts, [done, done, done, already, done, done, already]);
    let entry = world.entries().remove(0);
    assert_eq!((entry.actor, entry.space, entry.subject), (Actor::Did(did("ada")), Some(space(EVENT)), None));
}

#[test]
fn settings_that_say_nothing_leave_no_row() {
    let mut world = World::with_event();
    assert_eq!(world.configure("ada", EVENT, redirect("")), SAME);
    assert_eq!(world.configure("ada", EVENT, EventSettings::default()), SAME);
    assert_eq!(world.kept(), [0; 3]);
    world.configure("ada", EVENT, redirect(URL)).unwrap();
    assert_eq!(world.kept(), [1, 0, 0]);
    assert_eq!(world.configure("ada", EVENT, redirect("")), CHANGED);
    assert_eq!(world.kept(), [0; 3]);
}

#[test]
fn an_event_is_set_up_by_its_author_alone_and_whose_it_is_comes_first() {
    let mut world = World::with_event();
    let nowhere = "at://did:plc:ada/community.lexicon.calendar.event/nowhere";
    let no_event: Answer = Err(Refusal::EventNotFound);
    assert_eq!(world.configure("bea", EVENT, email(true)), Err(Refusal::Forbidden));
    // Nobody learns what there is of others.
    assert_eq!(world.configure("bea", nowhere, email(true)), Err(Refusal::Forbidden));
    assert_eq!(world.configure("ada", nowhere, email(true)), no_event);
    let operators = Command::Configure { event: event(), change: email(true) };
    assert_eq!(world.operate(operators), Err(Refusal::Forbidden));
    // What is published is no event, and who publishes one that is unusable has none.
    for kind in [Kind::Jam, Kind::Round, Kind::Rsvp] {
        let record = match kind {
            Kind::Round => json!({ "jam": { "uri": "at://did:plc:ada/at.atjam.jam/one" } }),
            Kind::Rsvp => json!({ "subject": { "uri": EVENT }, "status": "going" }),
            _ => json!({ "name": "Jam" }),
        };
        let place = world.publish("ada", kind, record);
        assert_eq!(world.configure("ada", &place, email(true)), no_event, "{place}");
    }
    world.publish("ada", Kind::Event, json!(["no map"]));
    assert_eq!(world.configure("ada", EVENT, email(true)), no_event);
    assert_eq!((world.kept(), world.audit()), ([0; 3], vec![]));
    // While her account is not active she is not let in at all.
    world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    world.account("ada", Some("suspended"));
    assert_eq!(world.configure("ada", EVENT, email(true)), Err(Refusal::Inactive));
}

#[test]
fn a_ticket_is_linked_once_and_anew_when_it_is_another() {
    let mut world = World::with_event();
    let first = world.now;
    assert_eq!(world.link("ada", "bea", ATTESTED), CHANGED);
    world.now += 10;
    assert_eq!(world.link("ada", "bea", ATTESTED), SAME);
    assert_eq!(world.ticket("bea"), Some(ticket(ATTESTED, first, None)));
    assert_eq!(
        world.confirm("bea", None),
        Ok(Done::Ticket(Box::new(ticket(ATTESTED, first, Some(first + 10)))))
    );
    // Also what was confirmed stays confirmed.
    assert_eq!(world.link("ada", "bea", ATTESTED), SAME);
    assert_eq!(world.ticket("bea").unwrap().confirmed_at, Some(first + 10));
    // Another one has to be confirmed anew, and so has the first when it takes that one's place.
    world.now += 10;
    assert_eq!(world.link("ada", "bea", OTHER), CHANGED);
    assert_eq!(world.ticket("bea"), Some(ticket(OTHER, first + 20, None)));
    assert_eq!(world.link("ada", "bea", ATTESTED), CHANGED);
    assert_eq!(world.ticket("bea"), Some(ticket(ATTESTED, first + 20, None)));
    assert_eq!(world.kept(), [0, 1, 1]);
    let entry = world.entries().remove(0);
    assert_eq!(
        (entry.act.name(), entry.subject, entry.space),
        ("link", Some(did("bea")), Some(space(EVENT)))
    );
    let findings: Vec<_> = world.audit().into_iter().map(|(_, finding)| finding).collect();
    assert_eq!(findings, ["done", "already", "done", "already", "done", "done"]);
}

#[test]
fn a_ticket_is_linked_by_the_author_of_the_event_and_of_what_attests_it() {
    let mut world = World::with_event();
    let forbidden: Answer = Err(Refusal::Forbidden);
    let of_bea = "at://did:plc:bea/com.example.attestation/3att456";
    // RULES §7: "the caller must be the event's author and the authority of `aturi`".
    assert_eq!(world.link("bea", "bea", of_bea), forbidden);
    assert_eq!(world.link("bea", "bea", ATTESTED), forbidden);
    assert_eq!(world.link("ada", "bea", of_bea), forbidden);
    // Who a handle is depends on the day (RULES §2).
    assert_eq!(world.link("ada", "bea", "at://ada.example/com.example.attestation/3att456"), forbidden);
    let operators = Command::Link { event: event(), did: did("bea"), attestation: uri(ATTESTED) };
    assert_eq!(world.operate(operators), forbidden);
    world.delete("ada", Kind::Event);
    assert_eq!(world.link("ada", "bea", ATTESTED), Err(Refusal::EventNotFound));
    assert_eq!(world.link("bea", "bea", of_bea), forbidden, "whose it is comes first");
    assert_eq!((world.kept(), world.audit()), ([0; 3], vec![]));
    // She may give herself one, and whoever is not here.
    world.publish("ada", Kind::Event, json!({ "name": "Party" }));
    assert_eq!(world.link("ada", "ada", ATTESTED), CHANGED);
    world.account("cal", Some("deleted"));
    assert_eq!(world.link("ada", "cal", ATTESTED), CHANGED);
    assert_eq!(world.confirm("cal", None), Err(Refusal::Inactive));
}

#[test]
fn a_ticket_is_confirmed_by_who_has_it_and_only_the_one_that_they_mean() {
    let mut world = World::with_event();
    world.link("ada", "bea", ATTESTED).unwrap();
    let linked_at = world.now;
    world.now += 1;
    for (who, attestation) in [("cal", None), ("ada", None), ("ada", Some(ATTESTED)), ("bea", Some(OTHER))] {
        assert_eq!(world.confirm(who, attestation), NO_TICKET, "{who} {attestation:?}");
    }
    let operators = Command::Confirm { event: event(), attestation: None };
    assert_eq!(world.operate(operators), Err(Refusal::Forbidden));
    assert_eq!(world.ticket("bea"), Some(ticket(ATTESTED, linked_at, None)));
    let confirmed = ticket(ATTESTED, linked_at, Some(linked_at + 1));
    assert_eq!(world.confirm("bea", Some(ATTESTED)), Ok(Done::Ticket(Box::new(confirmed.clone()))));
    // Again, however they ask: the answer to the first may have been lost.
    world.now += 1;
    for attestation in [Some(ATTESTED), None] {
        assert_eq!(world.confirm("bea", attestation), Ok(Done::Ticket(Box::new(confirmed.clone()))));
    }
    assert_eq!(world.confirm("bea", Some(OTHER)), NO_TICKET);
    // What was replaced in the meantime is not confirmed by who has not seen the new one.
    world.link("ada", "bea", OTHER).unwrap();
    assert_eq!(world.confirm("bea", Some(ATTESTED)), NO_TICKET);
    assert_eq!(world.ticket("bea").unwrap().confirmed_at, None);
    let confirms: Vec<_> = world.audit().into_iter().filter(|(act, _)| *act == "confirm").collect();
    assert_eq!(confirms, [("confirm", "done"), ("confirm", "already"), ("confirm", "already")]);
}

#[test]
fn what_is_kept_of_an_event_counts_while_it_is_there() {
    let mut world = World::with_event();
    world.configure("ada", EVENT, email(true)).unwrap();
    world.link("ada", "bea", ATTESTED).unwrap();
    world.link("ada", "cal", ATTESTED).unwrap();
    world.confirm("bea", None).unwrap();
    let (settings, of_bea, of_cal) = (world.settings(), world.ticket("bea"), world.ticket("cal"));
    let gone = |world: &mut World, why: &str| {
        assert_eq!((world.settings(), world.ticket("bea")), (EventSettings::default(), None), "{why}");
        assert_eq!((world.confirm("cal", None), world.confirm("bea", None)), (NO_TICKET, NO_TICKET), "{why}");
        assert_eq!(world.kept(), [1, 2, 2], "{why}");
    };
    let back = |world: &World, why: &str| {
        let now = (world.settings(), world.ticket("bea"), world.ticket("cal"));
        assert_eq!(now, (settings.clone(), of_bea.clone(), of_cal.clone()), "{why}");
    };
    world.delete("ada", Kind::Event);
    gone(&mut world, "deleted");
    // Somebody else's event of the same key is another event.
    let of_dan = world.publish("dan", Kind::Event, json!({ "name": "Party" }));
    let rows = world.store.snapshot();
    assert_eq!(tickets::settings(&*rows, &record(&of_dan)).unwrap(), EventSettings::default());
    assert_eq!(tickets::ticket(&*rows, &record(&of_dan), &did("bea")).unwrap(), None);
    drop(rows);
    assert_eq!(world.configure("dan", EVENT, email(false)), Err(Refusal::Forbidden));
    gone(&mut world, "another's was published");
    world.publish("ada", Kind::Event, json!({ "name": "Party again" }));
    back(&world, "published again");
    world.publish("ada", Kind::Event, json!("unusable"));
    gone(&mut world, "unusable");
    world.publish("ada", Kind::Event, json!({ "name": "Party again" }));
    back(&world, "usable again");
    world.account("ada", Some("deactivated"));
    gone(&mut world, "deactivated");
    world.account("ada", None);
    back(&world, "active again");
    // With the account the record goes for good, and comes back when she publishes it.
    world.account("ada", Some("deleted"));
    gone(&mut world, "account deleted");
    world.account("ada", None);
    gone(&mut world, "nothing is published yet");
    world.publish("ada", Kind::Event, json!({ "name": "Party after all" }));
    back(&world, "published by the same author");
    // A holder's account changes nothing of the ticket.
    world.account("bea", Some("suspended"));
    assert_eq!(world.confirm("bea", None), Err(Refusal::Inactive));
    back(&world, "a holder is suspended");
}

#[test]
fn tickets_of_a_person_are_found_by_them_and_erased_with_them() {
    let mut world = World::with_event();
    let of_bea = record(&world.publish("bea", Kind::Event, json!({ "name": "Hers" })));
    world.configure("ada", EVENT, email(true)).unwrap();
    for whom in ["ada", "bea", "cal"] {
        world.link("ada", whom, ATTESTED).unwrap();
    }
    let attestation = uri("at://did:plc:bea/com.example.attestation/x");
    let back = Command::Link { event: of_bea.clone(), did: did("ada"), attestation };
    world.ask("bea", back).unwrap();
    world.ask("bea", Command::Configure { event: of_bea.clone(), change: email(true) }).unwrap();
    assert_eq!(world.kept(), [2, 4, 4]);
    // Hers are: how her event is set up, the one that she gave, the one that she has.
    assert_eq!(
        world.operate(Command::Erase { did: did("bea") }),
        Ok(Done::Swept { count: 3, next: Some(0) })
    );
    world.operate(Command::EraseAudit { did: did("bea"), from: 0 }).unwrap();
    assert_eq!((world.kept(), world.ticket("bea")), ([1, 2, 2], None));
    assert!(world.ticket("ada").is_some() && world.ticket("cal").is_some());
    assert!(!format!("{:?}", world.entries()).contains("did:plc:bea"));
    assert_eq!(tickets::settings(&*world.store.snapshot(), &of_bea).unwrap(), EventSettings::default());
    // And of whom gave the rest nothing is left: one that she has is one that she gave.
    assert_eq!(
        world.operate(Command::Erase { did: did("ada") }),
        Ok(Done::Swept { count: 3, next: Some(0) })
    );
    assert_eq!(world.kept(), [0; 3]);
}
