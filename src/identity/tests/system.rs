//! The real network's names, asked of a name server on this machine.

use std::net::SocketAddr;

use tokio::net::UdpSocket;

use crate::net::{Network, System};

const TXT: u16 = 16;
const A: u16 = 1;

/// A name server that knows `known.host.com`: one text in two pieces, one address.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1_500];
        loop {
            let (length, asker) = socket.recv_from(&mut buffer).await.unwrap();
            socket.send_to(&answer(&buffer[..length]), asker).await.unwrap();
        }
    });
    address
}

fn answer(query: &[u8]) -> Vec<u8> {
    let name_end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let question = &query[12..name_end + 4];
    let kind = u16::from_be_bytes([query[name_end], query[name_end + 1]]);
    let data = match kind {
        TXT => Some(b"\x04did=\x0ddid:web:known".to_vec()),
        A => Some(vec![93, 184, 0, 1]),
        _ => None,
    };
    let is_known = question.windows(5).any(|part| part == b"known");
    let data = data.filter(|_| is_known);
    // An answer that is authoritative; that there is no such name; how many of each section.
    let code = if is_known { 0x80 } else { 0x83 };
    let mut bytes =
        [&query[..2], &[0x85, code, 0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0], question].concat();
    if let Some(data) = data {
        bytes.extend([0xc0, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
        bytes.extend(data);
    }
    bytes
}

#[tokio::test]
async fn names_are_asked_of_the_configured_server_and_none_is_an_answer() {
    let system = System::new(vec![name_server().await]);
    assert_eq!(system.texts("_atproto.known.host.com").await.unwrap(), ["did=did:web:known"]);
    assert_eq!(
        system.addresses("known.host.com").await.unwrap(),
        ["93.184.0.1".parse::<std::net::IpAddr>().unwrap()]
    );
    assert!(system.texts("_atproto.nobody.host.com").await.unwrap().is_empty());
    assert!(system.addresses("nobody.host.com").await.unwrap().is_empty());
    assert!(system.addresses("localhost").await.unwrap().iter().all(std::net::IpAddr::is_loopback));
}
