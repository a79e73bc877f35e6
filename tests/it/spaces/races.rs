//! Commands in any order and any batch: whatever comes first, nobody is a member without a use, and no use is without
//! a member. That many ask at once is the writer's affair; it has them one after the other.

use proptest::prelude::{Strategy, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::*;
use guestlist::tables::spaces::Finding;
use guestlist::tables::{Memberships, OpenInvites, SpaceInvites};

const PEOPLE: [&str; 6] = ["ada", "bea", "cal", "dan", "eve", "fay"];
const TOKENS: [&str; 3] = ["one", "two", "three"];

#[derive(Clone, Debug)]
enum Step {
    Invite(usize, u64, bool, i64),
    Redeem(usize, usize),
    Revoke(usize),
    Add(usize, bool),
    Remove(usize),
    Leave(usize),
    Account(usize, bool),
    Pause(bool),
    Wait(i64),
    Erase(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, token) = (1..PEOPLE.len(), 0..TOKENS.len());
    prop_oneof![
        3 => (token.clone(), 1..4_u64, proptest::bool::ANY, 1..60_i64)
            .prop_map(|(token, uses, writes, ends)| Step::Invite(token, uses, writes, ends)),
        10 => (0..PEOPLE.len(), token.clone()).prop_map(|(who, token)| Step::Redeem(who, token)),
        1 => token.prop_map(Step::Revoke),
        2 => (who.clone(), proptest::bool::ANY).prop_map(|(who, writes)| Step::Add(who, writes)),
        2 => who.clone().prop_map(Step::Remove),
        1 => who.clone().prop_map(Step::Leave),
        1 => (0..PEOPLE.len(), proptest::bool::ANY).prop_map(|(who, active)| Step::Account(who, active)),
        1 => proptest::bool::ANY.prop_map(Step::Pause),
        2 => (1..20_i64).prop_map(Step::Wait),
        1 => who.prop_map(Step::Erase),
    ]
}

impl World {
    fn play(&mut self, step: &Step, number: usize) {
        let perms = |writes: &bool| if *writes { Perms::Write } else { Perms::Read };
        match step {
            Step::Invite(token, uses, writes, ends) => {
                let token = TOKENS[*token];
                if self.store.snapshot().get::<Invites>(&hash(token)).unwrap().is_none() {
                    let expires_at = Some(self.now + ends);
                    let terms =
                        InviteTerms { perms: perms(writes), max_uses: Some(*uses), expires_at, note: None };
                    let _ = self.invite("ada", CLUB, token, terms);
                }
            }
            Step::Redeem(who, token) => self.redeem_and_look(PEOPLE[*who], TOKENS[*token]),
            Step::Revoke(token) => drop(self.revoke("ada", CLUB, TOKENS[*token])),
            Step::Add(who, writes) => drop(self.add("ada", CLUB, PEOPLE[*who], perms(writes))),
            Step::Remove(who) => drop(self.remove("ada", CLUB, PEOPLE[*who])),
            Step::Leave(who) => drop(self.leave(PEOPLE[*who], CLUB)),
            Step::Account(who, active) => self.account(PEOPLE[*who], (!active).then_some("deactivated")),
            Step::Pause(paused) => {
                drop(self.operate(Command::Pause { space: space(CLUB), paused: *paused }));
            }
            Step::Wait(time) => self.now += time,
            Step::Erase(who) => drop(self.operate(Command::Erase { did: did(PEOPLE[*who]) })),
        }
        self.hold(number);
    }

    /// Redeems, and compares what changed with what was answered.
    fn redeem_and_look(&mut self, who: &str, token: &str) {
        let used =
            |world: &World| world.store.snapshot().get::<Invites>(&hash(token)).unwrap().map(|it| it.used);
        let (before, was) = (used(self), self.member(CLUB, who));
        let answer = self.redeem(who, token);
        let (after, is) = (used(self), self.member(CLUB, who));
        match answer {
            Ok(Done::Joined { perms, .. }) => {
                assert!(who == "ada" || is.as_ref().map(|is| is.perms) == Some(perms));
                assert!(is.as_ref().map(|is| is.perms) >= was.as_ref().map(|was| was.perms));
                let finding = self.entries().last().unwrap().finding;
                let took = after.unwrap() - before.unwrap();
                assert_eq!(took, u64::from(finding == Finding::Done), "{finding:?}");
                assert_eq!(was != is, finding == Finding::Done);
            }
            _ => assert_eq!((before, was), (after, is)),
        }
    }

    /// What always holds.
    fn hold(&self, number: usize) {
        let rows = self.store.snapshot();
        let mut open = 0;
        for row in rows.scan_all::<Invites>() {
            let (hash, invite) = row.unwrap();
            let range = prefix_of::<Redemptions>(|key| key.extend_from_slice(hash.as_bytes()));
            let mut uses = 0;
            for row in rows.scan::<Redemptions>(range) {
                let key = MemberKey { space: invite.space.clone(), did: row.unwrap().0.did };
                assert!(
                    rows.get::<Members>(&key).unwrap().is_some(),
                    "step {number}: a use without a member"
                );
                uses += 1;
            }
            assert_eq!(invite.used, uses + invite.erased, "step {number}");
            assert!(invite.max_uses.is_none_or(|max_uses| invite.used <= max_uses), "step {number}");
            open += usize::from(invite.is_open());
        }
        for row in rows.scan_all::<Members>() {
            let (key, member) = row.unwrap();
            if let Some(hash) = member.invite {
                let redemption = guestlist::tables::keys::RedemptionKey { hash, did: key.did };
                assert!(rows.get::<Redemptions>(&redemption).unwrap().is_some(), "step {number}");
            }
        }
        assert_eq!(rows.scan_all::<OpenInvites>().count(), open, "step {number}");
        assert_eq!(rows.scan_all::<SpaceInvites>().count(), rows.scan_all::<Invites>().count());
        assert_eq!(rows.scan_all::<Memberships>().count(), rows.scan_all::<Members>().count());
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn never_a_member_without_a_use_and_never_a_use_without_a_member(
        steps in proptest::collection::vec(step(), 1..80)
    ) {
        let mut world = World::with_club();
        for (number, step) in steps.iter().enumerate() {
            world.play(step, number);
        }
    }
}
