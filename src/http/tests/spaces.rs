//! Spaces over HTTP: the story of an invite, who may see what, and lists that skip and repeat nothing.

use serde_json::{Value, json};

use super::office::Office;
use super::world::{FUTURE, did, uri};
use crate::records::Kind;
use crate::spaces::Bounds;
use crate::syntax::TokenHash;

const CREATE: &str = "rsvp.atmo.space.invite.create";
const LIST: &str = "rsvp.atmo.space.invite.list";
const REVOKE: &str = "rsvp.atmo.space.invite.revoke";
const GET_SPACE: &str = "rsvp.atmo.space.getSpace";
const LIST_SPACES: &str = "rsvp.atmo.space.listSpaces";
const LIST_MEMBERS: &str = "rsvp.atmo.space.listMembers";
const WHOAMI: &str = "rsvp.atmo.space.whoami";
const LEAVE: &str = "rsvp.atmo.space.leaveSpace";
const AUDIT: &str = "app.guestlist.listAudit";
const ADD: &str = "rsvp.atmo.space.admin.addMember";
const REMOVE: &str = "rsvp.atmo.space.admin.removeMember";
const CREATE_SPACE: &str = "rsvp.atmo.space.admin.createSpace";
const DELETE_SPACE: &str = "rsvp.atmo.space.admin.deleteSpace";

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn create_share_redeem_list_and_revoke() {
    let office = Office::of(&["ada", "bea", "cal"]);
    let space = office.space("ada", "club").await;
    assert_eq!(space, "at://did:plc:ada/tools.atmo.event.space/club");
    let input = json!({ "spaceUri": space, "maxUses": 2, "note": "for friends", "unknown": [null] });
    let made = office.done("ada", CREATE, input).await;
    let token = text(&made["token"]);
    assert_eq!((token.len(), made["invite"]["usedCount"].as_u64()), (43, Some(0)));
    // The hash is over the text of the token (RULES §5).
    assert_eq!(text(&made["invite"]["tokenHash"]), TokenHash::of(token).to_string());
    assert_eq!(text(&made["invite"]["perms"]), "write");

    let redeemed = office.redeem("bea", token).await;
    assert_eq!(redeemed.json, json!({ "spaceUri": space, "perms": "write" }));
    assert_eq!(office.redeem("bea", token).await.json, redeemed.json, "a lost answer");

    let listed = office.get("ada", LIST, &[("spaceUri", &space)]).await;
    let invite = &listed["invites"][0];
    assert_eq!(
        (&invite["usedCount"], &invite["maxUses"], text(&invite["note"])),
        (&json!(1), &json!(2), "for friends")
    );
    assert_eq!(text(&invite["redeemedBy"][0]["did"]), "did:plc:bea");
    assert_eq!(invite["redeemedBy"][0]["redeemedAt"], invite["lastUsedAt"]);
    assert!(!listed.to_string().contains(token), "the token is shown once");

    let revoke = json!({ "spaceUri": space, "tokenHash": invite["tokenHash"] });
    assert_eq!(office.done("ada", REVOKE, revoke.clone()).await, json!({ "ok": true }));
    assert_eq!(office.done("ada", REVOKE, revoke).await, json!({ "ok": false }));
    assert_eq!(office.get("ada", LIST, &[("spaceUri", &space)]).await, json!({ "invites": [] }));
    let all = office.get("ada", LIST, &[("spaceUri", &space), ("includeRevoked", "true")]).await;
    assert!(all["invites"][0]["revokedAt"].is_i64());
    let late = office.redeem("cal", token).await;
    late.assert_error(400, "InvalidInvite");
    let members = office.get("bea", LIST_MEMBERS, &[("spaceUri", &space)]).await;
    assert_eq!(members["members"].as_array().unwrap().len(), 2, "who joined stays");
}

#[tokio::test]
async fn what_somebody_is_in_a_space_and_who_may_ask() {
    let mut office = Office::of(&["ada", "bea", "cal"]);
    let event = office.world.put("ada", Kind::Event, "party", json!({ "name": "Party" }));
    let event = text(&event["uri"]).to_owned();
    office.done("ada", ADD, json!({ "spaceUri": event, "did": "did:plc:bea", "perms": "read" })).await;
    for (who, is_owner, perms) in
        [("ada", true, Some("write")), ("bea", false, Some("read")), ("cal", false, None)]
    {
        let mut expected = json!({ "isOwner": is_owner, "isMember": perms.is_some() });
        if let Some(perms) = perms {
            expected["perms"] = json!(perms);
        }
        assert_eq!(office.get(who, WHOAMI, &[("spaceUri", &event)]).await, expected, "{who}");
    }
    let space = office.get("bea", GET_SPACE, &[("uri", &event)]).await["space"].clone();
    assert_eq!(text(&space["type"]), "community.lexicon.calendar.event");
    assert_eq!((text(&space["key"]), text(&space["ownerDid"])), ("party", "did:plc:ada"));
    assert_eq!(text(&space["serviceDid"]), "did:web:guestlist.example");
    // 2026-01-01, as the record says.
    assert_eq!(space["createdAt"], 1_767_225_600_000_i64);
    for method in [GET_SPACE, LIST_MEMBERS, LIST] {
        let name = if method == GET_SPACE { "uri" } else { "spaceUri" };
        office.ask("cal", method, &[(name, &event)]).await.assert_error(403, "Forbidden");
        let nowhere = "at://did:plc:ada/community.lexicon.calendar.event/nowhere";
        office.ask("ada", method, &[(name, nowhere)]).await.assert_error(404, "NotFound");
    }
    // Invites are the owner's business.
    office.ask("bea", LIST, &[("spaceUri", &event)]).await.assert_error(403, "Forbidden");
    assert_eq!(office.done("bea", LEAVE, json!({ "spaceUri": event })).await, json!({ "ok": true }));
    assert_eq!(office.done("bea", LEAVE, json!({ "spaceUri": event })).await, json!({ "ok": false }));
    office.call("ada", LEAVE, json!({ "spaceUri": event })).await.assert_error(400, "InvalidRequest");
    office.world.delete("ada", Kind::Event, "party");
    office.ask("ada", WHOAMI, &[("spaceUri", &event)]).await.assert_error(404, "NotFound");
}

