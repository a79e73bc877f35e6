//! Many who use and end invites at the same moment, at the real writer over a store on disk: through its desk, and
//! through the HTTP surface in every other run.
//!
//! How often each race is run: `GUESTLIST_TEST_RACES`. What a test leaves is looked over when its writer ends.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::future::join_all;
use guestlist::http::{Limits, Portal, Rates, Service, router};
use guestlist::identity::{Directory, Resolver};
use guestlist::spaces::Bounds;
use guestlist::spaces::chats::Levels;
use guestlist::spaces::command::{Answer, Command, Done, InviteTerms, Refusal};
use guestlist::syntax::{Did, TokenHash};
use guestlist::tables::keys::SpaceId;
use guestlist::tables::spaces::{Act, Finding, Perms};
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::tokens::{Person, identities, times};
use crate::told::account;
use crate::writers::{Writer, space};

mod chats;
mod events;
mod house;
mod logins;

const REDEEM: &str = "rsvp.atmo.space.invite.redeem";
const TOKEN: &str = "the-token-that-everybody-has-43-characters-";

/// A writer, people, and the two ways to it.
struct Scene {
    writer: Writer,
    people: Vec<Person>,
    router: Option<Router>,
    space: SpaceId,
    /// The token of the invite that is raced for, or its code.
    token: String,
}

impl Scene {
    /// One with a space of the first of so many people. In every other run they come by HTTP.
    async fn new(run: u64, count: usize) -> Arc<Self> {
        let scene = Self::of_portal(run % 2 == 1, Person::many(count), Levels::default());
        scene.writer.space(&scene.people[0].did, "club").await;
        Arc::new(scene)
    }

    /// One with a Portal, in which nothing is yet. The place of the space is that of the first person's club.
    fn of_portal(by_http: bool, people: Vec<Person>, levels: Levels) -> Self {
        let writer = Writer::within(Bounds { levels: levels.clone(), ..Bounds::default() });
        let router = by_http.then(|| {
            let dir = tempfile::tempdir().unwrap();
            let directory = Directory::load(&[identities(dir.path(), &people)]).unwrap();
            let rates = Rates {
                calls_per_minute: 1_000_000,
                calls_per_minute_per_address: 1_000_000,
                changes_per_hour: 1_000_000,
                changes_per_hour_per_address: 1_000_000,
                failures_per_hour: 1_000_000,
                failures_per_hour_per_address: 1_000_000,
            };
            let (desk, identities) = (writer.desk.clone(), Resolver::offline(directory));
            let limits = Limits { rates, ..Limits::default() };
            let portal = Some(Portal { levels, origins: Vec::new() });
            router(Service { desk, identities, limits, portal, ..Service::reading(writer.store.clone()) })
        });
        let space = space(&format!("at://{}/tools.atmo.event.space/club", people[0].did));
        Self { writer, people, router, space, token: TOKEN.to_owned() }
    }

    async fn with_invite(run: u64, count: usize, max_uses: Option<u64>) -> Arc<Self> {
        let scene = Self::new(run, count).await;
        scene.writer.invite(&scene.space, TOKEN, max_uses).await.unwrap();
        scene
    }

    fn hash(&self) -> TokenHash {
        TokenHash::of(&self.token)
    }

    /// The owner asks.
    async fn decide(&self, command: Command) -> Answer {
        self.writer.ask(&self.people[0].did, command).await
    }

    async fn revoke(&self) -> Answer {
        self.decide(Command::Revoke { space: self.space.clone(), hash: self.hash() }).await
    }

    async fn remove(&self, who: usize) -> Answer {
        let did = Did::parse(&self.people[who].did).unwrap();
        self.decide(Command::RemoveMember { space: self.space.clone(), did }).await
    }

    async fn delete(&self) -> Answer {
        self.decide(Command::DeleteSpace { space: self.space.clone() }).await
    }

