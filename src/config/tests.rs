//! What is taken for a configuration, and what is refused.

use std::error::Error;
use std::fs;
use std::iter::successors;

use toml::Table;

use super::Config;
use super::env::set;
use crate::ingest::Sweeps;
use crate::syntax::Did;
use crate::tables::portal::Level;

fn with(variables: &[(&str, &str)]) -> Option<Result<Config, toml::de::Error>> {
    let mut table = Table::new();
    for (key, value) in variables {
        set(&mut table, key, value)?;
    }
    Some(table.try_into())
}

#[test]
fn the_environment_overrides_keys_of_every_type() {
    let config = with(&[
        ("DATA_DIR", "elsewhere"),
        ("HTTP__BIND", "127.0.0.1:9000"),
        ("LIMITS__BATCH_EVENTS", "7"),
        ("IDENTITY__IDENTITIES", "[\"a.dids.jsonl\"]"),
    ]);
    let config = config.unwrap().unwrap();
    assert_eq!(config.data_dir.to_str(), Some("elsewhere"));
    assert_eq!(config.http.bind.port(), 9000);
    assert_eq!(config.limits.batch_events, 7);
    assert_eq!(config.identity.identities.len(), 1);
}

#[test]
fn a_value_that_cannot_work_is_refused_before_anything_starts() {
    for (key, value) in [
        ("STORE__CACHE_MB", "0"),
        ("LIMITS__QUERIES_AT_ONCE", "0"),
        ("LIMITS__QUERIES_AT_ONCE", "9000000000000000000"),
        ("LIMITS__BATCH_EVENTS", "0"),
        ("TELEMETRY__LOG", "a=b=c"),
        ("LIVE__CONNECT_SECONDS", "0"),
        ("LIVE__SILENCE_SECONDS", "30"),
        ("LIVE__RETRY_MS", "0"),
        ("LIVE__RETRY_SECONDS_MAX", "0"),
        ("INVITES__ACTIVE_MAX", "0"),
        ("INVITES__CALLS_PER_MINUTE", "0"),
        ("INVITES__SPACE_TYPE", "community.lexicon.calendar.event"),
        // Chats are made by the Portal.
        ("INVITES__SPACE_TYPE", "app.guestlist.portal.chat"),
    ] {
        let config = with(&[(key, value)]).unwrap().unwrap();
        assert!(config.validate().is_err(), "{key} = {value}");
    }
    assert!(Config::default().validate().is_ok());
}

fn sources(text: &str) -> Result<Config, String> {
    let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
    config.validate().map_err(|error| error.to_string())?;
    Ok(config)
}

#[test]
fn two_sources_of_one_kind_and_origin_are_refused() {
    let source = |kind: &str, url: &str| format!("[[source]]\nkind = {kind:?}\nurl = {url:?}\n");
    let relay = source("relay", "wss://relay.example");
    assert!(sources(&format!("{relay}{}", source("relay", "wss://other.example"))).is_ok());
    assert!(sources(&format!("{relay}{}", source("jetstream", "wss://relay.example"))).is_ok());
    let twice = sources(&format!("{relay}{}", source("relay", "https://RELAY.example:443/")));
    assert!(twice.unwrap_err().contains("wss://relay.example"));
}

#[test]
fn what_a_source_cannot_be_is_refused_and_no_password_is_shown() {
    for (rest, said) in [
        ("kind = \"relay\"\nurl = \"wss://me:hunter2@relay.example\"", "password"),
        ("kind = \"relay\"", "url"),
        ("kind = \"relay\"\nurl = \"wss://relay.example\"\nverify = \"perhaps\"", "full"),
        ("kind = \"relay\"\nurl = \"wss://relay.example\"\ncompress = true", "compress"),
        ("kind = \"jetstream\"\nurl = \"wss://jetstream.example\"\ndictionary = \"d\"", "dictionary"),
        ("kind = \"carrier-pigeon\"\nurl = \"wss://relay.example\"", "pigeon"),
    ] {
        let error = sources(&format!("[[source]]\n{rest}\n")).unwrap_err();
        assert!(error.contains(said), "{rest}: {error}");
    }
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&path, "[[source]]\nkind = \"relay\"\nurl = \"wss://me:hunter2@relay.example\"\n")
        .unwrap();
    let error = anyhow::Error::new(Config::load(Some(path.path())).unwrap_err());
    assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
}

#[test]
fn an_unknown_variable_is_an_error() {
    assert!(with(&[("DATADIR", "x")]).is_none());
    assert!(with(&[("HTTP__BND", "x")]).unwrap().is_err());
    assert!(with(&[("HTPP__BIND", "127.0.0.1:1")]).unwrap().is_err());
}

