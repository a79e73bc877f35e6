//! What the program says and exits with when it is asked for something that it cannot do. Spec: CONTRACT §1
//! and §2.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use guestlist::store::{IfAbsent, Store, schema};
use guestlist::tables::Metas;
use guestlist::tables::keys::MetaKey;
use guestlist::tables::rows::Meta;
use guestlist::tables::view::Overlay;
use tempfile::tempdir;

use crate::harness::{check, content, digest, dump, export, frames, guestlist, recording, replay, summary};

const FAILED: i32 = 1;
const USAGE: i32 = 64;
const CONFIG: i32 = 78;

/// The commands that there are.
const COMMANDS: [&str; 13] = [
    "serve", "replay", "backfill", "digest", "check", "export", "import", "explain", "status", "invites",
    "audit", "erase", "config",
];

/// Longer than any command here takes, so that one that hangs is a failure and not a stopped run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fails unless the command ends with `code`, says each of `words` on standard error and nothing on standard
/// output.
fn assert_refused(command: &mut Command, code: i32, words: &[&str]) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{command:?}: results only");
    for word in words {
        assert!(said.contains(word), "{command:?} does not say {word:?}: {said}");
    }
    assert!(!said.contains("panicked"), "{command:?}: {said}");
}

fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    assert_refused(guestlist().args(arguments), code, words);
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn wrong_usage_is_64_and_says_what_is_wrong() {
    refused(&[], USAGE, &["Usage", "replay"]);
    refused(&["relay"], USAGE, &["relay", "replay"]);
    refused(&["--frobnicate"], USAGE, &["--frobnicate"]);
    refused(&["replay"], USAGE, &["PATH"]);
    refused(&["replay", "--data-dir"], USAGE, &["--data-dir"]);
    refused(&["replay", "--frobnicate", "x.frames"], USAGE, &["--frobnicate"]);
    refused(&["replay", "--verify", "perhaps", "x.frames"], USAGE, &["perhaps", "off"]);
    for batch in ["0", "-1", "many", "1.5", "4294967296"] {
        refused(&["replay", &format!("--batch={batch}"), "x.frames"], USAGE, &["--batch"]);
    }
    refused(&["config", "surplus"], USAGE, &["surplus"]);
    refused(&["status", "somebody.example"], USAGE, &["somebody.example", "DID"]);
    refused(&["status", "did:plc:a", "did:plc:b"], USAGE, &["did:plc:b"]);
    refused(&["export", "--records", "--procedures"], USAGE, &["--records", "--procedures"]);
    refused(&["invites"], USAGE, &["list", "revoke", "pause", "resume"]);
    refused(&["invites", "list"], USAGE, &["SPACE"]);
    refused(&["invites", "revoke", "at://did:plc:a/a.b.c/self"], USAGE, &["HASH"]);
    refused(&["erase"], USAGE, &["DID"]);
    for command in ["digest", "check", "export", "audit"] {
        refused(&[command, "surplus"], USAGE, &["surplus"]);
        refused(&[command, "--config", "x"], USAGE, &["--config"]);
    }
}

