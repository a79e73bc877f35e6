//! The same for the Portal and for events: chats, codes, who is logged in, settings and tickets.

use guestlist::archive;
use guestlist::spaces::lines;
use guestlist::spaces::restore;
use guestlist::syntax::Nsid;
use guestlist::tables::keys::{PersonChatKey, PersonTicketKey, RecordId, SessionExpiryKey, TicketKey};
use guestlist::tables::portal::{Chat, Code, Level, Session, Visibility};
use guestlist::tables::tickets::{EventSettings, Ticket};
use guestlist::tables::view::RowsError;
use guestlist::tables::{
    Chats, Codes, OpenChats, PersonChats, PersonSessions, PersonTickets, SessionExpiries, Sessions, Settings,
    Tickets, Users,
};

use super::*;

const ROOM: &str = "at://did:plc:ada/app.guestlist.portal.chat/1";
const JAM: &str = "at://did:plc:ada/at.atjam.jam/one";
const CODE: &str = "abc123def456ghi7";
const OF_EVE: &str = "eeeeeeeeeeeeeeee";

/// As long as a session is good.
const LONG: i64 = 12 * 3_600_000;

/// Eve is a moderator.
fn bounds() -> Bounds {
    let levels = [(did("did:plc:eve"), Level::Moderator)].into_iter().collect();
    Bounds { levels, ..Bounds::default() }
}

fn cookie(who: &str) -> TokenHash {
    hash(&format!("the cookie of {who}"))
}

/// Has somebody do something in the Portal.
fn there(store: &Store, who: &str, command: Command) -> Answer {
    let mut answer = None;
    write(store, |rows| {
        let by = By::Session { did: did(who), hash: cookie(who) };
        answer = Some(apply(rows, &bounds(), NOW, &Request { by, command }).unwrap());
    });
    answer.unwrap()
}

/// Fills a store: a chat of ada's with a code of hers and one of a moderator's, a chat that is gone, and somebody who is.
fn fill_portal(store: &Store) {
    for who in ["did:plc:ada", "did:plc:bea", "did:plc:eve", "did:plc:fay"] {
        let open = Command::OpenSession { hash: cookie(who), expires_at: NOW + LONG, instead_of: None };
        ask(store, who, open).unwrap();
    }
    let terms = InviteTerms { perms: Perms::Write, max_uses: None, expires_at: None, note: None };
    for (name, visibility) in [("Friends", Visibility::Public), ("Gone", Visibility::Private)] {
        there(store, "did:plc:ada", Command::CreateChat { name: name.into(), visibility }).unwrap();
    }
    let gone = space("at://did:plc:ada/app.guestlist.portal.chat/2");
    ask(store, "did:plc:ada", Command::DeleteSpace { space: gone }).unwrap();
    for (who, code) in [("did:plc:ada", CODE), ("did:plc:eve", OF_EVE)] {
        let terms = terms.clone();
        there(store, who, Command::CreateCode { space: space(ROOM), code: code.into(), terms }).unwrap();
    }
    there(store, "did:plc:bea", Command::Redeem { hash: hash(OF_EVE) }).unwrap();
    write(store, |rows| {
        let erase = Request { by: By::Operator, command: Command::Erase { did: did("did:plc:fay") } };
        apply(rows, &bounds(), NOW, &erase).unwrap().unwrap();
    });
}

fn event(uri: &str) -> RecordId {
    space(uri).record().unwrap()
}

/// Where a ticket is attested that the event's author gives out.
fn attestation(event: &RecordId) -> AtUri {
    AtUri::parse(&format!("at://{}/com.example.attestation/3att456", event.did)).unwrap()
}

fn key(who: &str) -> TicketKey {
    TicketKey { event: event(PARTY), did: did(who) }
}

/// A store with something of everything: [`filled`], the Portal, and an event that is set up and has tickets.
pub(crate) fn everything() -> (TempDir, PathBuf) {
    let (dir, data) = filled();
    let store = open(&data);
    fill_portal(&store);
    let event = event(PARTY);
    let change = EventSettings {
        require_confirmed_email: Some(true),
        rsvp_redirect_url: Some("https://ti.to/myorg/my-event".into()),
        ..EventSettings::default()
    };
    ask(&store, HOST, Command::Configure { event: event.clone(), change }).unwrap();
    for who in ["did:plc:bea", "did:plc:cal"] {
        let attestation = attestation(&event);
        ask(&store, HOST, Command::Link { event: event.clone(), did: did(who), attestation }).unwrap();
    }
    ask(&store, "did:plc:bea", Command::Confirm { event, attestation: None }).unwrap();
    drop(store);
    (dir, data)
}

