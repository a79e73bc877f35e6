//! The operator's side of spaces: out and in, checked, looked at, paused, revoked and erased, alone and beside a daemon.

mod portal;

use std::path::{Path, PathBuf};
use std::process::Output;

use guestlist::check;
use guestlist::spaces::command::{Answer, By, Command, InviteTerms, Nonce, Request};
use guestlist::spaces::{Bounds, apply};
use guestlist::store::{IfAbsent, Store, StoreError};
use guestlist::syntax::{AtUri, Did, TokenHash};
use guestlist::tables::keys::{MemberKey, MembershipKey, MetaKey, NonceId, RedemptionKey, SpaceId};
use guestlist::tables::rows::Meta;
use guestlist::tables::spaces::{Invite, Made, Member, Perms, Space, SpaceTerms};
use guestlist::tables::view::{Overlay, ReadRows};
use guestlist::tables::{
    Audits, Invites, Members, Memberships, Metas, NonceExpiries, OpenInvites, Redemptions, SpaceAudits,
    SpaceInvites, Spaces, Table,
};
use sha2::{Digest, Sha256};
use tempfile::{TempDir, tempdir};

use crate::harness::{check as assert_sound, digest, export, guestlist, recording, replay, run, succeed};
use crate::serving::{Daemon, begin};

pub(crate) use portal::everything;

/// Who holds the event that is in the recordings, and has a space by it.
const HOST: &str = "did:plc:wjhryzcympl32mbztchwd6qy";
const PARTY: &str = "at://did:plc:wjhryzcympl32mbztchwd6qy/community.lexicon.calendar.event/3n2rvktmu522b";
const CLUB: &str = "at://did:plc:ada/tools.atmo.event.space/club";
const NOWHERE: &str = "at://did:plc:ada/tools.atmo.event.space/nowhere";

/// When everything was done here: 2026-03-01T00:00:00Z.
const NOW: i64 = 1_772_323_200_000;

const CACHE_BYTES: u64 = 8 << 20;

fn space(uri: &str) -> SpaceId {
    SpaceId::from_uri(&AtUri::parse(uri).unwrap()).unwrap()
}

fn did(name: &str) -> Did {
    Did::parse(name).unwrap()
}

fn hash(token: &str) -> TokenHash {
    TokenHash::of(token)
}

fn open(dir: &Path) -> Store {
    Store::open(dir, CACHE_BYTES, IfAbsent::Fail).unwrap()
}

fn write(store: &Store, change: impl FnOnce(&mut Overlay<'_>)) {
    store
        .write::<StoreError>(|rows| {
            change(rows);
            Ok(())
        })
        .unwrap();
}

/// Has somebody do something in a store that nobody else writes to.
fn ask(store: &Store, caller: &str, command: Command) -> Answer {
    let mut answer = None;
    write(store, |rows| {
        let id = TokenHash::of(&format!("{caller} {command:?} {}", rows.scan_all::<Audits>().count()));
        let nonce = Nonce { id: NonceId(*id.as_bytes()), expires: 1_772_323_500 };
        let request = Request { by: By::Caller { did: did(caller), nonce }, command };
        answer = Some(apply(rows, &Bounds::default(), NOW, &request).unwrap());
    });
    answer.unwrap()
}

fn invite(store: &Store, owner: &str, uri: &str, token: &str, max_uses: Option<u64>, note: Option<&str>) {
    let expires_at = note.map(|_| NOW + 1_000);
    let terms = InviteTerms { perms: Perms::Write, max_uses, expires_at, note: note.map(Into::into) };
    ask(store, owner, Command::CreateInvite { space: space(uri), hash: hash(token), terms }).unwrap();
}

/// Fills a store: ada's club with three invites, and one to the event of the recordings.
fn fill(store: &Store) {
    ask(store, "did:plc:ada", Command::CreateSpace { space: space(CLUB), terms: SpaceTerms::default() })
        .unwrap();
    invite(store, "did:plc:ada", CLUB, "open", None, None);
    invite(store, "did:plc:ada", CLUB, "for two", Some(2), None);
    invite(store, "did:plc:ada", CLUB, "with note", Some(5), Some("bring\u{1b}[2J\ncake"));
    for who in ["did:plc:bea", "did:plc:cal"] {
        ask(store, who, Command::Redeem { hash: hash("for two") }).unwrap();
    }
    ask(store, "did:plc:cal", Command::Leave { space: space(CLUB) }).unwrap();
    let add = Command::AddMember { space: space(CLUB), did: did("did:plc:dan"), perms: Perms::Read };
    ask(store, "did:plc:ada", add).unwrap();
    ask(store, "did:plc:dan", Command::Redeem { hash: hash("no such token") }).unwrap_err();
}

/// A store with the records of the recordings and with spaces.
fn filled() -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    replay(&data, &[recording("small-pds1.frames"), recording("small-pds0.frames")], &[]);
    let store = open(&data);
    fill(&store);
    invite(&store, HOST, PARTY, "party", None, None);
    ask(&store, "did:plc:bea", Command::Redeem { hash: hash("party") }).unwrap();
    drop(store);
    (dir, data)
}

