//! Proving messages beside the reading, on every core.
//!
//! A worker decodes a message once more, now with proof, and checks its signature with a key that is known. Where
//! none is, the message waits for the network outside the workers, and comes back with an answer. Who reads puts
//! messages in and goes on; what comes of them goes to the source's window. Spec: PROTOCOL §4.4.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::line::{now, refuse_the_future};
use super::live::random;
use super::seldom::Seldom;
use super::watch::{Expected, Watch};
use super::window::{Proved, Ticket, Window};
use crate::codec::claim::{Claim, Verify};
use crate::codec::event::Interest;
use crate::codec::{Reject, frame};
use crate::identity::{Resolver, Unproved, Unresolved};
use crate::syntax::Did;

/// Messages that wait for the directory of `did:plc` at a time, over all sources, and as many for hosts of `did:web`:
/// anybody may have slow ones. Beyond it one that would have to wait is given up: its repository is marked, and
/// nothing else stands still.
const WAITING_MAX: usize = 2048;

/// Between two attempts to find out a key.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// How long a message waits while nobody can be asked whose key it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So long, while others pass it; then it is given up, and its repository is marked.
    GiveUpAfter(Duration),
    /// So long, and everything after it with it; then the reading ends.
    StopAfter(Duration),
    /// Until somebody answers, and everything after it with it.
    Forever,
}

/// A message to be proved.
pub(super) struct Evidence {
    /// Where what comes of it goes.
    pub(super) window: Window,
    /// As which message.
    pub(super) ticket: Ticket,
    /// The message: a frame.
    pub(super) bytes: Box<[u8]>,
    /// What is wanted.
    pub(super) watch: Watch,
    /// It changes something that is wanted.
    pub(super) expected: Option<Expected>,
    /// How much is to be proved.
    pub(super) verify: Verify,
    /// How long it may wait.
    pub(super) hold: Hold,
}

enum Job {
    Prove(Evidence),
    Settle(Window, Ticket, Proved),
    Abandon(Window),
}

/// Who proves. Cheap to clone; its threads end with the last of its clones.
#[derive(Clone)]
pub struct Prover {
    shared: Arc<Shared>,
}

struct Shared {
    jobs: mpsc::Sender<Job>,
    resolver: Resolver,
    runtime: Handle,
    for_directory: Arc<Semaphore>,
    for_hosts: Arc<Semaphore>,
    said: Mutex<Seldom>,
    stop: CancellationToken,
}

impl Prover {
    /// Starts a thread a core. What waits for the network does so on `runtime`, until `stop`.
    pub fn start(resolver: Resolver, runtime: Handle, stop: CancellationToken) -> Self {
        let (jobs, todo) = mpsc::channel();
        let [for_directory, for_hosts] = [(); 2].map(|()| Arc::new(Semaphore::new(WAITING_MAX)));
        let said = Mutex::default();
        let shared = Arc::new(Shared { jobs, resolver, runtime, for_directory, for_hosts, said, stop });
        let todo = Arc::new(Mutex::new(todo));
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (shared, todo) = (Arc::downgrade(&shared), Arc::clone(&todo));
            thread::spawn(move || {
                let _alarm = Alarm;
                work(&shared, &todo);
            });
        }
        Self { shared }
    }

    /// Something about an account changed: it is asked for again.
    pub(super) fn forget(&self, did: &Did) {
        self.shared.resolver.forget(did);
    }

    /// Proves a message some time.
    pub(super) fn prove(&self, evidence: Evidence) {
        self.shared.send(Job::Prove(evidence));
    }

    /// Proves a claim before it returns. Not for use on the runtime.
    pub(super) fn prove_now(&self, claim: &Claim, hold: Hold) -> Result<(), Unsettled> {
        if self.shared.resolver.proves(claim) {
            return Ok(());
        }
        self.shared.runtime.block_on(self.shared.settle(claim, hold))
    }
}

impl Shared {
    fn send(&self, job: Job) {
        // The workers go last: there is always one to take it.
        let _ = self.jobs.send(job);
    }

    /// A place to wait for this account's key, if there is one left.
    fn place_to_wait(&self, did: &Did) -> Option<OwnedSemaphorePermit> {
        let is_plc = did.as_str().starts_with("did:plc:");
        let places = if is_plc { &self.for_directory } else { &self.for_hosts };
        Arc::clone(places).try_acquire_owned().ok()
    }