    /// Somebody redeems: whether they are in. Nobody hears anything else than that the invite is not valid.
    async fn redeem(&self, who: usize) -> bool {
        let person = &self.people[who];
        let Some(router) = &self.router else {
            return match self.writer.ask(&person.did, Command::Redeem { hash: self.hash() }).await {
                Ok(Done::Joined { space, perms: Perms::Write, .. }) if space == self.space => true,
                Err(Refusal::InvalidInvite) => false,
                other => panic!("{other:?}"),
            };
        };
        let request = Request::post(format!("/xrpc/{REDEEM}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", person.token(REDEEM)))
            .body(Body::from(json!({ "token": self.token }).to_string()));
        let (status, answer) = exchange(router, request.unwrap()).await;
        match status {
            200 => {
                assert_eq!(answer, json!({ "spaceUri": self.space.uri(), "perms": "write" }));
                true
            }
            _ => {
                assert_eq!((status, answer["error"].as_str()), (400, Some("InvalidInvite")), "{answer}");
                false
            }
        }
    }

    /// These redeem at once; who got in.
    async fn redeem_at_once(self: &Arc<Self>, who: impl Iterator<Item = usize>) -> Vec<usize> {
        let all = who.map(|who| {
            let scene = Arc::clone(self);
            tokio::spawn(async move { scene.redeem(who).await.then_some(who) })
        });
        // All of them are on their way before the first is waited for.
        let all: Vec<_> = all.collect();
        join_all(all).await.into_iter().filter_map(Result::unwrap).collect()
    }

    fn findings(&self) -> Vec<Finding> {
        self.writer.findings(&self.space, Act::Redeem)
    }

    /// As many uses, redemptions and members by it as people were told that they are in.
    fn agrees_with(&self, joined: &[usize]) {
        let dids = |who: &[usize]| {
            let mut dids: Vec<_> = who.iter().map(|who| self.people[*who].did.clone()).collect();
            dids.sort();
            dids
        };
        let joined = dids(joined);
        assert_eq!(self.writer.stored(&self.token).unwrap().used, joined.len() as u64);
        assert_eq!(self.writer.redeemers(&self.token), joined);
        assert_eq!(self.writer.members(&self.space), joined);
        let done = self.findings().into_iter().filter(|finding| *finding == Finding::Done).count();
        assert_eq!(done, joined.len());
    }
}

