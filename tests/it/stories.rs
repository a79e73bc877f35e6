//! What the README tells of invites, carried out against a real PDS, and the same by the ecosystem's own client.
//!
//! Opt-in, as everything that needs a PDS: `GUESTLIST_NETBOX` names the folder of a netbox that was set up.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{check, document, guestlist};
use crate::netbox::{Running, netbox, until};
use crate::serving::{Daemon, begin, signal, wait};

/// The commands of the chapters, which share what they define.
fn story() -> String {
    let readme = document("README.md");
    let commands = |chapter: &str| {
        let (_, chapter) =
            readme.split_once(&format!("\n## {chapter}\n")).expect("the README has the chapter");
        let (_, block) = chapter.split_once("```sh\n").expect("the chapter has commands");
        block.split("```").next().unwrap().to_owned()
    };
    commands("Spaces and invites") + &commands("The Portal")
}

/// A port that is free now, for a service whose name has it.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn serve(dir: &Path, port: u16, plc: &Value) -> Daemon {
    let mut command = guestlist();
    command
        .arg("serve")
        .env_remove("GUESTLIST_IDENTITY__NETWORK")
        .env("GUESTLIST_DATA_DIR", dir)
        .env("GUESTLIST_HTTP__BIND", format!("127.0.0.1:{port}"))
        .env("GUESTLIST_HTTP__PUBLIC_URL", format!("http://localhost:{port}"))
        .env("GUESTLIST_IDENTITY__PLC_URL", plc.as_str().unwrap())
        .env("GUESTLIST_IDENTITY__ALLOW_PRIVATE_NETWORKS", "true")
        .env("GUESTLIST_PORTAL__ENABLED", "true");
    begin(command)
}

#[test]
fn the_story_of_the_readme_and_an_ordinary_client_with_tokens_of_a_real_pds() {
    let Ok(folder) = std::env::var("GUESTLIST_NETBOX") else { return };
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let net = at("net.json");
    let start = ["start", "--pds", "1", "--net", &net, "--data", &at("net")];
    let _network = Running(netbox(&folder, &start).spawn().unwrap());
    until("the network", || Path::new(&net).exists());
    let network: Value = serde_json::from_slice(&std::fs::read(&net).unwrap()).unwrap();
    let people = r#"{"steps":[{"op":"account","as":"ada"},{"op":"account","as":"bea"}]}"#;
    std::fs::write(at("people.json"), people).unwrap();
    let made = netbox(&folder, &["scenario", &at("people.json"), "--net", &net]).status().unwrap();
    assert!(made.success());

    let (port, store) = (free_port(), dir.path().join("store"));
    let mut daemon = serve(&store, port, &network["plc"]);
    let (pds, here) = (network["pds"][0]["url"].as_str().unwrap(), format!("http://localhost:{port}"));
    let told = Command::new("sh")
        .args(["-euc", &story()])
        .env("PDS", pds)
        .env("GUESTLIST", &here)
        .env("AUDIENCE", format!("did:web:localhost%3A{port}"))
        .envs([("ADA", "ada.test"), ("BEA", "bea.test"), ("PASSWORD", "netbox-password")])
        .output()
        .unwrap();
    let answers = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success(), "{answers}{}", String::from_utf8_lossy(&told.stderr));
    let answers: Vec<Value> =
        serde_json::Deserializer::from_str(&answers).into_iter().map(Result::unwrap).collect();
    let space = answers[0]["spaceUri"].clone();
    assert_eq!(answers[0]["perms"], "write");
    assert_eq!(answers[1], serde_json::json!({ "isOwner": false, "isMember": true, "perms": "write" }));
    assert_eq!(
        (&answers[2]["invites"][0]["usedCount"], answers[2]["invites"][0]["maxUses"].as_u64()),
        (&1.into(), Some(1))
    );
    assert_eq!(answers[3], serde_json::json!({ "ok": true }));
    assert_eq!(answers[4]["spaces"][0]["uri"], space, "through the PDS");
    let code = answers[6]["invites"][0]["code"].as_str().unwrap();
    let joined = serde_json::json!({ "chat_id": 1, "name": "Tea", "visibility": "private", "joined": true });
    assert_eq!(answers[5], joined);
    assert_eq!(answers[6]["invites"][0]["uses"], 1);
    assert_eq!(answers[7], serde_json::json!({ "message": format!("Invite '{code}' revoked") }));
    assert_eq!(answers[8], serde_json::json!({ "message": "Session ended" }));
    assert_eq!(answers.len(), 9);

    // The client is there where its packages were installed.
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client");
    if client.join("node_modules").exists() {
        let called = Command::new("node")
            .arg(client.join("spaces.js"))
            .args([&here, pds, "ada.test", "bea.test", "netbox-password"])
            .stdout(Stdio::null())
            .status();
        assert!(called.unwrap().success());
    }
    signal(&daemon.process, "TERM");
    assert!(wait(&mut daemon.process).success());
    check(&store);
}
