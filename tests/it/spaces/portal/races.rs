//! Commands in the Portal in any order: whatever comes first, the rows bear each other out, nobody joins where nobody
//! answers for it, and an export has all of it.

use proptest::prelude::{Strategy, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::super::lines::{exported, faults, imported};
use super::*;
use guestlist::rules::accounts;
use guestlist::tables::{OpenInvites, PersonChats, PersonSessions, SessionExpiries, Sessions, SpaceInvites};

const PEOPLE: [&str; 5] = ["ada", "bea", "cal", "dan", "eve"];
const CODES: [&str; 4] = ["one0000000000000", "two0000000000000", "three00000000000", "four000000000000"];

/// What comes next. Numbers are places in the lists above, and numbers of chats.
#[derive(Clone, Debug)]
enum Step {
    Chat(usize, usize),
    Level(usize, usize),
    Code(usize, u64, usize, u64, i64),
    Join(usize, usize),
    Revoke(usize, u64, usize),
    Delete(u64),
    Account(usize, Option<&'static str>),
    LogOut(usize),
    Wait(i64),
    Erase(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, code, chat) = (0..PEOPLE.len(), 0..CODES.len(), 1..5_u64);
    let status = prop_oneof![
        3 => proptest::strategy::Just(None),
        1 => proptest::strategy::Just(Some("suspended")),
        1 => proptest::strategy::Just(Some("deleted")),
    ];
    prop_oneof![
        3 => (who.clone(), 0..3_usize).prop_map(|(who, visibility)| Step::Chat(who, visibility)),
        3 => (who.clone(), 0..4_usize).prop_map(|(who, level)| Step::Level(who, level)),
        8 => (who.clone(), chat.clone(), code.clone(), 1..3_u64, 1..LONG)
            .prop_map(|(who, chat, code, uses, ends)| Step::Code(who, chat, code, uses, ends)),
        12 => (who.clone(), code.clone()).prop_map(|(who, code)| Step::Join(who, code)),
        2 => (who.clone(), chat.clone(), code).prop_map(|(who, chat, code)| Step::Revoke(who, chat, code)),
        1 => chat.prop_map(Step::Delete),
        3 => (who.clone(), status).prop_map(|(who, status)| Step::Account(who, status)),
        1 => who.clone().prop_map(Step::LogOut),
        1 => (1..LONG).prop_map(Step::Wait),
        1 => who.prop_map(Step::Erase),
    ]
}

impl World {
    fn place_of(&self, number: u64) -> Option<SpaceId> {
        self.chat(number).map(|chat| chat.space)
    }

    fn play_there(&mut self, step: &Step, levels: &mut [Level; PEOPLE.len()]) {
        match step {
            Step::Chat(who, visibility) => drop(self.make_chat(PEOPLE[*who], Visibility::ALL[*visibility])),
            Step::Level(who, level) => {
                levels[*who] = LEVELS[*level];
                let of = PEOPLE.into_iter().zip(*levels).map(|(name, level)| (did(name), level));
                self.bounds.levels = of.collect();
            }
            Step::Code(who, chat, code, uses, ends) => {
                let Some(space) = self.place_of(*chat) else { return };
                // A code is new: it is random, and long.
                if self.stored_code(CODES[*code]).is_none() {
                    let expires_at = Some(self.now + ends);
                    let terms = InviteTerms { expires_at, max_uses: Some(*uses), ..open() };
                    let code = CODES[*code].into();
                    let _ = self.ask_there(PEOPLE[*who], Command::CreateCode { space, code, terms });
                }
            }
            Step::Join(who, code) => self.join_and_look(PEOPLE[*who], CODES[*code]),
            Step::Revoke(who, chat, code) => {
                let Some(space) = self.place_of(*chat) else { return };
                let hash = hash(CODES[*code]);
                let _ = self.ask_there(PEOPLE[*who], Command::Revoke { space, hash });
            }
            Step::Delete(chat) => {
                let Some(space) = self.place_of(*chat) else { return };
                self.operate(Command::DeleteSpace { space }).unwrap();
            }
            Step::Account(who, status) => self.account(PEOPLE[*who], *status),
            Step::LogOut(who) => drop(self.ask_with(PEOPLE[*who], cookie(PEOPLE[*who]), Command::EndSession)),
            Step::Wait(time) => self.now += time,
            Step::Erase(who) => drop(self.operate(Command::Erase { did: did(PEOPLE[*who]) })),
        }
    }

    /// Joins, and looks at whether that may be.
    fn join_and_look(&mut self, who: &str, code: &str) {
        let rows = self.store.snapshot();
        let invite = rows.get::<Invites>(&hash(code)).unwrap();
        let maker = self.stored_code(code).and_then(|code| code.created_by);
        let is_active = |did: &Did| accounts::is_active(&*rows, did).unwrap();
        let answers = invite
            .as_ref()
            .is_some_and(|invite| is_active(&invite.space.owner) && maker.as_ref().is_some_and(&is_active));
        drop(rows);
        let joined = self.resolve(who, code);
        if joined == Ok(true) {
            let before = invite.expect("one that is there");
            assert!(answers, "nobody answers for {code}");
            assert!(before.is_open() && before.expires_at > Some(self.now), "{before:?}");
            assert_eq!(self.stored(code).used, before.used + 1);
        }
    }

    fn bears_out(&self) {
        assert_eq!(faults(&self.store), Vec::<String>::new());
        let rows = self.store.snapshot();
        let sessions = rows.scan_all::<Sessions>().count();
        assert_eq!(rows.scan_all::<SessionExpiries>().count(), sessions);
        assert_eq!(rows.scan_all::<PersonSessions>().count(), sessions);
        let is_in = |row: &Result<(MemberKey, Member), _>| row.as_ref().unwrap().1.is_in();
        let members = rows.scan_all::<Members>().filter(is_in).count();
        assert_eq!(rows.scan_all::<PersonChats>().count(), rows.scan_all::<Chats>().count() + members);
        assert_eq!(rows.scan_all::<Codes>().count(), rows.scan_all::<Invites>().count());
        assert_eq!(rows.scan_all::<SpaceInvites>().count(), rows.scan_all::<Invites>().count());
        let open = rows.scan_all::<Invites>().filter(|row| row.as_ref().unwrap().1.is_open()).count();
        assert_eq!(rows.scan_all::<OpenInvites>().count(), open);
    }
}

proptest! {
    #![proptest_config(Config { cases: 150, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_is_done_in_the_portal_its_rows_bear_each_other_out(
        steps in proptest::collection::vec(step(), 1..80)
    ) {
        let mut world = World::new();
        let mut levels = [Level::User; PEOPLE.len()];
        for step in &steps {
            world.play_there(step, &mut levels);
            world.bears_out();
        }
        let all = exported(&world.store);
        assert_eq!(exported(&imported(all.iter().rev().cloned())), all);
    }
}
