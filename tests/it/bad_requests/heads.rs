//! Paths, methods, cookies, hosts, and lines that are none.

use std::io::Write;

use super::{ANYWHERE, Desk, Wrong, hang_up};

/// What is asked for with GET by somebody who is logged in, and what they hear. `CHAT` stands for a chat that they have.
const PATHS: &[(&str, u16)] = &[
    ("/v1/portal", 404),
    ("/v1/portal/", 404),
    ("/v1/portal//", 404),
    ("/v1/portal?", 404),
    ("/v1/portal/.", 404),
    ("/v1/portal/..", 404),
    ("/v1/portal/../portal/chats", 404),
    ("/v1/portal/./chats", 404),
    ("/v1/portal//chats", 404),
    ("/v1/portal/chats", 200),
    ("/v1/portal/chats?", 200),
    ("/v1/portal/chats?&&&", 200),
    ("/v1/portal/chats?x=%00", 200),
    ("/v1/portal/chats?limit=1&limit=1", 400),
    ("/v1/portal/chats?limit=%31", 200),
    ("/v1/portal/chats?limit=%ff", 400),
    ("/v1/portal/chats?%", 400),
    ("/v1/portal/chats?cursor=", 400),
    ("/v1/portal/chats?cursor=AAAA", 400),
    ("/v1/portal/chats/", 404),
    ("/v1/portal/chats%2FCHAT", 404),
    ("/v1/portal/%63hats", 404),
    ("/v1/portal/Chats", 404),
    ("/v1/portal/chats/CHAT", 200),
    ("/v1/portal/chats/CHAT/", 404),
    ("/v1/portal/chats/0CHAT", 200),
    ("/v1/portal/chats/CHAT?x=y", 200),
    ("/v1/portal/chats/0", 400),
    ("/v1/portal/chats/-CHAT", 400),
    ("/v1/portal/chats/+CHAT", 400),
    ("/v1/portal/chats/%20CHAT", 400),
    ("/v1/portal/chats/CHAT%20", 400),
    ("/v1/portal/chats/CHAT%0A", 400),
    ("/v1/portal/chats/CHAT%00", 400),
    ("/v1/portal/chats/CHAT.0", 400),
    ("/v1/portal/chats/CHATe0", 400),
    ("/v1/portal/chats/0xCHAT", 400),
    ("/v1/portal/chats/CHAT%2F", 400),
    ("/v1/portal/chats/CHAT;x", 400),
    ("/v1/portal/chats/%EF%BC%91", 400),
    ("/v1/portal/chats/%ff", 400),
    ("/v1/portal/chats/%c0%b1", 400),
    ("/v1/portal/chats/%", 400),
    ("/v1/portal/chats/%zz", 400),
    ("/v1/portal/chats/%00", 400),
    ("/v1/portal/chats/{chat_id}", 400),
    ("/v1/portal/chats/*", 400),
    ("/v1/portal/chats/99999999", 404),
    ("/v1/portal/chats/18446744073709551615", 404),
    ("/v1/portal/chats/18446744073709551616", 400),
    ("/v1/portal/chats/CHAT/invites", 200),
    ("/v1/portal/chats/CHAT/invites/", 404),
    ("/v1/portal/chats/x/invites", 400),
    ("/v1/portal/chats//invites", 400),
    ("/v1/portal/chats/CHAT/invites/x/delete", 405),
    ("/v1/portal/resolve/", 404),
    ("/v1/portal/resolve/x", 405),
    ("/v1/portal/session/", 404),
    ("/v1/portalx", 404),
    ("/v1/portal%2Fchats", 404),
    ("/v1%2Fportal/chats", 404),
    ("/V1/portal/chats", 404),
    ("//v1/portal/chats", 404),
    ("/v1", 404),
    ("/", 404),
];