    /// Proves a claim with the help of the network, for as long as it may wait.
    async fn settle(&self, claim: &Claim, hold: Hold) -> Result<(), Unsettled> {
        let mut begun = Instant::now();
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        loop {
            let proved = tokio::select! {
                proved = self.resolver.prove(claim) => proved,
                () = self.stop.cancelled() => return Err(Unsettled::Stopped),
            };
            let why = match proved {
                Ok(()) => return Ok(()),
                Err(Unproved::BadSignature) => return Err(Unsettled::Refused(Reject::BadSignature)),
                Err(Unproved::NoSigningKey) => return Err(Unsettled::Refused(Reject::NoSigningKey)),
                Err(Unproved::Unresolved(why)) => why,
            };
            match &why {
                Unresolved::NotThere | Unresolved::Unsupported => {
                    return Err(Unsettled::Refused(Reject::NoSigningKey));
                }
                // Where nobody is ever asked waiting is of no use.
                Unresolved::Failed(_) | Unresolved::Offline => return Err(Unsettled::Unresolved),
                // It is we who ask too much at a time. A dump waits for its turn.
                Unresolved::Busy if !matches!(hold, Hold::GiveUpAfter(_)) => begun = Instant::now(),
                Unresolved::Busy | Unresolved::Directory(_) => {}
            };
            let left = match hold {
                Hold::GiveUpAfter(limit) | Hold::StopAfter(limit) => limit.saturating_sub(begun.elapsed()),
                Hold::Forever => Duration::MAX,
            };
            match hold {
                Hold::GiveUpAfter(_) if left.is_zero() => return Err(Unsettled::Unresolved),
                Hold::StopAfter(_) if left.is_zero() => {
                    return Err(Unsettled::Stuck(format!(
                        "the key of {} is not to be had: {why}",
                        claim.did
                    )));
                }
                Hold::GiveUpAfter(_) | Hold::StopAfter(_) | Hold::Forever => self.say(&claim.did, &why),
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next(random()).min(left)) => {}
                () = self.stop.cancelled() => return Err(Unsettled::Stopped),
            }
        }
    }

    /// Says that somebody's key is not to be had, now and then.
    fn say(&self, did: &Did, why: &Unresolved) {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).again(Instant::now());
        if let Some(unsaid) = said {
            tracing::warn!(%did, %why, unsaid, "a key is not to be had now; what it signed waits");
        }
    }
}

/// Ends the process when who proves panics: what it worked on would be waited for in vain, and nobody would know.
struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// Why a claim is not proved.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsettled {
    /// It is refuted, or there is no key that could prove it.
    Refused(Reject),
    /// It could not be found out, and need not be waited for.
    Unresolved,
    /// It could not be found out, and cannot be gone on without.
    Stuck(String),
    /// We are told to stop.
    Stopped,
}

fn work(shared: &Weak<Shared>, todo: &Mutex<Receiver<Job>>) {
    loop {
        // A worker that panicked while it waited for work has left nothing half done.
        let job = todo.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        match job {
            Job::Prove(evidence) => match shared.upgrade() {
                Some(shared) => prove(&shared, evidence),
                None => evidence.window.close(),
            },
            Job::Settle(window, ticket, proved) => window.finish(ticket, proved),
            Job::Abandon(window) => window.abandon(),
        }
    }
}

fn prove(shared: &Arc<Shared>, evidence: Evidence) {
    let Evidence { window, ticket, bytes, watch, expected, verify, hold } = evidence;
    let live = matches!(hold, Hold::GiveUpAfter(_));
    let message = frame::decode_strictly(&bytes, &watch, verify);
    drop(bytes);
    let message = if live { refuse_the_future(message, now()) } else { message };
    // A `#sync` of a repository that nobody follows leaves nothing missing.
    let matters = !live
        || expected.is_some()
        || message.claim.as_ref().is_some_and(|it| watch.watches(it.did.as_str()));
    match (message.body, message.claim) {
        (Ok(body), Some(claim)) if !shared.resolver.proves(&claim) => {
            match (shared.place_to_wait(&claim.did), live) {
                (None, true) => window.finish(ticket, unresolved(claim.did, matters)),
                (place, _) => {
                    window.park(ticket, body);
                    let waiting = Waiting { window, ticket, claim, expected, matters, hold, _place: place };
                    shared.runtime.spawn(waiting.wait(Arc::clone(shared)));
                }
            }
        }
        (body, _) => {
            if body.is_ok() {
                expected.iter().for_each(Expected::confirm);
            }
            window.finish(ticket, Proved::Message(body));
        }
    }
}

fn unresolved(did: Did, matters: bool) -> Proved {
    if matters { Proved::Unresolved(did) } else { Proved::Message(Err(Reject::IdentityUnresolved)) }
}

/// A message that waits for a key. What it says waits in the window, which may give it up.
struct Waiting {
    window: Window,
    ticket: Ticket,
    claim: Claim,
    expected: Option<Expected>,
    /// Something is missing if it is not proved.
    matters: bool,
    hold: Hold,
    _place: Option<OwnedSemaphorePermit>,
}

impl Waiting {
    async fn wait(self, shared: Arc<Shared>) {
        let _alarm = Alarm;
        let Self { window, ticket, claim, expected, matters, hold, _place } = self;
        let proved = match shared.settle(&claim, hold).await {
            Ok(()) => {
                expected.iter().for_each(Expected::confirm);
                Proved::Parked
            }
            Err(Unsettled::Refused(reject)) => Proved::Message(Err(reject)),
            Err(Unsettled::Unresolved) => unresolved(claim.did, matters),
            Err(Unsettled::Stuck(why)) => Proved::Stuck(why),
            Err(Unsettled::Stopped) => return shared.send(Job::Abandon(window)),
        };
        // A worker hands it over: that may have to wait for the writer.
        shared.send(Job::Settle(window, ticket, proved));
    }
}
