//! Where a host that anybody may name can lead us: to public addresses, through TLS, at the usual port.
//!
//! A DID or a handle is a stranger's word, and so is every redirect: without this our own network could be asked
//! through us. Names are checked by the addresses that they lead to, all of them, and the connection goes to one of
//! the addresses that were checked. Spec: PROTOCOL §14.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::Origin;
use crate::syntax::Handle;

/// The names that never lead to anything (PROTOCOL §6.2); `.test` does in a network of one's own.
const RESERVED: [&str; 8] = ["alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion"];
const RESERVED_OUTSIDE_TESTS: &str = "test";

/// A place where we do not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// One of its addresses is not public.
    #[error("the name leads into a private network")]
    Private,
    /// It is an address, or a name that no host in public has.
    #[error("an address, or a name that is not public")]
    NoName,
    /// It has a port of its own.
    #[error("another port than that of HTTPS")]
    Port,
    /// It is not reached through TLS.
    #[error("not through TLS")]
    Plain,
    /// The name has no address.
    #[error("the name has no address")]
    Nowhere,
}

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    /// Private networks too, for tests.
    pub(super) private: bool,
}

impl Guard {
    /// Whether a host may be asked at all, before its name is looked up.
    pub(super) fn admit(self, origin: &Origin) -> Result<(), Forbidden> {
        if self.private {
            // Without TLS only within this machine.
            return if origin.is_tls() || origin.host() == "localhost" {
                Ok(())
            } else {
                Err(Forbidden::Plain)
            };
        }
        if !origin.is_tls() {
            Err(Forbidden::Plain)
        } else if origin.port() != 443 {
            Err(Forbidden::Port)
        } else if !Handle::is_valid(origin.host()) || self.is_reserved(origin.host()) {
            // Not an address in any spelling, and not a neighbour: several labels, the last of which has a letter first.
            Err(Forbidden::NoName)
        } else {
            Ok(())
        }
    }

    /// Whether a name may be followed to its addresses. One private address among public ones forbids them all: who
    /// mixes them has nothing good in mind, and which of them is tried first is not ours to choose.
    pub(super) fn check(self, addresses: &[IpAddr]) -> Result<(), Forbidden> {
        if addresses.is_empty() {
            return Err(Forbidden::Nowhere);
        }
        let allowed = self.private || addresses.iter().all(|address| is_public(*address));
        if allowed { Ok(()) } else { Err(Forbidden::Private) }
    }

    /// Whether a name ends in one that leads nowhere by definition.
    pub(super) fn is_reserved(self, name: &str) -> bool {
        let top = name.rsplit('.').next().unwrap_or_default();
        let is = |reserved: &str| top.eq_ignore_ascii_case(reserved);
        RESERVED.into_iter().any(is) || !self.private && is(RESERVED_OUTSIDE_TESTS)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = match (first, second, third) {
        // This network, multicast, what is reserved, broadcast.
        (0 | 224..=255, _, _) => true,
        // Carriers' own (100.64/10).
        (100, 64..=127, _) => true,
        // Protocols' own (192.0.0/24), the relays of 6to4 (192.88.99/24), benchmarks (198.18/15).
        (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) => true,
        _ => false,
    };
    !(special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        // Unspecified, loopback, IPv4-compatible; mapped and translated forms: no host has such an address of its own.
        (0, 0, 0, 0, _, _) => false,
        // NAT64: the IPv4 address behind it counts. Its local form is a network's own.
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        // 6to4: so here.
        (0x2002, high, low, ..) => v4(high, low),
        // Teredo and other protocols' own (2001::/23), documentation (2001:db8::/32, 3fff::/20).
        (0x2001, 0..=0x1ff | 0xdb8, ..) | (0x3fff, 0..=0xfff, ..) => false,
        // Everything that is given out to hosts is in 2000::/3: not unique-local, link-local, site-local, multicast.
        (0x2000..=0x3fff, ..) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Forbidden, Guard, is_public};
    use crate::net::Origin;

    const STRICT: Guard = Guard { private: false };
    const OPEN: Guard = Guard { private: true };

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_that_are_not_everybodys_are_told_from_those_that_are() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn one_private_address_forbids_the_others() {
        assert_eq!(STRICT.check(&addresses(&["1.1.1.1", "2606:4700::1"])), Ok(()));
        assert_eq!(STRICT.check(&addresses(&["1.1.1.1", "10.0.0.1"])), Err(Forbidden::Private));
        assert_eq!(STRICT.check(&[]), Err(Forbidden::Nowhere));
        assert_eq!(OPEN.check(&addresses(&["1.1.1.1", "10.0.0.1"])), Ok(()));
        assert_eq!(OPEN.check(&[]), Err(Forbidden::Nowhere));
    }

    #[test]
    fn a_host_is_a_name_behind_tls_at_the_usual_port() {
        for (url, strict, open) in [
            ("https://host.com", Ok(()), Ok(())),
            ("https://host.com:8443", Err(Forbidden::Port), Ok(())),
            ("http://host.com:443", Err(Forbidden::Plain), Err(Forbidden::Plain)),
            ("http://localhost:24100", Err(Forbidden::Plain), Ok(())),
            ("http://127.0.0.1", Err(Forbidden::Plain), Err(Forbidden::Plain)),
            ("https://127.0.0.1", Err(Forbidden::NoName), Ok(())),
            ("https://8.8.8.8", Err(Forbidden::NoName), Ok(())),
            ("https://[::1]", Err(Forbidden::NoName), Ok(())),
            ("https://0x7f000001", Err(Forbidden::NoName), Ok(())),
            ("https://2130706433", Err(Forbidden::NoName), Ok(())),
            ("https://127.1.", Err(Forbidden::NoName), Ok(())),
            ("https://localhost.", Err(Forbidden::NoName), Ok(())),
            ("https://intranet", Err(Forbidden::NoName), Ok(())),
            ("https://metadata.internal", Err(Forbidden::NoName), Ok(())),
        ] {
            let origin = Origin::parse(url).unwrap();
            assert_eq!((STRICT.admit(&origin), OPEN.admit(&origin)), (strict, open), "{url}");
        }
    }

    #[test]
    fn reserved_names_lead_nowhere() {
        for name in [
            "a.alt",
            "a.arpa",
            "a.example",
            "a.internal",
            "a.invalid",
            "a.local",
            "localhost",
            "a.onion",
            "A.LOCAL",
        ] {
            assert!(STRICT.is_reserved(name) && OPEN.is_reserved(name), "{name}");
        }
        assert!(STRICT.is_reserved("a.test") && !OPEN.is_reserved("a.test"));
        assert!(!STRICT.is_reserved("local.host.com") && !STRICT.is_reserved("a.examples"));
    }
}