#[test]
fn every_path_is_a_route_or_is_refused() {
    let (desk, mut wrong) = (Desk::open(), Wrong::default());
    for (path, status) in PATHS {
        let path = path.replace("CHAT", &desk.chat.to_string());
        let answer = desk.ask("GET", &path, "");
        wrong.unless(&path, &answer, &[*status]);
    }
    let (digits, escapes) = ("9".repeat(60_000), "%00".repeat(20_000));
    for (path, status) in [
        (format!("/v1/portal/chats/{digits}"), 400),
        (format!("/v1/portal/chats/{escapes}"), 400),
        (format!("/v1/portal/chats/{escapes}/invites"), 400),
        (format!("/v1/portal/{}", "a/".repeat(30_000)), 404),
        (format!("/v1/portal/chats?limit={digits}"), 200),
        (format!("/v1/portal/chats?cursor={digits}"), 400),
        (format!("/v1/portal/chats?{}", "a&".repeat(30_000)), 200),
        (format!("/v1/portal/chats/{digits}{digits}"), 414),
    ] {
        let answer = desk.ask("GET", &path, "");
        wrong.unless(&path, &answer, &[status]);
    }
    // Codes: what is none is no invite, however it is spelt, and nobody learns more.
    for code in [
        "x",
        "CODE%00",
        "%00",
        "CODECODE",
        "..",
        "%2e%2e",
        "CODE%2F",
        "%F0%9F%98%80",
        "CODE%20",
        "*",
        "'%20or%201=1",
        &"a".repeat(60_000),
    ] {
        let code = code.replace("CODE", &desk.code);
        let answer = desk.ask("POST", &format!("/v1/portal/resolve/{code}"), "");
        wrong.unless(&code, &answer, &[400]);
        let path = format!("/v1/portal/chats/{}/invites/{code}/delete", desk.chat);
        wrong.unless(&path, &desk.ask("POST", &path, ""), &[404]);
    }
    assert_eq!(desk.ask("POST", "/v1/portal/resolve/%ff", "").status, 400);
    let upper = desk.code.to_uppercase();
    assert_eq!(desk.ask("POST", &format!("/v1/portal/resolve/{upper}"), "").status, 400);
    // Escapes that need not be any are the same code.
    let escaped: String = desk.code.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(desk.ask("POST", &format!("/v1/portal/resolve/{escaped}"), "").status, 200);
    desk.close();
}