#[tokio::test]
async fn what_the_owner_says_of_a_space_is_for_the_owner() {
    let office = Office::of(&["ada", "bea"]);
    let policy = json!({ "mode": "deny", "apps": ["did:web:app.example"] });
    let list = "at://did:plc:ada/app.bsky.graph.list/x";
    let input = json!({ "type": "a.b.c", "memberListRef": list, "appPolicy": policy });
    let made = office.done("ada", CREATE_SPACE, input).await["space"].clone();
    assert_eq!((text(&made["type"]), text(&made["memberListRef"])), ("a.b.c", list));
    assert_eq!((&made["appPolicy"], text(&made["key"]).len()), (&policy, 13));
    let uri = text(&made["uri"]).to_owned();
    office.done("ada", ADD, json!({ "spaceUri": uri, "did": "did:plc:bea" })).await;
    assert_eq!(office.get("ada", GET_SPACE, &[("uri", &uri)]).await["space"], made);
    let seen = office.get("bea", GET_SPACE, &[("uri", &uri)]).await["space"].clone();
    assert_eq!((&seen["appPolicy"], &seen["memberListRef"]), (&Value::Null, &made["memberListRef"]));
    let again = json!({ "type": "a.b.c", "key": made["key"] });
    office.call("ada", CREATE_SPACE, again).await.assert_error(409, "AlreadyExists");
    let delete = json!({ "spaceUri": uri });
    office.call("bea", DELETE_SPACE, delete.clone()).await.assert_error(403, "Forbidden");
    assert_eq!(office.done("ada", DELETE_SPACE, delete.clone()).await, json!({ "ok": true }));
    office.call("ada", DELETE_SPACE, delete).await.assert_error(404, "NotFound");
}

#[tokio::test]
async fn a_quota_says_so() {
    let office = Office::within(
        &["ada"],
        Bounds { active_invites_max: 2, spaces_max: 1, ..Bounds::default() },
        |_| {},
    );
    let space = office.space("ada", "club").await;
    office.call("ada", CREATE_SPACE, json!({})).await.assert_error(409, "QuotaExceeded");
    for _ in 0..2 {
        office.invite("ada", &space, json!({})).await;
    }
    office.call("ada", CREATE, json!({ "spaceUri": space })).await.assert_error(409, "QuotaExceeded");
}

