//! A name server on loopback that answers what it is told, for names that no other knows.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

const TXT: u16 = 16;
const A: u16 = 1;

/// Starts a name server: `txt` gives the text of a name, and `localhost` has its usual address.
pub(crate) fn name_server(txt: impl Fn(&str) -> Option<String> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut query = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length], &txt) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

fn answer(query: &[u8], txt: &impl Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while *query.get(at)? > 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8(query.get(at + 1..end)?.to_vec()).ok()?);
        at = end;
    }
    let kind = u16::from_be_bytes(query.get(at + 1..at + 3)?.try_into().ok()?);
    let data = match (kind, labels.join(".").as_str()) {
        (A, "localhost") => Some(Ipv4Addr::LOCALHOST.octets().to_vec()),
        (TXT, name) => txt(name).map(|text| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()),
        _ => None,
    };
    // Standard, recursion available, no error; one question, and an answer where there is one.
    let mut answer = [&query[..2], &[0x81, 0x80, 0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]].concat();
    answer.extend(&query[12..at + 5]);
    if let Some(data) = data {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 0]);
        answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}
