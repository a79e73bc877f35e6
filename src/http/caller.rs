//! Who is calling: the address, the proxies in between, and the id by which one request is found again.
//!
//! What a proxy says in headers is believed only from the addresses that the operator trusts; anybody else
//! could write anything there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Who a request is from, as proxies write it down: each adds whom it got the request from.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header that carries the id of a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes of an id that a proxy gave: a UUID has 36.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// An address, or all those of a network, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses(IpNet);

/// The text is neither an address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an address nor a network such as 10.0.0.0/8")]
pub struct NoAddresses;

impl Addresses {
    /// Whether an address is among them.
    fn contain(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Addresses {
    type Err = NoAddresses;

    fn from_str(text: &str) -> Result<Self, NoAddresses> {
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or_else(|_| alone()).map(Self).map_err(|_| NoAddresses)
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            return self.0.addr().fmt(f);
        }
        self.0.fmt(f)
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| D::Error::custom(format!("{text:?} is {error}")))
    }
}

/// The other end of the connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// What it says of others is believed.
    pub(super) is_trusted: bool,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, trusted: &[Addresses]) -> Self {
        // Over a socket for both families an IPv4 address comes in another form.
        let address = address.ip().to_canonical();
        Self { address, is_trusted: is_trusted(address, trusted) }
    }

    /// Who the request is from: the last address that no trusted proxy has, else the peer itself.
    pub(super) fn client(&self, headers: &HeaderMap, trusted: &[Addresses]) -> IpAddr {
        let mut client = self.address;
        if !self.is_trusted {
            return client;
        }
        let lists: Vec<_> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::to_str).collect();
        for list in lists.into_iter().rev() {
            // Whatever stands left of something that is no address was not written by a proxy that we know.
            let Ok(list) = list else { return client };
            for address in list.rsplit(',') {
                let Ok(address) = address.trim().parse::<IpAddr>() else { return client };
                client = address.to_canonical();
                if !is_trusted(client, trusted) {
                    return client;
                }
            }
        }
        client
    }

    /// The id that a trusted proxy gave the request.
    pub(super) fn request_id(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let id = headers.get(REQUEST_ID).filter(|_| self.is_trusted)?;
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        let is_id = (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(is_plain);
        is_id.then(|| id.clone())
    }
}

fn is_trusted(address: IpAddr, trusted: &[Addresses]) -> bool {
    trusted.iter().any(|addresses| addresses.contain(address))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::{HeaderMap, HeaderName};

    use super::{Addresses, FORWARDED_FOR, Peer, REQUEST_ID};

    fn trusted() -> Vec<Addresses> {
        ["127.0.0.1", "10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap()).to_vec()
    }

    fn peer(address: &str) -> Peer {
        let address: IpAddr = address.parse().unwrap();
        Peer::new((address, 1).into(), &trusted())
    }

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn addresses_are_one_or_a_network() {
        for text in ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Addresses>().unwrap().to_string(), text);
        }
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0/8", "127.0.0.1:80", "10.0.0.0/-1", " ::1"] {
            assert!(text.parse::<Addresses>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let cases: [(&str, &[&str], &str); 10] = [
            ("192.0.2.1", &["198.51.100.9"], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.9"], "198.51.100.9"),
            ("::ffff:127.0.0.1", &["198.51.100.9"], "198.51.100.9"),
            // A client writes what it likes; its own address is what the proxy appends.
            ("127.0.0.1", &["203.0.113.5, 198.51.100.9"], "198.51.100.9"),
            ("127.0.0.1", &["203.0.113.5, 198.51.100.9, 10.1.2.3"], "198.51.100.9"),
            ("127.0.0.1", &["203.0.113.5", "198.51.100.9", "10.1.2.3"], "198.51.100.9"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            ("127.0.0.1", &["unknown, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &["10.1.2.3"], "10.1.2.3"),
        ];
        for (from, lists, client) in cases {
            let lines: Vec<_> = lists.iter().map(|list| (FORWARDED_FOR, *list)).collect();
            let found = peer(from).client(&headers(&lines), &trusted());
            assert_eq!(found.to_string(), client, "{from} {lists:?}");
        }
    }

    #[test]
    fn an_id_is_taken_from_a_trusted_proxy_if_it_is_one() {
        let long = "x".repeat(129);
        for (from, id, is_taken) in [
            ("127.0.0.1", "7f3e0a52-1111-4222-8333-444455556666", true),
            ("192.0.2.1", "7f3e0a52", false),
            ("127.0.0.1", "", false),
            ("127.0.0.1", "a b", false),
            ("127.0.0.1", "<script>", false),
            ("127.0.0.1", &long, false),
            ("127.0.0.1", &long[..128], true),
        ] {
            let found = peer(from).request_id(&headers(&[(REQUEST_ID, id)]));
            assert_eq!(found.is_some(), is_taken, "{from} {id}");
        }
    }
}
