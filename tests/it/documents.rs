//! The documents tell the truth.

use guestlist::config::{Config, SourceConfig};
use tempfile::tempdir;

use crate::harness::{document, guestlist, succeed};

#[test]
fn the_example_configuration_is_the_defaults_and_shows_every_key() {
    let text = document("config/example.toml");
    let config: Config = toml::from_str(&text).unwrap();
    assert_eq!(config, Config::default());
    let defaults: toml::Table = Config::default().to_toml().parse().unwrap();
    let shown: toml::Table = text.parse().unwrap();
    for (section, value) in &defaults {
        // Sources have no default to show.
        if section == "source" {
            continue;
        }
        let shown = shown.get(section).unwrap_or_else(|| panic!("{section} is not shown"));
        if let Some(keys) = value.as_table() {
            for key in keys.keys() {
                assert!(shown.as_table().unwrap().contains_key(key), "{section}.{key} is not shown");
            }
        }
    }
    let source: String = text.lines().skip_while(|line| *line != "# [[source]]").map(uncommented).collect();
    assert_eq!(toml::from_str::<Config>(&source).unwrap().source.len(), 3, "one of each kind");
}

fn uncommented(line: &str) -> String {
    format!("{}\n", line.trim_start_matches("# "))
}

#[test]
fn the_demonstration_reads_what_is_in_the_repository() {
    let config: Config = toml::from_str(&document("config/demo.toml")).unwrap();
    let sources = config.source.iter().map(|source| match source {
        SourceConfig::Replay { path, .. } => path,
        live => panic!("the demonstration is offline: {live:?}"),
    });
    for path in sources.chain(&config.identity.identities) {
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{}", path.display());
    }
    assert!(config.http.bind.ip().is_loopback());
}

#[test]
fn the_effective_configuration_can_be_used_again() {
    let configured = |arguments: &[&std::ffi::OsStr]| {
        let mut command = guestlist();
        command.arg("config").args(arguments).env_remove("GUESTLIST_IDENTITY__NETWORK");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let printed = configured(&[]);
    assert_eq!(toml::from_str::<Config>(&printed).unwrap(), Config::default().effective().unwrap());
    let dir = tempdir().unwrap();
    let path = dir.path().join("again.toml");
    std::fs::write(&path, &printed).unwrap();
    assert_eq!(configured(&["--config".as_ref(), path.as_os_str()]), printed);
}

#[test]
fn the_readme_names_every_command_and_every_method() {
    let readme = document("README.md");
    let help = succeed(&[&"--help"]);
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for command in commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        assert!(readme.contains(&format!("`guestlist {command} ")), "{command} is not in the README");
    }
    for lexicon in guestlist::records::lexicon::documents().values() {
        let id = lexicon["id"].as_str().unwrap();
        let kind = &lexicon["defs"]["main"]["type"];
        if kind == "query" || kind == "procedure" {
            assert!(readme.contains(&format!("`{id}?")) || readme.contains(&format!("`{id}`")), "{id}");
        }
    }
}