#[test]
fn where_identities_are_asked_for_is_checked_and_no_password_is_shown() {
    for (key, value, said) in [
        ("IDENTITY__PLC_URL", "plc.directory", "https://"),
        ("IDENTITY__PLC_URL", "https://me:hunter2@plc.directory", "password"),
        ("IDENTITY__PLC_URL", "https://plc.directory/path", "path"),
        ("IDENTITY__DNS", "[\"dns.example\"]", "address"),
        ("IDENTITY__ALLOW_PRIVATE_NETWORKS", "perhaps", "boolean"),
    ] {
        let error = with(&[(key, value)]).unwrap().unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains("hunter2"), "{key} = {value}: {error}");
    }
    for file in [
        "[identity]\nplc_url = \"https://me:hunter2@plc.directory\"",
        "[identity]\nplc_url = \"https://me:hunter2@plc.directory",
        "[[source]]\nkind = \"relay\"\nurl = \"wss://me:hunter2@relay.example\"",
        "source = [{ kind = \"relay\", url = \"wss://me:hunter2@relay.example\" }]",
    ] {
        let path = tempfile::NamedTempFile::new().unwrap();
        fs::write(path.path(), file).unwrap();
        let error = Config::load(Some(path.path())).unwrap_err();
        let said: Vec<_> = successors(Some(&error as &dyn Error), |error| (*error).source())
            .map(ToString::to_string)
            .collect();
        assert!(!said.concat().contains("hunter2") && said.concat().contains("line "), "{file}: {said:?}");
    }
    let local =
        with(&[("IDENTITY__PLC_URL", "http://localhost:2582/"), ("IDENTITY__DNS", "[\"[::1]:5353\"]")]);
    let identity = local.unwrap().unwrap().identity;
    assert_eq!(identity.plc_url.to_string(), "http://localhost:2582");
    assert_eq!(identity.settings().plc, identity.plc_url);
}

#[test]
fn a_daemon_that_only_reads_dumps_asks_no_host() {
    let config = |text: &str| toml::from_str::<Config>(text).unwrap();
    let dump = "[[source]]\nkind = \"replay\"\npath = \"a.frames\"\n";
    let relay = "[[source]]\nkind = \"relay\"\nurl = \"wss://relay.example\"\n";
    let lists = "[backfill]\nrelay = \"https://lists.example\"\n";
    for (text, sweeps) in [
        (dump.to_owned(), Sweeps::Off),
        (format!("{lists}{dump}"), Sweeps::Off),
        (format!("{dump}{relay}"), Sweeps::OfSources),
        (format!("{lists}{relay}"), Sweeps::OfRelay),
        (format!("[backfill]\nenabled = false\n{relay}"), Sweeps::Off),
        (format!("[identity]\nnetwork = false\n{relay}"), Sweeps::Off),
    ] {
        assert_eq!(config(&text).sweeps(), sweeps, "{text}");
    }
}

#[test]
fn the_service_has_a_did_or_nothing_starts() {
    let did = |text: &str| {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.validate().map_err(|error| error.to_string())?;
        config.http.service_did().map(|did| did.to_string()).map_err(|error| error.to_string())
    };
    for (http, said) in [
        ("", "did:web:127.0.0.1%3A8484"),
        ("public_url = \"https://Guestlist.example\"", "did:web:guestlist.example"),
        ("public_url = \"https://guestlist.example:443/path\"", "did:web:guestlist.example"),
        ("public_url = \"https://guestlist.example:8443\"", "did:web:guestlist.example%3A8443"),
        ("service_did = \"did:web:other.example\"", "did:web:other.example"),
        ("service_did = \"did:plc:cccccccccccccccccccccccc\"", "did:plc:cccccccccccccccccccccccc"),
        // Where nothing follows from the URL, one can be written.
        ("public_url = \"http://[::1]:8484\"\nservice_did = \"did:web:a.example\"", "did:web:a.example"),
    ] {
        assert_eq!(did(&format!("[http]\n{http}\n")).as_deref(), Ok(said), "{http}");
    }
    for (http, said) in [
        ("public_url = \"guestlist\"", "http.service_did"),
        ("public_url = \"\"", "http.service_did"),
        ("public_url = \"http://[::1]:8484\"", "http.service_did"),
        ("public_url = \"https://me:hunter2@guestlist.example\"", "http.service_did"),
        ("service_did = \"guestlist.example\"", "DID"),
        ("service_did = \"did:web:guestlist.example#guestlist\"", "DID"),
        ("service_did = \"did:web:guestlist.example:path\"", "did:plc"),
        ("service_did = \"did:key:zQ3sh\"", "did:plc"),
    ] {
        let error = did(&format!("[http]\n{http}\n")).unwrap_err();
        assert!(error.contains(said) && !error.contains("hunter2"), "{http}: {error}");
    }
    // Whoever looks at the configuration sees whom tokens must name.
    let shown = Config::default().effective().unwrap().to_toml();
    assert!(shown.contains("service_did = \"did:web:127.0.0.1%3A8484\""), "{shown}");
    let from_environment = with(&[("HTTP__SERVICE_DID", "did:web:a.example")]).unwrap().unwrap();
    assert_eq!(from_environment.http.service_did().unwrap().as_str(), "did:web:a.example");
}