/// One request to the routes; the status, and the body as JSON.
async fn exchange(router: &Router, request: Request<Body>) -> (u16, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Runs a race as often as it is to be.
fn races<F: Future<Output = ()>>(race: impl Fn(u64) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    for run in 0..times("GUESTLIST_TEST_RACES", 4) {
        runtime.block_on(race(run));
    }
}

/// What redeemers heard, in the order of the writer, is one thing until something happened and another after that.
fn assert_turns(findings: &[Finding], before: &[Finding], after: &[Finding]) {
    let turn = findings.iter().position(|finding| after.contains(finding)).unwrap_or(findings.len());
    let (first, then) = findings.split_at(turn);
    assert!(first.iter().all(|finding| before.contains(finding)), "{findings:?}");
    assert!(then.iter().all(|finding| after.contains(finding)), "{findings:?}");
    assert!(!first.is_empty() && !then.is_empty(), "one side of the race was not there: {findings:?}");
}

#[test]
fn fault_9_redeem_is_one_transaction() {
    races(async |run| {
        let scene = Scene::with_invite(run, 501, Some(10)).await;
        let joined = scene.redeem_at_once(1..=500).await;
        assert_eq!(joined.len(), 10);
        scene.agrees_with(&joined);
        assert_eq!(scene.findings().iter().filter(|it| **it == Finding::Exhausted).count(), 490);
        // And once more: who is in hears so again, the others that they are not.
        assert_eq!(scene.redeem_at_once(1..=500).await, joined);
        scene.agrees_with(&joined);
    });
}

#[test]
fn of_many_who_make_the_twentieth_invite_at_once_one_does() {
    races(async |run| {
        let scene = Scene::new(run, 1).await;
        let invite = |number: usize| {
            let scene = Arc::clone(&scene);
            async move { scene.writer.invite(&scene.space, &format!("token {number}"), Some(1)).await }
        };
        for number in 0..19 {
            invite(number).await.unwrap();
        }
        let all: Vec<_> = (19..49).map(|number| tokio::spawn(invite(number))).collect();
        let answers: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        let made = answers.iter().filter(|answer| matches!(answer, Ok(Done::Invite(_)))).count();
        let full = answers.iter().filter(|answer| **answer == Err(Refusal::Quota)).count();
        assert_eq!((made, full), (1, 29));
        let stored = (0..49).filter(|number| scene.writer.stored(&format!("token {number}")).is_some());
        assert_eq!(stored.count(), 20);
    });
}

#[test]
fn who_redeems_fifty_times_at_once_takes_one_use() {
    races(async |run| {
        let scene = Scene::with_invite(run, 2, Some(10)).await;
        let joined = scene.redeem_at_once(std::iter::repeat_n(1, 50)).await;
        assert_eq!(joined, [1; 50]);
        scene.agrees_with(&[1]);
        assert_eq!(scene.findings().iter().filter(|it| **it == Finding::Already).count(), 49);
    });
}

#[test]
fn who_redeems_while_an_invite_is_revoked_is_in_or_not() {
    races(async |run| {
        let scene = Scene::with_invite(run, 63, None).await;
        assert!(scene.redeem(1).await);
        let (mut joined, revoked) = tokio::join!(scene.redeem_at_once(2..=61), scene.revoke());
        assert_eq!(revoked, Ok(Done::Changed(true)));
        assert!(!scene.redeem(62).await);
        joined.push(1);
        scene.agrees_with(&joined);
        assert_turns(&scene.findings(), &[Finding::Done], &[Finding::Revoked]);
        let order: Vec<_> = scene.writer.audit(&scene.space).iter().map(|it| (it.act, it.finding)).collect();
        let revoked = order.iter().position(|it| *it == (Act::Revoke, Finding::Done)).unwrap();
        assert!(!order[revoked..].contains(&(Act::Redeem, Finding::Done)), "{order:?}");
    });
}

#[test]
fn who_redeems_while_an_invite_expires_is_in_or_not() {
    races(async |run| {
        let scene = Scene::new(run, 62).await;
        let ends = Timestamp::now().as_millisecond() + 400;
        let terms = InviteTerms { perms: Perms::Write, max_uses: None, expires_at: Some(ends), note: None };
        scene.writer.invite_with(&scene.space, TOKEN, terms).await.unwrap();
        assert!(scene.redeem(1).await);
        let left = u64::try_from(ends - Timestamp::now().as_millisecond()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left.saturating_sub(10))).await;
        let mut joined = vec![1];
        for some in 0..6 {
            joined.extend(scene.redeem_at_once(some * 10 + 2..(some + 1) * 10 + 2).await);
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
        while Timestamp::now().as_millisecond() < ends {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!scene.redeem(0).await, "the owner is no exception");
        scene.agrees_with(&joined);
        assert_turns(&scene.findings(), &[Finding::Done], &[Finding::Expired]);
        for entry in scene.writer.audit(&scene.space).iter().filter(|entry| entry.act == Act::Redeem) {
            assert_eq!(entry.at < ends, entry.finding == Finding::Done, "{entry:?}, ends {ends}");
        }
    });
}

/// Somebody redeems again and again while they are put out or leave: one use, and no way back.
async fn race_against_the_door(scene: Arc<Scene>, act: Act) {
    let out = async |scene: &Scene| match act {
        Act::Leave => {
            scene.writer.ask(&scene.people[1].did, Command::Leave { space: scene.space.clone() }).await
        }
        _ => scene.remove(1).await,
    };
    assert!(scene.redeem(1).await);
    let (_, gone) = tokio::join!(scene.redeem_at_once(std::iter::repeat_n(1, 30)), out(&scene));
    assert_eq!(gone, Ok(Done::Changed(true)));
    assert!(!scene.redeem(1).await);
    assert_turns(&scene.findings(), &[Finding::Done, Finding::Already], &[Finding::Gone]);
    assert_eq!(scene.findings().iter().filter(|it| **it == Finding::Done).count(), 1);
    assert_eq!(scene.writer.stored(TOKEN).unwrap().used, 1);
    assert_eq!(scene.writer.redeemers(TOKEN), [scene.people[1].did.clone()]);
    assert_eq!(scene.writer.members(&scene.space), [""; 0]);
}

#[test]
fn who_is_removed_while_they_redeem_is_out() {
    races(async |run| {
        race_against_the_door(Scene::with_invite(run, 2, Some(3)).await, Act::RemoveMember).await
    });
}

#[test]
fn who_leaves_while_they_redeem_is_out() {
    races(async |run| race_against_the_door(Scene::with_invite(run, 2, Some(3)).await, Act::Leave).await);
}

#[test]
fn who_is_removed_before_they_redeem_can_come_and_after_it_is_out() {
    races(async |run| {
        let scene = Scene::with_invite(run, 2, Some(3)).await;
        let (joined, gone) = tokio::join!(scene.redeem_at_once(1..=1), scene.remove(1));
        assert_eq!(joined, [1], "nobody had redeemed it before");
        let is_in = gone == Ok(Done::Changed(false));
        assert_eq!(scene.writer.members(&scene.space).len(), usize::from(is_in), "{gone:?}");
        assert_eq!(scene.redeem(1).await, is_in);
        assert_eq!(scene.writer.stored(TOKEN).unwrap().used, 1);
    });
}

#[test]
fn who_redeems_while_the_owner_goes_away_and_returns_is_in_or_not() {
    races(async |run| {
        let scene = Scene::with_invite(run, 200, None).await;
        let owner = scene.people[0].did.clone();
        assert!(scene.redeem(1).await);
        scene.writer.tell(account(&owner, false, Some("deactivated")));
        let mut joined = scene.redeem_at_once(2..60).await;
        joined.push(1);
        // What was told is applied some time.
        let mut next = 60;
        while scene.redeem(next).await {
            joined.push(next);
            next += 1;
        }
        assert!(scene.redeem(1).await, "a retry succeeds all the same");
        scene.agrees_with(&joined);
        let mut findings = scene.findings();
        findings.retain(|finding| *finding != Finding::Already);
        assert_turns(&findings, &[Finding::Done], &[Finding::NotLive]);
        scene.writer.tell(account(&owner, true, None));
        let while_it_returns = scene.redeem_at_once(120..180).await;
        joined.extend(&while_it_returns);
        let mut tries = 0;
        while !scene.redeem(199).await {
            tries += 1;
            assert!(tries < 10_000, "it does not return");
        }
        joined.push(199);
        scene.agrees_with(&joined);
    });
}

#[test]
fn who_redeems_while_a_space_is_deleted_is_in_nothing() {
    races(async |run| {
        let scene = Scene::with_invite(run, 63, None).await;
        assert!(scene.redeem(1).await);
        let (joined, deleted) = tokio::join!(scene.redeem_at_once(2..=61), scene.delete());
        assert_eq!(deleted, Ok(Done::Changed(true)));
        let nothing = || {
            assert_eq!((scene.writer.stored(TOKEN), scene.writer.redeemers(TOKEN)), (None, vec![]));
            assert_eq!(scene.writer.members(&scene.space), [""; 0]);
        };
        nothing();
        // Whoever was in before it ended was told so, and that is in the audit still.
        let done = scene.findings().into_iter().filter(|finding| *finding == Finding::Done).count();
        assert_eq!(done, joined.len() + 1);
        scene.writer.space(&scene.people[0].did, "club").await;
        assert!(!scene.redeem(1).await && !scene.redeem(62).await);
        nothing();
    });
}
