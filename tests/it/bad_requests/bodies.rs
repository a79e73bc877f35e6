//! Bodies that are huge, slow, cut, in pieces, or no JSON.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{Desk, Wrong, answers, assert_shape};

const CHATS: &str = "/v1/portal/chats";

impl Desk {
    /// The head of a call that makes a chat.
    fn making(&self, lines: &str) -> String {
        self.head("POST", CHATS, &format!("{}Content-Type: application/json\r\n{lines}", self.cookie()))
    }

    fn with_body(&self, body: &[u8]) -> Vec<u8> {
        [self.making(&format!("Content-Length: {}\r\n", body.len())).as_bytes(), body].concat()
    }

    /// The same in pieces, as they are given.
    fn in_pieces(&self, pieces: &[u8]) -> Vec<u8> {
        [self.making("Transfer-Encoding: chunked\r\n").as_bytes(), pieces].concat()
    }
}

/// A body as one piece, with its end.
fn piece(body: &[u8]) -> Vec<u8> {
    if body.is_empty() {
        return b"0\r\n\r\n".to_vec();
    }
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

#[test]
fn a_body_is_an_object_of_json_or_is_refused() {
    let (desk, mut wrong) = (Desk::open(), Wrong::default());
    let name = |text: &str| format!("{{\"name\":\"{text}\"}}").into_bytes();
    let (open, close) = ("[".repeat(20_000), "]".repeat(20_000));
    for (body, status) in [
        (name("Tea"), 200),
        (name(&"é".repeat(64)), 200),
        (name("\\ud83d\\ude00"), 200),
        (b"{\"name\":\"Tea\",\"more\":[1e9,{}]}".to_vec(), 200),
        (b" \r\n\t{\"name\":\"Tea\"} ".to_vec(), 200),
        (b"{\"name\":\"\",\"name\":\"Tea\"}".to_vec(), 200),
        (name(&"é".repeat(65)), 400),
        (name(""), 400),
        (name("   "), 400),
        (name("a\\u0000b"), 400),
        (name("a\\nb"), 400),
        (name("a\\u009bb"), 400),
        (name("\\ud83d"), 400),
        (name("\u{0}"), 400),
        (b"{\"name\":\"\xff\"}".to_vec(), 400),
        (b"{\"name\":null}".to_vec(), 400),
        (b"{\"name\":1}".to_vec(), 400),
        (b"{\"name\":[\"Tea\"]}".to_vec(), 400),
        (b"{\"name\":\"Tea\",\"visibility\":\"secret\"}".to_vec(), 400),
        (b"{\"name\":\"Tea\",\"visibility\":[]}".to_vec(), 400),
        (b"{\"name\":\"Tea\",\"x\":1e999}".to_vec(), 400),
        (b"{\"name\":\"Tea\",}".to_vec(), 400),
        (b"{name:\"Tea\"}".to_vec(), 400),
        (b"{\"name\":\"Tea\"".to_vec(), 400),
        (b"{\"name\":\"Tea\"}{}".to_vec(), 400),
        (b"{\"name\":\"Tea\"}\0".to_vec(), 400),
        (b"\xef\xbb\xbf{\"name\":\"Tea\"}".to_vec(), 400),
        (b"\xff\xfe{\0}\0".to_vec(), 400),
        (b"name=Tea".to_vec(), 400),
        (b"null".to_vec(), 400),
        (b"[]".to_vec(), 400),
        (b"\"name\"".to_vec(), 400),
        (b"".to_vec(), 400),
        (b" ".to_vec(), 400),
        (vec![0; 1000], 400),
        (format!("{{\"name\":\"Tea\",\"x\":{open}{close}}}").into_bytes(), 400),
        (open.into_bytes(), 400),
        (b"{\"a\":".repeat(10_000), 400),
        (name(&"a".repeat(64 * 1024 - 11)), 400),
        (name(&"a".repeat(64 * 1024)), 413),
        (vec![b'a'; 5_000_000], 413),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = desk.one(CHATS, &desk.with_body(&body));
        wrong.unless(&shown, &answer, &[status]);
        // In pieces it is the same.
        let answer = desk.one(CHATS, &desk.in_pieces(&piece(&body)));
        wrong.unless(&format!("{shown} in pieces"), &answer, &[status]);
    }
    for kind in
        ["text/plain", "application/jsonx", "multipart/form-data", "application/x-www-form-urlencoded", ""]
    {
        let head = desk.head(
            "POST",
            CHATS,
            &format!("{}Content-Type: {kind}\r\nContent-Length: 14\r\n", desk.cookie()),
        );
        assert_eq!(desk.one(CHATS, format!("{head}{{\"name\":\"Tea\"}}").as_bytes()).status, 400, "{kind}");
    }
    desk.close();
}

#[test]
fn what_says_how_long_a_body_is_is_believed_or_refused() {
    let (desk, mut wrong) = (Desk::open(), Wrong::default());
    let body = "{\"name\":\"Tea\"}";
    let one_by_one: String = body.chars().map(|letter| format!("1\r\n{letter}\r\n")).collect();
    for (lines, sent, statuses) in [
        ("Transfer-Encoding: chunked", format!("e\r\n{body}\r\n0\r\n\r\n"), &[200][..]),
        ("Transfer-Encoding: CHUNKED", format!("E;x=\"y\"\r\n{body}\r\n0\r\nX: y\r\n\r\n"), &[200]),
        ("Transfer-Encoding: chunked", format!("{one_by_one}0\r\n\r\n"), &[200]),
        ("Transfer-Encoding: chunked", format!("0000000e\r\n{body}\r\n0\r\n\r\n"), &[200, 400]),
        ("Transfer-Encoding: chunked", "0\r\n\r\n".to_owned(), &[400]),
        ("Transfer-Encoding: chunked", format!("zz\r\n{body}\r\n0\r\n\r\n"), &[400]),
        ("Transfer-Encoding: chunked", format!("-1\r\n{body}\r\n0\r\n\r\n"), &[400]),
        ("Transfer-Encoding: chunked", format!("ffffffffffffffff\r\n{}", "a".repeat(100_000)), &[400, 413]),
        ("Transfer-Encoding: chunked", format!("fffffffffffffffff\r\n{body}\r\n"), &[400, 413]),
        ("Transfer-Encoding: chunked", format!("7fffffffffffffff\r\n{}", "a".repeat(100_000)), &[400, 413]),
        ("Transfer-Encoding: chunked", format!("3\r\n{body}\r\n0\r\n\r\n"), &[400]),
        ("Transfer-Encoding: chunked", format!("e;{}\r\n{body}\r\n0\r\n\r\n", "x".repeat(20_000)), &[400]),
        (
            "Transfer-Encoding: chunked",
            "400\r\n".to_owned()
                + &"a".repeat(1024)
                + "\r\n"
                + &("400\r\n".to_owned() + &"a".repeat(1024) + "\r\n").repeat(100),
            &[413],
        ),
        ("Transfer-Encoding: gzip", body.to_owned(), &[400]),
        ("Transfer-Encoding: gzip, chunked", format!("e\r\n{body}\r\n0\r\n\r\n"), &[200, 400]),
        ("Transfer-Encoding: chunked, gzip", body.to_owned(), &[400]),
        ("Content-Length: 14", body.to_owned(), &[200]),
        ("Content-Length: 14\r\nContent-Length: 14", body.to_owned(), &[200, 400]),
        ("Content-Length: 14, 14", body.to_owned(), &[200, 400]),
        ("Content-Length: 14\r\nContent-Length: 13", body.to_owned(), &[400]),
        ("Content-Length: -14", body.to_owned(), &[400]),
        ("Content-Length: +14", body.to_owned(), &[400]),
        ("Content-Length: 0x0e", body.to_owned(), &[400]),
        ("Content-Length: 14.0", body.to_owned(), &[400]),
        ("Content-Length:", body.to_owned(), &[400]),
        ("Content-Length: 18446744073709551616", body.to_owned(), &[400]),
        ("Content-Length: 18446744073709551615", body.to_owned(), &[413, 431]),
        ("Content-Length: 10000000000", body.to_owned(), &[413]),
        ("Content-Length: 14\r\nExpect: 100-continue", body.to_owned(), &[200]),
        ("Content-Length: 14\r\nExpect: 200-ok", body.to_owned(), &[200, 417]),
        ("Content-Length: 14\r\nContent-Encoding: gzip", body.to_owned(), &[200, 400]),
        ("Content-Length: 14\r\nUpgrade: h2c\r\nConnection: upgrade", body.to_owned(), &[200]),
        ("Content-Length: 3", body.to_owned(), &[400]),
    ] {
        let answer = desk.one(CHATS, format!("{}{sent}", desk.making(&format!("{lines}\r\n"))).as_bytes());
        wrong.unless(&format!("{lines:?} {}", &sent[..sent.len().min(40)]), &answer, statuses);
    }
    desk.close();
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let desk = Desk::open();
    // Where a body means nothing nobody waits for it, and it is not taken for a request.
    for target in ["/v1/portal/resolve/x", "/v1/portal/chats/1/invites/x/delete", "/v1/portal/none", CHATS] {
        let begun = Instant::now();
        let lines = if target == CHATS { String::new() } else { desk.cookie() };
        let head =
            desk.head("POST", target, &format!("{lines}Content-Length: 1000\r\nExpect: 100-continue\r\n"));
        let answer = desk.one(target, head.as_bytes());
        assert!([400, 401, 404].contains(&answer.status), "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{target}: {:?}", begun.elapsed());
    }
    // Some begin to send, others send a letter at times. Meanwhile all others are answered.
    let begun = Instant::now();
    let head = desk.making("Content-Length: 14\r\n");
    let mut slow: Vec<_> = (0..40)
        .map(|number| {
            let mut stream = desk.connect();
            let pieces = if number % 2 == 0 { head.clone() } else { format!("{head}{{\"na") };
            stream.write_all(pieces.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..5 {
        slow[0].write_all(b" ").unwrap();
        desk.is_well();
        std::thread::sleep(Duration::from_millis(50));
    }
    for mut stream in slow {
        let answers = answers(&mut stream);
        let [answer] = &answers[..] else { panic!("{answers:?}") };
        assert_shape(CHATS, answer);
        assert_eq!(answer.status, 408);
        assert_eq!(answer.json()["error"], "the body of the request did not come in time");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    desk.close();
}