#[tokio::test]
async fn what_others_got_wrong_a_page_skips_no_row() {
    let mut office = Office::of(&["ada", "bea"]);
    let space = office.space("ada", "club").await;
    let mut hashes = Vec::new();
    for number in 0..7 {
        let (_, hash) = office.invite("ada", &space, json!({ "note": number.to_string() })).await;
        hashes.push(hash);
        // Of another millisecond: those of the same one are in the order of their hashes.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    hashes.reverse();
    let params = [("spaceUri", &*space), ("limit", "2")];
    let listed = office.list("ada", LIST, "invites", &params).await;
    assert_eq!(
        listed.iter().map(|invite| text(&invite["tokenHash"])).collect::<Vec<_>>(),
        hashes,
        "newest first"
    );
    // A row that is made, and one that is revoked, between two pages.
    let first = office.get("ada", LIST, &params).await;
    office.invite("ada", &space, json!({})).await;
    office.done("ada", REVOKE, json!({ "spaceUri": space, "tokenHash": hashes[1] })).await;
    office.done("ada", REVOKE, json!({ "spaceUri": space, "tokenHash": hashes[3] })).await;
    let cursor = text(&first["cursor"]);
    let rest = office
        .list("ada", LIST, "invites", &[("spaceUri", &space), ("limit", "2"), ("cursor", cursor)])
        .await;
    let rest: Vec<_> = rest.iter().map(|invite| text(&invite["tokenHash"])).collect();
    assert_eq!(rest, [&*hashes[2], &*hashes[4], &*hashes[5], &*hashes[6]]);
    // The cursor of one list opens no other.
    let other = office.space("ada", "other").await;
    let foreign = [("spaceUri", &*other), ("cursor", cursor)];
    office.ask("ada", LIST, &foreign).await.assert_error(400, "InvalidRequest");

    let people: Vec<_> = (0..7).map(|number| format!("did:plc:m{number}")).collect();
    for did in &people {
        office.done("ada", ADD, json!({ "spaceUri": space, "did": did })).await;
    }
    office.done("ada", REMOVE, json!({ "spaceUri": space, "did": people[2] })).await;
    office.world.account("m4", Some("deactivated"));
    for limit in ["1", "3", "100"] {
        let listed =
            office.list("ada", LIST_MEMBERS, "members", &[("spaceUri", &space), ("limit", limit)]).await;
        let dids: Vec<_> = listed.iter().map(|member| text(&member["did"])).collect();
        let expected = ["did:plc:ada", "did:plc:m0", "did:plc:m1", "did:plc:m3", "did:plc:m5", "did:plc:m6"];
        assert_eq!(dids, expected, "{limit}");
    }
}

#[tokio::test]
async fn spaces_are_listed_once_each_those_of_records_among_them() {
    let mut office = Office::of(&["ada", "bea"]);
    let round = office.world.round("ada", "r", "open", json!({}));
    let event = office.world.put("ada", Kind::Event, "party", json!({ "startsAt": FUTURE }));
    let of_bea = office.world.put("bea", Kind::Event, "hers", json!({}));
    let clubs = [office.space("ada", "a").await, office.space("ada", "b").await];
    office.done("bea", ADD, json!({ "spaceUri": of_bea["uri"], "did": did("ada").as_str() })).await;
    let jam = uri("ada", Kind::Jam, "jam");
    let owned = [&*clubs[0], &*clubs[1], &*jam, text(&round["uri"]), text(&event["uri"])];
    for limit in ["1", "2", "200", "1000"] {
        let listed = office.list("ada", LIST_SPACES, "spaces", &[("scope", "owner"), ("limit", limit)]).await;
        assert_eq!(listed.iter().map(|space| text(&space["uri"])).collect::<Vec<_>>(), owned, "{limit}");
        let listed = office.list("ada", LIST_SPACES, "spaces", &[("limit", limit)]).await;
        let all: Vec<_> = [text(&of_bea["uri"])].into_iter().chain(owned).collect();
        assert_eq!(listed.iter().map(|space| text(&space["uri"])).collect::<Vec<_>>(), all, "{limit}");
    }
    let events = [("type", "community.lexicon.calendar.event")];
    assert_eq!(office.list("ada", LIST_SPACES, "spaces", &events).await.len(), 2);
    // What is not live, or no longer theirs to see, is in no list.
    office.world.account("bea", Some("deactivated"));
    office.world.delete("ada", Kind::Event, "party");
    assert_eq!(office.list("ada", LIST_SPACES, "spaces", &[]).await.len(), 4);
    office.ask("ada", LIST_SPACES, &[("scope", "all")]).await.assert_error(400, "InvalidRequest");
    office.ask("ada", LIST_SPACES, &[("type", "x")]).await.assert_error(400, "InvalidRequest");
}

#[tokio::test]
async fn a_page_of_spaces_reads_only_so_much_of_their_records() {
    let mut office = Office::of(&["ada"]);
    for number in 0..10 {
        let large = json!({ "description": "x".repeat(900_000) });
        office.world.put("ada", Kind::Event, &format!("e{number}"), large);
    }
    let first = office.get("ada", LIST_SPACES, &[]).await;
    // Four million bytes of them.
    assert_eq!(first["spaces"].as_array().unwrap().len(), 4);
    assert_eq!(office.list("ada", LIST_SPACES, "spaces", &[]).await.len(), 10);
}

#[tokio::test]
async fn the_audit_is_the_owners_also_when_the_space_is_gone() {
    let office = Office::of(&["ada", "bea"]);
    let space = office.space("ada", "club").await;
    let (token, hash) = office.invite("ada", &space, json!({ "maxUses": 1 })).await;
    office.redeem("bea", &token).await;
    office.call("bea", CREATE, json!({ "spaceUri": space })).await.assert_error(403, "Forbidden");
    office.done("ada", DELETE_SPACE, json!({ "spaceUri": space })).await;
    office.ask("bea", AUDIT, &[("space", &space)]).await.assert_error(403, "Forbidden");
    let entries = office.list("ada", AUDIT, "entries", &[("space", &space), ("limit", "2")]).await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (text(&entry["act"]), text(&entry["finding"]), text(&entry["actor"])))
        .collect();
    let (ada, bea) = ("did:plc:ada", "did:plc:bea");
    assert_eq!(
        told,
        [
            ("delete-space", "done", ada),
            ("create", "forbidden", bea),
            ("redeem", "done", bea),
            ("create", "done", ada),
            ("create-space", "done", ada),
        ]
    );
    assert_eq!(text(&entries[2]["invite"]), hash);
    assert!(!json!(entries).to_string().contains(&token));
}