#[test]
fn every_command_explains_itself() {
    let says = |arguments: &[&str], words: &[&str]| {
        let output = guestlist().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        for word in words {
            assert!(said.contains(word), "{arguments:?} does not mention {word}: {said}");
        }
    };
    says(&["--help"], &COMMANDS);
    says(&["--version"], &["guestlist", env!("CARGO_PKG_VERSION")]);
    for command in COMMANDS {
        says(&[command, "--help"], &["Usage: guestlist", command]);
        says(&[command, "-h"], &["Usage: guestlist", command]);
        says(&["help", command], &["Usage: guestlist", command]);
    }
    let replay = [
        "--config",
        "--data-dir",
        "--identities",
        "--verify",
        "--batch",
        "PATH",
        ".frames",
        ".jsonl",
        ".zst",
    ];
    says(&["replay", "--help"], &replay);
    says(&["digest", "--help"], &["--data-dir"]);
    says(&["check", "--help"], &["--data-dir"]);
    says(&["export", "--help"], &["--data-dir", "--verdicts", "--records", "--procedures"]);
    for action in ["list", "revoke", "pause", "resume"] {
        says(&["invites", action, "--help"], &["Usage: guestlist invites", "--data-dir", "SPACE"]);
    }
    says(&["invites", "list", "--help"], &["--json", "used up", "not live"]);
    says(&["audit", "--help"], &["--data-dir", "--space", "--did", "--json", "--limit", "100"]);
    says(&["erase", "--help"], &["--data-dir", "--yes", "DID", "Not erased", "still counts"]);
    says(&["serve", "--help"], &["--config"]);
    says(&["import", "--help"], &["--data-dir", "FILE"]);
    says(&["explain", "--help"], &["--data-dir", "--json", "AT-URI"]);
    says(&["status", "--help"], &["--data-dir", "--json", "[DID]", "complete"]);
    says(&["config", "--help"], &["--config", "GUESTLIST_"]);
}

#[test]
fn a_bad_configuration_is_78_and_says_where() {
    let dir = tempdir().unwrap();
    let dump = recording("small-pds0.frames");
    let files = [
        ("unknown-key.toml", "data_dri = \"x\"", "data_dri"),
        ("unknown-section.toml", "[htpp]\nbind = \"127.0.0.1:1\"", "htpp"),
        ("unknown-key-in-section.toml", "[limits]\nbatch = 1", "batch"),
        ("no-toml.toml", "data_dir = ", "line 1"),
        ("a-number-for-text.toml", "data_dir = 5", "data_dir"),
        ("text-for-a-number.toml", "[limits]\nbatch_events = \"many\"", "batch_events"),
        ("a-negative-number.toml", "[limits]\nbatch_events = -1", "batch_events"),
        ("no-address.toml", "[http]\nbind = \"everywhere\"", "bind"),
        ("no-engine.toml", "[store]\nengine = \"rocks\"", "rocks"),
        ("no-source.toml", "[[source]]\nkind = \"carrier pigeon\"", "carrier pigeon"),
        ("twice.toml", "data_dir = \"a\"\ndata_dir = \"b\"", "line 2"),
    ];
    for (name, text, word) in files {
        let path = write(dir.path(), name, text);
        let data_dir = dir.path().join("data");
        assert_refused(guestlist().arg("config").arg("--config").arg(&path), CONFIG, &[name, word]);
        let mut replay = guestlist();
        replay.arg("replay").arg("--config").arg(&path).arg("--data-dir").arg(&data_dir).arg(&dump);
        assert_refused(&mut replay, CONFIG, &[name, word]);
        assert!(
            !data_dir.exists(),
            "{name}: nothing is touched before the configuration is known to be good"
        );
    }
    fs::write(dir.path().join("latin1.toml"), b"data_dir = \"\xe9\"").unwrap();
    assert_refused(
        guestlist().arg("config").arg("--config").arg(dir.path().join("latin1.toml")),
        CONFIG,
        &["latin1.toml"],
    );
    assert_refused(guestlist().args(["config", "--config", "/nowhere.toml"]), CONFIG, &["/nowhere.toml"]);
    assert_refused(guestlist().arg("config").arg("--config").arg(dir.path()), CONFIG, &["cannot read"]);
}

