//! The whole matrix of who may manage the invites of which chat, through the routes (RULES §6, `can_manage_room`).

use axum::http::Method;
use serde_json::json;

use super::{Site, with};
use crate::http::tests::world::did;
use crate::spaces::chats::Levels;
use crate::tables::portal::Level;

/// Levels by their numbers.
const LEVELS: [Level; 4] = [Level::User, Level::Moderator, Level::Admin, Level::Owner];

/// "A private chat, its owner only; a public or official one, its owner or anyone of a strictly higher level than the
/// chat's owner, and level 3 always." By the level of a caller who is not the owner, and that of the owner: for a chat
/// that is not private.
const MANAGES: [[bool; 4]; 4] = [
    [false, false, false, false],
    [true, false, false, false],
    [true, true, false, false],
    [true, true, true, true],
];

#[tokio::test]
async fn who_may_manage_which_chat() {
    let mut tried = 0;
    for (of_owner, owners) in LEVELS.into_iter().enumerate() {
        for (of_caller, callers) in LEVELS.into_iter().enumerate() {
            let levels: Levels =
                [(did("ada"), owners), (did("bea"), callers), (did("cal"), callers)].into_iter().collect();
            let site = Site::of(&["ada", "bea", "cal"], levels);
            let (ada, bea, cal) =
                (site.log_in("ada").await, site.log_in("bea").await, site.log_in("cal").await);
            for visibility in ["private", "public", "official"] {
                if visibility == "official" && owners < Level::Admin {
                    let made =
                        site.post("/chats", &ada, json!({ "name": "x", "visibility": visibility })).await;
                    made.refused(403);
                    continue;
                }
                let chat = site.chat(&ada, visibility).await;
                let code = site.invite(&ada, chat, json!({})).await;
                site.resolve(&bea, &code).await.done();
                let others = visibility != "private" && MANAGES[of_caller][of_owner];
                let hidden = visibility == "private";
                for (cookie, may, status) in
                    [(&ada, true, 0), (&bea, others, 403), (&cal, others, if hidden { 404 } else { 403 })]
                {
                    manages(&site, chat, cookie, may, status).await;
                    tried += 1;
                }
            }
        }
    }
    // Of sixteen pairs all have private and public ones; half of the owners may make official ones.
    assert_eq!(tried, (16 * 2 + 8) * 3);
}

/// Asserts that somebody may make, list and end invites, or may do none of it.
async fn manages(site: &Site, chat: u64, cookie: &str, may: bool, status: u16) {
    let path = format!("/chats/{chat}/invites");
    let made = site.post(&path, cookie, json!({})).await;
    let listed = site.get(&path, cookie).await;
    let shown = site.get(&format!("/chats/{chat}"), cookie).await;
    if may {
        let code = made.done()["code"].as_str().unwrap();
        let codes = listed.done()["invites"].as_array().unwrap().clone();
        assert!(codes.iter().any(|invite| invite["code"] == code));
        site.send(Method::POST, &format!("{path}/{code}/delete"), with(cookie)).await.done();
        assert_eq!(shown.done()["can_manage"], true);
        return;
    }
    made.refused(status);
    listed.refused(status);
    site.send(Method::POST, &format!("{path}/abc123def456ghi7/delete"), with(cookie)).await.refused(status);
    if status == 403 {
        assert_eq!(shown.done()["can_manage"], false);
    } else {
        shown.refused(404);
    }
}
