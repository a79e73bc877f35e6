//! Requests one after the other without waiting, and requests inside of others.

use super::{Desk, assert_shape};

impl Desk {
    /// A request after which the connection goes on.
    fn going_on(&self, verb: &str, target: &str, lines: &str, body: &str) -> String {
        let length = format!("Content-Length: {}\r\n", body.len());
        format!("{verb} {target} HTTP/1.1\r\nHost: x\r\n{}{lines}{length}\r\n{body}", self.cookie())
    }

    /// Sends these and one that is the last, and asserts what each is answered.
    #[track_caller]
    fn run(&self, requests: &[(String, u16)]) {
        let last = self.head("GET", "/v1/portal/session", &self.cookie());
        let all: String =
            requests.iter().map(|(request, _)| request.as_str()).chain([last.as_str()]).collect();
        let answers = self.send(all.as_bytes());
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        let expected: Vec<_> = requests.iter().map(|(_, status)| *status).chain([200]).collect();
        assert_eq!(statuses, expected, "{:?}", answers.last());
        for (answer, (request, _)) in answers.iter().zip(requests) {
            assert_shape(request.split(' ').nth(1).unwrap(), answer);
        }
    }
}

#[test]
fn requests_that_do_not_wait_are_answered_in_their_order() {
    let desk = Desk::open();
    let json = "Content-Type: application/json\r\n";
    let one_of_each = || {
        vec![
            (desk.going_on("GET", "/v1/portal/session", "", ""), 200),
            (desk.going_on("GET", "/v1/portal/none", "", ""), 404),
            (desk.going_on("POST", "/v1/portal/chats", json, "{\"name\":1}"), 400),
            (desk.going_on("PUT", "/v1/portal/chats", json, "{\"name\":\"x\"}"), 405),
            (desk.going_on("GET", "/v1/portal/chats", "", ""), 200),
            (desk.going_on("POST", "/v1/portal/resolve/x", "", ""), 400),
            (desk.going_on("GET", "/xrpc/_health", "", ""), 200),
            (desk.going_on("DELETE", "/v1/portal/session", "Origin: https://evil.example\r\n", ""), 403),
            (desk.going_on("GET", "/v1/portal/session", "Cookie: psession=other\r\n", ""), 401),
        ]
    };
    desk.run(&(0..20).flat_map(|_| one_of_each()).collect::<Vec<_>>());
    desk.close();
}

#[test]
fn a_body_is_never_taken_for_a_request() {
    let desk = Desk::open();
    // What would log out, if it were one.
    let inner = desk.going_on("DELETE", "/v1/portal/session", "", "");
    let json = "Content-Type: application/json\r\n";
    for (verb, target, status) in [
        ("POST", "/v1/portal/resolve/x", 400),
        ("POST", "/v1/portal/none", 404),
        ("POST", "/v1/portal/chats", 400),
        ("PUT", "/v1/portal/chats", 405),
        ("GET", "/v1/portal/chats", 200),
        ("GET", "/v1/portal/session", 200),
        ("POST", "/xrpc/none", 501),
        ("POST", "/none", 404),
    ] {
        for times in [1, 100] {
            let request = desk.going_on(verb, target, json, &inner.repeat(times));
            let all = format!("{request}{}", desk.head("GET", "/v1/portal/session", &desk.cookie()));
            let answers = desk.send(all.as_bytes());
            assert_eq!(answers[0].status, status, "{verb} {target}: {answers:?}");
            // A service that did not want the body may close, and not hear of what comes after it.
            assert!(answers.len() <= 2 && answers.last().unwrap().status < 500, "{answers:?}");
            assert!(answers.get(1).is_none_or(|answer| answer.status == 200), "{answers:?}");
            desk.is_well();
        }
    }
    // Two lengths, of which a proxy may believe the other one.
    let pieces = "0\r\n\r\n";
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n",
        "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding:\u{b}chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\n Content-Length: 500\r\n",
    ] {
        let head =
            format!("POST /v1/portal/chats HTTP/1.1\r\nHost: x\r\n{}{lines}\r\n{pieces}", desk.cookie());
        let all = format!("{head}{}", desk.head("GET", "/v1/portal/none", ""));
        let answers = desk.send(all.as_bytes());
        assert!((1..=2).contains(&answers.len()), "{lines:?}: {answers:?}");
        assert!(answers.iter().all(|answer| [400, 404].contains(&answer.status)), "{lines:?}: {answers:?}");
        desk.is_well();
    }
    desk.close();
}