#[test]
fn a_variable_that_names_no_setting_is_78() {
    for (name, value, word) in [
        ("GUESTLIST_DATADIR", "x", "GUESTLIST_DATADIR"),
        ("GUESTLIST_", "x", "GUESTLIST_"),
        ("GUESTLIST_HTTP__BND", "127.0.0.1:1", "bnd"),
        ("GUESTLIST_HTPP__BIND", "127.0.0.1:1", "htpp"),
        ("GUESTLIST_HTTP__BIND__PORT", "1", "bind__port"),
        ("GUESTLIST_HTTP__BIND", "everywhere", "bind"),
        ("GUESTLIST_LIMITS__BATCH_EVENTS", "many", "batch_events"),
        ("GUESTLIST_LIMITS__BATCH_EVENTS", "-1", "batch_events"),
        ("GUESTLIST_DATA_DIR__X", "1", "data_dir"),
    ] {
        assert_refused(guestlist().arg("config").env(name, value), CONFIG, &[word]);
    }
    let dir = tempdir().unwrap();
    let mut replay = guestlist();
    replay
        .args(["replay", "--verify", "off", "--data-dir"])
        .arg(dir.path())
        .arg(recording("small-pds0.frames"));
    assert_refused(replay.env("GUESTLIST_TELEMETRY__LOG", "info,=,["), CONFIG, &["telemetry.log"]);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let dir = tempdir().unwrap();
    let file = write(dir.path(), "some.toml", "data_dir = \"from-the-file\"\n[limits]\nbatch_events = 7");
    let config = guestlist()
        .arg("config")
        .arg("--config")
        .arg(&file)
        .env("GUESTLIST_DATA_DIR", "from-outside")
        .output();
    let said = String::from_utf8(config.unwrap().stdout).unwrap();
    assert!(said.contains("\"from-outside\"") && said.contains("batch_events = 7"), "{said}");
    let data_dir = dir.path().join("from-a-flag");
    let mut replay = guestlist();
    replay.current_dir(dir.path()).args(["replay", "--verify", "off", "--config"]).arg(&file);
    replay.arg("--data-dir").arg(&data_dir);
    let output = replay
        .env("GUESTLIST_DATA_DIR", "from-outside")
        .arg(recording("small-pds0.frames"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        data_dir.exists()
            && !dir.path().join("from-outside").exists()
            && !dir.path().join("from-the-file").exists()
    );
}

#[test]
fn a_dump_that_cannot_be_read_is_1_and_named() {
    let dir = tempdir().unwrap();
    let refuses = |path: &Path, words: &[&str]| {
        let mut replay = guestlist();
        replay.args(["replay", "--verify", "off", "--data-dir"]).arg(dir.path().join("data")).arg(path);
        assert_refused(&mut replay, FAILED, words);
    };
    refuses(&dir.path().join("nowhere.frames"), &["nowhere.frames"]);
    for name in ["directory.frames", "directory.jsonl", "directory.frames.zst", "directory.jsonl.zst"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        refuses(&dir.path().join(name), &[name]);
    }
    for name in ["dump", "dump.txt", "dump.zst", "frames", ".zst", "dump.frames.gz", "dump.FRAMES"] {
        refuses(&write(dir.path(), name, ""), &[name, ".frames", ".jsonl"]);
    }
    for name in ["small.dids.jsonl", "small.dids.jsonl.zst"] {
        refuses(&write(dir.path(), name, ""), &[name, "--identities"]);
    }
    for name in ["no.frames.zst", "no.jsonl.zst"] {
        refuses(&write(dir.path(), name, "this is no zstd"), &[name]);
    }
    symlink("loop.frames", dir.path().join("loop.frames")).unwrap();
    refuses(&dir.path().join("loop.frames"), &["loop.frames"]);
}

#[test]
fn a_dump_that_cannot_be_read_is_found_out_before_any_is() {
    let dir = tempdir().unwrap();
    let mut command = guestlist();
    command
        .args(["replay", "--verify", "off", "--data-dir"])
        .arg(dir.path())
        .arg(recording("small-pds0.frames"));
    assert_refused(command.arg("/nowhere.frames"), FAILED, &["/nowhere.frames"]);
    assert_eq!(export(dir.path()), "");
}

#[test]
fn identities_that_cannot_be_read_are_1_and_named() {
    let dir = tempdir().unwrap();
    let bad = write(dir.path(), "bad.dids.jsonl", "{\"doc\":");
    for path in [bad, dir.path().join("nowhere.dids.jsonl")] {
        let mut replay = guestlist();
        replay
            .args(["replay", "--verify", "off", "--data-dir"])
            .arg(dir.path().join("data"))
            .arg("--identities")
            .arg(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_refused(replay.arg(recording("small-pds0.frames")), FAILED, &[name]);
    }
}

#[test]
fn a_store_that_is_not_there_is_1_and_not_made() {
    let dir = tempdir().unwrap();
    let absent = dir.path().join("absent");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for command in ["digest", "check", "export", "status", "audit"] {
        for data_dir in [&absent, &empty] {
            let words = [data_dir.to_str().unwrap(), "replay"];
            assert_refused(guestlist().args([command, "--data-dir"]).arg(data_dir), FAILED, &words);
        }
        // Without a directory it is the one that is the default.
        assert_refused(guestlist().current_dir(dir.path()).arg(command), FAILED, &["data"]);
    }
    assert!(
        !absent.exists()
            && fs::read_dir(&empty).unwrap().next().is_none()
            && !dir.path().join("data").exists()
    );
}

#[test]
fn a_store_that_is_in_use_is_1_and_named() {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path(), 1 << 20, IfAbsent::Create).unwrap();
    let words = [dir.path().to_str().unwrap(), "in use", &std::process::id().to_string()];
    for command in ["digest", "check", "export", "status", "audit"] {
        assert_refused(guestlist().args([command, "--data-dir"]).arg(dir.path()), FAILED, &words);
    }
    let mut replay = guestlist();
    replay
        .args(["replay", "--verify", "off", "--data-dir"])
        .arg(dir.path())
        .arg(recording("small-pds0.frames"));
    assert_refused(&mut replay, FAILED, &words);
    drop(store);
}

#[test]
fn a_store_of_another_version_is_1_and_both_versions_are_named() {
    for found in [schema::VERSION + 41, 0] {
        let dir = tempdir().unwrap();
        {
            let store = Store::open(dir.path(), 1 << 20, IfAbsent::Create).unwrap();
            let changes = {
                let rows = store.snapshot();
                let mut overlay = Overlay::new(&*rows);
                overlay.put::<Metas>(&MetaKey::Schema, &Meta::Number(found));
                overlay.into_changes()
            };
            store.commit(changes).unwrap();
        }
        // Read from a copy: see `StoreCopy`.
        let copy = tempdir().unwrap();
        crate::bad_input::copy_dir(dir.path(), copy.path());
        let (found, known) = (format!("version {found}"), schema::VERSION.to_string());
        let words = [copy.path().to_str().unwrap(), &found, &known];
        for command in ["digest", "check", "export"] {
            assert_refused(guestlist().args([command, "--data-dir"]).arg(copy.path()), FAILED, &words);
        }
        let mut replay = guestlist();
        replay
            .args(["replay", "--verify", "off", "--data-dir"])
            .arg(copy.path())
            .arg(recording("small-pds0.frames"));
        assert_refused(&mut replay, FAILED, &words);
    }
}

#[test]
fn a_data_directory_that_cannot_be_made_is_1_and_named() {
    let dir = tempdir().unwrap();
    let file = write(dir.path(), "file", "in the way");
    for data_dir in [file.clone(), file.join("below")] {
        let mut replay = guestlist();
        replay
            .args(["replay", "--verify", "off", "--data-dir"])
            .arg(&data_dir)
            .arg(recording("small-pds0.frames"));
        assert_refused(&mut replay, FAILED, &[data_dir.to_str().unwrap()]);
        assert_refused(
            guestlist().args(["digest", "--data-dir"]).arg(&data_dir),
            FAILED,
            &[data_dir.to_str().unwrap()],
        );
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "in the way");
}

#[test]
fn a_store_of_garbage_is_1_and_does_not_panic() {
    let dir = tempdir().unwrap();
    replay(dir.path(), &[recording("small-pds0.frames")], &[]);
    let copy = tempdir().unwrap();
    crate::bad_input::copy_dir(dir.path(), copy.path());
    fs::write(copy.path().join("sled").join("conf"), vec![0x55; 100]).unwrap();
    for command in ["digest", "check", "export"] {
        assert_refused(
            guestlist().args([command, "--data-dir"]).arg(copy.path()),
            FAILED,
            &["storage engine"],
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = tempdir().unwrap();
    replay(dir.path(), &[recording("medium.frames.zst")], &[]);
    let mut export = guestlist();
    export.args(["export", "--data-dir"]).arg(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = export.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn standard_input_is_a_dump_of_either_kind_and_may_be_empty() {
    let fed = |content: &[u8]| {
        let dir = tempdir().unwrap();
        let input = write(dir.path(), "input", "");
        fs::write(&input, content).unwrap();
        let mut replay = guestlist();
        replay.args(["replay", "--verify", "off", "--data-dir"]).arg(dir.path().join("data")).arg("-");
        let output = replay.stdin(fs::File::open(input).unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        summary(&output)
    };
    let content = content("small-pds0.frames");
    let (plain, compressed) = (fed(&content), fed(&zstd::encode_all(&content[..], 3).unwrap()));
    assert_eq!((&plain["frames"], &plain["digest"]), (&compressed["frames"], &compressed["digest"]));
    assert_eq!(plain["frames"], 117);
    assert_eq!(fed(b"")["frames"], 0);
    assert_eq!(fed(b"\n{}\n")["rejected"], serde_json::json!({ "bad-field": 1 }));
}

/// A file system of its own, gone when this is dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(size: &str) -> Result<Self, String> {
        let dir = tempdir().unwrap();
        let options = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(dir.path()).output();
        match mount {
            Ok(output) if output.status.success() => Ok(Self(dir)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.0.path()).status().unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// The output of a command, or `None` when it did not end in time; then it is killed.
fn output_in_time(command: &mut Command) -> Option<Output> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match ended.recv_timeout(PATIENCE) {
        Ok(output) => Some(output.unwrap()),
        Err(_) => {
            Command::new("kill").arg("-9").arg(id.to_string()).status().unwrap();
            None
        }
    }
}

#[test]
fn a_full_disk_is_1_and_with_more_room_the_replay_goes_on() {
    let undisturbed = tempdir().unwrap();
    replay(undisturbed.path(), &[recording("medium.frames.zst")], &[]);
    // From room for nothing to room for most of it.
    for size in ["64k", "600k", "1200k", "3m"] {
        let disk = match Tmpfs::mount(size) {
            Ok(disk) => disk,
            Err(why) => {
                eprintln!("skipped: a small file system cannot be mounted here: {why}");
                return;
            }
        };
        let run = || {
            let mut command = guestlist();
            command
                .args(["replay", "--verify", "off", "--batch", "50", "--data-dir"])
                .arg(disk.0.path().join("data"));
            command.arg(recording("medium.frames.zst"));
            output_in_time(&mut command)
        };
        let full = run().unwrap_or_else(|| panic!("{size}: it hangs when the disk is full"));
        let said = String::from_utf8_lossy(&full.stderr);
        assert_eq!(full.status.code(), Some(FAILED), "{size}: {said}");
        assert!(said.contains("guestlist: "), "{size}: it says what is wrong: {said}");
        disk.resize("64m");
        let resumed = run().unwrap_or_else(|| panic!("{size}: it hangs after the disk was full"));
        assert_eq!(resumed.status.code(), Some(0), "{size}: {}", String::from_utf8_lossy(&resumed.stderr));
        assert_eq!(digest(&disk.0.path().join("data")), digest(undisturbed.path()), "{size}");
        check(&disk.0.path().join("data"));
    }
}

#[test]
fn the_position_of_an_empty_dump_is_null() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("empty.frames");
    fs::write(&path, dump(&frames(b""))).unwrap();
    let summary = replay(&dir.path().join("data"), &[path], &[]);
    let keys: Vec<&str> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "frames",
        "commits",
        "skipped",
        "applied",
        "rejected",
        "records",
        "quarantined",
        "verdicts",
        "cursor",
        "digest",
        "seconds",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected, "all keys are always present");
    assert!(summary["cursor"].is_null());
}
