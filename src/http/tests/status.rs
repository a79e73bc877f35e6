//! `getStatus`, and the same for people: sources, windows, accounts that are due, one repository.

use serde_json::{Value, json};

use super::world::{World, did};
use crate::http::{Asked, status};
use crate::ledger::{self, FIRST_STAGE, Failure, Note, Step};
use crate::records::Kind;
use crate::sources::{Connection, Heard, kind};
use crate::store::StoreError;
use crate::syntax::Did;
use crate::tables::completeness::{Asking, Cause, Compared, How, Miss, Stage, Verified};
use crate::tables::keys::SourceKey;
use crate::tables::rows::{Account, Marks, Source};
use crate::tables::view::Overlay;
use crate::tables::{Accounts, Sources};

const METHOD: &str = "app.guestlist.getStatus";

const SECOND: i64 = 1_000_000;
/// 2026-01-01T00:00:00Z.
const THEN: i64 = 1_767_225_600 * SECOND;

fn source(kind: &str, name: &str) -> SourceKey {
    SourceKey { kind: kind.to_owned(), name: name.to_owned(), fingerprint: String::new() }
}

fn relay(name: &str) -> SourceKey {
    source(kind::RELAY, &format!("wss://{name}.example"))
}

impl World {
    fn write(&self, change: impl FnOnce(&mut Overlay<'_>)) {
        let write = |rows: &mut Overlay<'_>| {
            change(rows);
            Ok::<_, StoreError>(())
        };
        self.service.store.write(write).unwrap();
    }

    fn note(&self, source: &SourceKey, notes: &[Note]) {
        self.write(|rows| notes.iter().for_each(|note| ledger::note(rows, source, note).unwrap()));
    }

    fn text(&self, did: Option<&Did>, is_served: bool) -> String {
        let rows = self.service.store.snapshot();
        let sources = is_served.then_some(&self.service.sources);
        status(&Asked { rows: &*rows, sources, search: None, store_bytes: 0, did, now: THEN })
            .unwrap()
            .to_text(7)
    }
}

fn missed(how: How, cursor: Option<u64>) -> Note {
    Note::Missed(Miss { how, at: THEN, cursor })
}

fn began(stage: Stage) -> Note {
    Note::Sweep(Step::Begin { at: THEN + SECOND, stage })
}

fn page(names: &[&str], cursor: Option<&str>) -> Note {
    let dids = names.iter().map(|name| did(name)).collect();
    Note::Sweep(Step::Page { dids, at: THEN + 2 * SECOND, cursor: cursor.map(Into::into) })
}

fn find<'a>(status: &'a Value, name: &str) -> &'a Value {
    let sources = status["sources"].as_array().unwrap();
    sources.iter().find(|source| source["name"] == name).unwrap_or_else(|| panic!("{name}: {status}"))
}

/// A store with an open window, one that is being swept, one that is closed, and accounts that fail.
fn with_windows() -> World {
    let world = World::new();
    world.write(|rows| {
        for name in ["open", "swept", "closed"] {
            rows.put::<Sources>(&relay(name), &Source { cursor: Some(41), ..Source::default() });
        }
        for name in ["wanted", "unwanted"] {
            rows.put::<Sources>(&source(kind::BACKFILL, name), &Source::default());
        }
    });
    let failed = Step::Failed { why: "the host\nsays 503".into(), next: THEN + 9 * SECOND, restart: false };
    world.note(&relay("open"), &[missed(How::OutdatedCursor, Some(40)), missed(How::PassedOver, None)]);
    let sweep = [missed(How::FirstRead, None), began(FIRST_STAGE), page(&["a", "b"], Some("2"))];
    world.note(&relay("swept"), &sweep);
    world.note(&relay("swept"), &[Note::Sweep(failed), Note::Heard(THEN)]);
    let close = Note::Sweep(Step::Close { at: THEN + 3 * SECOND, next: 0 });
    let whole = [began(Stage::Everything), page(&["a"], None), page(&["a", "b"], None), close];
    world.note(&relay("closed"), &[missed(How::Retention, Some(1))]);
    world.note(&relay("closed"), &whole);
    let asked = [missed(How::Asked, None), began(Stage::Tracked), page(&[], None)];
    world.note(&source(kind::BACKFILL, "wanted"), &asked);
    world
}