#[test]
fn the_portal_is_off_and_nobody_has_a_level_until_somebody_says_so() {
    let portal = Config::default().portal;
    assert!(!portal.enabled && portal.levels.is_empty() && portal.origins.is_empty());
    let text = "[portal]\nenabled = true\norigins = [\"https://App.example:443/\", \"http://localhost:5173\"]\n\
        [portal.levels]\n\"did:plc:cccccccccccccccccccccccc\" = \"moderator\"\n\"did:web:admin.example\" = \"admin\"\n\
        \"did:web:owner.example\" = \"owner\"\n\"did:web:user.example\" = \"user\"\n";
    let config: Config = toml::from_str(text).unwrap();
    config.validate().unwrap();
    let levels = config.portal.levels();
    let of = |did: &str| levels.of(&Did::parse(did).unwrap());
    let found =
        ["did:plc:cccccccccccccccccccccccc", "did:web:admin.example", "did:web:owner.example"].map(of);
    assert_eq!(found, [Level::Moderator, Level::Admin, Level::Owner]);
    assert_eq!([of("did:web:user.example"), of("did:web:nobody.example")], [Level::User; 2]);
    let origins: Vec<_> = config.portal.origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://app.example", "http://localhost:5173"]);
    // What is printed can be used again.
    assert_eq!(toml::from_str::<Config>(&config.to_toml()).unwrap(), config);
}

#[test]
fn the_portal_is_set_up_by_the_environment_too() {
    let config = with(&[
        ("PORTAL__ENABLED", "true"),
        ("PORTAL__LEVELS", "{ \"did:web:admin.example\" = \"admin\" }"),
        ("PORTAL__ORIGINS", "[\"https://app.example\"]"),
    ]);
    let portal = config.unwrap().unwrap().portal;
    assert!(portal.enabled);
    assert_eq!(portal.levels().of(&Did::parse("did:web:admin.example").unwrap()), Level::Admin);
    assert_eq!(portal.origins.len(), 1);
}

#[test]
fn levels_and_origins_that_are_none_are_refused() {
    let did = "did:plc:cccccccccccccccccccccccc";
    for (portal, said) in [
        (format!("levels = {{ \"{did}\" = \"root\" }}"), "root"),
        (format!("levels = {{ \"{did}\" = \"Admin\" }}"), "Admin"),
        (format!("levels = {{ \"{did}\" = 2 }}"), "string"),
        ("levels = { \"admin.example\" = \"admin\" }".to_owned(), "DID"),
        (format!("levels = {{ \"{did}#atproto\" = \"admin\" }}"), "DID"),
        (format!("levels = [\"{did}\"]"), "map"),
        ("origins = [\"app.example\"]".to_owned(), "https://"),
        ("origins = [\"https://app.example/page\"]".to_owned(), "path"),
        ("origins = [\"https://me:hunter2@app.example\"]".to_owned(), "password"),
        ("origins = [\"*\"]".to_owned(), "https://"),
        ("origins = [\"null\"]".to_owned(), "https://"),
        ("origins = \"https://app.example\"".to_owned(), "sequence"),
        ("enabled = \"yes\"".to_owned(), "boolean"),
        ("cookie = \"x\"".to_owned(), "unknown field"),
    ] {
        let error = toml::from_str::<Config>(&format!("[portal]\n{portal}\n")).unwrap_err();
        let said_of_it = error.message();
        assert!(said_of_it.contains(said) && !said_of_it.contains("hunter2"), "{portal}: {said_of_it}");
    }
}

#[test]
fn a_template_for_the_urls_of_events_is_checked_when_it_is_read() {
    let config = with(&[("HTTP__EVENT_URL", "https://events.example/{did}/{rkey}")]).unwrap().unwrap();
    assert!(config.to_toml().contains("event_url = \"https://events.example/{did}/{rkey}\""));
    for (template, said) in [
        ("{public_url}/{handle}/{rkey}", "{handle} is no placeholder"),
        ("{public_url}/{did}/{rkey", "a brace"),
        ("{did}/{rkey}", "must begin with {public_url}"),
        ("{public_url}/{rkey}", "a URL of its own"),
        ("{public_url}/a b/{did}/{rkey}", "' ' is not in any URL"),
    ] {
        let error = with(&[("HTTP__EVENT_URL", template)]).unwrap().unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("no template of a URL"), "{template}: {error}");
    }
}