#[test]
fn every_route_has_its_methods_and_no_other() {
    let (desk, mut wrong) = (Desk::open(), Wrong::default());
    let chat = desk.chat;
    for (path, allowed) in [
        ("/v1/portal/session".to_owned(), &["GET", "POST", "DELETE"][..]),
        ("/v1/portal/chats".to_owned(), &["GET", "POST"]),
        (format!("/v1/portal/chats/{chat}"), &["GET"]),
        (format!("/v1/portal/chats/{chat}/invites"), &["GET", "POST"]),
        (format!("/v1/portal/chats/{chat}/invites/x/delete"), &["POST"]),
        ("/v1/portal/resolve/x".to_owned(), &["POST"]),
    ] {
        for verb in ["GET", "POST", "DELETE", "PUT", "PATCH", "TRACE", "BREW", "get", "Post", "M-SEARCH", "G"]
        {
            // Whoever has no session hears of the method first.
            let answer = desk.one(&path, desk.head(verb, &path, "").as_bytes());
            if allowed.contains(&verb) {
                wrong.unless(&format!("{verb} {path}"), &answer, &[401]);
            } else {
                wrong.unless(&format!("{verb} {path}"), &answer, &[405]);
                let head = answer.head.to_lowercase();
                let listed = head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
                assert!(allowed.iter().all(|verb| listed.contains(&verb.to_lowercase())), "{listed}");
            }
        }
        // A browser asks whether it may call: nobody's page may, unless it is ours.
        let asks = desk.ask(
            "OPTIONS",
            &path,
            "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n",
        );
        assert!(!asks.head.to_lowercase().contains("access-control-allow-origin"), "{}", asks.head);
        let answers = desk.send(desk.head("HEAD", &path, &desk.cookie()).as_bytes());
        let [head] = &answers[..] else { panic!("{answers:?}") };
        let is_there = allowed.contains(&"GET");
        assert_eq!((head.status, head.body.as_str()), (if is_there { 200 } else { 405 }, ""));
    }
    for line in [
        "GET v1/portal/chats HTTP/1.1",
        "GET  /v1/portal/chats HTTP/1.1",
        "GET\t/v1/portal/chats\tHTTP/1.1",
        "/v1/portal/chats HTTP/1.1",
        "GET /v1/portal/chats",
        "GET /v1/portal/chats HTTP/9.9",
        "GET /v1/portal/chats HTTP/1.1 x",
        "GET /v1/portal/\u{1} HTTP/1.1",
        "GET /v1/portal/\0 HTTP/1.1",
        "G\u{e9}T /v1/portal/chats HTTP/1.1",
        " GET /v1/portal/chats HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET http:// HTTP/1.1",
        "GET http://[::1/v1/portal/chats HTTP/1.1",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
    ] {
        let answer = desk.one(ANYWHERE, format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
        wrong.unless(line, &answer, &[400]);
    }
    for verb in ["X".repeat(90_000), "X".repeat(200_000)] {
        let answers = desk.send(desk.head(&verb, "/v1/portal/chats", "").as_bytes());
        assert!(answers.iter().all(|answer| [405, 400, 431, 414].contains(&answer.status)), "{answers:?}");
    }
    desk.close();
}

#[test]
fn a_cookie_names_one_session_or_none_whatever_stands_around_it() {
    let (desk, mut wrong) = (Desk::open(), Wrong::default());
    let session = format!("psession={}", desk.owner.secret);
    let many = |pair: &str, count: usize| pair.repeat(count);
    let cases: Vec<(Vec<u8>, u16)> = vec![
        (format!("Cookie: {session}").into(), 200),
        (format!("cookie:{session}").into(), 200),
        (format!("COOKIE: \t {session}  ").into(), 200),
        (format!("Cookie: ;;; ; {session};;;").into(), 200),
        (format!("Cookie: $Version=1; {session}; $Path=/").into(), 200),
        (format!("Cookie: a=b=c; {session}; =; d").into(), 200),
        (format!("Cookie: {session}; {session}").into(), 200),
        (format!("Cookie: {session}\r\nCookie: {session}").into(), 200),
        (format!("Cookie: {}{session}", many("a=b;", 20_000)).into(), 200),
        (format!("{}Cookie: {session}", many("Cookie: a=b\r\n", 80)).into(), 200),
        (format!("{}Cookie: {session}", many("Cookie: psession=x\r\n", 80)).into(), 401),
        ([b"Cookie: n\xe9=\xff; ", session.as_bytes()].concat(), 200),
        ([b"Cookie: \xff\xfe\r\nCookie: ", session.as_bytes()].concat(), 200),
        ([b"Cookie: ", session.as_bytes(), b"\xff"].concat(), 401),
        (format!("Cookie: {session}; psession=").into(), 401),
        (format!("Cookie: {session}, psession=x").into(), 401),
        (format!("Cookie: \"{session}\"").into(), 401),
        (format!("Cookie: {}", session.to_uppercase()).into(), 401),
        (format!("Cookie: psession=\"{}\"", desk.owner.secret).into(), 401),
        (format!("Cookie: psession ={}", desk.owner.secret).into(), 401),
        (format!("Cookie: psession= {}x", desk.owner.secret).into(), 401),
        (format!("Cookie: {}psession=x", many("psession=x;", 5_000)).into(), 401),
        (format!("X-Cookie: {session}").into(), 401),
        ("Cookie:".into(), 401),
        ("Cookie: psession".into(), 401),
        ("Cookie: psession=".into(), 401),
        ("Cookie: =".into(), 401),
        (format!("Cookie: psession={}", many("a", 90_000)).into(), 401),
        (format!("Cookie: psession={}", many("a", 150_000)).into(), 431),
        (format!("Cookie: {}", many("a=b;", 50_000)).into(), 431),
        (many("Cookie: a=b\r\n", 2_000).trim_end().into(), 431),
        (format!("Cookie: {session}\0").into(), 400),
        (format!("Cookie: \0{session}").into(), 400),
        (format!("Cookie: a\u{1}b; {session}").into(), 400),
        (format!("Cookie: a=b\rc; {session}").into(), 400),
        (format!("Cookie: a=b;\r\n {session}").into(), 400),
        (format!("Cookie : {session}").into(), 400),
        (format!("Coo kie: {session}").into(), 400),
        (format!(": {session}").into(), 400),
        (session.clone().into(), 400),
    ];
    for (lines, status) in cases {
        let head = b"GET /v1/portal/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let answer = desk.one("/v1/portal/session", &[head, &lines[..], b"\r\n\r\n"].concat());
        let shown = String::from_utf8_lossy(&lines[..lines.len().min(60)]).into_owned();
        wrong.unless(&shown, &answer, &[status]);
    }
    desk.close();
}

#[test]
fn a_host_is_nobodys_business_and_a_uri_may_be_whole() {
    let (desk, mut wrong) = (Desk::open(), Wrong::default());
    for (line, lines, status) in [
        ("GET /v1/portal/session HTTP/1.1", "", 200),
        ("GET /v1/portal/session HTTP/1.0", "", 200),
        ("GET /v1/portal/session HTTP/1.1", "Host:\r\n", 200),
        ("GET /v1/portal/session HTTP/1.1", "Host: evil.example\r\n", 200),
        ("GET /v1/portal/session HTTP/1.1", "Host: a\r\nHost: b\r\n", 200),
        ("GET /v1/portal/session HTTP/1.1", "Host: [::1]:99999\r\n", 200),
        ("GET /v1/portal/session HTTP/1.1", "Host: \u{e9} \" < >\r\n", 200),
        ("GET http://evil.example/v1/portal/session HTTP/1.1", "Host: x\r\n", 200),
        ("GET https://u:p@evil.example:1/v1/portal/session?x HTTP/1.1", "Host: x\r\n", 200),
        ("GET http://evil.example:99999999/v1/portal/session HTTP/1.1", "", 200),
        ("GET http://evil.example/v1/portal/none HTTP/1.1", "Host: x\r\n", 404),
        ("GET http://evil.example HTTP/1.1", "Host: x\r\n", 404),
        ("DELETE http://evil.example/v1/portal/session HTTP/1.1", "Origin: http://evil.example\r\n", 403),
        ("DELETE /v1/portal/session HTTP/1.1", "Origin: http://evil.example\r\nHost: evil.example\r\n", 403),
        ("DELETE /v1/portal/session HTTP/1.1", "Sec-Fetch-Site: cross-site\r\n", 403),
        ("DELETE /v1/portal/session HTTP/1.1", "Origin: null\r\n", 403),
        ("DELETE /v1/portal/session HTTP/1.1", "Origin: \u{e9}\r\n", 403),
        ("POST /v1/portal/session HTTP/1.1", "X-HTTP-Method-Override: DELETE\r\n", 401),
        ("OPTIONS * HTTP/1.1", "", 200),
        ("GET * HTTP/1.1", "", 404),
        ("CONNECT evil.example:443 HTTP/1.1", "", 404),
    ] {
        let request = format!("{line}\r\nConnection: close\r\n{}{lines}\r\n", desk.cookie());
        let target = line.split(' ').nth(1).unwrap();
        let target = target.find("/v1/").map_or(target, |at| &target[at..]);
        let answer = desk.one(target, request.as_bytes());
        wrong.unless(&format!("{line} {lines}"), &answer, &[status]);
    }
    desk.close();
}

#[test]
fn whoever_hangs_up_leaves_nothing_behind() {
    let desk = Desk::open();
    let whole = format!(
        "{}{{\"name\": \"gone\"}}",
        desk.head(
            "POST",
            "/v1/portal/chats",
            &format!("{}Content-Type: application/json\r\nContent-Length: 16\r\n", desk.cookie())
        )
    );
    // What is not whole was not asked for.
    for end in (1..whole.len()).step_by(7) {
        let mut stream = desk.connect();
        stream.write_all(&whole.as_bytes()[..end]).unwrap();
        hang_up(stream);
    }
    let made = desk.owner.get("/chats").done();
    assert_eq!(made["chats"].as_array().unwrap().len(), 1, "{made}");
    for _ in 0..50 {
        let mut stream = desk.connect();
        stream.write_all(whole.as_bytes()).unwrap();
        hang_up(stream);
    }
    // What is whole is done or not, and is counted like all else.
    let made = desk.owner.get("/chats?limit=100").done();
    assert!((1..=51).contains(&made["chats"].as_array().unwrap().len()), "{made}");
    desk.close();
}
