//! The rules of the house that no compiler knows.

use std::path::{Path, PathBuf};

/// The modules in the order of their ranks; those on one line do not know each other.
const RANKS: &[&[&str]] = &[
    &["syntax"],
    &["codec"],
    &["records"],
    &["tables"],
    &["rules"],
    &["ledger", "spaces"],
    &["filing"],
    &["reduce"],
    &["net"],
    &["identity", "store"],
    &["archive", "check", "delivery", "export", "orders", "rebuild", "search"],
    &["sources"],
    &["http", "indexer", "ingest"],
    &["config", "control", "telemetry"],
    &["app"],
    &["cli"],
];

/// Lines that a file may have; beyond this nobody reads it.
const FILE_LINES_MAX: usize = 600;

/// What must not stand in the tree. Put together here, so that this file does not hold them.
fn banned() -> Vec<String> {
    let left_open = ["TO", "FIX"].map(|start| format!("{start}{}", if start == "TO" { "DO" } else { "ME" }));
    let machine = ["work", "root", "home"].map(|dir| format!("\"/{dir}/"));
    left_open.into_iter().chain(machine).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The module under `src/` that a file belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap();
    Path::new(first.as_os_str()).with_extension("").to_str().unwrap().to_owned()
}

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|modules| modules.contains(&module))
}

/// The modules that a file names after `crate::`.
fn mentioned(text: &str) -> Vec<&str> {
    let ends = |character: char| !character.is_alphanumeric() && character != '_';
    let name = |after: &'_ str| after.find(ends).map_or(after.len(), |end| end);
    text.split("crate::")
        .skip(1)
        .flat_map(|after| match after.strip_prefix('{') {
            // Several at once: each name at the top level of the braces.
            Some(list) => {
                list[..list.find("};").unwrap_or(0)].split(", ").map(|one| &one[..name(one)]).collect()
            }
            None => vec![&after[..name(after)]],
        })
        .collect()
}

#[test]
fn a_module_uses_only_modules_of_lower_rank() {
    let mut seen = 0;
    for path in files(&root().join("src"), "rs") {
        let module = module(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let rank_of_it = rank(&module).unwrap_or_else(|| panic!("{module} has no rank"));
        let text = std::fs::read_to_string(&path).unwrap();
        for used in mentioned(&text).into_iter().filter(|used| *used != module) {
            // A macro or a name of the crate's root is no module.
            if let Some(rank_of_used) = rank(used) {
                seen += 1;
                assert!(rank_of_used < rank_of_it, "{} uses crate::{used}", path.display());
            }
        }
    }
    assert!(seen > 100, "the test no longer sees what files use: {seen}");
}

#[test]
fn every_file_says_what_it_is_and_is_short_enough_to_be_read() {
    for path in files(&root().join("src"), "rs").into_iter().chain(files(&root().join("tests"), "rs")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_open_and_no_machine_is_named() {
    for ending in ["rs", "md", "toml", "json", "service"] {
        for dir in ["src", "tests", "config", "lexicons", "fixtures", "systemd", "benches"] {
            let dir = root().join(dir);
            let files = if dir.is_dir() { files(&dir, ending) } else { Vec::new() };
            for path in files {
                let text = std::fs::read_to_string(&path).unwrap();
                for banned in banned() {
                    assert!(!text.contains(&banned), "{} contains {banned}", path.display());
                }
            }
        }
    }
}

#[test]
fn every_lexicon_is_compiled_in() {
    let in_tree = files(&root().join("lexicons"), "json").len();
    assert_eq!(in_tree, guestlist::records::lexicon::SOURCES.len());
}