fn procedures(dir: &Path) -> String {
    succeed(&[&"export", &"--procedures", &"--data-dir", &dir])
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn position(dir: &Path) -> u64 {
    guestlist::tables::number(&*open(dir).snapshot(), MetaKey::Position).unwrap()
}

/// Fails unless a command ends with 1, or another code, and says why.
fn refuses(output: &Output, code: i32, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(why) && !said.contains("panicked"), "{why:?} is not in {said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn the_digest_is_over_the_verdicts_and_then_the_procedures() {
    let (dir, data) = filled();
    let (verdicts, procedures) = (export(&data), procedures(&data));
    assert!(!procedures.is_empty());
    assert_eq!(digest(&data), sha256(&(verdicts + &procedures)));
    let without = dir.path().join("without");
    let summary = replay(&without, &[recording("small-pds1.frames"), recording("small-pds0.frames")], &[]);
    assert_eq!(summary["digest"], sha256(&export(&without)), "with none it is what it was");
    let again = replay(&data, &[recording("small-pds0.frames")], &[]);
    assert_eq!(again["digest"], digest(&data), "a replay's summary says the same");
}

#[test]
fn records_and_procedures_imported_in_any_order_give_the_same_digest() {
    let (dir, data) = filled();
    let (records, lines) = (dir.path().join("records.jsonl"), dir.path().join("procedures.jsonl"));
    std::fs::write(&records, succeed(&[&"export", &"--records", &"--data-dir", &data])).unwrap();
    std::fs::write(&lines, procedures(&data)).unwrap();
    let mixed = dir.path().join("mixed.jsonl");
    let both = std::fs::read_to_string(&records).unwrap() + &procedures(&data);
    let backwards: Vec<_> = both.lines().rev().collect();
    std::fs::write(&mixed, backwards.join("\n")).unwrap();
    for (name, files) in
        [("one", vec![&records, &lines]), ("two", vec![&lines, &records]), ("three", vec![&mixed])]
    {
        let into = dir.path().join(name);
        let mut import = guestlist();
        let output = import.args(["import", "--data-dir"]).arg(&into).args(&files).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(digest(&into), digest(&data), "{name}");
        assert_eq!(procedures(&into), procedures(&data), "{name}");
        assert_sound(&into);
        let next =
            |dir: &Path| guestlist::tables::number(&*open(dir).snapshot(), MetaKey::NextAudit).unwrap();
        assert_eq!(next(&into), next(&data), "{name}: the next entry is numbered as it would have been");
    }
    let output = run(&[&"import", &"--data-dir", &dir.path().join("two"), &records]);
    refuses(&output, 1, "not empty");
}

#[test]
fn a_store_with_nothing_but_a_space_is_not_empty() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Store::open(&data, CACHE_BYTES, IfAbsent::Create).unwrap());
    succeed(&[&"invites", &"pause", &PARTY, &"--data-dir", &data]);
    let file = dir.path().join("none.jsonl");
    std::fs::write(&file, "").unwrap();
    refuses(&run(&[&"import", &"--data-dir", &data, &file]), 1, "not empty");
}

