//! The unit file: what systemd makes of it, as far as that can be known without systemd.

use std::collections::BTreeSet;
use std::process::Command;

use guestlist::config::Config;

use crate::harness::succeed;

/// What may stand in each section, from systemd.unit, systemd.service, systemd.exec and systemd.kill.
const KNOWN: &[(&str, &[&str])] = &[
    ("Unit", &["Description", "Documentation", "Wants", "After"]),
    (
        "Service",
        &[
            "AmbientCapabilities",
            "CapabilityBoundingSet",
            "DynamicUser",
            "Environment",
            "ExecStart",
            "LimitNOFILE",
            "LockPersonality",
            "MemoryDenyWriteExecute",
            "NoNewPrivileges",
            "NotifyAccess",
            "PrivateDevices",
            "PrivateTmp",
            "ProtectClock",
            "ProtectControlGroups",
            "ProtectHome",
            "ProtectHostname",
            "ProtectKernelLogs",
            "ProtectKernelModules",
            "ProtectKernelTunables",
            "ProtectProc",
            "ProtectSystem",
            "RemoveIPC",
            "Restart",
            "RestartPreventExitStatus",
            "RestartSec",
            "RestrictAddressFamilies",
            "RestrictNamespaces",
            "RestrictRealtime",
            "RestrictSUIDSGID",
            "StateDirectory",
            "StateDirectoryMode",
            "SystemCallArchitectures",
            "SystemCallFilter",
            "TimeoutStartSec",
            "TimeoutStopSec",
            "Type",
            "UMask",
            "WatchdogSec",
        ],
    ),
    ("Install", &["WantedBy"]),
];

fn path() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/guestlist.service")
}

/// Section, key and value of every line that says something.
fn directives() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(path()).unwrap();
    let mut section = String::new();
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').unwrap().to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line:?} says nothing"));
        assert_eq!((key, value), (key.trim(), value.trim()), "{line:?}");
        found.push((section.clone(), key.to_owned(), value.to_owned()));
    }
    found
}

fn value(key: &str) -> String {
    let values: Vec<_> = directives().into_iter().filter(|(_, found, _)| found == key).collect();
    assert_eq!(values.len(), 1, "{key}");
    values[0].2.clone()
}

#[test]
fn every_directive_of_the_unit_is_known_where_it_stands() {
    let mut seen = BTreeSet::new();
    for (section, key, _) in directives() {
        let (_, known) = KNOWN.iter().find(|(name, _)| *name == section).unwrap();
        assert!(known.contains(&key.as_str()), "{key} in [{section}]");
        // A list may be written in several lines; anything else twice is a mistake.
        assert!(seen.insert(key.clone()) || key == "SystemCallFilter", "{key} twice");
    }
}

#[test]
fn the_command_of_the_unit_is_one_that_the_program_has() {
    let command = value("ExecStart");
    let mut words = command.split(' ');
    assert!(words.next().unwrap().ends_with("/guestlist"));
    let help = succeed(&[&words.next().unwrap(), &"--help"]);
    for flag in words.filter(|word| word.starts_with("--")) {
        assert!(help.contains(flag), "{flag}");
    }
    // Where the store is, the environment says, as the program reads it.
    let (name, dir) =
        value("Environment").split_once('=').map(|(n, d)| (n.to_owned(), d.to_owned())).unwrap();
    assert_eq!(name, "GUESTLIST_DATA_DIR");
    assert_eq!(dir, format!("/var/lib/{}", value("StateDirectory")));
}

#[test]
fn the_unit_waits_longer_than_the_daemon_drains_and_does_not_retry_what_cannot_work() {
    let seconds: u64 = value("TimeoutStopSec").strip_suffix('s').unwrap().parse().unwrap();
    assert!(seconds > Config::default().limits.drain_seconds + 5);
    assert_eq!(value("RestartPreventExitStatus"), "64 78");
    assert_eq!(value("Type"), "notify");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_where_there_is_a_systemd() {
    // It wants the program to be where the unit says.
    let text = std::fs::read_to_string(path()).unwrap();
    let text = text.replace("/usr/local/bin/guestlist", env!("CARGO_BIN_EXE_guestlist"));
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("guestlist.service");
    std::fs::write(&unit, text).unwrap();
    if let Ok(output) = Command::new("systemd-analyze").arg("verify").arg(&unit).output() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("Unknown"), "{said}");
    }
}
