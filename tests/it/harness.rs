//! What the tests share: the fixtures, the program as a process, and a store filled from a dump.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The text of a file of the project.
pub(crate) fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// A file under `fixtures/`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A recording under `fixtures/firehose/`.
pub(crate) fn recording(name: &str) -> PathBuf {
    fixture("firehose").join(name)
}

/// The program, with no configuration from outside, that asks nobody who is who.
pub(crate) fn guestlist() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guestlist"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GUESTLIST_") {
            command.env_remove(name);
        }
    }
    // The people of the tests are made up, and no directory is to be asked for them.
    command.env("GUESTLIST_IDENTITY__NETWORK", "false");
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    guestlist().args(arguments.iter().map(|argument| argument.as_ref())).output().unwrap()
}

/// Standard output of a run that must succeed.
pub(crate) fn succeed(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A replay that only lacks its options and dumps. Recordings are proved in full; what tests make up is not signed.
pub(crate) fn replaying(dir: &Path, dumps: &[PathBuf]) -> Command {
    let mut command = guestlist();
    command.arg("replay").arg("--data-dir").arg(dir);
    if dumps.iter().all(|dump| dump.starts_with(fixture("firehose"))) {
        prove(&mut command);
    } else {
        command.args(["--verify", "off"]);
    }
    command
}

/// Gives a command that reads recordings the documents of everybody in them.
pub(crate) fn prove(command: &mut Command) {
    for people in ["small.dids.jsonl", "medium.dids.jsonl"] {
        command.arg("--identities").arg(recording(people));
    }
}

/// Replays dumps into `dir` and returns the summary.
pub(crate) fn replay(dir: &Path, dumps: &[PathBuf], options: &[&str]) -> Value {
    let output = replaying(dir, dumps).args(options).args(dumps).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    summary(&output)
}

/// The summary in the last line of a replay's output.
pub(crate) fn summary(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// What `export` prints.
pub(crate) fn export(dir: &Path) -> String {
    succeed(&[&"export", &"--data-dir", &dir])
}

/// What `digest` prints.
pub(crate) fn digest(dir: &Path) -> String {
    succeed(&[&"digest", &"--data-dir", &dir]).trim().to_owned()
}

/// Fails unless `check` finds nothing.
pub(crate) fn check(dir: &Path) {
    let output = run(&[&"check", &"--data-dir", &dir]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The frames of a dump, without their lengths.
pub(crate) fn frames(dump: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = dump;
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

/// A dump of frames.
pub(crate) fn dump<'a>(frames: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        bytes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
        bytes.extend(frame);
    }
    bytes
}

/// The content of a recording, decompressed.
pub(crate) fn content(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(recording(name)).unwrap();
    if name.ends_with(".zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes }
}