#[test]
fn lines_that_are_none_or_contradict_each_other_are_refused() {
    let (dir, data) = filled();
    let all = procedures(&data);
    let line = |begins: &str| {
        all.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{begins}"))
    };
    let of_two = format!("{{\"invite\":\"{}\"", hash("for two"));
    let use_of_two = format!("{{\"redemption\":\"{}\"", hash("for two"));
    let without = |begins: &str| all.replacen(&format!("{}\n", line(begins)), "", 1);
    let twice = |begins: &str| format!("{all}{}\n", line(begins));
    let changed = |from: &str, to: &str| {
        let text = all.replacen(from, to, 1);
        assert!(text != all, "{from} is not there");
        text
    };
    let marks = "{\"gap\":false,\"desynchronized\":false,\"late_jetstream\":false,\"unchecked\":false}";
    let account = format!(
        "{{\"did\":\"did:plc:a\",\"account\":{{\"state\":\"active\",\"tracked\":true,\"marks\":{marks},\"sources\":[]}}}}\n"
    );
    let last = format!("line {} ", all.lines().count() + 1);
    let cases = [
        (twice("{\"space\""), last.as_str()),
        (twice(&of_two), &last),
        (twice("{\"redemption\""), &last),
        (twice("{\"member\""), &last),
        (twice("{\"audit\""), &last),
        (changed("\"usedCount\":2", "\"usedCount\":-2"), "line "),
        (changed("{\"audit\":1,", "{\"audit\":1,\"x\":1,"), "unknown field"),
        (format!("nonsense\n{all}"), "line 1 "),
        (format!("{all}{account}{account}"), "says it too"),
        (format!("{all}{{\"spac\":1}}\n"), &last),
        (without("{\"space\""), "was not made"),
        (
            format!("{all}{{\"space\":\"at://did:plc:ada/at.atjam.jam/one\",\"createdAt\":1}}\n"),
            "it was made, in the place of a record",
        ),
        (without(&of_two), "there is no such invite"),
        (without(&use_of_two), "1 are stored and 0 were erased"),
        (without("{\"member\":\"did:plc:cal\""), "they never were in its space"),
        (changed("\"usedCount\":2", "\"usedCount\":3"), "it counts 3 uses, of which 2 are stored"),
        (changed("\"maxUses\":2", "\"maxUses\":1"), "it counts 2 uses and is for 1"),
        (
            changed("\"member\":\"did:plc:dan\"", "\"member\":\"did:plc:ada\""),
            "the owner is in it without a row",
        ),
    ];
    for (number, (text, why)) in cases.iter().enumerate() {
        let file = dir.path().join("bad.jsonl");
        std::fs::write(&file, text).unwrap();
        let into = dir.path().join(format!("into-{number}"));
        refuses(&run(&[&"import", &"--data-dir", &into, &file]), 1, why);
        // A part must not pass for the whole.
        refuses(&run(&[&"digest", &"--data-dir", &into]), 1, "did not finish");
    }
}

/// Changes a row that is there.
fn change<T: Table>(rows: &mut Overlay<'_>, key: &T::Key, change: impl FnOnce(&mut T::Value)) {
    let mut row = rows.get::<T>(key).unwrap().expect("it is there");
    change(&mut row);
    rows.put::<T>(key, &row);
}

/// Removes the first row of a table.
fn drop_first<T: Table>(rows: &mut Overlay<'_>) {
    let key = rows.scan_all::<T>().next().expect("there is one").unwrap().0;
    rows.delete::<T>(&key);
}