/// A store in memory with the same, but for the records: what rests on them is kept while they are not there.
fn in_memory() -> Store {
    let store = Store::in_memory().unwrap();
    fill(&store);
    fill_portal(&store);
    write(&store, |rows| {
        for line in lines_of_the_event().lines() {
            assert!(restore::row(rows, &lines::parse(line).unwrap().unwrap()).unwrap());
        }
    });
    store
}

fn lines_of_the_event() -> String {
    let aturi = format!("at://{HOST}/com.example.attestation/3att456");
    format!(
        "{{\"settings\":\"{PARTY}\",\"disableDirectRsvp\":true}}\n\
         {{\"ticket\":\"{PARTY}\",\"did\":\"did:plc:bea\",\"aturi\":\"{aturi}\",\"linkedAt\":1,\"confirmedAt\":2}}\n"
    )
}

#[test]
fn what_is_kept_of_the_portal_and_of_events_is_in_the_digest_and_carried_with_it() {
    let (dir, data) = everything();
    let (records, all) = (succeed(&[&"export", &"--records", &"--data-dir", &data]), procedures(&data));
    assert_eq!(digest(&data), sha256(&(export(&data) + &all)));
    let both = records + &all;
    let forwards: Vec<_> = both.lines().collect();
    let mut mixed = forwards.clone();
    mixed.sort_by_key(|line| sha256(line));
    for (name, lines) in [("backwards", forwards.into_iter().rev().collect()), ("mixed", mixed)] {
        let (file, into) = (dir.path().join(format!("{name}.jsonl")), dir.path().join(name));
        std::fs::write(&file, lines.join("\n")).unwrap();
        succeed(&[&"import", &"--data-dir", &into, &file]);
        assert_eq!((digest(&into), procedures(&into)), (digest(&data), all.clone()), "{name}");
        assert_sound(&into);
        let store = open(&into);
        let rows = store.snapshot();
        let last = |key| guestlist::tables::number(&*rows, key).unwrap();
        assert_eq!((last(MetaKey::LastChat), last(MetaKey::LastUser)), (2, 4), "{name}");
        assert_eq!(rows.scan_all::<Sessions>().count(), 0, "whoever is logged in has to do it again");
    }
    // Each row counts.
    write(&open(&data), |rows| {
        change::<Settings>(rows, &event(PARTY), |settings| settings.disable_direct_rsvp = Some(false));
    });
    assert_ne!(digest(&data), sha256(&(export(&data) + &all)));
}

#[test]
fn a_store_with_any_row_of_the_portal_or_of_an_event_is_not_empty() {
    let mut all = Vec::new();
    let push = |line: &str| {
        all.push(line.to_owned());
        Ok::<_, RowsError>(())
    };
    lines::export(&in_memory().freeze(), push).unwrap();
    for kind in ["chat", "user", "code", "settings", "ticket"] {
        let line = all.iter().find(|line| line.starts_with(&format!("{{\"{kind}\""))).unwrap();
        let store = Store::in_memory().unwrap();
        write(&store, |rows| {
            restore::row(rows, &lines::parse(line).unwrap().unwrap()).unwrap();
        });
        let refused = archive::import(&store, &mut &b""[..], |_| {}).unwrap_err();
        assert!(matches!(refused, archive::ImportError::NotEmpty), "{kind}: {refused}");
    }
}

