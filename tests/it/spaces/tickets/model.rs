//! Random commands about one event, and a model of what holds after each.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::*;

const PEOPLE: [&str; 3] = ["ada", "bea", "cal"];
const ATTESTATIONS: [&str; 2] = [ATTESTED, OTHER];

/// What comes next. Numbers are places in the lists above.
#[derive(Clone, Debug)]
enum Step {
    Configure(usize, EventSettings),
    Link(usize, usize, usize),
    Confirm(usize, Option<usize>),
    Publish(bool),
    Account(usize, Option<&'static str>),
    Erase(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, which) = (0..PEOPLE.len(), 0..ATTESTATIONS.len());
    let flag = || proptest::option::of(proptest::bool::ANY);
    let url = proptest::option::of(prop_oneof![Just(""), Just(URL)].prop_map(Into::into));
    let change = (flag(), flag(), url).prop_map(|(email, direct, url)| EventSettings {
        require_confirmed_email: email,
        disable_direct_rsvp: direct,
        rsvp_redirect_url: url,
    });
    let status = prop_oneof![
        3 => Just(None),
        1 => Just(Some("suspended")),
        1 => Just(Some("deleted")),
    ];
    prop_oneof![
        4 => (0..2_usize, change).prop_map(|(who, change)| Step::Configure(who, change)),
        6 => (0..2_usize, who.clone(), which.clone()).prop_map(|(who, whom, which)| Step::Link(who, whom, which)),
        6 => (who.clone(), proptest::option::of(which)).prop_map(|(who, which)| Step::Confirm(who, which)),
        3 => proptest::bool::ANY.prop_map(Step::Publish),
        3 => (who.clone(), status).prop_map(|(who, status)| Step::Account(who, status)),
        1 => who.prop_map(Step::Erase),
    ]
}

/// What there is, in the simplest words: ada's event, how it is set up, and who has which ticket, confirmed or not.
#[derive(Default)]
struct Model {
    is_published: bool,
    inactive: BTreeMap<usize, &'static str>,
    settings: EventSettings,
    tickets: BTreeMap<usize, (usize, bool)>,
}

impl Model {
    fn is_live(&self) -> bool {
        self.is_published && !self.inactive.contains_key(&0)
    }

    /// Does a step; `None` where nothing is asked, else whether it is refused and with what, or changes something.
    fn play(&mut self, step: &Step) -> Option<Result<bool, Refusal>> {
        match step {
            Step::Configure(who, _) | Step::Link(who, ..) | Step::Confirm(who, _)
                if self.inactive.contains_key(who) =>
            {
                return Some(Err(Refusal::Inactive));
            }
            Step::Configure(1.., _) | Step::Link(1.., ..) => return Some(Err(Refusal::Forbidden)),
            Step::Configure(..) | Step::Link(..) if !self.is_live() => {
                return Some(Err(Refusal::EventNotFound));
            }
            Step::Configure(_, change) => {
                let before = self.settings.clone();
                let EventSettings { require_confirmed_email, disable_direct_rsvp, rsvp_redirect_url } =
                    change;
                self.settings.require_confirmed_email =
                    require_confirmed_email.or(before.require_confirmed_email);
                self.settings.disable_direct_rsvp = disable_direct_rsvp.or(before.disable_direct_rsvp);
                match rsvp_redirect_url.as_deref() {
                    Some("") => self.settings.rsvp_redirect_url = None,
                    Some(url) => self.settings.rsvp_redirect_url = Some(url.into()),
                    None => {}
                }
                return Some(Ok(self.settings != before));
            }
            Step::Link(_, whom, which) => {
                let is_same = self.tickets.get(whom).is_some_and(|(has, _)| has == which);
                if !is_same {
                    self.tickets.insert(*whom, (*which, false));
                }
                return Some(Ok(!is_same));
            }
            Step::Confirm(who, which) => {
                let is_live = self.is_live();
                let ticket = self.tickets.get_mut(who).filter(|_| is_live);
                let ticket = ticket.filter(|(has, _)| which.is_none_or(|which| which == *has));
                let Some((_, is_confirmed)) = ticket else { return Some(Err(Refusal::TicketNotFound)) };
                return Some(Ok(!std::mem::replace(is_confirmed, true)));
            }
            Step::Publish(is_there) => {
                // What an account that is not active does is not heard.
                if !self.inactive.contains_key(&0) {
                    self.is_published = *is_there;
                }
            }
            Step::Account(who, None) => drop(self.inactive.remove(who)),
            Step::Account(who, Some(status)) => {
                self.is_published &= !(*who == 0 && *status == "deleted");
                self.inactive.insert(*who, status);
            }
            Step::Erase(who) => {
                self.tickets.remove(who);
                if *who == 0 {
                    (self.settings, self.tickets) = (EventSettings::default(), BTreeMap::new());
                }
            }
        }
        None
    }
}

impl World {
    fn step(&mut self, step: &Step) -> Option<Answer> {
        self.now += 1;
        match step {
            Step::Configure(who, change) => return Some(self.configure(PEOPLE[*who], EVENT, change.clone())),
            Step::Link(who, whom, which) => {
                return Some(self.link(PEOPLE[*who], PEOPLE[*whom], ATTESTATIONS[*which]));
            }
            Step::Confirm(who, which) => {
                return Some(self.confirm(PEOPLE[*who], which.map(|which| ATTESTATIONS[which])));
            }
            Step::Publish(true) => drop(self.publish("ada", Kind::Event, json!({ "name": "Party" }))),
            Step::Publish(false) => self.delete("ada", Kind::Event),
            Step::Account(who, status) => self.account(PEOPLE[*who], *status),
            Step::Erase(who) => drop(self.operate(Command::Erase { did: did(PEOPLE[*who]) })),
        }
        None
    }
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_is_done_to_an_event_a_small_model_says_the_same(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let (mut world, mut model) = (World::new(), Model::default());
        for step in &steps {
            let expected = model.play(step);
            let answer = world.step(step);
            let now = world.now;
            let said = answer.map(|answer| answer.map(|done| match done {
                Done::Changed(changed) => changed,
                Done::Ticket(ticket) => ticket.confirmed_at == Some(now),
                other => panic!("{other:?}"),
            }));
            assert_eq!(said, expected, "{step:?}");
            let is_live = model.is_live();
            let settings = if is_live { model.settings.clone() } else { EventSettings::default() };
            assert_eq!(world.settings(), settings, "{step:?}");
            for (who, name) in PEOPLE.iter().enumerate() {
                let ticket = world.ticket(name);
                let has = ticket.map(|ticket| (ticket.attestation, ticket.confirmed_at.is_some()));
                let expected = model.tickets.get(&who).filter(|_| is_live);
                let expected = expected.map(|(which, is_confirmed)| (uri(ATTESTATIONS[*which]), *is_confirmed));
                assert_eq!(has, expected, "{name} after {step:?}");
            }
            let rows = usize::from(model.settings != EventSettings::default());
            assert_eq!(world.kept(), [rows, model.tickets.len(), model.tickets.len()]);
        }
        let mut faults = Vec::new();
        guestlist::spaces::sound::look(&*world.store.snapshot(), |fault| faults.push(fault)).unwrap();
        assert_eq!(faults, Vec::<String>::new());
    }
}