#[test]
fn every_kind_of_damage_is_found_by_a_check() {
    type Damage = fn(&mut Overlay<'_>);
    let damages: [(&str, Damage); 23] = [
        ("SpaceInvites", drop_first::<SpaceInvites>),
        ("OpenInvites", drop_first::<OpenInvites>),
        ("Memberships", drop_first::<Memberships>),
        ("SpaceAudits", drop_first::<SpaceAudits>),
        ("NonceExpiries", drop_first::<NonceExpiries>),
        ("is stored and should not be there", |rows| {
            let key = MembershipKey { did: did("did:plc:eve"), space: space(CLUB) };
            rows.put::<Memberships>(&key, &());
        }),
        ("Spaces", |rows| rows.put::<Spaces>(&space(PARTY), &Space::default())),
        ("it was made, in the place of a record", |rows| {
            let made = Some(Made { at: 1, terms: SpaceTerms::default() });
            rows.put::<Spaces>(&space(PARTY), &Space { made, paused: None });
        }),
        ("no record of its kind makes one", |rows| {
            let signup = space("at://did:plc:ada/at.atjam.signup/one");
            rows.put::<Spaces>(&signup, &Space { paused: Some(1), made: None });
        }),
        ("nobody could have made it so", |rows| {
            change::<Invites>(rows, &hash("for two"), |invite| invite.note = Some("x".repeat(501).into()));
        }),
        ("was not made, and no record makes it", |rows| rows.delete::<Spaces>(&space(CLUB))),
        ("it counts 3 uses, of which 2 are stored and 0 were erased", |rows| {
            change::<Invites>(rows, &hash("for two"), |invite: &mut Invite| invite.used = 3);
        }),
        ("it counts 2 uses, of which 2 are stored and 1 were erased", |rows| {
            change::<Invites>(rows, &hash("for two"), |invite| invite.erased = 1);
        }),
        ("it counts 2 uses and is for 1", |rows| {
            change::<Invites>(rows, &hash("for two"), |invite| invite.max_uses = Some(1));
        }),
        ("the last is at None", |rows| {
            change::<Invites>(rows, &hash("for two"), |invite| invite.last_used_at = None);
        }),
        ("there is no such invite", |rows| rows.delete::<Invites>(&hash("for two"))),
        ("the invite that brought them is another space's", |rows| {
            change::<Invites>(rows, &hash("for two"), |invite| invite.space = space(PARTY));
        }),
        ("they did not use the invite that brought them", |rows| {
            rows.delete::<Redemptions>(&RedemptionKey { hash: hash("for two"), did: did("did:plc:bea") });
        }),
        ("they never were in its space", |rows| {
            rows.delete::<Members>(&MemberKey { space: space(CLUB), did: did("did:plc:cal") });
        }),
        ("the invite that brought them is not there", |rows| {
            let key = MemberKey { space: space(CLUB), did: did("did:plc:dan") };
            change::<Members>(rows, &key, |member: &mut Member| member.invite = Some(hash("none")));
        }),
        ("the owner is in it without a row", |rows| {
            let key = MemberKey { space: space(CLUB), did: did("did:plc:dan") };
            let member = rows.get::<Members>(&key).unwrap().unwrap();
            rows.put::<Members>(&MemberKey { did: did("did:plc:ada"), ..key }, &member);
        }),
        ("the space was not made", |rows| {
            let key = MemberKey { space: space(CLUB), did: did("did:plc:dan") };
            let member = rows.get::<Members>(&key).unwrap().unwrap();
            rows.put::<Members>(&MemberKey { space: space(NOWHERE), ..key }, &member);
        }),
        ("the next one would get number 3", |rows| {
            rows.put::<Metas>(&MetaKey::NextAudit, &Meta::Number(3));
        }),
    ];
    for (words, damage) in damages {
        let store = Store::in_memory().unwrap();
        fill(&store);
        let report = check::check(&store, |_| {}).unwrap();
        assert_eq!(report.differences, Vec::<String>::new());
        let counts = report.procedures;
        let found = [counts.spaces, counts.invites, counts.redemptions, counts.members, counts.entries];
        assert_eq!(found, [1, 3, 2, 3, 9]);
        write(&store, damage);
        let differences = check::check(&store, |_| {}).unwrap().differences;
        assert!(differences.iter().any(|difference| difference.contains(words)), "{words}: {differences:?}");
    }
}

#[test]
fn a_rebuild_leaves_alone_what_follows_from_no_record() {
    let (_dir, data) = filled();
    let (before, digest_before) = (procedures(&data), digest(&data));
    let said = succeed(&[&"check", &"--rebuild", &"--data-dir", &data]);
    assert!(
        said.contains(
            "1 spaces, 4 invites, 3 uses of them, 4 members, 0 chats, 0 users, 0 settings and 0 tickets of events, \
             11 entries of the audit"
        ),
        "{said}"
    );
    assert_eq!((procedures(&data), digest(&data)), (before, digest_before));
    // What they are found by is worked out anew.
    write(&open(&data), |rows| {
        for drop in [
            drop_first::<SpaceInvites>,
            drop_first::<OpenInvites>,
            drop_first::<Memberships>,
            drop_first::<SpaceAudits>,
            drop_first::<NonceExpiries>,
        ] {
            drop(rows);
        }
        let stray = MembershipKey { did: did("did:plc:eve"), space: space(CLUB) };
        rows.put::<Memberships>(&stray, &());
    });
    let output = run(&[&"check", &"--data-dir", &data]);
    assert_eq!(output.status.code(), Some(1));
    succeed(&[&"check", &"--rebuild", &"--data-dir", &data]);
    crate::harness::check(&data);
}

/// A store with spaces alone, and the same beside a daemon.
struct Held {
    data: PathBuf,
    daemon: Option<Daemon>,
    _dir: TempDir,
}

fn held(beside: bool) -> Held {
    hold(filled(), beside)
}

/// The same with something of everything.
fn with_everything(beside: bool) -> Held {
    hold(everything(), beside)
}

fn hold((dir, data): (TempDir, PathBuf), beside: bool) -> Held {
    let daemon = beside.then(|| {
        let config = dir.path().join("guestlist.toml");
        let text = format!("data_dir = {data:?}\n[http]\nbind = \"127.0.0.1:0\"\n");
        std::fs::write(&config, text).unwrap();
        let mut command = guestlist();
        command.args(["serve", "--config"]).arg(config);
        begin(command)
    });
    Held { data, daemon, _dir: dir }
}

impl Held {
    fn run(&self, arguments: &[&str]) -> Output {
        guestlist().args(arguments).arg("--data-dir").arg(&self.data).output().unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Lets go of the store, so that a test can look at it.
    fn end(mut self) -> (PathBuf, TempDir) {
        drop(self.daemon.take());
        (self.data, self._dir)
    }
}

#[test]
fn invites_are_listed_for_a_person_and_for_a_program() {
    for beside in [false, true] {
        let held = held(beside);
        let table = held.says(&["invites", "list", CLUB]);
        let short = |token: &str| hash(token).to_string()[..12].to_owned();
        let rows: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(rows[0], ["invite", "perms", "used", "expires", "state", "note"]);
        let row = |token: &str| rows.iter().find(|row| row[0] == short(token)).unwrap();
        assert_eq!(row("open")[1..], ["write", "0", "never", "active"]);
        assert_eq!(row("for two")[1..], ["write", "2/2", "never", "used", "up"]);
        let noted = ["write", "0/5", "2026-03-01T00:00:01Z", "expired", "bring", "[2J", "cake"];
        assert_eq!(row("with note")[1..], noted, "what a terminal would obey is not printed");
        assert_eq!(rows.len(), 4);
        let json = held.says(&["invites", "list", CLUB, "--json"]);
        let views: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let view = views.iter().find(|view| view["tokenHash"] == hash("for two").to_string()).unwrap();
        assert_eq!((&view["usedCount"], &view["redeemedBy"][0]["did"]), (&2.into(), &"did:plc:bea".into()));
        assert_eq!(views.len(), 3);
        assert!(held.says(&["invites", "list", PARTY]).contains("active"));
    }
}

#[test]
fn an_invite_is_revoked_and_a_space_paused_and_resumed() {
    for beside in [false, true] {
        let held = held(beside);
        let open = hash("open").to_string();
        assert_eq!(
            held.says(&["invites", "pause", CLUB]),
            "paused: nobody joins by an invite until it is resumed\n"
        );
        assert_eq!(held.says(&["invites", "pause", CLUB]), "it was paused already\n");
        assert!(held.says(&["invites", "list", CLUB]).contains("paused"));
        assert_eq!(held.says(&["invites", "resume", CLUB]), "resumed: its invites can be used again\n");
        assert_eq!(held.says(&["invites", "resume", CLUB]), "it was not paused\n");
        assert_eq!(held.says(&["invites", "revoke", CLUB, &open[..12]]), "revoked\n");
        assert_eq!(held.says(&["invites", "revoke", CLUB, &open]), "it was revoked already\n");
        assert!(held.says(&["invites", "list", CLUB]).contains("revoked"));
        let audit = held.says(&["audit", "--space", CLUB, "--limit", "6"]);
        let acts: Vec<_> =
            audit.lines().map(|line| line.split_whitespace().skip(1).take(2).collect::<Vec<_>>()).collect();
        let expected = [
            ["revoke", "already"],
            ["revoke", "done"],
            ["resume", "already"],
            ["resume", "done"],
            ["pause", "already"],
            ["pause", "done"],
        ];
        assert_eq!(acts, expected);
        assert!(audit.lines().all(|line| line.contains("by the operator") && line.contains(CLUB)));
        let (data, _dir) = held.end();
        assert_sound(&data);
    }
}

#[test]
fn pausing_where_nothing_was_done_yet_leaves_a_row_that_says_only_that() {
    let held = held(false);
    let other = "at://did:plc:zoe/community.lexicon.calendar.event/later";
    let before = position(&held.data);
    held.says(&["invites", "pause", other]);
    assert_eq!(position(&held.data), before + 1, "what was said before may be different now");
    let row = open(&held.data).snapshot().get::<Spaces>(&space(other)).unwrap().unwrap();
    assert!(row.made.is_none() && row.paused.is_some());
    assert_eq!(held.says(&["invites", "list", other]), "no invites\n");
    held.says(&["invites", "resume", other]);
    assert_eq!(open(&held.data).snapshot().get::<Spaces>(&space(other)).unwrap(), None);
}

#[test]
fn what_is_not_there_is_1_and_what_cannot_be_is_64() {
    for beside in [false, true] {
        let held = held(beside);
        let none = hash("none").to_string();
        let unknown = "there is no space at://did:plc:ada/tools.atmo.event.space/nowhere now";
        for action in ["list", "pause", "resume"] {
            refuses(&held.run(&["invites", action, NOWHERE]), 1, unknown);
        }
        refuses(&held.run(&["invites", "revoke", NOWHERE, &none]), 1, unknown);
        refuses(&held.run(&["invites", "revoke", NOWHERE, &none[..9]]), 1, unknown);
        for hash in [&none[..], &none[..9], &hash("party").to_string()] {
            refuses(&held.run(&["invites", "revoke", CLUB, hash]), 1, "has no such invite");
        }
        // Records of other kinds make no spaces.
        let signup = "at://did:plc:ada/at.atjam.signup/one";
        refuses(&held.run(&["invites", "pause", signup]), 1, "there is no space");
        for wrong in
            ["at://ada.example/a.b.c/self", "ada.example", "at://did:plc:ada", "at://did:plc:ada/a.b.c"]
        {
            refuses(&held.run(&["invites", "list", wrong]), 64, wrong);
            refuses(&held.run(&["audit", "--space", wrong]), 64, wrong);
        }
        for wrong in [&none[..7], &none.to_uppercase(), "perhaps.", &format!("{none}0")] {
            refuses(&held.run(&["invites", "revoke", CLUB, wrong]), 64, "hexadecimal");
        }
        refuses(&held.run(&["audit", "--did", "ada.example"]), 64, "ada.example");
        refuses(&held.run(&["audit", "--limit", "0"]), 64, "--limit");
        refuses(&held.run(&["erase", "ada.example", "--yes"]), 64, "ada.example");
    }
}

#[test]
fn the_audit_is_shown_newest_first_and_by_person() {
    for beside in [false, true] {
        let held = held(beside);
        let all = held.says(&["audit"]);
        assert_eq!(all.lines().count(), 11);
        let first = format!("2026-03-01T00:00:00Z  redeem done  by did:plc:bea  in {PARTY}  invite ");
        assert!(all.starts_with(&first), "{all}");
        assert!(all.contains("redeem unknown  by did:plc:dan  invite "), "{all}");
        assert_eq!(held.says(&["audit", "--limit", "2"]).lines().count(), 2);
        let dan = held.says(&["audit", "--did", "did:plc:dan", "--json"]);
        let entries: Vec<serde_json::Value> =
            dan.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!((&entries[0]["act"], &entries[0]["actor"]), (&"redeem".into(), &"did:plc:dan".into()));
        assert_eq!(
            (&entries[1]["act"], &entries[1]["subject"]),
            (&"add-member".into(), &"did:plc:dan".into())
        );
        let in_party = held.says(&["audit", "--space", PARTY, "--did", "did:plc:bea"]);
        assert_eq!(in_party.lines().count(), 1);
        assert_eq!(held.says(&["audit", "--space", NOWHERE]), "");
    }
}

#[test]
fn nothing_is_erased_without_a_word() {
    let held = held(false);
    let before = procedures(&held.data);
    refuses(&held.run(&["erase", "did:plc:bea"]), 64, "--yes");
    assert_eq!(procedures(&held.data), before);
}

#[test]
fn somebody_is_erased_for_good() {
    for beside in [false, true] {
        let held = held(beside);
        let said = held.says(&["erase", "did:plc:bea", "--yes"]);
        assert_eq!(
            said,
            "2 spaces, memberships, settings, tickets and traces in the Portal erased\n2 entries of the audit erased or made nameless\n"
        );
        let left = held.says(&["export", "--procedures"]);
        assert!(!left.contains("did:plc:bea") && left.contains("did:plc:cal"));
        assert!(held.says(&["invites", "list", CLUB]).contains(" 2/2 "), "a use still counts");
        let again = held.says(&["erase", "did:plc:bea", "--yes"]);
        assert_eq!(
            again,
            "0 spaces, memberships, settings, tickets and traces in the Portal erased\n0 entries of the audit erased or made nameless\n"
        );
        // Whose spaces go with everybody in them.
        held.says(&["erase", "did:plc:ada", "--yes"]);
        let left = held.says(&["export", "--procedures"]);
        assert!(!left.contains(CLUB), "{left}");
        let (data, _dir) = held.end();
        assert_sound(&data);
    }
}

#[test]
fn more_entries_than_are_erased_at_once_are_erased() {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path(), CACHE_BYTES, IfAbsent::Create).unwrap();
    write(&store, |rows| {
        for number in 0..12_000_u64 {
            let nonce = Nonce { id: NonceId(*hash(&number.to_string()).as_bytes()), expires: 1_772_323_500 };
            let by = By::Caller { did: did("did:plc:bea"), nonce };
            let request = Request { by, command: Command::Redeem { hash: hash("none") } };
            apply(rows, &Bounds::default(), NOW, &request).unwrap().unwrap_err();
        }
    });
    drop(store);
    let said = succeed(&[&"erase", &"did:plc:bea", &"--yes", &"--data-dir", &dir.path()]);
    assert!(said.contains("12000 entries"), "{said}");
    assert!(!procedures(dir.path()).contains("did:plc:bea"));
}