#[tokio::test]
async fn says_how_the_service_is_doing() {
    let mut world = World::new();
    world.network();
    world.put("dan", Kind::Signup, "s", json!({ "round": 7 }));
    world.account("eve", Some("deleted"));
    let source = Source { id: 0, offset: 700, high_water: 700, cursor: Some(41), finished: false };
    world.source("a.frames", &source);
    world.source("b.frames", &Source { id: 1, offset: 9, high_water: 9, cursor: None, finished: true });
    let status = world.get(METHOD, &[("ignored", "yes")]).await;
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["ready"], &status["quarantined"]), (&json!(true), &json!(1)));
    assert_eq!(status["accounts"], json!({ "tracked": 4, "inactive": 0, "deleted": 1, "marked": 0 }));
    assert_eq!(status["ledger"]["tracked"], 4);
    assert_eq!(status["records"][0], json!({ "collection": "at.atjam.invitation", "count": 2 }));
    assert_eq!(status["records"].as_array().unwrap().len(), Kind::ALL.len());
    let expected = json!([
        { "name": "a.frames", "kind": "replay", "state": "unfinished", "cursor": 41, "positionBytes": 700 },
        { "name": "b.frames", "kind": "replay", "state": "finished", "positionBytes": 9 },
    ]);
    assert_eq!(status["sources"], expected);
    assert!(status.get("repository").is_none());
}