#[test]
fn lines_of_the_portal_and_of_events_that_contradict_each_other_are_refused() {
    let (dir, data) = everything();
    let all = procedures(&data);
    let line = |begins: &str| {
        all.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{begins}"))
    };
    let without = |begins: &str| all.replacen(&format!("{}\n", line(begins)), "", 1);
    let with = |line: &str| format!("{all}{line}\n");
    let changed = |from: &str, to: &str| {
        let text = all.replacen(from, to, 1);
        assert!(text != all, "{from} is not there");
        text
    };
    let last = format!("line {} ", all.lines().count() + 1);
    let cases = [
        (with(line("{\"chat\"")), last.as_str()),
        (with(line("{\"user\"")), &last),
        (with(line("{\"code\"")), &last),
        (with(line("{\"settings\"")), &last),
        (with(line("{\"ticket\"")), &last),
        (with(&format!("{{\"settings\":\"{JAM}\",\"disableDirectRsvp\":true}}")), "bad event"),
        (with("{\"user\":\"did:plc:zoe\",\"number\":9007199254740992}"), "bad number"),
        (changed("{\"chat\":1,", "{\"chat\":3,"), "its space is another's"),
        (without(&format!("{{\"space\":\"{ROOM}\"")), "was not made, and no record makes it"),
        (
            format!("{}\n", line("{\"chat\"")),
            "chat 1: it is not in its place, or its number is none that was given",
        ),
        (without("{\"chat\""), "the chat in this place is not there"),
        (
            without(&format!("{{\"invite\":\"{}\"", hash(CODE))),
            "it is another's or none, or the invite is of no chat",
        ),
        (with("{\"code\":\"another\"}"), "it is another's or none, or the invite is of no chat"),
        (with("{\"code\":\"open\"}"), "it is another's or none, or the invite is of no chat"),
        (with("{\"user\":\"did:plc:zoe\",\"number\":1}"), "number 1 is another's"),
        (with("{\"user\":\"did:plc:zoe\",\"number\":0}"), "number 0 is another's, or none that was given"),
        (
            changed("\"rsvpRedirectUrl\":\"https://", "\"rsvpRedirectUrl\":\"http://"),
            "nobody could have made them so",
        ),
        (
            changed(&format!("\"aturi\":\"at://{HOST}/"), "\"aturi\":\"at://did:plc:bea/"),
            "nobody could have given it so",
        ),
        (
            changed(&format!("\"aturi\":\"at://{HOST}/"), "\"aturi\":\"at://host.example/"),
            "nobody could have given it so",
        ),
    ];
    for (number, (text, why)) in cases.iter().enumerate() {
        let (file, into) = (dir.path().join("bad.jsonl"), dir.path().join(format!("into-{number}")));
        std::fs::write(&file, text).unwrap();
        refuses(&run(&[&"import", &"--data-dir", &into, &file]), 1, why);
        refuses(&run(&[&"digest", &"--data-dir", &into]), 1, "did not finish");
    }
}

