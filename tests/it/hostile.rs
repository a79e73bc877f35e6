//! Hosts that lie, send too much, are slow, or do not answer: what is wrong is said, they are not asked again and
//! again, and nobody else is disturbed.

use std::time::{Duration, Instant};

use guestlist::codec::node::Node;
use guestlist::syntax::Cid;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::frames::{Block, car, root_of};
use crate::opened::blocks_of;
use crate::pds::{Pds, Say};
use crate::serving::{Daemon, get};
use crate::signed::{Key, Repo};
use crate::stage::{EVENT, Stage, commit, event, somebody, status};
use crate::trees::{Blocks, Keys, tree};

/// Memory of a daemon that was sent nonsense, at the highest. A store without anything in it has a third of that.
const MEMORY_KB_MAX: u64 = 300_000;

/// A host of its own for somebody who has written an event.
fn alone(letter: char) -> (Pds, Repo) {
    let (pds, mut repo) = (Pds::start(), somebody(letter));
    commit(&mut repo, &[("k", &letter.to_string())]);
    pds.has(&repo);
    (pds, repo)
}

fn answer(status: u16, body: Vec<u8>) -> Say {
    Say::Answer(status, Vec::new(), body)
}

/// Cut after the first of the two bytes that say how long the last block is.
fn cut_in_a_length(export: &[u8]) -> Vec<u8> {
    let last = blocks_of(export).pop().unwrap();
    let length = last.bytes.len() + 36;
    assert!((0x80..0x4000).contains(&length), "its length has two bytes");
    export[..export.len() - length - 1].to_vec()
}

/// A tree of many levels, of which only the last has something.
fn deep(repo: &mut Repo, levels: usize) -> Vec<u8> {
    let mut blocks = Blocks::new();
    let record = Block::new(crate::frames::cbor(&event("deep")));
    let keys: Keys = [(format!("{EVENT}/k"), record.cid.into())].into();
    let mut top = tree(&keys, &mut blocks);
    for _ in 0..levels {
        let node = Node { left: Some(top), entries: Vec::new() }.encode();
        top = Cid::compute_dag_cbor(&node);
        blocks.insert(top, node);
    }
    let blocks = blocks.into_iter().map(|(cid, bytes)| Block { cid, bytes });
    repo.export_of(top, &blocks.chain([record]).collect::<Vec<_>>())
}

/// Very many blocks with next to nothing in them, and no commit among them.
fn bomb(export: &[u8]) -> Vec<u8> {
    let blocks: Vec<_> = (0..300_000_u32).map(|n| Block::new(n.to_be_bytes().to_vec())).collect();
    car(&[root_of(export)], &blocks)
}

/// What hosts do, and what is then said of their accounts.
fn lies(letter: char, pds: &Pds, repo: &mut Repo) -> (&'static str, Say) {
    let whole = repo.export();
    let (mut older, mut other) = (somebody(letter), somebody('z'));
    for it in [&mut older, &mut other] {
        commit(it, &[("k", "lie")]);
    }
    older.key = other.key.clone();
    commit(&mut older, &[("more", "lie")]);
    let again = format!("{}/xrpc/com.atproto.sync.getRepo?did={}", pds.url(), repo.did);
    let busy = vec![("Retry-After", "3600".to_owned())];
    match letter {
        'a' => ("truncated-export", answer(200, whole[..whole.len() - 5].to_vec())),
        'b' => ("truncated-export", answer(200, cut_in_a_length(&whole))),
        'c' => ("commit-did-mismatch", answer(200, other.export())),
        'd' => ("bad-signature", answer(200, older.export())),
        'e' => ("larger than 1000000000 bytes", Say::Endless(Some(2_000_000_000))),
        'f' => ("block-missing", answer(200, bomb(&whole))),
        'g' => ("mst-malformed", answer(200, deep(repo, 40))),
        'h' => ("not all of it", Say::Cut(whole)),
        'i' => ("the host answered 429", Say::Answer(429, busy, Vec::new())),
        'j' => ("the host answered 500", answer(500, b"<html>".to_vec())),
        'k' => ("redirects", Say::Answer(302, vec![("Location", again)], Vec::new())),
        'l' => ("the host refuses: 403", answer(403, b"{}".to_vec())),
        'm' => ("the host refuses: 501", answer(501, Vec::new())),
        _ => ("is not used", answer(200, b"<html>".to_vec())),
    }
}