#[tokio::test]
async fn each_window_is_shown_with_what_was_done_about_it() {
    let world = with_windows();
    let status = world.get(METHOD, &[]).await;
    assert_eq!(status["complete"], false);
    let open = json!({
        "how": "outdated-cursor", "noticedAt": "2026-01-01T00:00:00Z", "cursor": 40, "times": 2, "state": "open",
    });
    assert_eq!(find(&status, "wss://open.example")["window"], open);
    let swept = json!({
        "how": "first-read", "noticedAt": "2026-01-01T00:00:00Z", "times": 1, "state": "sweeping",
        "stage": "at.atjam.invitation", "listed": 2, "sweepBegan": "2026-01-01T00:00:01Z", "attempts": 1,
        "failure": "the host\nsays 503", "nextAttempt": "2026-01-01T00:00:09Z",
    });
    assert_eq!(find(&status, "wss://swept.example")["window"], swept);
    assert_eq!(find(&status, "wss://swept.example")["heardAt"], "2026-01-01T00:00:00Z");
    let closed = json!({
        "how": "retention", "noticedAt": "2026-01-01T00:00:00Z", "cursor": 1, "times": 1, "state": "closed",
        "listed": 3, "sweepBegan": "2026-01-01T00:00:01Z", "closedAt": "2026-01-01T00:00:03Z",
    });
    assert_eq!(find(&status, "wss://closed.example")["window"], closed);
    // What was fetched is no source to follow; a sweep that was asked for is shown under it.
    assert_eq!(find(&status, "wanted")["window"]["stage"], "comparing");
    assert_eq!(status["sources"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn it_is_complete_when_no_window_is_open_and_nobody_is_due() {
    let world = World::new();
    let is_complete = async || world.get(METHOD, &[]).await["complete"].as_bool().unwrap();
    assert!(is_complete().await, "nothing is missing of nothing");
    world.note(&relay("a"), &[missed(How::NoCursor, None)]);
    assert!(!is_complete().await, "a source that nobody follows counts too");
    world.note(&relay("a"), &[began(Stage::Tracked), page(&["b"], None)]);
    world.note(&relay("a"), &[Note::Sweep(Step::Close { at: THEN, next: 0 })]);
    assert!(!is_complete().await, "somebody is due");
    world.write(|rows| ledger::compared(rows, &did("b"), Compared { at: THEN, rev: None }, None).unwrap());
    assert!(is_complete().await);
}

#[tokio::test]
async fn the_failures_that_are_shown_are_those_that_are_tried_next() {
    let world = World::new();
    world.write(|rows| {
        for number in 0..40_i64 {
            let who = did(&format!("f{number:02}"));
            ledger::due(rows, &who, Cause::Marked, None).unwrap();
            let at = THEN - number * SECOND;
            let failure = Failure { why: "no answer", at, retry: 0, not_before: None };
            ledger::failed(rows, &who, &failure).unwrap();
        }
        // More than anybody would read through, which did not fail.
        for number in 0..3_000 {
            ledger::due(rows, &did(&format!("d{number}")), Cause::Listed, None).unwrap();
        }
        // Whom somebody asks for again begins anew.
        ledger::due(rows, &did("f00"), Cause::Named, None).unwrap();
    });
    let ledger = &world.get(METHOD, &[]).await["ledger"];
    assert_eq!((&ledger["due"], &ledger["failing"]), (&json!(3_040), &json!(39)));
    let failures = ledger["failures"].as_array().unwrap();
    let expected = json!({
        "did": "did:plc:f39", "cause": "marked", "attempts": 1, "reason": "no answer",
        "nextAttempt": "2025-12-31T23:59:21Z",
    });
    assert_eq!((failures.len(), &failures[0]), (20, &expected));
    assert_eq!(failures[19]["did"], "did:plc:f20");
    let text = world.text(None, false);
    let line = "  did:plc:f39  marked: no answer; 1 attempt, next 2025-12-31T23:59:21Z\n";
    assert!(text.contains("\n3040 accounts to be asked about, 39 of them failing\n"), "{text}");
    assert!(text.contains(line) && text.contains("\n  and 19 more\n"), "{text}");
    assert!(text.ends_with("\nnot complete: 0 windows open, 3040 accounts to be asked about\n"), "{text}");
}

#[tokio::test]
async fn one_repository_is_shown_with_what_is_known_of_it() {
    let world = World::new();
    let rev = crate::syntax::Tid::from_be_bytes((7_u64 << 10).to_be_bytes());
    world.write(|rows| {
        let marks = Marks { gap: true, unchecked: true, ..Marks::default() };
        let account = Account { tracked: true, rev: Some(rev), marks, ..Account::default() };
        rows.put::<Accounts>(&did("ada"), &account);
        ledger::applied(rows, &did("ada"), rev, Verified::Forward, std::iter::empty()).unwrap();
        let asking = Asking { known: None, needed: None, applying: None, marks };
        ledger::applying(rows, &did("ada"), asking).unwrap();
        let found = Compared { at: THEN, rev: Some(rev) };
        ledger::compared(rows, &did("ada"), found, Some(THEN + SECOND)).unwrap();
    });
    let ada = json!({
        "did": "did:plc:ada", "tracked": true, "rev": rev.to_string(), "verified": "forward",
        "comparedAt": "2026-01-01T00:00:00Z", "comparedRev": rev.to_string(), "marks": ["gap", "unchecked"],
        "due": { "cause": "marked", "attempts": 0, "nextAttempt": "2026-01-01T00:00:01Z" },
    });
    assert_eq!(world.get(METHOD, &[("did", "did:plc:ada")]).await["repository"], ada);
    let nobody =
        json!({ "did": "did:web:nobody.example", "tracked": false, "verified": "nothing", "marks": [] });
    assert_eq!(world.get(METHOD, &[("did", "did:web:nobody.example")]).await["repository"], nobody);
    world.ask(METHOD, &[("did", "ada.example")]).await.assert_error(400, "InvalidRequest");
    let text = world.text(Some(&did("ada")), false);
    let expected = format!(
        "did:plc:ada\n  tracked, at revision {rev}\n  proved: forward\n  compared 2026-01-01T00:00:00Z with its \
         host, which had {rev}\n  marked: gap, unchecked\n\nits host is to be asked: marked, next \
         2026-01-01T00:00:01Z\n"
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn people_read_each_source_and_each_window_in_words() {
    let world = with_windows();
    let followed = world.service.sources.reporter(relay("open"));
    followed.update(|status| {
        status.connection = Connection::Connected;
        status.heard(Heard { sent: THEN, received: THEN + 3 * SECOND });
        status.last_error = Some("a \u{1b}[2J".to_owned());
    });
    let text = world.text(None, true);
    for said in [
        "  backfill  wanted                not followed",
        "  relay     wss://closed.example  not followed  at 41",
        "  relay     wss://open.example    connected     at 41, lag 3 s\n    last: a \\u{1b}[2J",
        "  relay     wss://swept.example   not followed  at 41, heard until 2026-01-01T00:00:00Z",
        "\nSomething of wss://open.example may have been missed: the host no longer had everything since the \
         cursor\n  noticed 2026-01-01T00:00:00Z at 40, 2 times\n  open: its sweep has not begun\n",
        "\n  sweeping since 2026-01-01T00:00:01Z: 2 repositories so far, now those that are listed for \
         at.atjam.invitation\n  held up: the host\\nsays 503; 1 attempt, next 2026-01-01T00:00:09Z\n",
        "\n  closed 2026-01-01T00:00:03Z: 3 repositories looked at\n",
        "\n0 repositories tracked, 7 compared with their hosts\n2 accounts to be asked about, 0 of them failing\n",
        "\nnot complete: 3 windows open, 2 accounts to be asked about\n",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    assert!(text.starts_with(&format!("guestlist {}: ready\n", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(World::new().text(None, false).ends_with("\ncomplete\n"));
}