#[test]
fn every_kind_of_damage_to_the_portal_and_to_events_is_found_by_a_check() {
    type Damage = fn(&mut Overlay<'_>);
    let damages: [(&str, Damage); 30] = [
        ("PersonChats", drop_first::<PersonChats>),
        ("OpenChats", |rows| rows.put::<OpenChats>(&7, &())),
        ("SessionExpiries", drop_first::<SessionExpiries>),
        ("PersonSessions", drop_first::<PersonSessions>),
        ("PersonTickets", drop_first::<PersonTickets>),
        ("SessionExpiries", |rows| rows.delete::<Sessions>(&cookie("did:plc:ada"))),
        ("PersonSessions", |rows| rows.delete::<Sessions>(&cookie("did:plc:ada"))),
        ("is stored and should not be there", |rows| {
            rows.put::<PersonChats>(&PersonChatKey { did: did("did:plc:zoe"), number: 1 }, &());
        }),
        ("is stored and should not be there", |rows| {
            let key = SessionExpiryKey { expires_at: NOW, hash: cookie("did:plc:ada") };
            rows.put::<SessionExpiries>(&key, &());
        }),
        ("is stored and should not be there", |rows| {
            let key = PersonTicketKey { did: did("did:plc:zoe"), event: event(PARTY) };
            rows.put::<PersonTickets>(&key, &());
        }),
        ("PersonChats", |rows| {
            rows.put::<PersonChats>(&PersonChatKey { did: did("did:plc:ada"), number: 2 }, &());
        }),
        ("chat 2: it is not in its place", |rows| {
            let chat = rows.get::<Chats>(&1).unwrap().unwrap();
            rows.put::<Chats>(&2, &chat);
        }),
        ("chat 1: its space is not there", |rows| {
            change::<Chats>(rows, &1, |chat: &mut Chat| chat.space.owner = did("did:plc:bea"));
        }),
        ("chat 1: it is not in its place", |rows| {
            change::<Chats>(rows, &1, |chat| {
                chat.space.kind = Nsid::parse("tools.atmo.event.space").unwrap()
            });
        }),
        ("chat 1: it is not in its place, or its number is none that was given", |rows| {
            rows.put::<Metas>(&MetaKey::LastChat, &Meta::Number(0));
        }),
        ("chat 1: its space is not there", |rows| rows.delete::<Spaces>(&space(ROOM))),
        ("chat 1: its space is not there", |rows| {
            rows.put::<Spaces>(&space(ROOM), &Space { made: None, paused: Some(1) });
        }),
        ("the chat in this place is not there", |rows| rows.delete::<Chats>(&1)),
        ("the chat in this place is not there", |rows| {
            let made = Some(Made { at: 1, terms: SpaceTerms::default() });
            let place = space("at://did:plc:bea/app.guestlist.portal.chat/self");
            rows.put::<Spaces>(&place, &Space { made, paused: None });
        }),
        ("it is another's or none, or the invite is of no chat", |rows| {
            change::<Codes>(rows, &hash(CODE), |code: &mut Code| code.text = OF_EVE.into());
        }),
        ("it is another's or none, or the invite is of no chat", |rows| {
            rows.put::<Codes>(&hash("none"), &Code { text: "none".into(), created_by: None });
        }),
        ("it is another's or none, or the invite is of no chat", |rows| {
            rows.put::<Codes>(&hash("open"), &Code { text: "open".into(), created_by: None });
        }),
        ("user did:plc:bea: number 1 is another's", |rows| rows.put::<Users>(&did("did:plc:bea"), &1)),
        ("user did:plc:zoe: number 5 is another's, or none that was given", |rows| {
            rows.put::<Users>(&did("did:plc:zoe"), &5);
        }),
        ("user did:plc:ada: logged in without a number", |rows| rows.delete::<Users>(&did("did:plc:ada"))),
        ("user did:plc:zoe: logged in without a number", |rows| {
            restore::session(rows, hash("x"), &Session { did: did("did:plc:zoe"), expires_at: NOW });
        }),
        ("Settings", |rows| rows.put::<Settings>(&event(PARTY), &EventSettings::default())),
        ("nobody could have made them so", |rows| {
            let settings = rows.get::<Settings>(&event(PARTY)).unwrap().unwrap();
            rows.put::<Settings>(&event(JAM), &settings);
        }),
        ("nobody could have made them so", |rows| {
            let url = Some(format!("https://x.example/{}", "x".repeat(2048)).into());
            change::<Settings>(rows, &event(PARTY), |settings| settings.rsvp_redirect_url = url);
        }),
        ("nobody could have given it so", |rows| {
            change::<Tickets>(rows, &key("did:plc:bea"), |ticket: &mut Ticket| {
                ticket.attestation = attestation(&event(JAM));
            });
        }),
    ];
    for (words, damage) in damages {
        let store = in_memory();
        let report = check::check(&store, |_| {}).unwrap();
        assert_eq!(report.differences, Vec::<String>::new());
        let counts = report.procedures;
        assert_eq!([counts.chats, counts.users, counts.settings, counts.tickets], [1, 3, 1, 1]);
        write(&store, damage);
        let differences = check::check(&store, |_| {}).unwrap().differences;
        assert!(differences.iter().any(|difference| difference.contains(words)), "{words}: {differences:?}");
    }
}

#[test]
fn a_rebuild_finds_chats_sessions_and_tickets_again_and_leaves_the_rest_alone() {
    let (_dir, data) = everything();
    let before = (procedures(&data), digest(&data));
    let said = succeed(&[&"check", &"--data-dir", &data]);
    let counted = "5 members, 1 chats, 3 users, 1 settings and 2 tickets of events, ";
    assert!(said.contains(counted) && said.contains(" 0 differences"), "{said}");
    write(&open(&data), |rows| {
        for drop in [
            drop_first::<PersonChats>,
            drop_first::<SessionExpiries>,
            drop_first::<PersonSessions>,
            drop_first::<PersonTickets>,
        ] {
            drop(rows);
        }
        rows.put::<PersonChats>(&PersonChatKey { did: did("did:plc:zoe"), number: 7 }, &());
        rows.put::<OpenChats>(&7, &());
        rows.put::<PersonTickets>(&PersonTicketKey { did: did("did:plc:zoe"), event: event(PARTY) }, &());
    });
    let output = run(&[&"check", &"--data-dir", &data]);
    assert_eq!(output.status.code(), Some(1));
    succeed(&[&"check", &"--rebuild", &"--data-dir", &data]);
    assert_sound(&data);
    assert_eq!((procedures(&data), digest(&data)), before);
    let store = open(&data);
    assert_eq!(store.snapshot().scan_all::<Sessions>().count(), 3, "nobody is logged out by it");
}

#[test]
fn nothing_is_left_of_somebody_who_is_erased_from_the_portal_and_from_events() {
    for beside in [false, true] {
        let held = with_everything(beside);
        // Her memberships of the club, the party and the chat, her ticket, her session and her number.
        let said = held.says(&["erase", "did:plc:bea", "--yes"]);
        let of_bea = "6 spaces, memberships, settings, tickets and traces in the Portal erased\n";
        assert!(said.starts_with(of_bea), "{said}");
        // The invite that she made for another's chat, her session and her number.
        let said = held.says(&["erase", "did:plc:eve", "--yes"]);
        assert!(said.starts_with("3 spaces, "), "{said}");
        // How the event is set up and the ticket that is left, and the space by the event with what was in it.
        let said = held.says(&["erase", HOST, "--yes"]);
        assert!(said.starts_with("3 spaces, "), "{said}");
        let left = held.says(&["export", "--procedures"]);
        for gone in ["did:plc:bea", "did:plc:eve", HOST, "\"settings\"", "\"ticket\""] {
            assert!(!left.contains(gone), "{gone}: {left}");
        }
        assert!(left.contains(&format!("{{\"code\":\"{OF_EVE}\"}}\n")) && left.contains("{\"chat\":1,"));
        // The chat goes with whose it is; that there were two, and four people, is nobody's trace.
        held.says(&["erase", "did:plc:ada", "--yes"]);
        let left = held.says(&["export", "--procedures"]);
        assert!(!left.contains("\"chat\":") && !left.contains("\"code\"") && !left.contains("\"user\":"));
        assert!(
            left.contains("{\"last\":\"chat\",\"number\":2}\n{\"last\":\"user\",\"number\":4}\n"),
            "{left}"
        );
        let (data, _dir) = held.end();
        assert_sound(&data);
        let store = open(&data);
        let rows = store.snapshot();
        let debug = [
            format!("{:?}", rows.scan_all::<Sessions>().collect::<Vec<_>>()),
            format!("{:?}", rows.scan_all::<SessionExpiries>().collect::<Vec<_>>()),
            format!("{:?}", rows.scan_all::<PersonSessions>().collect::<Vec<_>>()),
            format!("{:?}", rows.scan_all::<PersonTickets>().collect::<Vec<_>>()),
            format!("{:?}", rows.scan_all::<PersonChats>().collect::<Vec<_>>()),
        ];
        assert_eq!(debug, ["[]"; 5]);
    }
}

#[test]
fn invites_of_a_chat_are_shown_with_who_made_them_and_the_audit_with_what_was_done_to_events() {
    for beside in [false, true] {
        let held = with_everything(beside);
        let made_by = |code: &str| -> String {
            let json = held.says(&["invites", "list", ROOM, "--json"]);
            let hash = hash(code).to_string();
            let mut views = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            views.find(|view| view["tokenHash"] == hash).unwrap()["createdBy"].as_str().unwrap().to_owned()
        };
        assert_eq!((made_by(CODE).as_str(), made_by(OF_EVE).as_str()), ("did:plc:ada", "did:plc:eve"));
        let of_party = held.says(&["audit", "--space", PARTY]);
        let acts: Vec<_> = of_party.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(acts, ["confirm", "link", "link", "configure", "redeem", "create"]);
        assert!(
            of_party.contains(&format!("link done  by {HOST}  about did:plc:cal  in {PARTY}\n")),
            "{of_party}"
        );
        held.says(&["invites", "pause", ROOM]);
        assert!(held.says(&["invites", "list", ROOM]).contains("paused"));
        held.says(&["erase", "did:plc:eve", "--yes"]);
        assert_eq!(made_by(OF_EVE), "did:plc:ada", "where nobody knows, the owner answers for it");
        assert!(held.says(&["invites", "list", ROOM]).contains("revoked"));
    }
}