#[test]
fn hosts_that_lie_are_named_and_disturb_nobody() {
    let good = Pds::start();
    let mut bad = Vec::new();
    for letter in 'a'..='n' {
        let (pds, mut repo) = alone(letter);
        // It lists them, and has nothing of them.
        good.has(&repo);
        good.answers(&repo.did, 404, Vec::new());
        let (reason, say) = lies(letter, &pds, &mut repo);
        pds.says("getRepo", say);
        bad.push((repo, pds, reason));
    }
    let honest: Vec<_> = ('o'..='r')
        .map(somebody)
        .map(|mut repo| {
            commit(&mut repo, &[("k", "good")]);
            good.has(&repo);
            repo
        })
        .collect();
    let people: Vec<_> =
        bad.iter().map(|(repo, pds, _)| (repo, pds)).chain(honest.iter().map(|repo| (repo, &good))).collect();
    let stage = Stage::new(&people, &good);
    let begun = Instant::now();
    let daemon = stage.begin();
    let status = stage
        .until(&daemon, "the end of the sweep", |status| status["sources"][0]["window"]["state"] == "closed");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let ledger = &status["ledger"];
    assert_eq!((&status["complete"], &ledger["failing"]), (&json!(false), &json!(bad.len())), "{ledger}");
    assert_eq!(ledger["tracked"], honest.len());
    for (repo, pds, reason) in &bad {
        let failures = ledger["failures"].as_array().unwrap();
        let failure = failures.iter().find(|failure| failure["did"] == repo.did).unwrap();
        assert!(failure["reason"].as_str().unwrap().contains(reason), "{failure} is not {reason}");
        let asked = pds.asked().len();
        assert!((1..=4).contains(&asked), "{reason}: asked {asked} times");
    }
    let busy = ledger["failures"].as_array().unwrap().iter().find(|it| it["did"] == bad[8].0.did).unwrap();
    let next: Timestamp = busy["nextAttempt"].as_str().unwrap().parse().unwrap();
    let wait = next.as_second() - Timestamp::now().as_second();
    assert!((3_000..=3_600).contains(&wait), "it asked for an hour: {busy}");
    assert!(memory_kb(&daemon) < MEMORY_KB_MAX, "{} kB", memory_kb(&daemon));
    assert_eq!(stage.end(daemon), ["good"; 4]);
}

