//! Chats: made, shown and listed.

use serde_json::{Value, json};

use super::Site;
use crate::http::tests::world::did;

#[tokio::test]
async fn a_chat_is_made_and_shown() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let made = site.post("/chats", &ada, json!({ "name": "  Tea room ☕ ", "visibility": "private" })).await;
    let made = made.done();
    let expected = json!({
        "chat_id": 1, "name": "Tea room ☕", "visibility": "private", "owner_id": 1,
        "created_at": made["created_at"], "joined": true, "can_manage": true,
    });
    assert_eq!(*made, expected);
    assert!(made["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(site.get("/chats/1", &ada).await.done(), made);
    assert_eq!(*site.get("/chats", &ada).await.done(), json!({ "chats": [made], "cursor": null }));
    // It is a space like others.
    let space = json!({ "spaceUri": "at://did:plc:ada/app.guestlist.portal.chat/1" });
    site.office
        .done(
            "ada",
            "rsvp.atmo.space.admin.addMember",
            json!({ "spaceUri": space["spaceUri"], "did": did("bea").as_str() }),
        )
        .await;
    let bea = site.log_in("bea").await;
    assert_eq!(site.get("/chats/1", &bea).await.done()["joined"], true);
    site.office.done("ada", "rsvp.atmo.space.admin.deleteSpace", space).await;
    site.get("/chats/1", &ada).await.refused(404);
    assert_eq!(site.chat(&ada, "private").await, 2, "a number is not given again");
}

#[tokio::test]
async fn only_admins_make_official_chats() {
    let site = Site::new();
    for (name, may) in [("ada", false), ("mod", false), ("adm", true), ("own", true)] {
        let cookie = site.log_in(name).await;
        let made = site.post("/chats", &cookie, json!({ "name": "x", "visibility": "official" })).await;
        if may {
            assert_eq!(made.done()["visibility"], "official");
        } else {
            assert_eq!(made.refused(403), "official chats are made by admins");
        }
    }
}

#[tokio::test]
async fn a_chat_has_a_name_and_a_visibility() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    let long = "é".repeat(64);
    site.post("/chats", &ada, json!({ "name": long })).await.done();
    // A family of four is one picture of seven characters.
    site.post("/chats", &ada, json!({ "name": "👨‍👩‍👧‍👦" })).await.done();
    let made = site.post("/chats", &ada, json!({ "name": "x", "visibility": null })).await;
    assert_eq!(made.done()["visibility"], "private", "what nobody is told of unless they are");
    for name in [
        Value::Null,
        json!(""),
        json!("  "),
        json!(1),
        json!([]),
        json!("a\nb"),
        json!("a\u{0}"),
        json!("a\u{2028}b"),
        json!("\u{200b}\u{feff}"),
        json!("\u{202e}name"),
        json!("é".repeat(65)),
    ] {
        let made = site.post("/chats", &ada, json!({ "name": name, "visibility": "public" })).await;
        assert!(made.refused(400).contains("`name`"), "{name}");
    }
    for visibility in [json!("secret"), json!("Public"), json!(1), json!({})] {
        let made = site.post("/chats", &ada, json!({ "name": "x", "visibility": visibility })).await;
        assert!(made.refused(400).contains("`visibility`"), "{visibility}");
    }
}

#[tokio::test]
async fn one_sees_ones_own_chats_and_those_of_everybody() {
    let site = Site::new();
    let (ada, bea, own) = (site.log_in("ada").await, site.log_in("bea").await, site.log_in("own").await);
    let visibilities = ["private", "public", "private"];
    let mut chats = Vec::new();
    for cookie in [&ada, &bea] {
        for visibility in visibilities {
            chats.push(site.chat(cookie, visibility).await);
        }
    }
    let official = site.post("/chats", &own, json!({ "name": "x", "visibility": "official" })).await;
    let official = official.done()["chat_id"].as_u64().unwrap();
    let code = site.invite(&bea, chats[5], json!({})).await;
    site.resolve(&ada, &code).await.done();
    for (cookie, seen) in [
        (&ada, vec![chats[0], chats[1], chats[2], chats[4], chats[5], official]),
        (&bea, vec![chats[1], chats[3], chats[4], chats[5], official]),
        (&own, vec![chats[1], chats[4], official]),
    ] {
        for limit in [1, 2, 3, 100] {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = site.get(&format!("/chats?limit={limit}{cursor}"), cookie).await;
                let page = page.done();
                found.extend(
                    page["chats"].as_array().unwrap().iter().map(|chat| chat["chat_id"].as_u64().unwrap()),
                );
                let Some(next) = page["cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, seen, "{limit}");
        }
        for number in chats.iter().copied().chain([official]) {
            let answer = site.get(&format!("/chats/{number}"), cookie).await;
            let is_seen = seen.contains(&number);
            assert_eq!(answer.status.as_u16(), if is_seen { 200 } else { 404 }, "{number}");
        }
    }
    site.get("/chats?cursor=AAAA", &ada).await.refused(400);
    site.get("/chats?limit=x", &ada).await.refused(400);
}

#[tokio::test]
async fn what_is_no_number_of_a_chat_is_refused() {
    let site = Site::new();
    let ada = site.log_in("ada").await;
    for text in ["0", "-1", "+1", "x", "1.0", "1e3", "%2031", "18446744073709551616", "٣"] {
        let path = format!("/chats/{}", text.replace('٣', "%D9%A3"));
        assert!(site.get(&path, &ada).await.refused(400).contains("chat_id"), "{text}");
        site.get(&format!("{path}/invites"), &ada).await.refused(400);
        site.poke(&format!("{path}/invites/abc123def456ghi7/delete"), &ada).await.refused(400);
    }
    for text in ["7", "18446744073709551615"] {
        site.get(&format!("/chats/{text}"), &ada).await.refused(404);
    }
}