/// The most memory that a process ever had, where that can be found out.
fn memory_kb(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/status", daemon.process.id());
    let status = std::fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn hosts_that_are_slow_or_silent_keep_nobody_waiting() {
    let good = Pds::start();
    let drop = Duration::from_millis(20);
    let hosts: Vec<_> = [Say::Nothing, Say::Drip(200, drop), Say::Drip(503, drop)]
        .into_iter()
        .map(|say| {
            let pds = Pds::start();
            pds.says("getRepo", say);
            pds
        })
        .collect();
    let mut everybody: Vec<_> = ('a'..='l').map(somebody).collect();
    for repo in &mut everybody {
        commit(repo, &[("k", "good")]);
        good.has(repo);
    }
    let (bad, honest) = everybody.split_at(9);
    let mut people: Vec<_> = bad.iter().zip(hosts.iter().cycle()).collect();
    people.extend(honest.iter().map(|repo| (repo, &good)));
    let stage = Stage::new(&people, &good);
    let begun = Instant::now();
    let daemon = stage.begin();
    for repo in honest {
        stage.until_compared(&daemon, repo);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    for pds in &hosts {
        assert!((1..=2).contains(&pds.asked().len()), "two at a time: {:?}", pds.asked());
    }
    let status = status(&daemon, "");
    assert_eq!((&status["complete"], &status["ready"]), (&json!(false), &json!(false)), "{status}");
    // Nor do they keep it from ending.
    let begun = Instant::now();
    assert_eq!(stage.end(daemon), ["good"; 3]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn an_older_repository_than_what_is_known_changes_nothing_and_is_a_failure() {
    let (pds, mut repo) = alone('a');
    let stage = Stage::new(&[(&repo, &pds)], &pds);
    let daemon = stage.begin();
    stage.until_complete(&daemon);
    commit(&mut repo, &[("lost", "Lost")]);
    stage.tell(commit(&mut repo, &[("k", ""), ("new", "New")]));
    let reason = "its host has an older revision than what is known";
    let status =
        stage.until(&daemon, "the failure", |status| status["ledger"]["failures"][0]["reason"] == reason);
    assert_eq!(status["complete"], false);
    pds.has(&repo);
    stage.until_compared(&daemon, &repo);
    assert_eq!(stage.end(daemon), ["Lost", "New"]);
}

/// What whoever lists repositories does, and what is then said of the window.
fn lists() -> Vec<(Say, &'static str)> {
    let page = |cursor: &str| json!({ "repos": [], "cursor": cursor }).to_string().into_bytes();
    let busy = vec![("Retry-After", "3600".to_owned())];
    vec![
        (answer(200, page("again")), "repeats itself"),
        (answer(200, page(&"x".repeat(3_000))), "a cursor that is too long"),
        (answer(200, b"<html>".to_vec()), "no page of repositories"),
        (answer(200, vec![b' '; 5_000_000]), "too large"),
        (Say::Endless(None), "too large"),
        (Say::Answer(429, busy, Vec::new()), "it answered 429"),
        (answer(500, Vec::new()), "it answered 500"),
        (answer(404, Vec::new()), "it has no such list (404"),
        (Say::Cut(page("x")), "no answer"),
        (Say::Nothing, "it took too long"),
        (Say::Drip(200, Duration::from_millis(20)), "it took too long"),
    ]
}

#[test]
fn a_list_that_is_not_to_be_had_holds_up_its_window_and_nothing_else() {
    let (pds, repo) = alone('a');
    let mut stages = Vec::new();
    for (say, reason) in lists() {
        let listing = Pds::start();
        for method in ["listRepos", "listReposByCollection"] {
            listing.says(method, say.clone());
        }
        let stage = Stage::new(&[(&repo, &pds)], &listing);
        let daemon = stage.begin();
        stages.push((stage, daemon, listing, reason));
    }
    for (stage, daemon, listing, reason) in stages {
        // What is told is stored meanwhile, and made whole.
        let mut repo = repo.clone();
        stage.tell(commit(&mut repo, &[("live", "live")]));
        pds.has(&repo);
        stage.until_compared(&daemon, &repo);
        let failure = |status: &Value| status["sources"][0]["window"]["failure"].clone();
        let status = stage.until(&daemon, reason, |status| failure(status).is_string());
        let said = failure(&status);
        assert!(said.as_str().unwrap().contains(reason), "{said} is not {reason}");
        assert!(status["sources"][0]["window"]["nextAttempt"].is_string(), "{status}");
        assert_eq!((&status["complete"], &status["ready"]), (&json!(false), &json!(false)), "{status}");
        assert_eq!(get(&daemon.address, "/xrpc/_health").0, 503);
        assert!(listing.asked().len() <= 4, "{reason}: {:?}", listing.asked());
        assert!(stage.words().contains("  held up: "), "{}", stage.words());
        assert!(memory_kb(&daemon) < MEMORY_KB_MAX, "{} kB", memory_kb(&daemon));
        assert_eq!(stage.end(daemon), ["a", "live"]);
    }
}

#[test]
fn a_host_with_very_many_accounts_keeps_nobody_waiting() {
    let (good, slow) = (Pds::start(), Pds::start());
    let person = |number: usize, pds: &Pds| {
        let letter = |at: usize| char::from(b'a' + u8::try_from(at).unwrap());
        let letters = format!("{}{}", letter(number / 26), letter(number % 26));
        let mut repo = Repo::new(&format!("did:plc:{}", letters.repeat(12)), Key::k256(7));
        commit(&mut repo, &[("k", "K")]);
        good.has(&repo);
        pds.has(&repo);
        repo
    };
    // They come first, and are more than are begun at a time.
    let many: Vec<_> = (0..200).map(|number| person(number, &slow)).collect();
    let few: Vec<_> = (600..603).map(|number| person(number, &good)).collect();
    slow.holds("getRepo");
    let people: Vec<_> =
        many.iter().map(|repo| (repo, &slow)).chain(few.iter().map(|repo| (repo, &good))).collect();
    let stage = Stage::new(&people, &good);
    let daemon = stage.begin();
    for repo in &few {
        stage.until_compared(&daemon, repo);
    }
    assert!(slow.asked().iter().filter(|asked| asked.method == "getRepo").count() <= 2, "two at a time");
    slow.lets_go();
    let status = stage.until_complete(&daemon);
    assert_eq!(status["ledger"]["tracked"], 203);
    stage.end(daemon);
}
